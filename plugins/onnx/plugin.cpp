// The plugin's parts: a frontend that reads .onnx, and an inspector that describes it.
#include <deque>
#include <lathe/plugin.hpp>
#include <memory>

#include "importer.hpp"
#include "inspector.hpp"
#include "model_file.hpp"
#include "tensors.hpp"

namespace lathe::onnx_plugin {
namespace {

int recognise_head(const sdk::FileHead& head) {
  return recognise_model({reinterpret_cast<const char*>(head.bytes), head.size}, head.has_extension("onnx"));
}

class Frontend {
 public:
  explicit Frontend(const sdk::Host&) {}
  static sdk::FrontendInfo info() { return {"ONNX", {"onnx"}}; }
  static int recognise(const sdk::FileHead& head) { return recognise_head(head); }

  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
    Imported& kept = imported_.emplace_back(request.path);
    kept.message = read_model(request.path);
    sink.accept(import_graph(*kept.message, request.path, kept.tensors));
  }

 private:
  // What the tensors of a graph point into.
  struct Imported {
    explicit Imported(const std::string& path) : tensors(path) {}
    std::unique_ptr<onnx::ModelProto> message;
    TensorReader tensors;
  };
  std::deque<Imported> imported_;
};

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return recognise_head(head); }
  static std::string inspect(const sdk::Host&, const std::string& path) { return inspect_model(path); }
};

}  // namespace
}  // namespace lathe::onnx_plugin

LATHE_PLUGIN("onnx", "1.0.0", "The Lathe authors", "Reads ONNX models and describes them.", lathe::sdk::FrontendPart<lathe::onnx_plugin::Frontend>,
             lathe::sdk::InspectorPart<lathe::onnx_plugin::Inspector>)
