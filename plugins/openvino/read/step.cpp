// Values, constants, attributes and nodes of one layer.
#include "step.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "../element_types.hpp"
#include "../write/half.hpp"

namespace lathe::openvino {
namespace {

size_t bytes_of(int32_t type) { return std::max<size_t>(find_type(type)->bits / 8, 1); }

template <class T>
T element(const void* data, size_t i) {
  T x;
  std::memcpy(&x, static_cast<const char*>(data) + i * sizeof(T), sizeof(T));
  return x;
}

std::optional<double> number_at(const Layer& constant, size_t i) {
  switch (constant.outputs[0].type) {
    case LATHE_FLOAT32:
      return element<float>(constant.data, i);
    case LATHE_FLOAT64:
      return element<double>(constant.data, i);
    case LATHE_FLOAT16:
      return half_to_float(element<uint16_t>(constant.data, i));
    case LATHE_INT64:
      return static_cast<double>(element<int64_t>(constant.data, i));
    case LATHE_INT32:
      return element<int32_t>(constant.data, i);
    case LATHE_INT16:
      return element<int16_t>(constant.data, i);
    case LATHE_INT8:
      return element<int8_t>(constant.data, i);
    case LATHE_UINT8:
    case LATHE_BOOL:
      return element<uint8_t>(constant.data, i);
    case LATHE_UINT16:
      return element<uint16_t>(constant.data, i);
    case LATHE_UINT32:
      return element<uint32_t>(constant.data, i);
    default:
      return std::nullopt;
  }
}

size_t elements(const Layer& constant) {
  size_t n = 1;
  for (const int64_t d : *constant.outputs[0].dimensions) n *= static_cast<size_t>(d);
  return n;
}

}  // namespace

std::string Import::unique(std::map<std::string, uint64_t>& taken, const std::string& name) {
  uint64_t& count = taken[name];
  if (count++ == 0) return name;
  for (;; ++count) {
    std::string other = name + "_" + std::to_string(count - 1);
    if (taken.emplace(other, 1).second) return other;
  }
}

std::string Import::tensor_name(const Source& source) const {
  const Layer& layer = model.layers[source.layer];
  const OutputPort& port = layer.outputs[source.port];
  if (!port.names.empty()) return port.names.front();
  return layer.outputs.size() == 1 ? layer.name : layer.name + "." + std::to_string(source.port);
}

sdk::TensorData Import::tensor(const Layer& constant, std::vector<int64_t> dimensions) const {
  sdk::TensorData tensor;
  tensor.type = constant.outputs[0].type;
  tensor.dimensions = std::move(dimensions);
  tensor.data = constant.data;
  tensor.size = constant.size;
  const bool aligned = reinterpret_cast<uintptr_t>(constant.data) % bytes_of(tensor.type) == 0;
  if (!aligned) {
    auto kept = std::make_shared<std::vector<uint64_t>>((constant.size + 7) / 8);
    if (constant.size) std::memcpy(kept->data(), constant.data, constant.size);
    tensor.data = kept->data();
    tensor.owner = std::move(kept);
  } else if (!weights_path_.empty() && !weights_.empty()) {
    tensor.file = weights_path_;
    tensor.offset = static_cast<uint64_t>(static_cast<const char*>(constant.data) - weights_.data());
  }
  return tensor;
}

uint32_t Import::value(const Source& source) {
  const auto found = values_[source.layer].find(source.port);
  if (found != values_[source.layer].end()) return found->second;
  const Layer& layer = model.layers[source.layer];
  if (layer.type != "Const") throw sdk::Failure(LATHE_UNSUPPORTED);  // its layer was refused, which is told
  const uint32_t value = builder.add_constant(unique(tensor_name(source)), tensor(layer, *layer.outputs[0].dimensions));
  set(source, value);
  return value;
}

ReadStep::ReadStep(Import& import, uint32_t index)
    : import(import), layer(import.model.layers[index]), operation(*find_operation(layer.type, layer.opset)) {}

void ReadStep::refuse(std::string reason, std::string hint) const {
  sdk::Diagnostic d;
  d.text = std::move(reason);
  d.node = layer.name;
  d.op_type = layer.type;
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
}

int64_t ReadStep::rank(size_t i) const {
  const Dimensions& shape = dimensions(i);
  if (!shape) refuse("the rank of its input " + std::to_string(i) + " is open, and what it computes depends on that");
  return static_cast<int64_t>(shape->size());
}

const Layer* ReadStep::source(size_t i, std::string_view wanted) const {
  if (!has(i)) return nullptr;
  const Layer& from = import.model.layers[layer.inputs[i].layer];
  return from.type == wanted ? &from : nullptr;
}

std::optional<std::vector<double>> ReadStep::known_numbers(size_t i) const {
  const Layer* constant = source(i, "Const");
  if (!constant) {
    // Compressed ones are as good.
    const Layer* convert = source(i, "Convert");
    if (!convert) return std::nullopt;
    const Layer& inner = import.model.layers[convert->inputs[0].layer];
    if (inner.type != "Const") return std::nullopt;
    constant = &inner;
  }
  std::vector<double> numbers;
  for (size_t k = 0; k < elements(*constant); ++k) {
    const auto x = number_at(*constant, k);
    if (!x) return std::nullopt;
    numbers.push_back(*x);
  }
  return numbers;
}

std::optional<std::vector<int64_t>> ReadStep::known_integers(size_t i) const {
  const Layer* constant = source(i, "Const");
  if (!constant || !type_in_class(constant->outputs[0].type, "integer")) return std::nullopt;
  std::vector<int64_t> numbers;
  for (size_t k = 0; k < elements(*constant); ++k) {
    if (constant->outputs[0].type == LATHE_INT64 || constant->outputs[0].type == LATHE_UINT64) {
      numbers.push_back(element<int64_t>(constant->data, k));
    } else if (const auto x = number_at(*constant, k)) {
      numbers.push_back(static_cast<int64_t>(*x));
    } else {
      return std::nullopt;
    }
  }
  return numbers;
}

std::vector<int64_t> ReadStep::integers(size_t i, const char* what) const {
  auto numbers = known_integers(i);
  if (!numbers) refuse(std::string(what) + " must be a constant for the layer to be read");
  return *numbers;
}

uint32_t ReadStep::list(size_t i) {
  if (const auto known = known_integers(i)) return indices(*known);
  uint32_t value = type(i) == LATHE_INT64 ? in(i) : cast(in(i), LATHE_INT64);
  if (rank(i) == 0) value = emit("Unsqueeze", {value, indices({0})});
  return value;
}

std::string ReadStep::text(std::string_view name) const {
  if (const std::string* given = layer.attribute(name)) return *given;
  const AttributeRule* rule = operation.attribute(name);
  if (rule && rule->required) refuse("the attribute " + std::string(name) + " is missing");
  return rule ? std::string(rule->fallback) : "";
}

int64_t ReadStep::integer(std::string_view name) const {
  const std::string word = text(name);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || error != std::errc() || end != word.data() + word.size())
    refuse("the attribute " + std::string(name) + " is no whole number: '" + word + "'");
  return number;
}

double ReadStep::real(std::string_view name) const {
  const std::string word = text(name);
  double number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || error != std::errc() || end != word.data() + word.size())
    refuse("the attribute " + std::string(name) + " is no number: '" + word + "'");
  return number;
}

std::vector<int64_t> ReadStep::integers(std::string_view name) const {
  const std::string words = text(name);
  std::vector<int64_t> numbers;
  const char *at = words.data(), *end = at + words.size();
  while (at < end) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) refuse("the attribute " + std::string(name) + " is no list of whole numbers: '" + words + "'");
    numbers.push_back(number);
    at = next;
  }
  return numbers;
}

std::vector<uint32_t> ReadStep::add(const char* op, std::vector<uint32_t> inputs, size_t outputs) {
  std::vector<uint32_t> values;
  for (size_t i = 0; i < outputs; ++i) {
    values.push_back(import.builder.add_value(import.unique(layer.name + "/" + op + "/output_" + std::to_string(i))));
    made_.insert(values.back());
  }
  const std::string name = import.unique_node(nodes_++ ? layer.name + "/" + op : layer.name);
  last_ = &import.builder.add_node(op, std::move(inputs), values, name);
  return values;
}

uint32_t ReadStep::cast(uint32_t value, int32_t type) {
  const uint32_t out = emit("Cast", {value});
  last().set("to", static_cast<int64_t>(type));
  return out;
}

uint32_t ReadStep::constant(sdk::TensorData tensor) {
  return import.builder.add_constant(import.unique(layer.name + "/constant"), std::move(tensor));
}

uint32_t ReadStep::constant(int32_t type, std::vector<int64_t> dimensions, const std::vector<double>& numbers) {
  switch (type) {
    case LATHE_FLOAT32:
      return constant(sdk::TensorData::of(type, std::move(dimensions), std::vector<float>(numbers.begin(), numbers.end())));
    case LATHE_FLOAT64:
      return constant(sdk::TensorData::of(type, std::move(dimensions), numbers));
    case LATHE_INT64:
      return constant(sdk::TensorData::of(type, std::move(dimensions), std::vector<int64_t>(numbers.begin(), numbers.end())));
    case LATHE_INT32:
      return constant(sdk::TensorData::of(type, std::move(dimensions), std::vector<int32_t>(numbers.begin(), numbers.end())));
    case LATHE_UINT8:
      return constant(sdk::TensorData::of(type, std::move(dimensions), std::vector<uint8_t>(numbers.begin(), numbers.end())));
    case LATHE_INT8:
      return constant(sdk::TensorData::of(type, std::move(dimensions), std::vector<int8_t>(numbers.begin(), numbers.end())));
    case LATHE_UINT16:
      return constant(sdk::TensorData::of(type, std::move(dimensions), std::vector<uint16_t>(numbers.begin(), numbers.end())));
    case LATHE_FLOAT16: {
      std::vector<uint16_t> halves;
      for (const double x : numbers) halves.push_back(float_to_half(static_cast<float>(x)));
      return constant(sdk::TensorData::of(type, std::move(dimensions), halves));
    }
    default: {
      const uint32_t wide = constant(LATHE_FLOAT32, std::move(dimensions), numbers);
      return cast(wide, type);
    }
  }
}

uint32_t ReadStep::indices(const std::vector<int64_t>& numbers) {
  return constant(sdk::TensorData::of(LATHE_INT64, {static_cast<int64_t>(numbers.size())}, numbers));
}

bool ReadStep::used(size_t i) const {
  const uint32_t own = static_cast<uint32_t>(&layer - import.model.layers.data());
  for (const Layer& other : import.model.layers)
    for (const Source& s : other.inputs)
      if (s.layer == own && s.port == i) return true;
  return false;
}

void ReadStep::out(size_t i, uint32_t value) {
  if (i >= layer.outputs.size()) return;
  const Source source{static_cast<uint32_t>(&layer - import.model.layers.data()), static_cast<uint32_t>(i)};
  const std::string name = import.tensor_name(source);
  // A value made here takes the tensor's name; one that was there before keeps its own and gets a second value beside it.
  if (!made_.erase(value)) {
    value = emit("Identity", {value});
    made_.erase(value);
  }
  import.builder.value(value).name = import.unique(name);
  import.set(source, value);
}

}  // namespace lathe::openvino
