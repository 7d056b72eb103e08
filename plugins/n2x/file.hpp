// A .n2x file. Its schema is not public: the identifier "N2X0" is known, the fields below were told from one public file (an 8-bit MobileNetV2 for
// CPU) by what they hold and by how their sizes fit together. What is not told from there stays unread.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::n2x {

struct Tensor {
  std::string name, type;  // "float32", "int32", "uint8", or "type 7"
  std::vector<int64_t> shape;
  uint64_t bytes = 0;
  std::vector<float> scales;  // value = (number - zero point) * scale
  std::vector<int64_t> zero_points;
};

struct Model {
  std::string name;
  int32_t version = 0;
  std::vector<Tensor> inputs, outputs;
  std::vector<int32_t> output_ids;       // what POST_PROCESS.PostProcessorInputs of a package names
  std::map<std::string, size_t> layers;  // kinds of layers, and how many
  size_t tensors = 0, constants = 0;
  uint64_t weight_bytes = 0, memory_bytes = 0;  // constants; what tensors need while it runs
  bool quantised() const;                       // an input or output is an 8-bit integer
};

bool is_n2x(std::string_view head);

// `path` is for sentences. Throws sdk::Failure: another kind of file, damaged, parts that do not fit together.
Model read_model(std::string_view bytes, const std::string& path);

// One JSON object for `lathe inspect`.
std::string describe(const Model& model);

}  // namespace lathe::n2x
