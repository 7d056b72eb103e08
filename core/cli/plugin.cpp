// lathe plugin list|check|new.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {
namespace {

int list(Context& context) {
  std::unique_ptr<Plugins> plugins = context.discover();
  if (context.json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Manifest& m : plugins->manifests())
      all.push_back({{"name", m.name},
                     {"version", m.version},
                     {"vendor", m.vendor},
                     {"description", m.description},
                     {"parts", m.parts},
                     {"extensions", m.extensions},
                     {"library", m.library}});
    context.print_json({{"plugins", all}, {"refused", to_json(plugins->refused())}});
    return 0;
  }
  std::vector<std::vector<std::string>> table = {{"PLUGIN", "VERSION", "PARTS", "FILES", "LIBRARY"}};
  for (const Manifest& m : plugins->manifests()) table.push_back({m.name, m.version, join(m.parts), join(m.extensions), m.library});
  context.print_table(table);
  return 0;
}

}  // namespace

Command add_plugin(CLI::App& program, Context& context) {
  CLI::App* app = program.add_subcommand("plugin", "List, check and begin plugins");
  app->require_subcommand(1);
  app->footer("Examples:\n  lathe plugin list\n  lathe plugin check ./libmine.so\n  lathe plugin new --kind backend mine");
  CLI::App* listing = app->add_subcommand("list", "The plugins that are found, and those that are refused");
  listing->fallthrough();
  return {app, [&context] { return list(context); }};
}

}  // namespace lathe::cli
