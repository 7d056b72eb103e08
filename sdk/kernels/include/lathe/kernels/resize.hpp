// Resize: nearest, linear and cubic interpolation along any axes, in all coordinate modes of the standard.
//
// ONNX, Operators.md, Resize (opset 19). Interpolation is separable: a value is the sum over the taps of every axis.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

struct ResizeAxis {
  int64_t input = 1, output = 1, stride = 1;
  double scale = 1;           // output / input, as given or as the sizes imply
  double start = 0, end = 1;  // region of interest
};

struct Resizer {
  enum class Mode { nearest, linear, cubic } mode = Mode::nearest;
  enum class Coordinate { half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, crop } coordinate = Coordinate::half_pixel;
  enum class Nearest { prefer_floor, prefer_ceil, floor, ceil } nearest = Nearest::prefer_floor;
  double cubic_a = -0.75, extrapolation = 0;
  bool exclude_outside = false, antialias = false;
  int rank = 0;
  ResizeAxis axes[max_rank];

  // The place in the input that output place `at` stands for. A region of interest is data: whatever it holds, the place is a number
  // that an index can be made of.
  double source(const ResizeAxis& a, int64_t at) const {
    constexpr double far = 1e15;
    const double place = unchecked_source(a, at);
    return place != place ? 0 : math::greatest(-far, math::least(far, place));
  }
  // In float32, as ONNX Runtime computes it: where a place falls on the border between two elements, the last bit decides.
  double unchecked_source(const ResizeAxis& a, int64_t at) const {
    const float x = float(at), scale = float(a.scale), input = float(a.input), output = float(a.output);
    switch (coordinate) {
      case Coordinate::half_pixel_symmetric: {
        // Of the exact output length (scale * input) only a whole number of pixels is kept; the rest is shared by both ends.
        const float adjustment = output / (scale * input), offset = input / 2 * (1 - adjustment);
        return double(offset + (x + 0.5f) / scale - 0.5f);
      }
      case Coordinate::pytorch_half_pixel:
        return a.output > 1 ? double((x + 0.5f) / scale - 0.5f) : 0;
      case Coordinate::align_corners: {
        const double length = a.scale * double(a.input);
        return a.output == 1 || length == 1 ? 0 : double(x) * double(a.input - 1) / (length - 1);
      }
      case Coordinate::asymmetric:
        return double(x / scale);
      case Coordinate::crop:
        if (a.output > 1) return a.start * double(a.input - 1) + double(x) * (a.end - a.start) * double(a.input - 1) / double(a.output - 1);
        return 0.5 * (a.start + a.end) * double(a.input - 1);
      default:
        return double((x + 0.5f) / scale - 0.5f);
    }
  }
  bool extrapolated(const ResizeAxis& a, double x) const { return coordinate == Coordinate::crop && (x < 0 || x > double(a.input - 1)); }

  int64_t nearest_place(const ResizeAxis& a, double x) const {
    double place = 0;
    switch (nearest) {
      case Nearest::prefer_floor:
        place = math::ceil(x - 0.5);
        break;
      case Nearest::prefer_ceil:
        place = math::floor(x + 0.5);
        break;
      case Nearest::floor:
        place = math::floor(x);
        break;
      case Nearest::ceil:
        place = math::ceil(x);
        break;
    }
    return place < 0 ? 0 : (place > double(a.input - 1) ? a.input - 1 : int64_t(place));
  }

  // The filter at a distance of x input elements: a triangle, or Keys' cubic ("Cubic convolution interpolation", 1981).
  double filter(double x) const {
    x = math::fabs(x);
    if (mode == Mode::linear) return x < 1 ? 1 - x : 0;
    if (x <= 1) return ((cubic_a + 2) * x - (cubic_a + 3)) * x * x + 1;
    if (x < 2) return ((cubic_a * x - 5 * cubic_a) * x + 8 * cubic_a) * x - 4 * cubic_a;
    return 0;
  }
  // How far the filter is stretched: only by antialiasing, only when shrinking.
  double stretch(const ResizeAxis& a) const { return antialias && a.scale < 1 ? a.scale : 1; }

  // Sum over the taps of `axis` and all axes behind it.
  template <class T>
  double interpolate(const T* data, const double* places, int axis) const {
    if (axis == rank) return double(Compute<T>(*data));
    const ResizeAxis& a = axes[axis];
    const double x = places[axis], whole = math::floor(x);
    if (a.scale == 1 && x == whole && x >= 0 && x <= double(a.input - 1)) return interpolate(data + int64_t(x) * a.stride, places, axis + 1);
    const double narrow = stretch(a);
    const int64_t reach = int64_t(math::ceil((mode == Mode::linear ? 1 : 2) / narrow)), first = int64_t(whole) - reach + 1,
                  last = int64_t(whole) + reach;
    double sum = 0, weights = 0;
    for (int64_t tap = first; tap <= last; ++tap) {
      const bool outside = tap < 0 || tap >= a.input;
      if (outside && exclude_outside) continue;
      const double weight = filter((double(tap) - x) * narrow);
      weights += weight;
      if (weight == 0) continue;
      const int64_t place = tap < 0 ? 0 : (tap >= a.input ? a.input - 1 : tap);
      sum += weight * interpolate(data + place * a.stride, places, axis + 1);
    }
    return narrow < 1 || exclude_outside ? sum / weights : sum;
  }
};

inline Resizer resizer_of(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  Resizer r;
  r.mode = call.is("mode", "linear", "nearest") ? Resizer::Mode::linear
                                                : (call.is("mode", "cubic", "nearest") ? Resizer::Mode::cubic : Resizer::Mode::nearest);
  const char* coordinate = "coordinate_transformation_mode";
  using Coordinate = Resizer::Coordinate;
  r.coordinate = call.is(coordinate, "half_pixel_symmetric", "half_pixel") ? Coordinate::half_pixel_symmetric
                 : call.is(coordinate, "pytorch_half_pixel", "half_pixel") ? Coordinate::pytorch_half_pixel
                 : call.is(coordinate, "align_corners", "half_pixel")      ? Coordinate::align_corners
                 : call.is(coordinate, "asymmetric", "half_pixel")         ? Coordinate::asymmetric
                 : call.is(coordinate, "tf_crop_and_resize", "half_pixel") ? Coordinate::crop
                                                                           : Coordinate::half_pixel;
  r.nearest = call.is("nearest_mode", "floor", "round_prefer_floor")               ? Resizer::Nearest::floor
              : call.is("nearest_mode", "ceil", "round_prefer_floor")              ? Resizer::Nearest::ceil
              : call.is("nearest_mode", "round_prefer_ceil", "round_prefer_floor") ? Resizer::Nearest::prefer_ceil
                                                                                   : Resizer::Nearest::prefer_floor;
  r.cubic_a = double(call.real("cubic_coeff_a", -0.75f));
  r.extrapolation = double(call.real("extrapolation_value", 0.0f));
  r.exclude_outside = call.integer("exclude_outside", 0) != 0;
  r.antialias = call.integer("antialias", 0) != 0;
  r.rank = x.rank;
  int64_t strides[max_rank];
  dense_strides(x, strides);
  for (int i = 0; i < x.rank; ++i) {
    ResizeAxis& a = r.axes[i];
    a.input = x.dimensions[i];
    a.output = y.dimensions[i];
    a.stride = strides[i];
  }
  const Attribute* listed = call.attribute("axes");
  const int64_t count = listed ? listed->count : x.rank;
  const bool by_scale = call.has_input(2) && call.input(2).size() > 0;
  const bool stretching = call.is("keep_aspect_ratio_policy", "stretch", "stretch");
  double common = 0;
  if (!by_scale && !stretching) {
    const bool smallest = call.is("keep_aspect_ratio_policy", "not_larger", "stretch");
    for (int64_t i = 0; i < count; ++i) {
      const double scale = double(call.input(3).as<const int64_t>()[i]) / double(r.axes[listed ? normal_axis(listed->ints[i], x.rank) : i].input);
      common = i == 0 ? scale : (smallest ? math::least(common, scale) : math::greatest(common, scale));
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    ResizeAxis& a = r.axes[listed ? normal_axis(listed->ints[i], x.rank) : i];
    a.scale = by_scale ? double(call.input(2).as<const float>()[i]) : (stretching ? double(a.output) / double(a.input) : common);
    if (r.coordinate != Coordinate::crop || !call.has_input(1)) continue;
    dispatch<Floats>(call, call.input(1).type, [&]<class R>() {
      a.start = double(Compute<R>(call.input(1).template as<const R>()[i]));
      a.end = double(Compute<R>(call.input(1).template as<const R>()[count + i]));
    });
  }
  return r;
}

// Nearest neighbour moves elements: `fill` is the extrapolation value in the element's type.
template <class T>
void resize_nearest(const Call& call, const Resizer& r, T fill) {
  const Tensor& y = call.output();
  const int last = r.rank - 1;
  const int64_t inner = y.dimensions[last], rows = inner ? y.size() / inner : 0;
  const ResizeAxis& line = r.axes[last];
  parallel(call, rows, math::greatest<int64_t>(1, grain_elements / 8 / (inner + 1)), [&](int64_t begin, int64_t end, uint32_t) {
    // Places along the row are found once for some columns of all rows; -1: beyond the region of interest.
    constexpr int64_t columns = 256;
    int64_t places[columns];
    for (int64_t first = 0; first < inner; first += columns) {
      const int64_t count = math::least(columns, inner - first);
      for (int64_t i = 0; i < count; ++i) {
        const double x = r.source(line, first + i);
        places[i] = r.extrapolated(line, x) ? -1 : r.nearest_place(line, x);
      }
      for (int64_t row = begin; row < end; ++row) {
        int64_t rest = row, offset = 0;
        bool outside = false;
        for (int axis = last - 1; axis >= 0; --axis) {
          const ResizeAxis& a = r.axes[axis];
          const double x = r.source(a, rest % a.output);
          rest /= a.output;
          outside = outside || r.extrapolated(a, x);
          offset += r.nearest_place(a, x) * a.stride;
        }
        const T* from = call.input(0).as<const T>() + offset;
        T* to = y.as<T>() + row * inner + first;
        for (int64_t i = 0; i < count; ++i) to[i] = outside || places[i] < 0 ? fill : from[places[i]];
      }
    }
  });
}

}  // namespace detail

// Inputs: X, roi, scales, sizes (the last three optional; one of scales and sizes is given).
inline void resize(const Call& call) {
  const Tensor& y = call.output();
  if (y.size() == 0 || call.input(0).size() == 0) return;
  if (y.rank == 0) {
    dispatch_size(call, y.type, [&]<class T>() { *y.as<T>() = *call.input(0).template as<const T>(); });
    return;
  }
  const detail::Resizer r = detail::resizer_of(call);
  dispatch<Scalars>(call, y.type, [&]<class T>() {
    if (r.mode == detail::Resizer::Mode::nearest) return detail::resize_nearest<T>(call, r, convert<T>(r.extrapolation));
    parallel(call, y.size(), grain_elements / 16, [&](int64_t begin, int64_t end, uint32_t) {
      double places[max_rank];
      for (int64_t at = begin; at < end; ++at) {
        int64_t rest = at;
        bool outside = false;
        for (int axis = r.rank - 1; axis >= 0; --axis) {
          places[axis] = r.source(r.axes[axis], rest % y.dimensions[axis]);
          rest /= y.dimensions[axis];
          outside = outside || r.extrapolated(r.axes[axis], places[axis]);
        }
        double value = outside ? r.extrapolation : r.interpolate(call.input(0).template as<const T>(), places, 0);
        // Integers are cut, but rounded where they were filtered, as ONNX Runtime has it.
        if (std::is_integral_v<T> && r.antialias) value = value < 0 ? math::ceil(value - 0.5) : math::floor(value + 0.5);
        y.as<T>()[at] = convert<T>(value);
      }
    });
  });
}

namespace shapes {

// Scales multiply a size in float32 and round down, as ONNX Runtime does; sizes are taken as they are, or share the smallest or largest of their
// scales where the aspect ratio is kept.
inline void resize(const Call& call) {
  const Tensor& x = call.input(0);
  const Attribute* listed = call.attribute("axes");
  const int64_t count = listed ? listed->count : x.rank;
  const bool by_scale = call.has_input(2) && call.input(2).size() > 0, by_size = call.has_input(3) && call.input(3).size() > 0;
  if (by_scale == by_size) return call.fail("exactly one of scales and sizes is wanted");
  const Tensor& wanted = call.input(by_scale ? 2 : 3);
  if (wanted.size() != count) return call.fail("there are not as many scales or sizes as axes");
  if (call.is("coordinate_transformation_mode", "tf_crop_and_resize", "half_pixel") && (!call.has_input(1) || call.input(1).size() != 2 * count))
    return call.fail("cropping wants a region of interest: two numbers for each axis");
  int64_t dimensions[max_rank];
  for (int i = 0; i < x.rank; ++i) dimensions[i] = x.dimensions[i];
  const bool stretch = call.is("keep_aspect_ratio_policy", "stretch", "stretch"),
             smallest = call.is("keep_aspect_ratio_policy", "not_larger", "stretch");
  double common = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t axis = listed ? listed->ints[i] : i;
    if (axis < -x.rank || axis >= x.rank) return call.fail("an axis lies outside the tensor's rank");
    const int64_t input = x.dimensions[normal_axis(axis, x.rank)];
    int64_t& output = dimensions[normal_axis(axis, x.rank)];
    if (by_scale) {
      const float scale = wanted.as<const float>()[i];
      if (!(scale > 0) || !(scale < 1e9f)) return call.fail("a scale is not a positive number");
      output = convert<int64_t>(math::floor(float(input) * scale));
    } else {
      output = integer_at(wanted, i);
      if (output < 0) return call.fail("a size is negative");
    }
    if (input == 0 && (output > 0 || !stretch)) return call.fail("an empty axis has nothing to enlarge");
    const double own = double(output) / double(input);
    common = i == 0 ? own : (smallest ? math::least(common, own) : math::greatest(common, own));
  }
  for (int64_t i = 0; by_size && !stretch && i < count; ++i) {
    const int axis = normal_axis(listed ? listed->ints[i] : i, x.rank);
    dimensions[axis] = convert<int64_t>(math::floor(common * double(x.dimensions[axis]) + 0.5));
  }
  call.allocate_output(0, dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_RESIZE(X) X("", Resize, resize, shapes::resize)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
