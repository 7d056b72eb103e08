// Recipes of operators that move, select and place elements.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

bool reshape(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0));
  const Dims& from = r.d.dims(x);
  int64_t count = 1;
  for (int64_t n : from) count *= n;
  Dims to;
  int64_t left = count;
  while (left > 1 && to.size() < 4) {
    int64_t factor = r.random.between(1, std::min<int64_t>(left, 6));
    while (left % factor) --factor;
    to.push_back(factor);
    left /= factor;
  }
  if (count == 0) {
    to = from;
    r.random.shuffle(to);
    if (r.chance(50))
      r.set("allowzero", int64_t(1));
    else
      to = from;
  } else {
    if (left > 1) to.push_back(left);
    r.random.shuffle(to);
    for (size_t i = 0; i < to.size() && i < from.size(); ++i)
      if (to[i] == from[i] && r.chance(30)) to[i] = 0;
    if (!to.empty() && r.chance(50)) to[size_t(r.random.below(int64_t(to.size())))] = -1;
  }
  r.in(x), r.in(r.d.ints(to));
  return true;
}

bool transpose(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0));
  const size_t rank = r.d.dims(x).size();
  r.in(x);
  if (rank == 0 || r.chance(20)) return true;
  Dims perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = int64_t(i);
  r.random.shuffle(perm);
  r.set("perm", perm);
  return true;
}

bool concat(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank);
  r.in(x);
  for (int64_t i = r.random.between(0, 3); i > 0; --i) {
    Dims dims = r.d.dims(x);
    if (r.chance(60)) dims[size_t(Recipe::positive(axis, rank))] = r.random.between(0, 4);
    r.in(r.d.value(r.d.type(x), dims));
  }
  r.random.shuffle(r.p.inputs);
  r.set("axis", axis);
  return true;
}

bool split(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank), length = r.d.dims(x)[size_t(Recipe::positive(axis, rank))];
  if (length < 1) return false;
  const int64_t parts = r.random.between(1, std::min<int64_t>(length, 4));
  r.in(x);
  if (r.chance(50)) {
    Dims sizes(static_cast<size_t>(parts), 0);
    for (int64_t i = 0; i < length; ++i) ++sizes[size_t(r.random.below(parts))];
    r.in(r.d.ints(sizes));
  } else {
    if ((length + parts - 1) / parts * (parts - 1) >= length) return false;
    r.set("num_outputs", parts);
  }
  r.set("axis", axis);
  r.p.outputs = size_t(parts);
  return true;
}

bool slice(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1);
  const int64_t rank = int64_t(r.d.dims(x).size());
  Dims axes = r.axes(rank), starts, ends, steps;
  if (axes.empty()) axes = {r.axis(rank)};
  for (const int64_t a : axes) {
    const int64_t n = r.d.dims(x)[size_t(Recipe::positive(a, rank))];
    starts.push_back(r.random.between(-n - 2, n + 2));
    ends.push_back(r.chance(15) ? r.random.pick({INT64_MAX, INT64_MIN}) : r.random.between(-n - 2, n + 2));
    steps.push_back(r.random.pick<int64_t>({1, 1, 2, 3, -1, -2}));
  }
  r.in(x), r.in(r.d.ints(starts)), r.in(r.d.ints(ends)), r.in(r.d.ints(axes));
  if (r.chance(60)) r.in(r.d.ints(steps));
  return true;
}

bool expand(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 0, 4);
  Dims to = r.d.dims(x);
  for (int64_t& n : to)
    if (n == 1 && r.chance(60))
      n = r.random.between(0, 4);
    else if (r.chance(30))
      n = 1;
  while (to.size() < 5 && r.chance(30)) to.insert(to.begin(), r.random.between(1, 3));
  r.in(x), r.in(r.d.ints(to));
  return true;
}

bool tile(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 0, 4);
  Dims repeats(r.d.dims(x).size());
  for (int64_t& n : repeats) n = r.chance(5) ? 0 : r.random.between(1, 3);
  r.in(x), r.in(r.d.ints(repeats));
  return true;
}

bool pad(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const Dims& dims = r.d.dims(x);
  const int64_t rank = int64_t(dims.size());
  const char* mode = r.random.pick({"constant", "constant", "reflect", "edge", "wrap"});
  Dims axes(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) axes[size_t(i)] = i;
  const bool some = r.chance(30);
  if (some && (axes = r.axes(rank)).empty()) return false;
  Dims pads(axes.size() * 2);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t n = dims[size_t(Recipe::positive(axes[i], rank))];
    const bool constant = mode == std::string_view("constant");
    const int64_t most = constant ? 3 : mode == std::string_view("reflect") ? n - 1 : n;
    for (size_t end : {i, i + axes.size()}) pads[end] = most > 0 ? r.random.between(0, std::min<int64_t>(most, 3)) : 0;
    if (constant && n > 1 && r.chance(20)) pads[i] = -1;
  }
  r.set("mode", mode);
  r.in(x), r.in(r.d.ints(pads));
  r.in(mode == std::string_view("constant") && r.chance(50) ? r.d.value(r.d.type(x), {}) : none);
  r.in(some ? r.d.ints(axes) : none);
  return true;
}

bool unsqueeze(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 0, 4);
  const int64_t rank = int64_t(r.d.dims(x).size()), added = r.random.between(1, 2);
  Dims places, axes;
  for (int64_t i = 0; i < rank + added; ++i) places.push_back(i);
  r.random.shuffle(places);
  for (int64_t i = 0; i < added; ++i) axes.push_back(r.chance(30) ? places[size_t(i)] - rank - added : places[size_t(i)]);
  r.in(x), r.in(r.d.ints(axes));
  return true;
}

bool squeeze(Recipe& r) {
  ValueId x = r.d.some(r.input_type(0));
  Dims dims = r.d.dims(x), ones;
  for (int64_t i = 0; i < int64_t(dims.size()); ++i)
    if (dims[size_t(i)] == 1) ones.push_back(r.chance(30) ? i - int64_t(dims.size()) : i);
  r.in(x);
  if (r.chance(30)) return true;
  if (ones.empty()) return false;
  r.random.shuffle(ones);
  ones.resize(size_t(r.random.between(1, int64_t(ones.size()))));
  r.in(r.d.ints(ones));
  return true;
}

bool gather(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank), n = r.d.dims(x)[size_t(Recipe::positive(axis, rank))];
  const Dims dims = r.d.shape(0, 2);
  if (n == 0) return false;
  r.in(x), r.in(r.d.indices(dims, n, true, r.input_type(1)));
  r.set("axis", axis);
  return true;
}

bool gather_elements(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank), n = r.d.dims(x)[size_t(Recipe::positive(axis, rank))];
  if (n == 0) return false;
  Dims dims = r.d.dims(x);
  dims[size_t(Recipe::positive(axis, rank))] = r.random.between(1, 5);
  for (int64_t& k : dims)
    if (k > 1 && r.chance(20)) --k;
  r.in(x), r.in(r.d.indices(dims, n, true, r.input_type(1)));
  r.set("axis", axis);
  return true;
}

// Rows of indices into the dimensions after `batch`.
ValueId index_rows(Recipe& r, const Dims& data, Dims outer, int64_t batch, int64_t length, bool negative, bool distinct) {
  Dims dims = std::move(outer);
  int64_t rows = 1;
  for (int64_t n : dims) rows *= n;
  dims.push_back(length);
  Tensor t = Tensor::allocate(DataType::int64, dims);
  auto out = t.as_mutable<int64_t>();
  std::vector<Dims> seen;
  for (int64_t row = 0; row < rows; ++row) {
    Dims tuple;
    for (int attempt = 0; attempt < 200; ++attempt) {
      tuple.clear();
      for (int64_t i = 0; i < length; ++i) tuple.push_back(r.random.below(data[size_t(batch + i)]));
      if (!distinct || std::find(seen.begin(), seen.end(), tuple) == seen.end()) break;
      if (attempt == 199) return none;
    }
    seen.push_back(tuple);
    for (int64_t i = 0; i < length; ++i) out[size_t(row * length + i)] = tuple[size_t(i)] - (negative && r.chance(25) ? data[size_t(batch + i)] : 0);
  }
  return r.d.fresh(std::move(t));
}

bool gather_nd(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const Dims dims = r.d.dims(x);
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return false;
  const int64_t rank = int64_t(dims.size()), batch = r.random.between(0, std::min<int64_t>(rank - 1, 2)), length = r.random.between(1, rank - batch);
  Dims outer(dims.begin(), dims.begin() + batch);
  const Dims more = r.d.shape(batch == 0 ? 1 : 0, 2);
  outer.insert(outer.end(), more.begin(), more.end());
  r.in(x), r.in(index_rows(r, dims, outer, batch, length, true, false));
  if (batch || r.chance(30)) r.set("batch_dims", batch);
  return true;
}

const char* reduction(Recipe& r) { return r.random.pick({"none", "none", "add", "mul", "max", "min"}); }

bool scatter_nd(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const Dims dims = r.d.dims(x);
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return false;
  const int64_t rank = int64_t(dims.size()), length = r.random.between(1, rank);
  const char* how = reduction(r);
  Dims updates = r.d.shape(1, 2);
  const ValueId indices = index_rows(r, dims, updates, 0, length, true, how == std::string_view("none"));
  if (indices == none) return false;
  updates.insert(updates.end(), dims.begin() + length, dims.end());
  r.in(x), r.in(indices), r.in(r.d.value(r.d.type(x), updates));
  if (r.chance(80))
    r.set("reduction", how);
  else if (how != std::string_view("none"))
    return false;
  return true;
}

bool scatter_elements(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 3);
  const Dims dims = r.d.dims(x);
  const int64_t rank = int64_t(dims.size()), axis = r.axis(rank), a = Recipe::positive(axis, rank);
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return false;
  const char* how = reduction(r);
  Dims taken = dims;
  for (int64_t& n : taken) n = r.random.between(1, n);
  const DataType index_type = r.input_type(1);
  ValueId indices;
  if (how == std::string_view("none")) {  // places must differ: the same permutation prefix on every line
    Dims order(static_cast<size_t>(dims[size_t(a)]));
    for (size_t i = 0; i < order.size(); ++i) order[i] = int64_t(i) - (r.chance(25) ? dims[size_t(a)] : 0);
    r.random.shuffle(order);
    Tensor t = Tensor::allocate(index_type, taken);
    int64_t inner = 1;
    for (size_t i = size_t(a) + 1; i < taken.size(); ++i) inner *= taken[i];
    for (int64_t i = 0; i < t.size(); ++i) {
      const int64_t value = order[size_t(i / inner % taken[size_t(a)])];
      if (index_type == DataType::int32)
        t.as_mutable<int32_t>()[size_t(i)] = int32_t(value);
      else
        t.as_mutable<int64_t>()[size_t(i)] = value;
    }
    indices = r.d.fresh(std::move(t));
  } else {
    indices = r.d.indices(taken, dims[size_t(a)], true, index_type);
  }
  r.in(x), r.in(indices), r.in(r.d.value(r.d.type(x), taken));
  r.set("axis", axis), r.set("reduction", how);
  return true;
}

bool depth_to_space(Recipe& r) {
  const int64_t b = r.random.between(1, 3);
  const Dims dims = {r.random.between(1, 2), b * b * r.random.between(1, 3), r.random.between(1, 4), r.random.between(1, 4)};
  r.in(r.d.value(r.input_type(0), dims));
  r.set("blocksize", b);
  if (r.chance(60)) r.set("mode", r.random.pick({"DCR", "CRD"}));
  return true;
}
bool space_to_depth(Recipe& r) {
  const int64_t b = r.random.between(1, 3);
  const Dims dims = {r.random.between(1, 2), r.random.between(1, 3), b * r.random.between(1, 3), b * r.random.between(1, 3)};
  r.in(r.d.value(r.input_type(0), dims));
  r.set("blocksize", b);
  return true;
}

bool constant_of_shape(Recipe& r) {
  r.in(r.d.ints(r.d.shape()));
  if (r.chance(70)) r.p.attributes["value"] = Attribute{r.d.filled(r.output_type(0), {1}, Content::any)};
  return true;
}

bool range(Recipe& r) {
  const DataType type = r.input_type(0);
  Tensor numbers[3];
  const double start = double(r.random.between(-5, 5)), step = double(r.random.pick({1, 2, 3, -1, -2})), count = double(r.random.between(0, 12));
  const double values[3] = {start, start + step * count, step};
  for (int i = 0; i < 3; ++i) {
    numbers[i] = Tensor::allocate(type, {});
    switch (type) {
      case DataType::float32:
        numbers[i].as_mutable<float>()[0] = float(values[i]) / 2;
        break;
      case DataType::float64:
        numbers[i].as_mutable<double>()[0] = values[i] / 2;
        break;
      case DataType::int16:
        numbers[i].as_mutable<int16_t>()[0] = int16_t(values[i]);
        break;
      case DataType::int32:
        numbers[i].as_mutable<int32_t>()[0] = int32_t(values[i]);
        break;
      case DataType::int64:
        numbers[i].as_mutable<int64_t>()[0] = int64_t(values[i]);
        break;
      default:
        return false;
    }
    r.in(r.d.fresh(numbers[i]));
  }
  return true;
}

bool top_k(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const int64_t rank = int64_t(r.d.dims(x).size()), axis = r.axis(rank), n = r.d.dims(x)[size_t(Recipe::positive(axis, rank))];
  r.in(x), r.in(r.d.integer(r.random.between(n ? 1 : 0, n), DataType::int64, false));
  r.set("axis", axis);
  if (r.chance(50)) r.set("largest", r.random.between(0, 1));
  r.p.outputs = 2;
  return true;
}

bool one_hot(Recipe& r) {
  const int64_t depth = r.random.between(1, 6);
  const Dims dims = r.d.shape(1, 3);
  const DataType values = r.input_type(2);
  r.in(r.d.indices(dims, depth + r.random.between(0, 2))), r.in(r.d.integer(depth, DataType::int64, r.chance(50))), r.in(r.d.value(values, {2}));
  r.set("axis", r.random.between(-int64_t(dims.size()) - 1, int64_t(dims.size())));
  return true;
}

bool compress(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 4);
  const int64_t rank = int64_t(r.d.dims(x).size());
  int64_t length = 1;
  for (int64_t n : r.d.dims(x)) length *= n;
  if (r.chance(60)) {
    const int64_t axis = r.axis(rank);
    r.set("axis", axis);
    length = r.d.dims(x)[size_t(Recipe::positive(axis, rank))];
  }
  if (length == 0) return false;
  r.in(x), r.in(r.d.value(DataType::boolean, {r.random.between(1, length)}));
  return true;
}

bool trilu(Recipe& r) {
  r.in(r.d.some(r.input_type(0), 2, 4));
  if (r.chance(60)) r.in(r.d.integer(r.random.between(-3, 3)));
  if (r.chance(60)) r.set("upper", r.random.between(0, 1));
  return true;
}

bool reverse_sequence(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 2, 4);
  const int64_t batch = r.random.between(0, 1);
  const int64_t count = r.d.dims(x)[size_t(batch)], time = r.d.dims(x)[size_t(1 - batch)];
  if (!count || !time) return false;
  Tensor lengths = Tensor::allocate(DataType::int64, {count});
  for (int64_t& n : lengths.as_mutable<int64_t>()) n = r.random.between(1, time);
  r.in(x), r.in(r.d.fresh(std::move(lengths)));
  r.set("batch_axis", batch), r.set("time_axis", 1 - batch);
  return true;
}

bool center_crop_pad(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 3);
  const int64_t rank = int64_t(r.d.dims(x).size());
  Dims axes = r.axes(rank), to;
  if (axes.empty()) {
    for (int64_t i = 0; i < rank; ++i) to.push_back(r.random.between(1, 6));
  } else {
    for (size_t i = 0; i < axes.size(); ++i) to.push_back(r.random.between(1, 6));
    r.set("axes", axes);
  }
  r.in(x), r.in(r.d.ints(to));
  return true;
}

bool tensor_shape(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0));
  const int64_t rank = int64_t(r.d.dims(x).size());
  r.in(x);
  if (r.chance(40)) r.set("start", r.random.between(-rank - 1, rank + 1));
  if (r.chance(40)) r.set("end", r.random.between(-rank - 1, rank + 1));
  return true;
}

bool unique(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0), 1, 3);
  r.in(x);
  if (r.d.tensor(x).size() == 0) return false;
  if (r.chance(60)) r.set("axis", r.axis(int64_t(r.d.dims(x).size())));
  if (r.chance(60)) r.set("sorted", r.random.between(0, 1));
  r.p.outputs = size_t(r.random.between(1, 4));
  return true;
}

bool eye_like(Recipe& r) {
  r.in(r.d.some(r.input_type(0), 2, 2));
  if (r.chance(50)) r.set("k", r.random.between(-3, 3));
  if (r.chance(50)) r.set("dtype", int64_t(r.output_type(0)));
  return true;
}

bool identity(Recipe& r) {
  r.in(r.d.some(r.d.variable(r.op, "T")));
  return true;
}

bool flatten(Recipe& r) {
  const ValueId x = r.d.some(r.input_type(0));
  const int64_t rank = int64_t(r.d.dims(x).size());
  r.in(x);
  if (r.chance(80)) r.set("axis", r.random.between(-rank, rank));
  return true;
}

}  // namespace

std::span<const NamedRecipe> movement_recipes() {
  static const NamedRecipe table[] = {
      {"CenterCropPad", center_crop_pad},
      {"Compress", compress},
      {"Concat", concat},
      {"ConstantOfShape", constant_of_shape},
      {"DepthToSpace", depth_to_space},
      {"Expand", expand},
      {"EyeLike", eye_like},
      {"Flatten", flatten},
      {"Gather", gather},
      {"GatherElements", gather_elements},
      {"GatherND", gather_nd},
      {"Identity", identity},
      {"OneHot", one_hot},
      {"Pad", pad},
      {"Range", range},
      {"Reshape", reshape},
      {"ReverseSequence", reverse_sequence},
      {"ScatterElements", scatter_elements},
      {"ScatterND", scatter_nd},
      {"Shape", tensor_shape},
      {"Slice", slice},
      {"SpaceToDepth", space_to_depth},
      {"Split", split},
      {"Squeeze", squeeze},
      {"Tile", tile},
      {"TopK", top_k},
      {"Transpose", transpose},
      {"Trilu", trilu},
      {"Unique", unique},
      {"Unsqueeze", unsqueeze},
  };
  return table;
}

}  // namespace lathe::differential
