// SHA-256 through libcrypto's EVP interface.
#include "core/base/sha256.hpp"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

EVP_MD_CTX* context(const std::shared_ptr<void>& state) { return static_cast<EVP_MD_CTX*>(state.get()); }

void check(int result) {
  if (result != 1) throw Error(Code::internal, "libcrypto refused to compute a SHA-256 hash");
}

}  // namespace

Sha256::Sha256() : state_(EVP_MD_CTX_new(), [](void* p) { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(p)); }) {
  check(state_ && EVP_DigestInit_ex(context(state_), EVP_sha256(), nullptr));
}

void Sha256::update(std::span<const std::byte> bytes) { check(EVP_DigestUpdate(context(state_), bytes.data(), bytes.size())); }
void Sha256::update(std::string_view text) { update(std::as_bytes(std::span(text))); }

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  check(EVP_DigestFinal_ex(context(state_), digest, &size));
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string sha256(std::string_view text) { return sha256(std::as_bytes(std::span(text))); }

std::string sha256_of_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  // The deleter is not called for a null pointer.
  if (!file) throw Error(Code::failed, "cannot open '" + path + "': " + std::strerror(errno));
  Sha256 hash;
  std::vector<std::byte> buffer(1 << 20);
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get())) hash.update(std::span(buffer.data(), count));
  if (std::ferror(file.get())) throw Error(Code::failed, "cannot read '" + path + "': " + std::strerror(errno));
  return hash.hex();
}

}  // namespace lathe
