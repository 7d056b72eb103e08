// Finding the tests, reading their data, running one.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files/write_file.hpp"
#include "core/ops/operator.hpp"
#include "onnx_tests.hpp"
#include "proto_files.hpp"

namespace lathe::golden {
namespace {
namespace fs = std::filesystem;

// <folder>/<prefix>_<n>.pb, in order.
std::vector<std::string> numbered_files(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> files;
  for (int i = 0;; ++i) {
    std::string path = folder + "/" + prefix + "_" + std::to_string(i) + ".pb";
    if (!fs::exists(path)) return files;
    files.push_back(std::move(path));
  }
}

// The value of `ids` that a file with this position and this name inside is for: by name where there is one of that name.
const Value& meant(const Graph& graph, const std::vector<ValueId>& ids, size_t position, const std::string& name, const std::string& file) {
  for (const ValueId id : ids)
    if (!name.empty() && graph.value(id).name == name) return graph.value(id);
  if (position >= ids.size()) throw Error(Code::failed, file + " is for an input or output that the model does not have");
  return graph.value(ids[position]);
}

ValueKind kind_at(const Graph& graph, const std::vector<ValueId>& ids, size_t position) {
  return position < ids.size() ? graph.value(ids[position]).type.kind : ValueKind::tensor;
}

// The ONNX test runner's input for models without data: 0/n, 1/n, ... in the input's shape.
Tensor ramp(const ValueType& type) {
  std::vector<int64_t> dimensions;
  if (type.shape)
    for (const Dimension& d : *type.shape) dimensions.push_back(d.constant() ? d.value : 1);
  Tensor tensor = Tensor::allocate(DataType::float32, dimensions);
  const std::span<float> elements = tensor.as_mutable<float>();
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = float(double(i) / double(elements.size()));
  return tensor;
}

void collect_operators(const Graph& graph, std::set<std::string>& names) {
  for (const Node& node : graph.nodes) {
    names.insert(node.domain + ":" + node.op_type);
    for (const Graph* inner : subgraphs(node)) collect_operators(*inner, names);
  }
}

std::string sentences(const Error& error) {
  std::string text;
  for (const Diagnostic& d : error.diagnostics) text += (text.empty() ? "" : "; ") + d.sentence();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() > 600 ? text.substr(0, 600) + "..." : text;
}

}  // namespace

std::vector<OnnxTest> find_onnx_tests(const std::string& root) {
  std::vector<OnnxTest> tests;
  std::set<std::string> names;
  for (const char* kind : {"node", "simple", "pytorch-converted", "pytorch-operator"}) {
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(root + "/" + kind)) folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& folder : folders) {
      OnnxTest test;
      test.name = folder.filename();
      test.model = folder / "model.onnx";
      for (int i = 0; fs::exists(folder / ("test_data_set_" + std::to_string(i))); ++i)
        test.data_sets.push_back(folder / ("test_data_set_" + std::to_string(i)));
      tests.push_back(std::move(test));
    }
  }
  // real/<test>/data.json names a light model and how close its output must be.
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(root + "/real")) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    const nlohmann::json facts = nlohmann::json::parse(read_text_file(folder / "data.json"));
    OnnxTest test;
    test.name = "light_" + facts.at("model_name").get<std::string>();
    test.model = root + "/light/" + test.name + ".onnx";
    test.light_output = root + "/light/" + test.name + "_output_0.pb";
    test.tolerance = {facts.at("rtol").get<double>(), facts.at("atol").get<double>()};
    tests.push_back(std::move(test));
  }
  for (const OnnxTest& test : tests)
    if (!names.insert(test.name).second) throw Error(Code::failed, "two tests have the name " + test.name);
  return tests;
}

std::vector<DataSet> read_data_sets(const OnnxTest& test, const Graph& graph) {
  std::vector<ValueId> open;
  for (const ValueId id : graph.inputs)
    if (!graph.value(id).constant) open.push_back(id);
  std::vector<DataSet> sets;
  if (!test.light_output.empty()) {
    DataSet& set = sets.emplace_back();
    for (const ValueId id : open) set.inputs.emplace(graph.value(id).name, Datum(ramp(graph.value(id).type)));
    set.outputs.push_back(read_proto_file(test.light_output, ValueKind::tensor).datum);
    return sets;
  }
  for (const std::string& folder : test.data_sets) {
    DataSet& set = sets.emplace_back();
    for (const std::string& file : numbered_files(folder, "input")) {
      NamedDatum given = read_proto_file(file, kind_at(graph, open, set.inputs.size()));
      set.inputs.emplace(meant(graph, open, set.inputs.size(), given.name, file).name, std::move(given.datum));
    }
    for (const std::string& file : numbered_files(folder, "output"))
      set.outputs.push_back(read_proto_file(file, kind_at(graph, graph.outputs, set.outputs.size())).datum);
  }
  return sets;
}

Outcome run_onnx_test(const OnnxTest& test, Plugins& plugins, const Engine& engine) {
  Outcome outcome;
  const auto start = std::chrono::steady_clock::now();
  try {
    Graph graph = import_model(plugins, test.model, {});
    collect_operators(graph, outcome.operators);
    infer_types(graph);
    const std::vector<DataSet> sets = read_data_sets(test, graph);
    if (sets.empty()) throw Error(Code::failed, "the test has no data");
    const RunFunction run = engine(graph);
    for (size_t s = 0; s < sets.size() && outcome.reason.empty(); ++s) {
      const std::vector<Datum> found = run(sets[s].inputs);
      if (found.size() != sets[s].outputs.size())
        outcome.reason = std::to_string(found.size()) + " outputs instead of " + std::to_string(sets[s].outputs.size());
      for (size_t i = 0; i < found.size() && outcome.reason.empty(); ++i)
        if (const std::string text = difference(found[i], sets[s].outputs[i], test.tolerance); !text.empty())
          outcome.reason = "output '" + graph.value(graph.outputs[i]).name + "', data set " + std::to_string(s) + ": " + text;
    }
    outcome.passed = outcome.reason.empty();
  } catch (const Error& error) {
    outcome.reason = sentences(error);
  } catch (const std::exception& error) {
    outcome.reason = std::string("an unexpected exception: ") + error.what();
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

}  // namespace lathe::golden
