// Operators on strings: joining, splitting, normalising, matching, and counting n-grams. Elements are kernels::String, UTF-8.
//
// A result may point into the characters of an input; characters of its own come from Call::keep.
#pragma once
#include "lathe/kernels/regex.hpp"
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

inline bool same_text(const String& a, const String& b) {
  if (a.size != b.size) return false;
  for (int64_t i = 0; i < a.size; ++i)
    if (a.data[i] != b.data[i]) return false;
  return true;
}

inline bool same_folded_text(const String& a, const String& b) {
  int64_t i = 0, k = 0;
  while (i < a.size && k < b.size)
    if (unicode::fold(unicode::decode(a.data, a.size, i)) != unicode::fold(unicode::decode(b.data, b.size, k))) return false;
  return i == a.size && k == b.size;
}

// A terminated string attribute; empty when it is absent.
inline String attribute_text(const Call& call, const char* name) {
  const Attribute* a = call.attribute(name);
  String text{a ? a->string : "", 0};
  while (text.data[text.size]) ++text.size;
  return text;
}

// FNV-1a over bytes (Fowler, Noll, Vo), with the last mixing step of MurmurHash3.
inline uint64_t mixed(uint64_t h) {
  h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
  return h ^ h >> 29;
}
inline uint64_t hash_of(const String& text) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (int64_t i = 0; i < text.size; ++i) h = (h ^ uint8_t(text.data[i])) * 0x100000001b3ull;
  return mixed(h);
}
inline uint64_t hash_of(int64_t number) { return mixed(uint64_t(number) + 0x9e3779b97f4a7c15ull); }

// Calls put(part) for the parts of a text, at most limit + 1 of them (limit < 0: any number), and returns how many there were. No delimiter: between
// white space, which is left out at both ends, as Python's str.split does it.
template <class F>
int64_t split_text(const String& text, const String& delimiter, int64_t limit, F&& put) {
  int64_t count = 0, at = 0;
  if (delimiter.size) {
    int64_t begin = 0;
    while ((limit < 0 || count < limit) && at + delimiter.size <= text.size) {
      if (!same_text({text.data + at, delimiter.size}, delimiter)) {
        ++at;
        continue;
      }
      put(String{text.data + begin, at - begin});
      ++count;
      begin = at += delimiter.size;
    }
    put(String{text.data + begin, text.size - begin});
    return count + 1;
  }
  const auto run = [&](bool space) {  // steps over what is white space, or over what is not
    for (int64_t next = at; at < text.size && unicode::is_space(unicode::decode(text.data, text.size, next)) == space; at = next) {
    }
  };
  for (run(true); at < text.size; run(true), ++count) {
    const int64_t begin = at;
    if (count == limit) at = text.size;
    run(false);
    put(String{text.data + begin, at - begin});
  }
  return count;
}

}  // namespace detail

inline void string_concat(const Call& call) {
  const Tensor& y = call.output();
  const Tensor* inputs[2] = {&call.input(0), &call.input(1)};
  const Loop<2> loop = broadcast(y, inputs);
  const auto each = [&](auto body) {
    loop.walk(0, loop.size, [&](int64_t at, const int64_t(&offsets)[2], int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        body(y.as<String>()[at + i], inputs[0]->as<const String>()[offsets[0] + i * loop.stride(0)],
             inputs[1]->as<const String>()[offsets[1] + i * loop.stride(1)]);
    });
  };
  int64_t size = 0;
  each([&](String&, const String& a, const String& b) { size += a.size + b.size; });
  char* to = call.keep<char>(size);
  if (!to) return;
  each([&](String& result, const String& a, const String& b) {
    result = {to, a.size + b.size};
    copy(to, a.data, a.size);
    copy(to + a.size, b.data, b.size);
    to += result.size;
  });
}

// Drops stop words, then changes the case of what is left. X: [C] or [1, C]; when nothing is left, Y holds one empty string.
inline void string_normalizer(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank != 1 && !(x.rank == 2 && x.dimensions[0] == 1)) return call.fail("the input is neither of shape [C] nor of shape [1, C]");
  const Attribute* stop = call.attribute("stopwords");
  const bool exact = call.integer("is_case_sensitive", 0) != 0, lower = call.is("case_change_action", "LOWER", "NONE"),
             upper = call.is("case_change_action", "UPPER", "NONE");
  String* left = call.temporary<String>(x.size());
  if (!left) return;
  int64_t count = 0;
  for (int64_t i = 0, n = x.size(); i < n; ++i) {
    const String& text = x.as<const String>()[i];
    bool drop = false;
    for (int64_t k = 0; stop && !drop && k < stop->count; ++k)
      drop = exact ? detail::same_text(text, stop->strings[k]) : detail::same_folded_text(text, stop->strings[k]);
    if (!drop) left[count++] = text;
  }
  const int64_t dimensions[2] = {1, count ? count : 1};
  if (!call.allocate_output(0, dimensions + (2 - x.rank), x.rank)) return;
  String* y = call.output().as<String>();
  if (!count) {
    char* nothing = call.keep<char>(0);
    if (nothing) y[0] = {nothing, 0};
    return;
  }
  copy(y, left, count);
  if (!lower && !upper) return;
  const auto changed = [&](const String& text, char* to) {
    int64_t size = 0;
    for (int64_t at = 0; at < text.size;) {
      const int32_t point = unicode::decode(text.data, text.size, at);
      size += unicode::encode(lower ? unicode::to_lower(point) : unicode::to_upper(point), to ? to + size : nullptr);
    }
    return size;
  };
  int64_t size = 0;
  for (int64_t i = 0; i < count; ++i) size += changed(left[i], nullptr);
  char* to = call.keep<char>(size);
  if (!to) return;
  for (int64_t i = 0; i < count; ++i) {
    y[i] = {to, changed(left[i], to)};
    to += y[i].size;
  }
}

// Outputs: the parts, along one more axis that is as long as the most parts of any element, filled up with empty strings; and how many there are.
inline void string_split(const Call& call) {
  const Tensor& x = call.input(0);
  const String delimiter = detail::attribute_text(call, "delimiter");
  const int64_t limit = call.integer("maxsplit", -1), count = x.size();
  int64_t most = 0;
  for (int64_t i = 0; i < count; ++i)
    most = math::greatest(most, detail::split_text(x.as<const String>()[i], delimiter, limit, [](const String&) {}));
  if (x.rank == max_rank) return call.fail("the output has too many dimensions");
  int64_t dimensions[max_rank];
  copy(dimensions, x.dimensions, x.rank);
  dimensions[x.rank] = most;
  char* nothing = call.keep<char>(0);
  if (!nothing || !call.allocate_output(0, dimensions, x.rank + 1) || !call.allocate_output(1, dimensions, x.rank)) return;
  for (int64_t i = 0; i < count; ++i) {
    const String& text = x.as<const String>()[i];
    int64_t parts = 0;
    const auto put = [&](const String& part) {
      if (call.has_output(0)) call.output(0).as<String>()[i * most + parts] = part;
      ++parts;
    };
    const int64_t found = detail::split_text(text, delimiter, limit, put);
    while (parts < most) put({nothing, 0});
    if (call.has_output(1)) call.output(1).as<int64_t>()[i] = found;
  }
}

inline void regex_full_match(const Call& call) {
  const String pattern = detail::attribute_text(call, "pattern");
  regex::Machine machine;
  const auto memory = [&](uint64_t bytes) -> void* { return call.temporary<char>(int64_t(bytes)); };
  if (const char* error = regex::compile(pattern.data, pattern.size, memory, machine)) return call.fail(error);
  const String* x = call.input(0).as<const String>();
  for (int64_t i = 0, n = call.input(0).size(); i < n; ++i) call.output().as<bool>()[i] = machine.full_match(x[i].data, x[i].size);
}

namespace detail {

// The n-grams of a pool: all of one token, then all of two, and so on. The i-th of them all counts towards column ngram_indexes[i].
class GramPool {
 public:
  GramPool(const Call& call) : x_(call.input(0)), text_(x_.type == Type::string) {
    starts_ = call.attribute("ngram_counts");
    pool_ = call.attribute(text_ ? "pool_strings" : "pool_int64s");
  }
  // Fills the table through which find() looks. False (and the call failed) when there is no memory.
  bool prepare(const Call& call) {
    int64_t grams = 0;
    for (int64_t length = 1; length <= starts_->count; ++length) grams += count(length);
    while (slots_ < 2 * grams) slots_ *= 2;
    table_ = call.temporary<Entry>(slots_);
    if (!table_) return false;
    for (int64_t i = 0; i < slots_; ++i) table_[i] = {-1, 0, 0};
    int64_t id = 0;
    for (int64_t length = 1; length <= starts_->count; ++length)
      for (int64_t i = 0; i < count(length); ++i, ++id) {
        const int64_t first = starts_->ints[length - 1] + i * length;
        const auto hash = [&](int64_t k) { return text_ ? hash_of(pool_->strings[first + k]) : hash_of(pool_->ints[first + k]); };
        int64_t slot = slot_of(length, hash);
        while (table_[slot].id >= 0) slot = (slot + 1) & (slots_ - 1);
        table_[slot] = {id, first, length};
      }
    return true;
  }
  // The number of the n-gram x[first], x[first + step], ... in the pool, or -1.
  int64_t find(int64_t first, int64_t step, int64_t length) const {
    const auto hash = [&](int64_t k) { return text_ ? hash_of(string(first + k * step)) : hash_of(integer_at(x_, first + k * step)); };
    for (int64_t slot = slot_of(length, hash);; slot = (slot + 1) & (slots_ - 1)) {
      const Entry& entry = table_[slot];
      if (entry.id < 0) return -1;
      bool same = entry.length == length;
      for (int64_t k = 0; same && k < length; ++k)
        same = text_ ? same_text(string(first + k * step), pool_->strings[entry.first + k])
                     : integer_at(x_, first + k * step) == pool_->ints[entry.first + k];
      if (same) return entry.id;
    }
  }

 private:
  struct Entry {
    int64_t id, first, length;  // id < 0: free
  };

  const String& string(int64_t i) const { return x_.as<const String>()[i]; }
  int64_t count(int64_t length) const {
    const int64_t end = length < starts_->count ? starts_->ints[length] : (pool_ ? pool_->count : 0);
    return (end - starts_->ints[length - 1]) / length;
  }
  template <class F>
  int64_t slot_of(int64_t length, F&& hash) const {
    uint64_t h = uint64_t(length);
    for (int64_t k = 0; k < length; ++k) h = mixed(h * 31 + hash(k));
    return int64_t(h & uint64_t(slots_ - 1));
  }

  const Tensor& x_;
  bool text_;
  const Attribute *starts_, *pool_;
  Entry* table_ = nullptr;
  int64_t slots_ = 2;
};

}  // namespace detail

// Counts the n-grams of each row, skipping up to max_skip_count tokens between neighbours. X: [C] or [N, C].
inline void tf_idf_vectorizer(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int64_t rows = x.rank == 2 ? x.dimensions[0] : 1, tokens = x.dimension(-1), columns = y.dimension(-1);
  const int64_t shortest = call.integer("min_gram_length", 1), longest = call.integer("max_gram_length", 1),
                skips = call.integer("max_skip_count", 0);
  const Attribute *indexes = call.attribute("ngram_indexes"), *weights = call.attribute("weights");
  const bool once = call.is("mode", "IDF", "TF"), weighted = once || call.is("mode", "TFIDF", "TF");
  detail::GramPool pool(call);
  if (!pool.prepare(call)) return;
  for (int64_t row = 0; row < rows; ++row) {
    float* to = y.as<float>() + row * columns;
    for (int64_t i = 0; i < columns; ++i) to[i] = 0;
    for (int64_t length = shortest; length <= longest; ++length)
      for (int64_t step = 1; step <= (length == 1 ? 1 : skips + 1); ++step) {
        if ((tokens - 1) / step < length - 1) break;  // no n-gram is that wide, nor any with more skipped
        for (int64_t first = 0; first + (length - 1) * step < tokens; ++first) {
          const int64_t id = pool.find(row * tokens + first, step, length);
          if (id < 0) continue;
          float& column = to[indexes->ints[id]];
          const float weight = weighted && weights ? weights->floats[id] : 1;
          column = once ? weight : column + weight;
        }
      }
  }
}

namespace shapes {

// [C] or [N, C] becomes [columns] or [N, columns].
inline void tf_idf_vectorizer(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank != 1 && x.rank != 2) return call.fail("the input has neither one nor two axes");
  const Attribute* indexes = call.attribute("ngram_indexes");
  int64_t columns = 0;
  for (int64_t i = 0; i < indexes->count; ++i) columns = math::greatest(columns, indexes->ints[i] + 1);
  Sizes y(call, x);
  y.set(x.rank - 1, columns);
  y.allocate();
}

}  // namespace shapes

#define LATHE_KERNELS_STRING(X)                                 \
  X("", RegexFullMatch, regex_full_match, shapes::same)         \
  X("", StringConcat, string_concat, shapes::broadcast)         \
  X("", StringNormalizer, string_normalizer, shapes::by_kernel) \
  X("", StringSplit, string_split, shapes::by_kernel)           \
  X("", TfIdfVectorizer, tf_idf_vectorizer, shapes::tf_idf_vectorizer)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
