// Elements put to places that indices say, elements picked by a condition, and what is unique.
//
// SCATTER_ND adds what falls on one place. ONNX leaves open what comes of that when there is no reduction, so its kernel serves; for products and
// extremes, places known beforehand are sorted into rounds in which none comes twice.
#include <algorithm>
#include <map>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// Rows of a table [rows, width], and the place of each row of updates [count, width]: numbers, or int32 [count] computed.
struct Table {
  int32_t data, updates;
  int64_t rows, width, count;
  std::optional<std::vector<int32_t>> places;
  int32_t computed = -1;
};

// The element-wise operator of a reduction; empty: the update takes the place.
std::string_view kernel_of(std::string_view reduction) {
  return reduction == "add" ? "ADD" : reduction == "mul" ? "MUL" : reduction == "max" ? "MAXIMUM" : reduction == "min" ? "MINIMUM" : "";
}

int32_t scattered(Lowering& l, const Table& t, std::string_view reduction) {
  Type type = l.type_of(t.data);
  const Type original = type;
  if (type == Type::boolean || type == Type::int16 || type == Type::int8 || type == Type::uint8) type = Type::int32;
  if (type != Type::float32 && type != Type::int32 && type != Type::int64)
    l.refuse(std::string("the runtime's SCATTER_ND has no kernel for ") + name(type));
  const int32_t data = l.cast(t.data, type), updates = l.cast(t.updates, type);
  const int32_t shape = l.ints({static_cast<int32_t>(t.rows), static_cast<int32_t>(t.width)});
  const Extents table{t.rows, t.width};
  const auto put = [&](int32_t places, int32_t what, Type of) { return l.make("SCATTER_ND", {places, what, shape}, of, table); };
  const auto placed = [&](int32_t places, int64_t count, int32_t from, std::string_view by, int32_t to) {
    const int32_t values = put(places, from, type);
    const int32_t written = put(places, l.filled(Type::int32, {count, t.width}, 1), Type::int32);
    const int32_t there = l.compare("GREATER", written, l.filled(Type::int32, {}, 0));
    return l.select(there, by.empty() ? values : l.binary(by, to, values), to);
  };
  const std::string_view by = kernel_of(reduction);
  if (!t.places) {
    const int32_t places = l.reshape(t.computed, {t.count, 1});
    if (by == "ADD") return l.cast(l.binary("ADD", data, put(places, updates, type)), original);
    if (!by.empty()) l.refuse("its places are computed: the format's SCATTER_ND adds what falls on one place, and can do no other reduction");
    return l.cast(placed(places, t.count, updates, {}, data), original);
  }
  if (by == "ADD") {
    const int32_t places = l.constant<int32_t>(Type::int32, {t.count, 1}, *t.places, {}, "places");
    return l.cast(l.binary("ADD", data, put(places, updates, type)), original);
  }
  // In rounds: the n-th that falls on its place; without a reduction the last one is what stays.
  std::vector<std::vector<int32_t>> rounds, chosen;
  std::map<int32_t, size_t> seen;
  for (size_t i = 0; i < t.places->size(); ++i) {
    const size_t round = seen[(*t.places)[i]]++;
    if (rounds.size() <= round) rounds.resize(round + 1), chosen.resize(round + 1);
    rounds[round].push_back((*t.places)[i]);
    chosen[round].push_back(static_cast<int32_t>(i));
  }
  int32_t y = data;
  for (size_t r = 0; r < rounds.size(); ++r) {
    const auto n = static_cast<int64_t>(rounds[r].size());
    const int32_t places = l.constant<int32_t>(Type::int32, {n, 1}, rounds[r], {}, "places");
    const int32_t from = n == t.count ? updates : l.make("GATHER", {updates, l.ints(chosen[r])}, type, {n, t.width}, {{"axis", 0, {}}});
    y = placed(places, n, from, by, y);
  }
  return l.cast(y, original);
}

int64_t product(const Extents& e, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= e[i];
  return n;
}

void all_known(const Lowering& l, uint32_t id) {
  for (const int64_t d : l.extents(id))
    if (d < 0) l.refuse("the shape of '" + l.value(id).name + "' is open, and the format's SCATTER_ND wants its output's in numbers");
}

void lower_scatter_elements(Lowering& l, const Work& w) {
  for (size_t i = 0; i < 3; ++i) all_known(l, w.in(i));
  const Extents data = l.extents(w.in(0)), at = l.extents(w.in(1));
  const size_t rank = data.size();
  int64_t axis = w.node.integer("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(rank);
  const int64_t total = product(data, 0, rank), count = product(at, 0, rank);
  if (count == 0) return l.alias(w.out(), w.in(0));
  const int64_t step = product(data, static_cast<size_t>(axis) + 1, rank), extent = data[static_cast<size_t>(axis)];
  // Where the line of each index begins.
  std::vector<int32_t> lines(static_cast<size_t>(count));
  for (int64_t p = 0; p < count; ++p) {
    int64_t rest = p, place = 0;
    for (size_t d = rank; d-- > 0;) {
      if (static_cast<int64_t>(d) != axis) place += rest % at[d] * product(data, d + 1, rank);
      rest /= at[d];
    }
    lines[static_cast<size_t>(p)] = static_cast<int32_t>(place);
  }
  Table t{l.reshape(l.plain(w.in(0)), {total, 1}), l.reshape(l.plain(w.in(2)), {count, 1}), total, 1, count, std::nullopt, -1};
  if (const auto constant = l.integers(w.in(1))) {
    for (size_t i = 0; i < lines.size(); ++i) {
      const int64_t index = (*constant)[i];
      lines[i] += static_cast<int32_t>((index < 0 ? index + extent : index) * step);
    }
    t.places = std::move(lines);
  } else {
    Expression i{&l, l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {count})};
    i = select(less(i, 0), i + static_cast<double>(extent), i) * static_cast<double>(step);
    t.computed = (i + i.with(l.constant<int32_t>(Type::int32, {count}, std::move(lines), {}, "lines"))).tensor;
  }
  l.define(w.out(), l.reshape(scattered(l, t, w.node.text("reduction", "none")), data), identity(rank));
}

void lower_scatter_nd(Lowering& l, const Work& w) {
  for (size_t i = 0; i < 3; ++i) all_known(l, w.in(i));
  const Extents data = l.extents(w.in(0)), at = l.extents(w.in(1));
  const auto depth = static_cast<size_t>(at.back());
  const int64_t rows = product(data, 0, depth), width = product(data, depth, data.size()), count = product(at, 0, at.size() - 1);
  if (count == 0 || width == 0) return l.alias(w.out(), w.in(0));
  Table t{l.reshape(l.plain(w.in(0)), {rows, width}), l.reshape(l.plain(w.in(2)), {count, width}), rows, width, count, std::nullopt, -1};
  std::vector<int32_t> steps(depth);
  for (size_t d = 0; d < depth; ++d) steps[d] = static_cast<int32_t>(product(data, d + 1, depth));
  if (const auto constant = l.integers(w.in(1))) {
    std::vector<int32_t> places(static_cast<size_t>(count), 0);
    for (size_t i = 0; i < constant->size(); ++i) {
      const int64_t p = (*constant)[i];
      places[i / depth] += static_cast<int32_t>(p < 0 ? p + data[i % depth] : p) * steps[i % depth];
    }
    t.places = std::move(places);
  } else {
    Expression i{&l, l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {count, static_cast<int64_t>(depth)})};
    const std::vector<int32_t> extents(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(depth));
    i = select(less(i, 0), i + i.with(l.ints(extents)), i) * i.with(l.ints(steps));
    t.computed = l.reduce("SUM", i.tensor, {1}, false);
  }
  l.define(w.out(), l.reshape(scattered(l, t, w.node.text("reduction", "none")), data), identity(data.size()));
}

// New steps of a cache, written from a place of each item's own on.
void lower_tensor_scatter(Lowering& l, const Work& w) {
  all_known(l, w.in(0));
  all_known(l, w.in(1));
  const Extents cache = l.extents(w.in(0));
  const size_t rank = cache.size();
  int64_t axis = w.node.integer("axis", -2);
  if (axis < 0) axis += static_cast<int64_t>(rank);
  Order order{0, static_cast<int>(axis)};
  for (size_t i = 1; i < rank; ++i)
    if (static_cast<int64_t>(i) != axis) order.push_back(static_cast<int>(i));
  const int64_t batch = cache[0], length = cache[static_cast<size_t>(axis)], fresh = l.extents(w.in(1))[static_cast<size_t>(axis)];
  const int64_t rows = batch * length, width = product(cache, 0, rank) / std::max<int64_t>(rows, 1), count = batch * fresh;
  Table t{l.reshape(l.in_order(w.in(0), order), {rows, width}),
          l.reshape(l.in_order(w.in(1), order), {count, width}),
          rows,
          width,
          count,
          std::nullopt,
          -1};
  std::vector<int32_t> steps(static_cast<size_t>(fresh)), lines(static_cast<size_t>(batch));
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<int32_t>(i);
  for (size_t i = 0; i < lines.size(); ++i) lines[i] = static_cast<int32_t>(i) * static_cast<int32_t>(length);
  Expression at{&l, w.has(2) ? l.reshape(l.cast(l.plain(w.in(2)), Type::int32), {batch, 1}) : l.filled(Type::int32, {batch, 1}, 0)};
  at = at + at.with(l.constant<int32_t>(Type::int32, {1, fresh}, steps, {}, "steps"));
  if (w.node.text("mode", "linear") == "circular") at = at.with(l.binary("FLOOR_MOD", at.tensor, at.number(static_cast<double>(length)).tensor));
  at = at + at.with(l.constant<int32_t>(Type::int32, {batch, 1}, lines, {}, "lines"));
  t.computed = l.reshape(at.tensor, {count});
  l.define(w.out(), l.reshape(scattered(l, t, "none"), permute(cache, order)), order);
}

void lower_max_unpool(Lowering& l, const Work& w) {
  all_known(l, w.in(0));
  all_known(l, w.out());
  const Extents from = l.extents(w.in(0)), to = l.extents(w.out());
  // Places count in the shape that kernel and strides say; a larger one that is asked for only has more room at its end.
  const auto kernel = w.node.integers("kernel_shape");
  const auto strides = w.node.integers("strides", std::vector<int64_t>(kernel.size(), 1)),
             pads = w.node.integers("pads", std::vector<int64_t>(2 * kernel.size(), 0));
  Extents natural = from;
  for (size_t i = 0; i < kernel.size(); ++i) natural[i + 2] = (from[i + 2] - 1) * strides[i] + kernel[i] - pads[i] - pads[i + kernel.size()];
  const int64_t total = product(natural, 0, natural.size()), count = product(from, 0, from.size());
  const int32_t places = l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {count, 1});
  const int32_t flat =
      l.make("SCATTER_ND", {places, l.reshape(l.plain(w.in(0)), {count}), l.ints({static_cast<int32_t>(total)})}, l.type(w.in(0)), {total});
  std::vector<int64_t> before(to.size(), 0), after(to.size(), 0);
  for (size_t i = 0; i < to.size(); ++i) {
    after[i] = to[i] - natural[i];
    if (after[i] < 0) l.refuse("the shape that it is asked for is smaller than what its strides come to");
  }
  l.define(w.out(), l.pad(l.reshape(flat, natural), before, after, std::nullopt), identity(to.size()));
}

// Columns of patches added up where they lie over each other.
void lower_col2im(Lowering& l, const Work& w) {
  all_known(l, w.in(0));
  const auto image = l.integers(w.in(1)), block = l.integers(w.in(2));
  if (!image || !block) l.refuse("its shapes are computed, and the shape of the result with them");
  const size_t n = image->size();
  const auto strides = w.node.integers("strides", std::vector<int64_t>(n, 1)), dilations = w.node.integers("dilations", std::vector<int64_t>(n, 1)),
             pads = w.node.integers("pads", std::vector<int64_t>(2 * n, 0));
  const Extents from = l.extents(w.in(0));
  int64_t taps = 1, area = 1;
  for (const int64_t b : *block) taps *= b;
  Extents blocks(n), padded(n);
  for (size_t i = 0; i < n; ++i) {
    padded[i] = (*image)[i] + pads[i] + pads[i + n];
    blocks[i] = (padded[i] - (dilations[i] * ((*block)[i] - 1) + 1)) / strides[i] + 1;
    area *= padded[i];
  }
  const int64_t channels = from[1] / taps, places_count = from[2];
  // Rows are places of the padded image; one row holds all items and channels.
  std::vector<int32_t> places;
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t p = 0; p < places_count; ++p) {
      int64_t rest_tap = tap, rest = p, step = 1, place = 0;
      for (size_t i = n; i-- > 0;) {
        place += (rest % blocks[i] * strides[i] + rest_tap % (*block)[i] * dilations[i]) * step;
        step *= padded[i];
        rest /= blocks[i];
        rest_tap /= (*block)[i];
      }
      places.push_back(static_cast<int32_t>(place));
    }
  }
  const int64_t count = taps * places_count, width = from[0] * channels;
  int32_t x = l.reshape(l.plain(w.in(0)), {from[0], channels, taps, places_count});
  x = l.reshape(l.transpose(x, {2, 3, 0, 1}), {count, width});
  const int32_t at = l.constant<int32_t>(Type::int32, {count, 1}, std::move(places), {}, "places");
  const int32_t sum =
      l.make("SCATTER_ND", {at, x, l.ints({static_cast<int32_t>(area), static_cast<int32_t>(width)})}, l.type(w.in(0)), {area, width});
  Extents whole(padded.begin(), padded.end());
  whole.push_back(from[0]);
  whole.push_back(channels);
  std::vector<int64_t> begin(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n)), size(image->begin(), image->end());
  begin.insert(begin.end(), {0, 0});
  size.insert(size.end(), {from[0], channels});
  // Held with the places first.
  Order order;
  for (size_t i = 0; i < n; ++i) order.push_back(static_cast<int>(i) + 2);
  order.insert(order.end(), {0, 1});
  l.define(w.out(), l.slice(l.reshape(sum, whole), begin, size), order);
}

// ---- by condition -------------------------------------------------------------------------------------------------------------------

int32_t not_zero(Lowering& l, int32_t x) {
  if (l.type_of(x) == Type::boolean) return x;
  const Type type = l.type_of(x), in = type == Type::float32 || type == Type::int32 || type == Type::int64 ? type : Type::int32;
  return l.compare("NOT_EQUAL", l.cast(x, in), l.filled(in, {}, 0));
}

void lower_non_zero(Lowering& l, const Work& w) {
  const auto n = static_cast<int64_t>(l.rank(w.in(0)));
  if (n == 0) l.refuse("the format's WHERE wants at least one axis");
  l.define(w.out(), l.make("WHERE", {not_zero(l, l.plain(w.in(0)))}, Type::int64, {-1, n}), {1, 0});
}

void lower_compress(Lowering& l, const Work& w) {
  const bool flat = !w.node.has("axis");
  const Extents e = l.extents(w.in(0));
  int64_t axis = w.node.integer("axis", 0);
  if (axis < 0) axis += static_cast<int64_t>(e.size());
  int32_t x = l.plain(w.in(0));
  if (flat) x = l.make("RESHAPE", {x, l.ints({-1})}, l.type_of(x), {product(e, 0, e.size())}, {{"new_shape", 0, {-1}}});
  const int32_t places = l.make("WHERE", {l.plain(w.in(1))}, Type::int64, {-1, 1});
  const int32_t row = l.make("RESHAPE", {places, l.ints({-1})}, Type::int64, {-1}, {{"new_shape", 0, {-1}}});
  l.define(w.out(), l.make("GATHER", {x, row}, l.type_of(x), l.extents(w.out()), {{"axis", static_cast<double>(axis), {}}}),
           identity(l.rank(w.out())));
}

const LowerRule rules[] = {{"Col2Im", lower_col2im},        {"Compress", lower_compress},           {"MaxUnpool", lower_max_unpool},
                           {"NonZero", lower_non_zero},     {"Scatter", lower_scatter_elements},    {"ScatterElements", lower_scatter_elements},
                           {"ScatterND", lower_scatter_nd}, {"TensorScatter", lower_tensor_scatter}};

}  // namespace

std::span<const LowerRule> scatter_rules() { return rules; }

}  // namespace lathe::tflite
