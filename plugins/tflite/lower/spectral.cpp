// Fourier transforms as products with matrices of sines and cosines; windows. The format's RFFT2D makes complex numbers of powers of two only.
#include <algorithm>
#include <cmath>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

constexpr double pi = 3.14159265358979323846;

// Parts of a signal: float32 [lines, count] each; an absent imaginary part is -1.
struct Signal {
  int32_t real, imaginary;
};

int32_t product(Lowering& l, int32_t x, int64_t outputs, const std::function<double(int64_t, int64_t)>& element) {
  const Extents e = l.extents_of(x);
  std::vector<float> matrix;
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < e[1]; ++i) matrix.push_back(static_cast<float>(element(o, i)));
  const int32_t weights = l.float_constant({outputs, e[1]}, std::move(matrix), "waves");
  const int32_t none = l.filled(Type::float32, {outputs}, 0);
  return l.make("FULLY_CONNECTED", {x, weights, none}, Type::float32, {e[0], outputs});
}

// `length` is the period; inputs beyond it are left out before. Phases are reduced in integers, so that they stay exact.
Signal transform(Lowering& l, const Signal& x, int64_t length, int64_t outputs, bool inverse) {
  const double scale = inverse ? 1 / static_cast<double>(length) : 1;
  const auto phase = [&](int64_t o, int64_t i) { return 2 * pi * static_cast<double>(o * i % length) / static_cast<double>(length); };
  const auto cosine = [&](int64_t o, int64_t i) { return scale * std::cos(phase(o, i)); };
  const auto sine = [&](int64_t o, int64_t i) { return (inverse ? scale : -scale) * std::sin(phase(o, i)); };
  Expression real{&l, product(l, x.real, outputs, cosine)}, imaginary{&l, product(l, x.real, outputs, sine)};
  if (x.imaginary >= 0) {
    real = real - real.with(product(l, x.imaginary, outputs, sine));
    imaginary = imaginary + real.with(product(l, x.imaginary, outputs, cosine));
  }
  return {real.tensor, imaginary.tensor};
}

// Real numbers of one side of their spectrum.
int32_t from_one_side(Lowering& l, const Signal& x, int64_t length) {
  const auto weight = [&](int64_t k) { return (k == 0 || 2 * k == length ? 1.0 : 2.0) / static_cast<double>(length); };
  const auto phase = [&](int64_t o, int64_t k) { return 2 * pi * static_cast<double>(o * k % length) / static_cast<double>(length); };
  Expression y{&l, product(l, x.real, length, [&](int64_t o, int64_t k) { return weight(k) * std::cos(phase(o, k)); })};
  if (x.imaginary >= 0)
    y = y - y.with(product(l, x.imaginary, length, [&](int64_t o, int64_t k) { return 2 * k == length ? 0 : weight(k) * std::sin(phase(o, k)); }));
  return y.tensor;
}

// The parts of `x` [lines, count, 1 or 2], of which `count` elements are taken.
Signal parts_of(Lowering& l, int32_t x, int64_t count) {
  const Extents e = l.extents_of(x);
  const auto part = [&](int64_t i) { return l.reshape(l.slice(x, {0, 0, i}, {e[0], count, 1}), {e[0], count}); };
  return {part(0), e[2] > 1 ? part(1) : -1};
}

int32_t together(Lowering& l, const Signal& x) {
  Extents e = l.extents_of(x.real);
  e.push_back(1);
  const int32_t a = l.reshape(x.real, e), b = l.reshape(x.imaginary, e);
  e.back() = 2;
  return l.make("CONCATENATION", {a, b}, Type::float32, e, {{"axis", 2, {}}});
}

void floats_only(const Lowering& l, uint32_t id) {
  if (l.type(id) != Type::float32) l.refuse(std::string("the runtime's FULLY_CONNECTED has no kernel for ") + name(l.type(id)));
  for (const int64_t d : l.extents(id))
    if (d < 0) l.refuse("its shape is open, and the waves are constants of a length known before");
}

void lower_dft(Lowering& l, const Work& w) {
  floats_only(l, w.in(0));
  const Extents e = l.extents(w.in(0));
  const auto rank = static_cast<int64_t>(e.size());
  int64_t axis = w.node.integer("axis", -2);
  if (w.has(2)) {
    const auto given = l.integers(w.in(2));
    if (!given || given->size() != 1) l.refuse("its axis is computed");
    axis = (*given)[0];
  }
  if (axis < 0) axis += rank;
  const bool inverse = w.node.integer("inverse", 0) != 0, onesided = w.node.integer("onesided", 0) != 0;
  const int64_t count = e[static_cast<size_t>(axis)];
  int64_t length = inverse && onesided ? 2 * (count - 1) : count;
  if (w.has(1)) {
    const auto given = l.integers(w.in(1));
    if (!given || given->size() != 1) l.refuse("its length is computed");
    length = (*given)[0];
  }
  Order order;
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (i != axis) order.push_back(static_cast<int>(i));
  order.push_back(static_cast<int>(axis));
  order.push_back(static_cast<int>(rank - 1));
  int64_t lines = 1;
  for (size_t i = 0; i + 2 < order.size(); ++i) lines *= e[static_cast<size_t>(order[i])];
  const int32_t x = l.reshape(l.in_order(w.in(0), order), {lines, count, e.back()});
  int32_t y;
  if (inverse && onesided)
    y = from_one_side(l, parts_of(l, x, std::min(count, length / 2 + 1)), length);
  else
    y = together(l, transform(l, parts_of(l, x, std::min(count, length)), length, onesided ? length / 2 + 1 : length, inverse));
  l.define(w.out(), l.reshape(y, permute(l.extents(w.out()), order)), order);
}

void lower_stft(Lowering& l, const Work& w) {
  floats_only(l, w.in(0));
  const Extents e = l.extents(w.in(0));
  const auto step = l.integers(w.in(1));
  if (!step || step->size() != 1) l.refuse("its step is computed, and the shape of the result with it");
  int64_t length = w.has(2) ? l.extents(w.in(2))[0] : 0;
  if (w.has(3)) {
    const auto given = l.integers(w.in(3));
    if (!given || given->size() != 1) l.refuse("its frame length is computed, and the shape of the result with it");
    length = (*given)[0];
  }
  const int64_t frames = (e[1] - length) / (*step)[0] + 1, parts = e[2];
  std::vector<int32_t> places;
  for (int64_t f = 0; f < frames; ++f)
    for (int64_t i = 0; i < length; ++i) places.push_back(static_cast<int32_t>(f * (*step)[0] + i));
  const int32_t picked = l.make("GATHER", {l.plain(w.in(0)), l.ints(places)}, Type::float32, {e[0], frames * length, parts}, {{"axis", 1, {}}});
  Expression x{&l, l.reshape(picked, {e[0] * frames, length, parts})};
  if (w.has(2)) x = x * x.with(l.reshape(l.plain(w.in(2)), {1, length, 1}));
  const int64_t bins = w.node.integer("onesided", 1) ? length / 2 + 1 : length;
  const int32_t y = together(l, transform(l, parts_of(l, x.tensor, length), length, bins, false));
  l.define(w.out(), l.reshape(y, {e[0], frames, bins, 2}), identity(4));
}

// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N)
void lower_window(Lowering& l, const Work& w) {
  if (l.type(w.out()) != Type::float32) l.refuse(std::string("the runtime's COS has no kernel for ") + name(l.type(w.out())));
  const Expression size{&l, l.cast(l.reshape(l.plain(w.in(0)), {}), Type::float32)};
  const Expression period = w.node.integer("periodic", 1) ? size : size - 1;
  const Expression n = size.with(l.make("RANGE", {l.scalar(0), size.tensor, l.scalar(1)}, Type::float32, l.extents(w.out())));
  const Expression phase = n * (2 * pi) / period;
  const auto wave = [&](double factor) { return (phase * factor).call("COS"); };
  Expression y = n;
  if (w.node.is("HannWindow")) y = 0.5 - wave(1) * 0.5;
  if (w.node.is("HammingWindow")) y = 25.0 / 46 - wave(1) * (21.0 / 46);
  if (w.node.is("BlackmanWindow")) y = 0.42 - wave(1) * 0.5 + wave(2) * 0.08;
  l.define(w.out(), y.tensor, {0});
}

// Triangles over the bins of a spectrum [bins, bands] whose corners are evenly apart on the mel scale, each between three neighbours.
void lower_mel_weights(Lowering& l, const Work& w) {
  if (l.type(w.out()) != Type::float32) l.refuse(std::string("the runtime's CAST takes no ") + name(l.type(w.out())));
  const auto single = [&](size_t i) { return Expression{&l, l.cast(l.reshape(l.plain(w.in(i)), {}), Type::float32)}; };
  const Expression bands = single(0), length = single(1), rate = single(2);
  const auto mel = [&](size_t i) { return log(single(i) / 700 + 1) * (2595 / std::log(10.0)); };
  const auto counted = [&](Expression end, const Extents& to) {  // 0, 1, ... as a row or a column
    const int32_t range = l.make("RANGE", {l.scalar(0), end.tensor, l.scalar(1)}, Type::float32, {-1});
    const std::vector<int32_t> shape(to.begin(), to.end());
    return end.with(l.make("RESHAPE", {range, l.ints(shape)}, Type::float32, to, {{"new_shape", 0, shape}}));
  };
  const Expression first = mel(3), step = (mel(4) - first) / (bands + 2), band = counted(bands, {1, -1});
  const auto corner = [&](int n) {
    const Expression hertz = (exp(((band + n) * step + first) * (std::log(10.0) / 2595)) - 1) * 700;
    return (hertz * (length + 1) / rate).call("FLOOR");
  };
  const Expression low = corner(0), centre = corner(1), high = corner(2), bin = counted((length / 2).call("FLOOR") + 1, {-1, 1});
  const auto is = [&](std::string_view op, Expression a, Expression b) { return a.with(l.compare(op, a.tensor, b.tensor)); };
  const auto both = [&](Expression a, Expression b) { return is("LOGICAL_AND", a, b); };
  const Expression rising = both(is("GREATER_EQUAL", bin, low), is("LESS_EQUAL", bin, centre)),
                   falling = both(is("GREATER_EQUAL", bin, centre), is("LESS", bin, high));
  Expression y = select(rising, (bin - low) / maximum(centre - low, 1), bin.number(0));
  y = select(both(rising, is("EQUAL", low, centre)), bin.number(1), y);
  y = select(falling, (high - bin) / maximum(high - centre, 1), y);
  l.define(w.out(), y.tensor, {0, 1});
}

const LowerRule rules[] = {{"BlackmanWindow", lower_window}, {"DFT", lower_dft},   {"HammingWindow", lower_window},
                           {"HannWindow", lower_window},     {"STFT", lower_stft}, {"MelWeightMatrix", lower_mel_weights}};

}  // namespace

std::span<const LowerRule> spectral_rules() { return rules; }

}  // namespace lathe::tflite
