// lathe zoo: a folder of packages, listed, added to, verified.
#include "core/package/zoo.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {
namespace {
using Json = nlohmann::ordered_json;

Json describe(const ZooPackage& p) {
  Json j{{"model", p.model},       {"document", p.document}, {"artifact", p.artifact},
         {"runtime", p.runtime},   {"device", p.device},     {"config_version", p.config_version},
         {"made_by_lathe", p.ours}};
  if (!p.supported.empty()) j["supported"] = p.supported;
  if (p.width > 0) j["width"] = p.width, j["height"] = p.height;
  if (p.classes > 0) j["classes"] = p.classes;
  if (!p.task.empty()) j["task"] = p.task;
  return j;
}

int list(Context& context, const std::string& zoo) {
  const std::vector<ZooPackage> packages = list_zoo(zoo);
  if (context.json) {
    Json all = Json::array();
    for (const ZooPackage& p : packages) all.push_back(describe(p));
    context.print_json({{"zoo", zoo}, {"packages", all}});
    return 0;
  }
  std::vector<std::vector<std::string>> table = {{"MODEL", "RUNTIME", "DEVICE", "INPUT", "TASK", "CLASSES"}};
  for (const ZooPackage& p : packages)
    table.push_back({p.model, p.runtime, p.device, p.width > 0 ? std::to_string(p.width) + "x" + std::to_string(p.height) : "-",
                     p.task.empty() ? "-" : p.task, p.classes > 0 ? std::to_string(p.classes) : "-"});
  context.print_table(table);
  return 0;
}

int verify(Context& context, const std::string& zoo) {
  const std::vector<ZooPackage> packages = list_zoo(zoo);
  if (packages.empty()) throw Error(Code::failed, "there are no packages in '" + zoo + "'", "'lathe zoo DIR add PACKAGE' puts one there");
  std::unique_ptr<Plugins> plugins = context.discover();
  Json all = Json::array();
  bool sound = true;
  for (const ZooPackage& p : packages) {
    doing("verifying the package '" + p.model + "'");
    const std::vector<Diagnostic> findings = verify_package(*plugins, p.document);
    const bool ok = std::none_of(findings.begin(), findings.end(), [](const Diagnostic& d) { return d.severity == Severity::error; });
    sound = sound && ok;
    for (const Diagnostic& d : findings) context.say(d);
    if (!context.json) context.print(p.model + ": " + (ok ? "sound" : "not sound"));
    Json j = describe(p);
    j["sound"] = ok, j["diagnostics"] = to_json(findings);
    all.push_back(std::move(j));
  }
  if (context.json) context.print_json({{"zoo", zoo}, {"sound", sound}, {"packages", all}});
  return static_cast<int>(sound ? Code::ok : Code::failed);
}

int add(Context& context, const std::string& zoo, const std::vector<std::string>& packages) {
  if (packages.empty()) throw Error(Code::usage, "no package is named", "lathe zoo DIR add PACKAGE...");
  std::unique_ptr<Plugins> plugins = context.discover();
  Json added = Json::array();
  for (const std::string& package : packages) {
    doing("adding the package '" + package + "'");
    added.push_back(add_to_zoo(*plugins, zoo, package));
    if (!context.json) context.print(added.back().get<std::string>());
  }
  if (context.json) context.print_json({{"zoo", zoo}, {"added", added}});
  return 0;
}

}  // namespace

Command add_zoo(CLI::App& program, Context& context) {
  struct Arguments {
    std::string zoo, action;
    std::vector<std::string> packages;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("zoo", "A folder of packages: list it, add to it, verify what is in it");
  app->add_option("DIR", a->zoo, "The zoo")->required();
  app->add_option("ACTION", a->action, "list, add or verify")->required()->check(CLI::IsMember({"list", "add", "verify"}));
  app->add_option("PACKAGE", a->packages, "With add: folders of packages");
  app->footer(
      "Examples:\n  lathe compile yolov8n.onnx --zoo models\n  lathe zoo models list\n  lathe zoo models verify\n  lathe zoo models add "
      "elsewhere/yolov8n*");
  return {app, [a, &context] {
            if (a->action != "add" && !a->packages.empty())
              throw Error(Code::usage, "'" + a->action + "' takes the whole zoo and no package", "lathe zoo DIR " + a->action);
            return a->action == "list" ? list(context, a->zoo) : a->action == "verify" ? verify(context, a->zoo) : add(context, a->zoo, a->packages);
          }};
}

}  // namespace lathe::cli
