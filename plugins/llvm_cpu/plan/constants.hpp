// Constants in the form in which artifacts hold them: types smaller than a byte one per byte, strings behind a table of offsets.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lathe/graph.h"

namespace lathe::llvm_cpu {

// Whether several elements lie in a byte of a graph's tensor.
bool is_packed(int32_t type);

// One byte per element, sign-extended where the type is signed.
std::vector<uint8_t> unpacked(int32_t type, const void* data, int64_t count);

// Per element two 64-bit numbers, the offset from the beginning and the length; then the characters.
std::vector<uint8_t> encode_strings(const lathe_string* strings, int64_t count);

}  // namespace lathe::llvm_cpu
