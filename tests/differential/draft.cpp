// Values: where they come from, what they hold, and adding a node to them.
#include "draft.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/ir/text.hpp"
#include "core/reference/reference.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe::differential {
namespace {

constexpr int64_t most_elements = 2048;

double number(Random& random, Content content, bool is_integer, bool is_signed) {
  const double quantum = is_integer ? 1 : 16;  // floats are sixteenths: sums and products of a few are exact
  double x = double(random.between(is_integer ? -9 : -64, is_integer ? 9 : 64)) / quantum;
  if (!is_signed) x = x < 0 ? -x : x;
  switch (content) {
    case Content::any:
    case Content::wild:
      return x;
    case Content::positive:
      return (x < 0 ? -x : x) + (is_integer ? 1 : 0.25);
    case Content::unit:
      return is_integer ? double(random.between(is_signed ? -1 : 0, 1)) : x / 4;
    case Content::nonzero:
      return x < 0 ? x - (is_integer ? 1 : 0.25) : x + (is_integer ? 1 : 0.25);
    case Content::large:
      return (x < 0 ? -x : x) + 1;
  }
  return x;
}

template <class T>
void fill(Random& random, Tensor& tensor, Content content) {
  using Limits = std::numeric_limits<T>;
  constexpr bool integral = std::is_integral_v<T>;
  for (T& element : tensor.as_mutable<T>()) {
    element = T(number(random, content, integral, !integral || Limits::is_signed));
    if (content != Content::wild || random.chance(60)) continue;
    if constexpr (integral) {
      element = random.chance(50) ? random.pick({Limits::max(), Limits::min(), T(0)}) : T(random.next());
    } else if constexpr (std::is_floating_point_v<T>) {
      element = random.pick({Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), Limits::max(), Limits::lowest(), Limits::min(), T(-0.0),
                             T(0.5), T(-2.5), T(1e9), T(3.5)});
    } else {
      element = T(random.pick({INFINITY, -INFINITY, NAN, 65504.0f, -65504.0f, 6e-8f, -0.0f, 0.5f, -2.5f, 3.5f}));
    }
  }
}

bool is_integer(DataType type) {
  switch (type) {
    case DataType::int8:
    case DataType::int16:
    case DataType::int32:
    case DataType::int64:
    case DataType::uint8:
    case DataType::uint16:
    case DataType::uint32:
    case DataType::uint64:
      return true;
    default:
      return false;
  }
}

template <class T>
bool has_special(const Tensor& tensor) {
  const auto elements = tensor.as<T>();
  return std::any_of(elements.begin(), elements.end(), [](T x) { return !(std::fabs(double(x)) < 1e6); });
}

// Infinities, NaN, and numbers so large that arithmetic leaves the type.
bool has_special_numbers(const Tensor& tensor) {
  switch (tensor.type) {
    case DataType::float32:
      return has_special<float>(tensor);
    case DataType::float64:
      return has_special<double>(tensor);
    case DataType::int32:
      return has_special<int32_t>(tensor);
    case DataType::int64:
      return has_special<int64_t>(tensor);
    case DataType::uint32:
      return has_special<uint32_t>(tensor);
    case DataType::uint64:
      return has_special<uint64_t>(tensor);
    case DataType::float16:
      return has_special<kernels::float16>(tensor);
    case DataType::bfloat16:
      return has_special<kernels::bfloat16>(tensor);
    default:
      return false;
  }
}

void fill_strings(Random& random, Tensor& tensor) {
  static constexpr std::array words = {"",
                                       "a",
                                       "b",
                                       "Lathe",
                                       "lathe",
                                       "x y",
                                       " two  words ",
                                       "\xc3\xa4"
                                       "bc",
                                       "12",
                                       "-3.5"};
  std::vector<std::string> strings(size_t(tensor.size()));
  for (std::string& s : strings) s = words[size_t(random.below(words.size()))];
  tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(strings));
}

}  // namespace

Sample copy(const Sample& sample) { return {clone(sample.graph), sample.inputs}; }

std::string to_text(const Sample& sample) {
  Graph inputs;
  inputs.name = "inputs";
  inputs.opsets[""] = canonical_opset;
  for (const auto& [name, tensor] : sample.inputs) inputs.outputs.push_back(inputs.add_constant(name, tensor));
  return lathe::to_text(sample.graph) + "\n# the inputs\n" + lathe::to_text(inputs);
}

bool portable(DataType type) {
  switch (type) {
    case DataType::float32:
    case DataType::float64:
    case DataType::float16:
    case DataType::int8:
    case DataType::int16:
    case DataType::int32:
    case DataType::int64:
    case DataType::uint8:
    case DataType::uint16:
    case DataType::uint32:
    case DataType::uint64:
    case DataType::boolean:
    case DataType::string:
      return true;
    default:
      return false;
  }
}

bool Draft::wild() const { return wild_ && current_ && takes_special_numbers(*current_); }

int64_t Draft::size() { return random.chance(85) ? random.between(1, 5) : random.between(6, 19); }

Dims Draft::shape(int64_t lowest_rank, int64_t highest_rank) {
  for (;;) {
    Dims dims(size_t(random.between(lowest_rank, highest_rank)));
    int64_t count = 1;
    for (int64_t& d : dims) count *= d = random.chance(2) ? 0 : random.chance(15) ? 1 : size();
    if (count <= most_elements) return dims;
  }
}

Dims Draft::broadcastable(const Dims& target) {
  Dims dims(target.begin() + random.below(random.chance(40) ? int64_t(target.size()) + 1 : 1), target.end());
  for (int64_t& d : dims)
    if (random.chance(25)) d = 1;
  return dims;
}

DataType Draft::any_of(const std::vector<DataType>& allowed) {
  static const std::vector<DataType> common = {DataType::float32, DataType::float32, DataType::float32, DataType::float64, DataType::int32,
                                               DataType::int64,   DataType::boolean, DataType::uint8,   DataType::int8};
  std::vector<DataType> choices;
  if (common_types_)
    for (const DataType t : common)
      if (std::find(allowed.begin(), allowed.end(), t) != allowed.end()) choices.push_back(t);
  // Complex numbers can neither be handed out nor cast to what can.
  if (choices.empty())
    for (const DataType t : allowed)
      if (t != DataType::complex64 && t != DataType::complex128) choices.push_back(t);
  return random.pick(choices.empty() ? allowed : choices);
}

DataType Draft::variable(const Operator& op, std::string_view name) {
  for (const TypeVariable& v : op.types)
    if (v.name == name) return any_of(v.allowed);
  if (name.starts_with("tensor(")) return parse_data_type(name.substr(7, name.size() - 8)).value_or(DataType::none);
  return DataType::none;
}

Tensor Draft::filled(DataType type, const Dims& dims, Content content) {
  if (content == Content::any && (wild() || (wild_ && is_integer(type) && bits(type) <= 8))) content = Content::wild;
  if (type == DataType::string) {
    Tensor t;
    t.type = type, t.dimensions = dims;
    fill_strings(random, t);
    return t;
  }
  Tensor tensor = Tensor::allocate(type, dims);
  switch (type) {
    case DataType::float32:
      fill<float>(random, tensor, content);
      break;
    case DataType::float64:
      fill<double>(random, tensor, content);
      break;
    case DataType::float16:
      fill<kernels::float16>(random, tensor, content);
      break;
    case DataType::bfloat16:
      fill<kernels::bfloat16>(random, tensor, content);
      break;
    case DataType::int8:
      fill<int8_t>(random, tensor, content);
      break;
    case DataType::int16:
      fill<int16_t>(random, tensor, content);
      break;
    case DataType::int32:
      fill<int32_t>(random, tensor, content);
      break;
    case DataType::int64:
      fill<int64_t>(random, tensor, content);
      break;
    case DataType::uint8:
      fill<uint8_t>(random, tensor, content);
      break;
    case DataType::uint16:
      fill<uint16_t>(random, tensor, content);
      break;
    case DataType::uint32:
      fill<uint32_t>(random, tensor, content);
      break;
    case DataType::uint64:
      fill<uint64_t>(random, tensor, content);
      break;
    case DataType::boolean:
      for (uint8_t& element : tensor.as_mutable<uint8_t>()) element = uint8_t(random.below(2));
      break;
    default: {  // types of eight and fewer bits: any pattern is a number, but the last byte's unused bits stay zero
      auto bytes = tensor.as_mutable<uint8_t>();
      for (uint8_t& byte : bytes) byte = uint8_t(random.next());
      const uint64_t used = uint64_t(tensor.size()) * uint64_t(bits(type));
      if (!bytes.empty() && used % 8) bytes.back() &= uint8_t((1u << (used % 8)) - 1);
    }
  }
  return tensor;
}

ValueId Draft::append(Tensor tensor, bool constant) {
  const DataType type = tensor.type;
  ValueId id;
  if (constant) {
    id = sample.graph.add_constant("c" + std::to_string(sample.graph.values.size()), tensor);
  } else {
    id = sample.graph.add_value("x" + std::to_string(sample.graph.values.size()),
                                {ValueKind::tensor, type, Shape(tensor.dimensions.begin(), tensor.dimensions.end())});
    sample.graph.inputs.push_back(id);
    sample.inputs[sample.graph.value(id).name] = tensor;
  }
  tensors_.resize(id + 1);
  tensors_[id] = std::move(tensor);
  facts_.resize(id + 1);
  return id;
}

ValueId Draft::fresh(Tensor tensor) {
  const bool constant = !portable(tensor.type) || random.chance(30);
  return append(std::move(tensor), constant);
}
ValueId Draft::constant(Tensor tensor) { return append(std::move(tensor), true); }

ValueId Draft::ints(const Dims& values) {
  Tensor t = Tensor::of<int64_t>(DataType::int64, {int64_t(values.size())}, values);
  return append(std::move(t), random.chance(80));
}

ValueId Draft::integer(int64_t value, DataType type, bool scalar) {
  Tensor t = Tensor::allocate(type, scalar ? Dims{} : Dims{1});
  if (type == DataType::int32)
    t.as_mutable<int32_t>()[0] = int32_t(value);
  else
    t.as_mutable<int64_t>()[0] = value;
  return append(std::move(t), random.chance(80));
}

ValueId Draft::indices(const Dims& dims, int64_t end, bool negative, DataType type) {
  Tensor t = Tensor::allocate(type, dims);
  for (size_t i = 0; i < size_t(t.size()); ++i) {
    const int64_t value = random.between(negative ? -end : 0, end - 1);
    if (type == DataType::int32)
      t.as_mutable<int32_t>()[i] = int32_t(value);
    else
      t.as_mutable<int64_t>()[i] = value;
  }
  return fresh(std::move(t));
}

bool Draft::usable(ValueId id) const {
  const Facts& facts = facts_[id];
  if (!(current_ && takes_special_numbers(*current_)) && has_special_numbers(*tensors_[id])) return false;
  if (facts.exact) return true;
  return facts.inexact_depth < 3 && current_ && tolerant_operator(current_->name);
}

ValueId Draft::value(DataType type, const Dims& dims, Content content) {
  if (content == Content::any && random.chance(60)) {
    std::vector<ValueId> fitting;
    for (ValueId id = 0; id < tensors_.size(); ++id)
      if (tensors_[id] && tensors_[id]->type == type && tensors_[id]->dimensions == dims && usable(id)) fitting.push_back(id);
    if (!fitting.empty()) return random.pick(fitting);
  }
  return fresh(filled(type, dims, content));
}

ValueId Draft::some(DataType type, int64_t lowest_rank, int64_t highest_rank, Content content) {
  if (content == Content::any && random.chance(75)) {
    std::vector<ValueId> fitting;
    for (ValueId id = 0; id < tensors_.size(); ++id) {
      if (!tensors_[id] || tensors_[id]->type != type || !usable(id)) continue;
      const int64_t rank = int64_t(tensors_[id]->dimensions.size());
      if (rank >= lowest_rank && rank <= highest_rank) fitting.push_back(id);
    }
    if (!fitting.empty()) return random.pick(fitting);
  }
  return fresh(filled(type, shape(lowest_rank, highest_rank), content));
}

bool Draft::add(const Proposal& proposal) {
  // The node on its own, its inputs constants: what it yields decides whether it stays.
  Graph alone;
  alone.opsets = sample.graph.opsets;
  if (!proposal.domain.empty()) alone.opsets.try_emplace(proposal.domain, 1);
  std::vector<ValueId> inputs, outputs;
  Facts facts;
  bool floats = false;
  for (const ValueId id : proposal.inputs) {
    inputs.push_back(id == none ? none : alone.add_constant("i", *tensors_[id]));
    if (id == none) continue;
    const DataType t = tensors_[id]->type;
    floats = floats || t == DataType::float32 || t == DataType::float64 || t == DataType::float16 || t == DataType::bfloat16;
    facts.exact = facts.exact && facts_[id].exact;
    facts.inexact_depth = std::max(facts.inexact_depth, facts_[id].inexact_depth);
  }
  for (size_t i = 0; i < proposal.outputs; ++i) outputs.push_back(alone.add_value("o" + std::to_string(i)));
  Node& node = alone.add_node(proposal.op_type, inputs, outputs, proposal.op_type);
  node.domain = proposal.domain;
  node.attributes = proposal.attributes;
  alone.outputs = outputs;
  NamedData results;
  try {
    ReferenceOptions options;
    options.threads = 1;
    results = run_reference(alone, {}, options);
  } catch (const Error& error) {
    ++refusals[proposal.op_type + ": " + error.diagnostics.front().text];
    return false;
  }
  for (const auto& [name, datum] : results)
    if (!datum.is_tensor() || datum.tensor.size() > 4 * most_elements) return false;

  Graph& graph = sample.graph;
  std::vector<ValueId> made;
  for (size_t i = 0; i < proposal.outputs; ++i) {
    const ValueId id = graph.add_value("v" + std::to_string(graph.values.size()));
    made.push_back(id);
    tensors_.resize(id + 1);
    facts_.resize(id + 1);
    tensors_[id] = std::move(results.at("o" + std::to_string(i)).tensor);
    const DataType t = tensors_[id]->type;
    floats = floats || t == DataType::float32 || t == DataType::float64 || t == DataType::float16 || t == DataType::bfloat16;
    facts_[id] = facts;
  }
  for (const ValueId id : made)
    if (rounding_operator(proposal.op_type)) facts_[id] = {false, 3};
  for (const ValueId id : made)
    if (floats && !exact_operator(proposal.op_type)) facts_[id].exact = false, ++facts_[id].inexact_depth;
  if (!proposal.domain.empty()) graph.opsets.try_emplace(proposal.domain, 1);
  Node& added = graph.add_node(proposal.op_type, proposal.inputs, made, "n" + std::to_string(graph.nodes.size()));
  added.domain = proposal.domain;
  added.attributes = proposal.attributes;
  return true;
}

void Draft::remember(ValueId id, Tensor tensor, const Facts& facts) {
  if (tensors_.size() <= id) tensors_.resize(id + 1), facts_.resize(id + 1);
  tensors_[id] = std::move(tensor);
  facts_[id] = facts;
}

bool Draft::add(const std::string& text, const std::vector<ValueId>& inputs) {
  Graph fragment;
  NamedData results;
  try {
    fragment = parse_text(text, "a fragment");
    infer_types(fragment);  // a loop without iterations yields tensors of the types that inference found
    NamedData given;
    for (size_t i = 0; i < inputs.size(); ++i) given[fragment.value(fragment.inputs[i]).name] = *tensors_[inputs[i]];
    ReferenceOptions options;
    options.threads = 1;
    results = run_reference(fragment, given, options);
  } catch (const Error& error) {
    ++refusals["fragment " + error.diagnostics.front().op_type + ": " + error.diagnostics.front().text];
    return false;
  }
  Graph& graph = sample.graph;
  std::vector<ValueId> place(fragment.values.size(), none);
  for (size_t i = 0; i < inputs.size(); ++i) place[fragment.inputs[i]] = inputs[i];
  for (ValueId id = 0; id < fragment.values.size(); ++id)
    if (place[id] == none) place[id] = graph.add_value("v" + std::to_string(graph.values.size()));
  tensors_.resize(graph.values.size());
  facts_.resize(graph.values.size());
  Facts facts;
  for (const ValueId id : inputs) facts.exact = facts.exact && facts_[id].exact;
  for (const ValueId id : fragment.outputs) remember(place[id], std::move(results.at(fragment.value(id).name).tensor), facts);
  for (Node& node : fragment.nodes) {
    for (auto* list : {&node.inputs, &node.outputs})
      for (ValueId& id : *list)
        if (id != none) id = place[id];
    for (Graph* subgraph : subgraphs(node))
      for (Capture& capture : subgraph->captures) capture.outer = place[capture.outer];
    node.name = graph.fresh_node_name("n" + std::to_string(graph.nodes.size()));
    graph.nodes.push_back(std::move(node));
  }
  return true;
}

std::optional<Sample> Draft::finish(bool open_dimensions) {
  Graph& graph = sample.graph;
  if (graph.nodes.empty()) return std::nullopt;
  {
    const Uses uses(graph);
    const size_t count = graph.nodes.size();
    for (size_t n = 0; n < count; ++n)
      for (const ValueId id : std::vector<ValueId>(graph.nodes[n].outputs)) {
        if (!tensors_[id]) continue;  // within a fragment
        if (!uses.users[id].empty() && !random.chance(20)) continue;
        if (portable(tensors_[id]->type)) {
          graph.outputs.push_back(id);
          continue;
        }
        // What the other runtime cannot hand out leaves as float32.
        const ValueId cast = graph.add_value("f" + std::to_string(graph.values.size()));
        graph.add_node("Cast", {id}, {cast}, "cast" + std::to_string(n)).attributes["to"] = Attribute{int64_t(DataType::float32)};
        graph.outputs.push_back(cast);
      }
  }
  // Inputs that nothing uses come from proposals that were refused.
  const Uses uses(graph);
  std::erase_if(graph.inputs, [&](ValueId id) {
    if (!uses.users[id].empty()) return false;
    sample.inputs.erase(graph.value(id).name);
    return true;
  });
  compact(graph);
  try {
    infer_types(graph);
  } catch (const Error& error) {
    ++refusals[error.diagnostics.front().op_type + " (whole graph): " + error.diagnostics.front().text];
  }
  if (open_dimensions) {
    Sample closed = copy(sample);
    for (const ValueId id : graph.inputs) {
      for (Dimension& d : *graph.value(id).type.shape)
        if (d.constant() && random.chance(40))
          d = Dimension("d" + std::to_string(d.value) + (random.chance(50) ? "" : "_" + std::to_string(random.below(100))));
    }
    for (const Node& node : graph.nodes)
      for (const ValueId id : node.outputs)
        if (id != none) graph.value(id).type = {};
    try {
      infer_types(graph);
    } catch (const Error& error) {
      ++refusals[error.diagnostics.front().op_type + " (open dimensions): " + error.diagnostics.front().text];
      return closed;
    }
  }
  return copy(sample);
}

}  // namespace lathe::differential
