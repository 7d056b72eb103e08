// Losses of classifiers: negative log-likelihood and softmax cross-entropy, with class weights, an ignored class and reductions.
#pragma once
#include "lathe/kernels/softmax.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// Input 0 is [batch, classes, places...], input 1 the class of every [batch, places...], input 2 (optional) a weight for each class.
// y = -log_probability(batch item, class, place) * weight, reduced as the attribute says. The sums of 64 parts are added in order, so that the
// result does not depend on the number of threads.
template <class T, class F>
void classifier_loss(const Call& call, F&& log_probability) {
  const Tensor &x = call.input(0), &classes = call.input(1);
  const int64_t count = x.dimension(1), places = product(x.dimensions, 2, x.rank), total = x.dimension(0) * places;
  const Attribute* ignored = call.attribute("ignore_index");
  for (int64_t i = 0; i < total; ++i) {
    const int64_t label = integer_at(classes, i);
    if ((label < 0 || label >= count) && !(ignored && label == ignored->ints[0])) return call.fail("a class label lies outside the classes");
  }
  const T* weights = call.has_input(2) ? call.input(2).template as<const T>() : nullptr;
  const bool none = call.is("reduction", "none", "mean"), mean = call.is("reduction", "mean", "mean");
  constexpr int64_t parts = 64;
  double losses[parts] = {}, divisors[parts] = {};
  T* y = call.output().template as<T>();
  parallel(call, parts, total * count < grain_elements ? parts : 1, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t i = total * part / parts; i < total * (part + 1) / parts; ++i) {
        const int64_t label = integer_at(classes, i);
        const bool skip = ignored && label == ignored->ints[0];
        const double weight = skip ? 0 : (weights ? double(Compute<T>(weights[label])) : 1);
        const double loss = skip ? 0 : -double(log_probability(i / places, label, i % places)) * weight;
        if (none) y[i] = T(Compute<T>(loss));
        losses[part] += loss;
        divisors[part] += weight;
      }
    }
  });
  if (none) return;
  for (int64_t part = 1; part < parts; ++part) {
    losses[0] += losses[part];
    divisors[0] += divisors[part];
  }
  *y = T(Compute<T>(mean ? losses[0] / divisors[0] : losses[0]));
}

}  // namespace detail

inline void negative_log_likelihood_loss(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t count = x.dimension(1), places = product(x.dimensions, 2, x.rank);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    detail::classifier_loss<T>(
        call, [&](int64_t item, int64_t label, int64_t place) { return Compute<T>(x.as<const T>()[(item * count + label) * places + place]); });
  });
}

// The logarithm of the softmax over the classes, which is also output 1 when that is asked for.
inline void softmax_cross_entropy_loss(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t count = x.dimension(1), places = product(x.dimensions, 2, x.rank);
  const bool shown = call.has_output(1);
  if (shown) detail::softmax<true>(call, x, call.output(1), 1);
  dispatch<Floats>(call, x.type, [&]<class T>() {
    using C = Compute<T>;
    detail::classifier_loss<T>(call, [&](int64_t item, int64_t label, int64_t place) {
      const int64_t first = item * count * places + place;
      if (shown) return C(call.output(1).template as<const T>()[first + label * places]);
      const T* scores = x.as<const T>() + first;
      C best = -std::numeric_limits<C>::infinity(), sum = 0;
      for (int64_t c = 0; c < count; ++c) best = math::maximum(best, C(scores[c * places]));
      for (int64_t c = 0; c < count; ++c) sum += math::exp(C(scores[c * places]) - best);
      return C(C(scores[label * places]) - best - math::log(sum));
    });
  });
}

namespace shapes {

// A scalar, or the labels' shape where nothing is reduced; then the log-probabilities, of input 0's shape.
inline void classifier_loss(const Call& call) {
  const Tensor &x = call.input(0), &labels = call.input(1);
  bool fits = x.rank >= 2 && labels.rank == x.rank - 1 && labels.dimensions[0] == x.dimensions[0];
  for (int axis = 1; fits && axis < labels.rank; ++axis) fits = labels.dimensions[axis] == x.dimensions[axis + 1];
  if (!fits) return call.fail("the labels of a loss do not fit its scores");
  if (call.has_input(2) && (call.input(2).rank != 1 || call.input(2).dimensions[0] != x.dimensions[1]))
    return call.fail("a loss wants one weight for each class");
  const bool none = call.is("reduction", "none", "mean");
  if (call.allocate_output(0, labels.dimensions, none ? labels.rank : 0)) call.allocate_output(1, x.dimensions, x.rank);
}

}  // namespace shapes

#define LATHE_KERNELS_LOSS(X)                                                             \
  X("", NegativeLogLikelihoodLoss, negative_log_likelihood_loss, shapes::classifier_loss) \
  X("", SoftmaxCrossEntropyLoss, softmax_cross_entropy_loss, shapes::classifier_loss)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
