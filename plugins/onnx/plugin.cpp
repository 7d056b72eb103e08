// The plugin's parts: a frontend that reads .onnx, a backend that writes it, an inspector that describes it, and .pb tensor files.
#include <deque>
#include <lathe/plugin.hpp>
#include <memory>

#include "exporter.hpp"
#include "importer.hpp"
#include "inspector.hpp"
#include "maps.hpp"
#include "model_file.hpp"
#include "tensor_file.hpp"
#include "tensors.hpp"

namespace lathe::onnx_plugin {
namespace {

int recognise_head(const sdk::FileHead& head) {
  return recognise_model({reinterpret_cast<const char*>(head.bytes), head.size}, head.has_extension("onnx"));
}

class Frontend {
 public:
  explicit Frontend(const sdk::Host& host) : host_(host) {}
  static sdk::FrontendInfo info() { return {"ONNX", {"onnx"}}; }
  static int recognise(const sdk::FileHead& head) { return recognise_head(head); }

  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
    Imported& kept = imported_.emplace_back(request.path);
    kept.message = read_model(request.path);
    for (const sdk::Diagnostic& warning : replace_final_zip_maps(*kept.message)) host_.report(warning);
    sink.accept(import_graph(*kept.message, request.path, kept.tensors));
  }

 private:
  // What the tensors of a graph point into.
  struct Imported {
    explicit Imported(const std::string& path) : tensors(path) {}
    std::unique_ptr<onnx::ModelProto> message;
    TensorReader tensors;
  };
  sdk::Host host_;
  std::deque<Imported> imported_;
};

// Writes the graph as the passes left it: what any other ONNX runtime can load.
class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request)
      : host_(host), stem_(request.stem), always_external_(request.settings.text("external-data") == "always") {}

  static sdk::BackendInfo info() {
    sdk::BackendInfo info;
    info.runtime = "ONNX";
    info.devices = {{"ANY", "whatever the runtime that loads the file runs on", {"float32"}}};
    info.emits = {"model"};
    info.options = {{"external-data",
                     LATHE_OPTION_CHOICE,
                     "auto",
                     "Weights in a file of their own beside the model: only when they pass 2 GiB, or always.",
                     {"auto", "always"}},
                    {"opset", LATHE_OPTION_INT, "26", "The operator set to write: 11 to 26. The host writes newer operators out in older ones."}};
    return info;
  }

  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    for (const sdk::NodeView node : graph.nodes()) verdicts.take(node);
  }

  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    const std::string name = stem_ + ".onnx", data = stem_ + ".onnx.data";
    const Exported exported = export_graph(graph, data, always_external_);
    host_.check_cancelled();
    output.write(name, exported.model.SerializeAsString());
    output.artifact(name);
    uint64_t at = 0;
    for (const ExternalTensor& tensor : exported.external) {
      host_.check_cancelled();
      output.write(data, std::string(tensor.offset - at, '\0'));
      output.write(data, tensor.data, tensor.size);
      at = tensor.offset + tensor.size;
    }
  }

 private:
  sdk::Host host_;
  std::string stem_;
  bool always_external_;
};

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return recognise_head(head); }
  static std::string inspect(const sdk::Host&, const std::string& path) { return inspect_model(path); }
};

class TensorFiles {
 public:
  static std::vector<const char*> extensions() { return {"pb"}; }
  static int recognise(const sdk::FileHead& head) { return recognise_tensor_file(head); }
  static void read(const sdk::Host&, const std::string& path, int32_t kind, sdk::TensorSink& sink) { read_tensor_file(path, kind, sink); }
  static std::string write(const sdk::Host&, std::string_view name, const sdk::BufferView& value) { return write_tensor_file(name, value); }
};

}  // namespace
}  // namespace lathe::onnx_plugin

LATHE_PLUGIN("onnx", "1.0.0", "The Lathe authors", "Reads and writes ONNX models.", lathe::sdk::FrontendPart<lathe::onnx_plugin::Frontend>,
             lathe::sdk::BackendPart<lathe::onnx_plugin::Backend>, lathe::sdk::InspectorPart<lathe::onnx_plugin::Inspector>,
             lathe::sdk::TensorsPart<lathe::onnx_plugin::TensorFiles>)
