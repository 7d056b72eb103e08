// The walk over the graph: which nodes are taken together, which are computed on integers, and what inputs and outputs are called.
#include "lowering.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lathe::tflite {
namespace {

const LowerRule* find_rule(std::string_view onnx) {
  static const std::map<std::string_view, const LowerRule*>& rules = *[] {
    auto* all = new std::map<std::string_view, const LowerRule*>();
    for (const auto list :
         {activation_rules(),  attention_rules(), bit_cast_rules(),  bitwise_rules(),     control_flow_rules(), conversion_rules(),
          convolution_rules(), detection_rules(), einsum_rules(),    elementwise_rules(), feature_rules(),      indexing_rules(),
          integer_rules(),     logic_rules(),     loss_rules(),      matrix_rules(),      movement_rules(),     normalization_rules(),
          pooling_rules(),     random_rules(),    recurrent_rules(), reduction_rules(),   resize_rules(),       sampling_rules(),
          scatter_rules(),     spectral_rules(),  tree_rules(),      unique_rules()})
      for (const LowerRule& rule : list) all->emplace(rule.onnx, &rule);
    return all;
  }();
  const auto found = rules.find(onnx);
  return found == rules.end() ? nullptr : found->second;
}

// Why operators that have no rule have none.
std::string why_not(const sdk::NodeView& node) {
  constexpr std::pair<std::string_view, std::string_view> reasons[] = {
      {"ImageDecoder", "the format has no decoder of pictures"},
      {"RegexFullMatch", "the format has no operators on text but gathering and comparing"}};
  for (const auto& [op, reason] : reasons)
    if (node.op_type() == op) return std::string(reason);
  if (node.op_type().starts_with("Sequence") || node.op_type().find("Sequence") != std::string_view::npos) return "the format has no sequences";
  if (node.op_type().starts_with("String")) return "the format has no operators on text but gathering and comparing";
  if (node.op_type() == "LabelEncoder" && (node.has("keys_strings") || node.has("values_strings"))) return "the plugin holds no text";
  return "TensorFlow Lite has no operator for it, and it is not made of others here";
}

bool takes_activation(const sdk::NodeView& node) {
  for (const char* name : {"Conv", "Add", "Mul", "Sub", "Div", "Gemm", "AveragePool"})
    if (node.is(name)) return true;
  return false;
}

bool moves_only(const sdk::NodeView& node) {
  for (const char* name : {"Flatten", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"})
    if (node.is(name)) return true;
  return false;
}

// What the node reads: its inputs, and what its bodies take from the graph around them.
void for_each_read(const sdk::NodeView& node, const std::function<void(uint32_t)>& visit) {
  for (const uint32_t input : node.inputs())
    if (input != LATHE_NONE) visit(input);
  for (size_t a = 0; a < node.attribute_count(); ++a) {
    const sdk::AttributeView attribute = node.attribute(a);
    for (size_t i = 0; attribute.get().graphs && i < attribute.count(); ++i)
      for (const lathe_capture& capture : attribute.graph(i).captures()) visit(capture.outer);
  }
}

}  // namespace

Lowering::Lowering(const sdk::GraphView& graph, const LowerSettings& settings) : graph_(graph), settings_(settings) {
  model_.description = "Made by Lathe.";
  model_.subgraphs.emplace_back().name = "main";
}

void Lowering::read_values() {
  users_.resize(graph_.value_count());
  is_output_.resize(graph_.value_count());
  absorbed_.resize(graph_.node_count());
  for (const sdk::NodeView node : graph_.nodes()) for_each_read(node, [&](uint32_t id) { users_[id].push_back(node.index()); });
  for (const uint32_t output : graph_.outputs()) is_output_[output] = true;
  for (const sdk::ValueView v : graph_.values()) {
    Value value;
    value.name = v.name();
    value.extents = v.shape();
    value.has_rank = v.has_rank();
    value.onnx_type = v.type();
    tflite::type_of(v.type(), value.type);
    value.constant = v.constant();
    values_.push_back(std::move(value));
  }
}

// Scale and zero point of every integer value that a QuantizeLinear makes or a DequantizeLinear reads.
void Lowering::find_quantization() {
  bool asymmetric_weights = false;
  for (const sdk::NodeView node : graph_.nodes()) {
    const bool quantize = node.is("QuantizeLinear");
    if (!quantize && !node.is("DequantizeLinear")) continue;
    const uint32_t id = quantize ? node.output(0) : node.input(0);
    const auto scales = numbers(node.input(1));
    if (!scales || id == LATHE_NONE || node.integer("block_size", 0) != 0) continue;
    Quantization q;
    for (const double s : *scales) q.scales.push_back(static_cast<float>(s));
    q.zero_points.assign(scales->size(), 0);
    if (node.has_input(2)) {
      const auto zeros = integers(node.input(2));
      if (!zeros || zeros->size() != scales->size()) continue;
      q.zero_points = *zeros;
    }
    int64_t axis = node.integer("axis", 1);
    if (axis < 0) axis += static_cast<int64_t>(rank(id));
    q.axis = scales->size() > 1 ? static_cast<int32_t>(axis) : 0;
    Value& value = values_[id];
    if (value.quantization.present()) continue;
    value.quantization = q;
    if (value.type == Type::uint8 && value.constant && rank(id) >= 2)
      for (const int64_t z : q.zero_points) asymmetric_weights |= z != 128;
  }
  // What only moves elements leaves them as they are quantised.
  const auto ends = [&](const sdk::NodeView& node) {
    std::vector<uint32_t> ids;
    if (!moves_only(node) || (type(node.input(0)) != Type::int8 && type(node.input(0)) != Type::uint8)) return ids;
    ids = node.outputs().copy();
    ids.push_back(node.input(0));
    return ids;
  };
  bool changed = true;
  const auto again = [&](auto&& spread) {
    for (changed = true; changed;) {
      changed = false;
      for (const sdk::NodeView node : graph_.nodes()) spread(ends(node));
    }
  };
  again([&](const std::vector<uint32_t>& ids) {
    for (const uint32_t from : ids)
      for (const uint32_t to : ids)
        if (values_[from].quantization.present() && !values_[from].quantization.per_axis() && !values_[to].quantization.present())
          values_[to].quantization = values_[from].quantization, changed = true;
  });
  if (asymmetric_weights) return;
  // uint8 is int8 with another zero point, and int8 is what the kernels are made for.
  for (uint32_t id = 0; id < graph_.value_count(); ++id) {
    Value& value = values_[id];
    if (value.type != Type::uint8 || !value.quantization.present()) continue;
    value.shifted = true;
    for (const uint32_t user : users_[id]) value.shifted &= graph_.node(user).is("DequantizeLinear") || moves_only(graph_.node(user));
    const uint32_t producer = graph_.value(id).producer();
    value.shifted &= producer == LATHE_NONE || graph_.node(producer).is("QuantizeLinear") || moves_only(graph_.node(producer));
  }
  again([&](const std::vector<uint32_t>& ids) {
    for (const uint32_t from : ids)
      for (const uint32_t to : ids)
        if (!values_[from].shifted && values_[to].shifted) values_[to].shifted = false, changed = true;
  });
  for (Value& value : values_) {
    if (!value.shifted) continue;
    value.type = Type::int8;
    for (int64_t& z : value.quantization.zero_points) z -= 128;
  }
}

// Relu and its kin directly behind a node that can do them in passing.
void Lowering::find_activations() {
  tail_.resize(graph_.node_count());
  activation_.assign(graph_.node_count(), Activation::none);
  for (const sdk::NodeView node : graph_.nodes()) {
    tail_[node.index()] = node.index();
    if (!takes_activation(node) || !node.has_output(0) || !has_single_use(node.output(0)) || type(node.output(0)) != Type::float32) continue;
    const sdk::NodeView user = graph_.node(users_[node.output(0)][0]);
    Activation found = Activation::none;
    if (user.is("Relu")) found = Activation::relu;
    if (user.is("Clip") && user.input(0) == node.output(0) && user.has_input(1) && user.has_input(2)) {
      const auto low = numbers(user.input(1)), high = numbers(user.input(2));
      if (low && high && low->size() == 1 && high->size() == 1) {
        if ((*low)[0] == 0 && (*high)[0] == 6) found = Activation::relu6;
        if ((*low)[0] == -1 && (*high)[0] == 1) found = Activation::relu_n1_to_1;
      }
    }
    if (found == Activation::none) continue;
    tail_[node.index()] = user.index();
    activation_[node.index()] = found;
  }
}

bool Lowering::folded(uint32_t id) const {
  if (id >= graph_.value_count() || values_[id].constant) return false;
  const uint32_t producer = graph_.value(id).producer();
  if (producer == LATHE_NONE) return false;
  const sdk::NodeView node = graph_.node(producer);
  return node.is("DequantizeLinear") && values_[node.input(0)].constant && values_[node.input(0)].quantization.present();
}

// Whether the node, between DequantizeLinear and QuantizeLinear, has an integer kernel; `work` becomes the node on quantised values.
bool Lowering::can_be_integer(const sdk::NodeView& node, uint32_t tail, Work& work) const {
  const QuantizationRule* rule = node.domain().empty() ? find_quantization_rule(node.op_type()) : nullptr;
  if (!rule) return false;
  std::optional<Type> common;
  const auto agrees = [&](uint32_t id) {
    const Type t = type(id);
    if ((t != Type::int8 && t != Type::uint8) || (common && *common != t)) return false;
    common = t;
    return true;
  };
  const bool weights = node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm") || node.is("MatMul");
  for (size_t i = 0; i < work.inputs.size(); ++i) {
    const uint32_t id = work.inputs[i];
    if (id == LATHE_NONE || values_[id].onnx_type != LATHE_FLOAT32 || rank(id) == 0 || (node.is("Resize") && i > 0) || (weights && i == 2)) continue;
    const uint32_t producer = graph_.value(id).producer();
    const bool dequantised = producer != LATHE_NONE && graph_.node(producer).is("DequantizeLinear");
    if (!dequantised) {
      if (is_constant(id) && !weights && (node.is("Add") || node.is("Sub") || node.is("Mul"))) continue;
      return false;
    }
    const uint32_t q = graph_.node(producer).input(0);
    const Value& v = values_[q];
    if (!v.quantization.present() || !agrees(q) || (v.quantization.per_axis() && !(weights && i == 1 && v.constant))) return false;
    work.inputs[i] = q;
  }
  if (weights && work.has(2) && !is_constant(work.in(2))) return false;
  if (node.is("Gemm") && (node.real("alpha", 1) != 1 || node.real("beta", 1) != 1 || node.integer("transA", 0) != 0)) return false;
  if ((node.is("Add") || node.is("Sub") || node.is("Mul") || node.is("Max") || node.is("Min")) && work.inputs.size() != 2) return false;
  if (node.is("Pad") && (node.text("mode", "constant") != "constant" || (work.has(2) && numbers(work.in(2)) != std::vector<double>{0}))) return false;
  if (node.is("Clip")) {
    const auto low = work.has(1) ? numbers(work.in(1)) : std::nullopt, high = work.has(2) ? numbers(work.in(2)) : std::nullopt;
    if (low != std::vector<double>{0} || (work.has(2) && high != std::vector<double>{6})) return false;
  }
  if (node.is("Resize") && node.text("mode", "nearest") == "cubic") return false;
  if (!common) return false;
  const sdk::NodeView last = graph_.node(tail);
  for (size_t i = 0; i < last.outputs().size(); ++i) {
    const uint32_t id = last.output(i);
    if (id == LATHE_NONE || is_output_[id] || users_[id].empty()) return false;
    const Quantization* q = nullptr;
    for (const uint32_t user : users_[id]) {
      const sdk::NodeView next = graph_.node(user);
      if (!next.is("QuantizeLinear") || next.input(0) != id || !agrees(next.output(0))) return false;
      const Quantization& own = values_[next.output(0)].quantization;
      if (!own.present() || own.per_axis() || (q && !(own == *q))) return false;
      q = &own;
    }
    work.outputs[i] = graph_.node(users_[id][0]).output(0);
  }
  work.quantized = true;
  return true;
}

Work Lowering::work_of(const sdk::NodeView& node) {
  Work work{node, node.inputs().copy(), node.outputs().copy(), activation_[node.index()], false};
  const uint32_t tail = tail_[node.index()];
  if (tail != node.index()) work.outputs = graph_.node(tail).outputs().copy();
  Work integer = work;
  if (can_be_integer(node, tail, integer)) return integer;
  return work;
}

// Brings scales to what the kernel wants, before and behind it.
void Lowering::lower_quantized(Work work) {
  const QuantizationRule& rule = *find_quantization_rule(work.node.op_type());
  const auto wanted = work.outputs;
  const Type t = type(work.out());
  Quantization forced;
  if (rule.scale != 0) {
    forced = {{rule.scale}, {rule.zero_point + (t == Type::uint8 ? 128 : 0)}, 0};
  } else if (rule.same) {
    size_t data = 0;
    for (const uint32_t id : work.inputs)
      if (id != LATHE_NONE && values_[id].quantization.present()) {
        if (data++ == 0) forced = values_[id].quantization;
      }
    if (data > 1) {  // several inputs are brought to what comes out
      forced = values_[work.out()].quantization;
      for (uint32_t& id : work.inputs) {
        if (id == LATHE_NONE || !values_[id].quantization.present() || values_[id].quantization == forced) continue;
        const Order order = order_of(id);
        const uint32_t other = new_value(values_[id].name + "_rescaled", t, extents(id), forced);
        define(other, requantize(in_order(id, order), t, forced), order);
        id = other;
      }
    }
  }
  if (forced.present())
    for (uint32_t& id : work.outputs)
      if (!(values_[id].quantization == forced)) id = new_value(values_[id].name + "_" + std::string(work.node.op_type()), t, extents(id), forced);
  find_rule(work.node.op_type())->lower(*this, work);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != work.outputs[i]) {
      const Order order = order_of(work.outputs[i]);
      define(wanted[i], requantize(in_order(work.outputs[i], order), t, values_[wanted[i]].quantization), order);
    }
  }
}

// The runtime's arithmetic has kernels for float32 among the floats; the others are computed in it.
bool Lowering::is_other_float(uint32_t id) const {
  const int32_t type = id == LATHE_NONE ? 0 : values_[id].onnx_type;
  return type == LATHE_FLOAT16 || type == LATHE_FLOAT64;
}

void Lowering::widen(uint32_t id) {
  if (!is_other_float(id) || type(id) == Type::float32) return;
  if (!is_constant(id)) {
    if (type(id) == Type::float64) refuse("the runtime's CAST takes no FLOAT64: with --option borders=float inputs and outputs are float32");
    const Order order = order_of(id);
    const int32_t narrow = in_order(id, order);
    values_[id].held = {{make("DEQUANTIZE", {narrow}, Type::float32, extents_of(narrow)), order}};
  }
  values_[id].type = Type::float32;
}

// Values of other floats become float32 where they are computed with; what only moves them leaves them as they are.
void Lowering::compute_in_float32(const sdk::NodeView& node) {
  const std::vector<uint32_t> outputs = node.outputs().copy();
  std::vector<uint32_t> inputs;
  for_each_read(node, [&](uint32_t id) { inputs.push_back(id); });
  const auto other = [&](uint32_t id) { return is_other_float(id); };
  if (std::none_of(inputs.begin(), inputs.end(), other) && std::none_of(outputs.begin(), outputs.end(), other)) return;
  const auto untouched = [&](uint32_t id) { return !other(id) || (type(id) != Type::float32 && !is_constant(id)); };
  if (moves_only(node) && !is_body_ && std::all_of(inputs.begin(), inputs.end(), untouched)) return;
  for (const uint32_t id : outputs)
    if (other(id) && is_output_[id] && !is_body_ && settings_.borders != Borders::float32)
      refuse(std::string("the runtime's CAST makes no ") + name(type(id)) + ": with --option borders=float inputs and outputs are float32");
  for (const uint32_t id : inputs) widen(id);
  for (const uint32_t id : outputs)
    if (other(id)) values_[id].type = Type::float32;
}

void Lowering::check_inputs(const Work& work) const {
  for (const uint32_t id : work.inputs) {
    if (id == LATHE_NONE) continue;
    const Value& v = values_[id];
    const int kind = id < graph_.value_count() ? graph_.value(id).kind() : LATHE_KIND_TENSOR;
    if (kind == LATHE_KIND_OPTIONAL && graph_.value(id).producer() == LATHE_NONE)
      refuse("the format has no optional values, and '" + v.name + "' is one that is given when it runs");
    if (kind == LATHE_KIND_SEQUENCE || kind == LATHE_KIND_OPTIONAL_SEQUENCE) {
      sequence(id);
      continue;
    }
    if (!v.has_rank) refuse("the rank of '" + v.name + "' is not known, and every tensor of the format has one");
    if (v.onnx_type == LATHE_STRING) refuse("the plugin holds no text");
    Type ignored;
    if (!tflite::type_of(v.onnx_type, ignored) && v.onnx_type != 0) refuse("the format has no tensors of the type of '" + v.name + "'");
    if (settings_.static_shapes)
      for (const int64_t d : v.extents)
        if (d < 0) refuse("the shape of '" + v.name + "' is not fixed, and this device takes fixed shapes only");
  }
}

void Lowering::lower(const sdk::NodeView& node) {
  const LowerRule* rule = node.domain().empty() || node.domain() == "ai.onnx" || node.domain() == "ai.onnx.ml" ? find_rule(node.op_type()) : nullptr;
  if (!rule) refuse(why_not(node));
  compute_in_float32(node);
  Work work = work_of(node);
  check_inputs(work);
  for (const uint32_t id : work.outputs) {
    if (id == LATHE_NONE) continue;
    const sdk::ValueView v = graph_.value(id < graph_.value_count() ? id : node.output(0));
    if (v.kind() != LATHE_KIND_TENSOR && is_output_[id])
      refuse("the format has no sequences and no optional values, and '" + values_[id].name + "' is an output");
    const bool from_sequence = node.is("SequenceAt") || node.is("ConcatFromSequence");
    if (!values_[id].has_rank && v.kind() == LATHE_KIND_TENSOR && !from_sequence)
      refuse("the rank of '" + values_[id].name + "' is not known, and every tensor of the format has one");
  }
  if (tail_[node.index()] != node.index()) absorbed_[tail_[node.index()]] = true;
  if (work.quantized) {
    lower_quantized(work);
    // All QuantizeLinear behind it are done with.
    const sdk::NodeView last = graph_.node(tail_[node.index()]);
    for (size_t i = 0; i < last.outputs().size(); ++i)
      for (const uint32_t user : users_[last.output(i)]) {
        absorbed_[user] = true;
        const uint32_t q = graph_.node(user).output(0);
        if (q != work.outputs[i]) values_[q].held = values_[work.outputs[i]].held;
      }
    return;
  }
  if (settings_.integer_only && type(node.output(0)) == Type::float32 && !node.is("DequantizeLinear") && !is_constant(node.output(0)))
    refuse("it is not quantised: the device computes on 8-bit integers only");
  rule->lower(*this, work);
}

// The rest of the graph goes on with a stand-in, so that every refusal is found at once.
void Lowering::give_up(const sdk::NodeView& node, const std::string& reason) {
  refusals_.push_back({node.index(), reason});
  // The activation that would have been fused into it stands for itself now.
  if (tail_[node.index()] != node.index()) absorbed_[tail_[node.index()]] = false;
  for (const uint32_t id : node.outputs())
    if (id != LATHE_NONE && values_[id].held.empty())
      define(id, new_tensor(values_[id].name, type(id), extents(id), values_[id].quantization), identity(rank(id)));
}

// A float input that is only quantised, and alike everywhere, taken in as integers already.
bool Lowering::take_integer_input(uint32_t id) {
  if (type(id) != Type::float32 || users_[id].empty() || is_output_[id]) return false;
  const Quantization* q = nullptr;
  for (const uint32_t user : users_[id]) {
    const sdk::NodeView node = graph_.node(user);
    if (!node.is("QuantizeLinear") || node.input(0) != id) return false;
    const Value& to = values_[node.output(0)];
    if (!to.quantization.present() || to.quantization.per_axis() || to.type != Type::int8 || (q && !(*q == to.quantization))) return false;
    q = &to.quantization;
  }
  const int32_t tensor = add_input(values_[id].name, Type::int8, extents(id), *q);
  for (const uint32_t user : users_[id]) {
    define(graph_.node(user).output(0), tensor, identity(rank(id)));
    absorb(user);
  }
  return true;
}

void Lowering::take_input(uint32_t id) {
  const Value& v = values_[id];
  if (settings_.borders == Borders::int8 && take_integer_input(id)) return;
  if (settings_.borders == Borders::float32 && v.quantization.present() && !v.quantization.per_axis()) {
    const int32_t from = add_input(v.name, Type::float32, v.extents);
    define(id, requantize(from, v.type, v.quantization), identity(rank(id)));
    return;
  }
  if (is_other_float(id) && (is_body_ || settings_.borders == Borders::float32)) {
    values_[id].type = Type::float32;
    return define(id, add_input(v.name, Type::float32, v.extents), identity(rank(id)));
  }
  if (!v.shifted) {
    define(id, add_input(v.name, v.type, v.extents, v.quantization), identity(rank(id)));
    return;
  }
  Quantization original = v.quantization;
  for (int64_t& z : original.zero_points) z += 128;
  define(id, requantize(add_input(v.name, Type::uint8, v.extents, original), Type::int8, v.quantization), identity(rank(id)));
}

void Lowering::read_inputs() {
  for (const uint32_t id : graph_.inputs())
    if (!values_[id].constant) take_input(id);
}

void Lowering::run() {
  read_values();
  find_quantization();
  find_activations();
  read_inputs();
  lower_nodes();
  finish_outputs();
  for (Operator& op : main().operators) op.version = lowest_version(main(), op);
}

void Lowering::lower_nodes() {
  for (const sdk::NodeView node : graph_.nodes()) {
    if (absorbed_[node.index()]) continue;
    origin_ = node.name();
    try {
      lower(node);
    } catch (const sdk::Failure& failure) {
      if (failure.code != LATHE_UNSUPPORTED) throw;
      give_up(node, failure.what());
    }
  }
  origin_.clear();
}

// The 8-bit value that a float output is made of and nothing else.
std::optional<uint32_t> Lowering::integers_behind(uint32_t output) const {
  const uint32_t producer = graph_.value(output).producer();
  if (producer == LATHE_NONE || !graph_.node(producer).is("DequantizeLinear")) return std::nullopt;
  const uint32_t q = graph_.node(producer).input(0);
  const Value& v = values_[q];
  if (!v.quantization.present() || v.quantization.per_axis() || v.type != Type::int8 || v.constant) return std::nullopt;
  return q;
}

void Lowering::finish_outputs() {
  std::vector<bool> taken(main().tensors.size() + graph_.outputs().size() * 8 + 64);
  for (const int32_t input : main().inputs) taken[static_cast<size_t>(input)] = true;
  for (const uint32_t id : graph_.outputs()) {
    const auto integers = settings_.borders == Borders::int8 ? integers_behind(id) : std::nullopt;
    int32_t tensor = plain(integers.value_or(id));
    if (settings_.borders == Borders::float32 && values_[id].quantization.present() && !values_[id].quantization.per_axis()) {
      tensor = make("DEQUANTIZE", {tensor}, Type::float32, extents(id));
    } else if (!integers && values_[id].shifted) {
      Quantization original = values_[id].quantization;
      for (int64_t& z : original.zero_points) z += 128;
      tensor = requantize(tensor, Type::uint8, original);
    }
    // An output is a tensor of its own, made by an operator.
    if (main().tensors[static_cast<size_t>(tensor)].constant || (static_cast<size_t>(tensor) < taken.size() && taken[static_cast<size_t>(tensor)])) {
      tensor = copied(tensor);
    }
    if (static_cast<size_t>(tensor) >= taken.size()) taken.resize(static_cast<size_t>(tensor) + 1);
    taken[static_cast<size_t>(tensor)] = true;
    for (Tensor& t : main().tensors)
      if (t.name == values_[id].name && &t != &main().tensors[static_cast<size_t>(tensor)]) t.name += "_inner";
    main().tensors[static_cast<size_t>(tensor)].name = values_[id].name;
    main().outputs.push_back(tensor);
  }
}

}  // namespace lathe::tflite
