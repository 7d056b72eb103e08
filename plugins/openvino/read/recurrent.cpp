// LSTM, GRU and RNN over whole sequences.
#include <algorithm>

#include "step.hpp"

namespace lathe::openvino {
namespace {

uint32_t part(ReadStep& s, uint32_t blocks, int64_t from, int64_t to) {
  return s.emit("Slice", {blocks, s.indices({from}), s.indices({to}), s.indices({1}), s.indices({1})});
}
uint32_t join(ReadStep& s, const std::vector<uint32_t>& parts) {
  const uint32_t y = s.emit("Concat", parts);
  s.last().set("axis", 1);
  return y;
}
uint32_t turned(ReadStep& s, uint32_t x, const std::vector<int64_t>& order) {
  const uint32_t y = s.emit("Transpose", {x});
  s.last().set("perm", order);
  return y;
}

void recurrent(ReadStep& s) {
  const bool lstm = s.layer.type == "LSTMSequence", gru = s.layer.type == "GRUSequence";
  const char* op = lstm ? "LSTM" : gru ? "GRU" : "RNN";
  const int64_t hidden = s.integer("hidden_size"), gates = lstm ? 4 : gru ? 3 : 1;
  const std::string direction = s.text("direction");
  const size_t directions = direction == "bidirectional" ? 2 : 1, first = lstm ? 4 : 3;
  if (!s.integers("activations_alpha").empty() || !s.integers("activations_beta").empty())
    s.refuse("activations with numbers of their own are not read");
  // IR: forget, input, cell, output. ONNX: input, output, forget, cell.
  const auto reordered = [&](uint32_t w) {
    if (!lstm) return w;
    std::vector<uint32_t> parts;
    for (const int64_t gate : {1, 3, 0, 2}) parts.push_back(part(s, w, gate * hidden, (gate + 1) * hidden));
    return join(s, parts);
  };
  const uint32_t weights = reordered(s.in(first)), recurrence = reordered(s.in(first + 1));
  const bool linear = gru && s.flag("linear_before_reset");
  // One bias here, two there: the other is zero, but for the gate whose two biases are kept apart.
  const uint32_t given = s.in(first + 2);
  const uint32_t zeros = s.constant(s.type(first + 2), {static_cast<int64_t>(directions), gates * hidden},
                                    std::vector<double>(directions * static_cast<size_t>(gates * hidden), 0.0));
  uint32_t bias = 0;
  if (linear) {
    const uint32_t w = part(s, given, 0, 3 * hidden), r = part(s, given, 3 * hidden, 4 * hidden), none = part(s, zeros, 0, 2 * hidden);
    bias = join(s, {w, none, r});
  } else {
    bias = join(s, {reordered(given), zeros});
  }
  const uint32_t x = turned(s, s.in(0), {1, 0, 2});
  const uint32_t lengths = s.type(first - 1) == LATHE_INT32 ? s.in(first - 1) : s.cast(s.in(first - 1), LATHE_INT32);
  const uint32_t state = turned(s, s.in(1), {1, 0, 2});
  std::vector<uint32_t> inputs = {x, weights, recurrence, bias, lengths, state};
  if (lstm) inputs.push_back(turned(s, s.in(2), {1, 0, 2}));
  const std::vector<uint32_t> y = s.emit_many(op, inputs, lstm ? 3 : 2);
  s.last().set("hidden_size", hidden).set("direction", direction);
  if (const double clip = s.real("clip"); clip > 0) s.last().set("clip", static_cast<float>(clip));
  if (gru) s.last().set("linear_before_reset", linear ? 1 : 0);
  if (const std::string words = s.text("activations"); !words.empty()) {
    std::vector<std::string> names;
    for (size_t at = 0; at < words.size();) {
      const size_t end = std::min(words.find(',', at), words.size());
      std::string word = words.substr(at, end - at);
      std::erase(word, ' ');
      if (word != "sigmoid" && word != "tanh" && word != "relu") s.refuse("the activation '" + word + "' is not read");
      word[0] = static_cast<char>(word[0] - 'a' + 'A');
      names.push_back(word);
      at = end + 1;
    }
    const size_t each = names.size();
    if (directions == 2)
      for (size_t i = 0; i < each; ++i) names.push_back(names[i]);
    s.last().set("activations", names);
  }
  s.out(0, turned(s, y[0], {2, 1, 0, 3}));
  for (size_t i = 1; i < s.layer.outputs.size() && i < y.size(); ++i) s.out(i, turned(s, y[i], {1, 0, 2}));
}

constexpr Reader readers[] = {{"GRUSequence", recurrent}, {"LSTMSequence", recurrent}, {"RNNSequence", recurrent}};

}  // namespace

std::span<const Reader> recurrent_readers() { return readers; }

}  // namespace lathe::openvino
