// Reading a model file through the frontend that knows it.
#include <algorithm>
#include <filesystem>

#include "core/ops/operator.hpp"
#include "core/plugin/loading.hpp"
#include "core/plugin/manifest.hpp"
#include "core/plugin/operators.hpp"
#include "core/plugin/plugins.hpp"
#include "core/plugin/settings.hpp"

namespace lathe {
namespace {

struct Sink {
  const lathe_host& host;
  std::shared_ptr<void> frontend;
  std::optional<Graph> graph;
};

lathe_code accept(void* context, const lathe_graph* graph) {
  Sink& sink = *static_cast<Sink*>(context);
  return run_callback(sink.host, [&] {
    if (!graph) throw Error(Code::internal, "the frontend handed over no graph");
    if (sink.graph) throw Error(Code::internal, "the frontend handed over a second graph");
    sink.graph = from_snapshot(*graph, sink.frontend);
  });
}

}  // namespace

Graph import_model(Plugins& plugins, const std::string& path, const std::vector<std::pair<std::string, std::string>>& options) {
  Plugin& plugin = *plugins.find_frontend(path);
  const lathe_frontend& frontend = *plugin.frontend();

  const std::vector<OptionSpec> declared = describe_options(frontend.options, frontend.option_count, frontend.option_stride);
  // An option of the plugin that its frontend does not declare belongs to its backend.
  auto declares = [](const std::vector<OptionSpec>& specs, const std::string& name) {
    return std::any_of(specs.begin(), specs.end(), [&](const OptionSpec& o) { return o.name == name; });
  };
  std::vector<std::pair<std::string, std::string>> given = options;
  std::erase_if(given, [&](const auto& o) { return !declares(declared, o.first) && declares(plugin.manifest().options, o.first); });
  const SettingList settings(resolve_options(plugin.manifest().name, declared, given), given);

  void* self = nullptr;
  plugin.check("create", [&] { return made(frontend.create(&plugin.host(), &self), self); });
  // Destroyed when the last tensor that points into it is.
  Sink sink{plugin.host(), std::shared_ptr<void>(self, frontend.destroy), std::nullopt};

  const std::string absolute = std::filesystem::absolute(path).string();
  const lathe_import_request request = {sizeof request, 0, {absolute.data(), absolute.size()}, settings.data(), settings.size()};
  const lathe_graph_sink out = {&sink, &accept};
  plugin.check("import_model", [&] { return frontend.import_model(self, &request, &out); });
  if (!sink.graph) {
    Diagnostic d;
    d.text = "plugin '" + plugin.manifest().name + "' read the file but handed over no graph";
    d.location = path;
    d.hint = "this is a defect of the plugin";
    throw Error(Code::internal, d);
  }
  lift_to_canonical(*sink.graph);
  load_operators_of(plugins, *sink.graph);
  return std::move(*sink.graph);
}

}  // namespace lathe
