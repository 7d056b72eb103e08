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

struct Model;

// How a port of a layer is tied to a Parameter or a Result of its body.
struct PortMap {
  int64_t port = -1;   // index among the layer's inputs or outputs; -1: none, `purpose` says what it is for
  uint32_t inner = 0;  // index of the Parameter or Result in the body's layers
  // Set: one piece of `part_size` a turn is cut from the input along this axis, or joined to the output. Forwards from 0 to -1 (the end) in steps of
  // 1, backwards from -1 to 0 in steps of -1.
  std::optional<int64_t> axis;
  int64_t start = 0, end = -1, stride = 1, part_size = 1;
  std::string purpose;  // of a Loop: "current_iteration", "execution_condition"
};

// What a body's Result holds is its Parameter's value in the next turn.
struct BackEdge {
  uint32_t result = 0, parameter = 0;  // indices in the body's layers
};

// The inner network of an If (two of them), a Loop or a TensorIterator.
struct Body {
  std::string name;  // "body", "then_body", "else_body": the element in the file
  std::shared_ptr<const Model> model;
  std::vector<PortMap> inputs, outputs;
  std::vector<BackEdge> back_edges;

  std::string port_map() const { return name.substr(0, name.size() - 4) + "port_map"; }
};

inline constexpr int deepest_body = 32;  // bodies within bodies

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
  std::vector<Body> bodies;

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
