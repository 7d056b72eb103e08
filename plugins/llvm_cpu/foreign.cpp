// Starts the runner through the family's own loader and C library, which lie in the plugin's data folder, so that nothing of that family
// has to be installed but the emulator.
#include "foreign.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

extern char** environ;

namespace lathe::llvm_cpu {
namespace {

// A write to a runner that died must be an error, not a signal to the whole process.
class IgnoreBrokenPipe {
 public:
  IgnoreBrokenPipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~IgnoreBrokenPipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    const timespec none{};
    while (sigtimedwait(&set, nullptr, &none) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_;
};

}  // namespace

std::string find_emulator(const Family& family) {
  const char* path = std::getenv("PATH");
  std::string_view folders = path ? path : "";
  while (!folders.empty()) {
    const size_t end = std::min(folders.find(':'), folders.size());
    // Debian names the static build qemu-ARCH-static, others plainly qemu-ARCH.
    const std::string with_suffix = std::string(folders.substr(0, end)) + "/" + family.emulator;
    const std::string plain = with_suffix.substr(0, with_suffix.size() - std::strlen("-static"));
    for (const std::string& candidate : {with_suffix, plain})
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return "";
}

ForeignModel::ForeignModel(const Family& family, const std::string& data, const sdk::LoadRequest& request) {
  const std::string emulator = find_emulator(family), folder = data + "/" + family.name;
  if (emulator.empty())
    throw sdk::Failure(LATHE_UNSUPPORTED,
                       "'" + request.path + "' is for " + family.description + ", and there is no " + family.emulator + " to run it with",
                       "install qemu-user-static, or run it on such a machine");
  if (!std::filesystem::exists(folder + "/runner"))
    throw sdk::Failure(LATHE_UNSUPPORTED,
                       "'" + request.path + "' is for " + family.description + ", and this plugin was built without that family's C library",
                       "run it on such a machine");
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) throw sdk::Failure(LATHE_FAILED, std::string("cannot make a pipe: ") + std::strerror(errno));
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]), close(in[1]);
    throw sdk::Failure(LATHE_FAILED, std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  std::vector<std::string> words = {emulator,
                                    "-cpu",
                                    "max",
                                    folder + "/" + family.loader,
                                    "--library-path",
                                    folder,
                                    folder + "/runner",
                                    request.path,
                                    std::to_string(request.threads),
                                    request.profile ? "1" : "0"};
  // qemu's RISC-V knows no "max" before version 8.
  if (family.family == Machine::Family::riscv64) words.erase(words.begin() + 1, words.begin() + 3);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const int failed = posix_spawn(&process_, emulator.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
  try {
    if (failed) {
      process_ = -1;
      throw sdk::Failure(LATHE_FAILED, "cannot start " + emulator + ": " + std::strerror(failed));
    }
    await_success();
  } catch (...) {
    this->~ForeignModel();
    throw;
  }
}

ForeignModel::~ForeignModel() {
  if (to_ >= 0) close(to_);
  if (from_ >= 0) close(from_);
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
}

void ForeignModel::send(const void* bytes, uint64_t size) {
  const IgnoreBrokenPipe guard;
  const char* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = write(to_, from, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw sdk::Failure(LATHE_FAILED, "the emulated artifact stopped while it was given its inputs");
    from += n;
    size -= static_cast<uint64_t>(n);
  }
}

void ForeignModel::receive(void* bytes, uint64_t size) {
  char* to = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t n = read(from_, to, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw sdk::Failure(LATHE_FAILED, "the emulated artifact stopped without an answer");
    to += n;
    size -= static_cast<uint64_t>(n);
  }
}

void ForeignModel::await_success() {
  uint32_t head[2];
  receive(head, sizeof head);
  if (head[0] == 0) return;
  std::string text(std::min<uint32_t>(head[1], 4096), ' ');
  receive(text.data(), text.size());
  throw sdk::Failure(LATHE_FAILED, text);
}

void ForeignModel::run(sdk::Run& run, const std::vector<int32_t>& output_types) {
  const uint32_t command = 1;
  send(&command, sizeof command);
  for (size_t i = 0; i < run.input_count(); ++i) {
    const sdk::BufferView input = run.input(i);
    if (input.kind() != LATHE_KIND_TENSOR || input.type() == LATHE_STRING)
      throw sdk::Failure(LATHE_UNSUPPORTED, "emulated artifacts are given tensors of numbers only: no strings, sequences or optionals");
    const uint64_t rank = input.dimensions().size(), bytes = input.bytes();
    send(&rank, sizeof rank);
    send(input.dimensions().data(), rank * sizeof(int64_t));
    send(&bytes, sizeof bytes);
    send(input.data(), bytes);
  }
  await_success();
  for (uint32_t i = 0; i < output_types.size(); ++i) {
    uint64_t rank = 0, bytes = 0;
    receive(&rank, sizeof rank);
    if (rank > 64) throw sdk::Failure(LATHE_INTERNAL, "the emulated artifact answered with an output of rank " + std::to_string(rank));
    std::vector<int64_t> dimensions(rank);
    receive(dimensions.data(), rank * sizeof(int64_t));
    receive(&bytes, sizeof bytes);
    receive(run.output(i, output_types[i], dimensions, bytes), bytes);
  }
}

ForeignModel::Profile ForeignModel::profile() {
  const uint32_t command = 2;
  send(&command, sizeof command);
  await_success();
  uint64_t head[2];
  receive(head, sizeof head);
  Profile profile;
  profile.scratch_bytes = head[0];
  for (uint64_t i = 0; i < head[1]; ++i) {
    uint64_t times[2];
    receive(times, sizeof times);
    profile.times.emplace_back(times[0], times[1]);
  }
  return profile;
}

}  // namespace lathe::llvm_cpu
