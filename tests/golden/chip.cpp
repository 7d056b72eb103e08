// See chip.hpp.
#include "chip.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/files/write_file.hpp"
#include "core/ops/operator.hpp"
#include "core/package/read_back.hpp"

namespace lathe::golden {
namespace {
using Json = nlohmann::json;

[[noreturn]] void fail(const std::string& text) { throw Error(Code::failed, text); }

void check_outputs(const Graph& trunk, const Json& key) {
  std::set<std::string> of_model;
  for (const Json& output : key.at("outputs")) of_model.insert(output.at("name").get<std::string>());
  const Uses uses(trunk);
  std::map<std::pair<int64_t, int64_t>, size_t> scales;
  for (const ValueId v : trunk.outputs) {
    const Value& value = trunk.value(v);
    if (of_model.contains(value.name)) continue;
    if (trunk.nodes.at(uses.producer.at(v)).op_type != "Conv") fail("the output '" + value.name + "' of the chip's part comes from no convolution");
    const std::vector<int64_t> d = value.type.dimensions();
    if (d.size() != 4 || d[0] != 1) fail("the output '" + value.name + "' of the chip's part has the shape " + to_string(value.type));
    ++scales[{d[2], d[3]}];
  }
  for (const auto& [places, count] : scales)
    if (count < 2) fail("one tensor of " + std::to_string(places.first) + "x" + std::to_string(places.second) + " holds boxes and scores");
}

}  // namespace

bool is_chip(const std::string& target) { return target == "chip"; }
std::vector<std::string> chip_arguments() { return {"--plugin", LATHE_CHIP}; }

StageSubstitute chip_by_reference(Plugins& plugins, const std::string& package, unsigned threads) {
  const Json document = Json::parse(read_text_file(package_document_path(package))), key = document.at("lathe"), stages = key.at("stages");
  const std::string artifact = stages.at(0).at("artifact").get<std::string>();
  if (!artifact.ends_with(".chip")) fail("the first stage is " + artifact);
  if (stages.size() > 2) fail("the package has " + std::to_string(stages.size()) + " stages");
  if (stages.size() == 2) {
    const std::string post = stages[1].at("artifact").get<std::string>(), stem = artifact.substr(0, artifact.size() - 5);
    if (!post.starts_with(stem + "_post.")) fail("the stage for the host is called " + post);
  }
  const std::string bytes = read_text_file(package + "/" + artifact), model = package + "/trunk.onnx";
  if (!bytes.starts_with("CHIP")) fail("the chip's artifact is damaged");
  write_file(model, bytes.substr(4));
  auto trunk = std::make_shared<Graph>(import_model(plugins, model, {}));
  infer_types(*trunk);
  check_outputs(*trunk, key);
  std::printf("%zu stages; the chip's part has %zu nodes and %zu outputs\n", stages.size(), trunk->nodes.size(), trunk->outputs.size());
  return [trunk, threads](size_t stage) -> std::unique_ptr<Executable> { return stage == 0 ? reference_executable(*trunk, threads) : nullptr; };
}

}  // namespace lathe::golden
