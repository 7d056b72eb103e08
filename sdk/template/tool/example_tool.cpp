// A whole backend that drives a vendor's command-line compiler: the chip's rules, the tool's run and its messages are data.
#include <lathe/bundle.hpp>
#include <lathe/calibration_files.hpp>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>
#include <lathe/operator_rules.hpp>
#include <lathe/plugin.hpp>
#include <optional>

namespace {
namespace sdk = lathe::sdk;

constexpr std::string_view magic = "EXTL";  // what the tool's files begin with

const sdk::OperatorRules& rules() {
  static const sdk::OperatorRules& table = *new sdk::OperatorRules{
      "the example chip", {{"Add"}, {"Conv", {{"dilations", 1, 1, 1}, {"strides", 1, 2, 1}}}, {"MaxPool", {{"ceil_mode", 0, 0, 0}}}, {"Relu"}}};
  return table;
}

const sdk::ToolDescription& examplec() {
  static const sdk::ToolDescription& tool = *new sdk::ToolDescription{"Example Compiler",
                                                                      "examplec",
                                                                      "compiler",
                                                                      "EXAMPLE_COMPILER",
                                                                      {"/opt/example/bin"},
                                                                      {"--version"},
                                                                      "examplec ([0-9.]+)",
                                                                      "1.2",
                                                                      "2",
                                                                      "It comes with the Example SDK"};
  return tool;
}

sdk::ToolPlan order() {
  sdk::ToolRun run;
  run.arguments = {"compile", "model.onnx", "--calibration", "calibration.npy", "--output", "model.extl"};
  run.milestones = {{"^progress (\\d+)%", "examplec: $1 %", 0.5}};
  run.messages = {{"^E17: (.*)", LATHE_UNSUPPORTED, "the model does not fit the chip: $1", "make its input smaller"},
                  {"^W[0-9]+: (.*)", LATHE_OK, "examplec warns: $1"}};
  run.success_pattern = "^compiled";
  run.wanted_files = {"model.extl"};
  return {examplec(), {run}, "model.extl", "example_tool:one"};
}

void require_artifact(const sdk::MappedFile& file) {
  if (file.bytes().substr(0, magic.size()) != magic) throw sdk::Failure(LATHE_FAILED, file.path() + " is no file of the Example Compiler");
}

class Backend {
 public:
  static sdk::BackendInfo info() {
    sdk::BackendInfo info;
    info.runtime = "EXAMPLETL";
    info.devices = {{"ONE", "the first chip", {"int8"}}};
    info.emits = {"model", "bundle"};
    info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_NEEDS_CALIBRATION | LATHE_BACKEND_QUANTISES_ITSELF | LATHE_BACKEND_REST_ON_HOST |
                 LATHE_BACKEND_CUTS_HEADS;
    info.opset_lowest = 11, info.opset_highest = 17;
    info.calibration_lowest = 8, info.calibration_wanted = 64;
    info.options = {{"compiler", LATHE_OPTION_PATH, "", "The program examplec, or the folder it lies in; looked for when empty."}};
    return info;
  }
  Backend(sdk::Host host, const sdk::CompileRequest& request)
      : host_(host),
        stem_(request.stem),
        compiler_(request.settings.text("compiler")),
        bundle_(request.emit == "bundle"),
        preprocessing_(request.preprocessing),
        calibration_(request.calibration) {}

  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    const std::vector<std::string> reasons = sdk::objections(rules(), graph);
    for (const sdk::NodeView node : graph.nodes()) reasons[node.index()].empty() ? verdicts.take(node) : verdicts.refuse(node, reasons[node.index()]);
  }

  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    std::optional<sdk::Tool> tool;
    if (!bundle_) tool = sdk::require_tool(examplec(), {compiler_, {}, {}}, true);
    const sdk::ScratchFolder scratch;
    const std::string folder = bundle_ ? output.directory() : scratch.path();
    sdk::write_model(host_, graph, "onnx", folder + "/model.onnx");
    sdk::write_calibration_array(sdk::calibration_data(preprocessing_, calibration_, graph), {}, folder + "/calibration.npy");
    if (bundle_) return sdk::write_bundle(host_, order(), output);
    sdk::run_plan(host_, *tool, order(), folder);
    const sdk::MappedFile made(folder + "/model.extl");
    require_artifact(made);
    output.write(stem_ + ".extl", made.bytes());
    output.artifact(stem_ + ".extl");
  }

 private:
  sdk::Host host_;
  std::string stem_, compiler_;
  bool bundle_;
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
};

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return head.begins_with(magic) ? 100 : 0; }
  static std::string inspect(sdk::Host, const std::string& path) {
    const sdk::MappedFile file(path);
    require_artifact(file);
    return R"({"format": "EXTL", "runtime": "EXAMPLETL", "devices": ["ONE"], "summary": [["bytes", ")" + std::to_string(file.size()) + "\"]]}";
  }
};

}  // namespace

LATHE_PLUGIN("example_tool", "0.1.0", "Example", "Has the vendor's compiler examplec compile for a chip.", sdk::BackendPart<Backend>,
             sdk::InspectorPart<Inspector>)
