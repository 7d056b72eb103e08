// LSTM, GRU and RNN over whole sequences.
#include <algorithm>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// Blocks of gates in another order along axis 1 of [directions, gates * hidden, ...].
Wire reordered(Step& s, const Wire& weights, const std::vector<int64_t>& order, int64_t hidden) {
  std::vector<Wire> parts;
  for (const int64_t gate : order) parts.push_back(s.slice(weights, {gate * hidden}, {(gate + 1) * hidden}, {1}, {1}));
  return parts.size() == 1 ? parts[0] : s.concat(parts, 1);
}

std::string lower(std::string_view word) {
  std::string out(word);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// An LSTM that the IR's sequences are not: with peepholes, or with coupled gates (Gers and Schmidhuber, 2000). One direction, step by step, with
// sigmoid and tanh. x: [batch, steps, inputs]; yields [batch, steps, hidden] and the last states [batch, hidden].
struct Cells {
  Wire all, state, cell;
};
Cells unrolled(Step& s, Wire x, int64_t direction, bool backwards, int64_t hidden, const Wire& first_state, const Wire& first_cell) {
  const auto op = [&](const char* name, const Wire& a, const Wire& b) { return s.make(name, {a, b}, {numpy}); };
  const auto of = [&](const Wire& v) { return s.squeeze(s.slice(v, {direction}, {direction + 1}, {1}, {0}), {0}); };
  const auto piece = [&](const Wire& v, int64_t i, int64_t axis) { return s.slice(v, {i * hidden}, {(i + 1) * hidden}, {1}, {axis}); };
  const double clip = s.node.real("clip", 0);
  const auto clipped = [&](const Wire& v) {
    if (clip <= 0) return v;
    return s.make("Clamp", {v}, {{"min", text(-clip)}, {"max", text(clip)}});
  };
  const auto gate = [&](const Wire& v) { return s.make("Sigmoid", {clipped(v)}); };
  const int64_t steps = (*x.dimensions)[1];
  const bool coupled = s.node.integer("input_forget", 0) != 0, cut = s.has(4);
  const Attributes turning = {{"batch_axis", "0"}, {"seq_axis", "1"}};
  const auto turned = [&](const Wire& v) { return s.make("ReverseSequence", {v, s.in(4)}, turning); };
  if (backwards && cut) x = turned(x);
  Wire gates = s.matmul(x, of(s.in(1)), false, true);  // [batch, steps, 4 hidden]
  if (s.has(3)) {
    const Wire both = of(s.in(3));
    gates = op("Add", gates, op("Add", s.slice(both, {0}, {4 * hidden}, {1}, {0}), s.slice(both, {4 * hidden}, {8 * hidden}, {1}, {0})));
  }
  const Wire recurrence = of(s.in(2));
  Wire holes;
  if (s.has(7)) holes = of(s.in(7));
  const auto hole = [&](const Wire& v, int64_t i, const Wire& cell) { return s.has(7) ? op("Add", v, op("Multiply", piece(holes, i, 0), cell)) : v; };
  Cells c{{}, first_state, first_cell};
  std::vector<Wire> states(static_cast<size_t>(steps));
  for (int64_t turn = 0; turn < steps; ++turn) {
    const int64_t t = backwards && !cut ? steps - 1 - turn : turn;
    const Wire now = op("Add", s.squeeze(s.slice(gates, {t}, {t + 1}, {1}, {1}), {1}), s.matmul(c.state, recurrence, false, true));
    // ONNX: input, output, forget, cell; its peepholes: input, output, forget.
    const Wire in = gate(hole(piece(now, 0, 1), 0, c.cell));
    const Wire forget = coupled ? op("Subtract", s.scalar(now.type, 1), in) : gate(hole(piece(now, 2, 1), 2, c.cell));
    const Wire fresh = s.make("Tanh", {clipped(piece(now, 3, 1))});
    Wire cell = op("Add", op("Multiply", forget, c.cell), op("Multiply", in, fresh));
    Wire state = op("Multiply", gate(hole(piece(now, 1, 1), 1, cell)), s.make("Tanh", {cell}));
    Wire kept = state;
    if (cut) {
      // Behind a sequence's end its states stay, and what it yields is 0.
      const Wire inside = s.unsqueeze(op("Greater", s.convert(s.in(4), LATHE_INT64), s.index(turn)), {1});
      const auto select = [&](const Wire& a, const Wire& b) { return s.make("Select", {inside, a, b}, {numpy}, a.dimensions); };
      kept = select(state, s.scalar(state.type, 0)), state = select(state, c.state), cell = select(cell, c.cell);
    }
    states[static_cast<size_t>(t)] = s.unsqueeze(kept, {1});
    c.state = state, c.cell = cell;
  }
  c.all = states.size() == 1 ? states[0] : s.concat(states, 1);
  if (backwards && cut) c.all = turned(c.all);
  return c;
}

void recurrent(Step& s) {
  const std::string_view op = s.node.op_type();
  const bool lstm = op == "LSTM", gru = op == "GRU";
  const int64_t gates = lstm ? 4 : gru ? 3 : 1;
  const std::string direction(s.node.text("direction", "forward"));
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  const int64_t hidden = s.node.integer("hidden_size", s.in(2).has_rank() ? s.in(2).dimensions->back() : 0);
  const bool batch_first = s.node.integer("layout", 0) != 0;
  if (hidden < 1) s.refuse("its hidden size is not known");
  const bool own_cells = lstm && (s.has(7) || s.node.integer("input_forget", 0) != 0);
  std::string activations;
  if (const auto given = s.node.attribute("activations")) {
    const size_t each = lstm ? 3 : gru ? 2 : 1;
    for (size_t i = 0; i < given->count(); ++i) {
      const std::string word = lower(given->text(i));
      if (word != "sigmoid" && word != "tanh" && word != "relu") s.refuse("the IR's sequences know sigmoid, tanh and relu, and not " + word);
      if (i >= each && word != lower(given->text(i - each))) s.refuse("the IR's sequences have the same activations in both directions");
      if (i < each) activations += (activations.empty() ? "" : ", ") + word;
    }
  } else {
    activations = lstm ? "sigmoid, tanh, tanh" : gru ? "sigmoid, tanh" : "tanh";
  }
  Wire x = s.in(0);
  if (!x.has_rank()) x.dimensions = std::vector<int64_t>(3, -1);
  if (!batch_first) x = s.transpose(x, {1, 0, 2});  // [batch, steps, inputs]
  const int64_t batch = (*x.dimensions)[0], steps = (*x.dimensions)[1];
  const Wire size = s.gather(s.shape_of(x), s.indices({0}), 0);
  const auto state = [&](size_t i) {
    if (s.has(i)) return batch_first ? s.in(i) : s.transpose(s.in(i), {1, 0, 2});
    const Wire shape = s.concat({size, s.indices({directions, hidden})}, 0);
    return s.broadcast_to(s.scalar(x.type, 0), shape, std::vector<int64_t>{batch, directions, hidden});
  };
  if (own_cells) {
    if (steps < 1) s.refuse("LSTMSequence of the IR has no peepholes and no coupled gates, and the cells in its place want a known number of steps");
    if (activations != "sigmoid, tanh, tanh")
      s.refuse("LSTMSequence of the IR has no peepholes and no coupled gates, and the cells in its place have sigmoid and tanh");
    const Wire states = state(5), cells = state(6);
    std::vector<Wire> parts[3];
    for (int64_t d = 0; d < directions; ++d) {
      const auto of = [&](const Wire& v) { return s.squeeze(s.slice(v, {d}, {d + 1}, {1}, {1}), {1}); };
      const Cells c = unrolled(s, x, d, direction == "reverse" || d == 1, hidden, of(states), of(cells));
      parts[0].push_back(s.unsqueeze(c.all, {1})), parts[1].push_back(s.unsqueeze(c.state, {1})), parts[2].push_back(s.unsqueeze(c.cell, {1}));
    }
    const auto joined = [&](const std::vector<Wire>& list) { return list.size() == 1 ? list[0] : s.concat(list, 1); };
    if (s.wants(0)) s.out(0, s.transpose(joined(parts[0]), batch_first ? std::vector<int64_t>{0, 2, 1, 3} : std::vector<int64_t>{2, 1, 0, 3}));
    for (size_t i = 1; i < 3; ++i)
      if (s.wants(i)) s.out(i, batch_first ? joined(parts[i]) : s.transpose(joined(parts[i]), {1, 0, 2}));
    return;
  }
  const Wire lengths = s.has(4) ? s.in(4) : s.broadcast_to(s.gather(s.shape_of(x), s.index(1), 0), size, std::vector<int64_t>{batch});
  // ONNX: input, output, forget, cell. IR: forget, input, cell, output.
  const std::vector<int64_t> order = lstm ? std::vector<int64_t>{2, 0, 3, 1} : gru ? std::vector<int64_t>{0, 1, 2} : std::vector<int64_t>{0};
  const Wire weights = lstm ? reordered(s, s.in(1), order, hidden) : s.in(1), recurrence = lstm ? reordered(s, s.in(2), order, hidden) : s.in(2);
  const bool linear = gru && s.node.integer("linear_before_reset", 0) != 0;
  Wire bias;
  if (s.has(3)) {
    // Two biases, which are summed; linear_before_reset keeps those of the last gate apart.
    const Wire both = s.in(3);
    const Wire w = s.slice(both, {0}, {gates * hidden}, {1}, {1}), r = s.slice(both, {gates * hidden}, {2 * gates * hidden}, {1}, {1});
    if (linear) {
      const auto part = [&](const Wire& b, int64_t from, int64_t to) { return s.slice(b, {from * hidden}, {to * hidden}, {1}, {1}); };
      bias = s.concat({s.make("Add", {part(w, 0, 2), part(r, 0, 2)}, {numpy}), part(w, 2, 3), part(r, 2, 3)}, 1);
    } else {
      const Wire sum = s.make("Add", {w, r}, {numpy});
      bias = lstm ? reordered(s, sum, order, hidden) : sum;
    }
  } else {
    const int64_t n = (linear ? gates + 1 : gates) * hidden;
    bias = s.floats(x.type, {directions, n}, std::vector<double>(static_cast<size_t>(directions * n), 0.0));
  }
  std::vector<Wire> inputs = {x, state(5)};
  if (lstm) inputs.push_back(state(6));
  for (const Wire& w : {lengths, weights, recurrence, bias}) inputs.push_back(w);
  Attributes attributes = {
      {"hidden_size", text(hidden)}, {"activations", activations}, {"clip", text(double(s.node.real("clip", 0)))}, {"direction", direction}};
  if (gru) attributes.push_back({"linear_before_reset", text(linear)});
  const Dimensions all = std::vector<int64_t>{batch, directions, steps, hidden}, last = std::vector<int64_t>{batch, directions, hidden};
  std::vector<Dimensions> shapes = {all, last};
  if (lstm) shapes.push_back(last);
  const std::vector<Wire> y = s.make_many(std::string(op) + "Sequence", inputs, attributes, shapes);
  if (s.wants(0)) s.out(0, s.transpose(y[0], batch_first ? std::vector<int64_t>{0, 2, 1, 3} : std::vector<int64_t>{2, 1, 0, 3}));
  for (size_t i = 1; i < y.size(); ++i)
    if (s.wants(i)) s.out(i, batch_first ? y[i] : s.transpose(y[i], {1, 0, 2}));
}

constexpr Writer writers[] = {{"GRU", Means::exact, recurrent}, {"LSTM", Means::exact, recurrent}, {"RNN", Means::exact, recurrent}};

}  // namespace

std::span<const Writer> recurrent_writers() { return writers; }

}  // namespace lathe::openvino
