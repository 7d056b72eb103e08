// Random numbers: signatures and inference. The kernels are in lathe/kernels/random.hpp.
#include "lathe/kernels/random.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// The attribute dtype, or `otherwise`; it must be among `allowed`.
DataType drawn_type(const InferenceContext& c, DataType otherwise, const std::vector<DataType>& allowed) {
  const DataType type = c.node().has("dtype") ? infer::data_type(c, "dtype") : otherwise;
  if (std::find(allowed.begin(), allowed.end(), type) != allowed.end() || type == DataType::none) return type;
  std::string expected;
  for (const DataType t : allowed) expected += (expected.empty() ? "" : ", ") + std::string(name(t));
  c.fail("the output has a type that the operator does not yield", expected, std::string(name(type)), "attribute 'dtype' chooses another");
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

// Whatever stays random without a seed would make every run another: a Dropout that draws must have one.
void infer_dropout(InferenceContext& c) {
  const Tensor *ratio = c.constant(1), *training = c.constant(2);
  for (size_t i = 1; i <= 2; ++i)
    if (const Shape* s = infer::shape(c, i); s && infer::differ(infer::product(c, *s, 0, s->size()), Dimension(1)))
      c.fail("input " + std::to_string(i) + " is no scalar", "one element", to_string(*s));
  const bool drops_nothing =
      ratio && std::all_of(ratio->bytes.data, ratio->bytes.data + ratio->bytes.size, [](std::byte b) { return b == std::byte(0); });
  const bool trains = training && training->size() == 1 && training->as<uint8_t>()[0];
  if (trains && !c.node().has("seed") && !drops_nothing)
    c.unsupported("it is in training mode and has no seed", "export the model for inference (model.eval() in PyTorch)");
  infer::same_as_input(c);
  const Shape* x = infer::shape(c, 0);
  if (c.node().outputs.size() > 1) infer::set(c, DataType::boolean, x ? std::optional(*x) : std::nullopt, 1);
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
       "Dropout",
       {7, 10, 12, 13, 22},
       {{"data", "T"}, {"ratio", "T1", Formal::optional}, {"training_mode", infer::bool_tensor, Formal::optional}},
       {{"output", "T"}, {"mask", infer::bool_tensor, Formal::optional}},
       {{"T", infer::floats()}, {"T1", infer::floats()}},
       {{"seed", integer}},
       infer_dropout,
       kernels::dropout},
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
