// numpy's files: .npy (format 1.0 to 3.0) and .npz archives of them, stored or deflated. Sources: numpy.lib.format's documentation;
// PKWARE's APPNOTE.TXT for the archive. Both are hostile until checked.
#pragma once
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/ir/tensor.hpp"

namespace lathe {

// What stands before the numbers of an .npy file.
struct NpyHeader {
  DataType type = DataType::none;
  std::vector<int64_t> dimensions;
  uint64_t offset = 0, size = 0;  // of the numbers in the file, in bytes
  bool plain = true;              // row major and little endian: they can be used where they lie
};
// Checks that the numbers are all there. Throws Error(failed).
NpyHeader read_npy_header(std::span<const std::byte> file, const std::string& source);

// Any dtype that an element type of ours has: f2 f4 f8, i1..i8, u1..u8, b1, c8 c16, either byte order, either memory order.
// `source` names the file in messages. Throws Error(failed).
Tensor read_npy(std::span<const std::byte> file, const std::string& source);

// Whether numpy has an element type of that kind.
bool numpy_has(DataType type);

// Format 1.0, row major, little endian. Throws Error(failed) for types numpy lacks (bfloat16, float8, 4-bit, strings).
std::string write_npy(const Tensor& tensor);

// Every array of the archive by name (without ".npy").
std::map<std::string, Tensor> read_npz(std::span<const std::byte> file, const std::string& source);

}  // namespace lathe
