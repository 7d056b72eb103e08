// Pools over windows and over everything. What POOL_2D has no form of (three axes, dilated means, powers, places) is taken together slice by slice.
#include <algorithm>
#include <limits>

#include "expression.hpp"
#include "window.hpp"

namespace lathe::tflite {
namespace {

double lowest(Type type) {
  switch (type) {
    case Type::int8:
      return -128;
    case Type::uint8:
      return 0;
    default:
      return std::numeric_limits<float>::lowest();
  }
}

std::vector<Option> pool_options(const WindowAxis& a, const WindowAxis& b, bool same, Activation activation) {
  return {{"padding", same ? 0.0 : 1.0, {}},
          {"stride_h", static_cast<double>(a.stride), {}},
          {"stride_w", static_cast<double>(b.stride), {}},
          {"filter_h", static_cast<double>(a.kernel), {}},
          {"filter_w", static_cast<double>(b.kernel), {}},
          {"activation", static_cast<double>(activation), {}}};
}

// The most of each window, as many slices of the input taken one after another: what dilated windows come to.
int32_t dilated_maximum(Lowering& l, int32_t x, const WindowAxis& a, const WindowAxis& b, const Extents& out) {
  x = l.pad(x, {0, a.before, b.before, 0}, {0, a.after, b.after, 0}, lowest(l.type_of(x)));
  int32_t most = -1;
  for (int64_t p = 0; p < a.kernel; ++p) {
    for (int64_t q = 0; q < b.kernel; ++q) {
      const std::vector<int32_t> begin{0, static_cast<int32_t>(p * a.dilation), static_cast<int32_t>(q * b.dilation), 0};
      const std::vector<int32_t> end{static_cast<int32_t>(out[0]), static_cast<int32_t>(p * a.dilation + (a.out - 1) * a.stride + 1),
                                     static_cast<int32_t>(q * b.dilation + (b.out - 1) * b.stride + 1), static_cast<int32_t>(out[3])};
      const int32_t part =
          l.make("STRIDED_SLICE", {x, l.ints(begin), l.ints(end), l.ints({1, static_cast<int32_t>(a.stride), static_cast<int32_t>(b.stride), 1})},
                 l.type_of(x), out);
      most = most < 0 ? part : l.binary("MAXIMUM", most, part);
    }
  }
  return most;
}

// How many elements of the window at each place count, relative to the kernel's: what the mean over a padded window is divided by.
std::vector<double> counted(const WindowAxis& a, int64_t limit_after, bool with_padding) {
  std::vector<double> shares;
  for (int64_t o = 0; o < a.out; ++o) {
    int64_t count = 0;
    for (int64_t k = 0; k < a.kernel; ++k) {
      const int64_t at = o * a.stride + k * a.dilation - a.before;
      count += with_padding ? at < a.in + limit_after : at >= 0 && at < a.in;
    }
    shares.push_back(static_cast<double>(std::max<int64_t>(count, 1)) / static_cast<double>(a.kernel));
  }
  return shares;
}

void pool(Lowering& l, const Work& w, const std::vector<WindowAxis>& axes, const std::vector<int64_t>& pads_after) {
  const bool max = w.node.is("MaxPool");
  const Order order = image_order(l, w.in(0));
  int32_t x = l.in_order(w.in(0), order);
  const WindowAxis& a = axes[static_cast<size_t>(order[1] - 2)];
  const WindowAxis& b = axes[static_cast<size_t>(order[2] - 2)];
  const Extents out = permute(l.extents(w.out()), order);
  const Type type = l.type_of(x);
  if (type != Type::float32 && !w.quantized && !(max && (type == Type::int8 || type == Type::uint8)))
    l.refuse(std::string("the runtime's pools have no kernel for ") + name(type));
  if (!w.quantized && type != Type::float32) {  // integers without a scale: widened, so that no kernel looks for one
    x = l.cast(x, Type::float32);
  }
  const bool dilated = a.dilation != 1 || b.dilation != 1;
  const bool same = is_same(a) && is_same(b) && !dilated;
  if (max) {
    if (dilated) {
      if (out[0] < 0 || a.in < 0 || b.in < 0) l.refuse("a dilated pool is made of slices, which want fixed shapes");
      return l.define(w.out(), l.cast(dilated_maximum(l, x, a, b, out), type), order);
    }
    if (!same) x = l.pad(x, {0, a.before, b.before, 0}, {0, a.after, b.after, 0}, lowest(l.type_of(x)));
    const int32_t y = l.make("MAX_POOL_2D", {x}, l.type_of(x), out, pool_options(a, b, same, Activation::none), l.value(w.out()).quantization);
    return l.define(w.out(), l.cast(y, type), order);
  }
  const bool with_padding = w.node.integer("count_include_pad", 0) != 0;
  const bool padded = a.before || a.after || b.before || b.after;
  if (!padded || (same && !with_padding)) {
    const int32_t y = l.make("AVERAGE_POOL_2D", {x}, type, out, pool_options(a, b, same, w.activation), l.value(w.out()).quantization);
    return l.define(w.out(), y, order);
  }
  // Padded with zeros, the mean is over too many; a constant of shares mends it.
  if (w.quantized) l.refuse("a padded mean is not computed on integers");
  if (a.in < 0 || b.in < 0) l.refuse("a padded mean wants fixed shapes");
  x = l.pad(x, {0, a.before, b.before, 0}, {0, a.after, b.after, 0}, std::nullopt);
  int32_t y = l.make("AVERAGE_POOL_2D", {x}, type, out, pool_options(a, b, false, Activation::none));
  const auto shares_a = counted(a, pads_after[static_cast<size_t>(order[1] - 2)], with_padding),
             shares_b = counted(b, pads_after[static_cast<size_t>(order[2] - 2)], with_padding);
  std::vector<float> factors;
  bool any = false;
  for (const double p : shares_a)
    for (const double q : shares_b) {
      factors.push_back(static_cast<float>(1 / (p * q)));
      any |= p * q != 1;
    }
  if (any) y = l.binary("MUL", y, l.constant<float>(Type::float32, {1, a.out, b.out, 1}, std::move(factors), {}, "shares"));
  l.define(w.out(), l.activate(y, w.activation), order);
}

// The places of a pool's windows, one tap of the kernel after another: images are [planes, ...], one plane per item and channel.
struct Taps {
  const std::vector<WindowAxis>& axes;
  int64_t planes;
  std::vector<int64_t> at;

  explicit Taps(const std::vector<WindowAxis>& all, int64_t n) : axes(all), planes(n), at(all.size(), 0) {}
  bool next() {
    size_t i = at.size();
    while (i > 0 && ++at[i - 1] == axes[i - 1].kernel) at[--i] = 0;
    return i > 0;
  }
  int32_t slice(Lowering& l, int32_t x) const {
    std::vector<int32_t> begin{0}, end{static_cast<int32_t>(planes)}, step{1};
    Extents out{planes};
    for (size_t i = 0; i < axes.size(); ++i) {
      const WindowAxis& a = axes[i];
      begin.push_back(static_cast<int32_t>(at[i] * a.dilation));
      end.push_back(static_cast<int32_t>(at[i] * a.dilation + (a.out - 1) * a.stride + 1));
      step.push_back(static_cast<int32_t>(a.stride));
      out.push_back(a.out);
    }
    return l.make("STRIDED_SLICE", {x, l.ints(begin), l.ints(end), l.ints(step)}, l.type_of(x), out);
  }
  // Where this tap's elements lie in a plane of the input, [1, out...]; rows first, or columns first.
  int32_t places(Lowering& l, bool columns_first) const {
    Extents shape{1};
    int64_t count = 1;
    for (const WindowAxis& a : axes) shape.push_back(a.out), count *= a.out;
    std::vector<int64_t> result(static_cast<size_t>(count));
    for (int64_t p = 0; p < count; ++p) {
      int64_t rest = p, place = 0, step = 1;
      std::vector<int64_t> position(axes.size());
      for (size_t i = axes.size(); i-- > 0;) {
        position[i] = rest % axes[i].out * axes[i].stride + at[i] * axes[i].dilation - axes[i].before;
        rest /= axes[i].out;
      }
      for (size_t i = 0; i < axes.size(); ++i) {
        const size_t axis = columns_first ? i : axes.size() - 1 - i;
        place += position[axis] * step;
        step *= axes[axis].in;
      }
      result[static_cast<size_t>(p)] = place;
    }
    return l.constant<int64_t>(Type::int64, shape, std::move(result), {}, "places");
  }
};

void pool_by_slices(Lowering& l, const Work& w, const std::vector<WindowAxis>& axes, const std::vector<int64_t>& pads_after) {
  if (w.quantized) l.refuse("what the format's pools have no form of is not computed on integers");
  const Extents e = l.extents(w.in(0)), out = l.extents(w.out());
  for (const int64_t d : e)
    if (d < 0) l.refuse("its shape is open, and the slices it is made of are settled before");
  if (e.size() > 5) l.refuse("the runtime's PAD takes at most four axes");
  const int64_t planes = e[0] * e[1];
  const bool max = w.node.is("MaxPool"), power = w.node.is("LpPool");
  const Type type = l.type(w.in(0));
  Extents flat{planes}, flat_out{planes};
  std::vector<int64_t> before{0}, after{0};
  int64_t plane = 1;
  for (const WindowAxis& a : axes) {
    flat.push_back(a.in);
    flat_out.push_back(a.out);
    before.push_back(a.before);
    after.push_back(std::max<int64_t>(a.after, (a.out - 1) * a.stride + a.reach() - a.in - a.before));
    plane *= a.in;
  }
  Expression x{&l, l.cast(l.reshape(l.plain(w.in(0)), flat), Type::float32)};
  const double p = power ? static_cast<double>(w.node.integer("p", 2)) : 1;
  if (power) x = p == 2 ? x * x : p == 1 ? absolute(x) : x.with(l.binary("POW", absolute(x).tensor, x.number(p).tensor));
  x = x.with(max ? l.pad(x.tensor, before, after, lowest(Type::float32)) : l.pad(x.tensor, before, after, std::nullopt));
  const bool with_places = max && w.out(1) != LATHE_NONE, columns_first = w.node.integer("storage_order", 0) != 0;
  std::optional<Expression> y, where;
  Taps taps(axes, planes);
  do {
    const Expression part = x.with(taps.slice(l, x.tensor));
    if (with_places) {
      const Expression own{&l, taps.places(l, columns_first)};
      if (where) {
        const Expression more = part.with(l.compare("GREATER", part.tensor, y->tensor));
        where = select(more, own, *where);
      } else {
        where = own;
      }
    }
    y = !y ? part : max ? maximum(*y, part) : *y + part;
  } while (taps.next());
  if (power) y = p == 2 ? sqrt(*y) : p == 1 ? *y : y->with(l.binary("POW", y->tensor, y->number(1 / p).tensor));
  if (w.node.is("AveragePool")) {
    std::vector<std::vector<double>> shares;
    int64_t count = 1, kernel = 1;
    for (size_t i = 0; i < axes.size(); ++i) {
      shares.push_back(counted(axes[i], pads_after[i], w.node.integer("count_include_pad", 0) != 0));
      count *= axes[i].out;
      kernel *= axes[i].kernel;
    }
    std::vector<float> factors;
    for (int64_t i = 0; i < count; ++i) {
      double share = static_cast<double>(kernel);
      int64_t rest = i;
      for (size_t a = axes.size(); a-- > 0;) {
        share *= shares[a][static_cast<size_t>(rest % axes[a].out)];
        rest /= axes[a].out;
      }
      factors.push_back(static_cast<float>(1 / share));
    }
    Extents shape = flat_out;
    shape[0] = 1;
    y = *y * y->with(l.constant<float>(Type::float32, shape, std::move(factors), {}, "shares"));
  }
  l.define(w.out(), l.reshape(l.activate(l.cast(y->tensor, type), w.activation), out), identity(out.size()));
  if (!with_places) return;
  Extents lines(flat.size(), 1);
  lines[0] = planes;
  std::vector<int64_t> begin(static_cast<size_t>(planes));
  for (size_t i = 0; i < begin.size(); ++i) begin[i] = static_cast<int64_t>(i) * plane;
  const Expression all = *where + where->with(l.constant<int64_t>(Type::int64, lines, std::move(begin), {}, "planes"));
  l.define(w.out(1), l.reshape(all.tensor, out), identity(out.size()));
}

void lower_pool(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0)), n = rank - 2;
  const auto kernel = w.node.integers("kernel_shape");
  auto axes = window_of(l, w, kernel);
  if (w.node.is("LpPool") && l.type(w.in(0)) != Type::float32)
    l.refuse(std::string("the runtime's pools have no kernel for ") + name(l.type(w.in(0))));
  auto after = w.node.integers("pads", std::vector<int64_t>(2 * n, 0));
  after.erase(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(n));
  if (w.node.text("auto_pad", "NOTSET") != "NOTSET")
    for (size_t i = 0; i < n; ++i) after[i] = axes[i].after;
  const bool dilated = std::any_of(axes.begin(), axes.end(), [](const WindowAxis& a) { return a.dilation != 1; });
  if ((rank != 3 && rank != 4) || w.node.is("LpPool") || w.out(1) != LATHE_NONE || (dilated && w.node.is("AveragePool")))
    return pool_by_slices(l, w, axes, after);
  if (rank == 4) return pool(l, w, axes, after);
  Work wide = w;
  const auto with_one = [](Extents e) {
    e.insert(e.begin() + 2, 1);
    return e;
  };
  wide.inputs[0] = l.reshaped(w.in(0), with_one(l.extents(w.in(0))));
  wide.outputs[0] = l.new_value(l.value(w.out()).name + "_wide", l.type(w.out()), with_one(l.extents(w.out())), l.value(w.out()).quantization);
  pool(l, wide, {{1, 1, 1, 1, 1, 0, 0}, axes[0]}, {0, after[0]});
  l.alias(w.out(), l.reshaped(wide.outputs[0], l.extents(w.out())));
}

void lower_global_lp_pool(Lowering& l, const Work& w) {
  if (l.type(w.in(0)) != Type::float32) l.refuse(std::string("the runtime's SUM has no kernel for ") + name(l.type(w.in(0))));
  const Order order = l.order_of(w.in(0), channels_last(l.rank(w.in(0))));
  std::vector<int> axes;
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] > 1) axes.push_back(static_cast<int>(i));
  const auto p = static_cast<double>(w.node.integer("p", 2));
  const Expression x = absolute(Expression{&l, l.in_order(w.in(0), order)});
  const Expression sum = x.with(l.reduce("SUM", x.with(l.binary("POW", x.tensor, x.number(p).tensor)).tensor, axes, true));
  l.define(w.out(), l.binary("POW", sum.tensor, sum.number(1 / p).tensor), order);
}

void lower_global_pool(Lowering& l, const Work& w) {
  const Order order = l.order_of(w.in(0), channels_last(l.rank(w.in(0))));
  const int32_t x = l.in_order(w.in(0), order);
  if (!w.quantized && l.type_of(x) != Type::float32) l.refuse(std::string("the runtime has no kernel for ") + name(l.type_of(x)));
  std::vector<int32_t> axes;
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] > 1) axes.push_back(static_cast<int32_t>(i));
  const bool max = w.node.is("GlobalMaxPool");
  l.emit(max ? "REDUCE_MAX" : "MEAN", {x, l.ints(axes)}, {l.result(w.out(), order)}).options = {{"keep_dims", 1, {}}};
}

const LowerRule rules[] = {{"AveragePool", lower_pool},
                           {"GlobalAveragePool", lower_global_pool},
                           {"GlobalLpPool", lower_global_lp_pool},
                           {"GlobalMaxPool", lower_global_pool},
                           {"LpPool", lower_pool},
                           {"MaxPool", lower_pool}};

}  // namespace

std::span<const LowerRule> pooling_rules() { return rules; }

}  // namespace lathe::tflite
