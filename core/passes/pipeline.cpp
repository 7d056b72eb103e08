// Reads pipelines from YAML, checks them against what the passes declare, and runs them.
#include "core/passes/pipeline.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <set>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

std::vector<std::string> names_of(std::span<const Pass> passes) {
  std::vector<std::string> names;
  for (const Pass& pass : passes) names.push_back(pass.name);
  return names;
}

const Pass* find_pass(std::span<const Pass> passes, std::string_view name) {
  const auto found = std::find_if(passes.begin(), passes.end(), [&](const Pass& pass) { return pass.name == name; });
  return found == passes.end() ? nullptr : &*found;
}

std::string join(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

bool is_integer(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// What a value of the option should have been, or "" when it is one.
std::string expected_instead(const PassOption& option, const std::string& value) {
  if (option.type == "bool") return value == "true" || value == "false" ? "" : "true or false";
  if (option.type == "int") return is_integer(value) ? "" : "an integer";
  if (option.type == "float") return is_number(value) ? "" : "a number";
  if (option.type == "choice") {
    return std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end() ? "" : "one of " + join(option.choices);
  }
  return "";
}

// Reads the document and gathers every problem with its place, so that a person mends a file once.
class Reader {
 public:
  Reader(std::string source, std::span<const Pass> passes) : source_(std::move(source)), passes_(passes) {}

  Pipeline read(std::string_view yaml) {
    Pipeline pipeline;
    pipeline.source = source_;
    try {
      document(YAML::Load(std::string(yaml)), pipeline);
    } catch (const YAML::Exception& e) {
      problem(e.mark, "this is no valid YAML: " + e.msg);
    }
    if (!problems_.empty()) throw Error(Code::usage, std::move(problems_));
    return pipeline;
  }

 private:
  void problem(const YAML::Mark& mark, std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
    Diagnostic d{.text = std::move(text), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)};
    d.location = source_;
    if (!mark.is_null()) d.location += ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
    problems_.push_back(std::move(d));
  }

  static std::string kind(const YAML::Node& node) {
    if (node.IsScalar()) return "'" + node.Scalar() + "'";
    return node.IsSequence() ? "a list" : node.IsMap() ? "a mapping" : "nothing";
  }

  void document(const YAML::Node& root, Pipeline& pipeline) {
    if (!root.IsMap()) return problem(root.Mark(), "a pipeline file is a mapping with the key 'pipeline'", "pipeline: [...]", kind(root));
    bool any = false;
    for (const auto& entry : root) {
      if (entry.first.IsScalar() && entry.first.Scalar() == "pipeline" && !any) {
        any = true;
        list(entry.second, entry.first, pipeline);
      } else {
        const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string();
        problem(entry.first.Mark(), "a pipeline file has no key " + kind(entry.first) + did_you_mean(key, {"pipeline"}), "the key 'pipeline', once");
      }
    }
    if (!any) problem(root.Mark(), "the key 'pipeline' is missing", "pipeline: followed by a list of passes");
  }

  void list(const YAML::Node& steps, const YAML::Node& key, Pipeline& pipeline) {
    if (!steps.IsSequence()) {
      return problem(steps.IsNull() ? key.Mark() : steps.Mark(), "'pipeline' is a list of passes", "a line '- PASS' for each pass", kind(steps));
    }
    for (const YAML::Node& entry : steps) step(entry, pipeline);
  }

  void step(const YAML::Node& entry, Pipeline& pipeline) {
    if (entry.IsScalar()) {
      named(entry, YAML::Node(), pipeline);
    } else if (entry.IsMap() && entry.size() == 1 && entry.begin()->first.IsScalar()) {
      named(entry.begin()->first, entry.begin()->second, pipeline);
    } else {
      problem(entry.Mark(), "a step of a pipeline is one pass", "'PASS' or 'PASS: {OPTION: VALUE}'", kind(entry));
    }
  }

  void named(const YAML::Node& name, const YAML::Node& options, Pipeline& pipeline) {
    const Pass* pass = find_pass(passes_, name.Scalar());
    if (!pass) {
      return problem(name.Mark(), "there is no pass '" + name.Scalar() + "'" + did_you_mean(name.Scalar(), names_of(passes_)), "", "",
                     "lathe passes lists them");
    }
    PipelineStep step;
    step.pass = pass->name;
    step.line = name.Mark().line + 1;
    step.column = name.Mark().column + 1;
    for (const PassOption& option : pass->options) step.settings.values.emplace_back(option.name, option.fallback);
    if (options.IsMap()) {
      std::set<std::string> seen;
      for (const auto& entry : options) {
        if (!entry.first.IsScalar()) {
          problem(entry.first.Mark(), "an option's name is one word", "OPTION: VALUE", kind(entry.first));
        } else if (!seen.insert(entry.first.Scalar()).second) {
          problem(entry.first.Mark(), "option '" + entry.first.Scalar() + "' of '" + pass->name + "' is given twice");
        } else {
          option(*pass, entry.first, entry.second, step);
        }
      }
    } else if (options.IsDefined() && !options.IsNull()) {
      problem(options.Mark(), "the options of '" + pass->name + "' are a mapping", "{OPTION: VALUE, ...}", kind(options));
    }
    pipeline.steps.push_back(std::move(step));
  }

  void option(const Pass& pass, const YAML::Node& key, const YAML::Node& value, PipelineStep& step) {
    const auto declared =
        std::find_if(pass.options.begin(), pass.options.end(), [&](const PassOption& candidate) { return candidate.name == key.Scalar(); });
    if (declared == pass.options.end()) {
      std::vector<std::string> known;
      for (const PassOption& candidate : pass.options) known.push_back(candidate.name);
      return problem(key.Mark(), "pass '" + pass.name + "' has no option '" + key.Scalar() + "'" + did_you_mean(key.Scalar(), known),
                     known.empty() ? "no options" : "one of " + join(known));
    }
    if (!value.IsScalar()) return problem(value.Mark(), "option '" + declared->name + "' has one value", "a single value", kind(value));
    const std::string expected = expected_instead(*declared, value.Scalar());
    if (!expected.empty()) {
      const std::string hint = declared->type == "choice" ? nearest(value.Scalar(), declared->choices) : std::string();
      return problem(value.Mark(), "option '" + declared->name + "' of '" + pass.name + "' has a wrong value", expected, "'" + value.Scalar() + "'",
                     hint.empty() ? "" : "did you mean '" + hint + "'?");
    }
    for (auto& [name, resolved] : step.settings.values) {
      if (name == declared->name) resolved = value.Scalar();
    }
  }

  std::string source_;
  std::span<const Pass> passes_;
  std::vector<Diagnostic> problems_;
};

std::string place(const Pipeline& pipeline, const PipelineStep& step) {
  if (step.line == 0) return pipeline.source;
  return pipeline.source + ":" + std::to_string(step.line) + ":" + std::to_string(step.column);
}

// Follows the facts through the steps without running them. Import leaves the canonical form.
void check_order(const Pipeline& pipeline, std::span<const Pass> passes) {
  std::set<std::string> facts{"canonical"};
  std::vector<Diagnostic> problems;
  for (const PipelineStep& step : pipeline.steps) {
    const Pass* pass = find_pass(passes, step.pass);
    if (!pass) {
      problems.push_back(
          {.text = "there is no pass '" + step.pass + "'" + did_you_mean(step.pass, names_of(passes)), .location = place(pipeline, step)});
      continue;
    }
    for (const std::string& need : pass->needs) {
      if (facts.contains(need)) continue;
      std::vector<std::string> makers;
      for (const Pass& maker : passes) {
        if (std::find(maker.leaves.begin(), maker.leaves.end(), need) != maker.leaves.end()) makers.push_back(maker.name);
      }
      Diagnostic d{.text = "pass '" + pass->name + "' needs the graph to be " + need + ", which does not hold at this place",
                   .location = place(pipeline, step)};
      d.hint = makers.empty() ? "no pass makes it so" : "put " + join(makers) + " before it";
      problems.push_back(std::move(d));
      facts.insert(need);  // said once
    }
    for (const std::string& fact : pass->breaks) facts.erase(fact);
    facts.insert(pass->leaves.begin(), pass->leaves.end());
  }
  if (!problems.empty()) throw Error(Code::usage, std::move(problems));
}

void check_dumps(const std::vector<std::string>& dumps, const Pipeline& pipeline) {
  std::vector<std::string> known{"all"};
  for (const PipelineStep& step : pipeline.steps) known.push_back(step.pass);
  for (const std::string& name : dumps) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(Code::usage, "the graph cannot be dumped after '" + name + "': the pipeline has no such pass" + did_you_mean(name, known),
                  "its passes are " + join({known.begin() + 1, known.end()}));
    }
  }
}

void verify_after(const Graph& graph, const std::string& pass) {
  try {
    verify(graph);
  } catch (Error& error) {
    for (Diagnostic& d : error.diagnostics) d.text = "after pass '" + pass + "' " + d.text;
    throw Error(error.code, std::move(error.diagnostics));
  }
}

}  // namespace

const std::string& PassSettings::text(std::string_view name) const {
  for (const auto& [key, value] : values) {
    if (key == name) return value;
  }
  throw Error(Code::internal, "a pass asked for its option '" + std::string(name) + "', which it does not declare");
}

bool PassSettings::flag(std::string_view name) const { return text(name) == "true"; }

int64_t PassSettings::integer(std::string_view name) const {
  const std::string& value = text(name);
  int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

Pipeline parse_pipeline(std::string_view yaml, std::string source, std::span<const Pass> passes) {
  Pipeline pipeline = Reader(std::move(source), passes).read(yaml);
  check_order(pipeline, passes);
  return pipeline;
}

std::vector<PassTime> run_pipeline(Graph& graph, const Pipeline& pipeline, std::span<const Pass> passes, const PipelineOptions& options) {
  check_order(pipeline, passes);
  check_dumps(options.dump_after, pipeline);
  std::vector<PassTime> times;
  for (const PipelineStep& step : pipeline.steps) {
    if (options.cancelled && options.cancelled()) throw Error(Code::interrupted, "interrupted before pass '" + step.pass + "'");
    if (options.progress) options.progress(step.pass, static_cast<double>(times.size()) / static_cast<double>(pipeline.steps.size()));

    const auto start = std::chrono::steady_clock::now();
    const bool changed = find_pass(passes, step.pass)->run(graph, step.settings);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;

    if (options.verify_each) verify_after(graph, step.pass);
    const auto asked = [&](const std::string& name) {
      return std::find(options.dump_after.begin(), options.dump_after.end(), name) != options.dump_after.end();
    };
    // Whoever names a pass wants to see the graph there, even if the pass found nothing to do.
    if (options.dump && (asked(step.pass) || (changed && asked("all")))) options.dump(step.pass, graph);
    times.push_back({step.pass, elapsed.count(), changed});
  }
  return times;
}

}  // namespace lathe
