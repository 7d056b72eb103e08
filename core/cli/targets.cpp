// lathe targets: which runtimes, devices and precisions there are, installed or not.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/cli/context.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {
namespace {

std::vector<std::string> device_names(const Manifest& m) {
  std::vector<std::string> names;
  for (const DeviceSpec& d : m.devices) names.push_back(d.name);
  return names;
}

std::string kinds_of(const Manifest& m) {
  std::vector<std::string> all;
  for (const DeviceSpec& d : m.devices) all.insert(all.end(), d.precisions.begin(), d.precisions.end());
  return join(precision_kinds(all));
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return text;
}

nlohmann::ordered_json describe(const Manifest& m, bool installed) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array(), options = nlohmann::ordered_json::array();
  for (const DeviceSpec& d : m.devices)
    devices.push_back({{"name", d.name}, {"description", d.description}, {"precisions", d.precisions}, {"kinds", precision_kinds(d.precisions)}});
  for (const OptionSpec& o : m.options)
    options.push_back({{"name", o.name}, {"type", o.type}, {"default", o.fallback}, {"choices", o.choices}, {"flag", o.flag}, {"help", o.help}});
  return {{"name", m.name},
          {"runtime", m.runtime},
          {"aliases", m.aliases},
          {"installed", installed},
          {"version", m.version},
          {"vendor", m.vendor},
          {"description", m.description},
          {"devices", devices},
          {"options", options},
          {"emits", m.emits},
          {"traits", m.traits},
          {"library", installed ? nlohmann::ordered_json(m.library) : nlohmann::ordered_json()}};
}

struct Row {
  const Manifest* manifest;
  bool installed;
};

std::vector<Row> rows_of(const Plugins& plugins) {
  std::vector<Row> rows;
  for (const Manifest& m : plugins.manifests())
    if (m.has_part("backend/1")) rows.push_back({&m, true});
  for (const Manifest& m : plugins.known_targets()) {
    bool there = std::any_of(rows.begin(), rows.end(), [&](const Row& r) { return r.manifest->name == m.name; });
    if (m.has_part("backend/1") && !there) rows.push_back({&m, false});
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.manifest->runtime, a.manifest->name) < std::tie(b.manifest->runtime, b.manifest->name);
  });
  return rows;
}

void print_one(const Context& context, const Manifest& m, bool installed) {
  context.print(m.name + " " + m.version + " (" + m.vendor + "): " + m.description);
  std::vector<std::vector<std::string>> rows = {
      {"runtime", m.runtime}, {"also called", join(m.aliases)}, {"emits", join(m.emits)}, {"library", installed ? m.library : "not installed"}};
  for (auto& row : rows) row[0] = "  " + row[0];
  context.print_table(rows);
  context.print("\ndevices");
  rows.clear();
  for (const DeviceSpec& d : m.devices) rows.push_back({"  " + d.name, join(d.precisions), d.description});
  context.print_table(rows);
  if (m.options.empty()) return;
  context.print("\noptions (--option KEY=VALUE, or the flag behind --target)");
  rows.clear();
  for (const OptionSpec& o : m.options)
    rows.push_back({"  " + o.name, o.flag.empty() ? "" : "-" + o.flag, o.choices.empty() ? o.type : join(o.choices, "|"),
                    o.fallback.empty() ? "" : "default " + o.fallback, o.help});
  if (m.has_trait("cuts-heads"))
    rows.push_back(
        {"  head-cut", "", "auto|off|TENSOR,...", "default auto", "Where a detection head ends for the device; the host decodes the rest."});
  context.print_table(rows);
}

int list(Context& context, const std::string& name) {
  std::unique_ptr<Plugins> plugins = context.discover();
  std::vector<Row> rows = rows_of(*plugins);
  if (!name.empty()) {
    const Manifest* found = nullptr;
    bool installed = false;
    for (const Row& row : rows) {
      std::vector<std::string> names = row.manifest->aliases;
      names.push_back(row.manifest->name);
      if (std::any_of(names.begin(), names.end(), [&](const std::string& n) { return upper(n) == upper(name); }))
        found = row.manifest, installed = row.installed;
    }
    TargetSpec spec;
    spec.name = name;
    if (!found) found = &plugins->find_target(spec), installed = true;  // throws the sentence
    if (context.json) {
      context.print_json(describe(*found, installed));
    } else {
      print_one(context, *found, installed);
    }
    return 0;
  }
  if (context.json) {
    nlohmann::ordered_json targets = nlohmann::ordered_json::array();
    for (const Row& row : rows) targets.push_back(describe(*row.manifest, row.installed));
    context.print_json({{"targets", targets}, {"refused", to_json(plugins->refused())}});
    return 0;
  }
  std::vector<std::vector<std::string>> table = {{"RUNTIME", "DEVICES", "PRECISION", "TARGET", "INSTALLED"}};
  for (const Row& row : rows)
    table.push_back({upper(row.manifest->runtime), upper(join(device_names(*row.manifest))), kinds_of(*row.manifest), row.manifest->name,
                     row.installed ? "yes" : "no"});
  context.print_table(table);
  return 0;
}

}  // namespace

Command add_targets(CLI::App& program, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("targets", "List what models can be compiled for");
  app->add_option("NAME", *name, "Show one target with its devices and options");
  app->footer("Examples:\n  lathe targets\n  lathe targets llvm --json");
  return {app, [name, &context] { return list(context, *name); }};
}

}  // namespace lathe::cli
