// fork() before any thread exists, a shared page to remember what was being done, waitpid().
#include "core/cli/guard.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/cli/context.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {
namespace {

struct Page {
  int finished;
  char doing[1024];
};
Page* page = nullptr;  // of this process; set once, before the fork

}  // namespace

void doing(const std::string& what) {
  if (!page) return;
  size_t n = std::min(what.size(), sizeof page->doing - 1);
  std::memcpy(page->doing, what.data(), n);
  page->doing[n] = '\0';
}

int run_guarded(Context& context, const std::function<int()>& body) {
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return body();
  page = static_cast<Page*>(memory);
  std::fflush(nullptr);
  pid_t child = ::fork();
  if (child < 0) return body();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    rlimit core{0, 0};
    ::setrlimit(RLIMIT_CORE, &core);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
    std::FILE* results = ::fdopen(::dup(1), "w");
    if (results) context.results = results, ::dup2(2, 1);
    int code = body();
    bool written = std::fflush(context.results) == 0;
    if (!written) std::fprintf(stderr, "error: standard output cannot be written: %s\n", std::strerror(errno)), code = code ? code : 1;
    page->finished = 1;
    std::fflush(nullptr);
    ::_exit(code);
  }
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && page->finished) return WEXITSTATUS(status);
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGHUP))
    return static_cast<int>(Code::interrupted);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) {
    // Whoever read our output has had enough: we end as any program does then.
    std::signal(SIGPIPE, SIG_DFL);
    ::raise(SIGPIPE);
  }
  Diagnostic d;
  std::string what = page->doing[0] ? std::string(" while ") + page->doing : "";
  if (WIFSIGNALED(status)) {
    d.text = "the process crashed (" + std::string(::strsignal(WTERMSIG(status))) + ", signal " + std::to_string(WTERMSIG(status)) + ")" + what;
  } else {
    d.text = "the process was ended from within (exit code " + std::to_string(WEXITSTATUS(status)) + ")" + what;
  }
  d.hint = "this is a defect of the plugin that was at work, or of Lathe: report it with the command line and the file";
  context.say(d);
  if (context.json)
    context.print_json({{"error", {{"code", static_cast<int>(Code::internal)}, {"diagnostics", to_json(std::vector<Diagnostic>{d})}}}});
  return static_cast<int>(Code::internal);
}

}  // namespace lathe::cli
