// ai.onnx.ml's preparation of features: signatures and inference. The kernels are in lathe/kernels/ml_features.hpp.
#include "lathe/kernels/ml_features.hpp"

#include "core/ops/families.hpp"
#include "core/ops/ml.hpp"

namespace lathe {
namespace {

void infer_array_feature_extractor(InferenceContext& c) {
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  const Shape *x = infer::shape(c, 0), *places = infer::shape(c, 1);
  if (!x) return infer::set(c, std::nullopt);
  Shape y(x->begin(), x->end() - 1);
  if (y.empty()) y.push_back(Dimension(1));
  y.push_back(places ? infer::product(c, *places, 0, places->size()) : Dimension());
  infer::set(c, std::move(y));
}

void set_like_input(InferenceContext& c, DataType type) {
  const Shape* x = infer::shape(c, 0);
  infer::set(c, type, x ? std::optional(*x) : std::nullopt);
}
void infer_like_input_float(InferenceContext& c) { set_like_input(c, DataType::float32); }

// The element type of the keys or values of a LabelEncoder, with the number of them.
DataType listed_type(const InferenceContext& c, const std::string& prefix, int64_t& count) {
  const std::string names[] = {prefix + "_tensor", prefix + "_strings", prefix + "_int64s", prefix + "_floats"};
  const std::string_view given = ml::only_one(c, {names[0], names[1], names[2], names[3]}, count);
  if (given == names[1]) return DataType::string;
  if (given == names[2]) return DataType::int64;
  if (given == names[3]) return DataType::float32;
  return std::get<Tensor>(c.node().attributes.find(given)->second.value).type;
}

void infer_label_encoder(InferenceContext& c) {
  int64_t keys = 0, values = 0;
  const DataType from = listed_type(c, "keys", keys), to = listed_type(c, "values", values);
  if (keys != values) c.fail("keys and values differ in number", std::to_string(keys) + " values", std::to_string(values));
  if (infer::element(c, 0) != from) c.fail("the keys are not of the input's type", std::string(name(infer::element(c, 0))), std::string(name(from)));
  if (const auto found = c.node().attributes.find("default_tensor"); found != c.node().attributes.end()) {
    const Tensor& t = std::get<Tensor>(found->second.value);
    if (t.type != to || t.size() != 1)
      c.fail("attribute 'default_tensor' is not one value of the values' type", std::string(name(to)), std::string(name(t.type)));
  }
  set_like_input(c, to);
}

void infer_category_mapper(InferenceContext& c) {
  ml::expect_length(c, "cats_strings", ml::length(c.node(), "cats_int64s"));
  set_like_input(c, infer::element(c, 0) == DataType::string ? DataType::int64 : DataType::string);
}

void infer_imputer(InferenceContext& c) {
  const DataType type = infer::element(c, 0);
  const bool real = type == DataType::float32 || type == DataType::float64;
  const std::string_view list = real ? "imputed_value_floats" : "imputed_value_int64s";
  if (ml::length(c.node(), list) == 0) c.fail("attribute '" + std::string(list) + "' is missing", "one value, or one for each column");
  ml::expect_per_column(c, list);
  infer::same_as_input(c);
}

void infer_normalizer(InferenceContext& c) {
  ml::expect_text(c, "norm", "MAX", {"MAX", "L1", "L2"});
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer_like_input_float(c);
}

void infer_one_hot_encoder(InferenceContext& c) {
  int64_t count = 0;
  const bool text = ml::only_one(c, {"cats_int64s", "cats_strings"}, count) == "cats_strings";
  if (text != (infer::element(c, 0) == DataType::string))
    c.fail("the categories are not of the input's type", text ? "strings" : "numbers", std::string(name(infer::element(c, 0))));
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, DataType::float32, std::nullopt);
  Shape y = *x;
  y.push_back(Dimension(count));
  infer::set(c, DataType::float32, std::move(y));
}

void infer_scaler(InferenceContext& c) {
  ml::expect_per_column(c, "offset");
  ml::expect_per_column(c, "scale");
  infer_like_input_float(c);
}

void infer_feature_vectorizer(InferenceContext& c) {
  const std::vector<int64_t> sizes = c.node().integers("inputdimensions");
  const size_t count = c.node().inputs.size();
  if (!sizes.empty()) ml::expect_length(c, "inputdimensions", int64_t(count));
  Dimension rows, width(0);
  for (size_t i = 0; i < count; ++i) {
    infer::expect_rank(c, i, 1, SIZE_MAX);
    const Shape* x = infer::shape(c, i);
    if (!sizes.empty() && sizes[i] < 0) c.fail("attribute 'inputdimensions' is out of range", "0 or more", std::to_string(sizes[i]));
    const Dimension own = x ? infer::product(c, *x, x->size() >= 2 ? 1 : 0, x->size()) : Dimension();
    width = infer::plus(c, width, sizes.empty() ? own : Dimension(sizes[i]));
    if (!x) continue;
    const Dimension its = x->size() >= 2 ? (*x)[0] : Dimension(1);
    if (infer::differ(rows, its)) c.fail("the inputs differ in their number of rows", std::to_string(rows.value), to_string(*x));
    if (!rows.constant()) rows = its;
  }
  infer::set(c, DataType::float32, Shape{rows, width});
}

Operator feature(std::string_view name, std::vector<DataType> types, std::string_view output, std::vector<FormalAttribute> attributes,
                 void (*infer)(InferenceContext&), kernels::Kernel kernel) {
  return {ml::domain, name, {1}, {{"X", "T"}}, {{"Y", output}}, {{"T", std::move(types)}}, std::move(attributes), infer, kernel};
}

}  // namespace

std::span<const Operator> ml_features_operators() {
  constexpr AttributeKind integer = AttributeKind::integer, integers = AttributeKind::integers, real = AttributeKind::real,
                          reals = AttributeKind::reals, text = AttributeKind::text, texts = AttributeKind::texts, tensor = AttributeKind::tensor;
  std::vector<DataType> with_strings = ml::inputs(), mapped = {DataType::string, DataType::int64};
  with_strings.push_back(DataType::string);
  const std::vector<DataType> labels{DataType::string, DataType::int64, DataType::float32, DataType::int32, DataType::int16, DataType::float64};
  static const Operator table[] = {
      {ml::domain,
       "ArrayFeatureExtractor",
       {1},
       {{"X", "T"}, {"Y", infer::int64_tensor}},
       {{"Z", "T"}},
       {{"T", with_strings}},
       {},
       infer_array_feature_extractor,
       kernels::array_feature_extractor},
      feature("Binarizer", ml::inputs(), "T", {{"threshold", real, false, "0"}}, infer::same_as_input, kernels::binarizer),
      {ml::domain,
       "CategoryMapper",
       {1},
       {{"X", "T1"}},
       {{"Y", "T2"}},
       {{"T1", mapped}, {"T2", mapped}},
       {{"cats_int64s", integers}, {"cats_strings", texts}, {"default_int64", integer, false, "-1"}, {"default_string", text, false, "_Unused"}},
       infer_category_mapper,
       kernels::category_mapper},
      {ml::domain,
       "FeatureVectorizer",
       {1},
       {{"X", "T1", Formal::variadic}},
       {{"Y", infer::float_tensor}},
       {{"T1", ml::inputs()}},
       {{"inputdimensions", integers}},
       infer_feature_vectorizer,
       kernels::feature_vectorizer},
      feature("Imputer", ml::inputs(), "T",
              {{"imputed_value_floats", reals},
               {"imputed_value_int64s", integers},
               {"replaced_value_float", real, false, "0"},
               {"replaced_value_int64", integer, false, "0"}},
              infer_imputer, kernels::imputer),
      {ml::domain,
       "LabelEncoder",
       {1, 2, 4},
       {{"X", "T1"}},
       {{"Y", "T2"}},
       {{"T1", labels}, {"T2", labels}},
       {{"default_float", real, false, "-0"},
        {"default_int64", integer, false, "-1"},
        {"default_string", text, false, "_Unused"},
        {"default_tensor", tensor},
        {"keys_floats", reals},
        {"keys_int64s", integers},
        {"keys_strings", texts},
        {"keys_tensor", tensor},
        {"values_floats", reals},
        {"values_int64s", integers},
        {"values_strings", texts},
        {"values_tensor", tensor}},
       infer_label_encoder,
       kernels::label_encoder},
      feature("Normalizer", ml::inputs(), infer::float_tensor, {{"norm", text, false, "MAX"}}, infer_normalizer, kernels::normalizer),
      feature("OneHotEncoder", with_strings, infer::float_tensor,
              {{"cats_int64s", integers}, {"cats_strings", texts}, {"zeros", integer, false, "1"}}, infer_one_hot_encoder, kernels::one_hot_encoder),
      feature("Scaler", ml::inputs(), infer::float_tensor, {{"offset", reals}, {"scale", reals}}, infer_scaler, kernels::scaler),
  };
  return table;
}

}  // namespace lathe
