// A child process with everything it ever starts: spawned in a group of its own, measured and killed as a whole, even when a helper
// has left the group or the session.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe {

// Makes this process the one that orphaned descendants fall to, so that kill_descendants() finds helpers that called setsid().
void become_subreaper();

struct ChildProcess {
  pid_t pid = -1;
  int output = -1;  // read end of its standard output and error, non-blocking
  int events = -1;  // read end of the pipe it has as descriptor 3, non-blocking
};

// Starts `program` with `arguments` (the first is argv[1]); `input` becomes its standard input. The child leads a new process group,
// dies with us, has the default signal handling, no core dumps, and a stack of 64 MiB. Throws Error(failed).
ChildProcess spawn(const std::string& program, const std::vector<std::string>& arguments, int input);

// Kills every descendant of this process and waits until none is left.
void kill_descendants();

struct TreeUsage {
  uint64_t resident_bytes = 0;   // private and shared-memory pages; mapped files do not count
  uint64_t processor_ticks = 0;  // grows while any process of the tree works
};
TreeUsage measure_descendants();

// Bytes a new process may reasonably take: free memory of the machine or of the control group, whichever is less.
uint64_t available_memory();

}  // namespace lathe
