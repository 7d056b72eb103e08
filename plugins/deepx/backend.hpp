// The target: what DX-COM is given, its run, and the file it writes held against what was asked.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>

namespace lathe::deepx {

// The options, as the person set them.
struct Choices {
  std::string compiler, environment, container;
  std::string opt_level, method, device, checkpoint, recalibration;
  int64_t count = 0;
  bool aggressive = false, float64 = false, tuned = false, diagnosis = false, processor_parts = false;
  // Whether DX-COM has to be 2.4 or newer for them.
  bool need_newest() const { return tuned || diagnosis || !checkpoint.empty(); }
};

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& facts) const;

 private:
  void prepare(const sdk::GraphView& graph, const std::string& folder, sdk::ToolPlan& plan) const;
  // The container's version.
  int32_t judge(const sdk::GraphView& graph, std::string_view bytes, const std::string& path) const;

  sdk::Host host_;
  std::string stem_;
  bool bundle_;
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
  Choices choices_;
  std::string version_;  // DX-COM's, once it was asked
  int32_t container_version_ = 0;
};

// What DX-COM is, and what its messages mean; for tests too.
sdk::ToolDescription dxcom(bool newest);
std::vector<sdk::KnownMessage> dxcom_messages();
// Its arguments: names relative to the folder it works in.
std::vector<std::string> dxcom_arguments(const Choices& choices);

}  // namespace lathe::deepx
