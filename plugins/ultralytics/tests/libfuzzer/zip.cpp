// The bytes of a whole file: container, pickle, network.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "reading.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto reading = lathe::ultralytics::test::read_checkpoint({reinterpret_cast<const char*>(data), size});
  if (reading.acceptable) return 0;
  std::fprintf(stderr, "%s\n", reading.told.c_str());
  std::abort();
}
