// OpenVINO's C API, found when the program runs.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe::openvino {

// The functions that are used, with the signatures of openvino/c/openvino.h. Objects are opaque; 0 is success.
struct Runtime {
  struct Shape {
    int64_t rank;
    int64_t* dims;
  };
  int (*core_create)(void** core);
  void (*core_free)(void* core);
  int (*compile_from_file)(const void* core, const char* path, const char* device, size_t property_arguments, void** compiled, ...);
  void (*compiled_free)(void* compiled);
  int (*create_request)(const void* compiled, void** request);
  void (*request_free)(void* request);
  int (*input_tensor)(const void* request, size_t index, void** tensor);
  int (*output_tensor)(const void* request, size_t index, void** tensor);
  int (*infer)(void* request);
  void (*tensor_free)(void* tensor);
  int (*tensor_shape)(const void* tensor, Shape* shape);
  int (*tensor_set_shape)(void* tensor, Shape shape);
  int (*tensor_bytes)(const void* tensor, size_t* bytes);
  int (*tensor_data)(const void* tensor, void** data);
  int (*shape_free)(Shape* shape);
  const char* (*last_error)();  // may be null: older releases have none
};

// nullptr: it is not installed. Looks for libopenvino_c.so where the loader does and below INTEL_OPENVINO_DIR.
const Runtime* find_runtime();

}  // namespace lathe::openvino
