// Unique: values of a row by UNIQUE, slices along an axis by comparing each with each.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

// 0, 1, ... for the entries of the tensor's first axis.
int32_t counted(Lowering& l, int32_t tensor) {
  const int64_t n = l.extents_of(tensor)[0];
  if (n >= 0) {
    std::vector<int32_t> places(static_cast<size_t>(n));
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int32_t>(i);
    return l.constant<int32_t>(Type::int32, {n}, std::move(places), {}, "places");
  }
  const int32_t shape = l.slice(l.shape_of(tensor), {0}, {1});
  const int32_t end = l.make("RESHAPE", {shape, l.ints({})}, Type::int32, {}, {{"new_shape", 0, {}}});
  return l.make("RANGE", {l.int_scalar(0), end, l.int_scalar(1)}, Type::int32, {-1});
}

// Slices are compared as words are: the first element in which two differ decides. The first of equal ones stands for all.
void unique_slices(Lowering& l, const Work& w) {
  const Type type = l.type(w.in(0)), in = type == Type::float32 || type == Type::int64 ? type : Type::int32;
  const size_t rank = l.rank(w.in(0));
  int axis = static_cast<int>(w.node.integer("axis", 0));
  if (axis < 0) axis += static_cast<int>(rank);
  Order order = identity(rank);  // the axis first
  order.erase(order.begin() + axis);
  order.insert(order.begin(), axis);
  const int32_t x = l.in_order(w.in(0), order);
  const Extents e = l.extents_of(x);
  int64_t width = 1;
  for (size_t i = 1; i < rank; ++i) width = e[i] < 0 ? -1 : width * e[i];
  if (width < 0) l.refuse("more than one dimension is open, and a RESHAPE of the format leaves one");
  if (width == 0) l.refuse("its slices are empty, and the runtime makes no empty tensors by slicing");
  const int64_t n = e[0];
  const auto shaped = [&](int32_t t, const Extents& to) {
    const std::vector<int32_t> shape(to.begin(), to.end());
    return l.make("RESHAPE", {t, l.ints(shape)}, l.type_of(t), to, {{"new_shape", 0, shape}});
  };
  const int32_t wide = l.cast(x, in), a = shaped(wide, {n, 1, width}), b = shaped(wide, {1, n, width});
  const int32_t differs = l.cast(l.compare("NOT_EQUAL", a, b), Type::int32), zero = l.filled(Type::int32, {}, 0);
  const int32_t before = l.make("CUMSUM", {differs, l.int_scalar(2)}, Type::int32, {n, n, width}, {{"exclusive", 1, {}}});
  const int32_t decides = l.compare("LOGICAL_AND", l.compare("LESS", a, b), l.compare("EQUAL", before, zero));
  const int32_t same = l.compare("EQUAL", l.reduce("SUM", differs, {2}, false), zero);
  const auto count = [&](int32_t condition, int over) { return l.reduce("SUM", l.cast(condition, Type::int32), {over}, false); };
  const int32_t places = counted(l, wide), across = shaped(places, {1, n}), down = shaped(places, {n, 1});
  const int32_t first = l.reduce("REDUCE_MIN", l.select(same, across, l.filled(Type::int32, {}, INT32_MAX)), {1}, false);
  const int32_t is_first = l.compare("EQUAL", first, places);
  // How many of the first ones come before a slice's own: by order, or by place.
  const bool sorted = w.node.integer("sorted", 1) != 0;
  const int32_t earlier = sorted ? l.reduce("REDUCE_ANY", decides, {2}, false) : l.compare("LESS", down, shaped(first, {1, n}));
  const int32_t number = count(l.compare("LOGICAL_AND", earlier, shaped(is_first, {n, 1})), 0);
  const int32_t met = shaped(l.cast(l.make("WHERE", {is_first}, Type::int64, {-1, 1}), Type::int32), {-1});
  const auto of = [&](int32_t table, int32_t at) { return l.make("GATHER", {table, at}, l.type_of(table), {-1}, {{"axis", 0, {}}}); };
  const int32_t to = shaped(of(number, met), {-1, 1});
  const int32_t chosen = l.make(
      "SCATTER_ND", {to, met, l.make("SHAPE", {met}, Type::int32, {1}, {{"out_type", static_cast<double>(Type::int32), {}}})}, Type::int32, {-1});
  const auto define = [&](size_t i, int32_t tensor) {
    if (w.out(i) != LATHE_NONE) l.define(w.out(i), l.cast(tensor, Type::int64), {0});
  };
  if (w.out(0) != LATHE_NONE) {
    Extents chosen_extents = e;
    chosen_extents[0] = -1;
    l.define(w.out(0), l.cast(l.make("GATHER", {wide, chosen}, in, chosen_extents, {{"axis", 0, {}}}), type), order);
  }
  define(1, chosen);
  define(2, number);
  if (w.out(3) != LATHE_NONE) define(3, of(count(same, 1), chosen));
}

// UNIQUE yields values in the order in which they are met, and of each element which value it is.
void lower_unique(Lowering& l, const Work& w) {
  if (w.node.has("axis") && l.rank(w.in(0)) != 1) return unique_slices(l, w);
  int64_t count = 1;
  for (const int64_t e : l.extents(w.in(0))) count = e < 0 || count < 0 ? -1 : count * e;
  const Type type = l.type(w.in(0)), in = type == Type::int8 || type == Type::uint8 || type == Type::int16 ? Type::int32 : type;
  if (in != Type::float32 && in != Type::int32 && in != Type::int64) l.refuse(std::string("the runtime's UNIQUE has no kernel for ") + name(type));
  const int32_t whole = l.plain(w.in(0));
  const int32_t row = l.cast(l.rank(w.in(0)) == 1 ? whole : l.make("RESHAPE", {whole, l.ints({-1})}, type, {count}, {{"new_shape", 0, {-1}}}), in);
  int32_t values = l.new_tensor("", in, {-1}), which = l.new_tensor("", Type::int32, {count});
  l.emit("UNIQUE", {row}, {values, which}).options = {{"idx_out_type", static_cast<double>(Type::int32), {}}};
  const int32_t length = l.make("SHAPE", {values}, Type::int32, {1}, {{"out_type", static_cast<double>(Type::int32), {}}});
  const auto line = [&](int32_t x, bool across, Type t) {  // as a row or a column
    const std::vector<int32_t> shape = across ? std::vector<int32_t>{1, -1} : std::vector<int32_t>{-1, 1};
    return l.make("RESHAPE", {x, l.ints(shape)}, t, {shape.begin(), shape.end()}, {{"new_shape", 0, shape}});
  };
  const auto sum = [&](int32_t condition, int axis) { return l.reduce("SUM", l.cast(condition, Type::int32), {axis}, false); };
  if (w.node.integer("sorted", 1) != 0) {
    // A value's place is the number of those that are less.
    const int32_t columns = line(values, false, in), rows = line(values, true, in);
    const int32_t lesser = l.make("LESS", {rows, columns}, Type::boolean, {-1, -1});
    const int32_t place = l.make("SUM", {l.cast(lesser, Type::int32), l.ints({1})}, Type::int32, {-1}, {{"keep_dims", 0, {}}});
    which = l.make("GATHER", {place, which}, Type::int32, {count}, {{"axis", 0, {}}});
    values = l.make("SCATTER_ND", {line(place, false, Type::int32), values, length}, in, {-1});
  }
  if (w.out(0) != LATHE_NONE) l.define(w.out(0), l.cast(values, type), {0});
  if (w.out(1) == LATHE_NONE && w.out(2) == LATHE_NONE && w.out(3) == LATHE_NONE) return;
  const int32_t zero = l.int_scalar(0), one = l.int_scalar(1), n = l.make("RESHAPE", {length, l.ints({})}, Type::int32, {}, {{"new_shape", 0, {}}});
  const int32_t numbers = l.make("RANGE", {zero, n, one}, Type::int32, {-1});
  const int32_t is = l.make("EQUAL", {line(numbers, false, Type::int32), l.reshape(which, {1, count})}, Type::boolean, {-1, count});
  const int32_t place = line(counted(l, row), true, Type::int32);
  const int32_t first = l.make("SELECT_V2", {is, place, l.filled(Type::int32, {1, 1}, INT32_MAX)}, Type::int32, {-1, count});
  const auto wide = [&](int32_t x) { return l.cast(x, Type::int64); };
  if (w.out(1) != LATHE_NONE) l.define(w.out(1), wide(l.reduce("REDUCE_MIN", first, {1}, false)), {0});
  if (w.out(2) != LATHE_NONE) l.define(w.out(2), wide(which), {0});
  if (w.out(3) != LATHE_NONE) l.define(w.out(3), wide(sum(is, 1)), {0});
}

const LowerRule rules[] = {{"Unique", lower_unique}};

}  // namespace

std::span<const LowerRule> unique_rules() { return rules; }

}  // namespace lathe::tflite
