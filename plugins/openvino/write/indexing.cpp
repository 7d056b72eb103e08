// Reading and writing elements by index.
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
    {"Compress", Means::decomposition, compress}, {"Gather", Means::exact, gather},    {"GatherElements", Means::exact, gather_elements},
    {"GatherND", Means::exact, gather_nd},        {"NonZero", Means::exact, non_zero}, {"ScatterElements", Means::exact, scatter_elements},
    {"ScatterND", Means::exact, scatter_nd},      {"Unique", Means::exact, unique},
};

}  // namespace

std::span<const Writer> indexing_writers() { return writers; }

}  // namespace lathe::openvino
