// Class names out of metadata, and the stem of a package's name.
#include "core/package/package.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files/write_file.hpp"
#include "core/package/labels.hpp"
#include "core/predict/contract.hpp"

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

TEST_CASE("the model's JSON says what the outputs mean, and how a picture is prepared") {
  const std::string folder = std::string(LATHE_BINARY_DIR) + "/package_json";
  std::filesystem::create_directories(folder);
  write_file(folder + "/m.bin", std::string_view("artifact"));
  Manifest manifest;
  manifest.runtime = "rt";
  PackageContents contents;
  contents.stem = "m", contents.name = "m";
  contents.stages.resize(1);
  contents.stages[0].artifact = "m.bin", contents.stages[0].target.manifest = &manifest, contents.stages[0].target.device = "chip";
  const auto written = [&](std::map<std::string, std::string, std::less<>> properties) {
    Graph graph = graph_of({1, 3, 8, 16});
    for (auto& [key, value] : properties) graph.properties[key] = value;
    contents.graph = &graph;
    write_model_json(folder, contents);
    return nlohmann::json::parse(read_text_file(folder + "/m.json"));
  };
  const auto pose = written({{"task", "pose"},
                             {"head", "raw"},
                             {"end2end", "True"},
                             {"stride", "32"},
                             {"imgsz", "[8, 16]"},
                             {"kpt_shape", "(17, 3)"},
                             {"keypoints_from", "centre"},
                             {"input", "normalised"},
                             {"names", "{0: 'person'}"}});
  CHECK(
      pose["lathe"]["model"].dump() ==
      R"({"end_to_end":true,"head":"raw","image_size":[8,16],"keypoints":[17,3],"keypoints_from_centre":true,"normalised_input":true,"stride":32,"task":"pose"})");
  CHECK(pose["PRE_PROCESS"][0]["InputPadMethod"] == "letterbox");
  CHECK(pose["PRE_PROCESS"][0]["InputW"] == 16);
  const Contract contract = read_contract(folder + "/m.bin");  // beside its JSON
  CHECK(contract.task == Task::pose);
  CHECK(contract.head == Head::raw);
  CHECK(contract.end_to_end);
  CHECK(contract.normalised_input);
  CHECK(contract.keypoints == 17);
  CHECK(contract.height == 8);
  CHECK(contract.label(0) == "person");
  CHECK(contract.label(5) == "class 5");
  CHECK(written({{"task", "classify"}})["PRE_PROCESS"][0]["InputPadMethod"] == "crop-last");
  CHECK(written({{"fit", "stretch"}})["PRE_PROCESS"][0]["InputPadMethod"] == "stretch");
  const auto anchors = written({{"anchors", "[[[10, 13], [16.5, 30]]]"}});
  CHECK(anchors["lathe"]["model"]["anchors"][0][1][0] == 16.5);
  CHECK(read_contract(folder).anchors.at(0).at(1).second == 30);
  // What is in another form is left out.
  CHECK(written({{"stride", "many"}, {"imgsz", "[8]"}, {"kpt_shape", "17"}, {"anchors", "[1, 2]"}, {"head", "odd"}})["lathe"]["model"].empty());
}
