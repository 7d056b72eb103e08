// Random numbers: signatures and inference. The kernels are in lathe/kernels/random.hpp.
#include "lathe/kernels/random.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// The attribute dtype, or `otherwise`; it must be among `allowed`.
DataType drawn_type(const InferenceContext& c, DataType otherwise, const std::vector<DataType>& allowed) {
  const DataType type = c.node().has("dtype") ? DataType(c.node().integer("dtype", 0)) : otherwise;
  if (std::find(allowed.begin(), allowed.end(), type) != allowed.end() || type == DataType::none) return type;
  std::string expected;
  for (const DataType t : allowed) expected += (expected.empty() ? "" : ", ") + std::string(name(t));
  const bool known = int32_t(type) >= 0 && type <= DataType::int2;
  c.fail("the output has a type that the operator does not yield", expected, known ? std::string(name(type)) : std::to_string(int32_t(type)),
         "attribute 'dtype' chooses another");
  return type;
}

void infer_drawn(InferenceContext& c) {
  Shape y;
  for (const int64_t d : c.node().integers("shape")) {
    if (d < 0) c.fail("attribute 'shape' is out of range", "0 or more", std::to_string(d));
    y.push_back(Dimension(d));
  }
  infer::set(c, drawn_type(c, DataType::float32, infer::floats()), std::move(y));
}

void infer_drawn_like(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  infer::set(c, drawn_type(c, infer::element(c, 0), infer::floats()), x ? std::optional(*x) : std::nullopt);
}

void infer_bernoulli(InferenceContext& c) {
  std::vector<DataType> allowed = infer::numbers();
  allowed.push_back(DataType::boolean);
  const Shape* x = infer::shape(c, 0);
  infer::set(c, drawn_type(c, infer::element(c, 0), allowed), x ? std::optional(*x) : std::nullopt);
}

void infer_multinomial(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, 2);
  const int64_t samples = c.node().integer("sample_size", 1);
  if (samples < 1) c.fail("attribute 'sample_size' is out of range", "at least 1", std::to_string(samples));
  const Shape* x = infer::shape(c, 0);
  infer::set(c, drawn_type(c, DataType::int32, {DataType::int32, DataType::int64}), Shape{x ? (*x)[0] : Dimension(), Dimension(samples)});
}

}  // namespace

std::span<const Operator> random_operators() {
  constexpr AttributeKind integer = AttributeKind::integer, real = AttributeKind::real;
  const FormalAttribute seed{"seed", real, false, "chosen anew in every run"};
  const std::vector<FormalAttribute> normal{{"mean", real, false, "0.0"}, {"scale", real, false, "1.0"}, seed},
      uniform{{"high", real, false, "1.0"}, {"low", real, false, "0.0"}, seed};
  std::vector<DataType> bernoulli = infer::numbers();
  bernoulli.push_back(DataType::boolean);
  const auto drawn = [](std::string_view name, std::vector<FormalAttribute> attributes, kernels::Kernel kernel) {
    attributes.push_back({"dtype", integer, false, "1 (float)"});
    attributes.push_back({"shape", AttributeKind::integers, true, {}});
    return Operator{"", name, {1, 22}, {}, {{"output", "T"}}, {{"T", infer::floats()}}, std::move(attributes), infer_drawn, kernel, nullptr, false};
  };
  const auto like = [](std::string_view name, std::vector<FormalAttribute> attributes, kernels::Kernel kernel) {
    attributes.push_back({"dtype", integer, false, "that of the input"});
    return Operator{"",
                    name,
                    {1, 22},
                    {{"input", "T1"}},
                    {{"output", "T2"}},
                    {{"T1", infer::every_type()}, {"T2", infer::floats()}},
                    std::move(attributes),
                    infer_drawn_like,
                    kernel,
                    nullptr,
                    false};
  };
  static const Operator table[] = {
      drawn("RandomNormal", normal, kernels::random_normal),
      drawn("RandomUniform", uniform, kernels::random_uniform),
      like("RandomNormalLike", normal, kernels::random_normal_like),
      like("RandomUniformLike", uniform, kernels::random_uniform_like),
      {"",
       "Bernoulli",
       {15, 22},
       {{"input", "T1"}},
       {{"output", "T2"}},
       {{"T1", infer::floats()}, {"T2", bernoulli}},
       {{"dtype", integer, false, "that of the input"}, seed},
       infer_bernoulli,
       kernels::bernoulli,
       nullptr,
       false},
      {"",
       "Multinomial",
       {7, 22},
       {{"input", "T1"}},
       {{"output", "T2"}},
       {{"T1", infer::floats()}, {"T2", {DataType::int32, DataType::int64}}},
       {{"dtype", integer, false, "6 (int32)"}, {"sample_size", integer, false, "1"}, seed},
       infer_multinomial,
       kernels::multinomial,
       nullptr,
       false},
  };
  return table;
}

}  // namespace lathe
