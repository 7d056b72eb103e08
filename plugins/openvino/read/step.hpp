// Turning one layer into nodes of ONNX: what the operation families' files work with.
#pragma once
#include <lathe/plugin.hpp>
#include <map>
#include <unordered_set>

#include "../model.hpp"
#include "../operations.hpp"

namespace lathe::openvino {

// The graph in the making.
class Import {
 public:
  Import(const Model& model, std::string weights_path, std::string_view weights)
      : model(model), weights_path_(std::move(weights_path)), weights_(weights), builder(model.name), values_(model.layers.size()) {
    builder.set_opset("", 23);
  }

  // A body, whose constants lie in the same weights.
  Import(const Model& body, const Import& outer) : Import(body, outer.weights_path_, outer.weights_) { where = outer.where; }

  const Model& model;

 private:
  std::string weights_path_;
  std::string_view weights_;

 public:
  sdk::GraphBuilder builder;
  std::string where;                      // the file, for what is said about layers
  std::vector<sdk::Diagnostic> problems;  // layers that cannot be read

  // The value that comes out of a port; constants are made when they are first asked for.
  uint32_t value(const Source& source);
  void set(const Source& source, uint32_t value) { values_[source.layer].insert_or_assign(source.port, value); }
  // The name of a port's tensor: the first that the file gives it, else that of the layer.
  std::string tensor_name(const Source& source) const;
  std::string unique(const std::string& name) { return unique(value_names_, name); }
  std::string unique_node(const std::string& name) { return unique(node_names_, name); }
  const OutputPort& port(const Source& source) const { return model.layers[source.layer].outputs[source.port]; }
  sdk::TensorData tensor(const Layer& constant, std::vector<int64_t> dimensions) const;

 private:
  static std::string unique(std::map<std::string, uint64_t>& taken, const std::string& name);

  std::vector<std::map<uint32_t, uint32_t>> values_;
  std::map<std::string, uint64_t> value_names_, node_names_;
};

class ReadStep {
 public:
  ReadStep(Import& import, uint32_t layer);

  Import& import;
  const Layer& layer;
  const Operation& operation;

  size_t inputs() const { return layer.inputs.size(); }
  bool has(size_t i) const { return i < layer.inputs.size(); }
  uint32_t in(size_t i) { return import.value(layer.inputs[i]); }
  int32_t type(size_t i) const { return import.port(layer.inputs[i]).type; }
  const Dimensions& dimensions(size_t i) const { return import.port(layer.inputs[i]).dimensions; }
  int64_t rank(size_t i) const;  // refuses the layer where it is open
  int32_t out_type(size_t i) const { return layer.outputs[i].type; }
  const Dimensions& out_dimensions(size_t i) const { return layer.outputs[i].dimensions; }
  // The layer that yields an input, when it is of that type.
  const Layer* source(size_t i, std::string_view type) const;
  // Elements of a constant input of integers, or of real numbers; nullopt: it is computed.
  std::optional<std::vector<int64_t>> known_integers(size_t i) const;
  std::optional<std::vector<double>> known_numbers(size_t i) const;
  // The same; refuses the layer where they are computed.
  std::vector<int64_t> integers(size_t i, const char* what) const;
  // An input of indices as int64 with one axis.
  uint32_t list(size_t i);

  // Attributes, with the table's defaults.
  std::string text(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  bool flag(std::string_view name) const { return text(name) == "true" || text(name) == "1"; }
  std::vector<int64_t> integers(std::string_view name) const;

  // A node with one output, or several.
  uint32_t emit(const char* op, std::vector<uint32_t> inputs) { return add(op, std::move(inputs), 1).front(); }
  std::vector<uint32_t> emit_many(const char* op, std::vector<uint32_t> inputs, size_t outputs) { return add(op, std::move(inputs), outputs); }
  sdk::NodeData& last() { return *last_; }  // to set attributes of the node emitted last
  uint32_t cast(uint32_t value, int32_t type);
  uint32_t constant(int32_t type, std::vector<int64_t> dimensions, const std::vector<double>& numbers);
  uint32_t indices(const std::vector<int64_t>& numbers);
  uint32_t constant(sdk::TensorData tensor);
  // The layer's output `i` is this value.
  void out(size_t i, uint32_t value);
  bool used(size_t i) const;

  [[noreturn]] void refuse(std::string reason, std::string hint = {}) const;

 private:
  std::vector<uint32_t> add(const char* op, std::vector<uint32_t> inputs, size_t outputs);
  std::unordered_set<uint32_t> made_;
  sdk::NodeData* last_ = nullptr;
  size_t nodes_ = 0;
};

struct Reader {
  std::string_view type;
  void (*read)(ReadStep&);
};

std::span<const Reader> control_flow_readers();
std::span<const Reader> elementwise_readers();
std::span<const Reader> movement_readers();
std::span<const Reader> network_readers();
std::span<const Reader> quantization_readers();
std::span<const Reader> random_readers();
std::span<const Reader> recurrent_readers();
std::span<const Reader> signal_readers();
std::span<const Reader> vision_readers();

// Integer weights behind Convert, Subtract and Multiply with constants: as DequantizeLinear, in another shape if one is given. nullopt: they
// are no such weights.
std::optional<uint32_t> quantized_weights(ReadStep& step, const Layer& multiply, const std::vector<int64_t>* shape);

// The layers of a model or a body, whose Parameters have their values already. What cannot be read is added to the import's problems.
void read_layers(Import& import);

// The whole model. Throws Failure with every layer that cannot be read.
sdk::GraphBuilder read_graph(const Model& model, const std::string& weights_path, std::string_view weights, const std::string& where);

}  // namespace lathe::openvino
