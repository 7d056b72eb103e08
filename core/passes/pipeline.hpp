// Pipelines: a YAML list of passes with their options, and the driver that runs it: announce, run, verify, dump if it changed, time.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ir/graph.hpp"

namespace lathe {

// What a pass may be told. Declared data: YAML, --help and messages derive from it.
struct PassOption {
  std::string name, type /* bool, int, float, string, choice */, fallback;
  std::vector<std::string> choices;
  std::string help;
};

struct PassSettings {  // every declared option, resolved
  std::vector<std::pair<std::string, std::string>> values;
  const std::string& text(std::string_view name) const;
  bool flag(std::string_view name) const;
  int64_t integer(std::string_view name) const;
};

// A named graph pass. Facts ("canonical", "typed", "static-shapes", ...) catch order mistakes: the driver refuses a pipeline in which a
// pass needs a fact that does not hold.
struct Pass {
  std::string name, help;
  std::vector<PassOption> options;
  std::vector<std::string> needs, leaves, breaks;
  std::function<bool(Graph&, const PassSettings&)> run;  // true: it changed the graph
};

std::span<const Pass> builtin_passes();

struct PipelineStep {
  std::string pass;
  PassSettings settings;
  int line = 0, column = 0;
};
struct Pipeline {
  std::string source;  // file it came from, for messages
  std::vector<PipelineStep> steps;
};

// `passes` are the known ones (builtin and from plugins). Throws Error(usage) with file:line:column and the nearest name.
Pipeline parse_pipeline(std::string_view yaml, std::string source, std::span<const Pass> passes);

struct PassTime {
  std::string pass;
  double seconds = 0;
  bool changed = false;
};
struct PipelineOptions {
  std::vector<std::string> dump_after;  // pass names, or "all"
  std::function<void(const std::string& pass, const Graph& graph)> dump;
  bool verify_each = false;
  std::function<void(const std::string& pass, double fraction)> progress;
  std::function<bool()> cancelled;
};
std::vector<PassTime> run_pipeline(Graph& graph, const Pipeline& pipeline, std::span<const Pass> passes, const PipelineOptions& options = {});

}  // namespace lathe
