// Ensembles of decision trees of ai.onnx.ml, walked level by level: a tensor holds the node that each row has reached in each tree, and in a step
// the node's feature, threshold and followers are gathered. A leaf follows itself, so trees of other depths wait for the deepest.
#include <algorithm>
#include <cmath>
#include <limits>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

enum class Branch { less_or_equal, less, greater_or_equal, greater, equal, not_equal, member, leaf };

struct Vote {
  int32_t node;
  int64_t target;
  double weight;
};

// Nodes of all trees in one row; leaves among them.
struct Forest {
  std::vector<int32_t> features, yes, no, roots;
  std::vector<Branch> branches;
  std::vector<float> thresholds;
  std::vector<uint8_t> tracks;  // NaN takes the true branch
  std::vector<Vote> votes;
  int64_t targets = 1;

  int32_t add(Branch branch, int64_t feature, double threshold, bool track) {
    features.push_back(static_cast<int32_t>(feature));
    branches.push_back(branch);
    thresholds.push_back(static_cast<float>(threshold));
    tracks.push_back(track);
    yes.push_back(static_cast<int32_t>(yes.size()));
    no.push_back(static_cast<int32_t>(no.size()));
    return static_cast<int32_t>(features.size() - 1);
  }
};

// A list of numbers that is an attribute of floats or, in its later form, a tensor.
std::vector<double> list_of(const sdk::NodeView& node, const std::string& name) {
  for (const std::string& label : {name, name + "_as_tensor"}) {
    const auto a = node.attribute(label);
    if (!a) continue;
    if (a->reals().size()) return {a->reals().begin(), a->reals().end()};
    if (!a->get().tensors) continue;
    std::vector<double> numbers;
    for (size_t i = 0; i < static_cast<size_t>(a->tensor().size()); ++i) numbers.push_back(number_at(a->tensor(), i).value_or(0));
    return numbers;
  }
  return {};
}

// A node that asks whether its feature is in a set becomes one that asks for the first of the set, and so on.
Forest read_forest(const sdk::NodeView& node) {
  Forest forest;
  forest.targets = node.integer("n_targets", 1);
  const auto modes = list_of(node, "nodes_modes"), splits = list_of(node, "nodes_splits"), weights = list_of(node, "leaf_weights"),
             members = list_of(node, "membership_values");
  const auto features = node.integers("nodes_featureids"), yes = node.integers("nodes_truenodeids"), no = node.integers("nodes_falsenodeids"),
             yes_leaf = node.integers("nodes_trueleafs"), no_leaf = node.integers("nodes_falseleafs"), targets = node.integers("leaf_targetids"),
             tracks = node.integers("nodes_missing_value_tracks_true", std::vector<int64_t>(modes.size(), 0));
  for (size_t i = 0; i < modes.size(); ++i)
    forest.add(static_cast<Branch>(static_cast<int>(modes[i])), features[i], splits[i], i < tracks.size() && tracks[i] != 0);
  const auto leaves = static_cast<int32_t>(modes.size());
  for (size_t i = 0; i < weights.size(); ++i) forest.votes.push_back({forest.add(Branch::leaf, 0, 0, false), targets[i], weights[i]});
  size_t member = 0;
  for (size_t i = 0; i < modes.size(); ++i) {
    const auto follower = [&](int64_t id, bool leaf) { return static_cast<int32_t>(id) + (leaf ? leaves : 0); };
    const int32_t right = follower(yes[i], yes_leaf[i] != 0), wrong = follower(no[i], no_leaf[i] != 0);
    forest.yes[i] = right;
    forest.no[i] = wrong;
    if (forest.branches[i] != Branch::member) continue;
    auto at = static_cast<int32_t>(i);
    bool first = true;
    for (; member < members.size() && !std::isnan(members[member]); ++member, first = false) {
      if (!first) {
        const int32_t next = forest.add(Branch::equal, features[i], members[member], false);
        forest.no[static_cast<size_t>(at)] = next;
        at = next;
      }
      const auto place = static_cast<size_t>(at);
      forest.branches[place] = Branch::equal;
      forest.thresholds[place] = static_cast<float>(members[member]);
      forest.yes[place] = right;
      forest.no[place] = wrong;
    }
    if (first) {  // an empty set: nothing but NaN can be taken for a member, where it is tracked
      forest.branches[i] = Branch::less;
      forest.thresholds[i] = -std::numeric_limits<float>::infinity();
    }
    ++member;  // over the NaN between two sets
  }
  for (const int64_t root : node.integers("tree_roots")) forest.roots.push_back(static_cast<int32_t>(root));
  return forest;
}

// The form of TreeEnsembleRegressor ("target") and TreeEnsembleClassifier ("class"): nodes by the ids of their tree and their own.
Forest read_older_forest(const sdk::NodeView& node, const std::string& votes, int64_t targets) {
  static constexpr std::pair<std::string_view, Branch> names[] = {{"BRANCH_LEQ", Branch::less_or_equal},
                                                                  {"BRANCH_LT", Branch::less},
                                                                  {"BRANCH_GTE", Branch::greater_or_equal},
                                                                  {"BRANCH_GT", Branch::greater},
                                                                  {"BRANCH_EQ", Branch::equal},
                                                                  {"BRANCH_NEQ", Branch::not_equal},
                                                                  {"LEAF", Branch::leaf}};
  Forest forest;
  forest.targets = targets;
  const auto modes = node.attribute("nodes_modes");
  const auto values = list_of(node, "nodes_values"), weights = list_of(node, votes + "_weights");
  const auto trees = node.integers("nodes_treeids"), ids = node.integers("nodes_nodeids"), features = node.integers("nodes_featureids"),
             yes = node.integers("nodes_truenodeids"), no = node.integers("nodes_falsenodeids"), vote_trees = node.integers(votes + "_treeids"),
             vote_nodes = node.integers(votes + "_nodeids"), vote_targets = node.integers(votes == "class" ? "class_ids" : "target_ids"),
             tracks = node.integers("nodes_missing_value_tracks_true", std::vector<int64_t>(trees.size(), 0));
  std::map<std::pair<int64_t, int64_t>, int32_t> places;
  for (size_t i = 0; i < trees.size(); ++i) {
    const std::string_view mode = modes->text(i);
    const auto* found = std::find_if(std::begin(names), std::end(names), [&](const auto& n) { return n.first == mode; });
    const Branch branch = found == std::end(names) ? Branch::leaf : found->second;
    const int32_t at = forest.add(branch, branch == Branch::leaf ? 0 : features[i], values[i], i < tracks.size() && tracks[i] != 0);
    places.emplace(std::pair(trees[i], ids[i]), at);
    if (i == 0 || trees[i] != trees[i - 1]) forest.roots.push_back(at);
  }
  for (size_t i = 0; i < trees.size(); ++i) {
    if (forest.branches[i] == Branch::leaf) continue;
    forest.yes[i] = places.at({trees[i], yes[i]});
    forest.no[i] = places.at({trees[i], no[i]});
  }
  for (size_t i = 0; i < weights.size(); ++i) forest.votes.push_back({places.at({vote_trees[i], vote_nodes[i]}), vote_targets[i], weights[i]});
  return forest;
}

// Steps from the roots to the deepest leaf.
int64_t depth_of(const Lowering& l, const Forest& forest) {
  std::vector<int32_t> level = forest.roots;
  int64_t depth = 0;
  for (; !level.empty(); ++depth) {
    if (depth > static_cast<int64_t>(forest.features.size())) l.refuse("the nodes of a tree go in a circle");
    std::vector<int32_t> next;
    for (const int32_t at : level) {
      const auto i = static_cast<size_t>(at);
      if (forest.branches[i] == Branch::leaf) continue;
      next.push_back(forest.yes[i]);
      next.push_back(forest.no[i]);
    }
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    level = std::move(next);
  }
  return std::max<int64_t>(depth - 1, 1);
}

int32_t looked_up(Lowering& l, int32_t table, int32_t at) {
  Extents e = l.extents_of(at);
  const Extents row = l.extents_of(table);
  e.insert(e.end(), row.begin() + 1, row.end());
  return l.make("GATHER", {table, at}, l.type_of(table), e, {{"axis", 0, {}}});
}

// The leaf that each row of X [N, F] reaches in each tree: int32 [N, trees].
int32_t reached(Lowering& l, const Work& w, const Forest& forest) {
  const Type type = l.type(w.in(0));
  if (type != Type::float32 && type != Type::int32 && type != Type::int64) l.refuse(std::string("the runtime's CAST takes no ") + name(type));
  Extents e = l.extents(w.in(0));
  if (e.size() == 1) e.insert(e.begin(), 1);
  if (e.size() != 2 || e[1] < 0) l.refuse("the number of its features is open, and places are counted in the flat data");
  const int64_t rows = e[0], columns = e[1];
  const int32_t whole = l.cast(l.plain(w.in(0)), Type::float32);
  const int32_t flat = l.make("RESHAPE", {whole, l.ints({-1})}, Type::float32, {rows < 0 ? -1 : rows * columns}, {{"new_shape", 0, {-1}}});
  Expression begin{&l, -1};  // of each row in the flat data
  if (rows >= 0) {
    std::vector<int32_t> places;
    for (int64_t r = 0; r < rows; ++r) places.push_back(static_cast<int32_t>(r * columns));
    begin.tensor = l.constant<int32_t>(Type::int32, {rows, 1}, places, {}, "rows");
  } else {
    const int32_t end = l.make("RESHAPE", {l.shape_of(flat), l.ints({})}, Type::int32, {}, {{"new_shape", 0, {}}});
    const int32_t range = l.make("RANGE", {l.int_scalar(0), end, l.int_scalar(static_cast<int32_t>(columns))}, Type::int32, {-1});
    begin.tensor = l.make("RESHAPE", {range, l.ints({-1, 1})}, Type::int32, {-1, 1}, {{"new_shape", 0, {-1, 1}}});
  }
  const auto nodes = static_cast<int64_t>(forest.features.size());
  const auto table = [&](const std::vector<int32_t>& list, const char* label) { return l.constant<int32_t>(Type::int32, {nodes}, list, {}, label); };
  const int32_t features = table(forest.features, "features"), yes = table(forest.yes, "followers_if"), no = table(forest.no, "followers_else");
  const int32_t thresholds = l.constant<float>(Type::float32, {nodes}, forest.thresholds, {}, "thresholds");
  static constexpr std::pair<Branch, std::string_view> compared[] = {
      {Branch::less_or_equal, "LESS_EQUAL"}, {Branch::less, "LESS"},   {Branch::greater_or_equal, "GREATER_EQUAL"},
      {Branch::greater, "GREATER"},          {Branch::equal, "EQUAL"}, {Branch::not_equal, "NOT_EQUAL"}};
  // For every kind of comparison but the first, which nodes have it.
  std::vector<std::pair<std::string_view, int32_t>> kinds;
  for (const auto& [branch, op] : compared) {
    std::vector<uint8_t> have;
    for (const Branch b : forest.branches) have.push_back(b == branch);
    if (std::find(have.begin(), have.end(), 1) == have.end()) continue;
    kinds.emplace_back(op, kinds.empty() ? -1 : l.constant<uint8_t>(Type::boolean, {nodes}, have, {}, "compares"));
  }
  if (kinds.empty()) kinds.emplace_back("LESS", -1);
  const bool tracked = std::find(forest.tracks.begin(), forest.tracks.end(), 1) != forest.tracks.end();
  const int32_t tracks = tracked ? l.constant<uint8_t>(Type::boolean, {nodes}, forest.tracks, {}, "tracks") : -1;
  Expression at{&l, l.constant<int32_t>(Type::int32, {1, static_cast<int64_t>(forest.roots.size())}, forest.roots, {}, "roots")};
  for (int64_t step = depth_of(l, forest); step > 0; --step) {
    const int32_t x = looked_up(l, flat, (begin + at.with(looked_up(l, features, at.tensor))).tensor);
    const int32_t threshold = looked_up(l, thresholds, at.tensor);
    int32_t right = -1;
    for (const auto& [op, have] : kinds) {
      const int32_t result = l.compare(op, x, threshold);
      right = right < 0 ? result : l.select(looked_up(l, have, at.tensor), result, right);
    }
    if (tracked) right = l.compare("LOGICAL_OR", right, l.compare("LOGICAL_AND", l.compare("NOT_EQUAL", x, x), looked_up(l, tracks, at.tensor)));
    at.tensor = l.select(right, looked_up(l, yes, at.tensor), looked_up(l, no, at.tensor));
  }
  return at.tensor;
}

// What the leaves say, over all trees: float32 [N, targets].
Expression collected(Lowering& l, const Forest& forest, int32_t leaves, std::string_view how) {
  const auto nodes = static_cast<int64_t>(forest.features.size());
  const float infinity = std::numeric_limits<float>::infinity();
  const bool least = how == "MIN", most = how == "MAX", voted = how == "VOTED";
  std::vector<float> said(static_cast<size_t>(nodes * forest.targets), least ? infinity : most ? -infinity : 0.0F);
  for (const Vote& vote : forest.votes) {
    float& place = said[static_cast<size_t>(vote.node * forest.targets + vote.target)];
    const auto weight = static_cast<float>(vote.weight);
    place = voted ? 1.0F : least ? std::min(place, weight) : most ? std::max(place, weight) : place + weight;
  }
  const int32_t table = l.constant<float>(Type::float32, {nodes, forest.targets}, said, {}, "votes");
  Expression all{&l, looked_up(l, table, leaves)};
  all.tensor = l.reduce(least ? "REDUCE_MIN" : most || voted ? "REDUCE_MAX" : "SUM", all.tensor, {1}, false);
  if (how == "AVERAGE") return all / static_cast<double>(forest.roots.size());
  if (!least && !most) return all;
  // A target that no leaf spoke of has 0.
  return select(absolute(all).with(l.compare("EQUAL", absolute(all).tensor, all.number(infinity).tensor)), all.number(0), all);
}

Expression plus_row(Expression x, const std::vector<double>& row) {
  std::vector<float> floats(row.begin(), row.end());
  const auto n = static_cast<int64_t>(floats.size());
  return x + x.with(x.lowering->constant<float>(Type::float32, {n}, std::move(floats), {}, "row"));
}

// 1 / (1 + exp(-x)) and the like, of the scores of a row; see ml.hpp of the kernels for what the standard leaves open.
Expression transformed(Expression x, std::string_view transform, int64_t count) {
  Lowering& l = *x.lowering;
  if (transform == "NONE" || (count == 1 && transform != "PROBIT")) return x;
  if (transform == "LOGISTIC") return x.call("LOGISTIC");
  if (transform == "SOFTMAX") return x.with(l.unary("SOFTMAX", x.tensor, {{"beta", 1, {}}}));
  if (transform == "SOFTMAX_ZERO") {  // what is about zero counts for nothing
    const Expression top = x.with(l.reduce("REDUCE_MAX", x.tensor, {1}, true)),
                     near = x.with(l.compare("LESS_EQUAL", absolute(x).tensor, x.number(1e-7).tensor));
    const Expression power = exp(x - top), sum = select(near, x.number(0), power);
    return select(near, x * exp(-top), power) / x.with(l.reduce("SUM", sum.tensor, {1}, true));
  }
  if (transform != "PROBIT") l.refuse("the transform '" + std::string(transform) + "' of its scores is unknown");
  const Expression y = x * 2.0 - 1.0, logarithm = log((1.0 - y) * (y + 1.0)), a = logarithm * 0.5 + 2 / (3.14159 * 0.147);
  const Expression root = sqrt(sqrt(a * a - logarithm / 0.147) - a) * 1.41421356;
  return select(less(y, 0), -root, root);
}

constexpr std::string_view aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"}, transforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};

void lower_ensemble(Lowering& l, const Work& w) {
  const Forest forest = read_forest(w.node);
  const auto how = static_cast<size_t>(w.node.integer("aggregate_function", 1)), transform = static_cast<size_t>(w.node.integer("post_transform", 0));
  if (how >= std::size(aggregates) || transform >= std::size(transforms)) l.refuse("its aggregate function or transform is unknown");
  const Expression scores = collected(l, forest, reached(l, w, forest), aggregates[how]);
  l.define(w.out(), transformed(scores, transforms[transform], forest.targets).tensor, {0, 1});
}

void lower_regressor(Lowering& l, const Work& w) {
  const Forest forest = read_older_forest(w.node, "target", w.node.integer("n_targets", 1));
  Expression scores = collected(l, forest, reached(l, w, forest), w.node.text("aggregate_function", "SUM"));
  const auto base = list_of(w.node, "base_values");
  if (static_cast<int64_t>(base.size()) == forest.targets) scores = plus_row(scores, base);
  l.define(w.out(), transformed(scores, w.node.text("post_transform", "NONE"), forest.targets).tensor, {0, 1});
}

// The largest score's label; of two classes whose trees vote for one only, that one's score decides.
void lower_classifier(Lowering& l, const Work& w) {
  const auto labels = w.node.integers("classlabels_int64s");
  const auto classes = static_cast<int64_t>(labels.size());
  if (labels.empty()) l.refuse("the runtime computes no STRING, which its labels are");
  const Forest forest = read_older_forest(w.node, "class", classes);
  const int32_t leaves = reached(l, w, forest);
  const auto base = list_of(w.node, "base_values");
  const std::string_view transform = w.node.text("post_transform", "NONE");
  Expression scores = collected(l, forest, leaves, "SUM");
  const Extents column{l.extents_of(scores.tensor)[0], 1};
  const auto label_of = [&](int32_t places) {
    if (w.out(0) == LATHE_NONE) return;
    l.define(w.out(0), looked_up(l, l.constant<int64_t>(Type::int64, {classes}, labels, {}, "labels"), places), {0});
  };
  const auto largest = [&](Expression of) {
    return l.make("ARG_MAX", {of.tensor, l.int_scalar(1)}, Type::int32, {column[0]}, {{"output_type", static_cast<double>(Type::int32), {}}});
  };
  const auto define = [&](Expression y) {
    if (w.out(1) != LATHE_NONE) l.define(w.out(1), y.tensor, {0, 1});
  };
  bool one_class = true, no_negative = true;
  for (const Vote& vote : forest.votes) {
    one_class = one_class && vote.target == forest.votes[0].target;
    no_negative = no_negative && vote.weight >= 0;
  }
  if (classes > 2 || !one_class || forest.votes.empty()) {
    if (!base.empty() && static_cast<int64_t>(base.size()) != classes) l.refuse("it has one base value for several classes that are voted for");
    Expression candidates = scores;
    if (!base.empty()) {
      candidates = scores = plus_row(scores, base);
    } else {  // among those that a leaf spoke of
      const Expression voted = greater(collected(l, forest, leaves, "VOTED"), 0);
      candidates = select(voted, scores, scores.number(-std::numeric_limits<float>::infinity()));
    }
    label_of(largest(candidates));
    return define(transformed(scores, transform, classes));
  }
  // One score.
  const auto voted = static_cast<int>(forest.votes[0].target);
  Expression score{&l, l.slice(scores.tensor, {0, voted}, {column[0], 1})};
  if (base.size() == 2) score = voted == 0 ? score + base[0] : score * 0.0 + base[1];
  if (base.size() == 1 && voted == 0) score = score + base[0];
  if (classes == 1) {
    const Expression sign = greater(score, 0);
    if (w.out(0) != LATHE_NONE) {
      l.define(w.out(0), l.reshape(l.cast(sign.tensor, Type::int64), {column[0]}), {0});
    }
    return define(transformed(score, transform, 1));
  }
  label_of(l.reshape(l.cast(greater(score, no_negative ? 0.5 : 0).tensor, Type::int32), {column[0]}));
  const auto pair = [&](Expression first, Expression second) {
    define(first.with(l.make("CONCATENATION", {first.tensor, second.tensor}, Type::float32, {column[0], 2}, {{"axis", 1, {}}})));
  };
  if (voted == 1 || base.size() == 2) {
    Expression both = scores;  // the score stays in its place
    if (base.size() == 2) {
      const Expression first = voted == 1 ? -score : score, second = voted == 1 ? score : score * 0.0;
      both.tensor = l.make("CONCATENATION", {first.tensor, second.tensor}, Type::float32, {column[0], 2}, {{"axis", 1, {}}});
    }
    return define(transformed(both, transform, 2));
  }
  if (transform == "PROBIT") return pair(transformed(score, transform, 1), score * 0.0);
  if (transform == "LOGISTIC") return pair((-score).call("LOGISTIC"), score.call("LOGISTIC"));
  pair(no_negative ? 1.0 - score : -score, score);
}

const LowerRule rules[] = {
    {"TreeEnsemble", lower_ensemble}, {"TreeEnsembleClassifier", lower_classifier}, {"TreeEnsembleRegressor", lower_regressor}};

}  // namespace

std::span<const LowerRule> tree_rules() { return rules; }

}  // namespace lathe::tflite
