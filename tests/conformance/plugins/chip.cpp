// A stand-in for a closed chip: it takes one part of the network, leaves the rest to the host, and "compiles" by writing its part as ONNX behind
// four bytes of its own, so that nobody runs it here and a test can read what it was given. Options make it narrower.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <lathe/models.hpp>
#include <lathe/plugin.hpp>

namespace lathe {
namespace {

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request)
      : host_(host), stem_(request.stem), emit_(request.emit), refused_("," + std::string(request.settings.text("refuse")) + ",") {}

  static sdk::BackendInfo info() {
    sdk::BackendInfo info;
    info.runtime = "CHIPRT";
    info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_REST_ON_HOST | LATHE_BACKEND_CUTS_HEADS;
    info.devices = {{"ONE", "the only one", {"float32", "int8"}}};
    info.emits = {"chip", "bundle"};
    info.opset_lowest = 11, info.opset_highest = 17;
    info.options = {{"opset", LATHE_OPTION_INT, "17", "The opset to be handed."},
                    {"refuse", LATHE_OPTION_STRING, "", "Operators it does not take, with commas between."}};
    return info;
  }

  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    for (const sdk::NodeView node : graph.nodes()) {
      if (refused_.find("," + std::string(node.op_type()) + ",") == std::string::npos) {
        verdicts.take(node);
      } else {
        verdicts.refuse(node, "the chip has no " + std::string(node.op_type()));
      }
    }
  }

  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    const std::string model = output.directory() + "/" + stem_ + ".onnx";
    sdk::write_model(host_, graph, "onnx", model);
    std::ifstream in(model, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (emit_ == "bundle") {
      output.write("run.sh", "#!/bin/sh\n");
      output.artifact("run.sh");
      return;
    }
    std::remove(model.c_str());
    output.write(stem_ + ".chip", "CHIP" + bytes);
    output.artifact(stem_ + ".chip");
  }

 private:
  sdk::Host host_;
  std::string stem_, emit_, refused_;
};

}  // namespace
}  // namespace lathe

LATHE_PLUGIN("chip", "1.0.0", "Tests", "Stands in for a closed chip.", lathe::sdk::BackendPart<lathe::Backend>)
