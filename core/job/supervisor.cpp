// One poll loop over three descriptors (events, captured output, signals) and a clock.
#include "core/job/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/files/write_file.hpp"
#include "core/job/process_tree.hpp"
#include "core/job/staging.hpp"

namespace lathe {
namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// What the job prints and logs: the beginning and the end are kept, so that a plugin that prints without end costs a fixed amount.
class Transcript {
 public:
  void add(std::string_view text) {
    size_t head = std::min(text.size(), most_head - std::min(most_head, head_.size()));
    head_ += text.substr(0, head);
    tail_ += text.substr(head);
    if (tail_.size() > 2 * most_tail) skipped_ += tail_.size() - most_tail, tail_.erase(0, tail_.size() - most_tail);
  }
  std::string text() const { return skipped_ ? head_ + "\n[... " + std::to_string(skipped_) + " bytes left out ...]\n" + tail_ : head_ + tail_; }

 private:
  static constexpr size_t most_head = 256 << 10, most_tail = 1 << 20;
  std::string head_, tail_;
  size_t skipped_ = 0;
};

// Blocks the ending signals and SIGCHLD, and offers them as a descriptor, for as long as it lives.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    pipe_ = std::signal(SIGPIPE, SIG_IGN);
    size_ = std::signal(SIGXFSZ, SIG_IGN);  // a full quota is an error code, not a death
  }
  ~Signals() {
    take();
    ::close(fd_);
    std::signal(SIGPIPE, pipe_), std::signal(SIGXFSZ, size_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  int fd() const { return fd_; }
  // True once one of the ending signals has come.
  bool take() {
    signalfd_siginfo info{};
    while (::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      if (info.ssi_signo != SIGCHLD) interrupted_ = true;
    return interrupted_;
  }

 private:
  int fd_ = -1;
  sigset_t before_{};
  void (*pipe_)(int) = nullptr;
  void (*size_)(int) = nullptr;
  bool interrupted_ = false;
};

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  return text;
}

std::string bytes_text(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < (10ull << 30) ? "%.0f MiB" : "%.1f GiB",
                bytes < (10ull << 30) ? double(bytes) / (1 << 20) : double(bytes) / (1 << 30));
  return text;
}

// One worker from start to end.
class JobWatch {
 public:
  JobWatch(const CompileRequest& request, Signals& signals, const EventSink& on_event, CompileOutcome& outcome)
      : request_(request), signals_(signals), on_event_(on_event), outcome_(outcome) {}

  // Fills outcome's code, diagnostics, result and log.
  void run(const Staging& staging) {
    start(staging);
    while (!ended_ && watch()) {
    }
    kill_descendants();
    drain();
    ::close(child_.output), ::close(child_.events);
    judge();
    keep_log();
  }

 private:
  enum class Stop { none, interrupted, time, memory, hung };

  void start(const Staging& staging) {
    std::string document = to_json_text(request_.job);
    int input = ::memfd_create("lathe-job", MFD_CLOEXEC);
    if (input < 0 || ::write(input, document.data(), document.size()) != static_cast<ssize_t>(document.size()) || ::lseek(input, 0, SEEK_SET) != 0)
      throw Error(Code::failed, std::string("cannot hand the job to the worker: ") + std::strerror(errno));
    unsigned threads = request_.threads ? request_.threads : std::max(1u, std::thread::hardware_concurrency());
    std::vector<std::string> arguments = {"worker",          "--staging", staging.path(),         "--scratch",
                                          staging.scratch(), "--threads", std::to_string(threads)};
    for (const std::string& plugin : request_.plugins) arguments.insert(arguments.end(), {"--plugin", plugin});
    most_bytes_ = request_.budgets.bytes ? request_.budgets.bytes : available_memory() / 10 * 9;
    become_subreaper();
    child_ = spawn(request_.program, arguments, input);
    ::close(input);
    begun_ = last_sign_ = Clock::now();
  }

  // One turn; false once the job is to be stopped.
  bool watch() {
    pollfd fds[] = {{child_.events, POLLIN, 0}, {child_.output, POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
    if (events_ended_) fds[0].fd = -1;
    if (output_ended_) fds[1].fd = -1;
    ::poll(fds, 3, 100);
    if (signals_.take()) return stop(Stop::interrupted);
    read_output();
    read_events();
    if (broken_) return false;
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == child_.pid) ended_ = true, status_ = status;
    if (ended_) return false;

    Clock::time_point now = Clock::now();
    double elapsed = std::chrono::duration<double>(now - begun_).count();
    if (request_.budgets.seconds > 0 && elapsed > request_.budgets.seconds) return stop(Stop::time);
    if (now - last_measure_ < std::chrono::milliseconds(100)) return true;
    last_measure_ = now;
    TreeUsage usage = measure_descendants();
    if (usage.resident_bytes > most_bytes_) {
      peak_ = usage.resident_bytes;
      return stop(Stop::memory);
    }
    if (usage.processor_ticks != ticks_) ticks_ = usage.processor_ticks, last_sign_ = now;
    if (std::chrono::duration<double>(now - last_sign_).count() > request_.budgets.idle_seconds) return stop(Stop::hung);
    return true;
  }

  bool stop(Stop why) {
    stop_ = why;
    return false;
  }

  void read_output() {
    char block[65536];
    // A bounded number of turns: a plugin that prints faster than we read must not keep us from the clock.
    for (int turn = 0; turn < 16 && !output_ended_; ++turn) {
      ssize_t n = ::read(child_.output, block, sizeof block);
      if (n > 0) {
        transcript_.add({block, static_cast<size_t>(n)});
        printed_ = true;
        continue;
      }
      if (n == 0) output_ended_ = true;
      if (n < 0 && errno == EINTR) continue;
      return;
    }
  }

  void read_events() {
    char block[65536];
    for (int turn = 0; turn < 64 && !events_ended_ && !broken_; ++turn) {
      ssize_t n = ::read(child_.events, block, sizeof block);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return;
      if (n == 0) {
        events_ended_ = true;
        return;
      }
      last_sign_ = Clock::now();
      pending_.append(block, static_cast<size_t>(n));
      size_t begin = 0;
      for (size_t end; !broken_ && (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1)
        take_event(std::string_view(pending_).substr(begin, end - begin));
      pending_.erase(0, begin);
      if (pending_.size() > (512u << 20)) broken_ = true;
    }
  }

  void take_event(std::string_view line) {
    std::optional<Event> event = parse_event(line);
    if (!event || !outcome_.result.empty()) {
      broken_ = true;
      transcript_.add("[supervisor] not an event: " + std::string(line.substr(0, 400)) + "\n");
      return;
    }
    switch (event->kind) {
      case Event::Kind::stage:
        stage_ = event->text, plugin_ = event->plugin;
        transcript_.add("[" + seconds_text(std::chrono::duration<double>(Clock::now() - begun_).count()) + "] " + stage_ +
                        (plugin_.empty() ? "" : " (" + plugin_ + ")") + "\n");
        break;
      case Event::Kind::diagnostic:
        transcript_.add(event->diagnostic.sentence() + "\n");
        outcome_.diagnostics.push_back(event->diagnostic);
        break;
      case Event::Kind::log:
        transcript_.add(event->text + "\n");
        printed_ = true;
        break;
      case Event::Kind::result:
        outcome_.result = event->text;
        break;
      default:
        break;
    }
    on_event_(*event);
  }

  // What the tree said before it died.
  void drain() {
    for (int turn = 0; turn < 64 && !output_ended_; ++turn) read_output();
    for (int turn = 0; turn < 64 && !events_ended_ && !broken_; ++turn) read_events();
  }

  std::string where() const {
    return "in the stage '" + (stage_.empty() ? "start" : stage_) + "'" + (plugin_.empty() ? "" : ", where plugin '" + plugin_ + "' was at work");
  }

  void fail(Code code, std::string text, std::string hint) {
    outcome_.code = code;
    Diagnostic d;
    d.text = std::move(text), d.hint = std::move(hint);
    tell(std::move(d));
    outcome_.result.clear();
  }

  void tell(Diagnostic diagnostic) {
    outcome_.diagnostics.push_back(std::move(diagnostic));
    ++outcome_.told_by_supervisor;
  }

  void fail_internal(std::string text) {
    std::string who = plugin_.empty() ? "Lathe" : "plugin '" + plugin_ + "'";
    fail(Code::internal, std::move(text), "this is a defect of " + who + ": report it with the log and the command line");
  }

  // Turns the end of the worker into a code and, where the worker could not say it itself, a sentence.
  void judge() {
    switch (stop_) {
      case Stop::interrupted:
        return fail(Code::interrupted, "interrupted " + where(), "");
      case Stop::time:
        return fail(Code::budget, "the time budget of " + seconds_text(request_.budgets.seconds) + " ran out " + where(), "raise it with --max-time");
      case Stop::memory:
        return fail(
            Code::budget, "the memory budget of " + bytes_text(most_bytes_) + " was exceeded (" + bytes_text(peak_) + ") " + where(),
            request_.budgets.bytes ? "raise it with --max-memory" : "that is nine tenths of the memory that was free; set another with --max-memory");
      case Stop::hung:
        return fail_internal("nothing happened for " + seconds_text(request_.budgets.idle_seconds) + ": the job hangs " + where());
      case Stop::none:
        break;
    }
    if (broken_) return fail_internal("the worker's events are not what was agreed " + where());
    if (WIFSIGNALED(status_)) {
      int signal = WTERMSIG(status_);
      return fail_internal("the worker crashed (" + std::string(::strsignal(signal)) + ", signal " + std::to_string(signal) + ") " + where());
    }
    int code = WEXITSTATUS(status_);
    if (code == 127 && stage_.empty())
      return fail(Code::failed, "the worker '" + request_.program + "' could not be started", "check the installation with 'lathe doctor'");
    if (outcome_.result.empty()) return fail_internal("the worker process was ended from within (exit code " + std::to_string(code) + ") " + where());
    outcome_.code = static_cast<Code>(code);
    if (outcome_.code == Code::ok) return;
    outcome_.result.clear();
    if (outcome_.code != Code::internal) return;
    Diagnostic note;
    note.severity = Severity::note;
    note.text = "this happened " + where();
    note.hint = "it is a defect of " + (plugin_.empty() ? std::string("Lathe") : "plugin '" + plugin_ + "'") +
                ": report it with the log and the command line";
    tell(std::move(note));
  }

  void keep_log() {
    bool defect = outcome_.code == Code::internal || outcome_.code == Code::budget;
    if (outcome_.code == Code::ok || outcome_.code == Code::interrupted || outcome_.code == Code::usage || (!defect && !printed_)) return;
    try {
      std::string directory = log_directory();
      fs::create_directories(directory);
      char stamp[32];
      std::time_t now = std::time(nullptr);
      std::tm utc{};
      ::gmtime_r(&now, &utc);
      std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
      std::string path = directory + "/" + stamp + "-" + safe_file_name(request_.job.name) + "-" + std::to_string(::getpid()) + ".log";
      std::string text = "lathe " LATHE_VERSION "\njob: " + to_json_text(request_.job) + "\n" + transcript_.text() + "\n";
      for (const Diagnostic& d : outcome_.diagnostics) text += d.sentence() + "\n";
      write_file(path, text);
      outcome_.log = path;
    } catch (const std::exception& problem) {
      Diagnostic d;
      d.severity = Severity::warning;
      d.text = std::string("the log could not be kept: ") + problem.what();
      tell(std::move(d));
    }
  }

  const CompileRequest& request_;
  Signals& signals_;
  const EventSink& on_event_;
  CompileOutcome& outcome_;
  ChildProcess child_;
  Transcript transcript_;
  std::string pending_, stage_, plugin_;
  Clock::time_point begun_, last_sign_, last_measure_{};
  uint64_t ticks_ = 0, most_bytes_ = 0, peak_ = 0;
  int status_ = 0;
  bool ended_ = false, broken_ = false, events_ended_ = false, output_ended_ = false, printed_ = false;
  Stop stop_ = Stop::none;
};

// Where the result goes: the folder staging is made in, and, for emissions other than a package, the file's name (empty: the worker's own).
struct Destination {
  std::string parent, file;
};

Destination destination(const CompileRequest& request) {
  if (request.job.goal == Goal::check) return {fs::temp_directory_path().string(), ""};
  if (request.job.emit == "package" || request.job.emit == "bundle") return {request.output.empty() ? "." : request.output, ""};
  if (request.output.empty()) return {".", ""};
  if (fs::is_directory(request.output))
    throw Error(Code::usage, "-o names a folder, '" + request.output + "', and --emit " + request.job.emit + " writes one file", "name the file");
  fs::path path = fs::absolute(request.output);
  return {path.parent_path().string(), path.filename().string()};
}

}  // namespace

std::string log_directory() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state && *state == '/') return std::string(state) + "/lathe/logs";
  return std::string(home && *home ? home : "/tmp") + "/.local/state/lathe/logs";
}

CompileOutcome compile(const CompileRequest& request, const EventSink& on_event) {
  Signals signals;
  CompileOutcome outcome;
  Destination goal = destination(request);
  Staging staging(goal.parent);
  JobWatch(request, signals, on_event, outcome).run(staging);
  if (outcome.code != Code::ok) return outcome;
  if (signals.take()) {
    outcome.code = Code::interrupted;
    return outcome;
  }
  if (request.job.goal == Goal::check) return outcome;
  nlohmann::json result = nlohmann::json::parse(outcome.result);
  std::string stem = result.at("stem"), artifact = result.at("artifact");
  std::string parent = fs::absolute(goal.parent).lexically_normal().string();
  if (parent.size() > 1 && parent.ends_with('/')) parent.pop_back();
  if (request.job.emit == "package") {
    staging.publish_folder(stem);
    outcome.package = parent + "/" + stem;
    outcome.artifact = result.at("stages").size() == 1 ? outcome.package + "/" + artifact : outcome.package;
  } else if (request.job.emit == "bundle") {
    outcome.artifact = parent + "/" + stem + "_bundle";
    staging.publish_folder(stem + "_bundle");
  } else {
    outcome.artifact = parent + "/" + (goal.file.empty() ? artifact : goal.file);
    staging.publish_file(artifact, outcome.artifact);
  }
  return outcome;
}

}  // namespace lathe
