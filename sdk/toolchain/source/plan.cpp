// Running a plan here, and taking up one that was interrupted.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "lathe/bundle.hpp"

namespace lathe::sdk {
namespace {

std::string located(std::string text, const std::string& folder) {
  const std::string_view mark = folder_mark;
  for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += folder.size()) text.replace(at, mark.size(), folder);
  return text;
}

bool read_file(const std::string& path, std::string& bytes) {
  std::ifstream file(path, std::ios::binary);
  bytes.assign(std::istreambuf_iterator<char>(file), {});
  return file.is_open() && !file.bad();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
  if (!file) throw Failure(LATHE_FAILED, "'" + path + "' cannot be written: " + std::strerror(errno));
}

// FNV-1a, 64 bits, twice with different offsets: tells one's own files apart, keeps no adversary away.
class Digest {
 public:
  void add(std::string_view bytes) {
    mix(std::to_string(bytes.size()) + ":");
    mix(bytes);
  }
  std::string text() const {
    char hex[40];
    std::snprintf(hex, sizeof hex, "%016llx%016llx", static_cast<unsigned long long>(a_), static_cast<unsigned long long>(b_));
    return hex;
  }

 private:
  void mix(std::string_view bytes) {
    for (const char c : bytes) {
      a_ = (a_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
      b_ = (b_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull ^ b_ >> 47;
    }
  }
  uint64_t a_ = 0xcbf29ce484222325ull, b_ = 0x84222325cbf29ce4ull;
};

// One compile at a time in a folder that is kept.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder) : descriptor_(::open((folder + "/.lathe-lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) throw Failure(LATHE_FAILED, "nothing can be written to '" + folder + "': " + std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw Failure(LATHE_FAILED, "another compile is at work in '" + folder + "'", "wait for it, or name another folder");
    }
  }
  ~FolderLock() { ::close(descriptor_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

// What a step's result depends on: the step before it, the tool, its arguments and its inputs.
std::string step_key(const std::string& before, const Tool& tool, const ToolRun& run, const std::string& folder) {
  Digest digest;
  digest.add(before), digest.add(tool.name), digest.add(tool.version.text()), digest.add(tool.container), digest.add(run.program ? run.program : "");
  for (const auto* list : {&run.arguments, &run.environment, &run.wanted_files}) {
    digest.add(std::to_string(list->size()));
    for (const std::string& word : *list) digest.add(word);
  }
  for (const std::string& name : run.inputs) {
    std::string bytes;
    digest.add(name), digest.add(read_file(folder + "/" + name, bytes) ? bytes : "absent");
  }
  return digest.text();
}

// The results of a step, so that files that were changed or cut short since do not count.
std::string result_key(const ToolRun& run, const std::string& folder) {
  Digest digest;
  for (const std::string& name : run.wanted_files) {
    std::string bytes;
    if (!read_file(folder + "/" + name, bytes) || bytes.empty()) return {};
    digest.add(bytes);
  }
  return run.wanted_files.empty() ? std::string() : digest.text();
}

}  // namespace

std::vector<ToolOutcome> run_plan(const Host& host, const Tool& tool, const ToolPlan& plan, const std::string& folder) {
  if (tool.container.empty()) check_machine(host, plan.tool, folder);
  std::optional<FolderLock> lock;
  if (plan.resume) lock.emplace(folder);
  for (const LocatedFile& file : plan.located_files) write_file(folder + "/" + file.name, located(file.text, folder));
  std::vector<ToolOutcome> outcomes;
  std::string key;
  for (size_t i = 0; i < plan.runs.size(); ++i) {
    ToolRun run = plan.runs[i];
    run.directory = folder;
    for (std::string& word : run.arguments) word = located(std::move(word), folder);
    const std::string stamp = folder + "/.lathe-step-" + std::to_string(i + 1);
    if (plan.resume) {
      key = step_key(key, tool, run, folder);
      std::string left;
      const std::string result = result_key(run, folder);
      if (!result.empty() && read_file(stamp, left) && left == key + " " + result) {
        host.note("step " + std::to_string(i + 1) + " of " + std::to_string(plan.runs.size()) + " was done before in '" + folder +
                  "' and is not repeated");
        outcomes.emplace_back();
        continue;
      }
      ::unlink(stamp.c_str());
    }
    outcomes.push_back(run_tool(host, tool, run));
    if (plan.resume) write_file(stamp, key + " " + result_key(run, folder));
  }
  return outcomes;
}

}  // namespace lathe::sdk
