// Random small networks: whatever combination of operators, channel counts and layouts comes up, plan and reference agree.
#include "plan_support.hpp"

using namespace lathe;
using namespace lathe::llvm_cpu;
using namespace lathe::llvm_cpu::test;

namespace {

class RandomModel {
 public:
  explicit RandomModel(unsigned seed) : model(seed) {
    const int64_t batch = one_of({1, 1, 2}), size = one_of({4, 6, 8});
    images_.push_back(model.convolution(model.input({batch, 3, size, size}), channels(), 3));
    const int64_t length = one_of({6, 14});
    for (int64_t i = 0; i < length; ++i) grow();
    for (size_t i = 0; i < images_.size(); ++i)
      if (i + 1 == images_.size() || one_of({0, 0, 0, 1})) model.output(images_[i]);
  }
  Model model;

 private:
  int64_t one_of(std::vector<int64_t> choices) { return choices[model.random() % choices.size()]; }
  int64_t channels() { return one_of({1, 5, 8, 16, 16, 24, 32, 48}); }
  ValueId any() { return images_[images_.size() - 1 - model.random() % std::min<size_t>(images_.size(), 4)]; }

  void grow() {
    const ValueId x = any();
    const std::vector<int64_t> d = model.dimensions(x);
    images_.push_back(make(x, d));
    if (one_of({0, 1})) images_.back() = model.node(activation(), {images_.back()});
  }
  std::string activation() { return std::vector<std::string>{"Relu", "Sigmoid", "HardSwish", "Tanh", "LeakyRelu", "Neg"}[model.random() % 6]; }

  // Another value of the same shape; x when there is none.
  ValueId like(ValueId x) {
    for (const ValueId v : images_)
      if (v != x && model.dimensions(v) == model.dimensions(x) && one_of({0, 1})) return v;
    return x;
  }

  ValueId make(ValueId x, const std::vector<int64_t>& d) {
    const auto reshaped = [&](ValueId v, const std::vector<int64_t>& s) { return model.node("Reshape", {v, model.ints(s)}); };
    switch (one_of({0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12})) {
      case 0:
        return model.convolution(x, channels(), one_of({1, 3}));
      case 1:
        return model.node("Add", {x, like(x)});
      case 2:
        return model.convolution(x, d[1], 3, 1, d[1]);
      case 3:
        return model.node("MaxPool", {x}, {Model::set("kernel_shape", {3, 3}), Model::set("pads", {1, 1, 1, 1})});
      case 4:
        return model.node("Mul", {x, model.node("Sigmoid", {model.convolution(model.node("GlobalAveragePool", {x}), d[1])})});
      case 5: {  // the second half of the channels first
        if (d[1] < 2) return x;
        const std::vector<ValueId> parts = model.nodes("Split", {x, model.ints({d[1] / 2, d[1] - d[1] / 2})}, 2, {Model::set("axis", int64_t{1})});
        return model.node("Concat", {one_of({0, 1}) ? parts[1] : model.node("Relu", {parts[1]}), parts[0]}, {Model::set("axis", int64_t{1})});
      }
      case 6:
        return reshaped(model.node("Softmax", {reshaped(x, {d[0], d[1], d[2] * d[3]})}), d);
      case 7:
        return model.node("Concat", {x, like(x), model.convolution(x, one_of({7, 16, 32}))}, {Model::set("axis", int64_t{1})});
      case 8:
        return model.node("Add", {model.node("Mul", {x, model.weights({d[1], 1, 1})}), model.weights({1, 1, d[2], d[3]})});
      case 9: {
        const ValueId t = model.node("Transpose", {x}, {Model::set("perm", {0, 1, 3, 2})});
        return one_of({0, 1}) ? t : model.node("Add", {t, x});
      }
      case 10: {
        if (d[1] % 2) return model.node("Exp", {x});
        const ValueId t = model.node("Transpose", {reshaped(x, {d[0], 2, d[1] / 2, d[2], d[3]})}, {Model::set("perm", {0, 2, 1, 3, 4})});
        return reshaped(t, d);
      }
      case 11:
        return model.node("MatMul", {x, one_of({0, 1}) ? model.weights({d[3], d[3]}) : x});
      default:
        return model.convolution(x, d[1], 1, 1, d[1] % 4 ? 1 : 4);
    }
  }
  std::vector<ValueId> images_;
};

}  // namespace

TEST_CASE("random networks") {
  for (unsigned seed = 1; seed <= 120; ++seed) {
    CAPTURE(seed);
    RandomModel random(seed);
    check(random.model, seed % 3 == 0 ? 4 : seed % 3 == 1 ? 8 : 16);
  }
}
