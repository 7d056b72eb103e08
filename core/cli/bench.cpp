// lathe bench: latency of an artifact, and with --profile where it goes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/files/tensor_files.hpp"
#include "core/job/verification.hpp"
#include "core/package/package.hpp"

namespace lathe::cli {
namespace {
using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

struct Arguments {
  std::string artifact;
  unsigned threads = 0, runs = 0;
  bool profile = false;
  std::vector<std::string> inputs, shapes;
};

// The artifact's inputs as a graph without nodes, so that inputs are made up as for verification.
std::vector<Datum> make_inputs(const Executable& executable, const std::vector<std::string>& shapes) {
  Graph graph;
  for (const TensorInfo& info : executable.inputs()) graph.inputs.push_back(graph.add_value(info.name, info.type));
  for (const std::string& shape : shapes) {
    size_t equals = shape.find('=');
    std::string name = shape.substr(0, std::min(equals, shape.size()));
    auto found = std::find_if(graph.inputs.begin(), graph.inputs.end(), [&](ValueId id) { return graph.value(id).name == name; });
    if (equals == std::string::npos || found == graph.inputs.end())
      throw Error(Code::usage, "--shape " + shape + ": the artifact has no input '" + name + "'", "write NAME=1x3x640x640");
    Shape dimensions;
    for (int64_t d : parse_dimensions(shape.substr(equals + 1), shape)) dimensions.push_back(d < 0 ? Dimension() : Dimension(d));
    graph.value(*found).type.shape = dimensions;
  }
  NamedData made = seeded_inputs(graph, 1);
  std::vector<Datum> inputs;
  for (const TensorInfo& info : executable.inputs()) inputs.push_back(made.at(info.name));
  return inputs;
}

std::vector<Datum> read_inputs(Plugins& plugins, const Executable& executable, const std::vector<std::string>& files) {
  std::vector<NamedType> wanted;
  for (const TensorInfo& info : executable.inputs()) wanted.push_back({info.name, info.type});
  TensorFileOptions options;
  options.other_formats = [&](const std::string& path, ValueKind kind) { return read_tensor_with_plugin(plugins, path, kind); };
  return lathe::read_inputs(files, wanted, options);
}

double percentile(const std::vector<double>& sorted, double p) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(p * double(sorted.size())))];
}

nlohmann::ordered_json describe(std::vector<KernelTime> kernels) {
  std::sort(kernels.begin(), kernels.end(), [](const KernelTime& a, const KernelTime& b) { return a.nanoseconds > b.nanoseconds; });
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const KernelTime& k : kernels) {
    double each = k.runs ? double(k.nanoseconds) / double(k.runs) : 0;  // nanoseconds per run
    nlohmann::ordered_json j{{"kernel", k.kernel}, {"nodes", k.nodes}, {"origin", k.origin}, {"runs", k.runs}, {"ms", each / 1e6}};
    j["gflop_per_s"] = k.flops && each > 0 ? nlohmann::ordered_json(double(k.flops) / each) : nlohmann::ordered_json();
    j["gb_per_s"] = k.bytes && each > 0 ? nlohmann::ordered_json(double(k.bytes) / each) : nlohmann::ordered_json();
    j["flops"] = k.flops, j["bytes"] = k.bytes;
    list.push_back(j);
  }
  return list;
}

std::string number(const nlohmann::ordered_json& j, const char* format) {
  if (j.is_null()) return "-";
  char text[48];
  std::snprintf(text, sizeof text, format, j.get<double>());
  return text;
}

int bench(Context& context, const Arguments& a) {
  unsigned threads = a.threads ? a.threads : std::max(1u, std::thread::hardware_concurrency());
  std::unique_ptr<Plugins> plugins = context.discover(threads);
  doing("loading '" + a.artifact + "'");
  // The first load of a kind also loads its plugin; a second one shows what an artifact costs.
  std::string stand_in;
  std::unique_ptr<Executable> executable = open_artifact(*plugins, a.artifact, threads, false, &stand_in);
  if (!stand_in.empty()) context.note(stand_in + "; its times are not those of the runtime");
  executable.reset();
  Clock::time_point begin = Clock::now();
  executable = open_artifact(*plugins, a.artifact, threads, a.profile);
  double load = milliseconds_since(begin);
  std::vector<Datum> inputs = a.inputs.empty() ? make_inputs(*executable, a.shapes) : read_inputs(*plugins, *executable, a.inputs);

  doing("running '" + a.artifact + "'");
  for (int i = 0; i < 3; ++i) executable->run(inputs);
  std::vector<double> times;
  begin = Clock::now();
  // Without --runs: for about two seconds, at least ten times.
  while (a.runs ? times.size() < a.runs : times.size() < 10 || (milliseconds_since(begin) < 2000 && times.size() < 100000)) {
    Clock::time_point start = Clock::now();
    executable->run(inputs);
    times.push_back(milliseconds_since(start));
  }
  double total = 0;
  for (double t : times) total += t;
  std::sort(times.begin(), times.end());
  double median = times.size() % 2 ? times[times.size() / 2] : (times[times.size() / 2 - 1] + times[times.size() / 2]) / 2;
  nlohmann::ordered_json j{{"artifact", a.artifact},
                           {"threads", threads},
                           {"runs", times.size()},
                           {"min_ms", times.front()},
                           {"median_ms", median},
                           {"p99_ms", percentile(times, 0.99)},
                           {"load_ms", load},
                           {"peak_bytes", executable->peak_bytes()},
                           {"throughput_per_s", 1000 * double(times.size()) / total}};
  if (a.profile) j["kernels"] = describe(executable->profile());
  if (context.json) {
    context.print_json(j);
    return 0;
  }
  context.print_table({{"median", number(j["median_ms"], "%.3f ms")},
                       {"min", number(j["min_ms"], "%.3f ms")},
                       {"p99", number(j["p99_ms"], "%.3f ms")},
                       {"throughput", number(j["throughput_per_s"], "%.1f per second")},
                       {"load", number(j["load_ms"], "%.2f ms")},
                       {"memory", number(double(executable->peak_bytes()) / 1048576.0, "%.1f MiB beside the file")},
                       {"threads", std::to_string(threads)},
                       {"runs", std::to_string(times.size())}});
  if (!a.profile) return 0;
  std::vector<std::vector<std::string>> table = {{"ms", "%", "GFLOP/s", "GB/s", "ORIGIN", "KERNEL", "NODES"}};
  double sum = 0;
  for (const auto& k : j["kernels"]) sum += k["ms"].get<double>();
  for (const auto& k : j["kernels"]) {
    std::string nodes = k["nodes"];
    if (nodes.size() > 60) nodes = nodes.substr(0, 57) + "...";
    table.push_back({number(k["ms"], "%.3f"), number(sum > 0 ? 100 * k["ms"].get<double>() / sum : 0.0, "%.1f"), number(k["gflop_per_s"], "%.1f"),
                     number(k["gb_per_s"], "%.1f"), k["origin"], k["kernel"], nodes});
  }
  context.print("");
  context.print_table(table);
  return 0;
}

}  // namespace

Command add_bench(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("bench", "Measure an artifact's latency, on made-up inputs or on files");
  app->add_option("ARTIFACT", a->artifact, "A file or a package's folder")->required();
  app->add_option("--threads", a->threads, "Default: one per processor")->type_name("N");
  app->add_option("--runs", a->runs, "How often; default: for two seconds")->check(CLI::PositiveNumber)->type_name("N");
  app->add_flag("--profile", a->profile, "A table per kernel: time, GFLOP/s, GB/s, where the kernel came from");
  app->add_option("--input,-i", a->inputs, "As of `lathe run`; default: made-up numbers")->type_name("[NAME=]FILE")->allow_extra_args(false);
  app->add_option("--shape", a->shapes, "Sizes for open dimensions")->type_name("NAME=DIMS")->allow_extra_args(false);
  app->footer("Example:\n  lathe bench out/yolov8n--640x640_float_*_1 --threads 1 --profile");
  return {app, [a, &context] { return bench(context, *a); }};
}

}  // namespace lathe::cli
