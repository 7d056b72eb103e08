// Both engines behind one signature: the reference as it is, and a target by way of pipeline, backend and executor, all in this process. What a
// target writes that its plugin reads as a model is read again and run by the reference. A run of the reference also holds the shape function of
// every node against what came out.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/files/write_file.hpp"
#include "core/job/backend.hpp"
#include "core/job/job.hpp"
#include "core/job/pipeline_file.hpp"
#include "core/ops/operator.hpp"
#include "core/package/package.hpp"
#include "core/package/read_back.hpp"
#include "core/passes/pipeline.hpp"
#include "core/plugin/regions.hpp"
#include "core/reference/reference.hpp"
#include "onnx_tests.hpp"
#include "shape_functions.hpp"

namespace lathe::golden {
namespace {
namespace fs = std::filesystem;

std::vector<std::string> output_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const ValueId id : graph.outputs) names.push_back(graph.value(id).name);
  return names;
}

// A compiled model; its file goes when it does.
struct Compiled {
  std::unique_ptr<Executable> executable;
  std::string folder;
  ~Compiled() {
    executable.reset();
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

}  // namespace

Engine reference_engine() {
  return [](const Graph& graph) -> RunFunction {
    auto kept = std::make_shared<const Graph>(clone(graph));
    return [kept](const NamedData& inputs) {
      ReferenceOptions options;
      options.threads = engine_threads;
      test::ShapeFunctionWatch watch(*kept, inputs);
      options.watch = [&](const std::string& value, const Datum& datum) { watch.see(value, datum); };
      const NamedData results = run_reference(*kept, inputs, options);
      for (const std::string& sentence : watch.disagreements()) throw Error(Code::failed, sentence);
      std::vector<Datum> outputs;
      for (const std::string& name : output_names(*kept)) outputs.emplace_back(results.at(name));
      return outputs;
    };
  };
}

Engine compiled_engine(Plugins& plugins, const std::string& target, const std::string& folder) {
  Job job;
  job.targets = target;
  if (const size_t at = target.find('@'); at != std::string::npos) {
    job.targets = target.substr(0, at);
    job.options = {{"opset", target.substr(at + 1)}};
  }
  const ResolvedTarget resolved = resolve_targets(plugins, job).front();
  plugins.load(resolved.manifest->name);
  return [&plugins, resolved, folder](const Graph& given) -> RunFunction {
    Graph graph = clone(given);
    const std::vector<Pass> passes = plugins.passes();
    const std::string file = default_pipeline(plugins, *resolved.manifest);
    run_pipeline(graph, parse_pipeline(read_text_file(file), file, passes), passes);

    Backend backend(plugins.load(resolved.manifest->name), resolved, resolved.manifest->emits.front(), "test");
    const CandidateTarget candidate = {&backend.plugin(), backend.self(), resolved.spelled(), backend.opset()};
    const Partition partition = cut_regions(graph, std::span(&candidate, 1));
    if (partition.regions.size() != 1) throw Error(Code::internal, "the model fell into " + std::to_string(partition.regions.size()) + " parts");

    auto compiled = std::make_shared<Compiled>();
    static unsigned number = 0;
    compiled->folder = folder + "/" + std::to_string(::getpid()) + "_" + std::to_string(number++);
    fs::create_directories(compiled->folder);
    const CompiledRegion region = backend.compile(partition.regions.front().graph, compiled->folder);
    const std::string artifact = compiled->folder + "/" + region.artifact;
    if (resolved.manifest->has_part("frontend/1") && !resolved.manifest->has_part("executor/1")) {
      Graph again = import_model(plugins, artifact, {});
      infer_types(again);
      compiled->executable = reference_executable(again, engine_threads);
    } else {
      compiled->executable = open_artifact(plugins, artifact, engine_threads, false);
    }

    // The artifact may have names of its own.
    auto own_name = [region](const std::string& name) {
      const auto found = region.bound.find(name);
      return found == region.bound.end() ? name : found->second;
    };
    std::vector<std::string> wanted_outputs;
    for (const std::string& name : output_names(given)) wanted_outputs.push_back(own_name(name));
    return [compiled, own_name, wanted_outputs](const NamedData& inputs) {
      std::vector<Datum> ordered, outputs;
      for (const TensorInfo& info : compiled->executable->inputs()) {
        const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const auto& entry) { return own_name(entry.first) == info.name; });
        if (found == inputs.end()) throw Error(Code::internal, "the artifact wants an input '" + info.name + "' that the model does not have");
        ordered.push_back(found->second);
      }
      const std::vector<Datum> results = compiled->executable->run(ordered);
      for (const std::string& name : wanted_outputs) {
        const std::vector<TensorInfo>& infos = compiled->executable->outputs();
        const auto found = std::find_if(infos.begin(), infos.end(), [&](const TensorInfo& info) { return info.name == name; });
        if (found == infos.end()) throw Error(Code::internal, "the artifact has no output '" + name + "'");
        outputs.push_back(results.at(size_t(found - infos.begin())));
      }
      return outputs;
    };
  };
}

}  // namespace lathe::golden
