// The textual syntax: what is printed reads back the same, and what is malformed is named with its place.
#include "core/ir/text.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/base/diagnostic.hpp"
#include "core/ir/compare.hpp"

using namespace lathe;

namespace {

void check_round_trip(const Graph& graph) {
  verify(graph);
  const std::string text = to_text(graph);
  INFO(text);
  const Graph back = parse_text(text);
  CHECK_NOTHROW(verify(back));
  CHECK(difference(graph, back) == "");
  CHECK(to_text(back) == text);
}

std::string failure(const std::string& text) {
  try {
    parse_text(text, "t");
  } catch (const Error& error) {
    CHECK(error.code == Code::failed);
    return error.what();
  }
  FAIL("accepted: " << text);
  return "";
}

bool contains(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("graphs read back as they were printed") {
  for (const char* text : {
           "g () => () {}",
           "\"a graph\" (float[1,3,N,?] x) => (float[1,3,N,?] y) { y = Relu(x) }",
           "<ir_version: 8, opset_import: [\"\" : 17, \"ai.onnx.ml\" : 3], metadata_props: [\"names\": \"{0: 'a \\\"b\\\" \\\\ c'}\", \"k\": \"\"]>\n"
           "g (float[1] x) => (y) { y = ai.onnx.ml.Scaler <offset = [1.0, 2.5], scale = [0.1]> (x) }",
           "g (float x, float[] r, bool[2] b, seq(float[N]) s, optional(int64[2]) o, optional(seq(string)) q) => (float x) {}",
           "g (x) => (x) {}",
           "g (undefined[2] x) => (x) {}",
           "g (float[\"batch size\", \"floor(N/2)\"] \"x:0\") => (float[2] \"y/z\") { [\"node 1\"] \"y/z\" = \"my-domain.v1\".\"Odd Op\" (\"x:0\") }",
           "g (float[2] \"float\", float[2] \"nan\") => (float[2] \"seq\") { \"seq\" = Add(\"float\", \"nan\") }",
           "g (float[2] x) => (float[2] y) { y, \"\", m = Op (x, \"\", \"\", x) }",
           "g (float[2] x) => (float[2] y) <float[2] a, seq(int8[]) b> { a, b = Op(x) y = Relu(a) }",
           "g (float[2] x) => () { = Sink(x) }",
           "g () => (float[2] w) <float[2] w = {1, 2}> {}",
           "# a comment\ng () # another\n => () {}",
       }) {
    CAPTURE(text);
    check_round_trip(parse_text(text));
  }
}

TEST_CASE("attributes of every kind read back") {
  check_round_trip(parse_text(R"(
    g (float[2] x) => (float[2] y) {
      y = Op <i = -7, f = 2.0, g = 1e-30, h = -inf, n = nan, s = "a\"b\\c
next line", t = float[2] {1.5, -2}, u = int64 {3}, is = [1, 2], fs = [1.0, 2.5], mixed = [1, 2.5], ss = ["", "b"],
             ts = [float[1] {1}, int8[2] {-1, 2}], ei : ints = [], ef : floats = [], es : strings = [], et : tensors = [], eg : graphs = [],
             whole : float = 3, "odd name" = 1,
             body = b (float[2] p) => (float[2] q) <float[2] k = {0, 1}> { q = Add(p, k) },
             many = [b1 () => () {}, "b 2" (float z) => (float z) {}],
             big = 9223372036854775807, small = -9223372036854775808> (x)
    })"));
}

TEST_CASE("an attribute has the value that was written") {
  const Node node =
      parse_text("g () => () { = Op <f = 1.0, w : float = 3, i = 3, fs = [1, 2.5], t = float[2] {1, -0.5}, s = \"a\\nb\"> () }").nodes[0];
  CHECK(std::get<float>(node.attributes.at("f").value) == 1.0f);
  CHECK(std::get<float>(node.attributes.at("w").value) == 3.0f);
  CHECK(std::get<int64_t>(node.attributes.at("i").value) == 3);
  CHECK(std::get<Attribute::Floats>(node.attributes.at("fs").value) == Attribute::Floats{1.0f, 2.5f});
  CHECK(std::get<std::string>(node.attributes.at("s").value) == "anb");  // as ONNX has it: the backslash quotes one character
  CHECK(std::get<Tensor>(node.attributes.at("t").value).as<float>()[1] == -0.5f);
}

TEST_CASE("tensors of every type read back, to the bit") {
  for (int32_t i = 1; i <= 26; ++i) {
    const auto type = static_cast<DataType>(i);
    CAPTURE(name(type));
    Graph graph;
    graph.opsets[""] = canonical_opset;
    graph.name = "g";
    Tensor tensor = Tensor::allocate(type, {3, 3});
    if (type == DataType::string) {
      tensor.strings = std::make_shared<const std::vector<std::string>>(std::vector<std::string>{"", "\"", "\\", "a\nb", "ä", "f", "g", "h", "i"});
    } else if (type == DataType::float32) {
      const float values[] = {0.0f,      -0.0f, 0.1f, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(), INFINITY,
                              -INFINITY, NAN,   1.0f};
      std::copy(std::begin(values), std::end(values), tensor.as_mutable<float>().begin());
    } else if (type == DataType::float64) {
      const double values[] = {0.0,       -0.0, 0.1, std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max(), INFINITY,
                               -INFINITY, NAN,  1.0};
      std::copy(std::begin(values), std::end(values), tensor.as_mutable<double>().begin());
    } else if (type == DataType::complex64) {
      for (float& f : tensor.as_mutable<float>()) f = 0.3f * static_cast<float>(&f - tensor.as_mutable<float>().data());
    } else if (type == DataType::complex128) {
      for (double& f : tensor.as_mutable<double>()) f = 0.3 * static_cast<double>(&f - tensor.as_mutable<double>().data());
    } else if (type == DataType::boolean) {
      tensor.as_mutable<uint8_t>()[1] = 1;
    } else {
      uint8_t byte = 0x5b;
      for (uint8_t& b : tensor.as_mutable<uint8_t>()) b = byte = static_cast<uint8_t>(byte * 37 + 101);
      // Bits beyond the last element are zero in a packed tensor.
      if (bits(type) == 4) tensor.as_mutable<uint8_t>().back() &= 0x0f;
      if (bits(type) == 2) tensor.as_mutable<uint8_t>().back() &= 0x03;
    }
    graph.outputs.push_back(graph.add_constant("w", tensor));
    check_round_trip(graph);
  }
}

TEST_CASE("subgraphs capture what they do not make, over several levels") {
  const Graph graph = parse_text(R"(
    g (bool c, float[4] x) => (float[4] y) <float[4] w = {1, 2, 3, 4}, float[4] a> {
      a = Relu(x)
      y = If (c) <then_branch = t () => (float[4] y) { y = If (c) <then_branch = u () => (float[4] p) { p = Add(a, w) },
                                                                   else_branch = v () => (float[4] a) {}> },
                  else_branch = e () => (float[4] r) <float[4] s = {0, 0, 0, 0}> { r = Sub(a, s) }>
    })");
  check_round_trip(graph);
  const Graph& then_branch = *std::get<Attribute::Subgraph>(graph.nodes[1].attributes.at("then_branch").value);
  CHECK(then_branch.captures.size() == 3);  // c, and a and w for the branches inside
  const Graph& inner = *std::get<Attribute::Subgraph>(then_branch.nodes[0].attributes.at("else_branch").value);
  REQUIRE(inner.captures.size() == 1);
  CHECK(inner.outputs[0] == inner.captures[0].inner);
  CHECK(to_string(inner.value(inner.outputs[0]).type) == "float[4]");
}

TEST_CASE("names inside a subgraph that hide a captured name are kept apart when printed") {
  Graph graph = parse_text(
      "g (bool c, float[4] x) => (y) { y = If (c) <then_branch = t () => (p) { p = Neg(x) }, else_branch = e () => (q) { q = Relu(x) }> }");
  Graph& inner = *std::get<Attribute::Subgraph>(graph.nodes[0].attributes.at("then_branch").value);
  inner.rename_value(inner.captures[0].inner, "captured");
  inner.rename_value(inner.nodes[0].outputs[0], "x");
  verify(graph);
  const Graph back = parse_text(to_text(graph));
  const Graph& inner_back = *std::get<Attribute::Subgraph>(back.nodes[0].attributes.at("then_branch").value);
  CHECK(inner_back.nodes[0].inputs[0] == inner_back.captures[0].inner);
  CHECK(inner_back.value(inner_back.outputs[0]).name == "x_1");
}

TEST_CASE("large tensors are shortened on request, and say so when read") {
  Graph graph = parse_text("g () => (float[20] w) <float[20] w = {0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9}> {}");
  const std::string text = to_text(graph, 10);
  CHECK(contains(text, "{0, 1, 2, 3, 4, 5, 6, 7, ...}"));
  CHECK(contains(failure(text), "was shortened when it was printed"));
}

TEST_CASE("what is malformed is named with line and column") {
  CHECK(contains(failure(""), "t:1:1"));
  CHECK(contains(failure("g (float[2] x) => (y) {\n  y = Relu(z)\n}"), "t:2:12: 'z' is used before anything makes it"));
  CHECK(contains(failure("g (float[2] x) => (y) {}"), "t:1:20: output 'y' is made by no node"));
  CHECK(contains(failure("g (x) => (y) { y = Relu(x) y = Neg(x) }"), "'y' is made twice"));
  CHECK(contains(failure("g (x, x) => () {}"), "'x' is made twice"));
  CHECK(contains(failure("g (x) => () { [a] = A(x) [a] = B(x) }"), "two nodes have the name 'a'"));
  CHECK(contains(failure("g (x) -> (y) {}"), "expected '='"));
  CHECK(contains(failure("g (x) => (y) { y = Relu(x)"), "a graph has no end"));
  CHECK(contains(failure("g (x) => (x) {} f"), "nothing may follow the graph"));
  CHECK(contains(failure("g () => (w) <float[3] w = {1, 2}> {}"), "expected 3 elements, found 2"));
  CHECK(contains(failure("g () => (w) <float[1000000000000] w = {1}> {}"), "expected 1000000000000 elements, found 1"));
  CHECK(contains(failure("g () => (w) <float[9000000000000000000,9000000000000000000] w = {1}> {}"), "a shape that can be counted"));
  CHECK(contains(failure("g () => (w) <float[-1] w = {}> {}"), "a dimension is negative"));
  CHECK(contains(failure("g () => (w) <float[N] w = {1}> {}"), "constant dimensions"));
  CHECK(contains(failure("g () => (w) <int8[1] w = {128}> {}"), "does not fit its tensor's type; expected int8, found '128'"));
  CHECK(contains(failure("g () => (w) <uint4[1] w = {16}> {}"), "expected uint4"));
  CHECK(contains(failure("g () => (w) <int64[1] w = {99999999999999999999}> {}"), "a 64-bit integer"));
  CHECK(contains(failure("g () => (w) <float16[1] w = {1.5}> {}"), "does not fit"));
  CHECK(contains(failure("g () => (w) <float[1] w = {1e999}> {}"), "too large"));
  CHECK(contains(failure("g () => (w) <float[1] w = [\"location\": \"f\"]> {}"), "external data"));
  CHECK(contains(failure("g (float[1] x = {1}) => (x) {}"), "default value"));
  CHECK(contains(failure("g (map(int64, float) x) => (x) {}"), "a type is not known here"));
  CHECK(contains(failure("g () => () { = Op <a = []> () }"), "an empty list needs"));
  CHECK(contains(failure("g () => () { = Op <a = 1, a = 2> () }"), "attribute 'a' stands twice"));
  CHECK(contains(failure("g () => () { = Op <a : int = 1.5> () }"), "expected int, found float"));
  CHECK(contains(failure("g () => () { = Op <a = [1, \"x\"]> () }"), "different types"));
  CHECK(contains(failure("g () => () { = Op <a = \"x> () }"), "has no end"));
  CHECK(contains(failure("g () => () { = Op <a = @b> () }"), "references to a function's attributes"));
  CHECK(contains(failure("<ir_versoin: 3> g () => () {}"), "no such key"));
  CHECK(contains(failure("g () => () { = Op <a = -> () }"), "a number is missing"));
}

TEST_CASE("hostile text is bounded: nesting is refused, truncation anywhere is an error") {
  std::string deep = "g (bool c) => () { ";
  for (int i = 0; i < 100000; ++i) deep += "= If <b = g () => () { ";
  CHECK(contains(failure(deep), "nested too deeply"));

  std::string allowed = "g (bool c) => () { ";
  for (int i = 0; i < max_graph_depth; ++i) allowed += "= If <b = g () => () { ";
  for (int i = 0; i < max_graph_depth; ++i) allowed += "}> (c) ";
  const Graph graph = parse_text(allowed + "}");
  CHECK_NOTHROW(verify(graph));
  check_round_trip(graph);

  const std::string text =
      "<ir_version: 8, opset_import: [\"\": 17]> g (float[2,N] x) => (float[2] y) <int4[3] w = {1, -2, 3}, float[2] a> "
      "{ [n] a = Op <t = float[1] {1.5e3}, f = -inf, l = [1, 2], b = h () => (z) { z = Neg(x) }> (x, w) y = Relu(a) }";
  CHECK_NOTHROW(parse_text(text));
  for (size_t length = 0; length < text.size(); ++length) CHECK_THROWS_AS(parse_text(text.substr(0, length)), Error);
  // Every byte replaced: an error or a graph, never anything else.
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char c : {'\0', '"', '9', '}', '<', 'x', '\xff', '-'}) {
      std::string changed = text;
      changed[at] = c;
      try {
        verify(parse_text(changed));
      } catch (const Error& error) {
        CHECK(error.code == Code::failed);
      }
    }
  }
}
