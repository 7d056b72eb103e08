// Running operators on sequences and optionals. Expected values were worked out by hand.
#include "core/reference/pieces.hpp"
#include "tests/unit/reference/support.hpp"

using namespace lathe;
using namespace lathe::test;

static const Tensor one = floats({1}, {1}), two = floats({2}, {1, 2}), three = floats({3}, {1, 2, 3});
static Datum sequence(std::vector<Tensor> elements) { return Datum::sequence(DataType::float32, std::move(elements)); }

TEST_CASE("construct, insert, erase, at, length") {
  CHECK(run("g (float[1] a, float[2] b) => (y) { y = SequenceConstruct(a, b) }", {{"a", one}, {"b", two}}).at("y") == sequence({one, two}));
  const auto insert = [](int64_t position) {
    return run("g (seq(float[N]) s, float[3] x, int64 i) => (y) { y = SequenceInsert(s, x, i) }",
               {{"s", sequence({one, two})}, {"x", three}, {"i", integers({}, {position})}})
        .at("y");
  };
  CHECK(insert(0) == sequence({three, one, two}));
  CHECK(insert(2) == sequence({one, two, three}));
  CHECK(insert(-1) == sequence({one, three, two}));
  CHECK(run("g (float[3] x) => (y) { s = SequenceEmpty() t = SequenceInsert(s, x) y = SequenceInsert(t, x) }", {{"x", three}}).at("y") ==
        sequence({three, three}));
  CHECK(run("g (seq(float[N]) s) => (y) { y = SequenceErase(s) }", {{"s", sequence({one, two})}}).at("y") == sequence({one}));
  CHECK(run("g (seq(float[N]) s) => (y) <int64 i = {-2}> { y = SequenceErase(s, i) }", {{"s", sequence({one, two})}}).at("y") == sequence({two}));
  CHECK(run("g (seq(float[N]) s) => (y) <int32 i = {-1}> { y = SequenceAt(s, i) }", {{"s", sequence({one, two})}}).at("y").tensor == two);
  CHECK(run("g (seq(float[N]) s) => (y) { y = SequenceLength(s) }", {{"s", sequence({one, two})}}).at("y").tensor == integers({}, {2}));
}

TEST_CASE("an input that others still need is not taken apart") {
  const NamedData found = run("g (seq(float[N]) s, float[3] x) => (y, z, n) { y = SequenceInsert(s, x) z = SequenceErase(s) n = SequenceLength(s) }",
                              {{"s", sequence({one, two})}, {"x", three}});
  CHECK(found.at("y") == sequence({one, two, three}));
  CHECK(found.at("z") == sequence({one}));
  CHECK(found.at("n").tensor == integers({}, {2}));
}

TEST_CASE("cutting and joining") {
  const Tensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto split = [&](const std::string& attributes, const std::string& more) {
    return run("g (float[3,2] x) => (y) <int64 k = {2}, int64[2] l = {1, 2}> { y = SplitToSequence<" + attributes + ">(x" + more + ") }", {{"x", x}})
        .at("y");
  };
  CHECK(split("axis = 0", "") == sequence({floats({1, 2}, {1, 2}), floats({1, 2}, {3, 4}), floats({1, 2}, {5, 6})}));
  CHECK(split("axis = 1, keepdims = 0", "") == sequence({floats({3}, {1, 3, 5}), floats({3}, {2, 4, 6})}));
  CHECK(split("axis = 0", ", k") == sequence({floats({2, 2}, {1, 2, 3, 4}), floats({1, 2}, {5, 6})}));
  CHECK(split("axis = -2", ", l") == sequence({floats({1, 2}, {1, 2}), floats({2, 2}, {3, 4, 5, 6})}));
  const auto concat = [&](const std::string& attributes, const Datum& s) {
    return run("g (seq(float[]) s) => (y) { y = ConcatFromSequence<" + attributes + ">(s) }", {{"s", s}}).at("y").tensor;
  };
  CHECK(concat("axis = 0", sequence({one, two})) == floats({3}, {1, 1, 2}));
  CHECK(concat("axis = 1", sequence({floats({2, 1}, {1, 2}), floats({2, 2}, {3, 4, 5, 6})})) == floats({2, 3}, {1, 3, 4, 2, 5, 6}));
  CHECK(concat("axis = 0, new_axis = 1", sequence({two, two})) == floats({2, 2}, {1, 2, 1, 2}));
  CHECK(concat("axis = -1, new_axis = 1", sequence({two, two})) == floats({2, 2}, {1, 1, 2, 2}));
}

TEST_CASE("pieces of packed elements and of strings") {
  const uint8_t bytes[] = {0x21, 0x43, 0x05};
  const Tensor nibbles = Tensor::of<uint8_t>(DataType::uint4, {5}, std::span<const uint8_t>(bytes));
  const Tensor tail = part_of(nibbles, 0, 1, 3);
  CHECK(std::vector<uint8_t>(tail.as<uint8_t>().begin(), tail.as<uint8_t>().end()) == std::vector<uint8_t>{0x32, 0x04});
  const Tensor both = joined({tail, nibbles}, 0);
  CHECK(both.dimensions == std::vector<int64_t>{8});
  CHECK(std::vector<uint8_t>(both.as<uint8_t>().begin(), both.as<uint8_t>().end()) == std::vector<uint8_t>{0x32, 0x14, 0x32, 0x54});
  Tensor words = Tensor::allocate(DataType::string, {2, 2});
  words.strings = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(*part_of(words, 1, 1, 1).strings == std::vector<std::string>{"b", "d"});
  CHECK(*joined({words, part_of(words, 1, 0, 1)}, 1).strings == std::vector<std::string>{"a", "b", "a", "c", "d", "c"});
}

TEST_CASE("optionals") {
  const std::string ask = "g (optional(float[N]) x) => (y) { y = OptionalHasElement(x) }";
  CHECK(run(ask, {{"x", Datum::absent(ValueKind::optional, DataType::float32)}}).at("y").tensor == truth(false));
  CHECK(run(ask, {{"x", one}}).at("y").tensor == truth(true));
  CHECK(run("g () => (y) { y = OptionalHasElement() }").at("y").tensor == truth(false));
  CHECK(run("g (float[2] x) => (y) { y = OptionalHasElement(x) }", {{"x", two}}).at("y").tensor == truth(true));
  CHECK(run("g (optional(seq(float[N])) x) => (y) { y = OptionalGetElement(x) }", {{"x", sequence({one, two})}}).at("y") == sequence({one, two}));
  const Datum wrapped = run("g (float[2] x) => (y) { y = Optional(x) }", {{"x", two}}).at("y");
  CHECK(wrapped.kind == ValueKind::optional);
  CHECK(wrapped.tensor == two);
  const Datum nothing = run("g () => (y) { o = Optional<type = \"seq(tensor(float))\">() y = Identity(o) }").at("y");
  CHECK(nothing == Datum::absent(ValueKind::optional_sequence, DataType::float32));
}

TEST_CASE("a map runs its body once per element") {
  const std::string text =
      "g (seq(float[N]) s, seq(float[M]) t, float[1] x) => (y, z) { y, z = SequenceMap(s, t, x) <body = b (float[N] a, float[M] c, float[1] d) => "
      "(float[N] e, float[L] f) { e = Add(a, d) f = Concat<axis = 0>(a, c) }> }";
  const NamedData found = run(text, {{"s", sequence({one, two})}, {"t", sequence({two, one})}, {"x", floats({1}, {10})}});
  CHECK(found.at("y") == sequence({floats({1}, {11}), floats({2}, {11, 12})}));
  CHECK(found.at("z") == sequence({floats({3}, {1, 1, 2}), floats({3}, {1, 2, 1})}));
  CHECK(failure(text, {{"s", sequence({one, two})}, {"t", sequence({two})}, {"x", one}}).find("different lengths") != std::string::npos);
}

TEST_CASE("a loop may carry a sequence, and begin with an optional") {
  const std::string text =
      "g (int64 m) => (y) { e = SequenceEmpty<dtype = 7>() y = Loop(m, , e) <body = b (int64 i, bool c, seq(int64[]) s) => (bool d, seq(int64[]) t) "
      "{ d = "
      "Identity(c) t = SequenceInsert(s, i) }> }";
  CHECK(run(text, {{"m", integers({}, {3})}}).at("y") == Datum::sequence(DataType::int64, {integers({}, {0}), integers({}, {1}), integers({}, {2})}));
  const std::string first =
      "g (int64 m, optional(seq(int64)) o) => (y) { y = Loop(m, , o) <body = b (int64 i, bool c, optional(seq(int64)) s) => (bool d, seq(int64) t) { "
      "d = "
      "Identity(c) h = OptionalHasElement(s) l = If(h) <then_branch = u () => (seq(int64) p) { p = OptionalGetElement(s) }, else_branch = v () => "
      "(seq(int64) q) { q = SequenceEmpty<dtype = 7>() }> t = SequenceInsert(l, i) }> }";
  CHECK(run(first, {{"m", integers({}, {2})}, {"o", Datum::absent(ValueKind::optional_sequence, DataType::int64)}}).at("y").elements.size() == 2);
  CHECK(run(first, {{"m", integers({}, {2})}, {"o", Datum::sequence(DataType::int64, {integers({}, {7})})}}).at("y").elements.size() == 3);
}

TEST_CASE("bad data is refused with a sentence") {
  const Datum s = sequence({one, two});
  CHECK(failure("g (seq(float[N]) s) => (y) <int64 i = {2}> { [\"a\"] y = SequenceAt(s, i) }", {{"s", s}}) ==
        "error: node 'a' (SequenceAt): the position lies outside the sequence; expected -2 to 1, found 2");
  CHECK(failure("g () => (y) { s = SequenceEmpty() [\"a\"] y = SequenceErase(s) }").find("'a' (SequenceErase)") != std::string::npos);
  CHECK(failure("g (seq(float[]) s) => (y) { [\"a\"] y = ConcatFromSequence<axis = 0, new_axis = 1>(s) }", {{"s", s}}).find("do not join") !=
        std::string::npos);
  CHECK(failure("g () => (y) { s = SequenceEmpty() [\"a\"] y = ConcatFromSequence<axis = 0>(s) }").find("empty sequence") != std::string::npos);
  CHECK(
      failure("g (optional(float[N]) x) => (y) { [\"a\"] y = OptionalGetElement(x) }", {{"x", Datum::absent(ValueKind::optional, DataType::float32)}})
          .find("nothing in the optional") != std::string::npos);
  CHECK(failure("g (seq(float[N]) s) => (y) { y = SequenceLength(s) }", {{"s", one}}).find("does not fit") != std::string::npos);
  CHECK(failure("g (seq(float[N]) s) => (y) { y = SequenceLength(s) }", {{"s", sequence({floats({1, 1}, {1})})}}).find("does not fit") !=
        std::string::npos);
}
