// golden_run_files: the lathe program from the outside, with values that numpy has no type for. Some of the ONNX project's tests are compiled
// with `lathe compile` and run with `lathe run` on their own .pb files; what it writes is compared with theirs. Exit code 77: the data is
// absent.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/files/write_file.hpp"
#include "onnx_tests.hpp"
#include "proto_files.hpp"

using namespace lathe;
using namespace lathe::golden;
namespace fs = std::filesystem;

namespace {

struct Case {
  const char* name;
  const char* format;  // --format; empty: .pb where numpy has no such type
};
constexpr Case cases[] = {
    {"test_cast_FLOAT_to_BFLOAT16", ""},
    {"test_cast_BFLOAT16_to_FLOAT", "pb"},
    {"test_cast_FLOAT_to_FLOAT8E4M3FN", ""},
    {"test_cast_FLOAT8E5M2_to_FLOAT", "pb"},
    {"test_cast_FLOAT_to_FLOAT4E2M1", ""},
    {"test_cast_INT4_to_INT8", "pb"},
    {"test_cast_FLOAT_to_UINT2", ""},
    {"test_string_concat", ""},
    {"test_string_split_maxsplit", "pb"},
    {"test_sequence_insert_at_back", ""},
    {"test_split_to_sequence_1", ""},
    {"test_identity_sequence", ""},
    {"test_identity_opt", ""},
    {"test_optional_get_element_optional_sequence", ""},
    {"test_optional_has_element_optional_input", "pb"},
};

int start_and_wait(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (posix_spawn(&child, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0) return 127;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

std::string run(const Case& c, const OnnxTest& test, Plugins& plugins, const std::string& folder) {
  const Graph graph = import_model(plugins, test.model, {});
  fs::create_directories(folder);
  if (const int code = start_and_wait({LATHE_PROGRAM, "compile", test.model, "-o", folder, "--verify", "off", "--quiet"}); code != 0)
    return "lathe compile ended with " + std::to_string(code);
  const std::string data = test.data_sets.at(0), results = folder + "/results";
  std::vector<std::string> words = {LATHE_PROGRAM, "run", fs::directory_iterator(folder)->path().string(), "--output", results, "--quiet"};
  if (*c.format) words.insert(words.end(), {"--format", c.format});
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    words.insert(words.end(), {"--input", graph.value(graph.inputs[i]).name + "=" + data + "/input_" + std::to_string(i) + ".pb"});
  if (const int code = start_and_wait(words); code != 0) return "lathe run ended with " + std::to_string(code);
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const Value& output = graph.value(graph.outputs[i]);
    const std::string file = results + "/" + safe_file_name(output.name) + ".pb";
    if (!fs::exists(file)) return file + " was not written";
    const NamedDatum found = read_proto_file(file, output.type.kind);
    if (found.name != output.name) return "the file names its value '" + found.name + "' instead of '" + output.name + "'";
    const Datum expected = read_proto_file(data + "/output_" + std::to_string(i) + ".pb", output.type.kind).datum;
    if (const std::string text = difference(found.datum, expected, {}); !text.empty()) return "output '" + output.name + "': " + text;
  }
  return "";
}

}  // namespace

int main() try {
  const std::string root = std::string(LATHE_GOLDEN) + "/onnx-tests/data";
  if (!fs::exists(root)) {
    std::printf("SKIPPED: %s is absent\n", root.c_str());
    return 77;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  const std::vector<OnnxTest> tests = find_onnx_tests(root);
  int failed = 0;
  for (const Case& c : cases) {
    const auto test = std::find_if(tests.begin(), tests.end(), [&](const OnnxTest& t) { return t.name == c.name; });
    const std::string folder = std::string(LATHE_GOLDEN) + "/compiled/run_files/" + c.name;
    fs::remove_all(folder);
    std::string problem;
    try {
      problem = test == tests.end() ? "there is no such test" : run(c, *test, *plugins, folder);
    } catch (const Error& error) {
      problem = error.what();
    }
    fs::remove_all(folder);
    std::printf("%s %s%s%s\n", problem.empty() ? "ok    " : "FAILED", c.name, problem.empty() ? "" : ": ", problem.c_str());
    failed += !problem.empty();
  }
  return failed == 0 ? 0 : 1;
} catch (const Error& error) {
  std::printf("%s\n", error.what());
  return 1;
}
