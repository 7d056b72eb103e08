// lathe passes: the graph passes with their options, or the pipeline file of a target.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/files/write_file.hpp"
#include "core/job/pipeline_file.hpp"
#include "core/job/targets.hpp"

namespace lathe::cli {
namespace {

int list(Context& context, const std::string& target) {
  std::unique_ptr<Plugins> plugins = context.discover();
  if (!target.empty()) {
    const Manifest& manifest = plugins->find_target(wanted_targets(*plugins, target).front());
    std::string file = default_pipeline(*plugins, manifest), text = read_text_file(file);
    parse_pipeline(text, file, plugins->passes());
    if (context.json) {
      context.print_json({{"target", manifest.name}, {"file", file}, {"text", text}});
    } else {
      while (text.ends_with('\n')) text.pop_back();
      context.note("# " + file);
      context.print(text);
    }
    return 0;
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Pass& pass : plugins->passes()) {
    nlohmann::ordered_json options = nlohmann::ordered_json::array();
    for (const PassOption& o : pass.options)
      options.push_back({{"name", o.name}, {"type", o.type}, {"default", o.fallback}, {"choices", o.choices}, {"help", o.help}});
    all.push_back(
        {{"name", pass.name}, {"help", pass.help}, {"options", options}, {"needs", pass.needs}, {"leaves", pass.leaves}, {"breaks", pass.breaks}});
    if (context.json) continue;
    context.print(pass.name + ": " + pass.help);
    for (const PassOption& o : pass.options)
      context.print("    " + o.name + " (" + (o.choices.empty() ? o.type : join(o.choices, "|")) + ", default " +
                    (o.fallback.empty() ? "none" : o.fallback) + "): " + o.help);
  }
  if (context.json) context.print_json({{"passes", all}});
  return 0;
}

}  // namespace

Command add_passes(CLI::App& program, Context& context) {
  auto target = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("passes", "List the graph passes, or print a target's pipeline");
  app->add_option("--target,-t", *target, "Print the pipeline file this target uses")->type_name("T");
  app->footer("Example:\n  lathe passes --target llvm > mine.yaml && lathe compile model.onnx --pipeline mine.yaml");
  return {app, [target, &context] { return list(context, *target); }};
}

}  // namespace lathe::cli
