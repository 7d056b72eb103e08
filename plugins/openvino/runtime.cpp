// Loading libopenvino_c.so.
#include "runtime.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

namespace lathe::openvino {
namespace {

void* open_library() {
  for (const char* name : {"libopenvino_c.so", "libopenvino_c.so.2600", "libopenvino_c.so.2500", "libopenvino_c.so.2400"})
    if (void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  // What setupvars.sh of an unpacked archive sets.
  if (const char* root = std::getenv("INTEL_OPENVINO_DIR"))
    for (const char* folder : {"intel64", "aarch64"})
      if (void* library = ::dlopen((std::string(root) + "/runtime/lib/" + folder + "/libopenvino_c.so").c_str(), RTLD_NOW | RTLD_LOCAL))
        return library;
  return nullptr;
}

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

const Runtime* load() {
  void* library = open_library();
  if (!library) return nullptr;
  static Runtime r{};
  const bool all =
      find(library, "ov_core_create", r.core_create) && find(library, "ov_core_free", r.core_free) &&
      find(library, "ov_core_compile_model_from_file", r.compile_from_file) && find(library, "ov_compiled_model_free", r.compiled_free) &&
      find(library, "ov_compiled_model_create_infer_request", r.create_request) && find(library, "ov_infer_request_free", r.request_free) &&
      find(library, "ov_infer_request_get_input_tensor_by_index", r.input_tensor) &&
      find(library, "ov_infer_request_get_output_tensor_by_index", r.output_tensor) && find(library, "ov_infer_request_infer", r.infer) &&
      find(library, "ov_tensor_free", r.tensor_free) && find(library, "ov_tensor_get_shape", r.tensor_shape) &&
      find(library, "ov_tensor_set_shape", r.tensor_set_shape) && find(library, "ov_tensor_get_byte_size", r.tensor_bytes) &&
      find(library, "ov_tensor_data", r.tensor_data) && find(library, "ov_shape_free", r.shape_free);
  find(library, "ov_get_last_err_msg", r.last_error);
  return all ? &r : nullptr;
}

}  // namespace

const Runtime* find_runtime() {
  static const Runtime* const runtime = load();
  return runtime;
}

}  // namespace lathe::openvino
