// rknn-toolkit2: where it is, how it is told what to do, what its log means.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

namespace lathe::rknn {

const sdk::ToolDescription& toolkit();

// The person's word on its place; empty where nothing was said.
struct Place {
  std::string python, environment, container;
};
// A Python that has the toolkit. Throws Failure (LATHE_UNSUPPORTED): none, or of a version that does not serve.
sdk::Tool require_toolkit(const Place& place);

// What build.py does, but for the files' names, which are fixed: model.onnx, dataset.txt (which it writes), model.rknn.
struct Order {
  std::string device;  // "RK3588"
  bool quantised = false;
  std::string algorithm = "normal", method = "channel";  // of quantisation
  int64_t optimization_level = 3;
  std::vector<std::vector<double>> mean, spread;  // one list per input
  std::vector<std::string> inputs, outputs;       // tensors
  std::vector<std::vector<int64_t>> shapes;       // of the inputs
  bool blue_first = false;                        // calibration pictures are RGB, and the model wants BGR
  std::string remark;                             // kept in the artifact
  // Per calibration sample the files of all inputs, relative to the folder; none for float16. build.py makes dataset.txt of them, for their absolute
  // paths are known where it runs.
  std::vector<std::vector<std::string>> samples;
};
std::string order_text(const Order& order);

inline constexpr const char *model_file = "model.onnx", *order_file = "build.json", *program_file = "build.py", *artifact_file = "model.rknn";
sdk::ToolPlan plan(const std::string& device);

}  // namespace lathe::rknn
