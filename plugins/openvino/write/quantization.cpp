// QuantizeLinear and DequantizeLinear, and the operators that compute on integers.
//
// A pair around a real tensor is one FakeQuantize whose bounds are scale * (lowest - zero) and scale * (highest - zero); constants stay integers
// behind Convert, Subtract (only with a zero point) and Multiply, which is the form that runtimes recognise as 8-bit weights.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

struct Limits {
  double low, high;
};

Limits limits(const Step& s, int32_t type) {
  switch (type) {
    case LATHE_UINT8:
      return {0, 255};
    case LATHE_INT8:
      return {-128, 127};
    case LATHE_UINT16:
      return {0, 65535};
    case LATHE_INT16:
      return {-32768, 32767};
    case LATHE_UINT4:
      return {0, 15};
    case LATHE_INT4:
      return {-8, 7};
    default:
      s.refuse("FakeQuantize of the IR has a number of levels, that is integers; the quantised type here is none of 4, 8 or 16 bits");
  }
}

// A scale or zero point for the data's rank: a number, or one for each element of an axis.
Wire aligned(Step& s, const Wire& v, const Wire& data) {
  if (!v.has_rank()) s.refuse("the rank of its scale is not known");
  if (v.rank() == 0 || (v.rank() == 1 && (*v.dimensions)[0] == 1 && data.has_rank() && data.rank() <= 1)) return v;
  if (!data.has_rank()) s.refuse("the rank of what is quantised is not known");
  if (const int64_t block = s.node.integer("block_size", 0); block > 0 && v.rank() == data.rank()) {
    // One number for each block of elements along the axis: it is taken once for each element.
    const int64_t axis = s.axis(s.node.integer("axis", 1), data.rank()), size = (*data.dimensions)[static_cast<size_t>(axis)];
    if (size < 0) s.refuse("the size of the axis that is quantised in blocks is open");
    std::vector<int64_t> places;
    for (int64_t i = 0; i < size; ++i) places.push_back(i / block);
    return s.gather(v, s.indices(places), axis);
  }
  if (v.rank() != 1) s.refuse("its scales have neither one axis nor as many as the data");
  const int64_t axis = s.axis(s.node.integer("axis", 1), data.rank());
  std::vector<int64_t> shape(static_cast<size_t>(data.rank()), 1);
  if ((*v.dimensions)[0] != 1) shape[static_cast<size_t>(axis)] = -1;
  if (const auto other = s.draft.reshaped_constant(v, shape)) return *other;
  return s.reshape(v, shape);
}

// Constants: numbers of scale and zero point, as doubles.
std::optional<std::vector<double>> numbers(const std::optional<sdk::TensorView>& tensor) {
  if (!tensor) return std::nullopt;
  std::vector<double> list;
  const char* at = static_cast<const char*>(tensor->data());
  for (int64_t i = 0; i < tensor->size(); ++i) {
    const auto get = [&](auto x) {
      std::memcpy(&x, at + static_cast<size_t>(i) * sizeof x, sizeof x);
      return static_cast<double>(x);
    };
    switch (tensor->type()) {
      case LATHE_FLOAT32:
        list.push_back(get(float()));
        break;
      case LATHE_UINT8:
        list.push_back(get(uint8_t()));
        break;
      case LATHE_INT8:
        list.push_back(get(int8_t()));
        break;
      case LATHE_UINT16:
        list.push_back(get(uint16_t()));
        break;
      case LATHE_INT16:
        list.push_back(get(int16_t()));
        break;
      case LATHE_INT32:
        list.push_back(get(int32_t()));
        break;
      default:
        return std::nullopt;
    }
  }
  return list;
}

// The number that q stands for, in the data's rank: scale * (q - zero). From constants it is one, else it is computed.
Wire bound(Step& s, double q, const Wire& data, size_t scale, size_t zero) {
  const Wire wire = s.exact(scale);
  const auto scales = numbers(s.constant(scale)), zeros = s.has(zero) ? numbers(s.constant(zero)) : std::vector<double>{0};
  if (scales && zeros && wire.has_rank() && wire.rank() <= 1) {
    std::vector<double> list;
    for (size_t i = 0; i < scales->size(); ++i) {
      // As float arithmetic does it where the pair is taken apart again.
      const double z = (*zeros)[zeros->size() == 1 ? 0 : i];
      list.push_back((*scales)[i] * (q - z));
    }
    std::vector<int64_t> shape;
    if (list.size() > 1) {
      if (!data.has_rank()) s.refuse("the rank of what is quantised is not known");
      shape.assign(static_cast<size_t>(data.rank()), 1);
      shape[static_cast<size_t>(s.axis(s.node.integer("axis", 1), data.rank()))] = static_cast<int64_t>(list.size());
    }
    return s.floats(data.type, shape, list);
  }
  const Wire step = s.convert(aligned(s, wire, data), data.type);
  Wire number = s.scalar(data.type, q);
  if (s.has(zero)) number = s.make("Subtract", {number, s.convert(aligned(s, s.exact(zero), data), data.type)}, {numpy});
  return s.make("Multiply", {step, number}, {numpy});
}

Wire fake_quantize(Step& s, const Wire& x, const Limits& l, size_t scale, size_t zero) {
  const Wire low = bound(s, l.low, x, scale, zero), high = bound(s, l.high, x, scale, zero);
  return s.make("FakeQuantize", {x, low, high, low, high}, {{"levels", text(static_cast<int64_t>(l.high - l.low) + 1)}, numpy});
}

bool same_value(const Step& s, const sdk::NodeView& other, size_t i) {
  const auto present = [&](const sdk::NodeView& n) { return i < n.get().input_count && n.get().inputs[i] != LATHE_NONE; };
  if (present(s.node) != present(other)) return false;
  if (!present(other) || s.node.input(i) == other.input(i)) return true;
  const auto a = s.draft.constant_of(s.node.input(i)), b = s.draft.constant_of(other.input(i));
  return a && b && a->type() == b->type() && a->dimensions().copy() == b->dimensions().copy() && a->bytes() == b->bytes() &&
         std::memcmp(a->data(), b->data(), a->bytes()) == 0;
}

// Whether this DequantizeLinear undoes that QuantizeLinear.
bool undoes(const Step& s, const sdk::NodeView& q) {
  return q.op_type() == "QuantizeLinear" && q.domain().empty() && s.node.integer("block_size", 0) == 0 && q.integer("block_size", 0) == 0 &&
         same_value(s, q, 1) && same_value(s, q, 2) && q.integer("axis", 1) == s.node.integer("axis", 1) &&
         q.input_value(0).type() == s.node.output_value(0).type();
}

// One that no DequantizeLinear undoes: divided, rounded to the nearest with ties to even, moved, saturated. FakeQuantize would round what it
// computed from its bounds, and ties come out of that on either side.
void quantize(Step& s) {
  const int32_t type = s.node.output_value(0).type();
  if (type == LATHE_FLOAT8E4M3FN || type == LATHE_FLOAT8E5M2 || type == LATHE_FLOAT4E2M1) {
    // To floats: no rounding to whole numbers, and the zero point is 0.
    const Wire real = s.in(0), step = s.convert(aligned(s, s.exact(1), real), real.type);
    return s.out(0, to_small_float(s, s.make("Divide", {real, step}, {numpy, {"m_pythondiv", "true"}}), type));
  }
  const Limits l = limits(s, type);
  // Where all its users undo it they are written as FakeQuantize, and this is left out with what it takes.
  const Wire x = s.in(0).type == LATHE_INT32 ? s.convert(s.in(0), LATHE_FLOAT32) : s.in(0);
  const Wire scale = s.convert(aligned(s, s.exact(1), x), x.type);
  Wire y = s.make("Round", {s.make("Divide", {x, scale}, {numpy, {"m_pythondiv", "true"}})}, {{"mode", "half_to_even"}});
  if (s.has(2)) y = s.make("Add", {y, s.convert(aligned(s, s.exact(2), x), x.type)}, {numpy});
  y = s.make("Clamp", {y}, {{"min", text(l.low)}, {"max", text(l.high)}});
  s.out(0, s.convert(y, type));
}

void dequantize(Step& s) {
  const int32_t type = s.node.output_value(0).type();
  if (const auto q = s.draft.producer(s.node.input(0)); q && undoes(s, *q)) {
    const Wire real = s.draft.value(q->input(0));
    return s.out(0, fake_quantize(s, real, limits(s, s.node.input_value(0).type()), 1, 2));
  }
  const Wire x = s.in(0);
  Wire y = s.convert(x, type);
  const auto zeros = s.has(2) ? numbers(s.constant(2)) : std::vector<double>{0};
  const bool zero = s.in(0).type == LATHE_FLOAT8E4M3FN || s.in(0).type == LATHE_FLOAT8E5M2 || s.in(0).type == LATHE_FLOAT4E2M1 ||
                    (zeros && std::all_of(zeros->begin(), zeros->end(), [](double z) { return z == 0; }));
  if (!zero) y = s.make("Subtract", {y, s.convert(aligned(s, s.exact(2), x), type)}, {numpy});
  s.out(0, s.make("Multiply", {y, s.convert(aligned(s, s.exact(1), x), type)}, {numpy}));
}

// Scale and zero point from the data's own range, which always holds zero.
void dynamic(Step& s) {
  const Wire x = s.in(0);
  const int64_t rank = s.rank(0);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  const Wire zero = s.scalar(LATHE_FLOAT32, 0), top = s.scalar(LATHE_FLOAT32, 255);
  const Attributes division = {numpy, {"m_pythondiv", "true"}};
  const Wire low = s.make("Minimum", {s.reduce("ReduceMin", x, axes, false), zero}, {numpy});
  const Wire high = s.make("Maximum", {s.reduce("ReduceMax", x, axes, false), zero}, {numpy});
  // Zeros alone have the scale 1.
  const Wire spread = s.make("Divide", {s.make("Subtract", {high, low}, {numpy}), top}, division);
  const Wire scale = s.make("Select", {s.make("Equal", {high, low}, {numpy}), s.scalar(LATHE_FLOAT32, 1), spread}, {numpy}, spread.dimensions);
  const Wire point = s.make(
      "Round", {s.make("Clamp", {s.make("Divide", {s.make("Subtract", {zero, low}, {numpy}), scale}, division)}, {{"min", "0"}, {"max", "255"}})},
      {{"mode", "half_to_even"}});
  const Wire steps = s.make("Round", {s.make("Divide", {x, scale}, division)}, {{"mode", "half_to_even"}});
  const Wire y = s.make("Clamp", {s.make("Add", {steps, point}, {numpy})}, {{"min", "0"}, {"max", "255"}});
  s.out(0, s.convert(y, LATHE_UINT8));
  s.out(1, scale);
  s.out(2, s.convert(point, LATHE_UINT8));
}

constexpr Writer writers[] = {
    {"DequantizeLinear", Means::decomposition, dequantize},
    {"DynamicQuantizeLinear", Means::decomposition, dynamic},
    {"QuantizeLinear", Means::decomposition, quantize},
};

}  // namespace

std::span<const Writer> quantization_writers() { return writers; }

}  // namespace lathe::openvino
