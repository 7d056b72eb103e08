// Einsum: explicit and implicit equations, diagonals, ellipses, several operands.
#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

Tensor sum(const std::string& equation, const std::string& arguments) {
  return result(
      "g () => (y) <float[2,2] a = {1, 2, 3, 4}, float[2,3] b = {1, 0, 2, 0, 1, 3}, float[2] v = {10, 1}, float[2,2,2] t = {1, 2, 3, 4, 5, 6, 7, "
      "8}, float[1,2] one = {2, 3}> { y = Einsum<equation = \"" +
      equation + "\">(" + arguments + ") }");
}

}  // namespace

TEST_CASE("equations by hand") {
  check_floats(sum("ij,jk->ik", "a, b"), {1, 2, 8, 3, 4, 18});
  check_floats(sum("ij,jk", "a, b"), {1, 2, 8, 3, 4, 18});
  check_floats(sum("ij , jk -> ki", "a, b"), {1, 3, 2, 4, 8, 18});
  check_floats(sum("ij->ji", "a"), {1, 3, 2, 4});
  check_floats(sum("ba", "a"), {1, 3, 2, 4});  // implicit: in alphabetical order
  check_floats(sum("ii->i", "a"), {1, 4});
  check_floats(sum("ii", "a"), {5});
  check_floats(sum("ij->", "a"), {10});
  check_floats(sum("i,j->ij", "v, v"), {100, 10, 10, 1});
  check_floats(sum("ij,i,j->", "a, v, v"), {154});
  check_floats(sum("...ij,...jk->...ik", "t, a"), {7, 10, 15, 22, 23, 34, 31, 46});
  check_floats(sum("...i->...", "t"), {3, 7, 11, 15});
  check_floats(sum("...,...", "t, v"), {10, 2, 30, 4, 50, 6, 70, 8});
  check_floats(sum("...ii->...i", "t"), {1, 4, 5, 8});
  check_floats(sum("ij,ij->ij", "a, one"), {2, 6, 6, 12});  // an axis of size 1 is broadcast
  CHECK(values<int8_t>(result("g () => (y) <int8[2] a = {100, 3}, int8[2] b = {2, 5}> { y = Einsum<equation = \"i,i\">(a, b) }")) ==
        std::vector<int8_t>{-41});  // 215 wraps
  CHECK(inferred("g (float[B,H,T,8] q, float[B,H,S,8] k) => (y) { y = Einsum<equation = \"bhtd,bhsd->bhts\">(q, k) }") == "float[B,H,T,S]");
}

TEST_CASE("a run longer than the kernel's block") {
  const Tensor y =
      result("g () => (y) <float[1] one = {1}, int64[2] s = {3, 100}> { a = Expand(one, s) y = Einsum<equation = \"ij,ik->jk\">(a, a) }");
  check_floats(y, std::vector<float>(10000, 3));
}

TEST_CASE("bad equations") {
  const auto bad = [](const std::string& equation, const std::vector<std::string>& parts) {
    check_complaint("g (float[2,2] a, float[3,2] b) => (y) { [\"e\"] y = Einsum<equation = \"" + equation + "\">(a, b) }", parts);
  };
  bad("ij,jk->ik", {"'e'", "Einsum", "different sizes", "2", "3"});
  bad("ijk,kj->i", {"as many letters", "'ijk,kj->i'", "2x2, 3x2"});
  bad("ij->i", {"fewer terms"});
  bad("ij,kj,j->i", {"more terms"});
  bad("ij,kj->il", {"no operand has"});
  bad("ij,kj->ii", {"twice"});
  bad("i...,kj->i", {"lacks the ellipsis"});
  bad("i1,kj->i", {"no letter"});
  bad("i..j,kj->i", {"ellipsis"});
  bad("......ij,kj->i", {"two ellipses"});
  check_complaint("g (float[2] a) => (y) { y = Einsum(a) }", {"'equation'", "missing"});
  check_complaint("g (bool[2] a) => (y) { y = Einsum<equation = \"i\">(a) }", {"'Inputs'", "bool"});
}
