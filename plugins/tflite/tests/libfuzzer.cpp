// Coverage-guided fuzzing of the reader (-DLATHE_LIBFUZZER=ON, clang): fuzz_tflite CORPUS_FOLDER
#include "hostile_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  lathe::tflite::test::takes({reinterpret_cast<const char*>(data), size});
  return 0;
}
