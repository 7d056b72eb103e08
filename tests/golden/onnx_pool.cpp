// Processes that are handed one number at a time over a pipe, so that a crash names its culprit and costs one test.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "core/base/diagnostic.hpp"
#include "onnx_tests.hpp"

namespace lathe::golden {
namespace {

using Clock = std::chrono::steady_clock;

bool send(int fd, const void* data, size_t size) {
  for (const char* at = static_cast<const char*>(data); size;) {
    const ssize_t n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n, size -= size_t(n);
  }
  return true;
}

bool receive(int fd, void* data, size_t size) {
  for (char* at = static_cast<char*>(data); size;) {
    const ssize_t n = ::read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n, size -= size_t(n);
  }
  return true;
}

// An outcome as bytes: passed, seconds, then texts, each after its length.
bool send(int fd, const Outcome& outcome) {
  std::string bytes;
  auto number = [&](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
  auto text = [&](const std::string& t) {
    number(uint32_t(t.size()));
    bytes += t;
  };
  number(uint32_t(outcome.passed));
  number(outcome.seconds);
  text(outcome.reason);
  number(uint32_t(outcome.operators.size()));
  for (const std::string& name : outcome.operators) text(name);
  return send(fd, bytes.data(), bytes.size());
}

bool receive(int fd, Outcome& outcome) {
  uint32_t passed = 0, count = 0;
  auto text = [&](std::string& t) {
    uint32_t size = 0;
    if (!receive(fd, &size, sizeof size)) return false;
    t.resize(size);
    return receive(fd, t.data(), size);
  };
  if (!receive(fd, &passed, sizeof passed) || !receive(fd, &outcome.seconds, sizeof outcome.seconds) || !text(outcome.reason)) return false;
  if (!receive(fd, &count, sizeof count)) return false;
  for (std::string name; count > 0; --count) {
    if (!text(name)) return false;
    outcome.operators.insert(name);
  }
  outcome.passed = passed != 0;
  return true;
}

struct Worker {
  pid_t process = -1;
  int to = -1, from = -1;
  size_t item = SIZE_MAX;  // what it works on; none
  Clock::time_point since;
};

void serve(int from, int to, const std::function<Outcome(size_t)>& work) {
  for (uint64_t item = 0; receive(from, &item, sizeof item);)
    if (!send(to, work(size_t(item)))) break;
  std::fflush(nullptr);
  ::_exit(0);
}

Worker start(const std::vector<Worker>& others, const std::function<Outcome(size_t)>& work) {
  int down[2], up[2];
  if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) throw Error(Code::failed, "no pipe to be had");
  std::fflush(nullptr);
  Worker worker;
  worker.process = ::fork();
  if (worker.process < 0) throw Error(Code::failed, "no process to be had");
  if (worker.process == 0) {
    for (const Worker& other : others) ::close(other.to), ::close(other.from);
    ::close(down[1]), ::close(up[0]);
    serve(down[0], up[1], work);
  }
  ::close(down[0]), ::close(up[1]);
  worker.to = down[1], worker.from = up[0];
  return worker;
}

std::string end(Worker& worker) {
  ::close(worker.to), ::close(worker.from);
  int status = 0;
  while (::waitpid(worker.process, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) return std::string("the process was ended by ") + strsignal(WTERMSIG(status));
  return "the process ended with " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void run_in_processes(size_t count, const PoolOptions& options, const std::function<Outcome(size_t)>& work,
                      const std::function<void(size_t, Outcome)>& finished) {
  ::signal(SIGPIPE, SIG_IGN);
  std::vector<Worker> workers;
  size_t next = 0, done = 0;
  auto hand_out = [&](Worker& worker) {
    worker.item = next < count ? next++ : SIZE_MAX;
    worker.since = Clock::now();
    const uint64_t item = worker.item;
    if (worker.item != SIZE_MAX) send(worker.to, &item, sizeof item);  // a dead process is noticed when it is read from
  };
  auto replace = [&](Worker& worker, Outcome outcome) {
    const size_t item = worker.item;
    outcome.seconds = std::chrono::duration<double>(Clock::now() - worker.since).count();
    worker.to = worker.from = -1;
    std::vector<Worker> others;
    for (const Worker& other : workers)
      if (&other != &worker) others.push_back(other);
    worker = start(others, work);
    hand_out(worker);
    ++done;
    finished(item, std::move(outcome));
  };
  for (unsigned i = 0; i < options.workers && i < count; ++i) {
    workers.push_back(start(workers, work));
    hand_out(workers.back());
  }
  while (done < count) {
    std::vector<pollfd> polled;
    for (const Worker& worker : workers) polled.push_back({worker.item == SIZE_MAX ? -1 : worker.from, POLLIN, 0});
    if (::poll(polled.data(), polled.size(), 1000) < 0 && errno != EINTR) throw Error(Code::failed, "poll failed");
    for (size_t i = 0; i < workers.size(); ++i) {
      Worker& worker = workers[i];
      if (worker.item == SIZE_MAX) continue;
      Outcome outcome;
      if (polled[i].revents) {
        if (receive(worker.from, outcome)) {
          const size_t item = worker.item;
          hand_out(worker);
          ++done;
          finished(item, std::move(outcome));
        } else {
          Outcome crashed;
          crashed.reason = "crashed: " + end(worker);
          replace(worker, std::move(crashed));
        }
      } else if (std::chrono::duration<double>(Clock::now() - worker.since).count() > options.seconds) {
        ::kill(worker.process, SIGKILL);
        end(worker);
        outcome.reason = "took longer than " + std::to_string(int(options.seconds)) + " seconds";
        replace(worker, std::move(outcome));
      }
    }
  }
  for (Worker& worker : workers) end(worker);
}

}  // namespace lathe::golden
