// lathe compile: the command line becomes a job document, the supervisor runs it, the outcome is told.
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/sha256.hpp"
#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/cli/leip.hpp"
#include "core/cli/pictures.hpp"
#include "core/cli/progress.hpp"
#include "core/files/write_file.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/job/supervisor.hpp"
#include "core/job/targets.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;

struct Arguments {
  std::string model, leip_input, output, leip_output, pipeline, memory;
  std::vector<std::string> targets, options, shapes, dump_after, optimization;
  std::string precision = "auto", emit = "package", verify = "quick", layout = "NCHW", host_triple, name, version = "1", zoo;
  PicturesArguments pictures;
  int64_t width = 0, height = 0;
  double seconds = 0, idle = 300;
  unsigned threads = 0;
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

std::pair<std::string, std::string> split(const std::string& text, const std::string& flag, const std::string& form) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw Error(Code::usage, flag + " " + text + ": there is no '='", "write " + flag + " " + form);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// A package folder stands for nothing that could be compiled; a model is a file.
void check_model(const std::string& model) {
  if (model.empty()) throw Error(Code::usage, "no model is given", "lathe compile MODEL; 'lathe compile --help' shows an example");
  std::error_code error;
  fs::file_status status = fs::status(model, error);
  if (!fs::exists(status)) throw Error(Code::failed, "there is no file '" + model + "'", "check the path");
  if (fs::is_directory(status)) throw Error(Code::failed, "'" + model + "' is a folder, and a model is a file", "name the file in it");
}

Job make_job(const Arguments& a, const std::string& targets) {
  Job job;
  std::string model = a.model.empty() ? a.leip_input : a.model;
  if (!a.model.empty() && !a.leip_input.empty())
    throw Error(Code::usage, "the model is given twice: '" + a.model + "' and --input_path '" + a.leip_input + "'");
  check_model(model);
  job.targets = targets;
  job.precision = a.precision, job.emit = a.emit, job.verify = a.verify, job.host_triple = a.host_triple, job.version = a.version;
  job.layout = a.layout;
  for (char& c : job.layout) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  job.width = a.width, job.height = a.height;
  job.name = a.name.empty() ? fs::path(model).stem().string() : a.name;
  for (const std::string& option : a.options) job.options.push_back(split(option, "--option", "KEY=VALUE"));
  for (const std::string& shape : a.shapes) {
    auto [name, dimensions] = split(shape, "--shape", "NAME=1x3x640x640");
    if (!job.shapes.emplace(name, parse_dimensions(dimensions, shape)).second) throw Error(Code::usage, "--shape gives '" + name + "' twice");
  }
  LeipOptimization leip = parse_leip_optimization(a.optimization);
  if (job.layout == "NHWC" && leip.kernel_given && leip.kernel_level < 3)
    throw Error(Code::usage, "--layout NHWC wants optimization level 3 or more, and level " + std::to_string(leip.kernel_level) + " is given",
                "write --optimization category:kernel,level:3");
  if (leip.kernel_given) job.options.emplace_back("level", std::to_string(leip.kernel_level));
  if (!a.pipeline.empty()) job.pipeline = read_text_file(a.pipeline), job.pipeline_source = a.pipeline;
  for (const std::string& list : a.dump_after)
    for (size_t at = 0; at <= list.size();) {
      size_t end = std::min(list.find(',', at), list.size());
      if (end > at) job.dump_after.push_back(list.substr(at, end - at));
      at = end + 1;
    }
  job.verify_each = a.verify_each;
  job.preprocessing = preprocessing_options(a.pictures);
  if (!a.pictures.calibration.empty())
    job.calibration = find_calibration(a.pictures.calibration, a.threads ? a.threads : std::thread::hardware_concurrency());
  job.model = {sha256_of_file(model), fs::absolute(model).string()};
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
  std::string targets = join(a.targets, ",");
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
  CompileRequest request;
  request.job = make_job(a, targets);
  if (!a.output.empty() && !a.leip_output.empty()) throw Error(Code::usage, "the output is given twice, with -o and with --output_path");
  request.output = a.output.empty() ? a.leip_output : a.output;
  request.program = context.program, request.plugins = context.plugins, request.threads = a.threads;
  request.budgets = {a.seconds, a.memory.empty() ? 0 : parse_bytes(a.memory), a.idle};

  ProgressDisplay display(context);
  CompileOutcome outcome = compile(request, [&](const Event& event) {
    if (event.kind == Event::Kind::diagnostic) {
      display.clear();
      context.say(event.diagnostic);
    } else if (event.kind == Event::Kind::dump) {
      display.clear();
      context.write(LogLevel::error, "// after " + event.plugin + "\n" + event.text);
    } else if (event.kind == Event::Kind::log) {
      if (context.level() == LogLevel::debug) display.clear();
      context.write(LogLevel::debug, event.text);
    } else {
      display.show(event);
    }
  });
  display.clear();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  // What the worker said was printed as it came; the supervisor's own word is the last one.
  if (outcome.code != Code::ok && outcome.told_by_supervisor)
    for (size_t i = outcome.diagnostics.size() - outcome.told_by_supervisor; i < outcome.diagnostics.size(); ++i) context.say(outcome.diagnostics[i]);
  if (!outcome.log.empty()) context.write(LogLevel::error, "log: " + outcome.log);
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
  app->add_option("MODEL", a->model, "The model's file");
  one(app->add_option("--target,-t", a->targets, "NAME[:DEVICE] with flags, or a list of them in order of preference; default: this machine"))
      ->type_name("T");
  app->add_option("-o,--output", a->output, "Folder for the package (default: here), or the file itself with another --emit")->type_name("PATH");
  app->add_option("--precision", a->precision, "float32, float16, bfloat16, int8, mixed, auto, float, quant")->type_name("P");
  one(app->add_option("--shape", a->shapes, "Pin an input's shape; '?' leaves a dimension open"))->type_name("NAME=DIMS");
  one(app->add_option("--option", a->options, "An option of a plugin; 'lathe targets NAME' lists them"))->type_name("[PLUGIN.]KEY=VALUE");
  app->add_option("--pipeline", a->pipeline, "Passes to run instead of the target's own (see 'lathe passes --target T')")->type_name("FILE");
  app->add_option("--emit", a->emit, "package, or what the target lists: library, object, static, executable, llvm-ir, asm")->type_name("WHAT");
  app->add_option("--verify", a->verify, "quick, full or off: compare the artifact with the reference engine")
      ->check(CLI::IsMember({"quick", "full", "off"}));
  app->add_option("--max-time", a->seconds, "Stop after so many seconds (exit code 6)")->check(CLI::NonNegativeNumber)->type_name("S");
  app->add_option("--max-memory", a->memory, "Stop above so much memory (exit code 6); default: nine tenths of what is free")->type_name("BYTES");
  app->add_option("--max-idle", a->idle, "Take a job for hung that does nothing for so many seconds (exit code 5)")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  app->add_option("--threads", a->threads, "Threads to compile with; default: one per processor")->type_name("N");
  app->add_option("--host-triple", a->host_triple, "The machine the host's part runs on; default: this one")->type_name("TRIPLE");
  one(app->add_option("--dump-after", a->dump_after, "Print the graph after these passes, or 'all'"))->type_name("PASS[,PASS]");
  app->add_flag("--verify-each", a->verify_each, "Check the graph after every pass");
  app->add_flag("--timings", a->timings, "Print how long each stage and pass took");
  add_picture_options(*app, a->pictures);
  app->add_option("--name-prefix", a->name, "The model's name in the package's; default: the file's")
      ->type_name("NAME")
      ->group("The model's details");
  app->add_option("--model-version", a->version, "The package's version")->type_name("N")->group("The model's details");
  app->add_option("--width", a->width, "Width of the picture input")->check(CLI::PositiveNumber)->type_name("W")->group("The model's details");
  app->add_option("--height", a->height, "Height of the picture input")->check(CLI::PositiveNumber)->type_name("H")->group("The model's details");
  app->add_option("--zoo", a->zoo, "Publish the package in this zoo")->type_name("DIR")->group("The model's details");
  app->add_option("--input_path", a->leip_input, "MODEL")->type_name("FILE")->group("LEIP's spellings");
  app->add_option("--output_path", a->leip_output, "-o")->type_name("PATH")->group("LEIP's spellings");
  app->add_option("--layout", a->layout, "NCHW or NHWC: how inputs and outputs are handed over")
      ->check(CLI::IsMember({"NCHW", "NHWC"}, CLI::ignore_case))
      ->group("LEIP's spellings");
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
