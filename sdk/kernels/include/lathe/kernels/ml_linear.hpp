// ai.onnx.ml's linear models and support vector machines, for regression and classification.
//
// Where the standard says no more than what the attributes are called, they are read as scikit-learn's exporter writes them and ONNX Runtime runs
// them.
#pragma once
#include "lathe/kernels/ml.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace ml {

// The labels of a classifier, for its output Y.
struct Labels {
  Keys keys;
  Labels(const Call& call, const char* integers) : keys(call, integers, nullptr, "classlabels_strings", nullptr) {}
  int64_t count() const { return keys.count(); }
  void put(const Tensor& y, int64_t row, int64_t place) const { keys.put(y, row, place); }
  // Of a classifier with a single score: the second or the first label, or 1 or 0 where there are not two.
  void put_sign(const Tensor& y, int64_t row, bool positive) const {
    if (count() == 2)
      keys.put(y, row, positive);
    else if (y.type == Type::string)
      y.as<String>()[row] = {positive ? "1" : "0", 1};
    else
      y.as<int64_t>()[row] = positive;
  }
};

inline int64_t place_of_largest(const double* scores, int64_t count) {
  int64_t place = 0;
  for (int64_t i = 1; i < count; ++i)
    if (scores[i] > scores[place]) place = i;
  return place;
}

inline double dot(const Tensor& x, int64_t first, const float* weights, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += number_at(x, first + i) * double(weights[i]);
  return sum;
}

// scores[k] = x . coefficients[k] + intercepts[k]
inline void linear_scores(const Call& call, int64_t row, int64_t count, double* scores) {
  const Attribute *coefficients = call.attribute("coefficients"), *intercepts = call.attribute("intercepts");
  const int64_t features = columns_of(call.input(0));
  for (int64_t k = 0; k < count; ++k)
    scores[k] = dot(call.input(0), row * features, coefficients->floats + k * features, features) + (intercepts ? double(intercepts->floats[k]) : 0);
}

// How many scores a LinearClassifier computes: one for each intercept, or for each label where there are none.
inline int64_t linear_classes(const Call& call) {
  const Attribute* intercepts = call.attribute("intercepts");
  return intercepts ? intercepts->count : Labels(call, "classlabels_ints").count();
}

// A kernel of a support vector machine: how near the input is to a vector.
struct VectorKernel {
  enum class Kind { linear, polynomial, radial, sigmoid } kind;
  double gamma = 0, bias = 0, degree = 0;

  explicit VectorKernel(const Call& call) {
    const auto is = [&](const char* name) { return call.is("kernel_type", name, "LINEAR"); };
    kind = is("POLY") ? Kind::polynomial : is("RBF") ? Kind::radial : is("SIGMOID") ? Kind::sigmoid : Kind::linear;
    if (const Attribute* p = call.attribute("kernel_params")) {
      gamma = double(p->floats[0]);
      bias = double(p->floats[1]);
      degree = double(p->floats[2]);
    }
  }
  double operator()(const Tensor& x, int64_t first, const float* vector, int64_t count) const {
    if (kind == Kind::radial) {
      double sum = 0;
      for (int64_t i = 0; i < count; ++i) {
        const double difference = number_at(x, first + i) - double(vector[i]);
        sum += difference * difference;
      }
      return math::exp(-gamma * sum);
    }
    const double product = dot(x, first, vector, count);
    if (kind == Kind::linear) return product;
    const double curved = gamma * product + bias;
    return kind == Kind::sigmoid ? math::tanh(curved) : __builtin_pow(curved, degree);
  }
};

// Class probabilities p from those of every pair, r[i][j] = P(i | i or j), by the second method of T.-F. Wu, C.-J. Lin and R. C. Weng, "Probability
// Estimates for Multi-class Classification by Pairwise Coupling", Journal of Machine Learning Research 5, 2004 (algorithm 2). `q` and `qp` are
// working memory for count * count and count numbers.
inline void couple_probabilities(int64_t count, const double* r, double* p, double* q, double* qp) {
  for (int64_t i = 0; i < count; ++i) {
    p[i] = 1.0 / double(count);
    q[i * count + i] = 0;
    for (int64_t j = 0; j < count; ++j) {
      if (j == i) continue;
      q[i * count + i] += r[j * count + i] * r[j * count + i];
      q[i * count + j] = -r[j * count + i] * r[i * count + j];
    }
  }
  const double enough = 0.005 / double(count);
  for (int64_t round = 0; round < math::greatest<int64_t>(100, count); ++round) {
    double pqp = 0, error = 0;
    for (int64_t i = 0; i < count; ++i) {
      qp[i] = 0;
      for (int64_t j = 0; j < count; ++j) qp[i] += q[i * count + j] * p[j];
      pqp += p[i] * qp[i];
    }
    for (int64_t i = 0; i < count; ++i) error = math::maximum(error, math::fabs(qp[i] - pqp));
    if (error < enough) return;
    for (int64_t i = 0; i < count; ++i) {
      const double diagonal = q[i * count + i], step = (pqp - qp[i]) / diagonal, scale = 1 / (1 + step);
      p[i] += step;
      pqp = (pqp + step * (step * diagonal + 2 * qp[i])) * scale * scale;
      for (int64_t j = 0; j < count; ++j) {
        qp[j] = (qp[j] + step * q[i * count + j]) * scale;
        p[j] *= scale;
      }
    }
  }
}

// What an SVMClassifier computes: without support vectors one score for each class, else one for each pair of classes, from which
// probabilities of the classes are made when prob_a and prob_b are given.
struct VectorClassifier {
  int64_t classes, vectors = 0, pairs, scores;
  bool probabilities;

  explicit VectorClassifier(const Call& call) : classes(Labels(call, "classlabels_ints").count()), pairs(classes * (classes - 1) / 2) {
    if (const Attribute* a = call.attribute("vectors_per_class"))
      for (int64_t i = 0; i < a->count; ++i) vectors += a->ints[i];
    probabilities = vectors > 0 && call.attribute("prob_a");
    scores = vectors == 0 || probabilities ? classes : (classes > 2 ? pairs : 2);
  }
};

}  // namespace ml

inline void linear_regressor(const Call& call) {
  const int64_t targets = call.integer("targets", 1);
  double* scores = call.temporary<double>(targets);
  if (!scores) return;
  for (int64_t row = 0; row < ml::rows_of(call.input(0)); ++row) {
    ml::linear_scores(call, row, targets, scores);
    ml::write_scores(ml::transform_of(call), scores, targets, ml::Second::no, call.output().as<float>() + row * targets);
  }
}

// Outputs: labels [N], scores [N, classes]. A single score with two labels becomes two.
inline void linear_classifier(const Call& call) {
  const int64_t count = ml::linear_classes(call);
  const ml::Labels labels(call, "classlabels_ints");
  const bool doubled = count == 1 && labels.count() == 2;
  const int64_t columns = doubled ? 2 : count;
  double* scores = call.temporary<double>(count);
  float* written = call.temporary<float>(columns);
  if (!scores || !written) return;
  for (int64_t row = 0; row < ml::rows_of(call.input(0)); ++row) {
    ml::linear_scores(call, row, count, scores);
    if (call.has_output(0)) {
      if (count == 1)
        labels.put_sign(call.output(0), row, scores[0] > 0);
      else
        labels.put(call.output(0), row, ml::place_of_largest(scores, count));
    }
    written[columns - 1] = 0;
    ml::write_scores(ml::transform_of(call), scores, count, doubled ? ml::Second::rest : ml::Second::no, written);
    if (call.has_output(1)) copy(call.output(1).as<float>() + row * columns, written, columns);
  }
}

inline void svm_regressor(const Call& call) {
  const Tensor& x = call.input(0);
  const ml::VectorKernel kernel(call);
  const Attribute *coefficients = call.attribute("coefficients"), *vectors = call.attribute("support_vectors"), *rho = call.attribute("rho");
  const int64_t count = call.integer("n_supports", 0), features = ml::columns_of(x);
  for (int64_t row = 0; row < ml::rows_of(x); ++row) {
    double sum = double(rho->floats[0]);
    if (count == 0) sum += ml::dot(x, row * features, coefficients->floats, features);
    for (int64_t k = 0; k < count; ++k) sum += double(coefficients->floats[k]) * kernel(x, row * features, vectors->floats + k * features, features);
    if (call.integer("one_class", 0)) sum = sum > 0 ? 1 : -1;
    call.output().as<float>()[row] = float(sum);
  }
}

namespace detail {

// One score for each pair i < j of classes, and the votes that they give. The coefficients of class i against j stand in row j - 1 for i's vectors
// and in row i for j's (LIBSVM's sv_coef).
inline void score_pairs(const Call& call, const ml::VectorClassifier& machine, const double* near, double* scores, int64_t* votes) {
  const float *coefficients = call.attribute("coefficients")->floats, *rho = call.attribute("rho")->floats;
  const int64_t* per_class = call.attribute("vectors_per_class")->ints;
  for (int64_t i = 0; i < machine.classes; ++i) votes[i] = 0;
  int64_t pair = 0, begin_i = 0;
  for (int64_t i = 0; i < machine.classes; begin_i += per_class[i], ++i) {
    int64_t begin_j = begin_i + per_class[i];
    for (int64_t j = i + 1; j < machine.classes; begin_j += per_class[j], ++j, ++pair) {
      double sum = double(rho[pair]);
      for (int64_t k = 0; k < per_class[i]; ++k) sum += double(coefficients[(j - 1) * machine.vectors + begin_i + k]) * near[begin_i + k];
      for (int64_t k = 0; k < per_class[j]; ++k) sum += double(coefficients[i * machine.vectors + begin_j + k]) * near[begin_j + k];
      scores[pair] = sum;
      ++votes[sum > 0 ? i : j];
    }
  }
}

inline void pair_probabilities(const Call& call, const ml::VectorClassifier& machine, const double* scores, double* r) {
  const float *a = call.attribute("prob_a")->floats, *b = call.attribute("prob_b")->floats;
  int64_t pair = 0;
  for (int64_t i = 0; i < machine.classes; ++i)
    for (int64_t j = i + 1; j < machine.classes; ++j, ++pair) {
      const double p = 1 - ml::logistic(scores[pair] * double(a[pair]) + double(b[pair]));
      const double kept = p < 1e-7 ? 1e-7 : (p > 1 - 1e-7 ? 1 - 1e-7 : p);
      r[i * machine.classes + j] = kept;
      r[j * machine.classes + i] = 1 - kept;
    }
}

}  // namespace detail

// Outputs: labels [N], scores [N, scores of VectorClassifier].
inline void svm_classifier(const Call& call) {
  const Tensor& x = call.input(0);
  const ml::VectorClassifier machine(call);
  const ml::Labels labels(call, "classlabels_ints");
  const ml::VectorKernel kernel(call);
  const ml::Transform transform = ml::transform_of(call);
  const int64_t features = ml::columns_of(x), classes = machine.classes;
  const Attribute *coefficients = call.attribute("coefficients"), *vectors = call.attribute("support_vectors"), *rho = call.attribute("rho");
  const int64_t most = math::greatest(math::greatest(machine.pairs, classes), machine.scores);
  double* near = call.temporary<double>(machine.vectors);
  double* scores = call.temporary<double>(most);
  double* pairwise = call.temporary<double>(2 * classes * classes + 2 * classes);
  float* written = call.temporary<float>(most + 1);
  int64_t* votes = call.temporary<int64_t>(classes);
  if (!near || !scores || !pairwise || !votes || !written) return;
  bool no_negative = true;
  for (int64_t i = 0; i < coefficients->count; ++i) no_negative = no_negative && coefficients->floats[i] >= 0;

  for (int64_t row = 0; row < ml::rows_of(x); ++row) {
    int64_t place = 0, count = machine.scores;
    ml::Second second = ml::Second::no;
    double weight = 0;
    if (machine.vectors == 0) {
      for (int64_t k = 0; k < classes; ++k)
        scores[k] = ml::dot(x, row * features, coefficients->floats + k * features, features) + double(rho->floats[0]);
      place = ml::place_of_largest(scores, classes);
      weight = scores[place];
    } else {
      for (int64_t k = 0; k < machine.vectors; ++k) near[k] = kernel(x, row * features, vectors->floats + k * features, features);
      detail::score_pairs(call, machine, near, scores, votes);
      for (int64_t i = 1; i < classes; ++i)
        if (votes[i] > votes[place]) place = i;
      if (machine.probabilities) {
        double *r = pairwise, *q = r + classes * classes, *qp = q + classes * classes, *p = qp + classes;
        detail::pair_probabilities(call, machine, scores, r);
        ml::couple_probabilities(classes, r, p, q, qp);
        copy(scores, p, classes);
      } else {
        count = machine.pairs;
        if (classes <= 2) second = transform == ml::Transform::none ? ml::Second::opposite : ml::Second::rest;
      }
    }
    if (call.has_output(0)) {
      const bool binary = machine.pairs == 1 && !machine.probabilities;
      if (binary && (no_negative ? weight >= 0.5 : weight > 0)) place = 1;
      labels.put(call.output(0), row, place);
    }
    for (int64_t i = 0; i <= most; ++i) written[i] = 0;
    ml::write_scores(transform, scores, count, second, written);
    if (call.has_output(1)) copy(call.output(1).as<float>() + row * machine.scores, written, machine.scores);
  }
}

namespace shapes {

// Whether the input has one or two axes, and as many columns as `wanted` (0: any number); the call failed when not.
inline bool is_table(const Call& call, int64_t wanted) {
  const Tensor& x = call.input(0);
  if (x.rank != 1 && x.rank != 2) {
    call.fail("the input has neither one nor two axes");
    return false;
  }
  if (wanted == 0 || wanted == ml::columns_of(x)) return true;
  call.fail("the input has another number of features than the model");
  return false;
}

inline void regression(const Call& call, int64_t features, int64_t targets) {
  if (!is_table(call, features)) return;
  Sizes y(call);
  y.push(ml::rows_of(call.input(0)));
  y.push(targets);
  y.allocate();
}
inline void classification(const Call& call, int64_t features, int64_t scores) {
  if (!is_table(call, features)) return;
  Sizes y(call);
  y.push(ml::rows_of(call.input(0)));
  y.allocate(0);
  y.push(scores);
  y.allocate(1);
}

inline void linear_regressor(const Call& call) {
  const int64_t targets = call.integer("targets", 1);
  regression(call, call.attribute("coefficients")->count / targets, targets);
}
inline void linear_classifier(const Call& call) {
  const int64_t count = ml::linear_classes(call);
  const bool doubled = count == 1 && ml::Labels(call, "classlabels_ints").count() == 2;
  classification(call, call.attribute("coefficients")->count / count, doubled ? 2 : count);
}
inline void svm_regressor(const Call& call) {
  const int64_t count = call.integer("n_supports", 0);
  regression(call, count ? call.attribute("support_vectors")->count / count : call.attribute("coefficients")->count, 1);
}
inline void svm_classifier(const Call& call) {
  const ml::VectorClassifier machine(call);
  const int64_t features =
      machine.vectors ? call.attribute("support_vectors")->count / machine.vectors : call.attribute("coefficients")->count / machine.classes;
  classification(call, features, machine.scores);
}

}  // namespace shapes

#define LATHE_KERNELS_ML_LINEAR(X)                                                \
  X("ai.onnx.ml", LinearClassifier, linear_classifier, shapes::linear_classifier) \
  X("ai.onnx.ml", LinearRegressor, linear_regressor, shapes::linear_regressor)    \
  X("ai.onnx.ml", SVMClassifier, svm_classifier, shapes::svm_classifier)          \
  X("ai.onnx.ml", SVMRegressor, svm_regressor, shapes::svm_regressor)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
