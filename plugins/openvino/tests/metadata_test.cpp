// metadata.yaml out and in.
#include "read/metadata.hpp"

#include <doctest/doctest.h>

#include "support.hpp"
#include "write/metadata.hpp"

namespace lathe::openvino::test {
namespace {

TEST_CASE("properties are written and read back as they were") {
  sdk::GraphBuilder b("m");
  const std::pair<const char*, const char*> properties[] = {
      {"task", "detect"}, {"names", "{0: 'person', 1: 'traffic light'}"}, {"imgsz", "[640, 640]"},
      {"stride", "32"},   {"date", "2025-07-17T21:12:05.461788"},         {"description", "it's: a \"model\" #1"}};
  for (const auto& [key, value] : properties) b.set_property(key, value);
  const sdk::GraphView graph(&b.layout());
  const auto back = read_metadata(metadata_yaml(graph));
  CHECK(back.size() == std::size(properties));
  for (const auto& [key, value] : back) CHECK(graph.property(key) == value);
  const std::vector<Info> info = model_info(graph);
  REQUIRE(info.size() == 1);
  bool labels = false;
  for (const Info& entry : info[0].children)
    if (entry.name == "labels") labels = entry.value == "person traffic_light";
  CHECK(labels);
}

TEST_CASE("what is no metadata says nothing") {
  CHECK(read_metadata("").empty());
  CHECK(read_metadata("[1, 2").empty());
  CHECK(read_metadata("just text").empty());
  CHECK(read_metadata("a: &x [1,2]\nb: [*x, *x]").size() == 2);
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1) + ",", name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [";
    for (int k = 0; k < 10; ++k) bomb += before;
    bomb += "]\n";
  }
  read_metadata(bomb);  // comes to an end
}

}  // namespace
}  // namespace lathe::openvino::test
