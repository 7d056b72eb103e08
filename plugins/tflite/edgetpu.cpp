// Rules, the log, and driving edgetpu_compiler.
#include "edgetpu.hpp"

#include <fstream>
#include <iterator>
#include <lathe/toolchain.hpp>
#include <regex>

#include "operators.hpp"

namespace lathe::tflite {
namespace {

// Operators that the device has, and the highest version its compiler 16 knows.
struct Supported {
  std::string_view name;
  int32_t version;
};
constexpr Supported supported[] = {{"ADD", 2},
                                   {"AVERAGE_POOL_2D", 2},
                                   {"CONCATENATION", 2},
                                   {"CONV_2D", 3},
                                   {"DEPTHWISE_CONV_2D", 3},
                                   {"DEQUANTIZE", 2},
                                   {"EXPAND_DIMS", 1},
                                   {"FULLY_CONNECTED", 4},
                                   {"L2_NORMALIZATION", 2},
                                   {"LOGISTIC", 2},
                                   {"MAXIMUM", 2},
                                   {"MAX_POOL_2D", 2},
                                   {"MEAN", 2},
                                   {"MINIMUM", 2},
                                   {"MUL", 3},
                                   {"PACK", 2},
                                   {"PAD", 2},
                                   {"PRELU", 1},
                                   {"QUANTIZE", 1},
                                   {"REDUCE_MAX", 2},
                                   {"REDUCE_MIN", 2},
                                   {"RELU", 2},
                                   {"RELU6", 2},
                                   {"RELU_N1_TO_1", 1},
                                   {"RESHAPE", 1},
                                   {"RESIZE_BILINEAR", 3},
                                   {"RESIZE_NEAREST_NEIGHBOR", 3},
                                   {"RSQRT", 2},
                                   {"SLICE", 2},
                                   {"SOFTMAX", 2},
                                   {"SPACE_TO_DEPTH", 2},
                                   {"SPLIT", 2},
                                   {"SQUARED_DIFFERENCE", 2},
                                   {"SQUEEZE", 1},
                                   {"STRIDED_SLICE", 2},
                                   {"SUB", 2},
                                   {"SUM", 2},
                                   {"TANH", 2},
                                   {"TRANSPOSE", 2},
                                   {"TRANSPOSE_CONV", 3}};

bool is_byte(Type type) { return type == Type::int8 || type == Type::uint8; }

// At most three axes are longer than 1, and they are the innermost.
bool fits(const Tensor& t) {
  for (size_t i = 0; i + 3 < t.shape.size(); ++i)
    if (t.shape[i] != 1) return false;
  return true;
}

const sdk::ToolDescription& description() {
  static const sdk::ToolDescription& tool =
      *new sdk::ToolDescription{"Edge TPU Compiler",
                                "edgetpu_compiler",
                                "compiler",
                                "EDGETPU_COMPILER",
                                {},
                                {"--version"},
                                "version ([0-9.]+)",
                                "16",
                                "17",
                                "It is Google's Debian package edgetpu-compiler, for x86-64 only (coral.ai/docs/edgetpu/compiler)."};
  return tool;
}

const std::vector<sdk::KnownMessage>& messages() {
  static const std::vector<sdk::KnownMessage>& all = *new std::vector<sdk::KnownMessage>{
      {"Model not quantized", LATHE_UNSUPPORTED, "the compiler finds floating point in the model", "quantise every operator"},
      {"Internal compiler error", LATHE_UNSUPPORTED, "the compiler fails inside itself, as it does on models that it cannot place",
       "make the input smaller, or cut the model's head off"},
      {"large activation tensors", LATHE_UNSUPPORTED, "the tensors between operators are too large for the device", "make the input smaller"},
      {"only supports static-sized tensors", LATHE_UNSUPPORTED, "the model has open dimensions", "fix them with --shape"},
      {"Compilation (failed|child process)(.*)", LATHE_UNSUPPORTED, "the compiler gives up: $1$2", ""}};
  return all;
}

}  // namespace

std::string edgetpu_objection(const Subgraph& graph, const Operator& op) {
  const OperatorInfo* info = find_operator(op.code);
  const Supported* known = nullptr;
  for (const Supported& s : supported)
    if (info && s.name == info->name) known = &s;
  if (!known) return "the Edge TPU has no " + std::string(info ? info->name : "such operator");
  if (op.version > known->version)
    return "the Edge TPU's compiler knows " + std::string(known->name) + " up to version " + std::to_string(known->version) +
           ", and this use of it is version " + std::to_string(op.version);
  const auto at = [&](int32_t i) -> const Tensor& { return graph.tensors[static_cast<size_t>(i)]; };
  const std::string_view name = known->name;
  const bool border = name == "QUANTIZE" || name == "DEQUANTIZE";
  for (const auto* list : {&op.inputs, &op.outputs})
    for (const int32_t i : *list) {
      if (i < 0) continue;
      const Tensor& t = at(i);
      if (!t.signature.empty()) return "the tensor '" + t.name + "' has open dimensions";
      if (t.constant) continue;
      if (!border && !is_byte(t.type))
        return "the tensor '" + t.name + "' is " + tflite::name(t.type) + ", and the Edge TPU computes on 8-bit integers only";
      if (!border && !fits(t)) return "the tensor '" + t.name + "' has more than three axes that are longer than 1";
    }
  if ((name == "CONCATENATION" || name == "AVERAGE_POOL_2D" || name == "MAX_POOL_2D") && op.number("activation") != 0)
    return "the Edge TPU fuses no activation into " + std::string(name);
  if (name == "SOFTMAX" && !at(op.inputs[0]).shape.empty() && at(op.inputs[0]).shape.back() > 16000)
    return "the Edge TPU's SOFTMAX takes at most 16000 elements";
  if (name == "FULLY_CONNECTED" && op.number("keep_num_dims") != 0) return "the Edge TPU's FULLY_CONNECTED yields one row";
  if (name == "CONV_2D" && op.integer("dilation_h", 1) != op.integer("dilation_w", 1)) return "the Edge TPU's CONV_2D has one dilation for both axes";
  if (name == "STRIDED_SLICE") {
    const Tensor& steps = at(op.inputs[3]);
    for (size_t i = 0; i + 4 <= steps.bytes.size(); i += 4)
      if (!(steps.bytes[i] == 1 && steps.bytes[i + 1] == 0 && steps.bytes[i + 2] == 0 && steps.bytes[i + 3] == 0))
        return "the Edge TPU's STRIDED_SLICE has strides of 1 only";
  }
  return {};
}

int64_t EdgetpuLog::left() const {
  if (on_processor >= 0) return on_processor;
  int64_t count = 0;
  for (const Row& row : rows)
    if (!row.mapped()) count += row.count;
  return count;
}

EdgetpuLog read_edgetpu_log(std::span<const std::string> lines) {
  static const std::regex& row = *new std::regex(R"(^([A-Z0-9_]+|[a-z][a-z0-9-]*)\s+(\d+)\s+(\S.*?)\s*$)");
  static const std::regex& count = *new std::regex(R"(^Number of operations that will run on (Edge TPU|CPU):\s*(\d+))");
  static const std::regex& streamed = *new std::regex(R"(^Off-chip memory used for streaming uncached model parameters:\s*(\S+))");
  EdgetpuLog log;
  bool table = false;
  for (const std::string& line : lines) {
    std::smatch found;
    if (line.rfind("Operator", 0) == 0 && line.find("Status") != std::string::npos)
      table = true;
    else if (std::regex_search(line, found, count))
      (found[1] == "CPU" ? log.on_processor : log.on_device) = std::stoll(found[2].str().substr(0, 15));
    else if (std::regex_search(line, found, streamed))
      log.streamed = found[1];
    else if (table && std::regex_match(line, found, row))
      log.rows.push_back({found[1], std::stoll(found[2].str().substr(0, 15)), found[3]});
  }
  return log;
}

std::string compile_for_edgetpu(const sdk::Host& host, const std::string& stem, const std::string& bytes, std::string_view compiler,
                                int64_t allowed) {
  const sdk::Tool tool = sdk::require_tool(description(), {compiler, {}, {}});
  const sdk::ScratchFolder scratch;
  const std::string model = stem + ".tflite", compiled = stem + "_edgetpu.tflite";
  {
    std::ofstream file(scratch.path() + "/" + model, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file) throw sdk::Failure(LATHE_FAILED, "the model cannot be written to " + scratch.path());
  }
  sdk::ToolRun run;
  run.arguments = {"-s", "-m", "14", "-o", scratch.path(), scratch.path() + "/" + model};
  run.directory = scratch.path();
  run.messages = messages();
  run.wanted_files = {compiled};
  const sdk::ToolOutcome outcome = sdk::run_tool(host, tool, run);
  // It exits with 0 even when most of the model stays on the processor: its table says what happened.
  const EdgetpuLog log = read_edgetpu_log(outcome.last_lines);
  if (log.rows.empty()) throw sdk::Failure(LATHE_FAILED, "the Edge TPU Compiler printed no table of operators, so it is not known what it mapped");
  if (log.left() > allowed) {
    std::vector<sdk::Diagnostic> all;
    sdk::Diagnostic first;
    first.text = "operators would stay on the processor";
    first.expected = "at most " + std::to_string(allowed);
    first.found = std::to_string(log.left());
    first.hint = "accept them with --option allow-cpu=" + std::to_string(log.left());
    all.push_back(std::move(first));
    for (const EdgetpuLog::Row& row : log.rows) {
      if (row.mapped()) continue;
      sdk::Diagnostic d;
      d.text = std::to_string(row.count) + " of them: " + row.status;
      d.op_type = row.name;
      all.push_back(std::move(d));
    }
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(all));
  }
  if (log.left() > 0) host.warn(std::to_string(log.left()) + " operators run on the processor, not on the Edge TPU");
  if (!log.streamed.empty() && log.streamed != "0.00B")
    host.warn("parameters do not all fit the Edge TPU's memory: " + log.streamed + " are sent to it in every run");
  std::ifstream file(scratch.path() + "/" + compiled, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace lathe::tflite
