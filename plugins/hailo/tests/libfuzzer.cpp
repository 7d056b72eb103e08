// Coverage-guided fuzzing of the reader (-DLATHE_LIBFUZZER=ON, clang): fuzz_hailo CORPUS_FOLDER. A mutant's checksum is always wrong, so that the
// description is reached, it does not count here.
#include <lathe/plugin.hpp>

#include "../hef/hef.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    lathe::hailo::read_hef({reinterpret_cast<const char*>(data), size}, "fuzz.hef", lathe::hailo::Checksum::may_be_wrong);
  } catch (const lathe::sdk::Failure&) {
  }
  return 0;
}
