// lathe ops: the operators there are, those of plugins included.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/job/backend.hpp"
#include "core/job/operator_probe.hpp"
#include "core/ops/added_operators.hpp"
#include "core/ops/describe.hpp"

namespace lathe::cli {
namespace {

struct Arguments {
  std::string target;
  bool page = false;
};

// Lathe's own, then those of plugins, whose libraries are loaded for it. A plugin that is refused costs a warning.
std::vector<const Operator*> all_operators(const Context& context, Plugins& plugins, std::vector<std::shared_ptr<const AddedOperator>>& kept) {
  std::vector<const Operator*> list(operators().begin(), operators().end());
  for (const Manifest& manifest : plugins.manifests()) {
    if (!manifest.has_part("operators/1")) continue;
    doing("loading plugin '" + manifest.name + "'");
    try {
      plugins.load(manifest.name);
    } catch (const Error& e) {
      for (Diagnostic d : e.diagnostics) {
        d.severity = Severity::warning;
        context.say(d);
      }
    }
  }
  kept = added_operators();
  for (const auto& added : kept) list.push_back(&added->op);
  return list;
}

nlohmann::ordered_json formals(const std::vector<Formal>& list) {
  constexpr const char* kinds[] = {"required", "optional", "variadic", "variadic, or none"};
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Formal& f : list) all.push_back({{"name", f.name}, {"type", f.types}, {"kind", kinds[f.kind]}});
  return all;
}

nlohmann::ordered_json describe(const Operator& op) {
  nlohmann::ordered_json j{{"domain", op.domain}, {"name", op.name}, {"versions", op.versions}, {"kernel", op.kernel != nullptr}};
  j["inputs"] = formals(op.inputs), j["outputs"] = formals(op.outputs);
  j["types"] = nlohmann::ordered_json::object();
  for (const TypeVariable& v : op.types) {
    nlohmann::ordered_json names = nlohmann::ordered_json::array();
    for (const DataType t : v.allowed) names.push_back(name(t));
    j["types"][std::string(v.name)] = std::move(names);
  }
  j["attributes"] = nlohmann::ordered_json::array();
  for (const FormalAttribute& a : op.attributes) {
    nlohmann::ordered_json attribute{{"name", a.name}, {"kind", name(a.kind)}, {"required", a.required}};
    if (!a.fallback.empty()) attribute["default"] = a.fallback;
    j["attributes"].push_back(std::move(attribute));
  }
  if (const auto added = find_added_operator(op.domain, op.name)) j["plugin"] = added->plugin;
  return j;
}

int list(Context& context, const Arguments& arguments) {
  std::unique_ptr<Plugins> plugins = context.discover();
  std::vector<std::shared_ptr<const AddedOperator>> kept;
  const std::vector<const Operator*> all = all_operators(context, *plugins, kept);
  std::vector<OperatorProbe> probes;
  std::string spelled, plugin;
  if (!arguments.target.empty()) {
    Job job;
    job.targets = arguments.target;
    ResolvedTarget resolved = resolve_targets(*plugins, job).front();
    spelled = resolved.spelled(), plugin = resolved.manifest->name;
    doing("asking target '" + spelled + "' which operators it takes");
    Backend backend(plugins->load(resolved.manifest->name), resolved, resolved.manifest->emits.front(), "probe");
    probes = probe_operators(backend, spelled, all);
  }
  nlohmann::ordered_json document{{"opset", canonical_opset}, {"operators", nlohmann::ordered_json::array()}};
  std::vector<std::vector<std::string>> table = {{"OPERATOR", "OPSETS", "TYPES"}};
  if (!spelled.empty()) table[0].push_back(spelled);
  std::vector<std::string> engines;
  for (size_t i = 0; i < all.size(); ++i) {
    const Operator& op = *all[i];
    std::string versions;
    for (const int v : op.versions) versions += (versions.empty() ? "" : " ") + std::to_string(v);
    nlohmann::ordered_json j = describe(op);
    std::vector<std::string> row = {full_name(op), versions, types_in_words(op)};
    engines.emplace_back("reference");
    if (!spelled.empty()) {
      const OperatorProbe& probe = probes[i];
      const char* words[] = {"yes", "no", "?"};
      const char* keys[] = {"taken", "refused", "unknown"};
      j["target"] = {{"answer", keys[static_cast<int>(probe.answer)]}, {"reason", probe.reason}};
      row.push_back(words[static_cast<int>(probe.answer)] + (probe.reason.empty() ? std::string() : ": " + probe.reason));
      if (probe.answer == OperatorProbe::Answer::taken) engines.back() += ", " + plugin;
    }
    document["operators"].push_back(std::move(j));
    table.push_back(std::move(row));
  }
  if (arguments.page) {
    const std::string page = operator_page(all, engines);
    std::fwrite(page.data(), 1, page.size(), context.results);
  } else if (context.json) {
    if (!spelled.empty()) document["target"] = spelled;
    context.print_json(document);
  } else {
    context.print_table(table);
  }
  return 0;
}

}  // namespace

Command add_ops(CLI::App& program, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("ops", "List the operators with their types, and which of them a target takes");
  app->add_option("--target,-t", arguments->target, "Ask this target about a typical use of each")->type_name("T");
  app->add_flag("--page", arguments->page, "Print the documentation page of all operators, in Markdown");
  app->footer("Example:\n  lathe ops --target llvm");
  return {app, [arguments, &context] { return list(context, *arguments); }};
}

}  // namespace lathe::cli
