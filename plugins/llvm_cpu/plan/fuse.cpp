// Fewer, larger operations: views that do nothing vanish, pads enter convolutions, slices that are concatenated again disappear,
// elementwise chains become one expression, and expressions enter the convolution or product that feeds them.
//
// Order matters and is the order of fuse() below: functions of ONE tensor (x sigmoid(x), gelu written out) are joined first so that
// anchors can take them whole; anchors take next; only what is left is joined into the largest possible elementwise operations.
#include <algorithm>
#include <map>

#include "plan/expression.hpp"
#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

using Kind = Operation::Kind;

constexpr size_t most_operands = 8;           // of a joined elementwise operation
constexpr size_t most_instructions = 64;      // of an expression
constexpr size_t most_epilogue_operands = 4;  // of an anchor, behind the accumulator

void replace_uses(Network& network, TensorId from, TensorId to) {
  for (Operation& o : network.operations) std::replace(o.inputs.begin(), o.inputs.end(), from, to);
}

bool is_output(const Network& network, TensorId t) { return std::find(network.outputs.begin(), network.outputs.end(), t) != network.outputs.end(); }

// --- structure ----------------------------------------------------------------------------------------------------------------

bool moves_nothing(const Network& network, const Operation& o) {
  if (o.kind == Kind::view) return true;
  if (o.kind != Kind::strided) return false;
  const auto& x = network.at(o.inputs[0]).dimensions;
  const auto& y = network.at(o.output()).dimensions;
  if (count(x) != count(y)) return false;
  // All of x, and its axes longer than 1 in their order.
  int64_t last = -1;
  for (size_t d = 0; d < y.size(); ++d) {
    if (y[d] == 1) continue;
    if (o.axes[d] <= last || o.steps[d] != 1 || x[static_cast<size_t>(o.axes[d])] != y[d]) return false;
    last = o.axes[d];
  }
  return true;
}

void simplify_views(Network& network) {
  for (Operation& o : network.operations) {
    if (!moves_nothing(network, o)) continue;
    o.kind = Kind::view;
    if (network.at(o.inputs[0]).dimensions == network.at(o.output()).dimensions && !is_output(network, o.output()))
      replace_uses(network, o.output(), o.inputs[0]);
  }
  remove_dead(network);
}

// Zero padding in front of a convolution is the convolution's.
void absorb_pads(Network& network) {
  const TensorUses uses(network);
  for (Operation& o : network.operations) {
    if (o.kind != Kind::convolution || uses.producer[o.inputs[0]] == UINT32_MAX) continue;
    const Operation& pad = network.operations[uses.producer[o.inputs[0]]];
    if (pad.kind != Kind::generic || pad.op_type != "Pad" || !pad.domain.empty()) continue;
    const bool constant_mode =
        std::all_of(pad.attributes.begin(), pad.attributes.end(), [](const auto& a) { return a.name != "mode" || a.text == "constant"; });
    const TensorId value = pad.inputs.size() > 2 ? pad.inputs[2] : no_tensor;
    const bool zero = value == no_tensor || (network.at(value).constant && network.at(value).is_float() && network.at(value).floats()[0] == 0);
    const Tensor& pads = network.at(pad.inputs[1]);
    const size_t rank = network.at(pad.inputs[0]).dimensions.size();
    const bool all_axes = pad.inputs.size() < 4 || pad.inputs[3] == no_tensor;
    if (!constant_mode || !zero || !all_axes || !pads.constant || pads.type != LATHE_INT64 || static_cast<size_t>(pads.size()) != 2 * rank) continue;
    const auto* p = static_cast<const int64_t*>(pads.data);
    if (std::any_of(p, p + 2 * rank, [](int64_t v) { return v < 0; }) || p[0] || p[1] || p[rank] || p[rank + 1]) continue;
    for (size_t d = 2; d < rank; ++d) {
      o.pad_begin[d + 2 - rank] += p[d];
      o.pad_end[d + 2 - rank] += p[d + rank];
    }
    o.inputs[0] = pad.inputs[0];
    o.nodes.insert(o.nodes.begin(), pad.nodes.begin(), pad.nodes.end());
  }
  remove_dead(network);
}

// Slices of one tensor that a concatenation along the same axis puts together again are that tensor.
void rejoin_slices(Network& network) {
  const TensorUses uses(network);
  const auto slice_of = [&](TensorId part, size_t axis, int64_t start) -> TensorId {
    if (uses.producer[part] == UINT32_MAX) return no_tensor;
    const Operation& o = network.operations[uses.producer[part]];
    if (o.kind != Kind::strided) return no_tensor;
    const auto& x = network.at(o.inputs[0]).dimensions;
    const auto& y = network.at(part).dimensions;
    if (x.size() != y.size()) return no_tensor;
    for (size_t d = 0; d < x.size(); ++d)
      if (o.axes[d] != static_cast<int64_t>(d) || o.steps[d] != 1 || o.starts[d] != (d == axis ? start : 0) || (d != axis && x[d] != y[d]))
        return no_tensor;
    return o.inputs[0];
  };
  for (Operation& o : network.operations) {
    if (o.kind != Kind::concatenate) continue;
    const auto axis = static_cast<size_t>(o.axis);
    for (size_t first = 0; first < o.inputs.size(); ++first) {
      const TensorId whole = slice_of(o.inputs[first], axis, 0);
      if (whole == no_tensor) continue;
      int64_t length = 0;
      size_t last = first;
      while (last < o.inputs.size() && slice_of(o.inputs[last], axis, length) == whole) length += network.at(o.inputs[last++]).dimensions[axis];
      if (length != network.at(whole).dimensions[axis]) continue;
      o.inputs.erase(o.inputs.begin() + static_cast<std::ptrdiff_t>(first) + 1, o.inputs.begin() + static_cast<std::ptrdiff_t>(last));
      o.inputs[first] = whole;
    }
    if (o.inputs.size() == 1) o.kind = Kind::view;
  }
  simplify_views(network);
}

bool is_permutation(const Network& network, const Operation& o) {
  if (o.kind != Kind::strided || count(network.at(o.inputs[0]).dimensions) != count(network.at(o.output()).dimensions)) return false;
  std::vector<int64_t> axes = o.axes;
  std::sort(axes.begin(), axes.end());
  for (size_t d = 0; d < axes.size(); ++d)
    if (axes[d] != static_cast<int64_t>(d) || o.steps[d] != 1) return false;
  return true;
}

// The softmax of a transposed tensor is the transposed softmax along another axis: without a copy in front of it.
void softmax_before_transposition(Network& network) {
  const TensorUses uses(network);
  for (size_t i = 0; i < network.operations.size(); ++i) {
    Operation& transposition = network.operations[i];
    if (!is_permutation(network, transposition) || uses.users[transposition.output()].size() != 1 || uses.output[transposition.output()]) continue;
    Operation& softmax = network.operations[uses.users[transposition.output()][0]];
    if (softmax.kind != Kind::softmax) continue;
    const Tensor& x = network.at(transposition.inputs[0]);
    const TensorId before = network.add(x.name + "#softmax", x.type, x.dimensions);
    Operation first = softmax, second = transposition;
    first.inputs = transposition.inputs;
    first.outputs = {before};
    first.axis = transposition.axes[static_cast<size_t>(softmax.axis)];
    second.inputs = {before};
    second.outputs = softmax.outputs;
    // At the two places that the operations had before, in topological order.
    softmax = std::move(second);
    transposition = std::move(first);
  }
}

// A 1x1 convolution to one channel of something that is no image in memory anyway is a product of its weights with each row.
void narrow_convolutions_as_products(Network& network) {
  const TensorUses uses(network);
  std::vector<Operation> operations;
  for (size_t i = 0; i < network.operations.size(); ++i) {
    Operation& o = network.operations[i];
    const auto& x = network.at(o.inputs.empty() || o.inputs[0] == no_tensor ? 0 : o.inputs[0]).dimensions;
    const bool narrow = o.kind == Kind::convolution && x.size() == 4 && o.groups == 1 && o.kernel == std::array<int64_t, 2>{1, 1} &&
                        o.stride == std::array<int64_t, 2>{1, 1} && o.pad_begin == std::array<int64_t, 2>{0, 0} &&
                        o.pad_end == std::array<int64_t, 2>{0, 0} && o.inputs[2] == no_tensor && network.at(o.output()).dimensions[1] == 1;
    const uint32_t producer = narrow ? uses.producer[o.inputs[0]] : UINT32_MAX;
    if (producer == UINT32_MAX || network.operations[producer].kind != Kind::strided) {
      operations.push_back(std::move(o));
      continue;
    }
    const std::string& name = network.at(o.output()).name;
    const TensorId rows = network.add(name + "#rows", LATHE_FLOAT32, {x[0], x[2], x[1], x[3]});
    const TensorId result = network.add(name + "#product", LATHE_FLOAT32, {x[0], x[2], 1, x[3]});
    const Tensor& weights = network.at(o.inputs[1]);
    const TensorId row = network.add_constant(weights.name, {1, x[1]}, {weights.floats(), weights.floats() + weights.size()});
    Operation permutation, product, view;
    permutation.nodes = product.nodes = view.nodes = o.nodes;
    permutation.kind = Kind::strided;
    permutation.inputs = {o.inputs[0]};
    permutation.outputs = {rows};
    permutation.axes = {0, 2, 1, 3};
    permutation.steps = {1, 1, 1, 1};
    permutation.starts = {0, 0, 0, 0};
    product.kind = Kind::product;
    product.inputs = {row, rows, no_tensor};
    product.outputs = {result};
    view.kind = Kind::view;
    view.inputs = {result};
    view.outputs = o.outputs;
    for (Operation* made : {&permutation, &product, &view}) operations.push_back(std::move(*made));
  }
  network.operations = std::move(operations);
}

// --- elementwise --------------------------------------------------------------------------------------------------------------

Term term_of(const Operation& o) {
  Term term{o.expression, o.inputs};
  if (o.anchor()) {
    term.operands.assign(1, o.output());  // the accumulator goes by the output's name
    term.operands.insert(term.operands.end(), o.inputs.begin() + epilogue_begin, o.inputs.end());
  }
  return term;
}

void set_term(Operation& o, Term term) {
  o.expression = std::move(term.expression);
  if (!o.anchor()) {
    o.inputs = std::move(term.operands);
    return;
  }
  o.inputs.resize(epilogue_begin);
  o.inputs.insert(o.inputs.end(), term.operands.begin() + 1, term.operands.end());
}

void tidy(const Network& network, Term& term, size_t keep) {
  inline_scalars(network, term, keep);
  simplify(term.expression);
  drop_unused_operands(term, keep);
}

size_t varying_operands(const Network& network, const Term& term) {
  return static_cast<size_t>(std::count_if(term.operands.begin(), term.operands.end(), [&](TensorId t) { return !network.at(t).constant; }));
}

bool same_shape(const Network& network, TensorId a, TensorId b) {
  std::vector<int64_t> x = network.at(a).dimensions, y = network.at(b).dimensions;
  while (x.size() < y.size()) x.insert(x.begin(), 1);
  while (y.size() < x.size()) y.insert(y.begin(), 1);
  return x == y;
}

void append_nodes(Operation& to, const Operation& from) { to.nodes.insert(to.nodes.end(), from.nodes.begin(), from.nodes.end()); }

// Joins an elementwise operation into the only elementwise operation that uses it, where the result reads at most
// `most_varying` tensors that are not constant.
void join_elementwise(Network& network, size_t most_varying) {
  TensorUses uses(network);
  for (size_t i = 0; i < network.operations.size(); ++i) {
    Operation& producer = network.operations[i];
    if (producer.kind != Kind::elementwise || producer.outputs.empty()) continue;
    const TensorId t = producer.output();
    if (uses.output[t] || uses.users[t].size() != 1) continue;
    Operation& consumer = network.operations[uses.users[t][0]];
    if (consumer.kind != Kind::elementwise || !same_shape(network, t, consumer.output())) continue;
    Term joined = substitute(term_of(producer), t, term_of(consumer));
    tidy(network, joined, 0);
    if (joined.operands.size() > most_operands || joined.expression.instructions.size() > most_instructions ||
        varying_operands(network, joined) > most_varying)
      continue;
    set_term(consumer, std::move(joined));
    std::vector<std::string> nodes = producer.nodes;
    nodes.insert(nodes.end(), consumer.nodes.begin(), consumer.nodes.end());
    consumer.nodes = std::move(nodes);
    // The producer's inputs are now the consumer's.
    const auto position = uses.users[t][0];
    for (const TensorId input : producer.inputs) {
      auto& users = uses.users[input];
      users.erase(std::remove(users.begin(), users.end(), static_cast<uint32_t>(i)), users.end());
      const auto at = std::lower_bound(users.begin(), users.end(), position);
      if (at == users.end() || *at != position) users.insert(at, position);
    }
    producer.outputs.clear();
    producer.inputs.clear();
  }
  remove_dead(network);
}

// Per channel of the anchor's output, a value of the expression that is constant; empty when it is not.
std::vector<float> channel_constants(const Network& network, const Operation& anchor, const Term& term, int value) {
  const Tensor& output = network.at(anchor.output());
  const int64_t channels = anchor.kind == Kind::product ? output.dimensions.back() : output.dimensions[1];
  if (value >= term.expression.operands) {
    const Expression::Instruction& i = term.expression.instructions[static_cast<size_t>(value - term.expression.operands)];
    return i.operation == Op::constant ? std::vector<float>(static_cast<size_t>(channels), i.p) : std::vector<float>();
  }
  const Tensor& tensor = network.at(term.operands[static_cast<size_t>(value)]);
  Access access;
  if (!tensor.constant || !epilogue_access(anchor, output, tensor, access) || access != Access::per_channel) return {};
  return {tensor.floats(), tensor.floats() + tensor.size()};
}

// The weights of a convolution times one factor per output channel.
TensorId scaled_weights(Network& network, const Operation& anchor, const std::vector<float>& factors) {
  const Tensor& weights = network.at(anchor.inputs[1]);
  std::vector<float> values(weights.floats(), weights.floats() + weights.size());
  // ONNX's order: output channels outermost; behind the input channels in a transposed convolution.
  const int64_t channels = static_cast<int64_t>(factors.size());
  const int64_t inner = anchor.kind == Kind::transposed ? weights.size() / weights.dimensions[0] / channels : weights.size() / channels;
  for (size_t i = 0; i < values.size(); ++i) values[i] *= factors[static_cast<size_t>(static_cast<int64_t>(i) / inner % channels)];
  return network.add_constant(weights.name, weights.dimensions, std::move(values));
}

// A constant that is added to or multiplied with the accumulator, before anything else sees it, becomes part of bias and weights.
bool absorb_constant(Network& network, Operation& anchor, Term& term) {
  Expression& e = term.expression;
  const auto uses_accumulator = [](const Expression::Instruction& i) { return i.a == 0 || i.b == 0; };
  const auto first = std::find_if(e.instructions.begin(), e.instructions.end(), uses_accumulator);
  if (first == e.instructions.end() || first->a == first->b) return false;
  const bool multiplied = first->operation == Op::multiply;
  if (first->operation != Op::add && !(multiplied && anchor.kind != Kind::product)) return false;
  if (std::find_if(first + 1, e.instructions.end(), uses_accumulator) != e.instructions.end()) return false;
  const std::vector<float> constants = channel_constants(network, anchor, term, first->a == 0 ? first->b : first->a);
  if (constants.empty()) return false;
  std::vector<float> bias(constants.size(), 0.0f);
  if (anchor.inputs[2] != no_tensor) std::copy_n(network.at(anchor.inputs[2]).floats(), bias.size(), bias.begin());
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = multiplied ? bias[c] * constants[c] : bias[c] + constants[c];
  if (multiplied) anchor.inputs[1] = scaled_weights(network, anchor, constants);
  const auto channels = static_cast<int64_t>(bias.size());
  if (!multiplied || anchor.inputs[2] != no_tensor)
    anchor.inputs[2] = network.add_constant(anchor.nodes.front() + "#bias", {channels}, std::move(bias));
  // What used the result uses the accumulator.
  const int result = e.operands + static_cast<int>(first - e.instructions.begin());
  e.instructions.erase(first);
  for (Expression::Instruction& i : e.instructions)
    for (int* v : {&i.a, &i.b}) *v = *v == result ? 0 : *v > result ? *v - 1 : *v;
  if (result == e.operands + static_cast<int>(e.instructions.size())) e.instructions.clear();  // it was the last: the accumulator remains
  simplify(e);
  drop_unused_operands(term, 1);
  return true;
}

bool fits_epilogue(const Network& network, const Operation& anchor, const Term& term) {
  if (term.operands.size() > 1 + most_epilogue_operands || term.expression.instructions.size() > most_instructions) return false;
  const Tensor& output = network.at(anchor.output());
  for (size_t i = 1; i < term.operands.size(); ++i) {
    Access access;
    if (!epilogue_access(anchor, output, network.at(term.operands[i]), access)) return false;
  }
  return true;
}

// Takes elementwise operations behind convolutions and products into them, one after the other.
void absorb_into_anchors(Network& network) {
  TensorUses uses(network);
  for (size_t i = 0; i < network.operations.size(); ++i) {
    if (!network.operations[i].anchor()) continue;
    size_t at = i;  // the anchor moves to where its last consumer stood, so that all operands are there
    for (;;) {
      Operation& anchor = network.operations[at];
      const TensorId t = anchor.output();
      if (uses.output[t] || uses.users[t].size() != 1) break;
      const uint32_t next = uses.users[t][0];
      Operation& consumer = network.operations[next];
      if (consumer.kind != Kind::elementwise || network.at(consumer.output()).dimensions != network.at(t).dimensions) break;
      Term term = substitute(term_of(anchor), t, term_of(consumer));
      tidy(network, term, 1);
      if (!fits_epilogue(network, anchor, term)) break;
      while (absorb_constant(network, anchor, term)) {
      }
      set_term(anchor, std::move(term));
      append_nodes(anchor, consumer);
      anchor.outputs = consumer.outputs;
      consumer = std::move(anchor);
      network.operations[at] = Operation{};
      // Users: everything the anchor reads is now read at `next`.
      for (const TensorId input : network.operations[next].inputs) {
        if (input == no_tensor || input >= uses.users.size()) continue;  // the latter: constants made here
        auto& users = uses.users[input];
        users.erase(std::remove(users.begin(), users.end(), static_cast<uint32_t>(at)), users.end());
        const auto place = std::lower_bound(users.begin(), users.end(), next);
        if (place == users.end() || *place != next) users.insert(place, next);
      }
      at = next;
    }
  }
  remove_dead(network);
}

// A transposed convolution to very few channels (a mask) is a convolution to as many channels as the kernel has elements, spread
// over the pixels by a copy: blocked, nearly all of its output would be padding.
void narrow_transposed_convolutions(Network& network) {
  constexpr int64_t most_channels = 2;
  std::vector<Operation> operations;
  for (Operation& o : network.operations) {
    const bool simple = o.kind == Kind::transposed && o.inputs.size() == epilogue_begin && network.at(o.inputs[0]).dimensions.size() == 4;
    if (!simple || network.at(o.output()).dimensions[1] > most_channels) {
      operations.push_back(std::move(o));
      continue;
    }
    const auto& x = network.at(o.inputs[0]).dimensions;
    const int64_t channels = network.at(o.output()).dimensions[1], inputs = x[1], area = o.stride[0] * o.stride[1];
    const float* from = network.at(o.inputs[1]).floats();  // [inputs][channels][kernel]
    std::vector<float> weights(static_cast<size_t>(inputs * channels * area)), bias(static_cast<size_t>(channels * area), 0.0f);
    for (int64_t i = 0; i < inputs; ++i)
      for (int64_t k = 0; k < channels * area; ++k) weights[static_cast<size_t>(k * inputs + i)] = from[i * channels * area + k];
    if (o.inputs[2] != no_tensor)
      for (int64_t k = 0; k < channels * area; ++k) bias[static_cast<size_t>(k)] = network.at(o.inputs[2]).floats()[k / area];
    const std::string& name = network.at(o.output()).name;
    const TensorId all = network.add(name + "#all", LATHE_FLOAT32, {x[0], channels * area, x[2], x[3]});
    const TensorId apart = network.add(name + "#apart", LATHE_FLOAT32, {x[0], channels, o.stride[0], o.stride[1], x[2], x[3]});
    const TensorId spread = network.add(name + "#spread", LATHE_FLOAT32, {x[0], channels, x[2], o.stride[0], x[3], o.stride[1]});
    Operation convolution, first, permutation, last;
    convolution.kind = Kind::convolution;
    convolution.inputs = {o.inputs[0], network.add_constant(name + "#weights", {channels * area, inputs, 1, 1}, std::move(weights)),
                          network.add_constant(name + "#bias", {channels * area}, std::move(bias))};
    convolution.outputs = {all};
    convolution.expression = o.expression;
    first.kind = last.kind = Kind::view;
    first.inputs = {all};
    first.outputs = {apart};
    permutation.kind = Kind::strided;
    permutation.inputs = {apart};
    permutation.outputs = {spread};
    permutation.axes = {0, 1, 4, 2, 5, 3};
    permutation.steps.assign(6, 1);
    permutation.starts.assign(6, 0);
    last.inputs = {spread};
    last.outputs = o.outputs;
    for (Operation* made : {&convolution, &first, &permutation, &last}) {
      made->nodes = o.nodes;
      operations.push_back(std::move(*made));
    }
  }
  network.operations = std::move(operations);
}

}  // namespace

void fuse(Network& network) {
  simplify_views(network);
  absorb_pads(network);
  rejoin_slices(network);
  softmax_before_transposition(network);
  narrow_convolutions_as_products(network);
  join_elementwise(network, 1);
  absorb_into_anchors(network);
  narrow_transposed_convolutions(network);
  join_elementwise(network, most_operands);
}

}  // namespace lathe::llvm_cpu
