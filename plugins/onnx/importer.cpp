// Scopes, nodes, attributes, subgraphs and the inlining of model-local functions.
//
// Every name is looked up in a scope. A graph has one; the body of a function call has one of its own that sees nothing outside but
// writes into the same graph; a subgraph's scope sees what its parent sees, through captures.
#include "importer.hpp"

#include <map>
#include <unordered_map>
#include <unordered_set>

#include "model_file.hpp"
#include "names.hpp"
#include "order.hpp"
#include "types.hpp"

namespace lathe::onnx_plugin {
namespace {

constexpr int deepest_calls = 128;                    // functions that call functions
constexpr uint64_t most_inlined = uint64_t{1} << 29;  // bytes of function bodies, each counted once a call
constexpr size_t longest_prefix = 256;                // of names in inlined bodies

using Type = onnx::AttributeProto;

// A graph in the making.
struct Draft {
  sdk::GraphBuilder builder;
  UniqueNames value_names, node_names;
  std::unordered_map<uint32_t, uint32_t> captured;  // outer value -> inner
};

struct Call;

struct Scope {
  Draft* draft = nullptr;
  Scope* parent = nullptr;     // of the enclosing graph; null in the main graph and in function bodies
  const Call* call = nullptr;  // the function call whose body this is, or lies in
  int depth = 0;               // subgraphs around it
  std::string prefix;          // of names in inlined bodies
  std::unordered_map<std::string, uint32_t> values;
};

// One call of a model-local function: what its attribute references stand for.
struct Call {
  const onnx::FunctionProto* function = nullptr;
  const Call* caller = nullptr;
  int depth = 1;
  struct Binding {
    const onnx::AttributeProto* attribute;
    Scope* scope;  // where the attribute was written: subgraphs in it see that scope
  };
  std::map<std::string, Binding, std::less<>> attributes;
  std::deque<onnx::AttributeProto> defaults;
};

struct FunctionKey {
  std::string domain, name, overload;
  bool operator<(const FunctionKey& other) const { return std::tie(domain, name, overload) < std::tie(other.domain, other.name, other.overload); }
};

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const std::string& path, TensorReader& tensors) : model_(model), path_(path), tensors_(tensors) {}
  sdk::GraphBuilder run();

 private:
  void collect_functions();
  void fill_graph(const onnx::GraphProto& graph, Scope& scope, bool outermost);
  void declare_constants(const onnx::GraphProto& graph, Scope& scope);
  void declare_inputs(const onnx::GraphProto& graph, Scope& scope, bool outermost);
  void declare_outputs_of(const Nodes& nodes, Scope& scope, const std::unordered_set<std::string>* formal_inputs);
  void set_types(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& infos, Scope& scope);
  void convert_nodes(const Nodes& nodes, Scope& scope);
  void convert_node(const onnx::NodeProto& node, int index, Scope& scope);
  void call_function(const onnx::NodeProto& node, const onnx::FunctionProto& function, const std::string& name, Scope& scope);
  void convert_attribute(const onnx::AttributeProto& attribute, const std::string& name, sdk::NodeData& node, Draft& draft, Scope& scope,
                         const sdk::Diagnostic& where);
  uint32_t subgraph(const onnx::GraphProto& graph, Draft& draft, Scope& scope, const sdk::Diagnostic& where);
  std::optional<uint32_t> lookup(const std::string& name, Scope& scope);
  uint32_t declare(const std::string& name, Scope& scope, uint32_t value);
  bool known_name(const std::string& name, const char* what, const sdk::Diagnostic& where);
  std::string with_opset(const std::string& domain, const Scope& scope) const;
  std::string node_name(const onnx::NodeProto& node, int index, Scope& scope);

  void problem(const sdk::Diagnostic& where, std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
    sdk::Diagnostic d = where;
    d.text = std::move(text);
    d.expected = std::move(expected);
    d.found = std::move(found);
    d.hint = std::move(hint);
    problems_.add(std::move(d));
  }
  sdk::Diagnostic at_file() const {
    sdk::Diagnostic d;
    d.location = path_;
    return d;
  }

  const onnx::ModelProto& model_;
  const std::string& path_;
  TensorReader& tensors_;
  Problems problems_;
  std::map<FunctionKey, const onnx::FunctionProto*> functions_;
  std::map<const onnx::FunctionProto*, int64_t> function_opsets_;  // of ONNX's own operators in their bodies
  std::map<std::string, int64_t> opsets_;
  std::unordered_set<std::string> missing_domains_;  // told already
  uint64_t inlined_ = 0;
};

bool Importer::known_name(const std::string& name, const char* what, const sdk::Diagnostic& where) {
  if (is_utf8(name)) return true;
  problem(where, std::string("the name of ") + what + " is no UTF-8: " + quoted(name), {}, {}, "the file is damaged; export the model again");
  return false;
}

std::optional<uint32_t> Importer::lookup(const std::string& name, Scope& scope) {
  if (const auto found = scope.values.find(name); found != scope.values.end()) return found->second;
  if (!scope.parent) return std::nullopt;
  const auto outer = lookup(name, *scope.parent);
  if (!outer || *outer == LATHE_NONE) return outer;
  Draft& draft = *scope.draft;
  const auto [entry, is_new] = draft.captured.emplace(*outer, 0);
  if (is_new) entry->second = draft.builder.add_capture(draft.value_names.make(scope.parent->draft->builder.value(*outer).name), *outer);
  scope.values.emplace(name, entry->second);
  return entry->second;
}

void Importer::declare_constants(const onnx::GraphProto& graph, Scope& scope) {
  auto add = [&](const std::string& name, std::optional<sdk::TensorData> tensor) {
    if (name.empty()) return problem(at_file(), "an initializer has no name");
    if (!known_name(name, "an initializer", at_file())) return;
    if (scope.values.count(name)) return problem(at_file(), "two initializers have the name " + quoted(name));
    if (!tensor) tensor.emplace();  // what is wrong with it is told; a place keeps its users from being told too
    scope.values.emplace(name, scope.draft->builder.add_constant(scope.draft->value_names.make(name), std::move(*tensor)));
  };
  for (const onnx::TensorProto& tensor : graph.initializer()) add(tensor.name(), tensors_.read(tensor, at_file(), problems_));
  for (const onnx::SparseTensorProto& tensor : graph.sparse_initializer()) add(tensor.values().name(), tensors_.read(tensor, at_file(), problems_));
}

// An input of the model that has an initializer is a constant: until IR version 4 every initializer had to be listed as an input.
void Importer::declare_inputs(const onnx::GraphProto& graph, Scope& scope, bool outermost) {
  std::unordered_set<std::string> seen;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    const std::string& name = input.name();
    if (name.empty()) {
      problem(at_file(), "an input has no name");
      continue;
    }
    if (!known_name(name, "an input", at_file())) continue;
    if (!seen.insert(name).second || (!outermost && scope.values.count(name))) {
      problem(at_file(), "two inputs have the name " + quoted(name));
      continue;
    }
    if (scope.values.count(name)) continue;
    const uint32_t value = scope.draft->builder.add_value(scope.draft->value_names.make(name));
    scope.values.emplace(name, value);
    scope.draft->builder.add_input(value);
  }
}

void Importer::declare_outputs_of(const Nodes& nodes, Scope& scope, const std::unordered_set<std::string>* formal_inputs) {
  std::unordered_set<std::string> made;
  for (int i = 0; i < nodes.size(); ++i) {
    sdk::Diagnostic where = at_file();
    where.op_type = nodes.Get(i).op_type();
    where.node = nodes.Get(i).name().empty() ? nodes.Get(i).op_type() + "_" + std::to_string(i) : nodes.Get(i).name();
    if (!is_utf8(where.op_type) || !is_utf8(where.node)) where.op_type = where.node = "";
    for (const std::string& name : nodes.Get(i).output()) {
      if (name.empty() || !known_name(name, "an output", where)) continue;
      // The outputs of a function are declared by its caller.
      const bool declared = scope.values.count(name) != 0 && !(formal_inputs && !formal_inputs->count(name));
      if (!made.insert(name).second || declared) {
        problem(where, "the value " + quoted(name) + " is defined twice", "one input, initializer or node of that name", {},
                "every value needs a name of its own");
        continue;
      }
      if (scope.values.count(name)) continue;
      scope.values.emplace(name, scope.draft->builder.add_value(scope.draft->value_names.make(scope.prefix + name)));
    }
  }
}

void Importer::set_types(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& infos, Scope& scope) {
  for (const onnx::ValueInfoProto& info : infos) {
    if (!info.has_type()) continue;
    const auto found = scope.values.find(info.name());
    if (found == scope.values.end() || found->second == LATHE_NONE) continue;
    std::string wrong;
    ValueType type = value_type(info.type(), wrong);
    if (!wrong.empty()) problem(at_file(), "value " + quoted(info.name()) + ": " + wrong);
    sdk::ValueData& value = scope.draft->builder.value(found->second);
    if (value.tensor != LATHE_NONE || value.type != 0 || value.shape) continue;  // a constant's own type, or told before
    value.kind = type.kind;
    value.type = type.element;
    value.shape = std::move(type.shape);
  }
}

std::string Importer::node_name(const onnx::NodeProto& node, int index, Scope& scope) {
  const std::string base = node.name().empty() ? node.op_type() + "_" + std::to_string(index) : node.name();
  return scope.draft->node_names.make(scope.prefix + base);
}

void Importer::convert_nodes(const Nodes& nodes, Scope& scope) {
  const NodeOrder order = topological_order(nodes);
  if (!order.cycle.empty()) {
    std::string circle;
    for (size_t i = 0; i < order.cycle.size() && i < 5; ++i) {
      const onnx::NodeProto& node = nodes.Get(order.cycle[i]);
      circle += (i ? ", " : "") + quoted(node.name().empty() ? node.op_type() + "_" + std::to_string(order.cycle[i]) : node.name());
    }
    if (order.cycle.size() > 5) circle += " and " + std::to_string(order.cycle.size() - 5) + " more";
    problem(at_file(), "the graph is cyclic: " + (order.cycle.size() == 1 ? circle + " needs its own result" : circle + " wait for each other"), {},
            {}, "a loop must be written as a Loop or Scan node");
  }
  for (const int index : order.order) convert_node(nodes.Get(index), index, scope);
}

// The body of a function may be written for another opset than the model; its nodes say so, and are lifted from there.
std::string Importer::with_opset(const std::string& domain, const Scope& scope) const {
  const auto own = domain.empty() && scope.call ? function_opsets_.find(scope.call->function) : function_opsets_.end();
  if (own == function_opsets_.end() || own->second == opsets_.at("")) return domain;
  return "ai.onnx@" + std::to_string(own->second);
}

void Importer::convert_node(const onnx::NodeProto& node, int index, Scope& scope) {
  sdk::Diagnostic where = at_file();
  if (node.op_type().empty()) {
    if (is_utf8(node.name())) where.node = node.name();
    return problem(where, "node " + std::to_string(index) + " names no operator (op_type is empty)");
  }
  if (!known_name(node.op_type(), "an operator", where) || !known_name(node.name(), "a node", where) ||
      !known_name(node.domain(), "a node's domain", where)) {
    return;
  }
  const std::string name = node_name(node, index, scope);
  where.node = name;
  where.op_type = node.op_type();

  if (scope.call) {
    inlined_ += 1024 + node.ByteSizeLong();
    if (inlined_ > most_inlined) {
      problem(where, "the model-local functions call each other so often that the graph would take more than 512 MiB");
      problems_.throw_if_any();
    }
  }
  const std::string domain(plain_domain(node.domain()));
  const std::string overload(later_text(node.unknown_fields(), node_overload_field));
  if (const auto function = functions_.find({domain, node.op_type(), overload}); function != functions_.end())
    return call_function(node, *function->second, name, scope);
  if (!opsets_.count(domain) && missing_domains_.insert(domain).second) {
    if (domain.empty()) {
      problem(where, "the model uses ONNX's own operators without saying of which version", "an opset_import of domain ''");
    } else {
      opsets_.emplace(domain, 1);
    }
  }

  std::vector<uint32_t> inputs, outputs;
  for (const std::string& input : node.input()) {
    if (input.empty()) {
      inputs.push_back(LATHE_NONE);
    } else if (const auto value = lookup(input, scope)) {
      inputs.push_back(*value);
    } else {
      problem(where, "the input " + quoted(input) + " is not defined", "an input, initializer or node output of that name", {},
              "the file is damaged or was cut out of a larger model");
    }
  }
  for (const std::string& output : node.output()) {
    const auto value = output.empty() ? scope.values.end() : scope.values.find(output);
    outputs.push_back(value == scope.values.end() ? LATHE_NONE : value->second);
  }
  sdk::NodeData& result = scope.draft->builder.add_node(node.op_type(), std::move(inputs), std::move(outputs), name, with_opset(domain, scope));
  std::unordered_set<std::string> attributes;
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (!known_name(attribute.name(), "an attribute", where)) continue;
    if (attribute.name().empty()) {
      problem(where, "an attribute has no name");
    } else if (!attributes.insert(attribute.name()).second) {
      problem(where, "the attribute " + quoted(attribute.name()) + " is given twice");
    } else if (attribute.ref_attr_name().empty()) {
      convert_attribute(attribute, attribute.name(), result, *scope.draft, scope, where);
    } else if (!scope.call) {
      problem(where, "the attribute " + quoted(attribute.name()) + " refers to the attribute " + quoted(attribute.ref_attr_name()) +
                         " of a function, but stands in none");
    } else if (const auto bound = scope.call->attributes.find(attribute.ref_attr_name()); bound != scope.call->attributes.end()) {
      convert_attribute(*bound->second.attribute, attribute.name(), result, *scope.draft, *bound->second.scope, where);
    }  // else: not given by the caller, so absent
  }
}

// ---- attributes ------------------------------------------------------------------------------------------------------------------

const char* type_word(Type::AttributeType type) {
  switch (type) {
    case Type::FLOAT:
      return "a float";
    case Type::INT:
      return "an int";
    case Type::STRING:
      return "a string";
    case Type::TENSOR:
      return "a tensor";
    case Type::GRAPH:
      return "a graph";
    case Type::SPARSE_TENSOR:
      return "a sparse tensor";
    case Type::TYPE_PROTO:
      return "a type";
    case Type::FLOATS:
      return "floats";
    case Type::INTS:
      return "ints";
    case Type::STRINGS:
      return "strings";
    case Type::TENSORS:
      return "tensors";
    case Type::GRAPHS:
      return "graphs";
    case Type::SPARSE_TENSORS:
      return "sparse tensors";
    case Type::TYPE_PROTOS:
      return "types";
    default:
      return "nothing";
  }
}

// What an attribute holds, going by the fields that are set; UNDEFINED when none is.
Type::AttributeType held(const onnx::AttributeProto& a) {
  if (a.has_f()) return Type::FLOAT;
  if (a.has_i()) return Type::INT;
  if (a.has_s()) return Type::STRING;
  if (a.has_t()) return Type::TENSOR;
  if (a.has_g()) return Type::GRAPH;
  if (a.has_sparse_tensor()) return Type::SPARSE_TENSOR;
  if (a.has_tp()) return Type::TYPE_PROTO;
  if (a.floats_size()) return Type::FLOATS;
  if (a.ints_size()) return Type::INTS;
  if (a.strings_size()) return Type::STRINGS;
  if (a.tensors_size()) return Type::TENSORS;
  if (a.graphs_size()) return Type::GRAPHS;
  if (a.sparse_tensors_size()) return Type::SPARSE_TENSORS;
  if (a.type_protos_size()) return Type::TYPE_PROTOS;
  return Type::UNDEFINED;
}

bool holds(const onnx::AttributeProto& a, Type::AttributeType type) {
  switch (type) {
    case Type::FLOAT:
      return a.has_f();
    case Type::INT:
      return a.has_i();
    case Type::STRING:
      return a.has_s();
    case Type::TENSOR:
      return a.has_t();
    case Type::GRAPH:
      return a.has_g();
    case Type::SPARSE_TENSOR:
      return a.has_sparse_tensor();
    case Type::TYPE_PROTO:
      return a.has_tp();
    case Type::FLOATS:
      return a.floats_size() != 0;
    case Type::INTS:
      return a.ints_size() != 0;
    case Type::STRINGS:
      return a.strings_size() != 0;
    case Type::TENSORS:
      return a.tensors_size() != 0;
    case Type::GRAPHS:
      return a.graphs_size() != 0;
    default:
      return held(a) == type;
  }
}

// Writers that leave out zeros and empty lists are right to; only tensors, graphs and types have no such default.
bool may_be_left_out(Type::AttributeType type) {
  return type != Type::TENSOR && type != Type::GRAPH && type != Type::SPARSE_TENSOR && type != Type::TYPE_PROTO && type != Type::UNDEFINED;
}

// Adds `attribute` to `node` of `draft`; what a subgraph in it uses is looked up in `scope`.
void Importer::convert_attribute(const onnx::AttributeProto& attribute, const std::string& name, sdk::NodeData& node, Draft& draft, Scope& scope,
                                 const sdk::Diagnostic& where) {
  const Type::AttributeType found = held(attribute);
  const Type::AttributeType type = attribute.type() == Type::UNDEFINED ? found : attribute.type();
  if (!holds(attribute, type) && !(found == Type::UNDEFINED && may_be_left_out(type))) {
    return problem(where, "the attribute " + quoted(name) + " does not hold what its type says", type_word(type), type_word(found));
  }
  auto tensor = [&](auto data) -> uint32_t { return data ? draft.builder.add_tensor(std::move(*data)) : LATHE_NONE; };
  switch (type) {
    case Type::FLOAT:
      node.set(name, attribute.f());
      break;
    case Type::INT:
      node.set(name, static_cast<int64_t>(attribute.i()));
      break;
    case Type::STRING:
      node.set(name, attribute.s());
      break;
    case Type::FLOATS:
      node.set(name, std::vector<float>(attribute.floats().begin(), attribute.floats().end()));
      break;
    case Type::INTS:
      node.set(name, std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end()));
      break;
    case Type::STRINGS:
      node.set(name, std::vector<std::string>(attribute.strings().begin(), attribute.strings().end()));
      break;
    case Type::TYPE_PROTO:
      node.set(name, type_text(attribute.tp()));
      break;
    case Type::TENSOR:
      node.set_tensor(name, tensor(tensors_.read(attribute.t(), where, problems_)));
      break;
    case Type::SPARSE_TENSOR:
      // Constant is the only operator with one; its dense form is the attribute `value`.
      node.set_tensor(name == "sparse_value" ? "value" : name, tensor(tensors_.read(attribute.sparse_tensor(), where, problems_)));
      break;
    case Type::TENSORS: {
      std::vector<uint32_t> tensors;
      for (const onnx::TensorProto& t : attribute.tensors()) tensors.push_back(tensor(tensors_.read(t, where, problems_)));
      node.set_tensors(name, std::move(tensors));
      break;
    }
    case Type::GRAPH:
      node.set_graph(name, subgraph(attribute.g(), draft, scope, where));
      break;
    case Type::GRAPHS: {
      std::vector<uint32_t> graphs;
      for (const onnx::GraphProto& g : attribute.graphs()) graphs.push_back(subgraph(g, draft, scope, where));
      node.set_graphs(name, std::move(graphs));
      break;
    }
    default:
      problem(where, "the attribute " + quoted(name) + " holds " + type_word(type) + ", which no operator of ONNX takes");
      break;
  }
}

uint32_t Importer::subgraph(const onnx::GraphProto& graph, Draft& draft, Scope& scope, const sdk::Diagnostic& where) {
  if (&draft != scope.draft) {
    problem(where, "a subgraph that is handed to a function is used within another subgraph there", {}, {}, "inline the function before you export");
    return LATHE_NONE;
  }
  if (scope.depth == deepest_nesting) {
    problem(where, "subgraphs nest too deep", "at most " + std::to_string(deepest_nesting) + " levels", "more");
    return LATHE_NONE;
  }
  Draft body{sdk::GraphBuilder(is_utf8(graph.name()) ? graph.name() : ""), {}, {}, {}};
  Scope inner;
  inner.depth = scope.depth + 1;
  inner.draft = &body;
  inner.parent = &scope;
  inner.call = scope.call;
  fill_graph(graph, inner, false);
  return draft.builder.add_subgraph(std::move(body.builder));
}

// ---- functions -------------------------------------------------------------------------------------------------------------------

void Importer::collect_functions() {
  for (const onnx::FunctionProto& function : model_.functions()) {
    const std::string domain(plain_domain(function.domain()));
    const std::string overload(later_text(function.unknown_fields(), function_overload_field));
    if (!known_name(function.name(), "a function", at_file()) || !known_name(domain, "a function's domain", at_file())) continue;
    if (!functions_.emplace(FunctionKey{domain, function.name(), overload}, &function).second)
      problem(at_file(), "two functions have the name " + quoted(function.name()) + " in the domain " + quoted(domain));
    for (const onnx::OperatorSetIdProto& import : function.opset_import()) {
      const std::string imported(plain_domain(import.domain()));
      opsets_.emplace(imported, import.version());
      if (imported.empty()) function_opsets_[&function] = import.version();
    }
  }
}

void Importer::call_function(const onnx::NodeProto& node, const onnx::FunctionProto& function, const std::string& name, Scope& scope) {
  sdk::Diagnostic where = at_file();
  where.node = name;
  where.op_type = node.op_type();
  Call call;
  call.function = &function;
  call.caller = scope.call;
  for (const Call* c = scope.call; c; c = c->caller) {
    ++call.depth;
    if (c->function == &function) return problem(where, "the function " + quoted(function.name()) + " calls itself");
  }
  if (call.depth > deepest_calls)
    return problem(where, "functions call each other too deep", "at most " + std::to_string(deepest_calls) + " levels", "more");
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size()) {
    return problem(where, "the node has more inputs or outputs than the function it calls",
                   std::to_string(function.input_size()) + " inputs and " + std::to_string(function.output_size()) + " outputs",
                   std::to_string(node.input_size()) + " and " + std::to_string(node.output_size()));
  }

  // Attributes: the function's defaults, then what the node gives, references of its own resolved where it stands.
  for (const std::string_view bytes : later_fields(function.unknown_fields(), function_attribute_proto_field)) {
    onnx::AttributeProto fallback;
    if (!fallback.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      problem(where, "a default attribute of the function " + quoted(function.name()) + " is damaged");
      continue;
    }
    call.defaults.push_back(std::move(fallback));
    call.attributes.insert_or_assign(call.defaults.back().name(), Call::Binding{&call.defaults.back(), &scope});
  }
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.ref_attr_name().empty()) {
      call.attributes.insert_or_assign(attribute.name(), Call::Binding{&attribute, &scope});
    } else if (scope.call) {
      const auto bound = scope.call->attributes.find(attribute.ref_attr_name());
      if (bound != scope.call->attributes.end()) call.attributes.insert_or_assign(attribute.name(), bound->second);
    }
  }

  Scope body;
  body.draft = scope.draft;
  body.depth = scope.depth;
  body.call = &call;
  body.prefix = name.size() <= longest_prefix ? name + "/" : function.name().substr(0, 64) + "_" + std::to_string(inlined_) + "/";
  std::unordered_set<std::string> formal_inputs;
  for (int i = 0; i < function.input_size(); ++i) {
    const std::string& actual = i < node.input_size() ? node.input(i) : std::string();
    const auto value = actual.empty() ? std::optional<uint32_t>(LATHE_NONE) : lookup(actual, scope);
    if (!value) problem(where, "the input " + quoted(actual) + " is not defined", "an input, initializer or node output of that name");
    if (!formal_inputs.insert(function.input(i)).second)
      problem(where, "the function " + quoted(function.name()) + " has two inputs " + quoted(function.input(i)));
    body.values.emplace(function.input(i), value.value_or(LATHE_NONE));
  }
  std::unordered_set<std::string> made;
  for (const onnx::NodeProto& inner : function.node()) made.insert(inner.output().begin(), inner.output().end());
  for (int i = 0; i < function.output_size(); ++i) {
    const std::string& formal = function.output(i);
    const auto actual = i < node.output_size() && !node.output(i).empty() ? scope.values.find(node.output(i)) : scope.values.end();
    if (made.count(formal)) {
      if (actual != scope.values.end() && !body.values.emplace(formal, actual->second).second)
        problem(where, "the function " + quoted(function.name()) + " names " + quoted(formal) + " twice among its inputs and outputs");
    } else if (!formal_inputs.count(formal)) {
      problem(where, "the function " + quoted(function.name()) + " never makes its output " + quoted(formal));
    } else if (actual != scope.values.end()) {  // an input handed through
      body.draft->builder.add_node("Identity", {body.values[formal]}, {actual->second}, body.draft->node_names.make(body.prefix + "Identity"));
    }
  }
  declare_outputs_of(function.node(), body, &formal_inputs);
  convert_nodes(function.node(), body);
}

// ---- graphs ----------------------------------------------------------------------------------------------------------------------

void Importer::fill_graph(const onnx::GraphProto& graph, Scope& scope, bool outermost) {
  declare_constants(graph, scope);
  declare_inputs(graph, scope, outermost);
  declare_outputs_of(graph.node(), scope, nullptr);
  set_types(graph.input(), scope);
  set_types(graph.output(), scope);
  set_types(graph.value_info(), scope);
  convert_nodes(graph.node(), scope);
  std::unordered_set<std::string> seen;
  for (const onnx::ValueInfoProto& output : graph.output()) {
    if (!known_name(output.name(), "an output", at_file())) continue;
    const auto value = lookup(output.name(), scope);
    if (!value || *value == LATHE_NONE) {
      problem(at_file(), "the output " + quoted(output.name()) + " is not defined", "an input, initializer or node output of that name");
    } else if (!seen.insert(output.name()).second && outermost) {
      problem(at_file(), "two outputs have the name " + quoted(output.name()));
    } else {
      scope.draft->builder.add_output(*value);
    }
  }
  if (outermost && graph.output_size() == 0) problem(at_file(), "the model has no output");
}

sdk::GraphBuilder Importer::run() {
  opsets_ = opsets_of(model_, path_);
  collect_functions();
  problems_.throw_if_any();
  Draft draft{sdk::GraphBuilder(is_utf8(model_.graph().name()) ? model_.graph().name() : ""), {}, {}, {}};
  Scope scope;
  scope.draft = &draft;
  fill_graph(model_.graph(), scope, true);
  problems_.throw_if_any();
  for (const auto& [domain, version] : opsets_) draft.builder.set_opset(domain, version);
  std::map<std::string, std::string> properties;
  for (const onnx::StringStringEntryProto& entry : model_.metadata_props())
    if (is_utf8(entry.key()) && is_utf8(entry.value())) properties.insert_or_assign(entry.key(), entry.value());
  for (const auto& [key, value] : properties) draft.builder.set_property(key, value);
  return std::move(draft.builder);
}

}  // namespace

sdk::GraphBuilder import_graph(const onnx::ModelProto& model, const std::string& path, TensorReader& tensors) {
  return Importer(model, path, tensors).run();
}

}  // namespace lathe::onnx_plugin
