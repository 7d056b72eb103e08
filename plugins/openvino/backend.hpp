// The target: claims what the format can express and writes .xml, .bin and metadata.yaml.
#pragma once
#include <lathe/plugin.hpp>

#include "write/graph.hpp"

namespace lathe::openvino {

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);

 private:
  sdk::Host host_;
  std::string stem_, device_, precision_;
  WriteOptions options_;
};

}  // namespace lathe::openvino
