// How modules are wired into a graph.
#include "wiring.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

using namespace lathe::ultralytics;

namespace {
std::string complaint(const std::string& text) {
  try {
    parse_wiring(text, {"x"}, "test");
    return "accepted";
  } catch (const lathe::sdk::Failure& failure) {
    const auto& d = failure.diagnostics.at(0);
    return d.location + ": " + d.text;
  }
}
bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("statements and precedence") {
  const Wiring w = parse_wiring(
      "y = a + b * c\nfor block in m:\n  if add:\n    y = y + block(y[-1])\n  else:\n    y = block(y)\nreturn cat([y, x], dim=1)\n", {"x"}, "test");
  REQUIRE(w.body.size() == 3);
  CHECK(w.body[0].value.text == "+");
  CHECK(w.body[0].value.operands[1].text == "*");
  CHECK(w.body[1].kind == Statement::Kind::loop);
  REQUIRE(w.body[1].body.size() == 1);
  CHECK(w.body[1].body[0].otherwise.size() == 1);
  CHECK(w.body[2].value.keywords.at(0) == "dim");
}

TEST_CASE("a call may span lines, and names may be unpacked") {
  const Wiring w = parse_wiring("a, b = split(x,\n  [1, 2],\n  1)\nreturn a if b is not None else -b", {"x"}, "test");
  CHECK(w.body[0].names.size() == 2);
  CHECK(w.body[1].value.kind == Expression::Kind::choice);
}

TEST_CASE("what is wrong is said with its line") {
  CHECK(holds(complaint(""), "empty"));
  CHECK(holds(complaint("y = 1\n   z = 2\n"), "line 2"));
  CHECK(holds(complaint("return (x"), "not closed"));
  CHECK(holds(complaint("return x)"), "not opened"));
  CHECK(holds(complaint("return x +"), "ends in the middle"));
  CHECK(holds(complaint("for a in b:\nreturn a"), "a block is missing"));
  CHECK(holds(complaint("import os"), "not expected"));
  CHECK(holds(complaint("return x; y"), "no meaning"));
  CHECK(holds(complaint("return " + std::string(100, '(') + "x" + std::string(100, ')')), "nested too deeply"));
}

TEST_CASE("places are counted in the file") {
  const auto place = [](const std::string& yaml) {
    try {
      WiringTable table;
      read_wirings(table, yaml, "a.yaml");
      return std::string("accepted");
    } catch (const lathe::sdk::Failure& failure) {
      return failure.diagnostics.at(0).location;
    }
  };
  CHECK(place("modules:\n  A: |\n    y = x\n    return y +\n") == "a.yaml, class A, line 4, column 15");
  CHECK(place("# first\nmodules:\n  B: return x\n  A: return (x))\n") == "a.yaml, class A, line 4, column 16");
  CHECK(place("modules:\n  A:\n    inputs: [x]\n    forward: |\n\n      return ?x\n") == "a.yaml, class A, line 6, column 14");
}

TEST_CASE("files of descriptions") {
  WiringTable table;
  read_wirings(table, "modules:\n  A: |\n    return x\n  B:\n    inputs: [q, k]\n    forward: |\n      return q + k\n", "file");
  CHECK(table.at("B").inputs.size() == 2);
  CHECK_THROWS_AS(read_wirings(table, "A: 1", "file"), lathe::sdk::Failure);
  CHECK_THROWS_AS(read_wirings(table, "modules: {A: {forwards: x}}", "file"), lathe::sdk::Failure);
  CHECK_THROWS_AS(read_wirings(table, "modules: [", "file"), lathe::sdk::Failure);
}
