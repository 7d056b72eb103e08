// Ensembles of decision trees (ai.onnx.ml): all trees walk at once, one level of Gather, comparison and Select after the other, until the deepest
// leaf.
//
// A leaf leads to itself, so that shallow trees wait for deep ones. What the standard leaves open is ONNX Runtime's, as in Lathe's own kernels.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "classical.hpp"
#include "families.hpp"
#include "half.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};
constexpr const char* comparisons[] = {"LessEqual", "Less", "GreaterEqual", "Greater", "Equal", "NotEqual"};
constexpr int64_t member = 6, leaf = 7;
constexpr size_t deepest_tree = 512;  // levels, each of which is a dozen layers

// Nodes and leaves in one list.
struct Forest {
  std::vector<int64_t> features, modes, yes, no, roots;
  std::vector<double> thresholds, tracks;    // tracks: 1 where NaN takes the true branch
  std::vector<std::vector<double>> members;  // by node that tests membership
  std::vector<std::vector<double>> weights;  // by node, one for each target
  std::vector<std::vector<double>> votes;    // by node: how many votes each target has
  int64_t targets = 1;

  void add_leaf(int64_t own) {
    features.push_back(0), modes.push_back(leaf), yes.push_back(own), no.push_back(own), thresholds.push_back(0), tracks.push_back(0);
  }
};

size_t depth_of(const Step& s, const Forest& f) {
  std::vector<size_t> levels(f.modes.size(), 0);
  std::vector<uint8_t> state(f.modes.size(), 0);  // 1: above us, 2: known
  std::vector<int64_t> open(f.roots.begin(), f.roots.end());
  while (!open.empty()) {
    const size_t at = static_cast<size_t>(open.back());
    if (state[at] == 2) {
      open.pop_back();
    } else if (f.modes[at] == leaf) {
      state[at] = 2;
    } else if (state[at] == 0) {
      state[at] = 1;
      for (const int64_t next : {f.yes[at], f.no[at]}) {
        if (state[static_cast<size_t>(next)] == 1) s.refuse("the nodes of a tree go in a circle");
        open.push_back(next);
      }
    } else {
      levels[at] = 1 + std::max(levels[static_cast<size_t>(f.yes[at])], levels[static_cast<size_t>(f.no[at])]);
      state[at] = 2;
    }
  }
  size_t deepest = 0;
  for (const int64_t root : f.roots) deepest = std::max(deepest, levels[static_cast<size_t>(root)]);
  if (deepest > deepest_tree) s.refuse("its trees are deeper than " + std::to_string(deepest_tree) + " levels");
  return deepest;
}

// The node where each row [N, F] ends up in each tree: [N, trees], int64.
Wire leaves(Step& s, const Wire& x, const Forest& f) {
  const int64_t nodes = static_cast<int64_t>(f.modes.size()), trees = static_cast<int64_t>(f.roots.size()), rows = (*x.dimensions)[0];
  const Dimensions shape = std::vector<int64_t>{rows, trees};
  const Wire features = s.indices(f.features), yes = s.indices(f.yes), no = s.indices(f.no), modes = s.indices(f.modes);
  const Wire thresholds = s.floats(x.type, {nodes}, f.thresholds);
  std::set<int64_t> used(f.modes.begin(), f.modes.end());
  used.erase(leaf);
  size_t widest = 1;
  for (const auto& set : f.members) widest = std::max(widest, set.size());
  std::optional<Wire> members, tracks;
  if (used.contains(member)) {
    std::vector<double> table;
    for (const auto& set : f.members)
      for (size_t i = 0; i < widest; ++i) table.push_back(i < set.size() ? set[i] : std::numeric_limits<double>::quiet_NaN());
    members = s.floats(x.type, {nodes, static_cast<int64_t>(widest)}, table);
  }
  if (std::find(f.tracks.begin(), f.tracks.end(), 1) != f.tracks.end()) tracks = s.floats(LATHE_BOOL, {nodes}, f.tracks);
  // All rows begin at the roots.
  const Wire count = s.gather(s.shape_of(x), s.indices({0}), 0);
  Wire at = s.broadcast_to(s.reshape(s.indices(f.roots), {1, trees}), s.concat({count, s.indices({trees})}, 0), shape);
  for (size_t level = depth_of(s, f); level > 0; --level) {
    const Wire value = s.make("GatherElements", {x, s.gather(features, at, 0)}, {{"axis", "1"}}, shape);
    const Wire threshold = s.gather(thresholds, at, 0);
    const Wire mode = used.size() > 1 ? s.gather(modes, at, 0) : at;
    std::optional<Wire> taken;
    for (const int64_t m : used) {
      Wire one = m == member ? s.reduce("ReduceLogicalOr", s.make("Equal", {s.unsqueeze(value, {2}), s.gather(*members, at, 0)}, {numpy}), {2}, false)
                             : s.make(comparisons[m], {value, threshold}, {numpy});
      if (used.size() > 1) one = s.make("LogicalAnd", {one, s.make("Equal", {mode, s.index(m)}, {numpy})}, {numpy});
      taken = taken ? s.make("LogicalOr", {*taken, one}, {numpy}) : one;
    }
    if (tracks) taken = s.make("LogicalOr", {*taken, s.make("LogicalAnd", {s.make("IsNaN", {value}), s.gather(*tracks, at, 0)}, {numpy})}, {numpy});
    at = s.make("Select", {*taken, s.gather(yes, at, 0), s.gather(no, at, 0)}, {numpy}, shape);
  }
  return at;
}

Wire rows_of(Step& s, int32_t type, const std::vector<std::vector<double>>& rows, int64_t width) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return s.floats(type, {static_cast<int64_t>(rows.size()), width}, all);
}

// How many votes each target got: [N, targets].
Wire vote_counts(Step& s, const Wire& at, const Forest& f) {
  return s.reduce("ReduceSum", s.gather(rows_of(s, LATHE_FLOAT32, f.votes, f.targets), at, 0), {1}, false);
}

// The votes of all trees for each target: [N, targets].
Wire aggregated(Step& s, const Wire& at, const Forest& f, int64_t how, int32_t type) {
  if (how != 2 && how != 3) {
    const Wire sum = s.reduce("ReduceSum", s.gather(rows_of(s, type, f.weights, f.targets), at, 0), {1}, false);
    if (how == 1) return sum;
    return s.make("Divide", {sum, s.scalar(type, static_cast<double>(f.roots.size()))}, {numpy, {"m_pythondiv", "true"}});
  }
  // Leaves that do not vote for a target stand aside.
  std::vector<std::vector<double>> weights = f.weights;
  const double aside = how == 2 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < weights.size(); ++i)
    for (size_t t = 0; t < weights[i].size(); ++t)
      if (f.votes[i][t] == 0) weights[i][t] = aside;
  const Wire best = s.reduce(how == 2 ? "ReduceMin" : "ReduceMax", s.gather(rows_of(s, type, weights, f.targets), at, 0), {1}, false);
  const Wire voted = s.make("Greater", {vote_counts(s, at, f), s.scalar(LATHE_FLOAT32, 0)}, {numpy});
  return s.make("Select", {voted, best, s.scalar(type, 0)}, {numpy}, best.dimensions);
}

// From TreeEnsemble's attributes: nodes first, then leaves, each with one vote.
Forest read_forest(const Step& s) {
  Forest f;
  f.targets = s.node.integer("n_targets", 1);
  const auto tensor = [&](const char* name) { return s.node.attribute(name); };
  const auto numbers = [&](const char* name) {
    std::vector<double> values;
    if (const auto found = tensor(name)) {
      const sdk::TensorView t = found->tensor();
      if (t.type() == LATHE_FLOAT32) values.assign(t.as<float>().begin(), t.as<float>().end());
      if (t.type() == LATHE_FLOAT64) values.assign(t.as<double>().begin(), t.as<double>().end());
      if (t.type() == LATHE_FLOAT16)
        for (const uint16_t half : t.as<uint16_t>()) values.push_back(half_to_float(half));
    }
    return values;
  };
  f.features = s.node.integers("nodes_featureids"), f.roots = s.node.integers("tree_roots");
  f.yes = s.node.integers("nodes_truenodeids"), f.no = s.node.integers("nodes_falsenodeids");
  const auto yes_leaf = s.node.integers("nodes_trueleafs"), no_leaf = s.node.integers("nodes_falseleafs");
  const auto tracks = s.node.integers("nodes_missing_value_tracks_true"), targets = s.node.integers("leaf_targetids");
  f.thresholds = numbers("nodes_splits");
  const auto members = numbers("membership_values"), weights = numbers("leaf_weights");
  const auto modes = tensor("nodes_modes");
  if (!modes) s.refuse("it has no nodes_modes");
  for (const uint8_t mode : modes->tensor().as<uint8_t>()) f.modes.push_back(mode);
  const size_t count = f.modes.size();
  size_t next = 0;
  for (size_t i = 0; i < count; ++i) {
    if (yes_leaf.at(i)) f.yes.at(i) += static_cast<int64_t>(count);
    if (no_leaf.at(i)) f.no.at(i) += static_cast<int64_t>(count);
    f.tracks.push_back(i < tracks.size() && tracks[i] ? 1 : 0);
    f.members.emplace_back();
    if (f.modes[i] != member) continue;
    while (next < members.size() && !std::isnan(members[next])) f.members.back().push_back(members[next++]);
    ++next;  // over the NaN between two sets
  }
  const std::vector<double> none(static_cast<size_t>(f.targets), 0);
  f.weights.assign(count, none), f.votes.assign(count, none);
  for (size_t i = 0; i < weights.size(); ++i) {
    f.add_leaf(static_cast<int64_t>(count + i));
    f.members.emplace_back();
    f.weights.push_back(none), f.votes.push_back(none);
    f.weights.back().at(static_cast<size_t>(targets.at(i))) = weights[i];
    f.votes.back().at(static_cast<size_t>(targets.at(i))) = 1;
  }
  return f;
}

// From those of TreeEnsembleRegressor (prefix "target") and TreeEnsembleClassifier ("class"): leaves are nodes with any number of votes; the first
// node of each tree is its root.
Forest read_older_forest(const Step& s, const std::string& prefix, const char* targets_name, int64_t targets) {
  Forest f;
  f.targets = targets;
  const auto modes = s.node.attribute("nodes_modes");
  const auto trees = s.node.integers("nodes_treeids"), own = s.node.integers("nodes_nodeids"), yes = s.node.integers("nodes_truenodeids"),
             no = s.node.integers("nodes_falsenodeids"), tracks = s.node.integers("nodes_missing_value_tracks_true");
  f.features = s.node.integers("nodes_featureids");
  f.thresholds = classical::numbers(s, "nodes_values", "nodes_values_as_tensor");
  if (!modes) s.refuse("it has no nodes_modes");
  std::map<std::pair<int64_t, int64_t>, int64_t> places;
  for (size_t i = 0; i < trees.size(); ++i) places.emplace(std::pair(trees[i], own[i]), static_cast<int64_t>(i));
  constexpr std::string_view names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  const std::vector<double> none(static_cast<size_t>(targets), 0);
  for (size_t i = 0; i < trees.size(); ++i) {
    const auto found = std::find(std::begin(names), std::end(names), modes->text(i));
    const bool is_leaf = found == std::end(names);
    if (i == 0 || trees[i] != trees[i - 1]) f.roots.push_back(static_cast<int64_t>(i));
    f.modes.push_back(is_leaf ? leaf : found - std::begin(names));
    if (is_leaf) f.features[i] = 0;
    f.yes.push_back(is_leaf ? static_cast<int64_t>(i) : places.at({trees[i], yes[i]}));
    f.no.push_back(is_leaf ? static_cast<int64_t>(i) : places.at({trees[i], no[i]}));
    f.tracks.push_back(i < tracks.size() && tracks[i] && !is_leaf ? 1 : 0);
    f.members.emplace_back();
    f.weights.push_back(none), f.votes.push_back(none);
  }
  const auto vote_trees = s.node.integers(prefix + "_treeids"), vote_nodes = s.node.integers(prefix + "_nodeids"),
             ids = s.node.integers(targets_name);
  const auto weights = classical::numbers(s, prefix + "_weights", prefix + "_weights_as_tensor");
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t node = static_cast<size_t>(places.at({vote_trees.at(i), vote_nodes.at(i)})), target = static_cast<size_t>(ids.at(i));
    f.weights[node].at(target) += weights[i], f.votes[node].at(target) += 1;
  }
  return f;
}

int32_t working_type(int32_t type) { return type == LATHE_FLOAT32 || type == LATHE_FLOAT16 ? LATHE_FLOAT32 : LATHE_FLOAT64; }

void ensemble(Step& s) {
  const Forest f = read_forest(s);
  const Wire x = classical::table(s, working_type(s.in(0).type));
  constexpr const char* transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const int64_t transform = std::clamp<int64_t>(s.node.integer("post_transform", 0), 0, 4);
  const Wire scores = aggregated(s, leaves(s, x, f), f, s.node.integer("aggregate_function", 1), x.type);
  s.out(0, s.convert(classical::transformed(s, scores, transforms[transform]), s.in(0).type));
}

void regressor(Step& s) {
  const Forest f = read_older_forest(s, "target", "target_ids", s.node.integer("n_targets", 1));
  const Wire x = classical::table(s, working_type(s.in(0).type));
  const std::string_view word = s.node.text("aggregate_function", "SUM");
  Wire scores = aggregated(s, leaves(s, x, f), f, word == "AVERAGE" ? 0 : word == "MIN" ? 2 : word == "MAX" ? 3 : 1, x.type);
  if (const auto base = classical::numbers(s, "base_values", "base_values_as_tensor"); static_cast<int64_t>(base.size()) == f.targets)
    scores = s.make("Add", {scores, s.floats(x.type, {1, f.targets}, base)}, {numpy});
  s.out(0, s.convert(classical::transformed(s, scores, s.node.text("post_transform", "NONE")), LATHE_FLOAT32));
}

// One or two classes: where trees vote for one of them only, its score decides, and the other's follows from it.
void two_classes(Step& s, const Forest& f, const Wire& at, const Wire& sums, const std::vector<int64_t>& labels, const std::vector<double>& base) {
  const int32_t type = sums.type;
  const auto binary = [&](const char* form, const Wire& a, const Wire& b) { return s.make(form, {a, b}, {numpy}); };
  const auto choose = [&](const Wire& c, const Wire& a, const Wire& b) { return s.make("Select", {c, a, b}, {numpy}, c.dimensions); };
  const auto column = [&](const Wire& x, int64_t i) { return s.slice(x, {i}, {i + 1}, {1}, {1}); };
  bool no_negative = true, first = false, second = false;
  const auto weights = classical::numbers(s, "class_weights", "class_weights_as_tensor");
  for (const double w : weights) no_negative = no_negative && w >= 0;
  for (const int64_t id : s.node.integers("class_ids")) (id == 0 ? first : second) = true;
  const bool one_class = !(first && second), both = labels.size() == 2;
  const Wire counts = vote_counts(s, at, f), zero = s.scalar(type, 0);
  const auto voted = [&](int64_t i) { return binary("Greater", column(counts, i), s.scalar(LATHE_FLOAT32, 0)); };
  Wire score0 = column(sums, 0);
  if (!both) {
    if (base.size() == 1) score0 = binary("Add", score0, s.scalar(type, base[0]));
    const Wire positive = s.convert(s.squeeze(binary("Greater", score0, zero), {1}), LATHE_INT64);
    s.out(0, positive);
    return s.out(1, s.convert(classical::transformed(s, score0, s.node.text("post_transform", "NONE")), LATHE_FLOAT32));
  }
  const Wire voted0 = voted(0), voted1 = voted(1);
  Wire score1 = column(sums, 1);
  if (base.size() == 2) {
    const Wire follows = binary("Add", score0, s.scalar(type, base[1]));
    const Wire own0 = binary("Add", score0, s.scalar(type, base[0])), own1 = binary("Add", score1, s.scalar(type, base[1]));
    score0 = choose(voted1, s.make("Negative", {follows}), own0);
    score1 = choose(voted1, follows, own1);
  } else if (base.size() == 1) {
    score0 = binary("Add", score0, s.scalar(type, base[0]));
  }
  Wire place =
      binary("Greater", s.convert(choose(voted1, score1, score0), LATHE_FLOAT32), s.scalar(LATHE_FLOAT32, one_class && no_negative ? 0.5 : 0));
  if (!one_class) place = binary("LogicalAnd", voted1, binary("LogicalOr", s.make("LogicalNot", {voted0}), binary("Greater", score1, score0)));
  s.out(0, classical::labels_at(s, labels, s.convert(s.squeeze(place, {1}), LATHE_INT64)));
  const std::string_view transform = s.node.text("post_transform", "NONE");
  const Wire pair = classical::transformed(s, s.concat({choose(voted0, score0, zero), choose(voted1, score1, zero)}, 1), transform);
  if (base.size() == 2) return s.out(1, s.convert(pair, LATHE_FLOAT32));
  // A row in which nothing voted for the second class has a single score.
  const classical::Second how = !one_class ? classical::Second::no : no_negative ? classical::Second::rest : classical::Second::opposite;
  const Wire alone = choose(voted0, score0, zero);
  const Wire spread = how == classical::Second::no
                          ? s.concat({classical::transformed(s, alone, transform), s.make("Multiply", {alone, zero}, {numpy})}, 1)
                          : classical::transformed(s, alone, transform, how);
  s.out(1, s.convert(s.make("Select", {voted1, pair, spread}, {numpy}, pair.dimensions), LATHE_FLOAT32));
}

void classifier(Step& s) {
  const std::vector<int64_t> labels = classical::labels(s, "classlabels_int64s");
  const int64_t classes = static_cast<int64_t>(labels.size());
  if (classes < 1) s.refuse("it has no classes");
  const Forest f = read_older_forest(s, "class", "class_ids", classes);
  const Wire x = classical::table(s, working_type(s.in(0).type));
  const Wire at = leaves(s, x, f);
  Wire scores = aggregated(s, at, f, 1, x.type);
  const auto base = classical::numbers(s, "base_values", "base_values_as_tensor");
  if (classes <= 2) return two_classes(s, f, at, scores, labels, base);
  Wire ranked = scores;
  if (base.empty()) {
    // What nothing voted for is behind all that something voted for.
    const Wire voted = s.make("Greater", {vote_counts(s, at, f), s.scalar(LATHE_FLOAT32, 0)}, {numpy});
    ranked = s.make("Select", {voted, scores, s.scalar(x.type, -std::numeric_limits<double>::infinity())}, {numpy}, scores.dimensions);
  } else {
    ranked = scores = s.make("Add", {scores, s.floats(x.type, {1, classes}, base)}, {numpy});
  }
  s.out(0, classical::labels_at(s, labels, classical::place_of_largest(s, ranked)));
  s.out(1, s.convert(classical::transformed(s, scores, s.node.text("post_transform", "NONE")), LATHE_FLOAT32));
}

constexpr Writer writers[] = {
    {"TreeEnsemble", Means::decomposition, ensemble},
    {"TreeEnsembleClassifier", Means::decomposition, classifier},
    {"TreeEnsembleRegressor", Means::decomposition, regressor},
};

}  // namespace

std::span<const Writer> tree_writers() { return writers; }

}  // namespace lathe::openvino
