// Operators on strings: signatures and inference. The kernels are in lathe/kernels/string.hpp.
#include "lathe/kernels/string.hpp"

#include <memory>

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_normalizer(InferenceContext& c) {
  const std::string action = c.node().text("case_change_action", "NONE");
  if (action != "LOWER" && action != "UPPER" && action != "NONE")
    c.fail("attribute 'case_change_action' has an unknown value", "LOWER, UPPER or NONE", action);
  infer::expect_rank(c, 0, 1, 2);
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  if (x->size() == 2 && infer::differ((*x)[0], Dimension(1))) c.fail("the input has more than one row", "[C] or [1, C]", to_string(*x));
  Shape y(x->size());
  if (x->size() == 2) y[0] = Dimension(1);
  const bool keeps_all = !c.node().has("stopwords") && x->back().constant() && x->back().value > 0;
  if (keeps_all) y.back() = x->back();
  infer::set(c, std::move(y));
}

void infer_split(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  if (!x) {
    infer::set(c, std::nullopt);
    return infer::set(c, DataType::int64, std::nullopt, 1);
  }
  Shape parts = *x;
  parts.push_back(Dimension());  // as many as the longest has
  infer::set(c, std::move(parts));
  infer::set(c, DataType::int64, *x, 1);
}

void infer_regex(InferenceContext& c) {
  const std::string pattern = c.node().text("pattern", "");
  if (!c.node().has("pattern")) c.fail("attribute 'pattern' is missing", "a regular expression in RE2's syntax");
  std::vector<std::unique_ptr<std::byte[]>> blocks;
  const auto memory = [&](uint64_t bytes) -> void* { return blocks.emplace_back(new std::byte[bytes ? bytes : 1]).get(); };
  kernels::regex::Machine machine;
  if (const char* error = kernels::regex::compile(pattern.c_str(), int64_t(pattern.size()), memory, machine))
    c.fail(std::string("the pattern cannot be used: ") + error, "a regular expression in RE2's syntax", pattern);
  const Shape* x = infer::shape(c, 0);
  infer::set(c, DataType::boolean, x ? std::optional(*x) : std::nullopt);
}

int64_t list_size(const Node& node, std::string_view name) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return 0;
  if (const auto* texts = std::get_if<Attribute::Strings>(&found->second.value)) return int64_t(texts->size());
  if (const auto* reals = std::get_if<Attribute::Floats>(&found->second.value)) return int64_t(reals->size());
  const auto* integers = std::get_if<Attribute::Ints>(&found->second.value);
  return integers ? int64_t(integers->size()) : 0;
}

void infer_tf_idf(InferenceContext& c) {
  const Node& node = c.node();
  const auto out_of_range = [&](std::string_view name, std::string expected, int64_t found) {
    c.fail("attribute '" + std::string(name) + "' is out of range", std::move(expected), std::to_string(found));
  };
  const std::string mode = node.text("mode", "");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") c.fail("attribute 'mode' has an unknown value", "TF, IDF or TFIDF", mode);
  const int64_t shortest = node.integer("min_gram_length", 0), longest = node.integer("max_gram_length", 0),
                skips = node.integer("max_skip_count", 0);
  if (shortest < 1) out_of_range("min_gram_length", "at least 1", shortest);
  if (longest < shortest) out_of_range("max_gram_length", "at least min_gram_length, " + std::to_string(shortest), longest);
  if (skips < 0 || skips == INT64_MAX) out_of_range("max_skip_count", "at least 0", skips);

  const bool text = infer::element(c, 0) == DataType::string;
  const int64_t pool = list_size(node, text ? "pool_strings" : "pool_int64s");
  if (!pool || list_size(node, text ? "pool_int64s" : "pool_strings"))
    c.fail("the pool does not fit the input's type", text ? "pool_strings alone" : "pool_int64s alone");

  const std::vector<int64_t> starts = node.integers("ngram_counts"), indexes = node.integers("ngram_indexes");
  if (int64_t(starts.size()) < longest)
    out_of_range("max_gram_length", "at most the length of ngram_counts, " + std::to_string(starts.size()), longest);
  int64_t grams = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t begin = starts[i], end = i + 1 < starts.size() ? starts[i + 1] : pool, length = int64_t(i) + 1;
    if (begin < 0 || begin > end || end > pool)
      out_of_range("ngram_counts", "places of the pool in ascending order, 0 to " + std::to_string(pool), begin);
    if ((end - begin) % length)
      c.fail("the pool's part for n-grams of " + std::to_string(length) + " tokens does not hold whole ones",
             "a multiple of " + std::to_string(length), std::to_string(end - begin));
    grams += (end - begin) / length;
  }
  if (int64_t(indexes.size()) < grams)
    c.fail("attribute 'ngram_indexes' is too short", "one for each of the " + std::to_string(grams) + " n-grams", std::to_string(indexes.size()));
  int64_t columns = 0;
  for (const int64_t index : indexes) {
    if (index < 0 || index >= INT32_MAX) out_of_range("ngram_indexes", "columns of the output", index);
    columns = std::max(columns, index + 1);
  }
  if (const int64_t weights = list_size(node, "weights"); weights && weights < grams)
    c.fail("attribute 'weights' is too short", "one for each of the " + std::to_string(grams) + " n-grams", std::to_string(weights));

  infer::expect_rank(c, 0, 1, 2);
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, DataType::float32, std::nullopt);
  Shape y = *x;
  y.back() = Dimension(columns);
  infer::set(c, DataType::float32, std::move(y));
}

}  // namespace

std::span<const Operator> string_operators() {
  constexpr AttributeKind integer = AttributeKind::integer, text = AttributeKind::text;
  const std::vector<TypeVariable> strings{{"T", {DataType::string}}};
  static const Operator table[] = {
      {"",
       "RegexFullMatch",
       {20},
       {{"X", "T"}},
       {{"Y", infer::bool_tensor}},
       strings,
       {{"pattern", text, true, {}}},
       infer_regex,
       kernels::regex_full_match},
      {"", "StringConcat", {20}, {{"X", "T"}, {"Y", "T"}}, {{"Z", "T"}}, strings, {}, infer::broadcast_all, kernels::string_concat},
      {"",
       "StringNormalizer",
       {10},
       {{"X", "T"}},
       {{"Y", "T"}},
       strings,
       {{"case_change_action", text, false, "NONE"},
        {"is_case_sensitive", integer, false, "0"},
        {"locale", text},
        {"stopwords", AttributeKind::texts}},
       infer_normalizer,
       kernels::string_normalizer},
      {"",
       "StringSplit",
       {20},
       {{"X", "T"}},
       {{"Y", "T"}, {"Z", infer::int64_tensor}},
       strings,
       {{"delimiter", text}, {"maxsplit", integer}},
       infer_split,
       kernels::string_split},
      {"",
       "TfIdfVectorizer",
       {9},
       {{"X", "T"}},
       {{"Y", infer::float_tensor}},
       {{"T", {DataType::string, DataType::int32, DataType::int64}}},
       {{"max_gram_length", integer, true, {}},
        {"max_skip_count", integer, true, {}},
        {"min_gram_length", integer, true, {}},
        {"mode", text, true, {}},
        {"ngram_counts", AttributeKind::integers, true, {}},
        {"ngram_indexes", AttributeKind::integers, true, {}},
        {"pool_int64s", AttributeKind::integers},
        {"pool_strings", AttributeKind::texts},
        {"weights", AttributeKind::reals}},
       infer_tf_idf,
       kernels::tf_idf_vectorizer},
  };
  return table;
}

}  // namespace lathe
