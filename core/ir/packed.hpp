// Element types smaller than a byte: packed as ONNX stores them (low bits first), and spread one element per byte as kernels see them.
#pragma once
#include "core/ir/tensor.hpp"

namespace lathe {

// int4, uint4, int2, uint2, float4e2m1.
bool packed(DataType type);

// `count` elements of a packed type, one per byte; int4 and int2 with their sign extended, the others with zero bits above.
void spread(DataType type, const std::byte* from, int64_t count, std::byte* to);
// The reverse: only the low bits of each byte count. Bits behind the last element become 0.
void pack(DataType type, const std::byte* from, int64_t count, std::byte* to);

}  // namespace lathe
