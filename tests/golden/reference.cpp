// golden_reference NAME [PIPELINE]: imports a model, puts it through the pipeline if one is given (verifying after each pass), runs it in
// the reference engine and compares. Exit code 77: the data is absent.
#include "core/reference/reference.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cases.hpp"
#include "core/ops/operator.hpp"
#include "core/passes/fold_batch_norm.hpp"
#include "core/passes/pipeline.hpp"
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

void run_passes(Graph& graph, const std::string& file) {
  std::ifstream in(file);
  const std::string yaml{std::istreambuf_iterator<char>(in), {}};
  PipelineOptions options;
  options.verify_each = true;
  for (const PassTime& time : run_pipeline(graph, parse_pipeline(yaml, file, builtin_passes()), builtin_passes(), options)) {
    std::printf("%-32s %6.1f ms%s\n", time.pass.c_str(), time.seconds * 1e3, time.changed ? ", changed the graph" : "");
  }
}

int run(const golden::Case& c, const char* pipeline) {
  for (const std::string& path : {golden::model_path(c), std::string(LATHE_GOLDEN) + "/" + c.folder}) {
    if (std::filesystem::exists(path)) continue;
    std::printf("SKIPPED: %s is absent\n", path.c_str());
    return 77;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  Graph graph = import_model(*plugins, golden::model_path(c), golden::import_options(c));
  if (pipeline) {
    run_passes(graph, pipeline);
  } else {
    infer_types(graph);
    if (c.fused) fold_batch_norm(graph);
  }
  NamedData inputs;
  for (golden::NamedTensor& t : golden::read_tensors(c, "input"))
    inputs.emplace(meant(graph, graph.inputs, inputs.size(), t.name), std::move(t.tensor));
  const auto start = std::chrono::steady_clock::now();
  const NamedData outputs = run_reference(graph, inputs);
  std::printf("%.0f ms\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  std::vector<Tensor> found, expected;
  for (golden::NamedTensor& t : golden::read_tensors(c, "output")) {
    const std::string name = meant(graph, graph.outputs, expected.size(), t.name);
    expected.push_back(std::move(t.tensor));
    found.push_back(outputs.at(name).tensor);
  }
  return golden::agree(c, found, expected) ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  for (const golden::Case& c : golden::cases()) {
    if ((count != 2 && count != 3) || c.name != std::string_view(arguments[1])) continue;
    try {
      return run(c, count == 3 ? arguments[2] : nullptr);
    } catch (const Error& error) {
      for (const Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
      return 1;
    }
  }
  std::printf("usage: golden_reference NAME [PIPELINE]\n");
  return 2;
}
