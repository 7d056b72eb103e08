// Claiming, preparing, running, judging.
#include "backend.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <lathe/calibration_files.hpp>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>
#include <lathe/texts.hpp>
#include <map>

#include "rules.hpp"

namespace lathe::rknn {
namespace {

std::vector<Border> borders(const sdk::GraphView& graph, sdk::Span<const uint32_t> values) {
  std::vector<Border> all;
  for (const uint32_t index : values) {
    const sdk::ValueView value = graph.value(index);
    if (!value.is_constant()) all.push_back({std::string(value.name()), value.shape()});
  }
  return all;
}

// 1 / scale, which was rounded to float32, as the whole number it mostly was.
double reciprocal(float scale) {
  const double exact = 1.0 / static_cast<double>(scale), whole = std::round(exact * 1000) / 1000;
  return std::fabs(whole - exact) <= 1e-6 * std::fabs(exact) ? whole : exact;
}

}  // namespace

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "RKNN";
  info.devices = {{"RK3566", "RK3566, about 1 TOPS; takes the same files as RK3568", {"float16", "int8"}},
                  {"RK3568", "RK3568, about 1 TOPS; takes the same files as RK3566", {"float16", "int8"}},
                  {"RK3588", "RK3588, 6 TOPS, three cores", {"float16", "int8"}}};
  info.emits = {"model", "bundle"};
  info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_QUANTISES_ITSELF | LATHE_BACKEND_REST_ON_HOST | LATHE_BACKEND_CUTS_HEADS;
  info.opset_lowest = 12, info.opset_highest = 19;
  info.calibration_lowest = 20, info.calibration_wanted = 100;
  info.options = {{"python", LATHE_OPTION_PATH, "", "A Python that has rknn-toolkit2, or the folder it lies in; looked for when empty."},
                  {"environment", LATHE_OPTION_PATH, "", "A Python virtual environment that has rknn-toolkit2."},
                  {"container", LATHE_OPTION_STRING, "", "A container image that has rknn-toolkit2, run through docker or podman."},
                  {"opset", LATHE_OPTION_INT, "19", "ONNX's opset the model is handed over at, 12 to 19; old releases of rknn-toolkit2 want 12."},
                  {"algorithm",
                   LATHE_OPTION_CHOICE,
                   "normal",
                   "int8: how ranges are found; mmse is slow and wants 20 to 50 pictures.",
                   {"normal", "mmse", "kl_divergence"}},
                  {"method", LATHE_OPTION_CHOICE, "channel", "int8: one scale per channel of the weights, or per layer.", {"channel", "layer"}},
                  {"optimization-level", LATHE_OPTION_INT, "3", "What rknn-toolkit2 does to the graph, 0 (least) to 3."},
                  {"runtime-version", LATHE_OPTION_STRING, "", "Version of librknnrt on the board: a file that it cannot load is refused."}};
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request)
    : host_(host),
      device_(request.device),
      stem_(request.stem),
      quantised_(request.precision == "int8"),
      bundle_(request.emit == "bundle"),
      preprocessing_(request.preprocessing),
      calibration_(request.calibration) {
  const sdk::Settings& s = request.settings;
  place_ = {std::string(s.text("python")), std::string(s.text("environment")), std::string(s.text("container"))};
  algorithm_ = s.text("algorithm"), method_ = s.text("method"), runtime_ = s.text("runtime-version");
  optimization_level_ = s.integer("optimization-level");
  if (optimization_level_ < 0 || optimization_level_ > 3)
    throw sdk::Failure(LATHE_USAGE, "optimization-level is 0 to 3, not " + std::to_string(optimization_level_));
  const int64_t opset = s.integer("opset");
  if (opset < 12 || opset > 19) throw sdk::Failure(LATHE_USAGE, "opset is 12 to 19, not " + std::to_string(opset));
  if (!runtime_.empty() && sdk::ToolVersion::parse(runtime_).empty())
    throw sdk::Failure(LATHE_USAGE, "runtime-version is a version like 2.3.2, not '" + runtime_ + "'");
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  if (preprocessing_ && preprocessing_->channels_last)
    throw sdk::Failure(LATHE_UNSUPPORTED, "rknn-toolkit2 takes models whose input has its channels before rows and columns",
                       "leave out --layout NHWC");
  const std::vector<std::string> reasons = sdk::objections(rules(device_, quantised_), graph);
  std::map<std::string, std::vector<std::string>> slow;  // why, and what
  for (const sdk::NodeView node : graph.nodes()) {
    const std::string& reason = reasons[node.index()];
    reason.empty() ? verdicts.take(node) : verdicts.refuse(node, reason);
    if (!reason.empty()) continue;
    if (const std::string why = on_processor(device_, graph, node); !why.empty()) slow[why].emplace_back(node.name());
  }
  for (const auto& [why, nodes] : slow) {
    std::string list;
    for (size_t i = 0; i < nodes.size() && i < 4; ++i) list += (i ? ", '" : "'") + nodes[i] + "'";
    if (nodes.size() > 4) list += " and " + std::to_string(nodes.size() - 4) + " more";
    host_.warn(why + ", so these run on the board's processor: " + list);
  }
}

bool Backend::takes_pixels() const {
  return preprocessing_ && preprocessing_->channels <= 4 && (!calibration_ || calibration_->count == 0 || calibration_->read_picture);
}

std::vector<std::vector<std::string>> Backend::write_calibration(const sdk::GraphView& graph, const std::string& folder, size_t inputs) {
  std::vector<std::vector<std::string>> samples;
  for (size_t i = 0; i < inputs; ++i) {
    const sdk::CalibrationData data = sdk::calibration_data(preprocessing_, calibration_, graph, static_cast<uint32_t>(i));
    const std::string name = "calibration" + (i ? std::to_string(i + 1) : std::string());
    using Form = sdk::CalibrationForm;
    const bool pixels = takes_pixels() && data.has_pictures();
    // PNG where the toolkit surely reads it; arrays have the model's own layout.
    const std::vector<std::string> files =
        pixels && pictures_as_png()
            ? sdk::write_calibration_pictures(data, folder + "/" + name)
            : sdk::write_calibration_arrays(data, {pixels ? Form::Values::pixels : Form::Values::finished}, folder + "/" + name);
    samples.resize(files.size());
    for (size_t j = 0; j < files.size(); ++j) samples[j].push_back(name + "/" + files[j]);
  }
  return samples;
}

sdk::ToolPlan Backend::prepare(const sdk::GraphView& graph, const std::string& folder, const Expected& expected) {
  if (quantised_ && preprocessing_ && !takes_pixels())
    throw sdk::Failure(
        LATHE_USAGE, "the calibration data are finished numbers for an input that takes pictures: quantised so, an input of 0 to 1 becomes all zeros",
        "--calibration with pictures puts mean and scale into the file");
  Order order;
  order.device = device_, order.quantised = quantised_, order.algorithm = algorithm_, order.method = method_;
  order.optimization_level = optimization_level_;
  order.blue_first = quantised_ && pictures_as_png() && preprocessing_->bgr != 0;
  order.remark = stem_;
  for (size_t i = 0; i < expected.inputs.size(); ++i) {
    const Border& input = expected.inputs[i];
    order.inputs.push_back(input.name), order.shapes.push_back(input.shape);
    // Always said, never left to the toolkit's defaults: (x - mean) / std is the whole of what happens to an input.
    const size_t channels = input.shape.size() > 1 ? static_cast<size_t>(std::min<int64_t>(input.shape[1], 4)) : 1;
    std::vector<double> mean(channels, 0), spread(channels, 1);
    if (takes_pixels() && preprocessing_->input == i)
      for (size_t c = 0; c < channels; ++c) mean[c] = preprocessing_->mean[c], spread[c] = reciprocal(preprocessing_->scale[c]);
    order.mean.push_back(std::move(mean)), order.spread.push_back(std::move(spread));
  }
  for (const Border& output : expected.outputs) order.outputs.push_back(output.name);

  host_.progress("writing the model for rknn-toolkit2", 0);
  sdk::write_model(host_, graph, "onnx", folder + "/" + model_file);
  if (quantised_) {
    host_.progress("writing calibration data", 0);
    order.samples = write_calibration(graph, folder, expected.inputs.size());
    if (algorithm_ == "mmse" && order.samples.size() > 50)
      host_.warn("the algorithm mmse is slow: 20 to 50 pictures serve it, and there are " + std::to_string(order.samples.size()));
  }
  sdk::write_text_file(folder + "/" + order_file, order_text(order));
  sdk::write_text_file(folder + "/" + program_file, sdk::read_text_file(host_.plugin_directory() + "/rknn/" + program_file,
                                                                        "install the plugin again: the file belongs beside it"));
  return plan(device_);
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  const Expected expected = {device_, quantised_, borders(graph, graph.inputs()), borders(graph, graph.outputs())};
  if (bundle_) {
    sdk::write_bundle(host_, prepare(graph, output.directory(), expected), output);
    return;
  }
  const sdk::Tool tool = require_toolkit(place_);
  version_ = tool.version.text();
  const sdk::ScratchFolder scratch;
  sdk::run_plan(host_, tool, prepare(graph, scratch.path(), expected), scratch.path());

  host_.progress("reading the file back", 1);
  const sdk::MappedFile mapped(scratch.path() + "/" + artifact_file);
  const File file = read_file(mapped.bytes(), mapped.path());
  for (const Binding& b : judge(file, expected, mapped.path())) output.bind(b.tensor, b.own);
  container_ = file.version;
  const std::string lowest = runtime_for(file.version);
  if (!runtime_.empty() && sdk::ToolVersion::parse(runtime_).compare(sdk::ToolVersion::parse(lowest)) < 0) {
    sdk::Diagnostic d;
    d.text = "the board's runtime is too old for the file that rknn-toolkit2 " + version_ + " writes";
    d.expected = "librknnrt " + lowest + " or later", d.found = runtime_;
    d.hint = "update librknnrt on the board, or compile with an older rknn-toolkit2";
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  if (!file.whole_on_npu) host_.warn("parts of the network run on the board's processor, not on the NPU");
  const std::string name = stem_ + ".rknn";
  output.write(name, mapped.bytes());
  output.artifact(name);
}

void Backend::fingerprint(const sdk::Facts& fact) {
  if (!version_.empty()) fact("rknn-toolkit2", version_);
  if (container_ != 0) fact("container", std::to_string(container_)), fact("lowest-runtime", "librknnrt " + runtime_for(container_));
  if (takes_pixels()) fact("input", "pixels"), fact("input-layout", "NHWC");
}

std::vector<Binding> judge(const File& file, const Expected& expected, const std::string& path) {
  const auto differs = [&](std::string text, std::string wanted, std::string found) {
    sdk::Diagnostic d;
    d.text = "rknn-toolkit2 wrote another file than it was asked for: " + std::move(text);
    d.location = path;
    d.expected = std::move(wanted), d.found = std::move(found);
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  };
  if (!serves(file.target, expected.device)) differs("it is for another chip", expected.device, file.target.empty() ? "none" : file.target);
  std::vector<Binding> bindings;
  const auto hold = [&](const char* what, const std::vector<Border>& wanted, const std::vector<TensorInfo>& found) {
    if (wanted.size() != found.size())
      differs(std::string("the number of its ") + what + "s", std::to_string(wanted.size()), std::to_string(found.size()));
    for (size_t i = 0; i < wanted.size(); ++i) {
      // By name where the name is there, else by place.
      auto own = std::find_if(found.begin(), found.end(), [&](const TensorInfo& t) { return t.name == wanted[i].name; });
      if (own == found.end()) own = found.begin() + static_cast<std::ptrdiff_t>(i);
      if (own->shape != wanted[i].shape)
        differs(std::string("the shape of its ") + what + " '" + own->name + "'", sdk::shape_text(wanted[i].shape), sdk::shape_text(own->shape));
      const bool integers = own->type.rfind("int8", 0) == 0;
      // A quantised network may leave its last operators, and so an output, in float16.
      if (!own->type.empty() && integers != expected.quantised && (integers || what == std::string_view("input")))
        differs(std::string("the type of its ") + what + " '" + own->name + "'", expected.quantised ? "int8" : "float16", own->type);
      if (own->name != wanted[i].name) bindings.push_back({wanted[i].name, own->name});
    }
  };
  hold("input", expected.inputs, file.inputs);
  hold("output", expected.outputs, file.outputs);
  return bindings;
}

}  // namespace lathe::rknn
