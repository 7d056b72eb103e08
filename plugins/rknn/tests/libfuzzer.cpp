// Coverage-guided fuzzing of the reader (-DLATHE_LIBFUZZER=ON, clang): fuzz_rknn CORPUS_FOLDER
#include "file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    lathe::rknn::read_file({reinterpret_cast<const char*>(data), size}, "fuzz.rknn");
  } catch (const lathe::sdk::Failure&) {
  }
  return 0;
}
