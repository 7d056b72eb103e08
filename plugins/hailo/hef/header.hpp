// The header of a HEF: big-endian, packed, one form for each of four versions.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace lathe::hailo {

struct HefHeader {
  uint32_t version = 0;
  uint64_t size = 0;                 // of the header
  uint64_t description_bytes = 0;    // follows it
  uint64_t configuration_bytes = 0;  // padding included
  uint64_t additional_bytes = 0;
  std::string_view checksum;  // as it stands there
};

// Throws Failure, see read_hef.
HefHeader read_header(std::string_view bytes, const std::string& path);

// The checksum of a version over everything behind the header, as the header holds it.
std::string checksum_of(uint32_t version, std::string_view behind);

}  // namespace lathe::hailo
