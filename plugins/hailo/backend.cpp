// Claiming, preparing, running, judging.
#include "backend.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <lathe/calibration_files.hpp>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>
#include <lathe/texts.hpp>
#include <map>

#include "rules.hpp"

namespace lathe::hailo {
namespace {

// The folder's absolute path; it is made where it is not there.
std::string kept_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    throw sdk::Failure(LATHE_FAILED, "the folder '" + path + "' cannot be made: " + std::strerror(errno));
  char* real = ::realpath(path.c_str(), nullptr);
  if (!real) throw sdk::Failure(LATHE_FAILED, "'" + path + "' is no folder: " + std::strerror(errno));
  const std::string absolute = real;
  std::free(real);
  return absolute;
}

std::vector<Border> borders(const sdk::GraphView& graph, sdk::Span<const uint32_t> values) {
  std::vector<Border> all;
  for (const uint32_t index : values) {
    const sdk::ValueView value = graph.value(index);
    if (value.is_constant()) continue;
    const uint32_t producer = value.producer();
    all.push_back({std::string(value.name()), producer == LATHE_NONE ? std::string() : std::string(graph.node(producer).name()), value.shape()});
  }
  return all;
}

}  // namespace

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "HAILORT";
  info.devices = {{"HAILO8", "Hailo-8, 26 TOPS", {"int8"}}, {"HAILO8L", "Hailo-8L, 13 TOPS", {"int8"}}};
  info.emits = {"model", "bundle"};
  info.aliases = {"hailort"};
  info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_NEEDS_CALIBRATION | LATHE_BACKEND_QUANTISES_ITSELF | LATHE_BACKEND_REST_ON_HOST |
               LATHE_BACKEND_CUTS_HEADS;
  info.opset_lowest = 11, info.opset_highest = 17;
  info.calibration_lowest = 64, info.calibration_wanted = 1024;
  info.options = {{"compiler", LATHE_OPTION_PATH, "", "The Dataflow Compiler's program hailo, or the folder it lies in; looked for when empty."},
                  {"environment", LATHE_OPTION_PATH, "", "A Python virtual environment that has the Dataflow Compiler."},
                  {"container", LATHE_OPTION_STRING, "", "A container image that has the Dataflow Compiler, run through docker or podman."},
                  {"work", LATHE_OPTION_PATH, "", "A folder that is kept: the compiler's files and logs, and steps that were done are not repeated."},
                  {"optimization-level", LATHE_OPTION_INT, "1",
                   "How long the compiler works on accuracy, 0 to 4; 2 and more want a graphics card and 1024 pictures."},
                  {"compression-level", LATHE_OPTION_INT, "0", "How much of the weights goes to 4 bits, 0 (none) to 5."},
                  {"effort", LATHE_OPTION_CHOICE, "default", "How long the compiler looks for a placement on the chip.", {"default", "highest"}},
                  {"output-bits", LATHE_OPTION_CHOICE, "8", "Bits of the chip's outputs.", {"8", "16"}},
                  {"nms",
                   LATHE_OPTION_CHOICE,
                   "off",
                   "Who suppresses boxes of YOLOv8-like heads: the package's own last stage (off), or HailoRT.",
                   {"off", "hailort"}},
                  {"nms-score", LATHE_OPTION_FLOAT, "0.25", "nms=hailort: lowest score of a box."},
                  {"nms-iou", LATHE_OPTION_FLOAT, "0.7", "nms=hailort: boxes of a class that overlap more are suppressed."},
                  {"nms-boxes", LATHE_OPTION_INT, "100", "nms=hailort: most boxes of a class."},
                  {"script", LATHE_OPTION_PATH, "", "A file with lines of one's own for the end of the model script."}};
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request)
    : host_(host), device_(request.device), stem_(request.stem), preprocessing_(request.preprocessing), calibration_(request.calibration) {
  const sdk::Settings& s = request.settings;
  compiler_ = s.text("compiler"), environment_ = s.text("environment"), container_ = s.text("container");
  work_ = s.text("work"), script_file_ = s.text("script");
  bundle_ = request.emit == "bundle";
  suppress_ = s.text("nms") == "hailort";
  script_.optimization_level = sdk::integer_between(s, "optimization-level", 0, 4);
  script_.compression_level = sdk::integer_between(s, "compression-level", 0, 5);
  script_.highest_effort = s.text("effort") == "highest";
  script_.wide_outputs = s.text("output-bits") == "16";
  suppressing_.score_threshold = s.real("nms-score"), suppressing_.iou_threshold = s.real("nms-iou");
  suppressing_.most_per_class = sdk::integer_between(s, "nms-boxes", 1, 10000);
  for (const auto& [name, value] : {std::pair("nms-score", suppressing_.score_threshold), std::pair("nms-iou", suppressing_.iou_threshold)})
    if (!(value >= 0 && value <= 1)) throw sdk::Failure(LATHE_USAGE, std::string(name) + " is 0 to 1");
  if (!script_file_.empty()) script_.more = sdk::read_text_file(script_file_);
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  const std::vector<std::string> reasons = sdk::objections(rules(), graph);
  for (const sdk::NodeView node : graph.nodes()) {
    const std::string& reason = reasons[node.index()];
    if (!reason.empty()) {
      verdicts.refuse(node, reason);
      continue;
    }
    if (const std::string bad = unfinite_parameter(node); !bad.empty())
      node.fail("its parameter '" + bad + "' holds NaN or infinity, which no quantisation survives",
                "look for a dead layer, or export the model again", LATHE_FAILED);
    verdicts.take(node);
  }
}

Suppressing Backend::suppression(const Expected& expected) const {
  Suppressing s = suppressing_;
  s.network = network_name(stem_);
  s.height = expected.inputs[0].shape[2], s.width = expected.inputs[0].shape[3];
  // Pairs of one scale: boxes have four times the bins, which is the same at every scale as is the number of classes.
  std::map<int64_t, std::vector<const Border*>, std::greater<>> scales;  // by width, finest first
  for (const Border& b : expected.outputs)
    if (b.shape.size() == 4) scales[b.shape[3]].push_back(&b);
  const char* const what = "nms=hailort knows heads that end in one convolution for boxes and one for scores at each scale (YOLOv8, YOLO11)";
  const char* const hint = "leave suppression to the package's last stage: --option nms=off";
  for (const auto& [width, pair] : scales) {
    if (pair.size() != 2 || s.width % width != 0) throw sdk::Failure(LATHE_UNSUPPORTED, what, hint);
    Decoder d;
    d.stride = s.width / width;
    d.boxes = pair[0]->node, d.box_features = pair[0]->shape[1], d.scores = pair[1]->node, d.score_features = pair[1]->shape[1];
    s.box_length = s.decoders.empty() ? d.box_features / 4 : s.box_length, s.classes = s.decoders.empty() ? d.score_features : s.classes;
    if (d.box_features != 4 * s.box_length || d.score_features != s.classes) throw sdk::Failure(LATHE_UNSUPPORTED, what, hint);
    s.decoders.push_back(d);
  }
  if (s.decoders.empty() || 2 * s.decoders.size() != expected.outputs.size()) throw sdk::Failure(LATHE_UNSUPPORTED, what, hint);
  return s;
}

Backend::Prepared Backend::prepare(const sdk::GraphView& graph, const std::string& folder) {
  Prepared prepared;
  Expected& expected = prepared.expected;
  expected.device = device_, expected.inputs = borders(graph, graph.inputs()), expected.outputs = borders(graph, graph.outputs());
  if (expected.inputs.size() != 1 || expected.inputs[0].shape.size() != 4)
    throw sdk::Failure(LATHE_UNSUPPORTED, "calibration data are for one picture-like input, and the part of the model for the chip has " +
                                              std::to_string(expected.inputs.size()) + " inputs");
  if (preprocessing_ && preprocessing_->channels_last)
    throw sdk::Failure(LATHE_UNSUPPORTED, "the Dataflow Compiler takes models whose input has its channels before rows and columns",
                       "leave out --layout NHWC");
  if (!calibration_ || calibration_->count == 0)
    throw sdk::Failure(LATHE_USAGE, "the Dataflow Compiler quantises with calibration data, and none were given",
                       "--calibration names a folder of pictures");
  Order order;
  order.device = device_, order.suppress = suppress_;
  order.files.network = network_name(stem_);
  std::vector<uint32_t> inputs(graph.inputs().begin(), graph.inputs().end());
  for (const sdk::NodeView node : graph.nodes())
    for (const uint32_t value : node.inputs())
      if (std::find(inputs.begin(), inputs.end(), value) != inputs.end() && (order.start_nodes.empty() || order.start_nodes.back() != node.name()))
        order.start_nodes.emplace_back(node.name());
  for (const Border& b : expected.outputs)
    if (std::find(order.end_nodes.begin(), order.end_nodes.end(), b.node) == order.end_nodes.end()) order.end_nodes.push_back(b.node);

  host_.progress("writing the model for the compiler", 0);
  sdk::write_model(host_, graph, "onnx", folder + "/" + order.files.model);
  host_.progress("writing calibration data", 0);
  using Form = sdk::CalibrationForm;
  const sdk::CalibrationData data = sdk::calibration_data(preprocessing_, calibration_, graph);
  const Form form = {takes_pixels() ? Form::Values::pixels : Form::Values::finished, Form::Layout::channels_last};
  Script script = script_;
  script.calibration_count = sdk::write_calibration_array(data, form, folder + "/" + order.files.calibration);
  if (takes_pixels())
    for (int64_t c = 0; c < preprocessing_->channels; ++c) {
      script.mean.push_back(preprocessing_->mean[c]);
      script.deviation.push_back(1 / preprocessing_->scale[c]);
    }
  sdk::write_text_file(folder + "/" + order.files.script, script_text(script));
  if (suppress_) {
    const Suppressing s = suppression(expected);
    expected.classes = s.classes;
    host_.note("HailoRT decodes and suppresses the boxes of this HEF: a program that asks it for boxes needs no further stage of the package");
    sdk::write_text_file(folder + "/suppression.json", suppression_text(s));
    sdk::write_text_file(folder + "/name_layers.py", sdk::read_text_file(host_.plugin_directory() + "/hailo/name_layers.py"));
  }
  prepared.plan = plan(order);
  return prepared;
}

bool Backend::takes_pixels() const { return preprocessing_ && calibration_ && calibration_->read_picture; }

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  if (bundle_) {
    const Prepared prepared = prepare(graph, output.directory());
    sdk::write_bundle(host_, prepared.plan, output);
    return;
  }
  const sdk::Tool tool = sdk::require_tool(dataflow_compiler(), {compiler_, environment_, container_}, true);
  version_ = tool.version.text();
  const sdk::ScratchFolder scratch;
  const std::string folder = work_.empty() ? scratch.path() : kept_folder(work_);
  Prepared prepared = prepare(graph, folder);
  prepared.plan.resume = !work_.empty();
  sdk::run_plan(host_, tool, prepared.plan, folder);
  host_.progress("reading the HEF back", 1);
  const sdk::MappedFile file(folder + "/" + prepared.plan.artifact);
  const Hef hef = read_hef(file.bytes(), file.path());
  for (const Binding& b : judge(host_, hef, prepared.expected)) output.bind(b.tensor, b.stream);
  const std::string name = stem_ + ".hef";
  output.write(name, file.bytes());
  output.artifact(name);
}

void Backend::fingerprint(const sdk::Facts& fact) {
  if (!version_.empty()) fact("dataflow-compiler", version_);
  if (takes_pixels()) fact("input", "pixels");
  if (suppress_) fact("postprocess", "DetectionYoloHailo");
}

}  // namespace lathe::hailo
