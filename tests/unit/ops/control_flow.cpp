// If, Loop and Scan: what inference says of them. How they run is tested in tests/unit/reference.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

static std::string branches(const std::string& a, const std::string& b) {
  return "<then_branch = t () => (float" + a + " p) { p = Neg(x) }, else_branch = e () => (float" + b + " q) { q = Abs(z) }>";
}

TEST_CASE("branches of If: what both have in common") {
  CHECK(inferred("g (bool c, float[2,3] x, float[2,3] z) => (y) { y = If(c) " + branches("[2,3]", "[2,3]") + " }") == "float[2,3]");
  CHECK(inferred("g (bool c, float[2,3] x, float[2,5] z) => (y) { [\"i\"] y = If(c) " + branches("[2,3]", "[2,5]") + " }") == "float[2,i.0.1]");
  CHECK(inferred("g (bool c, float[2,3] x, float[3] z) => (y) { y = If(c) " + branches("[2,3]", "[3]") + " }") == "float[]");
  CHECK(inferred("g (bool c, float[N,3] x, float[N,3] z) => (y) { y = If(c) " + branches("[2,3]", "[2,3]") + " }") == "float[N,3]");
  // A known condition decides, and the other branch may be impossible.
  CHECK(inferred("g (float[2,3] x, float[2,5] z) => (y) <bool c = {0}> { y = If(c) " + branches("[2,3]", "[2,5]") + " }") == "float[2,5]");
  CHECK(inferred("g (float[2,3] x) => (y) <bool c = {1}> { y = If(c) <then_branch = t () => (float[2,3] p) { p = Neg(x) }, else_branch = e () => "
                 "(float[2] q) <int64[1] a = {0}> { q = Squeeze(x, a) }> }") == "float[2,3]");
}

TEST_CASE("branches see through captures, and sizes that only mean something inside do not leave them") {
  const std::string inner =
      "<then_branch = t () => (int64[N,2] p) { [\"n\"] s = NonZero(x) p = Transpose(s) }, else_branch = e () => (int64[2,2] q) "
      "<int64[2,2] k = {1, 2, 3, 4}> { q = Identity(k) }>";
  if (find_operator("", "NonZero")) CHECK(inferred("g (bool c, float[4,4] x) => (y) { [\"i\"] y = If(c) " + inner + " }") == "int64[i.0.0,2]");
  CHECK(
      inferred(
          "g (bool c, float[8] x, int64[1] k) => (y) { y = If(c) <then_branch = t () => (float[2,4] p) <int64[2] s = {2, 4}> { p = Reshape(x, s) }, "
          "else_branch = e () => (float[2,4] q) <int64[2] r = {2, -1}> { q = Reshape(x, r) }> }") == "float[2,4]");
}

static std::string loop(const std::string& head, const std::string& given, const std::string& body) {
  return "g (" + head + ") => (y) { [\"l\"] " + given + " <body = b " + body + "> }";
}

TEST_CASE("what a loop carries: dimensions that a turn changes are unknown") {
  CHECK(inferred(loop("int64 m, float[2,3] x", "y = Loop(m, , x)",
                      "(int64 i, bool c, float[2,3] a) => (bool d, float[2,3] e) { d = Identity(c) e = Neg(a) }")) == "float[2,3]");
  CHECK(inferred(loop("int64 m, float[2,3] x", "y = Loop(m, , x)",
                      "(int64 i, bool c, float[2,3] a) => (bool d, float[2,3] e) { d = Identity(c) e = Concat<axis = 1>(a, x) }")) ==
        "float[2,l.0.1]");
  CHECK(inferred(loop("int64 m, float[3] x", "y = Loop(m, , x)",
                      "(int64 i, bool c, float[3] a) => (bool d, float[3] e) <int64[1] z = {0}> { d = Identity(c) e = Unsqueeze(a, z) }")) ==
        "float[]");
  // Two values that change places: what is unknown of one becomes unknown of the other.
  CHECK(inferred(loop("int64 m, float[2] x, float[2] z", "y, w = Loop(m, , x, z)",
                      "(int64 i, bool c, float[2] a, float[2] b) => (bool d, float[2] e, float[2] f) { d = Identity(c) e = Identity(b) f = "
                      "Concat<axis = 0>(a, a) }")) == "float[l.0.0]");
}

TEST_CASE("scan outputs of a loop get one more axis, as long as the number of turns") {
  const std::string body = "(int64 i, bool c, float[2] a) => (bool d, float[2] e, float[2] s) { d = Identity(c) e = Neg(a) s = Abs(a) }";
  CHECK(inferred("g (float[2] x) => (y) <int64 m = {5}> { v, y = Loop(m, , x) <body = b " + body + "> }") == "float[5,2]");
  CHECK(inferred("g (float[2] x) => (y) <int64 m = {-5}> { v, y = Loop(m, , x) <body = b " + body + "> }") == "float[0,2]");
  CHECK(inferred("g (float[2] x, int64 m) => (y) { [\"l\"] v, y = Loop(m, , x) <body = b " + body + "> }") == "float[l.1.0,2]");
  // A condition that may end it earlier.
  CHECK(inferred("g (float[2] x) => (y) <int64 m = {5}> { [\"l\"] v, y = Loop(m, , x) <body = b (int64 i, bool c, float[2] a) => (bool d, float[2] "
                 "e, float[2] s) "
                 "<int64 k = {3}> { d = Less(i, k) e = Neg(a) s = Abs(a) }> }") == "float[l.1.0,2]");
}

TEST_CASE("Scan cuts an axis off its inputs and adds one to its outputs") {
  const std::string body = "b (float[3] s, float[4] a) => (float[3] t, float[4] o) { t = Neg(s) o = Abs(a) }";
  CHECK(inferred("g (float[3] s, float[5,4] x) => (y) { f, y = Scan(s, x) <num_scan_inputs = 1, body = " + body + "> }") == "float[5,4]");
  CHECK(inferred(
            "g (float[3] s, float[4,N] x) => (y) { f, y = Scan(s, x) <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [-1], body = " +
            body + "> }") == "float[4,N]");
}

TEST_CASE("bad control flow is refused with a sentence") {
  check_complaint("g (float[2] x, float[2] z, float c) => (y) { [\"i\"] y = If(c) " + branches("[2]", "[2]") + " }",
                  {"'i' (If)", "'cond'", "tensor(bool)", "float"});
  check_complaint("g (float[2] x, float[2] z, bool[2] c) => (y) { [\"i\"] y = If(c) " + branches("[2]", "[2]") + " }",
                  {"'i' (If)", "single element"});
  check_complaint(
      "g (float[2] x, int64[2] z, bool c) => (y) { [\"i\"] y = If(c) <then_branch = t () => (float[2] p) { p = Neg(x) }, else_branch = e () => "
      "(int64[2] q) { q = Abs(z) }> }",
      {"'i' (If)", "two branches", "float[2]", "int64[2]"});
  check_complaint("g (float[2] x, bool c) => (y) { [\"i\"] y = If(c) <then_branch = t () => (float[2] p) { p = Neg(x) }> }",
                  {"'else_branch'", "missing"});
  check_complaint(
      "g (float[2] x, bool c) => (y) { [\"i\"] y = If(c) <then_branch = t () => () {}, else_branch = e () => (float[2] q) { q = Neg(x) }> }",
      {"'then_branch'", "number of outputs", "expected 1", "found 0"});
  // What is wrong inside a body says where.
  check_complaint(
      "g (bool[2] x, bool c) => (y) { [\"i\"] y = If(c) <then_branch = t () => (bool[2] p) { [\"n\"] p = Neg(x) }, else_branch = e () => (bool[2] q) "
      "{ q = Not(x) }> }",
      {"'n' (Neg)", "graph 'then_branch' of node 'i'"});
  check_complaint(loop("int64 m, float[2] x", "y = Loop(m, , x)", "(int64 i, bool c) => (bool d, float[2] e) { d = Identity(c) e = Neg(x) }"),
                  {"'l' (Loop)", "'body'", "number of inputs", "expected 3", "found 2"});
  check_complaint(
      loop("float m, float[2] x", "y = Loop(m, , x)", "(int64 i, bool c, float[2] a) => (bool d, float[2] e) { d = Identity(c) e = Neg(a) }"),
      {"'l' (Loop)", "'M'", "tensor(int64)", "float"});
  check_complaint(loop("int64 m, float[2] x", "y = Loop(m, , x)",
                       "(int64 i, bool c, float[2] a) => (bool d, int64[2] e) { d = Identity(c) e = Cast<to = 7>(a) }"),
                  {"'l' (Loop)", "changes its type", "float[2]", "int64[2]"});
  check_complaint(
      loop("int64 m, float[2] x", "y = Loop(m, , x)", "(int64 i, bool c, int64[2] a) => (bool d, int64[2] e) { d = Identity(c) e = Neg(a) }"),
      {"'a'", "given another type", "int64[2]", "float[2]"});
  check_complaint(
      "g (float[3] s, float[5,4] x, float[6,4] z) => (y) { [\"k\"] y = Scan(s, x, z) <num_scan_inputs = 2, body = b (float[3] u, float[4] a, "
      "float[4] c) "
      "=> (float[3] t) { t = Neg(u) }> }",
      {"'k' (Scan)", "different lengths", "5", "6"});
  check_complaint(
      "g (float[3] s, float[5,4] x) => (y) { [\"k\"] y = Scan(s, x) <num_scan_inputs = 7, body = b (float[3] u, float[4] a) => (float[3] t) { t = "
      "Neg(u) "
      "}> }",
      {"'k' (Scan)", "num_scan_inputs", "7"});
  check_complaint(
      "g (float[3] s, float[5,4] x) => (y) { [\"k\"] y = Scan(s, x) <num_scan_inputs = 1, scan_input_directions = [2], body = b (float[3] u, "
      "float[4] a) "
      "=> (float[3] t) { t = Neg(u) }> }",
      {"'k' (Scan)", "scan_input_directions", "2"});
}
