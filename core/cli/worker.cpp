// lathe worker (hidden): the process that `lathe compile` starts.
#include "core/job/worker.hpp"

#include <CLI/CLI.hpp>

#include "core/cli/context.hpp"

namespace lathe::cli {

Command add_worker(CLI::App& program, Context& context) {
  auto request = std::make_shared<WorkerRequest>();
  CLI::App* app = program.add_subcommand("worker", "Runs one job (started by 'lathe compile')");
  app->group("");
  app->add_option("--staging", request->staging)->required();
  app->add_option("--scratch", request->scratch);
  app->add_option("--threads", request->threads);
  return {app,
          [request, &context]() -> int {
            request->program = context.program, request->plugins = context.plugins;
            run_worker(*request);
          },
          false};
}

}  // namespace lathe::cli
