// Files in, tensors out, and the reverse: what `run`, `verify` and calibration read and write.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

struct TensorFileOptions {
  bool letterbox = false;  // pictures of another size are fitted in; otherwise they are refused
};

// One tensor for an input of that type: .npy; .npz with one array, or with one of the input's name; .png and .jpg; raw .bin (little
// endian, packed; at most one dimension unknown). The format is told by the first bytes, raw by what is left. The tensor fits `type`
// (element type, rank, constant dimensions). Throws Error(failed) saying which input, what it wants and what the file holds.
Tensor read_tensor_file(const std::string& path, const std::string& input, const ValueType& type, const TensorFileOptions& options = {});

// "NAME=FILE" or "FILE" arguments for a model's inputs; an .npz without name may hold several of them. Every input must get one tensor.
struct NamedType {
  std::string name;
  ValueType type;
};
std::vector<Tensor> read_inputs(const std::vector<std::string>& arguments, const std::vector<NamedType>& inputs,
                                const TensorFileOptions& options = {});

// Writes `<directory>/<name>.npy` and returns that path. Two names that become the same file name are told apart by `taken`.
std::string write_tensor_file(const std::string& directory, const std::string& name, const Tensor& tensor, std::vector<std::string>& taken);

// Throws Error(failed) when a tensor does not fit the type an input declares.
void check_fits(const Tensor& tensor, const std::string& input, const ValueType& type, const std::string& source);

}  // namespace lathe
