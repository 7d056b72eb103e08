// How the toolkit is found, what it is told to do, what its log means.
#include "tool.hpp"

#include <cctype>
#include <cstdlib>
#include <lathe/texts.hpp>
#include <nlohmann/json.hpp>

namespace lathe::rknn {
namespace {

// Asks for the package's version without loading it, which takes many seconds.
constexpr const char* version_program = R"(try:
    from importlib.metadata import version
except ImportError:
    from pkg_resources import get_distribution
    def version(name): return get_distribution(name).version
print('rknn-toolkit2', version('rknn-toolkit2')))";

// What its log says, in our words. The first that matches a line decides it, and the first failure ends the story.
const std::vector<sdk::KnownMessage>& messages() {
  static const std::vector<sdk::KnownMessage>& all = *new std::vector<sdk::KnownMessage>{
      {"[Uu]nsupport(ed)?[^0-9]*opset[^0-9]*([0-9]+)", LATHE_UNSUPPORTED, "this release of rknn-toolkit2 does not take models of opset $2",
       "hand the model over at an older one: --option opset=12"},
      {"opset[^0-9]*([0-9]+)[^0-9]*(not support|unsupport)", LATHE_UNSUPPORTED, "this release of rknn-toolkit2 does not take models of opset $1",
       "hand the model over at an older one: --option opset=12"},
      {"official support for domain ai.onnx is till opset ([0-9]+)", LATHE_UNSUPPORTED,
       "the onnxruntime beside rknn-toolkit2 takes models up to opset $1", "hand the model over at an older one: --option opset=12"},
      {"no attribute 'mapping'", LATHE_UNSUPPORTED, "the package onnx beside rknn-toolkit2 is too new for it",
       "onnx 1.16.1 to 1.18 serve: pip install 'onnx<1.19' in its environment"},
      {"no valid data in the dataset", LATHE_FAILED, "rknn-toolkit2 finds none of the calibration data", "look at the calibration data"},
      {"Unsupport file[: ]*(.*)", LATHE_FAILED, "rknn-toolkit2 cannot read a calibration file: $1", "look at the calibration data"},
      {"^[WE] .*(dataset|calibration|image|file).*(ignore|skip)", LATHE_FAILED,
       "rknn-toolkit2 left calibration data out: it would quantise with less than it was given", "look at the calibration data"},
      {"REGTASK: The bit width of field value exceeds the limit", LATHE_UNSUPPORTED, "a layer is too large for the NPU's registers",
       "make the input smaller"},
      {"^[WE] .*[Uu]nsupport(ed)? (cpu )?op[: ]*(.*)", LATHE_UNSUPPORTED, "rknn-toolkit2 does not take the operator $3",
       "leave it to the host: --option head-cut=TENSOR,... ends the NPU's part before it"},
      {"Invalid RKNN model version ([0-9]+)", LATHE_FAILED, "the runtime is too old for a file of version $1", "update librknnrt on the board"},
      {"([Ss]ubmit.*failed|failed to submit.*)", LATHE_FAILED, "the NPU refused a job: $1", ""},
      {"will fallback to CPU", LATHE_OK, "a layer is too large for the NPU and runs on the board's processor", "the log names it"},
      {"^lathe: beside: (.*)", LATHE_OK, "rknn-toolkit2 is not known to work with $1",
       "numpy to 1.26.4, protobuf 4.21.6 to 4.25.4, onnx 1.16.1 to 1.18 and torch to 2.4.0 are known to serve"},
      // The toolkit's own error comes before the return code that follows from it. Its banner, the heads of tracebacks and "Catch exception when ..."
      // are printed as errors too, and say nothing: what follows them does.
      {"^E [A-Za-z_]+: *(([^TFC ]|T[^r]|F[^i]|C[^a]|Ca[^t]).*)", LATHE_FAILED, "rknn-toolkit2 reports an error: $1",
       "'--log-level debug' shows all it printed"},
      {"\\[ONNXRuntimeError\\] : [0-9]+ : [A-Z_]+ : (.*)", LATHE_FAILED, "the onnxruntime beside rknn-toolkit2 fails: $1",
       "'--log-level debug' shows all it printed"},
      {"^lathe: failed: (rknn-toolkit2 (runs in Python|cannot be loaded).*)", LATHE_UNSUPPORTED, "$1",
       "a virtual environment of its own: --option environment=FOLDER"},
      {"^lathe: failed: (.*)", LATHE_FAILED, "$1", "'--log-level debug' shows all it printed"},
      {"^([A-Za-z.]*(Error|Exception)): *(.*)", LATHE_FAILED, "rknn-toolkit2 broke off with $1: $3", "'--log-level debug' shows all it printed"},
      {"^Killed$", LATHE_BUDGET, "rknn-toolkit2 was killed, mostly because memory ran out", "a machine with more memory"}};
  return all;
}

const std::vector<sdk::Milestone>& milestones() {
  static const std::vector<sdk::Milestone>& all = *new std::vector<sdk::Milestone>{{"^lathe: step config", "configuring", 0.02},
                                                                                   {"^lathe: step load_onnx", "loading the model", 0.05},
                                                                                   {"^lathe: step build", "building", 0.2},
                                                                                   {"GraphPreparing.* ([0-9]+)%", "preparing the graph, $1 %", 0.3},
                                                                                   {"Quantizating.* ([0-9]+)%", "quantising, $1 %", 0.5},
                                                                                   {"rknn building done|rknn buiding done", "built", 0.9},
                                                                                   {"^lathe: step export_rknn", "exporting", 0.95},
                                                                                   {"^lathe: done", "done", 1}};
  return all;
}

}  // namespace

const sdk::ToolDescription& toolkit() {
  static const sdk::ToolDescription& tool = *new sdk::ToolDescription{
      "rknn-toolkit2",
      "python3",
      "python",
      "RKNN_PYTHON",
      {"~/rknn/bin", "~/.venv/bin", "/opt/rknn/bin"},
      {"-c", version_program},
      "^rknn-toolkit2 ([0-9.]+)",
      "2.3",
      "3",
      "It is a Python wheel for Linux (Python 3.6 to 3.12) of github.com/airockchip/rknn-toolkit2: pip install rknn-toolkit2 in a virtual "
      "environment of its own (rknn3-toolkit is for other chips)"};
  return tool;
}

sdk::Tool require_toolkit(const Place& place) {
  const sdk::ToolDescription& wanted = toolkit();
  const char* variable = std::getenv(wanted.environment);
  if (!place.python.empty() || !place.environment.empty() || !place.container.empty() || (variable && *variable))
    return sdk::require_tool(wanted, {place.python, place.environment, place.container}, true);
  // Every machine has a Python: that the first one has no toolkit does not make it a broken toolkit.
  std::string found = "none";
  try {
    if (std::optional<sdk::Tool> tool = sdk::find_tool(wanted, {})) return *std::move(tool);
  } catch (const sdk::Failure& failure) {
    const sdk::Diagnostic& d = failure.diagnostics.front();
    if (d.found.find("rknn") == std::string::npos && d.text.find("tell its version") == std::string::npos) throw;
    found = "a Python without it, " + d.location;
  }
  sdk::Diagnostic d;
  d.text = "rknn-toolkit2 is not installed";
  d.expected = std::string("at least ") + wanted.lowest + ", below " + wanted.below;
  d.found = std::move(found);
  d.hint = std::string(wanted.how_to_get) +
           "; the option 'environment' or RKNN_PYTHON says where it is; where it cannot be installed, --emit bundle "
           "writes all it needs into a folder to run elsewhere";
  throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
}

std::string order_text(const Order& order) {
  nlohmann::ordered_json config = {{"target_platform", sdk::lower_case(order.device)},
                                   {"mean_values", order.mean},
                                   {"std_values", order.spread},
                                   {"quant_img_RGB2BGR", order.blue_first},
                                   {"optimization_level", order.optimization_level},
                                   {"float_dtype", "float16"},
                                   {"custom_string", order.remark}};
  if (order.quantised) {
    config["quantized_dtype"] = "w8a8";
    config["quantized_algorithm"] = order.algorithm;
    config["quantized_method"] = order.method;
  }
  const nlohmann::ordered_json all = {{"model", model_file},    {"artifact", artifact_file}, {"samples", order.samples}, {"inputs", order.inputs},
                                      {"shapes", order.shapes}, {"outputs", order.outputs},  {"config", config}};
  return all.dump(2) + "\n";
}

sdk::ToolPlan plan(const std::string& device) {
  sdk::ToolPlan plan;
  plan.tool = toolkit();
  plan.target = "rknn:" + sdk::lower_case(device);
  plan.artifact = artifact_file;
  sdk::ToolRun run;
  run.arguments = {program_file, order_file};
  run.environment = {"PYTHONUNBUFFERED=1"};
  run.messages = messages(), run.milestones = milestones();
  run.success_pattern = "^lathe: done$";
  run.inputs = {program_file, order_file, model_file};
  run.wanted_files = {artifact_file};
  run.log_files = {"toolkit.log"};  // the one full record
  plan.runs.push_back(std::move(run));
  return plan;
}

}  // namespace lathe::rknn
