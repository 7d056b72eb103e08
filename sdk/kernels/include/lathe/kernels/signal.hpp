// Signal processing: discrete Fourier transforms, short-time spectra, window functions, mel filter banks.
//
// Everything is computed in float64 whatever the element type. Sources: ONNX, Operators.md, DFT (opset 20), STFT, *Window, MelWeightMatrix (opset
// 17); Cooley and Tukey, "An algorithm for the machine calculation of complex Fourier series" (1965); Bluestein, "A linear filtering approach
// to the computation of the discrete Fourier transform" (1970), for lengths that are no power of two.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

inline constexpr double pi = 3.14159265358979323846;

struct Complex {
  double re, im;
};
inline Complex multiply(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
// e^(-2 pi i k / n); k is reduced first so that large products stay exact.
inline Complex unit_root(int64_t k, int64_t n) {
  const double angle = -2 * pi * double(k % n) / double(n);
  return {math::cos(angle), math::sin(angle)};
}

// In place, for `size` a power of two; roots[k] = e^(-2 pi i k / size) for k < size / 2.
inline void transform(Complex* data, int64_t size, const Complex* roots) {
  for (int64_t i = 1, reversed = 0; i < size; ++i) {
    int64_t bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (i < reversed) {
      const Complex held = data[i];
      data[i] = data[reversed];
      data[reversed] = held;
    }
  }
  for (int64_t half = 1; half < size; half *= 2) {
    const int64_t step = size / (2 * half);
    for (int64_t begin = 0; begin < size; begin += 2 * half)
      for (int64_t k = 0; k < half; ++k) {
        const Complex odd = multiply(data[begin + half + k], roots[k * step]), even = data[begin + k];
        data[begin + k] = {even.re + odd.re, even.im + odd.im};
        data[begin + half + k] = {even.re - odd.re, even.im - odd.im};
      }
  }
}

// A forward transform of one length, prepared once per call in the call's working memory.
class FourierPlan {
 public:
  // Bytes of working memory that serve every length up to this one.
  static uint64_t bytes(int64_t longest, uint32_t threads) {
    int64_t power = 1;
    while (power < 2 * longest) power *= 2;
    return uint64_t(power / 2 + longest + power + int64_t(threads) * power) * sizeof(Complex);
  }

  FourierPlan(int64_t length, void* memory) : length_(length), padded_(padded_length(length)), roots_(static_cast<Complex*>(memory)) {
    if (!memory) return;
    for (int64_t k = 0; k < padded_ / 2; ++k) roots_[k] = unit_root(k, padded_);
    buffers_ = roots_ + padded_ / 2;
    if (padded_ == length_) return;
    // x[n] X[k]: n k = (n^2 + k^2 - (k - n)^2) / 2 makes the sum a convolution with a chirp, which a longer transform computes.
    chirp_ = buffers_;
    filter_ = chirp_ + length_;
    buffers_ = filter_ + padded_;
    for (int64_t k = 0; k < length_; ++k) chirp_[k] = unit_root(k * k, 2 * length_);
    for (int64_t k = 0; k < padded_; ++k) filter_[k] = {0, 0};
    for (int64_t k = 0; k < length_; ++k) filter_[k] = filter_[k ? padded_ - k : 0] = {chirp_[k].re, -chirp_[k].im};
    transform(filter_, padded_, roots_);
  }

  // load(n) gives x[n] for n < length; store(k, X[k]) is called for k < wanted. `worker` chooses the working memory.
  template <class Load, class Store>
  void run(uint32_t worker, int64_t wanted, Load&& load, Store&& store) const {
    if (!roots_) return directly(wanted, load, store);
    Complex* data = buffers_ + int64_t(worker) * padded_;
    if (padded_ == length_) {
      for (int64_t n = 0; n < length_; ++n) data[n] = load(n);
      transform(data, padded_, roots_);
      for (int64_t k = 0; k < wanted; ++k) store(k, data[k]);
      return;
    }
    for (int64_t n = 0; n < length_; ++n) data[n] = multiply(load(n), chirp_[n]);
    for (int64_t n = length_; n < padded_; ++n) data[n] = {0, 0};
    transform(data, padded_, roots_);
    // The inverse transform is the forward one with real and imaginary parts exchanged.
    for (int64_t k = 0; k < padded_; ++k) {
      const Complex product = multiply(data[k], filter_[k]);
      data[k] = {product.im, product.re};
    }
    transform(data, padded_, roots_);
    for (int64_t k = 0; k < wanted; ++k) store(k, multiply({data[k].im / double(padded_), data[k].re / double(padded_)}, chirp_[k]));
  }

 private:
  static int64_t padded_length(int64_t length) {
    int64_t power = 1;
    while (power < length) power *= 2;
    if (power == length) return length;
    while (power < 2 * length - 1) power *= 2;
    return power;
  }
  // By the definition, without working memory.
  template <class Load, class Store>
  void directly(int64_t wanted, Load&& load, Store&& store) const {
    for (int64_t k = 0; k < wanted; ++k) {
      Complex sum{0, 0};
      for (int64_t n = 0; n < length_; ++n) {
        const Complex term = multiply(load(n), unit_root(n * k, length_));
        sum = {sum.re + term.re, sum.im + term.im};
      }
      store(k, sum);
    }
  }

  int64_t length_, padded_;
  Complex *roots_, *chirp_ = nullptr, *filter_ = nullptr, *buffers_ = nullptr;
};

inline int64_t scalar_at(const Call& call, int32_t input, int64_t fallback) {
  return call.has_input(input) && call.input(input).size() > 0 ? integer_at(call.input(input), 0) : fallback;
}

// What a DFT's inputs and attributes say; `length` is that of the transform.
struct Transform {
  int axis;
  int64_t length, output_length;
  bool inverse, onesided;
};
inline Transform transform_of(const Call& call) {
  const Tensor& x = call.input(0);
  Transform t;
  t.inverse = call.integer("inverse", 0) != 0;
  t.onesided = call.integer("onesided", 0) != 0;
  t.axis = normal_axis(scalar_at(call, 2, -2), x.rank);
  if (t.axis < 0 || t.axis >= x.rank - 1) {
    call.fail("the axis of the transform lies outside the signal's axes");
    return t;
  }
  const int64_t given = x.dimensions[t.axis];
  t.length = scalar_at(call, 1, t.inverse && t.onesided ? 2 * (given - 1) : given);
  if (t.length < 1) call.fail("the length of the transform is not positive");
  t.output_length = t.onesided && !t.inverse ? t.length / 2 + 1 : t.length;
  return t;
}

}  // namespace detail

namespace shapes {
inline void dft(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank < 2) return call.fail("the signal wants at least two axes: the transformed one, and real and imaginary parts");
  const detail::Transform t = detail::transform_of(call);
  if (*call.error) return;
  int64_t dimensions[max_rank];
  for (int i = 0; i < x.rank; ++i) dimensions[i] = x.dimensions[i];
  dimensions[t.axis] = t.output_length;
  dimensions[x.rank - 1] = t.onesided && t.inverse ? 1 : 2;
  call.allocate_output(0, dimensions, x.rank);
}
}  // namespace shapes

inline uint64_t dft_scratch(const Call& call, uint32_t threads) {
  const Tensor& y = call.output();
  int64_t longest = 1;  // which axis it is may be known only when it runs
  for (int i = 0; i + 1 < y.rank; ++i) longest = math::greatest(longest, y.dimensions[i]);
  return detail::FourierPlan::bytes(call.integer("onesided", 0) ? 2 * longest : longest, threads);
}

// Inputs: input [..., 1 or 2] (real, or real and imaginary parts), dft_length (optional scalar), axis (optional scalar, -2).
inline void dft(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const detail::Transform t = detail::transform_of(call);
  if (*call.error) return;
  const int64_t given = x.dimensions[t.axis], parts = x.dimension(-1), output_parts = y.dimension(-1);
  const int64_t inner = product(x.dimensions, t.axis + 1, x.rank - 1), lines = product(x.dimensions, 0, t.axis) * inner;
  const detail::FourierPlan plan(t.length, call.scratch);
  const bool hermitian = t.inverse && t.onesided;
  const double scale = t.inverse ? 1 / double(t.length) : 1;
  dispatch<Floats>(call, x.type, [&]<class T>() {
    parallel(call, lines, math::greatest<int64_t>(1, grain_elements / (16 * t.length)), [&](int64_t begin, int64_t end, uint32_t worker) {
      for (int64_t line = begin; line < end; ++line) {
        const T* from = x.as<const T>() + (line / inner * given * inner + line % inner) * parts;
        T* to = y.as<T>() + (line / inner * t.output_length * inner + line % inner) * output_parts;
        const auto read = [&](int64_t n) -> detail::Complex {
          if (n >= given) return {0, 0};
          const T* place = from + n * inner * parts;
          return {double(Compute<T>(place[0])), parts > 1 ? double(Compute<T>(place[1])) : 0};
        };
        // One side of a spectrum of real numbers gives the other: X[n] = conj(X[length - n]).
        const auto load = [&](int64_t n) -> detail::Complex {
          detail::Complex value = read(hermitian && n > t.length / 2 ? t.length - n : n);
          if (hermitian && n > t.length / 2) value.im = -value.im;
          if (hermitian && (n == 0 || 2 * n == t.length)) value.im = 0;
          return t.inverse ? detail::Complex{value.im, value.re} : value;
        };
        plan.run(worker, t.output_length, load, [&](int64_t k, detail::Complex value) {
          if (t.inverse) value = {value.im, value.re};
          T* place = to + k * inner * output_parts;
          place[0] = T(Compute<T>(value.re * scale));
          if (output_parts > 1) place[1] = T(Compute<T>(value.im * scale));
        });
      }
    });
  });
}

namespace detail {
struct Frames {
  int64_t step, length, count, bins;
};
inline Frames frames_of(const Call& call) {
  const Tensor& x = call.input(0);
  Frames f{};
  f.step = scalar_at(call, 1, 0);
  f.length = scalar_at(call, 3, call.has_input(2) ? call.input(2).size() : x.dimensions[1]);
  if (f.step < 1)
    call.fail("the step between frames is not positive");
  else if (f.length < 1 || f.length > x.dimensions[1])
    call.fail("the length of a frame is not between 1 and that of the signal");
  else if (call.has_input(2) && call.input(2).size() != f.length)
    call.fail("the window is not as long as a frame");
  if (*call.error) return f;
  f.count = (x.dimensions[1] - f.length) / f.step + 1;
  f.bins = call.integer("onesided", 1) ? f.length / 2 + 1 : f.length;
  return f;
}
}  // namespace detail

namespace shapes {
inline void stft(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank != 3) return call.fail("the signal wants three axes: batch, time, real and imaginary parts");
  const detail::Frames f = detail::frames_of(call);
  if (*call.error) return;
  const int64_t dimensions[4] = {x.dimensions[0], f.count, f.bins, 2};
  call.allocate_output(0, dimensions, 4);
}
}  // namespace shapes

inline uint64_t stft_scratch(const Call& call, uint32_t threads) { return detail::FourierPlan::bytes(2 * call.output().dimension(2), threads); }

// Inputs: signal [batch, time, 1 or 2], frame_step, window (optional, one frame long), frame_length (optional). Output [batch, frames, bins, 2].
inline void stft(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const detail::Frames f = detail::frames_of(call);
  if (*call.error) return;
  const int64_t parts = x.dimensions[2];
  const detail::FourierPlan plan(f.length, call.scratch);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    const T* window = call.has_input(2) ? call.input(2).template as<const T>() : nullptr;
    parallel(call, x.dimensions[0] * f.count, math::greatest<int64_t>(1, grain_elements / (16 * f.length)),
             [&](int64_t begin, int64_t end, uint32_t worker) {
               for (int64_t frame = begin; frame < end; ++frame) {
                 const T* from = x.as<const T>() + (frame / f.count * x.dimensions[1] + frame % f.count * f.step) * parts;
                 T* to = y.as<T>() + frame * f.bins * 2;
                 plan.run(
                     worker, f.bins,
                     [&](int64_t n) -> detail::Complex {
                       const double factor = window ? double(Compute<T>(window[n])) : 1;
                       return {factor * double(Compute<T>(from[n * parts])), parts > 1 ? factor * double(Compute<T>(from[n * parts + 1])) : 0};
                     },
                     [&](int64_t k, detail::Complex value) {
                       to[2 * k] = T(Compute<T>(value.re));
                       to[2 * k + 1] = T(Compute<T>(value.im));
                     });
               }
             });
  });
}

namespace detail {
// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N), where N is the size, or one less for a symmetric window.
inline void cosine_window(const Call& call, double a0, double a1, double a2) {
  const Tensor& y = call.output();
  const int64_t size = y.size(), whole = call.integer("periodic", 1) ? size : size - 1;
  dispatch<Numbers>(call, y.type, [&]<class T>() {
    for (int64_t n = 0; n < size; ++n) {
      const double angle = whole ? 2 * pi * double(n) / double(whole) : pi;
      y.as<T>()[n] = convert<T>(a0 - a1 * math::cos(angle) + a2 * math::cos(2 * angle));
    }
  });
}
}  // namespace detail

// Input: the window's size (scalar).
inline void hann_window(const Call& call) { detail::cosine_window(call, 0.5, 0.5, 0); }
inline void hamming_window(const Call& call) { detail::cosine_window(call, 25.0 / 46, 21.0 / 46, 0); }
inline void blackman_window(const Call& call) { detail::cosine_window(call, 0.42, 0.5, 0.08); }

namespace shapes {
inline void window(const Call& call) {
  const int64_t size = detail::scalar_at(call, 0, 0);
  if (size < 0) return call.fail("the size of a window is negative");
  call.allocate_output(0, &size, 1);
}
inline void mel_weight_matrix(const Call& call) {
  const int64_t bins = detail::scalar_at(call, 0, 0), length = detail::scalar_at(call, 1, 0);
  if (bins < 0 || length < 0) return call.fail("the number of mel bins or the length of the transform is negative");
  const int64_t dimensions[2] = {length / 2 + 1, bins};
  call.allocate_output(0, dimensions, 2);
}
}  // namespace shapes

// Inputs: num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz (scalars). Output [spectrum bins, mel bins]: triangles that
// overlap by half, evenly spaced on the mel scale 2595 log10(1 + f / 700), with corners at whole bins of the spectrum.
inline void mel_weight_matrix(const Call& call) {
  const Tensor& y = call.output();
  if (y.size() == 0) return;
  const int64_t mels = y.dimension(1), bins = y.dimension(0), length = integer_at(call.input(1), 0), rate = integer_at(call.input(2), 0);
  double edges[2] = {};
  for (int i = 0; i < 2; ++i)
    dispatch<Floats>(call, call.input(3 + i).type, [&]<class E>() { edges[i] = double(Compute<E>(*call.input(3 + i).template as<const E>())); });
  if (rate < 1) return call.fail("the sample rate is not positive");
  if (!(edges[0] >= 0) || !(edges[1] >= edges[0])) return call.fail("the edges in hertz are negative or in the wrong order");
  constexpr double mel = 2595 / 2.30258509299404568402;  // per natural logarithm
  const double low = mel * math::log(1 + edges[0] / 700), high = mel * math::log(1 + edges[1] / 700), step = (high - low) / double(mels + 2);
  const auto corner = [&](int64_t i) {
    const double hertz = 700 * (math::exp((low + double(i) * step) / mel) - 1);
    return convert<int64_t>(math::floor(double(length + 1) * hertz / double(rate)));
  };
  if (corner(mels) >= bins || corner(mels + 1) > bins) return call.fail("the upper edge lies above the frequencies of the spectrum");
  dispatch<Numbers>(call, y.type, [&]<class T>() {
    T* to = y.as<T>();
    for (int64_t i = 0, n = y.size(); i < n; ++i) to[i] = convert<T>(0.0);
    for (int64_t i = 0; i < mels; ++i) {
      const int64_t first = corner(i), middle = corner(i + 1), last = corner(i + 2);
      if (first == middle) to[middle * mels + i] = convert<T>(1.0);
      for (int64_t bin = first; first != middle && bin <= middle; ++bin)
        to[bin * mels + i] = convert<T>(double(bin - first) / double(middle - first));
      for (int64_t bin = middle; bin < last; ++bin) to[bin * mels + i] = convert<T>(double(last - bin) / double(last - middle));
    }
  });
}

#define LATHE_KERNELS_SIGNAL(X)                          \
  X("", DFT, dft, shapes::dft)                           \
  X("", STFT, stft, shapes::stft)                        \
  X("", HannWindow, hann_window, shapes::window)         \
  X("", HammingWindow, hamming_window, shapes::window)   \
  X("", BlackmanWindow, blackman_window, shapes::window) \
  X("", MelWeightMatrix, mel_weight_matrix, shapes::mel_weight_matrix)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
