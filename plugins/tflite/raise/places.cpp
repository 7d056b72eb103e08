// Elements by places that are found or computed: scattering, where a condition holds, what is unique; and numbers drawn at random.
#include <algorithm>

#include "raising.hpp"

namespace lathe::tflite {
namespace {

std::string_view name_of(const Operator& op) { return find_operator(op.code)->name; }

// Zeros to which the updates are added, those for one place all of them.
void scatter_nd(Raising& r, const Operator& op) {
  const int32_t out = op.outputs[0];
  const uint32_t zero = r.number_like(op.input(1), 0), shape = r.list_of(op.input(2));
  const uint32_t zeros =
      r.node("Expand", {r.tensor(out).type == Type::float32 || r.is_quantized(out) ? zero : r.cast(zero, onnx_type(r.tensor(out).type)), shape});
  const uint32_t y = r.node("ScatterND", {zeros, r.cast(r.plain(op.input(0)), LATHE_INT64), r.plain(op.input(1))},
                            [](sdk::NodeData& n) { n.set("reduction", "add"); });
  r.define(out, y, identity(r.rank(out)));
}

void where(Raising& r, const Operator& op) { r.define(op.outputs[0], r.node("NonZero", {r.plain(op.input(0))}), {1, 0}); }

void unique(Raising& r, const Operator& op) {
  if (op.outputs.size() != 2) r.refuse("it has no two outputs");
  const auto made = r.nodes("Unique", {r.plain(op.input(0))}, 3, [](sdk::NodeData& n) { n.set("sorted", 0); });
  r.define(op.outputs[0], made[0], identity(1));
  r.define(op.outputs[1], r.cast(made[2], onnx_type(r.tensor(op.outputs[1]).type)), identity(1));
}

void reverse_sequence(Raising& r, const Operator& op) {
  const int64_t time = op.integer("seq_dim"), batch = op.integer("batch_dim");
  if (time == batch || std::min(time, batch) != 0 || std::max(time, batch) != 1) r.refuse("ONNX reverses along the first axis or the second");
  const uint32_t y = r.node("ReverseSequence", {r.plain(op.input(0)), r.list_of(op.input(1))},
                            [&](sdk::NodeData& n) { n.set("time_axis", time).set("batch_axis", batch); });
  r.define(op.outputs[0], y, identity(r.rank(op.outputs[0])));
}

void random(Raising& r, const Operator& op) {
  const uint32_t like = r.node("Expand", {r.number(0), r.list_of(op.input(0))});
  r.define(op.outputs[0], r.node(name_of(op) == "RANDOM_UNIFORM" ? "RandomUniformLike" : "RandomNormalLike", {like}),
           identity(r.rank(op.outputs[0])));
}

void multinomial(Raising& r, const Operator& op) {
  const auto count = r.integers(op.input(1));
  if (!count || count->size() != 1) r.refuse("how often it draws is computed");
  const int64_t type = onnx_type(r.tensor(op.outputs[0]).type);
  r.define(op.outputs[0],
           r.node("Multinomial", {r.plain(op.input(0))}, [&](sdk::NodeData& n) { n.set("sample_size", (*count)[0]).set("dtype", type); }),
           identity(2));
}

// The boxes that are kept, by place, with zeros behind them up to the most that there may be; and how many there are.
void non_max_suppression(Raising& r, const Operator& op) {
  if (op.inputs.size() < 5 || op.outputs.size() < 2) r.refuse("it lacks an input or output");
  const auto one = [&](int32_t index) { return r.node("Reshape", {r.plain(index), r.constant({1})}); };
  const uint32_t most = r.cast(one(op.input(2)), LATHE_INT64), boxes = r.node("Unsqueeze", {r.plain(op.input(0)), r.constant({0})}),
                 scores = r.node("Unsqueeze", {r.plain(op.input(1)), r.constant({0, 1})});
  const uint32_t kept = r.node("NonMaxSuppression", {boxes, scores, most, one(op.input(3)), one(op.input(4))});
  const uint32_t places = r.node("Gather", {r.cast(kept, LATHE_INT32), r.node("Squeeze", {r.constant({2}), r.constant({0})})},
                                 [](sdk::NodeData& n) { n.set("axis", 1); });
  const uint32_t count = r.node("Shape", {places});
  const uint32_t ends = r.node("Concat", {r.constant({0}), r.node("Sub", {most, count})}, [](sdk::NodeData& n) { n.set("axis", 0); });
  r.define(op.outputs[0], r.node("Pad", {places, ends}), identity(1));
  r.define(op.outputs[1], r.cast(r.node("Squeeze", {count, r.constant({0})}), LATHE_INT32), {});
}

const RaiseRule rules[] = {{"MULTINOMIAL", multinomial},
                           {"NON_MAX_SUPPRESSION_V4", non_max_suppression},
                           {"RANDOM_STANDARD_NORMAL", random},
                           {"RANDOM_UNIFORM", random},
                           {"REVERSE_SEQUENCE", reverse_sequence},
                           {"SCATTER_ND", scatter_nd},
                           {"UNIQUE", unique},
                           {"WHERE", where}};

}  // namespace

std::span<const RaiseRule> raise_places() { return rules; }

}  // namespace lathe::tflite
