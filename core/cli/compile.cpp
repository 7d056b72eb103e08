// lathe compile: the command line becomes a job document, the supervisor runs it, the outcome is told.
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/cli/job_arguments.hpp"
#include "core/cli/leip.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/job/supervisor.hpp"
#include "core/job/targets.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;

struct Arguments {
  JobArguments job;
  std::string leip_input, output, leip_output, zoo;
  std::vector<std::string> dump_after, optimization;
  std::string emit = "package", verify = "quick";
  bool verify_each = false, timings = false;
};

// What "-KEY=help" in a target's flags asks for; nothing when no flag does.
bool list_choices(const Context& context, const std::string& targets) {
  if (targets.find("=help") == std::string::npos) return false;
  std::unique_ptr<Plugins> plugins = context.discover();
  for (const TargetSpec& spec : wanted_targets(*plugins, targets))
    for (const std::pair<std::string, std::string>& pair : spec.flags) {
      if (pair.second != "help") continue;
      const std::string& flag = pair.first;
      Plugin& plugin = plugins->load(plugins->find_target(spec).name);
      const lathe_backend* backend = plugin.backend();
      if (!backend || !LATHE_HAS(backend, lathe_backend, list_choices))
        throw Error(Code::usage, "target '" + spec.name + "' has no list for '-" + flag + "'");
      plugin.check("list_choices", [&] {
        return backend->list_choices(&plugin.host(), {flag.data(), flag.size()}, const_cast<Context*>(&context), [](void* self, lathe_string line) {
          static_cast<const Context*>(self)->print({line.data, line.size});
        });
      });
      return true;
    }
  return false;
}

Job compile_job(Arguments a) {
  if (!a.job.model.empty() && !a.leip_input.empty())
    throw Error(Code::usage, "the model is given twice: '" + a.job.model + "' and --input_path '" + a.leip_input + "'");
  if (a.job.model.empty()) a.job.model = a.leip_input;
  Job job = make_job(a.job);
  job.emit = a.emit, job.verify = a.verify, job.verify_each = a.verify_each;
  const LeipOptimization leip = parse_leip_optimization(a.optimization);
  if (job.layout == "NHWC" && leip.kernel_given && leip.kernel_level < 3)
    throw Error(Code::usage, "--layout NHWC wants optimization level 3 or more, and level " + std::to_string(leip.kernel_level) + " is given",
                "write --optimization category:kernel,level:3");
  if (leip.kernel_given) job.options.emplace_back("level", std::to_string(leip.kernel_level));
  for (const std::string& list : a.dump_after)
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find(',', at), list.size());
      if (end > at) job.dump_after.push_back(list.substr(at, end - at));
      at = end + 1;
    }
  return job;
}

nlohmann::ordered_json describe(const CompileOutcome& outcome, double seconds) {
  nlohmann::ordered_json j;
  nlohmann::ordered_json result = outcome.result.empty() ? nlohmann::ordered_json::object() : nlohmann::ordered_json::parse(outcome.result);
  if (outcome.code != Code::ok) {
    nlohmann::ordered_json error{{"code", static_cast<int>(outcome.code)}, {"diagnostics", to_json(outcome.diagnostics)}};
    if (!outcome.log.empty()) error["log"] = outcome.log;
    return {{"error", error}};
  }
  j["artifact"] = outcome.artifact;
  j["package"] = outcome.package.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(outcome.package);
  j["stem"] = result["stem"], j["stages"] = result["stages"], j["verification"] = result["verification"];
  double verify = result["seconds"].value("verify", 0.0);
  j["seconds"] = {{"total", seconds}, {"compile", seconds - verify}, {"verify", verify}, {"stages", result["seconds"]}};
  j["passes"] = result["passes"];
  j["diagnostics"] = to_json(outcome.diagnostics);
  return j;
}

std::string seconds_text(double s) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", s);
  return text;
}

void print_timings(const nlohmann::ordered_json& j) {
  std::fprintf(stderr, "%-36s %10s\n", "stage", "seconds");
  for (const auto& [stage, s] : j["seconds"]["stages"].items()) std::fprintf(stderr, "%-36s %10.4f\n", stage.c_str(), s.get<double>());
  std::fprintf(stderr, "%-36s %10s\n", "pass", "ms");
  for (const auto& pass : j["passes"])
    std::fprintf(stderr, "%-36s %10.4f%s\n", pass["pass"].get<std::string>().c_str(), pass["seconds"].get<double>(),
                 pass["changed"].get<bool>() ? "" : "  (nothing to do)");
}

int compile_model(Context& context, const Arguments& a) {
  std::string targets = join(a.job.targets, ",");
  // Listing runs plugin code, so it runs guarded; the job itself has its worker.
  if (targets.find("=help") != std::string::npos) {
    return run_guarded(context, [&] {
      try {
        list_choices(context, targets);
        return 0;
      } catch (const Error& error) {
        for (const Diagnostic& d : error.diagnostics) context.say(d);
        return static_cast<int>(error.code);
      }
    });
  }
  auto begin = std::chrono::steady_clock::now();
  CompileRequest request = make_request(context, a.job, compile_job(a));
  if (!a.output.empty() && !a.leip_output.empty()) throw Error(Code::usage, "the output is given twice, with -o and with --output_path");
  request.output = a.output.empty() ? a.leip_output : a.output;

  CompileOutcome outcome = run_job(context, request);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  nlohmann::ordered_json document = describe(outcome, seconds);
  if (outcome.code == Code::ok && a.timings) print_timings(document);
  if (outcome.code == Code::ok) {
    std::string text = "compiled in " + seconds_text(document["seconds"]["compile"]);
    std::string state = document["verification"]["state"];
    if (state == "agrees") text += ", verified in " + seconds_text(document["seconds"]["verify"]);
    if (state == "skipped" || state == "off") text += ", not verified";
    context.note(text);
  }
  if (context.json) {
    context.print_json(document);
  } else if (outcome.code == Code::ok) {
    context.print(outcome.artifact);
  }
  return static_cast<int>(outcome.code);
}

}  // namespace

Command add_compile(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("compile", "Compile a model for a target");
  app->footer(
      "Examples:\n"
      "  lathe compile yolov8n.onnx -o out\n"
      "  lathe compile yolov8n.onnx --target \"llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72\"\n"
      "  lathe compile model.onnx --shape images=1x3x320x320 --emit library -o model.so\n\n"
      "The last line on standard output is the path of the artifact. Exit codes: 0 done, 1 failed, 2 usage, 3 target absent or unfit,\n"
      "4 numbers disagree, 5 a plugin crashed or hung, 6 over budget, 130 interrupted.");
  auto one = [](CLI::Option* option) { return option->allow_extra_args(false); };
  app->add_option("MODEL", a->job.model, "The model's file");
  app->add_option("-o,--output", a->output, "Folder for the package (default: here), or the file itself with another --emit")->type_name("PATH");
  app->add_option("--emit", a->emit, "package, or what the target lists: library, object, static, executable, llvm-ir, asm, bundle")
      ->type_name("WHAT");
  app->add_option("--verify", a->verify, "quick, full or off: compare the artifact with the reference engine")
      ->check(CLI::IsMember({"quick", "full", "off"}));
  one(app->add_option("--dump-after", a->dump_after, "Print the graph after these passes, or 'all'"))->type_name("PASS[,PASS]");
  app->add_flag("--verify-each", a->verify_each, "Check the graph after every pass");
  app->add_flag("--timings", a->timings, "Print how long each stage and pass took");
  add_job_options(*app, a->job);
  app->add_option("--zoo", a->zoo, "Publish the package in this zoo")->type_name("DIR")->group("The model's details");
  app->add_option("--input_path", a->leip_input, "MODEL")->type_name("FILE")->group("LEIP's spellings");
  app->add_option("--output_path", a->leip_output, "-o")->type_name("PATH")->group("LEIP's spellings");
  add_layout_option(*app, a->job, "LEIP's spellings");
  one(app->add_option("--optimization,--compile_optimization", a->optimization, "category:kernel,level:1-4"))
      ->type_name("CATEGORY")
      ->group("LEIP's spellings");
  return {app,
          [a, &context] {
            // A zoo is a folder of packages: publishing there is writing the package there.
            if (!a->zoo.empty() && !(a->output.empty() && a->leip_output.empty()))
              throw Error(Code::usage, "--zoo and -o both say where the package goes", "give one of them");
            if (!a->zoo.empty()) a->output = a->zoo;
            return compile_model(context, *a);
          },
          false};
}

}  // namespace lathe::cli
