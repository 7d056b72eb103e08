// The target: no compiler for N2X is public, so files made elsewhere are packaged (`lathe package`), and a private compiler is driven where its
// path is given.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>

namespace lathe::n2x {

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& facts) const;

 private:
  sdk::ToolPlan prepare(const sdk::GraphView& graph, const std::string& folder) const;
  void judge(const sdk::GraphView& graph, std::string_view bytes, const std::string& path) const;

  sdk::Host host_;
  std::string stem_, device_, precision_;
  bool bundle_;
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
  std::string compiler_, arguments_;
};

// The words of a command line with {model}, {artifact}, {device}, {precision} and {calibration} replaced. Quotes keep blanks together. Throws
// sdk::Failure (LATHE_USAGE): an unknown word in braces, a quote that is not closed.
struct Places {
  std::string model, artifact, device, precision, calibration;
};
std::vector<std::string> command_line(std::string_view text, const Places& places);

}  // namespace lathe::n2x
