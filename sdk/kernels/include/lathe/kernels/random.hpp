// Random numbers: normal, uniform, Bernoulli, multinomial; Dropout, which draws in training only.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011): element i is a function of the key and of i, so
// the numbers do not depend on threads. The attribute seed is the key; without it every call takes a key of its own from the processor's clock.
// Sources: ONNX, Operators.md, Random*, Bernoulli (opset 22), Multinomial (22).
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

struct Philox {
  uint32_t key[2];

  // Four words for counter `at`.
  void words(uint64_t at, uint32_t (&c)[4]) const {
    uint32_t k0 = key[0], k1 = key[1];
    c[0] = uint32_t(at), c[1] = uint32_t(at >> 32), c[2] = c[3] = 0;
    for (int round = 0; round < 10; ++round) {
      const uint64_t a = uint64_t(0xd2511f53) * c[0], b = uint64_t(0xcd9e8d57) * c[2];
      const uint32_t c0 = uint32_t(b >> 32) ^ c[1] ^ k0, c2 = uint32_t(a >> 32) ^ c[3] ^ k1;
      c[1] = uint32_t(b);
      c[3] = uint32_t(a);
      c[0] = c0;
      c[2] = c2;
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
  }
  // 0 <= u < 1, a multiple of 2^-bits.
  static double unit(uint32_t low, uint32_t high, int bits) {
    return double(((uint64_t(high) << 32) | low) >> (64 - bits)) * (1.0 / double(uint64_t(1) << bits));
  }
  double uniform(uint64_t at, int bits = 53) const {
    uint32_t w[4];
    words(at, w);
    return unit(w[0], w[1], bits);
  }
  // Box and Muller, "A note on the generation of random normal deviates" (1958).
  double normal(uint64_t at) const {
    uint32_t w[4];
    words(at, w);
    const double radius = math::sqrt(-2 * math::log(1 - unit(w[0], w[1], 53)));
    return radius * math::cos(6.28318530717958647692 * unit(w[2], w[3], 53));
  }
};

inline uint64_t clock_ticks() {
  uint64_t ticks = 0;
#if defined(__x86_64__)
  ticks = __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
#elif defined(__riscv) && __riscv_xlen == 64
  __asm__ volatile("rdtime %0" : "=r"(ticks));
#endif
  return ticks;
}

inline Philox generator_of(const Call& call) {
  if (const Attribute* seed = call.attribute("seed")) return {{std::bit_cast<uint32_t>(seed->floats[0]), 0x6c617468}};
  // The finaliser of SplitMix64 (Steele, Lea, Flood, 2014) spreads the few bits that change between calls.
  uint64_t z = clock_ticks() + reinterpret_cast<uintptr_t>(call.output().data) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return {{uint32_t(z), uint32_t(z >> 32)}};
}

// y[i] = draw(generator, i, bits of the type's mantissa).
template <class F>
void draw(const Call& call, F&& f) {
  const Philox generator = generator_of(call);
  const Tensor& y = call.output();
  dispatch<Floats>(call, y.type, [&]<class T>() {
    constexpr int bits = std::is_same_v<T, double> ? 53 : (std::is_same_v<T, float> ? 24 : (std::is_same_v<T, float16> ? 11 : 8));
    parallel(call, y.size(), grain_elements / 16, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t i = begin; i < end; ++i) y.as<T>()[i] = T(Compute<T>(f(generator, uint64_t(i), bits)));
    });
  });
}

}  // namespace detail

inline void random_normal(const Call& call) {
  const double mean = double(call.real("mean", 0)), scale = double(call.real("scale", 1));
  detail::draw(call, [=](const detail::Philox& g, uint64_t i, int) { return mean + scale * g.normal(i); });
}
inline void random_uniform(const Call& call) {
  const double low = double(call.real("low", 0)), high = double(call.real("high", 1));
  detail::draw(call, [=](const detail::Philox& g, uint64_t i, int bits) { return low + (high - low) * g.uniform(i, bits); });
}
inline void random_normal_like(const Call& call) { random_normal(call); }
inline void random_uniform_like(const Call& call) { random_uniform(call); }

// Input: probabilities of a one.
inline void bernoulli(const Call& call) {
  const detail::Philox generator = detail::generator_of(call);
  const Tensor &x = call.input(0), &y = call.output();
  dispatch<Scalars>(call, y.type, [&]<class T>() {
    for (int64_t i = 0, n = y.size(); i < n; ++i) y.as<T>()[i] = convert<T>(generator.uniform(uint64_t(i)) < real_at(x, i) ? 1.0 : 0.0);
  });
}

// Input [batch, classes]: logarithms of probabilities, up to a constant per row. Output [batch, sample_size]: classes.
inline void multinomial(const Call& call) {
  const detail::Philox generator = detail::generator_of(call);
  const Tensor &x = call.input(0), &y = call.output();
  const int64_t classes = x.dimension(1), samples = y.dimension(1);
  if (classes == 0 && y.size() > 0) return call.fail("there is no class to draw from");
  dispatch<Types<int32_t, int64_t>>(call, y.type, [&]<class T>() {
    parallel(call, x.dimension(0), 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        double greatest = real_at(x, row * classes), sum = 0;
        for (int64_t c = 1; c < classes; ++c) greatest = math::greatest(greatest, real_at(x, row * classes + c));
        for (int64_t c = 0; c < classes; ++c) sum += math::exp(real_at(x, row * classes + c) - greatest);
        for (int64_t s = 0; s < samples; ++s) {
          double rest = generator.uniform(uint64_t(row * samples + s)) * sum;
          int64_t c = 0;
          for (; c + 1 < classes; ++c) {
            rest -= math::exp(real_at(x, row * classes + c) - greatest);
            if (rest < 0) break;
          }
          y.as<T>()[row * samples + s] = T(c);
        }
      }
    });
  });
}

namespace detail {

// MT19937 (Matsumoto, Nishimura, "Mersenne Twister", 1998), seeded by one number, with fractions of 53 bits. A seeded Dropout draws its mask with it,
// as ONNX's tests and NumPy's RandomState do.
class MersenneTwister {
 public:
  explicit MersenneTwister(uint32_t seed) {
    state_[0] = seed;
    for (uint32_t i = 1; i < size; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
  double uniform() {
    const uint32_t high = next() >> 5, low = next() >> 6;
    return (double(high) * 67108864.0 + double(low)) / 9007199254740992.0;
  }

 private:
  static constexpr uint32_t size = 624, middle = 397;
  uint32_t next() {
    if (at_ == size) {
      for (uint32_t i = 0; i < size; ++i) {
        const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % size] & 0x7fffffffu);
        state_[i] = state_[(i + middle) % size] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0u);
      }
      at_ = 0;
    }
    uint32_t y = state_[at_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  uint32_t state_[size], at_ = size;
};

}  // namespace detail

// Inputs: data, ratio (optional), training_mode (optional). In training each element is dropped with that probability, and the others grow by
// 1 / (1 - ratio); otherwise the output is the input, and the mask all true.
inline void dropout(const Call& call) {
  const Tensor& x = call.input(0);
  const bool training = call.has_input(2) && *call.input(2).as<const bool>();
  const double ratio = !training ? 0 : (call.has_input(1) ? real_at(call.input(1), 0) : 0.5);
  if (!(ratio >= 0 && ratio < 1)) return call.fail("the ratio of a Dropout is not in 0 <= ratio < 1");
  detail::MersenneTwister generator(uint32_t(call.integer("seed", 0)));
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    const C scale = C(1 / (1 - ratio));
    for (int64_t i = 0, n = x.size(); i < n; ++i) {
      const bool keep = ratio == 0 || generator.uniform() >= ratio;
      call.output().as<T>()[i] = keep ? T(C(x.as<const T>()[i]) * scale) : T(0.0f);
      if (call.has_output(1)) call.output(1).as<bool>()[i] = keep;
    }
  });
}

namespace shapes {
// Attribute shape.
inline void drawn(const Call& call) {
  const Attribute* shape = call.attribute("shape");
  call.allocate_output(0, shape ? shape->ints : nullptr, shape ? int32_t(shape->count) : 0);
}
inline void multinomial(const Call& call) {
  if (call.input(0).rank != 2) return call.fail("the probabilities want two axes: batch, classes");
  const int64_t dimensions[2] = {call.input(0).dimensions[0], call.integer("sample_size", 1)};
  call.allocate_output(0, dimensions, 2);
}
}  // namespace shapes

#define LATHE_KERNELS_RANDOM(X)                               \
  X("", RandomNormal, random_normal, shapes::drawn)           \
  X("", RandomUniform, random_uniform, shapes::drawn)         \
  X("", RandomNormalLike, random_normal_like, shapes::same)   \
  X("", RandomUniformLike, random_uniform_like, shapes::same) \
  X("", Bernoulli, bernoulli, shapes::same)                   \
  X("", Dropout, dropout, shapes::same)                       \
  X("", Multinomial, multinomial, shapes::multinomial)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
