// A file -> a checked ModelProto: parsed, of a known IR version, with one graph, text in UTF-8, opsets known.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "messages.hpp"

namespace lathe::onnx_plugin {

inline constexpr int64_t lowest_ir_version = 3;
inline constexpr int64_t highest_ir_version = 13;  // ONNX 1.21
inline constexpr int64_t lowest_opset = 1;
inline constexpr int deepest_nesting = 128;  // subgraphs within subgraphs

// How sure it is that the first bytes of a file are an ONNX model's, 0 to 100.
int recognise_model(std::string_view head, bool named_onnx);

// Throws sdk::Failure that says what is wrong with the file. `path` is used in sentences.
std::unique_ptr<onnx::ModelProto> parse_model(std::string_view bytes, const std::string& path);
std::unique_ptr<onnx::ModelProto> read_model(const std::string& path);  // maps the file for as long as it parses

// Domain -> version; "ai.onnx" is the long spelling of "". Throws sdk::Failure when a version is missing, twofold or too old.
std::map<std::string, int64_t> opsets_of(const onnx::ModelProto& model, const std::string& path);

// "ai.onnx" -> "".
std::string_view plain_domain(std::string_view domain);

}  // namespace lathe::onnx_plugin
