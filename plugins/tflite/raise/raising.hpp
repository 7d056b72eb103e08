// From a model of TensorFlow Lite's to a graph of ONNX operators: what the families (the other files of this folder) have at hand.
//
// The mirror of lower/: a tensor of the file is held by values of the graph whose axes may lie in another order, so that convolutions get their
// channels first without a transpose around each. A quantised tensor is held as integers; whoever asks for its numbers gets a DequantizeLinear
// of it, and what an operator makes goes through a QuantizeLinear.
#pragma once
#include <functional>
#include <lathe/plugin.hpp>
#include <map>
#include <set>
#include <span>

#include "../model.hpp"
#include "../operators.hpp"
#include "../order.hpp"

namespace lathe::tflite {

class Raising {
 public:
  Raising(const Model& model, const std::string& path);
  // Throws sdk::Failure with one diagnostic per operator that has no counterpart.
  sdk::GraphBuilder run();

  // Throws where the operator lacks that input.
  const Tensor& tensor(int32_t index) const {
    if (index < 0) refuse("an input or output that it needs is absent");
    return graph().tensors[static_cast<size_t>(index)];
  }
  Extents extents(int32_t index) const;
  size_t rank(int32_t index) const { return tensor(index).shape.size(); }
  bool is_quantized(int32_t index) const;  // its numbers are not what is stored

  // The tensor's numbers as a value, held in that order.
  uint32_t in_order(int32_t index, const Order& order);
  uint32_t plain(int32_t index) { return in_order(index, identity(rank(index))); }
  Order order_of(int32_t index, const Order& wish = {}) const;
  Order common_order(std::span<const int32_t> indices, size_t rank) const;
  uint32_t broadcastable(int32_t index, const Order& order);
  // What the operator made: numbers, held in that order. Activation and quantisation are put behind.
  void define(int32_t index, uint32_t value, const Order& order, Activation activation = Activation::none);

  std::optional<std::vector<int64_t>> integers(int32_t index) const;  // of a constant
  std::optional<std::vector<double>> numbers(int32_t index) const;    // what a constant stands for

  // ---- nodes ----
  uint32_t node(const char* op_type, std::vector<uint32_t> inputs);  // one output
  uint32_t node(const char* op_type, std::vector<uint32_t> inputs, const std::function<void(sdk::NodeData&)>& attributes);
  std::vector<uint32_t> nodes(const char* op_type, std::vector<uint32_t> inputs, size_t outputs,
                              const std::function<void(sdk::NodeData&)>& attributes);
  uint32_t constant(const std::vector<int64_t>& elements);  // rank 1, int64
  uint32_t number(float value);                             // rank 0, float32
  uint32_t number_like(int32_t tensor, double value);       // rank 0, of the tensor's type
  uint32_t cast(uint32_t value, int32_t onnx_type);
  uint32_t list_of(int32_t index);  // a tensor of integers as int64, constant or computed
  uint32_t transpose(uint32_t value, const Order& order);
  uint32_t reshape(uint32_t value, const Extents& extents);
  [[noreturn]] void refuse(const std::string& reason) const { throw sdk::Failure(LATHE_UNSUPPORTED, reason); }

  // ---- subgraphs ----
  // What the tensor holds, integers of quantised ones, as a value.
  uint32_t stored(int32_t index) { return stored(index, identity(rank(index))); }
  void define_stored(int32_t index, uint32_t value);
  // The subgraph's operators here, on these values in place of its inputs; its outputs.
  std::vector<uint32_t> inlined(int subgraph, const std::vector<uint32_t>& inputs);
  // A body for a node's attribute: `make` puts nodes into it and says what comes out. Within it, values of the graph around it are captured.
  uint32_t body(int subgraph, const std::function<std::vector<uint32_t>()>& make);
  uint32_t captured(uint32_t outer);
  uint32_t body_input(const std::string& name, int32_t type, std::optional<sdk::Shape> shape);

  const Subgraph& graph() const { return *graph_; }
  sdk::GraphBuilder& builder() { return builder_; }

 private:
  struct Held {
    uint32_t value;
    Order order;
  };
  std::string unique(const std::string& name);
  uint32_t stored(int32_t index, const Order& order);  // integers of quantised tensors
  uint32_t constant_in_order(int32_t index, const Order& order);
  uint32_t activate(uint32_t value, Activation activation);
  uint32_t moved(uint32_t value, const Extents& extents, const Order& from, const Order& to);
  std::vector<uint32_t> scale_and_zero(const Tensor& t);
  void raise(const Operator& op);
  void name_origin(const Operator& op, size_t number);
  size_t subgraph_at(int index) const;
  class Scope;
  class Inside;

  const Model& model_;
  const Subgraph* graph_;  // that is walked
  size_t depth_ = 0, walked_ = 0;
  const std::string& path_;
  sdk::GraphBuilder builder_;
  std::map<int32_t, std::vector<Held>> stored_, numbers_;
  std::map<std::string, unsigned> names_;
  std::map<std::pair<float, int64_t>, std::pair<uint32_t, std::map<int32_t, uint32_t>>> scales_;
  std::string origin_;
};

using RaiseFunction = void (*)(Raising&, const Operator&);
struct RaiseRule {
  std::string_view name;
  RaiseFunction raise;
};
std::span<const RaiseRule> raise_control_flow();
std::span<const RaiseRule> raise_convolutions();
std::span<const RaiseRule> raise_elementwise();
std::span<const RaiseRule> raise_movement();
std::span<const RaiseRule> raise_places();
std::span<const RaiseRule> raise_reductions();

}  // namespace lathe::tflite
