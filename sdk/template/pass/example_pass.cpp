// A whole pass: Relu of Relu is Relu. The second one is removed and its users read the first.
#include <lathe/plugin.hpp>

namespace {
namespace sdk = lathe::sdk;

void merge_relu(const sdk::Host& host, const sdk::GraphView& graph, const sdk::Settings& settings, sdk::Edits& edits) {
  int64_t left = settings.integer("limit");
  for (sdk::NodeView node : graph.nodes()) {
    if (left == 0 || !node.is("Relu")) continue;
    const uint32_t producer = node.input_value(0).producer();
    if (producer == LATHE_NONE || !graph.node(producer).is("Relu")) continue;
    // A graph output has to keep its name, which only a value of its own can give it.
    const auto outputs = graph.outputs();
    const auto is_output = [&](uint32_t value) {
      for (uint32_t output : outputs)
        if (output == value) return true;
      return false;
    };
    if (is_output(node.output(0)) && is_output(node.input(0))) continue;
    edits.replace_value(node.output(0), node.input(0));
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
