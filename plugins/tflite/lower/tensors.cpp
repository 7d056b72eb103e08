// Values and the tensors that hold them: constants, orders of axes, and the operators that every family uses.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "../half.hpp"
#include "lowering.hpp"

namespace lathe::tflite {
namespace {

template <class T>
T element(const void* data, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + i * sizeof(T), sizeof(T));
  return value;
}

// The elements of a row-major array in another order of its axes.
template <class T>
std::vector<T> permuted(const T* from, const Extents& extents, const Order& order) {
  const size_t rank = extents.size();
  std::vector<int64_t> stride(rank, 1), step(rank);
  for (size_t i = rank; i-- > 1;) stride[i - 1] = stride[i] * extents[i];
  const Extents held = permute(extents, order);
  for (size_t i = 0; i < rank; ++i) step[i] = stride[static_cast<size_t>(order[i])];
  int64_t count = 1;
  for (const int64_t e : extents) count *= e;
  std::vector<T> to(static_cast<size_t>(count));
  std::vector<int64_t> place(rank, 0);
  const T* at = from;
  for (T& x : to) {
    x = *at;
    for (size_t i = rank; i-- > 0;) {
      at += step[i];
      if (++place[i] < held[i]) break;
      at -= step[i] * held[i];
      place[i] = 0;
    }
  }
  return to;
}

int64_t count_of(const Extents& extents) {
  int64_t n = 1;
  for (const int64_t e : extents) n *= e;
  return n;
}

Extents broadcast(const Extents& a, const Extents& b) {
  Extents out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    out[out.size() - 1 - i] = x == 1 ? y : y == 1 ? x : x < 0 || y < 0 ? std::max(x, y) : x;
  }
  return out;
}

}  // namespace

std::optional<double> number_at(const sdk::TensorView& t, size_t i) {
  switch (t.type()) {
    case LATHE_FLOAT32:
      return element<float>(t.data(), i);
    case LATHE_FLOAT64:
      return element<double>(t.data(), i);
    case LATHE_FLOAT16:
      return from_half(element<uint16_t>(t.data(), i));
    case LATHE_INT4:
    case LATHE_UINT4: {
      const int four = element<uint8_t>(t.data(), i / 2) >> (i % 2 * 4) & 15;
      return t.type() == LATHE_INT4 && four > 7 ? four - 16 : four;
    }
    case LATHE_INT8:
      return element<int8_t>(t.data(), i);
    case LATHE_UINT8:
    case LATHE_BOOL:
      return element<uint8_t>(t.data(), i);
    case LATHE_INT16:
      return element<int16_t>(t.data(), i);
    case LATHE_UINT16:
      return element<uint16_t>(t.data(), i);
    case LATHE_INT32:
      return element<int32_t>(t.data(), i);
    case LATHE_UINT32:
      return element<uint32_t>(t.data(), i);
    case LATHE_INT64:
      return static_cast<double>(element<int64_t>(t.data(), i));
    case LATHE_UINT64:
      return static_cast<double>(element<uint64_t>(t.data(), i));
    default:
      return std::nullopt;
  }
}

// ---- constants ---------------------------------------------------------------------------------------------------------------------

std::optional<std::vector<int64_t>> Lowering::integers(uint32_t id) const {
  if (id == LATHE_NONE || !values_[id].constant) return std::nullopt;
  const sdk::TensorView& t = *values_[id].constant;
  std::vector<int64_t> out(static_cast<size_t>(t.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    if (t.type() == LATHE_INT64) {
      out[i] = element<int64_t>(t.data(), i);
      continue;
    }
    const auto number = number_at(t, i);
    if (!number || t.type() == LATHE_FLOAT32 || t.type() == LATHE_FLOAT64 || t.type() == LATHE_FLOAT16) return std::nullopt;
    out[i] = static_cast<int64_t>(*number);
  }
  return out;
}

std::optional<std::vector<double>> Lowering::numbers(uint32_t id) const {
  if (id == LATHE_NONE) return std::nullopt;
  if (folded(id)) {
    const sdk::NodeView node = graph_.node(graph_.value(id).producer());
    auto out = numbers(node.input(0));
    const Value& v = values_[node.input(0)];
    const Quantization& q = v.quantization;
    int64_t inner = 1;
    if (q.per_axis())
      for (size_t d = static_cast<size_t>(q.axis) + 1; d < v.extents.size(); ++d) inner *= v.extents[d];
    for (size_t i = 0; out && i < out->size(); ++i) {
      const size_t channel = q.per_axis() ? i / static_cast<size_t>(inner) % q.scales.size() : 0;
      (*out)[i] = static_cast<float>(((*out)[i] - static_cast<double>(q.zero_point(channel) + (v.shifted ? 128 : 0))) * q.scales[channel]);
    }
    return out;
  }
  if (!values_[id].constant) return std::nullopt;
  const sdk::TensorView& t = *values_[id].constant;
  std::vector<double> out(static_cast<size_t>(t.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const auto number = number_at(t, i);
    if (!number) return std::nullopt;
    out[i] = *number;
  }
  return out;
}

int32_t Lowering::ints(std::vector<int32_t> elements) {
  const auto [known, is_new] = int_lists_.emplace(elements, 0);
  if (is_new) {
    const auto n = static_cast<int64_t>(elements.size());
    known->second = constant<int32_t>(Type::int32, {n}, std::move(elements), {}, "ints");
  }
  return known->second;
}

int32_t Lowering::int_scalar(int32_t value) { return constant<int32_t>(Type::int32, {}, {value}, {}, "int"); }
int32_t Lowering::scalar(float value) { return constant<float>(Type::float32, {}, {value}, {}, "number"); }

int32_t Lowering::filled(Type type, const Extents& e, double number) {
  const auto n = static_cast<size_t>(count_of(e));
  switch (type) {
    case Type::float32:
      return constant<float>(type, e, std::vector<float>(n, static_cast<float>(number)));
    case Type::int32:
      return constant<int32_t>(type, e, std::vector<int32_t>(n, static_cast<int32_t>(number)));
    case Type::int64:
      return constant<int64_t>(type, e, std::vector<int64_t>(n, static_cast<int64_t>(number)));
    case Type::int8:
      return constant<int8_t>(type, e, std::vector<int8_t>(n, static_cast<int8_t>(number)));
    case Type::uint8:
    case Type::boolean:
      return constant<uint8_t>(type, e, std::vector<uint8_t>(n, static_cast<uint8_t>(number)));
    case Type::int16:
      return constant<int16_t>(type, e, std::vector<int16_t>(n, static_cast<int16_t>(number)));
    default:
      refuse(std::string("no constant of type ") + name(type) + " is made here");
  }
}

int32_t Lowering::float_constant(const Extents& extents, std::vector<float> elements, const std::string& label) {
  constexpr size_t least_half = 64;  // below it the operator that widens costs more than the bytes saved
  if (settings_.weights != Weights::float16 || elements.size() < least_half)
    return constant<float>(Type::float32, extents, std::move(elements), {}, label);
  std::vector<uint16_t> halves(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) halves[i] = to_half(elements[i]);
  const int32_t narrow = constant<uint16_t>(Type::float16, extents, std::move(halves), {}, label + "_float16");
  const int32_t wide = new_tensor(label, Type::float32, extents);
  emit("DEQUANTIZE", {narrow}, {wide});
  return wide;
}

int32_t Lowering::constant_in_order(uint32_t id, const Order& order) {
  const Value& v = values_[id];
  const Extents held = permute(v.extents, order);
  if (folded(id)) {
    const auto values = numbers(id);
    const std::vector<float> floats(values->begin(), values->end());
    return float_constant(held, permuted(floats.data(), v.extents, order), v.name);
  }
  const sdk::TensorView& t = *v.constant;
  const bool narrowed = v.type == Type::float32 && t.type() != LATHE_FLOAT32;  // of another float that is computed in float32
  if (narrowed || (t.type() == LATHE_FLOAT32 && (settings_.weights == Weights::float16 || !is_identity(order)))) {
    std::vector<float> floats(static_cast<size_t>(t.size()));
    if (narrowed)
      for (size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(number_at(t, i).value_or(0));
    else if (!floats.empty())
      std::memcpy(floats.data(), t.data(), floats.size() * 4);
    return float_constant(held, permuted(floats.data(), v.extents, order), v.name);
  }
  Quantization q = v.quantization;
  if (q.per_axis()) q.axis = held_axis(order, q.axis);
  if (v.shifted) {
    std::vector<int8_t> bytes(t.bytes());
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<int8_t>(static_cast<const uint8_t*>(t.data())[i] - 128);
    return constant<int8_t>(Type::int8, held, permuted(bytes.data(), v.extents, order), q, v.name);
  }
  Type type;
  if (t.type() == LATHE_STRING || !tflite::type_of(t.type(), type) || element_bytes(type) == 0)
    refuse("the constant '" + v.name + "' is of a type that the format has no constants of");
  if (is_identity(order)) {
    const int32_t index = new_tensor(v.name, type, held, q);
    Tensor& made = main().tensors[static_cast<size_t>(index)];
    made.constant = true;
    made.bytes = {static_cast<const char*>(t.data()), t.bytes()};
    return index;
  }
  switch (element_bytes(type)) {
    case 1:
      return constant<int8_t>(type, held, permuted(static_cast<const int8_t*>(t.data()), v.extents, order), q, v.name);
    case 2: {
      std::vector<uint16_t> elements(static_cast<size_t>(t.size()));
      std::memcpy(elements.data(), t.data(), t.bytes());
      return constant<uint16_t>(type, held, permuted(elements.data(), v.extents, order), q, v.name);
    }
    case 4: {
      std::vector<uint32_t> elements(static_cast<size_t>(t.size()));
      std::memcpy(elements.data(), t.data(), t.bytes());
      return constant<uint32_t>(type, held, permuted(elements.data(), v.extents, order), q, v.name);
    }
    case 8: {
      std::vector<uint64_t> elements(static_cast<size_t>(t.size()));
      std::memcpy(elements.data(), t.data(), t.bytes());
      return constant<uint64_t>(type, held, permuted(elements.data(), v.extents, order), q, v.name);
    }
    default:
      refuse("the constant '" + v.name + "' is of a type that the format has no constants of");
  }
}

// ---- orders ------------------------------------------------------------------------------------------------------------------------

uint32_t Lowering::new_value(const std::string& label, Type type, Extents extents, Quantization quantization) {
  Value v;
  v.name = label;
  v.type = type;
  v.onnx_type = tflite::onnx_type(type);
  v.extents = std::move(extents);
  v.quantization = std::move(quantization);
  values_.push_back(std::move(v));
  return static_cast<uint32_t>(values_.size() - 1);
}

int32_t Lowering::result(uint32_t id, const Order& order) {
  const Value& v = values_[id];
  const int32_t tensor = new_tensor(v.name, v.type, permute(v.extents, order), v.quantization);
  define(id, tensor, order);
  return tensor;
}

uint32_t Lowering::new_constant(const std::string& label, const Extents& extents, std::vector<float> elements) {
  made_floats_.push_back(std::move(elements));
  made_extents_.push_back(extents);
  lathe_tensor t = {};
  t.struct_size = sizeof t;
  t.type = LATHE_FLOAT32;
  t.dimensions = made_extents_.back().data();
  t.rank = extents.size();
  t.data = made_floats_.back().data();
  t.size = made_floats_.back().size() * sizeof(float);
  made_.push_back(t);
  const uint32_t made = new_value(label, Type::float32, extents);
  values_[made].constant = sdk::TensorView(&made_.back());
  return made;
}

uint32_t Lowering::sliced_constant(uint32_t id, int64_t begin, int64_t count) {
  Extents to = extents(id);
  const auto row = static_cast<uint64_t>(to[0] ? count_of(to) / to[0] : 0);
  to[0] = count;
  if (folded(id)) {
    const auto all = numbers(id);
    const auto first = all->begin() + static_cast<std::ptrdiff_t>(row) * begin;
    return new_constant(values_[id].name, to, {first, first + static_cast<std::ptrdiff_t>(row) * count});
  }
  const Value from = values_[id];
  lathe_tensor t = from.constant->get();
  const uint64_t bytes = t.size / static_cast<uint64_t>(std::max<int64_t>(from.extents[0], 1));
  made_extents_.push_back(to);
  t.dimensions = made_extents_.back().data();
  t.data = static_cast<const char*>(t.data) + bytes * static_cast<uint64_t>(begin);
  t.size = bytes * static_cast<uint64_t>(count);
  made_.push_back(t);
  const uint32_t made = new_value(from.name + "_" + std::to_string(begin), from.type, to, from.quantization);
  values_[made].constant = sdk::TensorView(&made_.back());
  values_[made].shifted = from.shifted;
  Quantization& q = values_[made].quantization;
  if (q.per_axis() && q.axis == 0) {
    const auto part = [&](auto& list) {
      if (list.size() > 1) list = {list.begin() + begin, list.begin() + begin + count};
    };
    part(q.scales);
    part(q.zero_points);
  }
  return made;
}

uint32_t Lowering::reshaped(uint32_t id, const Extents& to) {
  const Value from = values_[id];
  if (from.extents == to) return id;
  if (folded(id)) {
    const auto all = numbers(id);
    return new_constant(from.name, to, {all->begin(), all->end()});
  }
  const uint32_t made = new_value(from.name + "_reshaped", from.type, to, from.quantization);
  if (from.constant) {
    lathe_tensor t = from.constant->get();
    made_extents_.push_back(to);
    t.dimensions = made_extents_.back().data();
    t.rank = to.size();
    made_.push_back(t);
    values_[made].constant = sdk::TensorView(&made_.back());
    values_[made].shifted = from.shifted;
    if (from.quantization.per_axis() && from.quantization.axis != 0)
      refuse("the scales of '" + from.name + "' lie along an axis that a reshape takes apart");
    return made;
  }
  const Order at = order_of(id);
  const int32_t tensor = in_order(id, at);  // a DequantizeLinear is made now
  if (const auto order = through_reshape(from.extents, at, to)) {
    define(made, reshape(tensor, permute(to, *order)), *order);
  } else {
    define(made, reshape(plain(id), to), identity(to.size()));
  }
  return made;
}

void Lowering::alias(uint32_t to, uint32_t from) {
  if (is_constant(from))
    define(to, plain(from), identity(rank(from)));
  else
    values_[to].held = {{in_order(from, order_of(from)), order_of(from)}};
}

void Lowering::define(uint32_t id, int32_t tensor, const Order& order) {
  const auto at = static_cast<size_t>(tensor);
  if (at < unnamed_.size() && unnamed_[at]) {
    main().tensors[at].name = values_[id].name;
    unnamed_[at] = false;
  }
  values_[id].held.emplace_back(tensor, order);
}

Order Lowering::order_of(uint32_t id, const Order& wish) {
  const Value& v = values_[id];
  if (!v.held.empty()) return v.held.front().second;
  if (is_constant(id)) return wish.size() == rank(id) ? wish : identity(rank(id));
  // A value that only DequantizeLinear makes is where its integers are.
  const uint32_t producer = id < graph_.value_count() ? graph_.value(id).producer() : LATHE_NONE;
  if (producer != LATHE_NONE && graph_.node(producer).is("DequantizeLinear")) return order_of(graph_.node(producer).input(0), wish);
  return identity(rank(id));
}

int32_t Lowering::in_order(uint32_t id, const Order& order) {
  for (const auto& [tensor, held] : values_[id].held)
    if (held == order) return tensor;
  if (is_constant(id)) {
    const int32_t tensor = constant_in_order(id, order);
    define(id, tensor, order);
    return tensor;
  }
  if (values_[id].held.empty()) {
    const uint32_t producer = id < graph_.value_count() ? graph_.value(id).producer() : LATHE_NONE;
    if (producer == LATHE_NONE || !graph_.node(producer).is("DequantizeLinear"))
      refuse("its input '" + values_[id].name + "' comes from a node that was not taken");
    const sdk::NodeView node = graph_.node(producer);
    const uint32_t q = node.input(0);
    if (!values_[q].quantization.present())
      refuse("the scale or zero point of '" + values_[id].name + "' is computed, and the format holds constants there");
    if (values_[id].type != Type::float32) refuse("the format dequantises to float32 only");
    const Order at = order_of(q);
    const int32_t from = in_order(q, at);
    const Type t = type_of(from);
    if (t != Type::int8 && t != Type::uint8 && t != Type::int16) refuse(std::string("the format's DEQUANTIZE takes no ") + name(t));
    const int32_t to = new_tensor(values_[id].name, Type::float32, permute(extents(id), at));
    emit("DEQUANTIZE", {from}, {to});
    define(id, to, at);
    if (at == order) return to;
  }
  const Value& v = values_[id];
  for (const auto& [tensor, held] : v.held) {
    if (!same_sequence(v.extents, held, order)) continue;
    const int32_t made = reshape(tensor, permute(v.extents, order));
    define(id, made, order);
    return made;
  }
  const auto [tensor, held] = v.held.front();
  // Axis i of the result is the value's axis order[i], which lies at that place of what is held.
  Order steps;
  for (const int axis : order) steps.push_back(held_axis(held, axis));
  const int32_t made = transpose(tensor, steps);
  define(id, made, order);
  return made;
}

Order Lowering::common_order(std::span<const uint32_t> ids, size_t rank) {
  Order best = identity(rank);
  double most = -1;
  for (const uint32_t id : ids) {
    if (id == LATHE_NONE || is_constant(id) || this->rank(id) != rank) continue;
    double size = 1;
    for (const int64_t e : extents(id)) size *= static_cast<double>(std::max<int64_t>(e, 1));
    const Order order = order_of(id);
    if (size > most || (size == most && is_identity(best))) most = size, best = order;
  }
  return best;
}

int32_t Lowering::broadcastable(uint32_t id, const Order& order) {
  const size_t n = rank(id);
  if (n == order.size()) return in_order(id, order);
  if (count_of(extents(id)) == 1 || is_identity(order)) return plain(id);
  // Leading axes of extent 1 are made up, then everything takes its place.
  Extents full(order.size() - n, 1);
  const Extents own = extents(id);
  full.insert(full.end(), own.begin(), own.end());
  const Extents held = permute(full, order);
  if (is_constant(id) && n > 0) {
    Order inner;  // the value's own axes in the order they come to lie in
    for (const int axis : order)
      if (axis >= static_cast<int>(order.size() - n)) inner.push_back(axis - static_cast<int>(order.size() - n));
    const int32_t tensor = constant_in_order(id, inner);
    Tensor& t = main().tensors[static_cast<size_t>(tensor)];
    t.shape.assign(held.begin(), held.end());
    if (t.constant && !t.quantization.per_axis()) return tensor;
    t.shape.clear();
    for (const int64_t e : permute(extents(id), inner)) t.shape.push_back(static_cast<int32_t>(e));
    return reshape(tensor, held);
  }
  const int32_t tensor = reshape(plain(id), full);
  if (same_sequence(full, identity(order.size()), order)) return reshape(tensor, held);
  return transpose(tensor, order);
}

// ---- tensors and operators ---------------------------------------------------------------------------------------------------------

int32_t Lowering::new_tensor(const std::string& label, Type type, const Extents& extents, const Quantization& quantization) {
  Tensor t;
  t.name = label;
  t.type = type;
  bool open = false;
  for (const int64_t e : extents) {
    if (e > std::numeric_limits<int32_t>::max()) refuse("a dimension of '" + label + "' is beyond the format's 31 bits");
    open |= e < 0;
    t.shape.push_back(static_cast<int32_t>(e < 0 ? 1 : e));
  }
  if (open)
    for (const int64_t e : extents) t.signature.push_back(static_cast<int32_t>(e));
  t.quantization = quantization;
  main().tensors.push_back(std::move(t));
  return static_cast<int32_t>(main().tensors.size() - 1);
}

const Extents Lowering::extents_of(int32_t tensor) const {
  const Tensor& t = main().tensors[static_cast<size_t>(tensor)];
  const auto& list = t.signature.empty() ? t.shape : t.signature;
  return {list.begin(), list.end()};
}

Operator& Lowering::emit(std::string_view label, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
  const OperatorInfo* info = find_operator(label);
  if (!info) throw sdk::Failure(LATHE_INTERNAL, "there is no operator " + std::string(label));
  Operator op;
  op.code = info->code;
  op.inputs = std::move(inputs);
  op.outputs = std::move(outputs);
  op.origin = origin_;
  for (const int32_t o : op.outputs) {
    Tensor& t = main().tensors[static_cast<size_t>(o)];
    if (!t.name.empty()) continue;
    t.name = origin_ + "/" + std::string(label) + "_" + std::to_string(o);
    unnamed_.resize(main().tensors.size());
    unnamed_[static_cast<size_t>(o)] = true;
  }
  main().operators.push_back(std::move(op));
  return main().operators.back();
}

int32_t Lowering::make(std::string_view label, std::vector<int32_t> inputs, Type type, const Extents& extents, std::vector<Option> options,
                       const Quantization& quantization) {
  const int32_t out = new_tensor("", type, extents, quantization);
  emit(label, std::move(inputs), {out}).options = std::move(options);
  return out;
}

// Axes of extent 1 come and go without the others being named, so these may be open.
int32_t Lowering::without_numbers(int32_t tensor, const Extents& extents) {
  const Extents from = extents_of(tensor);
  Extents longer_from, longer_to;
  std::vector<int32_t> ones;
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] == 1)
      ones.push_back(static_cast<int32_t>(i));
    else
      longer_from.push_back(from[i]);
  }
  for (const int64_t e : extents)
    if (e != 1) longer_to.push_back(e);
  if (longer_from != longer_to) refuse("more than one dimension is open, and a RESHAPE of the format leaves one");
  int32_t made = tensor;
  if (!ones.empty()) made = make("SQUEEZE", {made}, type_of(tensor), longer_from, {{"squeeze_dims", 0, ones}}, quantization_of(tensor));
  Extents now = longer_from;
  for (size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] != 1) continue;
    now.insert(now.begin() + static_cast<std::ptrdiff_t>(i), 1);
    made = make("EXPAND_DIMS", {made, int_scalar(static_cast<int32_t>(i))}, type_of(tensor), now, {}, quantization_of(tensor));
  }
  return made;
}

int32_t Lowering::reshape(int32_t tensor, const Extents& extents) {
  if (extents_of(tensor) == extents) return tensor;
  size_t open = 0;
  std::vector<int32_t> shape;
  for (const int64_t e : extents) {
    open += e < 0;
    shape.push_back(static_cast<int32_t>(e));
  }
  if (open > 1) return without_numbers(tensor, extents);
  return make("RESHAPE", {tensor, ints(shape)}, type_of(tensor), extents, {{"new_shape", 0, shape}}, quantization_of(tensor));
}

int32_t Lowering::shape_of(int32_t tensor) {
  return make("SHAPE", {tensor}, Type::int32, {static_cast<int64_t>(extents_of(tensor).size())},
              {{"out_type", static_cast<double>(Type::int32), {}}});
}

int32_t Lowering::copied(int32_t tensor) {
  const Extents e = extents_of(tensor);
  if (std::count_if(e.begin(), e.end(), [](int64_t d) { return d < 0; }) > 1)
    return make("RESHAPE", {tensor, shape_of(tensor)}, type_of(tensor), e, {}, quantization_of(tensor));
  const std::vector<int32_t> shape(e.begin(), e.end());
  // A shape of a single 0 means no axes to RESHAPE.
  if (std::find(e.begin(), e.end(), 0) != e.end()) return make("FILL", {ints(shape), filled(type_of(tensor), {}, 0)}, type_of(tensor), e);
  return make("RESHAPE", {tensor, ints(shape)}, type_of(tensor), e, {{"new_shape", 0, shape}}, quantization_of(tensor));
}

int32_t Lowering::transpose(int32_t tensor, const Order& order) {
  constexpr size_t most = 5;
  const Extents from = extents_of(tensor);
  const Extents to = permute(from, order);
  if (is_identity(order)) return tensor;
  if (same_sequence(from, identity(from.size()), order)) return reshape(tensor, to);
  Quantization q = quantization_of(tensor);
  if (q.per_axis()) q.axis = held_axis(order, q.axis);
  if (order.size() <= most) {
    std::vector<int32_t> steps(order.begin(), order.end());
    return make("TRANSPOSE", {tensor, ints(steps)}, type_of(tensor), to, {}, q);
  }
  // Axes that stay neighbours move as one.
  std::vector<Order> runs;
  for (const int axis : order) {
    if (from[static_cast<size_t>(axis)] == 1) continue;
    if (!runs.empty()) {
      int next = runs.back().back() + 1;
      while (next < axis && from[static_cast<size_t>(next)] == 1) ++next;
      if (next == axis) {
        runs.back().push_back(axis);
        continue;
      }
    }
    runs.push_back({axis});
  }
  if (runs.size() > most) refuse("the format's TRANSPOSE takes at most " + std::to_string(most) + " axes");
  std::vector<size_t> sorted(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) sorted[i] = i;
  std::sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) { return runs[a][0] < runs[b][0]; });
  Extents merged;
  Order steps(runs.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    int64_t e = 1;
    for (const int axis : runs[sorted[i]]) e = e < 0 || from[static_cast<size_t>(axis)] < 0 ? -1 : e * from[static_cast<size_t>(axis)];
    merged.push_back(e);
    steps[sorted[i]] = static_cast<int>(i);
  }
  return reshape(transpose(reshape(tensor, merged), steps), to);
}

int32_t Lowering::cast(int32_t tensor, Type type) {
  const Type from = type_of(tensor);
  if (from == type) return tensor;
  for (const Type t : {from, type})
    if (t == Type::float16 || t == Type::float64 || t == Type::uint64 || t == Type::string || element_bytes(t) == 0)
      refuse(std::string("the runtime's CAST takes no ") + name(t));
  return make("CAST", {tensor}, type, extents_of(tensor),
              {{"in_data_type", static_cast<double>(from), {}}, {"out_data_type", static_cast<double>(type), {}}});
}

int32_t Lowering::unary(std::string_view label, int32_t a, std::vector<Option> options) {
  return make(label, {a}, type_of(a), extents_of(a), std::move(options));
}

int32_t Lowering::binary(std::string_view label, int32_t a, int32_t b, std::vector<Option> options, const Quantization& quantization) {
  constexpr size_t most = 4;  // what the kernels broadcast over
  const Extents x = extents_of(a), y = extents_of(b), out = broadcast(x, y);
  const bool single = count_of(x) == 1 || count_of(y) == 1;
  const bool arithmetic = type_of(a) == Type::float32 &&
                          (label == "ADD" || label == "SUB" || label == "MUL" || label == "DIV" || label == "MAXIMUM" || label == "MINIMUM");
  const bool open = std::any_of(out.begin(), out.end(), [](int64_t e) { return e < 0; });
  if (out.size() <= most || x == y || (single && ((arithmetic && out.size() <= most + 1) || open))) {
    if (out.size() > most && x.size() != y.size()) {  // a single number is brought to rank 0
      if (count_of(x) == 1)
        a = reshape(a, {});
      else if (count_of(y) == 1)
        b = reshape(b, {});
    }
    return make(label, {a, b}, type_of(a), out, std::move(options), quantization);
  }
  // Neighbouring axes that broadcast alike become one.
  Extents fx, fy;
  int kind = -1;
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t p = i + x.size() < out.size() ? 1 : x[i + x.size() - out.size()], q = i + y.size() < out.size() ? 1 : y[i + y.size() - out.size()];
    if (p == 1 && q == 1) continue;
    const int now = p == q ? 0 : p == 1 ? 1 : 2;
    if (p < 0 || q < 0) refuse("broadcasting over more than four axes wants fixed shapes");
    if (now == kind) {
      fx.back() *= p, fy.back() *= q;
    } else {
      fx.push_back(p), fy.push_back(q);
    }
    kind = now;
  }
  const Extents full = broadcast(fx, fy);
  const auto whole = [&](int32_t x, const Extents& e) {  // beyond what the kernels broadcast over: repeated before, and taken as one row
    return fx.size() <= most ? reshape(x, e) : reshape(broadcast_to(reshape(x, e), full), {count_of(full)});
  };
  const int32_t left = whole(a, fx), right = whole(b, fy);
  return reshape(make(label, {left, right}, type_of(a), fx.size() <= most ? full : Extents{count_of(full)}, std::move(options), quantization), out);
}

int32_t Lowering::broadcast_to(int32_t tensor, const Extents& extents) {
  constexpr size_t most = 8;
  if (extents_of(tensor) == extents) return tensor;
  if (extents.size() > most) refuse("the runtime's BROADCAST_TO takes at most eight axes");
  return make("BROADCAST_TO", {tensor, ints({extents.begin(), extents.end()})}, type_of(tensor), extents, {}, quantization_of(tensor));
}

int32_t Lowering::compare(std::string_view label, int32_t a, int32_t b) {
  const size_t first = main().operators.size();
  const int32_t made = binary(label, a, b);
  bool compared = false;  // binary() yields a's type; from the comparison on it is BOOL
  for (size_t i = first; i < main().operators.size(); ++i) {
    const Operator& op = main().operators[i];
    compared |= find_operator(op.code)->name == label;
    if (compared) main().tensors[static_cast<size_t>(op.outputs[0])].type = Type::boolean;
  }
  return made;
}

int32_t Lowering::select(int32_t condition, int32_t yes, int32_t no) {
  constexpr size_t most = 4;  // what the kernel broadcasts over
  const Extents out = broadcast(broadcast(extents_of(condition), extents_of(yes)), extents_of(no));
  if (out.size() <= most || (extents_of(condition) == out && extents_of(yes) == out && extents_of(no) == out))
    return make("SELECT_V2", {condition, yes, no}, type_of(yes), out);
  if (std::any_of(out.begin(), out.end(), [](int64_t e) { return e < 0; })) refuse("choosing over more than four axes wants fixed shapes");
  const Extents row{count_of(out)};
  int32_t parts[] = {condition, yes, no};
  for (int32_t& part : parts) part = reshape(broadcast_to(part, out), row);
  return reshape(make("SELECT_V2", {parts[0], parts[1], parts[2]}, type_of(yes), row), out);
}

int32_t Lowering::requantize(int32_t tensor, Type type, const Quantization& to) {
  return make("QUANTIZE", {tensor}, type, extents_of(tensor), {}, to);
}

int32_t Lowering::pad(int32_t tensor, const std::vector<int64_t>& before, const std::vector<int64_t>& after, std::optional<double> with) {
  const Extents from = extents_of(tensor);
  Extents to = from;
  std::vector<int32_t> pairs;
  bool any = false;
  for (size_t i = 0; i < from.size(); ++i) {
    any |= before[i] != 0 || after[i] != 0;
    if (to[i] >= 0) to[i] += before[i] + after[i];
    pairs.push_back(static_cast<int32_t>(before[i]));
    pairs.push_back(static_cast<int32_t>(after[i]));
  }
  if (!any) return tensor;
  const int32_t amounts = constant<int32_t>(Type::int32, {static_cast<int64_t>(from.size()), 2}, pairs, {}, "paddings");
  const Quantization q = quantization_of(tensor);
  if (!with) return make("PAD", {tensor, amounts}, type_of(tensor), to, {}, q);
  const int32_t value = filled(type_of(tensor), {1}, *with);
  main().tensors[static_cast<size_t>(value)].quantization = q;
  return make("PADV2", {tensor, amounts, value}, type_of(tensor), to, {}, q);
}

int32_t Lowering::slice(int32_t tensor, const std::vector<int64_t>& begin, const std::vector<int64_t>& size) {
  if (extents_of(tensor) == size) return tensor;
  return make("SLICE", {tensor, ints({begin.begin(), begin.end()}), ints({size.begin(), size.end()})}, type_of(tensor), size, {},
              quantization_of(tensor));
}

int32_t Lowering::reduce(std::string_view label, int32_t a, const std::vector<int>& axes, bool keep) {
  const Extents from = extents_of(a);
  Extents to;
  for (size_t i = 0; i < from.size(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int>(i)) != axes.end();
    if (!reduced)
      to.push_back(from[i]);
    else if (keep)
      to.push_back(1);
  }
  return make(label, {a, ints({axes.begin(), axes.end()})}, type_of(a), to, {{"keep_dims", keep ? 1.0 : 0.0, {}}});
}

int32_t Lowering::activate(int32_t tensor, Activation activation) {
  switch (activation) {
    case Activation::none:
      return tensor;
    case Activation::relu:
      return make("RELU", {tensor}, type_of(tensor), extents_of(tensor), {}, quantization_of(tensor));
    case Activation::relu6:
      return make("RELU6", {tensor}, type_of(tensor), extents_of(tensor), {}, quantization_of(tensor));
    case Activation::relu_n1_to_1:
      return make("RELU_N1_TO_1", {tensor}, type_of(tensor), extents_of(tensor), {}, quantization_of(tensor));
    default:
      refuse("an activation of that kind is not made here");
  }
}

}  // namespace lathe::tflite
