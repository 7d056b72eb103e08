// MemryX's Neural Compiler, mx_nc: where it is, its command line, what its log means.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

namespace lathe::memryx {

const sdk::ToolDescription& neural_compiler();

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
};
struct Order {
  std::vector<Tensor> inputs, outputs;
  int64_t chips = 4;
  std::string effort = "normal";
  int64_t processes = 1;  // 0: as many as there are processors
  bool double_precision = false;
  std::string extensions;    // names or files for --extensions; empty: chosen by `attention` and the version
  bool attention = false;    // see has_attention()
  sdk::ToolVersion version;  // of the compiler; empty when it is not known, as in a bundle
};

inline constexpr const char *model_file = "model.onnx", *borders_file = "model_in_out.json", *artifact_file = "model.dfp",
                            *log_file = "memryx.neural_compiler.log";
// The tensors between which it compiles: {"inputs": [...], "outputs": [...]}.
std::string borders_text(const Order& order);
// The input's size as the compiler's version spells it: "1,3,640,640", before 2.2 "640,640,3". Empty where it has to tell it from the model.
std::string shape_text(const Order& order);
sdk::ToolPlan plan(const Order& order);

}  // namespace lathe::memryx
