// What the ONNX backend writes, its frontend reads back as the same graph; and writing it twice gives the same bytes.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/ir/compare.hpp"
#include "core/job/backend.hpp"
#include "models.hpp"
#include "reader.hpp"

namespace lathe::fuzz {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Writes `graph` into a new folder of that name; returns the artifact's path.
std::string write(Reader& reader, const Graph& graph, const std::string& name, const std::string& external_data) {
  const std::string folder = reader.folder() + "/" + name;
  std::filesystem::create_directory(folder);
  Plugin& plugin = reader.plugins().load("onnx");
  ResolvedTarget target;
  target.manifest = &plugin.manifest();
  target.device = "ANY";
  target.precision = "float32";
  target.settings = {{"external-data", external_data, true}};
  return folder + "/" + Backend(plugin, target, "model", "model").compile(graph, folder).artifact;
}

void check(const std::string& model) {
  Reader reader;
  const std::string path = reader.folder() + "/original.onnx";
  std::ofstream(path, std::ios::binary).write(model.data(), static_cast<std::streamsize>(model.size()));
  const Graph original = import_model(reader.plugins(), path, {});
  for (const std::string external_data : {"auto", "always"}) {
    const std::string first = write(reader, original, "first-" + external_data, external_data);
    const std::string second = write(reader, original, "second-" + external_data, external_data);
    CHECK(bytes_of(first) == bytes_of(second));
    CHECK(bytes_of(first + ".data") == bytes_of(second + ".data"));
    CHECK(difference(original, import_model(reader.plugins(), first, {})) == "");
  }
}

TEST_CASE("small models") {
  check(small_model().bytes());
  check(small_model(true).bytes());
  check(nested_ifs(20).bytes());
}

TEST_CASE("external data") {
  GraphParts graph;
  graph.inputs = {value("x", 1, {1000})};
  graph.outputs = {value("y", 1, {1000})};
  graph.initializers = {tensor<float>("a", 1, {1000}, std::vector<float>(1000, 2)), tensor<float>("b", 1, {1000}, std::vector<float>(1000, 3))};
  graph.nodes = {node("Mul", {"x", "a"}, {"m"}), node("Add", {"m", "b"}, {"y"})};
  check(model(graph).bytes());
}

TEST_CASE("types beyond tensors") {
  // Optional's `type` attribute is a TypeProto, which crosses the boundary as text.
  const Message sequence = Message().message(4, Message().message(1, Message().message(1, Message().integer(1, 1))));
  GraphParts graph;
  graph.inputs = {value("x", 1, {2})};
  graph.outputs = {value("y", 1, {2}), Message().text(1, "s").message(2, sequence)};
  graph.nodes = {node("Optional", {}, {"o"}, {Message().text(1, "type").message(14, sequence).integer(20, 13)}), node("Neg", {"x"}, {"y"}),
                 node("SequenceConstruct", {"x", "x"}, {"s"})};
  check(model(graph).bytes());
}

TEST_CASE("the example detector") { check(bytes_of(LATHE_SOURCE_DIR "/examples/detector.onnx")); }

}  // namespace
}  // namespace lathe::fuzz
