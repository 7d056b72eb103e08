// Recurrent layers: signatures and inference. The kernels are in lathe/kernels/recurrent.hpp.
#include "lathe/kernels/recurrent.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// Dimensions as far as any input tells them.
struct Layer {
  Dimension directions, batch, steps, inputs, hidden;
};

Dimension at(const Shape* shape, size_t axis) { return shape ? (*shape)[axis] : Dimension(); }
Dimension known(const Dimension& a, const Dimension& b) { return infer::unknown(a) || (!a.constant() && b.constant()) ? b : a; }

void check_activations(InferenceContext& c, size_t functions, size_t directions) {
  const auto found = c.node().attributes.find("activations");
  if (found == c.node().attributes.end()) return;
  const auto* names = std::get_if<Attribute::Strings>(&found->second.value);
  if (!names || names->empty()) return;
  if (names->size() != functions * directions)
    c.fail("attribute 'activations' has the wrong length", std::to_string(functions * directions), std::to_string(names->size()));
  for (const std::string& name : *names) {
    if (kernels::detail::find_nonlinearity(name.data(), int64_t(name.size()))) continue;
    std::string all;
    for (const auto& entry : kernels::detail::nonlinearity_names) all += (all.empty() ? "" : ", ") + std::string(entry.name);
    c.fail("an activation function is not known", all, name);
  }
}

template <int gates, int functions>
void infer_recurrent(InferenceContext& c) {
  const std::string direction = c.node().text("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    c.fail("attribute 'direction' has no such value", "forward, reverse or bidirectional", direction);
  const int64_t layout = c.node().integer("layout", 0);
  if (layout != 0 && layout != 1) c.fail("attribute 'layout' has no such value", "0 or 1", std::to_string(layout));
  const bool batch_major = layout == 1;
  for (const size_t input : {0, 1, 2}) infer::expect_rank(c, input, 3, 3);
  const Shape *x = infer::shape(c, 0), *weights = infer::shape(c, 1), *recurrence = infer::shape(c, 2);

  Layer l;
  l.directions = Dimension(direction == "bidirectional" ? 2 : 1);
  l.steps = at(x, batch_major ? 1 : 0);
  l.batch = at(x, batch_major ? 0 : 1);
  l.inputs = known(at(x, 2), at(weights, 2));
  l.hidden = at(recurrence, 2);
  if (c.node().has("hidden_size")) {
    const int64_t size = c.node().integer("hidden_size", 0);
    if (size < 1) c.fail("attribute 'hidden_size' is out of range", "at least 1", std::to_string(size));
    if (infer::differ(l.hidden, Dimension(size)))
      c.fail("attribute 'hidden_size' is not what R says", std::to_string(l.hidden.value), std::to_string(size));
    l.hidden = Dimension(size);
  }
  check_activations(c, functions, size_t(l.directions.value));

  const Dimension rows = infer::times(c, Dimension(gates), l.hidden);
  infer::expect_shape(c, 1, {l.directions, rows, l.inputs});
  infer::expect_shape(c, 2, {l.directions, rows, l.hidden});
  infer::expect_shape(c, 3, {l.directions, infer::times(c, Dimension(2), rows)});
  infer::expect_shape(c, 4, {l.batch});
  const Shape state = batch_major ? Shape{l.batch, l.directions, l.hidden} : Shape{l.directions, l.batch, l.hidden};
  infer::expect_shape(c, 5, state);
  if (gates == 4) {
    infer::expect_shape(c, 6, state);
    infer::expect_shape(c, 7, {l.directions, infer::times(c, Dimension(3), l.hidden)});
  }
  infer::set(c, batch_major ? Shape{l.batch, l.steps, l.directions, l.hidden} : Shape{l.steps, l.directions, l.batch, l.hidden}, 0);
  for (size_t i = 1; i < c.node().outputs.size(); ++i) infer::set(c, state, i);
}

Operator layer(std::string_view name, std::vector<Formal> more_inputs, std::vector<Formal> more_outputs, std::vector<FormalAttribute> more_attributes,
               std::string_view activations, void (*infer)(InferenceContext&), kernels::Kernel kernel,
               uint64_t (*scratch)(const kernels::Call&, uint32_t)) {
  Operator op{"",
              name,
              {7, 14, 22},
              {{"X", "T"},
               {"W", "T"},
               {"R", "T"},
               {"B", "T", Formal::optional},
               {"sequence_lens", "tensor(int32)", Formal::optional},
               {"initial_h", "T", Formal::optional}},
              {{"Y", "T", Formal::optional}, {"Y_h", "T", Formal::optional}},
              {{"T", infer::floats()}},
              {{"activation_alpha", AttributeKind::reals},
               {"activation_beta", AttributeKind::reals},
               {"activations", AttributeKind::texts, false, activations},
               {"clip", AttributeKind::real},
               {"direction", AttributeKind::text, false, "forward"},
               {"hidden_size", AttributeKind::integer},
               {"layout", AttributeKind::integer, false, "0"}},
              infer,
              kernel,
              scratch};
  op.inputs.insert(op.inputs.end(), more_inputs.begin(), more_inputs.end());
  op.outputs.insert(op.outputs.end(), more_outputs.begin(), more_outputs.end());
  op.attributes.insert(op.attributes.end(), more_attributes.begin(), more_attributes.end());
  return op;
}

}  // namespace

std::span<const Operator> recurrent_operators() {
  static const Operator table[] = {
      layer("RNN", {}, {}, {}, "Tanh", infer_recurrent<1, 1>, kernels::rnn, kernels::rnn_scratch),
      layer("GRU", {}, {}, {{"linear_before_reset", AttributeKind::integer, false, "0"}}, "Sigmoid, Tanh", infer_recurrent<3, 2>, kernels::gru,
            kernels::gru_scratch),
      layer("LSTM", {{"initial_c", "T", Formal::optional}, {"P", "T", Formal::optional}}, {{"Y_c", "T", Formal::optional}},
            {{"input_forget", AttributeKind::integer, false, "0"}}, "Sigmoid, Tanh, Tanh", infer_recurrent<4, 3>, kernels::lstm,
            kernels::lstm_scratch),
  };
  return table;
}

}  // namespace lathe
