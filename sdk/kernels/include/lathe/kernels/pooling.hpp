// Maximum, average and Lp pooling, windowed and global, over one to three spatial axes, and the partial inverse of the maximum.
#pragma once
#include "lathe/kernels/window.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// Calls body(plane, place, low, high): the window of every output, clipped to the input; low and high count kernel places.
template <class F>
void each_window(const Call& call, const Tensor& y, const Window& w, F&& body) {
  const int64_t planes = y.dimension(0) * y.dimension(1), pixels = w.output_size();
  parallel(call, planes, math::greatest<int64_t>(1, grain_elements / (pixels * w.kernel_size() + 1)), [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t place = 0; place < pixels; ++place) {
        const int64_t at[3] = {place / (w.output[1] * w.output[2]), place / w.output[2] % w.output[1], place % w.output[2]};
        int64_t start[3], low[3], high[3];
        for (int a = 0; a < 3; ++a) {
          start[a] = at[a] * w.stride[a] - w.pad_begin[a];
          low[a] = start[a] < 0 ? (-start[a] + w.dilation[a] - 1) / w.dilation[a] : 0;
          high[a] = math::least(w.kernel[a], start[a] >= w.input[a] ? 0 : (w.input[a] - 1 - start[a]) / w.dilation[a] + 1);
        }
        body(plane, place, start, low, high);
      }
  });
}

// Rows of the output, for windows that are reduced row by row: calls begin_row(to), combine(to, from, count, stride) for every kernel place (the
// outputs that have an input there take from[i * stride]), then end_row(to, where the window begins along the two outer axes).
template <class T, class Begin, class Combine, class End>
void each_row(const Call& call, const Tensor& x, const Tensor& y, const Window& w, Begin begin_row, Combine combine, End end_row) {
  const int64_t planes = y.dimension(0) * y.dimension(1), rows = w.output[0] * w.output[1], s = w.stride[2];
  const int64_t grain = math::greatest<int64_t>(1, grain_elements / (w.output_size() * w.kernel_size() + 1));
  parallel(call, planes, grain, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t row = 0; row < rows; ++row) {
        const T* image = x.as<const T>() + plane * w.input_size();
        T* __restrict to = y.as<T>() + (plane * rows + row) * w.output[2];
        const int64_t start[2] = {row / w.output[1] * w.stride[0] - w.pad_begin[0], row % w.output[1] * w.stride[1] - w.pad_begin[1]};
        begin_row(to);
        for (int64_t kd = 0; kd < w.kernel[0]; ++kd)
          for (int64_t kh = 0; kh < w.kernel[1]; ++kh) {
            const int64_t id = start[0] + kd * w.dilation[0], ih = start[1] + kh * w.dilation[1];
            if (id < 0 || id >= w.input[0] || ih < 0 || ih >= w.input[1]) continue;
            const T* from = image + (id * w.input[1] + ih) * w.input[2];
            for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
              const int64_t shift = kw * w.dilation[2] - w.pad_begin[2];
              const int64_t low = shift < 0 ? math::least((-shift + s - 1) / s, w.output[2]) : 0;
              const int64_t high = w.input[2] > shift ? math::least((w.input[2] - 1 - shift) / s + 1, w.output[2]) : 0;
              if (low >= high) continue;
              // Strides that are constants become vectors.
              if (s == 1)
                combine(to + low, from + shift + low, high - low, std::integral_constant<int64_t, 1>());
              else if (s == 2)
                combine(to + low, from + shift + low * 2, high - low, std::integral_constant<int64_t, 2>());
              else
                combine(to + low, from + shift + low * s, high - low, s);
            }
          }
        end_row(to, start);
      }
  });
}

inline Window pooling_window(const Call& call) {
  const Tensor& x = call.input(0);
  return window_of(call, x, call.output(), call.attribute("kernel_shape")->ints);
}

// |x|^p and the p-th root of a sum of such.
template <class C>
C power(C x, int64_t p) {
  x = math::fabs(x);
  return p == 1 ? x : (p == 2 ? x * x : math::pow(x, C(p)));
}
template <class C>
C power_root(C sum, int64_t p) {
  return p == 1 ? sum : (p == 2 ? math::sqrt(sum) : math::pow(sum, C(1) / C(p)));
}

}  // namespace detail

// Outputs: Y, Indices (optional int64: flat index of the maximum within the whole input tensor, with storage_order=1 column-major).
inline void max_pool(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const Window w = detail::pooling_window(call);
  const bool column_major = call.integer("storage_order", 0) != 0;
  int64_t* indices = call.has_output(1) ? call.output(1).as<int64_t>() : nullptr;
  dispatch<Types<float, double, float16, bfloat16, int8_t, uint8_t>>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    if constexpr (std::is_floating_point_v<T>)
      if (!indices)
        return detail::each_row<T>(
            call, x, y, w,
            [&](T* to) {
              for (int64_t i = 0; i < w.output[2]; ++i) to[i] = -std::numeric_limits<T>::infinity();
            },
            [](T* __restrict to, const T* __restrict from, int64_t count, auto stride) {
              for (int64_t i = 0; i < count; ++i) {
                const T value = from[i * stride];
                to[i] = value > to[i] || value != value ? value : to[i];
              }
            },
            [](T*, const int64_t*) {});
    detail::each_window(call, y, w, [&](int64_t plane, int64_t place, const int64_t* start, const int64_t* low, const int64_t* high) {
      const T* image = x.as<const T>() + plane * w.input_size();
      C best = std::is_integral_v<C> ? std::numeric_limits<C>::lowest() : -std::numeric_limits<C>::infinity();
      int64_t best_at = -1;
      for (int64_t kd = low[0]; kd < high[0]; ++kd)
        for (int64_t kh = low[1]; kh < high[1]; ++kh) {
          const int64_t row = ((start[0] + kd * w.dilation[0]) * w.input[1] + start[1] + kh * w.dilation[1]) * w.input[2];
          for (int64_t kw = low[2]; kw < high[2]; ++kw) {
            const int64_t at = row + start[2] + kw * w.dilation[2];
            const C value = C(image[at]);
            if (best_at < 0 || value > best || value != value) best = value, best_at = at;
          }
        }
      y.as<T>()[plane * w.output_size() + place] = T(best);
      if (!indices) return;
      if (column_major && best_at >= 0) {
        const int64_t d = best_at / (w.input[1] * w.input[2]), h = best_at / w.input[2] % w.input[1], c = best_at % w.input[2];
        best_at = (c * w.input[1] + h) * w.input[0] + d;
      }
      indices[plane * w.output_size() + place] = plane * w.input_size() + best_at;
    });
  });
}

inline void average_pool(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const Window w = detail::pooling_window(call);
  const bool count_pads = call.integer("count_include_pad", 0) != 0;
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    // With ceil_mode a window may reach beyond the padding; what lies there is never counted.
    const auto reach = [&](int a, int64_t start) {
      if (count_pads) return math::least(w.kernel[a], (w.input[a] + w.pad_end[a] - 1 - start) / w.dilation[a] + 1);
      const int64_t low = start < 0 ? (-start + w.dilation[a] - 1) / w.dilation[a] : 0;
      const int64_t high = math::least(w.kernel[a], start >= w.input[a] ? 0 : (w.input[a] - 1 - start) / w.dilation[a] + 1);
      return math::greatest<int64_t>(high - low, 0);
    };
    if constexpr (std::is_floating_point_v<T>) {
      return detail::each_row<T>(
          call, x, y, w,
          [&](T* to) {
            for (int64_t i = 0; i < w.output[2]; ++i) to[i] = T(0);
          },
          [](T* __restrict to, const T* __restrict from, int64_t count, auto stride) {
            for (int64_t i = 0; i < count; ++i) to[i] += from[i * stride];
          },
          [&](T* to, const int64_t* start) {
            const int64_t outer = reach(0, start[0]) * reach(1, start[1]);
            for (int64_t i = 0; i < w.output[2]; ++i) {
              const int64_t count = outer * reach(2, i * w.stride[2] - w.pad_begin[2]);
              to[i] = count ? to[i] / T(count) : T(0);
            }
          });
    }
    detail::each_window(call, y, w, [&](int64_t plane, int64_t place, const int64_t* start, const int64_t* low, const int64_t* high) {
      const T* image = x.as<const T>() + plane * w.input_size();
      C sum = 0;
      for (int64_t kd = low[0]; kd < high[0]; ++kd)
        for (int64_t kh = low[1]; kh < high[1]; ++kh) {
          const int64_t row = ((start[0] + kd * w.dilation[0]) * w.input[1] + start[1] + kh * w.dilation[1]) * w.input[2] + start[2];
          for (int64_t kw = low[2]; kw < high[2]; ++kw) sum += C(image[row + kw * w.dilation[2]]);
        }
      const int64_t count = reach(0, start[0]) * reach(1, start[1]) * reach(2, start[2]);
      y.as<T>()[plane * w.output_size() + place] = T(count ? sum / C(count) : C(0));
    });
  });
}

// Attribute p: the exponent. Each output is the p-th root of the sum of |x|^p over its window.
inline void lp_pool(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const Window w = detail::pooling_window(call);
  const int64_t p = call.integer("p", 2);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    detail::each_window(call, y, w, [&](int64_t plane, int64_t place, const int64_t* start, const int64_t* low, const int64_t* high) {
      const T* image = x.as<const T>() + plane * w.input_size();
      C sum = 0;
      for (int64_t kd = low[0]; kd < high[0]; ++kd)
        for (int64_t kh = low[1]; kh < high[1]; ++kh) {
          const int64_t row = ((start[0] + kd * w.dilation[0]) * w.input[1] + start[1] + kh * w.dilation[1]) * w.input[2] + start[2];
          for (int64_t kw = low[2]; kw < high[2]; ++kw) sum += detail::power(C(image[row + kw * w.dilation[2]]), p);
        }
      y.as<T>()[plane * w.output_size() + place] = T(detail::power_root(sum, p));
    });
  });
}

// Inputs: X, I (places in the tensor that was pooled), output_shape (optional). Writes every X where I points, zeros elsewhere. With an output_shape
// the places still count in the shape that the attributes imply, as the standard's tests have it; the rest of a larger output stays zero.
inline void max_unpool(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const Attribute *kernel = call.attribute("kernel_shape"), *strides = call.attribute("strides"), *pads = call.attribute("pads");
  const int axes = x.rank - 2;
  int64_t implied[max_rank];
  for (int i = 0; i < x.rank; ++i) implied[i] = x.dimensions[i];
  for (int i = 0; i < axes; ++i)
    implied[2 + i] =
        (x.dimensions[2 + i] - 1) * (strides ? strides->ints[i] : 1) + kernel->ints[i] - (pads ? pads->ints[i] + pads->ints[axes + i] : 0);
  const int64_t size = product(implied, 0, x.rank);
  const int64_t* places = call.input(1).as<const int64_t>();
  dispatch_size(call, x.type, [&]<class T>() {
    T* to = y.as<T>();
    for (int64_t i = 0, n = y.size(); i < n; ++i) to[i] = T{};
    for (int64_t i = 0, n = x.size(); i < n; ++i) {
      int64_t rest = places[i], offset = 0, stride = 1;
      if (rest < 0 || rest >= size) return call.fail("a place lies outside the unpooled tensor");
      bool outside = false;
      for (int axis = x.rank - 1; axis >= 0; --axis) {
        const int64_t at = rest % implied[axis];
        rest /= implied[axis];
        outside = outside || at >= y.dimensions[axis];
        offset += at * stride;
        stride *= y.dimensions[axis];
      }
      if (!outside) to[offset] = x.as<const T>()[i];
    }
  });
}

namespace detail {
template <class F>
void pool_globally(const Call& call, F&& reduce) {
  const Tensor &x = call.input(0), &y = call.output();
  const int64_t planes = x.dimension(0) * x.dimension(1), pixels = product(x.dimensions, 2, x.rank);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    parallel(call, planes, math::greatest<int64_t>(1, grain_elements / (pixels + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) y.as<T>()[plane] = T(reduce(x.as<const T>() + plane * pixels, pixels));
    });
  });
}
}  // namespace detail

inline void global_average_pool(const Call& call) {
  detail::pool_globally(call, []<class T>(const T* p, int64_t count) {
    // Several sums side by side: vectors, and less rounding.
    constexpr int sums = 16;
    Compute<T> part[sums] = {}, sum = 0;
    int64_t i = 0;
    for (; i + sums <= count; i += sums)
      for (int n = 0; n < sums; ++n) part[n] += Compute<T>(p[i + n]);
    for (int n = 0; n < sums; ++n) sum += part[n];
    for (; i < count; ++i) sum += Compute<T>(p[i]);
    return sum / Compute<T>(count);
  });
}
inline void global_max_pool(const Call& call) {
  detail::pool_globally(call, []<class T>(const T* p, int64_t count) {
    Compute<T> best = -std::numeric_limits<Compute<T>>::infinity();
    for (int64_t i = 0; i < count; ++i) best = math::maximum(best, Compute<T>(p[i]));
    return best;
  });
}

inline void global_lp_pool(const Call& call) {
  const int64_t power = call.integer("p", 2);
  detail::pool_globally(call, [power]<class T>(const T* p, int64_t count) {
    Compute<T> sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += detail::power(Compute<T>(p[i]), power);
    return detail::power_root(sum, power);
  });
}

namespace shapes {

// Every output: [N, C, spatial...] of a window that slides over input 0.
inline void pool(const Call& call) {
  const Tensor& x = call.input(0);
  const int axes = x.rank - 2;
  const Attribute *kernel = call.attribute("kernel_shape"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads");
  if (axes < 1 || axes > 3 || kernel->count != axes) return call.fail("pooling wants as many spatial axes as its kernel has, one to three");
  int64_t dimensions[5] = {x.dimensions[0], x.dimensions[1]};
  for (int i = 0; i < axes; ++i) {
    const int64_t extent = kernel->ints[i] * (dilations ? dilations->ints[i] : 1);
    if (pads && call.is("auto_pad", "NOTSET", "NOTSET") && (pads->ints[i] >= extent || pads->ints[axes + i] >= extent))
      return call.fail("the padding is as large as the kernel");
    dimensions[2 + i] = slide(call, i, axes, x.dimensions[2 + i], kernel->ints[i], call.integer("ceil_mode", 0) != 0);
    if (dimensions[2 + i] < 0) return;
  }
  for (int32_t i = 0; i < call.output_count; ++i) call.allocate_output(i, dimensions, x.rank);
}

inline void pool_globally(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank < 2) return call.fail("global pooling wants a batch axis and a channel axis");
  int64_t dimensions[max_rank] = {x.dimensions[0], x.dimensions[1]};
  for (int i = 2; i < x.rank; ++i) dimensions[i] = 1;
  call.allocate_output(0, dimensions, x.rank);
}

inline void max_unpool(const Call& call) {
  const Tensor &x = call.input(0), &places = call.input(1);
  const int axes = x.rank - 2;
  const Attribute *kernel = call.attribute("kernel_shape"), *strides = call.attribute("strides"), *pads = call.attribute("pads");
  if (axes < 1 || kernel->count != axes) return call.fail("unpooling wants as many spatial axes as its kernel has");
  bool fits = places.rank == x.rank;
  for (int i = 0; fits && i < x.rank; ++i) fits = places.dimensions[i] == x.dimensions[i];
  if (!fits) return call.fail("there are not as many places as elements to unpool");
  const bool given = call.has_input(2);
  if (given && call.input(2).size() != x.rank) return call.fail("the shape of the output has the wrong length");
  int64_t dimensions[max_rank] = {x.dimensions[0], x.dimensions[1]};
  for (int i = 0; i < x.rank; ++i) {
    if (given)
      dimensions[i] = integer_at(call.input(2), i);
    else if (i >= 2)
      dimensions[i] = (x.dimensions[i] - 1) * (strides ? strides->ints[i - 2] : 1) + kernel->ints[i - 2] -
                      (pads ? pads->ints[i - 2] + pads->ints[axes + i - 2] : 0);
    if (dimensions[i] < 0) return call.fail("a size of the unpooled tensor is negative");
  }
  call.allocate_output(0, dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_POOLING(X)                                       \
  X("", MaxPool, max_pool, shapes::pool)                               \
  X("", AveragePool, average_pool, shapes::pool)                       \
  X("", LpPool, lp_pool, shapes::pool)                                 \
  X("", MaxUnpool, max_unpool, shapes::max_unpool)                     \
  X("", GlobalAveragePool, global_average_pool, shapes::pool_globally) \
  X("", GlobalMaxPool, global_max_pool, shapes::pool_globally)         \
  X("", GlobalLpPool, global_lp_pool, shapes::pool_globally)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
