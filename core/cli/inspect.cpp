// lathe inspect: what is in a file. Inspectors of plugins know artifacts and models; a package is described by its own JSON.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/files/write_file.hpp"
#include "core/package/artifact.hpp"
#include "core/package/package.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;

nlohmann::ordered_json inspect_package(const std::string& folder) {
  std::string text = package_document(folder);
  if (text.empty()) throw Error(Code::failed, "'" + folder + "' is no package", "name a model, an artifact, or a package's folder");
  nlohmann::ordered_json model = nlohmann::ordered_json::parse(text), j{{"format", "package"}};
  nlohmann::ordered_json summary = nlohmann::ordered_json::array();
  const nlohmann::ordered_json& key = model["lathe"];
  auto type = [](const nlohmann::ordered_json& t) {
    std::string shape;
    for (const auto& d : t.at("shape"))
      shape += (shape.empty() ? "" : ",") + (d.is_string() ? d.get<std::string>() : std::to_string(d.get<int64_t>()));
    return t.at("type").get<std::string>() + "[" + shape + "]";
  };
  for (const auto& t : key.at("inputs")) summary.push_back({"input " + t.at("name").get<std::string>(), type(t)});
  for (const auto& t : key.at("outputs")) summary.push_back({"output " + t.at("name").get<std::string>(), type(t)});
  for (const auto& s : key.at("stages"))
    summary.push_back(
        {"stage " + s.at("artifact").get<std::string>(), s.at("target").get<std::string>() + ", " + s.at("precision").get<std::string>()});
  j["summary"] = summary;
  j["model"] = model;
  std::string manifest = folder + "/manifest.json";
  if (fs::exists(manifest)) j["manifest"] = nlohmann::ordered_json::parse(read_text_file(manifest), nullptr, false);
  return j;
}

int inspect(Context& context, const std::string& path) {
  if (!fs::exists(path)) fail_errno("open", path, ENOENT);
  nlohmann::ordered_json document;
  std::unique_ptr<Plugins> plugins = context.discover();
  try {
    if (fs::is_directory(path)) {
      document = inspect_package(path);
    } else {
      std::string absolute = fs::absolute(path).string();
      doing("finding out what '" + path + "' is");
      if (const Plugin* plugin = plugins->find_inspector(absolute)) doing("inspecting '" + path + "' with plugin '" + plugin->manifest().name + "'");
      document = inspect_file(*plugins, absolute);
    }
  } catch (const nlohmann::json::exception& problem) {
    throw Error(Code::failed, "'" + path + "' is no package that Lathe wrote: " + problem.what());
  }
  if (context.json) {
    document["file"] = path;
    context.print_json(document);
    return 0;
  }
  context.print(path + ": " + document.value("format", "unknown"));
  std::vector<std::vector<std::string>> rows;
  if (document.contains("summary") && document["summary"].is_array())
    for (const auto& pair : document["summary"])
      if (pair.is_array() && pair.size() == 2 && pair[0].is_string())
        rows.push_back({"  " + pair[0].get<std::string>(), pair[1].is_string() ? pair[1].get<std::string>() : pair[1].dump()});
  context.print_table(rows);
  return 0;
}

}  // namespace

Command add_inspect(CLI::App& program, Context& context) {
  auto path = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("inspect", "Say what is in a model, an artifact or a package");
  app->add_option("FILE", *path, "A file or a package's folder")->required();
  app->footer("Example:\n  lathe inspect yolov8n.onnx --json");
  return {app, [path, &context] { return inspect(context, *path); }};
}

}  // namespace lathe::cli
