// differential: random models, each run by the reference engine, by a native target and by ONNX Runtime, which is the judge since the other
// two share their kernels.
//
//   differential [--count N] [--seed S] [--only Operator,...] [--jobs N] [--onnxruntime FOLDER] [--without-native] [--level L] [--verbose] [--print]
//   differential --seed S --count 1        repeats one model, as a failure prints it
//
// Seeds S..S+N-1 each name one model. A difference is shrunk and printed as ONNX text with its seed. The models run in child processes, so that a
// crash or an endless loop is a difference too; so is a model that ONNX Runtime calls invalid, while one that it has no kernel for is counted. A
// long run leaves the native target out (--without-native): it compiles each model, which takes some fifty times as long as all the rest; with
// --level 1, half of that. FOLDER
// holds node_modules/onnxruntime-node (scripts/get_onnxruntime.sh makes it).
// Exit code: 0 no difference, 1 differences, or ONNX Runtime judged less than half of the models, 2 usage.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>

#include "core/plugin/plugins.hpp"
#include "draft.hpp"
#include "engines.hpp"
#include "judge.hpp"
#include "shrink.hpp"

namespace fs = std::filesystem;
using namespace lathe;
using namespace lathe::differential;

namespace {

constexpr unsigned longest_seconds = 120;  // for one model; reached only by an endless loop
constexpr uint64_t slice = 500;            // models per child process
constexpr size_t most_operators = 1024;

struct Options {
  uint64_t count = 200, seed = 1;
  unsigned jobs = 1;
  std::string onnxruntime;
  std::vector<std::string> only;
  std::string level = "3";  // of the native target's code generator; 1 makes a long run twice as fast
  bool native = true, verbose = false, list = false;
};

// What the children count, in memory that all of them share.
struct Counters {
  std::atomic<uint64_t> graphs, nodes, judged, excused, unjudged, native, native_refused, differences;
  std::atomic<uint64_t> drawn_by_operator[most_operators], judged_by_operator[most_operators], native_by_operator[most_operators];
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    if (end > at) words.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// The engines of one process.
class Engines {
 public:
  explicit Engines(const Options& options) : options_(options) {
    char pattern[] = "/tmp/lathe-differential-XXXXXX";
    if (!::mkdtemp(pattern)) throw Error(Code::failed, "no temporary folder");
    folder_ = pattern;
    PluginSearch search;
    search.program = LATHE_PROGRAM;
    search.explicit_paths = {LATHE_PLUGIN_FOLDER};
    plugins_ = Plugins::discover(search, {});
    if (options.native) native_.emplace(*plugins_, "llvm_cpu", folder_ + "/native", options.level);
    if (!options.onnxruntime.empty()) judge_ = std::make_unique<OnnxRuntime>(*plugins_, options.onnxruntime, folder_ + "/onnx");
  }
  ~Engines() { fs::remove_all(folder_); }
  Engines(const Engines&) = delete;
  Engines& operator=(const Engines&) = delete;

  struct Verdict {
    std::string difference;            // empty: none
    bool judged = false, ran = false;  // by the other runtime; on the native target
    std::string excuse, unjudged, native_refused;
  };

  Verdict judge(const Sample& sample) {
    Verdict v;
    const Outcome expected = run_on_reference(sample);
    // Types that the samples' own casts do not take, such as complex numbers, are no difference.
    if (expected.state != Outcome::State::ran && expected.reason.find("has a type that the operator does not take") != std::string::npos) {
      v.unjudged = expected.reason;
      return v;
    }
    if (expected.state != Outcome::State::ran) {
      v.difference = "the reference engine fails on a model that it ran node by node: " + expected.reason;
      return v;
    }
    if (judge_) {
      v.excuse = excused(sample, expected.values);
      if (v.excuse.empty()) {
        Outcome other;
        try {
          other = judge_->run(sample);
        } catch (const Error& error) {
          judge_ = std::make_unique<OnnxRuntime>(*plugins_, options_.onnxruntime, folder_ + "/onnx");
          other = {Outcome::State::failed, {}, error.what()};
        }
        if (other.state == Outcome::State::refused) v.unjudged = other.reason;
        // One of the two reads a signature too narrowly or too widely.
        if (other.state == Outcome::State::failed) v.difference = "ONNX Runtime refuses the model: " + other.reason;
        if (other.state == Outcome::State::ran) {
          v.judged = true;
          if (const auto what = difference(sample, expected.outputs, other.outputs)) v.difference = "reference against ONNX Runtime: " + *what;
        }
      }
    }
    if (!v.difference.empty() || !native_) return v;
    const Outcome found = native_->run(sample);
    if (found.state == Outcome::State::refused) v.native_refused = found.reason;
    if (found.state == Outcome::State::failed) v.difference = "the native target fails: " + found.reason;
    if (found.state == Outcome::State::ran) {
      v.ran = true;
      if (const auto what = difference(sample, found.outputs, expected.outputs)) v.difference = "native target against reference: " + *what;
    }
    return v;
  }

 private:
  const Options& options_;
  std::string folder_;
  std::unique_ptr<Plugins> plugins_;
  std::optional<NativeTarget> native_;
  std::unique_ptr<OnnxRuntime> judge_;
};

size_t operator_index(const Node& node) {
  const auto all = operators();
  const Operator* op = find_operator(node.domain, node.op_type);
  return size_t(std::find(all.begin(), all.end(), op) - all.begin());
}

void print(uint64_t seed, const std::string& what, const Sample& sample) {
  std::string text = "\n==== seed " + std::to_string(seed) + ": " + what + "\n" + differential::to_text(sample) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void count(Counters& counters, const Sample& sample, const Engines::Verdict& v) {
  ++counters.graphs;
  counters.nodes += sample.graph.nodes.size();
  counters.judged += v.judged;
  counters.excused += !v.excuse.empty();
  counters.unjudged += !v.unjudged.empty();
  counters.native += v.ran;
  counters.native_refused += !v.native_refused.empty();
  for (const Node& node : sample.graph.nodes) {
    const size_t i = std::min(operator_index(node), most_operators - 1);
    ++counters.drawn_by_operator[i];
    counters.judged_by_operator[i] += v.judged;
    counters.native_by_operator[i] += v.ran;
  }
}

// Runs in a child: the seeds from `current` on. `current` is kept so that the parent knows where a crash happened.
void run_slice(const Options& options, Counters& counters, std::atomic<uint64_t>& current, uint64_t end, uint64_t step) {
  Engines engines(options);
  std::map<std::string, int> refusals, unjudged, excuses, not_taken;
  for (; current < end; current += step) {
    ::alarm(longest_seconds);
    const uint64_t seed = current;
    const Sample sample = generate(seed, options.only, &refusals);
    if (sample.graph.nodes.empty()) continue;
    if (options.list) print(seed, "as asked", sample);
    const Engines::Verdict v = engines.judge(sample);
    count(counters, sample, v);
    ++unjudged[v.unjudged], ++excuses[v.excuse], ++not_taken[v.native_refused];
    if (v.difference.empty()) continue;
    ++counters.differences;
    const std::string kind = v.difference.substr(0, v.difference.find(':'));
    const Sample small = shrink(copy(sample), [&](const Sample& s) {
      const Engines::Verdict again = engines.judge(s);
      return again.difference.substr(0, again.difference.find(':')) == kind;
    });
    print(seed, engines.judge(small).difference, small);
  }
  if (options.verbose)
    for (const auto& [title, table] : {std::pair("refused by Lathe", &refusals), std::pair("not judged", &unjudged),
                                       std::pair("known difference", &excuses), std::pair("not taken by the native target", &not_taken)})
      for (const auto& [text, times] : *table)
        if (!text.empty()) std::printf("%s: %d times: %s\n", title, times, text.c_str());
  std::fflush(stdout);
}

// A sample's verdict in a child process: true when the child dies of a signal.
bool crashes(const Options& options, const Sample& sample) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(longest_seconds / 4);
    Options alone = options;
    alone.onnxruntime.clear();
    try {
      Engines(alone).judge(sample);
    } catch (const Error&) {
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

struct Child {
  pid_t pid = -1;
  uint64_t end = 0;
};

int run(const Options& options) {
  void* memory = ::mmap(nullptr, sizeof(Counters) + 64 * sizeof(std::atomic<uint64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error(Code::failed, "no shared memory");
  Counters& counters = *new (memory) Counters();
  auto* current = new (static_cast<char*>(memory) + sizeof(Counters)) std::atomic<uint64_t>[64]();
  const uint64_t end = options.seed + options.count;
  std::vector<Child> children(options.jobs);
  for (unsigned job = 0; job < options.jobs; ++job) current[job] = options.seed + job;
  const auto start = [&](unsigned job) {
    if (current[job] >= end) return;
    children[job].end = std::min(end, current[job] + slice * options.jobs);
    std::fflush(stdout);
    children[job].pid = ::fork();
    if (children[job].pid != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int code = 0;
    try {
      run_slice(options, counters, current[job], children[job].end, options.jobs);
    } catch (const Error& error) {
      std::printf("%s\n", error.what());
      code = 3;
    }
    std::fflush(stdout);
    ::_exit(code);
  };
  for (unsigned job = 0; job < options.jobs; ++job) start(job);
  bool good = true;
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    if (pid < 0) break;
    for (unsigned job = 0; job < options.jobs; ++job) {
      if (children[job].pid != pid) continue;
      if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return 1;
      if (WIFSIGNALED(status)) {
        const uint64_t seed = current[job];
        ++counters.differences;
        std::printf("\n==== seed %llu: crashed or hung, signal %d\n", static_cast<unsigned long long>(seed), WTERMSIG(status));
        std::fflush(stdout);
        const pid_t printer = ::fork();  // drawing the model may be what crashes
        if (printer == 0) {
          ::alarm(600);
          Sample sample = generate(seed, options.only);
          if (crashes(options, sample)) sample = shrink(std::move(sample), [&](const Sample& s) { return crashes(options, s); });
          print(seed, "crashes", sample);
          ::_exit(0);
        }
        ::waitpid(printer, nullptr, 0);
        current[job] += options.jobs;
      }
      start(job);
    }
  }
  good = good && counters.differences == 0;
  // A judge that hardly ever judges finds nothing: something is wrong with it, or with what is drawn.
  const bool silent = !options.onnxruntime.empty() && options.only.empty() && counters.graphs >= 100 && counters.judged * 2 < counters.graphs;
  const auto number = [](const std::atomic<uint64_t>& n) { return static_cast<unsigned long long>(n.load()); };
  std::printf("%llu models with %llu nodes, seeds %llu to %llu\n", number(counters.graphs), number(counters.nodes),
              static_cast<unsigned long long>(options.seed), static_cast<unsigned long long>(end - 1));
  std::printf("ONNX Runtime judged %llu, has no kernel for %llu, known differences %llu\n", number(counters.judged), number(counters.unjudged),
              number(counters.excused));
  std::printf("the native target ran %llu, did not take %llu\n", number(counters.native), number(counters.native_refused));
  if (options.verbose) {
    size_t i = 0;
    for (const Operator* op : operators()) {
      std::printf("%-28s drawn %6llu judged %6llu native %6llu\n", std::string(op->name).c_str(), number(counters.drawn_by_operator[i]),
                  number(counters.judged_by_operator[i]), number(counters.native_by_operator[i]));
      ++i;
    }
  }
  std::printf("%llu differences\n", number(counters.differences));
  if (silent) std::printf("ONNX Runtime judged less than half of the models\n");
  return good && !silent ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  try {
    for (int i = 1; i < count; ++i) {
      const std::string flag = arguments[i];
      const auto next = [&]() -> std::string {
        if (i + 1 >= count) throw Error(Code::usage, flag + " needs a value");
        return arguments[++i];
      };
      if (flag == "--count")
        options.count = std::stoull(next());
      else if (flag == "--seed")
        options.seed = std::stoull(next());
      else if (flag == "--jobs")
        options.jobs = unsigned(std::stoul(next()));
      else if (flag == "--only")
        options.only = split(next());
      else if (flag == "--onnxruntime")
        options.onnxruntime = next();
      else if (flag == "--without-native")
        options.native = false;
      else if (flag == "--level")
        options.level = next();
      else if (flag == "--verbose")
        options.verbose = true;
      else if (flag == "--print")
        options.list = true;
      else
        throw Error(Code::usage, "unknown option " + flag);
    }
    if (options.jobs < 1 || options.jobs > 64) throw Error(Code::usage, "--jobs takes 1 to 64");
    return run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
