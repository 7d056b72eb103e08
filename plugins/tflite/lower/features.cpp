// Operators of ai.onnx.ml that make features of numbers, and counts of n-grams.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

Expression float_input(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  if (type != Type::float32 && type != Type::int32 && type != Type::int64)
    l.refuse(std::string("the runtime casts no ") + name(type) + " to float32");
  return {&l, l.cast(l.plain(w.in(0)), Type::float32)};
}

void lower_binarizer(Lowering& l, const Work& w) {
  const Expression x = float_input(l, w);
  l.define(w.out(), l.cast(l.cast(greater(x, w.node.real("threshold", 0)).tensor, Type::float32), l.type(w.out())), identity(l.rank(w.out())));
}

// Columns of the last axis.
void lower_array_feature_extractor(Lowering& l, const Work& w) {
  const int32_t x = l.plain(w.in(0));
  const int64_t axis = static_cast<int64_t>(l.rank(w.in(0))) - 1;
  int64_t count = 1;
  for (const int64_t e : l.extents(w.in(1))) count *= e;
  Extents e = l.extents_of(x);
  e.back() = count;
  const int32_t at = l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {count});
  const int32_t y = l.make("GATHER", {x, at}, l.type_of(x), e, {{"axis", static_cast<double>(axis), {}}});
  l.define(w.out(), l.reshape(y, l.extents(w.out())), identity(l.rank(w.out())));
}

void lower_scaler(Lowering& l, const Work& w) {
  const auto offset = w.node.reals("offset", {0}), scale = w.node.reals("scale", {1});
  const auto row = [&](const std::vector<float>& list) {
    return l.constant<float>(Type::float32, {static_cast<int64_t>(list.size())}, list, {}, "row");
  };
  const Expression x = float_input(l, w);
  l.define(w.out(), ((x - x.with(row(offset))) * x.with(row(scale))).tensor, identity(l.rank(w.out())));
}

// Every row by its greatest magnitude, the sum of its magnitudes, or its length; rows of zeros stay.
void lower_normalizer(Lowering& l, const Work& w) {
  const Expression x = float_input(l, w);
  const std::string_view norm = w.node.text("norm", "MAX");
  const int last = static_cast<int>(l.rank(w.in(0))) - 1;
  const auto over = [&](std::string_view op, Expression e) { return e.with(l.reduce(op, e.tensor, {last}, true)); };
  const Expression size = norm == "L1" ? over("SUM", absolute(x)) : norm == "L2" ? sqrt(over("SUM", x * x)) : over("REDUCE_MAX", x);
  l.define(w.out(), (x / select(x.with(l.compare("EQUAL", size.tensor, x.number(0).tensor)), x.number(1), size)).tensor, identity(l.rank(w.out())));
}

// How often each n-gram of the pool occurs, with up to max_skip_count elements left out between its parts; weighted as the mode says.
void lower_tf_idf(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  if (type != Type::int32 && type != Type::int64) l.refuse(std::string("the format has no n-grams of ") + name(type));
  const Extents e = l.extents(w.in(0));
  for (const int64_t d : e)
    if (d < 0) l.refuse("the length of its input is open, and the windows are written out one after another");
  const int64_t rows = e.size() == 2 ? e[0] : 1, length = e.back();
  const int64_t shortest = w.node.integer("min_gram_length", 1), longest = w.node.integer("max_gram_length", 1),
                skips = w.node.integer("max_skip_count", 0);
  const auto starts = w.node.integers("ngram_counts"), columns = w.node.integers("ngram_indexes"), pool = w.node.integers("pool_int64s");
  const auto weights = w.node.reals("weights", std::vector<float>(columns.size(), 1));
  const std::string_view mode = w.node.text("mode", "TF");
  if (length == 0) l.refuse("its input is empty");
  const int32_t x = l.reshape(l.plain(w.in(0)), {rows, length});
  const int64_t width = l.extents(w.out()).back();
  std::vector<int32_t> counts(static_cast<size_t>(width), -1);
  size_t gram = 0;
  for (size_t n = 1; n <= starts.size(); ++n) {
    const auto end = static_cast<size_t>(n < starts.size() ? starts[n] : static_cast<int64_t>(pool.size()));
    for (auto at = static_cast<size_t>(starts[n - 1]); at + n <= end; at += n, ++gram) {
      const auto size = static_cast<int64_t>(n);
      if (size < shortest || size > longest || columns[gram] < 0 || columns[gram] >= width) continue;
      int32_t total = -1;
      for (int64_t step = 1; step <= (n == 1 ? 1 : skips + 1); ++step) {
        const int64_t windows = length - (size - 1) * step;
        if (windows <= 0) break;
        int32_t all = -1;
        for (int64_t i = 0; i < size; ++i) {
          const int32_t part = l.slice(x, {0, i * step}, {rows, windows});
          const int32_t equal = l.compare("EQUAL", part, l.filled(type, {}, static_cast<double>(pool[at + static_cast<size_t>(i)])));
          all = all < 0 ? equal : l.binary("LOGICAL_AND", all, equal);
        }
        const int32_t found = l.reduce("SUM", l.cast(all, Type::float32), {1}, true);
        total = total < 0 ? found : l.binary("ADD", total, found);
      }
      if (total < 0) continue;
      Expression count{&l, total};
      const double weight = gram < weights.size() ? weights[gram] : 1;
      if (mode == "IDF") count = minimum(count, 1) * weight;
      if (mode == "TFIDF") count = count * weight;
      counts[static_cast<size_t>(columns[gram])] = count.tensor;
    }
  }
  for (int32_t& c : counts)
    if (c < 0) c = l.filled(Type::float32, {rows, 1}, 0);
  const int32_t y = width == 1 ? counts[0] : l.make("CONCATENATION", counts, Type::float32, {rows, width}, {{"axis", 1, {}}});
  l.define(w.out(), l.reshape(y, l.extents(w.out())), identity(l.rank(w.out())));
}

const LowerRule rules[] = {{"ArrayFeatureExtractor", lower_array_feature_extractor},
                           {"Binarizer", lower_binarizer},
                           {"Normalizer", lower_normalizer},
                           {"Scaler", lower_scaler},
                           {"TfIdfVectorizer", lower_tf_idf}};

}  // namespace

std::span<const LowerRule> feature_rules() { return rules; }

}  // namespace lathe::tflite
