// An IR in memory: what the writer makes out of a graph and what the reader makes out of a file.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe::openvino {

// Dimensions, -1 where one is open; nullopt: the rank is not known.
using Dimensions = std::optional<std::vector<int64_t>>;

struct Attribute {
  std::string name, value;
};

struct Source {
  uint32_t layer = 0, port = 0;  // index in Model::layers; index among that layer's outputs
};

struct OutputPort {
  int32_t type = 0;  // LATHE_...
  Dimensions dimensions;
  std::vector<std::string> names;  // of the tensor
};

struct Layer {
  std::string name, type;
  int opset = 1;
  std::vector<Attribute> attributes;
  bool decompression = false;  // rt_info: this Convert undoes a compression of weights
  std::vector<Source> inputs;
  std::vector<OutputPort> outputs;
  // Of a Const: its bytes, kept alive by `owner` or by the model's weights file. Little endian, packed.
  const void* data = nullptr;
  uint64_t size = 0;
  std::shared_ptr<const void> owner;

  const std::string* attribute(std::string_view wanted) const {
    for (const Attribute& a : attributes)
      if (a.name == wanted) return &a.value;
    return nullptr;
  }
};

// An element of rt_info: <name value="..."> with children.
struct Info {
  std::string name, value;
  std::vector<Info> children;
};

struct Model {
  std::string name;
  int version = 11;
  std::vector<Layer> layers;  // in topological order
  std::vector<Info> info;
};

}  // namespace lathe::openvino
