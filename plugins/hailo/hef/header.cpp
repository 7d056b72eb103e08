// The fixed part of a HEF: magic number, version, lengths, checksum.
#include "header.hpp"

#include <openssl/evp.h>
#include <zlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <iterator>
#include <lathe/plugin.hpp>

#include "hef.hpp"

namespace lathe::hailo {
namespace {

constexpr std::string_view magic("\x01HEF", 4);

// Where the fields of a version lie; 0: it has none.
struct Form {
  uint64_t size, checksum, checksum_size, configuration, additional;
};
constexpr Form forms[] = {{32, 16, 16, 0, 0},    // MD5
                          {28, 12, 4, 16, 0},    // CRC-32
                          {44, 12, 8, 20, 0},    // XXH3-64
                          {56, 12, 8, 20, 32}};  // XXH3-64

uint64_t big_endian(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}
std::string to_big_endian(uint64_t value, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[size - 1 - i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

[[noreturn]] void refuse(const std::string& path, std::string text, std::string expected, std::string found, std::string hint = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text), d.location = path, d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

}  // namespace

bool is_hef(std::string_view head) { return head.substr(0, magic.size()) == magic; }

HefHeader read_header(std::string_view bytes, const std::string& path) {
  if (!is_hef(bytes)) refuse(path, "this is no HEF", "the bytes 01 48 45 46 at its beginning", "others");
  if (bytes.size() < 12) refuse(path, "the HEF ends in its header", "at least 12 bytes", std::to_string(bytes.size()));
  HefHeader header;
  header.version = static_cast<uint32_t>(big_endian(bytes, 4, 4));
  if (header.version >= std::size(forms))
    refuse(path, "the HEF's header is of a version that is not known", "0 to 3", std::to_string(header.version), "a newer Lathe may read it");
  const Form& form = forms[header.version];
  if (bytes.size() < form.size) refuse(path, "the HEF ends in its header", std::to_string(form.size) + " bytes", std::to_string(bytes.size()));
  header.size = form.size;
  header.description_bytes = big_endian(bytes, 8, 4);
  if (form.configuration) header.configuration_bytes = big_endian(bytes, form.configuration, 8);
  if (form.additional) header.additional_bytes = big_endian(bytes, form.additional, 8);
  header.checksum = bytes.substr(form.checksum, form.checksum_size);
  // Sums of three numbers that a file gives: each is held against what is left of it.
  uint64_t left = bytes.size() - form.size;
  for (const uint64_t part : {header.description_bytes, header.configuration_bytes, header.additional_bytes}) {
    if (part > left)
      refuse(path, "the HEF is cut short, or its lengths are wrong", "a part of " + std::to_string(part) + " bytes",
             std::to_string(left) + " that are left", "copy the file again");
    left -= part;
  }
  if (left != 0)
    refuse(path, "the HEF is longer than its header says", "nothing behind its last part", std::to_string(left) + " bytes", "copy the file again");
  return header;
}

std::string checksum_of(uint32_t version, std::string_view behind) {
  if (version == 0) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(behind.data(), behind.size(), digest, &size, EVP_md5(), nullptr) != 1 || size != 16)
      throw sdk::Failure(LATHE_UNSUPPORTED, "this system's OpenSSL has no MD5, which HEF files of version 0 are checked with");
    return std::string(reinterpret_cast<const char*>(digest), size);
  }
  if (version == 1) {
    uLong sum = crc32(0, nullptr, 0);
    for (size_t at = 0; at < behind.size();) {
      const size_t block = std::min<size_t>(behind.size() - at, size_t{1} << 30);
      sum = crc32(sum, reinterpret_cast<const Bytef*>(behind.data() + at), static_cast<uInt>(block));
      at += block;
    }
    return to_big_endian(sum, 4);
  }
  return to_big_endian(XXH3_64bits(behind.data(), behind.size()), 8);
}

}  // namespace lathe::hailo
