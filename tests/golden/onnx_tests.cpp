// golden_onnx_tests --engine reference|TARGET [--refused FILE | --rules FILE] [--jobs N] [--timings] [SUBSTRING]: all of the ONNX project's own tests
// in one engine.
//
// Prints one line for each failure with its reason, and `ENGINE: N passed, N failed` at the end. onnx_exclusions.txt lists the tests that
// are known not to pass, each with a reason, some for one engine only; a line that names no test, or one that passes, is stale and fails the run. In
// a run of all tests by the reference, every operator of ONNX's domains that Lathe has must stand in at least one test that passed, or in
// onnx_uncovered.txt. Exit code 77: the data is absent.
//
// --refused names the operators that the target may refuse, each with the rule of its format ("Operator: rule"): a test that it does not take for
// such a node counts as refused, one that it does not take for another node as failed, and in a run of all tests a line that nothing needs is stale.
// --rules is the same with rules that have " | " between them, one of which must stand in the sentence of each refusal.
#include "onnx_tests.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/ops/operator.hpp"

using namespace lathe;
using namespace lathe::golden;

namespace {

constexpr size_t most_exclusions = 40;

struct Arguments {
  std::string engine, wanted, refused;
  unsigned jobs = 2;
  bool timings = false, rules = false;
};

// Lines "name: reason"; '#' begins a comment.
std::map<std::string, std::string> read_reasons(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw Error(Code::failed, "cannot read " + file);
  std::map<std::string, std::string> reasons;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(": ");
    if (colon == std::string::npos || colon + 12 > line.size()) throw Error(Code::failed, file + ": this line gives no reason: " + line);
    if (!reasons.emplace(line.substr(0, colon), line.substr(colon + 2)).second) throw Error(Code::failed, file + ": twice: " + line);
  }
  return reasons;
}

bool check_coverage(const std::set<std::string>& covered) {
  const std::map<std::string, std::string> uncovered = read_reasons(std::string(LATHE_GOLDEN_SOURCE) + "/onnx_uncovered.txt");
  std::set<std::string> known;
  bool good = true;
  for (const Operator* op : operators()) {
    const std::string name = std::string(op->domain) + ":" + std::string(op->name);
    const std::string written = op->domain.empty() ? std::string(op->name) : std::string(op->domain) + "." + std::string(op->name);
    known.insert(written);
    if (!op->domain.empty() && op->domain != "ai.onnx.ml") continue;  // the ONNX project tests its own domains
    if (covered.contains(name) == uncovered.contains(written)) {
      std::printf("%s: %s\n", written.c_str(), covered.contains(name) ? "stands in onnx_uncovered.txt, but a test passed" : "no test of it passed");
      good = false;
    }
  }
  for (const auto& [name, reason] : uncovered) {
    if (known.contains(name)) continue;
    std::printf("onnx_uncovered.txt names %s, which is no operator\n", name.c_str());
    good = false;
  }
  return good;
}

// The operators of the nodes that the target does not take, by the sentences that claiming ends in, with the reasons; empty: it failed otherwise.
std::multimap<std::string, std::string> refused_operators(const std::string& reason) {
  std::multimap<std::string, std::string> operators;
  constexpr std::string_view verdict = " does not take it: ";
  for (size_t at = 0; (at = reason.find("): ", at)) != std::string::npos; at += 3) {
    const size_t open = reason.rfind('(', at);
    const std::string_view rest = std::string_view(reason).substr(at + 3);
    const size_t told = rest.find(verdict);
    if (open == std::string::npos || told >= 80 || rest.substr(0, told).find(' ') != std::string_view::npos) continue;
    const std::string_view why = rest.substr(told + verdict.size());
    operators.emplace(reason.substr(open + 1, at - open - 1), std::string(why.substr(0, why.find("error: node '"))));
  }
  return operators;
}

// Whether a sentence says one of the rules, which have " | " between them.
bool says_one_of(std::string_view rules, std::string_view sentence) {
  while (true) {
    const size_t bar = rules.find(" | ");
    if (sentence.find(rules.substr(0, bar)) != std::string_view::npos) return true;
    if (bar == std::string_view::npos) return false;
    rules.remove_prefix(bar + 3);
  }
}

int run(const Arguments& arguments) {
  const std::string root = std::string(LATHE_GOLDEN) + "/onnx-tests/data";
  if (!std::filesystem::exists(root)) {
    std::printf("SKIPPED: %s is absent\n", root.c_str());
    return 77;
  }
  const std::map<std::string, std::string> lines = read_reasons(std::string(LATHE_GOLDEN_SOURCE) + "/onnx_exclusions.txt");
  if (lines.size() > most_exclusions) throw Error(Code::failed, "onnx_exclusions.txt has more than " + std::to_string(most_exclusions) + " lines");
  // "ENGINE NAME" holds for one engine.
  std::set<std::string> exclusions;
  for (const auto& [line, reason] : lines) {
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.substr(0, space) == arguments.engine)
      exclusions.insert(line.substr(space == std::string::npos ? 0 : space + 1));
  }

  std::vector<OnnxTest> tests = find_onnx_tests(root);
  size_t stale = 0;
  for (const std::string& name : exclusions) {
    if (std::any_of(tests.begin(), tests.end(), [&](const OnnxTest& t) { return t.name == name; })) continue;
    std::printf("STALE    %s: there is no such test\n", name.c_str());
    ++stale;
  }
  std::erase_if(tests, [&](const OnnxTest& t) { return t.name.find(arguments.wanted) == std::string::npos; });

  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  plugins->load("onnx");
  const std::string folder = std::string(LATHE_GOLDEN) + "/compiled/onnx_tests";
  const Engine engine = arguments.engine == "reference" ? reference_engine() : compiled_engine(*plugins, arguments.engine, folder);

  const auto start = std::chrono::steady_clock::now();
  std::map<std::string, Outcome> outcomes;
  std::set<std::string> covered;
  PoolOptions pool;
  pool.workers = arguments.jobs;
  run_in_processes(
      tests.size(), pool, [&](size_t i) { return run_onnx_test(tests[i], *plugins, engine); },
      [&](size_t i, Outcome outcome) {
        if (outcome.passed) covered.insert(outcome.operators.begin(), outcome.operators.end());
        outcomes.emplace(tests[i].name, std::move(outcome));
      });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  const std::map<std::string, std::string> refusable =
      arguments.refused.empty() ? std::map<std::string, std::string>() : read_reasons(arguments.refused);
  std::set<std::string> needed;
  const auto is_refused = [&](const Outcome& outcome) {
    const std::multimap<std::string, std::string> operators = refused_operators(outcome.reason);
    for (const auto& [op, why] : operators) {
      const auto rules = refusable.find(op);
      if (rules == refusable.end() || (arguments.rules && !says_one_of(rules->second, why))) return false;
    }
    for (const auto& entry : operators) needed.insert(entry.first);
    return !operators.empty();
  };
  size_t passed = 0, failed = 0, excluded = 0, refused = 0;
  for (const OnnxTest& test : tests) {
    const Outcome& outcome = outcomes.at(test.name);
    const bool listed = exclusions.contains(test.name);
    if (arguments.timings) std::printf("%8.3f s %s\n", outcome.seconds, test.name.c_str());
    if (outcome.passed && listed) {
      std::printf("STALE    %s: it passes\n", test.name.c_str());
      ++stale;
    } else if (outcome.passed) {
      ++passed;
    } else if (listed) {
      ++excluded;
    } else if (is_refused(outcome)) {
      ++refused;
    } else {
      std::printf("FAILED   %s: %s\n", test.name.c_str(), outcome.reason.c_str());
      ++failed;
    }
  }
  for (const auto& [op, rule] : refusable) {
    if (!arguments.wanted.empty() || needed.contains(op)) continue;
    std::printf("STALE    %s: no test was refused for it\n", op.c_str());
    ++stale;
  }
  bool good = failed == 0 && stale == 0;
  if (arguments.wanted.empty() && arguments.engine == "reference") good = check_coverage(covered) && good;
  std::printf("%s: %zu passed, %zu failed (%zu refused, %zu excluded, %zu stale lines, %.0f s)\n", arguments.engine.c_str(), passed, failed, refused,
              excluded, stale, seconds);
  return good && passed > 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) try {
  Arguments arguments;
  bool right = true;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--engine" && i + 1 < count) {
      arguments.engine = words[++i];
    } else if (word == "--refused" && i + 1 < count) {
      arguments.refused = words[++i];
    } else if (word == "--rules" && i + 1 < count) {
      arguments.refused = words[++i];
      arguments.rules = true;
    } else if (word == "--jobs" && i + 1 < count) {
      arguments.jobs = unsigned(std::max(1, std::atoi(words[++i])));
    } else if (word == "--timings") {
      arguments.timings = true;
    } else if (word.starts_with("--") || !arguments.wanted.empty()) {
      right = false;
    } else {
      arguments.wanted = word;
    }
  }
  if (!right || arguments.engine.empty()) {
    std::printf("usage: golden_onnx_tests --engine reference|TARGET [--refused FILE | --rules FILE] [--jobs N] [--timings] [SUBSTRING]\n");
    return 2;
  }
  return run(arguments);
} catch (const lathe::Error& error) {
  for (const lathe::Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
  return 1;
}
