// differential_written TARGET [--count N] [--seed S] [--only Operator,...] [--jobs N] [--refusals]: random models written for a target whose files
// are read back (or run) here, against the reference on the model itself. What the target refuses is counted, and listed with --refusals.
//
// Seeds S..S+N-1 each name one model, the same as the program `differential` draws; a model that is alone is printed. Exit code: 0 no difference, 1
// differences, 2 usage.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "../draft.hpp"
#include "../engines.hpp"
#include "../judge.hpp"
#include "core/base/diagnostic.hpp"
#include "core/ops/operator.hpp"
#include "core/plugin/plugins.hpp"
#include "golden/onnx_tests.hpp"

using namespace lathe;
using namespace lathe::differential;

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    if (end > at) words.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// What is written in several steps is rounded after each of them, which short floats show.
bool has_short_floats(const Graph& graph) {
  return std::any_of(graph.values.begin(), graph.values.end(),
                     [](const Value& v) { return v.type.element == DataType::float16 || v.type.element == DataType::bfloat16; });
}
bool has_unsigned_gemm(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& n) {
    if (n.op_type != "Gemm" || n.outputs.empty()) return false;
    const DataType t = graph.value(n.outputs[0]).type.element;
    return t == DataType::uint32 || t == DataType::uint64;
  });
}
bool near(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].type != DataType::float32 || expected[i].type != DataType::float32 || found[i].size() != expected[i].size()) continue;
    const auto a = found[i].as<float>(), b = expected[i].as<float>();
    float largest = 0;
    for (const float x : b) largest = std::max(largest, std::abs(x));
    for (size_t k = 0; k < a.size(); ++k)
      if (!(std::abs(a[k] - b[k]) <= 0.03f * largest)) return false;
  }
  return true;
}

// "passed", or a reason that begins with "refused: ", "unjudged: " or "different: ".
golden::Outcome look_at(const golden::Engine& engine, const Sample& sample) {
  golden::Outcome outcome;
  if (has_unsigned_gemm(sample.graph)) return {false, "unjudged: a Gemm of unsigned integers, whose negative alpha no standard defines", {}, 0};
  const Outcome expected = run_on_reference(sample);
  if (expected.state != Outcome::State::ran) return {false, "unjudged: " + expected.reason, {}, 0};
  NamedData inputs;
  for (const auto& [name, tensor] : sample.inputs) inputs.emplace(name, Datum(tensor));
  try {
    Graph graph = clone(sample.graph);
    infer_types(graph);
    const std::vector<Datum> found = engine(graph)(inputs);
    std::vector<Tensor> tensors;
    for (const Datum& d : found) tensors.push_back(d.tensor);
    const auto what = difference(sample, tensors, expected.outputs);
    if (what && !(has_short_floats(graph) && near(tensors, expected.outputs))) {
      outcome.reason = "different: " + *what;
    } else {
      outcome.passed = true;
    }
  } catch (const Error& error) {
    std::string text;
    for (const Diagnostic& d : error.diagnostics) text += (text.empty() ? "" : "; ") + d.sentence();
    outcome.reason = (text.find("does not take it") != std::string::npos ? "refused: " : "different: ") + text;
  }
  return outcome;
}

}  // namespace

int main(int count, char** words) try {
  std::string target;
  std::vector<std::string> only;
  uint64_t models = 200, seed = 1;
  golden::PoolOptions pool;
  bool refusals = false, right = true;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const bool more = i + 1 < count;
    if (word == "--count" && more) {
      models = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--seed" && more) {
      seed = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--only" && more) {
      only = split(words[++i]);
    } else if (word == "--jobs" && more) {
      pool.workers = std::max(1u, unsigned(std::strtoul(words[++i], nullptr, 10)));
    } else if (word == "--refusals") {
      refusals = true;
    } else if (word.starts_with("--") || !target.empty()) {
      right = false;
    } else {
      target = word;
    }
  }
  if (!right || target.empty()) {
    std::printf("usage: differential_written TARGET [--count N] [--seed S] [--only Operator,...] [--jobs N] [--refusals]\n");
    return 2;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  const golden::Engine engine = golden::compiled_engine(*plugins, target, std::string(LATHE_SCRATCH) + "/written");
  std::map<std::string, size_t> reasons;
  size_t passed = 0, different = 0, refused = 0, unjudged = 0;
  golden::run_in_processes(
      models, pool, [&](size_t i) { return look_at(engine, generate(seed + i, only)); },
      [&](size_t i, golden::Outcome outcome) {
        if (outcome.passed) {
          ++passed;
        } else if (outcome.reason.starts_with("refused: ")) {
          ++refused;
          // By operator and rule: what stands behind "(Operator): ".
          const size_t open = outcome.reason.find(" ("), end = outcome.reason.find(", which '");
          ++reasons[outcome.reason.substr(open == std::string::npos ? 0 : open + 1, std::min<size_t>(end - open - 1, 160))];
        } else if (outcome.reason.starts_with("unjudged: ")) {
          ++unjudged;
        } else {
          ++different;
          std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed + i), outcome.reason.c_str());
          if (models == 1) std::printf("%s\n", to_text(generate(seed + i, only)).c_str());
        }
      });
  if (refusals)
    for (const auto& [reason, times] : reasons) std::printf("%6zu %s\n", times, reason.c_str());
  std::printf("%s: %zu the same, %zu different, %zu refused, %zu not judged\n", target.c_str(), passed, different, refused, unjudged);
  return different == 0 && passed > 0 ? 0 : 1;
} catch (const lathe::Error& error) {
  for (const lathe::Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
  return 1;
}
