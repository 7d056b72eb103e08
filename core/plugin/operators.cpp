// Calling a plugin's inference and decomposition, and what stands between them and the core's operators.
#include "core/plugin/operators.hpp"

#include <filesystem>
#include <set>

#include "core/ir/text.hpp"
#include "core/ops/added_operators.hpp"
#include "core/plugin/from_snapshot.hpp"
#include "core/plugin/loading.hpp"

namespace lathe {
namespace {

constexpr int most_expansions = 16;  // decompositions within decompositions

// What a plugin reports of a node names the node.
[[noreturn]] void rethrow(Error error, const Node& node) {
  for (Diagnostic& d : error.diagnostics) {
    if (d.node.empty()) d.node = node.name;
    if (d.op_type.empty()) d.op_type = node.op_type;
  }
  throw Error(error.code, std::move(error.diagnostics));
}

// The node alone with the values around it, as plugins see it.
Graph around(const Node& node, int64_t version) {
  Graph graph;
  graph.name = node.name;
  graph.opsets[""] = canonical_opset;
  graph.opsets[node.domain] = version;
  Node copy = node;
  for (auto* list : {&copy.inputs, &copy.outputs})
    for (ValueId& id : *list)
      if (id != none) id = graph.add_value(list == &copy.inputs ? "input" : "output");
  for (const ValueId id : copy.inputs)
    if (id != none) graph.inputs.push_back(id);
  for (const ValueId id : copy.outputs)
    if (id != none) graph.outputs.push_back(id);
  graph.nodes.push_back(std::move(copy));
  return graph;
}

struct TypeSink {
  InferenceContext& context;
  const lathe_host& host;
  const SnapshotReader& reader;
};

void infer_through(Plugin& plugin, const lathe_operator& declared, InferenceContext& context) {
  Graph graph = around(context.node(), declared.versions[declared.version_count - 1]);
  for (size_t i = 0; i < graph.nodes[0].inputs.size(); ++i) {
    const ValueId id = graph.nodes[0].inputs[i];
    if (id == none) continue;
    if (const ValueType* type = context.input(i)) graph.value(id).type = *type;
    if (const Tensor* constant = context.constant(i)) {
      graph.value(id).constant = *constant;
      std::erase(graph.inputs, id);
    }
  }
  const Snapshot snapshot(graph);
  const SnapshotReader reader(snapshot.get(), nullptr);
  TypeSink sink{context, plugin.host(), reader};
  const lathe_type_sink out = {&sink, [](void* self, size_t index, const lathe_value* value) {
                                 const TypeSink& s = *static_cast<TypeSink*>(self);
                                 return run_callback(s.host, [&] {
                                   if (!value || !large_enough(value)) throw Error(Code::internal, "inference handed over no value");
                                   if (index >= s.context.node().outputs.size()) return;  // an absent optional output
                                   s.context.set_output(index, s.reader.value(copy_struct(value)).type);
                                 });
                               }};
  try {
    plugin.check("infer", [&] { return declared.infer(&plugin.host(), &snapshot.get(), &out); });
  } catch (const Error& error) {
    rethrow(error, context.node());
  }
}

Graph decompose_through(Plugin& plugin, const lathe_operator& declared, const Node& node) {
  const Graph graph = around(node, declared.versions[declared.version_count - 1]);
  const Snapshot snapshot(graph);
  std::string text;
  try {
    plugin.check("decompose", [&] {
      return declared.decompose(&plugin.host(), &snapshot.get(), &text, [](void* context, lathe_string piece) {
        if (piece.size) static_cast<std::string*>(context)->append(piece.data, piece.size);
      });
    });
    Graph body = parse_text(text, "the decomposition of " + std::string(declared.domain) + "." + declared.name);
    if (body.inputs.size() != graph.inputs.size() || body.outputs.size() != graph.outputs.size())
      throw Error(Code::internal, "the decomposition has " + std::to_string(body.inputs.size()) + " inputs and " +
                                      std::to_string(body.outputs.size()) + " outputs, the node " + std::to_string(graph.inputs.size()) + " and " +
                                      std::to_string(graph.outputs.size()));
    lift_to_canonical(body);
    return body;
  } catch (const Error& error) {
    rethrow(error, node);
  }
}

void infer_added(InferenceContext& context) {
  const auto added = find_added_operator(context.node().domain, context.node().op_type);
  if (!added->infer) context.unsupported("the operator is known only by its decomposition, which takes its place when a model file is imported");
  added->infer(context);
}

AttributeKind kind_of(int32_t kind) {
  constexpr AttributeKind kinds[] = {AttributeKind::integer,  AttributeKind::real,  AttributeKind::text,  AttributeKind::tensor, AttributeKind::graph,
                                     AttributeKind::integers, AttributeKind::reals, AttributeKind::texts, AttributeKind::tensors};
  return kinds[kind - LATHE_ATTRIBUTE_INT];
}

std::vector<Formal> formals(const lathe_formal* base, size_t count, size_t stride) {
  std::vector<Formal> list;
  for (size_t i = 0; i < count; ++i) {
    const lathe_formal& f = *LATHE_AT(lathe_formal, base, stride, i);
    list.push_back({f.name, f.types, static_cast<Formal::Kind>(f.kind)});
  }
  return list;
}

// A folder of the plugin's own name beside its library holds its data files.
std::string kernel_folder(const Manifest& manifest) {
  const std::filesystem::path folder = std::filesystem::path(manifest.library).parent_path() / manifest.name;
  std::error_code error;
  for (std::filesystem::directory_iterator i(folder, error), end; !error && i != end; i.increment(error))
    if (const std::string file = i->path().filename().string(); file.starts_with("kernels-") && file.ends_with(".bc")) return folder.string();
  return "";
}

std::shared_ptr<const AddedOperator> convert(Plugin& plugin, const lathe_operator& declared) {
  auto added = std::make_shared<AddedOperator>();
  Operator& op = added->op;
  op.domain = declared.domain, op.name = declared.name;
  op.versions.assign(declared.versions, declared.versions + declared.version_count);
  op.inputs = formals(declared.inputs, declared.input_count, declared.input_stride);
  op.outputs = formals(declared.outputs, declared.output_count, declared.output_stride);
  for (size_t i = 0; i < declared.type_count; ++i) {
    const lathe_type_variable& v = *LATHE_AT(lathe_type_variable, declared.types, declared.type_stride, i);
    TypeVariable variable{v.name, {}};
    for (size_t t = 0; t < v.allowed_count; ++t) variable.allowed.push_back(static_cast<DataType>(v.allowed[t]));
    op.types.push_back(std::move(variable));
  }
  for (size_t i = 0; i < declared.attribute_count; ++i) {
    const lathe_formal_attribute& a = *LATHE_AT(lathe_formal_attribute, declared.attributes, declared.attribute_stride, i);
    op.attributes.push_back({a.name, kind_of(a.kind), a.required != 0, a.fallback ? a.fallback : std::string_view()});
  }
  op.infer = infer_added;
  // A pointer to Call and a reference to it are passed alike.
  const auto kernel = [](lathe_kernel k) { return reinterpret_cast<kernels::Kernel>(reinterpret_cast<void (*)()>(k)); };
  op.kernel = kernel(declared.kernel);
  op.scratch = reinterpret_cast<decltype(op.scratch)>(reinterpret_cast<void (*)()>(declared.scratch));
  op.deterministic = !declared.not_deterministic;
  added->shape = kernel(declared.shape);
  if (declared.infer) added->infer = [&plugin, declared](InferenceContext& context) { infer_through(plugin, declared, context); };
  if (declared.decompose) added->decompose = [&plugin, declared](const Node& node) { return decompose_through(plugin, declared, node); };
  added->plugin = plugin.manifest().name;
  added->library = plugin.manifest().library;
  added->kernel_folder = kernel_folder(plugin.manifest());
  return added;
}

// ---- decompositions --------------------------------------------------------------------------------------------------------------------

// Appends the body's nodes to `to`, which end in the node's own outputs.
void inline_body(Graph& graph, const Node& node, Graph body, std::vector<Node>& to) {
  std::vector<ValueId> present_inputs, present_outputs;
  std::copy_if(node.inputs.begin(), node.inputs.end(), std::back_inserter(present_inputs), [](ValueId id) { return id != none; });
  std::copy_if(node.outputs.begin(), node.outputs.end(), std::back_inserter(present_outputs), [](ValueId id) { return id != none; });
  std::vector<ValueId> place(body.values.size(), none);
  for (size_t i = 0; i < body.inputs.size(); ++i) place[body.inputs[i]] = present_inputs[i];
  std::vector<std::pair<ValueId, ValueId>> copies;  // outputs that no node of the body makes, or that it has twice
  const Uses uses(body);
  for (size_t i = 0; i < body.outputs.size(); ++i) {
    const ValueId id = body.outputs[i];
    if (uses.producer[id] == none || place[id] != none)
      copies.emplace_back(id, present_outputs[i]);
    else
      place[id] = present_outputs[i];
  }
  for (ValueId id = 0; id < body.values.size(); ++id) {
    if (place[id] != none) continue;
    const Value& value = body.value(id);
    place[id] = value.constant ? graph.add_constant(node.name + "/" + value.name, *value.constant) : graph.add_value(node.name + "/" + value.name);
  }
  const auto move_ids = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (id != none) id = place[id];
  };
  for (Node& inner : body.nodes) {
    move_ids(inner.inputs);
    move_ids(inner.outputs);
    for (Graph* subgraph : subgraphs(inner))
      for (Capture& capture : subgraph->captures) capture.outer = place[capture.outer];
    inner.name = graph.fresh_node_name(node.name + "/" + inner.name);
    graph.node_names.insert(inner.name);
    to.push_back(std::move(inner));
  }
  for (const auto& [from, output] : copies) {
    Node identity;
    identity.op_type = "Identity";
    identity.name = graph.fresh_node_name(node.name + "/Identity");
    graph.node_names.insert(identity.name);
    identity.inputs = {place[from]}, identity.outputs = {output};
    to.push_back(std::move(identity));
  }
}

// True when a node was replaced.
bool expand_once(Graph& graph) {
  bool changed = false;
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    for (Graph* subgraph : subgraphs(node)) changed = expand_once(*subgraph) || changed;
    const auto added = node.domain.empty() ? nullptr : find_added_operator(node.domain, node.op_type);
    if (added && added->decompose) {
      inline_body(graph, node, added->decompose(node), nodes);
      changed = true;
    } else {
      nodes.push_back(std::move(node));
    }
  }
  graph.nodes = std::move(nodes);
  graph.node_names.forget();
  return changed;
}

// Names, kinds and types of the formals.
void check_signature(const lathe_operator& o, const std::string& where, const std::function<void(std::string)>& say) {
  std::set<std::string> variables;
  for (size_t i = 0; i < o.type_count; ++i) {
    const lathe_type_variable& v = *LATHE_AT(lathe_type_variable, o.types, o.type_stride, i);
    const std::string name = v.name ? v.name : "";
    if (name.empty() || !variables.insert(name).second) say(where + ": the type variable '" + name + "' has no name or is declared twice");
    if (v.allowed_count == 0 || !v.allowed) say(where + ": the type variable '" + name + "' allows no type");
    for (size_t t = 0; v.allowed && t < v.allowed_count; ++t)
      if (v.allowed[t] <= 0 || v.allowed[t] > LATHE_INT2) say(where + ": the type variable '" + name + "' allows a type that does not exist");
  }
  const auto check_formals = [&](const char* what, const lathe_formal* base, size_t count, size_t stride) {
    for (size_t i = 0; i < count; ++i) {
      const lathe_formal& f = *LATHE_AT(lathe_formal, base, stride, i);
      const std::string name = f.name ? f.name : "", types = f.types ? f.types : "";
      const std::string formal = where + ": " + what + " '" + name + "'";
      if (name.empty()) say(formal + " has no name");
      if (f.kind < LATHE_FORMAL_REQUIRED || f.kind > LATHE_FORMAL_VARIADIC) say(formal + " has an unknown kind");
      if (f.kind == LATHE_FORMAL_VARIADIC && i + 1 != count) say(formal + " is variadic and not the last one");
      const bool one_type = types.starts_with("tensor(") && types.ends_with(")") && parse_data_type(types.substr(7, types.size() - 8));
      if (!one_type && !variables.contains(types)) say(formal + ": '" + types + "' is neither a type variable nor a type");
    }
  };
  check_formals("input", o.inputs, o.input_count, o.input_stride);
  check_formals("output", o.outputs, o.output_count, o.output_stride);
  std::set<std::string> names;
  for (size_t i = 0; i < o.attribute_count; ++i) {
    const lathe_formal_attribute& a = *LATHE_AT(lathe_formal_attribute, o.attributes, o.attribute_stride, i);
    const std::string name = a.name ? a.name : "";
    if (name.empty() || !names.insert(name).second) say(where + ": the attribute '" + name + "' has no name or is declared twice");
    if (a.kind < LATHE_ATTRIBUTE_INT || a.kind > LATHE_ATTRIBUTE_TENSORS || a.kind == LATHE_ATTRIBUTE_GRAPH)
      say(where + ": the attribute '" + name + "' has an unknown kind");
  }
}

void load_unknown(Plugins& plugins, const Graph& graph, std::set<std::string>& asked) {
  for (const Node& node : graph.nodes) {
    for (const Graph* subgraph : subgraphs(node)) load_unknown(plugins, *subgraph, asked);
    if (node.domain.empty() || find_operator(node.domain, node.op_type) || !asked.insert(node.domain).second) continue;
    std::vector<std::string> names;
    for (const Manifest& m : plugins.manifests())
      if (m.has_part("operators/1") && std::find(m.domains.begin(), m.domains.end(), node.domain) != m.domains.end()) names.push_back(m.name);
    for (const std::string& name : names) plugins.load(name);
  }
}

}  // namespace

void bring_operators(Plugin& plugin) {
  const lathe_operators* table = plugin.operators();
  if (!table) return;
  std::vector<std::shared_ptr<const AddedOperator>> list;
  for (size_t i = 0; i < table->operator_count; ++i)
    list.push_back(convert(plugin, copy_struct(LATHE_AT(lathe_operator, table->operators, table->operator_stride, i), table->operator_stride)));
  add_operators(std::move(list));
}

void load_operators_of(Plugins& plugins, Graph& graph) {
  std::set<std::string> asked;
  for (int round = 0;; ++round) {
    load_unknown(plugins, graph, asked);
    if (!expand_once(graph)) break;
    if (round == most_expansions) throw Error(Code::internal, "the decompositions of operators contain each other without end");
  }
  if (!asked.empty()) verify(graph);
}

void check_operators(const lathe_operators& table, const std::function<void(std::string)>& say) {
  std::set<std::pair<std::string, std::string>> seen;
  for (size_t i = 0; i < table.operator_count; ++i) {
    const lathe_operator o = copy_struct(LATHE_AT(lathe_operator, table.operators, table.operator_stride, i), table.operator_stride);
    if (!o.domain || !o.name || !*o.name) {
      say("operators/1: operator " + std::to_string(i) + " has no domain or no name");
      continue;
    }
    const std::string domain = o.domain, where = "operators/1: operator " + domain + "." + o.name;
    if (domain.empty() || domain == "ai.onnx" || domain.starts_with("ai.onnx.") || domain == "com.microsoft")
      say(where + ": the domain '" + domain + "' is not the plugin's own; use one of yours, as in com.example");
    if (!seen.emplace(domain, o.name).second) say(where + " is declared twice");
    if (o.version_count == 0 || !o.versions) say(where + ": no version is declared");
    if (o.kernel && o.decompose) say(where + " has a kernel and a decomposition; one of them is enough");
    if (!o.kernel && !o.decompose) say(where + " has neither a kernel nor a decomposition");
    if (o.kernel && !o.infer) say(where + " has a kernel but no inference");
    if (o.kernel && o.kernel_layout != LATHE_KERNEL_LAYOUT)
      say(where + ": its kernel was built for layout " + std::to_string(o.kernel_layout) + " of a call, and this program has " +
          std::to_string(LATHE_KERNEL_LAYOUT));
    if (o.output_count == 0) say(where + " has no output");
    check_signature(o, where, say);
  }
}

const lathe_operator_kernels& operator_kernels_service() {
  static const lathe_operator_kernels service = {
      sizeof service, 0, nullptr, [](void*, lathe_string domain, lathe_string op_type, lathe_operator_kernel* kernel) -> int32_t {
        const auto text = [](lathe_string s) { return s.size ? std::string_view(s.data, s.size) : std::string_view(); };
        const std::shared_ptr<const AddedOperator> found = find_added_operator(text(domain), text(op_type));
        if (!found || !found->op.kernel || !kernel || kernel->struct_size < released_size<lathe_operator_kernel>) return 0;
        kernel->kernel_layout = LATHE_KERNEL_LAYOUT;
        kernel->directory = {found->kernel_folder.data(), found->kernel_folder.size()};
        kernel->shape = reinterpret_cast<lathe_kernel>(reinterpret_cast<void (*)()>(found->shape));
        kernel->scratch = reinterpret_cast<decltype(kernel->scratch)>(reinterpret_cast<void (*)()>(found->op.scratch));
        return 1;
      }};
  return service;
}

}  // namespace lathe
