// Turning one node of a graph into layers: what the operator families' files work with.
#pragma once
#include <deque>
#include <initializer_list>
#include <lathe/plugin.hpp>
#include <unordered_map>
#include <unordered_set>

#include "../model.hpp"

namespace lathe::openvino {

// Why a node cannot be written; caught node by node.
struct Refusal {
  std::string reason;
};

// An output port in the making.
struct Wire {
  Source source;
  int32_t type = 0;
  Dimensions dimensions;

  bool has_rank() const { return dimensions.has_value(); }
  int64_t rank() const { return static_cast<int64_t>(dimensions->size()); }
  bool is_static() const {
    if (!dimensions) return false;
    for (const int64_t d : *dimensions)
      if (d < 0) return false;
    return true;
  }
};

// An operation by name, with the opset that introduced the wanted form; 0: the oldest form.
struct Form {
  std::string type;
  int opset;
  Form(const char* type, int opset = 0) : type(type), opset(opset) {}                    // NOLINT
  Form(std::string type, int opset = 0) : type(std::move(type)), opset(opset) {}         // NOLINT
  Form(std::string_view type, int opset = 0) : type(std::string(type)), opset(opset) {}  // NOLINT
};
using Attributes = std::vector<Attribute>;

// Attribute values as the IR writes them.
std::string text(const std::vector<int64_t>& list);  // "2, 2"
std::string text(int64_t number);
std::string text(bool flag);
std::string text(double number);  // the shortest that reads back as the same float

// A sequence, or an optional, whose elements are known while the model is made.
struct List {
  std::vector<Wire> elements;
  bool present = true;  // false: an optional without an element
};

struct WriteOptions {
  bool compress = false;       // float32 weights as halves behind a Convert
  bool static_shapes = false;  // the device wants every dimension to be a number
};

// The model in the making, or a body in the making.
class Draft {
 public:
  Draft(const sdk::GraphView& graph, const WriteOptions& options) : graph_(graph), options_(options) {}
  // A body of a node of `outer`'s graph, which must outlive this.
  Draft(const sdk::GraphView& body, const Draft& outer);

  Model model;

  const sdk::GraphView& graph() const { return graph_; }
  const WriteOptions& options() const { return options_; }
  int depth() const { return depth_; }
  // A constant of the graph, or of one around it that this one captures.
  std::optional<sdk::TensorView> constant_of(uint32_t value) const;
  // The wire of a value of the graph; a constant becomes a Const (and a Convert when weights are compressed).
  Wire value(uint32_t value);
  // A constant as it is, whatever the compression.
  Wire exact(uint32_t value);
  bool known(uint32_t value) const { return wires_.count(value) != 0; }
  // The graph's value comes out of this wire, and its name is one of the port's.
  void set(uint32_t value, const Wire& wire);
  void place(uint32_t value, const Wire& wire) { wires_.insert_or_assign(value, wire); }
  // A layer with that name, made unique. Sets the outputs' types from the table; dimensions are given, or follow where the table says how.
  std::vector<Wire> add(const std::string& name, const Form& form, const std::vector<Wire>& inputs, Attributes attributes,
                        const std::vector<Dimensions>& dimensions, const std::vector<int32_t>& types = {});
  Wire constant(const std::string& name, int32_t type, std::vector<int64_t> dimensions, const void* data, uint64_t size,
                std::shared_ptr<const void> owner = nullptr);
  // nullptr: the value is a tensor, or a sequence of which nothing is known.
  const List* list(uint32_t value) const {
    const auto found = lists_.find(value);
    return found == lists_.end() ? nullptr : &found->second;
  }
  void set_list(uint32_t value, List list) { lists_.insert_or_assign(value, std::move(list)); }
  // Values whose nodes are written elsewhere: a Sigmoid that became part of a Swish.
  void skip_node(uint32_t node) { skipped_.insert(node); }
  bool skipped(uint32_t node) const { return skipped_.count(node) != 0; }
  // How many nodes take a value; graph outputs count.
  size_t uses(uint32_t value);
  // Constant weights (compressed or quantised ones included) in another shape whose first axes divide the first axis of theirs; nullopt: they
  // are computed.
  std::optional<Wire> reshaped(const Wire& wire, const std::vector<int64_t>& shape);
  // A constant in another shape; one -1 is what is left.
  std::optional<Wire> reshaped_constant(const Wire& wire, std::vector<int64_t> shape);
  // The name, or one like it that no layer has yet.
  std::string unique(const std::string& name);
  // A body that is unrolled is written among the layers of the draft around it, without names of its tensors, until they are given back.
  void borrow_layers(Draft& outer);
  void give_back_layers(Draft& outer);
  // The node that yields a value, unless it is an input or a constant.
  std::optional<sdk::NodeView> producer(uint32_t value) const;

 private:
  void count_uses();

  sdk::GraphView graph_;
  WriteOptions options_;
  const Draft* outer_ = nullptr;
  int depth_ = 0;
  bool unnamed_ = false;
  std::unordered_map<uint32_t, uint32_t> captured_;  // value here -> value in the graph around it
  std::unordered_map<uint32_t, Wire> wires_, exact_;
  std::unordered_map<uint32_t, List> lists_;
  std::unordered_set<uint32_t> skipped_;
  std::unordered_map<std::string, uint64_t> names_;
  std::vector<size_t> uses_;
};

// One node being written.
class Step {
 public:
  Step(Draft& draft, const sdk::NodeView& node) : draft(draft), node(node) {}

  Draft& draft;
  const sdk::NodeView node;

  size_t inputs() const { return node.get().input_count; }
  bool has(size_t i) const { return i < node.get().input_count && node.get().inputs[i] != LATHE_NONE; }
  bool wants(size_t i) const { return i < node.get().output_count && node.get().outputs[i] != LATHE_NONE; }
  Wire in(size_t i) const { return draft.value(node.get().inputs[i]); }
  Wire exact(size_t i) const { return draft.exact(node.get().inputs[i]); }
  std::optional<sdk::TensorView> constant(size_t i) const;
  // The elements of a constant integer input; refuses when it is none. `what` names it in the sentence.
  std::vector<int64_t> integers(size_t i, const char* what) const;
  std::optional<std::vector<int64_t>> known_integers(size_t i) const;
  // The single number of a constant float or integer input; nullopt when it is none.
  std::optional<double> number(size_t i) const;
  // Rank of an input; refuses where it is not known.
  int64_t rank(size_t i) const;
  // The axis counted from the front.
  int64_t axis(int64_t axis, int64_t rank) const;

  // A layer with one output. The last layer of a node carries the node's name: see out().
  Wire make(const Form& form, const std::vector<Wire>& inputs, Attributes attributes = {}, const Dimensions& dimensions = std::nullopt,
            int32_t type = 0);
  std::vector<Wire> make_many(const Form& form, const std::vector<Wire>& inputs, Attributes attributes, const std::vector<Dimensions>& dimensions,
                              const std::vector<int32_t>& types = {});
  Wire floats(int32_t type, std::vector<int64_t> dimensions, const std::vector<double>& numbers);  // of any numeric type
  Wire scalar(int32_t type, double number) { return floats(type, {}, {number}); }
  Wire indices(const std::vector<int64_t>& numbers);  // int64, one axis
  Wire index(int64_t number);                         // int64, a scalar
  // The node's output `i` is this wire.
  void out(size_t i, const Wire& wire);

  // Frequent compositions.
  Wire convert(const Wire& wire, int32_t type);
  Wire binary(const Form& form, const Wire& a, const Wire& b) { return make(form, {a, b}); }
  Wire reshape(const Wire& data, const std::vector<int64_t>& shape);  // 0 is no copy; one -1
  Wire unsqueeze(const Wire& data, const std::vector<int64_t>& axes);
  Wire squeeze(const Wire& data, const std::vector<int64_t>& axes);
  Wire transpose(const Wire& data, const std::vector<int64_t>& order);
  Wire gather(const Wire& data, const Wire& indices, int64_t axis);
  Wire concat(const std::vector<Wire>& parts, int64_t axis);
  Wire reduce(const Form& form, const Wire& data, const std::vector<int64_t>& axes, bool keep);
  Wire shape_of(const Wire& data);  // int64
  Wire slice(const Wire& data, const std::vector<int64_t>& start, const std::vector<int64_t>& stop, const std::vector<int64_t>& step,
             const std::vector<int64_t>& axes);
  Wire matmul(const Wire& a, const Wire& b, bool transpose_a = false, bool transpose_b = false);
  Wire broadcast_to(const Wire& data, const Wire& shape, const Dimensions& dimensions, const char* mode = "numpy");

  [[noreturn]] void refuse(std::string reason) const { throw Refusal{std::move(reason)}; }

 private:
  uint64_t parts_ = 0;
};

Dimensions broadcast(const Dimensions& a, const Dimensions& b);

}  // namespace lathe::openvino
