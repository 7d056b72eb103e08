// Claiming, preparing, running, judging.
#include "backend.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <lathe/calibration_files.hpp>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>
#include <lathe/texts.hpp>

#include "result.hpp"
#include "rules.hpp"

namespace lathe::axelera {
namespace {

constexpr int64_t smallest_picture = 64;

std::vector<sdk::ValueView> inputs_of(const sdk::GraphView& graph) {
  std::vector<sdk::ValueView> all;
  for (const uint32_t i : graph.inputs())
    if (!graph.value(i).is_constant()) all.push_back(graph.value(i));
  return all;
}

// What is against the graph as a whole; empty when nothing is. Pictures below 64x64 end deep inside the code generator, minutes later.
std::string obstacle(const sdk::GraphView& graph) {
  const std::vector<sdk::ValueView> inputs = inputs_of(graph);
  if (inputs.size() != 1) {
    std::string names;
    for (const sdk::ValueView& v : inputs) names += (names.empty() ? ": " : ", ") + std::string(v.name());
    return "axcompile takes models with one input, and this one has " + std::to_string(inputs.size()) + names;
  }
  const std::vector<int64_t> shape = inputs[0].shape();
  if (shape.size() != 4)
    return "METIS takes pictures, inputs of four axes (N, C, H, W), and '" + std::string(inputs[0].name()) + "' has " + std::to_string(shape.size());
  const auto colours = [](int64_t channels) { return channels == 1 || channels == 3; };
  if (!colours(shape[1]) && colours(shape[3]))
    return "METIS takes pictures N x C x H x W, and '" + std::string(inputs[0].name()) + "' has its channels last: leave out --layout NHWC";
  if ((shape[2] >= 0 && shape[2] < smallest_picture) || (shape[3] >= 0 && shape[3] < smallest_picture))
    return "axcompile fails on pictures smaller than 64x64, and this one is " + std::to_string(shape[3]) + "x" + std::to_string(shape[2]) +
           ": --shape, or --width and --height, make it larger";
  if (!colours(shape[1]))
    return "axcompile calibrates with pictures, and '" + std::string(inputs[0].name()) + "' takes none: it has neither one channel nor three";
  return {};
}

// "axelera-devkit 1.6.0" among what check.py printed.
std::string devkit_version(const sdk::ToolOutcome& checked) {
  constexpr std::string_view begin = "axelera-devkit ";
  for (const std::string& line : checked.last_lines)
    if (line.substr(0, begin.size()) == begin) return sdk::ToolVersion::parse(line.substr(begin.size())).text();
  return {};
}

std::vector<int64_t> without_ones(const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes;
  for (const int64_t d : shape)
    if (d != 1) sizes.push_back(d);
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

}  // namespace

sdk::ToolDescription axcompile() {
  sdk::ToolDescription tool = {};
  tool.name = "axcompile";
  tool.executable = "axcompile";
  tool.option = "compiler";
  tool.environment = "AXCOMPILE";
  tool.usual_folders = {"~/.local/bin"};
  tool.how_to_get =
      "it is Axelera's package axelera-devkit of the Voyager SDK 1.5 to 1.8, "
      "for x86-64 Linux, in a virtual environment of its own; "
      "axelera-rt has to be of the same version";
  tool.machine = "x86_64";
  return tool;
}

std::vector<sdk::KnownMessage> axcompile_messages() {
  std::vector<sdk::KnownMessage> all;
  static const std::vector<std::string>& patterns = *new std::vector<std::string>([] {
    std::vector<std::string> texts;
    for (const Status& s : statuses()) texts.push_back("^axcompile status: " + std::string(s.word));
    return texts;
  }());
  for (size_t i = 0; i < patterns.size(); ++i) all.push_back({patterns[i].c_str(), LATHE_FAILED, statuses()[i].sentence, statuses()[i].hint});
  all.push_back({"^axcompile status: (.*)", LATHE_FAILED, "axcompile ended with a status that is not known here: $1", "report it with the log"});
  all.push_back({"^axcompile report: (.*)", LATHE_FAILED, "axcompile left no report that can be read: $1",
                 "it may have ended early; the log's last lines say where"});
  all.push_back({"^axcompile result: 0 .axm files", LATHE_FAILED, "axcompile succeeded and wrote no .axm file",
                 "older versions of the SDK write a folder: --option result=folder"});
  all.push_back({"^axcompile result: ([0-9]+ .axm files)", LATHE_FAILED, "axcompile left $1 instead of one", "report it with the log"});
  all.push_back({"^axcompile result: no (.*)", LATHE_FAILED, "axcompile succeeded and left no $1",
                 "newer versions of the SDK write a single file: --option result=axm"});
  all.push_back({"^axelera-devkit: none", LATHE_OK,
                 "the version of the Voyager SDK cannot be told: the Python beside axcompile has no axelera-devkit",
                 "--option environment=FOLDER names the virtual environment that has both"});
  all.push_back({"^axelera-devkit (.*): does not serve", LATHE_UNSUPPORTED, "axelera-devkit $1 does not serve here", "Voyager SDK 1.5 to 1.8 do"});
  all.push_back({"^axelera-rt (.*): axelera-devkit is (.*)", LATHE_UNSUPPORTED,
                 "axelera-rt $1 and axelera-devkit $2 are of different versions of the SDK",
                 "install both of one version, in a virtual environment of their own"});
  all.push_back({"^board (.*): axelera-devkit is (.*)", LATHE_UNSUPPORTED,
                 "the board's runtime is of the Voyager SDK $1, and axelera-devkit $2 compiles for that of its own version",
                 "compile with the SDK of the board, or update the board's runtime and driver"});
  all.push_back({"^(python|torch) (.*): beside (axelera-devkit .*)", LATHE_OK, "$1 $2 is not among those that $3 is made for",
                 "Python 3.10 to 3.13 (3.10 for SDK 1.5); torch 2.8 to 2.12 for SDK 1.8"});
  all.push_back({"unrecognized arguments: (.+)", LATHE_UNSUPPORTED, "this version of axcompile does not know the arguments $1",
                 "Voyager SDK 1.6 to 1.8 are known to serve"});
  all.push_back({"^Killed$", LATHE_BUDGET, "axcompile was killed, mostly because memory ran out", "a machine with more memory"});
  all.push_back({"(No module named .*)", LATHE_UNSUPPORTED, "the Python that axcompile runs in is incomplete: $1",
                 "axelera-devkit wants a virtual environment of its own; name "
                 "it with --option environment=FOLDER"});
  all.push_back({"([Rr]andom (calibration|data|numbers|input).*)", LATHE_FAILED, "axcompile is about to calibrate with random numbers: $1",
                 "it does not see calibration/ beside the model; report it "
                 "with the log"});
  return all;
}

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "AXELERA";
  info.devices = {{"METIS", "Metis AIPU, by axcompile of the Voyager SDK 1.5 to 1.8", {"int8"}}};
  info.emits = {"model", "bundle"};
  info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_NEEDS_CALIBRATION | LATHE_BACKEND_QUANTISES_ITSELF | LATHE_BACKEND_REST_ON_HOST |
               LATHE_BACKEND_CUTS_HEADS;
  info.opset_lowest = 14, info.opset_highest = 17;
  info.calibration_lowest = 1, info.calibration_wanted = 100;
  info.options = {
      {"result",
       LATHE_OPTION_CHOICE,
       "axm",
       "What axcompile is asked for: one .axm file, or the folder "
       "compiled_model/, packed.",
       {"axm", "folder"}},
      {"cores", LATHE_OPTION_INT, "1", "How many of the four cores the program uses, 1 to 4."},
      {"scheme",
       LATHE_OPTION_CHOICE,
       "auto",
       "How ranges are told: auto is per_tensor_min_max for models with "
       "attention, else as axcompile chooses.",
       {"auto", "per_tensor_histogram", "per_tensor_min_max", "hybrid_per_tensor_per_channel"}},
      {"tiling-depth", LATHE_OPTION_INT, "0",
       "Layers that are computed tile by tile together; 1: off, 6 is common, "
       "0: as axcompile chooses."},
      {"resources", LATHE_OPTION_FLOAT, "0",
       "Share of the device's memory, a multiple of 0.25; 0: as axcompile "
       "chooses."},
      {"sdk",
       LATHE_OPTION_CHOICE,
       "auto",
       "Which version of the Voyager SDK it is, 1.6 standing for later ones: keys of its configuration were renamed. auto: asked of axelera-devkit.",
       {"auto", "1.5", "1.6"}},
      {"runtime-version", LATHE_OPTION_STRING, "", "Version of the Voyager SDK on the board: an SDK of another one is refused."},
      {"compiler", LATHE_OPTION_PATH, "", "axcompile, or the folder it lies in; looked for when empty."},
      {"environment", LATHE_OPTION_PATH, "", "The Python virtual environment that axelera-devkit is installed in."},
      {"container", LATHE_OPTION_STRING, "", "A container image that has axcompile."},
  };
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request)
    : host_(host), stem_(request.stem), bundle_(request.emit == "bundle"), preprocessing_(request.preprocessing), calibration_(request.calibration) {
  const sdk::Settings& s = request.settings;
  compiler_ = s.text("compiler"), environment_ = s.text("environment"), container_ = s.text("container");
  config_.scheme = s.text("scheme");
  config_.cores = s.integer("cores");
  config_.tiling_depth = s.integer("tiling-depth");
  config_.resources = s.real("resources");
  config_.single_file = s.text("result") == "axm";
  sdk_ = s.text("sdk"), board_ = s.text("runtime-version");
  if (!board_.empty()) {
    const std::string version = sdk::ToolVersion::parse(board_).text();
    if (version.empty()) throw sdk::Failure(LATHE_USAGE, "runtime-version is a version like 1.6, not '" + board_ + "'");
    board_ = version;
  }
  if (config_.cores < 1 || config_.cores > 4) throw sdk::Failure(LATHE_USAGE, "the option 'cores' is 1 to 4: METIS has four");
  if (config_.tiling_depth < 0) throw sdk::Failure(LATHE_USAGE, "the option 'tiling-depth' cannot be negative");
  if (config_.resources < 0 || config_.resources > 1 || std::fmod(config_.resources, 0.25) != 0)
    throw sdk::Failure(LATHE_USAGE, "the option 'resources' is 0.25, 0.5, 0.75 or 1");
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  std::vector<std::string> reasons = sdk::objections(rules(), graph);
  if (const std::string whole = obstacle(graph); !whole.empty()) reasons.assign(graph.node_count(), whole);
  sdk::begin_at_inputs(graph, reasons, "axcompile's part has to begin at the model's picture, for pictures are what it calibrates with");
  for (const sdk::NodeView node : graph.nodes()) {
    if (reasons[node.index()].empty())
      verdicts.take(node);
    else
      verdicts.refuse(node, reasons[node.index()]);
  }
}

void Backend::prepare(const sdk::GraphView& graph, const std::string& folder, sdk::ToolPlan& plan) const {
  if (const std::string whole = obstacle(graph); !whole.empty()) throw sdk::Failure(LATHE_UNSUPPORTED, whole);
  const sdk::ValueView input = inputs_of(graph).front();
  const sdk::CalibrationData data = sdk::calibration_data(preprocessing_, calibration_, graph);
  if (!data.has_pictures()) {
    sdk::Diagnostic d;
    d.text = "axcompile calibrates with pictures, and there are none for '" + std::string(input.name()) + "'";
    d.found = preprocessing_ ? "calibration data that are no pictures" : "an input that takes no picture";
    d.hint =
        "give a folder of pictures with --calibration; the part that "
        "axcompile compiles has to begin at the model's picture";
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  Config config = config_;
  if (config.scheme == "auto") {
    bool attention = false;
    for (const sdk::NodeView node : graph.nodes()) attention = attention || node.is("MatMul");
    config.scheme = attention ? "per_tensor_min_max" : "";
  }
  sdk::write_model(host_, graph, "onnx", folder + "/model.onnx");
  sdk::write_calibration_pictures(data, folder + "/calibration");
  sdk::write_text_file(folder + "/prep.py", transform_script(*preprocessing_));
  sdk::write_text_file(folder + "/conf.json", config_json(config, sdk_ != "1.5"));
  if (sdk_ == "auto") sdk::write_text_file(folder + "/conf_old.json", config_json(config, false));
  sdk::write_text_file(folder + "/check.py", check_script(board_));
  sdk::write_text_file(folder + "/pack.py", pack_script(config.single_file));
  std::string shape;
  for (const int64_t d : input.shape()) shape += (shape.empty() ? "" : ",") + std::to_string(d);
  // Relative names throughout: an absolute output path is known to break what
  // is written. The pictures are always given: without them axcompile takes
  // random numbers and says nothing.
  sdk::ToolRun check, compile;
  check.program = "python3";
  check.arguments = {"check.py"};
  check.messages = axcompile_messages();
  compile.arguments = {"-i",
                       "model.onnx",
                       "-o",
                       "out",
                       "--conf",
                       "conf.json",
                       "--imageset",
                       "calibration",
                       "--transform",
                       "prep.py:get_preprocess_transform",
                       "--input-shape",
                       shape,
                       "--color-format",
                       preprocessing_->channels == 1 ? "GRAY" : (preprocessing_->bgr ? "BGR" : "RGB"),
                       "--input-data-layout",
                       preprocessing_->channels_last ? "NHWC" : "NCHW",
                       "--imreader-backend",
                       "PIL",
                       "--aipu-cores",
                       std::to_string(config.cores)};
  compile.environment = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python"};
  compile.messages = axcompile_messages();
  compile.milestones = {{"([0-9]+)%", "axcompile: $1 %"}, {"(Quantiz[a-z]+|Calibrat[a-z]+|Lower[a-z]+|Compil[a-z]+)", "axcompile: $1"}};
  compile.good_exit_codes = {0, 1, 2};  // its report decides
  compile.inputs = {"model.onnx", "conf.json", "prep.py"};
  compile.log_files = {"out/compilation_log.txt"};
  sdk::ToolRun pack;
  pack.program = "python3";
  pack.arguments = {"pack.py"};
  pack.messages = axcompile_messages();
  pack.wanted_files = {artifact_name(config.single_file)};
  plan.tool = axcompile();
  plan.runs = {std::move(check), std::move(compile), std::move(pack)};
  plan.artifact = artifact_name(config.single_file);
  plan.target = "axelera:metis";
}

void Backend::judge(const sdk::GraphView& graph, std::string_view bytes, const std::string& path) const {
  if (config_.single_file) return;  // an .axm file's inside is not public: the report is all there is
  const Manifest manifest = read_packed(bytes, path).manifest;
  const auto hold = [&](const char* what, const std::vector<std::vector<int64_t>>& found, const std::vector<std::vector<int64_t>>& wanted) {
    if (found.empty()) return;
    std::vector<std::vector<int64_t>> a, b;
    for (const auto& shape : found) a.push_back(without_ones(shape));
    for (const auto& shape : wanted) b.push_back(without_ones(shape));
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    if (a != b)
      throw sdk::Failure(LATHE_FAILED,
                         std::string("axcompile compiled another model: its ") + what + " have other shapes than those that were asked for");
  };
  std::vector<std::vector<int64_t>> inputs, outputs;
  for (const sdk::ValueView& v : inputs_of(graph)) inputs.push_back(v.shape());
  for (const uint32_t i : graph.outputs()) outputs.push_back(graph.value(i).shape());
  hold("inputs", manifest.original_inputs, inputs);
  if (manifest.before.empty() && manifest.after.empty()) hold("outputs", manifest.original_outputs, outputs);
  if (!manifest.before.empty()) host_.warn("a part before the device's program runs on the host: " + manifest.before);
  if (!manifest.after.empty()) host_.warn("a part after the device's program runs on the host: " + manifest.after);
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  std::optional<sdk::Tool> tool;
  if (!bundle_) tool = sdk::require_tool(axcompile(), {compiler_, environment_, container_}, true);
  const sdk::ScratchFolder scratch;
  const std::string folder = bundle_ ? output.directory() : scratch.path();
  sdk::ToolPlan plan;
  prepare(graph, folder, plan);
  if (bundle_) return sdk::write_bundle(host_, plan, output);
  version_ = devkit_version(sdk::run_plan(host_, *tool, plan, folder).front());
  const sdk::MappedFile file(folder + "/" + plan.artifact);
  judge(graph, file.bytes(), file.path());
  const std::string name = stem_ + (config_.single_file ? ".axm" : ".zip");
  output.write(name, file.bytes());
  output.artifact(name);
  // The drivers that are known to belong to a release.
  const std::string release = version_.substr(0, version_.find('.', version_.find('.') + 1));
  const std::string driver = release == "1.6" ? "metis-dkms 1.4.16" : release == "1.8" ? "metis-dkms 1.6.2 or newer" : "metis-dkms";
  host_.note("the file runs on the runtime (axelera-rt) and the driver (" + driver + ") of the SDK that compiled it" +
             (version_.empty() ? "" : ", " + version_));
}

void Backend::fingerprint(const sdk::Facts& facts) const {
  if (!version_.empty()) {
    facts("axelera-devkit", version_);
    facts("runtime", "axelera-rt " + version_);
  } else if (sdk_ != "auto")
    facts("axcompile", "Voyager SDK " + sdk_);
}

}  // namespace lathe::axelera
