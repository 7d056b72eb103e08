// ai.onnx.ml's ensembles of decision trees: TreeEnsemble (opset 5), and the older TreeEnsembleRegressor and TreeEnsembleClassifier.
//
// Both ways of writing an ensemble down are turned into one, Forest, before the rows are walked. Details that the standard leaves open (a single
// score of a classifier, base values) are ONNX Runtime's.
#pragma once
#include "lathe/kernels/ml_linear.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace ml {

// How a node compares its feature with its threshold; the numbers are TreeEnsemble's nodes_modes.
enum class Branch : uint8_t { less_or_equal, less, greater_or_equal, greater, equal, not_equal, member, leaf };
enum class Aggregate { average, sum, minimum, maximum };

// Trees as nodes that lead to nodes (>= 0) or leaves (-1 - place), and votes of the leaves. All arrays are temporary memory of the call.
struct Forest {
  int64_t nodes = 0, trees = 0, targets = 0;
  const int64_t *features = nullptr, *tracks = nullptr;  // tracks: 1 where NaN takes the true branch; may be null
  Branch* branches = nullptr;
  double* thresholds = nullptr;
  int32_t *yes = nullptr, *no = nullptr, *roots = nullptr;
  int32_t *vote_begin = nullptr, *votes = nullptr;  // of leaf l: votes[vote_begin[l]] to votes[vote_begin[l + 1] - 1]
  const int64_t* vote_targets = nullptr;
  double* vote_weights = nullptr;
  int32_t* member_begin = nullptr;  // of node n with Branch::member: members[member_begin[n]] to the next NaN
  double* members = nullptr;
  int64_t member_count = 0;

  bool branch(int64_t node, double value) const {
    const double threshold = thresholds[node];
    if (tracks && value != value && tracks[node]) return true;
    switch (branches[node]) {
      case Branch::less_or_equal:
        return value <= threshold;
      case Branch::less:
        return value < threshold;
      case Branch::greater_or_equal:
        return value >= threshold;
      case Branch::greater:
        return value > threshold;
      case Branch::equal:
        return value == threshold;
      case Branch::not_equal:
        return value != threshold;
      default:
        for (int64_t i = member_begin[node]; i < member_count && members[i] == members[i]; ++i)
          if (members[i] == value) return true;
        return false;
    }
  }

  // The leaf that a row reaches, or -1 when the nodes go in a circle.
  template <class T>
  int64_t leaf(int64_t tree, const T* row) const {
    int32_t at = roots[tree];
    for (int64_t steps = 0; at >= 0; ++steps) {
      if (steps > nodes) return -1;
      at = branch(at, double(row[features[at]])) ? yes[at] : no[at];
    }
    return -1 - int64_t(at);
  }
};

// A score and whether any leaf voted for it.
struct Score {
  double value;
  bool voted;
};

// The aggregated votes of all trees for a row, one for each target. False: the trees go in a circle.
template <class T>
bool collect(const Forest& forest, Aggregate how, const T* row, Score* scores) {
  for (int64_t i = 0; i < forest.targets; ++i) scores[i] = {0, false};
  for (int64_t tree = 0; tree < forest.trees; ++tree) {
    const int64_t leaf = forest.leaf(tree, row);
    if (leaf < 0) return false;
    for (int32_t i = forest.vote_begin[leaf]; i < forest.vote_begin[leaf + 1]; ++i) {
      const int32_t vote = forest.votes[i];
      const double weight = forest.vote_weights[vote];
      Score& score = scores[forest.vote_targets[vote]];
      if (how == Aggregate::minimum)
        score.value = score.voted && score.value < weight ? score.value : weight;
      else if (how == Aggregate::maximum)
        score.value = score.voted && score.value > weight ? score.value : weight;
      else
        score.value += weight;
      score.voted = true;
    }
  }
  if (how == Aggregate::average)
    for (int64_t i = 0; i < forest.targets; ++i) scores[i].value /= double(forest.trees);
  return true;
}

inline double* copy_of(const Call& call, const Reals& list) {
  double* to = call.temporary<double>(list.count());
  for (int64_t i = 0; to && i < list.count(); ++i) to[i] = list[i];
  return to;
}

// From TreeEnsemble's attributes: leaves are numbered on their own, and each has one vote. False (and the call failed) when there is no memory.
inline bool read_forest(const Call& call, Forest& forest) {
  const Attribute *modes = call.attribute("nodes_modes"), *roots = call.attribute("tree_roots"),
                  *tracks = call.attribute("nodes_missing_value_tracks_true");
  const int64_t *features = call.attribute("nodes_featureids")->ints, *yes = call.attribute("nodes_truenodeids")->ints,
                *no = call.attribute("nodes_falsenodeids")->ints, *yes_leaf = call.attribute("nodes_trueleafs")->ints,
                *no_leaf = call.attribute("nodes_falseleafs")->ints;
  const Reals members(call, nullptr, "membership_values"), weights(call, nullptr, "leaf_weights");
  const int64_t leaves = weights.count();
  forest.nodes = modes->tensor->size();
  forest.trees = roots->count;
  forest.targets = call.integer("n_targets", 1);
  forest.features = features;
  forest.tracks = tracks ? tracks->ints : nullptr;
  forest.thresholds = copy_of(call, Reals(call, nullptr, "nodes_splits"));
  forest.vote_weights = copy_of(call, weights);
  forest.members = copy_of(call, members);
  forest.member_count = members.count();
  forest.vote_targets = call.attribute("leaf_targetids")->ints;
  forest.branches = call.temporary<Branch>(forest.nodes);
  int32_t* numbers = call.temporary<int32_t>(3 * forest.nodes + forest.trees + 2 * leaves + 1);
  if (!forest.thresholds || !forest.vote_weights || !forest.members || !forest.branches || !numbers) return false;
  forest.yes = numbers;
  forest.no = forest.yes + forest.nodes;
  forest.member_begin = forest.no + forest.nodes;
  forest.roots = forest.member_begin + forest.nodes;
  forest.votes = forest.roots + forest.trees;
  forest.vote_begin = forest.votes + leaves;
  int64_t set = 0;
  for (int64_t i = 0; i < forest.nodes; ++i) {
    forest.branches[i] = Branch(modes->tensor->as<const uint8_t>()[i]);
    forest.yes[i] = int32_t(yes_leaf[i] ? -1 - yes[i] : yes[i]);
    forest.no[i] = int32_t(no_leaf[i] ? -1 - no[i] : no[i]);
    forest.member_begin[i] = int32_t(set);
    if (forest.branches[i] != Branch::member) continue;
    while (set < forest.member_count && forest.members[set] == forest.members[set]) ++set;
    ++set;  // over the NaN between two sets
  }
  for (int64_t i = 0; i < forest.trees; ++i) forest.roots[i] = int32_t(roots->ints[i]);
  for (int64_t i = 0; i < leaves; ++i) forest.votes[i] = forest.vote_begin[i] = int32_t(i);
  forest.vote_begin[leaves] = int32_t(leaves);
  return true;
}

// Nodes by the ids of their tree and their own.
class NodeTable {
 public:
  NodeTable(const int64_t* trees, const int64_t* ids, int64_t count) : trees_(trees), ids_(ids), count_(count) {}
  bool prepare(const Call& call) {
    while (slots_ < 2 * count_) slots_ *= 2;
    table_ = call.temporary<int32_t>(slots_);
    if (!table_) return false;
    for (int64_t i = 0; i < slots_; ++i) table_[i] = -1;
    for (int64_t i = 0; i < count_; ++i) {
      int32_t& slot = slot_of(trees_[i], ids_[i]);
      if (slot < 0) slot = int32_t(i);
    }
    return true;
  }
  int32_t find(int64_t tree, int64_t id) const { return slot_of(tree, id); }  // -1: there is none

 private:
  int32_t& slot_of(int64_t tree, int64_t id) const {
    int64_t slot = int64_t(hash(tree, id) & uint64_t(slots_ - 1));
    while (table_[slot] >= 0 && (trees_[table_[slot]] != tree || ids_[table_[slot]] != id)) slot = (slot + 1) & (slots_ - 1);
    return table_[slot];
  }
  static uint64_t hash(int64_t tree, int64_t id) { return detail::mixed(detail::hash_of(tree) * 31 + uint64_t(id)); }

  const int64_t *trees_, *ids_;
  int64_t count_, slots_ = 2;
  int32_t* table_ = nullptr;
};

inline Branch branch_of(const String& mode) {
  constexpr const char* names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF"};
  for (uint8_t k = 0; k < 8; ++k) {
    int64_t i = 0;
    while (i < mode.size && names[k][i] == mode.data[i]) ++i;
    if (i == mode.size && !names[k][i]) return Branch(k);
  }
  return Branch::leaf;
}

// From the attributes of TreeEnsembleRegressor (prefix "target") and TreeEnsembleClassifier ("class"): leaves are nodes, and may have any number
// of votes; the first node of each tree is its root.
inline bool read_older_forest(const Call& call, bool classifier, int64_t targets, Forest& forest) {
  const Attribute *modes = call.attribute("nodes_modes"), *tracks = call.attribute("nodes_missing_value_tracks_true");
  const int64_t *trees = call.attribute("nodes_treeids")->ints, *ids = call.attribute("nodes_nodeids")->ints,
                *yes = call.attribute("nodes_truenodeids")->ints, *no = call.attribute("nodes_falsenodeids")->ints;
  const int64_t *vote_trees = call.attribute(classifier ? "class_treeids" : "target_treeids")->ints,
                *vote_nodes = call.attribute(classifier ? "class_nodeids" : "target_nodeids")->ints;
  const Reals weights(call, classifier ? "class_weights" : "target_weights", classifier ? "class_weights_as_tensor" : "target_weights_as_tensor");
  const int64_t count = modes->count, votes = weights.count();
  forest.nodes = count;
  forest.targets = targets;
  forest.features = call.attribute("nodes_featureids")->ints;
  forest.tracks = tracks ? tracks->ints : nullptr;
  forest.thresholds = copy_of(call, Reals(call, "nodes_values", "nodes_values_as_tensor"));
  forest.vote_weights = copy_of(call, weights);
  forest.vote_targets = call.attribute(classifier ? "class_ids" : "target_ids")->ints;
  forest.branches = call.temporary<Branch>(count);
  int32_t* numbers = call.temporary<int32_t>(5 * count + votes + 1);
  NodeTable table(trees, ids, count);
  if (!forest.thresholds || !forest.vote_weights || !forest.branches || !numbers || !table.prepare(call)) return false;
  forest.yes = numbers;
  forest.no = forest.yes + count;
  forest.roots = forest.no + count;
  forest.votes = forest.roots + count;
  forest.vote_begin = forest.votes + votes;
  int32_t* const next = forest.vote_begin + count + 1;  // where the next vote of each node goes
  for (int64_t i = 0; i < count; ++i) {
    forest.branches[i] = branch_of(modes->strings[i]);
    if (i == 0 || trees[i] != trees[i - 1]) forest.roots[forest.trees++] = int32_t(i);
  }
  const auto target_of = [&](int64_t tree, int64_t id) {
    const int32_t at = table.find(tree, id);
    return at >= 0 && forest.branches[at] == Branch::leaf ? -1 - at : at;
  };
  for (int64_t i = 0; i < count; ++i) {
    const bool leaf = forest.branches[i] == Branch::leaf;
    forest.yes[i] = leaf ? -1 : target_of(trees[i], yes[i]);
    forest.no[i] = leaf ? -1 : target_of(trees[i], no[i]);
  }
  for (int64_t i = 0; i < forest.trees; ++i)
    if (forest.branches[forest.roots[i]] == Branch::leaf) forest.roots[i] = -1 - forest.roots[i];
  for (int64_t i = 0; i <= count; ++i) forest.vote_begin[i] = 0;
  for (int64_t i = 0; i < votes; ++i) ++forest.vote_begin[table.find(vote_trees[i], vote_nodes[i]) + 1];
  for (int64_t i = 0; i < count; ++i) forest.vote_begin[i + 1] += forest.vote_begin[i];
  for (int64_t i = 0; i < count; ++i) next[i] = forest.vote_begin[i];
  for (int64_t i = 0; i < votes; ++i) forest.votes[next[table.find(vote_trees[i], vote_nodes[i])]++] = int32_t(i);
  return true;
}

// Calls body(row, scores) for every row of X [N, F] after collecting its votes; scores has room for one more.
template <class List, class F>
void each_row(const Call& call, const Forest& forest, Aggregate how, F&& body) {
  const Tensor& x = call.input(0);
  const int64_t rows = rows_of(x), features = columns_of(x);
  Score* scores = call.temporary<Score>(forest.targets + 1);
  if (!scores) return;
  dispatch<List>(call, x.type, [&]<class T>() {
    for (int64_t row = 0; row < rows; ++row) {
      if (!collect(forest, how, x.as<const T>() + row * features, scores)) return call.fail("the nodes of a tree go in a circle");
      body(row, scores);
    }
  });
}

}  // namespace ml

// X: [N, F]; Y: [N, n_targets] of X's type.
inline void tree_ensemble(const Call& call) {
  ml::Forest forest;
  if (!ml::read_forest(call, forest)) return;
  const ml::Transform transform = ml::Transform(call.integer("post_transform", 0));
  double* values = call.temporary<double>(forest.targets);
  if (!values) return;
  ml::each_row<Types<float, double, float16>>(
      call, forest, ml::Aggregate(call.integer("aggregate_function", 1)), [&](int64_t row, ml::Score* scores) {
        for (int64_t i = 0; i < forest.targets; ++i) values[i] = scores[i].value;
        dispatch<Types<float, double, float16>>(call, call.output().type, [&]<class T>() {
          ml::write_scores(transform, values, forest.targets, ml::Second::no, call.output().as<T>() + row * forest.targets);
        });
      });
}

// X: [N, F]; Y: [N, n_targets]. One base value for each target, or one for a single target, is added.
inline void tree_ensemble_regressor(const Call& call) {
  ml::Forest forest;
  if (!ml::read_older_forest(call, false, call.integer("n_targets", 1), forest)) return;
  const ml::Aggregate how = call.is("aggregate_function", "AVERAGE", "SUM") ? ml::Aggregate::average
                            : call.is("aggregate_function", "MIN", "SUM")   ? ml::Aggregate::minimum
                            : call.is("aggregate_function", "MAX", "SUM")   ? ml::Aggregate::maximum
                                                                            : ml::Aggregate::sum;
  const ml::Reals base(call, "base_values", "base_values_as_tensor");
  double* values = call.temporary<double>(forest.targets);
  if (!values) return;
  ml::each_row<ml::Inputs>(call, forest, how, [&](int64_t row, ml::Score* scores) {
    for (int64_t i = 0; i < forest.targets; ++i) values[i] = scores[i].value + (base.count() == forest.targets ? base[i] : 0);
    ml::write_scores(ml::transform_of(call), values, forest.targets, ml::Second::no, call.output().as<float>() + row * forest.targets);
  });
}

// X: [N, F]; outputs: labels [N], scores [N, classes].
inline void tree_ensemble_classifier(const Call& call) {
  const ml::Labels labels(call, "classlabels_int64s");
  const int64_t classes = labels.count();
  ml::Forest forest;
  if (!ml::read_older_forest(call, true, classes, forest)) return;
  const ml::Transform transform = ml::transform_of(call);
  const ml::Reals base(call, "base_values", "base_values_as_tensor"), weights(call, "class_weights", "class_weights_as_tensor");
  bool no_negative = true, one_class = true;
  for (int64_t i = 0; i < weights.count(); ++i) {
    no_negative = no_negative && weights[i] >= 0;
    one_class = one_class && forest.vote_targets[i] == forest.vote_targets[0];
  }
  double* values = call.temporary<double>(classes + 1);
  float* written = call.temporary<float>(classes + 1);
  if (!values || !written) return;
  ml::each_row<ml::Inputs>(call, forest, ml::Aggregate::sum, [&](int64_t row, ml::Score* scores) {
    int64_t place = 0, count = classes;
    ml::Second second = ml::Second::no;
    bool positive = false;
    if (classes > 2) {
      for (int64_t i = 0; i < base.count(); ++i) scores[i] = {scores[i].value + base[i], true};
      for (int64_t i = 0; i < classes; ++i)
        if (scores[i].voted && (!scores[place].voted || scores[i].value > scores[place].value)) place = i;
    } else {
      // Two classes whose trees vote for one only: its score decides, and the other's follows from it.
      if (classes == 2 && base.count() == 2) {
        if (scores[1].voted) {
          scores[1].value = base[1] + scores[0].value;
          scores[0].value = -scores[1].value;
        } else {
          scores[0].value += base[0];
          scores[1].value += base[1];
        }
      } else if (base.count() == 1) {
        scores[0].value += base[0];
      }
      if (classes == 2 && base.count() < 2 && !scores[1].voted) count = 1;
      const double deciding = classes == 2 && scores[1].voted ? scores[1].value : scores[0].value;
      // In float32, the type of the scores: a sum of exactly one half is not above it.
      positive = float(deciding) > (classes == 2 && one_class && no_negative ? 0.5f : 0.0f);
      if (count == 1 && classes == 2 && one_class) second = no_negative ? ml::Second::rest : ml::Second::opposite;
      place = positive;
      if (!one_class) place = scores[1].voted && (!scores[0].voted || scores[1].value > scores[0].value);
    }
    if (call.has_output(0)) {
      if (classes == 1)
        labels.put_sign(call.output(0), row, positive);
      else
        labels.put(call.output(0), row, place);
    }
    for (int64_t i = 0; i < count; ++i) values[i] = scores[i].voted || classes == 1 ? scores[i].value : 0;
    for (int64_t i = 0; i <= classes; ++i) written[i] = 0;
    ml::write_scores(transform, values, count, second, written);
    if (call.has_output(1)) copy(call.output(1).as<float>() + row * classes, written, classes);
  });
}

namespace shapes {

// The features that the nodes read must be there.
inline int64_t features_of(const Call& call) {
  int64_t features = 0;
  const Attribute *ids = call.attribute("nodes_featureids"), *modes = call.attribute("nodes_modes");
  for (int64_t i = 0; i < ids->count; ++i)
    if (!modes->strings || ml::branch_of(modes->strings[i]) != ml::Branch::leaf) features = math::greatest(features, ids->ints[i] + 1);
  return features;
}
inline bool has_features(const Call& call) {
  const Tensor& x = call.input(0);
  if (!is_table(call, 0)) return false;
  if (ml::columns_of(x) >= features_of(call)) return true;
  call.fail("the trees ask for a feature that the input does not have");
  return false;
}

inline void tree_ensemble(const Call& call) {
  if (has_features(call)) regression(call, 0, call.integer("n_targets", 1));
}
inline void tree_ensemble_classifier(const Call& call) {
  if (has_features(call)) classification(call, 0, ml::Labels(call, "classlabels_int64s").count());
}

}  // namespace shapes

#define LATHE_KERNELS_ML_TREES(X)                                                                     \
  X("ai.onnx.ml", TreeEnsemble, tree_ensemble, shapes::tree_ensemble)                                 \
  X("ai.onnx.ml", TreeEnsembleClassifier, tree_ensemble_classifier, shapes::tree_ensemble_classifier) \
  X("ai.onnx.ml", TreeEnsembleRegressor, tree_ensemble_regressor, shapes::tree_ensemble)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
