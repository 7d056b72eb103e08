// Refusing with the ways that there are, or preparing, running and judging.
#include "backend.hpp"

#include <algorithm>
#include <cstdlib>
#include <lathe/calibration_files.hpp>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>

#include "file.hpp"

namespace lathe::n2x {
namespace {

constexpr const char* variable = "N2X_COMPILER";

sdk::ToolDescription description() {
  sdk::ToolDescription tool = {};
  tool.name = "the N2X compiler";
  tool.executable = "n2x_compiler";  // of a private tool: whatever its name, its path is given
  tool.option = "compiler";
  tool.environment = variable;
  tool.how_to_get = "it is not public: DeGirum's cloud compiler makes .n2x files";
  return tool;
}

std::vector<int64_t> sizes(const std::vector<int64_t>& shape) {
  std::vector<int64_t> all;
  for (const int64_t d : shape)
    if (d != 1) all.push_back(d);
  std::sort(all.begin(), all.end());
  return all;
}

std::string shown(const std::vector<std::vector<int64_t>>& shapes) {
  std::string text;
  for (const auto& shape : shapes) {
    std::string one;
    for (const int64_t d : shape) one += (one.empty() ? "" : "x") + std::to_string(d);
    text += (text.empty() ? "" : ", ") + (one.empty() ? std::string("scalar") : one);
  }
  return text;
}

// Layouts may differ: the sizes are held against each other.
void hold(const char* what, const std::vector<Tensor>& found, std::vector<std::vector<int64_t>> wanted) {
  std::vector<std::vector<int64_t>> shapes, a, b;
  for (const Tensor& t : found) shapes.push_back(t.shape), a.push_back(sizes(t.shape));
  for (const auto& shape : wanted) b.push_back(sizes(shape));
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  if (a == b) return;
  sdk::Diagnostic d;
  d.text = std::string("the N2X compiler compiled another model: its ") + what + " have other shapes than those that were asked for";
  d.expected = shown(wanted);
  d.found = shown(shapes);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

}  // namespace

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "N2X";
  info.devices = {{"CPU", "DeGirum's software runtime on any processor", {"float32", "int8"}}, {"ORCA1", "DeGirum's ORCA1", {"float32", "int8"}}};
  info.emits = {"model", "bundle"};
  info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_QUANTISES_ITSELF | LATHE_BACKEND_REST_ON_HOST | LATHE_BACKEND_CUTS_HEADS;
  info.opset_lowest = 11, info.opset_highest = 17;
  info.options = {
      {"compiler", LATHE_OPTION_PATH, "", "A private compiler for N2X: none is public."},
      {"arguments", LATHE_OPTION_STRING, "{model} {artifact} {device} {precision} {calibration}",
       "Its command line; {calibration} is a folder of pictures, or empty without --calibration."},
  };
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request)
    : host_(host),
      stem_(request.stem),
      device_(request.device),
      precision_(request.precision),
      bundle_(request.emit == "bundle"),
      preprocessing_(request.preprocessing),
      calibration_(request.calibration),
      compiler_(request.settings.text("compiler")),
      arguments_(request.settings.text("arguments")) {
  command_line(arguments_, {});  // mistakes in it are told before anything long
}

// No list of operators is public either: the compiler's own answer decides.
void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  for (const sdk::NodeView node : graph.nodes()) {
    if (node.domain().empty())
      verdicts.take(node);
    else
      verdicts.refuse(node, "operators outside of ONNX's own domain are not handed to the N2X compiler");
  }
}

sdk::ToolPlan Backend::prepare(const sdk::GraphView& graph, const std::string& folder) const {
  sdk::write_model(host_, graph, "onnx", folder + "/model.onnx");
  Places places = {"model.onnx", "model.n2x", device_, precision_, ""};
  if (calibration_) {
    const sdk::CalibrationData data = sdk::calibration_data(preprocessing_, calibration_, graph);
    if (data.has_pictures())
      sdk::write_calibration_pictures(data, folder + "/calibration");
    else
      sdk::write_calibration_arrays(data, {}, folder + "/calibration");
    places.calibration = "calibration";
  } else if (precision_ == "int8") {
    host_.warn("int8 without --calibration: what the N2X compiler measures its ranges with is not known");
  }
  sdk::ToolRun run;
  run.arguments = command_line(arguments_, places);
  run.milestones = {{"([0-9]+)%", "N2X: $1 %"}};
  run.wanted_files = {places.artifact};
  run.inputs = {"model.onnx"};
  sdk::ToolPlan plan;
  plan.tool = description();
  plan.runs = {std::move(run)};
  plan.artifact = places.artifact;
  plan.target = device_ == "CPU" ? "n2x:cpu" : "n2x:orca1";
  return plan;
}

void Backend::judge(const sdk::GraphView& graph, std::string_view bytes, const std::string& path) const {
  const Model model = read_model(bytes, path);
  std::vector<std::vector<int64_t>> inputs, outputs;
  for (const uint32_t i : graph.inputs())
    if (!graph.value(i).is_constant()) inputs.push_back(graph.value(i).shape());
  for (const uint32_t i : graph.outputs()) outputs.push_back(graph.value(i).shape());
  hold("inputs", model.inputs, inputs);
  hold("outputs", model.outputs, outputs);
  if (precision_ == "int8" && !model.quantised()) host_.warn("the compiled file's inputs and outputs are floating point, though int8 was asked for");
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  const char* path = std::getenv(variable);
  if (!bundle_ && compiler_.empty() && (!path || !*path)) {
    sdk::Diagnostic d;
    d.text = "no compiler for N2X is public, so there is nothing here that makes a .n2x file";
    d.hint =
        "a file made elsewhere becomes a package with `lathe package FILE.n2x --from MODEL --target n2x`; a private compiler is driven with "
        "--option compiler=PATH or the environment variable N2X_COMPILER, or elsewhere by what --emit bundle writes; for processors there are open "
        "targets: `lathe targets`";
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  std::optional<sdk::Tool> tool;
  if (!bundle_) tool = sdk::require_tool(description(), {compiler_, {}, {}});
  const sdk::ScratchFolder scratch;
  const std::string folder = bundle_ ? output.directory() : scratch.path();
  const sdk::ToolPlan plan = prepare(graph, folder);
  if (bundle_) return sdk::write_bundle(host_, plan, output);
  sdk::run_plan(host_, *tool, plan, folder);
  const sdk::MappedFile file(folder + "/" + plan.artifact);
  judge(graph, file.bytes(), file.path());
  output.write(stem_ + ".n2x", file.bytes());
  output.artifact(stem_ + ".n2x");
}

void Backend::fingerprint(const sdk::Facts& facts) const { facts("N2X compiler's arguments", arguments_); }

}  // namespace lathe::n2x
