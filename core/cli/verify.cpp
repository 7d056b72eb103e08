// lathe verify: an artifact against the reference engine on the model it came from.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/files/tensor_files.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/job/layout.hpp"
#include "core/job/verification.hpp"
#include "core/ops/operator.hpp"
#include "core/package/package.hpp"
#include "core/reference/reference.hpp"

namespace lathe::cli {
namespace {

struct Arguments {
  std::string model, artifact;
  std::vector<std::string> inputs;
  std::optional<double> relative, absolute;  // not given: what the model's arithmetic allows
  unsigned threads = 0;
  bool full = false, letterbox = false;
};

// The model with the shapes the artifact was compiled for; handed over channels last where the artifact is.
Graph import_like(Plugins& plugins, const std::string& model, const Executable& artifact) {
  Graph graph = import_model(plugins, std::filesystem::absolute(model).string(), {});
  std::map<std::string, std::vector<int64_t>> pins;
  bool channels_last = false;
  for (const TensorInfo& info : artifact.inputs()) {
    auto found = std::find_if(graph.inputs.begin(), graph.inputs.end(), [&](ValueId id) { return graph.value(id).name == info.name; });
    if (found == graph.inputs.end())
      throw Error(Code::failed, "the artifact has an input '" + info.name + "' that the model lacks", "is it the artifact of another model?");
    if (!info.type.shape) continue;
    std::vector<int64_t> dimensions;
    for (const Dimension& d : *info.type.shape) dimensions.push_back(d.value);
    const std::optional<Shape>& shape = graph.value(*found).type.shape;
    auto fits = [&](const std::vector<int64_t>& wanted) {
      if (!shape) return true;
      if (shape->size() != wanted.size()) return false;
      for (size_t i = 0; i < wanted.size(); ++i)
        if ((*shape)[i].constant() && wanted[i] >= 0 && (*shape)[i].value != wanted[i]) return false;
      return true;
    };
    if (!fits(dimensions) && dimensions.size() == 4) {
      std::vector<int64_t> moved = {dimensions[0], dimensions[3], dimensions[1], dimensions[2]};
      if (fits(moved)) dimensions = moved, channels_last = true;
    }
    if (!fits(dimensions)) {
      Diagnostic d;
      d.text = "input '" + info.name + "' of the artifact has another shape than the model's";
      d.expected = to_string(graph.value(*found).type), d.found = to_string(info.type);
      d.hint = "is it the artifact of another model?";
      throw Error(Code::failed, std::move(d));
    }
    pins[info.name] = dimensions;
  }
  pin_shapes(graph, pins);
  infer_types(graph);
  if (channels_last) {
    hand_over_channels_last(graph);
    infer_types(graph);
  }
  return graph;
}

Verification verify_on_files(Plugins& plugins, const Graph& graph, Executable& artifact, const Arguments& a, const Limits& limits, unsigned threads) {
  std::vector<NamedType> wanted;
  for (const TensorInfo& info : artifact.inputs()) wanted.push_back({info.name, info.type});
  TensorFileOptions options;
  options.letterbox = a.letterbox;
  options.other_formats = [&](const std::string& path, ValueKind kind) { return read_tensor_with_plugin(plugins, path, kind); };
  const std::vector<Datum> inputs = read_inputs(a.inputs, wanted, options);
  NamedData named;
  for (size_t i = 0; i < inputs.size(); ++i) named[wanted[i].name] = inputs[i];
  return compare_on(graph, artifact, named, limits, threads);
}

int verify(Context& context, const Arguments& a) {
  unsigned threads = a.threads ? a.threads : std::max(1u, std::thread::hardware_concurrency());
  std::unique_ptr<Plugins> plugins = context.discover(threads);
  doing("loading '" + a.artifact + "'");
  std::string stand_in;
  std::unique_ptr<Executable> artifact = open_artifact(*plugins, a.artifact, threads, false, &stand_in);
  if (!stand_in.empty()) context.note(stand_in);
  doing("importing '" + a.model + "'");
  Graph graph = import_like(*plugins, a.model, *artifact);
  if (std::string reason = unpredictable(graph); !reason.empty()) throw Error(Code::unsupported, reason, "give it a seed to compare its numbers");
  Limits limits = limits_for("float32", graph);
  if (a.relative || a.absolute) limits = {a.relative.value_or(Limits{}.relative), a.absolute.value_or(Limits{}.absolute), 0, false};
  doing("running '" + a.artifact + "'");
  Verification v =
      a.inputs.empty() ? verify_artifact(graph, *artifact, limits, a.full, threads) : verify_on_files(*plugins, graph, *artifact, a, limits, threads);

  nlohmann::ordered_json outputs = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> table = {{"OUTPUT", "LARGEST", "DIFFERENCE", "LIMIT", "AT", ""}};
  for (const OutputComparison& o : v.outputs) {
    auto number = [](double x) { return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(); };
    auto text = [](double x) {
      char s[32];
      std::snprintf(s, sizeof s, "%.3g", x);
      return std::string(s);
    };
    outputs.push_back({{"name", o.name},
                       {"agrees", o.agrees},
                       {"largest", number(o.largest)},
                       {"difference", number(o.difference)},
                       {"limit", o.allowed},
                       {"place", o.place},
                       {"problem", o.problem}});
    table.push_back({o.name, text(o.largest), text(o.difference), text(o.allowed), o.place, o.agrees ? "agrees" : "DISAGREES"});
  }
  bool agrees = v.state == Verification::State::agrees;
  std::vector<Diagnostic> problems = describe_disagreement(v);
  for (const Diagnostic& d : problems) context.say(d);
  if (context.json) {
    context.print_json({{"model", a.model},
                        {"artifact", a.artifact},
                        {"agrees", agrees},
                        {"inputs", v.inputs},
                        {"outputs", outputs},
                        {"diagnostics", to_json(problems)}});
  } else {
    context.print_table(table);
  }
  return static_cast<int>(agrees ? Code::ok : Code::disagrees);
}

}  // namespace

Command add_verify(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("verify", "Compare an artifact with the reference engine");
  app->add_option("MODEL", a->model, "The model it was compiled from")->required();
  app->add_option("ARTIFACT", a->artifact, "A file or a package's folder")->required();
  app->add_option("--input,-i", a->inputs, "Instead of made-up inputs")->type_name("[NAME=]FILE")->allow_extra_args(false);
  app->add_option("--rtol", a->relative,
                  "Allowed difference, relative to each output's largest value; 1e-4 (for models that quantise: a cosine of 0.999)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("R");
  app->add_option("--atol", a->absolute, "Allowed difference, absolute; 1e-7")->check(CLI::NonNegativeNumber)->type_name("A");
  app->add_option("--threads", a->threads, "Default: one per processor")->type_name("N");
  app->add_flag("--full", a->full, "Several made-up inputs instead of one");
  app->add_flag("--letterbox", a->letterbox, "Fit pictures of another size in");
  app->footer(
      "Example:\n  lathe verify yolov8n.onnx out/yolov8n--640x640_float_*_1 --input bus.jpg --letterbox\n\nExit code 4 when an output is beyond its "
      "limit.");
  return {app, [a, &context] { return verify(context, *a); }};
}

}  // namespace lathe::cli
