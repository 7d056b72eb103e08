// libFuzzer: the reader takes or refuses whatever it is given.
#include <lathe/plugin.hpp>

#include "../file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  try {
    lathe::deepx::describe(lathe::deepx::read_model({reinterpret_cast<const char*>(data), size}, "fuzz.dxnn"));
  } catch (const lathe::sdk::Failure&) {
  }
  return 0;
}
