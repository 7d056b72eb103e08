// lathe package: an artifact that was made elsewhere becomes the package that `lathe compile` would have left.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/sha256.hpp"
#include "core/cli/context.hpp"
#include "core/cli/job_arguments.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {
namespace {
using Json = nlohmann::ordered_json;

struct Arguments {
  JobArguments job;
  std::string artifact, output, zoo, verify = "quick";
};

int package(Context& context, const Arguments& a) {
  if (!a.zoo.empty() && !a.output.empty()) throw Error(Code::usage, "--zoo and -o both say where the package goes", "give one of them");
  if (!std::filesystem::is_regular_file(a.artifact))
    throw Error(Code::failed, "there is no file '" + a.artifact + "'", "name the file that the target's compiler wrote");
  if (a.job.model.empty())
    throw Error(Code::usage, "--from is missing: the model that the artifact was made from", "lathe package ARTIFACT --from MODEL --target T");
  Job job = make_job(a.job);
  job.goal = Goal::package, job.verify = a.verify;
  job.artifact = {sha256_of_file(a.artifact), std::filesystem::absolute(a.artifact).string()};
  CompileRequest request = make_request(context, a.job, std::move(job));
  request.output = a.zoo.empty() ? a.output : a.zoo;
  const CompileOutcome outcome = run_job(context, request);
  if (outcome.code != Code::ok) {
    Json error{{"code", static_cast<int>(outcome.code)}, {"diagnostics", to_json(outcome.diagnostics)}};
    if (!outcome.log.empty()) error["log"] = outcome.log;
    if (context.json) context.print_json({{"error", error}});
    return static_cast<int>(outcome.code);
  }
  const Json result = Json::parse(outcome.result);
  if (context.json) {
    context.print_json({{"package", outcome.package},
                        {"artifact", outcome.artifact},
                        {"stem", result["stem"]},
                        {"stages", result["stages"]},
                        {"verification", result["verification"]},
                        {"diagnostics", to_json(outcome.diagnostics)}});
  } else {
    context.print(outcome.package);
  }
  return 0;
}

}  // namespace

Command add_package(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("package", "Make the package around an artifact that was compiled elsewhere");
  app->add_option("ARTIFACT", a->artifact, "The file that the target's compiler wrote")->required();
  app->add_option("--from", a->job.model, "The model it was made from")->type_name("MODEL");
  app->add_option("-o,--output", a->output, "Folder for the package (default: here)")->type_name("DIR");
  app->add_option("--zoo", a->zoo, "Publish the package in this zoo")->type_name("DIR")->group("The model's details");
  app->add_option("--verify", a->verify, "quick, full or off: hold the host's stages against the reference engine")
      ->check(CLI::IsMember({"quick", "full", "off"}));
  add_job_options(*app, a->job);
  add_layout_option(*app, a->job, "Options");
  app->footer(
      "Example:\n  lathe package yolov8n.bin --from yolov8n.onnx --target NAME:DEVICE -o out\n\n"
      "The last line on standard output is the package's folder. Give the options that the bundle was made with.");
  return {app, [a, &context] { return package(context, *a); }, false};
}

}  // namespace lathe::cli
