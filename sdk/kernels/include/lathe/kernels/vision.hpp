// Computer vision: sampling at computed places, pooling over regions of interest, deformable convolution, overlapping patches, centred cropping.
//
// Sources: ONNX, Operators.md, GridSample (opset 22), AffineGrid (20), RoiAlign (22), MaxRoiPool, DeformConv (22), Col2Im (18),
// CenterCropPad (18), ImageDecoder (20). Resize stands in resize.hpp; DepthToSpace and SpaceToDepth stand in movement.hpp.
#pragma once
#include "lathe/kernels/convolution.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// The elements of one axis that an interpolated value is made of; place -1 stands for a zero outside the image.
struct Taps {
  int count = 0;
  int64_t places[4];
  double weights[4];
  void add(int64_t place, double weight) {
    places[count] = place;
    weights[count++] = weight;
  }
};

struct GridSampler {
  enum class Mode { nearest, linear, cubic } mode;
  enum class Padding { zeros, border, reflection } padding;
  bool align_corners;

  // From -1..1 to elements; in float32 unless the grid is wider, so that ties fall as they do elsewhere.
  double place(double normal, int64_t length, bool wide) const {
    double x;
    if (wide)
      x = align_corners ? (normal + 1) / 2 * double(length - 1) : ((normal + 1) * double(length) - 1) / 2;
    else
      x = double(align_corners ? (float(normal) + 1) / 2 * float(length - 1) : ((float(normal) + 1) * float(length) - 1) / 2);
    constexpr double far = 1e9;  // whatever the grid holds, an index can be made of it
    return x != x ? -far : math::greatest(-far, math::least(far, x));
  }
  double inside(double x, int64_t length) const { return math::greatest(0.0, math::least(x, double(length - 1))); }
  double reflected(double x, int64_t length) const {
    const double low = align_corners ? 0 : -0.5, range = align_corners ? double(length - 1) : double(length);
    if (range == 0) return 0;
    const double distance = math::fabs(x - low), rest = math::fmod(distance, 2 * range);
    return inside(rest <= range ? low + rest : low + 2 * range - rest, length);
  }
  double padded(double x, int64_t length) const {
    return padding == Padding::border ? inside(x, length) : (padding == Padding::reflection ? reflected(x, length) : x);
  }
  void add(Taps& taps, double x, double weight, int64_t length) const {
    const int64_t at = int64_t(x);
    taps.add(at < 0 || at >= length ? -1 : at, weight);
  }
  Taps taps(double x, int64_t length) const {
    Taps taps;
    if (mode == Mode::nearest) {
      add(taps, math::round_even(padded(x, length)), 1, length);
    } else if (mode == Mode::linear) {
      x = padded(x, length);
      const double whole = math::floor(x);
      add(taps, whole, 1 - (x - whole), length);
      add(taps, whole + 1, x - whole, length);
    } else {
      // Keys' cubic with a = -0.75 ("Cubic convolution interpolation", 1981).
      constexpr double a = -0.75;
      const double whole = math::floor(x);
      for (int i = -1; i < 3; ++i) {
        const double d = math::fabs(x - whole - i);
        const double weight = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
        add(taps, math::round_even(padded(whole + i, length)), weight, length);
      }
    }
    return taps;
  }
};

inline GridSampler grid_sampler_of(const Call& call) {
  using Mode = GridSampler::Mode;
  using Padding = GridSampler::Padding;
  return {call.is("mode", "nearest", "linear") ? Mode::nearest : (call.is("mode", "cubic", "linear") ? Mode::cubic : Mode::linear),
          call.is("padding_mode", "border", "zeros")       ? Padding::border
          : call.is("padding_mode", "reflection", "zeros") ? Padding::reflection
                                                           : Padding::zeros,
          call.integer("align_corners", 0) != 0};
}

}  // namespace detail

namespace shapes {
inline void grid_sample(const Call& call) {
  const Tensor &x = call.input(0), &grid = call.input(1);
  if (x.rank < 3 || x.rank > 5 || grid.rank != x.rank) return call.fail("a grid and what it samples want the same number of axes, 3 to 5");
  if (grid.dimension(-1) != x.rank - 2) return call.fail("the places of the grid have another number of coordinates than the image");
  if (grid.dimensions[0] != x.dimensions[0]) return call.fail("the batches of the image and the grid differ");
  int64_t dimensions[max_rank] = {x.dimensions[0], x.dimensions[1]};
  for (int i = 2; i < x.rank; ++i) dimensions[i] = grid.dimensions[i - 1];
  call.allocate_output(0, dimensions, x.rank);
}
}  // namespace shapes

// Inputs: X [N, C, spatial...], grid [N, output's spatial..., coordinates] (the last axis first, from -1 to 1).
inline void grid_sample(const Call& call) {
  const Tensor &x = call.input(0), &grid = call.input(1), &y = call.output();
  const detail::GridSampler sampler = detail::grid_sampler_of(call);
  const int spatial = x.rank - 2;
  const bool wide = grid.type == Type::float64;
  const int64_t channels = x.dimensions[1], in_pixels = product(x.dimensions, 2, x.rank), pixels = product(y.dimensions, 2, y.rank);
  dispatch<Scalars>(call, x.type, [&]<class T>() {
    parallel(call, x.dimensions[0] * pixels, grain_elements / 64, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t at = begin; at < end; ++at) {
        // All products of the axes' taps: at most 4 to the third.
        int64_t offsets[64] = {0};
        double weights[64] = {1};
        int count = 1;
        for (int axis = 0; axis < spatial; ++axis) {
          const int64_t length = x.dimensions[2 + axis];
          const double normal = real_at(grid, at * spatial + spatial - 1 - axis);
          const detail::Taps taps = sampler.taps(sampler.place(normal, length, wide), length);
          for (int i = count; i-- > 0;)
            for (int t = taps.count; t-- > 0;) {
              const int to = i * taps.count + t;
              offsets[to] = offsets[i] < 0 || taps.places[t] < 0 ? -1 : offsets[i] * length + taps.places[t];
              weights[to] = weights[i] * taps.weights[t];
            }
          count *= taps.count;
        }
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t plane = at / pixels * channels + c;
          const T* from = x.as<const T>() + plane * in_pixels;
          T* to = y.as<T>() + plane * pixels + at % pixels;
          if (count == 1) {
            *to = offsets[0] < 0 ? convert<T>(0.0) : from[offsets[0]];
            continue;
          }
          double sum = 0;
          for (int i = 0; i < count; ++i)
            if (offsets[i] >= 0) sum += weights[i] * double(Compute<T>(from[offsets[i]]));
          *to = convert<T>(sum);
        }
      }
    });
  });
}

namespace shapes {
inline void affine_grid(const Call& call) {
  const Tensor &theta = call.input(0), &size = call.input(1);
  const int64_t axes = size.size() - 2;
  if (axes != 2 && axes != 3) return call.fail("the size of an affine grid wants four or five numbers");
  if (theta.rank != 3 || theta.dimensions[1] != axes || theta.dimensions[2] != axes + 1)
    return call.fail("the matrices of an affine grid have the wrong shape");
  int64_t dimensions[5] = {integer_at(size, 0)};
  if (dimensions[0] != theta.dimensions[0]) return call.fail("the batches of the matrices and the size differ");
  for (int64_t i = 0; i < axes; ++i) dimensions[1 + i] = integer_at(size, 2 + i);
  dimensions[1 + axes] = axes;
  for (const int64_t d : dimensions)
    if (d < 0) return call.fail("a size of an affine grid is negative");
  call.allocate_output(0, dimensions, int32_t(axes + 2));
}
}  // namespace shapes

// Inputs: theta [N, axes, axes + 1], size [N, C, spatial...]. Output [N, spatial..., axes]: theta times every place (x, y, (z,) 1).
inline void affine_grid(const Call& call) {
  const Tensor& y = call.output();
  const bool align_corners = call.integer("align_corners", 0) != 0;
  const int axes = y.rank - 2;
  const int64_t pixels = product(y.dimensions, 1, 1 + axes);
  dispatch<Floats>(call, y.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, y.dimensions[0] * pixels, grain_elements / 16, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t at = begin; at < end; ++at) {
        C place[4] = {C(0), C(0), C(0), C(1)};
        int64_t rest = at % pixels;
        for (int axis = axes - 1; axis >= 0; --axis) {
          const int64_t length = y.dimensions[1 + axis], i = rest % length;
          rest /= length;
          const C whole = C(length > 1 ? length - 1 : 1);
          place[axes - 1 - axis] = align_corners ? C(2 * i) / whole - C(1) : C(2 * i + 1) / C(length) - C(1);
        }
        place[axes] = C(1);
        const T* theta = call.input(0).template as<const T>() + at / pixels * axes * (axes + 1);
        for (int row = 0; row < axes; ++row) {
          C sum = 0;
          for (int k = 0; k <= axes; ++k) sum += C(theta[row * (axes + 1) + k]) * place[k];
          y.as<T>()[at * axes + row] = T(sum);
        }
      }
    });
  });
}

namespace shapes {
inline void regions(const Call& call, int64_t columns, int64_t height, int64_t width) {
  const Tensor &x = call.input(0), &rois = call.input(1);
  if (x.rank != 4) return call.fail("regions of interest want an image of four axes");
  if (rois.rank != 2 || rois.dimensions[1] != columns) return call.fail("the regions of interest have the wrong shape");
  const int64_t dimensions[4] = {rois.dimensions[0], x.dimensions[1], height, width};
  call.allocate_output(0, dimensions, 4);
}
inline void roi_align(const Call& call) {
  if (call.input(2).rank != 1 || call.input(2).size() != call.input(1).dimension(0))
    return call.fail("there are not as many batch indices as regions of interest");
  regions(call, 4, call.integer("output_height", 1), call.integer("output_width", 1));
}
inline void max_roi_pool(const Call& call) {
  const Attribute* shape = call.attribute("pooled_shape");
  regions(call, 5, shape->ints[0], shape->ints[1]);
}
}  // namespace shapes

// Inputs: X [N, C, H, W], rois [R, 4] (x1, y1, x2, y2), batch_indices [R]. Bins are sampled at points of a regular grid, bilinearly (He and others,
// "Mask R-CNN", 2017). With mode max the largest of the four weighted corners counts, as the standard's tests have it.
inline void roi_align(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int64_t channels = x.dimensions[1], height = x.dimensions[2], width = x.dimensions[3], rows = y.dimensions[2], columns = y.dimensions[3];
  const bool shifted = call.is("coordinate_transformation_mode", "half_pixel", "half_pixel"), largest = call.is("mode", "max", "avg");
  const int64_t sampling = call.integer("sampling_ratio", 0);
  const float scale = call.real("spatial_scale", 1);
  for (int64_t r = 0; r < y.dimensions[0]; ++r) {
    const int64_t batch = integer_at(call.input(2), r);
    if (batch < 0 || batch >= x.dimensions[0]) return call.fail("a batch index lies outside the batch");
    for (int i = 0; i < 4; ++i)
      if (!(math::fabs(real_at(call.input(1), 4 * r + i)) <= 1e9)) return call.fail("a region of interest lies outside all images");
  }
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, y.dimensions[0] * channels, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t r = plane / channels;
        const T* roi = call.input(1).template as<const T>() + 4 * r;
        const T* image = x.as<const T>() + (integer_at(call.input(2), r) * channels + plane % channels) * height * width;
        const C shift = shifted ? C(0.5) : C(0), left = C(roi[0]) * C(scale) - shift, top = C(roi[1]) * C(scale) - shift;
        C roi_width = C(roi[2]) * C(scale) - shift - left, roi_height = C(roi[3]) * C(scale) - shift - top;
        if (!shifted) roi_width = math::greatest(roi_width, C(1)), roi_height = math::greatest(roi_height, C(1));
        const C bin_height = roi_height / C(rows), bin_width = roi_width / C(columns);
        const int64_t points_y = sampling > 0 ? sampling : int64_t(math::ceil(bin_height)),
                      points_x = sampling > 0 ? sampling : int64_t(math::ceil(bin_width));
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t column = 0; column < columns; ++column) {
            C result = 0;
            bool first = true;
            for (int64_t iy = 0; iy < points_y; ++iy)
              for (int64_t ix = 0; ix < points_x; ++ix) {
                C v = top + C(row) * bin_height + (C(iy) + C(0.5)) * bin_height / C(points_y);
                C u = left + C(column) * bin_width + (C(ix) + C(0.5)) * bin_width / C(points_x);
                C corners[4] = {C(0), C(0), C(0), C(0)};
                if (!(v < C(-1) || v > C(height) || u < C(-1) || u > C(width))) {
                  v = math::least(math::greatest(v, C(0)), C(height - 1));
                  u = math::least(math::greatest(u, C(0)), C(width - 1));
                  const int64_t y0 = int64_t(v), x0 = int64_t(u), y1 = math::least(y0 + 1, height - 1), x1 = math::least(x0 + 1, width - 1);
                  const C down = v - C(y0), right = u - C(x0);
                  corners[0] = (C(1) - down) * (C(1) - right) * C(image[y0 * width + x0]);
                  corners[1] = (C(1) - down) * right * C(image[y0 * width + x1]);
                  corners[2] = down * (C(1) - right) * C(image[y1 * width + x0]);
                  corners[3] = down * right * C(image[y1 * width + x1]);
                }
                if (!largest) {
                  result += corners[0] + corners[1] + corners[2] + corners[3];
                  continue;
                }
                for (const C corner : corners) {
                  result = first ? corner : math::maximum(result, corner);
                  first = false;
                }
              }
            if (!largest && points_x > 0 && points_y > 0) result /= C(points_x * points_y);
            y.as<T>()[(plane * rows + row) * columns + column] = T(result);
          }
      }
    });
  });
}

// Inputs: X [N, C, H, W], rois [R, 5] (batch, x1, y1, x2, y2). Corners are rounded to whole elements and belong to the region (Girshick,
// "Fast R-CNN", 2015).
inline void max_roi_pool(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int64_t channels = x.dimensions[1], height = x.dimensions[2], width = x.dimensions[3], rows = y.dimensions[2], columns = y.dimensions[3];
  const float scale = call.real("spatial_scale", 1);
  for (int64_t r = 0; r < y.dimensions[0]; ++r) {
    const double batch = real_at(call.input(1), 5 * r);
    if (!(batch >= 0 && batch < double(x.dimensions[0]))) return call.fail("a batch index lies outside the batch");
    for (int i = 1; i < 5; ++i)
      if (!(math::fabs(real_at(call.input(1), 5 * r + i)) <= 1e9)) return call.fail("a region of interest lies outside all images");
  }
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, y.dimensions[0] * channels, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const T* roi = call.input(1).template as<const T>() + 5 * (plane / channels);
        const T* image = x.as<const T>() + (static_cast<int64_t>(C(roi[0])) * channels + plane % channels) * height * width;
        int64_t corner[4];
        for (int i = 0; i < 4; ++i) {
          const C value = C(roi[1 + i]) * C(scale);  // halves are rounded away from zero
          corner[i] = int64_t(value < C(0) ? math::ceil(value - C(0.5)) : math::floor(value + C(0.5)));
        }
        const C bin_height = C(math::greatest<int64_t>(corner[3] - corner[1] + 1, 1)) / C(rows),
                bin_width = C(math::greatest<int64_t>(corner[2] - corner[0] + 1, 1)) / C(columns);
        const auto clip = [](int64_t v, int64_t limit) { return v < 0 ? 0 : math::least(v, limit); };
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t column = 0; column < columns; ++column) {
            const int64_t top = clip(corner[1] + int64_t(math::floor(C(row) * bin_height)), height),
                          bottom = clip(corner[1] + int64_t(math::ceil(C(row + 1) * bin_height)), height),
                          left = clip(corner[0] + int64_t(math::floor(C(column) * bin_width)), width),
                          right = clip(corner[0] + int64_t(math::ceil(C(column + 1) * bin_width)), width);
            const bool empty = bottom <= top || right <= left;
            C best = empty ? C(0) : -std::numeric_limits<C>::infinity();
            for (int64_t v = top; v < bottom; ++v)
              for (int64_t u = left; u < right; ++u) best = math::maximum(best, C(image[v * width + u]));
            y.as<T>()[(plane * rows + row) * columns + column] = T(best);
          }
      }
    });
  });
}

namespace shapes {
inline void center_crop_pad(const Call& call) {
  const Tensor &x = call.input(0), &wanted = call.input(1);
  const Attribute* axes = call.attribute("axes");
  if (wanted.size() != (axes ? axes->count : x.rank)) return call.fail("the wanted shape has not as many sizes as there are axes");
  int64_t dimensions[max_rank];
  for (int i = 0; i < x.rank; ++i) dimensions[i] = x.dimensions[i];
  for (int64_t i = 0, n = wanted.size(); i < n; ++i) {
    const int axis = normal_axis(axes ? axes->ints[i] : i, x.rank);
    if (axis < 0 || axis >= x.rank) return call.fail("an axis lies outside the tensor's rank");
    dimensions[axis] = integer_at(wanted, i);
    if (dimensions[axis] < 0) return call.fail("a wanted size is negative");
  }
  call.allocate_output(0, dimensions, x.rank);
}
}  // namespace shapes

// Inputs: input, shape. Both crops and margins are shared by both ends, the odd element goes to the end.
inline void center_crop_pad(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  int64_t strides[max_rank], begins[max_rank];  // begins: place in the input of the output's first element
  dense_strides(x, strides);
  for (int i = 0; i < x.rank; ++i) {
    const int64_t more = y.dimensions[i] - x.dimensions[i];
    begins[i] = more > 0 ? -(more / 2) : -more / 2;
  }
  const int last = x.rank - 1;
  const int64_t inner = x.rank ? y.dimensions[last] : 1;
  dispatch_size(call, x.type, [&]<class T>() {
    parallel(call, inner ? y.size() / inner : 0, math::greatest<int64_t>(1, grain_elements / (inner + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t rest = row, offset = 0;
        bool outside = false;
        for (int axis = last - 1; axis >= 0; --axis) {
          const int64_t at = rest % y.dimensions[axis] + begins[axis];
          rest /= y.dimensions[axis];
          outside = outside || at < 0 || at >= x.dimensions[axis];
          offset += at * strides[axis];
        }
        for (int64_t i = 0; i < inner; ++i) {
          const int64_t at = x.rank ? i + begins[last] : 0;
          y.as<T>()[row * inner + i] = outside || (x.rank && (at < 0 || at >= x.dimensions[last])) ? T{} : x.as<const T>()[offset + at];
        }
      }
    });
  });
}

namespace detail {
inline int64_t list_at(const Attribute* list, int64_t index, int64_t fallback) { return list ? list->ints[index] : fallback; }
}  // namespace detail

namespace shapes {
inline void col2im(const Call& call) {
  const Tensor &x = call.input(0), &image = call.input(1), &block = call.input(2);
  const int64_t axes = image.size();
  if (x.rank != 3) return call.fail("columns want three axes: batch, channels times block, blocks");
  if (axes < 1 || axes + 2 > max_rank || block.size() != axes) return call.fail("the shapes of image and block differ in length");
  const Attribute *strides = call.attribute("strides"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads");
  int64_t dimensions[max_rank] = {x.dimensions[0]}, taps = 1, blocks = 1;
  for (int64_t i = 0; i < axes; ++i) {
    const int64_t size = integer_at(image, i), side = integer_at(block, i);
    if (size < 0 || side < 1) return call.fail("a size of the image is negative or one of the block is not positive");
    dimensions[2 + i] = size;
    const int64_t room = size + detail::list_at(pads, i, 0) + detail::list_at(pads, axes + i, 0) - (side - 1) * detail::list_at(dilations, i, 1) - 1;
    if (room < 0) return call.fail("the block is larger than the padded image");
    taps *= side;
    blocks *= room / detail::list_at(strides, i, 1) + 1;
  }
  if (x.dimensions[1] % taps) return call.fail("the columns do not divide into blocks");
  if (x.dimensions[2] != blocks) return call.fail("there are not as many columns as the image has blocks");
  dimensions[1] = x.dimensions[1] / taps;
  call.allocate_output(0, dimensions, int32_t(axes + 2));
}
}  // namespace shapes

// Inputs: input [N, C * product(block), blocks], image_shape, block_shape. Output [N, C, image...]: overlapping elements are added.
inline void col2im(const Call& call) {
  const Tensor &x = call.input(0), &block = call.input(2), &y = call.output();
  const int axes = y.rank - 2;
  const Attribute *strides = call.attribute("strides"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads");
  int64_t counts[max_rank], taps = 1;  // blocks along each axis
  for (int i = 0; i < axes; ++i) {
    const int64_t side = integer_at(block, i);
    taps *= side;
    counts[i] =
        (y.dimensions[2 + i] + detail::list_at(pads, i, 0) + detail::list_at(pads, axes + i, 0) - (side - 1) * detail::list_at(dilations, i, 1) - 1) /
            detail::list_at(strides, i, 1) +
        1;
  }
  const int64_t blocks = x.dimensions[2], pixels = product(y.dimensions, 2, y.rank);
  dispatch<Numbers>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, y.dimensions[0] * y.dimensions[1], 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) {
        T* to = y.as<T>() + plane * pixels;
        for (int64_t i = 0; i < pixels; ++i) to[i] = T(C(0));
        for (int64_t tap = 0; tap < taps; ++tap)
          for (int64_t b = 0; b < blocks; ++b) {
            int64_t rest_tap = tap, rest = b, offset = 0, stride = 1;
            bool outside = false;
            for (int i = axes - 1; i >= 0; --i) {
              const int64_t side = integer_at(block, i), size = y.dimensions[2 + i];
              const int64_t at = rest % counts[i] * detail::list_at(strides, i, 1) + rest_tap % side * detail::list_at(dilations, i, 1) -
                                 detail::list_at(pads, i, 0);
              rest /= counts[i];
              rest_tap /= side;
              outside = outside || at < 0 || at >= size;
              offset += at * stride;
              stride *= size;
            }
            if (!outside) to[offset] = T(math::add(C(to[offset]), C(x.as<const T>()[(plane * taps + tap) * blocks + b])));
          }
      }
    });
  });
}

namespace shapes {
inline void deform_conv(const Call& call) {
  shapes::conv(call);
  if (*call.error) return;
  const Tensor &x = call.input(0), &weights = call.input(1), &offset = call.input(2), &y = call.output();
  const int axes = x.rank - 2;
  const int64_t rows = call.integer("offset_group", 1) * product(weights.dimensions, 2, weights.rank);
  const auto fits = [&](const Tensor& t, int64_t channels) {
    bool result = t.rank == y.rank && t.dimensions[0] == y.dimensions[0] && t.dimensions[1] == channels;
    for (int i = 2; result && i < y.rank; ++i) result = t.dimensions[i] == y.dimensions[i];
    return result;
  };
  if (!fits(offset, rows * axes)) return call.fail("the offsets have the wrong shape");
  if (call.has_input(3) && call.input(3).size() != y.dimensions[1]) return call.fail("the bias is not as long as there are channels");
  if (call.has_input(4) && !fits(call.input(4), rows)) return call.fail("the mask has the wrong shape");
}
}  // namespace shapes

// Inputs: X [N, C, spatial...], W [M, C / group, kernel...], offset [N, offset_group * taps * axes, output's spatial...], B (optional),
// mask [N, offset_group * taps, output's spatial...] (optional). Every tap reads at its place plus its offset, linearly, zero outside (Dai and
// others, "Deformable convolutional networks", 2017; Zhu and others, "Deformable ConvNets v2", 2018).
inline void deform_conv(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1), &offset = call.input(2), &y = call.output();
  const Window w = window_of(call, x, y, weights.dimensions + 2);
  const int axes = x.rank - 2, first = 3 - axes;
  const int64_t groups = call.integer("group", 1), offset_groups = call.integer("offset_group", 1), channels = x.dimensions[1];
  const int64_t part = channels / groups, out_channels = y.dimensions[1], out_part = out_channels / groups, taps = w.kernel_size();
  const int64_t pixels = w.output_size(), in_pixels = w.input_size(), offset_part = channels / offset_groups;
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const T* mask = call.has_input(4) ? call.input(4).template as<const T>() : nullptr;
    parallel(call, y.dimensions[0] * pixels, math::greatest<int64_t>(1, grain_elements / (taps * channels * out_part + 1)),
             [&](int64_t begin, int64_t end, uint32_t) {
               for (int64_t at = begin; at < end; ++at) {
                 const int64_t batch = at / pixels, place = at % pixels;
                 const int64_t out[3] = {place / (w.output[1] * w.output[2]), place / w.output[2] % w.output[1], place % w.output[2]};
                 T* to = y.as<T>() + batch * out_channels * pixels + place;
                 for (int64_t m = 0; m < out_channels; ++m) {
                   C sum = call.has_input(3) ? C(call.input(3).template as<const T>()[m]) : C(0);
                   for (int64_t c = 0; c < part; ++c) {
                     const int64_t channel = m / out_part * part + c, group = channel / offset_part;
                     const T* image = x.as<const T>() + (batch * channels + channel) * in_pixels;
                     for (int64_t tap = 0; tap < taps; ++tap) {
                       const int64_t k[3] = {tap / (w.kernel[1] * w.kernel[2]), tap / w.kernel[2] % w.kernel[1], tap % w.kernel[2]};
                       const int64_t row = (batch * offset_groups + group) * taps + tap;
                       int64_t low[3] = {};
                       C far[3] = {};
                       bool outside = false;
                       for (int a = first; a < 3; ++a) {
                         const C read = C(out[a] * w.stride[a] - w.pad_begin[a] + k[a] * w.dilation[a]) +
                                        C(offset.as<const T>()[(row * axes + a - first) * pixels + place]);
                         outside = outside || !(read > C(-1) && read < C(w.input[a]));
                         if (outside) break;
                         low[a] = int64_t(math::floor(read));
                         far[a] = read - C(low[a]);
                       }
                       if (outside) continue;
                       C value = 0;
                       for (int corner = 0; corner < 1 << axes; ++corner) {
                         C weight = 1;
                         int64_t source = 0;
                         bool inside = true;
                         for (int a = 0; a < 3; ++a) {
                           const bool next = a >= first && ((corner >> (a - first)) & 1);
                           const int64_t p = low[a] + next;
                           inside = inside && p >= 0 && p < w.input[a];
                           source = source * w.input[a] + p;
                           if (a >= first) weight *= next ? far[a] : C(1) - far[a];
                         }
                         if (inside) value += weight * C(image[source]);
                       }
                       if (mask) value *= C(mask[row * pixels + place]);
                       sum += value * C(weights.as<const T>()[(m * part + c) * taps + tap]);
                     }
                   }
                   to[m * pixels] = T(sum);
                 }
               }
             });
  });
}

// Input: the bytes of a picture file. Output [height, width, 3 or 1], in the order that pixel_format says. Grey is the luma of ITU-R BT.601 in 16-bit
// fixed point, rounded, as PIL computes it for the standard's tests.
inline void image_decoder(const Call& call) {
  struct Target {
    const Call& call;
    bool grey;
    uint8_t* rgb = nullptr;
    int64_t pixels = 0;
  };
  Target target{call, call.is("pixel_format", "Grayscale", "RGB")};
  if (!call.has_output(0)) return;
  if (!call.decode_picture) return call.fail("it decodes pictures, and this run was given nothing that can");
  const char* refusal = call.decode_picture(call.picture_context, call.input(0).data, uint64_t(call.input(0).size()), &target,
                                            [](void* context, int64_t height, int64_t width) -> uint8_t* {
                                              Target& t = *static_cast<Target*>(context);
                                              const int64_t dimensions[3] = {height, width, t.grey ? 1 : 3};
                                              if (!t.call.allocate_output(0, dimensions, 3)) return nullptr;
                                              t.pixels = height * width;
                                              t.rgb = t.grey ? t.call.temporary<uint8_t>(3 * t.pixels) : t.call.output().as<uint8_t>();
                                              return t.rgb;
                                            });
  if (refusal) return call.fail(refusal);
  uint8_t* to = call.output().as<uint8_t>();
  const bool reversed = call.is("pixel_format", "BGR", "RGB");
  for (int64_t i = 0; i < target.pixels; ++i) {
    const uint8_t red = target.rgb[3 * i], green = target.rgb[3 * i + 1], blue = target.rgb[3 * i + 2];
    if (target.grey) {
      to[i] = uint8_t((red * 19595u + green * 38470u + blue * 7471u + 0x8000u) >> 16);
    } else if (reversed) {
      to[3 * i] = blue;
      to[3 * i + 2] = red;
    }
  }
}

#define LATHE_KERNELS_VISION(X)                                  \
  X("", GridSample, grid_sample, shapes::grid_sample)            \
  X("", AffineGrid, affine_grid, shapes::affine_grid)            \
  X("", RoiAlign, roi_align, shapes::roi_align)                  \
  X("", MaxRoiPool, max_roi_pool, shapes::max_roi_pool)          \
  X("", CenterCropPad, center_crop_pad, shapes::center_crop_pad) \
  X("", Col2Im, col2im, shapes::col2im)                          \
  X("", DeformConv, deform_conv, shapes::deform_conv)            \
  X("", ImageDecoder, image_decoder, shapes::by_kernel)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
