// Wires, constants and layers.
#include "step.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "../element_types.hpp"
#include "../operations.hpp"
#include "half.hpp"

namespace lathe::openvino {
namespace {

Dimensions dimensions_of(const sdk::ValueView& value) {
  if (!value.has_rank()) return std::nullopt;
  return value.shape();
}

std::string type_text(int32_t type) {
  const ElementType* found = find_type(type);
  return found ? std::string(found->data) : "type " + std::to_string(type);
}

// What the IR has no element type for is refused where it would enter it.
void require_type(int32_t type, std::string_view what) {
  if (find_type(type)) return;
  static constexpr std::pair<int32_t, const char*> words[] = {{LATHE_STRING, "strings to compute with"},
                                                              {LATHE_COMPLEX64, "complex numbers"},
                                                              {LATHE_COMPLEX128, "complex numbers"},
                                                              {LATHE_FLOAT8E4M3FNUZ, "8-bit floats without negative zero"},
                                                              {LATHE_FLOAT8E5M2FNUZ, "8-bit floats without negative zero"},
                                                              {LATHE_UINT2, "2-bit integers beside compressed weights"},
                                                              {LATHE_INT2, "signed 2-bit integers"}};
  for (const auto& [number, word] : words)
    if (number == type) throw Refusal{std::string("the IR has no element type for ") + word + ", which " + std::string(what) + " holds"};
  throw Refusal{"the element type of " + std::string(what) + " is not known"};
}

}  // namespace

std::string text(const std::vector<int64_t>& list) {
  std::string out;
  for (const int64_t x : list) out += (out.empty() ? "" : ", ") + std::to_string(x);
  return out;
}
std::string text(int64_t number) { return std::to_string(number); }
std::string text(bool flag) { return flag ? "true" : "false"; }
std::string text(double number) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(number)).ptr;
  return std::string(buffer, end);
}

Dimensions broadcast(const Dimensions& a, const Dimensions& b) {
  if (!a || !b) return std::nullopt;
  std::vector<int64_t> out(std::max(a->size(), b->size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a->size() ? (*a)[a->size() - 1 - i] : 1, y = i < b->size() ? (*b)[b->size() - 1 - i] : 1;
    out[out.size() - 1 - i] = x == 1 ? y : y == 1 ? x : x < 0 ? y : x;
  }
  return out;
}

Draft::Draft(const sdk::GraphView& body, const Draft& outer) : graph_(body), options_(outer.options_), outer_(&outer), depth_(outer.depth_ + 1) {
  for (const lathe_capture& capture : body.captures()) captured_.emplace(capture.inner, capture.outer);
}

std::optional<sdk::TensorView> Draft::constant_of(uint32_t value) const {
  const auto captured = captured_.find(value);
  return captured == captured_.end() ? graph_.value(value).constant() : outer_->constant_of(captured->second);
}

std::string Draft::unique(const std::string& name) {
  uint64_t& count = names_[name];
  if (count++ == 0) return name;
  for (;; ++count) {
    std::string other = name + "_" + std::to_string(count - 1);
    if (names_.emplace(other, 1).second) return other;
  }
}

Wire Draft::constant(const std::string& name, int32_t type, std::vector<int64_t> dimensions, const void* data, uint64_t size,
                     std::shared_ptr<const void> owner) {
  require_type(type, "the constant '" + name + "'");
  Layer layer;
  layer.name = unique(name);
  layer.type = "Const";
  layer.data = data;
  layer.size = size;
  layer.owner = std::move(owner);
  layer.outputs.push_back({type, dimensions, {}});
  model.layers.push_back(std::move(layer));
  return {{static_cast<uint32_t>(model.layers.size() - 1), 0}, type, std::move(dimensions)};
}

Wire Draft::exact(uint32_t index) {
  const sdk::ValueView value = graph_.value(index);
  const auto tensor = constant_of(index);
  if (!tensor) return this->value(index);
  if (!options_.compress) return this->value(index);
  const auto found = exact_.find(index);
  if (found != exact_.end()) return found->second;
  const Wire wire = constant(std::string(value.name()), tensor->type(), tensor->dimensions().copy(), tensor->data(), tensor->bytes());
  return exact_.emplace(index, wire).first->second;
}

Wire Draft::value(uint32_t index) {
  const auto found = wires_.find(index);
  if (found != wires_.end()) return found->second;
  const sdk::ValueView value = graph_.value(index);
  if (value.kind() != LATHE_KIND_TENSOR) throw Refusal{"the IR has no sequences and no optionals, and '" + std::string(value.name()) + "' is one"};
  const auto tensor = constant_of(index);
  if (!tensor) throw Refusal{"the value '" + std::string(value.name()) + "' comes from a node that cannot be written"};
  const std::string name(value.name());
  Wire wire;
  std::shared_ptr<const std::vector<uint16_t>> halves;
  if (options_.compress && tensor->type() == LATHE_FLOAT32 && tensor->size() > 1) halves = to_halves(*tensor);
  if (halves) {
    const Wire small = constant(name + "_compressed", LATHE_FLOAT16, tensor->dimensions().copy(), halves->data(), halves->size() * 2, halves);
    wire = add(name, "Convert", {small}, {{"destination_type", "f32"}}, {small.dimensions}).front();
    model.layers.back().decompression = true;
  } else {
    wire = constant(name, tensor->type(), tensor->dimensions().copy(), tensor->data(), tensor->bytes());
  }
  wires_.emplace(index, wire);
  return wire;
}

void Draft::set(uint32_t index, const Wire& given) {
  const sdk::ValueView value = graph_.value(index);
  Wire wire = given;
  require_type(value.type(), "the value '" + std::string(value.name()) + "'");
  if (value.type() != wire.type)
    throw sdk::Failure(LATHE_INTERNAL, "the value '" + std::string(value.name()) + "' would be written as " + type_text(wire.type) + " in place of " +
                                           type_text(value.type()));
  OutputPort& port = model.layers[wire.source.layer].outputs[wire.source.port];
  if (const Dimensions known = dimensions_of(value)) {
    wire.dimensions = known;
    if (model.layers[wire.source.layer].type != "Const" && model.layers[wire.source.layer].type != "Parameter") port.dimensions = known;
  }
  if (!unnamed_) port.names.push_back(std::string(value.name()));
  wires_[index] = wire;
}

void Draft::borrow_layers(Draft& outer) {
  std::swap(model, outer.model);
  std::swap(names_, outer.names_);
  unnamed_ = true;
}
void Draft::give_back_layers(Draft& outer) {
  std::swap(model, outer.model);
  std::swap(names_, outer.names_);
}

std::vector<Wire> Draft::add(const std::string& name, const Form& form, const std::vector<Wire>& inputs, Attributes attributes,
                             const std::vector<Dimensions>& dimensions, const std::vector<int32_t>& types) {
  const Operation* operation = form.opset ? find_operation(form.type, form.opset) : oldest_operation(form.type);
  if (!operation) throw sdk::Failure(LATHE_INTERNAL, "the writer knows no operation " + form.type);
  Layer layer;
  layer.name = unique(name);
  layer.type = form.type;
  layer.opset = operation->opset;
  layer.attributes = std::move(attributes);
  for (const Wire& wire : inputs) layer.inputs.push_back(wire.source);
  const auto type_of = [&](std::string_view rule) -> int32_t {
    if (rule.starts_with('@')) {
      const std::string_view wanted = rule.substr(1);
      const std::string* given = layer.attribute(wanted);
      const ElementType* type = find_type_in_data(given ? std::string_view(*given) : operation->attribute(wanted)->fallback);
      return type ? type->lathe : 0;
    }
    if (const ElementType* type = find_type_in_data(rule)) return type->lathe;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (operation->inputs[std::min(i, operation->inputs.size() - 1)].type == rule) return inputs[i].type;
    return 0;
  };
  std::vector<Wire> wires;
  for (size_t i = 0; i < dimensions.size(); ++i) {
    Dimensions shape = dimensions[i];
    if (i == 0 && !shape && !inputs.empty()) {
      if (operation->shape == ShapeRule::same) shape = inputs[0].dimensions;
      if (operation->shape == ShapeRule::broadcast) {
        shape = inputs[0].dimensions;
        for (size_t k = 1; k < inputs.size(); ++k) shape = broadcast(shape, inputs[k].dimensions);
      }
    }
    const int32_t type = i < types.size() && types[i] ? types[i] : type_of(operation->outputs[std::min(i, operation->outputs.size() - 1)].type);
    layer.outputs.push_back({type, shape, {}});
    wires.push_back({{static_cast<uint32_t>(model.layers.size()), static_cast<uint32_t>(i)}, type, shape});
  }
  model.layers.push_back(std::move(layer));
  return wires;
}

std::optional<Wire> Draft::reshaped_constant(const Wire& wire, std::vector<int64_t> shape) {
  const Layer layer = model.layers[wire.source.layer];
  if (layer.type != "Const") return std::nullopt;
  int64_t total = 1, rest = 1;
  for (const int64_t d : *wire.dimensions) total *= d;
  for (const int64_t d : shape) rest *= d < 0 ? 1 : d;
  for (int64_t& d : shape)
    if (d < 0) d = rest ? total / rest : 0;
  return constant(layer.name + "_reshaped", wire.type, std::move(shape), layer.data, layer.size, layer.owner);
}

std::optional<Wire> Draft::reshaped(const Wire& wire, const std::vector<int64_t>& shape) {
  const Layer layer = model.layers[wire.source.layer];
  if (layer.type == "Const") return reshaped_constant(wire, shape);
  const auto wire_of = [&](const Source& source) {
    const OutputPort& port = model.layers[source.layer].outputs[source.port];
    return Wire{source, port.type, port.dimensions};
  };
  if (layer.type == "Convert") {
    const auto inner = reshaped(wire_of(layer.inputs[0]), shape);
    if (!inner) return std::nullopt;
    const Wire out = add(layer.name + "_reshaped", "Convert", {*inner}, layer.attributes, {std::nullopt}).front();
    model.layers.back().decompression = layer.decompression;
    return out;
  }
  if (layer.type != "Multiply" && layer.type != "Subtract") return std::nullopt;
  const auto inner = reshaped(wire_of(layer.inputs[0]), shape);
  Wire other = wire_of(layer.inputs[1]);
  if (!inner || !other.is_static()) return std::nullopt;
  int64_t size = 1;
  for (const int64_t d : *other.dimensions) size *= d;
  if (size != 1) {
    // One number for each element of the first axis.
    if (other.dimensions->empty() || (*other.dimensions)[0] != size || size != shape[0] * shape[1]) return std::nullopt;
    std::vector<int64_t> spread(shape.size(), 1);
    spread[0] = shape[0], spread[1] = shape[1];
    const auto moved = reshaped(other, spread);
    if (!moved) return std::nullopt;
    other = *moved;
  }
  return add(layer.name + "_reshaped", layer.type, {*inner, other}, layer.attributes, {std::nullopt}).front();
}

void Draft::count_uses() {
  uses_.assign(graph_.value_count(), 0);
  for (const sdk::NodeView node : graph_.nodes())
    for (size_t i = 0; i < node.get().input_count; ++i)
      if (node.get().inputs[i] != LATHE_NONE) ++uses_[node.get().inputs[i]];
  for (const uint32_t output : graph_.outputs()) ++uses_[output];
  for (size_t i = 0; i < graph_.get().subgraph_count; ++i)
    for (const lathe_capture& capture : graph_.subgraph(i).captures()) ++uses_[capture.outer];
}

size_t Draft::uses(uint32_t value) {
  if (uses_.empty()) count_uses();
  return uses_[value];
}

std::optional<sdk::NodeView> Draft::producer(uint32_t value) const {
  const uint32_t node = graph_.value(value).producer();
  if (node == LATHE_NONE) return std::nullopt;
  return graph_.node(node);
}

// ---- one node -------------------------------------------------------------------------------------------------------------------

std::optional<sdk::TensorView> Step::constant(size_t i) const {
  if (!has(i)) return std::nullopt;
  return draft.constant_of(node.get().inputs[i]);
}

std::optional<std::vector<int64_t>> Step::known_integers(size_t i) const {
  const auto tensor = constant(i);
  if (!tensor && has(i) && draft.known(node.input(i))) {
    // What became a constant while the model was made: the length of a sequence, the number of a turn.
    const Layer& layer = draft.model.layers[draft.value(node.input(i)).source.layer];
    if (layer.type != "Const" || layer.outputs[0].type != LATHE_INT64) return std::nullopt;
    std::vector<int64_t> made(layer.size / 8);
    if (!made.empty()) std::memcpy(made.data(), layer.data, layer.size);
    return made;
  }
  if (!tensor) return std::nullopt;
  std::vector<int64_t> numbers(static_cast<size_t>(tensor->size()));
  if (tensor->type() == LATHE_INT64) {
    if (!numbers.empty()) std::memcpy(numbers.data(), tensor->data(), numbers.size() * 8);
  } else if (tensor->type() == LATHE_INT32) {
    for (size_t k = 0; k < numbers.size(); ++k) {
      int32_t x = 0;
      std::memcpy(&x, static_cast<const char*>(tensor->data()) + 4 * k, 4);
      numbers[k] = x;
    }
  } else {
    return std::nullopt;
  }
  return numbers;
}

std::vector<int64_t> Step::integers(size_t i, const char* what) const {
  auto numbers = known_integers(i);
  if (!numbers) refuse(std::string("the IR's form of it wants ") + what + " as a constant");
  return *numbers;
}

std::optional<double> Step::number(size_t i) const {
  const auto tensor = constant(i);
  if (!tensor || tensor->size() != 1) return std::nullopt;
  if (const auto whole = known_integers(i)) return static_cast<double>(whole->front());
  if (tensor->type() == LATHE_FLOAT32) {
    float x = 0;
    std::memcpy(&x, tensor->data(), 4);
    return x;
  }
  if (tensor->type() == LATHE_FLOAT64) {
    double x = 0;
    std::memcpy(&x, tensor->data(), 8);
    return x;
  }
  if (tensor->type() == LATHE_FLOAT16) {
    uint16_t x = 0;
    std::memcpy(&x, tensor->data(), 2);
    return half_to_float(x);
  }
  if (tensor->type() == LATHE_BOOL || tensor->type() == LATHE_UINT8) return *static_cast<const uint8_t*>(tensor->data());
  if (tensor->type() == LATHE_INT8) return *static_cast<const int8_t*>(tensor->data());
  return std::nullopt;
}

int64_t Step::rank(size_t i) const {
  const Wire wire = in(i);
  if (!wire.has_rank())
    refuse("the rank of its input '" + std::string(node.input_value(i).name()) + "' is not known, and the IR's form of it depends on that");
  return wire.rank();
}

int64_t Step::axis(int64_t axis, int64_t rank) const { return axis < 0 ? axis + rank : axis; }

Wire Step::make(const Form& form, const std::vector<Wire>& inputs, Attributes attributes, const Dimensions& dimensions, int32_t type) {
  return make_many(form, inputs, std::move(attributes), {dimensions}, {type}).front();
}

std::vector<Wire> Step::make_many(const Form& form, const std::vector<Wire>& inputs, Attributes attributes, const std::vector<Dimensions>& dimensions,
                                  const std::vector<int32_t>& types) {
  return draft.add(std::string(node.name()) + "/" + form.type, form, inputs, std::move(attributes), dimensions, types);
}

Wire Step::floats(int32_t type, std::vector<int64_t> dimensions, const std::vector<double>& numbers) {
  const auto bytes = std::make_shared<std::vector<char>>();
  const auto put = [&](auto x) { bytes->insert(bytes->end(), reinterpret_cast<const char*>(&x), reinterpret_cast<const char*>(&x) + sizeof x); };
  for (const double x : numbers) {
    switch (type) {
      case LATHE_FLOAT32:
        put(static_cast<float>(x));
        break;
      case LATHE_FLOAT64:
        put(x);
        break;
      case LATHE_FLOAT16:
        put(float_to_half(static_cast<float>(x)));
        break;
      case LATHE_BFLOAT16:
        put(float_to_bfloat(static_cast<float>(x)));
        break;
      case LATHE_INT64:
        put(static_cast<int64_t>(x));
        break;
      case LATHE_UINT64:
        put(x < 0 ? static_cast<uint64_t>(static_cast<int64_t>(x)) : static_cast<uint64_t>(x));
        break;
      case LATHE_INT32:
        put(static_cast<int32_t>(x));
        break;
      case LATHE_UINT32:
        put(static_cast<uint32_t>(static_cast<int64_t>(x)));
        break;
      case LATHE_INT16:
        put(static_cast<int16_t>(x));
        break;
      case LATHE_UINT16:
        put(static_cast<uint16_t>(static_cast<int64_t>(x)));
        break;
      case LATHE_INT8:
        put(static_cast<int8_t>(x));
        break;
      case LATHE_UINT8:
      case LATHE_BOOL:
        put(static_cast<uint8_t>(static_cast<int64_t>(x)));
        break;
      default:
        refuse("it needs a constant of an element type that the IR lacks");
    }
  }
  return draft.constant(std::string(node.name()) + "/Constant", type, std::move(dimensions), bytes->data(), bytes->size(), bytes);
}

Wire Step::indices(const std::vector<int64_t>& numbers) {
  const auto kept = std::make_shared<const std::vector<int64_t>>(numbers);
  return draft.constant(std::string(node.name()) + "/Constant", LATHE_INT64, {static_cast<int64_t>(numbers.size())}, kept->data(), kept->size() * 8,
                        kept);
}
Wire Step::index(int64_t number) {
  const auto kept = std::make_shared<const int64_t>(number);
  return draft.constant(std::string(node.name()) + "/Constant", LATHE_INT64, {}, kept.get(), 8, kept);
}

void Step::out(size_t i, const Wire& wire) {
  if (!wants(i)) return;
  // The layer that yields the node's first output is the one that people look for under the node's name.
  Layer& layer = draft.model.layers[wire.source.layer];
  if (i == 0 && layer.name.starts_with(std::string(node.name()) + "/")) layer.name = draft.unique(std::string(node.name()));
  draft.set(node.get().outputs[i], wire);
}

Wire Step::convert(const Wire& wire, int32_t type) {
  if (wire.type == type) return wire;
  const ElementType* to = find_type(type);
  if (!to) refuse("the IR has no element type for what it converts to");
  return make("Convert", {wire}, {{"destination_type", std::string(to->data)}});
}

Wire Step::reshape(const Wire& data, const std::vector<int64_t>& shape) {
  std::vector<int64_t> out = shape;
  int64_t rest = 1, total = 1;
  for (const int64_t d : shape) rest *= d < 0 ? 1 : d;
  if (data.is_static())
    for (const int64_t d : *data.dimensions) total *= d;
  for (int64_t& d : out)
    if (d < 0 && data.is_static() && rest > 0) d = total / rest;
  const std::string& from = draft.model.layers[data.source.layer].type;
  if (from == "Const" || from == "Convert")
    if (const auto stored = draft.reshaped(data, out)) return *stored;
  return make("Reshape", {data, indices(shape)}, {{"special_zero", "false"}}, out);
}

Wire Step::unsqueeze(const Wire& data, const std::vector<int64_t>& axes) {
  Dimensions out;
  if (data.dimensions) {
    out = *data.dimensions;
    std::vector<int64_t> sorted = axes;
    for (int64_t& a : sorted)
      if (a < 0) a += data.rank() + static_cast<int64_t>(axes.size());
    std::sort(sorted.begin(), sorted.end());
    for (const int64_t a : sorted)
      if (a <= static_cast<int64_t>(out->size())) out->insert(out->begin() + a, 1);
  }
  return make("Unsqueeze", {data, indices(axes)}, {}, out);
}

Wire Step::squeeze(const Wire& data, const std::vector<int64_t>& axes) {
  Dimensions out;
  if (data.dimensions) {
    out.emplace();
    for (int64_t i = 0; i < data.rank(); ++i)
      if (std::none_of(axes.begin(), axes.end(), [&](int64_t a) { return axis(a, data.rank()) == i; }))
        out->push_back((*data.dimensions)[static_cast<size_t>(i)]);
  }
  return make("Squeeze", {data, indices(axes)}, {}, out);
}

Wire Step::transpose(const Wire& data, const std::vector<int64_t>& order) {
  Dimensions out;
  if (data.dimensions) {
    out.emplace();
    for (const int64_t o : order) out->push_back((*data.dimensions)[static_cast<size_t>(o)]);
  }
  return make("Transpose", {data, indices(order)}, {}, out);
}

Wire Step::gather(const Wire& data, const Wire& positions, int64_t along) {
  Dimensions out;
  if (data.dimensions && positions.dimensions) {
    out = *data.dimensions;
    const int64_t at = axis(along, data.rank());
    out->erase(out->begin() + at);
    out->insert(out->begin() + at, positions.dimensions->begin(), positions.dimensions->end());
  }
  return make("Gather", {data, positions, index(along)}, {{"batch_dims", "0"}}, out);
}

Wire Step::concat(const std::vector<Wire>& parts, int64_t along) {
  Dimensions out = parts.front().dimensions;
  for (size_t i = 1; i < parts.size() && out; ++i) {
    int64_t& d = (*out)[static_cast<size_t>(axis(along, static_cast<int64_t>(out->size())))];
    const int64_t more = parts[i].dimensions ? (*parts[i].dimensions)[static_cast<size_t>(axis(along, static_cast<int64_t>(out->size())))] : -1;
    d = d < 0 || more < 0 ? -1 : d + more;
  }
  return make("Concat", parts, {{"axis", text(along)}}, out);
}

Wire Step::reduce(const Form& form, const Wire& data, const std::vector<int64_t>& axes, bool keep) {
  Dimensions out;
  if (data.dimensions) {
    out.emplace();
    for (int64_t i = 0; i < data.rank(); ++i) {
      const bool reduced = std::any_of(axes.begin(), axes.end(), [&](int64_t a) { return axis(a, data.rank()) == i; });
      if (!reduced) out->push_back((*data.dimensions)[static_cast<size_t>(i)]);
      if (reduced && keep) out->push_back(1);
    }
  }
  return make(form, {data, indices(axes)}, {{"keep_dims", text(keep)}}, out);
}

Wire Step::shape_of(const Wire& data) {
  return make({"ShapeOf", 3}, {data}, {{"output_type", "i64"}}, data.dimensions ? Dimensions(std::vector<int64_t>{data.rank()}) : std::nullopt);
}

Wire Step::slice(const Wire& data, const std::vector<int64_t>& start, const std::vector<int64_t>& stop, const std::vector<int64_t>& step,
                 const std::vector<int64_t>& axes) {
  Dimensions out = data.dimensions;
  for (size_t i = 0; i < axes.size() && out; ++i) {
    int64_t& d = (*out)[static_cast<size_t>(axis(axes[i], data.rank()))];
    if (d < 0) continue;
    const auto clamp = [&](int64_t x, int64_t low, int64_t high) { return std::clamp(x < 0 ? x + d : x, low, high); };
    const int64_t low = step[i] > 0 ? clamp(start[i], 0, d) : clamp(std::max(stop[i], -d - 1), -1, d - 1);
    const int64_t high = step[i] > 0 ? clamp(stop[i], 0, d) : clamp(start[i], -1, d - 1);
    const int64_t stride = std::abs(step[i]);
    d = std::max<int64_t>(0, (high - low + stride - 1) / stride);
  }
  return make({"Slice", 8}, {data, indices(start), indices(stop), indices(step), indices(axes)}, {}, out);
}

Wire Step::matmul(const Wire& a, const Wire& b, bool transpose_a, bool transpose_b) {
  Dimensions out;
  if (a.dimensions && b.dimensions && a.rank() >= 2 && b.rank() >= 2) {
    const std::vector<int64_t>&x = *a.dimensions, &y = *b.dimensions;
    const Dimensions batch = broadcast(std::vector<int64_t>(x.begin(), x.end() - 2), std::vector<int64_t>(y.begin(), y.end() - 2));
    out = batch;
    out->push_back(x[x.size() - (transpose_a ? 1 : 2)]);
    out->push_back(y[y.size() - (transpose_b ? 2 : 1)]);
  }
  return make("MatMul", {a, b}, {{"transpose_a", text(transpose_a)}, {"transpose_b", text(transpose_b)}}, out);
}

Wire Step::broadcast_to(const Wire& data, const Wire& shape, const Dimensions& dimensions, const char* mode) {
  return make("Broadcast", {data, shape}, {{"mode", mode}}, dimensions);
}

}  // namespace lathe::openvino
