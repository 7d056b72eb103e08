// See child.hpp.
#include "child.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lathe/toolchain.hpp"

extern char** environ;

namespace lathe::sdk::toolchain {
namespace {

struct Facts {
  pid_t pid = 0, parent = 0, session = 0;
  uint64_t resident_pages = 0;
};

// /proc/PID/stat: the command may hold spaces and parentheses, so the last ')' ends it.
bool read_facts(pid_t pid, Facts& facts) {
  char path[64], text[1024];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const ssize_t size = ::read(descriptor, text, sizeof text - 1);
  ::close(descriptor);
  if (size <= 0) return false;
  text[size] = '\0';
  const char* after = std::strrchr(text, ')');
  char state = 0;
  int parent = 0, group = 0, session = 0;
  long long resident = 0;
  if (!after || std::sscanf(after + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %lld", &state, &parent,
                            &group, &session, &resident) != 5)
    return false;
  if (state == 'Z' || state == 'X') return false;
  facts = {pid, parent, session, resident > 0 ? static_cast<uint64_t>(resident) : 0};
  return true;
}

[[noreturn]] void refuse(const std::string& text) { throw Failure(LATHE_FAILED, text + ": " + std::strerror(errno)); }

}  // namespace

Child::Child(const std::vector<std::string>& command, const std::string& directory, const std::vector<std::string>& environment) {
  int pipe[2], started[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) refuse("no pipe can be made");
  if (::pipe2(started, O_CLOEXEC) != 0) {
    ::close(pipe[0]), ::close(pipe[1]);
    refuse("no pipe can be made");
  }
  std::vector<char*> arguments, variables;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (char** variable = environ; *variable; ++variable) {
    const char* end = std::strchr(*variable, '=');
    const size_t length = end ? static_cast<size_t>(end - *variable) + 1 : std::strlen(*variable);
    bool replaced = false;
    for (const std::string& ours : environment) replaced = replaced || ours.compare(0, length, *variable, length) == 0;
    if (!replaced) variables.push_back(*variable);
  }
  for (const std::string& ours : environment) variables.push_back(const_cast<char*>(ours.c_str()));
  variables.push_back(nullptr);

  pid_ = ::fork();
  if (pid_ == 0) {
    // A session of its own: a tool that opens /dev/tty to ask a question finds none.
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT}) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const rlimit no_core = {0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing >= 0 && ::dup2(nothing, 0) == 0 && ::dup2(pipe[1], 1) == 1 && ::dup2(pipe[1], 2) == 2 &&
        (directory.empty() || ::chdir(directory.c_str()) == 0))
      ::execve(arguments[0], arguments.data(), variables.data());
    const int error = errno;
    [[maybe_unused]] const ssize_t told = ::write(started[1], &error, sizeof error);
    ::_exit(127);
  }
  const int fork_error = errno;
  ::close(pipe[1]), ::close(started[1]);
  int error = 0;
  ssize_t told = 0;
  if (pid_ > 0) do
      told = ::read(started[0], &error, sizeof error);
    while (told < 0 && errno == EINTR);
  ::close(started[0]);
  if (pid_ < 0 || told == sizeof error) {
    ::close(pipe[0]);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    errno = pid_ < 0 ? fork_error : error;
    refuse("'" + command[0] + "' cannot be started");
  }
  output_ = pipe[0];
  ::fcntl(output_, F_SETFL, O_NONBLOCK);
}

Child::~Child() {
  stop(0);
  if (output_ >= 0) ::close(output_);
}

bool Child::read(std::string& text, int milliseconds) {
  pollfd wait = {output_, POLLIN, 0};
  if (::poll(&wait, 1, milliseconds) <= 0) return true;
  char buffer[65536];
  const ssize_t size = ::read(output_, buffer, sizeof buffer);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  text.append(buffer, static_cast<size_t>(size));
  return size > 0;
}

bool Child::ended(int& status) {
  if (!reaped_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  status = status_;
  return reaped_;
}

int Child::wait() {
  while (!reaped_)
    if (::waitpid(pid_, &status_, 0) == pid_ || errno != EINTR) reaped_ = true;
  return status_;
}

// The child's session and the descendants of its members: helpers leave a group, seldom a session, and hardly ever both before they fork.
std::vector<pid_t> Child::tree() const {
  std::vector<Facts> all;
  if (DIR* processes = ::opendir("/proc")) {
    while (const dirent* entry = ::readdir(processes)) {
      Facts facts;
      const int pid = std::atoi(entry->d_name);
      if (pid > 0 && read_facts(pid, facts)) all.push_back(facts);
    }
    ::closedir(processes);
  }
  std::vector<pid_t> found;
  for (const Facts& facts : all)
    if (facts.session == pid_ || (facts.pid == pid_ && !reaped_)) found.push_back(facts.pid);
  for (size_t i = 0; i < found.size(); ++i)
    for (const Facts& facts : all)
      if (facts.parent == found[i] && facts.session != pid_) found.push_back(facts.pid);
  return found;
}

void Child::stop(int grace_milliseconds) {
  if (grace_milliseconds > 0) {
    for (pid_t pid : tree()) ::kill(pid, SIGTERM);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(grace_milliseconds);
    int status = 0;
    while (std::chrono::steady_clock::now() < end && (!ended(status) || !tree().empty())) ::usleep(10000);
  }
  // Some of them may fork meanwhile: look again until nothing is found.
  for (int round = 0; round < 200; ++round) {
    const std::vector<pid_t> left = tree();
    for (pid_t pid : left) ::kill(pid, SIGKILL);
    int status = 0;
    if (ended(status) && left.empty()) return;
    ::usleep(round < 20 ? 1000 : 10000);
  }
}

uint64_t Child::resident_bytes() const {
  uint64_t pages = 0;
  for (pid_t pid : tree()) {
    Facts facts;
    if (read_facts(pid, facts)) pages += facts.resident_pages;
  }
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace lathe::sdk::toolchain
