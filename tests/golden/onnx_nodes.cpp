// golden_onnx_nodes [SUBSTRING]: the ONNX project's own tests of single operators, through the importer and the reference engine.
//
// Every test whose operators and types Lathe knows must pass; the others are counted. Every operator that Lathe has must be covered by at
// least one of them, or stand in the list of those that the project has no test of. Exit code 77: the data is absent.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "core/ops/operator.hpp"
#include "core/plugin/plugins.hpp"
#include "core/reference/reference.hpp"
#include "lathe/kernels/types.hpp"
#include "tensor_proto.hpp"

using namespace lathe;

namespace {

// numpy.testing.assert_allclose(rtol=1e-3, atol=1e-7), as the ONNX project runs its tests; half types get their own precision.
template <class T>
bool close(const Tensor& found, const Tensor& expected) {
  const double relative = sizeof(T) == 2 ? 1e-2 : 1e-3, absolute = 1e-7;
  for (size_t i = 0; i < size_t(found.size()); ++i) {
    const double a = double(float(found.as<T>()[i])), b = double(float(expected.as<T>()[i]));
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!(std::fabs(a - b) <= absolute + relative * std::fabs(b))) return false;
  }
  return true;
}

bool equal(const Tensor& found, const Tensor& expected) {
  if (found.type != expected.type || found.dimensions != expected.dimensions) return false;
  switch (found.type) {
    case DataType::float32:
      return close<float>(found, expected);
    case DataType::float64:
      return close<double>(found, expected);
    case DataType::float16:
      return close<kernels::float16>(found, expected);
    case DataType::bfloat16:
      return close<kernels::bfloat16>(found, expected);
    default:
      return found == expected;
  }
}

enum class Outcome { passed, unsupported, failed };

// The files `<prefix>_<n>.pb` of a data set, in order; nullopt when one holds something that is no plain tensor.
std::optional<std::vector<Tensor>> read_all(const std::filesystem::path& folder, const std::string& prefix) {
  std::vector<Tensor> tensors;
  for (int i = 0;; ++i) {
    const std::filesystem::path path = folder / (prefix + "_" + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(path)) return tensors;
    std::optional<golden::NamedProto> proto = golden::read_tensor_proto(path.string());
    if (!proto) return std::nullopt;
    tensors.push_back(std::move(proto->tensor));
  }
}

Outcome run(Plugins& plugins, const std::filesystem::path& folder, std::set<std::string>& covered) try {
  Graph graph = import_model(plugins, (folder / "model.onnx").string(), {});
  infer_types(graph);
  for (const auto& set : std::filesystem::directory_iterator(folder)) {
    if (!set.is_directory()) continue;
    std::optional<std::vector<Tensor>> given = read_all(set.path(), "input"), expected = read_all(set.path(), "output");
    if (!given || !expected) return Outcome::unsupported;
    NamedData inputs;
    for (size_t i = 0; i < given->size(); ++i) inputs.emplace(graph.value(graph.inputs.at(i)).name, std::move((*given)[i]));
    const NamedData outputs = run_reference(graph, inputs);
    for (size_t i = 0; i < expected->size(); ++i) {
      const std::string& name = graph.value(graph.outputs.at(i)).name;
      if (equal(outputs.at(name).tensor, (*expected)[i])) continue;
      std::printf("%s: output '%s' differs\n", folder.filename().c_str(), name.c_str());
      return Outcome::failed;
    }
  }
  for (const Node& node : graph.nodes) covered.insert(node.op_type);
  return Outcome::passed;
} catch (const Error& error) {
  const bool old = std::string_view(error.what()).find("operator set that is too old") != std::string_view::npos;
  if (error.code == Code::unsupported || old) return Outcome::unsupported;
  std::printf("%s: %s\n", folder.filename().c_str(), error.what());
  return Outcome::failed;
}

}  // namespace

int main(int count, char** arguments) {
  const std::filesystem::path root = std::string(LATHE_GOLDEN) + "/onnx-tests/data/node";
  if (!std::filesystem::exists(root)) {
    std::printf("SKIPPED: %s is absent\n", root.c_str());
    return 77;
  }
  const std::string wanted = count > 1 ? arguments[1] : "";
  PluginSearch search;
  search.explicit_paths = {LATHE_ONNX_PLUGIN};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (entry.path().filename().string().find(wanted) != std::string::npos) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  int outcomes[3] = {};
  std::set<std::string> covered;
  for (const auto& folder : folders) ++outcomes[int(run(*plugins, folder, covered))];
  std::printf("%d passed, %d not supported yet, %d failed\n", outcomes[0], outcomes[1], outcomes[2]);
  bool good = outcomes[2] == 0;
  if (wanted.empty()) {
    for (const Operator* op : operators())
      if (!covered.contains(std::string(op->name)) && op->kernel) {
        std::printf("%s: no test passed\n", std::string(op->name).c_str());
        good = false;
      }
  }
  return good ? 0 : 1;
}
