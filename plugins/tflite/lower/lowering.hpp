// From a graph of ONNX operators to a model of TensorFlow Lite's: what the families of operators (the other files of this folder) have at hand.
//
// A *value* is what the graph speaks of; a *tensor* is what the file holds for it, its axes possibly in another order (order.hpp). Families ask
// for a value's tensor in an order that suits them, emit operators on tensors, and define their results in the order they came out in.
// A node between DequantizeLinear and QuantizeLinear that TensorFlow Lite can compute on integers gets the quantised values in place of its own.
#pragma once
#include <deque>
#include <functional>
#include <lathe/plugin.hpp>
#include <map>
#include <optional>
#include <span>

#include "../model.hpp"
#include "../operators.hpp"
#include "../order.hpp"
#include "../quantization_rules.hpp"

namespace lathe::tflite {

enum class Weights { as_they_are, float16, int8 };

// What inputs and outputs are where something quantised lies right behind or before them.
enum class Borders { as_they_are, int8, float32 };

struct LowerSettings {
  Weights weights = Weights::as_they_are;
  Borders borders = Borders::as_they_are;
  bool static_shapes = false;  // refuse open dimensions
  bool integer_only = false;   // refuse nodes that stay in floating point
};

struct Refusal {
  uint32_t node;
  std::string reason;
};

// A node as it is lowered: with the activation behind it and quantised values taken in.
struct Work {
  sdk::NodeView node;
  std::vector<uint32_t> inputs, outputs;  // values; LATHE_NONE: absent
  Activation activation = Activation::none;
  bool quantized = false;

  uint32_t in(size_t i) const { return i < inputs.size() ? inputs[i] : LATHE_NONE; }
  uint32_t out(size_t i = 0) const { return i < outputs.size() ? outputs[i] : LATHE_NONE; }
  bool has(size_t i) const { return in(i) != LATHE_NONE; }
};

class Lowering {
 public:
  Lowering(const sdk::GraphView& graph, const LowerSettings& settings);

  // Lowers every node that can be; what cannot is in refusals(), each with the format's rule.
  void run();

  // ---- bodies of control flow ----
  // The values of this graph that these bodies read, each once; constants are taken into the bodies and are not among them.
  std::vector<uint32_t> captured_by(std::span<const sdk::GraphView> bodies) const;
  // The body as a subgraph of the same model, whose inputs are the body's own and behind them `captured`. `finish` may add to it, inputs and
  // outputs too; without it the outputs are the body's. What the body holds that is not taken refuses the node that holds it.
  int32_t lower_body(const sdk::GraphView& body, std::span<const uint32_t> captured, const std::function<void(Lowering&)>& finish = {});
  // A subgraph that is no body of the graph's: what `make` emits.
  int32_t add_subgraph(const std::string& name, const std::function<void(Lowering&)>& make);
  // A tensor that the subgraph takes in.
  int32_t add_input(const std::string& name, Type type, const Extents& extents, const Quantization& quantization = {});
  const std::vector<Refusal>& refusals() const { return refusals_; }
  Model take() { return std::move(model_); }

  // ---- values ----
  struct Value {
    std::string name;
    Extents extents;
    bool has_rank = true;
    int32_t onnx_type = 0;
    Type type = Type::float32;
    Quantization quantization;
    std::optional<sdk::TensorView> constant;  // as the graph has it
    bool shifted = false;                     // uint8 in the graph, int8 with a zero point lower by 128 here
    std::vector<std::pair<int32_t, Order>> held;
  };
  const Value& value(uint32_t id) const { return values_[id]; }
  Extents extents(uint32_t id) const { return values_[id].extents; }  // by value: values move when one is added
  size_t rank(uint32_t id) const { return values_[id].extents.size(); }
  Type type(uint32_t id) const { return values_[id].type; }
  bool is_constant(uint32_t id) const { return values_[id].constant.has_value() || folded(id); }
  uint32_t new_value(const std::string& name, Type type, Extents extents, Quantization quantization = {});

  // The value in another shape: a new value. Elements move only where they must.
  uint32_t reshaped(uint32_t id, const Extents& to);
  // `count` entries of a constant along its first axis, from `begin`.
  uint32_t sliced_constant(uint32_t id, int64_t begin, int64_t count);
  uint32_t new_constant(const std::string& name, const Extents& extents, std::vector<float> elements);
  // The tensors of a sequence, in place of which there is nothing in the file.
  const std::vector<uint32_t>& sequence(uint32_t id) const;
  void define_sequence(uint32_t id, std::vector<uint32_t> elements);
  // The shape of a value that the graph leaves open, because it comes out of a sequence.
  void take_shape(uint32_t id, const Extents& extents);
  void take_shape(uint32_t id, uint32_t from);
  // `to` is the same as `from`: it is held as that is.
  void alias(uint32_t to, uint32_t from);

  // The elements of a constant; nothing when the value is none. Integers of any width, and floats (dequantised where needed).
  std::optional<std::vector<int64_t>> integers(uint32_t id) const;
  std::optional<std::vector<double>> numbers(uint32_t id) const;

  // The tensor that holds the value in this order; moves elements where it must.
  int32_t in_order(uint32_t id, const Order& order);
  int32_t plain(uint32_t id) { return in_order(id, identity(rank(id))); }
  // The order the value is held in already; of a constant, `wish`.
  Order order_of(uint32_t id, const Order& wish = {});
  void define(uint32_t id, int32_t tensor, const Order& order);
  // A tensor for the value to be made into, held in `order`: of its type, extents and quantisation.
  int32_t result(uint32_t id, const Order& order);
  // One order for operands that are computed element by element, of rank `rank`: that of the largest.
  Order common_order(std::span<const uint32_t> ids, size_t rank);
  // The operand with its axes in `order`, of that rank, for broadcasting.
  int32_t broadcastable(uint32_t id, const Order& order);

  // ---- tensors ----
  int32_t new_tensor(const std::string& name, Type type, const Extents& extents, const Quantization& quantization = {});
  const Extents extents_of(int32_t tensor) const;
  Type type_of(int32_t tensor) const { return main().tensors[static_cast<size_t>(tensor)].type; }
  // By value: tensors move when one is added.
  Quantization quantization_of(int32_t tensor) const { return main().tensors[static_cast<size_t>(tensor)].quantization; }
  template <class T>
  int32_t constant(Type type, const Extents& extents, std::vector<T> elements, const Quantization& quantization = {}, const std::string& name = {});
  int32_t ints(std::vector<int32_t> elements);  // rank 1
  int32_t int_scalar(int32_t value);
  int32_t scalar(float value);                                  // rank 0, float32
  int32_t filled(Type type, const Extents& e, double element);  // a constant of one number
  // A float32 constant, as the settings want weights held.
  int32_t float_constant(const Extents& extents, std::vector<float> elements, const std::string& name);

  // ---- operators ----
  Operator& emit(std::string_view name, std::vector<int32_t> inputs, std::vector<int32_t> outputs);
  // Emits an operator with one output of that type and extents.
  int32_t make(std::string_view name, std::vector<int32_t> inputs, Type type, const Extents& extents, std::vector<Option> options = {},
               const Quantization& quantization = {});
  int32_t reshape(int32_t tensor, const Extents& extents);
  int32_t copied(int32_t tensor);    // the same in a tensor of its own
  int32_t shape_of(int32_t tensor);  // int32, when it runs
  int32_t transpose(int32_t tensor, const Order& order);
  int32_t cast(int32_t tensor, Type type);
  int32_t unary(std::string_view name, int32_t a, std::vector<Option> options = {});  // same type and extents
  int32_t binary(std::string_view name, int32_t a, int32_t b, std::vector<Option> options = {},
                 const Quantization& quantization = {});  // broadcasts; of a's type
  int32_t compare(std::string_view name, int32_t a, int32_t b);
  int32_t select(int32_t condition, int32_t yes, int32_t no);
  int32_t broadcast_to(int32_t tensor, const Extents& extents);
  int32_t requantize(int32_t tensor, Type type, const Quantization& to);
  int32_t pad(int32_t tensor, const std::vector<int64_t>& before, const std::vector<int64_t>& after, std::optional<double> with);
  int32_t slice(int32_t tensor, const std::vector<int64_t>& begin, const std::vector<int64_t>& size);
  int32_t reduce(std::string_view name, int32_t a, const std::vector<int>& axes, bool keep);
  int32_t activate(int32_t tensor, Activation activation);

  const LowerSettings& settings() const { return settings_; }
  Subgraph& main() { return model_.subgraphs[0]; }
  const Subgraph& main() const { return model_.subgraphs[0]; }
  [[noreturn]] void refuse(const std::string& reason) const { throw sdk::Failure(LATHE_UNSUPPORTED, reason); }
  bool has_single_use(uint32_t value) const { return users_[value].size() == 1 && !is_output_[value]; }
  const sdk::GraphView& graph() const { return graph_; }
  void absorb(uint32_t node) { absorbed_[node] = true; }
  const std::vector<uint32_t>& users(uint32_t value) const { return users_[value]; }

 private:
  void lower_nodes();
  void read_values();
  void read_inputs();
  void take_input(uint32_t id);
  bool take_integer_input(uint32_t id);
  std::optional<uint32_t> integers_behind(uint32_t output) const;
  int32_t append(Lowering& body);
  void find_quantization();
  void find_activations();
  bool can_be_integer(const sdk::NodeView& node, uint32_t tail, Work& work) const;
  Work work_of(const sdk::NodeView& node);
  void lower(const sdk::NodeView& node);
  void lower_quantized(Work work);
  bool is_other_float(uint32_t id) const;
  void check_inputs(const Work& work) const;
  void compute_in_float32(const sdk::NodeView& node);
  void widen(uint32_t id);
  void finish_outputs();
  void give_up(const sdk::NodeView& node, const std::string& reason);
  int32_t without_numbers(int32_t tensor, const Extents& extents);
  int32_t constant_in_order(uint32_t id, const Order& order);
  bool folded(uint32_t id) const;  // a DequantizeLinear of constants

  const sdk::GraphView& graph_;
  LowerSettings settings_;
  Model model_;
  std::deque<Value> values_;
  std::deque<lathe_tensor> made_;  // constants that are parts or other shapes of the graph's
  std::deque<Extents> made_extents_;
  std::deque<std::vector<float>> made_floats_;
  std::vector<std::vector<uint32_t>> users_;
  std::vector<bool> is_output_;
  std::vector<bool> absorbed_;
  std::vector<uint32_t> tail_;  // per node: the activation behind it, itself where there is none
  std::vector<Activation> activation_;
  std::vector<Refusal> refusals_;
  std::map<std::vector<int32_t>, int32_t> int_lists_;
  bool is_body_ = false;
  std::map<uint32_t, std::vector<uint32_t>> sequences_;
  std::vector<bool> unnamed_;  // tensors that take the name of the first value they hold
  std::string origin_;
};

// An element of a constant; nothing where it is no number.
std::optional<double> number_at(const sdk::TensorView& t, size_t i);

using LowerFunction = void (*)(Lowering&, const Work&);
struct LowerRule {
  std::string_view onnx;
  LowerFunction lower;
};
// One list per family of operators.
std::span<const LowerRule> activation_rules();
std::span<const LowerRule> attention_rules();
std::span<const LowerRule> bit_cast_rules();
std::span<const LowerRule> bitwise_rules();
std::span<const LowerRule> control_flow_rules();
std::span<const LowerRule> conversion_rules();
std::span<const LowerRule> convolution_rules();
std::span<const LowerRule> detection_rules();
std::span<const LowerRule> einsum_rules();
std::span<const LowerRule> elementwise_rules();
std::span<const LowerRule> feature_rules();
std::span<const LowerRule> indexing_rules();
std::span<const LowerRule> integer_rules();
std::span<const LowerRule> logic_rules();
std::span<const LowerRule> loss_rules();
std::span<const LowerRule> matrix_rules();
std::span<const LowerRule> movement_rules();
std::span<const LowerRule> normalization_rules();
std::span<const LowerRule> pooling_rules();
std::span<const LowerRule> random_rules();
std::span<const LowerRule> recurrent_rules();
std::span<const LowerRule> reduction_rules();
std::span<const LowerRule> resize_rules();
std::span<const LowerRule> sampling_rules();
std::span<const LowerRule> scatter_rules();
std::span<const LowerRule> sequence_rules();
std::span<const LowerRule> spectral_rules();
std::span<const LowerRule> tree_rules();
std::span<const LowerRule> unique_rules();

template <class T>
int32_t Lowering::constant(Type type, const Extents& extents, std::vector<T> elements, const Quantization& quantization, const std::string& name) {
  const int32_t index = new_tensor(name.empty() ? "constant" : name, type, extents, quantization);
  auto kept = std::make_shared<const std::vector<T>>(std::move(elements));
  Tensor& t = main().tensors[static_cast<size_t>(index)];
  t.constant = true;
  t.bytes = {reinterpret_cast<const char*>(kept->data()), kept->size() * sizeof(T)};
  t.owner = std::move(kept);
  return index;
}

}  // namespace lathe::tflite
