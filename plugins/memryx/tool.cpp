// mx_nc's command line, and what its log means.
#include "tool.hpp"

#include <nlohmann/json.hpp>

namespace lathe::memryx {
namespace {

// What its log says, in our words. Its exact sentences are not published: these are the classes of failure that are known of it.
const std::vector<sdk::KnownMessage>& messages() {
  static const std::vector<sdk::KnownMessage>& all = *new std::vector<sdk::KnownMessage>{
      {"([Ww]ill not fit|[Dd]oes not fit|[Cc]annot fit|[Uu]nable to (fit|map)|[Mm]apping failed)(.*)", LATHE_UNSUPPORTED,
       "the model does not fit the chips$3", "a smaller input or model, or more chips: --option chips=8"},
      {"[Uu]nsupported (layer|operator|op|node)s?[: ]*(.*)", LATHE_UNSUPPORTED, "the Neural Compiler does not take an operator: $2",
       "end the chip's part before it: --option head-cut=TENSOR,..."},
      {"([Ll]ayer|[Oo]perator|[Nn]ode) (.*) (is )?not supported", LATHE_UNSUPPORTED, "the Neural Compiler does not take an operator: $2",
       "end the chip's part before it: --option head-cut=TENSOR,..."},
      {"([Dd]ynamic|[Uu]nknown) (dim|shape|batch)(.*)", LATHE_FAILED, "the Neural Compiler sees open dimensions in the model: $1 $2$3", ""},
      {"input_shapes?.*([Ii]nvalid|mismatch|expected)(.*)", LATHE_FAILED,
       "this release of the Neural Compiler spells the input's size in another way", ""},
      {"onnx.*(checker|ValidationError)(.*)", LATHE_FAILED, "the Neural Compiler finds the ONNX file wrong$2", "another --option opset= may serve"},
      {"unrecognized arguments: (.+)", LATHE_UNSUPPORTED, "this release of the Neural Compiler does not know the arguments $1",
       "SDK 2.1 and 2.2 are known to serve"},
      {"quantiz.*(already|detected)", LATHE_UNSUPPORTED, "the Neural Compiler finds a model that is quantised already",
       "give the model in floating point"},
      {"(No module named .*)", LATHE_UNSUPPORTED, "the Python that the Neural Compiler runs in is incomplete: $1",
       "a virtual environment of its own: --option environment=FOLDER"},
      {"^([A-Za-z.]*(Error|Exception)): *(.*)", LATHE_FAILED, "the Neural Compiler broke off with $1: $3",
       "'--log-level debug' shows all it printed"},
      {"^Killed$", LATHE_BUDGET, "the Neural Compiler was killed, mostly because memory ran out", "fewer processes: --option processes=1"},
      {"([Aa]pproximat.*)", LATHE_OK, "the Neural Compiler approximates an operator: $1", "compare the chip's outputs with the reference"}};
  return all;
}

const std::vector<sdk::Milestone>& milestones() {
  static const std::vector<sdk::Milestone>& all = *new std::vector<sdk::Milestone>{{"Converting Model", "converting", 0.05},
                                                                                   {"Optimizing Graph", "optimising", 0.15},
                                                                                   {"Cores optimization", "placing cores", 0.4},
                                                                                   {"Flow optimization", "placing streams", 0.6},
                                                                                   {"Assembling DFP", "assembling", 0.9}};
  return all;
}

bool older_than_2_2(const Order& order) { return !order.version.empty() && order.version.compare(sdk::ToolVersion::parse("2.2")) < 0; }

}  // namespace

const sdk::ToolDescription& neural_compiler() {
  static const sdk::ToolDescription& tool = *new sdk::ToolDescription{
      "MemryX Neural Compiler",
      "mx_nc",
      "compiler",
      "MEMRYX_COMPILER",
      {"~/mx/bin", "~/.venv/bin", "/opt/memryx/bin"},
      {"--version"},
      nullptr,
      "2.0",
      "3",
      "It is a Python wheel of MemryX's SDK 2 for x86-64 (developer.memryx.com): pip install it in a virtual environment of its own"};
  return tool;
}

std::string borders_text(const Order& order) {
  nlohmann::ordered_json all = {{"inputs", nlohmann::json::array()}, {"outputs", nlohmann::json::array()}};
  for (const Tensor& t : order.inputs) all["inputs"].push_back(t.name);
  for (const Tensor& t : order.outputs) all["outputs"].push_back(t.name);
  return all.dump(2) + "\n";
}

std::string shape_text(const Order& order) {
  // Of several inputs the spelling is not known; the model's own shapes are numbers anyway.
  if (order.inputs.size() != 1 || order.version.empty()) return {};
  std::vector<int64_t> shape = order.inputs[0].shape;
  if (older_than_2_2(order)) {
    if (shape.size() != 4) return {};
    shape = {shape[2], shape[3], shape[1]};
  }
  std::string text;
  for (const int64_t extent : shape) text += (text.empty() ? "" : ",") + std::to_string(extent);
  return text;
}

sdk::ToolPlan plan(const Order& order) {
  sdk::ToolPlan plan;
  plan.tool = neural_compiler();
  plan.target = "memryx:mx3";
  plan.artifact = artifact_file;
  sdk::ToolRun run;
  run.arguments = {"-m", model_file, "-c", std::to_string(order.chips), "--dfp_fname", artifact_file, "--model_in_out", borders_file};
  const auto add = [&](const char* option, const std::string& value) { run.arguments.insert(run.arguments.end(), {option, value}); };
  if (const std::string shape = shape_text(order); !shape.empty()) add("-is", shape);
  add("-e", order.effort);
  add("-j", order.processes == 0 ? "max" : std::to_string(order.processes));
  if (!order.extensions.empty())
    add("--extensions", order.extensions);
  else if (order.attention && older_than_2_2(order))
    add("--extensions", "Yolov10");
  if (order.double_precision) run.arguments.emplace_back("--exp_auto_dp");
  // Never --autocrop: it may end the chip's part in the middle of a block, and says nothing.
  run.arguments.emplace_back("-v");
  run.environment = {"PYTHONUNBUFFERED=1"};
  run.messages = messages(), run.milestones = milestones();
  run.inputs = {model_file, borders_file};
  run.wanted_files = {artifact_file};
  run.log_files = {"memryx.neural_compiler.log"};
  plan.runs.push_back(std::move(run));
  return plan;
}

}  // namespace lathe::memryx
