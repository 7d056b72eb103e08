// What draws random numbers, and pools of regions.
#include <bit>

#include "step.hpp"

namespace lathe::openvino {
namespace {

// Both seeds zero: another draw each time.
void set_seed(ReadStep& s) {
  const uint32_t global = static_cast<uint32_t>(s.integer("global_seed")), own = static_cast<uint32_t>(s.integer("op_seed"));
  if (global != 0 || own != 0) s.last().set("seed", std::bit_cast<float>(global ^ own));
}

void random_uniform(ReadStep& s) {
  const int32_t type = s.out_type(0);
  const bool whole = type == LATHE_INT32 || type == LATHE_INT64;
  const auto low = s.known_numbers(1), high = s.known_numbers(2);
  const bool known = !whole && low && high && low->size() == 1 && high->size() == 1;
  const auto draw = [&](int32_t drawn) {
    uint32_t y = 0;
    if (const auto shape = s.known_integers(0)) {
      y = s.emit("RandomUniform", {});
      s.last().set("shape", *shape);
    } else {
      y = s.emit("RandomUniformLike", {s.emit("ConstantOfShape", {s.list(0)})});
    }
    s.last()
        .set("dtype", drawn)
        .set("low", known ? static_cast<float>(low->front()) : 0.0f)
        .set("high", known ? static_cast<float>(high->front()) : 1.0f);
    set_seed(s);
    return y;
  };
  if (known) return s.out(0, draw(type));
  // Bounds that are computed, or integers: low + (high - low) * u, without its fraction.
  const int32_t drawn = whole ? LATHE_FLOAT64 : type;
  const uint32_t u = draw(drawn), from = s.cast(s.in(1), drawn), to = s.cast(s.in(2), drawn);
  const uint32_t y = s.emit("Add", {s.emit("Mul", {u, s.emit("Sub", {to, from})}), from});
  s.out(0, whole ? s.cast(s.emit("Floor", {y}), type) : y);
}

void multinomial(ReadStep& s) {
  const std::vector<int64_t> count = s.integers(1, "the number of samples");
  if (count.size() != 1) s.refuse("its number of samples is not one number");
  if (!s.flag("with_replacement") && count[0] > 1) s.refuse("ONNX draws with replacement alone");
  const uint32_t x = s.flag("log_probs") ? s.in(0) : s.emit("Log", {s.in(0)});
  const uint32_t y = s.emit("Multinomial", {x});
  s.last().set("sample_size", count[0]).set("dtype", s.out_type(0));
  set_seed(s);
  s.out(0, y);
}

void roi_pooling(ReadStep& s) {
  if (s.text("method") != "max") s.refuse("ROIPooling is read with the method max alone");
  const uint32_t y = s.emit("MaxRoiPool", {s.in(0), s.in(1)});
  s.last().set("pooled_shape", std::vector<int64_t>{s.integer("pooled_h"), s.integer("pooled_w")});
  s.last().set("spatial_scale", static_cast<float>(s.real("spatial_scale")));
  s.out(0, y);
}

constexpr Reader readers[] = {{"Multinomial", multinomial}, {"ROIPooling", roi_pooling}, {"RandomUniform", random_uniform}};

}  // namespace

std::span<const Reader> random_readers() { return readers; }

}  // namespace lathe::openvino
