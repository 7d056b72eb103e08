// Reductions along axes, positions of extremes, and running sums.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// The loops over the kept axes and, for each of their places, over the reduced ones; strides are the input's.
struct Reduction {
  Loop<1> kept, reduced;
  bool nothing = false;  // noop_with_empty_axes: the output is the input, mapped by the operator's function
};

inline Reduction reduction_of(const Call& call) {
  const Tensor& x = call.input(0);
  Reduction r;
  bool reduce[max_rank] = {};
  const bool given = call.has_input(1) && call.input(1).size() > 0;
  if (given) {
    for (int64_t i = 0, n = call.input(1).size(); i < n; ++i) reduce[normal_axis(call.input(1).as<const int64_t>()[i], x.rank)] = true;
  } else {
    r.nothing = call.integer("noop_with_empty_axes", 0) != 0;
    for (int i = 0; i < x.rank; ++i) reduce[i] = !r.nothing;
  }
  int64_t strides[max_rank];
  dense_strides(x, strides);
  for (int i = 0; i < x.rank; ++i) (reduce[i] ? r.reduced : r.kept).push(x.dimensions[i], {strides[i]});
  return r;
}

// Sums of float32 are kept in float64: the order of additions then hardly shows.
template <class T>
using Accumulator = std::conditional_t<std::is_same_v<Compute<T>, float>, double, Compute<T>>;

// y = finish(start merged with map(x) of every x, count). `start` is neutral for `merge`; all work on A = Accumulator<T>.
template <class List, class Start, class Map, class Merge, class Finish>
void reduce(const Call& call, Start start, Map map, Merge merge, Finish finish) {
  const Reduction r = reduction_of(call);
  dispatch<List>(call, call.input(0).type, [&]<class T>() {
    using A = Accumulator<T>;
    constexpr int64_t lanes = 16;  // dense runs are merged in lanes of their own, so that the loop vectorises
    const T* x = call.input(0).template as<const T>();
    T* y = call.output().template as<T>();
    const int64_t stride = r.reduced.stride(0), kept_stride = r.kept.stride(0);
    parallel(call, r.kept.size, math::greatest<int64_t>(1, grain_elements / (r.reduced.size + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      r.kept.walk(begin, end, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
          const T* from = x + offsets[0] + i * kept_stride;
          A sum[lanes];
          for (int64_t l = 0; l < lanes; ++l) sum[l] = start.template operator()<A>();
          r.reduced.walk(0, r.reduced.size, [&](int64_t, const int64_t(&inner)[1], int64_t run) {
            const T* p = from + inner[0];
            int64_t k = 0;
            if (stride == 1)
              for (; k + lanes <= run; k += lanes)
                for (int64_t l = 0; l < lanes; ++l) sum[l] = merge(sum[l], map(A(Compute<T>(p[k + l]))));
            for (; k < run; ++k) sum[0] = merge(sum[0], map(A(Compute<T>(p[k * stride]))));
          });
          for (int64_t l = 1; l < lanes; ++l) sum[0] = merge(sum[0], sum[l]);
          y[at + i] = convert<T>(finish(sum[0], r.reduced.size));
        }
      });
    });
  });
}

inline constexpr auto zero = []<class A>() { return A(0); };
inline constexpr auto plus = []<class A>(A a, A x) { return math::add(a, x); };
inline constexpr auto itself = [](auto x) { return x; };
inline constexpr auto square = [](auto x) { return math::multiply(x, x); };
inline constexpr auto as_is = [](auto a, int64_t) { return a; };
inline constexpr auto lowest = []<class A>() {
  if constexpr (std::is_floating_point_v<A>)
    return -std::numeric_limits<A>::infinity();
  else
    return std::numeric_limits<A>::lowest();
};
inline constexpr auto highest = []<class A>() {
  if constexpr (std::is_floating_point_v<A>)
    return std::numeric_limits<A>::infinity();
  else
    return std::numeric_limits<A>::max();
};
// A square root or a logarithm of an integer sum is taken in double and truncated.
inline constexpr auto root = []<class A>(A a, int64_t) { return math::sqrt(double(a)); };
inline constexpr auto logarithm = []<class A>(A a, int64_t) { return math::log(double(a)); };

using Reducible = Types<float, double, float16, bfloat16, int32_t, int64_t, uint32_t, uint64_t>;
using Ordered = Types<float, double, float16, bfloat16, int32_t, int64_t, uint32_t, uint64_t, int8_t, uint8_t, bool>;

}  // namespace detail

inline void reduce_sum(const Call& call) { detail::reduce<detail::Reducible>(call, detail::zero, detail::itself, detail::plus, detail::as_is); }
inline void reduce_mean(const Call& call) {
  detail::reduce<detail::Reducible>(call, detail::zero, detail::itself, detail::plus, []<class A>(A a, int64_t count) {
    if constexpr (std::is_integral_v<A>)
      return count ? A(a / A(count)) : A(0);
    else
      return a / A(count);
  });
}
inline void reduce_max(const Call& call) {
  detail::reduce<detail::Ordered>(
      call, detail::lowest, detail::itself, []<class A>(A a, A x) { return math::maximum(a, x); }, detail::as_is);
}
inline void reduce_min(const Call& call) {
  detail::reduce<detail::Ordered>(
      call, detail::highest, detail::itself, []<class A>(A a, A x) { return math::minimum(a, x); }, detail::as_is);
}
inline void reduce_prod(const Call& call) {
  detail::reduce<detail::Reducible>(
      call, []<class A>() { return A(1); }, detail::itself, []<class A>(A a, A x) { return math::multiply(a, x); }, detail::as_is);
}
inline void reduce_l1(const Call& call) {
  detail::reduce<detail::Reducible>(
      call, detail::zero, []<class A>(A x) { return x < A(0) ? math::negate(x) : x; }, detail::plus, detail::as_is);
}
inline void reduce_sum_square(const Call& call) {
  detail::reduce<detail::Reducible>(call, detail::zero, detail::square, detail::plus, detail::as_is);
}
inline void reduce_l2(const Call& call) { detail::reduce<detail::Reducible>(call, detail::zero, detail::square, detail::plus, detail::root); }
inline void reduce_log_sum(const Call& call) {
  detail::reduce<detail::Reducible>(call, detail::zero, detail::itself, detail::plus, detail::logarithm);
}

// max + log(sum(e^(x - max))), in float64.
inline void reduce_log_sum_exp(const Call& call) {
  const detail::Reduction r = detail::reduction_of(call);
  dispatch<detail::Reducible>(call, call.input(0).type, [&]<class T>() {
    const T* x = call.input(0).template as<const T>();
    const int64_t stride = r.reduced.stride(0);
    r.kept.walk(0, r.kept.size, [&](int64_t at, const int64_t(&offsets)[1], int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const T* from = x + offsets[0] + i * r.kept.stride(0);
        double best = -std::numeric_limits<double>::infinity(), sum = 0;
        r.reduced.walk(0, r.reduced.size, [&](int64_t, const int64_t(&inner)[1], int64_t run) {
          for (int64_t k = 0; k < run; ++k) best = math::maximum(best, double(Compute<T>(from[inner[0] + k * stride])));
        });
        const double shift = best - best == 0 ? best : 0;  // an infinite maximum would give infinity minus infinity
        r.reduced.walk(0, r.reduced.size, [&](int64_t, const int64_t(&inner)[1], int64_t run) {
          for (int64_t k = 0; k < run; ++k) sum += math::exp(double(Compute<T>(from[inner[0] + k * stride])) - shift);
        });
        call.output().as<T>()[at + i] = convert<T>(shift + math::log(sum));
      }
    });
  });
}

namespace detail {
// `better(candidate, best)`; equal values keep the first, or with select_last_index the last.
template <class F>
void position(const Call& call, F better) {
  const Tensor& x = call.input(0);
  const int axis = normal_axis(call.integer("axis", 0), x.rank);
  const int64_t outer = product(x.dimensions, 0, axis), count = x.dimensions[axis], inner = product(x.dimensions, axis + 1, x.rank);
  const bool last = call.integer("select_last_index", 0) != 0;
  dispatch<Numbers>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    parallel(call, outer * inner, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t line = begin; line < end; ++line) {
        const T* from = x.as<const T>() + line / inner * count * inner + line % inner;
        int64_t best = 0;
        for (int64_t i = 1; i < count; ++i) {
          const C a = C(from[i * inner]), b = C(from[best * inner]);
          if (better(a, b) || (last && a == b)) best = i;
        }
        call.output().as<int64_t>()[line] = best;
      }
    });
  });
}
}  // namespace detail

inline void arg_max(const Call& call) {
  detail::position(call, [](auto a, auto b) { return a > b; });
}
inline void arg_min(const Call& call) {
  detail::position(call, [](auto a, auto b) { return a < b; });
}

namespace detail {
// Inputs: x, axis (a scalar). y[i] = start joined with all elements up to i (exclusive: before it), from the end backwards with `reverse`.
template <class F>
void running(const Call& call, int start, F join) {
  const Tensor& x = call.input(0);
  const int64_t given = integer_at(call.input(1), 0);
  if (given < -x.rank || given >= x.rank) return call.fail("the axis of a running sum or product lies outside the tensor's rank");
  const int axis = normal_axis(given, x.rank);
  const int64_t outer = product(x.dimensions, 0, axis), count = x.dimensions[axis], inner = product(x.dimensions, axis + 1, x.rank);
  const bool exclusive = call.integer("exclusive", 0) != 0, reverse = call.integer("reverse", 0) != 0;
  dispatch<Reducible>(call, x.type, [&]<class T>() {
    parallel(call, outer * inner, math::greatest<int64_t>(1, grain_elements / (count + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t line = begin; line < end; ++line) {
        const int64_t base = line / inner * count * inner + line % inner;
        Compute<T> so_far = Compute<T>(start);
        for (int64_t step = 0; step < count; ++step) {
          const int64_t at = base + (reverse ? count - 1 - step : step) * inner;
          const Compute<T> value = Compute<T>(x.as<const T>()[at]);
          if (exclusive) call.output().as<T>()[at] = T(so_far);
          so_far = join(so_far, value);
          if (!exclusive) call.output().as<T>()[at] = T(so_far);
        }
      }
    });
  });
}
}  // namespace detail

inline void cum_sum(const Call& call) {
  detail::running(call, 0, [](auto a, auto b) { return math::add(a, b); });
}
inline void cum_prod(const Call& call) {
  detail::running(call, 1, [](auto a, auto b) { return math::multiply(a, b); });
}

namespace shapes {

// The reduced axes are 1, or gone with keepdims 0.
inline void reduce(const Call& call) {
  const Tensor& x = call.input(0);
  bool reduced[max_rank] = {};
  const int64_t given = call.has_input(1) ? call.input(1).size() : 0;
  for (int64_t i = 0; i < given; ++i) {
    const int64_t axis = call.input(1).as<const int64_t>()[i];
    if (axis < -x.rank || axis >= x.rank) return call.fail("an axis of a reduction lies outside the tensor's rank");
    reduced[normal_axis(axis, x.rank)] = true;
  }
  const bool all = !given && call.integer("noop_with_empty_axes", 0) == 0, keep = call.integer("keepdims", 1) != 0;
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  for (int i = 0; i < x.rank; ++i) {
    if (!reduced[i] && !all)
      dimensions[rank++] = x.dimensions[i];
    else if (keep)
      dimensions[rank++] = 1;
  }
  call.allocate_output(0, dimensions, rank);
}

inline void position(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t given = call.integer("axis", 0);
  if (given < -x.rank || given >= x.rank) return call.fail("the axis of a search for the largest or smallest lies outside the tensor's rank");
  const int axis = normal_axis(given, x.rank);
  if (x.dimensions[axis] == 0) return call.fail("there is nothing to find on an empty axis");
  const bool keep = call.integer("keepdims", 1) != 0;
  int64_t dimensions[max_rank];
  int32_t rank = 0;
  for (int i = 0; i < x.rank; ++i) {
    if (i != axis)
      dimensions[rank++] = x.dimensions[i];
    else if (keep)
      dimensions[rank++] = 1;
  }
  call.allocate_output(0, dimensions, rank);
}

}  // namespace shapes

#define LATHE_KERNELS_REDUCTION(X)                           \
  X("", ReduceSum, reduce_sum, shapes::reduce)               \
  X("", ReduceMean, reduce_mean, shapes::reduce)             \
  X("", ReduceMax, reduce_max, shapes::reduce)               \
  X("", ReduceMin, reduce_min, shapes::reduce)               \
  X("", ReduceProd, reduce_prod, shapes::reduce)             \
  X("", ReduceL1, reduce_l1, shapes::reduce)                 \
  X("", ReduceL2, reduce_l2, shapes::reduce)                 \
  X("", ReduceSumSquare, reduce_sum_square, shapes::reduce)  \
  X("", ReduceLogSum, reduce_log_sum, shapes::reduce)        \
  X("", ReduceLogSumExp, reduce_log_sum_exp, shapes::reduce) \
  X("", ArgMax, arg_max, shapes::position)                   \
  X("", ArgMin, arg_min, shapes::position)                   \
  X("", CumProd, cum_prod, shapes::same)                     \
  X("", CumSum, cum_sum, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
