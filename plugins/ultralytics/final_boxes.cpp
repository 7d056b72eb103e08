// See final_boxes.hpp.
#include "final_boxes.hpp"

#include <algorithm>

namespace lathe::ultralytics {
namespace {

Tensor to_float(Net& net, const Tensor& x) {
  return net.node("Cast", {x}, x.shape, [](sdk::NodeData& n) { n.set("to", int64_t(LATHE_FLOAT32)); });
}

// [1, C, A] -> [A, C]
Tensor rows_of(Net& net, const Tensor& x) { return net.reshape(net.permute(x, {0, 2, 1}), {x.shape[2], x.shape[1]}); }

// How many boxes are left is known only when the network runs: values of that open dimension, which Net does not count with.
class OpenRows {
 public:
  OpenRows(Net& net, const char* dimension) : net_(net), dimension_(dimension), prefix_("/" + net.path() + "/" + dimension + "/") {}

  // A node with one output whose first dimension is the open one; `rest`: the others.
  uint32_t node(const std::string& op_type, const std::vector<uint32_t>& inputs, std::vector<int64_t> rest, int32_t type,
                const Net::Fill& fill = {}) {
    sdk::Shape shape = {dimension_};
    shape.insert(shape.end(), rest.begin(), rest.end());
    return add(op_type, inputs, std::move(shape), type, fill);
  }
  uint32_t add(const std::string& op_type, const std::vector<uint32_t>& inputs, sdk::Shape shape, int32_t type, const Net::Fill& fill = {}) {
    const std::string name = prefix_ + op_type + "_" + std::to_string(count_++);
    const uint32_t value = net_.graph.add_value(name + "_output", type, std::move(shape));
    sdk::NodeData& n = net_.graph.add_node(op_type, inputs, {value}, name);
    if (fill) fill(n);
    return value;
  }
  uint32_t gather(uint32_t x, uint32_t indices, int64_t axis, std::vector<int64_t> rest, int32_t type) {
    return node("Gather", {x, indices}, std::move(rest), type, [&](sdk::NodeData& n) { n.set("axis", axis); });
  }
  const std::string& prefix() const { return prefix_; }

 private:
  Net& net_;
  std::string dimension_, prefix_;
  int count_ = 0;
};

}  // namespace

Tensor gather(Net& net, const Tensor& x, const Tensor& indices, int64_t axis) {
  std::vector<int64_t> shape = x.shape;
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, indices.shape.begin(), indices.shape.end());
  return net.node(
      "Gather", {x, indices}, shape, [&](sdk::NodeData& n) { n.set("axis", axis); }, x.type);
}

std::pair<Tensor, Tensor> largest(Net& net, const Tensor& x, int64_t count) {
  Tensor values = x, indices = x;
  values.shape.back() = indices.shape.back() = count;
  indices.type = LATHE_INT64;
  const Tensor k = net.integers("count", {count});
  const std::string name = "/" + net.path() + "/TopK_" + std::to_string(net.graph.node_count());
  const sdk::Shape shape(values.shape.begin(), values.shape.end());
  values.value = net.graph.add_value(name + "_values", values.type, shape);
  indices.value = net.graph.add_value(name + "_indices", LATHE_INT64, shape);
  net.graph.add_node("TopK", {x.value, k.value}, {values.value, indices.value}, name);
  return {values, indices};
}

Tensor best_boxes(Net& net, const Candidates& candidates, int64_t most) {
  const int64_t anchors = candidates.boxes.shape[2], classes = candidates.scores.shape[1], count = std::min(most, anchors);
  const Tensor strongest = net.reshape(net.reduce("ReduceMax", candidates.scores, {1}, false), {anchors});
  const Tensor chosen = largest(net, strongest, count).second;
  const auto rows = [&](const Tensor& t) { return gather(net, rows_of(net, t), chosen, 0); };
  const Tensor boxes = rows(candidates.boxes);
  const auto [values, places] = largest(net, net.reshape(rows(candidates.scores), {count * classes}), count);
  const Tensor divisor = net.integers("classes", {classes});
  const Tensor row = net.node("Div", {places, divisor}, {count}, {}, LATHE_INT64);
  const Tensor label = net.node("Mod", {places, divisor}, {count}, {}, LATHE_INT64);
  std::vector<Tensor> parts = {gather(net, boxes, row, 0), net.reshape(values, {count, 1}), net.reshape(to_float(net, label), {count, 1})};
  if (candidates.extra) parts.push_back(gather(net, rows(*candidates.extra), row, 0));
  const Tensor all = net.concat(parts, 1);
  return net.reshape(all, {1, all.shape[0], all.shape[1]});
}

Tensor suppressed_boxes(Net& net, const Candidates& candidates, const HeadOptions& options) {
  const Tensor strongest = net.reduce("ReduceMax", candidates.scores, {1}, true);
  const Tensor is_best = net.node("Equal", {candidates.scores, strongest}, candidates.scores.shape, {}, LATHE_BOOL);
  const Tensor scores = net.node("Where", {is_best, candidates.scores, net.scalar(0)}, candidates.scores.shape);
  OpenRows open(net, "boxes");
  // Indices are (batch, class, box).
  const uint32_t picked =
      open.node("NonMaxSuppression",
                {net.permute(candidates.boxes, {0, 2, 1}).value, scores.value, net.integers("most_boxes", {options.most_boxes}).value,
                 net.floats("overlap", {1}, {options.overlap}).value, net.floats("confidence", {1}, {options.confidence}).value},
                {3}, LATHE_INT64);
  const auto column = [&](int64_t index) {
    const Tensor at = net.node(
        "Constant", {}, {}, [&](sdk::NodeData& n) { n.set("value_int", index); }, LATHE_INT64);
    return open.gather(picked, at.value, 1, {}, LATHE_INT64);
  };
  const uint32_t label = open.node("Unsqueeze", {column(1), net.integers("last_axis", {1}).value}, {1}, LATHE_INT64), row = column(2);
  const auto rows = [&](const Tensor& t) { return open.gather(rows_of(net, t).value, row, 0, {t.shape[1]}, LATHE_FLOAT32); };
  const uint32_t score =
      open.node("GatherElements", {rows(candidates.scores), label}, {1}, LATHE_FLOAT32, [](sdk::NodeData& n) { n.set("axis", 1); });
  const uint32_t real_label = open.node("Cast", {label}, {1}, LATHE_FLOAT32, [](sdk::NodeData& n) { n.set("to", int64_t(LATHE_FLOAT32)); });
  std::vector<uint32_t> parts = {rows(candidates.boxes), score, real_label};
  int64_t width = 6;
  if (candidates.extra) {
    parts.push_back(rows(*candidates.extra));
    width += candidates.extra->shape[1];
  }
  const uint32_t all = open.node("Concat", parts, {width}, LATHE_FLOAT32, [](sdk::NodeData& n) { n.set("axis", 1); });
  // Over all classes, strongest first.
  OpenRows final(net, "final_boxes");
  const uint32_t flat = open.node("Reshape", {score, net.integers("flat", {-1}).value}, {}, LATHE_FLOAT32);
  const uint32_t found = open.add("Shape", {flat}, {1}, LATHE_INT64);
  const uint32_t count = open.add("Min", {found, net.integers("most_boxes", {options.most_boxes}).value}, {1}, LATHE_INT64);
  const uint32_t values = net.graph.add_value(final.prefix() + "values", LATHE_FLOAT32, sdk::Shape{"final_boxes"});
  const uint32_t order = net.graph.add_value(final.prefix() + "order", LATHE_INT64, sdk::Shape{"final_boxes"});
  net.graph.add_node("TopK", {flat, count}, {values, order}, final.prefix() + "TopK");
  Tensor result;
  result.value = final.gather(all, order, 0, {width}, LATHE_FLOAT32);
  result.shape = {-1, width};
  return result;
}

Tensor suppressed_rotated_boxes(Net& net, const Candidates& candidates, const HeadOptions& options) {
  constexpr int64_t most_candidates = 1024;
  constexpr float epsilon = 1e-7f;
  const int64_t anchors = candidates.boxes.shape[2], count = std::min(most_candidates, anchors);
  const Tensor strongest = net.reshape(net.reduce("ReduceMax", candidates.scores, {1}, false), {anchors});
  const Tensor labels = net.node(
      "ArgMax", {candidates.scores}, {1, anchors},
      [](sdk::NodeData& n) {
        n.set("axis", 1);
        n.set("keepdims", 0);
      },
      LATHE_INT64);
  const std::pair<Tensor, Tensor> best = largest(net, strongest, count);
  const Tensor &scores = best.first, &chosen = best.second;
  const auto rows = [&](const Tensor& t) { return gather(net, rows_of(net, t), chosen, 0); };
  const Tensor boxes = rows(candidates.boxes), extra = rows(*candidates.extra);
  const Tensor label = gather(net, net.reshape(labels, {anchors}), chosen, 0);

  const auto calculate = [&](const char* op_type, const Tensor& a, const Tensor& b) { return net.binary(op_type, a, b); };
  const auto times = [&](const Tensor& a, float b) { return net.binary("Mul", a, net.scalar(b)); };
  const auto plus = [&](const Tensor& a, float b) { return net.binary("Add", a, net.scalar(b)); };
  // The covariance of each box's Gaussian, (a c; c b).
  const std::vector<Tensor> place = net.split(boxes, {1, 1, 1, 1}, 1);  // x, y, width, height: [K, 1] each
  const Tensor angle = net.slice(extra, 1, 0, 1), cosine = net.unary("Cos", angle), sine = net.unary("Sin", angle);
  const Tensor cosine2 = calculate("Mul", cosine, cosine), sine2 = calculate("Mul", sine, sine);
  const Tensor wide = times(calculate("Mul", place[2], place[2]), 1.0f / 12.0f), high = times(calculate("Mul", place[3], place[3]), 1.0f / 12.0f);
  const Tensor a = calculate("Add", calculate("Mul", wide, cosine2), calculate("Mul", high, sine2));
  const Tensor b = calculate("Add", calculate("Mul", wide, sine2), calculate("Mul", high, cosine2));
  const Tensor c = calculate("Mul", calculate("Sub", wide, high), calculate("Mul", cosine, sine));
  // Every pair: rows are the stronger boxes.
  const auto pairs = [&](const char* op_type, const Tensor& t) { return calculate(op_type, t, net.reshape(t, {1, count})); };
  const Tensor sum_a = pairs("Add", a), sum_b = pairs("Add", b), sum_c = pairs("Add", c), dx = pairs("Sub", place[0]), dy = pairs("Sub", place[1]);
  const Tensor determinant = calculate("Sub", calculate("Mul", sum_a, sum_b), calculate("Mul", sum_c, sum_c)), safe = plus(determinant, epsilon);
  const Tensor quadratic = calculate("Add", calculate("Mul", sum_a, calculate("Mul", dy, dy)), calculate("Mul", sum_b, calculate("Mul", dx, dx)));
  const Tensor mixed = calculate("Mul", sum_c, calculate("Mul", dx, dy));
  const Tensor distance = calculate("Sub", times(calculate("Div", quadratic, safe), 0.25f), times(calculate("Div", mixed, safe), 0.5f));
  const Tensor own = calculate("Max", calculate("Sub", calculate("Mul", a, b), calculate("Mul", c, c)), net.scalar(0));
  const Tensor root = plus(times(net.unary("Sqrt", pairs("Mul", own)), 4), epsilon);
  const Tensor spread = times(net.unary("Log", plus(calculate("Div", determinant, root), epsilon)), 0.5f);
  const Tensor bhattacharyya = calculate("Min", calculate("Max", calculate("Add", distance, spread), net.scalar(epsilon)), net.scalar(100));
  const Tensor hellinger = net.unary("Sqrt", plus(calculate("Sub", net.scalar(1), net.unary("Exp", net.unary("Neg", bhattacharyya))), epsilon));
  const Tensor overlap = calculate("Sub", net.scalar(1), hellinger);

  const std::vector<int64_t> square = {count, count};
  const auto test = [&](const char* op_type, const Tensor& x, const Tensor& y, std::vector<int64_t> shape) {
    return net.node(op_type, {x, y}, std::move(shape), {}, LATHE_BOOL);
  };
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(i);
  const Tensor rank = net.integers("rank", numbers);
  const Tensor stronger = test("Less", net.reshape(rank, {count, 1}), rank, square);
  const Tensor same = test("Equal", net.reshape(label, {count, 1}), label, square);
  const Tensor near = test("GreaterOrEqual", overlap, net.scalar(options.overlap), square);
  const Tensor covers = to_float(net, test("And", test("And", stronger, same, square), near, square));
  const Tensor free = test("Less", net.reduce("ReduceMax", covers, {0}, false), net.scalar(0.5f), {count});
  const Tensor kept = test("And", free, test("Greater", scores, net.scalar(options.confidence), {count}), {count});

  const Tensor all = net.concat({boxes, net.reshape(scores, {count, 1}), net.reshape(to_float(net, label), {count, 1}), extra}, 1);
  OpenRows open(net, "boxes"), final(net, "final_boxes");
  const uint32_t found = open.add("NonZero", {kept.value}, sdk::Shape{1, "boxes"}, LATHE_INT64);
  const uint32_t places = open.node("Reshape", {found, net.integers("flat", {-1}).value}, {}, LATHE_INT64);
  const uint32_t most =
      final.node("Slice", {places, net.integers("starts", {0}).value, net.integers("ends", {options.most_boxes}).value}, {}, LATHE_INT64);
  Tensor result;
  result.value = final.gather(all.value, most, 0, {all.shape[1]}, LATHE_FLOAT32);
  result.shape = {-1, all.shape[1]};
  return result;
}

}  // namespace lathe::ultralytics
