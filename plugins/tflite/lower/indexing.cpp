// Elements by their places: gathering, scattering, shapes, ranges, one-hot.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// Indices as the kernels want them: int32 or int64, none negative.
int32_t indices_of(Lowering& l, uint32_t id, int64_t extent) {
  if (const auto constant = l.integers(id)) {
    std::vector<int32_t> places;
    for (const int64_t i : *constant) {
      if (i < 0 && extent < 0) l.refuse("an index counts from the end of an open dimension");
      places.push_back(static_cast<int32_t>(i < 0 ? i + extent : i));
    }
    return l.constant<int32_t>(Type::int32, l.extents(id), std::move(places), {}, l.value(id).name);
  }
  const Expression i{&l, l.plain(id)};
  if (extent < 0) l.refuse("indices into an open dimension may be negative, which the format's are not");
  return select(less(i, 0), i + static_cast<double>(extent), i).tensor;
}

void lower_gather(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  const bool single_axis = l.rank(w.in(1)) == 1;
  const Order order = single_axis ? l.order_of(w.in(0)) : identity(rank);
  const int32_t x = l.in_order(w.in(0), order);
  const int32_t at = indices_of(l, w.in(1), l.extents(w.in(0))[static_cast<size_t>(axis)]);
  const Type type = l.type_of(x);
  const Type in = type == Type::uint16 ? Type::int32 : type == Type::uint32 ? Type::int64 : type;
  const Order to = single_axis ? order : identity(l.rank(w.out()));
  const int32_t y = l.make("GATHER", {l.cast(x, in), at}, in, permute(l.extents(w.out()), to),
                           {{"axis", static_cast<double>(held_axis(order, axis)), {}}}, l.value(w.out()).quantization);
  l.define(w.out(), l.cast(y, type), to);
}

void lower_gather_nd(Lowering& l, const Work& w) {
  if (w.node.integer("batch_dims", 0)) l.refuse("the format's GATHER_ND has no batch dimensions");
  const int32_t x = l.plain(w.in(0));
  const Extents& data = l.extents(w.in(0));
  const auto depth = static_cast<size_t>(l.extents(w.in(1)).back());
  int32_t at;
  if (const auto constant = l.integers(w.in(1))) {
    std::vector<int32_t> places;
    for (size_t i = 0; i < constant->size(); ++i) {
      const int64_t p = (*constant)[i];
      places.push_back(static_cast<int32_t>(p < 0 ? p + data[i % depth] : p));
    }
    at = l.constant<int32_t>(Type::int32, l.extents(w.in(1)), std::move(places), {}, "places");
  } else {
    std::vector<int64_t> extents(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(depth));
    const Expression i{&l, l.plain(w.in(1))};
    at = select(less(i, 0), i + i.with(l.constant<int64_t>(Type::int64, {static_cast<int64_t>(depth)}, extents)), i).tensor;
  }
  l.define(w.out(), l.make("GATHER_ND", {x, at}, l.type_of(x), l.extents(w.out())), identity(l.rank(w.out())));
}

// Along an axis, other places for every element: all coordinates are written out.
void lower_gather_elements(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  const Extents e = l.extents(w.in(1));
  for (const int64_t d : e)
    if (d < 0) l.refuse("the shape of its indices is not known, and the format gathers element by element with coordinates");
  const int32_t x = l.plain(w.in(0));
  const int32_t at = l.cast(indices_of(l, w.in(1), l.extents(w.in(0))[static_cast<size_t>(axis)]), Type::int32);
  Extents column = e;
  column.push_back(1);
  int64_t count = 1;
  for (const int64_t d : e) count *= d;
  std::vector<int32_t> columns;
  int64_t inner = count;
  for (size_t i = 0; i < rank; ++i) {
    inner /= std::max<int64_t>(e[i], 1);
    if (static_cast<int>(i) == axis) {
      columns.push_back(l.reshape(at, column));
      continue;
    }
    std::vector<int32_t> places;
    for (int64_t p = 0; p < count; ++p) places.push_back(static_cast<int32_t>(p / inner % e[i]));
    columns.push_back(l.constant<int32_t>(Type::int32, column, std::move(places), {}, "coordinates"));
  }
  column.back() = static_cast<int64_t>(rank);
  const int32_t all = rank == 1 ? columns[0] : l.make("CONCATENATION", columns, Type::int32, column, {{"axis", static_cast<double>(rank), {}}});
  l.define(w.out(), l.make("GATHER_ND", {x, all}, l.type_of(x), e), identity(rank));
}

void lower_shape(Lowering& l, const Work& w) {
  const int64_t n = static_cast<int64_t>(l.rank(w.in(0)));
  int64_t start = w.node.integer("start", 0), end = w.node.integer("end", n);
  start = std::clamp<int64_t>(start < 0 ? start + n : start, 0, n);
  end = std::clamp<int64_t>(end < 0 ? end + n : end, start, n);
  const int32_t all = l.make("SHAPE", {l.plain(w.in(0))}, Type::int64, {n}, {{"out_type", static_cast<double>(Type::int64), {}}});
  l.define(w.out(), l.slice(all, {start}, {end - start}), {0});
}

void lower_range(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0));
  if (type != Type::float32 && type != Type::int32) l.refuse(std::string("the runtime's RANGE has no kernel for ") + name(type));
  int32_t parts[3];
  for (size_t i = 0; i < 3; ++i) parts[i] = l.reshape(l.plain(w.in(i)), {});
  l.define(w.out(), l.make("RANGE", {parts[0], parts[1], parts[2]}, type, l.extents(w.out())), {0});
}

void lower_one_hot(Lowering& l, const Work& w) {
  const auto depth = l.numbers(w.in(1));
  if (!depth || depth->size() != 1) l.refuse("its depth is computed, and the shape of the result with it");
  const Type type = l.type(w.in(2));
  if (type != Type::float32 && type != Type::int32 && type != Type::int64)
    l.refuse(std::string("the runtime's ONE_HOT has no kernel for ") + name(type));
  const int32_t values = l.plain(w.in(2));
  const int32_t off = l.reshape(l.slice(values, {0}, {1}), {}), on = l.reshape(l.slice(values, {1}, {1}), {});
  int32_t at = l.plain(w.in(0));
  at = l.cast(at, Type::int64);
  const Expression i{&l, at};
  at = select(less(i, 0), i + (*depth)[0], i).tensor;
  l.define(w.out(),
           l.make("ONE_HOT", {at, l.int_scalar(static_cast<int32_t>((*depth)[0])), on, off}, type, l.extents(w.out()),
                  {{"axis", static_cast<double>(w.node.integer("axis", -1)), {}}}),
           identity(l.rank(w.out())));
}

void lower_constant_of_shape(Lowering& l, const Work& w) {
  const auto value = w.node.attribute("value");
  const Type type = l.type(w.out());
  double number = 0;
  if (value && type == Type::float32)
    number = value->tensor().as<float>()[0];
  else if (value && type == Type::int64)
    number = static_cast<double>(value->tensor().as<int64_t>()[0]);
  else if (value && type == Type::int32)
    number = value->tensor().as<int32_t>()[0];
  else if (value && (type == Type::boolean || type == Type::int8 || type == Type::uint8))
    number = value->tensor().as<int8_t>()[0];
  else if (value)
    l.refuse(std::string("the runtime's FILL has no kernel for ") + name(type));
  l.define(w.out(), l.make("FILL", {l.plain(w.in(0)), l.filled(type, {}, number)}, type, l.extents(w.out())), identity(l.rank(w.out())));
}

// Sums of what falls on one place are not ONNX's; a mask says which places are written.
void lower_scatter_nd(Lowering& l, const Work& w) {
  if (w.node.text("reduction", "none") != "none") l.refuse("the format's SCATTER_ND adds what falls on one place, and can do no other reduction");
  const Extents data = l.extents(w.in(0));
  for (const int64_t d : data)
    if (d < 0) l.refuse("the format's SCATTER_ND wants the shape of its output in numbers");
  const Type type = l.type(w.in(0));
  if (type != Type::float32 && type != Type::int32 && type != Type::int64)
    l.refuse(std::string("the runtime's SCATTER_ND has no kernel for ") + name(type));
  const auto constant = l.integers(w.in(1));
  if (!constant) l.refuse("its places are computed: two may be one, of which the format's SCATTER_ND makes the sum");
  const auto depth = static_cast<size_t>(l.extents(w.in(1)).back());
  std::vector<int32_t> places;
  std::vector<std::vector<int32_t>> rows;
  for (size_t i = 0; i < constant->size(); ++i) {
    const int64_t p = (*constant)[i];
    places.push_back(static_cast<int32_t>(p < 0 ? p + data[i % depth] : p));
    if (i % depth == 0) rows.emplace_back();
    rows.back().push_back(places.back());
  }
  std::sort(rows.begin(), rows.end());
  if (std::adjacent_find(rows.begin(), rows.end()) != rows.end())
    l.refuse("two of its places are one, of which the format's SCATTER_ND makes the sum");
  const int32_t at = l.constant<int32_t>(Type::int32, l.extents(w.in(1)), std::move(places), {}, "places");
  std::vector<int32_t> shape(data.begin(), data.end());
  const int32_t updates = l.plain(w.in(2));
  const int32_t written = l.make("SCATTER_ND", {at, updates, l.ints(shape)}, type, data);
  const int32_t ones = l.filled(Type::int32, l.extents(w.in(2)), 1);
  const int32_t mask = l.make("SCATTER_ND", {at, ones, l.ints(shape)}, Type::int32, data);
  const int32_t there = l.compare("GREATER", mask, l.filled(Type::int32, {}, 0));
  l.define(w.out(), l.select(there, written, l.plain(w.in(0))), identity(data.size()));
}

const LowerRule rules[] = {{"ConstantOfShape", lower_constant_of_shape},
                           {"Gather", lower_gather},
                           {"GatherElements", lower_gather_elements},
                           {"GatherND", lower_gather_nd},
                           {"OneHot", lower_one_hot},
                           {"Range", lower_range},
                           {"ScatterND", lower_scatter_nd},
                           {"Shape", lower_shape}};

}  // namespace

std::span<const LowerRule> indexing_rules() { return rules; }

}  // namespace lathe::tflite
