// Pipelines: the YAML is checked with places and names, facts keep the order, the driver does what it is told.
#include "core/passes/pipeline.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"

using namespace lathe;

namespace {

// Passes that need no operators: one renames a node (a visible change), one does nothing, one breaks the graph.
std::vector<Pass> small_passes() {
  std::vector<Pass> passes(3);
  passes[0] = {.name = "rename-node",
               .help = "h",
               .options = {{.name = "to", .type = "string", .fallback = "renamed", .choices = {}, .help = ""},
                           {.name = "count", .type = "int", .fallback = "1", .choices = {}, .help = ""},
                           {.name = "loud", .type = "bool", .fallback = "false", .choices = {}, .help = ""},
                           {.name = "mode", .type = "choice", .fallback = "fast", .choices = {"fast", "exact"}, .help = ""},
                           {.name = "rate", .type = "float", .fallback = "0.5", .choices = {}, .help = ""}},
               .needs = {"canonical"},
               .leaves = {"renamed"},
               .breaks = {},
               .run = [](Graph& graph, const PassSettings& settings) {
                 graph.nodes[0].name = settings.text("to") + (settings.flag("loud") ? "!" : "") + std::to_string(settings.integer("count"));
                 return true;
               }};
  passes[1] = {.name = "do-nothing",
               .help = "h",
               .options = {},
               .needs = {"renamed"},
               .leaves = {},
               .breaks = {"canonical"},
               .run = [](Graph&, const PassSettings&) { return false; }};
  passes[2] = {
      .name = "break-graph", .help = "h", .options = {}, .needs = {}, .leaves = {}, .breaks = {}, .run = [](Graph& graph, const PassSettings&) {
        graph.nodes[0].outputs[0] = 99;
        return true;
      }};
  return passes;
}

std::string failure(const std::string& yaml) {
  const auto passes = small_passes();
  try {
    parse_pipeline(yaml, "p.yaml", passes);
  } catch (const Error& error) {
    CHECK(error.code == Code::usage);
    return error.what();
  }
  FAIL("accepted: " << yaml);
  return "";
}

bool contains(const std::string& text, const char* part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

Graph small_graph() { return parse_text("g (float[1] x) => (float[1] y) { [n] y = Relu(x) }"); }

}  // namespace

TEST_CASE("options are read, checked and given their defaults") {
  const auto passes = small_passes();
  const Pipeline pipeline = parse_pipeline(
      "pipeline:\n  - rename-node: {to: abc, count: -3, loud: true, mode: exact, rate: 1e-3}\n  - rename-node\n  - do-nothing:\n", "p.yaml", passes);
  REQUIRE(pipeline.steps.size() == 3);
  CHECK(pipeline.source == "p.yaml");
  CHECK(pipeline.steps[0].settings.text("to") == "abc");
  CHECK(pipeline.steps[0].settings.integer("count") == -3);
  CHECK(pipeline.steps[0].settings.flag("loud"));
  CHECK(pipeline.steps[0].settings.text("mode") == "exact");
  CHECK(pipeline.steps[0].line == 2);
  CHECK(pipeline.steps[0].column == 5);
  CHECK(pipeline.steps[1].settings.text("to") == "renamed");
  CHECK_FALSE(pipeline.steps[1].settings.flag("loud"));
  CHECK_THROWS_AS(pipeline.steps[1].settings.text("absent"), Error);
  CHECK(parse_pipeline("pipeline: []", "p.yaml", passes).steps.empty());
}

TEST_CASE("mistakes are named with file, line, column and the nearest name") {
  CHECK(contains(failure("pipeline:\n  - rename-nod\n"), "p.yaml:2:5: there is no pass 'rename-nod', did you mean 'rename-node'?"));
  CHECK(
      contains(failure("pipeline:\n  - rename-node: {cuont: 1}\n"), "p.yaml:2:19: pass 'rename-node' has no option 'cuont', did you mean 'count'?"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {count: many}\n"), "p.yaml:2:26"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {count: many}\n"), "expected an integer, found 'many'"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {count: 99999999999999999999}\n"), "expected an integer"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {loud: yes}\n"), "expected true or false"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {rate: x}\n"), "expected a number"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {mode: exat}\n"), "expected one of fast, exact, found 'exat' (did you mean 'exact'?)"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {count: 1, count: 2}\n"), "given twice"));
  CHECK(contains(failure("pipeline:\n  - rename-node: {count: [1]}\n"), "has one value"));
  CHECK(contains(failure("pipeline:\n  - rename-node: 3\n"), "are a mapping"));
  CHECK(contains(failure("pipeline:\n  - [rename-node]\n"), "p.yaml:2:5: a step of a pipeline is one pass"));
  CHECK(contains(failure("pipeline:\n  rename-node: {}\n"), "'pipeline' is a list"));
  CHECK(contains(failure("pipeline:\n"), "'pipeline' is a list"));
  CHECK(contains(failure("pipelin: []\n"), "p.yaml:1:1: a pipeline file has no key 'pipelin', did you mean 'pipeline'?"));
  CHECK(contains(failure("- rename-node\n"), "a mapping with the key 'pipeline'"));
  CHECK(contains(failure(""), "a mapping with the key 'pipeline'"));
  CHECK(contains(failure("pipeline: [\n"), "no valid YAML"));
  CHECK(contains(failure("pipeline:\n\t- x\n"), "p.yaml:2:2: this is no valid YAML"));
}

TEST_CASE("hostile YAML is refused like any other") {
  CHECK(contains(failure(std::string(100000, '[')), "p.yaml"));
  CHECK(contains(failure("pipeline: " + std::string(100000, '{')), "p.yaml"));
  CHECK(contains(failure("pipeline: &a [*a]"), "p.yaml"));
  CHECK(contains(failure(std::string("pipeline:\n  - \0\xff", 17)), "p.yaml"));
}

TEST_CASE("all mistakes of a file are told at once") {
  const std::string text = failure("pipeline:\n  - rename-nod\n  - rename-node: {cuont: 1, rate: x}\n");
  CHECK(contains(text, "p.yaml:2:5"));
  CHECK(contains(text, "p.yaml:3:19"));
  CHECK(contains(text, "p.yaml:3:35"));
}

TEST_CASE("a pass whose facts do not hold is refused before anything runs") {
  CHECK(contains(failure("pipeline:\n  - do-nothing\n"), "p.yaml:2:5: pass 'do-nothing' needs the graph to be renamed"));
  CHECK(contains(failure("pipeline:\n  - do-nothing\n"), "put rename-node before it"));
  CHECK(contains(failure("pipeline: [rename-node, do-nothing, rename-node]\n"), "needs the graph to be canonical"));
  Graph graph = small_graph();
  const auto passes = small_passes();
  Pipeline made{.source = "made", .steps = {{.pass = "do-nothing", .settings = {}}}};
  CHECK_THROWS_AS(run_pipeline(graph, made, passes), Error);
  made.steps[0].pass = "absent";
  CHECK_THROWS_AS(run_pipeline(graph, made, passes), Error);
}

TEST_CASE("the driver announces, runs, verifies, dumps what changed and times") {
  const auto passes = small_passes();
  const Pipeline pipeline = parse_pipeline("pipeline: [rename-node: {to: a}, do-nothing]", "p.yaml", passes);
  Graph graph = small_graph();
  std::string announced, dumped;
  PipelineOptions options;
  options.progress = [&](const std::string& pass, double fraction) { announced += pass + " " + std::to_string(fraction).substr(0, 3) + ";"; };
  options.dump_after = {"all"};
  options.dump = [&](const std::string& pass, const Graph& g) { dumped += pass + " " + g.nodes[0].name + ";"; };
  options.verify_each = true;
  const auto times = run_pipeline(graph, pipeline, passes, options);
  CHECK(announced == "rename-node 0.0;do-nothing 0.5;");
  CHECK(dumped == "rename-node a1;");
  REQUIRE(times.size() == 2);
  CHECK(times[0].changed);
  CHECK_FALSE(times[1].changed);
  CHECK(times[0].seconds >= 0);

  dumped.clear();
  options.dump_after = {"do-nothing"};  // asked for by name: shown though nothing changed
  run_pipeline(graph, pipeline, passes, options);
  CHECK(dumped == "do-nothing a1;");
  options.dump_after = {"do-nothin"};
  CHECK_THROWS_WITH_AS(
      run_pipeline(graph, pipeline, passes, options),
      "error: the graph cannot be dumped after 'do-nothin': the pipeline has no such pass, did you mean 'do-nothing'? (its passes are "
      "rename-node, do-nothing)",
      Error);
}

TEST_CASE("verify-each names the pass that broke the graph") {
  const auto passes = small_passes();
  const Pipeline pipeline = parse_pipeline("pipeline: [rename-node, break-graph]", "p.yaml", passes);
  Graph graph = small_graph();
  CHECK_NOTHROW(run_pipeline(graph, pipeline, passes));
  graph = small_graph();
  try {
    run_pipeline(graph, pipeline, passes, {.dump_after = {}, .dump = {}, .verify_each = true, .progress = {}, .cancelled = {}});
    FAIL("a broken graph went unnoticed");
  } catch (const Error& error) {
    CHECK(error.code == Code::internal);
    CHECK(contains(error.what(), "after pass 'break-graph'"));
  }
}

TEST_CASE("a cancelled pipeline stops between passes") {
  const auto passes = small_passes();
  const Pipeline pipeline = parse_pipeline("pipeline: [rename-node: {to: a}, rename-node: {to: b}]", "p.yaml", passes);
  Graph graph = small_graph();
  int asked = 0;
  PipelineOptions options;
  options.cancelled = [&] { return ++asked > 1; };
  try {
    run_pipeline(graph, pipeline, passes, options);
    FAIL("it went on");
  } catch (const Error& error) {
    CHECK(error.code == Code::interrupted);
  }
  CHECK(graph.nodes[0].name == "a1");
}

TEST_CASE("the default pipeline is valid, and every builtin pass has a help text") {
  std::ifstream file(std::string(LATHE_BINARY_DIR) + "/share/lathe/pipelines/default.yaml");
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  CHECK(parse_pipeline(text.str(), "default.yaml", builtin_passes()).steps.size() > 5);
  for (const Pass& pass : builtin_passes()) {
    CHECK_FALSE(pass.help.empty());
    for (const PassOption& option : pass.options) CHECK_FALSE(option.help.empty());
  }
}
