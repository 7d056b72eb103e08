// Fourier transforms: axis by axis, as ONNX's DFT has one.
#include "step.hpp"

namespace lathe::openvino {
namespace {

// x: [..., 1 or 2]
uint32_t transform(ReadStep& s, uint32_t x, int64_t axis, int64_t length, bool inverse, bool one_sided) {
  const uint32_t size = length < 0 ? LATHE_NONE : s.constant(LATHE_INT64, {}, {static_cast<double>(length)});
  const uint32_t y = s.emit("DFT", {x, size, s.constant(LATHE_INT64, {}, {static_cast<double>(axis)})});
  s.last().set("inverse", inverse ? 1 : 0).set("onesided", one_sided ? 1 : 0);
  return y;
}

void fourier(ReadStep& s) {
  const bool inverse = s.layer.type.starts_with("I"), real = s.layer.type.find("RDFT") != std::string::npos;
  const bool real_in = real && !inverse, real_out = real && inverse;
  const int64_t rank = s.rank(0), signal = rank - (real_in ? 0 : 1);  // axes beside that of the complex numbers
  if (!s.known_integers(1) && s.dimensions(1) == Dimensions(std::vector<int64_t>{1})) {
    // One axis, which is computed, as ONNX has it. Axes are counted from the front here.
    const auto scalar = [&](size_t i) {
      const uint32_t wide = s.type(i) == LATHE_INT64 ? s.in(i) : s.cast(s.in(i), LATHE_INT64);
      return s.emit("Squeeze", {wide});
    };
    const uint32_t x = real_in ? s.emit("Unsqueeze", {s.in(0), s.indices({-1})}) : s.in(0), size = s.has(2) ? scalar(2) : LATHE_NONE;
    uint32_t y = s.emit("DFT", {x, size, scalar(1)});
    s.last().set("inverse", inverse ? 1 : 0).set("onesided", real ? 1 : 0);
    if (real_out) y = s.emit("Squeeze", {y, s.indices({-1})});
    return s.out(0, y);
  }
  std::vector<int64_t> axes = s.integers(1, "the axes");
  for (int64_t& a : axes) {
    if (a < 0) a += signal;
    if (a < 0 || a >= signal) s.refuse("an axis is none of the signal's");
  }
  if (axes.empty()) s.refuse("it has no axes");
  std::vector<int64_t> lengths(axes.size(), -1);
  if (s.has(2)) {
    if (const auto known = s.known_integers(2)) {
      if (known->size() != axes.size()) s.refuse("it has another number of lengths than of axes");
      lengths = *known;
    } else if (axes.size() == 1) {
      // Computed, for one axis.
      const uint32_t x = real_in ? s.emit("Unsqueeze", {s.in(0), s.indices({-1})}) : s.in(0);
      const uint32_t size = s.emit("Squeeze", {s.type(2) == LATHE_INT64 ? s.in(2) : s.cast(s.in(2), LATHE_INT64)});
      uint32_t y = s.emit("DFT", {x, size, s.constant(LATHE_INT64, {}, {static_cast<double>(axes[0])})});
      s.last().set("inverse", inverse ? 1 : 0).set("onesided", real ? 1 : 0);
      if (real_out) y = s.emit("Squeeze", {y, s.indices({-1})});
      return s.out(0, y);
    } else {
      s.refuse("lengths that are computed are read for one axis alone");
    }
  }
  uint32_t x = s.in(0);
  // Real numbers come in at the last axis of the list, and go out there.
  if (real_in) {
    x = transform(s, s.emit("Unsqueeze", {x, s.indices({-1})}), axes.back(), lengths.back(), false, true);
    for (size_t i = 0; i + 1 < axes.size(); ++i) x = transform(s, x, axes[i], lengths[i], false, false);
    return s.out(0, x);
  }
  for (size_t i = 0; i + (real_out ? 1 : 0) < axes.size(); ++i) x = transform(s, x, axes[i], lengths[i], inverse, false);
  if (real_out) x = s.emit("Squeeze", {transform(s, x, axes.back(), lengths.back(), true, true), s.indices({-1})});
  s.out(0, x);
}

void short_time(ReadStep& s) {
  const bool list = s.rank(0) == 1;
  uint32_t x = s.in(0);
  if (list) x = s.emit("Unsqueeze", {x, s.indices({0})});
  x = s.emit("Unsqueeze", {x, s.indices({-1})});
  const auto whole = [&](size_t i) { return s.type(i) == LATHE_INT64 ? s.in(i) : s.cast(s.in(i), LATHE_INT64); };
  const uint32_t step = whole(3), size = whole(2);
  uint32_t y = s.emit("STFT", {x, step, s.in(1), size});
  s.last().set("onesided", 1);
  // Frames come first, unless they are transposed.
  if (s.flag("transpose_frames")) {
    y = s.emit("Transpose", {y});
    s.last().set("perm", std::vector<int64_t>{0, 2, 1, 3});
  }
  if (list) y = s.emit("Squeeze", {y, s.indices({0})});
  s.out(0, y);
}

constexpr Reader readers[] = {{"DFT", fourier}, {"IDFT", fourier}, {"IRDFT", fourier}, {"RDFT", fourier}, {"STFT", short_time}};

}  // namespace

std::span<const Reader> signal_readers() { return readers; }

}  // namespace lathe::openvino
