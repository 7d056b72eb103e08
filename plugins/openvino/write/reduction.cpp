// Reductions along axes, searches for the largest, sums along an axis.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

bool is_whole(int32_t type) { return type != LATHE_FLOAT32 && type != LATHE_FLOAT64 && type != LATHE_FLOAT16 && type != LATHE_BFLOAT16; }

// The axes of a reduction; nullopt: nothing is reduced.
std::optional<std::vector<int64_t>> axes_of(const Step& s) {
  std::vector<int64_t> axes;
  if (s.has(1)) axes = s.integers(1, "its axes");
  if (axes.empty()) {
    if (s.node.integer("noop_with_empty_axes", 0) != 0) return std::nullopt;
    for (int64_t i = 0; i < s.rank(0); ++i) axes.push_back(i);
  } else {
    for (int64_t& a : axes)
      if (a < 0) a += s.rank(0);
  }
  return axes;
}

// The axes are computed: none of them means all, or none with noop_with_empty_axes, so how many there are must be known.
void reduce_computed(Step& s) {
  const std::string_view op = s.node.op_type();
  const Wire x = s.in(0);
  Wire axes = s.in(1);
  if (!axes.has_rank() || axes.rank() != 1 || (*axes.dimensions)[0] < 0)
    s.refuse("how many axes it reduces is only known when it runs, and none means all");
  if ((*axes.dimensions)[0] == 0) {
    std::vector<int64_t> all;
    for (int64_t i = 0; i < s.rank(0) && s.node.integer("noop_with_empty_axes", 0) == 0; ++i) all.push_back(i);
    axes = s.indices(all);
  }
  const bool keep = s.node.integer("keepdims", 1) != 0;
  const sdk::ValueView result = s.node.output_value(0);
  const Dimensions out = result.has_rank() ? Dimensions(result.shape()) : std::nullopt;
  const auto fold = [&](std::string_view form, const Wire& data, bool keep_axes, const Dimensions& shape) {
    return s.make(form, {data, axes}, {{"keep_dims", text(keep_axes)}}, shape);
  };
  if (op.starts_with("ReduceLog") && is_whole(s.in(0).type)) {
    // Logarithms are those of real numbers.
    const Wire real = s.convert(x, LATHE_FLOAT64);
    const Wire y = op == "ReduceLogSum" ? fold("ReduceSum", real, keep, out) : fold("ReduceSum", s.make("Exp", {real}), keep, out);
    return s.out(0, s.convert(s.make("Log", {y}), x.type));
  }
  if (op == "ReduceLogSum") return s.out(0, s.make("Log", {fold("ReduceSum", x, keep, out)}));
  if (op == "ReduceSumSquare") return s.out(0, fold("ReduceSum", s.make("Multiply", {x, x}, {numpy}), keep, out));
  if (op == "ReduceLogSumExp") {
    const Dimensions kept = x.has_rank() ? Dimensions(std::vector<int64_t>(x.dimensions->size(), -1)) : std::nullopt;
    const Wire largest = fold("ReduceMax", x, true, kept);
    const Wire sum = fold("ReduceSum", s.make("Exp", {s.make("Subtract", {x, largest}, {numpy}, x.dimensions)}), true, kept);
    const Wire y = s.make("Add", {s.make("Log", {sum}), largest}, {numpy}, kept);
    return s.out(0, keep ? y : s.make("Squeeze", {y, axes}, {}, out));
  }
  const bool truth = x.type == LATHE_BOOL;
  s.out(0, fold(truth ? op == "ReduceMax" ? "ReduceLogicalOr" : "ReduceLogicalAnd" : op, x, keep, out));
}

void reduce(Step& s) {
  const std::string_view op = s.node.op_type();
  Wire x = s.in(0);
  if (s.has(1) && !s.constant(1)) return reduce_computed(s);
  const auto axes = axes_of(s);
  const bool keep = s.node.integer("keepdims", 1) != 0;
  const auto fold = [&](const char* form, const Wire& data) { return axes ? s.reduce(form, data, *axes, keep) : data; };
  // Logarithms are those of real numbers.
  const bool whole = op.starts_with("ReduceLog") && is_whole(x.type);
  const int32_t type = x.type;
  if (whole) x = s.convert(x, LATHE_FLOAT64);
  if (op == "ReduceLogSum") return s.out(0, s.convert(s.make("Log", {fold("ReduceSum", x)}), type));
  if (op == "ReduceSumSquare") return s.out(0, fold("ReduceSum", s.make("Multiply", {x, x}, {numpy})));
  if (op == "ReduceLogSumExp") {
    if (!axes) return s.out(0, s.convert(x, type));
    // The largest is taken out first, so that the exponentials stay finite.
    const Wire largest = s.reduce("ReduceMax", x, *axes, true);
    const Wire sum = s.reduce("ReduceSum", s.make("Exp", {s.make("Subtract", {x, largest}, {numpy})}), *axes, true);
    const Wire y = s.convert(s.make("Add", {s.make("Log", {sum}), largest}, {numpy}), type);
    return s.out(0, keep ? y : s.squeeze(y, *axes));
  }
  if (op == "ReduceL1" || op == "ReduceL2") {
    if (!axes) return s.out(0, s.make("Abs", {x}));
    return s.out(0, s.reduce(op == "ReduceL1" ? "ReduceL1" : "ReduceL2", x, *axes, keep));
  }
  if (x.type == LATHE_BOOL) return s.out(0, fold(op == "ReduceMax" ? "ReduceLogicalOr" : "ReduceLogicalAnd", x));
  s.out(0, axes ? s.reduce(op, x, *axes, keep) : x);
}

std::vector<Wire> top_k(Step& s, const Wire& x, const Wire& k, int64_t axis, const char* mode, const Dimensions& out) {
  // Only form 11 promises that equal elements keep their order, as ONNX wants.
  return s.make_many({"TopK", 11}, {x, k},
                     {{"axis", text(axis)}, {"mode", mode}, {"sort", "value"}, {"index_element_type", "i64"}, {"stable", "true"}}, {out, out});
}

void arg(Step& s) {
  Wire x = s.in(0);
  const int64_t rank = s.rank(0), axis = s.axis(s.node.integer("axis", 0), rank);
  const bool last = s.node.integer("select_last_index", 0) != 0;
  std::vector<int64_t> out = x.dimensions.value_or(std::vector<int64_t>());
  out.at(static_cast<size_t>(axis)) = 1;
  // The last of equal ones is the first of the reversed axis.
  Wire length;
  if (last) {
    length = s.gather(s.shape_of(x), s.indices({axis}), 0);
    x = s.slice(x, {-1}, {INT64_MIN + 1}, {-1}, {axis});
  }
  Wire found = top_k(s, x, s.index(1), axis, s.node.op_type() == "ArgMax" ? "max" : "min", out)[1];
  if (last) found = s.make("Subtract", {s.make("Subtract", {length, s.indices({1})}, {numpy}), found}, {numpy}, out);
  s.out(0, s.node.integer("keepdims", 1) != 0 ? found : s.squeeze(found, {axis}));
}

void top(Step& s) {
  const Wire x = s.in(0);
  const int64_t axis = s.node.integer("axis", -1);
  Dimensions out = x.dimensions;
  const auto known = s.known_integers(1);
  if (out) (*out)[static_cast<size_t>(s.axis(axis, x.rank()))] = known ? known->front() : -1;
  const Wire k = known ? s.index(known->front()) : s.squeeze(s.in(1), {0});
  const std::vector<Wire> both = top_k(s, x, k, axis, s.node.integer("largest", 1) != 0 ? "max" : "min", out);
  s.out(0, both[0]);
  s.out(1, both[1]);
}

void cumulative(Step& s) {
  Wire axis = s.in(1);
  if (axis.has_rank() && axis.rank() == 1) axis = s.squeeze(axis, {0});
  s.out(0, s.make("CumSum", {s.in(0), axis},
                  {{"exclusive", text(s.node.integer("exclusive", 0) != 0)}, {"reverse", text(s.node.integer("reverse", 0) != 0)}}));
}

// Products of 1, 2, 4, ... neighbours, until they reach over the axis.
Wire product_along(Step& s, int64_t axis) {
  Wire y = s.in(0);
  const int64_t rank = s.rank(0), size = (*y.dimensions)[static_cast<size_t>(axis)];
  if (size < 0) s.refuse("the IR sums along an axis (CumSum) but does not multiply along one, and the products in its place want a known size");
  const Wire one = s.scalar(y.type, 1);
  const bool reverse = s.node.integer("reverse", 0) != 0;
  const auto shifted = [&](const Wire& x, int64_t by) {
    std::vector<int64_t> front(static_cast<size_t>(rank), 0), back = front;
    (reverse ? back : front)[static_cast<size_t>(axis)] = by;
    Dimensions longer = x.dimensions;
    (*longer)[static_cast<size_t>(axis)] += by;
    const Wire padded = s.make("Pad", {x, s.indices(front), s.indices(back), one}, {{"pad_mode", "constant"}}, longer);
    return reverse ? s.slice(padded, {by}, {size + by}, {1}, {axis}) : s.slice(padded, {0}, {size}, {1}, {axis});
  };
  if (s.node.integer("exclusive", 0) != 0) y = shifted(y, 1);
  for (int64_t by = 1; by < size; by *= 2) y = s.make("Multiply", {y, shifted(y, by)}, {numpy});
  return y;
}

void cumulative_product(Step& s) {
  const int64_t rank = s.rank(0);
  if (rank == 0) s.refuse("its data has no axis");
  if (const auto axis = s.known_integers(1)) {
    const int64_t along = axis->size() == 1 ? s.axis(axis->front(), rank) : -1;
    if (along < 0 || along >= rank) s.refuse("its axis is none of the data's");
    return s.out(0, product_along(s, along));
  }
  // The axis is computed: the products along each, of which one is taken.
  const Wire axis = s.convert(s.in(1), LATHE_INT64);
  const Wire counted = s.make("FloorMod", {axis, s.index(rank)}, {numpy});
  Wire y = product_along(s, 0);
  for (int64_t i = 1; i < rank; ++i) {
    const Wire other = product_along(s, i), wanted = s.make("Equal", {counted, s.index(i)}, {numpy});
    y = s.make("Select", {wanted, other, y}, {numpy}, y.dimensions);
  }
  s.out(0, y);
}

constexpr Writer writers[] = {
    {"ArgMax", Means::decomposition, arg},
    {"ArgMin", Means::decomposition, arg},
    {"CumProd", Means::decomposition, cumulative_product},
    {"CumSum", Means::exact, cumulative},
    {"ReduceL1", Means::exact, reduce},
    {"ReduceL2", Means::exact, reduce},
    {"ReduceLogSum", Means::decomposition, reduce},
    {"ReduceLogSumExp", Means::decomposition, reduce},
    {"ReduceMax", Means::exact, reduce},
    {"ReduceMean", Means::exact, reduce},
    {"ReduceMin", Means::exact, reduce},
    {"ReduceProd", Means::exact, reduce},
    {"ReduceSum", Means::exact, reduce},
    {"ReduceSumSquare", Means::decomposition, reduce},
    {"TopK", Means::exact, top},
};

}  // namespace

std::span<const Writer> reduction_writers() { return writers; }

}  // namespace lathe::openvino
