// lathe check: what would become of a model on a target, without the target's tool.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/job_arguments.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {
namespace {
using Json = nlohmann::ordered_json;

std::string amount(int64_t n) {
  char text[32];
  const double x = double(n);
  std::snprintf(text, sizeof text,
                x >= 1e9   ? "%.2f G"
                : x >= 1e6 ? "%.2f M"
                : x >= 1e3 ? "%.1f k"
                           : "%.0f",
                x >= 1e9   ? x / 1e9
                : x >= 1e6 ? x / 1e6
                : x >= 1e3 ? x / 1e3
                           : x);
  return text;
}

// One row for the nodes of one operator that have the same fate.
void print_operators(const Context& context, const Json& nodes) {
  struct Row {
    size_t count = 0;
    int64_t multiplications = 0, parameters = 0;
    std::string first;
  };
  std::map<std::vector<std::string>, Row> rows;  // operator, verdict, target, reason
  for (const Json& node : nodes) {
    Row& row = rows[{node["operator"], node["verdict"], node.value("target", ""), node.value("reason", "")}];
    if (row.count++ == 0) row.first = node["node"];
    row.multiplications += node["multiplications"].get<int64_t>(), row.parameters += node["parameters"].get<int64_t>();
  }
  std::vector<std::vector<std::string>> table = {{"OPERATOR", "NODES", "VERDICT", "TARGET", "MULTIPLICATIONS", "PARAMETERS", "REASON"}};
  for (const char* verdict : {"refused", "host", "accepted"})
    for (const auto& [key, row] : rows) {
      if (key[1] != verdict) continue;
      const std::string reason = key[3].empty() ? "" : key[3] + " ('" + row.first + "'" + (row.count > 1 ? ", ...)" : ")");
      table.push_back({key[0], std::to_string(row.count), key[1], key[2], amount(row.multiplications), amount(row.parameters), reason});
    }
  context.print_table(table);
}

void print_parts(const Context& context, const Json& parts) {
  if (parts.empty()) return;
  std::vector<std::vector<std::string>> table = {{"PART", "PRECISION", "NODES", "MULTIPLICATIONS", "PARAMETERS", "OF", "LIVE FEATURES", "OF"}};
  for (const Json& part : parts) {
    const auto of = [&](const char* key) { return part.contains(key) ? amount(part[key].get<int64_t>()) : std::string("-"); };
    table.push_back({part["target"], part["precision"], std::to_string(part["nodes"].get<int64_t>()), of("multiplications"), of("parameters"),
                     of("weight_bytes"), of("features"), of("feature_bytes")});
  }
  context.print("");
  context.print_table(table);
}

int check(Context& context, const JobArguments& a) {
  Job job = make_job(a);
  job.goal = Goal::check;
  const CompileOutcome outcome = run_job(context, make_request(context, a, std::move(job)));
  if (outcome.code != Code::ok) {
    Json error{{"code", static_cast<int>(outcome.code)}, {"diagnostics", to_json(outcome.diagnostics)}};
    if (!outcome.log.empty()) error["log"] = outcome.log;
    if (context.json) context.print_json({{"error", error}});
    return static_cast<int>(outcome.code);
  }
  Json result = Json::parse(outcome.result);
  result.erase("code");
  result["diagnostics"] = to_json(outcome.diagnostics);
  const bool fits = result["fits"];
  if (context.json) {
    context.print_json(result);
  } else {
    print_operators(context, result["nodes"]);
    print_parts(context, result["parts"]);
    if (result.contains("preprocessing")) context.print("\npictures: " + result["preprocessing"].get<std::string>());
    context.print(fits ? "the model can be compiled for the target" : "the model cannot be compiled for the target");
  }
  return static_cast<int>(fits ? Code::ok : Code::unsupported);
}

}  // namespace

Command add_check(CLI::App& program, Context& context) {
  auto a = std::make_shared<JobArguments>();
  CLI::App* app = program.add_subcommand("check", "Say what a target would take of a model and what it would cost, without the target's tool");
  app->add_option("MODEL", a->model, "The model's file");
  add_job_options(*app, *a);
  add_layout_option(*app, *a, "Options");
  app->footer(
      "Example:\n  lathe check yolov8n.onnx --target NAME:DEVICE --calibration photos/\n\n"
      "Exit codes: 0 it can be compiled, 3 it cannot; 1, 2 as everywhere.");
  return {app, [a, &context] { return check(context, *a); }, false};
}

}  // namespace lathe::cli
