// Edits: read with the same care as a snapshot, applied to a copy, which takes the graph's place only when it verifies.
#include "core/plugin/passes.hpp"

#include <span>

#include "core/plugin/from_snapshot.hpp"
#include "core/plugin/layout.hpp"
#include "core/plugin/loading.hpp"
#include "core/plugin/manifest.hpp"
#include "core/plugin/settings.hpp"

namespace lathe {
namespace {

[[noreturn]] void fail(size_t index, const std::string& text) { throw Error(Code::internal, "edit " + std::to_string(index) + " " + text); }

class Editor {
 public:
  explicit Editor(const Graph& graph)
      : original_(std::make_shared<const Graph>(clone(graph))), snapshot_(*original_), reader_(snapshot_.get(), original_), graph_(clone(graph)) {}

  void apply(size_t index, const lathe_edit& edit) {
    index_ = index;
    switch (edit.kind) {
      case LATHE_EDIT_ADD_VALUE: {
        Value v = reader_.value(copy(edit.value, "value"));
        if (edit.tensor) {
          v.constant = reader_.tensor(copy(edit.tensor, "tensor"), "constant '" + v.name + "'");
          v.constant->bytes = Bytes::copy_of({v.constant->bytes.data, static_cast<size_t>(v.constant->bytes.size)});
        }
        const ValueId id = graph_.add_value(v.name.empty() ? "value" : v.name, v.type);
        graph_.values[id].constant = std::move(v.constant);
        return;
      }
      case LATHE_EDIT_ADD_NODE: {
        Node n = reader_.node(copy(edit.node, "node"));
        for (const auto& [name, attribute] : n.attributes) {
          if (std::holds_alternative<Attribute::Subgraph>(attribute.value) || std::holds_alternative<Attribute::Subgraphs>(attribute.value)) {
            fail(index_, "adds a node with a subgraph, which edits cannot");
          }
        }
        n.name = graph_.fresh_node_name(n.name.empty() ? n.op_type : n.name);
        graph_.nodes.push_back(std::move(n));
        return;
      }
      case LATHE_EDIT_REMOVE_NODE:
        node(edit.target).op_type.clear();
        return;
      case LATHE_EDIT_REPLACE_VALUE:
        if (edit.target >= graph_.values.size() || edit.with >= graph_.values.size()) fail(index_, "replaces a value that is not there");
        if (!replace_value(graph_, edit.target, edit.with)) {
          fail(index_, "replaces graph output '" + graph_.values[edit.target].name + "' by '" + graph_.values[edit.with].name +
                           "', which cannot take over its name; put an Identity between them");
        }
        return;
      case LATHE_EDIT_SET_ATTRIBUTE: {
        Node& n = node(edit.target);
        auto [name, attribute] = reader_.attribute(copy(edit.attribute, "attribute"), n);
        n.attributes.insert_or_assign(name, std::move(attribute));
        return;
      }
      case LATHE_EDIT_SET_TYPE:
        if (edit.target >= graph_.values.size()) fail(index_, "sets the type of a value that is not there");
        graph_.values[edit.target].type = reader_.value(copy(edit.value, "value")).type;
        return;
      default:
        fail(index_, "is of the unknown kind " + std::to_string(edit.kind));
    }
  }

  Graph finish() {
    try {
      check_ids();
      compact(graph_);
      verify(graph_);
    } catch (const Error& e) {  // whatever is wrong with the result is the plugin's doing
      throw Error(Code::internal, e.diagnostics);
    }
    return std::move(graph_);
  }

 private:
  template <class T>
  T copy(const T* p, const char* what) const {
    if (!p || !large_enough(p)) fail(index_, std::string("has no ") + what);
    return copy_struct(p);
  }
  Node& node(uint32_t target) {
    if (target >= graph_.nodes.size()) fail(index_, "names a node that is not there");
    return graph_.nodes[target];
  }
  void check_ids() const {
    for (const Node& n : graph_.nodes) {
      for (const auto* list : {&n.inputs, &n.outputs})
        for (const ValueId v : *list)
          if (v != none && v >= graph_.values.size()) throw Error(Code::internal, "node '" + n.name + "' refers to a value that is not there");
    }
  }

  std::shared_ptr<const Graph> original_;  // keeps the tensors alive that edits may refer to
  Snapshot snapshot_;
  SnapshotReader reader_;
  Graph graph_;
  size_t index_ = 0;
};

struct Sink {
  const lathe_host& host;
  const Graph& graph;
  std::optional<Graph> result;
};

lathe_code apply(void* context, const lathe_edit* edits, size_t count, size_t stride) {
  Sink& sink = *static_cast<Sink*>(context);
  return run_callback(sink.host, [&] {
    if (sink.result) throw Error(Code::internal, "a pass hands over its edits once");
    sink.result = apply_edits(sink.graph, edits, count, stride);
  });
}

std::vector<std::string> texts(const char* const* names) {
  std::vector<std::string> result;
  for (; names && *names; ++names) result.emplace_back(*names);
  return result;
}

bool run(Plugin& plugin, const lathe_pass& pass, Graph& graph, const PassSettings& values) {
  const SettingList settings(values.values, values.values);
  const Snapshot snapshot(graph);
  Sink sink{plugin.host(), graph, std::nullopt};
  const lathe_edit_sink out = {&sink, &apply};
  plugin.check(std::string("pass ") + pass.name, [&] { return pass.run(&plugin.host(), &snapshot.get(), settings.data(), settings.size(), &out); });
  if (!sink.result) return false;
  graph = std::move(*sink.result);
  return true;
}

}  // namespace

Graph apply_edits(const Graph& graph, const lathe_edit* edits, size_t count, size_t stride) {
  if (count > 0 && (!edits || stride < released_size<lathe_edit>)) throw Error(Code::internal, "the list of edits is malformed");
  Editor editor(graph);
  for (size_t i = 0; i < count; ++i) {
    const lathe_edit* edit = LATHE_AT(lathe_edit, edits, stride, i);
    if (!large_enough(edit)) fail(i, "has a struct_size that is too small");
    editor.apply(i, copy_struct(edit, stride));
  }
  return editor.finish();
}

void append_passes(Plugin& plugin, std::vector<Pass>& passes) {
  const lathe_passes* table = plugin.passes();
  if (!table) return;
  for (size_t i = 0; i < table->pass_count; ++i) {
    const lathe_pass& from = *LATHE_AT(lathe_pass, table->passes, table->pass_stride, i);
    for (const Pass& p : passes) {
      if (p.name != from.name) continue;
      throw Error(Code::unsupported, "pass '" + p.name + "' of plugin '" + plugin.manifest().name + "' has a name that is taken",
                  "the plugin's author should prefix it with '" + plugin.manifest().name + "-'");
    }
    Pass pass;
    pass.name = from.name;
    pass.help = from.help;
    for (const OptionSpec& o : describe_options(from.options, from.option_count, from.option_stride)) {
      pass.options.push_back({o.name, o.type, o.fallback, o.choices, o.help});
    }
    pass.needs = texts(from.needs);
    pass.leaves = texts(from.leaves);
    pass.breaks = texts(from.breaks);
    pass.run = [&plugin, &from](Graph& graph, const PassSettings& settings) { return run(plugin, from, graph, settings); };
    passes.push_back(std::move(pass));
  }
}

}  // namespace lathe
