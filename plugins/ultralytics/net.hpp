// The graph while it is made: ONNX operators at opset 18 with shapes that are known at once, because an image of a known size runs through
// the modules. Everything is float32 but indices.
#pragma once
#include <functional>
#include <lathe/plugin.hpp>
#include <map>
#include <string>
#include <vector>

#include "checkpoint.hpp"

namespace lathe::ultralytics {

struct Tensor {
  uint32_t value = LATHE_NONE;
  std::vector<int64_t> shape;
  int32_t type = LATHE_FLOAT32;
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
};

// A window over two spatial axes.
struct Window2d {
  std::vector<int64_t> kernel, stride, padding, dilation;  // two each; padding counts for both ends
};

std::vector<float> as_floats(const SavedTensor& tensor);

class Net {
 public:
  using Fill = std::function<void(sdk::NodeData&)>;
  explicit Net(std::string name) : graph(std::move(name)) { graph.set_opset("", 18); }

  sdk::GraphBuilder graph;

  // The module at work: names the nodes ("/model.0/conv/Conv") and the messages.
  class Scope {
   public:
    Scope(Net& net, const std::string& name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Net& net_;
    size_t length_;
  };
  const std::string& path() const { return path_; }
  // The network cannot be imported: `text` about the module at work.
  [[noreturn]] void refuse(lathe_code code, std::string text, std::string hint = {}) const;

  Tensor input(std::string name, std::vector<int64_t> shape);
  // A saved tensor as float32 (or int64 where it holds integers), dense.
  Tensor constant(const std::string& name, const SavedTensor& tensor);
  Tensor floats(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values);
  Tensor integers(const std::string& name, const std::vector<int64_t>& values);  // one axis
  Tensor scalar(float value);

  // One node with one output.
  Tensor node(const std::string& op_type, const std::vector<Tensor>& inputs, std::vector<int64_t> shape, const Fill& fill = {},
              int32_t type = LATHE_FLOAT32);

  Tensor convolution(const Tensor& x, const Tensor& weight, const Tensor* bias, const Window2d& window, int64_t groups);
  Tensor transposed_convolution(const Tensor& x, const Tensor& weight, const Tensor* bias, const Window2d& window,
                                const std::vector<int64_t>& output_padding, int64_t groups);
  Tensor pool(const std::string& op_type, const Tensor& x, const Window2d& window, bool ceil_mode, bool count_include_pad = false);
  Tensor unary(const std::string& op_type, const Tensor& x, const Fill& fill = {});
  Tensor binary(const std::string& op_type, const Tensor& a, const Tensor& b);  // broadcasts
  Tensor matmul(const Tensor& a, const Tensor& b);
  Tensor softmax(const Tensor& x, int64_t axis);
  Tensor reshape(const Tensor& x, std::vector<int64_t> shape);  // one -1 is allowed
  Tensor permute(const Tensor& x, const std::vector<int64_t>& order);
  Tensor concat(const std::vector<Tensor>& parts, int64_t axis);
  Tensor slice(const Tensor& x, int64_t axis, int64_t begin, int64_t end, int64_t step = 1);
  std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t axis);
  Tensor reduce(const std::string& op_type, const Tensor& x, const std::vector<int64_t>& axes, bool keep);
  Tensor pad(const Tensor& x, const std::vector<int64_t>& begins, const std::vector<int64_t>& ends, float value);
  // Height and width windows as equal as they can be (torch.nn.AdaptiveAvgPool2d); `op_type`: ReduceMean or ReduceMax.
  Tensor adaptive_pool(const std::string& op_type, const Tensor& x, int64_t height, int64_t width);
  Tensor resize(const Tensor& x, int64_t height, int64_t width, const std::string& mode, bool align_corners);

  int64_t axis(const Tensor& x, int64_t axis) const;  // 0 to rank-1, or refuses

 private:
  std::string fresh(const std::string& op_type);
  void count_elements(const SavedTensor& saved);
  std::string path_;
  std::map<std::string, int> used_;
  std::map<std::string, Tensor> scalars_, constants_;
  std::map<const char*, int64_t> used_elements_;  // of each storage: how many were made into constants
  int64_t repeated_elements_ = 0;                 // beyond what the storages hold
  std::map<std::string, int> names_;
};

}  // namespace lathe::ultralytics
