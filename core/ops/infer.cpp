// Inference over a whole graph, and pinning of symbolic dimensions.
#include <algorithm>
#include <functional>
#include <map>

#include "core/ops/added_operators.hpp"
#include "core/ops/inference.hpp"
#include "core/ops/ml.hpp"
#include "core/ops/node_inference.hpp"
#include "core/ops/operator.hpp"

namespace lathe {
namespace {

// The model's own types of the values that a graph takes and yields. Kept over all walks, since a loop's body is walked over several times.
struct Declared {
  std::vector<ValueType> inputs, outputs;
};

class GraphInference final : public Surroundings {
 public:
  using ElementsOfGraphs = std::map<const Graph*, std::vector<std::optional<Shape>>>;

  // `found`, when given, gets the elements that are known in each graph.
  explicit GraphInference(Graph& graph, ElementsOfGraphs* found = nullptr) : graph_(graph), declared_(own_declared_), found_(found) {}
  GraphInference(Graph& body, GraphInference& around, std::string prefix)
      : graph_(body), declared_(around.declared_), found_(around.found_), around_(&around), prefix_(std::move(prefix)), depth_(around.depth_ + 1) {}

  // The outermost graph.
  void run() {
    begin();
    for (const ValueId id : graph_.inputs) check_input(graph_.value(id));
    const std::vector<ValueType> declared = types_of(graph_.outputs);
    walk();
    for (size_t i = 0; i < graph_.outputs.size(); ++i) compare(graph_.value(graph_.outputs[i]), declared[i], broken_[graph_.outputs[i]]);
    finish();
  }

  // A body: inputs as the node around it gives them, captures as they are known outside.
  std::vector<OutputFacts> run(const std::vector<ValueType>& inputs) {
    if (depth_ > max_graph_depth) throw Error(Code::failed, "graphs are nested deeper than " + std::to_string(max_graph_depth) + " levels");
    const auto [entry, first] = declared_.try_emplace(&graph_);
    if (first) entry->second = {types_of(graph_.inputs), types_of(graph_.outputs)};
    const Declared declared = entry->second;
    begin();
    for (size_t i = 0; i < inputs.size(); ++i) take_input(graph_.value(graph_.inputs[i]), declared.inputs[i], inputs[i]);
    for (const Capture& c : graph_.captures) {
      graph_.value(c.inner).type = around_->graph_.value(c.outer).type;
      constants_[c.inner] = around_->constants_[c.outer];
      elements_[c.inner] = around_->elements_[c.outer];
    }
    walk();
    std::vector<OutputFacts> outputs;
    for (size_t i = 0; i < graph_.outputs.size(); ++i) outputs.push_back(yield(graph_.outputs[i], declared.outputs[i]));
    finish();
    return outputs;
  }

  std::vector<OutputFacts> infer_body(const Node& node, std::string_view attribute, Graph& body, const std::vector<ValueType>& inputs) override {
    try {
      return GraphInference(body, *this, prefix_ + node.name + "/" + std::string(attribute) + "/").run(inputs);
    } catch (Error& error) {
      for (Diagnostic& d : error.diagnostics)
        if (d.location.empty()) d.location = "graph '" + std::string(attribute) + "' of node '" + node.name + "'";
      throw;
    }
  }
  std::string symbol(const Node& node, size_t output, size_t axis) override {
    return prefix_ + node.name + "." + std::to_string(output) + "." + std::to_string(axis);
  }

 private:
  void begin() {
    elements_.resize(graph_.values.size());
    constants_.resize(graph_.values.size(), nullptr);
    broken_.resize(graph_.values.size(), false);
    for (ValueId id = 0; id < graph_.values.size(); ++id) {
      Value& value = graph_.value(id);
      if (!value.constant) continue;
      value.type = ValueType{ValueKind::tensor, value.constant->type, Shape(value.constant->dimensions.begin(), value.constant->dimensions.end())};
      constants_[id] = &*value.constant;
      elements_[id] = elements_of(*value.constant);
    }
  }

  void walk() {
    for (const Node& node : graph_.nodes) {
      try {
        infer(node);
      } catch (const Error& error) {
        problems_.insert(problems_.end(), error.diagnostics.begin(), error.diagnostics.end());
        only_unsupported_ = only_unsupported_ && error.code == Code::unsupported;
        break_outputs(node);
      }
    }
  }

  void finish() {
    if (found_) (*found_)[&graph_] = elements_;  // of a loop's body: the last walk's, which hold for every turn
    if (!problems_.empty()) throw Error(only_unsupported_ ? Code::unsupported : Code::failed, std::move(problems_));
  }

  void break_outputs(const Node& node) {
    for (const ValueId id : node.outputs)
      if (id != none) broken_[id] = true;
  }

  void take_input(Value& value, const ValueType& declared, const ValueType& given) {
    const bool optional = (declared.kind == ValueKind::optional && given.kind == ValueKind::tensor) ||
                          (declared.kind == ValueKind::optional_sequence && given.kind == ValueKind::sequence);
    const bool known = declared.element != DataType::none && given.element != DataType::none;
    if ((known && declared.element != given.element) || (known && !optional && declared.kind != given.kind)) {
      Diagnostic d;
      d.text = "the graph's input '" + value.name + "' is given another type than it declares";
      d.expected = to_string(declared);
      d.found = to_string(given);
      problem(std::move(d));
    }
    value.type = given;
    if (optional) value.type.kind = declared.kind;
    if (given.element == DataType::none) value.type.element = declared.element;
  }

  // What a body's output is outside. Its declared shape is not believed: loops change shapes from turn to turn, and exporters forget it.
  OutputFacts yield(ValueId id, const ValueType& declared) {
    Value& value = graph_.value(id);
    OutputFacts facts{value.type, elements_[id]};
    if (broken_[id]) return facts;
    if (declared.element != DataType::none) {
      if (facts.type.element == DataType::none) facts.type.element = declared.element;
      facts.type = value_as(facts.type, declared.kind);
      if (facts.type.element != declared.element || facts.type.kind != declared.kind) {
        Diagnostic d;
        d.text = "the graph's output '" + value.name + "' has another type than it declares";
        d.expected = to_string(declared);
        d.found = to_string(facts.type);
        problem(std::move(d));
      }
    }
    const auto forget_inner = [&](Shape& shape) {
      for (Dimension& d : shape)
        if (!d.constant() && d.symbol.find(prefix_) != std::string::npos) d = Dimension();
    };
    if (facts.type.shape) forget_inner(*facts.type.shape);
    if (facts.elements) forget_inner(*facts.elements);
    return facts;
  }
  static ValueType value_as(ValueType type, ValueKind kind) {
    if (kind == ValueKind::optional && type.kind == ValueKind::tensor) type.kind = kind;
    if (kind == ValueKind::optional_sequence && type.kind == ValueKind::sequence) type.kind = kind;
    return type;
  }

  std::vector<ValueType> types_of(const std::vector<ValueId>& ids) const {
    std::vector<ValueType> types;
    for (const ValueId id : ids) types.push_back(graph_.value(id).type);
    return types;
  }

  void problem(Diagnostic diagnostic) {
    problems_.push_back(std::move(diagnostic));
    only_unsupported_ = false;
  }

  void check_input(const Value& value) {
    Diagnostic d;
    d.location = "input '" + value.name + "'";
    if (value.type.kind == ValueKind::tensor && value.type.element == DataType::none) {
      d.text = "the model's input has no element type";
      problem(std::move(d));
    } else if (value.type.static_shape() && !byte_size(value.type.element, value.type.dimensions()) && value.type.element != DataType::string) {
      d.text = "the model's input has more bytes than 63 bits can count";
      d.found = to_string(*value.type.shape);
      problem(std::move(d));
    }
  }

  void infer(const Node& node) {
    const Operator* op = find_operator(node.domain, node.op_type);
    if (!op) throw unknown_operator(node);
    for (const Graph* body : subgraphs(node))
      for (const Capture& c : body->captures)
        if (broken_[c.outer]) return break_outputs(node);
    std::vector<InputFacts> inputs(node.inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == none) continue;
      if (broken_[id]) return break_outputs(node);  // what stands before it was told already
      inputs[i].type = &graph_.value(id).type;
      inputs[i].constant = constants_[id];
      inputs[i].elements = elements_[id] ? &*elements_[id] : nullptr;
    }
    std::vector<OutputFacts> outputs = infer_node(*op, node, inputs, this);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ValueId id = node.outputs[i];
      if (id == none) continue;
      graph_.value(id).type = std::move(outputs[i].type);
      if (outputs[i].elements) elements_[id] = std::move(outputs[i].elements);
    }
    if (node.op_type != "Constant" || !op->domain.empty() || node.outputs.empty() || node.outputs[0] == none) return;
    const ValueId id = node.outputs[0];
    constants_[id] = &own_constants_.emplace(id, constant_of(node)).first->second;
    elements_[id] = elements_of(*constants_[id]);
  }

  Error unknown_operator(const Node& node) const {
    std::vector<std::string> names;
    for (const Operator* op : operators())
      if (op->domain == node.domain || (op->domain.empty() && node.domain == "ai.onnx")) names.emplace_back(op->name);
    for (const auto& brought : added_operators())
      if (brought->op.domain == node.domain) names.emplace_back(brought->op.name);
    Diagnostic d;
    d.node = node.name;
    d.op_type = node.op_type;
    d.text = names.empty() ? "no operator of the domain '" + node.domain + "' is known"
                           : "operator '" + node.op_type + "' is not known" + did_you_mean(node.op_type, names);
    if (!names.empty() && !node.domain.empty()) d.text += " in the domain '" + node.domain + "'";
    d.hint = names.empty() ? "a plugin with operators/1 can bring it; `lathe ops` lists the operators there are" : "`lathe ops` lists the operators";
    if (const std::string_view advice = ml::advice_on_maps(node.domain, node.op_type); !advice.empty()) {
      d.text = "it works on maps, and there are no values of that kind here";
      d.hint = advice;
    }
    return Error(Code::unsupported, std::move(d));
  }

  // Whether a size is one of the inputs'. Names are labels that people give: one that an exporter wrote on an output is no promise that the
  // sizes are equal, while one that inference carried there is.
  bool of_an_input(const Dimension& d) const {
    if (d.constant() || d.symbol.empty()) return false;
    return std::any_of(graph_.inputs.begin(), graph_.inputs.end(), [&](ValueId id) {
      const std::optional<Shape>& shape = graph_.value(id).type.shape;
      return shape && std::any_of(shape->begin(), shape->end(), [&](const Dimension& x) { return !x.constant() && x.symbol == d.symbol; });
    });
  }

  // What the model says of an output stays where inference knows less, and must not contradict it.
  void compare(Value& value, const ValueType& declared, bool broken) {
    if (broken || value.constant) return;
    ValueType& found = value.type;
    found = value_as(found, declared.element == DataType::none ? found.kind : declared.kind);
    Diagnostic d;
    d.location = "output '" + value.name + "'";
    d.expected = to_string(declared) + " as the model declares";
    d.found = to_string(found);
    if (declared.element != DataType::none && found.element != DataType::none && declared.element != found.element) {
      d.text = "the output's element type is not the declared one";
      return problem(std::move(d));
    }
    if (declared.element != DataType::none && declared.kind != found.kind) {
      d.text = "the output is of another kind than the declared one";
      return problem(std::move(d));
    }
    if (!declared.shape || found.kind != ValueKind::tensor) return;
    if (declared.shape->empty()) return;  // some exporters write no dimensions where they know none
    if (!found.shape) {
      found.shape = declared.shape;
      for (Dimension& dimension : *found.shape)
        if (of_an_input(dimension)) dimension = Dimension();
      return;
    }
    bool fits = found.shape->size() == declared.shape->size();
    for (size_t i = 0; fits && i < found.shape->size(); ++i) {
      Dimension& d0 = (*found.shape)[i];
      const Dimension& d1 = (*declared.shape)[i];
      fits = !infer::differ(d0, d1);
      if (!d0.constant() && !infer::unknown(d1) && !of_an_input(d0) && !of_an_input(d1)) d0 = d1;
    }
    if (fits) return;
    d.text = "the output's shape is not the declared one";
    problem(std::move(d));
  }

  Graph& graph_;
  std::map<const Graph*, Declared> own_declared_;
  std::map<const Graph*, Declared>& declared_;
  ElementsOfGraphs* found_ = nullptr;
  GraphInference* around_ = nullptr;
  std::string prefix_;  // of symbols that are made here
  int depth_ = 0;
  std::vector<std::optional<Shape>> elements_;  // per value
  std::vector<const Tensor*> constants_;        // per value
  std::vector<bool> broken_;                    // per value: inference failed before it
  std::map<ValueId, Tensor> own_constants_;     // of Constant nodes
  std::vector<Diagnostic> problems_;
  bool only_unsupported_ = true;
};

}  // namespace

void infer_types(Graph& graph) { GraphInference(graph).run(); }

KnownElements known_elements(const Graph& graph) {
  Graph copy = clone(graph);  // types stay as they are
  std::map<const Graph*, std::vector<std::optional<Shape>>> found;
  try {
    GraphInference(copy, &found).run();
  } catch (const Error&) {
    // What could be inferred was.
  }
  const std::function<KnownElements(const Graph&)> gather = [&](const Graph& g) {
    KnownElements known{found[&g], {}};
    known.values.resize(g.values.size());
    for (const Node& node : g.nodes) {
      known.bodies.emplace_back();
      for (const Graph* body : subgraphs(node)) known.bodies.back().push_back(gather(*body));
    }
    return known;
  };
  return gather(copy);
}

void pin_shapes(Graph& graph, const std::map<std::string, std::vector<int64_t>>& shapes) {
  std::map<std::string, int64_t> symbols;  // what a named dimension was pinned to, wherever else it stands
  const auto refuse = [](std::string name, std::string text, std::string expected = {}, std::string found = {}) {
    Diagnostic d;
    d.location = "input '" + std::move(name) + "'";
    d.text = std::move(text);
    d.expected = std::move(expected);
    d.found = std::move(found);
    throw Error(Code::usage, std::move(d));
  };
  for (const auto& [name, dimensions] : shapes) {
    std::vector<std::string> names;
    Value* input = nullptr;
    for (const ValueId id : graph.inputs) {
      names.push_back(graph.value(id).name);
      if (graph.value(id).name == name) input = &graph.value(id);
    }
    if (!input) {
      std::string known;
      for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
      refuse(name, "the model has no such input" + did_you_mean(name, names), known, name);
    }
    if (!input->type.shape) input->type.shape = Shape(dimensions.size());
    Shape& shape = *input->type.shape;
    if (shape.size() != dimensions.size())
      refuse(name, "the shape has another number of dimensions", to_string(shape), std::to_string(dimensions.size()) + " dimensions");
    for (size_t i = 0; i < shape.size(); ++i) {
      if (dimensions[i] < 0) continue;
      if (infer::differ(shape[i], Dimension(dimensions[i])))
        refuse(name, "the shape contradicts the model on axis " + std::to_string(i), to_string(shape), std::to_string(dimensions[i]));
      if (!shape[i].constant() && !shape[i].symbol.empty()) {
        const auto [entry, added] = symbols.try_emplace(shape[i].symbol, dimensions[i]);
        if (!added && entry->second != dimensions[i])
          refuse(name, "the dimension '" + shape[i].symbol + "' is pinned to two sizes", std::to_string(entry->second),
                 std::to_string(dimensions[i]));
      }
      shape[i] = Dimension(dimensions[i]);
    }
    if (!element_count(input->type.static_shape() ? input->type.dimensions() : std::vector<int64_t>()))
      refuse(name, "the shape has more elements than 63 bits can count", {}, to_string(shape));
  }
  for (const std::vector<ValueId>* ids : {&graph.inputs, &graph.outputs})
    for (const ValueId id : *ids) {
      if (!graph.value(id).type.shape) continue;
      for (Dimension& d : *graph.value(id).type.shape)
        if (const auto pinned = symbols.find(d.symbol); !d.constant() && pinned != symbols.end()) d = Dimension(pinned->second);
    }
}

}  // namespace lathe
