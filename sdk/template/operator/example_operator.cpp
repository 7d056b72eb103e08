// Operators of one's own: DeadZone has a kernel, BiasDeadZone is a graph of operators that are known.
#include <lathe/operators.hpp>
#include <lathe/plugin.hpp>
#include <string>

#include "example_operator_kernels.hpp"

namespace {
namespace sdk = lathe::sdk;

void infer_dead_zone(sdk::Inference& node) {
  if (node.node().real("threshold", 0.5f) < 0) node.fail("the threshold is negative", "0 or more");
  sdk::same_as_input(node);
}

// In ONNX's textual syntax; attributes are written as the numbers they have.
std::string bias_dead_zone(const sdk::NodeView& node) {
  const std::string threshold = std::to_string(node.real("threshold", 0.5f));
  return "<opset_import: [\"\": 21, \"com.example\": 1]> g (X, B) => (Y) {"
         "  sum = Add(X, B)"
         "  Y = com.example.DeadZone<threshold = " +
         threshold +
         ">(sum)"
         "}";
}

struct Operators {
  static std::vector<sdk::OperatorInfo> operators() {
    const sdk::TypeVariable floats = {"T", {LATHE_FLOAT32, LATHE_FLOAT64, LATHE_FLOAT16, LATHE_BFLOAT16}};
    const sdk::FormalAttribute threshold = {"threshold", LATHE_ATTRIBUTE_FLOAT, false, "0.5"};

    sdk::OperatorInfo dead_zone = {"com.example", "DeadZone", {1}, {{"X", "T"}}, {{"Y", "T"}}, {floats}, {threshold}};
    dead_zone.infer = &sdk::run_inference<&infer_dead_zone>;
    dead_zone.kernel = &example::dead_zone;
    dead_zone.shape = &lathe::kernels::shapes::same;

    sdk::OperatorInfo with_bias = {"com.example", "BiasDeadZone", {1}, {{"X", "T"}, {"B", "T"}}, {{"Y", "T"}}, {floats}, {threshold}};
    with_bias.decompose = &sdk::run_decomposition<&bias_dead_zone>;
    return {dead_zone, with_bias};
  }
};

}  // namespace

LATHE_PLUGIN("example_operator", "0.1.0", "Example", "Brings two operators of its own.", sdk::OperatorsPart<Operators>)
