// Staging over rename(2) and, where something older stands in the way, renameat2(2) with RENAME_EXCHANGE; the guardian over a pipe that breaks.
#include "core/job/staging.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "core/base/diagnostic.hpp"
#include "core/files/write_file.hpp"

namespace lathe {
namespace fs = std::filesystem;
namespace {

// Processes that work in a folder: helpers of a tool that its own end did not end.
void kill_inhabitants(const std::string& folder) {
  DIR* processes = ::opendir("/proc");
  if (!processes) return;
  while (const dirent* entry = ::readdir(processes)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0 || pid == ::getpid()) continue;
    char place[4096];
    const ssize_t size = ::readlink(("/proc/" + std::string(entry->d_name) + "/cwd").c_str(), place, sizeof place);
    if (size < static_cast<ssize_t>(folder.size())) continue;
    const std::string_view found(place, static_cast<size_t>(size));
    if (found.substr(0, folder.size()) == folder && (found.size() == folder.size() || found[folder.size()] == '/')) ::kill(pid, SIGKILL);
  }
  ::closedir(processes);
}

// Until the pipe says that all is well, or breaks: then the folders go, with those who still write there.
[[noreturn]] void guard(int pipe, const std::vector<std::string>& folders, const std::string& parent, const std::string& made) {
  char all_is_well = 0;
  ssize_t n = 0;
  do n = ::read(pipe, &all_is_well, 1);
  while (n < 0 && errno == EINTR);
  if (n > 0) ::_exit(0);
  std::error_code ignored;
  const auto any_left = [&] { return std::any_of(folders.begin(), folders.end(), [&](const std::string& f) { return fs::exists(f, ignored); }); };
  // Killed processes may take a moment to be gone.
  for (int round = 0; round < 100 && any_left(); ++round) {
    for (const std::string& folder : folders) {
      kill_inhabitants(folder);
      fs::remove_all(folder, ignored);
    }
    ::usleep(20000);
  }
  if (!made.empty())
    for (fs::path at = parent; at.string().size() >= made.size(); at = at.parent_path())
      if (::rmdir(at.c_str()) != 0) break;
  ::_exit(0);
}

// A name that nothing has yet: chosen before the folder is made, so that the guardian knows it first.
std::string fresh_name(const std::string& begin) {
  std::random_device random;
  for (int turn = 0;; ++turn) {
    std::string name = begin;
    for (int i = 0; i < 10; ++i) name += "abcdefghijklmnopqrstuvwxyz0123456789"[random() % 36];
    std::error_code ignored;
    if (turn == 100 || !fs::exists(fs::symlink_status(name, ignored))) return name;
  }
}

std::string temporary_folder() {
  std::error_code none;
  const fs::path folder = fs::temp_directory_path(none);
  return none ? std::string("/tmp") : fs::absolute(folder).string();
}

}  // namespace

Guardian::Guardian(std::vector<std::string> folders, const std::string& parent, const std::string& made) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return;
  const pid_t between = ::fork();
  if (between == 0) {
    // Once more, so that it is nobody's child: whoever ends our descendants must not end it.
    if (::fork() != 0) ::_exit(0);
    ::setsid();
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT}) std::signal(signal, SIG_IGN);
    [[maybe_unused]] const int moved = ::chdir("/");
    ::dup2(ends[0], 0);
    // Nothing of ours stays open in it, for whoever reads what we print waits for its end.
    ::close_range(1, ~0u, 0);
    guard(0, folders, parent, made);
  }
  ::close(ends[0]);
  if (between < 0) {
    ::close(ends[1]);
    return;
  }
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  pipe_ = ends[1];
}

Guardian::~Guardian() {
  if (pipe_ < 0) return;
  // Where the guardian is gone already this raises SIGPIPE, which must not end us.
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  [[maybe_unused]] const ssize_t told = ::write(pipe_, "", 1);
  std::signal(SIGPIPE, before);
  ::close(pipe_);
}

Staging::Staging(const std::string& parent) : parent_(fs::absolute(parent).lexically_normal().string()) {
  if (parent_.size() > 1 && parent_.ends_with('/')) parent_.pop_back();
  for (fs::path at = parent_; !at.empty() && !fs::exists(fs::symlink_status(at)); at = at.parent_path()) made_ = at.string();
  path_ = fresh_name(parent_ + "/.lathe-"), scratch_ = fresh_name(temporary_folder() + "/lathe-");
  guardian_.emplace(std::vector<std::string>{path_, scratch_}, parent_, made_);
  std::error_code error;
  fs::create_directories(parent_, error);
  if (error) fail_errno("make the folder", parent_, error.value());
  const auto refuse = [&](const std::string& folder) {
    const int problem = errno;
    ::rmdir(path_.c_str());
    if (!made_.empty()) fs::remove_all(made_, error);
    fail_errno("write into", folder, problem);
  };
  if (::mkdir(path_.c_str(), 0755) != 0) refuse(parent_);
  ::chmod(path_.c_str(), 0755);  // whatever the mask says
  if (::mkdir(scratch_.c_str(), 0700) != 0) refuse(temporary_folder());
}

Staging::~Staging() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  fs::remove_all(scratch_, ignored);
  if (!published_ && !made_.empty())
    for (fs::path at = parent_; at.string().size() >= made_.size(); at = at.parent_path())
      if (::rmdir(at.c_str()) != 0) break;
}

void Staging::publish_folder(const std::string& name) {
  std::string destination = parent_ + "/" + name;
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, destination.c_str(), RENAME_NOREPLACE) == 0) {
    published_ = true;
    return;
  }
  if (errno != EEXIST && errno != EINVAL && errno != ENOSYS) fail_errno("write", destination, errno);
  std::error_code error;
  bool package =
      fs::is_directory(fs::symlink_status(destination)) && (fs::exists(destination + "/manifest.json") || fs::is_empty(destination, error));
  if (fs::exists(fs::symlink_status(destination)) && !package) {
    throw Error(Code::failed, "'" + destination + "' is in the way: it is no package that Lathe wrote",
                "move it away, or choose another folder with -o");
  }
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, destination.c_str(), RENAME_EXCHANGE) == 0) {
    published_ = true;  // what is at path_ now is the older package; the destructor removes it
    return;
  }
  // File systems without exchange: two renames, the older package kept until the newer one stands.
  std::string older = path_ + ".old";
  if (::rename(destination.c_str(), older.c_str()) != 0 && errno != ENOENT) fail_errno("replace", destination, errno);
  if (::rename(path_.c_str(), destination.c_str()) != 0) {
    int problem = errno;
    ::rename(older.c_str(), destination.c_str());
    fail_errno("write", destination, problem);
  }
  published_ = true;
  fs::remove_all(older, error);
}

void Staging::publish_file(const std::string& file, const std::string& destination) {
  std::string source = path_ + "/" + file;
  if (::rename(source.c_str(), destination.c_str()) != 0) fail_errno("write", destination, errno);
  published_ = true;
}

}  // namespace lathe
