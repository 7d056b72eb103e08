// Class names out of metadata, and the stem of a package's name.
#include "core/package/package.hpp"

#include <doctest/doctest.h>

#include "core/package/labels.hpp"

namespace {
using namespace lathe;
using Names = std::map<int64_t, std::string>;

Graph graph_of(Shape shape, DataType type = DataType::float32) {
  Graph graph;
  graph.inputs = {graph.add_value("x", {ValueKind::tensor, type, std::move(shape)})};
  return graph;
}
}  // namespace

TEST_CASE("class names as Python, as JSON, as lists") {
  CHECK(parse_class_names("{0: 'person', 1: \"it's\", 10: 'traffic light'}") == Names{{0, "person"}, {1, "it's"}, {10, "traffic light"}});
  CHECK(parse_class_names("{\"0\": \"a\", \"3\": \"b\"}") == Names{{0, "a"}, {3, "b"}});
  CHECK(parse_class_names("['a', 'b']") == Names{{0, "a"}, {1, "b"}});
  CHECK(parse_class_names("{0: 'a\\'b\\\\', 1: '\\u00e9\\x41', 2: 'ü',}") == Names{{0, "a'b\\"},
                                                                                   {1,
                                                                                    "\xc3\xa9"
                                                                                    "A"},
                                                                                   {2, "ü"}});
  CHECK(parse_class_names("{}").empty());
}

TEST_CASE("what is no list of names yields none") {
  for (const char* text : {"", "person", "{0: }", "{0: 'a'", "{'a': 'b'}", "{0: 'a'} tail", "{0: {1: 'a'}}", "['a', 3]", "{0 'a'}", "{0: 'a\\"})
    CHECK(parse_class_names(text).empty());
}

TEST_CASE("labels are numbered texts") { CHECK(labels_json({{0, "a"}, {12, "b\"c"}}) == "{\n  \"0\": \"a\",\n  \"12\": \"b\\\"c\"\n}\n"); }

TEST_CASE("the stem tells name, size, kind, runtime, device and version") {
  Manifest manifest;
  manifest.runtime = "Some RT";
  ResolvedTarget target;
  target.manifest = &manifest, target.device = "CHIP8", target.precision = "float32";
  CHECK(package_stem(graph_of({1, 3, 480, 640}), "Yolo V8", target, "1") == "yolo_v8--640x480_float_some_rt_chip8_1");
  CHECK(package_stem(graph_of({1, 480, 640, 3}), "m", target, "2") == "m--640x480_float_some_rt_chip8_2");
  CHECK(package_stem(graph_of({1, 3, Dimension("H"), 640}), "m", target, "1") == "m_float_some_rt_chip8_1");
  CHECK(package_stem(graph_of({1, 16}), "m", target, "1") == "m_float_some_rt_chip8_1");
  CHECK(package_stem(graph_of({1, 3, 4, 4}, DataType::int64), "../etc", target, "1") == "_.._etc_float_some_rt_chip8_1");
  target.precision = "int8";
  CHECK(package_stem(graph_of({1, 16}), "m", target, "1") == "m_quant_some_rt_chip8_1");
}
