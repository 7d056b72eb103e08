// RNN, GRU and LSTM, step by step: FULLY_CONNECTED over all steps' inputs at once, then one product with the state per step.
//
// The format's UNIDIRECTIONAL_SEQUENCE_LSTM has no initial state as an input and no lengths, and its kernel keeps its state between runs, so it is
// not used.
#include <algorithm>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

struct Cell {
  Expression hidden, memory;  // memory: of LSTM only
};

Expression softplus(Expression x) { return maximum(x, 0) + log(exp(-absolute(x)) + 1); }

// One of ONNX's activation functions of recurrent layers.
Expression activated(std::string_view name, Expression x, double alpha, double beta) {
  if (name == "Sigmoid") return x.call("LOGISTIC");
  if (name == "Tanh") return x.call("TANH");
  if (name == "Relu") return x.call("RELU");
  if (name == "Affine") return x * alpha + beta;
  if (name == "LeakyRelu") return select(less(x, 0), x * alpha, x);
  if (name == "ThresholdedRelu") return select(greater(x, alpha), x, x * 0);
  if (name == "ScaledTanh") return (x * beta).call("TANH") * alpha;
  if (name == "HardSigmoid") return minimum(maximum(x * alpha + beta, 0), 1);
  if (name == "Elu") return select(less(x, 0), (exp(minimum(x, 0)) - 1) * alpha, x);
  if (name == "Softsign") return x / (absolute(x) + 1);
  if (name == "Softplus") return softplus(x);
  x.lowering->refuse("its activation '" + std::string(name) + "' is none of ONNX's");
}

struct Activations {
  std::vector<std::string> names;
  std::vector<float> alphas, betas;

  Expression operator()(size_t i, Expression x) const {
    const std::string& n = names[i];
    const double alpha = n == "LeakyRelu" ? 0.01 : n == "HardSigmoid" ? 0.2 : 1, beta = n == "HardSigmoid" ? 0.5 : n == "Affine" ? 0 : 1;
    return activated(n, x, i < alphas.size() ? alphas[i] : alpha, i < betas.size() ? betas[i] : beta);
  }
};

// Entry `d` of the first axis, without that axis.
int32_t entry(Lowering& l, uint32_t id, int64_t d) {
  Extents e = l.extents(id);
  if (l.is_constant(id)) {
    const Extents to(e.begin() + 1, e.end());
    return l.plain(l.reshaped(l.sliced_constant(id, d, 1), to));
  }
  std::vector<int64_t> begin(e.size(), 0), size(e.begin(), e.end());
  begin[0] = d;
  size[0] = 1;
  return l.reshape(l.slice(l.plain(id), begin, size), Extents(e.begin() + 1, e.end()));
}

int32_t columns(Lowering& l, int32_t x, int64_t begin, int64_t count) {
  const Extents e = l.extents_of(x);
  std::vector<int64_t> first(e.size(), 0), size(e.begin(), e.end());
  first.back() = begin;
  size.back() = count;
  return l.slice(x, first, size);
}

int32_t part(Lowering& l, int32_t x, int64_t begin, int64_t count) {
  const Extents e = l.extents_of(x);
  std::vector<int64_t> first(e.size(), 0), size(e.begin(), e.end());
  first[0] = begin;
  size[0] = count;
  return l.slice(x, first, size);
}

Expression product(Lowering& l, Expression x, int32_t weights, int32_t bias) {
  const int64_t rows = l.extents_of(x.tensor)[0], outputs = l.extents_of(weights)[0];
  return x.with(l.make("FULLY_CONNECTED", {x.tensor, weights, bias}, Type::float32, {rows, outputs}));
}

void lower_recurrent(Lowering& l, const Work& w) {
  const bool lstm = w.node.is("LSTM"), gru = w.node.is("GRU");
  const int64_t gates = lstm ? 4 : gru ? 3 : 1;
  const bool batch_first = w.node.integer("layout", 0) != 0;
  if (l.type(w.in(0)) != Type::float32) l.refuse("the runtime's FULLY_CONNECTED computes in float32");
  const int32_t given = l.in_order(w.in(0), batch_first ? Order{1, 0, 2} : Order{0, 1, 2});
  const Extents shape = l.extents_of(given), weights_shape = l.extents(w.in(1));
  const int64_t steps = shape[0], batch = shape[1], size = shape[2], directions = weights_shape[0], hidden = l.extents(w.in(2))[2];
  if (steps < 0) l.refuse("the number of its steps is open, and steps are written out one after another");
  if (batch < 0 || size < 0) l.refuse("its batch or its width is open, and a RESHAPE of the format leaves one open dimension");
  const std::string_view direction = w.node.text("direction", "forward");
  Activations activations;
  if (const auto names = w.node.attribute("activations"))
    for (size_t i = 0; i < names->count(); ++i) activations.names.emplace_back(names->text(i));
  activations.alphas = w.node.reals("activation_alpha");
  activations.betas = w.node.reals("activation_beta");
  const std::vector<std::string> usual = lstm  ? std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"}
                                         : gru ? std::vector<std::string>{"Sigmoid", "Tanh"}
                                               : std::vector<std::string>{"Tanh"};
  while (activations.names.size() < usual.size() * static_cast<size_t>(directions))
    activations.names.insert(activations.names.end(), usual.begin(), usual.end());
  const double clip = w.node.real("clip", 0);
  const bool reset_after = w.node.integer("linear_before_reset", 0) != 0, coupled = w.node.integer("input_forget", 0) != 0;

  // Lengths: a mask of the steps that count, [steps, batch, 1].
  int32_t mask = -1, lengths = -1;
  if (w.has(4)) {
    const auto constant = l.integers(w.in(4));
    if (!constant || std::any_of(constant->begin(), constant->end(), [&](int64_t n) { return n != steps; })) {
      lengths = l.cast(l.plain(w.in(4)), Type::int32);
      std::vector<int32_t> places(static_cast<size_t>(steps));
      for (size_t t = 0; t < places.size(); ++t) places[t] = static_cast<int32_t>(t);
      mask = l.compare("LESS", l.constant<int32_t>(Type::int32, {steps, 1, 1}, places, {}, "steps"), l.reshape(lengths, {1, batch, 1}));
    }
  }
  const auto turned = [&](int32_t x) {  // steps from last to first, of each item those that count
    const int32_t y = l.new_tensor("", Type::float32, l.extents_of(x));
    if (lengths < 0)
      l.emit("REVERSE_V2", {x, l.ints({0})}, {y});
    else
      l.emit("REVERSE_SEQUENCE", {x, lengths}, {y}).options = {{"seq_dim", 0, {}}, {"batch_dim", 1, {}}};
    return y;
  };

  std::vector<int32_t> all, last, last_memory;  // per direction: [steps, 1, batch, hidden], [1, batch, hidden]
  for (int64_t d = 0; d < directions; ++d) {
    const bool back = direction == "reverse" || d == 1;
    Activations act;
    for (size_t i = 0; i < usual.size(); ++i) {
      const size_t at = static_cast<size_t>(d) * usual.size() + i;
      act.names.push_back(activations.names[at]);
      if (at < activations.alphas.size()) act.alphas.push_back(activations.alphas[at]);
      if (at < activations.betas.size()) act.betas.push_back(activations.betas[at]);
    }
    int32_t x = back ? turned(given) : given;
    const int32_t by_input = entry(l, w.in(1), d), by_state = entry(l, w.in(2), d);
    int32_t input_bias = l.filled(Type::float32, {gates * hidden}, 0), state_bias = input_bias;
    if (w.has(3)) {
      const int32_t both = entry(l, w.in(3), d);
      input_bias = columns(l, both, 0, gates * hidden);
      state_bias = columns(l, both, gates * hidden, gates * hidden);
    }
    const Expression from_inputs = product(l, {&l, l.reshape(x, {steps * batch, size})}, by_input, input_bias);
    const auto initial = [&](size_t input) {
      if (!w.has(input)) return Expression{&l, l.filled(Type::float32, {batch, hidden}, 0)};
      const int32_t state = l.in_order(w.in(input), batch_first ? Order{1, 0, 2} : Order{0, 1, 2});
      return Expression{&l, l.reshape(part(l, state, d, 1), {batch, hidden})};
    };
    Cell cell{initial(5), lstm ? initial(6) : Expression{&l, -1}};
    const int32_t peepholes = lstm && w.has(7) ? entry(l, w.in(7), d) : -1;
    const auto limited = [&](Expression e) { return clip > 0 ? minimum(maximum(e, -clip), clip) : e; };
    std::vector<int32_t> outputs;
    for (int64_t t = 0; t < steps; ++t) {
      const Expression in = from_inputs.with(part(l, from_inputs.tensor, t * batch, batch));
      const auto gate = [&](Expression e, int64_t i) { return e.with(columns(l, e.tensor, i * hidden, hidden)); };
      Cell next = cell;
      if (gru) {
        const Expression state = product(l, cell.hidden, by_state, state_bias);
        const Expression z = act(0, limited(gate(in, 0) + gate(state, 0))), r = act(0, limited(gate(in, 1) + gate(state, 1)));
        Expression candidate = gate(state, 2) * r;
        if (!reset_after) {
          const int32_t own = part(l, by_state, 2 * hidden, hidden), own_bias = columns(l, state_bias, 2 * hidden, hidden);
          candidate = product(l, r * cell.hidden, own, own_bias);
        }
        const Expression h = act(1, limited(gate(in, 2) + candidate));
        next.hidden = (1 - z) * h + z * cell.hidden;
      } else if (lstm) {
        const Expression sum = in + product(l, cell.hidden, by_state, state_bias);
        const auto peep = [&](Expression e, int64_t i, Expression memory) {
          return peepholes < 0 ? e : e + memory * memory.with(columns(l, peepholes, i * hidden, hidden));
        };
        const Expression i = act(0, limited(peep(gate(sum, 0), 0, cell.memory)));
        const Expression f = coupled ? 1 - i : act(0, limited(peep(gate(sum, 2), 2, cell.memory)));
        next.memory = f * cell.memory + i * act(1, limited(gate(sum, 3)));
        next.hidden = act(0, limited(peep(gate(sum, 1), 1, next.memory))) * act(2, next.memory);
      } else {
        next.hidden = act(0, limited(in + product(l, cell.hidden, by_state, state_bias)));
      }
      int32_t shown = next.hidden.tensor;
      if (mask >= 0) {
        const Expression counts{&l, l.reshape(part(l, mask, t, 1), {batch, 1})};
        shown = select(counts, next.hidden, next.hidden.with(l.filled(Type::float32, {batch, hidden}, 0))).tensor;
        next.hidden = select(counts, next.hidden, cell.hidden);
        if (lstm) next.memory = select(counts, next.memory, cell.memory);
      }
      cell = next;
      outputs.push_back(l.reshape(shown, {1, 1, batch, hidden}));
    }
    const Extents flat{steps, batch, hidden};
    if (w.out(0) != LATHE_NONE) {
      int32_t y = outputs.size() == 1 ? outputs[0] : l.make("CONCATENATION", outputs, Type::float32, {steps, 1, batch, hidden}, {{"axis", 0, {}}});
      if (back) y = l.reshape(turned(l.reshape(y, flat)), {steps, 1, batch, hidden});
      all.push_back(y);
    }
    last.push_back(l.reshape(cell.hidden.tensor, {1, batch, hidden}));
    if (lstm) last_memory.push_back(l.reshape(cell.memory.tensor, {1, batch, hidden}));
  }
  const auto joined = [&](const std::vector<int32_t>& parts, int axis, const Extents& e) {
    return parts.size() == 1 ? parts[0] : l.make("CONCATENATION", parts, Type::float32, e, {{"axis", static_cast<double>(axis), {}}});
  };
  if (w.out(0) != LATHE_NONE) {
    // Held as [steps, directions, batch, hidden]; with the batch first that is another order of the same.
    const int32_t y = joined(all, 1, {steps, directions, batch, hidden});
    l.define(w.out(0), y, batch_first ? Order{1, 2, 0, 3} : identity(4));
  }
  const Extents state_shape{directions, batch, hidden};
  const Order state_order = batch_first ? Order{1, 0, 2} : identity(3);
  if (w.out(1) != LATHE_NONE) l.define(w.out(1), joined(last, 0, state_shape), state_order);
  if (lstm && w.out(2) != LATHE_NONE) l.define(w.out(2), joined(last_memory, 0, state_shape), state_order);
}

const LowerRule rules[] = {{"GRU", lower_recurrent}, {"LSTM", lower_recurrent}, {"RNN", lower_recurrent}};

}  // namespace

std::span<const LowerRule> recurrent_rules() { return rules; }

}  // namespace lathe::tflite
