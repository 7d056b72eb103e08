// Lifting of older opsets to the canonical one: operators that were renamed, attributes that became inputs, defaults that changed.
//
// One rule per operator, in a table; a rule sees the node and the opset it came with. Rules that need a tensor's rank run after the
// others, when inference can tell it. Sources: ONNX, Changelog.md.
#include "core/ops/lift.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/ops/node_inference.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe {
namespace lift {

void fail(const Node& node, std::string text, std::string expected, std::string found, std::string hint) {
  Diagnostic d;
  d.text = std::move(text);
  d.node = node.name;
  d.op_type = node.op_type;
  d.expected = std::move(expected);
  d.found = std::move(found);
  d.hint = std::move(hint);
  throw Error(Code::failed, std::move(d));
}

void Place::set_input(size_t index, ValueId value) const {
  if (node().inputs.size() <= index) node().inputs.resize(index + 1, none);
  node().inputs[index] = value;
}

DataType Place::input_type(size_t index) const {
  const ValueId value = node().input(index);
  const DataType known = value == none ? DataType::none : graph.value(value).type.element;
  return known == DataType::none ? DataType::float32 : known;
}

ValueId Place::constant(std::string_view what, Tensor tensor) const {
  return graph.add_constant(node().name + "." + std::string(what), std::move(tensor));
}

ValueId Place::integers(std::string_view what, const std::vector<int64_t>& values) const {
  return constant(what, Tensor::of<int64_t>(DataType::int64, {int64_t(values.size())}, values));
}

namespace {
// Whether everything in the graph whose type is known says that it computes in float32.
bool only_float32(const Graph& graph) {
  bool some = false;
  for (const Value& value : graph.values) {
    const DataType type = value.constant ? value.constant->type : value.type.element;
    some = some || type == DataType::float32;
    if (type == DataType::float16 || type == DataType::float64 || type == DataType::bfloat16) return false;
  }
  return some;
}
}  // namespace

ValueId Place::scalar(std::string_view what, double value) const {
  if (has_input(0) && graph.value(node().inputs[0]).type.element == DataType::none && !only_float32(graph)) {
    const float x = float(value);
    return make("CastLike", {constant(what, Tensor::of<float>(DataType::float32, {}, std::span<const float>(&x, 1))), node().inputs[0]});
  }
  const auto of = [&]<class T>(DataType type, T x) { return constant(what, Tensor::of<T>(type, {}, std::span<const T>(&x, 1))); };
  switch (input_type(0)) {
    case DataType::float64:
      return of(DataType::float64, value);
    case DataType::float16:
      return of(DataType::float16, kernels::float16(float(value)));
    case DataType::bfloat16:
      return of(DataType::bfloat16, kernels::bfloat16(float(value)));
    case DataType::int32:
      return of(DataType::int32, int32_t(value));
    case DataType::int64:
      return of(DataType::int64, int64_t(value));
    default:
      return of(DataType::float32, float(value));
  }
}

ValueId Place::make(std::string op_type, std::vector<ValueId> inputs, std::map<std::string, Attribute, std::less<>> attributes) const {
  const std::string name = graph.fresh_node_name(node().name + "." + op_type);
  const ValueId result = graph.add_value(name);
  graph.add_node(std::move(op_type), std::move(inputs), {result}, name).attributes = std::move(attributes);
  return result;
}

void Place::integers_to_input(std::string_view attribute, size_t index) const {
  if (!node().has(attribute)) return;
  const std::vector<int64_t> values = node().integers(attribute);
  if (!has_input(index)) set_input(index, integers(attribute, values));
  remove(attribute);
}

void Place::real_to_input(std::string_view attribute, size_t index) const {
  if (!node().has(attribute)) return;
  const float value = node().real(attribute, 0);
  if (!has_input(index)) set_input(index, scalar(attribute, double(value)));
  remove(attribute);
}

void Place::remove(std::string_view attribute) const {
  if (const auto found = node().attributes.find(attribute); found != node().attributes.end()) node().attributes.erase(found);
}

void Place::rename(std::string_view attribute, std::string_view from, std::string_view to) const {
  if (node().has(attribute) && node().text(attribute, "") == from) node().attributes.find(attribute)->second.value = std::string(to);
}

}  // namespace lift

namespace {

using lift::fail;
using lift::Place;
using lift::Rule;

constexpr int64_t oldest_opset = 1;

void lift_clip(const Place& p) {
  p.real_to_input("min", 1);
  p.real_to_input("max", 2);
}

void lift_slice(const Place& p) {
  p.integers_to_input("starts", 1);
  p.integers_to_input("ends", 2);
  p.integers_to_input("axes", 3);
}

void lift_pad(const Place& p) {
  p.integers_to_input("pads", 1);
  p.real_to_input("value", 2);
}

void lift_axes(const Place& p) { p.integers_to_input("axes", 1); }
void lift_split(const Place& p) { p.integers_to_input("split", 1); }

void lift_top_k(const Place& p) {
  if (!p.node().has("k") || p.has_input(1)) return;
  const int64_t k = p.node().integer("k", 1);
  p.set_input(1, p.integers("k", {k}));
  p.remove("k");
}

// In inference the ratio means nothing. The mask was of the data's type before opset 10.
void lift_dropout(const Place& p) {
  p.remove("ratio");
  p.remove("is_test");
  if (p.opset >= 10 || p.node().outputs.size() < 2 || p.node().outputs[1] == none) return;
  const ValueId old = p.node().outputs[1], mask = p.graph.add_value(p.node().name + ".mask"), x = p.node().input(0);
  p.node().outputs[1] = mask;
  p.graph.add_node("CastLike", {mask, x}, {old}, p.graph.fresh_node_name(p.node().name + ".cast"));
}

void lift_batch_normalization(const Place& p) {
  const bool per_channel = p.node().integer("spatial", 1) != 0;
  p.remove("spatial");
  p.remove("is_test");
  p.remove("consumed_inputs");
  Node& node = p.node();
  if (!per_channel) {
    if (node.inputs.size() < 5 || node.outputs.empty()) fail(node, "it has too few inputs or outputs", "5 inputs and 1 output");
    // Statistics of a whole element of the batch, so they broadcast by themselves: (x - mean) / sqrt(variance + epsilon) * scale + bias.
    const std::vector<ValueId> in = node.inputs;
    const ValueId epsilon = p.scalar("epsilon", double(node.real("epsilon", 1e-5f)));
    const ValueId deviation = p.make("Sqrt", {p.make("Add", {in[4], epsilon})});
    const ValueId scaled = p.make("Mul", {p.make("Div", {p.make("Sub", {in[0], in[3]}), deviation}), in[1]});
    p.node().op_type = "Add";
    p.node().inputs = {scaled, in[2]};
    p.node().outputs.resize(1);
    p.node().attributes.clear();
    return;
  }
  if (node.outputs.size() <= 1 || node.integer("training_mode", 0)) return;
  // Before opset 14 the running statistics were outputs that only training used.
  const Uses uses(p.graph);
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    const ValueId value = node.outputs[i];
    if (value != none && (!uses.users[value].empty() || uses.output[value]))
      fail(node, "its running statistics are used, as in training", "one output", {}, "export the model for inference");
  }
  node.outputs.resize(1);
}

// Opset 10 left the coordinates open; ONNX Runtime's way is the usual one: no half-pixel shift, and rounding towards the coarser grid, which for
// nearest neighbours is up on axes that shrink and down on those that grow. Where both may stand, one step shrinks and a second one grows.
void lift_resize(const Place& p) {
  const bool may_shrink = p.node().op_type == "Resize";
  Node& node = p.node();
  node.op_type = "Resize";
  if (node.has("scales")) {
    const auto* scales = std::get_if<Attribute::Floats>(&node.attributes.find("scales")->second.value);
    if (!scales) fail(node, "attribute 'scales' has the wrong type", "a list of floats");
    const ValueId id = p.constant("scales", Tensor::of<float>(DataType::float32, {int64_t(scales->size())}, *scales));
    p.node().inputs.resize(1, none);
    p.set_input(1, id);
    p.remove("scales");
  }
  if (!p.has_input(1)) fail(p.node(), "the scales are missing");
  const ValueId scales = p.node().inputs[1];
  p.node().inputs = {p.node().inputs[0], none, scales};
  const bool nearest = p.node().text("mode", "nearest") == "nearest";
  p.node().attributes["coordinate_transformation_mode"].value = std::string("asymmetric");
  if (p.node().text("mode", "nearest") == "bilinear") p.node().attributes["mode"].value = std::string("linear");
  if (!nearest) return;
  bool shrinks = may_shrink, grows = true;
  if (const Tensor* constant = p.graph.constant(scales); constant && constant->type == DataType::float32) {
    const auto all = constant->as<float>();
    shrinks = std::any_of(all.begin(), all.end(), [](float scale) { return scale < 1; });
    grows = std::any_of(all.begin(), all.end(), [](float scale) { return scale > 1; });
  }
  if (shrinks && grows) {
    const float one = 1;
    const ValueId ones = p.constant("one", Tensor::of<float>(DataType::float32, {}, {&one, 1}));
    const ValueId small = p.make("Resize", {p.node().inputs[0], none, p.make("Min", {scales, ones})},
                                 {{"coordinate_transformation_mode", {std::string("asymmetric")}}, {"nearest_mode", {std::string("ceil")}}});
    const ValueId growth = p.make("Max", {scales, ones});
    p.node().inputs = {small, none, growth};
  }
  p.node().attributes["nearest_mode"].value = std::string(shrinks && !grows ? "ceil" : "floor");
}

void lift_resize_coordinates(const Place& p) {
  // Opset 11 and 12 knew one more, for nearest neighbours: no shift back by half a pixel. Rounding in another direction does the same.
  if (p.node().text("coordinate_transformation_mode", "half_pixel") != "tf_half_pixel_for_nn") return;
  const std::string rounding = p.node().text("nearest_mode", "round_prefer_floor");
  if (p.node().text("mode", "nearest") != "nearest" || (rounding != "floor" && rounding != "round_prefer_floor"))
    fail(p.node(), "coordinates 'tf_half_pixel_for_nn' are only supported with nearest neighbours rounded down",
         "mode nearest, nearest_mode floor or round_prefer_floor");
  p.node().attributes["coordinate_transformation_mode"].value = std::string("half_pixel");
  p.node().attributes["nearest_mode"].value = std::string(rounding == "floor" ? "round_prefer_ceil" : "ceil");
}

// Before opset 20 the axis was an attribute, 1 by default.
void lift_dft(const Place& p) {
  const int64_t axis = p.node().integer("axis", 1);
  p.remove("axis");
  if (!p.has_input(2)) p.set_input(2, p.constant("axis", Tensor::of<int64_t>(DataType::int64, {}, {&axis, 1})));
}

// Opset 16 named the modes after two dimensions.
void lift_grid_sample(const Place& p) {
  const std::string mode = p.node().text("mode", "bilinear");
  if (mode == "bilinear") p.node().attributes["mode"].value = std::string("linear");
  if (mode == "bicubic") p.node().attributes["mode"].value = std::string("cubic");
}

// Before opset 16 half a pixel was shifted on the output's side only.
void lift_roi_align(const Place& p) { p.node().attributes["coordinate_transformation_mode"].value = std::string("output_half_pixel"); }

void lift_scatter(const Place& p) { p.node().op_type = "ScatterElements"; }

// Scale and bias were per group; each is repeated for the channels of its group.
void lift_group_normalization(const Place& p) {
  const ValueId groups = p.integers("groups", {p.node().integer("num_groups", 1)}), flat = p.integers("flat", {-1}), axis = p.integers("axis", {1});
  const ValueId channels = p.make("Shape", {p.node().input(0)}, {{"start", {int64_t(1)}}, {"end", {int64_t(2)}}});
  const ValueId table = p.make("Concat", {groups, p.make("Div", {channels, groups})}, {{"axis", {int64_t(0)}}});
  for (const size_t i : {1, 2}) {
    if (!p.has_input(i)) fail(p.node(), "scale or bias is missing");
    p.set_input(i, p.make("Reshape", {p.make("Expand", {p.make("Unsqueeze", {p.node().inputs[i], axis}), table}), flat}));
  }
}

// An empty tensor stood for an absent input before inputs could be absent.
void lift_resize_inputs(const Place& p) {
  for (size_t i = 1; i < p.node().inputs.size(); ++i)
    if (const Tensor* tensor = p.graph.constant(p.node().inputs[i]); tensor && tensor->size() == 0) p.node().inputs[i] = none;
}

// Before opset 13 the tensor was seen as a matrix [before axis, from axis on], and the default axis was 1.
void lift_softmax(const Place& p) {
  const ValueId x = p.node().input(0), y = p.node().outputs.empty() ? none : p.node().outputs[0];
  if (x == none || y == none) return;
  const int64_t axis = p.node().integer("axis", 1);
  const std::optional<Shape>& shape = p.graph.value(x).type.shape;
  p.node().attributes["axis"].value = int64_t(-1);
  if (shape && !shape->empty()) {
    const int64_t rank = int64_t(shape->size()), first = axis < 0 ? axis + rank : axis;
    if (first == rank - 1) return;
    if (first < 0 || first > rank)
      fail(p.node(), "axis lies outside the tensor's rank", std::to_string(-rank) + " to " + std::to_string(rank), std::to_string(axis));
    // Without elements every axis will do, and Reshape could not bring the shape back: a 0 means another thing to it.
    if (std::any_of(shape->begin(), shape->end(), [](const Dimension& d) { return d.value == 0; })) return;
    // One line runs along the only axis that is longer than 1.
    int64_t longest = first, longer = 0;
    for (int64_t i = first; i < rank; ++i)
      if ((*shape)[size_t(i)].value != 1) longest = i, ++longer;
    if (longer <= 1 && first < rank) {
      p.node().attributes["axis"].value = longest;
      return;
    }
  }
  Graph& g = p.graph;
  const std::string name = p.node().name;
  const ValueId matrix = g.add_value(name + ".matrix"), result = g.add_value(name + ".result"), size = g.add_value(name + ".shape");
  p.node().inputs = {matrix};
  p.node().outputs = {result};
  g.add_node("Flatten", {x}, {matrix}, g.fresh_node_name(name + ".flatten")).attributes["axis"].value = axis;
  g.add_node("Shape", {x}, {size}, g.fresh_node_name(name + ".shape"));
  g.add_node("Reshape", {result, size}, {y}, g.fresh_node_name(name + ".reshape"));
}

constexpr Rule rules[] = {
    {"Clip", 11, lift_clip},
    {"Slice", 10, lift_slice},
    {"Pad", 11, lift_pad},
    {"Squeeze", 13, lift_axes},
    {"Unsqueeze", 13, lift_axes},
    {"ReduceSum", 13, lift_axes},
    {"ReduceMean", 18, lift_axes},
    {"ReduceMax", 18, lift_axes},
    {"ReduceMin", 18, lift_axes},
    {"ReduceProd", 18, lift_axes},
    {"ReduceL1", 18, lift_axes},
    {"ReduceL2", 18, lift_axes},
    {"ReduceSumSquare", 18, lift_axes},
    {"ReduceLogSum", 18, lift_axes},
    {"ReduceLogSumExp", 18, lift_axes},
    {"Split", 13, lift_split},
    {"TopK", 10, lift_top_k},
    {"Dropout", 12, lift_dropout},
    {"BatchNormalization", 14, lift_batch_normalization},
    {"Upsample", canonical_opset, lift_resize},
    {"Resize", 11, lift_resize},
    {"Resize", 13, lift_resize_coordinates},
    {"Scatter", canonical_opset, lift_scatter},
    {"Resize", 13, lift_resize_inputs},
    {"GroupNormalization", 21, lift_group_normalization},
    {"DFT", 20, lift_dft},
    {"GridSample", 20, lift_grid_sample},
    {"RoiAlign", 16, lift_roi_align},
    {"Scan", 9, lift::lift_scan},
};
constexpr Rule ranked_rules[] = {
    {"Softmax", 13, lift_softmax},
    {"LogSoftmax", 13, lift_softmax},
    {"Hardmax", 13, lift_softmax},
};

class Lifter {
 public:
  Lifter(int64_t opset) : opset_(opset) {}

  void lift(Graph& graph) {
    std::vector<int64_t> opsets = own_opsets(graph);
    constants_to_values(graph, opsets);  // before the rules, which look at what is constant
    bodies(graph);
    apply(graph, lift::early_rules(), opsets);
    apply(graph, rules, opsets);
    bool ranks = false;
    for (size_t i = 0; i < opsets.size(); ++i)
      for (const Rule& rule : ranked_rules) ranks = ranks || (graph.nodes[i].op_type == rule.op_type && opsets[i] < rule.below);
    if (ranks && problems_.empty()) {
      Graph known = clone(graph);
      try {
        infer_types(known);
      } catch (const Error&) {
        // What is wrong is told when the lifted graph is inferred.
      }
      for (ValueId id = 0; id < graph.values.size(); ++id)
        if (!graph.value(id).type.shape) graph.value(id).type = known.value(id).type;
    }
    apply(graph, ranked_rules, opsets);
    compact(graph);
  }

  void finish() {
    if (!problems_.empty()) throw Error(Code::failed, std::move(problems_));
  }

 private:
  // The opset of each node: the graph's, or that of its own domain 'ai.onnx@13'.
  std::vector<int64_t> own_opsets(Graph& graph) {
    constexpr std::string_view prefix = "ai.onnx@";
    std::vector<int64_t> opsets(graph.nodes.size(), opset_);
    for (size_t i = 0; i < opsets.size(); ++i) {
      Node& node = graph.nodes[i];
      if (node.domain == "ai.onnx") node.domain.clear();
      if (!node.domain.starts_with(prefix)) continue;
      const char* const end = node.domain.data() + node.domain.size();
      const auto [rest, error] = std::from_chars(node.domain.data() + prefix.size(), end, opsets[i]);
      const bool known = error == std::errc() && rest == end && opsets[i] >= oldest_opset && opsets[i] <= canonical_opset;
      const std::string found = node.domain.substr(prefix.size());
      node.domain.clear();
      if (known) continue;
      opsets[i] = opset_;
      Diagnostic d;
      d.text = "it is written for an opset that cannot be read";
      d.node = node.name;
      d.op_type = node.op_type;
      d.expected = std::to_string(oldest_opset) + " to " + std::to_string(canonical_opset);
      d.found = found;
      problems_.push_back(std::move(d));
    }
    return opsets;
  }

  void bodies(Graph& graph) {
    for (Node& node : graph.nodes)
      for (Graph* body : subgraphs(node)) lift(*body);
  }

  void apply(Graph& graph, std::span<const Rule> list, const std::vector<int64_t>& opsets) {
    for (NodeId id = 0; id < opsets.size(); ++id) {  // rules append nodes that are canonical already
      if (graph.nodes[id].domain == "ai.onnx.ml") lift_label_encoder(graph.nodes[id]);
      if (!graph.nodes[id].domain.empty()) continue;
      const std::string op_type = graph.nodes[id].op_type;
      try {
        for (const Rule& rule : list)
          if ((rule.op_type == op_type || rule.op_type.empty()) && opsets[id] < rule.below) rule.lift(Place{graph, id, opsets[id]});
      } catch (const Error& error) {
        problems_.insert(problems_.end(), error.diagnostics.begin(), error.diagnostics.end());
      }
    }
  }

  // LabelEncoder of ai.onnx.ml 1 maps texts to their places in a list, or places to texts, which is a CategoryMapper.
  static void lift_label_encoder(Node& node) {
    const auto found = node.attributes.find("classes_strings");
    if (node.op_type != "LabelEncoder" || found == node.attributes.end()) return;
    const auto* texts = std::get_if<Attribute::Strings>(&found->second.value);
    Attribute::Ints places(texts ? texts->size() : 0);
    for (size_t i = 0; i < places.size(); ++i) places[i] = int64_t(i);
    node.op_type = "CategoryMapper";
    node.attributes["cats_int64s"] = Attribute{std::move(places)};
    node.attributes["cats_strings"] = found->second;
    node.attributes.erase("classes_strings");
  }

  // A Constant node's tensor becomes its output's, unless it is an output of the graph.
  static void constants_to_values(Graph& graph, std::vector<int64_t>& opsets) {
    std::vector<bool> output(graph.values.size(), false);
    for (const ValueId id : graph.outputs) output[id] = true;
    size_t kept = 0;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      Node& node = graph.nodes[i];
      if (node.op_type == "Constant" && node.domain.empty() && node.outputs.size() == 1 && node.outputs[0] != none && !output[node.outputs[0]]) {
        Value& value = graph.value(node.outputs[0]);
        value.constant = constant_of(node);
        value.type = {ValueKind::tensor, value.constant->type, Shape(value.constant->dimensions.begin(), value.constant->dimensions.end())};
        continue;
      }
      if (kept != i) graph.nodes[kept] = std::move(node), opsets[kept] = opsets[i];
      ++kept;
    }
    graph.nodes.erase(graph.nodes.begin() + ptrdiff_t(kept), graph.nodes.end());
    opsets.resize(kept);
  }

  int64_t opset_;
  std::vector<Diagnostic> problems_;
};

}  // namespace

void lift_to_canonical(Graph& graph) {
  int64_t opset = canonical_opset;
  for (const char* domain : {"ai.onnx", ""})
    if (const auto found = graph.opsets.find(domain); found != graph.opsets.end()) opset = found->second;
  if (opset < oldest_opset)
    throw Error(Code::failed,
                "the model uses opset " + std::to_string(opset) + "; opsets " + std::to_string(oldest_opset) + " to " +
                    std::to_string(canonical_opset) + " can be read",
                "convert the model with onnx.version_converter, or export it again with a newer opset");
  if (opset > canonical_opset)
    throw Error(Code::failed,
                "the model uses opset " + std::to_string(opset) + "; opsets " + std::to_string(oldest_opset) + " to " +
                    std::to_string(canonical_opset) + " can be read",
                "export the model with an opset of at most " + std::to_string(canonical_opset));
  Lifter lifter(opset);
  lifter.lift(graph);
  lifter.finish();
  graph.opsets.erase("ai.onnx");
  graph.opsets[""] = canonical_opset;
}

}  // namespace lathe
