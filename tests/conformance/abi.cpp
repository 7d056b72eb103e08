// The same plugin built in many ways, each taken through import, pass, claim, compile, load, run, inspect and a failure; and two plugins
// with different LLVMs in one process. Compiled twice: as it is, and as a host with a newer header (LATHE_ABI_MINOR 1).
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/plugin/manifest.hpp"
#include "core/plugin/passes.hpp"
#include "core/plugin/plugins.hpp"
#include "core/plugin/regions.hpp"
#include "core/plugin/settings.hpp"

using namespace lathe;
namespace fs = std::filesystem;

namespace {

const fs::path built = fs::path(LATHE_BINARY_DIR) / "tests/plugins";

std::string text(lathe_string s) { return {s.data, s.size}; }

class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "lathe-abi-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Scratch() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path / name) << content;
    return (path / name).string();
  }
  fs::path path;
};

// Where compile() puts its one file.
struct Files {
  fs::path folder;
  std::string artifact, bound;
  lathe_output table() {
    return {
        this, folder.c_str(),
        [](void* self, lathe_string name, const void* bytes, size_t size) {
          std::ofstream out(static_cast<Files*>(self)->folder / text(name), std::ios::app | std::ios::binary);
          out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
          return lathe_code{LATHE_OK};
        },
        [](void* self, lathe_string name) { return static_cast<Files*>(self)->artifact = text(name), lathe_code{LATHE_OK}; },
        [](void* self, lathe_string a, lathe_string b) { return static_cast<Files*>(self)->bound = text(a) + "=" + text(b), lathe_code{LATHE_OK}; }};
  }
};

std::string said(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing";
}

void take_through(const std::string& name) {
  CAPTURE(name);
  const Scratch scratch;
  std::vector<Diagnostic> reported;
  double progress = 0;
  HostServices services;
  services.report = [&](const Diagnostic& d) { reported.push_back(d); };
  services.progress = [&](std::string_view, double fraction) { progress = fraction; };
  const auto plugins = Plugins::discover({{(built / name).string()}, ""}, services);
  Plugin& plugin = plugins->load(name);
  MESSAGE(name << ": " << std::string(plugin.table().build));

  const Graph imported = import_model(*plugins, scratch.write("a.toy", "TOY1 2 3"), {});
  REQUIRE(imported.nodes.size() == 2);
  CHECK(imported.properties.at("rows") == "2");
  CHECK(import_model(*plugins, scratch.write("b.toy", "TOY1 2 3"), {{"twice", "off"}}).nodes.size() == 1);
  CHECK(said([&] { import_model(*plugins, scratch.write("c.toy", "TOY1 two"), {}); }).find("two numbers are wanted") != std::string::npos);
  CHECK(said([&] { import_model(*plugins, scratch.write("d.toy", "TOY1 0 1"), {}); }).find("write numbers from 1 on") != std::string::npos);

  std::vector<Pass> passes;
  append_passes(plugin, passes);
  REQUIRE(passes.size() == 1);
  Graph graph = clone(imported);
  CHECK(passes[0].run(graph, {}));
  CHECK(graph.nodes.size() == 1);
  CHECK(!passes[0].run(graph, {}));

  const lathe_backend& backend = *plugin.backend();
  const auto declared = describe_options(backend.options, backend.option_count, backend.option_stride);
  auto create = [&](const char* level) {
    const SettingList settings(resolve_options(name, declared, {{"level", level}}), {});
    lathe_compile_request request = {};
    request.struct_size = sizeof request;
    request.device = {"ALL", 3}, request.precision = {"float32", 7}, request.emit = {"library", 7}, request.stem = {"made", 4};
    request.settings = settings.data(), request.setting_count = settings.size();
    void* self = nullptr;
    plugin.check("create", [&] { return backend.create(&plugin.host(), &request, &self); });
    return self;
  };
  CHECK(said([&] { create("-1"); }).find("the level is negative") != std::string::npos);
  void* self = create("5");
  const CandidateTarget candidate = {&plugin, self, name};
  REQUIRE(cut_regions(graph, std::span(&candidate, 1)).regions.size() == 1);
  Files files{scratch.path, {}, {}};
  const lathe_output output = files.table();
  const Snapshot snapshot(graph);
  plugin.check("compile", [&] { return backend.compile(self, &snapshot.get(), &output); });
  CHECK(progress == 0.5);
  CHECK(files.artifact == "made.every");
  CHECK(files.bound == "x=input");
  std::string facts;
  plugin.check("fingerprint", [&] {
    return backend.fingerprint(self, &facts,
                               [](void* to, lathe_string k, lathe_string v) { *static_cast<std::string*>(to) += text(k) + "=" + text(v); });
  });
  CHECK(facts == "level=5");
  backend.destroy(self);

  const std::string artifact = (scratch.path / files.artifact).string();
  {
    const auto executable = load_executable(*plugins, artifact, 2, true);
    const auto results = executable->run({Tensor::of<float>(DataType::float32, {2, 3}, std::vector<float>{-1, 2, -3, 4, -5, 6})});
    CHECK(results.at(0) == Tensor::of<float>(DataType::float32, {2, 3}, std::vector<float>{0, 2, 0, 4, 0, 6}));
    CHECK(executable->peak_bytes() == 1234);
    REQUIRE(executable->profile().size() == 1);
    CHECK(executable->profile()[0].runs == 1);
  }
  CHECK(said([&] { load_executable(*plugins, scratch.write("short.every", "EVERY1 2"), 1, false); }).find("truncated") != std::string::npos);
  CHECK(plugins->find_inspector(artifact) == &plugin);

  const Tensor matrix = Tensor::of<float>(DataType::float32, {2, 2}, std::vector<float>{1, 2, 3, 4});
  const std::string numbers = scratch.write("m.numbers", write_tensor_with_plugin(*plugins, "numbers", "m", matrix));
  const std::optional<Datum> read = read_tensor_with_plugin(*plugins, numbers, ValueKind::tensor);
  REQUIRE(read);
  CHECK(*read == Datum(matrix));
  CHECK(!read_tensor_with_plugin(*plugins, artifact, ValueKind::tensor));
  CHECK(said([&] { read_tensor_with_plugin(*plugins, numbers, ValueKind::sequence); }).find("no matrix") != std::string::npos);
  const std::string short_one = scratch.write("short.numbers", "2 2 1 2 3");
  CHECK(said([&] { read_tensor_with_plugin(*plugins, short_one, ValueKind::tensor); }).find("too few or too many bytes") != std::string::npos);
  CHECK(said([&] { write_tensor_with_plugin(*plugins, "absent", "m", matrix); }).find("no installed plugin writes .absent files") !=
        std::string::npos);
  for (const Diagnostic& d : reported) CHECK_MESSAGE(d.text.empty(), d.text);  // nothing but what was asked for
}

}  // namespace

TEST_CASE("one plugin, built in many ways, works the same") {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(built)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("every_", 0) != 0) continue;
#if LATHE_ABI_MINOR >= 1
    if (name == "every_newer") continue;  // it is of this host's age, and sees tomorrow's function
#endif
    take_through(name);
    ++count;
  }
  CHECK(count >= 4);
}

TEST_CASE("two plugins with different LLVMs in one process") {
  if (!fs::exists(built / "llvm_a") || !fs::exists(built / "llvm_b")) {
    MESSAGE("skipped: two versions of LLVM's development files were not at hand when this was built");
    return;
  }
  const auto plugins = Plugins::discover({{(built / "llvm_a").string(), (built / "llvm_b").string()}, ""}, {});
  std::vector<nlohmann::json> answers;
  for (const char* name : {"llvm_a", "llvm_b", "llvm_a"}) {
    Plugin& plugin = plugins->load(name);
    std::string json;
    plugin.check("inspect", [&] {
      return plugin.inspector()->inspect(&plugin.host(), {"x", 1}, &json,
                                         [](void* to, lathe_string s) { static_cast<std::string*>(to)->append(s.data, s.size); });
    });
    answers.push_back(nlohmann::json::parse(json));
    CHECK(answers.back()["right"] == true);
  }
  CHECK(answers[0]["header"] != answers[1]["header"]);
  CHECK(answers[0]["library"] != answers[1]["library"]);
  CHECK(answers[0] == answers[2]);
}
