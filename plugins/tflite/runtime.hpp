// TensorFlow Lite's own library, where this machine has one: found at run time, never linked. The functions are those of its C API
// (c_api.h), which is stable across versions; declared here with plain types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace lathe::tflite {

struct RuntimeModel;
struct RuntimeOptions;
struct RuntimeInterpreter;
struct RuntimeTensor;
struct RuntimeDelegate;

// How XNNPACK is asked for: threads, flags, and zeros for what later versions have there.
struct XnnpackOptions {
  int32_t threads = 1;
  uint32_t flags = 3;  // operators on signed (1) and unsigned (2) 8-bit integers too
  uint64_t later[14] = {};
};

struct Runtime {
  const char* (*version)();
  RuntimeModel* (*model_create_from_file)(const char*);
  void (*model_delete)(RuntimeModel*);
  RuntimeOptions* (*options_create)();
  void (*options_delete)(RuntimeOptions*);
  void (*options_set_threads)(RuntimeOptions*, int32_t);
  void (*options_set_error_reporter)(RuntimeOptions*, void (*)(void*, const char*, __builtin_va_list), void*);
  RuntimeInterpreter* (*interpreter_create)(const RuntimeModel*, const RuntimeOptions*);
  void (*interpreter_delete)(RuntimeInterpreter*);
  int32_t (*input_count)(const RuntimeInterpreter*);
  RuntimeTensor* (*input)(const RuntimeInterpreter*, int32_t);
  int32_t (*resize_input)(RuntimeInterpreter*, int32_t, const int*, int32_t);
  int32_t (*allocate)(RuntimeInterpreter*);
  int32_t (*invoke)(RuntimeInterpreter*);
  int32_t (*output_count)(const RuntimeInterpreter*);
  const RuntimeTensor* (*output)(const RuntimeInterpreter*, int32_t);
  int32_t (*tensor_type)(const RuntimeTensor*);
  int32_t (*tensor_rank)(const RuntimeTensor*);
  int32_t (*tensor_extent)(const RuntimeTensor*, int32_t);
  size_t (*tensor_bytes)(const RuntimeTensor*);
  void* (*tensor_data)(const RuntimeTensor*);
  const char* (*tensor_name)(const RuntimeTensor*);
  // Null where the library was built without XNNPACK.
  RuntimeDelegate* (*xnnpack_create)(const XnnpackOptions*);
  void (*xnnpack_delete)(RuntimeDelegate*);
  void (*options_add_delegate)(RuntimeOptions*, RuntimeDelegate*);
};

// The library named by LATHE_TFLITE_LIBRARY, else libtensorflowlite_c.so where the loader looks. Null where there is none; `why` says so.
const Runtime* find_runtime(std::string& why);

}  // namespace lathe::tflite
