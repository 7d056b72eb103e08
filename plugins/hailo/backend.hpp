// Prepares a graph for the Dataflow Compiler, has it compiled, and judges the result.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>
#include <string>

#include "judge.hpp"
#include "script.hpp"
#include "tool.hpp"

namespace lathe::hailo {

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  static const char* default_device(const sdk::Settings&) { return "HAILO8"; }
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& fact);

 private:
  struct Prepared {
    sdk::ToolPlan plan;
    Expected expected;
  };
  // Writes everything that the plan reads into the folder.
  Prepared prepare(const sdk::GraphView& graph, const std::string& folder);
  // What HailoRT has to know of the head the graph ends with. Throws Failure when it is no head of that kind.
  Suppressing suppression(const Expected& expected) const;
  // Whether mean and scale are the script's, and calibration data and the chip's input raw pixels.
  bool takes_pixels() const;

  sdk::Host host_;
  std::string device_, stem_, compiler_, environment_, container_, work_, script_file_;
  bool bundle_ = false, suppress_ = false;
  Script script_;
  Suppressing suppressing_;  // thresholds only
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
  std::string version_;  // of the compiler, once it was asked
};

}  // namespace lathe::hailo
