// FakeQuantize and integer weights as QuantizeLinear and DequantizeLinear.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "step.hpp"

namespace lathe::openvino {
namespace {

// What the bounds of a FakeQuantize mean as a scale and a zero point: low = scale * (first - zero), high = scale * (last - zero).
struct Steps {
  std::vector<float> scales;
  std::vector<int32_t> zeros;
  int64_t axis = 0;
};

// The axis along which bounds differ: at most one of them is longer than 1.
std::optional<int64_t> axis_of(const Dimensions& bounds, int64_t rank) {
  if (!bounds || static_cast<int64_t>(bounds->size()) > rank) return std::nullopt;
  int64_t axis = -1;
  for (size_t i = 0; i < bounds->size(); ++i) {
    if ((*bounds)[i] == 1) continue;
    if (axis >= 0 || (*bounds)[i] < 0) return std::nullopt;
    axis = static_cast<int64_t>(i) + rank - static_cast<int64_t>(bounds->size());
  }
  return std::max<int64_t>(axis, 0);
}

// nullopt: zero is not one of the steps, or a bound is no constant.
std::optional<Steps> steps_of(const ReadStep& s, int64_t levels, double first) {
  const auto low = s.known_numbers(1), high = s.known_numbers(2), out_low = s.known_numbers(3), out_high = s.known_numbers(4);
  if (!low || !high || low != out_low || high != out_high || low->size() != high->size() || low->empty()) return std::nullopt;
  const auto axis = axis_of(s.dimensions(1), s.rank(0));
  if (!axis || s.dimensions(1) != s.dimensions(2)) return std::nullopt;
  Steps steps;
  steps.axis = *axis;
  for (size_t i = 0; i < low->size(); ++i) {
    const double step = ((*high)[i] - (*low)[i]) / static_cast<double>(levels - 1);
    if (!(step > 0) || !std::isfinite(step)) return std::nullopt;
    const double zero = first - (*low)[i] / step, whole = std::nearbyint(zero);
    if (std::fabs(zero - whole) > 2e-3 || whole < first || whole > first + static_cast<double>(levels - 1)) return std::nullopt;
    steps.scales.push_back(static_cast<float>(step));
    steps.zeros.push_back(static_cast<int32_t>(whole));
  }
  return steps;
}

uint32_t pair(ReadStep& s, const Steps& steps, bool is_signed) {
  const bool one = steps.scales.size() == 1;
  const std::vector<int64_t> shape = one ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(steps.scales.size())};
  const uint32_t scale = s.constant(sdk::TensorData::of(LATHE_FLOAT32, shape, steps.scales));
  uint32_t zero = 0;
  if (is_signed) {
    zero = s.constant(sdk::TensorData::of(LATHE_INT8, shape, std::vector<int8_t>(steps.zeros.begin(), steps.zeros.end())));
  } else {
    zero = s.constant(sdk::TensorData::of(LATHE_UINT8, shape, std::vector<uint8_t>(steps.zeros.begin(), steps.zeros.end())));
  }
  const uint32_t q = s.emit("QuantizeLinear", {s.in(0), scale, zero});
  if (!one) s.last().set("axis", steps.axis);
  const uint32_t y = s.emit("DequantizeLinear", {q, scale, zero});
  if (!one) s.last().set("axis", steps.axis);
  return y;
}

// The definition: into 0..levels-1, rounded, and out again.
uint32_t computed(ReadStep& s, int64_t levels) {
  const uint32_t x = s.in(0), low = s.in(1), high = s.in(2), out_low = s.in(3), out_high = s.in(4);
  const uint32_t steps = s.constant(s.type(0), {}, {static_cast<double>(levels - 1)});
  const uint32_t inside = s.emit("Min", {s.emit("Max", {x, s.emit("Min", {low, high})}), s.emit("Max", {low, high})});
  const uint32_t place = s.emit("Mul", {s.emit("Div", {s.emit("Sub", {inside, low}), s.emit("Sub", {high, low})}), steps});
  const uint32_t rounded = s.emit("Div", {s.emit("Round", {place}), steps});
  return s.emit("Add", {s.emit("Mul", {rounded, s.emit("Sub", {out_high, out_low})}), out_low});
}

void fake_quantize(ReadStep& s) {
  const int64_t levels = s.integer("levels");
  if (levels < 2 || levels > 1 << 24) s.refuse("the number of levels is out of range");
  if (s.type(0) == LATHE_FLOAT32 && levels == 256) {
    const auto low = s.known_numbers(1);
    // Bounds about as wide on both sides are those of signed numbers.
    const auto high = s.known_numbers(2);
    const bool is_signed =
        low && high && std::all_of(low->begin(), low->end(), [](double x) { return x < 0; }) && low->size() == high->size() &&
        std::equal(low->begin(), low->end(), high->begin(), [](double l, double h) { return std::fabs(l + h * 128 / 127) < -l * 1e-4; });
    if (const auto steps = steps_of(s, levels, is_signed ? -128 : 0)) return s.out(0, pair(s, *steps, is_signed));
  }
  s.out(0, computed(s, levels));
}

constexpr Reader readers[] = {{"FakeQuantize", fake_quantize}};

}  // namespace

std::optional<uint32_t> quantized_weights(ReadStep& s, const Layer& multiply, const std::vector<int64_t>* shape) {
  const auto layer = [&](const Source& source) -> const Layer& { return s.import.model.layers[source.layer]; };
  if (multiply.inputs.size() != 2 || multiply.outputs.empty() || multiply.outputs[0].type != LATHE_FLOAT32) return std::nullopt;
  const Layer* inner = &layer(multiply.inputs[0]);
  const Layer& scale = layer(multiply.inputs[1]);
  const Layer* zero = nullptr;
  if (inner->type == "Subtract" && inner->inputs.size() == 2) {
    zero = &layer(inner->inputs[1]);
    if (zero->type == "Convert") zero = &layer(zero->inputs[0]);
    inner = &layer(inner->inputs[0]);
  }
  if (inner->type != "Convert" || inner->inputs.size() != 1) return std::nullopt;
  const Layer& weights = layer(inner->inputs[0]);
  if (weights.type != "Const" || scale.type != "Const" || scale.outputs[0].type != LATHE_FLOAT32 || (zero && zero->type != "Const"))
    return std::nullopt;
  const int32_t type = weights.outputs[0].type;
  if (type != LATHE_INT8 && type != LATHE_UINT8) return std::nullopt;
  const std::vector<int64_t>& own = *weights.outputs[0].dimensions;
  const auto axis = axis_of(scale.outputs[0].dimensions, static_cast<int64_t>(own.size()));
  if (!axis || own.empty()) return std::nullopt;
  int64_t count = 1;
  for (const int64_t d : *scale.outputs[0].dimensions) count *= d;
  const std::vector<int64_t>& wanted = shape ? *shape : own;
  // In another shape the scales must still lie along one whole axis.
  if (count != 1 && (*axis >= static_cast<int64_t>(wanted.size()) || wanted[static_cast<size_t>(*axis)] != count)) {
    // [groups, O/G, ...] flattened to [O, ...]: scales of [groups, O/G, 1, ...] and of [groups, 1, ...] with O/G = 1.
    if (!shape || wanted.empty() || wanted[0] != count) return std::nullopt;
  }
  const int64_t along = shape && count != 1 ? (wanted[0] == count ? 0 : *axis) : *axis;
  const std::vector<int64_t> list = count == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{count};
  std::vector<uint32_t> inputs = {s.constant(s.import.tensor(weights, wanted)), s.constant(s.import.tensor(scale, list))};
  if (zero) {
    int64_t zeros = 1;
    for (const int64_t d : *zero->outputs[0].dimensions) zeros *= d;
    if (zeros != count && zeros != 1) return std::nullopt;
    std::vector<int32_t> numbers;
    for (int64_t i = 0; i < count; ++i) {
      const size_t at = static_cast<size_t>(zeros == 1 ? 0 : i);
      double x = 0;
      const auto read = [&](auto sample) {
        std::memcpy(&sample, static_cast<const char*>(zero->data) + at * sizeof sample, sizeof sample);
        x = static_cast<double>(sample);
      };
      if (zero->outputs[0].type == LATHE_FLOAT32) {
        read(float());
      } else if (zero->outputs[0].type == LATHE_INT8) {
        read(int8_t());
      } else if (zero->outputs[0].type == LATHE_UINT8) {
        read(uint8_t());
      } else {
        return std::nullopt;
      }
      if (x != std::floor(x) || x < (type == LATHE_INT8 ? -128 : 0) || x > (type == LATHE_INT8 ? 127 : 255)) return std::nullopt;
      numbers.push_back(static_cast<int32_t>(x));
    }
    inputs.push_back(type == LATHE_INT8 ? s.constant(sdk::TensorData::of(type, list, std::vector<int8_t>(numbers.begin(), numbers.end())))
                                        : s.constant(sdk::TensorData::of(type, list, std::vector<uint8_t>(numbers.begin(), numbers.end()))));
  }
  const uint32_t y = s.emit("DequantizeLinear", inputs);
  if (count != 1) s.last().set("axis", along);
  return y;
}

std::span<const Reader> quantization_readers() { return readers; }

}  // namespace lathe::openvino
