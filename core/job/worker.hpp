// The side of a job that does the work, and may die of it. Runs in a process of its own (`lathe worker`, started by the supervisor).
#pragma once
#include <string>
#include <vector>

namespace lathe {

struct WorkerRequest {
  std::string staging;               // the folder everything is written into
  std::string scratch;               // TMPDIR for what the job runs; empty: as it is
  std::string program;               // absolute path of this program
  std::vector<std::string> plugins;  // --plugin
  unsigned threads = 1;
};

// Reads the job from standard input, runs it, and tells of it on descriptor 3. Never returns: the process ends with the job's code.
[[noreturn]] void run_worker(const WorkerRequest& request);

}  // namespace lathe
