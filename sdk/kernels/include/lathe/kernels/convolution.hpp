// Convolution, transposed convolution and integer convolution over one to three spatial axes, grouped and dilated.
//
// float32 runs as a matrix product whose right side is packed straight from the image (gemm.hpp); depthwise layers have a loop of
// their own; other types, and calls without working memory, take the plain loop.
#pragma once
#include "lathe/kernels/gemm.hpp"
#include "lathe/kernels/window.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// finish(sum over channels and kernel of (x - x_zero) * (w - w_zero), output channel), per output element. A is what the sum is kept in.
template <class A, class T, class W, class R, class B, class Finish>
void convolve_plainly(const Call& call, const Tensor& x, const Tensor& weights, const Tensor& y, const Window& w, int64_t groups, A x_zero,
                      const W* w_zero, bool w_zero_per_channel, const B* bias, Finish finish) {
  const int64_t in_channels = x.dimension(1), out_channels = y.dimension(1), part = in_channels / groups, out_part = out_channels / groups;
  const int64_t pixels = w.output_size(), in_pixels = w.input_size(), taps = w.kernel_size();
  parallel(call, y.dimension(0) * out_channels, math::greatest<int64_t>(1, grain_elements / (pixels * taps * part + 1)),
           [&](int64_t begin, int64_t end, uint32_t) {
             for (int64_t plane = begin; plane < end; ++plane) {
               const int64_t batch = plane / out_channels, channel = plane % out_channels, group = channel / out_part;
               const A zero = w_zero ? A(w_zero[w_zero_per_channel ? channel : 0]) : A(0);
               const T* image = x.as<const T>() + (batch * in_channels + group * part) * in_pixels;
               const W* filter = weights.as<const W>() + channel * part * taps;
               R* to = y.as<R>() + plane * pixels;
               int64_t place = 0;
               for (int64_t od = 0; od < w.output[0]; ++od)
                 for (int64_t oh = 0; oh < w.output[1]; ++oh)
                   for (int64_t ow = 0; ow < w.output[2]; ++ow, ++place) {
                     A sum = bias ? A(bias[channel]) : A(0);
                     for (int64_t c = 0; c < part; ++c)
                       for (int64_t kd = 0; kd < w.kernel[0]; ++kd) {
                         const int64_t id = od * w.stride[0] - w.pad_begin[0] + kd * w.dilation[0];
                         if (id < 0 || id >= w.input[0]) continue;
                         for (int64_t kh = 0; kh < w.kernel[1]; ++kh) {
                           const int64_t ih = oh * w.stride[1] - w.pad_begin[1] + kh * w.dilation[1];
                           if (ih < 0 || ih >= w.input[1]) continue;
                           for (int64_t kw = 0; kw < w.kernel[2]; ++kw) {
                             const int64_t iw = ow * w.stride[2] - w.pad_begin[2] + kw * w.dilation[2];
                             if (iw < 0 || iw >= w.input[2]) continue;
                             sum += (A(image[c * in_pixels + (id * w.input[1] + ih) * w.input[2] + iw]) - x_zero) *
                                    (A(filter[(c * w.kernel[0] + kd) * w.kernel[1] * w.kernel[2] + kh * w.kernel[2] + kw]) - zero);
                           }
                         }
                       }
                     to[place] = R(finish(sum, channel));
                   }
             }
           });
}
inline constexpr auto sum_itself = [](auto sum, int64_t) { return sum; };

// The rows of the im2col matrix: blocks of `block` channels, within a block by kernel place, then by channel. Generated code for channel-blocked
// layouts sums in this order, and so do the libraries under the training frameworks: what rounding does to a sum is then alike.
struct TapOrder {
  static constexpr int64_t block = 16;
  int64_t channels, taps;

  struct Tap {
    int64_t channel, place;
  };
  Tap operator[](int64_t k) const {
    if (taps == 1) return {k, 0};
    const int64_t first = k / (block * taps) * block, inside = k - first * taps, count = math::least(block, channels - first);
    return {first + inside % count, inside / count};
  }
  // How many rows from `tap` on are the same place of neighbouring channels.
  int64_t run(Tap tap) const { return math::least(tap.channel / block * block + block, channels) - tap.channel; }
  // Products that are summed from zero before they are added to the rest: whole blocks where one fits.
  int64_t at_once() const {
    const int64_t products = block * math::greatest<int64_t>(taps, 1);
    return products <= gemm::block_depth ? gemm::block_depth / products * products : gemm::block_depth;
  }
};

// to[i] = from[i * stride] - zero. Neighbours are moved in the widest pieces that fit; the last one overlaps the one before.
template <class T, class S>
void copy_places(T* __restrict to, const S* __restrict from, int64_t count, int64_t stride, T zero) {
  if constexpr (std::is_same_v<T, S> && std::is_same_v<T, float>) {
    if (stride == 1) {
      if (count >= gemm::lanes) {
        for (int64_t i = 0; i + gemm::lanes < count; i += gemm::lanes) __builtin_memcpy(to + i, from + i, gemm::lanes * sizeof(T));
        __builtin_memcpy(to + count - gemm::lanes, from + count - gemm::lanes, gemm::lanes * sizeof(T));
      } else if (count >= 8) {
        float first[8], last[8];
        __builtin_memcpy(first, from, sizeof first), __builtin_memcpy(last, from + count - 8, sizeof last);
        __builtin_memcpy(to, first, sizeof first), __builtin_memcpy(to + count - 8, last, sizeof last);
      } else if (count >= 4) {
        float first[4], last[4];
        __builtin_memcpy(first, from, sizeof first), __builtin_memcpy(last, from + count - 4, sizeof last);
        __builtin_memcpy(to, first, sizeof first), __builtin_memcpy(to + count - 4, last, sizeof last);
      } else {
        for (int64_t i = 0; i < count; ++i) to[i] = from[i];
      }
      return;
    }
    if (stride == 2) {
      int64_t i = 0;
      for (; i + gemm::lanes <= count; i += gemm::lanes) gemm::copy_every_second(from + 2 * i, to + i);
      for (; i < count; ++i) to[i] = from[2 * i];
      return;
    }
  }
  for (int64_t i = 0; i < count; ++i) to[i] = T(from[i * stride]) - zero;
}

// Packs the im2col matrix of one image and group, less `zero`: rows in TapOrder, column = output place.
template <class T, class S>
struct ImageBlock {
  const S* image;
  const Window* window;
  TapOrder order;
  bool pointwise;
  T zero = 0;

  // Neighbouring columns of a strip that are neighbours in one row of the output, and where the first of them begins to read.
  struct Piece {
    int first, count;
    int64_t depth, row, column;
  };

  void operator()(int64_t k, int64_t depth, int64_t first, int64_t count, T* to) const {
    if (pointwise) return gemm::MatrixBlock<T, S>{image, window->input_size(), 1, zero}(k, depth, first, count, to);
    for (int64_t column = 0; column < count; column += gemm::tile_columns)
      pack_strip(k, depth, first + column, int(math::least<int64_t>(gemm::tile_columns, count - column)), to + column * depth);
  }

 private:
  void pack_strip(int64_t k, int64_t depth, int64_t first, int width, T* to) const {
    const Window& w = *window;
    Piece pieces[gemm::tile_columns];
    int piece_count = 0;
    for (int i = 0; i < width; i += pieces[piece_count++].count) {
      const int64_t place = first + i, ow = place % w.output[2], row = place / w.output[2], oh = row % w.output[1], od = row / w.output[1];
      pieces[piece_count] = {i, int(math::least<int64_t>(width - i, w.output[2] - ow)), od * w.stride[0] - w.pad_begin[0],
                             oh * w.stride[1] - w.pad_begin[1], ow * w.stride[2] - w.pad_begin[2]};
    }
    const int64_t in_pixels = w.input_size(), kernel_plane = w.kernel[1] * w.kernel[2], stride = w.stride[2];
    int64_t rows = 0;
    for (int64_t d = 0; d < depth; d += rows) {
      const TapOrder::Tap at = order[k + d];
      rows = math::least(order.run(at), depth - d);
      const int64_t kd = at.place / kernel_plane * w.dilation[0], kh = at.place % kernel_plane / w.kernel[2] * w.dilation[1],
                    kw = at.place % w.kernel[2] * w.dilation[2];
      const S* planes = image + at.channel * in_pixels;
      for (int p = 0; p < piece_count; ++p) {
        const Piece& piece = pieces[p];
        const int64_t id = piece.depth + kd, ih = piece.row + kh, iw = piece.column + kw;
        // Columns low..high of the piece read inside the image.
        int64_t low = 0, high = 0;
        if (id >= 0 && id < w.input[0] && ih >= 0 && ih < w.input[1]) {
          low = iw < 0 ? math::least<int64_t>((-iw + stride - 1) / stride, piece.count) : 0;
          high = iw + (piece.count - 1) * stride < w.input[2] ? piece.count : iw < w.input[2] ? (w.input[2] - 1 - iw) / stride + 1 : 0;
          high = math::greatest(low, high);
        }
        const S* from = planes + (low < high ? (id * w.input[1] + ih) * w.input[2] + iw + low * stride : 0);
        T* target = to + d * gemm::tile_columns + piece.first;
        for (int64_t row = 0; row < rows; ++row, from += in_pixels, target += gemm::tile_columns) {
          for (int64_t i = 0; i < low; ++i) target[i] = T(0);
          copy_places(target + low, from, high - low, stride, zero);
          for (int64_t i = high; i < piece.count; ++i) target[i] = T(0);
        }
      }
    }
    if (width == gemm::tile_columns) return;
    for (int64_t d = 0; d < depth; ++d)
      for (int i = width; i < gemm::tile_columns; ++i) to[d * gemm::tile_columns + i] = T(0);
  }
};

// A channel's plane with its padding written out, and each row split by `column % stride`: what a kernel place reads for neighbouring outputs lies
// side by side then, whatever the stride, and nothing is read beyond it.
struct PaddedPlane {
  int64_t rows[2], part, row;  // rows along the two outer axes; elements of one part of a row, and of a row

  explicit PaddedPlane(const Window& w) {
    for (int a = 0; a < 2; ++a) rows[a] = (w.output[a] - 1) * w.stride[a] + (w.kernel[a] - 1) * w.dilation[a] + 1;
    part = gemm::round_up(w.output[2], gemm::lanes) + ((w.kernel[2] - 1) * w.dilation[2]) / w.stride[2] + 1;
    row = part * math::least(w.stride[2], (w.kernel[2] - 1) * w.dilation[2] + 1);
  }
  int64_t size() const { return gemm::round_up(rows[0] * rows[1] * row, 16); }

  void fill(const Window& w, const float* image, float* to) const {
    for (int64_t d = 0; d < rows[0]; ++d)
      for (int64_t h = 0; h < rows[1]; ++h) {
        float* __restrict line = to + (d * rows[1] + h) * row;
        const int64_t id = d - w.pad_begin[0], ih = h - w.pad_begin[1], s = w.stride[2];
        const bool inside = id >= 0 && id < w.input[0] && ih >= 0 && ih < w.input[1];
        const float* __restrict from = image + (inside ? (id * w.input[1] + ih) * w.input[2] : 0);
        for (int64_t phase = 0; phase * part < row; ++phase, line += part) {
          // Element i reads column i * s + shift.
          const int64_t shift = phase - w.pad_begin[2];
          const int64_t low = inside ? (shift < 0 ? math::least((-shift + s - 1) / s, part) : 0) : part;
          const int64_t high = inside && w.input[2] > shift ? math::greatest(low, math::least((w.input[2] - 1 - shift) / s + 1, part)) : low;
          for (int64_t i = 0; i < low; ++i) line[i] = 0.0f;
          copy_places(line + low, from + low * s + shift, high - low, s, 0.0f);
          for (int64_t i = high; i < part; ++i) line[i] = 0.0f;
        }
      }
  }
};

// `count` vectors of neighbouring outputs: start + the sum over the kernel's places of filter * what lies `places` behind `from`.
template <int count>
void depthwise_tile(const float* from, const float* filter, const int64_t* places, int64_t taps, float start,
                    gemm::Vectors<float>::Aligned (&sum)[count]) {
  for (int v = 0; v < count; ++v) sum[v] = gemm::Vectors<float>::Aligned{} + start;
  for (int64_t tap = 0; tap < taps; ++tap) {
    const float* at = from + places[tap];
    const float factor = filter[tap];
#pragma GCC unroll 4
    for (int v = 0; v < count; ++v) sum[v] += factor * *reinterpret_cast<const gemm::Vectors<float>::Unaligned*>(at + v * gemm::lanes);
  }
}

inline constexpr int64_t most_depthwise_taps = 256;  // larger kernels take the plain loop

// One input and one output channel per group: a weighted sum of shifted rows. `planes` has room for a PaddedPlane per worker.
inline void convolve_depthwise(const Call& call, const Tensor& x, const Tensor& weights, const Tensor& y, const Window& w, const float* bias,
                               float* planes) {
  const int64_t channels = y.dimension(1), pixels = w.output_size(), in_pixels = w.input_size(), taps = w.kernel_size();
  const PaddedPlane padded(w);
  int64_t places[most_depthwise_taps];
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t kw = tap % w.kernel[2] * w.dilation[2], kh = tap / w.kernel[2] % w.kernel[1] * w.dilation[1],
                  kd = tap / (w.kernel[2] * w.kernel[1]) * w.dilation[0];
    places[tap] = (kd * padded.rows[1] + kh) * padded.row + kw % w.stride[2] * padded.part + kw / w.stride[2];
  }
  parallel(call, y.dimension(0) * channels, 1, [&](int64_t begin, int64_t end, uint32_t worker) {
    float* image = planes + int64_t(worker) * padded.size();
    for (int64_t plane = begin; plane < end; ++plane) {
      padded.fill(w, x.as<const float>() + plane * in_pixels, image);
      const float* filter = weights.as<const float>() + plane % channels * taps;
      const float start = bias ? bias[plane % channels] : 0.0f;
      for (int64_t row = 0; row < w.output[0] * w.output[1]; ++row) {
        const float* from = image + (row / w.output[1] * w.stride[0] * padded.rows[1] + row % w.output[1] * w.stride[1]) * padded.row;
        float* to = y.as<float>() + plane * pixels + row * w.output[2];
        int64_t i = 0;
        for (; i + 2 * gemm::lanes <= w.output[2]; i += 2 * gemm::lanes) {
          gemm::Vectors<float>::Aligned sum[2];
          depthwise_tile(from + i, filter, places, taps, start, sum);
          __builtin_memcpy(to + i, sum, sizeof sum);
        }
        for (; i < w.output[2]; i += gemm::lanes) {
          gemm::Vectors<float>::Aligned sum[1];
          depthwise_tile(from + i, filter, places, taps, start, sum);
          if (i + gemm::lanes <= w.output[2]) {
            __builtin_memcpy(to + i, sum, sizeof sum);
          } else {
            float last[gemm::lanes];
            __builtin_memcpy(last, sum, sizeof last);
            for (int64_t n = 0; i + n < w.output[2]; ++n) to[i + n] = last[n];
          }
        }
      }
    }
  });
}

// gemm::pack_rows for load(row, index within the row's weights), in TapOrder.
template <class T, class Load>
void pack_weights(const Call& call, Load load, int64_t rows, const TapOrder& order, T* packed) {
  constexpr int64_t height = gemm::tile_rows;
  const int64_t depth = order.channels * order.taps;
  parallel(call, (rows + height - 1) / height, math::greatest<int64_t>(1, grain_elements / (depth * height + 1)),
           [=](int64_t begin, int64_t end, uint32_t) {
             for (int64_t strip = begin; strip < end; ++strip) {
               const int64_t first = strip * height, count = math::least(height, rows - first);
               T* to = packed + first * depth;
               for (int64_t k = 0, neighbours = 0; k < depth; k += neighbours) {
                 const TapOrder::Tap at = order[k];
                 neighbours = order.run(at);
                 const int64_t index = at.channel * order.taps + at.place;
                 for (int64_t r = 0; r < count; ++r)
                   for (int64_t n = 0; n < neighbours; ++n) to[(k + n) * height + r] = load(first + r, index + n * order.taps);
                 for (int64_t n = 0; n < neighbours; ++n)
                   for (int64_t r = count; r < height; ++r) to[(k + n) * height + r] = T(0);
               }
             }
           });
}

// load(channel, k) gives the weights, less their zero point. A is the type that products are summed in, to `y` [N, channels, spatial...]; `packed` is
// working memory of gemm::scratch_bytes.
template <class A, class S, class Load>
void convolve_as_product(const Call& call, const Tensor& x, int64_t channels, const Window& w, int64_t groups, Load load, A zero, const A* bias, A* y,
                         A* packed) {
  const int64_t in_part = x.dimension(1) / groups, out_part = channels / groups, taps = w.kernel_size(), depth = in_part * taps;
  const int64_t pixels = w.output_size();
  const TapOrder order{in_part, taps};
  for (int64_t group = 0; group < groups; ++group) {
    pack_weights(
        call, [&](int64_t row, int64_t index) { return load(group * out_part + row, index); }, out_part, order, packed);
    for (int64_t batch = 0; batch < x.dimension(0); ++batch) {
      const ImageBlock<A, S> block{x.as<const S>() + (batch * groups + group) * in_part * w.input_size(), &w, order, w.pointwise(), zero};
      gemm::multiply(call, out_part, pixels, depth, packed, y + (batch * groups + group) * out_part * pixels, pixels,
                     bias ? bias + group * out_part : nullptr, packed + gemm::blocks_offset(out_part, depth), block, order.at_once());
    }
  }
}

// Whether convolve_depthwise takes it: kernels of ordinary size whose padding is not much more than the image.
inline bool depthwise(const Tensor& x, const Tensor& weights, int64_t groups, const Window& w) {
  if (groups <= 1 || groups != x.dimension(1) || weights.dimension(0) != groups || w.output_size() <= 0) return false;
  constexpr double most_floats = 1 << 26;
  const PaddedPlane padded(w);
  return w.kernel_size() <= most_depthwise_taps && double(padded.rows[0]) * double(padded.rows[1]) * double(padded.row) <= most_floats;
}

}  // namespace detail

// Bytes of working memory that conv and conv_integer want.
inline uint64_t conv_scratch(const Call& call, uint32_t threads) {
  const Tensor& weights = call.input(1);
  const int64_t groups = call.integer("group", 1);
  const Type type = call.input(0).type;
  if (type != Type::float32 && element_bytes(type) != 1) return 0;
  const Window w = window_of(call, call.input(0), call.output(), weights.dimensions + 2);
  if (type == Type::float32 && detail::depthwise(call.input(0), weights, groups, w))
    return uint64_t(detail::PaddedPlane(w).size()) * threads * sizeof(float);
  return gemm::scratch_bytes(weights.dimension(0) / groups, product(weights.dimensions, 1, weights.rank), threads);
}

// Inputs: X [N, C, spatial...], W [M, C / group, kernel...], B [M] (optional). Output [N, M, spatial...].
inline void conv(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1), &y = call.output();
  const int64_t groups = call.integer("group", 1);
  const Window w = window_of(call, x, y, weights.dimensions + 2);
  if (x.type == Type::float32) {
    const float* bias = call.has_input(2) ? call.input(2).as<const float>() : nullptr;
    if (call.scratch && detail::depthwise(x, weights, groups, w))
      return detail::convolve_depthwise(call, x, weights, y, w, bias, static_cast<float*>(call.scratch));
    const int64_t depth = product(weights.dimensions, 1, weights.rank);
    const auto load = gemm::rows_of(weights.as<const float>(), depth, 1);
    if (call.scratch)
      return detail::convolve_as_product<float, float>(call, x, y.dimension(1), w, groups, load, 0.0f, bias, y.as<float>(),
                                                       static_cast<float*>(call.scratch));
  }
  dispatch<Floats>(call, x.type, [&]<class T>() {
    const T* bias = call.has_input(2) ? call.input(2).template as<const T>() : nullptr;
    detail::convolve_plainly<Compute<T>, T, T, T>(call, x, weights, y, w, groups, Compute<T>(0), static_cast<const T*>(nullptr), false, bias,
                                                  detail::sum_itself);
  });
}

// Inputs: X, W (each uint8 or int8), x_zero_point (optional scalar), w_zero_point (optional, scalar or [M]). Output int32.
inline void conv_integer(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1), &y = call.output();
  const Window w = window_of(call, x, y, weights.dimensions + 2);
  dispatch<Types<uint8_t, int8_t>>(call, x.type, [&]<class T>() {
    dispatch<Types<uint8_t, int8_t>>(call, weights.type, [&]<class W>() {
      const int32_t x_zero = call.has_input(2) ? int32_t(*call.input(2).template as<const T>()) : 0;
      const W* w_zero = call.has_input(3) ? call.input(3).template as<const W>() : nullptr;
      const bool per_channel = w_zero && call.input(3).size() > 1;
      if (call.scratch) {
        const int64_t depth = product(weights.dimensions, 1, weights.rank);
        const auto load = [=, from = weights.as<const W>()](int64_t channel, int64_t k) {
          return int32_t(from[channel * depth + k]) - (w_zero ? int32_t(w_zero[per_channel ? channel : 0]) : 0);
        };
        return detail::convolve_as_product<int32_t, T>(call, x, y.dimension(1), w, call.integer("group", 1), load, x_zero,
                                                       static_cast<const int32_t*>(nullptr), y.as<int32_t>(), static_cast<int32_t*>(call.scratch));
      }
      detail::convolve_plainly<int32_t, T, W, int32_t>(call, x, weights, y, w, call.integer("group", 1), x_zero, w_zero, per_channel,
                                                       static_cast<const int32_t*>(nullptr), detail::sum_itself);
    });
  });
}

namespace detail {

// The window slides over the output `y`; `products` [channels * taps, places of the window], the weights times the image, are added where they
// belong.
inline void scatter_products(const Call& call, int64_t channels, const Window& w, const float* products, const float* bias, float* y) {
  const int64_t pixels = w.input_size(), places = w.output_size(), taps = w.kernel_size();
  parallel(call, channels, 1, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t channel = begin; channel < end; ++channel) {
      float* to = y + channel * pixels;
      const float start = bias ? bias[channel] : 0.0f;
      for (int64_t i = 0; i < pixels; ++i) to[i] = start;
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t kw = tap % w.kernel[2], kh = tap / w.kernel[2] % w.kernel[1], kd = tap / (w.kernel[2] * w.kernel[1]);
        const int64_t shift = kw * w.dilation[2] - w.pad_begin[2], s = w.stride[2];
        // Places of a row whose output column i * s + shift exists.
        const int64_t low = shift < 0 ? math::least((-shift + s - 1) / s, w.output[2]) : 0;
        const int64_t high = w.input[2] > shift ? math::least((w.input[2] - 1 - shift) / s + 1, w.output[2]) : 0;
        for (int64_t id = 0; id < w.output[0]; ++id)
          for (int64_t ih = 0; ih < w.output[1]; ++ih) {
            const int64_t od = id * w.stride[0] - w.pad_begin[0] + kd * w.dilation[0], oh = ih * w.stride[1] - w.pad_begin[1] + kh * w.dilation[1];
            if (od < 0 || od >= w.input[0] || oh < 0 || oh >= w.input[1]) continue;
            float* __restrict row = to + (od * w.input[1] + oh) * w.input[2];
            const float* __restrict from = products + (channel * taps + tap) * places + (id * w.output[1] + ih) * w.output[2];
            if (s == 1) {
              for (int64_t i = low; i < high; ++i) row[i + shift] += from[i];
            } else if (s == 2) {
              for (int64_t i = low; i < high; ++i) row[i * 2 + shift] += from[i];
            } else {
              for (int64_t i = low; i < high; ++i) row[i * s + shift] += from[i];
            }
          }
      }
    }
  });
}

}  // namespace detail

// Bytes of working memory that conv_transpose wants: those of the product, and its result for one group of one image.
inline uint64_t conv_transpose_scratch(const Call& call, uint32_t threads) {
  const Tensor &x = call.input(0), &weights = call.input(1);
  if (x.type != Type::float32) return 0;
  const int64_t rows = product(weights.dimensions, 1, weights.rank), depth = x.dimension(1) / call.integer("group", 1);
  const int64_t places = product(x.dimensions, 2, x.rank);
  constexpr double most_products = 1 << 28;  // beyond, it is done without working memory
  if (double(rows) * double(places) > most_products) return 0;
  return gemm::scratch_bytes(rows, depth, threads) + uint64_t(gemm::round_up(rows * places, 16)) * sizeof(float);
}

// Inputs: X [N, C, spatial...], W [C, M / group, kernel...], B [M] (optional). float32 is a matrix product whose rows are scattered over the output;
// of other types, and without working memory, each output element gathers the inputs that reach it.
inline void conv_transpose(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1), &y = call.output();
  const int64_t groups = call.integer("group", 1);
  const Window w = window_of(call, y, x, weights.dimensions + 2, true);  // the window slides over the output
  if (x.type == Type::float32 && call.scratch) {
    const int64_t part = x.dimension(1) / groups, out_part = weights.dimension(1), rows = out_part * w.kernel_size(), places = w.output_size();
    const float* bias = call.has_input(2) ? call.input(2).as<const float>() : nullptr;
    float* products = static_cast<float*>(call.scratch);
    float* packed = products + gemm::round_up(rows * places, 16);
    for (int64_t group = 0; group < groups; ++group) {
      gemm::pack_rows(call, gemm::rows_of(weights.as<const float>() + group * part * rows, 1, rows), rows, part, packed);
      for (int64_t batch = 0; batch < x.dimension(0); ++batch) {
        const gemm::MatrixBlock<float> block{x.as<const float>() + (batch * groups + group) * part * places, places, 1};
        gemm::multiply(call, rows, places, part, packed, products, places, static_cast<const float*>(nullptr),
                       packed + gemm::blocks_offset(rows, part), block);
        detail::scatter_products(call, out_part, w, products, bias ? bias + group * out_part : nullptr,
                                 y.as<float>() + (batch * groups + group) * out_part * w.input_size());
      }
    }
    return;
  }
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const T* bias = call.has_input(2) ? call.input(2).template as<const T>() : nullptr;
    const int64_t in_part = x.dimension(1) / groups, out_part = weights.dimension(1), channels = out_part * groups;
    const int64_t pixels = w.input_size(), in_pixels = w.output_size(), taps = w.kernel_size();
    parallel(call, x.dimension(0) * channels, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t batch = plane / channels, channel = plane % channels, group = channel / out_part;
        T* to = y.as<T>() + plane * pixels;
        for (int64_t od = 0; od < w.input[0]; ++od)
          for (int64_t oh = 0; oh < w.input[1]; ++oh)
            for (int64_t ow = 0; ow < w.input[2]; ++ow) {
              C sum = bias ? C(bias[channel]) : C(0);
              for (int64_t tap = 0; tap < taps; ++tap) {
                const int64_t kw = tap % w.kernel[2], kh = tap / w.kernel[2] % w.kernel[1], kd = tap / (w.kernel[2] * w.kernel[1]);
                // The input place i with i * stride - pad + k * dilation == o, if there is one.
                const int64_t at[3] = {od + w.pad_begin[0] - kd * w.dilation[0], oh + w.pad_begin[1] - kh * w.dilation[1],
                                       ow + w.pad_begin[2] - kw * w.dilation[2]};
                bool inside = true;
                int64_t place = 0;
                for (int a = 0; a < 3; ++a) {
                  inside = inside && at[a] >= 0 && at[a] % w.stride[a] == 0 && at[a] / w.stride[a] < w.output[a];
                  place = place * w.output[a] + at[a] / w.stride[a];
                }
                if (!inside) continue;
                const T* image = x.as<const T>() + (batch * groups + group) * in_part * in_pixels + place;
                const T* filter = weights.as<const T>() + (group * in_part * out_part + channel % out_part) * taps + tap;
                for (int64_t c = 0; c < in_part; ++c) sum += C(image[c * in_pixels]) * C(filter[c * out_part * taps]);
              }
              *to++ = T(sum);
            }
      }
    });
  });
}

namespace shapes {

// Input and weights fit each other but for their channels, and the bias or whatever else goes with `channels` has that length.
inline bool convolution_ranks(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1);
  if (x.rank < 3 || x.rank > 5 || weights.rank != x.rank) {
    call.fail("a convolution wants an input and weights of the same rank, 3 to 5");
    return false;
  }
  const Attribute* kernel = call.attribute("kernel_shape");
  for (int i = 2; kernel && i < x.rank; ++i)
    if (kernel->ints[i - 2] != weights.dimensions[i]) {
      call.fail("attribute 'kernel_shape' contradicts the weights' shape");
      return false;
    }
  return true;
}

// Conv, ConvInteger, DeformConv: [N, C, spatial...] and weights [M, C / group, kernel...].
inline void conv(const Call& call) {
  if (!convolution_ranks(call)) return;
  const Tensor &x = call.input(0), &weights = call.input(1);
  const int64_t groups = call.integer("group", 1);
  if (x.dimensions[1] != weights.dimensions[1] * groups || weights.dimensions[0] % groups)
    return call.fail("the channels of the input and the weights do not match");
  int64_t dimensions[5] = {x.dimensions[0], weights.dimensions[0]};
  for (int i = 2; i < x.rank; ++i) {
    dimensions[i] = slide(call, i - 2, x.rank - 2, x.dimensions[i], weights.dimensions[i], false);
    if (dimensions[i] < 0) return;
  }
  call.allocate_output(0, dimensions, x.rank);
}

inline void conv_with_bias(const Call& call) {
  if (call.has_input(2) && call.input(2).size() != call.input(1).dimensions[0]) return call.fail("the bias is not as long as there are channels");
  shapes::conv(call);
}

inline void conv_integer(const Call& call) {
  if (call.has_input(2) && call.input(2).size() != 1) return call.fail("the input's zero point is no scalar");
  if (call.has_input(3) && call.input(3).size() != 1 && call.input(3).size() != call.input(1).dimensions[0])
    return call.fail("the weights' zero point has the wrong length");
  shapes::conv(call);
}

// Weights [C, M / group, kernel...].
inline void conv_transpose(const Call& call) {
  if (!convolution_ranks(call)) return;
  const Tensor &x = call.input(0), &weights = call.input(1);
  const int axes = x.rank - 2;
  const int64_t groups = call.integer("group", 1);
  if (x.dimensions[1] != weights.dimensions[0] || x.dimensions[1] % groups)
    return call.fail("the channels of the input and the weights do not match");
  int64_t dimensions[5] = {x.dimensions[0], weights.dimensions[1] * groups};
  if (call.has_input(2) && call.input(2).size() != dimensions[1]) return call.fail("the bias is not as long as there are channels");
  const Attribute *strides = call.attribute("strides"), *dilations = call.attribute("dilations"), *pads = call.attribute("pads"),
                  *extra = call.attribute("output_padding"), *sizes = call.attribute("output_shape");
  const bool same = call.is("auto_pad", "SAME_UPPER", "NOTSET") || call.is("auto_pad", "SAME_LOWER", "NOTSET"),
             padded = pads && call.is("auto_pad", "NOTSET", "NOTSET");
  for (int i = 0; i < axes; ++i) {
    const int64_t stride = strides ? strides->ints[i] : 1, input = x.dimensions[2 + i];
    int64_t& size = dimensions[2 + i];
    if (extra && extra->ints[i] >= math::greatest(stride, dilations ? dilations->ints[i] : 1))
      return call.fail("attribute 'output_padding' is not less than the stride or the dilation");
    if (sizes)
      size = sizes->ints[sizes->count - axes + i];  // some exporters give batch and channels too
    else if (same)
      size = input * stride;
    else
      size = (input - 1) * stride + (weights.dimensions[2 + i] - 1) * (dilations ? dilations->ints[i] : 1) + 1 + (extra ? extra->ints[i] : 0) -
             (padded ? pads->ints[i] + pads->ints[axes + i] : 0);
    if (size < 0) return call.fail("the padding is larger than what a transposed convolution yields");
  }
  call.allocate_output(0, dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_CONVOLUTION(X)                     \
  X("", Conv, conv, shapes::conv_with_bias)              \
  X("", ConvInteger, conv_integer, shapes::conv_integer) \
  X("", ConvTranspose, conv_transpose, shapes::conv_transpose)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
