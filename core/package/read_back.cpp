// See read_back.hpp.
#include "core/package/read_back.hpp"

#include "core/base/diagnostic.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"

namespace lathe {
namespace {

class ReadBack final : public Executable {
 public:
  ReadBack(Graph graph, unsigned threads) : graph_(std::move(graph)), threads_(threads) {
    infer_types(graph_);
    for (const ValueId id : graph_.inputs)
      if (!graph_.value(id).constant) inputs_.push_back({graph_.value(id).name, graph_.value(id).type});
    for (const ValueId id : graph_.outputs) outputs_.push_back({graph_.value(id).name, graph_.value(id).type});
  }

  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }

  std::vector<Datum> run(const std::vector<Datum>& inputs) override {
    if (inputs.size() != inputs_.size())
      throw Error(Code::failed, "the artifact takes " + std::to_string(inputs_.size()) + " inputs and was given " + std::to_string(inputs.size()));
    NamedData named;
    for (size_t i = 0; i < inputs.size(); ++i) named[inputs_[i].name] = inputs[i];
    ReferenceOptions options;
    options.threads = threads_;
    const NamedData results = run_reference(graph_, named, options);
    std::vector<Datum> outputs;
    for (const TensorInfo& info : outputs_) outputs.push_back(results.at(info.name));
    return outputs;
  }
  std::vector<KernelTime> profile() override { return {}; }
  uint64_t peak_bytes() override { return 0; }

 private:
  Graph graph_;
  unsigned threads_;
  std::vector<TensorInfo> inputs_, outputs_;
};

// The plugin that reads the file; nullptr where none does.
Plugin* reader_of(Plugins& plugins, const std::string& path) {
  try {
    return plugins.find_frontend(path);
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace

std::unique_ptr<Executable> reference_executable(const Graph& graph, unsigned threads) { return std::make_unique<ReadBack>(clone(graph), threads); }

std::unique_ptr<Executable> load_or_read_back(Plugins& plugins, const std::string& path, unsigned threads, bool profile, std::string* stand_in) {
  try {
    return load_executable(plugins, path, threads, profile);
  } catch (const Error& error) {
    if (error.code != Code::unsupported || !reader_of(plugins, path)) throw;
    if (stand_in) *stand_in = error.diagnostics.front().text + "; the artifact was read back and run by the reference engine";
  }
  return std::make_unique<ReadBack>(import_model(plugins, path, {}), threads);
}

}  // namespace lathe
