// ai.onnx.ml's linear models and support vector machines: signatures and inference. The kernels are in lathe/kernels/ml_linear.hpp.
#include "lathe/kernels/ml_linear.hpp"

#include "core/ops/families.hpp"
#include "core/ops/ml.hpp"

namespace lathe {
namespace {

// Features per row of a list that holds `rows` of them.
int64_t features_of(const InferenceContext& c, std::string_view attribute, int64_t rows) {
  const int64_t count = ml::length(c.node(), attribute);
  if (count == 0 || count % rows)
    c.fail("attribute '" + std::string(attribute) + "' has the wrong length", "a multiple of " + std::to_string(rows), std::to_string(count));
  return count / rows;
}

void expect_at_least(const InferenceContext& c, std::string_view attribute, int64_t least) {
  const int64_t found = ml::length(c.node(), attribute);
  if (found < least) c.fail("attribute '" + std::string(attribute) + "' is too short", "at least " + std::to_string(least), std::to_string(found));
}

void infer_linear_regressor(InferenceContext& c) {
  ml::expect_transform(c);
  const int64_t targets = c.node().integer("targets", 1);
  if (targets < 1) c.fail("attribute 'targets' is out of range", "at least 1", std::to_string(targets));
  if (ml::length(c.node(), "intercepts")) ml::expect_length(c, "intercepts", targets);
  ml::set_regression(c, DataType::float32, targets, features_of(c, "coefficients", targets));
}

void infer_linear_classifier(InferenceContext& c) {
  ml::expect_transform(c);
  DataType type = DataType::none;
  const int64_t labels = ml::classes(c, "classlabels_ints", type), intercepts = ml::length(c.node(), "intercepts");
  const int64_t count = intercepts ? intercepts : labels;
  if (count > 1 && count != labels) c.fail("the model has another number of scores than labels", std::to_string(labels), std::to_string(count));
  ml::set_classification(c, type, count == 1 && labels == 2 ? 2 : count, features_of(c, "coefficients", count));
}

void check_vector_kernel(const InferenceContext& c) {
  ml::expect_text(c, "kernel_type", "LINEAR", {"LINEAR", "POLY", "RBF", "SIGMOID"});
  if (ml::length(c.node(), "kernel_params") || c.node().text("kernel_type", "LINEAR") != "LINEAR") ml::expect_length(c, "kernel_params", 3);
  ml::expect_transform(c);
}

void infer_svm_regressor(InferenceContext& c) {
  check_vector_kernel(c);
  if (c.node().text("post_transform", "NONE") != "NONE")
    c.unsupported("nothing transforms the result of an SVMRegressor", "export it with post_transform NONE");
  const int64_t vectors = c.node().integer("n_supports", 0);
  if (vectors < 0) c.fail("attribute 'n_supports' is out of range", "0 or more", std::to_string(vectors));
  expect_at_least(c, "rho", 1);
  expect_at_least(c, "coefficients", std::max<int64_t>(vectors, 1));
  ml::set_regression(c, DataType::float32, 1, vectors ? features_of(c, "support_vectors", vectors) : ml::length(c.node(), "coefficients"));
}

void infer_svm_classifier(InferenceContext& c) {
  check_vector_kernel(c);
  DataType type = DataType::none;
  const int64_t classes = ml::classes(c, "classlabels_ints", type), pairs = classes * (classes - 1) / 2;
  if (classes > 65535) c.fail("a classifier has too many classes", "at most 65535", std::to_string(classes));
  int64_t vectors = 0;
  for (const int64_t n : c.node().integers("vectors_per_class"))
    if (n < 0 || __builtin_add_overflow(vectors, n, &vectors))
      c.fail("attribute 'vectors_per_class' is out of range", "0 or more", std::to_string(n));
  ml::expect_length(c, "prob_b", ml::length(c.node(), "prob_a"));
  if (vectors == 0) {
    expect_at_least(c, "rho", 1);
    return ml::set_classification(c, type, classes, features_of(c, "coefficients", classes));
  }
  if (classes < 2) c.fail("a classifier with support vectors tells at least two classes apart", "2 labels", std::to_string(classes));
  ml::expect_length(c, "vectors_per_class", classes);
  int64_t coefficients = 0;
  if (__builtin_mul_overflow(classes - 1, vectors, &coefficients)) c.fail("attribute 'vectors_per_class' is out of range");
  expect_at_least(c, "coefficients", coefficients);
  expect_at_least(c, "rho", pairs);
  const bool probabilities = ml::length(c.node(), "prob_a") > 0;
  if (probabilities) expect_at_least(c, "prob_a", pairs);
  ml::set_classification(c, type, probabilities ? classes : (classes > 2 ? pairs : 2), features_of(c, "support_vectors", vectors));
}

constexpr AttributeKind integer = AttributeKind::integer, integers = AttributeKind::integers, reals = AttributeKind::reals,
                        text = AttributeKind::text, texts = AttributeKind::texts;

Operator regressor(std::string_view name, std::vector<FormalAttribute> attributes, void (*infer)(InferenceContext&), kernels::Kernel kernel) {
  attributes.push_back({"post_transform", text, false, "NONE"});
  return {ml::domain, name, {1}, {{"X", "T"}}, {{"Y", infer::float_tensor}}, {{"T", ml::inputs()}}, std::move(attributes), infer, kernel};
}
Operator classifier(std::string_view name, std::vector<FormalAttribute> attributes, void (*infer)(InferenceContext&), kernels::Kernel kernel) {
  for (const FormalAttribute& a : std::initializer_list<FormalAttribute>{
           {"classlabels_ints", integers}, {"classlabels_strings", texts}, {"post_transform", text, false, "NONE"}})
    attributes.push_back(a);
  return {ml::domain,
          name,
          {1},
          {{"X", "T1"}},
          {{"Y", "T2"}, {"Z", infer::float_tensor}},
          {{"T1", ml::inputs()}, {"T2", {DataType::string, DataType::int64}}},
          std::move(attributes),
          infer,
          kernel};
}

}  // namespace

std::span<const Operator> ml_linear_operators() {
  static const Operator table[] = {
      classifier("LinearClassifier", {{"coefficients", reals, true, {}}, {"intercepts", reals}, {"multi_class", integer, false, "0"}},
                 infer_linear_classifier, kernels::linear_classifier),
      regressor("LinearRegressor", {{"coefficients", reals}, {"intercepts", reals}, {"targets", integer, false, "1"}}, infer_linear_regressor,
                kernels::linear_regressor),
      classifier("SVMClassifier",
                 {{"coefficients", reals},
                  {"kernel_params", reals},
                  {"kernel_type", text, false, "LINEAR"},
                  {"prob_a", reals},
                  {"prob_b", reals},
                  {"rho", reals},
                  {"support_vectors", reals},
                  {"vectors_per_class", integers}},
                 infer_svm_classifier, kernels::svm_classifier),
      regressor("SVMRegressor",
                {{"coefficients", reals},
                 {"kernel_params", reals},
                 {"kernel_type", text, false, "LINEAR"},
                 {"n_supports", integer, false, "0"},
                 {"one_class", integer, false, "0"},
                 {"rho", reals},
                 {"support_vectors", reals}},
                infer_svm_regressor, kernels::svm_regressor),
  };
  return table;
}

}  // namespace lathe
