// Shapes, cutting, joining, indexing.
#include <algorithm>

#include "step.hpp"

namespace lathe::openvino {
namespace {

void transpose(ReadStep& s) {
  std::vector<int64_t> order = s.integers(1, "the order of axes");
  if (order.empty())
    for (int64_t i = s.rank(0); i-- > 0;) order.push_back(i);
  const uint32_t y = s.emit("Transpose", {s.in(0)});
  s.last().set("perm", order);
  s.out(0, y);
}

void reshape(ReadStep& s) {
  const uint32_t x = s.in(0), shape = s.list(1);
  const uint32_t y = s.emit("Reshape", {x, shape});
  // Without zeros the flag means nothing, and ONNX does not take it beside -1.
  const auto known = s.known_integers(1);
  const bool zeros = !known || std::find(known->begin(), known->end(), 0) != known->end();
  s.last().set("allowzero", zeros && !s.flag("special_zero") ? 1 : 0);
  s.out(0, y);
}

void squeeze(ReadStep& s) {
  const uint32_t x = s.in(0);
  s.out(0, s.has(1) ? s.emit("Squeeze", {x, s.list(1)}) : s.emit("Squeeze", {x}));
}
void unsqueeze(ReadStep& s) {
  const uint32_t x = s.in(0);
  s.out(0, s.emit("Unsqueeze", {x, s.list(1)}));
}

void concat(ReadStep& s) {
  std::vector<uint32_t> parts;
  for (size_t i = 0; i < s.inputs(); ++i) parts.push_back(s.in(i));
  const uint32_t y = s.emit("Concat", parts);
  s.last().set("axis", s.integer("axis"));
  s.out(0, y);
}

int64_t single(const ReadStep& s, size_t i, const char* what) {
  const std::vector<int64_t> list = s.integers(i, what);
  if (list.size() != 1) s.refuse(std::string(what) + " must be one number");
  return list.front();
}

void split(ReadStep& s) {
  const int64_t axis = single(s, 1, "the axis");
  const size_t count = s.layer.outputs.size();
  if (s.integer("num_splits") != static_cast<int64_t>(count)) s.refuse("num_splits is not the number of its outputs");
  const std::vector<uint32_t> parts = s.emit_many("Split", {s.in(0)}, count);
  s.last().set("axis", axis).set("num_outputs", static_cast<int64_t>(count));
  for (size_t i = 0; i < count; ++i) s.out(i, parts[i]);
}

void variadic_split(ReadStep& s) {
  const int64_t axis = single(s, 1, "the axis");
  uint32_t lengths = 0;
  if (auto known = s.known_integers(2)) {
    if (known->size() != s.layer.outputs.size()) s.refuse("it has another number of outputs than lengths");
    const auto open = std::find(known->begin(), known->end(), -1);
    if (open != known->end()) {
      const int64_t at = axis < 0 ? axis + s.rank(0) : axis;
      if (at < 0 || at >= s.rank(0)) s.refuse("the axis is none of the data's");
      int64_t rest = (*s.dimensions(0))[static_cast<size_t>(at)];
      if (rest < 0) s.refuse("a length of -1 is what is left of a size that is open");
      for (const int64_t n : *known) rest -= n < 0 ? 0 : n;
      *open = rest;
    }
    lengths = s.indices(*known);
  } else {
    // One of them may be -1 here too: what the others leave of the axis.
    const uint32_t given = s.list(2), zero = s.constant(LATHE_INT64, {}, {0});
    const uint32_t whole = s.emit("Gather", {s.emit("Shape", {s.in(0)}), s.indices({axis < 0 ? axis + s.rank(0) : axis})});
    const uint32_t sum = s.emit("ReduceSum", {s.emit("Max", {given, zero})});
    s.last().set("keepdims", 0);
    lengths = s.emit("Where", {s.emit("Less", {given, zero}), s.emit("Sub", {whole, sum}), given});
  }
  const std::vector<uint32_t> parts = s.emit_many("Split", {s.in(0), lengths}, s.layer.outputs.size());
  s.last().set("axis", axis);
  for (size_t i = 0; i < parts.size(); ++i) s.out(i, parts[i]);
}

void slice(ReadStep& s) {
  const uint32_t x = s.in(0), start = s.list(1), stop = s.list(2), step = s.list(3);
  s.out(0, s.emit("Slice", {x, start, stop, s.has(4) ? s.list(4) : LATHE_NONE, step}));
}

// numpy's indexing: masks say which bounds count, which axes are new, taken out or stand for all that are left.
void strided_slice(ReadStep& s) {
  std::vector<int64_t> begin = s.integers(1, "begin"), end = s.integers(2, "end"), stride(begin.size(), 1);
  if (s.has(3)) stride = s.integers(3, "strides");
  const auto mask = [&](const char* name) {
    std::vector<int64_t> bits = s.integers(name);
    bits.resize(begin.size(), 0);
    return bits;
  };
  const std::vector<int64_t> no_begin = mask("begin_mask"), no_end = mask("end_mask"), fresh = mask("new_axis_mask"),
                             taken = mask("shrink_axis_mask"), rest = mask("ellipsis_mask");
  if (end.size() != begin.size() || stride.size() != begin.size()) s.refuse("begin, end and strides have different lengths");
  std::vector<int64_t> from, to, step, axes, added, removed;
  int64_t axis = 0, position = 0;  // of the data, and of what comes out before axes are removed
  const int64_t named = static_cast<int64_t>(begin.size()) - std::count(fresh.begin(), fresh.end(), 1) - std::count(rest.begin(), rest.end(), 1);
  for (size_t i = 0; i < begin.size(); ++i) {
    if (rest[i]) {
      const int64_t skipped = s.rank(0) - named;
      axis += skipped, position += skipped;
      continue;
    }
    if (fresh[i]) {
      added.push_back(position++);
      continue;
    }
    if (taken[i]) {
      from.push_back(begin[i]), to.push_back(begin[i] == -1 ? INT64_MAX : begin[i] + 1), step.push_back(1), axes.push_back(axis);
      removed.push_back(axis);
    } else {
      if (stride[i] == 0) s.refuse("a stride is zero");
      from.push_back(!no_begin[i] ? (stride[i] > 0 ? 0 : INT64_MAX) : begin[i]);
      to.push_back(!no_end[i] ? (stride[i] > 0 ? INT64_MAX : INT64_MIN) : end[i]);
      step.push_back(stride[i]), axes.push_back(axis);
    }
    ++axis;
    if (!taken[i]) ++position;
  }
  uint32_t y = s.in(0);
  if (!axes.empty()) y = s.emit("Slice", {y, s.indices(from), s.indices(to), s.indices(axes), s.indices(step)});
  if (!removed.empty()) y = s.emit("Squeeze", {y, s.indices(removed)});
  if (!added.empty()) y = s.emit("Unsqueeze", {y, s.indices(added)});
  s.out(0, y);
}

void broadcast(ReadStep& s) {
  const std::string mode = s.text("mode");
  uint32_t x = s.in(0);
  const uint32_t shape = s.list(1);
  if (mode == "explicit") {
    // The data's axes are those of the mapping; the others are new.
    const std::vector<int64_t> mapping = s.integers(2, "the mapping of axes");
    const Dimensions& out = s.out_dimensions(0);
    std::vector<int64_t> added;
    for (int64_t i = 0; out && i < static_cast<int64_t>(out->size()); ++i)
      if (std::find(mapping.begin(), mapping.end(), i) == mapping.end()) added.push_back(i);
    if (!added.empty()) x = s.emit("Unsqueeze", {x, s.indices(added)});
  }
  s.out(0, s.emit("Expand", {x, shape}));
}

void tile(ReadStep& s) {
  uint32_t x = s.in(0);
  const uint32_t repeats = s.list(1);
  const int64_t missing = s.dimensions(1) && !s.dimensions(1)->empty() ? (*s.dimensions(1))[0] - s.rank(0) : 0;
  if (missing != 0) {
    if (missing < 0) s.refuse("it has fewer repeats than the data has axes");
    std::vector<int64_t> axes;
    for (int64_t i = 0; i < missing; ++i) axes.push_back(i);
    x = s.emit("Unsqueeze", {x, s.indices(axes)});
  }
  s.out(0, s.emit("Tile", {x, repeats}));
}

void shape_of(ReadStep& s) {
  const uint32_t y = s.emit("Shape", {s.in(0)});
  s.out(0, s.out_type(0) == LATHE_INT64 ? y : s.cast(y, s.out_type(0)));
}

void range(ReadStep& s) {
  const int32_t to = s.out_type(0);
  // ONNX counts in one type; sums of small floats are not made of integers' roundings, so it is the output's.
  const auto bound = [&](size_t i) {
    const uint32_t v = s.in(i);
    return s.type(i) == to ? v : s.cast(v, to);
  };
  const uint32_t start = bound(0), stop = bound(1), step = bound(2);
  s.out(0, s.emit("Range", {start, stop, step}));
}

void eye(ReadStep& s) {
  if (s.has(3)) s.refuse("Eye is read without batches");
  const int64_t k = single(s, 2, "the diagonal");
  const uint32_t shape = s.emit("Concat", {s.list(0), s.list(1)});
  s.last().set("axis", 0);
  const uint32_t zeros = s.emit("ConstantOfShape", {shape});
  const uint32_t y = s.emit("EyeLike", {zeros});
  s.last().set("k", k).set("dtype", static_cast<int64_t>(s.out_type(0)));
  s.out(0, y);
}

void pad(ReadStep& s) {
  const std::string mode = s.text("pad_mode");
  if (mode == "symmetric") s.refuse("padding that repeats the edge in a mirror (symmetric) has no operator in ONNX");
  const uint32_t pads = s.emit("Concat", {s.list(1), s.list(2)});
  s.last().set("axis", 0);
  const uint32_t y = s.has(3) && mode == "constant" ? s.emit("Pad", {s.in(0), pads, s.in(3)}) : s.emit("Pad", {s.in(0), pads});
  s.last().set("mode", mode);
  s.out(0, y);
}

void gather(ReadStep& s) {
  const int64_t axis = single(s, 2, "the axis");
  if (s.integer("batch_dims") != 0) s.refuse("Gather with batch_dims is not read");
  const uint32_t y = s.emit("Gather", {s.in(0), s.in(1)});
  s.last().set("axis", axis);
  s.out(0, y);
}

void gather_elements(ReadStep& s) {
  const uint32_t y = s.emit("GatherElements", {s.in(0), s.in(1)});
  s.last().set("axis", s.integer("axis"));
  s.out(0, y);
}

uint32_t wide(ReadStep& s, size_t i) {
  const uint32_t v = s.in(i);
  return s.type(i) == LATHE_INT64 ? v : s.cast(v, LATHE_INT64);
}

void gather_nd(ReadStep& s) {
  if (s.operation.opset < 8 && s.integer("batch_dims") > 1) s.refuse("this form of GatherND joins batch axes, which is not read");
  const uint32_t x = s.in(0);
  const uint32_t y = s.emit("GatherND", {x, wide(s, 1)});
  s.last().set("batch_dims", s.integer("batch_dims"));
  s.out(0, y);
}

std::string reduction(const ReadStep& s) {
  if (!s.operation.attribute("reduction")) return "none";
  const std::string how = s.text("reduction");
  if (how == "mean" || how == "sub") s.refuse("the reduction " + how + " has no operator in ONNX");
  return how == "sum" ? "add" : how == "prod" ? "mul" : how;
}

void scatter_elements(ReadStep& s) {
  const int64_t axis = single(s, 3, "the axis");
  if (s.operation.attribute("use_init_val") && !s.flag("use_init_val")) s.refuse("updates that leave out what was there before are not read");
  const uint32_t y = s.emit("ScatterElements", {s.in(0), s.in(1), s.in(2)});
  s.last().set("axis", axis).set("reduction", reduction(s));
  s.out(0, y);
}

void scatter_nd(ReadStep& s) {
  const uint32_t x = s.in(0), indices = wide(s, 1);
  const uint32_t y = s.emit("ScatterND", {x, indices, s.in(2)});
  s.last().set("reduction", reduction(s));
  s.out(0, y);
}

void non_zero(ReadStep& s) {
  const uint32_t y = s.emit("NonZero", {s.in(0)});
  s.out(0, s.out_type(0) == LATHE_INT64 ? y : s.cast(y, s.out_type(0)));
}

void one_hot(ReadStep& s) {
  const auto scalar = [&](size_t i) {
    const uint32_t v = s.in(i);
    return s.rank(i) == 0 ? s.emit("Unsqueeze", {v, s.indices({0})}) : v;
  };
  const uint32_t off = scalar(3), on = scalar(2);
  const uint32_t values = s.emit("Concat", {off, on});
  s.last().set("axis", 0);
  // Negative indices turn nothing on here; in ONNX they count from the end, so they are moved out of sight.
  const uint32_t indices = wide(s, 0), depth = s.list(1), zero = s.constant(LATHE_INT64, {}, {0});
  const uint32_t hidden = s.emit("Where", {s.emit("Less", {indices, zero}), s.emit("Squeeze", {depth, s.indices({0})}), indices});
  const uint32_t y = s.emit("OneHot", {hidden, depth, values});
  s.last().set("axis", s.integer("axis"));
  s.out(0, y);
}

void unique(ReadStep& s) {
  const std::vector<uint32_t> y = s.emit_many("Unique", {s.in(0)}, 4);
  s.last().set("sorted", s.flag("sorted") ? 1 : 0);
  if (s.has(1)) s.last().set("axis", single(s, 1, "the axis"));
  s.out(0, y[0]);
  for (size_t i = 1; i < s.layer.outputs.size(); ++i) s.out(i, s.out_type(i) == LATHE_INT64 ? y[i] : s.cast(y[i], s.out_type(i)));
}

void depth_to_space(ReadStep& s) {
  const uint32_t y = s.emit("DepthToSpace", {s.in(0)});
  s.last().set("mode", s.text("mode") == "depth_first" ? "CRD" : "DCR").set("blocksize", s.integer("block_size"));
  s.out(0, y);
}

void space_to_depth(ReadStep& s) {
  if (s.text("mode") != "blocks_first") s.refuse("SpaceToDepth is read with its blocks first; depth_first has no operator in ONNX");
  const uint32_t y = s.emit("SpaceToDepth", {s.in(0)});
  s.last().set("blocksize", s.integer("block_size"));
  s.out(0, y);
}

void reverse_sequence(ReadStep& s) {
  // ONNX takes all types but the short floats.
  const int32_t type = s.type(0);
  const bool through = type == LATHE_BFLOAT16 || type == LATHE_FLOAT8E4M3FN || type == LATHE_FLOAT8E5M2;
  const uint32_t x = through ? s.cast(s.in(0), LATHE_FLOAT32) : s.in(0);
  const uint32_t y = s.emit("ReverseSequence", {x, wide(s, 1)});
  s.last().set("batch_axis", s.integer("batch_axis")).set("time_axis", s.integer("seq_axis"));
  s.out(0, through ? s.cast(y, type) : y);
}

void column_to_image(ReadStep& s) {
  const auto two = [&](const char* name, int64_t fallback) {
    std::vector<int64_t> list = s.integers(name);
    if (list.size() != 2) list = {fallback, fallback};
    return list;
  };
  const uint32_t x = s.in(0), size = wide(s, 1), block = wide(s, 2);
  const uint32_t y = s.emit("Col2Im", {x, size, block});
  const std::vector<int64_t> begin = two("pads_begin", 0), end = two("pads_end", 0);
  s.last().set("strides", two("strides", 1)).set("dilations", two("dilations", 1));
  s.last().set("pads", std::vector<int64_t>{begin[0], begin[1], end[0], end[1]});
  s.out(0, y);
}

constexpr Reader readers[] = {
    {"Broadcast", broadcast},
    {"Col2Im", column_to_image},
    {"Concat", concat},
    {"DepthToSpace", depth_to_space},
    {"Eye", eye},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd},
    {"NonZero", non_zero},
    {"OneHot", one_hot},
    {"Pad", pad},
    {"Range", range},
    {"Reshape", reshape},
    {"ReverseSequence", reverse_sequence},
    {"ScatterElementsUpdate", scatter_elements},
    {"ScatterNDUpdate", scatter_nd},
    {"ShapeOf", shape_of},
    {"Slice", slice},
    {"SpaceToDepth", space_to_depth},
    {"Split", split},
    {"Squeeze", squeeze},
    {"StridedSlice", strided_slice},
    {"Tile", tile},
    {"Transpose", transpose},
    {"Unique", unique},
    {"Unsqueeze", unsqueeze},
    {"VariadicSplit", variadic_split},
};

}  // namespace

std::span<const Reader> movement_readers() { return readers; }

}  // namespace lathe::openvino
