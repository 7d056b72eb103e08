// ai.onnx.ml's preparation of features: labels and categories, scaling, normalising, imputing, selecting and joining columns.
#pragma once
#include "lathe/kernels/ml.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

// Inputs: X [..., C], Y (places along the last axis, any shape).
inline void array_feature_extractor(const Call& call) {
  const Tensor &x = call.input(0), &places = call.input(1);
  const int64_t columns = ml::columns_of(x), count = places.size(), rows = product(x.dimensions, 0, x.rank - 1);
  for (int64_t i = 0; i < count; ++i)
    if (places.as<const int64_t>()[i] < 0 || places.as<const int64_t>()[i] >= columns)
      return call.fail("an index lies outside the tensor it points into");
  dispatch_size(call, x.type, [&]<class T>() {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < count; ++i) call.output().as<T>()[row * count + i] = x.as<const T>()[row * columns + places.as<const int64_t>()[i]];
  });
}

inline void binarizer(const Call& call) {
  const float threshold = call.real("threshold", 0);
  dispatch<ml::Inputs>(call, call.input(0).type, [&]<class T>() {
    const T* x = call.input(0).template as<const T>();
    for (int64_t i = 0, n = call.input(0).size(); i < n; ++i) call.output().as<T>()[i] = T(x[i] > T(threshold) ? 1 : 0);
  });
}

namespace detail {
// y = values[place of x in keys], or the default.
template <class F>
void map_keys(const Call& call, const ml::Keys& keys, const ml::Keys& values, F&& put_default) {
  ml::KeyTable table(keys);
  if (!table.prepare(call)) return;
  const Tensor &x = call.input(0), &y = call.output();
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    const int64_t place = table.find(x, i);
    if (place >= 0)
      values.put(y, i, place);
    else
      put_default(i);
  }
}

// Writes the default of a mapping: the attribute of y's type, or "_Unused", -1 or -0.
class DefaultValue {
 public:
  DefaultValue(const Call& call)
      : y_(call.output()), tensor_(call, nullptr, nullptr, nullptr, "default_tensor"), text_(attribute_text(call, "default_string")) {
    if (!call.attribute("default_string")) text_ = {"_Unused", 7};
    integer_ = call.integer("default_int64", -1);
    real_ = call.real("default_float", -0.0f);
  }
  void operator()(int64_t at) const {
    if (tensor_.list) return tensor_.put(y_, at, 0);
    switch (y_.type) {
      case Type::string:
        y_.as<String>()[at] = text_;
        return;
      case Type::float32:
        y_.as<float>()[at] = real_;
        return;
      case Type::float64:
        y_.as<double>()[at] = double(real_);
        return;
      case Type::int16:
        y_.as<int16_t>()[at] = int16_t(integer_);
        return;
      case Type::int32:
        y_.as<int32_t>()[at] = int32_t(integer_);
        return;
      default:
        y_.as<int64_t>()[at] = integer_;
    }
  }

 private:
  const Tensor& y_;
  ml::Keys tensor_;
  String text_;
  int64_t integer_;
  float real_;
};
}  // namespace detail

inline void label_encoder(const Call& call) {
  detail::map_keys(call, ml::Keys(call, "keys_int64s", "keys_floats", "keys_strings", "keys_tensor"),
                   ml::Keys(call, "values_int64s", "values_floats", "values_strings", "values_tensor"), detail::DefaultValue(call));
}

// Strings become integers, integers strings.
inline void category_mapper(const Call& call) {
  const ml::Keys integers(call, "cats_int64s", nullptr, nullptr, nullptr), texts(call, nullptr, nullptr, "cats_strings", nullptr);
  const bool from_text = call.input(0).type == Type::string;
  detail::map_keys(call, from_text ? texts : integers, from_text ? integers : texts, detail::DefaultValue(call));
}

// Replaces one value (NaN too); one replacement for all, or one for each place of the last axis.
inline void imputer(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t columns = ml::columns_of(x);
  const auto replace = [&]<class T, class V>(const V* values, int64_t count, T old) {
    for (int64_t i = 0, n = x.size(); i < n; ++i) {
      const T value = x.as<const T>()[i];
      const bool hit = value == old || (value != value && old != old);
      call.output().as<T>()[i] = hit ? T(values[count == 1 ? 0 : i % columns]) : value;
    }
  };
  dispatch<ml::Inputs>(call, x.type, [&]<class T>() {
    if constexpr (std::is_floating_point_v<T>) {
      const Attribute* a = call.attribute("imputed_value_floats");
      replace(a->floats, a->count, T(call.real("replaced_value_float", 0)));
    } else {
      const Attribute* a = call.attribute("imputed_value_int64s");
      replace(a->ints, a->count, T(call.integer("replaced_value_int64", 0)));
    }
  });
}

// Along axis 1 of [N, C, ...], or all of [C]: divides by the largest element, the sum of magnitudes or the root of the sum of squares, unless it is
// 0.
inline void normalizer(const Call& call) {
  const Tensor& x = call.input(0);
  const int axis = x.rank >= 2 ? 1 : 0;
  const int64_t outer = product(x.dimensions, 0, axis), count = x.dimensions[axis], inner = product(x.dimensions, axis + 1, x.rank);
  const bool largest = call.is("norm", "MAX", "MAX"), magnitudes = call.is("norm", "L1", "MAX");
  for (int64_t line = 0; line < outer * inner; ++line) {
    const int64_t first = line / inner * count * inner + line % inner;
    double divisor = largest && count ? ml::number_at(x, first) : 0;
    for (int64_t i = 0; i < count; ++i) {
      const double value = ml::number_at(x, first + i * inner);
      divisor = largest ? math::maximum(divisor, value) : divisor + (magnitudes ? math::fabs(value) : value * value);
    }
    if (!largest && !magnitudes) divisor = math::sqrt(divisor);
    for (int64_t i = 0; i < count; ++i) {
      const double value = ml::number_at(x, first + i * inner);
      call.output().as<float>()[first + i * inner] = float(divisor != 0 ? value / divisor : value);
    }
  }
}

// One more axis, as long as the list of categories.
inline void one_hot_encoder(const Call& call) {
  const Tensor& x = call.input(0);
  const ml::Keys categories(call, "cats_int64s", nullptr, "cats_strings", nullptr);
  const bool zeros = call.integer("zeros", 1) != 0;
  ml::KeyTable table(categories);
  if (!table.prepare(call)) return;
  const int64_t count = categories.count();
  float* y = call.output().as<float>();
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    const bool text = x.type == Type::string;
    const int64_t place =
        text ? table.find(x, i) : table.find(uint64_t(x.type == Type::int64 ? x.as<const int64_t>()[i] : convert<int64_t>(ml::number_at(x, i))));
    if (place < 0 && !zeros) return call.fail("a value is none of the categories");
    for (int64_t k = 0; k < count; ++k) y[i * count + k] = k == place ? 1.0f : 0.0f;
  }
}

// y = (x - offset) * scale, with one number for all or one for each place of the last axis.
inline void scaler(const Call& call) {
  const Tensor& x = call.input(0);
  const Attribute *offset = call.attribute("offset"), *scale = call.attribute("scale");
  const int64_t columns = ml::columns_of(x);
  const auto at = [&](const Attribute* a, int64_t i) { return double(a->floats[a->count == 1 ? 0 : i % columns]); };
  for (int64_t i = 0, n = x.size(); i < n; ++i)
    call.output().as<float>()[i] = float((ml::number_at(x, i) - (offset ? at(offset, i) : 0)) * (scale ? at(scale, i) : 1));
}

// Joins rows; each input is cut or filled up with zeros to its place in `inputdimensions`.
inline void feature_vectorizer(const Call& call) {
  const Attribute* sizes = call.attribute("inputdimensions");
  const Tensor& y = call.output();
  const int64_t width = y.dimension(-1);
  int64_t begin = 0;
  for (int32_t k = 0; k < call.input_count; ++k) {
    const Tensor& x = call.input(k);
    const int64_t rows = y.dimensions[0], own = rows ? x.size() / rows : 0, size = sizes ? sizes->ints[k] : own;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < size; ++i) y.as<float>()[row * width + begin + i] = i < own ? float(ml::number_at(x, row * own + i)) : 0.0f;
    begin += size;
  }
}

namespace shapes {

// [C] counts as one row: [1, places].
inline void array_feature_extractor(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank == 0) return call.fail("the input has no axis to select from");
  Sizes y(call);
  if (x.rank == 1) y.push(1);
  for (int i = 0; i < x.rank - 1; ++i) y.push(x.dimensions[i]);
  y.push(call.input(1).size());
  y.allocate();
}

inline void one_hot_encoder(const Call& call) {
  Sizes y(call, call.input(0));
  y.push(ml::Keys(call, "cats_int64s", nullptr, "cats_strings", nullptr).count());
  y.allocate();
}

// The input's shape, after a look at lists that have one number for each place of the last axis.
inline bool fits_columns(const Call& call, const char* name) {
  const Attribute* a = call.attribute(name);
  if (!a || a->count == 1 || a->count == ml::columns_of(call.input(0))) return true;
  call.fail("an attribute has neither one number nor one for each place of the last axis");
  return false;
}
inline void scaler(const Call& call) {
  if (fits_columns(call, "offset") && fits_columns(call, "scale")) same(call);
}
inline void imputer(const Call& call) {
  const bool real = call.input(0).type == Type::float32 || call.input(0).type == Type::float64;
  if (fits_columns(call, real ? "imputed_value_floats" : "imputed_value_int64s")) same(call);
}
inline void normalizer(const Call& call) {
  if (call.input(0).rank == 0) return call.fail("the input has no axis to normalise along");
  same(call);
}

inline void feature_vectorizer(const Call& call) {
  const Attribute* sizes = call.attribute("inputdimensions");
  if (sizes && sizes->count != call.input_count) return call.fail("attribute 'inputdimensions' has not one size for each input");
  const int64_t rows = ml::rows_of(call.input(0));
  int64_t width = 0;
  for (int32_t k = 0; k < call.input_count; ++k) {
    const Tensor& x = call.input(k);
    if (x.rank == 0 || ml::rows_of(x) != rows) return call.fail("the inputs differ in their number of rows");
    const int64_t size = sizes ? sizes->ints[k] : product(x.dimensions, x.rank >= 2 ? 1 : 0, x.rank);
    if (size < 0 || __builtin_add_overflow(width, size, &width)) return call.fail("a dimension of the output overflows 63 bits");
  }
  Sizes y(call);
  y.push(rows);
  y.push(width);
  y.allocate();
}

}  // namespace shapes

#define LATHE_KERNELS_ML_FEATURES(X)                                                               \
  X("ai.onnx.ml", ArrayFeatureExtractor, array_feature_extractor, shapes::array_feature_extractor) \
  X("ai.onnx.ml", Binarizer, binarizer, shapes::same)                                              \
  X("ai.onnx.ml", CategoryMapper, category_mapper, shapes::same)                                   \
  X("ai.onnx.ml", FeatureVectorizer, feature_vectorizer, shapes::feature_vectorizer)               \
  X("ai.onnx.ml", Imputer, imputer, shapes::imputer)                                               \
  X("ai.onnx.ml", LabelEncoder, label_encoder, shapes::same)                                       \
  X("ai.onnx.ml", Normalizer, normalizer, shapes::normalizer)                                      \
  X("ai.onnx.ml", OneHotEncoder, one_hot_encoder, shapes::one_hot_encoder)                         \
  X("ai.onnx.ml", Scaler, scaler, shapes::scaler)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
