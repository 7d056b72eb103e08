// Shapes as values, and tensors made from shapes.
#include <algorithm>
#include <cstring>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

Dimensions declared(const Step& s, size_t i = 0) {
  const sdk::ValueView value = s.node.output_value(i);
  return value.has_rank() ? Dimensions(value.shape()) : std::nullopt;
}

void shape(Step& s) {
  const Wire x = s.in(0);
  Wire y = s.shape_of(x);
  const int64_t start = s.node.integer("start", 0), end = s.node.integer("end", INT64_MAX);
  if (start != 0 || s.node.has("end")) y = s.slice(y, {start}, {end}, {1}, {0});
  s.out(0, y);
}

void size(Step& s) { s.out(0, s.reduce("ReduceProd", s.shape_of(s.in(0)), {0}, false)); }

void reshape(Step& s) {
  const Wire data = s.in(0), shape = s.in(1);
  s.out(0, s.make("Reshape", {data, shape}, {{"special_zero", text(s.node.integer("allowzero", 0) == 0)}}, declared(s)));
}

void flatten(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0), axis = s.axis(s.node.integer("axis", 1), rank);
  if (axis == 0) return s.out(0, s.reshape(x, {1, -1}));
  if (axis == rank) return s.out(0, s.reshape(x, {-1, 1}));
  int64_t front = 1, back = 1;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t& part = i < axis ? front : back;
    const int64_t d = (*x.dimensions)[static_cast<size_t>(i)];
    part = part < 0 || d < 0 ? -1 : part * d;
  }
  if (front >= 0) return s.out(0, s.reshape(x, {front, back >= 0 ? back : -1}));
  if (back >= 0) return s.out(0, s.reshape(x, {-1, back}));
  const Wire rows = s.reduce("ReduceProd", s.slice(s.shape_of(x), {0}, {axis}, {1}, {0}), {0}, true);
  s.out(0, s.make("Reshape", {x, s.concat({rows, s.indices({-1})}, 0)}, {{"special_zero", "false"}}, declared(s)));
}

void squeeze(Step& s) {
  const Wire x = s.in(0);
  if (s.has(1)) {
    if (const auto known = s.known_integers(1); known && x.has_rank() && !declared(s)) return s.out(0, s.squeeze(x, *known));
    return s.out(0, s.make("Squeeze", {x, s.in(1)}, {}, declared(s)));
  }
  // Which of the axes have the size 1 is decided when it runs, where one is open.
  if (!x.is_static()) return s.out(0, s.make("Squeeze", {x}, {}, declared(s)));
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < x.rank(); ++i)
    if ((*x.dimensions)[static_cast<size_t>(i)] == 1) axes.push_back(i);
  s.out(0, s.squeeze(x, axes));
}

void unsqueeze(Step& s) {
  const Wire x = s.in(0), axes = s.in(1);
  // What is known of the rank here may be more than what was inferred.
  if (const auto known = s.known_integers(1); known && x.has_rank() && !declared(s)) return s.out(0, s.unsqueeze(x, *known));
  s.out(0, s.make("Unsqueeze", {x, axes}, {}, declared(s)));
}

void expand(Step& s) {
  const Wire x = s.in(0), shape = s.in(1);
  s.out(0, s.broadcast_to(x, shape, declared(s), "bidirectional"));
}

void constant_of_shape(Step& s) {
  const int32_t type = s.node.output_value(0).type();
  Wire value;
  if (const auto given = s.node.attribute("value")) {
    const sdk::TensorView tensor = given->tensor();
    const auto kept = std::make_shared<std::vector<char>>(tensor.bytes());
    if (!kept->empty()) std::memcpy(kept->data(), tensor.data(), kept->size());
    value = s.draft.constant(std::string(s.node.name()) + "/Constant", type, {}, kept->data(), kept->size(), kept);
  } else {
    value = s.scalar(type, 0);
  }
  s.out(0, s.broadcast_to(value, s.in(0), declared(s)));
}

void range(Step& s) {
  const int32_t type = s.node.output_value(0).type();
  const auto bound = [&](size_t i) {
    const Wire wire = s.in(i);
    return wire.has_rank() && wire.rank() == 1 ? s.squeeze(wire, {0}) : wire;
  };
  const Wire start = bound(0), stop = bound(1), step = bound(2);
  const char* spelled = type == LATHE_INT64     ? "i64"
                        : type == LATHE_INT32   ? "i32"
                        : type == LATHE_INT16   ? "i16"
                        : type == LATHE_FLOAT64 ? "f64"
                                                : "f32";
  s.out(0, s.make("Range", {start, stop, step}, {{"output_type", spelled}}, declared(s) ? declared(s) : Dimensions(std::vector<int64_t>{-1})));
}

void eye(Step& s) {
  const Wire x = s.in(0);
  const int32_t type = s.node.output_value(0).type();
  const Wire sizes = s.shape_of(x);
  const Wire rows = s.gather(sizes, s.index(0), 0), columns = s.gather(sizes, s.index(1), 0);
  // Eye yields numbers of the common types; the others are converted.
  const Wire y = s.make("Eye", {rows, columns, s.index(s.node.integer("k", 0))}, {{"output_type", "f32"}}, x.dimensions);
  if (type == LATHE_BOOL) return s.out(0, s.make("NotEqual", {y, s.scalar(LATHE_FLOAT32, 0)}, {numpy}));
  s.out(0, s.convert(y, type));
}

void tile(Step& s) {
  const Wire x = s.in(0), repeats = s.in(1);
  s.out(0, s.make("Tile", {x, repeats}, {}, declared(s)));
}

void one_hot(Step& s) {
  Wire indices = s.in(0);
  if (indices.type != LATHE_INT32 && indices.type != LATHE_INT64) indices = s.convert(indices, LATHE_INT64);
  Wire depth = s.in(1);
  if (depth.type != LATHE_INT32 && depth.type != LATHE_INT64) depth = s.convert(depth, LATHE_INT64);
  if (depth.has_rank() && depth.rank() == 1) depth = s.squeeze(depth, {0});
  // Negative indices count from the end in ONNX; OneHot turns nothing on for them.
  const Wire end = s.convert(depth, indices.type);
  const Wire negative = s.make("Less", {indices, s.scalar(indices.type, 0)}, {numpy});
  indices = s.make("Select", {negative, s.make("Add", {indices, end}, {numpy}), indices}, {numpy}, indices.dimensions);
  const Wire values = s.in(2);
  const Wire off = s.gather(values, s.index(0), 0), on = s.gather(values, s.index(1), 0);
  s.out(0, s.make("OneHot", {indices, depth, on, off}, {{"axis", text(s.node.integer("axis", -1))}}, declared(s)));
}

// 1 where row + k <= column (upper) or column <= row + k (lower), from two ranges; the rest becomes 0.
void trilu(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  const bool upper = s.node.integer("upper", 1) != 0;
  const Wire sizes = s.shape_of(x);
  const auto counted = [&](int64_t axis) {
    const Wire n = s.gather(sizes, s.index(axis), 0);
    return s.make("Range", {s.index(0), n, s.index(1)}, {{"output_type", "i64"}}, std::vector<int64_t>{(*x.dimensions)[static_cast<size_t>(axis)]});
  };
  const Wire rows = s.unsqueeze(counted(rank - 2), {1}), columns = s.unsqueeze(counted(rank - 1), {0});
  Wire k = s.index(0);
  if (s.has(1)) k = s.in(1).has_rank() && s.in(1).rank() == 1 ? s.squeeze(s.in(1), {0}) : s.in(1);
  const Wire moved = s.make("Add", {rows, k}, {numpy}, std::vector<int64_t>{(*rows.dimensions)[0], 1});
  const Wire kept = s.make(upper ? "LessEqual" : "GreaterEqual", {moved, columns}, {numpy});
  s.out(0, s.make("Select", {kept, x, s.scalar(x.type, 0)}, {numpy}, x.dimensions));
}

// Sums of cosines over the window's length.
void window(Step& s) {
  Wire size = s.in(0);
  if (size.has_rank() && size.rank() == 1) size = s.squeeze(size, {0});
  const std::string_view op = s.node.op_type();
  const double first = op == "HannWindow"      ? 0.5
                       : op == "HammingWindow" ? 25.0 / 46
                                               : 0.42,
               second = op == "HannWindow"      ? 0.5
                        : op == "HammingWindow" ? 21.0 / 46
                                                : 0.5;
  const Wire real = s.convert(size, LATHE_FLOAT32);
  const Wire length = s.node.integer("periodic", 1) != 0 ? real : s.make("Subtract", {real, s.scalar(LATHE_FLOAT32, 1)}, {numpy});
  const Wire n = s.make("Range", {s.scalar(size.type, 0), size, s.scalar(size.type, 1)}, {{"output_type", "f32"}}, std::vector<int64_t>{-1});
  const Wire angle =
      s.make("Divide", {s.make("Multiply", {n, s.scalar(LATHE_FLOAT32, 6.283185307179586)}, {numpy}), length}, {numpy, {"m_pythondiv", "true"}});
  const auto term = [&](double weight, const Wire& a) { return s.make("Multiply", {s.make("Cos", {a}), s.scalar(LATHE_FLOAT32, weight)}, {numpy}); };
  Wire y = s.make("Subtract", {s.scalar(LATHE_FLOAT32, first), term(second, angle)}, {numpy});
  if (op == "BlackmanWindow") {
    const Wire twice = s.make("Multiply", {angle, s.scalar(LATHE_FLOAT32, 2)}, {numpy});
    y = s.make("Add", {y, term(0.08, twice)}, {numpy});
  }
  s.out(0, s.convert(y, s.node.output_value(0).type()));
}

constexpr Writer writers[] = {
    {"BlackmanWindow", Means::decomposition, window},
    {"ConstantOfShape", Means::exact, constant_of_shape},
    {"Expand", Means::exact, expand},
    {"EyeLike", Means::decomposition, eye},
    {"Flatten", Means::exact, flatten},
    {"HammingWindow", Means::decomposition, window},
    {"HannWindow", Means::decomposition, window},
    {"OneHot", Means::decomposition, one_hot},
    {"Range", Means::exact, range},
    {"Reshape", Means::exact, reshape},
    {"Shape", Means::exact, shape},
    {"Size", Means::decomposition, size},
    {"Squeeze", Means::exact, squeeze},
    {"Tile", Means::exact, tile},
    {"Trilu", Means::decomposition, trilu},
    {"Unsqueeze", Means::exact, unsqueeze},
};

}  // namespace

std::span<const Writer> shape_writers() { return writers; }

}  // namespace lathe::openvino
