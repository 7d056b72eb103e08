// What draws random numbers. The standard prescribes no generator, so that the IR's own (Philox) serves: its numbers are others than those of another
// engine with the same seed, and spread in the same way.
#include <bit>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// The bits of ONNX's seed, which is a float, as the exclusive or of both seeds, since two zeros mean none.
Attributes seeds(const Step& s, uint32_t stream = 0) {
  const auto seed = s.node.attribute("seed");
  if (!seed) return {{"global_seed", "0"}, {"op_seed", stream ? text(static_cast<int64_t>(stream)) : "0"}};
  // Dropout's is an integer.
  const uint32_t bits = (s.node.is("Dropout") ? static_cast<uint32_t>(seed->integer()) : std::bit_cast<uint32_t>(seed->real())) ^ stream;
  return {{"global_seed", bits ? "0" : "1"}, {"op_seed", text(static_cast<int64_t>(bits ? bits : 1))}};
}

// Numbers from low to below high, in a shape that is a wire.
Wire uniform(Step& s, int32_t type, const Wire& shape, const Dimensions& dimensions, double low, double high, uint32_t stream = 0) {
  Attributes attributes = {{"output_type", type == LATHE_FLOAT64 ? "f64" : type == LATHE_FLOAT16 ? "f16" : type == LATHE_BFLOAT16 ? "bf16" : "f32"}};
  for (Attribute& a : seeds(s, stream)) attributes.push_back(std::move(a));
  return s.make({"RandomUniform", 8}, {shape, s.scalar(type, low), s.scalar(type, high)}, std::move(attributes), dimensions, type);
}

// The shape that is wanted: the attribute, or that of the input.
Wire wanted(Step& s, Dimensions& dimensions) {
  dimensions = s.node.output_value(0).has_rank() ? Dimensions(s.node.output_value(0).shape()) : std::nullopt;
  if (s.node.op_type().ends_with("Like")) return s.shape_of(s.in(0));
  return s.indices(s.node.integers("shape"));
}

void random_uniform(Step& s) {
  Dimensions dimensions;
  const Wire shape = wanted(s, dimensions);
  s.out(0, uniform(s, s.node.output_value(0).type(), shape, dimensions, s.node.real("low", 0), s.node.real("high", 1)));
}

// G. Box and M. Muller, "A note on the generation of random normal deviates" (1958), from two draws.
void random_normal(Step& s) {
  Dimensions dimensions;
  const Wire shape = wanted(s, dimensions);
  const int32_t to = s.node.output_value(0).type(), type = to == LATHE_FLOAT64 ? to : LATHE_FLOAT32;
  const auto number = [&](double x) { return s.scalar(type, x); };
  const auto binary = [&](const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); };
  // The first lies above zero, of which there is a logarithm.
  const Wire first = binary("Subtract", number(1), uniform(s, type, shape, dimensions, 0, 1, 0x9e3779b9));
  const Wire second = uniform(s, type, shape, dimensions, 0, 1, 0x3c6ef372);
  const Wire radius = s.make("Sqrt", {binary("Multiply", s.make("Log", {first}), number(-2))});
  const Wire normal = binary("Multiply", radius, s.make("Cos", {binary("Multiply", second, number(6.283185307179586))}));
  const Wire spread = binary("Multiply", normal, number(s.node.real("scale", 1)));
  s.out(0, s.convert(binary("Add", spread, number(s.node.real("mean", 0))), to));
}

void bernoulli(Step& s) {
  const Wire p = s.in(0);
  const int32_t type = p.type == LATHE_FLOAT64 ? p.type : LATHE_FLOAT32;
  const Wire drawn = uniform(s, type, s.shape_of(p), p.dimensions, 0, 1);
  s.out(0, s.convert(s.make("Less", {drawn, s.convert(p, type)}, {numpy}), s.node.output_value(0).type()));
}

// Logarithms of probabilities, up to a constant for each row, which the operation divides away.
void multinomial(Step& s) {
  const Wire x = s.in(0);
  const int32_t type = s.node.output_value(0).type();
  const int64_t count = s.node.integer("sample_size", 1);
  Attributes attributes = {{"convert_type", type == LATHE_INT64 ? "i64" : "i32"}, {"with_replacement", "true"}, {"log_probs", "true"}};
  for (Attribute& a : seeds(s)) attributes.push_back(std::move(a));
  s.out(0, s.make({"Multinomial", 13}, {x, s.index(count)}, std::move(attributes), std::vector<int64_t>{(*x.dimensions)[0], count}, type));
}

// In training what is drawn below the ratio is dropped, and the rest grows for it. The mode and the ratio may be computed.
void dropout(Step& s) {
  const Wire x = s.in(0);
  const std::optional<double> mode = s.has(2) ? s.number(2) : 0.0, ratio = s.has(1) ? s.number(1) : 0.5;
  if (mode == 0.0 || ratio == 0.0) {
    s.out(0, x);
    if (s.wants(1)) s.out(1, s.broadcast_to(s.scalar(LATHE_BOOL, 1), s.shape_of(x), x.dimensions));
    return;
  }
  const auto binary = [&](const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); };
  const int32_t type = x.type == LATHE_FLOAT64 ? x.type : LATHE_FLOAT32;
  Wire share = s.has(1) ? s.convert(s.in(1), type) : s.scalar(type, 0.5);
  if (!mode) share = s.make("Select", {s.in(2), share, s.scalar(type, 0)}, {numpy}, share.dimensions);
  const Wire kept = binary("GreaterEqual", uniform(s, type, s.shape_of(x), x.dimensions, 0, 1), share);
  const Wire factor = s.make("Divide", {s.scalar(type, 1), binary("Subtract", s.scalar(type, 1), share)}, {numpy, {"m_pythondiv", "true"}});
  const Wire grown = s.convert(binary("Multiply", s.convert(x, type), factor), x.type);
  s.out(0, s.make("Select", {kept, grown, s.scalar(x.type, 0)}, {numpy}, x.dimensions));
  s.out(1, kept);
}

constexpr Writer writers[] = {
    {"Bernoulli", Means::decomposition, bernoulli},
    {"Dropout", Means::exact, dropout},
    {"Multinomial", Means::exact, multinomial},
    {"RandomNormal", Means::decomposition, random_normal},
    {"RandomNormalLike", Means::decomposition, random_normal},
    {"RandomUniform", Means::exact, random_uniform},
    {"RandomUniformLike", Means::exact, random_uniform},
};

}  // namespace

std::span<const Writer> random_writers() { return writers; }

}  // namespace lathe::openvino
