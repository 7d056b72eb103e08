// libFuzzer: the first byte chooses what the rest is taken for.
#include <lathe/plugin.hpp>

#include "../result.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  using namespace lathe::axelera;
  if (size == 0) return 0;
  constexpr Kind kinds[] = {Kind::report, Kind::manifest, Kind::folder, Kind::axm};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  kind_of(bytes, "manifest.json");
  try {
    describe(kinds[data[0] % 4], bytes, "fuzz");
  } catch (const lathe::sdk::Failure&) {
  }
  return 0;
}
