// Operators of classical machine learning (ai.onnx.ml): preparation of features, linear models, support vector machines. Trees are in trees.cpp.
//
// Details that the standard leaves open are those of ONNX Runtime, as everywhere in Lathe.
#include "classical.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "families.hpp"

namespace lathe::openvino {

namespace {
const Attribute numpy = {"auto_broadcast", "numpy"};
}

namespace classical {
namespace {

// S. Winitzki, "A handy approximation for the error function and its inverse" (2008), with the constants of ONNX's reference.
Wire probit(Step& s, const Wire& p) {
  const auto number = [&](double x) { return s.scalar(p.type, x); };
  const auto binary = [&](const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); };
  const Wire x = binary("Subtract", binary("Multiply", p, number(2)), number(1));
  const Wire logarithm = s.make("Log", {binary("Multiply", binary("Subtract", number(1), x), binary("Add", number(1), x))});
  const Wire a = binary("Add", binary("Multiply", logarithm, number(0.5)), number(2 / (3.14159 * 0.147)));
  const Wire inner = s.make("Sqrt", {binary("Subtract", binary("Multiply", a, a), binary("Multiply", logarithm, number(1 / 0.147)))});
  const Wire root = binary("Multiply", s.make("Sqrt", {binary("Subtract", inner, a)}), number(1.41421356));
  return s.make("Select", {binary("Less", x, number(0)), s.make("Negative", {root}), root}, {numpy}, p.dimensions);
}

// Scores near zero stay there and count for nothing.
Wire softmax_zero(Step& s, const Wire& x) {
  const auto binary = [&](const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); };
  const Wire most = s.reduce("ReduceMax", x, {1}, true), none = s.scalar(x.type, 0);
  const Wire zero = binary("LessEqual", s.make("Abs", {x}), s.scalar(x.type, 1e-7));
  const Wire power = s.make("Exp", {binary("Subtract", x, most)});
  const Wire sum = s.reduce("ReduceSum", s.make("Select", {zero, none, power}, {numpy}, x.dimensions), {1}, true);
  const Wire small = binary("Multiply", x, s.make("Exp", {s.make("Negative", {most})}));
  return s.make("Divide", {s.make("Select", {zero, small, power}, {numpy}, x.dimensions), sum}, {numpy, {"m_pythondiv", "true"}});
}

}  // namespace

std::vector<double> numbers(const Step& s, std::string_view list, std::string_view tensor) {
  if (const auto found = tensor.empty() ? std::nullopt : s.node.attribute(tensor)) {
    const sdk::TensorView t = found->tensor();
    std::vector<double> values;
    if (t.type() == LATHE_FLOAT64) values.assign(t.as<double>().begin(), t.as<double>().end());
    if (t.type() == LATHE_FLOAT32) values.assign(t.as<float>().begin(), t.as<float>().end());
    return values;
  }
  const std::vector<float> values = s.node.reals(list);
  return {values.begin(), values.end()};
}

Wire table(Step& s, int32_t type) {
  const Wire x = s.convert(s.in(0), type);
  const int64_t rank = s.rank(0);
  if (rank != 1 && rank != 2) s.refuse("its data is no table, which has one or two axes");
  return rank == 2 ? x : s.unsqueeze(x, {0});
}

Wire place_of_largest(Step& s, const Wire& rows) {
  const Dimensions one = std::vector<int64_t>{(*rows.dimensions)[0], 1};
  const std::vector<Wire> top =
      s.make_many({"TopK", 11}, {rows, s.index(1)},
                  {{"axis", "1"}, {"mode", "max"}, {"sort", "value"}, {"index_element_type", "i64"}, {"stable", "true"}}, {one, one});
  return s.squeeze(top[1], {1});
}

std::vector<int64_t> labels(const Step& s, std::string_view integers) { return s.node.integers(integers); }

Wire labels_at(Step& s, const std::vector<int64_t>& labels, const Wire& places) { return s.gather(s.indices(labels), places, 0); }

Wire transformed(Step& s, const Wire& scores, std::string_view transform, Second second) {
  const auto binary = [&](const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); };
  const bool logistic = transform == "LOGISTIC", single = (*scores.dimensions)[1] == 1;
  if (single && transform == "PROBIT") {
    const Wire y = probit(s, scores);
    return second == Second::no ? y : s.concat({y, s.make("Multiply", {y, s.scalar(y.type, 0)}, {numpy})}, 1);
  }
  if (single && second != Second::no) {
    const Wire other = second == Second::rest && !logistic ? binary("Subtract", s.scalar(scores.type, 1), scores) : s.make("Negative", {scores});
    const Wire both = s.concat({other, scores}, 1);
    return logistic ? s.make("Sigmoid", {both}) : both;
  }
  if (single) return scores;
  if (logistic) return s.make("Sigmoid", {scores});
  if (transform == "PROBIT") return probit(s, scores);
  if (transform == "SOFTMAX") return s.make({"SoftMax", 1}, {scores}, {{"axis", "1"}});
  return transform == "SOFTMAX_ZERO" ? softmax_zero(s, scores) : scores;
}

}  // namespace classical

namespace {

using classical::Second;

bool real(int32_t type) { return type == LATHE_FLOAT32 || type == LATHE_FLOAT64 || type == LATHE_FLOAT16; }
// What numbers of a type are computed in without losing digits.
int32_t working_type(int32_t type) { return type == LATHE_FLOAT32 || type == LATHE_FLOAT16 ? LATHE_FLOAT32 : LATHE_FLOAT64; }

// One number, or one for each column.
Wire row(Step& s, const std::vector<double>& numbers, int32_t type) {
  if (numbers.size() == 1) return s.scalar(type, numbers[0]);
  return s.floats(type, {static_cast<int64_t>(numbers.size())}, numbers);
}

void columns(Step& s) {
  const Wire x = s.rank(0) == 1 ? s.unsqueeze(s.in(0), {0}) : s.in(0);
  s.out(0, s.gather(x, s.reshape(s.convert(s.in(1), LATHE_INT64), {-1}), x.rank() - 1));
}

void binarize(Step& s) {
  const Wire x = s.in(0);
  s.out(0, s.convert(s.make("Greater", {x, s.scalar(x.type, s.node.real("threshold", 0))}, {numpy}), x.type));
}

void scale(Step& s) {
  Wire y = s.convert(s.in(0), LATHE_FLOAT32);
  if (const auto offset = classical::numbers(s, "offset"); !offset.empty()) y = s.make("Subtract", {y, row(s, offset, y.type)}, {numpy});
  if (const auto factor = classical::numbers(s, "scale"); !factor.empty()) y = s.make("Multiply", {y, row(s, factor, y.type)}, {numpy});
  s.out(0, y);
}

void impute(Step& s) {
  const Wire x = s.in(0);
  std::vector<double> values;
  double old = 0;
  if (real(x.type)) {
    values = classical::numbers(s, "imputed_value_floats"), old = s.node.real("replaced_value_float", 0);
  } else {
    for (const int64_t v : s.node.integers("imputed_value_int64s")) values.push_back(static_cast<double>(v));
    old = static_cast<double>(s.node.integer("replaced_value_int64", 0));
  }
  if (values.empty()) s.refuse("it has no value to impute");
  const Wire found = std::isnan(old) ? s.make("IsNaN", {x}) : s.make("Equal", {x, s.scalar(x.type, old)}, {numpy});
  s.out(0, s.make("Select", {found, row(s, values, x.type), x}, {numpy}, x.dimensions));
}

// Along axis 1, or the only one: by the largest element, the sum of magnitudes or the root of the sum of squares, unless it is zero.
void normalize(Step& s) {
  const Wire x = s.convert(s.in(0), LATHE_FLOAT32);
  const std::vector<int64_t> axis = {s.rank(0) >= 2 ? 1 : 0};
  const std::string_view norm = s.node.text("norm", "MAX");
  const Wire divisor = s.reduce(norm == "MAX" ? "ReduceMax" : norm == "L1" ? "ReduceL1" : "ReduceL2", x, axis, true);
  const Wire none = s.make("Equal", {divisor, s.scalar(x.type, 0)}, {numpy});
  const Wire safe = s.make("Select", {none, s.scalar(x.type, 1), divisor}, {numpy}, divisor.dimensions);
  s.out(0, s.make("Divide", {x, safe}, {numpy, {"m_pythondiv", "true"}}));
}

// One more axis, as long as the list of categories.
void one_hot(Step& s) {
  const std::vector<int64_t> categories = s.node.integers("cats_int64s");
  if (s.node.integer("zeros", 1) == 0) s.refuse("with zeros=0 a value that is no category is an error, and no operation of the IR fails on a value");
  const Wire x = s.convert(s.in(0), LATHE_INT64);
  const Wire hit = s.make("Equal", {s.unsqueeze(x, {-1}), s.indices(categories)}, {numpy});
  s.out(0, s.convert(hit, LATHE_FLOAT32));
}

// Rows side by side; each input is cut, or filled up with zeros, to its place.
void vectorize(Step& s) {
  const std::vector<int64_t> sizes = s.node.integers("inputdimensions");
  std::vector<Wire> parts;
  for (size_t i = 0; i < s.inputs(); ++i) {
    const Wire given = s.convert(s.in(i), LATHE_FLOAT32);
    const int64_t rank = s.rank(i);
    int64_t own = 1;
    for (int64_t a = rank >= 2 ? 1 : 0; a < rank; ++a) {
      const int64_t d = (*given.dimensions)[static_cast<size_t>(a)];
      if (d < 0) s.refuse("how many columns an input of it has is open");
      own *= d;
    }
    const int64_t size = i < sizes.size() ? sizes[i] : own, rows = rank >= 2 ? (*given.dimensions)[0] : 1;
    Wire part = s.make("Reshape", {given, s.indices({rank >= 2 ? 0 : 1, own})}, {{"special_zero", "true"}}, std::vector<int64_t>{rows, own});
    if (size < own) part = s.slice(part, {0}, {size}, {1}, {1});
    if (size > own)
      part = s.make("Pad", {part, s.indices({0, 0}), s.indices({0, size - own}), s.scalar(part.type, 0)}, {{"pad_mode", "constant"}},
                    std::vector<int64_t>{rows, size});
    parts.push_back(part);
  }
  s.out(0, parts.size() == 1 ? parts[0] : s.concat(parts, 1));
}

// ---- LabelEncoder ---------------------------------------------------------------------------------------------------------------

// The keys or the values, of numbers; text is refused by its type before.
std::vector<double> listed(const Step& s, const std::string& prefix) {
  std::vector<double> values;
  if (const auto tensor = s.node.attribute(prefix + "_tensor")) {
    const sdk::TensorView t = tensor->tensor();
    const auto read = [&]<class T>(T) {
      for (const T x : t.as<T>()) values.push_back(static_cast<double>(x));
    };
    if (t.type() == LATHE_FLOAT32) read(float{});
    if (t.type() == LATHE_FLOAT64) read(double{});
    if (t.type() == LATHE_INT64) read(int64_t{});
    if (t.type() == LATHE_INT32) read(int32_t{});
    if (t.type() == LATHE_INT16) read(int16_t{});
    return values;
  }
  for (const int64_t x : s.node.integers(prefix + "_int64s")) values.push_back(static_cast<double>(x));
  for (const float x : s.node.reals(prefix + "_floats")) values.push_back(x);
  return values;
}

// The place of each element in the keys; a place behind them all is the default's. NaN is a key like any other.
void encode(Step& s) {
  const Wire x = s.in(0);
  const int32_t to = s.node.output_value(0).type();
  std::vector<double> keys = listed(s, "keys"), values = listed(s, "values");
  double otherwise = to == LATHE_FLOAT32 || to == LATHE_FLOAT64 ? static_cast<double>(s.node.real("default_float", -0.0f))
                                                                : static_cast<double>(s.node.integer("default_int64", -1));
  if (s.node.attribute("default_tensor")) otherwise = listed(s, "default").at(0);
  if (keys.size() != values.size()) s.refuse("it has other values than keys");
  values.push_back(otherwise);
  const int64_t count = static_cast<int64_t>(keys.size());
  const Wire far = s.unsqueeze(x, {-1});
  Wire hit = s.make("Equal", {far, s.floats(x.type, {count}, keys)}, {numpy});
  if (std::any_of(keys.begin(), keys.end(), [](double k) { return std::isnan(k); })) {
    std::vector<double> marks;
    for (const double k : keys) marks.push_back(std::isnan(k));
    hit = s.make("LogicalOr", {hit, s.make("LogicalAnd", {s.make("IsNaN", {far}), s.floats(LATHE_BOOL, {count}, marks)}, {numpy})}, {numpy});
  }
  std::vector<int64_t> places;
  for (int64_t i = 0; i < count; ++i) places.push_back(i);
  // The first key that is equal.
  const Wire at = s.make("Select", {hit, s.indices(places), s.index(count)}, {numpy}, hit.dimensions);
  const Wire place = s.reduce("ReduceMin", at, {x.has_rank() ? x.rank() : -1}, false);
  s.out(0, s.gather(s.floats(to, {count + 1}, values), place, 0));
}

// ---- linear models --------------------------------------------------------------------------------------------------------------

// x . coefficients[k] + intercepts[k]
Wire linear_scores(Step& s, const Wire& x, int64_t count) {
  const auto coefficients = classical::numbers(s, "coefficients"), intercepts = classical::numbers(s, "intercepts");
  const int64_t features = static_cast<int64_t>(coefficients.size()) / count;
  const Wire product = s.matmul(x, s.floats(x.type, {count, features}, coefficients), false, true);
  if (intercepts.empty()) return product;
  return s.make("Add", {product, s.floats(x.type, {1, count}, intercepts)}, {numpy});
}

void linear_regressor(Step& s) {
  const Wire x = classical::table(s, working_type(s.in(0).type));
  const Wire y = classical::transformed(s, linear_scores(s, x, s.node.integer("targets", 1)), s.node.text("post_transform", "NONE"));
  s.out(0, s.convert(y, LATHE_FLOAT32));
}

void linear_classifier(Step& s) {
  const Wire x = classical::table(s, working_type(s.in(0).type));
  const std::vector<int64_t> labels = classical::labels(s, "classlabels_ints");
  const int64_t intercepts = static_cast<int64_t>(classical::numbers(s, "intercepts").size());
  const int64_t count = intercepts ? intercepts : static_cast<int64_t>(labels.size());
  if (count < 1) s.refuse("it has no classes");
  const Wire scores = linear_scores(s, x, count);
  if (count == 1) {
    const Wire positive = s.convert(s.squeeze(s.make("Greater", {scores, s.scalar(scores.type, 0)}, {numpy}), {1}), LATHE_INT64);
    s.out(0, labels.size() == 2 ? classical::labels_at(s, labels, positive) : positive);
  } else {
    s.out(0, classical::labels_at(s, labels, classical::place_of_largest(s, scores)));
  }
  const Second second = count == 1 && labels.size() == 2 ? Second::rest : Second::no;
  s.out(1, s.convert(classical::transformed(s, scores, s.node.text("post_transform", "NONE"), second), LATHE_FLOAT32));
}

// How near each row [N, F] is to each of `count` vectors: [N, count].
Wire nearness(Step& s, const Wire& x, int64_t count) {
  const auto vectors = classical::numbers(s, "support_vectors"), parameters = classical::numbers(s, "kernel_params");
  const int64_t features = static_cast<int64_t>(vectors.size()) / count;
  const std::string_view kind = s.node.text("kernel_type", "LINEAR");
  const auto parameter = [&](size_t i) { return s.scalar(x.type, i < parameters.size() ? parameters[i] : 0); };
  if (kind == "RBF") {
    const Wire far = s.make("SquaredDifference", {s.unsqueeze(x, {1}), s.floats(x.type, {1, count, features}, vectors)}, {numpy});
    return s.make("Exp", {s.make("Negative", {s.make("Multiply", {s.reduce("ReduceSum", far, {2}, false), parameter(0)}, {numpy})})});
  }
  const Wire product = s.matmul(x, s.floats(x.type, {count, features}, vectors), false, true);
  if (kind == "LINEAR") return product;
  const Wire curved = s.make("Add", {s.make("Multiply", {product, parameter(0)}, {numpy}), parameter(1)}, {numpy});
  return kind == "SIGMOID" ? s.make("Tanh", {curved}) : s.make("Power", {curved, parameter(2)}, {numpy});
}

void vector_regressor(Step& s) {
  const Wire x = classical::table(s, working_type(s.in(0).type));
  auto coefficients = classical::numbers(s, "coefficients");
  const auto rho = classical::numbers(s, "rho");
  const int64_t count = s.node.integer("n_supports", 0);
  if (count > 0) coefficients.resize(static_cast<size_t>(count));
  const Wire near = count > 0 ? nearness(s, x, count) : x;
  const Wire sum = s.make(
      "Add", {s.matmul(near, s.floats(x.type, {static_cast<int64_t>(coefficients.size()), 1}, coefficients)), s.scalar(x.type, rho.at(0))}, {numpy});
  if (s.node.integer("one_class", 0) == 0) return s.out(0, s.convert(sum, LATHE_FLOAT32));
  const Wire inside = s.make("Greater", {sum, s.scalar(sum.type, 0)}, {numpy});
  s.out(0, s.make("Select", {inside, s.scalar(LATHE_FLOAT32, 1), s.scalar(LATHE_FLOAT32, -1)}, {numpy}, inside.dimensions));
}

constexpr Writer writers[] = {
    {"ArrayFeatureExtractor", Means::exact, columns},
    {"Binarizer", Means::decomposition, binarize},
    {"FeatureVectorizer", Means::decomposition, vectorize},
    {"Imputer", Means::decomposition, impute},
    {"LabelEncoder", Means::decomposition, encode},
    {"LinearClassifier", Means::decomposition, linear_classifier},
    {"LinearRegressor", Means::decomposition, linear_regressor},
    {"Normalizer", Means::decomposition, normalize},
    {"OneHotEncoder", Means::decomposition, one_hot},
    {"SVMRegressor", Means::decomposition, vector_regressor},
    {"Scaler", Means::decomposition, scale},
};

}  // namespace

std::span<const Writer> classical_writers() { return writers; }

}  // namespace lathe::openvino
