// The boundary's graph -> ModelProto.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

#include "messages.hpp"

namespace lathe::onnx_plugin {

// A tensor whose bytes go to the data file instead of the message.
struct ExternalTensor {
  const void* data;
  uint64_t offset, size;
};

struct Exported {
  onnx::ModelProto model;
  std::vector<ExternalTensor> external;  // by offset; the gaps are padding
};

// External data is used when it must be (the message would pass protobuf's 2 GiB) or when `always_external` asks for it; its file is
// called `data_file`. Values keep their names; those of subgraphs are renamed where they would hide an outer one.
Exported export_graph(const sdk::GraphView& graph, const std::string& data_file, bool always_external);

}  // namespace lathe::onnx_plugin
