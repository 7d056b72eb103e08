// A whole pass: Relu of Relu is Relu. The second one is removed and its users read the first.
#include <lathe/plugin.hpp>

namespace {
namespace sdk = lathe::sdk;

bool is_output(const sdk::GraphView& graph, uint32_t value) {
  for (uint32_t output : graph.outputs())
    if (output == value) return true;
  return false;
}

void merge_relu(const sdk::Host& host, const sdk::GraphView& graph, const sdk::Settings& settings, sdk::Edits& edits) {
  // The first Relu of the chain that ends in `node`: edits refer to the graph as it was, so all of a chain must name its beginning.
  const auto first = [&](sdk::NodeView node) {
    for (uint32_t p; (p = node.input_value(0).producer()) != LATHE_NONE && graph.node(p).is("Relu");) node = graph.node(p);
    return node;
  };
  int64_t left = settings.integer("limit");
  for (sdk::NodeView node : graph.nodes()) {
    // A graph output keeps its own node, because its name has to stay.
    if (left == 0 || !node.is("Relu") || first(node).index() == node.index() || is_output(graph, node.output(0))) continue;
    edits.replace_value(node.output(0), first(node).output(0));
    edits.remove_node(node.index());
    host.log("merged " + std::string(node.name()));
    --left;
  }
}

struct Passes {
  static std::vector<sdk::PassInfo> passes() {
    return {{"example-pass-merge-relu",
             "Replaces Relu of Relu by one.",
             &sdk::run_pass<&merge_relu>,
             {{"limit", LATHE_OPTION_INT, "-1", "How many are merged at most; -1 is all."}},
             {"canonical"}}};
  }
};

}  // namespace

LATHE_PLUGIN("example_pass", "0.1.0", "Example", "Merges Relu of Relu.", sdk::PassesPart<Passes>)
