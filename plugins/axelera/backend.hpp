// The target: what axcompile is given, its run, and the result judged by the
// report it leaves.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>

#include "scripts.hpp"

namespace lathe::axelera {

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& facts) const;

 private:
  void prepare(const sdk::GraphView& graph, const std::string& folder, sdk::ToolPlan& plan) const;
  void judge(const sdk::GraphView& graph, std::string_view bytes, const std::string& path) const;

  sdk::Host host_;
  std::string stem_;
  bool bundle_;
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
  std::string compiler_, environment_, container_;
  Config config_;
  std::string sdk_, board_;  // "auto", "1.5", "1.6" for that and later ones; the board's version
  std::string version_;      // axelera-devkit's, once it was told
};

// What axcompile is, and what the lines of its log and of pack.py mean; for
// tests too.
sdk::ToolDescription axcompile();
std::vector<sdk::KnownMessage> axcompile_messages();

}  // namespace lathe::axelera
