// Operators of classical machine learning (ai.onnx.ml) that are plain arithmetic on numbers.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

std::vector<double> reals(const Step& s, const char* name) {
  const std::vector<float> list = s.node.reals(name);
  return {list.begin(), list.end()};
}

// One number, or one for each column.
Wire row(Step& s, const std::vector<double>& numbers, int32_t type) {
  if (numbers.size() == 1) return s.scalar(type, numbers[0]);
  return s.floats(type, {static_cast<int64_t>(numbers.size())}, numbers);
}

void columns(Step& s) { s.out(0, s.gather(s.in(0), s.reshape(s.convert(s.in(1), LATHE_INT64), {-1}), s.rank(0) - 1)); }

void binarize(Step& s) {
  const Wire x = s.in(0);
  s.out(0, s.convert(s.make("Greater", {x, s.scalar(x.type, s.node.real("threshold", 0))}, {numpy}), x.type));
}

void scale(Step& s) {
  Wire y = s.convert(s.in(0), LATHE_FLOAT32);
  if (const auto offset = reals(s, "offset"); !offset.empty()) y = s.make("Subtract", {y, row(s, offset, y.type)}, {numpy});
  if (const auto factor = reals(s, "scale"); !factor.empty()) y = s.make("Multiply", {y, row(s, factor, y.type)}, {numpy});
  s.out(0, y);
}

constexpr Writer writers[] = {
    {"ArrayFeatureExtractor", Means::exact, columns}, {"Binarizer", Means::decomposition, binarize}, {"Scaler", Means::decomposition, scale}};

}  // namespace

std::span<const Writer> classical_writers() { return writers; }

}  // namespace lathe::openvino
