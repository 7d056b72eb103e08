// Runs a tool, follows its log and judges how it ended.
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <regex>

#include "child.hpp"
#include "lathe/toolchain.hpp"
#include "places.hpp"

namespace lathe::sdk {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t longest_line = 2000, most_lines = 200;

// "$1".."$9" of a sentence replaced by the groups.
std::string filled(std::string_view sentence, const std::smatch& match) {
  std::string text;
  for (size_t i = 0; i < sentence.size(); ++i) {
    const bool group = sentence[i] == '$' && i + 1 < sentence.size() && sentence[i + 1] >= '1' && sentence[i + 1] <= '9';
    if (!group) {
      text += sentence[i];
      continue;
    }
    const size_t number = static_cast<size_t>(sentence[++i] - '0');
    if (number < match.size()) text += match[number].str();
  }
  return text;
}

// Turns output into lines: line feeds and carriage returns end them, ANSI escape sequences (ECMA-48, 5.4) vanish, long ones are cut.
class LogLines {
 public:
  template <class Take>
  void add(std::string_view text, Take&& take) {
    for (const char c : text) {
      if (escape_ != Escape::none) {
        skip(c);
      } else if (c == '\x1b') {
        escape_ = Escape::begun;
      } else if (c == '\n' || c == '\r') {
        finish(take);
      } else if (line_.size() < longest_line) {
        line_ += c == '\0' ? ' ' : c;
      }
    }
  }
  template <class Take>
  void finish(Take&& take) {
    if (!line_.empty()) take(line_);
    line_.clear();
  }
  const std::string& unfinished() const { return line_; }

 private:
  enum class Escape { none, begun, sequence };
  void skip(char c) {
    if (escape_ == Escape::begun)
      escape_ = c == '[' ? Escape::sequence : Escape::none;
    else if (c >= '@' && c <= '~')
      escape_ = Escape::none;
  }
  std::string line_;
  Escape escape_ = Escape::none;
};

// What the log has said so far.
class Log {
 public:
  Log(const Host& host, const ToolRun& run) : host_(host), run_(run) {
    for (const Milestone& m : run.milestones) milestones_.emplace_back(m.pattern);
    for (const KnownMessage& m : run.messages) messages_.emplace_back(m.pattern);
    if (run.success_pattern) success_.emplace(run.success_pattern);
  }

  void take(const std::string& line) {
    host_.log(line);
    last_.push_back(line);
    if (last_.size() > most_lines) last_.pop_front();
    std::smatch match;
    if (success_ && std::regex_search(line, *success_)) succeeded = true;
    for (size_t i = 0; i < milestones_.size(); ++i) {
      if (!std::regex_search(line, match, milestones_[i])) continue;
      stage_ = filled(run_.milestones[i].stage, match);
      if (run_.milestones[i].fraction >= 0) fraction_ = run_.milestones[i].fraction;
      show();
      break;
    }
    for (size_t i = 0; i < messages_.size(); ++i) {
      if (!std::regex_search(line, match, messages_[i])) continue;
      known(run_.messages[i], filled(run_.messages[i].sentence, match), line);
      break;
    }
  }

  // Also a sign of life for whoever watches us: these tools are silent for long.
  void show() const {
    if (!stage_.empty()) host_.progress(stage_, fraction_);
  }

  const Failure* failure() const { return failure_ ? &*failure_ : nullptr; }
  std::string last_words() const {
    std::string text;
    const size_t count = std::min<size_t>(last_.size(), 3);
    for (size_t i = last_.size() - count; i < last_.size(); ++i) text += (text.empty() ? "" : " | ") + last_[i].substr(0, 300);
    return text;
  }
  std::vector<std::string> last_lines() const { return {last_.begin(), last_.end()}; }

  bool succeeded = false;
  std::vector<Diagnostic> warnings;

 private:
  void known(const KnownMessage& message, std::string sentence, const std::string& line) {
    Diagnostic d;
    d.text = std::move(sentence);
    d.hint = message.hint;
    d.found = "'" + line.substr(0, 300) + "'";
    if (message.code == LATHE_OK) {
      // Tools repeat themselves; the person wants to hear it once.
      d.severity = LATHE_WARNING;
      for (const Diagnostic& earlier : warnings)
        if (earlier.text == d.text) return;
      host_.report(d);
      warnings.push_back(std::move(d));
    } else if (!failure_) {
      failure_.emplace(message.code, std::move(d));  // the first: what follows is mostly its consequence
    }
  }

  const Host& host_;
  const ToolRun& run_;
  std::vector<std::regex> milestones_, messages_;
  std::optional<std::regex> success_;
  std::string stage_ = "the tool is at work";
  double fraction_ = -1;
  std::deque<std::string> last_;
  std::optional<Failure> failure_;
};

bool is_question(const std::string& line) {
  static const char* const ends[] = {"[y/n]",  "(y/n)",     "[yes/no]",  "(yes/no)", "y/n",       "[y/n]:",    "(y/n):", "[y/n]?",
                                     "(y/n)?", "password:", "continue?", "y/n:",     "[yes/no]:", "(yes/no):", "y/n?"};
  std::string text;
  for (char c : line) text += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  return std::any_of(std::begin(ends), std::end(ends), [&](std::string_view end) {
    return text.size() >= end.size() && std::string_view(text).substr(text.size() - end.size()) == end;
  });
}

std::vector<std::string> command_line(const Tool& tool, const ToolRun& run) {
  std::vector<std::string> command = tool.command;
  if (run.program) command.back() = toolchain::companion(tool, run.program);
  if (!tool.container.empty()) {
    // The image's name is followed by the program's: the mount and the working folder go before the image.
    const auto image = std::find(command.begin(), command.end(), tool.container);
    std::vector<std::string> mount = {"-v", run.directory + ":" + run.directory, "-w", run.directory};
    for (const std::string& variable : run.environment) mount.insert(mount.end(), {"-e", variable});
    command.insert(image, mount.begin(), mount.end());
  }
  command.insert(command.end(), run.arguments.begin(), run.arguments.end());
  return command;
}

struct FileState {
  int64_t seconds = 0, nanoseconds = 0, size = -1;
  uint64_t inode = 0;
  bool operator==(const FileState& other) const {
    return seconds == other.seconds && nanoseconds == other.nanoseconds && size == other.size && inode == other.inode;
  }
};
FileState state_of(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

// The end of a log: what decides stands there, and a log may be of any length.
constexpr int64_t most_log_bytes = 4 << 20;
std::string end_of_file(const std::string& path, int64_t size) {
  std::ifstream file(path, std::ios::binary);
  if (size > most_log_bytes) file.seekg(size - most_log_bytes);
  return {std::istreambuf_iterator<char>(file), {}};
}

void remove_tree(const std::string& path) {
  if (DIR* folder = ::opendir(path.c_str())) {
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string inner = path + "/" + entry->d_name;
      struct stat status = {};
      if (::lstat(inner.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
        remove_tree(inner);
      else
        ::unlink(inner.c_str());
    }
    ::closedir(folder);
  }
  ::rmdir(path.c_str());
}

}  // namespace

ScratchFolder::ScratchFolder(std::string_view parent) {
  const char* temporary = std::getenv("TMPDIR");
  path_ = (!parent.empty() ? std::string(parent) : temporary && *temporary ? std::string(temporary) : "/tmp") + "/lathe-tool-XXXXXX";
  if (!::mkdtemp(path_.data())) throw Failure(LATHE_FAILED, "no folder can be made at '" + path_ + "': " + std::strerror(errno));
}
ScratchFolder::~ScratchFolder() { remove_tree(path_); }

ToolOutcome run_tool(const Host& host, const Tool& tool, const ToolRun& run) {
  Log log(host, run);
  std::vector<FileState> before, logs_before;
  for (const std::string& file : run.wanted_files) before.push_back(state_of(run.directory + "/" + file));
  for (const std::string& file : run.log_files) logs_before.push_back(state_of(run.directory + "/" + file));
  const std::vector<std::string> command = command_line(tool, run);
  std::string shown;
  for (const std::string& word : command) shown += (shown.empty() ? "" : " ") + shell_quoted(word);
  host.log("$ " + shown);

  ToolOutcome outcome;
  const auto begun = Clock::now();
  auto last_output = begun, last_look = begun;
  const auto stop = [&](toolchain::Child& child, lathe_code code, std::string text, std::string hint) {
    child.stop(2000);
    Diagnostic d;
    d.text = tool.name + " " + std::move(text);
    d.hint = std::move(hint);
    d.found = log.last_words();
    throw Failure(code, std::move(d));
  };
  int status = 0;
  std::string printed;  // its last words, but for those in files
  {
    toolchain::Child child(command, run.directory, run.environment);
    LogLines lines;
    std::string text;
    const auto take = [&](const std::string& line) { log.take(line); };
    for (bool open = true; open;) {
      open = child.read(text, 100);
      const auto now = Clock::now();
      if (!text.empty()) last_output = now;
      lines.add(text, take);
      text.clear();
      if (host.cancelled()) {
        child.stop(2000);
        throw Failure(LATHE_CANCELLED);
      }
      // A helper that lives on keeps the pipe open; the tool itself is what counts.
      if (child.ended(status)) {
        while (child.read(text, 0) && !text.empty()) lines.add(text, take), text.clear();
        break;
      }
      if (run.time_budget.count() > 0 && now - begun > run.time_budget)
        stop(child, LATHE_BUDGET, "took longer than the " + std::to_string(run.time_budget.count()) + " s it was given", "raise the time budget");
      if (is_question(lines.unfinished()) && now - last_output > run.patience)
        stop(child, LATHE_FAILED, "asks a question that nobody is there to answer: '" + lines.unfinished() + "'",
             "give the option that decides it, or run the tool by hand once");
      if (now - last_look > std::chrono::milliseconds(500)) {
        last_look = now;
        log.show();
        const uint64_t bytes = child.resident_bytes();
        outcome.peak_bytes = std::max(outcome.peak_bytes, bytes);
        if (run.memory_budget && bytes > run.memory_budget)
          stop(child, LATHE_BUDGET, "took more than the " + std::to_string(run.memory_budget >> 20) + " MiB of memory it was given",
               "raise the memory budget");
      }
    }
    lines.finish(take);
    status = child.wait();
    printed = log.last_words();
    for (size_t i = 0; i < run.log_files.size(); ++i) {
      const std::string path = run.directory + "/" + run.log_files[i];
      const FileState after = state_of(path);
      if (after.size <= 0 || after == logs_before[i]) continue;
      host.log("== " + run.log_files[i]);
      lines.add(end_of_file(path, after.size), take);
      lines.finish(take);
    }
  }
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.warnings = log.warnings;
  outcome.last_lines = log.last_lines();

  // What the log says tells more than the exit code, and is believed over an exit code of success.
  if (const Failure* known = log.failure()) throw *known;
  Diagnostic d;
  d.found = printed.empty() ? log.last_words() : printed;
  if (WIFSIGNALED(status)) {
    d.text = tool.name + " was ended by signal " + std::to_string(WTERMSIG(status)) + " (" + ::strsignal(WTERMSIG(status)) + ")";
    d.hint = WTERMSIG(status) == SIGKILL ? "the machine may have run out of memory" : "this is a defect of the tool";
    throw Failure(LATHE_FAILED, std::move(d));
  }
  if (std::find(run.good_exit_codes.begin(), run.good_exit_codes.end(), outcome.exit_code) == run.good_exit_codes.end()) {
    d.text = tool.name + " failed with exit code " + std::to_string(outcome.exit_code);
    d.hint = "'--log-level debug' shows all it printed";
    throw Failure(LATHE_FAILED, std::move(d));
  }
  if (run.success_pattern && !log.succeeded) {
    d.text = tool.name + " ended as if all were well, but never said so";
    d.expected = std::string("a line with '") + run.success_pattern + "'";
    throw Failure(LATHE_FAILED, std::move(d));
  }
  for (size_t i = 0; i < run.wanted_files.size(); ++i) {
    const FileState after = state_of(run.directory + "/" + run.wanted_files[i]);
    if (after.size > 0 && !(after == before[i])) continue;
    d.text = tool.name + " ended as if all were well, but " +
             (after.size < 0    ? "did not write"
              : after.size == 0 ? "left empty"
                                : "did not touch") +
             " the file '" + run.wanted_files[i] + "'";
    throw Failure(LATHE_FAILED, std::move(d));
  }
  return outcome;
}

std::string shell_quoted(std::string_view word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::strchr("_-+=./:,@%", c);
  });
  if (plain) return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace lathe::sdk
