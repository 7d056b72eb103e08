// Coverage-guided fuzzing of the same reader (-DLATHE_LIBFUZZER=ON, clang): fuzz_onnx CORPUS_FOLDER
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto& reader = *new lathe::fuzz::Reader();
  const lathe::fuzz::Outcome outcome = reader.read({reinterpret_cast<const char*>(data), size});
  if (outcome.acceptable()) return 0;
  std::fprintf(stderr, "code %d: %s\n", static_cast<int>(outcome.code), outcome.told().c_str());
  std::abort();
}
