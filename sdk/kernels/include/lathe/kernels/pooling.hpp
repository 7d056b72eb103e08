// Maximum and average pooling, windowed and global, over one to three spatial axes.
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

inline Window pooling_window(const Call& call) {
  const Tensor& x = call.input(0);
  return window_of(call, x, call.output(), call.attribute("kernel_shape")->ints);
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
    detail::each_window(call, y, w, [&](int64_t plane, int64_t place, const int64_t* start, const int64_t* low, const int64_t* high) {
      const T* image = x.as<const T>() + plane * w.input_size();
      C sum = 0;
      for (int64_t kd = low[0]; kd < high[0]; ++kd)
        for (int64_t kh = low[1]; kh < high[1]; ++kh) {
          const int64_t row = ((start[0] + kd * w.dilation[0]) * w.input[1] + start[1] + kh * w.dilation[1]) * w.input[2] + start[2];
          for (int64_t kw = low[2]; kw < high[2]; ++kw) sum += C(image[row + kw * w.dilation[2]]);
        }
      int64_t count = 1;
      for (int a = 0; a < 3; ++a) {
        // With ceil_mode a window may reach beyond the padding; what lies there is never counted.
        int64_t reach = math::greatest<int64_t>(high[a] - low[a], 0);
        if (count_pads) {
          const int64_t room = w.input[a] + w.pad_end[a] - 1 - start[a];
          reach = math::least(w.kernel[a], room / w.dilation[a] + 1);
        }
        count *= reach;
      }
      y.as<T>()[plane * w.output_size() + place] = T(count ? sum / C(count) : C(0));
    });
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
    Compute<T> sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += Compute<T>(p[i]);
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

#define LATHE_KERNELS_POOLING(X)                                                                                   \
  X("", MaxPool, max_pool, shapes::unknown)                                                                        \
  X("", AveragePool, average_pool, shapes::unknown) X("", GlobalAveragePool, global_average_pool, shapes::unknown) \
      X("", GlobalMaxPool, global_max_pool, shapes::unknown)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
