// Parsing with bounds: size, nesting, versions.
#include "model_file.hpp"

#include <google/protobuf/io/coded_stream.h>

#include <climits>
#include <lathe/plugin.hpp>

#include "files.hpp"
#include "problems.hpp"

namespace lathe::onnx_plugin {
namespace {

[[noreturn]] void refuse(const std::string& path, std::string text, std::string hint = {}, std::string expected = {}, std::string found = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path;
  d.expected = std::move(expected);
  d.found = std::move(found);
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

}  // namespace

int recognise_model(std::string_view head, bool named_onnx) {
  // A ModelProto: field after field, of the numbers and wire types that onnx.proto gives them. The last one may reach beyond the head.
  bool has_version = false;
  int fields = 0;
  WireReader reader(head);
  while (const auto field = reader.next()) {
    const bool known = field->type == 2 ? (field->number >= 2 && field->number <= 4) || (field->number >= 6 && field->number <= 8) ||
                                              field->number == 14 || field->number == 20 || field->number == 25 || field->number == 26
                                        : field->type == 0 && (field->number == 1 || field->number == 5);
    if (!known) return named_onnx ? 50 : 0;
    has_version |= field->number == 1 && field->integer >= 1 && field->integer <= 100;
    ++fields;
  }
  if (has_version && fields >= 1 && head.size() >= 4) return named_onnx ? 100 : 80;
  return named_onnx ? 60 : 0;
}

std::unique_ptr<onnx::ModelProto> parse_model(std::string_view bytes, const std::string& path) {
  if (bytes.size() > INT_MAX) {
    refuse(path, "the file is larger than 2 GiB, which no ONNX file can be", "save the weights as external data", "at most 2147483647 bytes",
           std::to_string(bytes.size()) + " bytes");
  }
  auto model = std::make_unique<onnx::ModelProto>();
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  // Three messages for each level of subgraph (node, attribute, graph), and room for what lies in the innermost.
  stream.SetRecursionLimit(3 * (deepest_nesting + 1) + 16);
  if (!model->ParsePartialFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    if (nesting_depth(bytes, deepest_nesting + 1) > deepest_nesting)
      refuse(path, "subgraphs nest too deep", {}, "at most " + std::to_string(deepest_nesting) + " levels", "more");
    refuse(path, "this is no readable ONNX model: the file is damaged, cut off, or of another format", "export or download the model again");
  }
  if (!model->has_graph()) {
    refuse(path, model->has_ir_version() ? "the model holds no graph" : "this is no ONNX model: it holds neither an IR version nor a graph",
           "export or download the model again");
  }
  if (model->ir_version() < lowest_ir_version || model->ir_version() > highest_ir_version) {
    refuse(path, "the model is of an IR version that this version of Lathe does not read",
           model->ir_version() > highest_ir_version ? "export it with an older version of onnx, or update Lathe" : "export the model again",
           std::to_string(lowest_ir_version) + " to " + std::to_string(highest_ir_version), std::to_string(model->ir_version()));
  }
  return model;
}

std::unique_ptr<onnx::ModelProto> read_model(const std::string& path) {
  const auto file = open_model(path);
  return parse_model(file->bytes(), path);
}

std::string_view plain_domain(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

std::map<std::string, int64_t> opsets_of(const onnx::ModelProto& model, const std::string& path) {
  std::map<std::string, int64_t> opsets;
  for (const onnx::OperatorSetIdProto& import : model.opset_import()) {
    const std::string domain(plain_domain(import.domain()));
    if (!is_utf8(domain)) refuse(path, "the name of an operator set is no UTF-8: " + quoted(domain), "export the model again");
    const auto [entry, is_new] = opsets.emplace(domain, import.version());
    if (!is_new && entry->second != import.version())
      refuse(path, "the model imports the operator set " + quoted(domain) + " in two versions", "export the model again", "one version",
             std::to_string(entry->second) + " and " + std::to_string(import.version()));
  }
  if (opsets.empty()) refuse(path, "the model does not say which operator set it uses (opset_import is empty)", "export the model again");
  if (const auto onnx = opsets.find(""); onnx != opsets.end() && onnx->second < lowest_opset)
    refuse(path, "the model uses an operator set that is too old", "convert it with onnx.version_converter",
           "opset " + std::to_string(lowest_opset) + " or later", "opset " + std::to_string(onnx->second));
  return opsets;
}

}  // namespace lathe::onnx_plugin
