// Operators that move elements: signatures and inference. The kernels are in lathe/kernels/movement.hpp.
#include "lathe/kernels/movement.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_transpose(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  std::vector<int64_t> order = c.node().integers("perm");
  if (order.empty())
    for (size_t i = x->size(); i-- > 0;) order.push_back(int64_t(i));
  if (order.size() != x->size()) c.fail("attribute 'perm' has the wrong length", std::to_string(x->size()), std::to_string(order.size()));
  Shape y;
  std::vector<bool> used(x->size(), false);
  for (const int64_t axis : order) {
    if (axis < 0 || axis >= int64_t(x->size()) || used[size_t(axis)])
      c.fail("attribute 'perm' is no permutation of the axes", "each of 0 to " + std::to_string(x->size() - 1) + " once", std::to_string(axis));
    used[size_t(axis)] = true;
    y.push_back((*x)[size_t(axis)]);
  }
  infer::set(c, std::move(y));
}

void infer_concat(InferenceContext& c) {
  const size_t count = c.node().inputs.size();
  Shape elements;
  bool known = true;
  for (size_t i = 0; i < count; ++i) {
    const Shape* part = c.elements(i);
    known = known && part;
    if (known) elements.insert(elements.end(), part->begin(), part->end());
  }
  const Shape* first = infer::shape(c, 0);
  if (!first) return infer::set(c, std::nullopt);
  const size_t axis = infer::axis(c, c.node().integer("axis", 0), first->size());
  Shape y = *first;
  for (size_t i = 1; i < count; ++i) {
    const Shape* next = infer::shape(c, i);
    if (!next) {
      y[axis] = Dimension();
      continue;
    }
    const auto mismatch = [&] {
      c.fail("input " + std::to_string(i) + " does not fit the first one", to_string(*first) + " but for axis " + std::to_string(axis),
             to_string(*next));
    };
    if (next->size() != y.size()) mismatch();
    for (size_t k = 0; k < y.size(); ++k) {
      if (k == axis)
        y[k] = infer::plus(c, y[k], (*next)[k]);
      else if (infer::differ(y[k], (*next)[k]))
        mismatch();
      else if (!y[k].constant())
        y[k] = (*next)[k];
    }
  }
  infer::set(c, std::move(y));
  if (known) c.set_elements(0, std::move(elements));
}

void infer_split(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  const size_t parts = c.node().outputs.size();
  if (c.node().has("num_outputs")) {
    if (c.input(1)) c.fail("both the sizes and num_outputs are given", "one of them");
    if (c.node().integer("num_outputs", 0) != int64_t(parts))
      c.fail("num_outputs is not the number of outputs", std::to_string(parts), std::to_string(c.node().integer("num_outputs", 0)));
  }
  const size_t axis = x ? infer::axis(c, c.node().integer("axis", 0), x->size()) : 0;
  const std::optional<std::vector<int64_t>> sizes = c.input(1) ? infer::known_integers(c, 1) : std::nullopt;
  if (sizes && sizes->size() != parts) c.fail("the number of sizes is not that of the outputs", std::to_string(parts), std::to_string(sizes->size()));
  int64_t sum = 0;
  if (sizes)
    for (const int64_t size : *sizes)
      if (size < 0 || __builtin_add_overflow(sum, size, &sum)) c.fail("a size is negative or too large", "0 or more", std::to_string(size));
  if (sizes && x && infer::differ((*x)[axis], Dimension(sum)))
    c.fail("the sizes do not add up to the axis", std::to_string((*x)[axis].value), std::to_string(sum));
  const Shape* elements = c.elements(0);
  int64_t at = 0;
  for (size_t i = 0; i < parts; ++i) {
    std::optional<Shape> y;
    if (x) {
      y = *x;
      Dimension& d = (*y)[axis];
      if (sizes) {
        d = Dimension((*sizes)[i]);
      } else if (c.input(1)) {
        d = Dimension();
      } else if (d.constant()) {
        const int64_t count = int64_t(parts), chunk = d.value / count + (d.value % count != 0);  // the last part may be smaller
        int64_t before = 0;
        if (__builtin_mul_overflow(chunk, count - 1, &before)) c.fail("a size overflows 63 bits", {}, std::to_string(d.value));
        const int64_t rest = d.value - before;
        if (rest < 0) c.fail("the axis is too short for that many outputs", std::to_string(parts), std::to_string(d.value));
        d = Dimension(i + 1 < parts ? chunk : rest);
      } else {
        d = infer::divided(c, infer::plus(c, d, Dimension(int64_t(parts) - 1)), Dimension(int64_t(parts)));
        if (i + 1 == parts && parts > 1) d = Dimension();
      }
    }
    if (elements && y && y->size() == 1 && (*y)[0].constant() && size_t(at + (*y)[0].value) <= elements->size()) {
      c.set_elements(i, Shape(elements->begin() + at, elements->begin() + at + (*y)[0].value));
      at += (*y)[0].value;
    }
    infer::set(c, std::move(y), i);
  }
}

void infer_slice(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *starts = c.elements(1), *ends = c.elements(2);
  for (size_t i = 1; i < c.node().inputs.size(); ++i) infer::expect_rank(c, i, 1, 1);
  if (!x) return infer::set(c, std::nullopt);
  const std::optional<std::vector<int64_t>> axes = c.input(3) ? infer::known_integers(c, 3) : std::nullopt;
  const std::optional<std::vector<int64_t>> steps = c.input(4) ? infer::known_integers(c, 4) : std::nullopt;
  if (!starts || !ends || (c.input(3) && !axes) || (c.input(4) && !steps)) {
    Shape y(x->size());
    if (axes) {  // the others keep their size
      y = *x;
      for (const int64_t axis : *axes) y[infer::axis(c, axis, x->size())] = Dimension();
    }
    return infer::set(c, std::move(y));
  }
  const size_t count = starts->size();
  if (ends->size() != count || (axes && axes->size() != count) || (steps && steps->size() != count) || count > x->size())
    c.fail("starts, ends, axes and steps differ in length", std::to_string(count) + " each, at most " + std::to_string(x->size()),
           std::to_string(ends->size()) + " ends");
  Shape y = *x;
  std::vector<bool> cut(x->size(), false);
  for (size_t i = 0; i < count; ++i) {
    const size_t axis = infer::axis(c, axes ? (*axes)[i] : int64_t(i), x->size());
    if (cut[axis]) c.fail("an axis is cut twice", "distinct axes", std::to_string(axis));
    cut[axis] = true;
    const int64_t step = steps ? (*steps)[i] : 1;
    if (step == 0) c.fail("a step is 0", "a positive or negative step", "0");
    const std::optional<int64_t> start = infer::number((*starts)[i]), end = infer::number((*ends)[i]);
    const Dimension whole = (*x)[axis];
    if (start && end && whole.constant()) {
      int64_t first = *start;
      y[axis] = Dimension(kernels::detail::slice_length(whole.value, first, *end, step));
      if (const Shape* elements = c.elements(0); elements && x->size() == 1) {
        Shape selected;
        for (int64_t k = 0; k < y[axis].value; ++k) selected.push_back((*elements)[size_t(first + k * step)]);
        c.set_elements(0, std::move(selected));
      }
    } else if (step == 1 && start && *start == 0 && end && *end >= INT32_MAX) {
      y[axis] = whole;  // "to the end", as exporters write it
    } else if (step == 1 && start && *start == 0 && !end && (*ends)[i] == whole) {
      y[axis] = whole;
    } else {
      y[axis] = Dimension();
    }
  }
  infer::set(c, std::move(y));
}

void infer_tile(InferenceContext& c) {
  const Shape *x = infer::shape(c, 0), *repeats = c.elements(1);
  if (!x) return infer::set(c, std::nullopt);
  if (!repeats) return infer::set(c, Shape(x->size()));
  if (repeats->size() != x->size()) c.fail("the repeats do not fit the input's rank", std::to_string(x->size()), std::to_string(repeats->size()));
  Shape y;
  for (size_t i = 0; i < x->size(); ++i) {
    if (infer::number((*repeats)[i]).value_or(0) < 0) c.fail("a repeat is negative", "0 or more", to_string(*repeats));
    y.push_back(infer::times(c, (*x)[i], (*repeats)[i]));
  }
  infer::set(c, std::move(y));
}

void infer_pad(InferenceContext& c) {
  const std::vector<std::string> modes{"constant", "reflect", "edge", "wrap"};
  const std::string mode = c.node().text("mode", "constant");
  if (std::find(modes.begin(), modes.end(), mode) == modes.end())
    c.fail("attribute 'mode' has an unknown value" + did_you_mean(mode, modes), "constant, reflect, edge or wrap", mode);
  const Shape* x = infer::shape(c, 0);
  if (const Shape* fill = infer::shape(c, 2); fill && infer::differ(infer::product(c, *fill, 0, fill->size()), Dimension(1)))
    c.fail("the constant value is no scalar", "one element", to_string(*fill));
  const std::optional<std::vector<int64_t>> axes = c.input(3) ? infer::known_integers(c, 3) : std::nullopt;
  const Shape* pads = c.elements(1);
  if (!x) return infer::set(c, std::nullopt);
  if (!pads || (c.input(3) && !axes)) return infer::set(c, Shape(x->size()));
  const size_t count = axes ? axes->size() : x->size();
  if (pads->size() != 2 * count)
    c.fail("the pads have the wrong length", std::to_string(2 * count) + " (begins, then ends)", std::to_string(pads->size()));
  Shape y = *x;
  std::vector<bool> padded(x->size(), false);
  for (size_t i = 0; i < count; ++i) {
    const size_t axis = infer::axis(c, axes ? (*axes)[i] : int64_t(i), x->size());
    if (padded[axis]) c.fail("an axis is padded twice", "distinct axes", std::to_string(axis));
    padded[axis] = true;
    y[axis] = infer::plus(c, y[axis], infer::plus(c, (*pads)[i], (*pads)[count + i]));
    const std::optional<int64_t> begin = infer::number((*pads)[i]), end = infer::number((*pads)[count + i]);
    if (mode != "constant" && (*x)[axis].value == 0 && (begin.value_or(0) > 0 || end.value_or(0) > 0))
      c.fail("an empty axis has nothing to repeat", "at least one element", to_string(*x));
  }
  infer::set(c, std::move(y));
}

int64_t block_size(const InferenceContext& c) {
  const int64_t block = c.node().integer("blocksize", 0);
  if (block < 1 || block > (1 << 20)) c.fail("attribute 'blocksize' is out of range", "at least 1", std::to_string(block));
  return block;
}

void infer_depth_to_space(InferenceContext& c) {
  infer::expect_rank(c, 0, 4, 4);
  const int64_t block = block_size(c);
  const std::string mode = c.node().text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") c.fail("attribute 'mode' has an unknown value", "DCR or CRD", mode);
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  if ((*x)[1].constant() && (*x)[1].value % (block * block))
    c.fail("the channels do not divide into blocks", "a multiple of " + std::to_string(block * block), std::to_string((*x)[1].value));
  const Dimension b(block);
  infer::set(c, Shape{(*x)[0], infer::divided(c, (*x)[1], Dimension(block * block)), infer::times(c, (*x)[2], b), infer::times(c, (*x)[3], b)});
}

void infer_space_to_depth(InferenceContext& c) {
  infer::expect_rank(c, 0, 4, 4);
  const int64_t block = block_size(c);
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  for (size_t i = 2; i < 4; ++i)
    if ((*x)[i].constant() && (*x)[i].value % block)
      c.fail("the image does not divide into blocks", "multiples of " + std::to_string(block), to_string(*x));
  const Dimension b(block);
  infer::set(c, Shape{(*x)[0], infer::times(c, (*x)[1], Dimension(block * block)), infer::divided(c, (*x)[2], b), infer::divided(c, (*x)[3], b)});
}

void infer_trilu(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  infer::same_as_input(c);
}

}  // namespace

std::span<const Operator> movement_operators() {
  constexpr std::string_view int64_tensor = infer::int64_tensor;
  constexpr AttributeKind integer = AttributeKind::integer;
  const std::vector<DataType> indices{DataType::int32, DataType::int64}, wide = infer::before_float8(infer::every_type());
  const std::vector<TypeVariable> any{{"T", infer::every_type()}}, padded{{"T", infer::every_type()}, {"Tind", indices}}, moved{{"T", wide}},
      sliced{{"T", wide}, {"Tind", indices}};
  const std::vector<Formal> output{{"output", "T"}};
  static const Operator table[] = {
      {"",
       "Transpose",
       {1, 13, 21, 23, 24, 25},
       {{"data", "T"}},
       output,
       any,
       {{"perm", AttributeKind::integers, false, "axes reversed"}},
       infer_transpose,
       kernels::transpose},
      {"", "Concat", {4, 11, 13}, {{"inputs", "T", Formal::variadic}}, output, moved, {{"axis", integer, true, {}}}, infer_concat, kernels::concat},
      {"",
       "Split",
       {2, 11, 13, 18},
       {{"input", "T"}, {"split", int64_tensor, Formal::optional}},
       {{"outputs", "T", Formal::variadic}},
       moved,
       {{"axis", integer, false, "0"}, {"num_outputs", integer}},
       infer_split,
       kernels::split},
      {"",
       "Slice",
       {1, 10, 11, 13},
       {{"data", "T"}, {"starts", "Tind"}, {"ends", "Tind"}, {"axes", "Tind", Formal::optional}, {"steps", "Tind", Formal::optional}},
       output,
       sliced,
       {},
       infer_slice,
       kernels::slice},
      {"", "Tile", {6, 13}, {{"input", "T"}, {"repeats", int64_tensor}}, output, moved, {}, infer_tile, kernels::tile},
      {"",
       "Pad",
       {2, 11, 13, 18, 19, 21, 23, 24, 25},
       {{"data", "T"}, {"pads", int64_tensor}, {"constant_value", "T", Formal::optional}, {"axes", "Tind", Formal::optional}},
       output,
       padded,
       {{"mode", AttributeKind::text, false, "constant"}},
       infer_pad,
       kernels::pad},
      {"",
       "DepthToSpace",
       {1, 11, 13},
       {{"input", "T"}},
       output,
       moved,
       {{"blocksize", integer, true, {}}, {"mode", AttributeKind::text, false, "DCR"}},
       infer_depth_to_space,
       kernels::depth_to_space},
      {"",
       "SpaceToDepth",
       {1, 13},
       {{"input", "T"}},
       output,
       moved,
       {{"blocksize", integer, true, {}}},
       infer_space_to_depth,
       kernels::space_to_depth},
      {"",
       "Trilu",
       {14},
       {{"input", "T"}, {"k", int64_tensor, Formal::optional}},
       output,
       moved,
       {{"upper", integer, false, "1"}},
       infer_trilu,
       kernels::trilu},
  };
  return table;
}

}  // namespace lathe
