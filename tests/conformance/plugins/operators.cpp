// Plugins with operators of their own, one per -DPLUGIN_NAME:
//   operators_good      com.test.Scale (kernel, inference, attribute), com.test.Choose (its kernel gives the shape), com.test.Halve (decomposition)
//   operators_again     com.test.Scale too
//   operators_twice     one operator twice
//   operators_onnx      an operator of ONNX's own domain
//   operators_bare      an operator with neither kernel nor decomposition, and one of a type that does not exist
//   operators_broken    com.broken.Silent fails without saying why, com.broken.Wild says impossible types, com.broken.Endless contains itself,
//                       com.broken.Nonsense is decomposed into what is no graph
#include <cstring>
#include <lathe/kernels/shapes.hpp>
#include <lathe/operators.hpp>
#include <lathe/plugin.hpp>

#define PLUGIN_NAME_TEXT LATHE_SDK_STRING(PLUGIN_NAME)

namespace {
namespace sdk = lathe::sdk;
namespace kernels = lathe::kernels;

bool is(const char* name) { return std::strcmp(PLUGIN_NAME_TEXT, name) == 0; }

void scale(const kernels::Call& call) {
  const float factor = call.real("factor", 2);
  kernels::map<kernels::Floats>(call, [=]<class T>(T x) { return x * T(factor); });
}
void infer_scale(sdk::Inference& node) {
  if (node.node().real("factor", 2) == 0) node.fail("the factor is zero", "a number that is not 0", "0");
  sdk::same_as_input(node);
}

// The elements of X that are positive.
void choose(const kernels::Call& call) {
  const kernels::Tensor& x = call.input(0);
  int64_t count = 0;
  for (int64_t i = 0; i < x.size(); ++i) count += x.as<const float>()[i] > 0;
  if (!call.allocate_output(0, &count, 1)) return;
  float* y = call.output().as<float>();
  for (int64_t i = 0; i < x.size(); ++i)
    if (x.as<const float>()[i] > 0) *y++ = x.as<const float>()[i];
}
void infer_choose(sdk::Inference& node) { node.set_output(0, LATHE_FLOAT32, sdk::Shape{sdk::Dimension()}); }

std::string halve(const sdk::NodeView&) { return "agraph (X) => (Y) <float half = {0.5}> { t = Mul(X, half) Y = com.test.Scale<factor = 1.0>(t) }"; }

void infer_silent(sdk::Inference&) { throw sdk::Failure(LATHE_FAILED); }
void infer_wild(sdk::Inference& node) { node.set_output(0, 999, std::nullopt); }
std::string endless(const sdk::NodeView&) { return "agraph (X) => (Y) { Y = com.broken.Endless(X) }"; }
std::string nonsense(const sdk::NodeView&) { return "no graph"; }

struct Operators {
  static std::vector<sdk::OperatorInfo> operators() {
    const sdk::TypeVariable floats = {"T", {LATHE_FLOAT32, LATHE_FLOAT64, LATHE_FLOAT16, LATHE_BFLOAT16}};
    const auto simple = [&](const char* domain, const char* name) {
      return sdk::OperatorInfo{domain, name, {1}, {{"X", "T"}}, {{"Y", "T"}}, {floats}, {}};
    };
    const auto scaling = [&](const char* domain, const char* name) {
      sdk::OperatorInfo info = simple(domain, name);
      info.attributes = {{"factor", LATHE_ATTRIBUTE_FLOAT, false, "2.0"}};
      info.infer = &sdk::run_inference<&infer_scale>;
      info.kernel = &scale;
      info.shape = &kernels::shapes::same;
      return info;
    };
    if (is("operators_twice")) return {scaling("com.twice", "Scale"), scaling("com.twice", "Scale")};
    if (is("operators_onnx")) return {scaling("ai.onnx", "Relu")};
    if (is("operators_again")) return {scaling("com.test", "Scale")};
    if (is("operators_bare")) {
      sdk::OperatorInfo wrong = scaling("com.bare", "Wrong");
      wrong.inputs = {{"X", "tensor(float99)"}};
      return {simple("com.bare", "Bare"), wrong};
    }
    if (is("operators_broken")) {
      sdk::OperatorInfo silent = scaling("com.broken", "Silent"), wild = scaling("com.broken", "Wild");
      silent.infer = &sdk::run_inference<&infer_silent>;
      wild.infer = &sdk::run_inference<&infer_wild>;
      sdk::OperatorInfo self = simple("com.broken", "Endless"), text = simple("com.broken", "Nonsense");
      self.decompose = &sdk::run_decomposition<&endless>;
      text.decompose = &sdk::run_decomposition<&nonsense>;
      return {silent, wild, self, text};
    }
    sdk::OperatorInfo chooser = {"com.test", "Choose", {1}, {{"X", "tensor(float)"}}, {{"Y", "tensor(float)"}}, {}, {}};
    chooser.infer = &sdk::run_inference<&infer_choose>;
    chooser.kernel = &choose;
    sdk::OperatorInfo halved = simple("com.test", "Halve");
    halved.decompose = &sdk::run_decomposition<&halve>;
    return {scaling("com.test", "Scale"), chooser, halved};
  }
};

}  // namespace

LATHE_PLUGIN(PLUGIN_NAME_TEXT, "1.0.0", "Tests", "Brings operators.", sdk::OperatorsPart<Operators>)
