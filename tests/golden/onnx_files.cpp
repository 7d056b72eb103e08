// golden_onnx_files [SUBSTRING]: what the ONNX plugin reads and writes, over all of the ONNX project's test models and their data.
//
// A model that is imported, exported and imported again is the same graph. A tensor file that the plugin reads holds what an independent
// reader sees in it, and what the plugin writes of it reads the same. Exit code 77: the data is absent.
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "core/files/write_file.hpp"
#include "core/ir/compare.hpp"
#include "core/job/backend.hpp"
#include "onnx_tests.hpp"
#include "proto_files.hpp"

using namespace lathe;
using namespace lathe::golden;
namespace fs = std::filesystem;

namespace {

struct Counts {
  size_t models = 0, refused = 0, files = 0, failed = 0;
};

void fail(Counts& counts, const std::string& name, const std::string& what) {
  std::printf("FAILED   %s: %s\n", name.c_str(), what.c_str());
  ++counts.failed;
}

// Kind, presence, types, shapes and bits.
bool identical(const Tensor& a, const Tensor& b) {
  if (a.type == DataType::string && b.type == a.type) return a.dimensions == b.dimensions && *a.strings == *b.strings;
  return a == b;
}
bool identical(const Datum& a, const Datum& b) {
  if (a.kind != b.kind || a.present != b.present || a.elements.size() != b.elements.size()) return false;
  for (size_t i = 0; i < a.elements.size(); ++i)
    if (!identical(a.elements[i], b.elements[i])) return false;
  return !a.present || a.is_sequence() || identical(a.tensor, b.tensor);
}

void check_tensor_file(Plugins& plugins, const std::string& file, ValueKind kind, const std::string& scratch, Counts& counts) {
  ++counts.files;
  const Datum expected = read_proto_file(file, kind).datum;
  std::optional<Datum> found = read_tensor_with_plugin(plugins, file, kind);
  if (!found) return fail(counts, file, "no plugin takes it for a tensor file");
  ValueType type;
  type.kind = kind;
  if (!identical(converted(*found, type), expected)) return fail(counts, file, "it is read as something else: " + describe(*found));
  const std::string copy = scratch + "/copy.pb";
  write_file(copy, write_tensor_with_plugin(plugins, "pb", "x", *found));
  found = read_tensor_with_plugin(plugins, copy, kind);
  if (!found || !identical(converted(*found, type), expected)) fail(counts, file, "written and read again it is something else");
}

void check(Plugins& plugins, const OnnxTest& test, const std::string& scratch, Counts& counts) {
  Graph graph;
  try {
    graph = import_model(plugins, test.model, {});
  } catch (const Error& error) {
    std::printf("REFUSED  %s: %s\n", test.name.c_str(), error.what());
    ++counts.refused;
    return;
  }
  ++counts.models;
  Plugin& plugin = plugins.load("onnx");
  ResolvedTarget target;
  target.manifest = &plugin.manifest();
  target.device = "ANY";
  target.precision = "float32";
  target.settings = {{"external-data", "auto", true}};
  fs::create_directories(scratch + "/model");
  const std::string written = scratch + "/model/" + Backend(plugin, target, "model", "model").compile(graph, scratch + "/model").artifact;
  if (const std::string text = difference(graph, import_model(plugins, written, {})); !text.empty())
    fail(counts, test.name, "exported and imported again it is another graph: " + text);
  fs::remove_all(scratch + "/model");

  std::vector<ValueId> open;
  for (const ValueId id : graph.inputs)
    if (!graph.value(id).constant) open.push_back(id);
  for (const std::string& folder : test.data_sets) {
    for (const auto& [prefix, ids] : {std::pair{"/input_", &open}, std::pair{"/output_", &graph.outputs}}) {
      for (size_t i = 0; fs::exists(folder + prefix + std::to_string(i) + ".pb"); ++i) {
        const ValueKind kind = i < ids->size() ? graph.value((*ids)[i]).type.kind : ValueKind::tensor;
        check_tensor_file(plugins, folder + prefix + std::to_string(i) + ".pb", kind, scratch, counts);
      }
    }
  }
}

}  // namespace

int main(int count, char** words) try {
  const std::string root = std::string(LATHE_GOLDEN) + "/onnx-tests/data", wanted = count > 1 ? words[1] : "";
  if (!fs::exists(root)) {
    std::printf("SKIPPED: %s is absent\n", root.c_str());
    return 77;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  const std::string scratch = fs::temp_directory_path().string() + "/lathe-onnx-files-" + std::to_string(::getpid());
  fs::create_directories(scratch);
  Counts counts;
  for (const OnnxTest& test : find_onnx_tests(root)) {
    if (test.name.find(wanted) == std::string::npos) continue;
    try {
      check(*plugins, test, scratch, counts);
    } catch (const Error& error) {
      fail(counts, test.name, error.what());
    }
  }
  fs::remove_all(scratch);
  std::printf("%zu models came back the same or failed, %zu were refused, %zu tensor files; %zu failed\n", counts.models, counts.refused,
              counts.files, counts.failed);
  return counts.failed == 0 && counts.models > 0 ? 0 : 1;
} catch (const Error& error) {
  std::printf("%s\n", error.what());
  return 1;
}
