// Opening TensorFlow Lite's C library.
#include "runtime.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace lathe::tflite {
namespace {

struct Found {
  Runtime runtime = {};
  bool whole = false;
  std::string why;
};

template <class Function>
bool look_up(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

Found open() {
  Found found;
  const char* named = std::getenv("LATHE_TFLITE_LIBRARY");
  void* library = nullptr;
  for (const char* file : {named, "libtensorflowlite_c.so", "libtensorflowlite_c.so.2"}) {
    if (file == nullptr || *file == '\0') continue;
    library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library || file == named) break;
  }
  if (!library) {
    const char* error = named ? ::dlerror() : nullptr;
    found.why = named ? std::string("TensorFlow Lite's library cannot be opened: ") + (error ? error : named)
                      : "TensorFlow Lite's library libtensorflowlite_c.so is not on this machine; set LATHE_TFLITE_LIBRARY to its path";
    return found;
  }
  Runtime& r = found.runtime;
  found.whole =
      look_up(library, "TfLiteVersion", r.version) && look_up(library, "TfLiteModelCreateFromFile", r.model_create_from_file) &&
      look_up(library, "TfLiteModelDelete", r.model_delete) && look_up(library, "TfLiteInterpreterOptionsCreate", r.options_create) &&
      look_up(library, "TfLiteInterpreterOptionsDelete", r.options_delete) &&
      look_up(library, "TfLiteInterpreterOptionsSetNumThreads", r.options_set_threads) &&
      look_up(library, "TfLiteInterpreterOptionsSetErrorReporter", r.options_set_error_reporter) &&
      look_up(library, "TfLiteInterpreterCreate", r.interpreter_create) && look_up(library, "TfLiteInterpreterDelete", r.interpreter_delete) &&
      look_up(library, "TfLiteInterpreterGetInputTensorCount", r.input_count) && look_up(library, "TfLiteInterpreterGetInputTensor", r.input) &&
      look_up(library, "TfLiteInterpreterResizeInputTensor", r.resize_input) && look_up(library, "TfLiteInterpreterAllocateTensors", r.allocate) &&
      look_up(library, "TfLiteInterpreterInvoke", r.invoke) && look_up(library, "TfLiteInterpreterGetOutputTensorCount", r.output_count) &&
      look_up(library, "TfLiteInterpreterGetOutputTensor", r.output) && look_up(library, "TfLiteTensorType", r.tensor_type) &&
      look_up(library, "TfLiteTensorNumDims", r.tensor_rank) && look_up(library, "TfLiteTensorDim", r.tensor_extent) &&
      look_up(library, "TfLiteTensorByteSize", r.tensor_bytes) && look_up(library, "TfLiteTensorData", r.tensor_data) &&
      look_up(library, "TfLiteTensorName", r.tensor_name);
  if (!look_up(library, "TfLiteXNNPackDelegateCreate", r.xnnpack_create) || !look_up(library, "TfLiteXNNPackDelegateDelete", r.xnnpack_delete) ||
      !look_up(library, "TfLiteInterpreterOptionsAddDelegate", r.options_add_delegate))
    r.xnnpack_create = nullptr;
  if (!found.whole) found.why = "the library that was found in place of TensorFlow Lite's lacks functions of its C API";
  return found;
}

}  // namespace

const Runtime* find_runtime(std::string& why) {
  static const Found& found = *new Found(open());
  why = found.why;
  return found.whole ? &found.runtime : nullptr;
}

}  // namespace lathe::tflite
