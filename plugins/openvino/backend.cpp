// Claiming and writing.
#include "backend.hpp"

#include "check/checker.hpp"
#include "element_types.hpp"
#include "write/files.hpp"
#include "write/metadata.hpp"

namespace lathe::openvino {
namespace {

bool quantised(const sdk::GraphView& graph) {
  for (const sdk::NodeView node : graph.nodes())
    if (node.op_type().find("Quantize") != std::string_view::npos) return true;
  return false;
}

}  // namespace

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request)
    : host_(host), stem_(request.stem), device_(request.device), precision_(request.precision) {
  options_.compress = precision_ == "float16";
  options_.static_shapes = device_ == "NPU";
}

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "OPENVINO";
  info.devices = {{"CPU", "x86-64 and ARM processors", {"float32", "float16", "int8"}},
                  {"NPU", "the neural processor of Intel Core Ultra; static shapes alone", {"float16", "int8"}},
                  {"GPU", "graphics processors of Intel", {"float32", "float16", "int8"}}};
  info.emits = {"model"};
  return info;
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  if (precision_ == "int8" && !quantised(graph))
    throw sdk::Failure(LATHE_UNSUPPORTED, "the model is not quantised, and int8 is written for models that are",
                       "give a model with QuantizeLinear and DequantizeLinear, or ask for --precision float");
  const std::vector<std::string> reasons = refusals(graph, options_);
  for (const sdk::NodeView node : graph.nodes()) {
    const std::string& reason = reasons[node.index()];
    if (reason.empty()) {
      verdicts.take(node);
    } else {
      verdicts.refuse(node, reason);
    }
  }
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  Model model = write_graph(graph, options_);
  host_.check_cancelled();
  model.info = model_info(graph);
  model.info.insert(model.info.begin(), {"lathe", "", {{"device", device_, {}}, {"version", "1.0.0", {}}}});
  const Files files = write_files(model);
  // A second look before anybody relies on it.
  const std::vector<std::string> problems = check_ir(files.xml, files.bin);
  if (!problems.empty()) throw sdk::Failure(LATHE_INTERNAL, "the IR that was written breaks a rule of the format: " + problems.front());
  host_.check_cancelled();
  output.write(stem_ + ".xml", files.xml);
  output.write(stem_ + ".bin", files.bin);
  if (const std::string yaml = metadata_yaml(graph); !yaml.empty()) output.write("metadata.yaml", yaml);
  output.artifact(stem_ + ".xml");
}

}  // namespace lathe::openvino
