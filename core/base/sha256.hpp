// SHA-256 (FIPS 180-4): what jobs, caches and manifests name their inputs by.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

// Hashes piece by piece.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  std::string hex();  // 64 lower-case hexadecimal digits; ends the hash, call it once

 private:
  std::shared_ptr<void> state_;
};

std::string sha256(std::span<const std::byte> bytes);
std::string sha256(std::string_view text);

// Reads the file in pieces, so a model of many gigabytes needs no memory. Throws Error(failed) when it cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace lathe
