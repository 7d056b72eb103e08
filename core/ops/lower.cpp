// One rule per operator, in a table, as for lifting; rules that write an operator out in canonical others stand in lower_expand.cpp. What a rule adds
// is appended to the graph and meets the rules itself. Sources: ONNX, Changelog.md.
#include "core/ops/lower.hpp"

#include <algorithm>
#include <optional>

#include "core/ops/lower_rules.hpp"
#include "core/ops/operator.hpp"

namespace lathe {
namespace {

using lift::Place;
using lift::Rule;
using lower::refuse;

std::optional<std::vector<int64_t>> constant_integers(const Place& p, size_t input) {
  const Tensor* tensor = p.graph.constant(p.node().input(input));
  if (!tensor) return std::nullopt;
  return to_int64s(*tensor);
}

// An input of integers becomes the attribute of that name; it has to be a constant.
void input_to_integers(const Place& p, size_t index, std::string_view attribute) {
  if (!p.has_input(index)) return;
  const auto values = constant_integers(p, index);
  if (!values) refuse("its " + std::string(attribute) + " are computed, and were an attribute before");
  p.node().attributes[std::string(attribute)] = Attribute{*values};
  p.node().inputs.resize(index);
}

void lower_axes(const Place& p) { input_to_integers(p, 1, "axes"); }

void lower_reduce(const Place& p) {
  const bool nothing = !p.has_input(1) || constant_integers(p, 1).value_or(std::vector<int64_t>{0}).empty();
  const bool keeps = p.node().integer("noop_with_empty_axes", 0) != 0;
  p.remove("noop_with_empty_axes");
  if (!nothing) return input_to_integers(p, 1, "axes");
  p.node().inputs.resize(1);
  if (!keeps) return;
  if (p.node().op_type != "ReduceSum" && p.node().op_type != "ReduceMean" && p.node().op_type != "ReduceMax" && p.node().op_type != "ReduceMin" &&
      p.node().op_type != "ReduceProd")
    refuse("it reduces no axis, which could not be said before");
  p.node().op_type = "Identity";
  p.node().attributes.clear();
}

// Where num_outputs alone says how the axis is cut, the outputs' shapes tell the sizes.
void lower_split_count(const Place& p) {
  if (!p.node().has("num_outputs")) return;
  p.remove("num_outputs");
  if (p.has_input(1)) return;
  const ValueType& whole = p.graph.value(p.node().inputs[0]).type;
  if (!whole.shape) refuse("the rank of what it splits is not known");
  int64_t axis = p.node().integer("axis", 0);
  if (axis < 0) axis += int64_t(whole.shape->size());
  std::vector<int64_t> sizes;
  for (const ValueId v : p.node().outputs) {
    const std::optional<Shape> shape = v == none ? std::nullopt : p.graph.value(v).type.shape;
    if (!shape || size_t(axis) >= shape->size() || !(*shape)[size_t(axis)].constant()) refuse("the sizes it splits into are not known");
    sizes.push_back((*shape)[size_t(axis)].value);
  }
  p.set_input(1, p.integers("split", sizes));
}

void lower_split(const Place& p) { input_to_integers(p, 1, "split"); }

void lower_dropout(const Place& p) {
  const Tensor* training = p.graph.constant(p.node().input(2));
  if (p.has_input(2) && (!training || training->size() != 1 || training->as<uint8_t>()[0] != 0)) refuse("it drops values, as in training");
  p.node().inputs.resize(1);
  p.remove("seed");
}

// Pads of chosen axes become pads of all.
void lower_pad_axes(const Place& p) {
  if (!p.has_input(3)) return;
  const auto pads = constant_integers(p, 1), axes = constant_integers(p, 3);
  const std::optional<Shape>& shape = p.graph.value(p.node().inputs[0]).type.shape;
  if (!pads || !axes || !shape || pads->size() != 2 * axes->size()) refuse("its pads or axes are computed");
  const size_t rank = shape->size();
  std::vector<int64_t> all(2 * rank);
  for (size_t i = 0; i < axes->size(); ++i) {
    const int64_t axis = (*axes)[i] < 0 ? (*axes)[i] + int64_t(rank) : (*axes)[i];
    if (axis < 0 || size_t(axis) >= rank) refuse("an axis lies outside the tensor's rank");
    all[size_t(axis)] = (*pads)[i];
    all[size_t(axis) + rank] = (*pads)[i + axes->size()];
  }
  p.node().inputs.resize(3);
  p.set_input(1, p.integers("pads", all));
  if (p.node().inputs[2] == none) p.node().inputs.resize(2);
}

void lower_pad_mode(const Place& p) {
  if (p.node().text("mode", "constant") == "wrap") refuse("mode 'wrap' came with opset 19");
}

void lower_resize_coordinates(const Place& p) {
  if (p.node().text("coordinate_transformation_mode", "half_pixel") == "half_pixel_symmetric")
    refuse("coordinates 'half_pixel_symmetric' came with opset 19");
}

// Sizes or scales of chosen axes become those of all.
void lower_resize_axes(const Place& p) {
  if (!p.node().has("axes")) return;
  const ValueType& type = p.graph.value(p.node().inputs[0]).type;
  if (!type.static_shape()) refuse("it resizes chosen axes of a tensor whose shape is not known");
  const std::vector<int64_t> dimensions = type.dimensions(), axes = p.node().integers("axes");
  const auto place = [&](size_t i) { return size_t(axes[i] < 0 ? axes[i] + int64_t(dimensions.size()) : axes[i]); };
  if (p.node().text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize") refuse("it crops chosen axes");
  if (p.has_input(3)) {
    const auto sizes = constant_integers(p, 3);
    if (!sizes || sizes->size() != axes.size()) refuse("its sizes are computed");
    std::vector<int64_t> all = dimensions;
    for (size_t i = 0; i < axes.size(); ++i) all.at(place(i)) = (*sizes)[i];
    p.set_input(3, p.integers("sizes", all));
  } else {
    const Tensor* scales = p.graph.constant(p.node().input(2));
    if (!scales || scales->type != DataType::float32 || size_t(scales->size()) != axes.size()) refuse("its scales are computed");
    std::vector<float> all(dimensions.size(), 1.0f);
    for (size_t i = 0; i < axes.size(); ++i) all.at(place(i)) = scales->as<float>()[i];
    p.set_input(2, p.constant("scales", Tensor::of<float>(DataType::float32, {int64_t(all.size())}, all)));
  }
  p.remove("axes");
}

// Before inputs could be absent, an empty tensor said so.
void lower_resize_inputs(const Place& p) {
  const auto nothing = [&](std::string_view what) { return p.constant(what, Tensor::of<float>(DataType::float32, {0}, std::span<const float>())); };
  if (!p.has_input(1)) p.set_input(1, nothing("roi"));
  if (!p.has_input(2)) p.set_input(2, nothing("scales"));
}

// Before opset 13 everything from the axis on was one line; now it is the axis alone. The two say the same for the last axis that is longer than 1.
void lower_softmax(const Place& p) {
  const ValueId x = p.node().input(0);
  const std::optional<Shape> shape = p.graph.value(x).type.shape;
  if (!shape) refuse("the rank of its input is not known");
  const auto rank = int64_t(shape->size());
  if (rank == 0) return;
  int64_t axis = p.node().integer("axis", -1);
  if (axis < 0) axis += rank;
  p.node().attributes["axis"] = Attribute{axis};
  if (std::all_of(shape->begin() + axis + 1, shape->end(), [](const Dimension& d) { return d.value == 1; })) return;
  std::vector<int64_t> order(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) order[size_t(i)] = i;
  std::swap(order[size_t(axis)], order.back());
  ValueType swapped = p.graph.value(x).type;
  std::swap((*swapped.shape)[size_t(axis)], swapped.shape->back());
  const ValueId before = p.make("Transpose", {x}, {{"perm", {order}}});
  p.graph.value(before).type = swapped;
  const ValueId after = p.make(p.node().op_type, {before}, {{"axis", {rank - 1}}});
  p.graph.value(after).type = swapped;
  // What is made meets the rules again and stays: its axis is the last.
  p.node().op_type = "Transpose";
  p.node().inputs = {after};
  p.node().attributes = {{"perm", {order}}};
}

void lower_shape(const Place& p) {
  const int64_t start = p.node().integer("start", 0);
  const bool whole = start == 0 && !p.node().has("end");
  const int64_t end = p.node().integer("end", INT64_MAX);
  p.remove("start");
  p.remove("end");
  if (whole) return;
  const ValueId all = p.make("Shape", {p.node().inputs[0]});
  p.graph.value(all).type = {ValueKind::tensor, DataType::int64, std::nullopt};
  p.node().op_type = "Slice";
  p.node().inputs = {all, p.integers("start", {start}), p.integers("end", {end})};
}

void lower_cast_like(const Place& p) {
  const DataType type = p.graph.value(p.node().input(1)).type.element;
  if (type == DataType::none) refuse("the type it casts to is not known");
  p.node().op_type = "Cast";
  p.node().inputs.resize(1);
  p.node().attributes = {{"to", {int64_t(type)}}};
}

void lower_grid_sample(const Place& p) {
  const std::optional<Shape>& shape = p.graph.value(p.node().input(0)).type.shape;
  if (!shape || shape->size() != 4) refuse("it samples other than [N, C, H, W]");
  const std::string mode = p.node().text("mode", "linear");
  p.node().attributes["mode"] = Attribute{std::string(mode == "linear" ? "bilinear" : mode == "cubic" ? "bicubic" : mode)};
}

void lower_roi_align(const Place& p) {
  if (p.node().text("coordinate_transformation_mode", "half_pixel") != "output_half_pixel")
    refuse("coordinates other than 'output_half_pixel' came with opset 16");
  p.remove("coordinate_transformation_mode");
}

void lower_dft(const Place& p) {
  if (!p.has_input(2)) return p.node().attributes.insert_or_assign("axis", Attribute{int64_t(-2)}), void();
  const auto axis = constant_integers(p, 2);
  if (!axis || axis->size() != 1) refuse("its axis is computed");
  p.node().attributes["axis"] = Attribute{(*axis)[0]};
  p.node().inputs.resize(2);
  if (p.node().inputs[1] == none) p.node().inputs.resize(1);
}

constexpr Rule rules[] = {
    {"Squeeze", 13, lower_axes},        {"Unsqueeze", 13, lower_axes},
    {"ReduceSum", 13, lower_reduce},    {"ReduceMean", 18, lower_reduce},
    {"ReduceMax", 18, lower_reduce},    {"ReduceMin", 18, lower_reduce},
    {"ReduceProd", 18, lower_reduce},   {"ReduceL1", 18, lower_reduce},
    {"ReduceL2", 18, lower_reduce},     {"ReduceSumSquare", 18, lower_reduce},
    {"ReduceLogSum", 18, lower_reduce}, {"ReduceLogSumExp", 18, lower_reduce},
    {"Split", 18, lower_split_count},   {"Split", 13, lower_split},
    {"Dropout", 12, lower_dropout},     {"Pad", 18, lower_pad_axes},
    {"Pad", 19, lower_pad_mode},        {"Resize", 19, lower_resize_coordinates},
    {"Resize", 18, lower_resize_axes},  {"Resize", 13, lower_resize_inputs},
    {"Softmax", 13, lower_softmax},     {"LogSoftmax", 13, lower_softmax},
    {"Hardmax", 13, lower_softmax},     {"Shape", 15, lower_shape},
    {"CastLike", 15, lower_cast_like},  {"GridSample", 20, lower_grid_sample},
    {"RoiAlign", 16, lower_roi_align},  {"DFT", 20, lower_dft},
};

// Attributes that came with an opset, and what each says that could not be said before: any other value than the one it has when absent.
struct LaterAttribute {
  std::string_view op_type, name;
  int64_t since;
  int64_t fallback = 0;                 // of integers, and of every one in a list
  std::string_view text_fallback = {};  // of texts
};
constexpr LaterAttribute later_attributes[] = {
    {"ArgMax", "select_last_index", 12},
    {"ArgMin", "select_last_index", 12},
    {"AveragePool", "dilations", 19, 1},
    {"BatchNormalization", "training_mode", 14},
    {"Cast", "round_mode", 24, 0, "up"},
    {"Cast", "saturate", 19, 1},
    {"DequantizeLinear", "axis", 13, 1},
    {"DequantizeLinear", "block_size", 21},
    {"DequantizeLinear", "output_dtype", 23},
    {"GRU", "layout", 14},
    {"GatherND", "batch_dims", 12},
    {"LSTM", "layout", 14},
    {"LpPool", "ceil_mode", 18},
    {"LpPool", "dilations", 18, 1},
    {"QuantizeLinear", "axis", 13, 1},
    {"QuantizeLinear", "block_size", 21},
    {"QuantizeLinear", "output_dtype", 21},
    {"QuantizeLinear", "precision", 23},
    {"QuantizeLinear", "saturate", 19, 1},
    {"RNN", "layout", 14},
    {"Reshape", "allowzero", 14},
    {"Resize", "antialias", 18},
    {"Resize", "keep_aspect_ratio_policy", 18, 0, "stretch"},
    {"ScatterElements", "reduction", 16, 0, "none"},
    {"ScatterND", "reduction", 16, 0, "none"},
};

bool is_fallback(const Attribute& attribute, const LaterAttribute& later) {
  if (const auto* one = std::get_if<int64_t>(&attribute.value)) return *one == later.fallback;
  if (const auto* text = std::get_if<std::string>(&attribute.value)) return *text == later.text_fallback;
  if (const auto* many = std::get_if<Attribute::Ints>(&attribute.value))
    return std::all_of(many->begin(), many->end(), [&](int64_t v) { return v == later.fallback; });
  return false;
}

// Whether the zeros in a shape that allows them matter.
bool has_zero(const Tensor* shape) {
  if (!shape) return true;
  const std::vector<int64_t> sizes = to_int64s(*shape);
  return std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
}

// Of tensors: the opset with which a type came.
int64_t opset_of(DataType type) {
  switch (type) {
    case DataType::bfloat16:
      return 13;
    case DataType::float8e4m3fn:
    case DataType::float8e4m3fnuz:
    case DataType::float8e5m2:
    case DataType::float8e5m2fnuz:
      return 19;
    case DataType::uint4:
    case DataType::int4:
      return 21;
    case DataType::float4e2m1:
      return 23;
    case DataType::float8e8m0:
      return 24;
    case DataType::uint2:
    case DataType::int2:
      return 25;
    default:
      return 1;
  }
}

class Lowerer {
 public:
  Lowerer(Graph& graph, int64_t opset) : graph_(graph), opset_(opset), obstacles_(graph.nodes.size()) {}

  // Per node of the graph as it was: why not.
  std::vector<std::string> run() {
    std::vector<NodeId> origin(graph_.nodes.size());
    for (NodeId n = 0; n < origin.size(); ++n) origin[n] = n;
    for (NodeId n = 0; n < graph_.nodes.size(); ++n) {
      try {
        lower(n);
      } catch (const Error& error) {
        std::string& obstacle = obstacles_[origin[n]];
        if (obstacle.empty()) obstacle = error.diagnostics.front().text;
      }
      origin.resize(graph_.nodes.size(), origin[n]);  // what was added belongs to this one
    }
    return std::move(obstacles_);
  }

 private:
  void lower(NodeId n) {
    for (Graph* body : subgraphs(graph_.nodes[n])) {
      const std::vector<std::string> inside = Lowerer(*body, opset_).run();
      for (size_t i = 0; i < inside.size(); ++i)
        if (!inside[i].empty()) refuse("in its body, '" + body->nodes[i].name + "' (" + body->nodes[i].op_type + "): " + inside[i]);
      compact(*body);
    }
    if (!graph_.nodes[n].domain.empty()) return check_types(n);
    for (const std::span<const Rule> table : {lower::attention_expansions(), lower::expansions(), std::span<const Rule>(rules)})
      for (const Rule& rule : table)
        if (rule.op_type == graph_.nodes[n].op_type && opset_ < rule.below) rule.lift(Place{graph_, n, opset_});
    drop_later_attributes(graph_.nodes[n]);
    const Operator* op = find_operator("", graph_.nodes[n].op_type);
    if (op && !op->versions.empty() && op->versions.front() > opset_)
      refuse(graph_.nodes[n].op_type + " came with opset " + std::to_string(op->versions.front()) + ", and opset " + std::to_string(opset_) +
             " is wanted");
    check_types(n);
  }

  void drop_later_attributes(Node& node) const {
    for (const LaterAttribute& later : later_attributes) {
      if (later.op_type != node.op_type || opset_ >= later.since) continue;
      const auto found = node.attributes.find(later.name);
      if (found == node.attributes.end()) continue;
      const bool per_tensor = later.name == "axis" && graph_.constant(node.input(1)) && graph_.constant(node.input(1))->size() == 1;
      const bool no_zero = later.name == "allowzero" && !has_zero(graph_.constant(node.input(1)));
      if (!is_fallback(found->second, later) && !per_tensor && !no_zero)
        refuse("its attribute '" + std::string(later.name) + "' came with opset " + std::to_string(later.since));
      node.attributes.erase(found);
    }
    const bool quantises = node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear";
    if (quantises && opset_ < 13 && node.input(1) != none) {
      const ValueType& scale = graph_.value(node.input(1)).type;
      if (!scale.shape || (!scale.shape->empty() && !(scale.static_shape() && element_count(scale.dimensions()) == 1)))
        refuse("a scale for each channel came with opset 13");
    }
  }

  void check_types(NodeId n) const {
    for (const auto* list : {&graph_.nodes[n].inputs, &graph_.nodes[n].outputs})
      for (const ValueId v : *list) {
        if (v == none) continue;
        const Value& value = graph_.value(v);
        const DataType type = value.constant ? value.constant->type : value.type.element;
        if (opset_of(type) > opset_) refuse("tensors of type " + std::string(name(type)) + " came with opset " + std::to_string(opset_of(type)));
      }
  }

  Graph& graph_;
  int64_t opset_;
  std::vector<std::string> obstacles_;
};

void check_opset(int64_t opset) {
  if (opset < lowest_written_opset || opset > canonical_opset)
    throw Error(Code::usage, "models cannot be written at opset " + std::to_string(opset),
                "opsets " + std::to_string(lowest_written_opset) + " to " + std::to_string(canonical_opset) + " can be asked for");
}

}  // namespace

namespace lower {
void refuse(std::string text) { throw Error(Code::unsupported, std::move(text)); }
}  // namespace lower

void lower_to_opset(Graph& graph, int64_t opset) {
  check_opset(opset);
  if (opset == canonical_opset) return;
  std::vector<std::pair<std::string, std::string>> nodes;  // as they were: names and operators
  for (const Node& node : graph.nodes) nodes.emplace_back(node.name, node.op_type);
  const std::vector<std::string> obstacles = Lowerer(graph, opset).run();
  std::vector<Diagnostic> problems;
  for (size_t n = 0; n < obstacles.size(); ++n) {
    if (obstacles[n].empty()) continue;
    Diagnostic d;
    d.text = "it cannot be expressed at opset " + std::to_string(opset) + ": " + obstacles[n];
    d.node = nodes[n].first, d.op_type = nodes[n].second;
    problems.push_back(std::move(d));
  }
  if (!problems.empty()) throw Error(Code::unsupported, std::move(problems));
  compact(graph);
  graph.opsets[""] = opset;
}

std::vector<std::string> lowering_obstacles(const Graph& graph, int64_t opset) {
  check_opset(opset);
  if (opset == canonical_opset) return std::vector<std::string>(graph.nodes.size());
  Graph copy = clone(graph);
  return Lowerer(copy, opset).run();
}

}  // namespace lathe
