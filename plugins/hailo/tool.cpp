// The compiler's command lines, step by step, and what its log means.
#include "tool.hpp"

#include <cctype>
#include <lathe/texts.hpp>

namespace lathe::hailo {
namespace {

// What its log says, in our words. The first that matches a line decides, and the first failure ends the story: what follows is its consequence.
const std::vector<sdk::KnownMessage>& messages() {
  static const std::vector<sdk::KnownMessage>& all = *new std::vector<sdk::KnownMessage>{
      {"invalid choice: 'parser'", LATHE_UNSUPPORTED, "this 'hailo' is the program of HailoRT alone, which compiles nothing",
       "name the Dataflow Compiler's with --option compiler=PATH or HAILO_COMPILER"},
      {"invalid choice: '?([^' ]+)", LATHE_UNSUPPORTED, "this release of the compiler does not know the argument $1",
       "a release of the supported window does"},
      {"unrecognized arguments: (.+)", LATHE_UNSUPPORTED, "this release of the compiler does not know the arguments $1",
       "a release of the supported window does"},
      {"using these end node names: *(.+)", LATHE_UNSUPPORTED, "the parser does not take the model to its end, and recommends that it ends at $1",
       "give the tensors of these nodes with --option head-cut=..."},
      {"Parsing failed with recommendations(.*)", LATHE_UNSUPPORTED,
       "the parser does not take the model to its end, and recommends other end nodes$1",
       "the log has their names; --option head-cut=... takes tensors"},
      {"UnsupportedModelError: *(.*)", LATHE_UNSUPPORTED, "the parser does not take the model: $1", ""},
      {"Unsupported(Activation|Layer|Shuffle|Reduce|Concat|Gather)[A-Za-z]*Error: *(.*)", LATHE_UNSUPPORTED, "the parser does not take a layer: $2",
       ""},
      {"BackendAllocatorException: *(.*)", LATHE_UNSUPPORTED, "the network was not placed on the chip: $1",
       "a smaller input, --option compression-level=1 or the larger device may fit"},
      {"meta[_ ]arch[a-z]* .*not (valid|supported)(.*)", LATHE_UNSUPPORTED, "this release of the compiler does not know the head's architecture$2",
       "a newer 3.x does; or leave suppression to the host: --option nms=off"},
      {"AllocatorScriptParserException: *(.*)", LATHE_FAILED, "the compiler does not take the script: $1",
       "its release may not know a command; --option script=... adds lines of one's own"},
      {"AccelerasValueError: *(.*)", LATHE_FAILED, "quantisation failed: $1", "look at the calibration data's shape and range"},
      {"BackendValueError: *(.*)", LATHE_FAILED, "the compiler failed: $1", ""},
      {"(expected|must be) .*4-?[dD].*", LATHE_FAILED, "the compiler does not take the calibration data's dimensions", "they are N x H x W x C"},
      {"([Nn]a[Nn] (value|found|param)[a-z]*.*)", LATHE_FAILED, "the compiler met numbers that are none: $1", "look for dead layers in the training"},
      {"(CUDA|GPU|cuda).*out of memory", LATHE_BUDGET, "the graphics card's memory ran out in optimisation",
       "a lower --option optimization-level, or run without the card: CUDA_VISIBLE_DEVICES="},
      {"name_layers: (no .*|.* holds no .*)", LATHE_FAILED, "the parsed network does not match the model: $1",
       "this release of the compiler names layers in another way"},
      {"^Killed$", LATHE_BUDGET, "the compiler was killed, mostly because memory ran out",
       "a machine with more memory, or a lower --option optimization-level"},
      {"Simplified ONNX model for a parsing retry", LATHE_OK, "the parser failed on the model as it is and took a simplified one", ""},
      {"[Rr]educing optimization level to ([0-9])(.*)", LATHE_OK, "the compiler lowered its optimisation level to $1$2",
       "more calibration data or a graphics card would let it keep the level"}};
  return all;
}

const std::vector<sdk::Milestone>& milestones() {
  static const std::vector<sdk::Milestone>& all =
      *new std::vector<sdk::Milestone>{{"Translation started on ONNX model", "parsing", 0.02},
                                       {"Translation completed on ONNX model", "parsed", 0.08},
                                       {"Starting Model Optimization", "quantising", 0.1},
                                       {"Statistics Collector.* ([0-9]+)%", "measuring ranges, $1 %", 0.2},
                                       {"Using default optimization level", "quantising", 0.1},
                                       {"Model Optimization is done", "quantised", 0.5},
                                       {"Finding the best partition", "looking for a placement on the chip", 0.55},
                                       {"Successful Mapping|Successful Partition and Allocation", "placed on the chip", 0.85},
                                       {"Successful Kernel Compilation", "kernels compiled", 0.92},
                                       {"Successful Compilation", "compiled", 1}};
  return all;
}

}  // namespace

const sdk::ToolDescription& dataflow_compiler() {
  // The banner names HailoRT's version too. "DFC" or "Compiler" stand before the one that counts: three classes say both in one group's pattern.
  static const sdk::ToolDescription& tool = *new sdk::ToolDescription{
      "Hailo Dataflow Compiler",
      "hailo",
      "compiler",
      "HAILO_COMPILER",
      {"~/hailo/bin", "~/.venv/bin", "/opt/hailo/bin", "/local/workspace/hailo_virtualenv/bin"},
      {"--version"},
      "[DC][Fo][Cm][^0-9]*([0-9]+[.][0-9.]+)",
      "3.27",
      "4",
      "It is a Python wheel for x86-64 Linux (Python 3.10 to 3.12) from hailo.ai's developer zone, behind a registration: 3.x serves the "
      "HAILO8 family, 5.x other chips. The program 'hailo' of HailoRT alone is another one",
      "x86_64",
      "2.31",
      uint64_t{16} << 30,
      uint64_t{4} << 30};
  return tool;
}

std::string network_name(std::string_view stem) {
  std::string name;
  for (const char c : stem.substr(0, stem.find("--"))) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name = "net_" + name;
  return name;
}

sdk::ToolPlan plan(const Order& order) {
  const Files& files = order.files;
  sdk::ToolPlan plan;
  plan.tool = dataflow_compiler();
  plan.target = "hailo:" + sdk::lower_case(order.device);
  plan.artifact = files.compiled();
  const std::string architecture = sdk::lower_case(order.device);
  sdk::ToolRun common;
  common.messages = messages(), common.milestones = milestones();
  // Without a terminal its progress bars are lines, and nothing of TensorFlow's chatter hides what matters.
  common.environment = {"TF_CPP_MIN_LOG_LEVEL=2", "PYTHONUNBUFFERED=1"};

  sdk::ToolRun parse = common;
  parse.arguments = {"parser", "onnx", files.model, "--hw-arch", architecture, "--net-name", files.network, "--har-path", files.parsed()};
  const auto names = [&](const char* option, const std::vector<std::string>& nodes) {
    if (nodes.empty()) return;
    parse.arguments.push_back(option);
    parse.arguments.insert(parse.arguments.end(), nodes.begin(), nodes.end());
  };
  names("--start-node-names", order.start_nodes);
  names("--end-node-names", order.end_nodes);
  parse.arguments.push_back("-y");  // never ask whether to go on with other end nodes: that it wants to is in the log
  parse.inputs = {files.model}, parse.wanted_files = {files.parsed()};
  plan.runs.push_back(parse);

  std::string script = files.script;
  if (order.suppress) {
    script = "final.alls";
    sdk::ToolRun name = common;
    name.program = "python3";
    name.arguments = {"name_layers.py", files.parsed(), "suppression.json", files.script, script, "nms.json"};
    name.inputs = {"name_layers.py", "suppression.json", files.script}, name.wanted_files = {script, "nms.json"};
    plan.runs.push_back(name);
  }

  sdk::ToolRun optimize = common;
  optimize.arguments = {"optimize",        files.parsed(),   "--hw-arch", architecture,        "--calib-set-path",
                        files.calibration, "--model-script", script,      "--output-har-path", files.optimized()};
  optimize.inputs = {files.calibration, script}, optimize.wanted_files = {files.optimized()};
  plan.runs.push_back(optimize);

  sdk::ToolRun compile = common;
  compile.arguments = {"compiler", files.optimized(), "--hw-arch", architecture, "--output-dir", "."};
  compile.wanted_files = {files.compiled()};
  plan.runs.push_back(compile);
  return plan;
}

}  // namespace lathe::hailo
