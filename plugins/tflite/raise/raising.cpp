// The walk over the operators; tensors, their orders, and what quantised ones turn into.
#include "raising.hpp"

#include <algorithm>
#include <cstring>

#include "../half.hpp"

namespace lathe::tflite {
namespace {

const RaiseRule* find_rule(std::string_view name) {
  for (const auto list : {raise_control_flow(), raise_convolutions(), raise_elementwise(), raise_movement(), raise_places(), raise_reductions()})
    for (const RaiseRule& rule : list)
      if (rule.name == name) return &rule;
  return nullptr;
}

template <class T>
std::vector<T> elements_of(const Tensor& t) {
  std::vector<T> out(t.bytes.size() / sizeof(T));
  std::memcpy(out.data(), t.bytes.data(), out.size() * sizeof(T));
  return out;
}

// A row-major array in another order of its axes.
std::vector<char> permuted(std::string_view bytes, size_t width, const Extents& extents, const Order& order) {
  const Extents held = permute(extents, order);
  std::vector<int64_t> stride(extents.size(), 1), place(extents.size(), 0);
  for (size_t i = extents.size(); i-- > 1;) stride[i - 1] = stride[i] * extents[i];
  std::vector<char> out(bytes.size());
  for (size_t at = 0; at < out.size(); at += width) {
    int64_t from = 0;
    for (size_t i = 0; i < place.size(); ++i) from += place[i] * stride[static_cast<size_t>(order[i])];
    std::memcpy(out.data() + at, bytes.data() + static_cast<size_t>(from) * width, width);
    for (size_t i = place.size(); i-- > 0 && ++place[i] == held[i];) place[i] = 0;
  }
  return out;
}

// 4-bit integers lie two in a byte, the first in the lower half.
std::vector<int8_t> unpacked(const Tensor& t) {
  size_t count = 1;
  for (const int32_t e : t.shape) count *= static_cast<size_t>(e);
  std::vector<int8_t> out(count);
  for (size_t i = 0; i < count; ++i) {
    const int four = static_cast<uint8_t>(t.bytes[i / 2]) >> (i % 2 * 4) & 15;
    out[i] = static_cast<int8_t>(four > 7 ? four - 16 : four);
  }
  return out;
}

std::string described(const Operator& op) {
  const OperatorInfo* info = find_operator(op.code);
  if (info && info->name == "CUSTOM") return "CUSTOM '" + op.custom + "'";
  return info ? std::string(info->name) : "operator " + std::to_string(op.code);
}

}  // namespace

Raising::Raising(const Model& model, const std::string& path)
    : model_(model), graph_(&model.subgraphs[0]), path_(path), builder_(model.subgraphs[0].name) {}

Extents Raising::extents(int32_t index) const {
  const Tensor& t = tensor(index);
  const auto& list = t.signature.empty() ? t.shape : t.signature;
  return {list.begin(), list.end()};
}

bool Raising::is_quantized(int32_t index) const {
  const Tensor& t = tensor(index);
  return t.quantization.present() &&
         (t.type == Type::int8 || t.type == Type::uint8 || t.type == Type::int16 ||
          (t.constant && (t.type == Type::int32 || t.type == Type::int4))) &&
         t.quantization.scales[0] > 0;
}

std::string Raising::unique(const std::string& name) {
  const std::string base = name.empty() ? "tensor" : name;
  unsigned& count = names_[base];
  if (count++ == 0) return base;
  return unique(base + "_" + std::to_string(count));
}

std::optional<std::vector<int64_t>> Raising::integers(int32_t index) const {
  if (index < 0 || !tensor(index).constant) {
    if (index >= 0 && extents(index) == Extents{0}) return std::vector<int64_t>();
    return std::nullopt;
  }
  const Tensor& t = tensor(index);
  const auto widen = [](const auto& list) { return std::vector<int64_t>(list.begin(), list.end()); };
  switch (t.type) {
    case Type::int32:
      return widen(elements_of<int32_t>(t));
    case Type::int64:
      return elements_of<int64_t>(t);
    case Type::int8:
      return widen(elements_of<int8_t>(t));
    case Type::uint8:
    case Type::boolean:
      return widen(elements_of<uint8_t>(t));
    case Type::int16:
      return widen(elements_of<int16_t>(t));
    case Type::int4:
      return widen(unpacked(t));
    default:
      return std::nullopt;
  }
}

std::optional<std::vector<double>> Raising::numbers(int32_t index) const {
  if (index < 0 || !tensor(index).constant) return std::nullopt;
  const Tensor& t = tensor(index);
  std::vector<double> out;
  if (t.type == Type::float32) {
    for (const float x : elements_of<float>(t)) out.push_back(x);
  } else if (t.type == Type::float16) {
    for (const uint16_t x : elements_of<uint16_t>(t)) out.push_back(from_half(x));
  } else if (const auto whole = integers(index)) {
    const Quantization& q = t.quantization;
    for (const int64_t x : *whole)
      out.push_back(is_quantized(index) && !q.per_axis() ? static_cast<double>(x - q.zero_point()) * q.scales[0] : static_cast<double>(x));
    if (q.per_axis()) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return out;
}

// ---- values ------------------------------------------------------------------------------------------------------------------------

uint32_t Raising::node(const char* op_type, std::vector<uint32_t> inputs) {
  return node(op_type, std::move(inputs), [](sdk::NodeData&) {});
}
uint32_t Raising::node(const char* op_type, std::vector<uint32_t> inputs, const std::function<void(sdk::NodeData&)>& attributes) {
  return nodes(op_type, std::move(inputs), 1, attributes)[0];
}
std::vector<uint32_t> Raising::nodes(const char* op_type, std::vector<uint32_t> inputs, size_t outputs,
                                     const std::function<void(sdk::NodeData&)>& attributes) {
  std::vector<uint32_t> made;
  const std::string name = unique(origin_ + "/" + op_type);
  for (size_t i = 0; i < outputs; ++i) made.push_back(builder_.add_value(unique(name + "_output" + (i ? std::to_string(i) : ""))));
  attributes(builder_.add_node(op_type, std::move(inputs), made, name));
  return made;
}

uint32_t Raising::constant(const std::vector<int64_t>& elements) {
  return builder_.add_constant(unique("ints"), sdk::TensorData::of<int64_t>(LATHE_INT64, {static_cast<int64_t>(elements.size())}, elements));
}
uint32_t Raising::number(float value) { return builder_.add_constant(unique("number"), sdk::TensorData::of<float>(LATHE_FLOAT32, {}, {value})); }
uint32_t Raising::number_like(int32_t index, double value) {
  const Type type = tensor(index).type;
  if (type == Type::int32)
    return builder_.add_constant(unique("number"), sdk::TensorData::of<int32_t>(LATHE_INT32, {}, {static_cast<int32_t>(value)}));
  if (type == Type::int64)
    return builder_.add_constant(unique("number"), sdk::TensorData::of<int64_t>(LATHE_INT64, {}, {static_cast<int64_t>(value)}));
  return number(static_cast<float>(value));
}

uint32_t Raising::cast(uint32_t value, int32_t type) {
  return node("Cast", {value}, [&](sdk::NodeData& n) { n.set("to", static_cast<int64_t>(type)); });
}
uint32_t Raising::list_of(int32_t index) {
  const auto known = integers(index);
  if (known && rank(index) == 1) return constant(*known);
  return cast(plain(index), LATHE_INT64);
}

uint32_t Raising::transpose(uint32_t value, const Order& order) {
  if (is_identity(order)) return value;
  return node("Transpose", {value}, [&](sdk::NodeData& n) { n.set("perm", std::vector<int64_t>(order.begin(), order.end())); });
}
uint32_t Raising::reshape(uint32_t value, const Extents& extents) {
  if (std::count_if(extents.begin(), extents.end(), [](int64_t e) { return e < 0; }) > 1) refuse("more than one of its dimensions is open");
  return node("Reshape", {value, constant(extents)}, [](sdk::NodeData& n) { n.set("allowzero", 1); });
}

uint32_t Raising::moved(uint32_t value, const Extents& extents, const Order& from, const Order& to) {
  if (same_sequence(extents, from, to)) return reshape(value, permute(extents, to));
  Order steps;
  for (const int axis : to) steps.push_back(held_axis(from, axis));
  return transpose(value, steps);
}

uint32_t Raising::constant_in_order(int32_t index, const Order& order) {
  const Tensor& t = tensor(index);
  const Extents e = extents(index), held = permute(e, order);
  sdk::TensorData data;
  data.type = onnx_type(t.type);
  data.dimensions = held;
  if (t.type == Type::float16) {  // weights that the runtime widens
    std::vector<float> wide;
    for (const uint16_t x : elements_of<uint16_t>(t)) wide.push_back(from_half(x));
    const auto bytes = permuted({reinterpret_cast<const char*>(wide.data()), wide.size() * 4}, 4, e, order);
    std::vector<float> elements(wide.size());
    std::memcpy(elements.data(), bytes.data(), bytes.size());
    return builder_.add_constant(unique(t.name), sdk::TensorData::of<float>(LATHE_FLOAT32, held, elements));
  }
  if (t.type == Type::int4) {
    const auto elements = unpacked(t);
    const auto bytes = permuted({reinterpret_cast<const char*>(elements.data()), elements.size()}, 1, e, order);
    return builder_.add_constant(unique(t.name), sdk::TensorData::of<int8_t>(LATHE_INT8, held, {bytes.begin(), bytes.end()}));
  }
  const size_t width = element_bytes(t.type);
  if (width == 0 || data.type == 0) refuse(std::string("the constant '") + t.name + "' is " + name(t.type) + ", which is not read");
  if (is_identity(order) && reinterpret_cast<uintptr_t>(t.bytes.data()) % width == 0) {
    data.data = t.bytes.data();
    data.size = t.bytes.size();
    return builder_.add_constant(unique(t.name), std::move(data));
  }
  auto kept = std::make_shared<std::vector<char>>(permuted(t.bytes, width, e, order));
  data.data = kept->data();
  data.size = kept->size();
  data.owner = std::move(kept);
  return builder_.add_constant(unique(t.name), std::move(data));
}

Order Raising::order_of(int32_t index, const Order& wish) const {
  const auto known = stored_.find(index);
  if (known != stored_.end() && !known->second.empty() && !tensor(index).constant) return known->second.front().order;
  if (tensor(index).constant && wish.size() == rank(index)) return wish;
  return identity(rank(index));
}

uint32_t Raising::stored(int32_t index, const Order& order) {
  auto& list = stored_[index];
  for (const Held& h : list)
    if (h.order == order) return h.value;
  uint32_t made;
  if (tensor(index).constant) {
    made = constant_in_order(index, order);
  } else if (list.empty()) {
    const Extents empty = extents(index);
    if (std::find(empty.begin(), empty.end(), 0) == empty.end()) refuse("nothing makes its input '" + tensor(index).name + "'");
    sdk::TensorData data;
    data.type = onnx_type(tensor(index).type);
    data.dimensions = permute(empty, order);
    made = builder_.add_constant(unique(tensor(index).name), std::move(data));
  } else {
    made = moved(list.front().value, extents(index), list.front().order, order);
  }
  stored_[index].push_back({made, order});
  return made;
}

// Constants for scale and zero point; shared where they are single numbers.
std::vector<uint32_t> Raising::scale_and_zero(const Tensor& t) {
  const Quantization& q = t.quantization;
  const auto zeros = [&](Extents e) {
    const auto fill = [&]<class T>(T, int32_t type) {
      std::vector<T> elements;
      for (size_t i = 0; i < q.scales.size(); ++i) elements.push_back(static_cast<T>(q.zero_point(i)));
      return builder_.add_constant(unique(t.name + "_zero_point"), sdk::TensorData::of<T>(type, std::move(e), elements));
    };
    switch (t.type) {
      case Type::uint8:
        return fill(uint8_t(), LATHE_UINT8);
      case Type::int16:
        return fill(int16_t(), LATHE_INT16);
      case Type::int32:
        return fill(int32_t(), LATHE_INT32);
      default:
        return fill(int8_t(), LATHE_INT8);
    }
  };
  if (q.per_axis()) {
    const auto n = static_cast<int64_t>(q.scales.size());
    const uint32_t scale = builder_.add_constant(unique(t.name + "_scale"), sdk::TensorData::of<float>(LATHE_FLOAT32, {n}, q.scales));
    return {scale, zeros({n})};
  }
  auto [entry, is_new] = scales_.try_emplace({q.scales[0], q.zero_point()});
  if (is_new) entry->second.first = builder_.add_constant(unique(t.name + "_scale"), sdk::TensorData::of<float>(LATHE_FLOAT32, {}, {q.scales[0]}));
  auto [zero, no_zero] = entry->second.second.try_emplace(static_cast<int32_t>(t.type), LATHE_NONE);
  if (no_zero) zero->second = zeros({});
  return {entry->second.first, zero->second};
}

uint32_t Raising::in_order(int32_t index, const Order& order) {
  if (!is_quantized(index)) return stored(index, order);
  for (const Held& h : numbers_[index])
    if (h.order == order) return h.value;
  const Tensor& t = tensor(index);
  const uint32_t from = stored(index, order);
  const auto parameters = scale_and_zero(t);
  const uint32_t made = node("DequantizeLinear", {from, parameters[0], parameters[1]}, [&](sdk::NodeData& n) {
    if (t.quantization.per_axis()) n.set("axis", static_cast<int64_t>(held_axis(order, t.quantization.axis)));
  });
  numbers_[index].push_back({made, order});
  return made;
}

Order Raising::common_order(std::span<const int32_t> indices, size_t wanted) const {
  Order best = identity(wanted);
  double most = -1;
  for (const int32_t index : indices) {
    if (index < 0 || tensor(index).constant || rank(index) != wanted) continue;
    double size = 1;
    for (const int64_t e : extents(index)) size *= static_cast<double>(std::max<int64_t>(e, 1));
    const Order order = order_of(index);
    if (size > most || (size == most && is_identity(best))) most = size, best = order;
  }
  return best;
}

uint32_t Raising::broadcastable(int32_t index, const Order& order) {
  const size_t n = rank(index);
  if (n == order.size()) return in_order(index, order);
  const Extents e = extents(index);
  const bool single = std::all_of(e.begin(), e.end(), [](int64_t d) { return d == 1; });
  if (n > order.size() || is_identity(order) || single) return plain(index);
  Extents full(order.size() - n, 1);
  full.insert(full.end(), e.begin(), e.end());
  // Quantised constants are reshaped as the integers they are, so that they are still constants behind it.
  const Tensor& t = tensor(index);
  const bool integers = is_quantized(index) && t.constant && !t.quantization.per_axis();
  const uint32_t wide = reshape(integers ? stored(index, identity(n)) : plain(index), full);
  const uint32_t made = moved(wide, full, identity(order.size()), order);
  if (!integers) return made;
  const auto parameters = scale_and_zero(t);
  return node("DequantizeLinear", {made, parameters[0], parameters[1]});
}

uint32_t Raising::activate(uint32_t value, Activation activation) {
  switch (activation) {
    case Activation::none:
      return value;
    case Activation::relu:
      return node("Relu", {value});
    case Activation::relu6:
      return node("Clip", {value, number(0), number(6)});
    case Activation::relu_n1_to_1:
      return node("Clip", {value, number(-1), number(1)});
    case Activation::tanh:
      return node("Tanh", {value});
    default:
      refuse("its fused activation is not read");
  }
}

void Raising::define(int32_t index, uint32_t value, const Order& order, Activation activation) {
  if (order.size() != rank(index)) refuse("its output '" + tensor(index).name + "' is of another rank than what it makes");
  value = activate(value, activation);
  if (is_quantized(index)) {
    const Tensor& t = tensor(index);
    const auto parameters = scale_and_zero(t);
    value = node("QuantizeLinear", {value, parameters[0], parameters[1]}, [&](sdk::NodeData& n) {
      if (t.quantization.per_axis()) n.set("axis", static_cast<int64_t>(held_axis(order, t.quantization.axis)));
    });
  }
  stored_[index].push_back({value, order});
}

// ---- the walk ----------------------------------------------------------------------------------------------------------------------

void Raising::raise(const Operator& op) {
  const OperatorInfo* info = find_operator(op.code);
  const RaiseRule* rule = info ? find_rule(info->name) : nullptr;
  if (!rule) {
    if (info && info->name == "CUSTOM") refuse("the operator is custom: what it computes is known only to the runtime it was made for");
    refuse("there is no counterpart of the operator");
  }
  if (rule->name != "CALL_ONCE" && rule->name != "VAR_HANDLE" && rule->name != "ASSIGN_VARIABLE" && (op.outputs.empty() || op.inputs.empty()))
    refuse("it has no inputs or no outputs");
  rule->raise(*this, op);
}

void Raising::name_origin(const Operator& op, size_t number) {
  const int32_t first = op.outputs.empty() ? -1 : op.outputs[0];
  origin_ = first >= 0 && !tensor(first).name.empty() ? tensor(first).name : "operator_" + std::to_string(number);
}

sdk::GraphBuilder Raising::run() {
  std::vector<sdk::Diagnostic> problems;
  // Inputs and outputs keep their names.
  std::map<int32_t, std::string> output_names;
  std::vector<uint32_t> outputs;
  for (const int32_t index : graph().inputs) {
    const Tensor& t = tensor(index);
    if (onnx_type(t.type) == 0) throw sdk::Failure(LATHE_UNSUPPORTED, "the input '" + t.name + "' is " + name(t.type) + ", which is not read");
    sdk::Shape shape;
    size_t open = 0;
    for (const int64_t e : extents(index)) {
      if (e >= 0)
        shape.emplace_back(e);
      else
        shape.emplace_back(t.name + "_dim" + std::to_string(open));
      ++open;
    }
    const uint32_t value = builder_.add_input(unique(t.name), onnx_type(t.type), shape);
    stored_[index].push_back({value, identity(rank(index))});
  }
  for (const int32_t index : graph().outputs) {
    const std::string name = unique(tensor(index).name);
    outputs.push_back(builder_.add_value(name, onnx_type(tensor(index).type)));
  }
  for (size_t i = 0; i < graph().operators.size(); ++i) {
    const Operator& op = graph().operators[i];
    name_origin(op, i);
    try {
      raise(op);
    } catch (const sdk::Failure& failure) {
      if (failure.code != LATHE_UNSUPPORTED) throw;
      sdk::Diagnostic d;
      d.text = failure.what();
      d.node = origin_;
      d.op_type = described(op);
      d.location = path_;
      problems.push_back(std::move(d));
      for (const int32_t out : op.outputs)
        if (out >= 0 && stored_[out].empty())
          stored_[out].push_back({builder_.add_value(unique("refused"), onnx_type(tensor(out).type)), identity(rank(out))});
    }
  }
  if (!problems.empty()) throw sdk::Failure(LATHE_UNSUPPORTED, std::move(problems));
  origin_ = "output";
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int32_t index = graph().outputs[i];
    const uint32_t value = stored(index, identity(rank(index)));
    builder_.add_node("Identity", {value}, {outputs[i]}, unique("output_" + std::to_string(i)));
    builder_.add_output(outputs[i]);
  }
  builder_.set_opset("", 21);
  return std::move(builder_);
}

}  // namespace lathe::tflite
