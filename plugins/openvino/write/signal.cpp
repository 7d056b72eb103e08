// Fourier transforms and what goes with them. Complex numbers are real ones with a last axis of 2, in ONNX and in the IR.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// [..., 1] -> [..., 2] with an imaginary part of 0.
Wire with_imaginary(Step& s, const Wire& x) {
  std::vector<int64_t> none(static_cast<size_t>(x.rank()), 0), one = none;
  one.back() = 1;
  std::vector<int64_t> out = x.dimensions.value();
  out.back() = 2;
  return s.make("Pad", {x, s.indices(none), s.indices(one), s.scalar(x.type, 0)}, {{"pad_mode", "constant"}}, out);
}

struct Transform {
  int64_t axis = -1;  // -1: computed
  Wire axes;          // [1]
  bool inverse = false, one_sided = false;
  const Wire* length = nullptr;  // [1]: cut or filled with zeros to it
  int64_t known = -1;            // its number, or that of the data's axis
};

// x: [..., 1] or [..., 2].
Wire transformed(Step& s, Wire x, const Transform& t) {
  const int64_t parts = x.dimensions->back();
  if (parts != 1 && parts != 2) s.refuse("whether its numbers are real or complex (a last axis of 1 or 2) is not known");
  const auto add = [&](const char* type, const Wire& data, const Dimensions& shape) {
    std::vector<Wire> inputs = {data, t.axis < 0 ? t.axes : s.indices({t.axis})};
    if (t.length) inputs.push_back(*t.length);
    return s.make(type, inputs, {}, shape);
  };
  std::vector<int64_t> out = x.dimensions.value();
  // Any of the axes may be the one.
  if (t.axis < 0 && (t.length || t.one_sided)) std::fill(out.begin(), out.end() - 1, -1);
  int64_t any = -1;
  int64_t& size = t.axis < 0 ? any : out[static_cast<size_t>(t.axis)];
  if (t.inverse && t.one_sided) {
    // Half of a spectrum whose other half mirrors it: what comes out is real.
    out.back() = 1;
    size = t.length ? t.known : size < 0 ? -1 : 2 * (size - 1);
    const Wire y = add("IRDFT", parts == 1 ? with_imaginary(s, x) : x, std::vector<int64_t>(out.begin(), out.end() - 1));
    return s.unsqueeze(y, {x.rank() - 1});
  }
  out.back() = 2;
  size = t.length ? t.known : size;
  const int64_t half = size < 0 ? -1 : size / 2 + 1;
  if (!t.inverse && t.one_sided && parts == 1) {
    size = half;
    return add("RDFT", s.squeeze(x, {x.rank() - 1}), out);
  }
  const Wire whole = add(t.inverse ? "IDFT" : "DFT", parts == 1 ? with_imaginary(s, x) : x, out);
  if (!t.one_sided) return whole;
  if (half < 0) s.refuse("how much of the spectrum of complex numbers is one side depends on a size that is open");
  return s.slice(whole, {0}, {half}, {1}, {t.axis});
}

void fourier(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  Transform t;
  if (const auto known = s.known_integers(2); known || !s.has(2)) {
    t.axis = s.axis(known ? known->front() : -2, rank);
    if (t.axis < 0 || t.axis >= rank - 1) s.refuse("its axis is none of those of the data");
  } else {
    t.axes = s.make("FloorMod", {s.reshape(s.convert(s.in(2), LATHE_INT64), {1}), s.index(rank)}, {numpy});
  }
  t.inverse = s.node.integer("inverse", 0) != 0, t.one_sided = s.node.integer("onesided", 0) != 0;
  Wire length;
  if (s.has(1)) {
    length = s.reshape(s.convert(s.in(1), LATHE_INT64), {1});
    t.length = &length;
    if (const auto known = s.known_integers(1)) t.known = known->front();
  }
  s.out(0, transformed(s, x, t));
}

// signal: [batch, samples, 1 or 2]; out: [batch, frames, bins, 2].
void short_time(Step& s) {
  const Wire x = s.in(0);
  if (s.rank(0) != 3) s.refuse("its signal has not three axes");
  const bool one_sided = s.node.integer("onesided", 1) != 0;
  const auto scalar = [&](size_t i) { return s.reshape(s.convert(s.in(i), LATHE_INT64), {}); };
  const auto known_step = s.known_integers(1);
  std::optional<int64_t> size;
  if (s.has(3) && s.known_integers(3)) size = s.known_integers(3)->front();
  if (!s.has(3) && s.has(2) && s.in(2).has_rank() && s.in(2).rank() == 1 && (*s.in(2).dimensions)[0] >= 0) size = (*s.in(2).dimensions)[0];
  const int64_t batch = (*x.dimensions)[0], samples = (*x.dimensions)[1];
  const Dimensions result = s.node.output_value(0).has_rank() ? Dimensions(s.node.output_value(0).shape()) : std::nullopt;
  if (one_sided && x.dimensions->back() == 1) {
    Wire window, frame;
    if (s.has(3)) {
      frame = scalar(3);
    } else if (s.has(2)) {
      frame = s.squeeze(s.shape_of(s.in(2)), {0});
    } else {
      s.refuse("neither its window nor the length of a frame is given");
    }
    if (s.has(2)) {
      window = s.in(2);
    } else {
      window = s.broadcast_to(s.scalar(x.type, 1), s.unsqueeze(frame, {0}), std::vector<int64_t>{size.value_or(-1)});
    }
    Dimensions shape = std::vector<int64_t>{batch, -1, size ? *size / 2 + 1 : -1, 2};
    return s.out(0, s.make("STFT", {s.squeeze(x, {2}), window, frame, scalar(1)}, {{"transpose_frames", "false"}}, result ? result : shape));
  }
  // Frame by frame, gathered at once.
  if (!size || !known_step || samples < 0)
    s.refuse("STFT of the IR is that of real signals, one-sided; the transforms in its place want known sizes");
  const int64_t step = known_step->front();
  if (step < 1 || *size < 1 || *size > samples) s.refuse("its frames do not lie within the signal");
  const int64_t frames = (samples - *size) / step + 1;
  std::vector<int64_t> places;
  for (int64_t f = 0; f < frames; ++f)
    for (int64_t i = 0; i < *size; ++i) places.push_back(f * step + i);
  const Wire all = s.gather(x, s.indices(places), 1);
  Wire framed = s.reshape(all, {batch < 0 ? -1 : batch, frames, *size, x.dimensions->back()});
  if (s.has(2)) framed = s.make("Multiply", {framed, s.unsqueeze(s.in(2), {1})}, {numpy});
  Transform t;
  t.axis = 2, t.one_sided = one_sided;
  s.out(0, transformed(s, framed, t));
}

// Triangles over the bins of a spectrum, whose corners lie evenly on the mel scale: 2595 log10(1 + f / 700).
void mel_weights(Step& s) {
  const Attribute division = {"m_pythondiv", "true"};
  const auto number = [&](size_t i, int32_t type) { return s.convert(s.reshape(s.in(i), {}), type); };
  const auto real = [&](double x) { return s.scalar(LATHE_FLOAT64, x); };
  const auto op = [&](const char* type, const Wire& a, const Wire& b) {
    Attributes attributes = {numpy};
    if (type == std::string_view("Divide")) attributes.push_back(division);
    return s.make(type, {a, b}, attributes);
  };
  const auto mel = [&](const Wire& f) {
    const Wire octaves = s.make("Log", {op("Add", op("Divide", f, real(700)), real(1))});
    return op("Multiply", octaves, real(2595 / 2.302585092994045684));
  };
  const Wire bins = number(0, LATHE_INT64), length = number(1, LATHE_INT64), rate = number(2, LATHE_FLOAT64);
  const Wire low = mel(number(3, LATHE_FLOAT64)), high = mel(number(4, LATHE_FLOAT64));
  const auto count = [&](const Wire& to) {
    return s.make("Range", {s.index(0), to, s.index(1)}, {{"output_type", "i64"}}, std::vector<int64_t>{-1});
  };
  const Wire corners = op("Add", bins, s.index(2));
  const Wire step = op("Divide", op("Subtract", high, low), s.convert(corners, LATHE_FLOAT64));
  const Wire mels = op("Add", op("Multiply", s.convert(count(corners), LATHE_FLOAT64), step), low);
  const Wire hertz = op("Multiply", op("Subtract", s.make("Power", {real(10), op("Divide", mels, real(2595))}, {numpy}), real(1)), real(700));
  // The bin of each corner, as a whole number.
  const Wire size = s.convert(op("Add", length, s.index(1)), LATHE_FLOAT64);
  const Wire places = s.make("Floor", {op("Divide", op("Multiply", size, hertz), rate)});
  const auto corner = [&](const Wire& from, const Wire& to) {
    const Wire list =
        s.make({"Slice", 8}, {places, s.unsqueeze(from, {0}), s.unsqueeze(to, {0}), s.indices({1}), s.indices({0})}, {}, std::vector<int64_t>{-1});
    return s.unsqueeze(list, {0});  // [1, bins]
  };
  const Wire lower = corner(s.index(0), bins), centre = corner(s.index(1), op("Add", bins, s.index(1))), upper = corner(s.index(2), corners);
  const Wire spectrum = op("Add", s.make("Divide", {length, s.index(2)}, {numpy, division}), s.index(1));
  const Wire at = s.unsqueeze(s.convert(count(spectrum), LATHE_FLOAT64), {1});  // [spectrum, 1]
  const auto both = [&](const Wire& a, const Wire& b) { return s.make("LogicalAnd", {a, b}, {numpy}); };
  const auto select = [&](const Wire& test, const Wire& a, const Wire& b) {
    return s.make("Select", {test, a, b}, {numpy}, broadcast(test.dimensions, broadcast(a.dimensions, b.dimensions)));
  };
  const Wire rise = op("Subtract", centre, lower), fall = op("Subtract", upper, centre);
  const Wire up = op("Divide", op("Subtract", at, lower), op("Maximum", rise, real(1))),
             down = op("Divide", op("Subtract", upper, at), op("Maximum", fall, real(1)));
  const Wire rises = both(op("GreaterEqual", at, lower), op("LessEqual", at, centre)),
             falls = both(op("GreaterEqual", at, centre), op("Less", at, upper));
  const Wire flank = select(op("Equal", rise, real(0)), real(1), up);  // no flank at all: the centre alone
  const Wire y = select(falls, down, select(rises, flank, real(0)));
  s.out(0, s.convert(y, s.node.output_value(0).type()));
}

constexpr Writer writers[] = {
    {"DFT", Means::exact, fourier}, {"MelWeightMatrix", Means::decomposition, mel_weights}, {"STFT", Means::exact, short_time}};

}  // namespace

std::span<const Writer> signal_writers() { return writers; }

}  // namespace lathe::openvino
