// Devices, options, and the way from a graph to a file.
#include "backend.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "edgetpu.hpp"
#include "file.hpp"
#include "metadata.hpp"

namespace lathe::tflite {

namespace {

// What stands behind the model: its properties, first, and its labels.
std::vector<std::pair<std::string, std::string>> attached(const sdk::GraphView& graph, const std::vector<std::string>& labels) {
  std::vector<std::pair<std::string, std::string>> files;
  const lathe_graph& g = graph.get();
  nlohmann::ordered_json properties = nlohmann::ordered_json::object();
  for (size_t i = 0; i < g.property_count; ++i)
    properties[std::string(sdk::view(g.properties[i].key))] = std::string(sdk::view(g.properties[i].value));
  if (!properties.empty()) files.emplace_back("metadata.json", properties.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (labels.empty()) return files;
  std::string lines;
  for (const std::string& label : labels) lines += label + "\n";
  files.emplace_back("labels.txt", lines);
  return files;
}

}  // namespace

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "TFLITE";
  info.devices = {{"CPU", "any processor, by TensorFlow Lite's interpreter", {"float32", "float16", "int8", "mixed"}},
                  {"EDGETPU", "Google's Edge TPU, by its compiler edgetpu_compiler 16", {"int8"}}};
  info.emits = {"model"};
  info.options = {
      {"weights",
       LATHE_OPTION_CHOICE,
       "auto",
       "How weights of floating point nodes are held: as the precision says, as float16, or as int8 with the input quantised as it runs.",
       {"auto", "float32", "float16", "dynamic-range"}},
      {"borders",
       LATHE_OPTION_CHOICE,
       "auto",
       "What inputs and outputs of quantised models are: as the model has them, float, or int8 where they are quantised right there. With other "
       "types than the model's, compile with --verify off.",
       {"auto", "float", "int8"}},
      {"allow-cpu", LATHE_OPTION_INT, "0", "EDGETPU: how many operators may stay on the processor."},
      {"compiler", LATHE_OPTION_PATH, "", "EDGETPU: edgetpu_compiler, or the folder it lies in; looked for when empty."}};
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request) : host_(host), stem_(request.stem) {
  const std::string_view weights = request.settings.text("weights");
  if (weights == "float16" || (weights == "auto" && request.precision == "float16")) settings_.weights = Weights::float16;
  if (weights == "dynamic-range") settings_.weights = Weights::int8;
  const std::string_view borders = request.settings.text("borders");
  settings_.borders = borders == "float" ? Borders::float32 : borders == "int8" ? Borders::int8 : Borders::as_they_are;
  edgetpu_ = request.device == "EDGETPU";
  settings_.static_shapes = settings_.integer_only = edgetpu_;
  compiler_ = request.settings.text("compiler");
  allow_cpu_ = request.settings.integer("allow-cpu");
  if (allow_cpu_ < 0) throw sdk::Failure(LATHE_USAGE, "allow-cpu is a number of operators, and there are none less than 0");
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  Lowering lowering(graph, settings_);
  lowering.run();
  std::map<uint32_t, const std::string*> refused;
  for (const Refusal& r : lowering.refusals()) refused.emplace(r.node, &r.reason);
  for (const sdk::NodeView node : graph.nodes()) {
    const auto why = refused.find(node.index());
    if (why == refused.end())
      verdicts.take(node);
    else
      verdicts.refuse(node, *why->second);
  }
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  host_.progress("lowering");
  Lowering lowering(graph, settings_);
  lowering.run();
  if (!lowering.refusals().empty()) {
    const Refusal& first = lowering.refusals().front();
    graph.node(first.node).fail(first.reason);
  }
  host_.check_cancelled();
  Model model = lowering.take();
  host_.progress("writing");
  const std::vector<std::string> labels = parse_names(graph.property("names"));
  model.metadata.push_back({"TFLITE_METADATA", write_metadata(model.subgraphs[0], stem_, !labels.empty())});
  const std::string name = stem_ + ".tflite";
  std::string bytes = write_model(model);
  if (edgetpu_) {
    host_.progress("edgetpu_compiler");
    bytes = compile_for_edgetpu(host_, stem_, bytes, compiler_, allow_cpu_);
  }
  output.write(name, bytes);
  const auto files = attached(graph, labels);
  if (!files.empty()) output.write(name, write_archive(files, bytes.size()));
  output.artifact(name);
}

}  // namespace lathe::tflite
