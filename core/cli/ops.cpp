// lathe ops: the operators there are.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/job/backend.hpp"
#include "core/job/operator_probe.hpp"
#include "core/ops/operator.hpp"

namespace lathe::cli {
namespace {

int list(Context& context, const std::string& target) {
  std::vector<OperatorProbe> probes;
  std::string spelled;
  if (!target.empty()) {
    std::unique_ptr<Plugins> plugins = context.discover();
    Job job;
    job.targets = target;
    ResolvedTarget resolved = resolve_targets(*plugins, job).front();
    spelled = resolved.spelled();
    doing("asking target '" + spelled + "' which operators it takes");
    Backend backend(plugins->load(resolved.manifest->name), resolved, resolved.manifest->emits.front(), "probe");
    probes = probe_operators(backend, spelled);
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> table = {{"OPERATOR", "OPSETS"}};
  if (!target.empty()) table[0].push_back(spelled);
  size_t at = 0;
  for (const Operator* op : operators()) {
    std::string versions;
    for (int v : op->versions) versions += (versions.empty() ? "" : " ") + std::to_string(v);
    std::string name = op->domain.empty() ? std::string(op->name) : std::string(op->domain) + "." + std::string(op->name);
    nlohmann::ordered_json j{{"domain", op->domain}, {"name", op->name}, {"versions", op->versions}, {"kernel", op->kernel != nullptr}};
    std::vector<std::string> row = {name, versions};
    if (!target.empty()) {
      const OperatorProbe& probe = probes[at++];
      const char* words[] = {"yes", "no", "?"};
      const char* keys[] = {"taken", "refused", "unknown"};
      j["target"] = {{"answer", keys[static_cast<int>(probe.answer)]}, {"reason", probe.reason}};
      row.push_back(words[static_cast<int>(probe.answer)] + (probe.reason.empty() ? std::string() : ": " + probe.reason));
    }
    all.push_back(j);
    table.push_back(row);
  }
  if (context.json) {
    nlohmann::ordered_json document{{"opset", canonical_opset}, {"operators", all}};
    if (!target.empty()) document["target"] = spelled;
    context.print_json(document);
  } else {
    context.print_table(table);
  }
  return 0;
}

}  // namespace

Command add_ops(CLI::App& program, Context& context) {
  auto target = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("ops", "List the operators, and which of them a target takes");
  app->add_option("--target,-t", *target, "Ask this target about a typical use of each")->type_name("T");
  app->footer("Example:\n  lathe ops --target llvm");
  return {app, [target, &context] { return list(context, *target); }};
}

}  // namespace lathe::cli
