// The side of a job that survives: starts the worker, listens, keeps budgets, kills the whole tree when it must, publishes the result.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/job/events.hpp"
#include "core/job/job.hpp"

namespace lathe {

struct Budgets {
  double seconds = 0;         // wall clock; 0: none
  uint64_t bytes = 0;         // private memory of the worker and its helpers; 0: nine tenths of what is free at the start
  double idle_seconds = 300;  // without an event and without processor time the job counts as hung
};

struct CompileRequest {
  Job job;
  std::string output;                // folder for packages, file for other emissions; empty: the current folder
  std::string program;               // absolute path of this program; the worker is the same one
  std::vector<std::string> plugins;  // --plugin
  unsigned threads = 0;              // 0: one per processor
  Budgets budgets;
};

struct CompileOutcome {
  Code code = Code::ok;
  std::vector<Diagnostic> diagnostics;  // everything said on the way, the reason of a failure last
  size_t told_by_supervisor = 0;        // how many of them, at the end, were no events of the worker
  std::string artifact;                 // absolute path; of a package with several stages the folder
  std::string package;                  // absolute path of the folder; empty for other emissions
  std::string log;                      // path of the log that was kept; empty when none was
  std::string result;                   // the worker's result, a JSON document; empty when it did not get that far
};

// Runs one job to its end. Never throws for what the worker does; throws Error for what cannot be started or written. While it runs,
// SIGINT, SIGTERM and SIGHUP end the job within a second: nothing is left behind, and the outcome is Code::interrupted.
CompileOutcome compile(const CompileRequest& request, const EventSink& on_event);

// $XDG_STATE_HOME/lathe/logs, or ~/.local/state/lathe/logs.
std::string log_directory();

}  // namespace lathe
