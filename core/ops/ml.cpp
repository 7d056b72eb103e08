// See ml.hpp.
#include "core/ops/ml.hpp"

namespace lathe::ml {

std::string_view advice_on_maps(std::string_view of, std::string_view op_type) {
  if (of != domain) return {};
  if (op_type == "ZipMap")
    return "export the model with its scores as a tensor (skl2onnx: options={'zipmap': False}), or take the input of the ZipMap as the output";
  if (op_type == "DictVectorizer" || op_type == "CastMap") return "turn the dictionary into a tensor before the model, and export what follows it";
  return {};
}

std::vector<DataType> inputs() { return {DataType::float32, DataType::float64, DataType::int32, DataType::int64}; }

int64_t length(const Node& node, std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  if (found == node.attributes.end()) return 0;
  const auto& value = found->second.value;
  if (const auto* ints = std::get_if<Attribute::Ints>(&value)) return int64_t(ints->size());
  if (const auto* floats = std::get_if<Attribute::Floats>(&value)) return int64_t(floats->size());
  if (const auto* strings = std::get_if<Attribute::Strings>(&value)) return int64_t(strings->size());
  if (const auto* tensor = std::get_if<Tensor>(&value)) return tensor->size();
  return 0;
}

void expect_length(const InferenceContext& c, std::string_view attribute, int64_t expected) {
  const int64_t found = length(c.node(), attribute);
  if (found != expected) c.fail("attribute '" + std::string(attribute) + "' has the wrong length", std::to_string(expected), std::to_string(found));
}

void expect_per_column(const InferenceContext& c, std::string_view attribute) {
  const Shape* x = infer::shape(c, 0);
  const int64_t found = length(c.node(), attribute);
  if (found <= 1 || !x) return;
  const Dimension columns = x->empty() ? Dimension(1) : x->back();
  if (infer::differ(columns, Dimension(found)))
    c.fail("attribute '" + std::string(attribute) + "' has the wrong length", "1 or " + std::to_string(columns.value), std::to_string(found));
}

std::string_view only_one(const InferenceContext& c, const std::vector<std::string_view>& attributes, int64_t& count) {
  std::string_view found;
  std::string names;
  for (const std::string_view name : attributes) {
    names += (names.empty() ? "" : ", ") + std::string(name);
    const int64_t n = length(c.node(), name);
    if (n == 0) continue;
    if (!found.empty()) c.fail("attributes '" + std::string(found) + "' and '" + std::string(name) + "' are both given", "one of " + names);
    found = name;
    count = n;
  }
  if (found.empty()) c.fail("an attribute with a list is missing", "one of " + names);
  return found;
}

void expect_text(const InferenceContext& c, std::string_view attribute, std::string_view fallback, const std::vector<std::string_view>& values) {
  const std::string found = c.node().text(attribute, fallback);
  std::string names;
  for (const std::string_view value : values) {
    if (found == value) return;
    names += (names.empty() ? "" : ", ") + std::string(value);
  }
  c.fail("attribute '" + std::string(attribute) + "' has an unknown value", "one of " + names, found);
}

void expect_transform(const InferenceContext& c) {
  expect_text(c, "post_transform", "NONE", {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"});
}

int64_t classes(const InferenceContext& c, std::string_view integers, DataType& type) {
  int64_t count = 0;
  const std::string_view given = only_one(c, {integers, "classlabels_strings"}, count);
  type = given == integers ? DataType::int64 : DataType::string;
  return count;
}

namespace {
// The rows of [N, F] or [F]; unknown when the rank is.
Dimension rows(const InferenceContext& c, int64_t features) {
  infer::expect_rank(c, 0, 1, 2);
  const Shape* x = infer::shape(c, 0);
  if (!x) return {};
  if (features && infer::differ(x->back(), Dimension(features)))
    c.fail("the input has another number of features than the model", std::to_string(features), to_string(*x));
  return x->size() == 2 ? (*x)[0] : Dimension(1);
}
}  // namespace

void set_classification(InferenceContext& c, DataType labels, int64_t scores, int64_t features) {
  const Dimension n = rows(c, features);
  infer::set(c, labels, Shape{n});
  infer::set(c, DataType::float32, Shape{n, Dimension(scores)}, 1);
}

void set_regression(InferenceContext& c, DataType type, int64_t targets, int64_t features) {
  const Dimension n = rows(c, features);
  infer::set(c, type, Shape{n, Dimension(targets)});
}

}  // namespace lathe::ml
