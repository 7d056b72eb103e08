// The bytes of the pickle alone, in a sound container with three storages.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "files.hpp"
#include "reading.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe::ultralytics::test;
  const std::string file = zip({{"a/data.pkl", std::string(reinterpret_cast<const char*>(data), size)},
                                {"a/data/0", std::string(216, '\0')},
                                {"a/data/1", std::string(16, '\0')},
                                {"a/data/2", std::string(32, '\0')}});
  const Reading reading = read_checkpoint(file);
  if (reading.acceptable) return 0;
  std::fprintf(stderr, "%s\n", reading.told.c_str());
  std::abort();
}
