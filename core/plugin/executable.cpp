// A loaded artifact: the executor's interface and every buffer size it gives are checked before they are believed.
#include <filesystem>

#include "core/plugin/buffers.hpp"
#include "core/plugin/from_snapshot.hpp"
#include "core/plugin/layout.hpp"
#include "core/plugin/loading.hpp"

namespace lathe {
namespace {

class LoadedArtifact final : public Executable {
 public:
  LoadedArtifact(Plugin& plugin, const std::string& path, unsigned threads, bool profile)
      : plugin_(plugin), executor_(*plugin.executor()), path_(path) {
    const std::string absolute = std::filesystem::absolute(path).string();
    const lathe_load_request request = {sizeof request, std::max(1u, threads), {absolute.data(), absolute.size()}, profile};
    plugin.check("load", [&] { return made(executor_.load(&plugin.host(), &request, &self_), self_); });
    try {
      describe();
    } catch (...) {
      executor_.unload(self_);
      throw;
    }
  }
  ~LoadedArtifact() override { executor_.unload(self_); }
  LoadedArtifact(const LoadedArtifact&) = delete;
  LoadedArtifact& operator=(const LoadedArtifact&) = delete;

  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }

  std::vector<Datum> run(const std::vector<Datum>& inputs) override {
    const std::vector<Datum> checked = check_inputs(inputs);
    const Buffers buffers(checked);
    Sink sink{*this, std::vector<std::optional<Datum>>(outputs_.size())};
    const lathe_buffer_sink out = {&sink, &allocate, &put};
    plugin_.check("run", [&] { return executor_.run(self_, buffers.data(), buffers.size(), &out); });
    std::vector<Datum> results;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (!sink.results[i]) defect("did not fill output '" + outputs_[i].name + "'");
      results.push_back(std::move(*sink.results[i]));
    }
    return results;
  }

  std::vector<KernelTime> profile() override {
    std::vector<KernelTime> rows;
    if (!LATHE_HAS(&executor_, lathe_executor, profile)) return rows;
    plugin_.check("profile", [&] {
      return executor_.profile(self_, &rows, [](void* context, const lathe_kernel_time* row) {
        if (!row || !large_enough(row)) return;
        static_cast<std::vector<KernelTime>*>(context)->push_back(
            {text(row->kernel), text(row->nodes), text(row->origin), row->runs, row->nanoseconds, row->flops, row->bytes});
      });
    });
    return rows;
  }
  uint64_t peak_bytes() override { return LATHE_HAS(&executor_, lathe_executor, peak_bytes) ? executor_.peak_bytes(self_) : 0; }

 private:
  struct Sink {
    LoadedArtifact& artifact;
    std::vector<std::optional<Datum>> results;
  };

  static std::string text(lathe_string s) { return s.data && s.size ? std::string(s.data, s.size) : std::string(); }

  [[noreturn]] void defect(std::string text) const {
    Diagnostic d;
    d.text = "plugin '" + plugin_.manifest().name + "' " + std::move(text);
    d.location = path_;
    d.hint = "this is a defect of the plugin";
    throw Error(Code::internal, d);
  }

  void describe() {
    const lathe_interface* described = nullptr;
    plugin_.check("describe", [&] { return (described = executor_.describe(self_)) ? LATHE_OK : LATHE_FAILED; });
    if (!large_enough(described)) defect("describes the artifact with a struct_size that is too small");
    read(inputs_, described->inputs, described->input_count, described->input_stride);
    read(outputs_, described->outputs, described->output_count, described->output_stride);
  }
  void read(std::vector<TensorInfo>& list, const lathe_value* values, size_t count, size_t stride) const {
    if (count > 65536 || (count > 0 && (!values || stride < released_size<lathe_value>))) defect("describes the artifact's tensors wrongly");
    lathe_graph none = {};
    none.struct_size = sizeof none;
    const SnapshotReader reader(none, nullptr);
    for (size_t i = 0; i < count; ++i) {
      const lathe_value* v = LATHE_AT(lathe_value, values, stride, i);
      if (!large_enough(v)) defect("describes a tensor with a struct_size that is too small");
      Value value = reader.value(copy_struct(v, stride));
      if (value.type.element == DataType::none) defect("does not say the type of '" + value.name + "'");
      list.push_back({std::move(value.name), std::move(value.type)});
    }
  }

  // The inputs as values of the declared kinds.
  std::vector<Datum> check_inputs(std::vector<Datum> given) const {
    std::vector<Diagnostic> problems;
    auto problem = [&](const TensorInfo& info, std::string text, std::string found) {
      Diagnostic d;
      d.text = "input '" + info.name + "' " + std::move(text);
      d.expected = to_string(info.type);
      d.found = std::move(found);
      problems.push_back(std::move(d));
    };
    if (given.size() != inputs_.size()) {
      Diagnostic d;
      d.text = "the artifact takes another number of inputs";
      d.expected = std::to_string(inputs_.size());
      d.found = std::to_string(given.size());
      throw Error(Code::failed, d);
    }
    for (size_t i = 0; i < given.size(); ++i) {
      const TensorInfo& info = inputs_[i];
      given[i] = converted(std::move(given[i]), info.type);
      const Datum& datum = given[i];
      if (datum.kind != info.type.kind) {
        problem(info, "is of another kind", lathe::describe(datum));
      } else if (datum.is_tensor() && datum.tensor.type != info.type.element) {
        problem(info, "has another element type", lathe::describe(datum));
      } else if (!fits(datum, info.type)) {
        problem(info, datum.is_tensor() ? "has another shape" : "has elements of another type or shape", lathe::describe(datum));
      } else if (datum.is_tensor()) {
        const auto bytes = byte_size(datum.tensor.type, datum.tensor.dimensions);
        if (!bytes || *bytes != datum.tensor.bytes.size) problem(info, "has too few or too many bytes", std::to_string(datum.tensor.bytes.size));
      }
    }
    if (!problems.empty()) throw Error(Code::failed, problems);
    return given;
  }

  static void* allocate(void* context, uint32_t output, int32_t type, const int64_t* dimensions, size_t rank, uint64_t size) {
    Sink& sink = *static_cast<Sink*>(context);
    LoadedArtifact& self = sink.artifact;
    void* memory = nullptr;
    run_callback(self.plugin_.host(), [&] {
      if (output >= sink.results.size()) self.defect("asks for an output that is not there: " + std::to_string(output));
      const TensorInfo& info = self.outputs_[output];
      if (sink.results[output]) self.defect("asks twice for output '" + info.name + "'");
      if (rank > 1024 || (rank > 0 && !dimensions)) self.defect("gives output '" + info.name + "' an impossible rank");
      const std::vector<int64_t> shape(dimensions, dimensions + rank);
      for (const int64_t d : shape)
        if (d < 0) self.defect("gives output '" + info.name + "' a negative dimension");
      if (info.type.kind != ValueKind::tensor || type == LATHE_STRING)
        self.defect("asks for memory for output '" + info.name + "', whose value it must put");
      Tensor tensor;
      tensor.type = static_cast<DataType>(type);
      tensor.dimensions = shape;
      if (!fits(tensor, info.type)) self.defect("gives output '" + info.name + "' a type or shape that it did not declare");
      const auto bytes = byte_size(tensor.type, shape);
      if (!bytes || *bytes != size)
        self.defect("asks for " + std::to_string(size) + " bytes for output '" + info.name + "', its shape wants another number");
      const Tensor& t = sink.results[output].emplace(Tensor::allocate(tensor.type, shape)).tensor;
      static std::byte nothing[64];  // an empty tensor still has an address
      memory = t.bytes.size ? const_cast<std::byte*>(t.bytes.data) : nothing;
    });
    return memory;
  }

  static lathe_code put(void* context, uint32_t output, const lathe_buffer* value) {
    Sink& sink = *static_cast<Sink*>(context);
    LoadedArtifact& self = sink.artifact;
    return run_callback(self.plugin_.host(), [&] {
      if (output >= sink.results.size() || !value) self.defect("gives an output that is not there: " + std::to_string(output));
      const TensorInfo& info = self.outputs_[output];
      if (sink.results[output]) self.defect("gives output '" + info.name + "' twice");
      Datum datum;
      try {
        datum = read_buffer(*value);
      } catch (const Error& error) {
        self.defect("gives output '" + info.name + "' a value that " + error.diagnostics.front().text);
      }
      if (!fits(datum, info.type)) self.defect("gives output '" + info.name + "' a type or shape that it did not declare");
      sink.results[output] = std::move(datum);
    });
  }

  Plugin& plugin_;
  const lathe_executor& executor_;
  std::string path_;
  void* self_ = nullptr;
  std::vector<TensorInfo> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Executable> load_executable(Plugins& plugins, const std::string& path, unsigned threads, bool profile) {
  return std::make_unique<LoadedArtifact>(*plugins.find_executor(path), path, threads, profile);
}

}  // namespace lathe
