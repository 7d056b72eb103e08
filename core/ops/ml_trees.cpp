// ai.onnx.ml's ensembles of decision trees: signatures and inference. The kernels are in lathe/kernels/ml_trees.hpp.
//
// Everything about the trees stands in attributes, so all of it is checked here; the kernels only guard against nodes that go in a circle.
#include "lathe/kernels/ml_trees.hpp"

#include <map>

#include "core/ops/families.hpp"
#include "core/ops/ml.hpp"

namespace lathe {
namespace {

void out_of_range(const InferenceContext& c, std::string_view attribute, std::string expected, int64_t found) {
  c.fail("attribute '" + std::string(attribute) + "' is out of range", std::move(expected), std::to_string(found));
}

void expect_between(const InferenceContext& c, std::string_view attribute, int64_t end) {
  for (const int64_t value : c.node().integers(attribute))
    if (value < 0 || value >= end) out_of_range(c, attribute, "0 to " + std::to_string(end - 1), value);
}

constexpr int64_t most_nodes = INT32_MAX / 8;  // the kernels count nodes, votes and the slots of a table in 32 bits

// The tensor of an attribute, which must be of one of the types.
const Tensor* tensor(const InferenceContext& c, std::string_view attribute, const std::vector<DataType>& types) {
  const auto found = c.node().attributes.find(attribute);
  if (found == c.node().attributes.end()) return nullptr;
  const Tensor& t = std::get<Tensor>(found->second.value);
  if (std::find(types.begin(), types.end(), t.type) == types.end())
    c.fail("attribute '" + std::string(attribute) + "' has the wrong type", std::string(name(types.front())), std::string(name(t.type)));
  return &t;
}

void check_features(const InferenceContext& c, int64_t features) {
  const Shape* x = infer::shape(c, 0);
  if (x && !x->empty() && x->back().constant() && x->back().value < features)
    c.fail("the trees ask for a feature that the input does not have", "at least " + std::to_string(features) + " columns", to_string(*x));
}

void infer_tree_ensemble(InferenceContext& c) {
  const Node& node = c.node();
  const DataType type = infer::element(c, 0);
  const std::vector<DataType> same =
      type == DataType::none ? std::vector<DataType>{DataType::float32, DataType::float64, DataType::float16} : std::vector<DataType>{type};
  const int64_t aggregate = node.integer("aggregate_function", 1), transform = node.integer("post_transform", 0),
                targets = node.integer("n_targets", 1);
  if (aggregate < 0 || aggregate > 3) out_of_range(c, "aggregate_function", "0 (average), 1 (sum), 2 (minimum) or 3 (maximum)", aggregate);
  if (transform < 0 || transform > 4)
    out_of_range(c, "post_transform", "0 (none), 1 (softmax), 2 (logistic), 3 (softmax_zero) or 4 (probit)", transform);
  if (targets < 1 || targets > most_nodes) out_of_range(c, "n_targets", "at least 1", targets);

  const Tensor *modes = tensor(c, "nodes_modes", {DataType::uint8}), *weights = tensor(c, "leaf_weights", same);
  const Tensor* members = tensor(c, "membership_values", same);
  tensor(c, "nodes_splits", same);
  tensor(c, "nodes_hitrates", same);
  const int64_t nodes = modes->size(), leaves = weights->size();
  if (nodes > most_nodes || leaves > most_nodes) c.fail("the trees have too many nodes", "at most " + std::to_string(most_nodes));
  for (const char* list : {"nodes_featureids", "nodes_splits", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs"})
    ml::expect_length(c, list, nodes);
  for (const char* list : {"nodes_hitrates", "nodes_missing_value_tracks_true"})
    if (ml::length(node, list)) ml::expect_length(c, list, nodes);
  ml::expect_length(c, "leaf_targetids", leaves);
  expect_between(c, "leaf_targetids", targets);
  expect_between(c, "tree_roots", nodes);
  if (ml::length(node, "tree_roots") == 0) c.fail("attribute 'tree_roots' is empty", "at least one tree");
  for (const bool yes : {true, false}) {
    const char* list = yes ? "nodes_truenodeids" : "nodes_falsenodeids";
    const std::vector<int64_t> ids = node.integers(list), leaf = node.integers(yes ? "nodes_trueleafs" : "nodes_falseleafs");
    for (size_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || ids[i] >= (leaf[i] ? leaves : nodes))
        out_of_range(c, list, std::string("one of the ") + std::to_string(leaf[i] ? leaves : nodes) + (leaf[i] ? " leaves" : " nodes"), ids[i]);
  }
  int64_t sets = 0;
  for (const uint8_t mode : modes->as<uint8_t>()) {
    if (mode > uint8_t(kernels::ml::Branch::member)) out_of_range(c, "nodes_modes", "0 to 6", mode);
    sets += mode == uint8_t(kernels::ml::Branch::member);
  }
  if (sets && !members) c.fail("attribute 'membership_values' is missing", "a set for each node that tests membership");

  const std::vector<int64_t> ids = node.integers("nodes_featureids");
  expect_between(c, "nodes_featureids", INT64_MAX);
  check_features(c, ids.empty() ? 0 : *std::max_element(ids.begin(), ids.end()) + 1);
  ml::set_regression(c, type, targets, 0);
}

// The nodes and votes of the older operators. `votes`: the prefix of the attributes that hold them.
void check_older(const InferenceContext& c, const std::string& votes, const std::string& ids, int64_t targets) {
  const Node& node = c.node();
  ml::expect_transform(c);
  const int64_t nodes = ml::length(node, "nodes_modes");
  if (nodes == 0 || nodes > most_nodes) out_of_range(c, "nodes_modes", "1 to " + std::to_string(most_nodes) + " nodes", nodes);
  for (const char* list : {"nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"})
    ml::expect_length(c, list, nodes);
  if (ml::length(node, "nodes_missing_value_tracks_true")) ml::expect_length(c, "nodes_missing_value_tracks_true", nodes);
  int64_t values = 0, weights = 0, base = 0;
  ml::only_one(c, {"nodes_values", "nodes_values_as_tensor"}, values);
  if (values != nodes) c.fail("nodes and thresholds differ in number", std::to_string(nodes), std::to_string(values));
  ml::only_one(c, {votes + "_weights", votes + "_weights_as_tensor"}, weights);
  if (weights > most_nodes) c.fail("the leaves have too many votes", "at most " + std::to_string(most_nodes), std::to_string(weights));
  for (const std::string& list : {votes + "_treeids", votes + "_nodeids", ids}) ml::expect_length(c, list, weights);
  expect_between(c, ids, targets);
  if (ml::length(node, "base_values") || ml::length(node, "base_values_as_tensor")) {
    const std::string_view given = ml::only_one(c, {"base_values", "base_values_as_tensor"}, base);
    if (base != targets && !(targets == 2 && base == 1)) ml::expect_length(c, given, targets);
  }
  for (const std::string& list : {std::string("nodes_values_as_tensor"), votes + "_weights_as_tensor", std::string("base_values_as_tensor")})
    tensor(c, list, {DataType::float64, DataType::float32});

  const auto& modes = std::get<Attribute::Strings>(node.attributes.find("nodes_modes")->second.value);
  const std::vector<int64_t> trees = node.integers("nodes_treeids"), own = node.integers("nodes_nodeids"),
                             features = node.integers("nodes_featureids"), yes = node.integers("nodes_truenodeids"),
                             no = node.integers("nodes_falsenodeids");
  std::map<std::pair<int64_t, int64_t>, size_t> places;
  std::map<int64_t, size_t> last_of;  // the last node of each tree so far
  int64_t most = 0;
  for (size_t i = 0; i < modes.size(); ++i) {
    const auto at = [&] { return " (node " + std::to_string(own[i]) + " of tree " + std::to_string(trees[i]) + ")"; };
    if (!places.emplace(std::pair(trees[i], own[i]), i).second) c.fail("a node stands twice in a tree" + at(), "each id once");
    if (const auto last = last_of.find(trees[i]); last != last_of.end() && last->second + 1 != i)
      c.fail("the nodes of a tree do not stand together" + at(), "all nodes of tree " + std::to_string(trees[i]) + " in one row");
    last_of[trees[i]] = i;
    const bool leaf = modes[i] == "LEAF";
    if (!leaf && kernels::ml::branch_of({modes[i].data(), int64_t(modes[i].size())}) == kernels::ml::Branch::leaf)
      c.fail("attribute 'nodes_modes' has an unknown value" + at(), "BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ or LEAF",
             modes[i]);
    if (modes[i] == "BRANCH_MEMBER") c.fail("a node tests membership" + at(), "a TreeEnsemble, which has membership_values");
    if (leaf) continue;
    if (features[i] < 0 || features[i] == INT64_MAX) out_of_range(c, "nodes_featureids", "0 or more", features[i]);
    most = std::max(most, features[i] + 1);
  }
  for (size_t i = 0; i < modes.size(); ++i) {
    if (modes[i] == "LEAF") continue;
    for (const int64_t next : {yes[i], no[i]})
      if (!places.contains({trees[i], next}))
        c.fail("node " + std::to_string(own[i]) + " of tree " + std::to_string(trees[i]) + " leads to a node that is not there", {},
               std::to_string(next));
  }
  const std::vector<int64_t> vote_trees = node.integers(votes + "_treeids"), vote_nodes = node.integers(votes + "_nodeids");
  for (size_t i = 0; i < vote_trees.size(); ++i)
    if (!places.contains({vote_trees[i], vote_nodes[i]}))
      c.fail("a vote belongs to a node that is not there", {}, "node " + std::to_string(vote_nodes[i]) + " of tree " + std::to_string(vote_trees[i]));
  check_features(c, most);
}

void infer_tree_regressor(InferenceContext& c) {
  const int64_t targets = c.node().integer("n_targets", 1);
  if (targets < 1 || targets > most_nodes) out_of_range(c, "n_targets", "at least 1", targets);
  ml::expect_text(c, "aggregate_function", "SUM", {"AVERAGE", "SUM", "MIN", "MAX"});
  check_older(c, "target", "target_ids", targets);
  ml::set_regression(c, DataType::float32, targets, 0);
}

void infer_tree_classifier(InferenceContext& c) {
  DataType type = DataType::none;
  const int64_t classes = ml::classes(c, "classlabels_int64s", type);
  check_older(c, "class", "class_ids", classes);
  ml::set_classification(c, type, classes, 0);
}

// The attributes that the older operators share, and those of their votes.
std::vector<FormalAttribute> older(std::vector<FormalAttribute> attributes) {
  constexpr AttributeKind integers = AttributeKind::integers, reals = AttributeKind::reals, tensor = AttributeKind::tensor;
  const std::initializer_list<FormalAttribute> shared = {{"base_values", reals},
                                                         {"base_values_as_tensor", tensor},
                                                         {"nodes_falsenodeids", integers},
                                                         {"nodes_featureids", integers},
                                                         {"nodes_hitrates", reals},
                                                         {"nodes_hitrates_as_tensor", tensor},
                                                         {"nodes_missing_value_tracks_true", integers},
                                                         {"nodes_modes", AttributeKind::texts},
                                                         {"nodes_nodeids", integers},
                                                         {"nodes_treeids", integers},
                                                         {"nodes_truenodeids", integers},
                                                         {"nodes_values", reals},
                                                         {"nodes_values_as_tensor", tensor},
                                                         {"post_transform", AttributeKind::text, false, "NONE"}};
  attributes.insert(attributes.end(), shared.begin(), shared.end());
  return attributes;
}

}  // namespace

std::span<const Operator> ml_trees_operators() {
  constexpr AttributeKind integer = AttributeKind::integer, integers = AttributeKind::integers, reals = AttributeKind::reals,
                          tensor = AttributeKind::tensor;
  static const Operator table[] = {
      {ml::domain,
       "TreeEnsemble",
       {5},
       {{"X", "T"}},
       {{"Y", "T"}},
       {{"T", {DataType::float32, DataType::float64, DataType::float16}}},
       {{"aggregate_function", integer, false, "1"},
        {"leaf_targetids", integers, true, {}},
        {"leaf_weights", tensor, true, {}},
        {"membership_values", tensor},
        {"n_targets", integer},
        {"nodes_falseleafs", integers, true, {}},
        {"nodes_falsenodeids", integers, true, {}},
        {"nodes_featureids", integers, true, {}},
        {"nodes_hitrates", tensor},
        {"nodes_missing_value_tracks_true", integers},
        {"nodes_modes", tensor, true, {}},
        {"nodes_splits", tensor, true, {}},
        {"nodes_trueleafs", integers, true, {}},
        {"nodes_truenodeids", integers, true, {}},
        {"post_transform", integer, false, "0"},
        {"tree_roots", integers, true, {}}},
       infer_tree_ensemble,
       kernels::tree_ensemble},
      {ml::domain,
       "TreeEnsembleClassifier",
       {1, 3, 5},
       {{"X", "T1"}},
       {{"Y", "T2"}, {"Z", infer::float_tensor}},
       {{"T1", ml::inputs()}, {"T2", {DataType::string, DataType::int64}}},
       older({{"class_ids", integers},
              {"class_nodeids", integers},
              {"class_treeids", integers},
              {"class_weights", reals},
              {"class_weights_as_tensor", tensor},
              {"classlabels_int64s", integers},
              {"classlabels_strings", AttributeKind::texts}}),
       infer_tree_classifier,
       kernels::tree_ensemble_classifier},
      {ml::domain,
       "TreeEnsembleRegressor",
       {1, 3, 5},
       {{"X", "T"}},
       {{"Y", infer::float_tensor}},
       {{"T", ml::inputs()}},
       older({{"aggregate_function", AttributeKind::text, false, "SUM"},
              {"n_targets", integer},
              {"target_ids", integers},
              {"target_nodeids", integers},
              {"target_treeids", integers},
              {"target_weights", reals},
              {"target_weights_as_tensor", tensor}}),
       infer_tree_regressor,
       kernels::tree_ensemble_regressor},
  };
  return table;
}

}  // namespace lathe
