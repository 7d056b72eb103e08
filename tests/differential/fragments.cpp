// See fragments.hpp.
#include "fragments.hpp"

namespace lathe::differential {
namespace {

// The text in the making, and what it is bound to.
struct Writer {
  Draft& d;
  Random& random;
  Fragment f = {};
  std::string inputs = {};

  // Declares the value as an input called `name`, with its type and shape.
  void bind(const std::string& name, ValueId id) {
    inputs += (inputs.empty() ? "" : ", ") + std::string(lathe::name(d.type(id)));
    const Dims& dims = d.dims(id);
    if (!dims.empty()) inputs += "[" + list(dims) + "]";
    inputs += " " + name;
    f.inputs.push_back(id);
  }
  static std::string list(const Dims& dims) {
    std::string text;
    for (const int64_t n : dims) text += (text.empty() ? "" : ", ") + std::to_string(n);
    return text;
  }
  void finish(const std::string& outputs, const std::string& body) { f.text = "agraph (" + inputs + ") => (" + outputs + ") {\n" + body + "\n}"; }

  DataType type() { return random.pick({DataType::float32, DataType::float32, DataType::int64, DataType::int32}); }
  ValueId boolean() { return d.fresh(d.filled(DataType::boolean, {}, Content::any)); }
  ValueId scalar(int64_t value) { return d.integer(value); }
  // y = something of a and b, which have one shape; numbers stay small.
  std::string combine(const std::string& y, const std::string& a, const std::string& b) {
    return y + " = " + random.pick({"Add", "Sub", "Max", "Min"}) + "(" + a + ", " + b + ")";
  }
};

void choice(Writer& w) {
  const DataType t = w.type();
  const ValueId a = w.d.some(t, 0, 3);
  const Dims dims = w.d.dims(a);
  w.bind("c", w.boolean()), w.bind("a", a), w.bind("b", w.d.value(t, dims));
  const std::string other = w.random.chance(50) ? w.combine("e", "b", "a") : "e = Neg(a)";
  w.finish("y", " y = If(c) <then_branch = yes () => (t) { " + w.combine("t", "a", "b") + " }, else_branch = no () => (e) { " + other + " }>");
}

// Branches of different shapes: the output's shape is known only when it runs.
void uneven_choice(Writer& w) {
  const DataType t = w.type();
  const int64_t n = w.random.between(1, 4);
  w.bind("c", w.boolean()), w.bind("a", w.d.value(t, {n, 2})), w.bind("b", w.d.value(t, {n + 1, 2}));
  w.finish("y", " z = If(c) <then_branch = yes () => (t) { t = Identity(a) }, else_branch = no () => (e) { e = Abs(b) }>\n y = Neg(z)");
}

void repetition(Writer& w) {
  const DataType t = w.type();
  const ValueId x = w.d.some(t, 0, 2);
  const std::string type(lathe::name(t));
  w.bind("m", w.scalar(w.random.between(0, 4))), w.bind("c", w.boolean()), w.bind("x", x), w.bind("b", w.d.value(t, w.d.dims(x)));
  const bool early = w.random.chance(40);
  w.bind("k", w.scalar(w.random.between(0, 3)));
  const std::string stop = early ? "going = Less(i, k)" : "going = Identity(c_in)";
  w.finish("y, s", " y, s = Loop(m, c, x) <body = step (int64 i, bool c_in, " + type + " v) => (going, v_out, each) { " + stop + " " +
                       w.combine("v_out", "v", "b") + " each = " + (w.random.chance(50) ? "Identity(v_out)" : "Neg(v)") + " }>");
}

void scan(Writer& w) {
  const DataType t = w.type();
  const int64_t length = w.random.between(1, 4), n = w.random.between(1, 3);
  const std::string type(lathe::name(t));
  w.bind("s", w.d.value(t, {n})), w.bind("x", w.d.value(t, {length, n}));
  const std::string reverse = w.random.chance(40) ? ", scan_input_directions = [1]" : w.random.chance(40) ? ", scan_output_directions = [1]" : "";
  w.finish("last, all", " last, all = Scan(s, x) <num_scan_inputs = 1" + reverse + ", body = step (" + type + "[" + std::to_string(n) + "] v, " +
                            type + "[" + std::to_string(n) + "] e) => (v_out, o) { " + w.combine("v_out", "v", "e") + " o = Identity(v_out) }>");
}

void sequence_at(Writer& w) {
  const DataType t = w.type();
  const int64_t count = w.random.between(1, 4);
  std::string names;
  for (int64_t i = 0; i < count; ++i) {
    const std::string name = "x" + std::to_string(i);
    w.bind(name, w.d.value(t, w.d.shape(1, 2)));
    names += (i ? ", " : "") + name;
  }
  w.bind("i", w.scalar(w.random.between(-count, count - 1)));
  std::string body = " s = SequenceConstruct(" + names + ")\n y = SequenceAt(s, i)\n n = SequenceLength(s)";
  if (w.random.chance(40))
    body = " r = SequenceConstruct(" + names + ")\n s = SequenceInsert(r, x0, i)\n y = SequenceAt(s, i)\n n = SequenceLength(s)";
  if (count > 1 && w.random.chance(40)) {
    w.bind("j", w.scalar(0));
    body = " r = SequenceConstruct(" + names + ")\n s = SequenceErase(r, i)\n y = SequenceAt(s, j)\n n = SequenceLength(s)";
  }
  w.finish("y, n", body);
}

void split_and_join(Writer& w) {
  const DataType t = w.type();
  const int64_t n = w.random.between(1, 6), axis = w.random.between(0, 1);
  w.bind("x", w.d.value(t, axis == 0 ? Dims{n, 3} : Dims{2, n}));
  const std::string a = std::to_string(axis);
  std::string split;
  switch (w.random.below(3)) {
    case 0:
      w.bind("k", w.scalar(w.random.between(1, n)));
      split = "SplitToSequence<axis = " + a + ">(x, k)";
      break;
    case 1:
      split = "SplitToSequence<axis = " + a + ">(x)";
      break;
    default:
      w.finish("y", " s = SplitToSequence<axis = " + a + ", keepdims = 0>(x)\n y = ConcatFromSequence<axis = " + a + ", new_axis = 1>(s)");
      return;
  }
  w.finish("y, l", " s = " + split + "\n y = ConcatFromSequence<axis = " + std::to_string(w.random.chance(50) ? axis : axis - 2) +
                       ">(s)\n l = SequenceLength(s)");
}

void gather_in_a_loop(Writer& w) {
  const DataType t = w.type();
  const std::string type(lathe::name(t));
  w.bind("m", w.scalar(w.random.between(1, 4))), w.bind("c", w.d.constant([] {
    Tensor yes = Tensor::allocate(DataType::boolean, {});
    yes.as_mutable<uint8_t>()[0] = 1;
    return yes;
  }())),
      w.bind("x", w.d.value(t, {w.random.between(1, 3)}));
  w.finish("y", " e = SequenceEmpty<dtype = " + std::to_string(int(t)) + ">()\n s = Loop(m, c, e) <body = step (int64 i, bool c_in, seq(" + type +
                    "[]) q) => (go, q_out) { go = Identity(c_in) q_out = SequenceInsert(q, x) }>\n y = ConcatFromSequence<axis = 0>(s)");
}

void map_over_sequence(Writer& w) {
  const DataType t = w.type();
  const std::string type(lathe::name(t));
  const Dims dims = w.d.shape(1, 2);
  w.bind("a", w.d.value(t, dims)), w.bind("b", w.d.value(t, dims));
  const bool doubled = w.random.chance(50);
  w.bind("i", w.scalar(w.random.between(0, 1)));
  w.finish("y", " s = SequenceConstruct(a, b)\n m = SequenceMap(s" + std::string(doubled ? ", s" : "") + ") <body = each (" + type + " e" +
                    (doubled ? ", " + type + " f" : "") + ") => (o) { " + (doubled ? w.combine("o", "e", "f") : "o = Neg(e)") +
                    " }>\n y = SequenceAt(m, i)");
}

void constants(Writer& w) {
  const ValueId x = w.d.some(DataType::float32, 1, 3);
  w.bind("x", x);
  const std::string how = w.random.pick({"value_float = 2.5", "value_floats = [1.5]", "value = float {0.25}", "value = float[1] {-3.0}"});
  w.finish("y, n", " k = Constant<" + how + ">()\n y = Sub(x, k)\n n = Constant<value_ints = [3, -1]>()");
}

void optional(Writer& w) {
  const ValueId x = w.d.some(w.type(), 0, 3);
  w.bind("x", x);
  w.finish("y, h", " o = Optional(x)\n y = OptionalGetElement(o)\n h = OptionalHasElement(o)");
}

struct Named {
  void (*draw)(Writer&);
  std::vector<std::string> operators;
};

}  // namespace

Fragment draw_fragment(Draft& draft, const std::vector<std::string>& only) {
  static const std::vector<Named> table = {
      {choice, {"If"}},
      {constants, {"Constant"}},
      {uneven_choice, {"If"}},
      {repetition, {"Loop"}},
      {map_over_sequence, {"SequenceMap"}},
      {scan, {"Scan"}},
      {sequence_at, {"SequenceAt", "SequenceConstruct", "SequenceErase", "SequenceInsert", "SequenceLength"}},
      {split_and_join, {"SplitToSequence", "ConcatFromSequence"}},
      {gather_in_a_loop, {"Loop", "SequenceEmpty", "SequenceInsert"}},
      {optional, {"Optional", "OptionalGetElement", "OptionalHasElement"}},
  };
  std::vector<const Named*> choices;
  for (const Named& n : table) {
    bool known = true, wanted = only.empty();
    for (const std::string& op : n.operators) {
      known = known && find_operator("", op);
      wanted = wanted || std::find(only.begin(), only.end(), op) != only.end();
    }
    if (known && wanted) choices.push_back(&n);
  }
  if (choices.empty()) return {};
  Writer writer{draft, draft.random};
  draft.begin(nullptr);
  choices[size_t(draft.random.below(int64_t(choices.size())))]->draw(writer);
  return std::move(writer.f);
}

}  // namespace lathe::differential
