// Reductions along axes, running sums, places of the greatest, the first of a sorted order.
#include <algorithm>
#include <limits>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// The axes as the node gives them: an input or an attribute, negative from the end; all of them where there is none.
std::vector<int> axes_of(const Lowering& l, const Work& w, size_t rank, bool& nothing) {
  std::vector<int64_t> given;
  nothing = false;
  if (w.has(1)) {
    const auto constant = l.integers(w.in(1));
    if (!constant) l.refuse("its axes are computed, and the order of a tensor's axes in the file is settled before");
    given = *constant;
  } else {
    given = w.node.integers("axes");
  }
  if (given.empty() && w.node.integer("noop_with_empty_axes", 0)) nothing = true;
  std::vector<int> axes;
  for (const int64_t a : given) axes.push_back(static_cast<int>(a < 0 ? a + static_cast<int64_t>(rank) : a));
  if (axes.empty() && !nothing) axes = identity(rank);
  return axes;
}

// The order that is left when axes go.
Order without(const Order& order, const std::vector<int>& axes) {
  Order left;
  for (const int axis : order) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    left.push_back(axis - static_cast<int>(std::count_if(axes.begin(), axes.end(), [&](int a) { return a < axis; })));
  }
  return left;
}

Expression reduced(std::string_view name, Expression x, const std::vector<int>& axes, bool keep) {
  return x.with(x.lowering->reduce(name, x.tensor, axes, keep));
}

void lower_reduce(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  bool nothing = false;
  const std::vector<int> axes = axes_of(l, w, rank, nothing);
  const bool keep = w.node.integer("keepdims", 1) != 0;
  const Order order = l.order_of(w.in(0));
  const int32_t from = l.in_order(w.in(0), order);
  std::vector<int> held;
  for (const int a : axes) held.push_back(held_axis(order, a));
  std::sort(held.begin(), held.end());
  const Order to = keep ? order : without(order, axes);
  const sdk::NodeView& n = w.node;
  const Type type = l.type(w.in(0));
  if (w.quantized) {
    const std::string_view name = n.is("ReduceMean") ? "MEAN" : n.is("ReduceMax") ? "REDUCE_MAX" : n.is("ReduceMin") ? "REDUCE_MIN" : "SUM";
    if (nothing) l.refuse("a reduction over nothing is not computed on integers");
    l.emit(name, {from, l.ints({held.begin(), held.end()})}, {l.result(w.out(), to)}).options = {{"keep_dims", keep ? 1.0 : 0.0, {}}};
    return;
  }
  if (type == Type::boolean && (n.is("ReduceMax") || n.is("ReduceMin"))) {
    if (nothing) return l.define(w.out(), from, order);
    return l.define(w.out(), l.reduce(n.is("ReduceMax") ? "REDUCE_ANY" : "REDUCE_ALL", from, held, keep), to);
  }
  Type in = type;
  if (type == Type::int8 || type == Type::uint8 || type == Type::int16 || type == Type::uint16) in = Type::int32;
  if (in != Type::float32 && in != Type::int32 && in != Type::int64)
    l.refuse(std::string("the runtime's reductions have no kernel for ") + name(type));
  for (const int64_t e : l.extents(w.in(0))) {
    if (e != 0 || in != Type::float32) continue;  // over nothing: what changes nothing
    const double none = n.is("ReduceProd")                                                     ? 1
                        : n.is("ReduceMin")                                                    ? std::numeric_limits<float>::infinity()
                        : n.is("ReduceMax") || n.is("ReduceLogSum") || n.is("ReduceLogSumExp") ? -std::numeric_limits<float>::infinity()
                        : n.is("ReduceMean")                                                   ? std::numeric_limits<float>::quiet_NaN()
                                                                                               : 0;
    return l.define(w.out(), l.filled(type, permute(l.extents(w.out()), to), none), to);
  }
  const Expression x{&l, l.cast(from, in)};
  const auto over = [&](std::string_view name, Expression e) { return nothing ? e : reduced(name, e, held, keep); };
  Expression y = x;
  if (n.is("ReduceMean")) y = over("MEAN", x);
  if (n.is("ReduceSum")) y = over("SUM", x);
  if (n.is("ReduceMax")) y = over("REDUCE_MAX", x);
  if (n.is("ReduceMin")) y = over("REDUCE_MIN", x);
  if (n.is("ReduceProd")) y = over("REDUCE_PROD", x);
  if (n.is("ReduceL1")) y = over("SUM", in == Type::float32 ? x.call("ABS") : absolute(x));
  if (n.is("ReduceSumSquare")) y = over("SUM", x * x);
  if (n.is("ReduceL2") || n.is("ReduceLogSum") || n.is("ReduceLogSumExp")) {
    if (in != Type::float32) l.refuse(std::string("the runtime's SQRT and LOG have no kernel for ") + name(type));
    if (n.is("ReduceL2")) y = sqrt(over("SUM", x * x));
    if (n.is("ReduceLogSum")) y = log(over("SUM", x));
    if (n.is("ReduceLogSumExp")) {  // the greatest is taken out, so that nothing overflows
      if (nothing) {
        y = x;
      } else {
        const Expression most = reduced("REDUCE_MAX", x, held, true);
        const Expression sum = log(reduced("SUM", exp(x - most), held, true)) + most;
        y = x.with(l.reshape(sum.tensor, permute(l.extents(w.out()), to)));
      }
    }
  }
  l.define(w.out(), l.cast(y.tensor, type), nothing ? order : to);
}

// TFLite takes the first of equals; the last is the first of what is reversed.
void lower_arg(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  const bool keep = w.node.integer("keepdims", 1) != 0;
  const Order order = l.order_of(w.in(0));
  int32_t x = l.in_order(w.in(0), order);
  Type type = l.type_of(x);
  if (type == Type::int16 || type == Type::uint16) x = l.cast(x, type = Type::int32);
  if (type != Type::float32 && type != Type::int32 && type != Type::uint8 && type != Type::int8)
    l.refuse(std::string("the runtime's ARG_MAX has no kernel for ") + name(type));
  if (type == Type::int8 || type == Type::uint8) x = l.cast(x, Type::int32);
  const int at = held_axis(order, axis);
  const bool last = w.node.integer("select_last_index", 0) != 0;
  const int64_t extent = l.extents(w.in(0))[static_cast<size_t>(axis)];
  if (last) {
    if (extent < 0) l.refuse("the last of equals wants a fixed extent");
    x = l.make("REVERSE_V2", {x, l.ints({at})}, l.type_of(x), l.extents_of(x));
  }
  Extents e = l.extents_of(x);
  e.erase(e.begin() + at);
  int32_t y = l.make(w.node.is("ArgMax") ? "ARG_MAX" : "ARG_MIN", {x, l.int_scalar(at)}, Type::int64, e,
                     {{"output_type", static_cast<double>(Type::int64), {}}});
  if (last) y = l.binary("SUB", l.filled(Type::int64, {}, static_cast<double>(extent - 1)), y);
  const Order to = keep ? order : without(order, {axis});
  l.define(w.out(), l.reshape(y, permute(l.extents(w.out()), to)), to);
}

void lower_cumsum(Lowering& l, const Work& w) {
  const auto axis = l.integers(w.in(1));
  if (!axis || axis->size() != 1) l.refuse("its axis is computed");
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const Type type = l.type_of(x);
  if (type != Type::float32 && type != Type::int32 && type != Type::int64)
    l.refuse(std::string("the runtime's CUMSUM has no kernel for ") + name(type));
  const int logical = static_cast<int>((*axis)[0] < 0 ? (*axis)[0] + static_cast<int64_t>(order.size()) : (*axis)[0]);
  const int32_t at = l.int_scalar(held_axis(order, logical));
  l.define(w.out(),
           l.make("CUMSUM", {x, at}, type, l.extents_of(x),
                  {{"exclusive", static_cast<double>(w.node.integer("exclusive", 0)), {}},
                   {"reverse", static_cast<double>(w.node.integer("reverse", 0)), {}}}),
           order);
}

// There is no running product among the operators: slice after slice.
void lower_cumprod(Lowering& l, const Work& w) {
  const auto axis = l.integers(w.in(1));
  if (!axis || axis->size() != 1) l.refuse("its axis is computed");
  const Order order = l.order_of(w.in(0));
  const int32_t x = l.in_order(w.in(0), order);
  const Type type = l.type_of(x);
  if (type != Type::float32 && type != Type::int32 && type != Type::int64) l.refuse(std::string("the runtime's MUL has no kernel for ") + name(type));
  const int logical = static_cast<int>((*axis)[0] < 0 ? (*axis)[0] + static_cast<int64_t>(order.size()) : (*axis)[0]);
  const auto at = static_cast<size_t>(held_axis(order, logical));
  const Extents e = l.extents_of(x);
  for (const int64_t d : e)
    if (d < 0) l.refuse("its shape is open, and the slices it multiplies are written out one after another");
  const bool exclusive = w.node.integer("exclusive", 0) != 0, reverse = w.node.integer("reverse", 0) != 0;
  Extents one = e;
  one[at] = 1;
  const auto slice = [&](int64_t i) {
    std::vector<int64_t> begin(e.size(), 0);
    begin[at] = i;
    return l.slice(x, begin, one);
  };
  const int64_t n = e[at];
  std::vector<int32_t> parts(static_cast<size_t>(n));
  int32_t product = -1;
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = reverse ? n - 1 - step : step;
    int32_t& part = parts[static_cast<size_t>(i)];
    if (exclusive) part = product < 0 ? l.filled(type, one, 1) : product;
    product = product < 0 ? slice(i) : l.binary("MUL", product, slice(i));
    if (!exclusive) part = product;
  }
  if (n == 0) return l.alias(w.out(), w.in(0));
  l.define(w.out(), n == 1 ? parts[0] : l.make("CONCATENATION", parts, type, e, {{"axis", static_cast<double>(at), {}}}), order);
}

void lower_top_k(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  const auto k = l.integers(w.in(1));
  int axis = static_cast<int>(w.node.integer("axis", -1));
  if (axis < 0) axis += static_cast<int>(rank);
  Order order = l.order_of(w.in(0));
  if (order.back() != axis) {
    order.erase(order.begin() + held_axis(order, axis));
    order.push_back(axis);
  }
  int32_t x = l.in_order(w.in(0), order);
  const Type type = l.type_of(x);
  if (type != Type::float32 && type != Type::int32 && type != Type::int64)
    l.refuse(std::string("the runtime's TOPK_V2 has no kernel for ") + name(type));
  const bool largest = w.node.integer("largest", 1) != 0;
  if (!largest) x = l.unary("NEG", x);
  const Extents e = permute(l.extents(w.out()), order);
  const int32_t values = l.new_tensor("", type, e), places = l.new_tensor("", Type::int32, e);
  const int32_t count = k && k->size() == 1 ? l.int_scalar(static_cast<int32_t>((*k)[0])) : l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {});
  l.emit("TOPK_V2", {x, count}, {values, places});
  l.define(w.out(0), largest ? values : l.unary("NEG", values), order);
  if (w.out(1) != LATHE_NONE) l.define(w.out(1), l.cast(places, Type::int64), order);
}

const LowerRule rules[] = {{"ArgMax", lower_arg},          {"ArgMin", lower_arg},
                           {"CumProd", lower_cumprod},     {"CumSum", lower_cumsum},
                           {"ReduceL1", lower_reduce},     {"ReduceL2", lower_reduce},
                           {"ReduceLogSum", lower_reduce}, {"ReduceLogSumExp", lower_reduce},
                           {"ReduceMax", lower_reduce},    {"ReduceMean", lower_reduce},
                           {"ReduceMin", lower_reduce},    {"ReduceProd", lower_reduce},
                           {"ReduceSum", lower_reduce},    {"ReduceSumSquare", lower_reduce},
                           {"TopK", lower_top_k}};

}  // namespace

std::span<const LowerRule> reduction_rules() { return rules; }

}  // namespace lathe::tflite
