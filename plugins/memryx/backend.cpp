// Claiming, preparing, running, judging.
#include "backend.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <lathe/mapped_file.hpp>
#include <lathe/models.hpp>
#include <lathe/texts.hpp>

#include "rules.hpp"

namespace lathe::memryx {
namespace {

// Of a chip: 10.5 MB of weights of 8 bits, 5 MB of feature maps of 16 bits, so half as many elements.
constexpr uint64_t chips_of_a_module = 4, weights_of_a_chip = 10500000, features_of_a_chip = 5000000 / 2;

std::vector<Tensor> tensors(const sdk::GraphView& graph, sdk::Span<const uint32_t> values) {
  std::vector<Tensor> all;
  for (const uint32_t index : values) {
    const sdk::ValueView value = graph.value(index);
    if (!value.is_constant()) all.push_back({std::string(value.name()), value.shape()});
  }
  return all;
}

// The extents that are more than 1, in order of size: ports are height x width x depth x channels, tensors have any order of axes.
std::vector<int64_t> extents(std::vector<int64_t> shape) {
  shape.erase(std::remove(shape.begin(), shape.end(), 1), shape.end());
  std::sort(shape.begin(), shape.end());
  return shape;
}

uint64_t weights_of(const sdk::GraphView& graph) {
  uint64_t count = 0;
  for (const sdk::ValueView value : graph.values())
    if (const auto constant = value.constant(); constant && constant->type() == LATHE_FLOAT32) count += static_cast<uint64_t>(constant->size());
  return count;
}

// "2.2" of "2.2.5": DFPs of one serve runtimes of the same.
std::string release(const sdk::ToolVersion& version) {
  const std::string all = version.text();
  const size_t first = all.find('.'), second = first == std::string::npos ? first : all.find('.', first + 1);
  return all.substr(0, second);
}

}  // namespace

sdk::BackendInfo Backend::info() {
  sdk::BackendInfo info;
  info.runtime = "MEMRYX";
  info.devices = {
      {"MX3", "MemryX MX3, a module of four chips", {"bfloat16"}, chips_of_a_module * weights_of_a_chip, chips_of_a_module * features_of_a_chip}};
  info.emits = {"model", "bundle"};
  info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_REST_ON_HOST | LATHE_BACKEND_CUTS_HEADS;
  info.opset_lowest = 11, info.opset_highest = 17;
  info.options = {
      {"compiler", LATHE_OPTION_PATH, "", "The Neural Compiler's program mx_nc, or the folder it lies in; looked for when empty."},
      {"environment", LATHE_OPTION_PATH, "", "A Python virtual environment that has MemryX's SDK."},
      {"container", LATHE_OPTION_STRING, "", "A container image that has MemryX's SDK, run through docker or podman."},
      {"opset", LATHE_OPTION_INT, "17", "ONNX's opset the model is handed over at, 11 to 17."},
      {"chips", LATHE_OPTION_INT, "4", "How many chips the model is spread over, 1 to 16."},
      {"effort", LATHE_OPTION_CHOICE, "normal", "How long the compiler looks for a fast placement.", {"lazy", "normal", "hard"}},
      {"processes", LATHE_OPTION_INT, "0", "How many processes look for it at once; 0: two less than there are processors, at least one."},
      {"double-precision", LATHE_OPTION_BOOL, "false", "Weights of sensitive layers get twice the bits (experimental in the compiler)."},
      {"extensions", LATHE_OPTION_STRING, "",
       "Graph patterns for the compiler: a file .nce or a name it knows; chosen for SDKs before 2.2 when empty."},
      {"runtime-version", LATHE_OPTION_STRING, "", "Version of MemryX's runtime on the board: a file that it may not load is refused."}};
  return info;
}

Backend::Backend(const sdk::Host& host, const sdk::CompileRequest& request) : host_(host), stem_(request.stem), bundle_(request.emit == "bundle") {
  const sdk::Settings& s = request.settings;
  compiler_ = s.text("compiler"), environment_ = s.text("environment"), container_ = s.text("container");
  sdk::integer_between(s, "opset", 11, 17);
  order_.chips = sdk::integer_between(s, "chips", 1, 16);
  order_.effort = s.text("effort");
  order_.processes = sdk::integer_between(s, "processes", 0, 1024);
  if (order_.processes == 0) order_.processes = std::max<int64_t>(1, static_cast<int64_t>(host.threads()) - 2);
  order_.double_precision = s.flag("double-precision");
  order_.extensions = s.text("extensions");
  // A file is named from where the person stands, and a known pattern is no file.
  if (order_.extensions.find(".nce") != std::string::npos) order_.extensions = std::filesystem::absolute(order_.extensions).string();
  runtime_ = s.text("runtime-version");
  if (!runtime_.empty() && sdk::ToolVersion::parse(runtime_).empty())
    throw sdk::Failure(LATHE_USAGE, "runtime-version is a version like 2.2, not '" + runtime_ + "'");
}

void Backend::claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
  const std::vector<std::string> reasons = objections(graph);
  // The declared capacity is that of a module of four chips; a smaller one is held here.
  const uint64_t weights = weights_of(graph), room = static_cast<uint64_t>(order_.chips) * weights_of_a_chip;
  if (order_.chips < static_cast<int64_t>(chips_of_a_module) && weights > room)
    host_.warn("the weights are more than the chips hold: " + std::to_string(weights) + " numbers for " + std::to_string(order_.chips) +
               " chips of " + std::to_string(weights_of_a_chip));
  for (const sdk::NodeView node : graph.nodes()) {
    const std::string& reason = reasons[node.index()];
    reason.empty() ? verdicts.take(node) : verdicts.refuse(node, reason);
  }
}

sdk::ToolPlan Backend::prepare(const sdk::GraphView& graph, const std::string& folder, Order& order) {
  order.inputs = tensors(graph, graph.inputs()), order.outputs = tensors(graph, graph.outputs());
  order.attention = has_attention(graph);
  host_.progress("writing the model for the Neural Compiler", 0);
  sdk::write_model(host_, graph, "onnx", folder + "/" + model_file);
  sdk::write_text_file(folder + "/" + borders_file, borders_text(order));
  return plan(order);
}

void Backend::compile(const sdk::GraphView& graph, sdk::Output& output) {
  Order order = order_;
  if (bundle_) {
    sdk::write_bundle(host_, prepare(graph, output.directory(), order), output);
    return;
  }
  const sdk::Tool tool = sdk::require_tool(neural_compiler(), {compiler_, environment_, container_}, true);
  order.version = tool.version;
  version_ = tool.version.text();
  if (!runtime_.empty() && release(sdk::ToolVersion::parse(runtime_)) != release(tool.version)) {
    sdk::Diagnostic d;
    d.text = "a DFP of one release of MemryX's SDK is for the runtime of the same";
    d.expected = "the SDK " + release(sdk::ToolVersion::parse(runtime_)), d.found = version_ + " (" + tool.found + ")";
    d.hint = "update the board's runtime, or name the other SDK with --option environment=...";
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
  }
  const sdk::ScratchFolder scratch;  // it leaves a log and more in the folder it works in
  sdk::run_plan(host_, tool, prepare(graph, scratch.path(), order), scratch.path());

  host_.progress("reading the DFP back", 1);
  const sdk::MappedFile mapped(scratch.path() + "/" + artifact_file);
  const File file = read_file(mapped.bytes(), mapped.path());
  container_version_ = file.version;
  for (const Binding& b : judge(file, order, mapped.path())) output.bind(b.tensor, b.port);
  const std::string name = stem_ + ".dfp";
  output.write(name, mapped.bytes());
  output.artifact(name);
}

void Backend::fingerprint(const sdk::Facts& fact) {
  if (!version_.empty()) fact("mx_nc", version_), fact("runtime", "of SDK " + release(sdk::ToolVersion::parse(version_)));
  if (container_version_ != 0) fact("container", std::to_string(container_version_));
  fact("input-layout", "NHWC");  // feature maps leave and enter channel by channel of each place
}

std::vector<Binding> judge(const File& file, const Order& order, const std::string& path) {
  std::vector<Binding> bindings;
  if (file.version == 5) return bindings;  // its description is not read
  const auto differs = [&](std::string what, std::string wanted, std::string found) {
    sdk::Diagnostic d;
    d.text = "the Neural Compiler wrote another file than it was asked for: " + std::move(what);
    d.location = path;
    d.expected = std::move(wanted), d.found = std::move(found);
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  };
  if (file.chips != order.chips) differs("the number of its chips", std::to_string(order.chips), std::to_string(file.chips));
  const auto hold = [&](const char* side, const std::vector<Tensor>& wanted, const std::vector<Port>& found) {
    if (wanted.size() != found.size())
      differs(std::string("the number of its ") + side + " ports", std::to_string(wanted.size()), std::to_string(found.size()));
    for (size_t i = 0; i < wanted.size(); ++i) {
      // By name where the name is there, else by place.
      auto port = std::find_if(found.begin(), found.end(), [&](const Port& p) { return p.layer == wanted[i].name; });
      if (port == found.end()) port = found.begin() + static_cast<std::ptrdiff_t>(i);
      if (extents(port->shape) != extents(wanted[i].shape))
        differs(std::string("the shape of its ") + side + " '" + port->layer + "'", sdk::shape_text(wanted[i].shape), sdk::shape_text(port->shape));
      if (port->layer != wanted[i].name) bindings.push_back({wanted[i].name, port->layer});
    }
  };
  hold("input", order.inputs, file.inputs);
  hold("output", order.outputs, file.outputs);
  return bindings;
}

}  // namespace lathe::memryx
