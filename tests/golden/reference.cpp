// golden_reference NAME: imports a model, runs it in the reference engine and compares. Exit code 77: the data is absent.
#include "core/reference/reference.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "cases.hpp"
#include "core/ops/operator.hpp"
#include "core/plugin/plugins.hpp"

using namespace lathe;

namespace {

// The value of the graph that a file's name means: characters that a file name cannot hold became '_'.
std::string meant(const Graph& graph, const std::vector<ValueId>& ids, size_t index, const std::string& name) {
  for (const ValueId id : ids) {
    std::string written = graph.value(id).name;
    std::replace(written.begin(), written.end(), '/', '_');
    if (written == name) return graph.value(id).name;
  }
  return graph.value(ids.at(index)).name;
}

int run(const golden::Case& c) {
  if (!std::filesystem::exists(golden::model_path(c)) || !std::filesystem::exists(std::string(LATHE_GOLDEN) + "/" + c.folder)) {
    std::printf("SKIPPED: %s is absent\n", golden::model_path(c).c_str());
    return 77;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_ONNX_PLUGIN};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  Graph graph = import_model(*plugins, golden::model_path(c), {});
  infer_types(graph);
  std::map<std::string, Tensor> inputs;
  for (golden::NamedTensor& t : golden::read_tensors(c, "input"))
    inputs.emplace(meant(graph, graph.inputs, inputs.size(), t.name), std::move(t.tensor));
  const auto start = std::chrono::steady_clock::now();
  std::map<std::string, Tensor> outputs = run_reference(graph, inputs);
  std::printf("%.0f ms\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  std::vector<Tensor> found, expected;
  for (golden::NamedTensor& t : golden::read_tensors(c, "output")) {
    const std::string name = meant(graph, graph.outputs, expected.size(), t.name);
    expected.push_back(std::move(t.tensor));
    found.push_back(outputs.at(name));
  }
  return golden::agree(c, found, expected) ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  for (const golden::Case& c : golden::cases()) {
    if (count != 2 || c.name != std::string_view(arguments[1])) continue;
    try {
      return run(c);
    } catch (const Error& error) {
      for (const Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
      return 1;
    }
  }
  std::printf("usage: golden_reference NAME\n");
  return 2;
}
