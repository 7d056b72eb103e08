// The plugin's parts: a frontend that reads an IR, a backend that writes one, an executor and an inspector.
#include <deque>
#include <fstream>
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "executor.hpp"
#include "inspector.hpp"
#include "read/metadata.hpp"
#include "read/step.hpp"
#include "read/xml.hpp"

namespace lathe::openvino {
namespace {

class Frontend {
 public:
  explicit Frontend(const sdk::Host&) {}
  static sdk::FrontendInfo info() { return {"OpenVINO IR", {"xml"}}; }
  static int recognise(const sdk::FileHead& head) { return Executor::recognise(head); }

  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
    const ModelFile& file = files_.emplace_back(request.path);
    sdk::GraphBuilder graph = read_graph(file.model(), file.weights_path(), file.weights(), request.path);
    add_metadata(graph, request.path);
    sink.accept(std::move(graph));
  }

 private:
  // What Ultralytics' export says about the model lies beside it.
  static void add_metadata(sdk::GraphBuilder& graph, const std::string& path) {
    const size_t slash = path.rfind('/');
    std::ifstream in((slash == std::string::npos ? std::string() : path.substr(0, slash + 1)) + "metadata.yaml", std::ios::binary);
    std::string text(size_t{1} << 20, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    for (auto& [key, value] : read_metadata(text)) graph.set_property(key, value);
  }

  std::deque<ModelFile> files_;  // what the tensors of a graph point into
};

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return Executor::recognise(head); }
  static std::string inspect(const sdk::Host&, const std::string& path) { return inspect_model(path); }
};

}  // namespace
}  // namespace lathe::openvino

LATHE_PLUGIN("openvino", "1.0.0", "The Lathe authors", "Writes and reads OpenVINO's IR, and runs it where OpenVINO is installed.",
             lathe::sdk::FrontendPart<lathe::openvino::Frontend>, lathe::sdk::BackendPart<lathe::openvino::Backend>,
             lathe::sdk::ExecutorPart<lathe::openvino::Executor>, lathe::sdk::InspectorPart<lathe::openvino::Inspector>)
