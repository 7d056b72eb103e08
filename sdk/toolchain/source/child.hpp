// A child process of its own session, its output, and its whole tree. Internal to this library.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::sdk::toolchain {

// Starts command[0] (an absolute path) in `directory` with standard input from /dev/null, standard output and error in one pipe, no
// controlling terminal, default signals and no core dump; it dies with this thread. Throws Failure when it cannot be started.
class Child {
 public:
  Child(const std::vector<std::string>& command, const std::string& directory, const std::vector<std::string>& environment);
  ~Child();  // kills what is left of the tree
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Waits at most that long for output and appends it; false once the output has ended.
  bool read(std::string& text, int milliseconds);
  // Whether the child has ended; the status is that of waitpid.
  bool ended(int& status);
  // Waits for the end.
  int wait();
  // Every process of the tree: first asked to end, killed after the grace.
  void stop(int grace_milliseconds);
  // Resident bytes of the tree.
  uint64_t resident_bytes() const;

 private:
  std::vector<pid_t> tree() const;

  pid_t pid_ = -1;
  int output_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace lathe::sdk::toolchain
