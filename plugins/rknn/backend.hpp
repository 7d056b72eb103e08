// backend/1: prepares a graph for rknn-toolkit2, has it converted, and holds the result against what was asked.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

#include "file.hpp"
#include "tool.hpp"

namespace lathe::rknn {

// A tensor at the border of the part that is compiled.
struct Border {
  std::string name;
  std::vector<int64_t> shape;
};
struct Expected {
  std::string device;
  bool quantised = false;
  std::vector<Border> inputs, outputs;
};
struct Binding {
  std::string tensor, own;  // the graph's name, the file's
};
// Holds a file against what was asked; the tensors that the file calls by other names. Throws Failure (LATHE_FAILED) where they do not agree.
std::vector<Binding> judge(const File& file, const Expected& expected, const std::string& path);

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  static const char* default_device(const sdk::Settings&) { return "RK3588"; }
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& fact);

 private:
  // Writes everything that the plan reads into the folder.
  sdk::ToolPlan prepare(const sdk::GraphView& graph, const std::string& folder, const Expected& expected);
  std::vector<std::vector<std::string>> write_calibration(const sdk::GraphView& graph, const std::string& folder, size_t inputs);
  // Whether mean and scale go into the file, so that it takes raw pixels.
  bool takes_pixels() const;
  bool pictures_as_png() const { return takes_pixels() && preprocessing_->channels == 3; }

  sdk::Host host_;
  std::string device_, stem_;
  bool quantised_, bundle_;
  Place place_;
  std::string algorithm_, method_, runtime_;
  int64_t optimization_level_ = 3;
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
  std::string version_;     // of the toolkit, once it was asked
  uint64_t container_ = 0;  // version of the file that was made
};

}  // namespace lathe::rknn
