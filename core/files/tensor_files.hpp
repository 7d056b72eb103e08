// Files in, tensors out, and the reverse: what `run`, `verify` and calibration read and write.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/ir/datum.hpp"

namespace lathe {

struct TensorFileOptions {
  bool letterbox = false;  // pictures of another size are fitted in; otherwise they are refused
  // Reads files of formats that are not known here (read_tensor_with_plugin); nullopt: not known there either.
  std::function<std::optional<Datum>(const std::string& path, ValueKind kind)> other_formats;
};

// One value for an input of that type: .npy; .npz with one array, or with one of the input's name; .png and .jpg; raw .bin (little
// endian, packed; at most one dimension unknown); everything else by `other_formats`. The format is told by the first bytes, raw by its
// extension. The value fits `type` (kind, element type, rank, constant dimensions). Throws Error(failed) saying which input, what it wants
// and what the file holds.
Datum read_tensor_file(const std::string& path, const std::string& input, const ValueType& type, const TensorFileOptions& options = {});

// "NAME=FILE" or "FILE" arguments for a model's inputs; an .npz without name may hold several of them. Every input must get one value.
struct NamedType {
  std::string name;
  ValueType type;
};
std::vector<Datum> read_inputs(const std::vector<std::string>& arguments, const std::vector<NamedType>& inputs,
                               const TensorFileOptions& options = {});

struct TensorFileFormat {
  std::string extension;  // "npy" or one that `encode` knows; empty: npy where numpy has such a value, else pb
  // The bytes of a file of a format that is not known here (write_tensor_with_plugin).
  std::function<std::string(const std::string& extension, const std::string& name, const Datum& value)> encode;
};

// Writes `<directory>/<name>.<extension>` and returns that path. Two names that become the same file name are told apart by `taken`. Throws
// Error(failed) when the format cannot hold the value.
std::string write_tensor_file(const std::string& directory, const std::string& name, const Datum& value, std::vector<std::string>& taken,
                              const TensorFileFormat& format = {});

// Throws Error(failed) when a value does not fit the type an input declares.
void check_fits(const Datum& value, const std::string& input, const ValueType& type, const std::string& source);

}  // namespace lathe
