// The signature check and the InferenceContext of one node; see node_inference.hpp.
#include "core/ops/node_inference.hpp"

#include <map>

#include "core/ops/inference.hpp"
#include "lathe/kernels/loops.hpp"

namespace lathe {
namespace {

using namespace std::string_literals;

std::string quoted(std::string_view s) { return "'" + std::string(s) + "'"; }

AttributeKind kind_of(const Attribute& attribute) {
  constexpr AttributeKind kinds[] = {AttributeKind::integer, AttributeKind::real,     AttributeKind::text,  AttributeKind::tensor,
                                     AttributeKind::graph,   AttributeKind::integers, AttributeKind::reals, AttributeKind::texts,
                                     AttributeKind::tensors, AttributeKind::graphs};
  return kinds[attribute.value.index()];
}

std::string_view spelled(AttributeKind kind) {
  constexpr std::string_view names[] = {"an integer", "a float", "a string", "a tensor", "a graph",
                                        "integers",   "floats",  "strings",  "tensors",  "graphs"};
  return names[size_t(kind)];
}

class Context final : public InferenceContext {
 public:
  Context(const Operator& op, const Node& node, const std::vector<InputFacts>& inputs, Surroundings* surroundings)
      : op_(op), node_(node), inputs_(inputs), surroundings_(surroundings), outputs(node.outputs.size()) {}

  const Node& node() const override { return node_; }
  const ValueType* input(size_t index) const override { return index < inputs_.size() ? inputs_[index].type : nullptr; }
  const Tensor* constant(size_t index) const override { return index < inputs_.size() ? inputs_[index].constant : nullptr; }
  const Shape* elements(size_t index) const override { return index < inputs_.size() ? inputs_[index].elements : nullptr; }

  void set_output(size_t index, ValueType type) override {
    if (index >= outputs.size() || node_.outputs[index] == none) return;
    if (type.shape) {
      if (type.shape->size() > size_t(kernels::max_rank))
        fail("output " + std::to_string(index) + " has too many dimensions", "at most " + std::to_string(kernels::max_rank),
             std::to_string(type.shape->size()));
      for (size_t axis = 0; axis < type.shape->size(); ++axis) {
        Dimension& d = (*type.shape)[axis];
        if (const std::optional<int64_t> value = infer::number(d); value && *value < 0)
          fail("output " + std::to_string(index) + " would have a negative size", {}, to_string(*type.shape));
        if (infer::unknown(d))
          d = Dimension(surroundings_ ? surroundings_->symbol(node_, index, axis)
                                      : node_.name + "." + std::to_string(index) + "." + std::to_string(axis));
      }
      if (type.static_shape() && !byte_size(type.element == DataType::none ? DataType::float32 : type.element, type.dimensions()))
        fail("output " + std::to_string(index) + " has more bytes than 63 bits can count", {}, to_string(*type.shape));
    }
    outputs[index].type = std::move(type);
  }
  void set_elements(size_t index, Shape elements) override {
    constexpr size_t most = 1024;  // shapes are short; longer tensors are data
    if (index < outputs.size() && elements.size() <= most) outputs[index].elements = std::move(elements);
  }
  Graph* subgraph(std::string_view attribute) const override {
    const auto found = node_.attributes.find(attribute);
    if (found == node_.attributes.end()) return nullptr;
    const auto* graph = std::get_if<Attribute::Subgraph>(&found->second.value);
    return graph ? graph->get() : nullptr;
  }
  std::vector<OutputFacts> infer_body(std::string_view attribute, const std::vector<ValueType>& inputs) const override {
    Graph* body = subgraph(attribute);
    if (!body || !surroundings_) fail("attribute " + quoted(attribute) + " holds no graph");
    if (body->inputs.size() != inputs.size())
      fail("the graph in attribute " + quoted(attribute) + " has the wrong number of inputs", std::to_string(inputs.size()),
           std::to_string(body->inputs.size()));
    return surroundings_->infer_body(node_, attribute, *body, inputs);
  }
  [[noreturn]] void fail(std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) const override {
    refuse(Code::failed, std::move(text), std::move(expected), std::move(found), std::move(hint));
  }
  [[noreturn]] void unsupported(std::string text, std::string hint = {}) const override {
    refuse(Code::unsupported, std::move(text), {}, {}, std::move(hint));
  }
  [[noreturn]] void refuse(Code code, std::string text, std::string expected, std::string found, std::string hint = {}) const {
    Diagnostic d;
    d.text = std::move(text);
    d.node = node_.name;
    d.op_type = node_.op_type;
    d.expected = std::move(expected);
    d.found = std::move(found);
    d.hint = std::move(hint);
    throw Error(code, std::move(d));
  }

  void check_signature() {
    check_inputs();
    check_outputs();
    check_attributes();
  }

 private:
  const Formal* formal(const std::vector<Formal>& formals, size_t index) const {
    if (index < formals.size()) return &formals[index];
    return !formals.empty() && formals.back().kind >= Formal::variadic ? &formals.back() : nullptr;
  }

  void check_inputs() {
    std::map<std::string_view, std::pair<DataType, std::string>> bound;  // type variable -> type, and the input that gave it
    if (!formal(op_.inputs, inputs_.empty() ? 0 : inputs_.size() - 1) && !inputs_.empty())
      fail("it has too many inputs", "at most " + std::to_string(op_.inputs.size()), std::to_string(inputs_.size()), {});
    for (size_t i = 0; i < std::max(inputs_.size(), op_.inputs.size()); ++i) {
      const Formal& f = *formal(op_.inputs, i);
      const ValueType* type = input(i);
      if (!type) {
        if (f.kind == Formal::required || (f.kind == Formal::variadic && i + 1 == op_.inputs.size()))
          fail("input " + quoted(f.name) + " is missing", {}, {}, {});
        continue;
      }
      if (f.types == "any") continue;
      const std::string_view element = element_of(f, i, *type);
      if (type->element == DataType::none) continue;
      check_type(f, element, i, type->element, bound);
      if (type->shape && type->shape->size() > size_t(kernels::max_rank))
        fail("input " + quoted(f.name) + " has too many dimensions", "at most " + std::to_string(kernels::max_rank),
             std::to_string(type->shape->size()), {});
    }
  }

  static std::string label(const Formal& f, size_t index) {
    return "input " + quoted(f.name) + (f.kind >= Formal::variadic ? " number " + std::to_string(index) : ""s);
  }

  // What the formal says of the elements of a value of that kind: "T" of "T | seq(T)".
  std::string_view element_of(const Formal& f, size_t index, const ValueType& type) const {
    for (std::string_view rest = f.types; !rest.empty();) {
      const size_t bar = rest.find(" | ");
      std::string_view one = rest.substr(0, bar);
      rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 3);
      const auto strip = [&](std::string_view word) {
        const bool is = one.starts_with(word);
        if (is) one = one.substr(word.size(), one.size() - word.size() - 1);
        return is;
      };
      const bool optional = strip("optional("), sequence = strip("seq(");
      const ValueKind kind =
          optional ? (sequence ? ValueKind::optional_sequence : ValueKind::optional) : (sequence ? ValueKind::sequence : ValueKind::tensor);
      if (kind == type.kind) return one;
    }
    fail(label(f, index) + " is of the wrong kind", std::string(f.types), to_string(type));
  }

  void check_type(const Formal& f, std::string_view element, size_t index, DataType type,
                  std::map<std::string_view, std::pair<DataType, std::string>>& bound) {
    const TypeVariable* variable = nullptr;
    for (const TypeVariable& v : op_.types)
      if (v.name == element) variable = &v;
    const auto label = [&] { return this->label(f, index); };
    if (!variable) {
      if (element != "tensor(" + std::string(lathe::name(type)) + ")")
        fail(label() + " has the wrong type", std::string(f.types), std::string(lathe::name(type)), {});
      return;
    }
    if (std::find(variable->allowed.begin(), variable->allowed.end(), type) == variable->allowed.end()) {
      std::string expected;
      for (const DataType t : variable->allowed) expected += (expected.empty() ? "" : ", ") + std::string(lathe::name(t));
      fail(label() + " has a type that the operator does not take", expected, std::string(lathe::name(type)), {});
    }
    const auto [entry, added] = bound.try_emplace(variable->name, type, label());
    if (!added && entry->second.first != type)
      fail(label() + " has another type than " + entry->second.second, std::string(lathe::name(entry->second.first)), std::string(lathe::name(type)),
           {});
  }

  void check_outputs() {
    if (!node_.outputs.empty() && !formal(op_.outputs, node_.outputs.size() - 1))
      fail("it has too many outputs", "at most " + std::to_string(op_.outputs.size()), std::to_string(node_.outputs.size()), {});
    for (size_t i = 0; i < op_.outputs.size(); ++i)
      if (op_.outputs[i].kind != Formal::optional && op_.outputs[i].kind != Formal::variadic_or_none && i >= node_.outputs.size())
        fail("output " + quoted(op_.outputs[i].name) + " is missing", {}, {}, {});
  }

  void check_attributes() {
    for (const auto& [name, attribute] : node_.attributes) {
      const FormalAttribute* found = nullptr;
      std::vector<std::string> names;
      for (const FormalAttribute& f : op_.attributes) {
        names.emplace_back(f.name);
        if (f.name == name) found = &f;
      }
      if (!found) fail("the operator has no attribute " + quoted(name) + did_you_mean(name, names), {}, {}, {});
      const AttributeKind kind = kind_of(attribute);
      const auto* ints = std::get_if<Attribute::Ints>(&attribute.value);
      if (kind != found->kind && !(ints && ints->empty()))  // an empty list has no type of its own
        fail("attribute " + quoted(name) + " has the wrong kind", std::string(spelled(found->kind)), std::string(spelled(kind)), {});
    }
    for (const FormalAttribute& f : op_.attributes)
      if (f.required && !node_.has(f.name)) fail("attribute " + quoted(f.name) + " is missing", std::string(spelled(f.kind)), {}, {});
  }

  const Operator& op_;
  const Node& node_;
  const std::vector<InputFacts>& inputs_;
  Surroundings* surroundings_;

 public:
  std::vector<OutputFacts> outputs;
};

}  // namespace

std::optional<Shape> elements_of(const Tensor& tensor) {
  constexpr int64_t most = 1024;  // shapes are short; longer tensors are data
  if (tensor.dimensions.size() > 1 || tensor.size() > most) return std::nullopt;
  Shape elements;
  if (tensor.type == DataType::int64 || tensor.type == DataType::int32) {
    for (const int64_t value : to_int64s(tensor)) elements.push_back(infer::from_number(value));
  } else if (tensor.type == DataType::boolean) {
    for (const uint8_t value : tensor.as<uint8_t>()) elements.push_back(Dimension(value != 0));
  } else {
    return std::nullopt;
  }
  return elements;
}

std::vector<OutputFacts> infer_node(const Operator& op, const Node& node, const std::vector<InputFacts>& inputs, Surroundings* surroundings) {
  Context context(op, node, inputs, surroundings);
  context.check_signature();
  op.infer(context);
  return std::move(context.outputs);
}

}  // namespace lathe
