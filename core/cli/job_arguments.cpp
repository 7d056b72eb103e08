// See job_arguments.hpp.
#include "core/cli/job_arguments.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <thread>

#include "core/base/sha256.hpp"
#include "core/cli/progress.hpp"
#include "core/files/write_file.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;

// A package folder stands for nothing that could be compiled; a model is a file.
void check_model(const std::string& model) {
  if (model.empty()) throw Error(Code::usage, "no model is given", "lathe compile MODEL; 'lathe compile --help' shows an example");
  std::error_code error;
  const fs::file_status status = fs::status(model, error);
  if (!fs::exists(status)) throw Error(Code::failed, "there is no file '" + model + "'", "check the path");
  if (fs::is_directory(status)) throw Error(Code::failed, "'" + model + "' is a folder, and a model is a file", "name the file in it");
}

}  // namespace

void add_job_options(CLI::App& app, JobArguments& a) {
  const auto one = [](CLI::Option* option) { return option->allow_extra_args(false); };
  const char* details = "The model's details";
  one(app.add_option("--target,-t", a.targets, "NAME[:DEVICE] with flags, or a list of them in order of preference; default: this machine"))
      ->type_name("T");
  app.add_option("--precision", a.precision, "float32, float16, bfloat16, int8, mixed, auto, float, quant")->type_name("P");
  one(app.add_option("--shape", a.shapes, "Pin an input's shape; '?' leaves a dimension open"))->type_name("NAME=DIMS");
  one(app.add_option("--option", a.options, "An option of a plugin; 'lathe targets NAME' lists them"))->type_name("[PLUGIN.]KEY=VALUE");
  app.add_option("--pipeline", a.pipeline, "Passes to run instead of the target's own (see 'lathe passes --target T')")->type_name("FILE");
  app.add_option("--max-time", a.seconds, "Stop after so many seconds (exit code 6)")->check(CLI::NonNegativeNumber)->type_name("S");
  app.add_option("--max-memory", a.memory, "Stop above so much memory (exit code 6); default: nine tenths of what is free")->type_name("BYTES");
  app.add_option("--max-idle", a.idle, "Take a job for hung that does nothing for so many seconds (exit code 5)")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  app.add_option("--threads", a.threads, "Threads to compile with; default: one per processor")->type_name("N");
  app.add_option("--host-triple", a.host_triple, "The machine the host's part runs on; default: this one")->type_name("TRIPLE");
  add_picture_options(app, a.pictures);
  app.add_option("--name-prefix", a.name, "The model's name in the package's; default: the file's")->type_name("NAME")->group(details);
  app.add_option("--model-version", a.version, "The package's version")->type_name("N")->group(details);
  app.add_option("--width", a.width, "Width of the picture input")->check(CLI::PositiveNumber)->type_name("W")->group(details);
  app.add_option("--height", a.height, "Height of the picture input")->check(CLI::PositiveNumber)->type_name("H")->group(details);
}

void add_layout_option(CLI::App& app, JobArguments& a, const std::string& group) {
  app.add_option("--layout", a.layout, "NCHW or NHWC: how inputs and outputs are handed over")
      ->check(CLI::IsMember({"NCHW", "NHWC"}, CLI::ignore_case))
      ->group(group);
}

std::pair<std::string, std::string> split_option(const std::string& text, const std::string& flag, const std::string& form) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw Error(Code::usage, flag + " " + text + ": there is no '='", "write " + flag + " " + form);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Job make_job(const JobArguments& a) {
  Job job;
  check_model(a.model);
  job.targets = join(a.targets, ",");
  job.precision = a.precision, job.host_triple = a.host_triple, job.version = a.version, job.layout = a.layout;
  for (char& c : job.layout) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  job.width = a.width, job.height = a.height;
  job.name = a.name.empty() ? fs::path(a.model).stem().string() : a.name;
  for (const std::string& option : a.options) job.options.push_back(split_option(option, "--option", "KEY=VALUE"));
  for (const std::string& shape : a.shapes) {
    const auto [name, dimensions] = split_option(shape, "--shape", "NAME=1x3x640x640");
    if (!job.shapes.emplace(name, parse_dimensions(dimensions, shape)).second) throw Error(Code::usage, "--shape gives '" + name + "' twice");
  }
  if (!a.pipeline.empty()) job.pipeline = read_text_file(a.pipeline), job.pipeline_source = a.pipeline;
  job.preprocessing = preprocessing_options(a.pictures);
  if (!a.pictures.calibration.empty())
    job.calibration = find_calibration(a.pictures.calibration, a.threads ? a.threads : std::thread::hardware_concurrency());
  job.model = {sha256_of_file(a.model), fs::absolute(a.model).string()};
  return job;
}

CompileRequest make_request(const Context& context, const JobArguments& a, Job job) {
  CompileRequest request;
  request.job = std::move(job);
  request.program = context.program, request.plugins = context.plugins, request.threads = a.threads;
  request.budgets = {a.seconds, a.memory.empty() ? 0 : parse_bytes(a.memory), a.idle};
  return request;
}

CompileOutcome run_job(Context& context, const CompileRequest& request) {
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
  // What the worker said was printed as it came; the supervisor's own word is the last one.
  if (outcome.code != Code::ok && outcome.told_by_supervisor)
    for (size_t i = outcome.diagnostics.size() - outcome.told_by_supervisor; i < outcome.diagnostics.size(); ++i) context.say(outcome.diagnostics[i]);
  if (!outcome.log.empty()) context.write(LogLevel::error, "log: " + outcome.log);
  return outcome;
}

}  // namespace lathe::cli
