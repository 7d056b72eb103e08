// The artifact's table as JSON.
#include "inspector.hpp"

#include <cstdio>
#include <memory>
#include <vector>

#include "artifact_file.hpp"
#include "lathe/runtime.h"

namespace lathe::llvm_cpu {
namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 32) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      result += code;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string shape_text(const lathe_artifact_tensor& t) {
  std::string text;
  for (int32_t i = 0; i < t.rank; ++i) text += (i ? "x" : "") + (t.dimensions[i] < 0 ? std::string("?") : std::to_string(t.dimensions[i]));
  return text.empty() ? "scalar" : text;
}

std::string tensors(const lathe_artifact_tensor* list, uint32_t count) {
  std::string json = "[";
  for (uint32_t i = 0; i < count; ++i) {
    json += (i ? "," : "") + std::string("{\"name\":") + quoted(list[i].name) + ",\"type\":" + std::to_string(list[i].type) + ",\"dimensions\":[";
    for (int32_t d = 0; d < list[i].rank; ++d) json += (d ? "," : "") + std::to_string(list[i].dimensions[d]);
    json += "]}";
  }
  return json + "]";
}

std::string kernels(const lathe_artifact& table) {
  std::string json = "[";
  for (uint32_t i = 0; i < table.kernel_count; ++i) {
    const lathe_artifact_kernel& k = table.kernels[i];
    json += (i ? "," : "") + std::string("{\"name\":") + quoted(k.name) + ",\"nodes\":" + quoted(k.nodes) + ",\"origin\":" + quoted(k.origin) +
            ",\"flops\":" + std::to_string(k.flops) + ",\"bytes\":" + std::to_string(k.bytes) + "}";
  }
  return json + "]";
}

}  // namespace

int Inspector::recognise(const sdk::FileHead& head) { return artifact_family(head) ? 100 : 0; }

std::string Inspector::inspect(sdk::Host, const std::string& path) {
  lathe_model_options options{};
  options.struct_size = sizeof options;
  options.describe_only = 1;
  lathe_model* opened = nullptr;
  const int32_t code = lathe_model_open(path.c_str(), &options, &opened);
  const std::unique_ptr<lathe_model, void (*)(lathe_model*)> model(opened, lathe_model_close);
  if (code != LATHE_RUNTIME_OK) throw sdk::Failure(LATHE_FAILED, lathe_model_error(opened));
  const lathe_artifact& table = *lathe_model_describe(opened);

  std::vector<std::pair<std::string, std::string>> summary = {
      {"format", "native artifact " + std::to_string(table.major) + "." + std::to_string(table.minor)},
      {"made by", table.producer},
      {"triple", table.triple},
      {"tuned for", table.cpu},
      {"needs", table.features},
      {"weights", std::to_string(table.weights_bytes) + " bytes"},
      {"kernels", std::to_string(table.kernel_count)}};
  for (uint32_t i = 0; i < table.input_count; ++i)
    summary.emplace_back("input", std::string(table.inputs[i].name) + " " + shape_text(table.inputs[i]));
  for (uint32_t i = 0; i < table.output_count; ++i)
    summary.emplace_back("output", std::string(table.outputs[i].name) + " " + shape_text(table.outputs[i]));
  std::string json = "{\"format\":\"native artifact\",\"summary\":[";
  for (size_t i = 0; i < summary.size(); ++i) json += (i ? ",[" : "[") + quoted(summary[i].first) + "," + quoted(summary[i].second) + "]";
  json += "],\"producer\":" + quoted(table.producer) + ",\"triple\":" + quoted(table.triple) + ",\"cpu\":" + quoted(table.cpu) +
          ",\"features\":" + quoted(table.features) + ",\"weights_bytes\":" + std::to_string(table.weights_bytes) +
          ",\"inputs\":" + tensors(table.inputs, table.input_count) + ",\"outputs\":" + tensors(table.outputs, table.output_count) +
          ",\"kernels\":" + kernels(table) + "}";
  return json;
}

}  // namespace lathe::llvm_cpu
