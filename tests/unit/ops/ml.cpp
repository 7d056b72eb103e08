// ai.onnx.ml: features, linear models, support vector machines, trees. Scores come from ONNX Runtime 1.30, labels and small cases from hand.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

using Integers = std::vector<int64_t>;

std::string graph(const std::string& outputs, const std::string& constants, const std::string& call) {
  return "g () => (" + outputs + ") <" + constants + "> { " + (outputs == "z" || outputs == "y" ? "" : outputs) + call + " }";
}
// The output of one node with one output.
Tensor of(const std::string& constants, const std::string& node) { return result(graph("y", constants, "y = ai.onnx.ml." + node)); }
// Labels and scores of a classifier.
Tensor labels(const std::string& constants, const std::string& node) { return result(graph("y", constants, "y, z = ai.onnx.ml." + node)); }
Tensor scores(const std::string& constants, const std::string& node) { return result(graph("z", constants, "y, z = ai.onnx.ml." + node)); }

void check_texts(const Tensor& found, const std::vector<std::string>& expected) {
  REQUIRE(found.type == DataType::string);
  CHECK(*found.strings == expected);
}

const std::string six = "float[3,2] x = {1, -2, 0.5, 3, -1, 0.25}";
const std::string vectors =
    "support_vectors = [1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 0.5, 0.5, -0.5, 1.5], kernel_params = [0.5, 0.25, 3.0], kernel_type = ";

// Two trees: feature 0 <= 0.75, then feature 1 > 0; and feature 1 < 1.
const std::string eight = "float[4,2] x = {1, -2, 0.5, 3, -1, 0.25, 0.75, 1}";
const std::string trees =
    "nodes_treeids = [0, 0, 0, 0, 0, 1, 1, 1], nodes_nodeids = [0, 1, 2, 3, 4, 0, 1, 2], nodes_featureids = [0, 1, 0, 0, 0, 1, 0, 0], nodes_values = "
    "[0.75, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], nodes_truenodeids = [1, 3, 0, 0, 0, 1, 0, 0], nodes_falsenodeids = [2, 4, 0, 0, 0, 2, 0, 0], "
    "nodes_modes = [\"BRANCH_LEQ\", \"BRANCH_GT\", \"LEAF\", \"LEAF\", \"LEAF\", \"BRANCH_LT\", \"LEAF\", \"LEAF\"]";

}  // namespace

TEST_CASE("labels and categories") {
  check_texts(of("int64[4] x = {2, 9, 1, 2}", "LabelEncoder<keys_int64s = [1, 2], values_strings = [\"one\", \"two\"]>(x)"),
              {"two", "_Unused", "one", "two"});
  CHECK(values<int64_t>(of(R"(string[3] x = {"b", "z", "a"})",
                           R"(LabelEncoder<keys_strings = ["a", "b"], values_int64s = [10, 20], default_int64 = 42>(x))")) == Integers{20, 42, 10});
  // Every NaN is one key; 0 and -0 are one.
  check_floats(of("float[3] x = {nan, -0.0, 5}", "LabelEncoder<keys_floats = [nan, 0.0, 5.0], values_floats = [1.5, 2.5, 3.5]>(x)"),
               {1.5f, 2.5f, 3.5f});
  CHECK(values<int16_t>(of("int32[3] x = {7, 8, 9}",
                           "LabelEncoder<keys_tensor = int32[2] {8, 9}, values_tensor = int16[2] {-8, -9}, default_tensor = int16[1] {3}>(x)")) ==
        std::vector<int16_t>{3, -8, -9});
  const std::string categories =
      "CategoryMapper<cats_int64s = [5, 6], cats_strings = [\"five\", \"six\"], default_string = \"?\", default_int64 = -7>(x)";
  check_texts(of("int64[3] x = {6, 5, 4}", categories), {"six", "five", "?"});
  CHECK(values<int64_t>(of(R"(string[3] x = {"six", "ten", "five"})", categories)) == Integers{6, -7, 5});
  check_floats(of("float[2] x = {3.7, 2}", "OneHotEncoder<cats_int64s = [3, 1, 0]>(x)"), {1, 0, 0, 0, 0, 0});
  check_floats(of(R"(string[2,1] x = {"b", "a"})", R"(OneHotEncoder<cats_strings = ["a", "b"]>(x))"), {0, 1, 1, 0});
  CHECK_THROWS_WITH_AS(of("int64[1] x = {4}", "OneHotEncoder<cats_int64s = [1], zeros = 0>(x)"), doctest::Contains("none of the categories"), Error);
}

TEST_CASE("scaling, imputing, selecting and joining columns") {
  check_floats(of(six, "Scaler<offset = [1.0, 2.0], scale = [0.5, 2.0]>(x)"), {0, -8, -0.25f, 2, -1, -3.5f});
  check_floats(of("int32[2] x = {3, 5}", "Scaler<offset = [1.0], scale = [0.5]>(x)"), {1, 2});
  check_floats(of(six, "Imputer<imputed_value_floats = [9.0, 8.0], replaced_value_float = -2.0>(x)"), {1, 8, 0.5f, 3, -1, 0.25f});
  check_floats(of("float[2] x = {nan, 1}", "Imputer<imputed_value_floats = [9.0], replaced_value_float = nan>(x)"), {9, 1});
  CHECK(values<int64_t>(of("int64[2] x = {-1, 1}", "Imputer<imputed_value_int64s = [9], replaced_value_int64 = -1>(x)")) == Integers{9, 1});
  check_floats(of(six, "Binarizer<threshold = 0.25>(x)"), {1, 0, 1, 1, 0, 0});
  const std::string rows = "float[3,2] x = {1, -2, 0, 0, -3, -4}";
  check_floats(of(rows, "Normalizer<norm = \"MAX\">(x)"), {1, -2, 0, 0, 1, 1.33333337f});
  check_floats(of(rows, "Normalizer<norm = \"L1\">(x)"), {0.333333343f, -0.666666687f, 0, 0, -0.428571433f, -0.571428597f});
  check_floats(of(rows, "Normalizer<norm = \"L2\">(x)"), {0.44721359f, -0.894427180f, 0, 0, -0.6f, -0.8f});
  const Tensor picked = of("float[4] x = {1, 2, 3, 4}, int64[2] i = {3, 1}", "ArrayFeatureExtractor(x, i)");
  CHECK(picked.dimensions == Integers{1, 2});
  check_floats(picked, {4, 2});
  check_texts(of(R"(string[2,2] x = {"a", "b", "c", "d"}, int64[1] i = {1})", "ArrayFeatureExtractor(x, i)"), {"b", "d"});
  CHECK_THROWS_WITH_AS(of("float[4] x = {1, 2, 3, 4}, int64[1] i = {4}", "ArrayFeatureExtractor(x, i)"), doctest::Contains("outside"), Error);
  const std::string joined = "float[2,2] x = {1, 2, 3, 4}, float[2,3] w = {5, 6, 7, 8, 9, 10}";
  check_floats(of(joined, "FeatureVectorizer<inputdimensions = [2, 3]>(x, w)"), {1, 2, 5, 6, 7, 3, 4, 8, 9, 10});
  check_floats(of(joined, "FeatureVectorizer<inputdimensions = [1, 4]>(x, w)"), {1, 5, 6, 7, 0, 3, 8, 9, 10, 0});
}

TEST_CASE("linear models") {
  const std::string two = "coefficients = [0.1, 0.05, 0.2, -0.1], intercepts = [0.5, 0.4]";
  check_floats(of(six, "LinearRegressor<" + two + ", targets = 2>(x)"), {0.5f, 0.8f, 0.7f, 0.2f, 0.4125f, 0.175f});
  check_floats(of(six, "LinearRegressor<" + two + ", targets = 2, post_transform = \"SOFTMAX\">(x)"),
               {0.425557464f, 0.574442506f, 0.622459352f, 0.377540678f, 0.559097469f, 0.440902531f});
  // One score and two labels.
  const std::string one = "LinearClassifier<coefficients = [0.3, 0.1], intercepts = [0.2], classlabels_ints = [5, 7]";
  CHECK(values<int64_t>(labels(six, one + ">(x)")) == Integers{7, 7, 5});
  check_floats(scores(six, one + ">(x)"), {0.7f, 0.3f, 0.35f, 0.65f, 1.075f, -0.075f});
  check_floats(scores(six, one + ", post_transform = \"LOGISTIC\">(x)"),
               {0.425557494f, 0.574442506f, 0.342989504f, 0.657010496f, 0.51874125f, 0.48125875f});
  const std::string three =
      "LinearClassifier<coefficients = [0.1, 0.05, 0.2, -0.1, 0.0, 0.1], intercepts = [0.5, 0.4, 0.3], classlabels_strings = [\"a\", \"b\", \"c\"]";
  check_texts(labels(six, three + ">(x)"), {"b", "a", "a"});
  check_floats(scores(six, three + ", post_transform = \"LOGISTIC\">(x)"),
               {0.622459292f, 0.689974427f, 0.524979174f, 0.668187737f, 0.549834013f, 0.645656288f, 0.601687193f, 0.543638706f, 0.580542326f});
  check_floats(of("float[1,1] x = {0.65}", "LinearRegressor<coefficients = [1.0], post_transform = \"PROBIT\">(x)"), {0.38534024f}, 1e-5f);
}

TEST_CASE("support vector machines") {
  const std::string regressor = "SVMRegressor<coefficients = [0.5, -1.0, 0.25, 0.75, -0.5], n_supports = 5, rho = [0.1], " + vectors;
  check_floats(of(six, regressor + "\"POLY\">(x)"), {2.52578115f, -11.6709957f, -0.0618041977f}, 1e-5f);
  check_floats(of(six, regressor + "\"SIGMOID\">(x)"), {1.66408491f, -0.721050739f, -0.493539482f}, 1e-5f);
  check_floats(
      of(six, "SVMRegressor<coefficients = [0.5, -1.0], support_vectors = [1.0, 0.0, 0.0, 1.0], n_supports = 2, rho = [0.1], one_class = 1>(x)"),
      {1, -1, -1});
  const std::string three =
      "SVMClassifier<coefficients = [0.5, -1.0, 0.25, 0.75, -0.5, 0.2, 0.3, -0.4, 0.5, -0.6], vectors_per_class = [2, 2, 1], rho = [0.1, -0.2, 0.3], "
      "classlabels_ints = [5, 7, 9], " +
      vectors + "\"RBF\"";
  CHECK(values<int64_t>(labels(six, three + ">(x)")) == Integers{5, 5, 5});
  check_floats(scores(six, three + ">(x)"),
               {0.210531607f, -0.171266645f, 0.286127001f, 0.018448785f, -0.260665208f, 0.203777909f, 0.0582086742f, -0.238433972f, 0.0317767113f},
               1e-5f);
  check_floats(scores(six, three + ", prob_a = [-1.0, -1.5, -0.5], prob_b = [0.1, 0.2, -0.1]>(x)"),
               {0.297088891f, 0.351763129f, 0.351147979f, 0.263561308f, 0.37163043f, 0.364808321f, 0.268845797f, 0.356359333f, 0.37479502f}, 1e-5f);
  const std::string two =
      "SVMClassifier<coefficients = [0.5, -1.0, 0.25, 0.75, -0.5], vectors_per_class = [3, 2], rho = [0.1], classlabels_ints = [5, 7], " + vectors +
      "\"RBF\"";
  CHECK(values<int64_t>(labels(six, two + ">(x)")) == Integers{5, 7, 7});
  check_floats(scores(six, two + ">(x)"), {-0.210176513f, 0.210176513f, 0.0800070539f, -0.0800070539f, 0.143809587f, -0.143809587f}, 1e-5f);
  const std::string linear = "SVMClassifier<coefficients = [0.5, -1.0, 0.2, 0.3, -0.1, 0.4], rho = [0.1], classlabels_ints = [5, 7, 9]>(x)";
  CHECK(values<int64_t>(labels(six, linear)) == Integers{5, 9, 9});
  check_floats(scores(six, linear), {2.6f, -0.3f, -0.8f, -2.65f, 1.1f, 1.25f, -0.65f, -0.025f, 0.3f}, 1e-5f);
}

TEST_CASE("older ensembles of trees") {
  const std::string one =
      "TreeEnsembleRegressor<target_treeids = [0, 0, 0, 1, 1], target_nodeids = [2, 3, 4, 1, 2], target_ids = [0, 0, 0, 0, 0], target_weights = "
      "[0.1, 0.2, 0.3, 0.05, 0.25], base_values = [0.125], " +
      trees;
  check_floats(of(eight, one + ">(x)"), {0.275f, 0.575f, 0.375f, 0.575f});
  check_floats(of(eight, one + ", aggregate_function = \"AVERAGE\">(x)"), {0.2f, 0.35f, 0.25f, 0.35f});
  const std::string two =
      "TreeEnsembleRegressor<n_targets = 2, target_treeids = [0, 0, 0, 1, 1, 1], target_nodeids = [2, 3, 4, 1, 2, 2], target_ids = [0, 1, 0, 1, 0, "
      "1], target_weights = [0.1, 0.2, 0.3, 0.05, 0.25, 0.5], " +
      trees;
  check_floats(of(eight, two + ">(x)"), {0.1f, 0.05f, 0.25f, 0.7f, 0, 0.25f, 0.25f, 0.7f});
  check_floats(of(eight, two + ", aggregate_function = \"MIN\">(x)"), {0.1f, 0.05f, 0.25f, 0.2f, 0, 0.05f, 0.25f, 0.2f});
  // NaN takes the false branch, unless the node says otherwise.
  check_floats(of("float[1,2] x = {nan, 2}", one + ">(x)"), {0.475f});
  check_floats(of("float[1,2] x = {nan, 2}", one + ", nodes_missing_value_tracks_true = [1, 0, 0, 0, 0, 0, 0, 0]>(x)"), {0.575f});

  // Two classes, votes for one: its score is the probability of the second label.
  const auto classifier = [](const std::string& sign) {
    return "TreeEnsembleClassifier<class_treeids = [0, 0, 0, 1, 1], class_nodeids = [2, 3, 4, 1, 2], class_ids = [0, 0, 0, 0, 0], class_weights = [" +
           sign + "0.1, 0.2, 0.3, " + sign + "0.05, 0.25], classlabels_strings = [\"no\", \"yes\"], " + trees;
  };
  check_texts(labels(eight, classifier("") + ">(x)"), {"no", "no", "no", "no"});
  check_floats(scores(eight, classifier("") + ">(x)"), {0.85f, 0.15f, 0.55f, 0.45f, 0.75f, 0.25f, 0.55f, 0.45f});
  check_texts(labels(eight, classifier("-") + ", post_transform = \"LOGISTIC\">(x)"), {"no", "yes", "yes", "yes"});
  check_floats(scores(eight, classifier("-") + ", post_transform = \"LOGISTIC\">(x)"),
               {0.53742981f, 0.46257019f, 0.389360726f, 0.610639274f, 0.46257019f, 0.53742981f, 0.389360726f, 0.610639274f});
  const std::string three =
      "TreeEnsembleClassifier<class_treeids = [0, 0, 0, 1, 1, 1], class_nodeids = [2, 3, 4, 1, 2, 2], class_ids = [0, 1, 2, 1, 0, 2], class_weights "
      "= [0.1, 0.2, 0.3, 0.05, 0.25, 0.1], classlabels_int64s = [5, 7, 9], " +
      trees;
  CHECK(values<int64_t>(labels(eight, three + ">(x)")) == Integers{5, 5, 7, 5});
  check_floats(scores(eight, three + ">(x)"), {0.1f, 0.05f, 0, 0.25f, 0.2f, 0.1f, 0, 0.25f, 0, 0.25f, 0.2f, 0.1f});
  check_floats(scores(eight, three + ", base_values = [0.1, 0.2, 0.05], post_transform = \"SOFTMAX\">(x)"),
               {0.343409061f, 0.361016035f, 0.295574933f, 0.348431826f, 0.366296321f, 0.285271883f, 0.296709746f, 0.421051204f, 0.28223905f,
                0.348431826f, 0.366296321f, 0.285271883f});
}

TEST_CASE("TreeEnsemble with set membership") {
  // x <= 11: leaf 0 or a set {12, 3.5}; else a set {100, 200}.
  const std::string ensemble =
      "TreeEnsemble<n_targets = 2, nodes_modes = uint8[3] {0, 6, 6}, nodes_splits = float[3] {11, 0, 0}, nodes_featureids = [0, 0, 0], "
      "nodes_truenodeids = [1, 0, 1], nodes_trueleafs = [0, 1, 1], nodes_falsenodeids = [2, 2, 3], nodes_falseleafs = [0, 1, 1], leaf_targetids = "
      "[0, 1, 0, 1], leaf_weights = float[4] {1, 10, 100, 1000}, membership_values = float[5] {1.5, 3.5, nan, 100, 200}, tree_roots = [0]";
  check_floats(of("float[5,1] x = {3.5, 4, 200, 12, nan}", ensemble + ">(x)"), {1, 0, 100, 0, 0, 10, 0, 1000, 0, 1000});
  check_floats(of("float[1,1] x = {3.5}", ensemble + ", post_transform = 2>(x)"), {0.731058579f, 0.5f});
  CHECK_THROWS_WITH_AS(
      of("float[1,1] x = {1}",
         "TreeEnsemble<nodes_modes = uint8[1] {0}, nodes_splits = float[1] {2}, nodes_featureids = [0], nodes_truenodeids = [0], nodes_trueleafs = "
         "[0], nodes_falsenodeids = [0], nodes_falseleafs = [1], leaf_targetids = [0], leaf_weights = float[1] {1}, tree_roots = [0]>(x)"),
      doctest::Contains("circle"), Error);
}

TEST_CASE("the first form of LabelEncoder") {
  check_texts(of("int64[3] x = {1, 0, 7}", "LabelEncoder<classes_strings = [\"a\", \"b\"], default_string = \"?\">(x)"), {"b", "a", "?"});
  CHECK(values<int64_t>(of(R"(string[3] x = {"b", "c", "a"})", R"(LabelEncoder<classes_strings = ["a", "b"]>(x))")) == Integers{1, -1, 0});
}

TEST_CASE("operators on maps are refused, with what to do") {
  check_complaint("g (float[4,2] x) => (y) { [\"it\"] y = ai.onnx.ml.ZipMap<classlabels_int64s = [0, 1]>(x) }", {"'it'", "ZipMap", "maps", "zipmap"});
  check_complaint("g (float[4,2] x) => (y) { y = ai.onnx.ml.CastMap(x) }", {"CastMap", "maps", "dictionary"});
}

TEST_CASE("bad models of ai.onnx.ml") {
  const auto bad = [](const std::string& node, const std::vector<std::string>& parts, const std::string& type = "float[4,2]") {
    check_complaint("g (" + type + " x) => (y) { [\"it\"] y = ai.onnx.ml." + node + " }", parts);
  };
  bad("LabelEncoder<keys_int64s = [1], values_int64s = [1]>(x)", {"'it'", "LabelEncoder", "input's type", "int64"});
  bad("LabelEncoder<keys_floats = [1.0], values_int64s = [1, 2]>(x)", {"differ in number", "1", "2"});
  bad("LabelEncoder<keys_floats = [1.0], keys_int64s = [1], values_int64s = [1]>(x)", {"both given"});
  bad("LabelEncoder<values_int64s = [1]>(x)", {"missing", "keys_tensor"});
  bad("CategoryMapper<cats_int64s = [1], cats_strings = [\"a\", \"b\"]>(x)", {"'cats_strings' has the wrong length"}, "int64[3]");
  bad("CategoryMapper<cats_int64s = [1], cats_strings = [\"a\"]>(x)", {"does not take", "float"});
  bad("Scaler<offset = [1.0, 2.0, 3.0]>(x)", {"'offset' has the wrong length", "1 or 2", "3"});
  bad("Imputer(x)", {"'imputed_value_floats' is missing"});
  bad("Normalizer<norm = \"L3\">(x)", {"unknown value", "L3", "MAX, L1, L2"});
  bad("OneHotEncoder<cats_strings = [\"a\"]>(x)", {"not of the input's type"});
  bad("FeatureVectorizer<inputdimensions = [1, 2]>(x)", {"'inputdimensions' has the wrong length"});
  bad("LinearRegressor<coefficients = [1.0, 2.0, 3.0]>(x)", {"number of features", "3", "4x2"});
  bad("LinearRegressor<coefficients = [1.0, 2.0], post_transform = \"SQUARE\">(x)", {"'post_transform'", "SQUARE"});
  bad("LinearRegressor<coefficients = [1.0, 2.0]>(x)", {"number of dimensions"}, "float[2,2,2]");
  bad("SVMRegressor<coefficients = [1.0, 2.0], rho = [0.0], kernel_type = \"RBF\">(x)", {"'kernel_params' has the wrong length", "3"});
  bad("SVMRegressor<coefficients = [1.0], n_supports = 2, support_vectors = [1.0, 2.0, 3.0, 4.0], rho = [0.0]>(x)",
      {"'coefficients' is too short", "2", "1"});
  const auto regressor = [&](const std::string& change, const std::vector<std::string>& parts, const std::string& type = "float[4,2]") {
    bad("TreeEnsembleRegressor<target_treeids = [0, 0], target_nodeids = [1, 2], target_ids = [0, 0], target_weights = [1.0, 2.0], nodes_treeids = "
        "[0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_values = [0.0, 0.0, 0.0], nodes_modes = [\"BRANCH_LT\", \"LEAF\", \"LEAF\"], " +
            change + ">(x)",
        parts, type);
  };
  const std::string children = "nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0]";
  regressor("nodes_featureids = [2, 0, 0], " + children, {"feature that the input does not have", "3", "4x2"});
  regressor("nodes_featureids = [0, 0], " + children, {"'nodes_featureids' has the wrong length", "3", "2"});
  regressor("nodes_featureids = [0, 0, 0], nodes_truenodeids = [7, 0, 0], nodes_falsenodeids = [2, 0, 0]",
            {"leads to a node that is not there", "7"});
  regressor("nodes_featureids = [0, 0, 0], " + children + ", nodes_values_as_tensor = double[3] {1, 2, 3}", {"both given"});
  regressor("nodes_featureids = [0, 0, 0], " + children + ", base_values = [1.0, 2.0]", {"'base_values' has the wrong length"});
  const auto ensemble = [&](const std::string& change, const std::vector<std::string>& parts) {
    bad("TreeEnsemble<nodes_featureids = [0], nodes_truenodeids = [0], nodes_trueleafs = [1], nodes_falsenodeids = [0], nodes_falseleafs = [1], "
        "leaf_weights = float[1] {1}, " +
            change + ">(x)",
        parts);
  };
  const std::string leaves = ", leaf_targetids = [0]", roots = ", tree_roots = [0]", splits = ", nodes_splits = float[1] {2}";
  ensemble("nodes_modes = uint8[1] {7}" + splits + leaves + roots, {"'nodes_modes' is out of range", "7"});
  ensemble("nodes_modes = uint8[1] {6}" + splits + leaves + roots, {"'membership_values' is missing"});
  ensemble("nodes_modes = uint8[1] {0}" + leaves + roots + ", nodes_splits = double[1] {2}",
           {"'nodes_splits' has the wrong type", "float", "double"});
  ensemble("nodes_modes = uint8[1] {0}" + splits + roots + ", leaf_targetids = [1]", {"'leaf_targetids' is out of range"});
  ensemble("nodes_modes = uint8[1] {0}" + splits + leaves + ", tree_roots = [1]", {"'tree_roots' is out of range"});
}
