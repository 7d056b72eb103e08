// Elements by their places: gathering, shapes, ranges, one-hot.
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

// Places along a single axis: GATHER has batch dimensions.
void gather_in_batches(Lowering& l, const Work& w, int64_t batched) {
  const int32_t at = indices_of(l, w.in(1), l.extents(w.in(0))[static_cast<size_t>(batched)]);
  Extents places = l.extents(w.in(1));
  places.pop_back();
  const int32_t y = l.make("GATHER", {l.plain(w.in(0)), l.reshape(at, places)}, l.type(w.in(0)), l.extents(w.out()),
                           {{"axis", static_cast<double>(batched), {}}, {"batch_dims", static_cast<double>(batched), {}}});
  l.define(w.out(), y, identity(l.rank(w.out())));
}

// GATHER_ND has no batch dimensions: rows of all batches are gathered by places that count from the first batch on.
void gather_nd_in_batches(Lowering& l, const Work& w) {
  const auto batched = static_cast<size_t>(w.node.integer("batch_dims", 0));
  const Extents data = l.extents(w.in(0)), at = l.extents(w.in(1));
  for (const Extents& e : {data, at})
    for (const int64_t d : e)
      if (d < 0) l.refuse("its shape is open, and places in batches are counted before");
  if (at.back() == 1) return gather_in_batches(l, w, static_cast<int64_t>(batched));
  const auto depth = static_cast<size_t>(at.back());
  const auto product = [](const Extents& e, size_t begin, size_t end) {
    int64_t n = 1;
    for (size_t i = begin; i < end; ++i) n *= e[i];
    return n;
  };
  const int64_t batches = product(data, 0, batched), lines = product(data, batched, batched + depth),
                width = product(data, batched + depth, data.size()), count = product(at, batched, at.size() - 1);
  std::vector<int32_t> extents, steps, begins(static_cast<size_t>(batches));
  for (size_t d = 0; d < depth; ++d) {
    extents.push_back(static_cast<int32_t>(data[batched + d]));
    steps.push_back(static_cast<int32_t>(product(data, batched + d + 1, batched + depth)));
  }
  for (size_t b = 0; b < begins.size(); ++b) begins[b] = static_cast<int32_t>(static_cast<int64_t>(b) * lines);
  Expression i{&l, l.reshape(l.cast(l.plain(w.in(1)), Type::int32), {batches, count, static_cast<int64_t>(depth)})};
  i = select(less(i, 0), i + i.with(l.ints(extents)), i) * i.with(l.ints(steps));
  i = i.with(l.reduce("SUM", i.tensor, {2}, false));
  i = i + i.with(l.constant<int32_t>(Type::int32, {batches, 1}, begins, {}, "batches"));
  const int32_t rows = l.reshape(l.plain(w.in(0)), {batches * lines, width});
  const int32_t y = l.make("GATHER", {rows, l.reshape(i.tensor, {batches * count})}, l.type(w.in(0)), {batches * count, width}, {{"axis", 0, {}}});
  l.define(w.out(), l.reshape(y, l.extents(w.out())), identity(l.rank(w.out())));
}

void lower_gather_nd(Lowering& l, const Work& w) {
  if (w.node.integer("batch_dims", 0)) return gather_nd_in_batches(l, w);
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

// Along an axis, other places for every element: each is counted in the flat data.
void lower_gather_elements(Lowering& l, const Work& w) {
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  const Extents e = l.extents(w.in(1)), data = l.extents(w.in(0));
  int64_t count = 1, elements = 1, stride = 1;
  for (size_t i = 0; i < rank; ++i) {
    if (e[i] < 0 || data[i] < 0) l.refuse("its shapes are not known, and places are counted in the flat data");
    count *= e[i];
    elements *= data[i];
    if (static_cast<int>(i) > axis) stride *= data[i];
  }
  if (elements > INT32_MAX) l.refuse("its data has more elements than the format's indices count");
  // Where each element's line begins.
  std::vector<int32_t> begin(static_cast<size_t>(count), 0);
  int64_t inner = count, step = elements;
  for (size_t i = 0; i < rank; ++i) {
    inner /= std::max<int64_t>(e[i], 1);
    step /= std::max<int64_t>(data[i], 1);
    if (static_cast<int>(i) == axis) continue;
    for (int64_t p = 0; p < count; ++p) begin[static_cast<size_t>(p)] += static_cast<int32_t>(p / inner % e[i] * step);
  }
  const int32_t at = l.reshape(l.cast(indices_of(l, w.in(1), data[static_cast<size_t>(axis)]), Type::int32), {count});
  const Expression place = Expression{&l, at} * static_cast<double>(stride);
  const Expression all = place + place.with(l.constant<int32_t>(Type::int32, {count}, std::move(begin), {}, "lines"));
  const int32_t flat = l.reshape(l.plain(w.in(0)), {elements});
  const int32_t y = l.make("GATHER", {flat, all.tensor}, l.type(w.in(0)), {count}, {{"axis", 0, {}}});
  l.define(w.out(), l.reshape(y, e), identity(rank));
}

// What is above or below a diagonal, by a mask.
void lower_trilu(Lowering& l, const Work& w) {
  const Extents e = l.extents(w.in(0));
  const auto k = w.has(1) ? l.integers(w.in(1)) : std::vector<int64_t>{0};
  if (!k || k->empty()) l.refuse("its diagonal is computed");
  const int64_t rows = e[e.size() - 2], columns = e.back();
  if (rows < 0 || columns < 0) l.refuse("its extents are not known, and the format has no triangles");
  const bool upper = w.node.integer("upper", 1) != 0;
  std::vector<uint8_t> mask;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) mask.push_back(upper ? c - r >= (*k)[0] : c - r <= (*k)[0]);
  const int32_t x = l.plain(w.in(0));
  for (const int64_t d : e)
    if (d == 0) return l.define(w.out(), x, identity(e.size()));
  const int32_t inside = l.constant<uint8_t>(Type::boolean, {rows, columns}, std::move(mask), {}, "triangle");
  l.define(w.out(), l.select(inside, x, l.filled(l.type_of(x), {}, 0)), identity(e.size()));
}

void lower_eye_like(Lowering& l, const Work& w) {
  const Extents e = l.extents(w.out());
  if (e[0] < 0 || e[1] < 0) l.refuse("its extents are not known");
  const int64_t k = w.node.integer("k", 0);
  const int32_t zero = l.filled(l.type(w.out()), e, 0);
  Tensor& t = l.main().tensors[static_cast<size_t>(zero)];
  std::string bytes(t.bytes);
  const size_t width = element_bytes(t.type);
  const int32_t one = l.filled(t.type == Type::float32 ? Type::float32 : t.type, {1}, 1);
  const std::string unit(l.main().tensors[static_cast<size_t>(one)].bytes);
  for (int64_t r = 0; r < e[0]; ++r)
    if (r + k >= 0 && r + k < e[1]) bytes.replace(static_cast<size_t>(r * e[1] + r + k) * width, width, unit);
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  Tensor& made = l.main().tensors[static_cast<size_t>(zero)];
  made.bytes = *kept;
  made.owner = kept;
  l.define(w.out(), zero, identity(2));
}

void lower_shape(Lowering& l, const Work& w) {
  const int64_t n = static_cast<int64_t>(l.rank(w.in(0)));
  int64_t start = w.node.integer("start", 0), end = w.node.integer("end", n);
  start = std::clamp<int64_t>(start < 0 ? start + n : start, 0, n);
  end = std::clamp<int64_t>(end < 0 ? end + n : end, start, n);
  const int32_t all = l.make("SHAPE", {l.plain(w.in(0))}, Type::int64, {n}, {{"out_type", static_cast<double>(Type::int64), {}}});
  l.define(w.out(), l.slice(all, {start}, {end - start}), {0});
}

void lower_size(Lowering& l, const Work& w) {
  const auto n = static_cast<int64_t>(l.rank(w.in(0)));
  if (n == 0) return l.define(w.out(), l.filled(Type::int64, {}, 1), {});
  const int32_t shape = l.shape_of(l.plain(w.in(0)));
  l.define(w.out(), l.cast(l.reduce("REDUCE_PROD", shape, {0}, false), Type::int64), {});
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
  int64_t axis = w.node.integer("axis", -1);
  if (axis < -1) axis += static_cast<int64_t>(l.rank(w.out()));
  l.define(w.out(),
           l.make("ONE_HOT", {at, l.int_scalar(static_cast<int32_t>((*depth)[0])), on, off}, type, l.extents(w.out()),
                  {{"axis", static_cast<double>(axis), {}}}),
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

const LowerRule rules[] = {{"EyeLike", lower_eye_like},
                           {"Trilu", lower_trilu},
                           {"ConstantOfShape", lower_constant_of_shape},
                           {"Gather", lower_gather},
                           {"GatherElements", lower_gather_elements},
                           {"GatherND", lower_gather_nd},
                           {"OneHot", lower_one_hot},
                           {"Range", lower_range},
                           {"Shape", lower_shape},
                           {"Size", lower_size}};

}  // namespace

std::span<const LowerRule> indexing_rules() { return rules; }

}  // namespace lathe::tflite
