// See engines.hpp.
#include "engines.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/job/backend.hpp"
#include "core/job/targets.hpp"
#include "core/ops/operator.hpp"
#include "core/passes/pipeline.hpp"
#include "core/plugin/plugins.hpp"
#include "core/plugin/regions.hpp"
#include "core/reference/reference.hpp"
#include "draft.hpp"
#include "shape_functions.hpp"

namespace fs = std::filesystem;

namespace lathe::differential {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Outcome outcome_of(const Error& error) {
  return {error.code == Code::unsupported ? Outcome::State::refused : Outcome::State::failed, {}, error.diagnostics.front().sentence()};
}

void empty_folder(const std::string& path) {
  fs::remove_all(path);
  fs::create_directories(path);
}

ResolvedTarget resolve(Plugins& plugins, const std::string& target, const std::string& level = {}) {
  Job job;
  job.targets = target;
  if (!level.empty()) job.options = {{"level", level}};
  return resolve_targets(plugins, job).front();
}

}  // namespace

Outcome run_on_reference(const Sample& sample) {
  try {
    ReferenceOptions options;
    options.threads = 2;
    const NamedData inputs(sample.inputs.begin(), sample.inputs.end());
    test::ShapeFunctionWatch watch(sample.graph, inputs);
    Outcome outcome{Outcome::State::ran, {}, {}};
    outcome.values = sample.inputs;
    for (const Value& v : sample.graph.values)
      if (v.constant) outcome.values[v.name] = *v.constant;
    options.watch = [&](const std::string& value, const Datum& datum) {
      watch.see(value, datum);
      if (datum.is_tensor()) outcome.values[value] = datum.tensor;
    };
    NamedData results = run_reference(sample.graph, inputs, options);
    for (const std::string& sentence : watch.disagreements()) throw Error(Code::failed, sentence);
    for (const ValueId id : sample.graph.outputs) outcome.outputs.push_back(std::move(results.at(sample.graph.value(id).name).tensor));
    return outcome;
  } catch (const Error& error) {
    return outcome_of(error);
  }
}

NativeTarget::NativeTarget(Plugins& plugins, std::string target, std::string folder, std::string level)
    : plugins_(plugins), target_(std::move(target)), folder_(std::move(folder)), level_(std::move(level)) {}

Outcome NativeTarget::run(const Sample& sample) {
  try {
    empty_folder(folder_);
    const ResolvedTarget target = resolve(plugins_, target_, level_);
    Graph graph = clone(sample.graph);
    infer_types(graph);
    const std::vector<Pass> passes = plugins_.passes();
    const std::string file = target.manifest->pipeline.empty() ? plugins_.share_directory() + "/pipelines/default.yaml" : target.manifest->pipeline;
    run_pipeline(graph, parse_pipeline(read_file(file), file, passes), passes);
    Backend backend(plugins_.load(target.manifest->name), target, "library", "model");
    for (const NodeVerdict& verdict : ask_verdicts(graph, {&backend.plugin(), backend.self(), target.spelled()}))
      if (!verdict.taken) return {Outcome::State::refused, {}, verdict.reason};
    const CompiledRegion compiled = backend.compile(graph, folder_);
    const std::unique_ptr<Executable> model = load_executable(plugins_, folder_ + "/" + compiled.artifact, 2, false);
    std::vector<Datum> inputs;
    for (const TensorInfo& info : model->inputs()) inputs.push_back(sample.inputs.at(info.name));
    std::vector<Datum> outputs = model->run(inputs);
    Outcome outcome{Outcome::State::ran, {}, {}};
    for (const ValueId id : sample.graph.outputs)
      for (size_t i = 0; i < outputs.size(); ++i)
        if (model->outputs()[i].name == sample.graph.value(id).name) outcome.outputs.push_back(outputs[i].tensor);
    if (outcome.outputs.size() != sample.graph.outputs.size()) return {Outcome::State::failed, {}, "the artifact lacks an output of the model"};
    return outcome;
  } catch (const Error& error) {
    return outcome_of(error);
  }
}

// ---- the other runtime -----------------------------------------------------------------------------------------------------------------

namespace {

const char* runtime_name(DataType type) {
  switch (type) {
    case DataType::float32:
      return "float32";
    case DataType::float64:
      return "float64";
    case DataType::boolean:
      return "bool";
    default:
      return nullptr;
  }
}
std::string spelled(DataType type) {
  const char* own = runtime_name(type);
  return own ? own : std::string(name(type));
}
DataType parse(const std::string& type) { return parse_data_type(type).value_or(DataType::none); }

void send(int fd, const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Error(Code::internal, "the process of the other runtime takes no more models");
    at += n, size -= size_t(n);
  }
}
void receive(int fd, void* bytes, size_t size) {
  char* at = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw Error(Code::internal, "the process of the other runtime ended");
    at += n, size -= size_t(n);
  }
}

// Whether its sentence says "I have no kernel for this", as against "this is wrong".
bool means_unsupported(const std::string& sentence) {
  if (sentence == "load: ") return true;  // types that it cannot even name, as complex64
  for (const char* part : {"NOT_IMPLEMENTED", "Could not find an implementation", "Failed to find kernel", "not implemented", "not supported",
                           "Unsupported", "unsupported", "does not support", "is not a registered function/op", "only supports", "NotImplemented"})
    if (sentence.find(part) != std::string::npos) return true;
  return false;
}

// ---- models at an older opset ----
// ONNX Runtime has kernels of some operators for an older opset alone (GridSample 20, RoiAlign 16, QLinearMatMul 10), although all that a newer one
// did is to allow more types. Such models are handed to it at an opset at which the operator has the same meaning.

constexpr uint8_t older_opset = 20;

// Whether every operator of the default domain was there at the older opset, and meant what it means now.
bool same_meaning_at_older_opset(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    const Operator* op = find_operator(node.domain, node.op_type);
    if (!node.domain.empty()) continue;
    if (!op || op->versions.front() > older_opset || node.op_type == "GroupNormalization" || node.op_type.ends_with("quantizeLinear") ||
        node.op_type == "QuantizeLinear")
      return false;
    for (const Graph* body : subgraphs(node))
      if (!same_meaning_at_older_opset(*body)) return false;
  }
  return true;
}

uint64_t read_varint(const std::string& bytes, size_t& at) {
  uint64_t value = 0;
  for (unsigned shift = 0; at < bytes.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    value |= uint64_t(byte & 0x7f) << shift;
    if (!(byte & 0x80)) break;
  }
  return value;
}

// The same ModelProto (onnx.proto: opset_import is field 8, its members domain 1 and version 2) with another version of the default domain.
std::string at_older_opset(std::string model) {
  for (size_t at = 0; at < model.size();) {
    const uint64_t key = read_varint(model, at);
    if ((key & 7) == 0) {
      read_varint(model, at);
      continue;
    }
    if ((key & 7) != 2) throw Error(Code::internal, "a model has a field of an unexpected kind");
    const size_t size = read_varint(model, at), end = at + size;
    if (key >> 3 == 8) {
      bool own = true;
      size_t version = 0;
      for (size_t i = at; i < end;) {
        const uint64_t member = read_varint(model, i);
        if (member >> 3 == 2) version = i;
        const uint64_t value = read_varint(model, i);
        if (member >> 3 == 1) own = own && value == 0, i += value;
      }
      if (own && version) model[version] = char(older_opset);
    }
    at = end;
  }
  return model;
}

}  // namespace

OnnxRuntime::OnnxRuntime(Plugins& plugins, const std::string& folder, std::string scratch) : plugins_(plugins), scratch_(std::move(scratch)) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw Error(Code::failed, "no pipe");
  ::signal(SIGPIPE, SIG_IGN);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string program = "node", script = LATHE_SOURCE_DIR "/tests/differential/onnxruntime.mjs", packages = folder;
  char* arguments[] = {program.data(), script.data(), packages.data(), nullptr};
  const int error = posix_spawnp(&child_, "node", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]), ::close(out[1]);
  to_ = in[1], from_ = out[0];
  if (error) throw Error(Code::failed, "node cannot be started");
}

OnnxRuntime::~OnnxRuntime() {
  ::close(to_), ::close(from_);
  if (child_ > 0) {
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
  }
}

std::string OnnxRuntime::model_bytes(const Sample& sample) {
  empty_folder(scratch_);
  Backend exporter(plugins_.load("onnx"), resolve(plugins_, "onnx"), "model", "model");
  return read_file(scratch_ + "/" + exporter.compile(sample.graph, scratch_).artifact);
}

Outcome OnnxRuntime::run(const Sample& sample) {
  const std::string model = model_bytes(sample);
  const Outcome outcome = run(sample, model);
  if (outcome.state != Outcome::State::refused || outcome.reason.starts_with("run: ") || !same_meaning_at_older_opset(sample.graph)) return outcome;
  Outcome older = run(sample, at_older_opset(model));
  return older.state == Outcome::State::ran ? std::move(older) : outcome;  // types that the older opset does not have
}

Outcome OnnxRuntime::run(const Sample& sample, const std::string& model) {
  for (const auto& [name, tensor] : sample.inputs)
    if (!portable(tensor.type)) return {Outcome::State::refused, {}, "the type of input '" + name + "' cannot be handed over"};
  nlohmann::json request{{"model", model.size()}, {"feeds", nlohmann::json::array()}};
  std::vector<const Tensor*> blocks;
  for (const auto& [name, tensor] : sample.inputs) {
    nlohmann::json feed{{"name", name}, {"type", spelled(tensor.type)}, {"dimensions", tensor.dimensions}};
    if (tensor.type == DataType::string) {
      feed["strings"] = *tensor.strings;
    } else {
      feed["bytes"] = tensor.bytes.size;
      blocks.push_back(&tensor);
    }
    request["feeds"].push_back(std::move(feed));
  }
  const std::string text = request.dump();
  const uint32_t length = uint32_t(text.size());
  send(to_, &length, sizeof length);
  send(to_, text.data(), text.size());
  send(to_, model.data(), model.size());
  for (const Tensor* t : blocks) send(to_, t->bytes.data, t->bytes.size);

  uint32_t size = 0;
  receive(from_, &size, sizeof size);
  std::string said(size, '\0');
  receive(from_, said.data(), said.size());
  const nlohmann::ordered_json answer = nlohmann::ordered_json::parse(said);  // ordered: the blocks come as the answer lists them
  if (answer.contains("error")) {
    const std::string reason = answer["stage"].get<std::string>() + ": " + answer["error"].get<std::string>();
    return {means_unsupported(reason) ? Outcome::State::refused : Outcome::State::failed, {}, reason};
  }
  std::map<std::string, Tensor> results;
  for (const auto& [name, output] : answer["outputs"].items()) {
    const std::vector<int64_t> dimensions = output["dimensions"].get<std::vector<int64_t>>();
    Tensor tensor;
    if (output.contains("strings")) {
      tensor.type = DataType::string, tensor.dimensions = dimensions;
      tensor.strings = std::make_shared<const std::vector<std::string>>(output["strings"].get<std::vector<std::string>>());
    } else {
      tensor = Tensor::allocate(parse(output["type"].get<std::string>()), dimensions);
      if (tensor.bytes.size != output["bytes"].get<uint64_t>()) throw Error(Code::internal, "the other runtime's output has an unexpected size");
      receive(from_, tensor.as_mutable<char>().data(), tensor.bytes.size);
    }
    results.emplace(name, std::move(tensor));
  }
  Outcome outcome{Outcome::State::ran, {}, {}};
  for (const ValueId id : sample.graph.outputs) outcome.outputs.push_back(std::move(results.at(sample.graph.value(id).name)));
  return outcome;
}

}  // namespace lathe::differential
