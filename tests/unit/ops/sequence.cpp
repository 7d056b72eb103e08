// Sequences and optionals: what inference says of them. How they run is tested in tests/unit/reference.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("a sequence's type is what its elements have in common") {
  CHECK(inferred("g (float[2,3] a, float[2,5] b) => (y) { [\"s\"] y = SequenceConstruct(a, b) }") == "seq(float[2,s.0.1])");
  CHECK(inferred("g (seq(float[2,3]) s, int64 i) => (y) { y = SequenceAt(s, i) }") == "float[2,3]");
  CHECK(inferred("g (seq(float[2,3]) s, float[2,4] a) => (y) { [\"s\"] y = SequenceInsert(s, a) }") == "seq(float[2,s.0.1])");
  CHECK(inferred("g (seq(float[2,3]) s) => (y) { y = SequenceErase(s) }") == "seq(float[2,3])");
  CHECK(inferred("g (seq(float[2,3]) s) => (y) { y = SequenceLength(s) }") == "int64");
  CHECK(inferred("g () => (y) { y = SequenceEmpty<dtype = 7>() }") == "seq(int64[])");
}

TEST_CASE("cutting and joining") {
  CHECK(inferred("g (float[6,4] x) => (y) { y = SplitToSequence(x) }") == "seq(float[1,4])");
  CHECK(inferred("g (float[6,4] x) => (y) { y = SplitToSequence<keepdims = 0, axis = -1>(x) }") == "seq(float[6])");
  CHECK(inferred("g (float[6,4] x) => (y) <int64 k = {3}> { y = SplitToSequence(x, k) }") == "seq(float[3,4])");
  CHECK(inferred("g (float[6,4] x) => (y) <int64 k = {4}> { [\"s\"] y = SplitToSequence(x, k) }") == "seq(float[s.0.0,4])");
  CHECK(inferred("g (float[6,4] x) => (y) <int64[2] k = {2, 4}> { [\"s\"] y = SplitToSequence(x, k) }") == "seq(float[s.0.0,4])");
  CHECK(inferred("g (seq(float[2,3]) s) => (y) { [\"c\"] y = ConcatFromSequence<axis = 1>(s) }") == "float[2,c.0.1]");
  CHECK(inferred("g (seq(float[2,3]) s) => (y) { [\"c\"] y = ConcatFromSequence<axis = -1, new_axis = 1>(s) }") == "float[2,3,c.0.2]");
}

TEST_CASE("optionals") {
  CHECK(inferred("g (float[2] x) => (y) { y = Optional(x) }") == "optional(float[2])");
  CHECK(inferred("g (seq(float[2]) x) => (y) { y = Optional(x) }") == "optional(seq(float[2]))");
  CHECK(inferred("g () => (y) { y = Optional<type = \"seq(tensor(int32))\">() }") == "optional(seq(int32[]))");
  CHECK(inferred("g (optional(float[2]) x) => (y) { y = OptionalGetElement(x) }") == "float[2]");
  CHECK(inferred("g (optional(seq(float[2])) x) => (y) { y = OptionalGetElement(x) }") == "seq(float[2])");
  CHECK(inferred("g (optional(float[2]) x) => (y) { y = OptionalHasElement(x) }") == "bool");
  CHECK(inferred("g (optional(seq(float[2])) x) => (y) { y = Identity(x) }") == "optional(seq(float[2]))");
}

TEST_CASE("a map gives sequences of what its body yields") {
  CHECK(inferred("g (seq(float[2,3]) s, float[3] x) => (y) { y = SequenceMap(s, x) <body = b (float[2,3] a, float[3] c) => (float[3,2] d) { t = "
                 "Add(a, c) d = "
                 "Transpose(t) }> }") == "seq(float[3,2])");
}

TEST_CASE("bad uses of sequences and optionals are refused with a sentence") {
  check_complaint("g (float[2] x, int64 i) => (y) { [\"n\"] y = SequenceAt(x, i) }", {"'n' (SequenceAt)", "'input_sequence'", "seq(T)", "float[2]"});
  check_complaint("g (seq(float[2]) s) => (y) { [\"n\"] y = Neg(s) }", {"'n' (Neg)", "wrong kind", "seq(float[2])"});
  check_complaint("g (seq(float[2]) s, float[2] i) => (y) { [\"n\"] y = SequenceAt(s, i) }",
                  {"'n' (SequenceAt)", "'position'", "int32, int64", "float"});
  check_complaint("g (seq(float[2]) s, int64[2] i) => (y) { [\"n\"] y = SequenceAt(s, i) }", {"'n' (SequenceAt)", "single number"});
  check_complaint("g (seq(float[2]) s, int64[2] x) => (y) { [\"n\"] y = SequenceInsert(s, x) }",
                  {"'n' (SequenceInsert)", "'tensor'", "another type"});
  check_complaint("g (float[2] x, int64[2] z) => (y) { [\"n\"] y = SequenceConstruct(x, z) }", {"'n' (SequenceConstruct)", "another type"});
  check_complaint("g (float[6] x) => (y) <int64[2] k = {2, 3}> { [\"n\"] y = SplitToSequence(x, k) }", {"'n' (SplitToSequence)", "add up", "6", "5"});
  check_complaint("g (float[6] x) => (y) { [\"n\"] y = SplitToSequence<axis = 1>(x) }", {"'n' (SplitToSequence)", "axis"});
  check_complaint("g () => (y) { [\"n\"] y = Optional() }", {"'n' (Optional)", "neither"});
  check_complaint("g () => (y) { [\"n\"] y = Optional<type = \"map(int64,float)\">() }", {"'n' (Optional)", "'type'"});
  check_complaint("g () => (y) { [\"n\"] y = SequenceEmpty<dtype = 99>() }", {"'n' (SequenceEmpty)", "99"});
}
