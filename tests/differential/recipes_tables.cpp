// Recipes of operators on texts, and of ai.onnx.ml: features, linear models, support vector machines, trees.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

using Strings = Attribute::Strings;
using Floats = Attribute::Floats;

const std::vector<std::string> words = {"a", "b", "ab", "A", "", "lathe", "\xc3\x84pfel", "x y"};

void set_list(Recipe& r, const char* name, Floats values) { r.p.attributes[name] = Attribute{std::move(values)}; }
void set_list(Recipe& r, const char* name, Strings values) { r.p.attributes[name] = Attribute{std::move(values)}; }
void set_list(Recipe& r, const char* name, Tensor values) { r.p.attributes[name] = Attribute{std::move(values)}; }

Floats floats(Recipe& r, int64_t count) {
  Floats list;
  for (int64_t i = 0; i < count; ++i) list.push_back(float(r.random.between(-16, 16)) / 8);
  return list;
}
Dims integers(Recipe& r, int64_t count, int64_t low, int64_t high) {
  Dims list;
  for (int64_t i = 0; i < count; ++i) list.push_back(r.random.between(low, high));
  return list;
}
Strings some_words(Recipe& r) {
  Strings list;
  for (const std::string& word : words)
    if (r.chance(50)) list.push_back(word);
  r.random.shuffle(list);
  if (list.empty()) list.push_back("a");
  return list;
}
const char* transform(Recipe& r) {
  constexpr const char* names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"};
  return names[r.random.below(4)];
}

// Asks for that version of ai.onnx.ml; false when the model has another one already.
bool version(Recipe& r, int64_t wanted) { return r.d.sample.graph.opsets.try_emplace("ai.onnx.ml", wanted).first->second == wanted; }

// ---- texts ----

// ONNX Runtime says that an empty text has no parts, where NumPy (and the standard with it) says one, unless it is split at white space.
bool string_split(Recipe& r) {
  if (r.chance(50)) {
    Tensor x = r.d.filled(DataType::string, r.d.shape(0, 3), Content::any);
    Strings texts = *x.strings;
    for (std::string& t : texts)
      if (t.empty()) t = "a,b,,a";
    x.strings = std::make_shared<const Strings>(std::move(texts));
    r.in(r.d.fresh(std::move(x)));
    r.set("delimiter", r.chance(50) ? "," : "a");
  } else {
    r.in(r.d.some(DataType::string, 0, 3));
  }
  if (r.chance(40)) r.set("maxsplit", r.random.between(1, 3));
  r.p.outputs = 2;
  return true;
}

bool string_normalizer(Recipe& r) {
  constexpr const char* actions[] = {"NONE", "LOWER", "UPPER"};
  const int64_t count = r.random.between(1, 5);
  r.in(r.d.value(DataType::string, r.chance(50) ? Dims{count} : Dims{1, count}));
  r.set("case_change_action", actions[r.random.below(3)]);
  r.set("is_case_sensitive", int64_t(r.chance(50)));
  r.set("locale", "C.UTF-8");  // ONNX Runtime asks the system for it, and stops where it is not installed
  if (r.chance(60)) set_list(r, "stopwords", some_words(r));
  return true;
}

bool regex_full_match(Recipe& r) {
  constexpr const char* patterns[] = {"a+b?", "[A-Za-z]*", "(a|b|lathe)?", "\\w+(\\s\\w)?", "[^a]*", ".{1,3}", "(?i)LATHE|a", "", "\\S*e$"};
  r.in(r.d.some(DataType::string, 0, 3));
  r.set("pattern", patterns[r.random.below(9)]);
  return true;
}

bool tf_idf_vectorizer(Recipe& r) {
  const bool text = r.chance(40);
  const int64_t columns = r.random.between(1, 8);
  const DataType type = text ? DataType::string : (r.chance(50) ? DataType::int64 : DataType::int32);
  r.in(r.d.value(type, r.chance(50) ? Dims{columns} : Dims{r.random.between(1, 3), columns}));
  // An n-gram stands in a pool once.
  const int64_t ones = r.random.between(1, 4), twos = r.random.between(1, 4);
  Dims singles = {0, 1, 2, 3}, pairs, pool;
  for (int64_t i = 0; i < 16; ++i) pairs.push_back(i);
  r.random.shuffle(singles);
  r.random.shuffle(pairs);
  for (int64_t i = 0; i < ones; ++i) pool.push_back(singles[size_t(i)]);
  for (int64_t i = 0; i < twos; ++i) pool.push_back(pairs[size_t(i)] / 4), pool.push_back(pairs[size_t(i)] % 4);
  if (text) {
    Strings tokens;
    for (const int64_t i : pool) tokens.push_back(words[size_t(i)]);
    set_list(r, "pool_strings", tokens);
  } else {
    r.set("pool_int64s", pool);
  }
  Dims indexes;
  for (int64_t i = 0; i < ones + twos; ++i) indexes.push_back(i);
  r.set("ngram_counts", Dims{0, ones});
  r.set("ngram_indexes", indexes);
  const int64_t shortest = r.random.between(1, 2);
  r.set("min_gram_length", shortest);
  r.set("max_gram_length", r.random.between(shortest, 2));
  r.set("max_skip_count", r.random.between(0, 3));
  constexpr const char* modes[] = {"TF", "IDF", "TFIDF"};
  r.set("mode", modes[r.random.below(3)]);
  if (r.chance(50)) set_list(r, "weights", floats(r, ones + twos));
  return true;
}

// ---- features ----

Dims numbered(int64_t count) {  // -1, 0, 1, ...
  Dims list;
  for (int64_t i = 0; i < count; ++i) list.push_back(i - 1);
  return list;
}
Floats halves(int64_t count) {  // -0.5, 0, 0.5, ...
  Floats list;
  for (int64_t i = 0; i < count; ++i) list.push_back(float(i - 1) / 2);
  return list;
}

bool category_mapper(Recipe& r) {
  r.in(r.d.some(r.chance(50) ? DataType::string : DataType::int64, 0, 3));
  r.set("cats_int64s", numbered(4));
  set_list(r, "cats_strings", Strings(words.begin(), words.begin() + 4));
  if (r.chance(50)) r.set("default_int64", int64_t(-7));
  if (r.chance(50)) r.set("default_string", "other");
  return version(r, 3);
}

bool label_encoder(Recipe& r) {
  if (!version(r, 3)) return false;
  const DataType types[] = {DataType::string, DataType::int64, DataType::float32};
  const char* suffix[] = {"strings", "int64s", "floats"};
  const int64_t from = r.random.between(0, 2), to = r.random.between(0, 2), count = r.random.between(1, 4);
  if (from == to) return false;
  r.in(r.d.some(types[from], 0, 3));
  for (const bool key : {true, false}) {
    const int64_t kind = key ? from : to;
    const std::string name = std::string(key ? "keys_" : "values_") + suffix[kind];
    if (kind == 0)
      set_list(r, name.c_str(), Strings(words.begin(), words.begin() + count));
    else if (kind == 1)
      r.set(name.c_str(), key ? numbered(count) : integers(r, count, -9, 9));
    else
      set_list(r, name.c_str(), halves(count));
  }
  return true;
}

bool array_feature_extractor(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 3);
  if (r.d.dims(x).back() == 0) return false;
  r.in(x), r.in(r.d.indices({r.random.between(1, 4)}, r.d.dims(x).back(), false));
  return version(r, 3);
}

bool scaler(Recipe& r) {
  const ValueId x = r.d.value(r.input_type(0), {r.d.size(), r.d.size()});
  const int64_t count = r.chance(50) ? 1 : r.d.dims(x)[1];
  r.in(x);
  set_list(r, "offset", floats(r, count));
  set_list(r, "scale", floats(r, count));
  return version(r, 3);
}

bool imputer(Recipe& r) {
  const DataType type = r.chance(50) ? DataType::float32 : DataType::int64;
  const ValueId x = r.d.value(type, {r.d.size(), r.d.size()});
  const int64_t count = r.chance(50) ? 1 : r.d.dims(x)[1];
  r.in(x);
  if (type == DataType::float32) {
    set_list(r, "imputed_value_floats", floats(r, count));
    r.set("replaced_value_float", r.chance(50) ? 0.0f : 1.0f);
  } else {
    r.set("imputed_value_int64s", integers(r, count, -9, 9));
    r.set("replaced_value_int64", r.random.between(-1, 1));
  }
  return version(r, 3);
}

bool normalizer(Recipe& r) {
  constexpr const char* norms[] = {"MAX", "L1", "L2"};
  r.in(r.d.value(r.input_type(0), {r.d.size(), r.d.size()}));
  r.set("norm", norms[r.random.below(3)]);
  return version(r, 3);
}

bool one_hot_encoder(Recipe& r) {
  const bool text = r.chance(40);
  r.in(r.d.some(text ? DataType::string : DataType::int64, 1, 3));
  if (text)
    set_list(r, "cats_strings", some_words(r));
  else
    r.set("cats_int64s", Dims{2, 0, -1, 1});
  return version(r, 3);
}

bool feature_vectorizer(Recipe& r) {
  const int64_t rows = r.d.size(), count = r.random.between(1, 3);
  const DataType type = r.input_type(0);
  Dims sizes;
  for (int64_t i = 0; i < count; ++i) {
    sizes.push_back(r.d.size());
    r.in(r.d.value(type, {rows, sizes.back()}));
  }
  r.set("inputdimensions", sizes);
  return version(r, 3);
}

// ---- models ----

bool linear_regressor(Recipe& r) {
  const ValueId x = r.d.value(DataType::float32, {r.d.size(), r.d.size()});
  const int64_t targets = r.random.between(1, 3);
  r.in(x);
  r.set("targets", targets);
  set_list(r, "coefficients", floats(r, targets * r.d.dims(x)[1]));
  set_list(r, "intercepts", floats(r, targets));
  r.set("post_transform", transform(r));
  return version(r, 3);
}

bool linear_classifier(Recipe& r) {
  const ValueId x = r.d.value(r.input_type(0), {r.d.size(), r.d.size()});
  const int64_t scores = r.random.between(1, 4), labels = std::max<int64_t>(scores, 2);
  r.in(x);
  Dims names;
  for (int64_t i = 0; i < labels; ++i) names.push_back(10 + i);
  r.set("classlabels_ints", names);
  set_list(r, "coefficients", floats(r, scores * r.d.dims(x)[1]));
  set_list(r, "intercepts", floats(r, scores));
  r.set("post_transform", transform(r));
  r.p.outputs = 2;
  return version(r, 3);
}

void vector_kernel(Recipe& r) {
  constexpr const char* kinds[] = {"LINEAR", "RBF", "SIGMOID"};
  r.set("kernel_type", kinds[r.random.below(3)]);
  set_list(r, "kernel_params", Floats{0.25f, 0.5f, 2.0f});
}

bool svm_regressor(Recipe& r) {
  const ValueId x = r.d.value(DataType::float32, {r.d.size(), r.d.size()});
  const int64_t vectors = r.random.between(1, 5);
  r.in(x);
  r.set("n_supports", vectors);
  set_list(r, "coefficients", floats(r, vectors));
  set_list(r, "support_vectors", floats(r, vectors * r.d.dims(x)[1]));
  set_list(r, "rho", floats(r, 1));
  vector_kernel(r);
  return version(r, 3);
}

bool svm_classifier(Recipe& r) {
  const ValueId x = r.d.value(DataType::float32, {r.d.size(), r.d.size()});
  const int64_t classes = r.random.between(2, 4), pairs = classes * (classes - 1) / 2;
  const Dims per_class = integers(r, classes, 1, 3);
  int64_t vectors = 0;
  for (const int64_t n : per_class) vectors += n;
  Dims names;
  for (int64_t i = 0; i < classes; ++i) names.push_back(i);
  r.in(x);
  r.set("classlabels_ints", names);
  r.set("vectors_per_class", per_class);
  set_list(r, "coefficients", floats(r, (classes - 1) * vectors));
  set_list(r, "support_vectors", floats(r, vectors * r.d.dims(x)[1]));
  set_list(r, "rho", floats(r, pairs));
  if (r.chance(50)) {
    set_list(r, "prob_a", Floats(size_t(pairs), -1.5f));
    set_list(r, "prob_b", floats(r, pairs));
  }
  vector_kernel(r);
  r.p.outputs = 2;
  return version(r, 3);
}

// A full binary tree of depth 2 for each tree: nodes 0 to 2 branch, 3 to 6 are leaves.
struct Trees {
  Dims tree, node, feature, yes, no, leaf_tree, leaf_node, leaf_id;
  Floats value, weight;
  Strings mode;
};
// Each leaf votes for one target, or for every one.
Trees grow(Recipe& r, int64_t features, int64_t targets, bool negative, bool every_target) {
  constexpr const char* modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  const char* mode = modes[r.random.below(6)];  // one for all nodes, as exporters write it
  Trees t;
  for (int64_t tree = 0, count = r.random.between(1, 3); tree < count; ++tree)
    for (int64_t n = 0; n < 7; ++n) {
      const bool leaf = n > 2;
      t.tree.push_back(tree);
      t.node.push_back(n);
      t.feature.push_back(leaf ? 0 : r.random.between(0, features - 1));
      t.value.push_back(leaf ? 0.0f : float(r.random.between(-4, 4)) / 2);
      t.mode.push_back(leaf ? "LEAF" : mode);
      t.yes.push_back(leaf ? 0 : 2 * n + 1);
      t.no.push_back(leaf ? 0 : 2 * n + 2);
      if (!leaf) continue;
      for (int64_t target = 0; target < targets; ++target) {
        if (!every_target && target != (n - 3 + tree) % targets) continue;
        t.leaf_tree.push_back(tree);
        t.leaf_node.push_back(n);
        t.leaf_id.push_back(target);
        t.weight.push_back(float(r.random.between(negative ? -16 : 0, 16)) / 32);
      }
    }
  return t;
}
void write(Recipe& r, const Trees& t, const std::string& votes, const char* ids) {
  r.set("nodes_treeids", t.tree);
  r.set("nodes_nodeids", t.node);
  r.set("nodes_featureids", t.feature);
  r.set("nodes_truenodeids", t.yes);
  r.set("nodes_falsenodeids", t.no);
  set_list(r, "nodes_values", t.value);
  set_list(r, "nodes_modes", t.mode);
  r.set((votes + "_treeids").c_str(), t.leaf_tree);
  r.set((votes + "_nodeids").c_str(), t.leaf_node);
  r.set(ids, t.leaf_id);
  set_list(r, (votes + "_weights").c_str(), t.weight);
}

bool tree_ensemble_regressor(Recipe& r) {
  const ValueId x = r.d.value(DataType::float32, {r.d.size(), r.d.size()});
  const int64_t targets = r.random.between(1, 3);
  constexpr const char* how[] = {"SUM", "AVERAGE", "MIN", "MAX"};
  r.in(x);
  r.set("n_targets", targets);
  r.set("aggregate_function", how[r.random.below(4)]);
  r.set("post_transform", transform(r));
  if (r.chance(50)) set_list(r, "base_values", floats(r, targets));
  write(r, grow(r, r.d.dims(x)[1], targets, true, r.chance(60)), "target", "target_ids");
  return version(r, 3);
}

bool tree_ensemble_classifier(Recipe& r) {
  const ValueId x = r.d.value(DataType::float32, {r.d.size(), r.d.size()});
  const int64_t classes = r.random.between(2, 4);
  Dims names;
  for (int64_t i = 0; i < classes; ++i) names.push_back(i);
  r.in(x);
  r.set("classlabels_int64s", names);
  r.set("post_transform", transform(r));
  if (classes > 2 && r.chance(50)) set_list(r, "base_values", floats(r, classes));
  const bool negative = r.chance(50), every_class = r.chance(40);
  write(r, grow(r, r.d.dims(x)[1], classes == 2 ? 1 : classes, negative, every_class), "class", "class_ids");
  r.p.outputs = 2;
  return version(r, 3);
}

// The same trees as TreeEnsembleRegressor's, in the newer encoding: branches and leaves are numbered apart.
bool tree_ensemble(Recipe& r) {
  const ValueId x = r.d.value(DataType::float32, {r.d.size(), r.d.size()});
  const int64_t targets = r.random.between(1, 3), trees = r.random.between(1, 3);
  Dims feature, yes, yes_leaf, no, no_leaf, leaf_id, roots;
  std::vector<uint8_t> modes;
  Floats splits, weights;
  for (int64_t tree = 0; tree < trees; ++tree) {
    roots.push_back(3 * tree);
    for (int64_t n = 0; n < 3; ++n) {
      const bool last = n > 0;  // its children are leaves
      feature.push_back(r.random.between(0, r.d.dims(x)[1] - 1));
      modes.push_back(uint8_t(r.random.between(0, 5)));
      splits.push_back(float(r.random.between(-4, 4)) / 2);
      yes.push_back(last ? 4 * tree + 2 * (n - 1) : 3 * tree + 1);
      no.push_back(last ? 4 * tree + 2 * (n - 1) + 1 : 3 * tree + 2);
      yes_leaf.push_back(last);
      no_leaf.push_back(last);
    }
    for (int64_t n = 0; n < 4; ++n) {
      leaf_id.push_back((n + tree) % targets);
      weights.push_back(float(r.random.between(-16, 16)) / 32);
    }
  }
  r.in(x);
  r.set("n_targets", targets);
  r.set("aggregate_function", r.random.between(0, 3));
  r.set("post_transform", r.random.between(0, 2));
  r.set("nodes_featureids", feature);
  r.set("nodes_truenodeids", yes);
  r.set("nodes_trueleafs", yes_leaf);
  r.set("nodes_falsenodeids", no);
  r.set("nodes_falseleafs", no_leaf);
  r.set("leaf_targetids", leaf_id);
  r.set("tree_roots", roots);
  set_list(r, "nodes_modes", Tensor::of<uint8_t>(DataType::uint8, {int64_t(modes.size())}, modes));
  set_list(r, "nodes_splits", Tensor::of<float>(DataType::float32, {int64_t(splits.size())}, splits));
  set_list(r, "leaf_weights", Tensor::of<float>(DataType::float32, {int64_t(weights.size())}, weights));
  return version(r, 5);
}

bool with_version(Recipe& r) {  // Binarizer: its signature says the rest
  r.in(r.d.some(r.input_type(0), 0, 3));
  r.set("threshold", 0.5f);
  return version(r, 3);
}

}  // namespace

std::span<const NamedRecipe> table_recipes() {
  static const NamedRecipe list[] = {
      {"RegexFullMatch", regex_full_match},
      {"StringNormalizer", string_normalizer},
      {"StringSplit", string_split},
      {"TfIdfVectorizer", tf_idf_vectorizer},
      {"ArrayFeatureExtractor", array_feature_extractor, "ai.onnx.ml"},
      {"Binarizer", with_version, "ai.onnx.ml"},
      {"CategoryMapper", category_mapper, "ai.onnx.ml"},
      {"FeatureVectorizer", feature_vectorizer, "ai.onnx.ml"},
      {"Imputer", imputer, "ai.onnx.ml"},
      {"LabelEncoder", label_encoder, "ai.onnx.ml"},
      {"LinearClassifier", linear_classifier, "ai.onnx.ml"},
      {"LinearRegressor", linear_regressor, "ai.onnx.ml"},
      {"Normalizer", normalizer, "ai.onnx.ml"},
      {"OneHotEncoder", one_hot_encoder, "ai.onnx.ml"},
      {"Scaler", scaler, "ai.onnx.ml"},
      {"SVMClassifier", svm_classifier, "ai.onnx.ml"},
      {"SVMRegressor", svm_regressor, "ai.onnx.ml"},
      {"TreeEnsemble", tree_ensemble, "ai.onnx.ml"},
      {"TreeEnsembleClassifier", tree_ensemble_classifier, "ai.onnx.ml"},
      {"TreeEnsembleRegressor", tree_ensemble_regressor, "ai.onnx.ml"},
  };
  return list;
}

}  // namespace lathe::differential
