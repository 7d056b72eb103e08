// The models with golden numbers, and how the parts of their outputs are told apart.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/ir/tensor.hpp"

namespace lathe::golden {

// Places first..end of an axis of an output that hold one kind of number: boxes, scores, mask coefficients.
struct Part {
  const char* name;
  int output, axis;
  int64_t first, end;
  double limit = 0;  // how far off, in the numbers' own unit; 0: 1e-4 of the part's largest value
};

struct Case {
  const char* name;
  const char* model;   // below the golden folder, or below shared/ when it begins with "models/onnx" or "models/pt"
  const char* folder;  // with input*.npy and output*.npy, below the golden folder
  std::vector<Part> parts;
  bool quantized = false;         // rounds differently at ties in every engine: cosine and final detections are compared
  bool only_open = false;         // holds branches for inputs of several sizes, which do not fit a pinned one
  bool rows = false;              // output [1, K, 6] of corners, score and class, whose rows come in any order where scores are near
  const char* modules = nullptr;  // descriptions of its module classes, below the source folder
  // Amplifies rounding so much that only the network as PyTorch ran it is within the limits: batch normalisations in the convolutions' weights.
  bool fused = false;
};

std::span<const Case> cases();

struct NamedTensor {
  std::string name;  // empty when the file does not say
  Tensor tensor;
};
// The files `<prefix>*.npy` of a case's folder, in order of their names.
std::vector<NamedTensor> read_tensors(const Case& c, const std::string& prefix);
std::string model_path(const Case& c);
// What its frontend is to be told, as `--option` has it.
std::vector<std::pair<std::string, std::string>> import_options(const Case& c);

// Compares all outputs; prints one line per part and returns whether all are within the limits of the data's README: 1e-4 of the
// part's own largest value, or the part's limit; for quantised models a cosine of 0.999 and the same final detections.
bool agree(const Case& c, std::span<const Tensor> found, std::span<const Tensor> expected);

}  // namespace lathe::golden
