// Linux process handling: fork/exec, the subreaper, and walks over /proc.
#include "core/job/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

struct ProcessFacts {
  pid_t pid = 0, parent = 0;
  char state = 0;
  uint64_t ticks = 0;
};

// pid (command) state ppid ... utime stime: the command may hold spaces and parentheses, so the last ')' ends it.
bool read_facts(pid_t pid, ProcessFacts& facts) {
  char path[64], text[1024];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (n <= 0) return false;
  text[n] = '\0';
  const char* after = std::strrchr(text, ')');
  if (!after) return false;
  int parent = 0;
  unsigned long long user = 0, system = 0;
  if (std::sscanf(after + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &facts.state, &parent, &user, &system) != 4) return false;
  facts.pid = pid, facts.parent = parent, facts.ticks = user + system;
  return true;
}

std::vector<ProcessFacts> descendants() {
  std::vector<ProcessFacts> all;
  if (DIR* proc = ::opendir("/proc")) {
    while (dirent* entry = ::readdir(proc)) {
      ProcessFacts facts;
      int pid = std::atoi(entry->d_name);
      if (pid > 0 && read_facts(pid, facts)) all.push_back(facts);
    }
    ::closedir(proc);
  }
  std::vector<ProcessFacts> found;
  std::vector<pid_t> parents = {::getpid()};
  for (size_t i = 0; i < parents.size(); ++i)
    for (const ProcessFacts& facts : all)
      if (facts.parent == parents[i]) parents.push_back(facts.pid), found.push_back(facts);
  return found;
}

}  // namespace

void become_subreaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

ChildProcess spawn(const std::string& program, const std::vector<std::string>& arguments, int input) {
  int output[2], events[2];
  if (::pipe2(output, O_CLOEXEC) != 0 || ::pipe2(events, O_CLOEXEC) != 0)
    throw Error(Code::failed, std::string("cannot make a pipe: ") + std::strerror(errno));
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) throw Error(Code::failed, std::string("cannot start the worker process: ") + std::strerror(errno));
  if (pid == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) std::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    rlimit core{0, 0};
    ::setrlimit(RLIMIT_CORE, &core);
    rlimit stack{};
    if (::getrlimit(RLIMIT_STACK, &stack) == 0 && (stack.rlim_max == RLIM_INFINITY || stack.rlim_max >= (64u << 20))) {
      stack.rlim_cur = 64u << 20;
      ::setrlimit(RLIMIT_STACK, &stack);
    }
    // When memory runs out all the same, the kernel takes the job and not the person's session.
    if (int fd = ::open("/proc/self/oom_score_adj", O_WRONLY); fd >= 0) {
      [[maybe_unused]] ssize_t written = ::write(fd, "1000", 4);
      ::close(fd);
    }
    ::dup2(input, 0), ::dup2(output[1], 1), ::dup2(output[1], 2), ::dup2(events[1], 3);
    if (events[1] == 3) ::fcntl(3, F_SETFD, 0);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  ::setpgid(pid, pid);  // in both processes: whichever runs first
  ::close(output[1]), ::close(events[1]);
  for (int fd : {output[0], events[0]}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return {pid, output[0], events[0]};
}

void kill_descendants() {
  // A dying parent may fork meanwhile: stop everything first, then kill, and look again until nothing is found.
  for (int round = 0; round < 1000; ++round) {
    std::vector<ProcessFacts> found = descendants();
    bool alive = false;
    for (const ProcessFacts& facts : found) {
      if (facts.state == 'Z' || facts.state == 'X') continue;
      alive = true;
      ::kill(facts.pid, SIGKILL);
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (!alive && descendants().empty()) return;
    ::usleep(round < 20 ? 1000 : 10000);
  }
}

TreeUsage measure_descendants() {
  TreeUsage usage;
  for (const ProcessFacts& facts : descendants()) {
    usage.processor_ticks += facts.ticks;
    std::ifstream status("/proc/" + std::to_string(facts.pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      unsigned long long kib = 0;
      if (std::sscanf(line.c_str(), "RssAnon: %llu", &kib) == 1 || std::sscanf(line.c_str(), "RssShmem: %llu", &kib) == 1)
        usage.resident_bytes += kib * 1024;
    }
  }
  return usage;
}

uint64_t available_memory() {
  uint64_t available = UINT64_MAX;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu", &kib) == 1) available = kib * 1024;
  }
  unsigned long long limit = 0, used = 0;
  std::ifstream max("/sys/fs/cgroup/memory.max"), current("/sys/fs/cgroup/memory.current");
  if (max >> limit && current >> used && limit > used) available = std::min<uint64_t>(available, limit - used);
  return available;
}

}  // namespace lathe
