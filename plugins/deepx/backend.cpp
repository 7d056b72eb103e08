// Claiming, preparing, running, judging.
#include "backend.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <lathe/calibration_files.hpp>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>

#include "config.hpp"
#include "file.hpp"
#include "rules.hpp"

namespace lathe::deepx {
namespace {

std::string joined(const std::vector<std::string>& names, size_t most = 8) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < most; ++i) text += (text.empty() ? "" : ", ") + names[i];
  return names.size() > most ? text + " and " + std::to_string(names.size() - most) + " more" : text;
}

// The inputs that are no constants.
std::vector<sdk::ValueView> inputs_of(const sdk::GraphView& graph) {
  std::vector<sdk::ValueView> all;
  for (const uint32_t i : graph.inputs())
    if (!graph.value(i).is_constant()) all.push_back(graph.value(i));
  return all;
}

// What is against the graph as a whole; empty when nothing is.
std::string obstacle(const sdk::GraphView& graph) {
  const std::vector<sdk::ValueView> inputs = inputs_of(graph);
  if (inputs.size() == 1) {
    const std::vector<int64_t> shape = inputs[0].shape();
    const auto colours = [](int64_t channels) { return channels == 1 || channels == 3; };
    if (shape.size() == 4 && (colours(shape[1]) || colours(shape[3]))) return {};
    return "DX-COM's command line calibrates with pictures, and '" + std::string(inputs[0].name()) +
           "' takes none: that would be four axes, with one channel or three";
  }
  std::vector<std::string> names;
  for (const sdk::ValueView& v : inputs) names.emplace_back(v.name());
  return "DX-COM's command line takes models with one input, and this one has " + std::to_string(names.size()) +
         (names.empty() ? std::string() : ": " + joined(names));
}

}  // namespace

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "DEEPX";
  info.devices = {{"M1A", "DX-M1, by DEEPX's compiler DX-COM 2.1 to 2.x", {"int8"}}};
  info.emits = {"model", "bundle"};
  info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_NEEDS_CALIBRATION | LATHE_BACKEND_QUANTISES_ITSELF | LATHE_BACKEND_REST_ON_HOST |
               LATHE_BACKEND_CUTS_HEADS;
  info.opset_lowest = 11, info.opset_highest = 21;
  info.calibration_lowest = 1, info.calibration_wanted = 100;
  info.options = {
      {"opt-level", LATHE_OPTION_CHOICE, "1", "1 makes the model fast, 0 compiles three to five times faster.", {"0", "1"}},
      {"calibration-method", LATHE_OPTION_CHOICE, "ema", "How ranges are told from the pictures.", {"ema", "minmax"}},
      {"calibration-count", LATHE_OPTION_INT, "0", "How many of the calibration pictures are used; 0: all."},
      {"processor-parts", LATHE_OPTION_BOOL, "false",
       "Operators that the NPU lacks stay in the .dxnn file, where ONNX Runtime on the board's processor runs them, instead of becoming stages."},
      {"aggressive-partitioning", LATHE_OPTION_BOOL, "false", "Tries to put more operators on the NPU; compiles longer."},
      {"float64-calibration", LATHE_OPTION_BOOL, "false", "Ranges come out the same on every kind of processor."},
      {"use-q-pro", LATHE_OPTION_BOOL, "false", "Tunes the quantisation by itself; DX-COM 2.4."},
      {"quant-diagnosis", LATHE_OPTION_BOOL, "false", "Leaves a report and a checkpoint (.qxnn) beside the artifact; DX-COM 2.4."},
      {"checkpoint", LATHE_OPTION_PATH, "", "A .qxnn file of an earlier run to go on from; DX-COM 2.4."},
      {"recalibration-method", LATHE_OPTION_CHOICE, "none", "Measures the ranges of the checkpoint anew.", {"none", "minmax", "ema", "iqr"}},
      {"quantization-device", LATHE_OPTION_STRING, "", "cpu, cuda or cuda:N; empty: as DX-COM chooses."},
      {"runtime-version", LATHE_OPTION_STRING, "", "Version of DX-RT on the board: one that is not sure to load the file is refused."},
      {"compiler", LATHE_OPTION_PATH, "", "dxcom, or the folder it lies in; looked for when empty."},
      {"environment", LATHE_OPTION_PATH, "", "The Python virtual environment that dx-com is installed in."},
      {"container", LATHE_OPTION_STRING, "", "A container image that has dxcom."},
  };
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request)
    : host_(host), stem_(request.stem), bundle_(request.emit == "bundle"), preprocessing_(request.preprocessing), calibration_(request.calibration) {
  const sdk::Settings& s = request.settings;
  const auto text = [&](const char* name) { return std::string(s.text(name)); };
  choices_ = {text("compiler"),
              text("environment"),
              text("container"),
              text("opt-level"),
              text("calibration-method"),
              text("quantization-device"),
              text("checkpoint"),
              text("recalibration-method"),
              s.integer("calibration-count"),
              s.flag("aggressive-partitioning"),
              s.flag("float64-calibration"),
              s.flag("use-q-pro"),
              s.flag("quant-diagnosis"),
              s.flag("processor-parts")};
  const std::string runtime = text("runtime-version");
  const sdk::ToolVersion version = sdk::ToolVersion::parse(runtime);
  if (!runtime.empty() && version.empty()) throw sdk::Failure(LATHE_USAGE, "runtime-version is a version like 3.0.0, not '" + runtime + "'");
  if (!runtime.empty() && version.compare(sdk::ToolVersion::parse("3.0.0")) < 0) {
    sdk::Diagnostic d;
    d.text = "the board's runtime is too old for what DX-COM 2 writes: DEEPX does not promise that it loads it";
    d.expected = "DX-RT 3.0.0 or later", d.found = runtime;
    d.hint = "update DX-RT, driver and firmware on the board";
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  const std::string& device = choices_.device;
  const bool numbered = device.rfind("cuda:", 0) == 0 && device.size() > 5 && device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (!device.empty() && device != "cpu" && device != "cuda" && !numbered)
    throw sdk::Failure(LATHE_USAGE, "the option 'quantization-device' is cpu, cuda or cuda:N, not '" + device + "'");
  if (choices_.count < 0) throw sdk::Failure(LATHE_USAGE, "the option 'calibration-count' cannot be negative");
  if (choices_.recalibration != "none" && choices_.checkpoint.empty())
    throw sdk::Failure(LATHE_USAGE, "the option 'recalibration-method' is for going on from a checkpoint", "add --option checkpoint=FILE.qxnn");
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  std::vector<std::string> reasons = sdk::objections(rules(), graph);
  const std::string whole = obstacle(graph);
  if (!whole.empty()) reasons.assign(graph.node_count(), whole);
  if (!choices_.processor_parts)
    sdk::begin_at_inputs(graph, reasons, "DX-COM's part has to begin at the model's picture, for pictures are what it calibrates with");
  std::vector<std::string> slow, outside;
  for (const sdk::NodeView node : graph.nodes()) {
    const std::string& reason = reasons[node.index()];
    if (node.is(slow_operator)) slow.emplace_back(node.name());
    if (!reason.empty() && whole.empty() && choices_.processor_parts && node.domain().empty()) {
      outside.push_back(std::string(node.name()) + " (" + reason + ")");
      verdicts.take(node);
    } else if (reason.empty()) {
      verdicts.take(node);
    } else {
      verdicts.refuse(node, reason);
    }
  }
  if (!slow.empty()) host_.warn("PRelu is slow on this NPU; LeakyRelu or Relu are not: " + joined(slow));
  if (!outside.empty())
    host_.warn(std::to_string(outside.size()) + " operators run on the board's processor, inside the .dxnn file: " + joined(outside, 4));
}

void Backend::prepare(const sdk::GraphView& graph, const std::string& folder, sdk::ToolPlan& plan) const {
  if (const std::string whole = obstacle(graph); !whole.empty()) throw sdk::Failure(LATHE_UNSUPPORTED, whole, "join the inputs in the model");
  const sdk::ValueView input = inputs_of(graph).front();
  const sdk::CalibrationData data = sdk::calibration_data(preprocessing_, calibration_, graph);
  if (!data.has_pictures()) {
    sdk::Diagnostic d;
    d.text = "DX-COM's command line calibrates with pictures, and there are none for '" + std::string(input.name()) + "'";
    d.found = preprocessing_ ? "calibration data that are no pictures" : "an input that takes no picture";
    d.hint = "give a folder of pictures with --calibration; the part that DX-COM compiles has to begin at the model's picture";
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  sdk::ToolRun run;
  run.arguments = dxcom_arguments(choices_);
  run.messages = dxcom_messages();
  run.milestones = {{"([0-9]+)%", "DX-COM: $1 %"}, {"(Quantiz[a-z]+|Calibrat[a-z]+|Compil[a-z]+|Optimiz[a-z]+)", "DX-COM: $1"}};
  run.wanted_files = {"out/model.dxnn"};
  run.log_files = {"out/compiler.log"};
  const size_t most = choices_.count == 0 ? 0 : static_cast<size_t>(choices_.count);
  const std::vector<std::string> pictures = sdk::write_calibration_pictures(data, folder + "/calibration", most);
  if (!choices_.checkpoint.empty()) {
    std::error_code error;
    std::filesystem::copy_file(choices_.checkpoint, folder + "/model.qxnn", error);
    if (error) throw sdk::Failure(LATHE_FAILED, "the checkpoint '" + choices_.checkpoint + "' cannot be read: " + error.message());
    run.inputs = {"model.qxnn"};
  } else {
    sdk::write_model(host_, graph, "onnx", folder + "/model.onnx");
    Config config;
    config.input = input.name();
    config.shape = input.shape();
    config.method = choices_.method;
    config.count = pictures.size();
    config.folder = std::string(sdk::folder_mark) + "/calibration";
    config.extension = "png";
    config.device = choices_.device;
    plan.located_files = {{"config.json", config_json(config, *preprocessing_)}};
    run.inputs = {"model.onnx"};
  }
  plan.tool = dxcom(choices_.need_newest());
  plan.runs = {std::move(run)};
  plan.artifact = "out/model.dxnn";
  plan.target = "deepx:m1a";
}

// What came out is what was asked: the same ends, compiled for the NPU; and what the person should know of it.
int32_t Backend::judge(const sdk::GraphView& graph, std::string_view bytes, const std::string& path) const {
  const Model model = read_model(bytes, path);
  const auto hold = [&](const char* what, std::vector<std::string> found, std::vector<std::string> wanted) {
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    if (found == wanted) return;
    sdk::Diagnostic d;
    d.text = std::string("DX-COM compiled another model: its ") + what + " are not those that were asked for";
    d.expected = joined(wanted);
    d.found = joined(found);
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  };
  std::vector<std::string> inputs, outputs;
  for (const sdk::ValueView& v : inputs_of(graph)) inputs.emplace_back(v.name());
  for (const uint32_t i : graph.outputs()) outputs.emplace_back(graph.value(i).name());
  hold("inputs", model.inputs, inputs);
  hold("outputs", model.outputs, outputs);
  if (!model.cpu_tasks.empty())
    host_.warn(std::to_string(model.cpu_tasks.size()) + " parts of the compiled file run on the board's processor: " + joined(model.cpu_tasks));
  host_.note("the board needs DX-RT 3.0 or newer for what DX-COM " + (model.compiler.empty() ? version_ : model.compiler) + " compiles" +
             (model.version >= 8 ? ", with a parser of version 8" : ""));
  return model.version;
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  std::optional<sdk::Tool> tool;
  if (!bundle_) tool = sdk::require_tool(dxcom(choices_.need_newest()), {choices_.compiler, choices_.environment, choices_.container}, true);
  if (tool) version_ = tool->version.text();
  const sdk::ScratchFolder scratch;
  const std::string folder = bundle_ ? output.directory() : scratch.path();
  sdk::ToolPlan plan;
  prepare(graph, folder, plan);
  if (bundle_) return sdk::write_bundle(host_, plan, output);
  sdk::run_plan(host_, *tool, plan, folder);
  const sdk::MappedFile file(folder + "/" + plan.artifact);
  container_version_ = judge(graph, file.bytes(), file.path());
  output.write(stem_ + ".dxnn", file.bytes());
  if (choices_.diagnosis && std::filesystem::exists(folder + "/out/model.qxnn")) {
    const sdk::MappedFile checkpoint(folder + "/out/model.qxnn");
    output.write(stem_ + ".qxnn", checkpoint.bytes());
  }
  output.artifact(stem_ + ".dxnn");
}

void Backend::fingerprint(const sdk::Facts& facts) const {
  if (!version_.empty()) facts("DX-COM", version_);
  if (container_version_ != 0) facts("container", std::to_string(container_version_)), facts("lowest-runtime", "DX-RT 3.0");
}

}  // namespace lathe::deepx
