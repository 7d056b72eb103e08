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
    if (joined.operands.size() > most_operands || varying_operands(network, joined) > most_varying) continue;
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

// A constant that is added per channel to the accumulator, before anything else sees it, is bias.
void absorb_bias(Network& network, Operation& anchor, Term& term) {
  Expression& e = term.expression;
  const auto uses_accumulator = [](const Expression::Instruction& i) { return i.a == 0 || i.b == 0; };
  const auto first = std::find_if(e.instructions.begin(), e.instructions.end(), uses_accumulator);
  if (first == e.instructions.end() || first->operation != Op::add || first->a == first->b) return;
  if (std::find_if(first + 1, e.instructions.end(), uses_accumulator) != e.instructions.end()) return;
  const int operand = first->a == 0 ? first->b : first->a;
  if (operand >= e.operands) return;
  const Tensor& added = network.at(term.operands[static_cast<size_t>(operand)]);
  Access access;
  if (!added.constant || !epilogue_access(anchor, network.at(anchor.output()), added, access) || access != Access::per_channel) return;
  std::vector<float> bias(added.floats(), added.floats() + added.size());
  if (anchor.inputs[2] != no_tensor)
    for (size_t c = 0; c < bias.size(); ++c) bias[c] += network.at(anchor.inputs[2]).floats()[c];
  const auto channels = static_cast<int64_t>(bias.size());
  anchor.inputs[2] = network.add_constant(added.name, {channels}, std::move(bias));
  // What used the sum uses the accumulator.
  const int sum = e.operands + static_cast<int>(first - e.instructions.begin());
  e.instructions.erase(first);
  for (Expression::Instruction& i : e.instructions)
    for (int* v : {&i.a, &i.b}) *v = *v == sum ? 0 : *v > sum ? *v - 1 : *v;
  drop_unused_operands(term, 1);
}

bool fits_epilogue(const Network& network, const Operation& anchor, const Term& term) {
  if (term.operands.size() > 1 + most_epilogue_operands) return false;
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
      absorb_bias(network, anchor, term);
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

}  // namespace

void fuse(Network& network) {
  simplify_views(network);
  absorb_pads(network);
  rejoin_slices(network);
  join_elementwise(network, 1);
  absorb_into_anchors(network);
  join_elementwise(network, most_operands);
}

}  // namespace lathe::llvm_cpu
