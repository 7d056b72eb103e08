// What the families of ai.onnx.ml share (ml_features, ml_linear, ml_trees): tables of keys, numbers of any type, the transformations of scores.
#pragma once
#include "lathe/kernels/shapes.hpp"
#include "lathe/kernels/string.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE::ml {

// What most operators of ai.onnx.ml take.
using Inputs = Types<float, double, int32_t, int64_t>;

// The element as a double, of any type that the domain knows.
inline double number_at(const Tensor& x, int64_t i) {
  switch (x.type) {
    case Type::float32:
      return double(x.as<const float>()[i]);
    case Type::float64:
      return x.as<const double>()[i];
    case Type::float16:
      return double(float(x.as<const float16>()[i]));
    case Type::int16:
      return double(x.as<const int16_t>()[i]);
    case Type::int32:
      return double(x.as<const int32_t>()[i]);
    default:
      return double(x.as<const int64_t>()[i]);
  }
}

// A list of numbers that is given as floats or, under name + "_as_tensor" or alone, as a tensor.
struct Reals {
  const Attribute *floats, *tensor;

  Reals(const Call& call, const char* as_floats, const char* as_tensor)
      : floats(as_floats ? call.attribute(as_floats) : nullptr), tensor(as_tensor ? call.attribute(as_tensor) : nullptr) {}
  int64_t count() const { return floats ? floats->count : (tensor ? tensor->tensor->size() : 0); }
  double operator[](int64_t i) const { return floats ? double(floats->floats[i]) : number_at(*tensor->tensor, i); }
};

// Keys of one type as attributes hold them: exactly one of the three, or a tensor.
struct Keys {
  const Attribute* list = nullptr;
  enum class Kind { none, ints, floats, strings, tensor } kind = Kind::none;

  Keys() = default;
  // The first of the attributes that is there; any name may be null.
  Keys(const Call& call, const char* ints, const char* floats, const char* strings, const char* tensor) {
    const auto take = [&](const char* name, Kind its) {
      const Attribute* a = name && !list ? call.attribute(name) : nullptr;
      if (a) list = a, kind = its;
    };
    take(ints, Kind::ints);
    take(floats, Kind::floats);
    take(strings, Kind::strings);
    take(tensor, Kind::tensor);
  }
  int64_t count() const { return !list ? 0 : (kind == Kind::tensor ? list->tensor->size() : list->count); }
  bool is_text() const { return kind == Kind::strings || (kind == Kind::tensor && list->tensor->type == Type::string); }
  const String& text(int64_t i) const { return kind == Kind::strings ? list->strings[i] : list->tensor->as<const String>()[i]; }
  // Writes the i-th as an element of y, whose type is theirs.
  void put(const Tensor& y, int64_t at, int64_t i) const {
    if (is_text())
      y.as<String>()[at] = text(i);
    else if (kind == Kind::ints)
      y.as<int64_t>()[at] = list->ints[i];
    else if (kind == Kind::floats)
      y.as<float>()[at] = list->floats[i];
    else
      __builtin_memcpy(static_cast<char*>(y.data) + at * element_bytes(y.type),
                       static_cast<const char*>(list->tensor->data) + i * element_bytes(y.type), size_t(element_bytes(y.type)));
  }
};

// Numbers as bits that are equal where the numbers are: every NaN is one key, and 0 and -0 are one too.
inline uint64_t bits_of(double value) { return value != value ? ~uint64_t(0) : std::bit_cast<uint64_t>(value == 0 ? 0.0 : value); }
inline uint64_t key_bits(const Tensor& x, int64_t i) {
  if (x.type == Type::int64) return uint64_t(x.as<const int64_t>()[i]);
  if (x.type == Type::int32) return uint64_t(int64_t(x.as<const int32_t>()[i]));
  if (x.type == Type::int16) return uint64_t(int64_t(x.as<const int16_t>()[i]));
  return bits_of(number_at(x, i));
}

// Finds the place of a key in a list by hashing; of equal keys the first.
class KeyTable {
 public:
  explicit KeyTable(const Keys& keys) : keys_(keys) {}
  // False (and the call failed) when there is no memory.
  bool prepare(const Call& call) {
    while (slots_ < 2 * keys_.count()) slots_ *= 2;
    table_ = call.temporary<int64_t>(slots_);
    if (!table_) return false;
    for (int64_t i = 0; i < slots_; ++i) table_[i] = -1;
    for (int64_t i = 0; i < keys_.count(); ++i) {
      const int64_t slot = keys_.is_text() ? slot_of(keys_.text(i)) : slot_of(bits(i));
      if (table_[slot] < 0) table_[slot] = i;
    }
    return true;
  }
  int64_t find(const String& text) const { return table_[slot_of(text)]; }
  int64_t find(uint64_t bits) const { return table_[slot_of(bits)]; }
  int64_t find(const Tensor& x, int64_t i) const { return x.type == Type::string ? find(x.as<const String>()[i]) : find(key_bits(x, i)); }

 private:
  uint64_t bits(int64_t i) const {
    if (keys_.kind == Keys::Kind::ints) return uint64_t(keys_.list->ints[i]);
    if (keys_.kind == Keys::Kind::floats) return bits_of(double(keys_.list->floats[i]));
    return key_bits(*keys_.list->tensor, i);
  }
  // Where the key stands, or the free slot where it belongs.
  int64_t slot_of(const String& text) const {
    int64_t slot = int64_t(detail::hash_of(text) & uint64_t(slots_ - 1));
    while (table_[slot] >= 0 && !detail::same_text(keys_.text(table_[slot]), text)) slot = (slot + 1) & (slots_ - 1);
    return slot;
  }
  int64_t slot_of(uint64_t key) const {
    int64_t slot = int64_t(detail::hash_of(int64_t(key)) & uint64_t(slots_ - 1));
    while (table_[slot] >= 0 && bits(table_[slot]) != key) slot = (slot + 1) & (slots_ - 1);
    return slot;
  }

  Keys keys_;
  int64_t slots_ = 2;
  int64_t* table_ = nullptr;
};

enum class Transform { none, softmax, logistic, softmax_zero, probit };

inline Transform transform_of(const Call& call) {
  const auto is = [&](const char* name) { return call.is("post_transform", name, "NONE"); };
  return is("SOFTMAX")        ? Transform::softmax
         : is("LOGISTIC")     ? Transform::logistic
         : is("SOFTMAX_ZERO") ? Transform::softmax_zero
         : is("PROBIT")       ? Transform::probit
                              : Transform::none;
}

inline double logistic(double x) { return 1 / (1 + math::exp(-x)); }

// The quantile of the normal distribution, by S. Winitzki's approximation of the inverse error function ("A handy approximation for the error
// function and its inverse", 2008), with the constants that ONNX's reference implementation has.
inline double probit(double p) {
  const double x = 2 * p - 1, logarithm = math::log((1 - x) * (1 + x));
  const double a = 2 / (3.14159 * 0.147) + 0.5 * logarithm;
  const double root = math::sqrt(-a + math::sqrt(a * a - logarithm / 0.147));
  return 1.41421356 * (x < 0 ? -root : root);
}

// Transforms two or more scores of one row in place.
inline void transform_row(Transform transform, double* scores, int64_t count) {
  if (transform == Transform::logistic)
    for (int64_t i = 0; i < count; ++i) scores[i] = logistic(scores[i]);
  if (transform == Transform::probit)
    for (int64_t i = 0; i < count; ++i) scores[i] = probit(scores[i]);
  if (transform != Transform::softmax && transform != Transform::softmax_zero) return;
  double most = scores[0], sum = 0;
  for (int64_t i = 1; i < count; ++i) most = math::maximum(most, scores[i]);
  for (int64_t i = 0; i < count; ++i) {
    const bool zero = transform == Transform::softmax_zero && math::fabs(scores[i]) <= 1e-7;  // stays near zero, and counts for nothing
    scores[i] = zero ? scores[i] * math::exp(-most) : math::exp(scores[i] - most);
    if (!zero) sum += scores[i];
  }
  for (int64_t i = 0; i < count; ++i) scores[i] /= sum;
}

// Whether and how a single score becomes those of two classes: [1 - s, s], or [-s, s]. A logistic transform gives both as probabilities in either
// case.
enum class Second { no, rest, opposite };

// Writes the scores of a row as ONNX Runtime does where the standard is silent: of a single score only the probit is taken, unless it becomes two.
template <class T>
void write_scores(Transform transform, double* scores, int64_t count, Second second, T* to) {
  if (count == 1 && transform == Transform::probit) {
    to[0] = T(probit(scores[0]));
  } else if (count == 1 && second != Second::no) {
    const double score = scores[0];
    const bool curved = transform == Transform::logistic;
    to[0] = T(curved ? logistic(-score) : (second == Second::rest ? 1 - score : -score));
    to[1] = T(curved ? logistic(score) : score);
  } else {
    if (count > 1) transform_row(transform, scores, count);
    for (int64_t i = 0; i < count; ++i) to[i] = T(scores[i]);
  }
}

// Rows and columns of [N, C] or [C] (one row).
inline int64_t rows_of(const Tensor& x) { return x.rank >= 2 ? x.dimensions[0] : 1; }
inline int64_t columns_of(const Tensor& x) { return x.rank ? x.dimensions[x.rank - 1] : 1; }

}  // namespace lathe::LATHE_KERNELS_NAMESPACE::ml
