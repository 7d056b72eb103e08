// lathe plugin list|check|new.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/plugin/check.hpp"
#include "core/plugin/template.hpp"

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

int check(Context& context, const std::vector<std::string>& paths, unsigned seconds) {
  std::string share = context.discover()->share_directory();
  bool passed = true;
  nlohmann::ordered_json reports = nlohmann::ordered_json::array();
  for (const std::string& path : paths) {
    doing("checking '" + path + "'");
    CheckRequest request;
    request.path = path, request.corpus = share + "/check", request.seconds = seconds;
    if (!context.json)
      request.progress = [&](const CheckFinding& f) {
        context.print(std::string(name(f.outcome)) + "  " + f.check + (f.detail.empty() ? "" : ": " + f.detail));
        std::fflush(context.results);
      };
    CheckReport report = check_plugin(request);
    passed = passed && report.passed();
    nlohmann::ordered_json findings = nlohmann::ordered_json::array();
    for (const CheckFinding& f : report.findings) findings.push_back({{"check", f.check}, {"outcome", name(f.outcome)}, {"detail", f.detail}});
    reports.push_back({{"plugin", report.plugin}, {"library", report.library}, {"passed", report.passed()}, {"findings", findings}});
    if (!context.json) context.print("plugin '" + report.plugin + "' " + (report.passed() ? "passes" : "FAILS"));
  }
  if (context.json) context.print_json({{"passed", passed}, {"reports", reports}});
  return passed ? 0 : 1;
}

int begin(Context& context, const std::string& kind, std::string plugin, std::string directory) {
  // The folder's name is the plugin's, and the other way round; with neither there is a name to change later.
  if (plugin.empty()) plugin = directory.empty() ? "example_" + kind : std::filesystem::path(directory + "/").parent_path().filename().string();
  if (directory.empty()) directory = plugin;
  std::vector<std::string> files = write_template(kind, plugin, directory, context.discover()->share_directory());
  if (context.json) {
    context.print_json({{"plugin", plugin}, {"kind", kind}, {"files", files}});
    return 0;
  }
  for (const std::string& file : files) context.print(file);
  context.note("next: cmake -S " + directory +
               " -B build -DCMAKE_PREFIX_PATH=<where Lathe is installed> && cmake --build build && lathe plugin check build");
  return 0;
}

struct Arguments {
  std::vector<std::string> paths;
  std::string kind, name, directory;
  unsigned seconds = 120;
};

}  // namespace

Command add_plugin(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("plugin", "List, check and begin plugins");
  app->require_subcommand(1);
  app->footer("Examples:\n  lathe plugin list\n  lathe plugin check ./mine.so\n  lathe plugin new --kind backend --name mine");
  CLI::App* listing = app->add_subcommand("list", "The plugins that are found, and those that are refused");
  CLI::App* checking = app->add_subcommand("check", "Try out what a plugin promises: symbols, tables, options, errors, small models");
  checking->add_option("PLUGIN", a->paths, "Its library, manifest or folder")->required();
  checking->add_option("--max-time", a->seconds, "Seconds for each check")->check(CLI::PositiveNumber)->type_name("S");
  checking->footer("Example:\n  lathe plugin check ./mine.so");
  CLI::App* beginning = app->add_subcommand("new", "Write a whole small plugin to start from");
  beginning->add_option("DIR", a->directory, "Folder to write into; default: the name");
  beginning->add_option("--kind", a->kind, "backend, frontend, operator, pass, or tool: a backend that drives a command-line compiler")
      ->required()
      ->type_name("KIND");
  beginning->add_option("--name", a->name, "The plugin's name (lower case, digits, _); default: the folder's")->type_name("NAME");
  beginning->footer("Example:\n  lathe plugin new --kind backend --name mine");
  for (CLI::App* sub : {listing, checking, beginning}) sub->fallthrough();
  return {app, [=, &context] {
            if (checking->parsed()) return check(context, a->paths, a->seconds);
            if (beginning->parsed()) return begin(context, a->kind, a->name, a->directory);
            return list(context);
          }};
}

}  // namespace lathe::cli
