// Writes .tflite files: claims what the format can express, with the format's reason for each node that it cannot.
#pragma once
#include <lathe/plugin.hpp>

#include "lower/lowering.hpp"

namespace lathe::tflite {

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  static const char* default_device(const sdk::Settings&) { return "CPU"; }
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);

 private:
  sdk::Host host_;
  std::string stem_;
  LowerSettings settings_;
  bool edgetpu_ = false;
  std::string compiler_;  // the person's edgetpu_compiler; empty: looked for
  int64_t allow_cpu_ = 0;
};

}  // namespace lathe::tflite
