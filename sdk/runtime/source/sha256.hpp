// SHA-256 (FIPS 180-4), for the check of weights.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace lathe::runtime {

void sha256(const void* bytes, uint64_t size, uint8_t digest[32]);

}  // namespace lathe::runtime
