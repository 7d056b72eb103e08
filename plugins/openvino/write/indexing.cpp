// Reading and writing elements by index.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

Dimensions declared(const Step& s, size_t i = 0) {
  const sdk::ValueView value = s.node.output_value(i);
  return value.has_rank() ? Dimensions(value.shape()) : std::nullopt;
}

// Indices that may be negative, counted from the front: GatherElements and the Scatter operations do not count from the end.
Wire counted(Step& s, const Wire& indices, const Wire& data, int64_t axis) {
  const Wire length = s.convert(s.gather(s.shape_of(data), s.index(axis), 0), indices.type);
  const Wire negative = s.make("Less", {indices, s.scalar(indices.type, 0)}, {numpy});
  return s.make("Select", {negative, s.make("Add", {indices, length}, {numpy}, indices.dimensions), indices}, {numpy}, indices.dimensions);
}

bool may_be_negative(const Step& s, size_t i) {
  const auto known = s.known_integers(i);
  if (!known) return true;
  for (const int64_t x : *known)
    if (x < 0) return true;
  return false;
}

void gather(Step& s) {
  const Wire x = s.in(0), indices = s.in(1);
  const Attributes attributes = {{"batch_dims", "0"}};
  // Form 8 counts negative indices from the end, form 7 does not.
  s.out(0, s.make({"Gather", may_be_negative(s, 1) ? 8 : 7}, {x, indices, s.index(s.node.integer("axis", 0))}, attributes, declared(s)));
}

void gather_elements(Step& s) {
  const Wire x = s.in(0);
  const int64_t axis = s.axis(s.node.integer("axis", 0), s.rank(0));
  Wire indices = s.in(1);
  if (may_be_negative(s, 1)) indices = counted(s, indices, x, axis);
  s.out(0, s.make("GatherElements", {x, indices}, {{"axis", text(axis)}}, indices.dimensions));
}

// Indices whose last axis names an element or a slice, counted from the front.
Wire counted_tuples(Step& s, const Wire& indices, const Wire& data, int64_t batch) {
  if (!indices.has_rank() || indices.dimensions->back() < 0) s.refuse("how many axes its indices name is not known");
  const int64_t n = indices.dimensions->back();
  const Wire sizes = s.convert(s.slice(s.shape_of(data), {batch}, {batch + n}, {1}, {0}), indices.type);
  const Wire negative = s.make("Less", {indices, s.scalar(indices.type, 0)}, {numpy});
  return s.make("Select", {negative, s.make("Add", {indices, sizes}, {numpy}), indices}, {numpy}, indices.dimensions);
}

void gather_nd(Step& s) {
  const Wire x = s.in(0);
  const int64_t batch = s.node.integer("batch_dims", 0);
  Wire indices = s.in(1);
  if (may_be_negative(s, 1)) indices = counted_tuples(s, indices, x, batch);
  // Form 5 joins the batch axes into one, form 8 keeps them.
  s.out(0, s.make({"GatherND", batch > 1 ? 8 : 5}, {x, indices}, {{"batch_dims", text(batch)}}, declared(s)));
}

std::string reduction(const Step& s) {
  const std::string_view name = s.node.text("reduction", "none");
  return name == "add" ? "sum" : name == "mul" ? "prod" : std::string(name);
}

void scatter_elements(Step& s) {
  const Wire x = s.in(0), updates = s.in(2);
  const int64_t axis = s.axis(s.node.integer("axis", 0), s.rank(0));
  Wire indices = s.in(1);
  if (may_be_negative(s, 1)) indices = counted(s, indices, x, axis);
  const std::string how = reduction(s);
  if (how == "none") return s.out(0, s.make("ScatterElementsUpdate", {x, indices, updates, s.index(axis)}));
  s.out(0, s.make({"ScatterElementsUpdate", 12}, {x, indices, updates, s.index(axis)}, {{"reduction", how}, {"use_init_val", "true"}}));
}

void scatter_nd(Step& s) {
  const Wire x = s.in(0), updates = s.in(2);
  Wire indices = s.in(1);
  if (may_be_negative(s, 1)) indices = counted_tuples(s, indices, x, 0);
  const std::string how = reduction(s);
  if (how == "none") return s.out(0, s.make("ScatterNDUpdate", {x, indices, updates}));
  s.out(0, s.make({"ScatterNDUpdate", 15}, {x, indices, updates}, {{"reduction", how}}));
}

// Zeros, and each element at the place that its index names in the whole result, whose size along each axis of the window is
// (size - 1) * stride + kernel - pads. A larger shape that is asked for has zeros behind.
void unpool(Step& s) {
  const Wire x = s.in(0), indices = s.in(1);
  const Dimensions result = declared(s);
  const std::vector<int64_t> kernel = s.node.integers("kernel_shape");
  const size_t n = kernel.size();
  const std::vector<int64_t> strides = s.node.integers("strides", std::vector<int64_t>(n, 1)),
                             pads = s.node.integers("pads", std::vector<int64_t>(2 * n, 0));
  if (strides.size() != n || pads.size() != 2 * n || s.rank(0) != static_cast<int64_t>(n) + 2)
    s.refuse("its window's attributes have different lengths");
  std::vector<int64_t> factors = {1, 1}, more = {0, 0};
  for (size_t i = 0; i < n; ++i) factors.push_back(strides[i]), more.push_back(kernel[i] - strides[i] - pads[i] - pads[n + i]);
  const Dimensions list = std::vector<int64_t>{s.rank(0)}, open = std::vector<int64_t>(static_cast<size_t>(s.rank(0)), -1);
  const Wire shape = s.make("Add", {s.make("Multiply", {s.shape_of(x), s.indices(factors)}, {numpy}), s.indices(more)}, {numpy});
  const Wire size = s.reduce("ReduceProd", shape, {0}, true);
  const Wire zeros = s.broadcast_to(s.scalar(x.type, 0), size, std::vector<int64_t>{-1});
  const Wire filled = s.make("ScatterElementsUpdate", {zeros, s.reshape(indices, {-1}), s.reshape(x, {-1}), s.index(0)}, {}, zeros.dimensions);
  const Wire y = s.make("Reshape", {filled, shape}, {{"special_zero", "false"}}, s.has(2) ? open : result);
  if (!s.has(2)) return s.out(0, y);
  const Wire missing = s.make("Subtract", {s.convert(s.in(2), LATHE_INT64), shape}, {numpy}, list);
  const Wire none = s.indices(std::vector<int64_t>(static_cast<size_t>(s.rank(0)), 0));
  s.out(0, s.make("Pad", {y, none, missing, s.scalar(x.type, 0)}, {{"pad_mode", "constant"}}, result));
}

// A cache and what is written into it along an axis, batch by batch from a place of its own on; circular: over the end it begins anew.
void scatter_tensor(Step& s) {
  const Wire cache = s.in(0), update = s.in(1);
  const int64_t rank = s.rank(0), axis = s.axis(s.node.integer("axis", -2), rank);
  if (!update.has_rank() || update.rank() != rank || axis < 1) s.refuse("its update has not the axes of its cache");
  const auto along = [&](int64_t where, int64_t size) {
    std::vector<int64_t> shape(static_cast<size_t>(rank), 1);
    shape[static_cast<size_t>(where)] = size;
    return shape;
  };
  const Wire shape = s.shape_of(update), count = s.gather(shape, s.index(axis), 0);
  const Wire turn = s.make("Range", {s.index(0), count, s.index(1)}, {{"output_type", "i64"}},
                           std::vector<int64_t>{(*update.dimensions)[static_cast<size_t>(axis)]});
  Wire places = s.make("Reshape", {turn, s.indices(along(axis, -1))}, {{"special_zero", "false"}},
                       along(axis, (*update.dimensions)[static_cast<size_t>(axis)]));
  if (s.has(2)) {
    const Wire first =
        s.make("Reshape", {s.convert(s.in(2), LATHE_INT64), s.indices(along(0, -1))}, {{"special_zero", "false"}}, along(0, (*update.dimensions)[0]));
    places = s.make("Add", {places, first}, {numpy});
  }
  if (s.node.text("mode", "linear") == "circular") places = s.make("FloorMod", {places, s.gather(s.shape_of(cache), s.index(axis), 0)}, {numpy});
  s.out(0, s.make("ScatterElementsUpdate", {cache, s.broadcast_to(places, shape, update.dimensions), update, s.index(axis)}));
}

void non_zero(Step& s) { s.out(0, s.make("NonZero", {s.in(0)}, {{"output_type", "i64"}}, declared(s))); }

// The elements at which the condition is true.
void compress(Step& s) {
  const Wire x = s.in(0), condition = s.in(1);
  const Wire where = s.make("NonZero", {condition}, {{"output_type", "i64"}}, std::vector<int64_t>{1, -1});
  const Wire indices = s.squeeze(where, {0});
  if (s.node.has("axis")) return s.out(0, s.gather(x, indices, s.node.integer("axis", 0)));
  s.out(0, s.gather(s.reshape(x, {-1}), indices, 0));
}

void unique(Step& s) {
  std::vector<Wire> inputs = {s.in(0)};
  if (s.node.has("axis")) inputs.push_back(s.index(s.node.integer("axis", 0)));
  const Dimensions list = std::vector<int64_t>{-1};
  const std::vector<Wire> all = s.make_many(
      "Unique", inputs, {{"sorted", text(s.node.integer("sorted", 1) != 0)}, {"index_element_type", "i64"}, {"count_element_type", "i64"}},
      {declared(s), list, list, list});
  for (size_t i = 0; i < 4; ++i) s.out(i, all[i]);
}

constexpr Writer writers[] = {
    {"Compress", Means::decomposition, compress},
    {"Gather", Means::exact, gather},
    {"GatherElements", Means::exact, gather_elements},
    {"MaxUnpool", Means::decomposition, unpool},
    {"TensorScatter", Means::decomposition, scatter_tensor},
    {"GatherND", Means::exact, gather_nd},
    {"NonZero", Means::exact, non_zero},
    {"ScatterElements", Means::exact, scatter_elements},
    {"ScatterND", Means::exact, scatter_nd},
    {"Unique", Means::exact, unique},
};

}  // namespace

std::span<const Writer> indexing_writers() { return writers; }

}  // namespace lathe::openvino
