// What `compile`, `check` and `package` ask in the same words: the model, the target, and how the model is made ready for it.
#pragma once
#include <string>
#include <vector>

#include "core/cli/context.hpp"
#include "core/cli/pictures.hpp"
#include "core/job/supervisor.hpp"

namespace lathe::cli {

struct JobArguments {
  std::string model, pipeline, memory;
  std::vector<std::string> targets, options, shapes;
  std::string precision = "auto", layout = "NCHW", host_triple, name, version = "1";
  PicturesArguments pictures;
  int64_t width = 0, height = 0;
  double seconds = 0, idle = 300;
  unsigned threads = 0;
};

// All but MODEL and --layout, which `compile` has in LEIP's spellings too.
void add_job_options(CLI::App& app, JobArguments& arguments);
void add_layout_option(CLI::App& app, JobArguments& arguments, const std::string& group);

// "KEY=VALUE" in two. Throws Error(usage).
std::pair<std::string, std::string> split_option(const std::string& text, const std::string& flag, const std::string& form);

// Reads what the arguments name and hashes it. Throws Error.
Job make_job(const JobArguments& arguments);
CompileRequest make_request(const Context& context, const JobArguments& arguments, Job job);

// Runs the job with progress and diagnostics on standard error.
CompileOutcome run_job(Context& context, const CompileRequest& request);

}  // namespace lathe::cli
