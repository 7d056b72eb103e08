// Discovery, the refusals, and working with a loaded plugin; with real libraries (tests/conformance/plugins).
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/plugin/plugins.hpp"
#include "core/plugin/settings.hpp"

using namespace lathe;
namespace fs = std::filesystem;

namespace {

const fs::path built = fs::path(LATHE_BINARY_DIR) / "tests/plugins";

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("lathe-loading-" + std::to_string(::getpid()) + "-" + std::to_string(count_++))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  void add(const std::string& name) const {
    fs::copy(built / name / (name + ".so"), path_);
    fs::copy(built / name / (name + ".plugin.yaml"), path_);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }

 private:
  static inline int count_ = 0;
  fs::path path_;
};

std::unique_ptr<Plugins> discover(const std::vector<fs::path>& paths, HostServices services = {}, std::string program = {}) {
  ::setenv("XDG_DATA_HOME", "/nonexistent", 1);
  ::unsetenv("LATHE_PLUGIN_PATH");
  PluginSearch search;
  for (const fs::path& p : paths) search.explicit_paths.push_back(p.string());
  search.program = std::move(program);
  return Plugins::discover(search, std::move(services));
}

// What is said when the fault plugin is loaded; checks path, code and next step.
std::string refusal(const std::string& name) {
  const auto plugins = discover({built / name});
  try {
    plugins->load(name);
  } catch (const Error& e) {
    CHECK(e.code == Code::unsupported);
    REQUIRE(e.diagnostics.size() == 1);
    CHECK(e.diagnostics[0].location == (built / name / (name + ".so")).string());
    CHECK(!e.diagnostics[0].hint.empty());
    return e.diagnostics[0].text;
  }
  FAIL("not refused: " << name);
  return {};
}
bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

TargetSpec target(const std::string& text) { return parse_targets(text).front(); }
Diagnostic not_found(Plugins& plugins, const std::string& text, Code code) {
  try {
    plugins.find_target(target(text));
  } catch (const Error& e) {
    CHECK(e.code == code);
    return e.diagnostics.front();
  }
  FAIL("found: " << text);
  return {};
}

}  // namespace

TEST_CASE("a plugin that keeps the contract loads, and every way of breaking it has its sentence") {
  CHECK(discover({built / "fault_none"})->load("fault_none").backend() != nullptr);
  contains(refusal("fault_no_symbol"), "does not export lathe_plugin_query");
  contains(refusal("fault_null_query"), "does not serve plugin interface 1.0");
  contains(refusal("fault_wrong_major"), "built for plugin interface 99.0, and this program offers 1.0");
  contains(refusal("fault_small_table"), "too small: 40 bytes, at least 64 expected");
  contains(refusal("fault_wrong_name"), "calls itself 'somebody_else'");
  contains(refusal("fault_no_part"), "lacks a name, a version or the function part()");
  contains(refusal("fault_no_build"), "does not say how it was built");
  contains(refusal("fault_other_sanitizer"), "sanitizer 'imaginary'");
  contains(refusal("fault_missing_function"), "the function compile is missing");
  contains(refusal("fault_wrong_device"), "device 'TWO' is in the manifest but not in the library");
  contains(refusal("fault_wrong_option"), "option 'level'");
  contains(refusal("fault_repeated_option"), "declared twice");
}

TEST_CASE("files that are no plugin are refused, and others beside them still load") {
  const Folder folder;
  const std::string manifest = "version: 1\nparts: [passes/1]\nname: ";
  folder.add("fault_none");
  folder.write("absent.plugin.yaml", manifest + "absent\n");
  folder.write("textual.plugin.yaml", manifest + "textual\n");
  folder.write("textual.so", "this is text");
  folder.write("misspelt.plugin.yaml", manifest + "misspelt\nvendr: x\n");
  folder.write("renamed.plugin.yaml", manifest + "other\n");
  folder.write("alone.so", "");
  // A library for another machine: this one with e_machine (ELF-64, offset 18) changed.
  fs::copy(folder.path() / "fault_none.so", folder.path() / "foreign.so");
  {
    std::fstream elf(folder.path() / "foreign.so", std::ios::in | std::ios::out | std::ios::binary);
    elf.seekp(18);
    elf.put('\x08');  // EM_MIPS
  }
  folder.write("foreign.plugin.yaml", manifest + "foreign\n");

  const auto plugins = discover({folder.path()});
  CHECK(plugins->manifests().size() == 4);
  CHECK(plugins->refused().size() == 3);
  auto said = [&](const std::string& name) -> std::string {
    try {
      plugins->load(name);
    } catch (const Error& e) {
      return e.what();
    }
    return "loaded";
  };
  contains(said("absent"), "its library is missing");
  contains(said("textual"), "no shared library");
  contains(said("foreign"), "its library is for machine 8");
  contains(said("foreign"), "its library is for machine 8");  // a second time, from memory
  CHECK(said("fault_none") == "loaded");
  contains(said("fault_nome"), "did you mean 'fault_none'?");
  contains(not_found(*plugins, "misspelt", Code::unsupported).text, "found but is refused");
  contains(not_found(*plugins, "alone", Code::unsupported).text, "without manifest");
}

TEST_CASE("targets: names, aliases, devices, and the three sentences") {
  const Folder prefix;
  fs::create_directories(prefix.path() / "bin");
  fs::create_directories(prefix.path() / "lib/lathe/plugins");
  fs::create_directories(prefix.path() / "share/lathe");
  for (const char* file : {"fault_none.so", "fault_none.plugin.yaml"}) fs::copy(built / "fault_none" / file, prefix.path() / "lib/lathe/plugins");
  {
    std::ofstream manifest(prefix.path() / "lib/lathe/plugins/fault_none.plugin.yaml", std::ios::app);
    manifest << "aliases: [Nothing]\n";
    std::ofstream known(prefix.path() / "share/lathe/known-targets.yaml");
    known << "---\nname: chip\nversion: 1\nparts: [backend/1]\nruntime: CHIPRT\naliases: [chiprt]\nemits: [library]\ndevices: [{name: C1, "
             "precisions: [int8]}]\n";
  }
  const auto plugins = discover({}, {}, (prefix.path() / "bin/lathe").string());
  CHECK(plugins->share_directory() == (prefix.path() / "share/lathe").string());
  CHECK(plugins->find_target(target("FAULT_None:two")).name == "fault_none");
  CHECK(plugins->find_target(target("nothing")).name == "fault_none");
  CHECK(plugins->known_targets().size() == 1);

  contains(not_found(*plugins, "fault_nine", Code::usage).text, "unknown target 'fault_nine', did you mean 'fault_none'?");
  contains(not_found(*plugins, "ChipRT", Code::unsupported).text, "is known, but its plugin is not installed");
  contains(not_found(*plugins, "fault_none:tow", Code::usage).text, "has no device 'tow', did you mean 'TWO'?");
}

TEST_CASE("search order: the first of a name wins, the other is noted") {
  const Folder first, second;
  first.add("fault_none");
  second.add("fault_none");
  second.add("fault_throw");
  ::setenv("XDG_DATA_HOME", "/nonexistent", 1);
  ::setenv("LATHE_PLUGIN_PATH", (second.path().string() + ":/no/such/folder").c_str(), 1);
  const auto plugins = Plugins::discover({{first.path() / "fault_none.so"}, ""}, {});
  ::unsetenv("LATHE_PLUGIN_PATH");
  REQUIRE(plugins->manifests().size() == 2);
  CHECK(plugins->manifests()[0].file == (first.path() / "fault_none.plugin.yaml").string());
  REQUIRE(plugins->refused().size() == 2);
  contains(plugins->refused()[0].text, "comes first and is used");
  contains(plugins->refused()[1].text, "does not exist");
  CHECK_THROWS_AS(discover({"/no/such/plugin.so"}), Error);
}

TEST_CASE("calls: errors are carried, warnings forwarded, silence named") {
  std::vector<Diagnostic> reported;
  HostServices services;
  services.report = [&](const Diagnostic& d) { reported.push_back(d); };
  const auto plugins = discover({built / "fault_none"}, services);
  Plugin& plugin = plugins->load("fault_none");
  auto say = [&](int32_t severity, const char* text) {
    lathe_diagnostic d = {};
    d.struct_size = sizeof d;
    d.severity = severity;
    d.text = {text, std::strlen(text)};
    plugin.host().report(plugin.host().context, &d);
  };
  try {
    plugin.check("something", [&] {
      say(LATHE_WARNING, "careful");
      say(LATHE_ERROR, "first");
      say(LATHE_ERROR, "second");
      return lathe_code{LATHE_UNSUPPORTED};
    });
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Code::unsupported);
    REQUIRE(e.diagnostics.size() == 2);
    CHECK(e.diagnostics[1].text == "second");
  }
  REQUIRE(reported.size() == 1);
  CHECK(reported[0].text == "careful");

  try {
    plugin.check("something", [] { return lathe_code{LATHE_FAILED}; });
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code == Code::internal);
    contains(e.what(), "without saying why");
    contains(e.what(), "fault_none");
  }
  CHECK_THROWS_AS(plugin.check("something", [] { return lathe_code{LATHE_CANCELLED}; }), Error);
  plugin.check("something", [&] { return say(LATHE_ERROR, "not so bad"), lathe_code{LATHE_OK}; });
  CHECK(reported.size() == 2);
}

TEST_CASE("executors: a file nobody knows, a damaged artifact, buffers that lie") {
  const Folder folder;
  folder.write("a.flt", "FLT1\n1\nx 1 4\n1\ny 1 4\n0\n");
  folder.write("short.flt", "FLT1\n1\nx 1 4\n");
  folder.write("other.bin", "what is this");
  auto load = [&](const char* plugin, const char* file) {
    return load_executable(*discover({built / plugin}), (folder.path() / file).string(), 1, false);
  };
  auto said = [&](const char* plugin, const char* file) -> std::string {
    try {
      load(plugin, file)->run({Tensor::of<float>(DataType::float32, {4}, std::vector<float>{-1, 2, -3, 4})});
    } catch (const Error& e) {
      return e.what();
    }
    return "ran";
  };
  const auto artifact = load("fault_none", "a.flt");
  REQUIRE(artifact->inputs().size() == 1);
  CHECK(artifact->inputs()[0].name == "x");
  const auto results = artifact->run({Tensor::of<float>(DataType::float32, {4}, std::vector<float>{-1, 2, -3, 4})});
  REQUIRE(results.size() == 1);
  CHECK(results[0] == Tensor::of<float>(DataType::float32, {4}, std::vector<float>{0, 2, 0, 4}));
  CHECK_THROWS_AS(artifact->run({}), Error);
  CHECK_THROWS_AS(artifact->run({Tensor::allocate(DataType::float32, {5})}), Error);
  CHECK_THROWS_AS(artifact->run({Tensor::allocate(DataType::int32, {4})}), Error);

  contains(said("fault_none", "other.bin"), "no installed plugin runs this artifact");
  contains(said("fault_none", "short.flt"), "truncated");
  contains(said("fault_none", "absent.flt"), "no such file");
  contains(said("fault_load_null", "a.flt"), "without saying why");
  contains(said("fault_run_nothing", "a.flt"), "did not fill output 'y'");
  contains(said("fault_run_twice", "a.flt"), "asks twice");
  contains(said("fault_run_wrong_size", "a.flt"), "asks for 1 bytes");
}
