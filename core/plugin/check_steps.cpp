// The checks, from what can be read without loading to what needs a compiled artifact.
#include "core/plugin/check_steps.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "core/ir/text.hpp"
#include "core/job/backend.hpp"
#include "core/job/operator_probe.hpp"
#include "core/job/verification.hpp"
#include "core/ops/added_operators.hpp"
#include "core/plugin/elf.hpp"
#include "core/plugin/layout.hpp"
#include "core/plugin/loading.hpp"
#include "core/plugin/operators.hpp"
#include "core/plugin/passes.hpp"
#include "core/plugin/regions.hpp"
#include "core/plugin/settings.hpp"
#include "core/reference/reference.hpp"

namespace fs = std::filesystem;

namespace lathe {
namespace {

[[noreturn]] void fail(std::string detail) { throw CheckFailed{std::move(detail)}; }
[[noreturn]] void skip(std::string reason) { throw CheckSkipped{std::move(reason)}; }

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}
void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out) throw Error(Code::failed, "cannot write " + path);
}

// Everything the checks of one plugin share; the plugin is loaded on first use.
class Subject {
 public:
  Subject(Manifest manifest, std::string folder) : manifest_(std::move(manifest)), folder_(std::move(folder)) {}

  const Manifest& manifest() const { return manifest_; }
  Plugins& plugins() {
    if (!plugins_) {
      HostServices services;
      services.report = [this](const Diagnostic& d) { reported.push_back(d); };
      plugins_ = Plugins::discover({{manifest_.file}, ""}, services);
    }
    return *plugins_;
  }
  Plugin& plugin() { return plugins().load(manifest_.name); }
  std::string path(const std::string& name) const { return (fs::path(folder_) / name).string(); }

  std::vector<Diagnostic> reported;

 private:
  Manifest manifest_;
  std::string folder_;
  std::unique_ptr<Plugins> plugins_;
};

// A call that must fail, with a code of the list and a report.
void must_refuse(Plugin& plugin, const std::string& what, const std::function<lathe_code()>& call) {
  try {
    plugin.check(what, call);
  } catch (const Error& e) {
    if (e.code == Code::internal) fail(what + ": " + e.what());
    return;
  }
  fail(what + ": it was accepted");
}

// ---- without loading -----------------------------------------------------------------------------------------------------------------

std::string check_symbols(const Manifest& m) {
  const ElfLibrary library = read_elf(m.library);
  std::string others;
  size_t count = 0;
  bool query = false;
  for (const ElfSymbol& s : library.symbols) {
    if (!s.defined) continue;
    if (s.name == LATHE_PLUGIN_QUERY_SYMBOL)
      query = true;
    else if (++count <= 5)
      others += (others.empty() ? "" : ", ") + s.name + (s.unique ? " (shared between libraries)" : "");
  }
  if (!query) fail("it does not export " LATHE_PLUGIN_QUERY_SYMBOL);
  if (count > 0) fail("it exports " + std::to_string(count) + " symbols besides: " + others + "; lathe_add_plugin() hides them");
  return {};
}

std::string check_search_path(const Manifest& m) {
  for (const std::string& p : read_elf(m.library).runpath) {
    if (p.rfind("$ORIGIN", 0) != 0 && p.rfind("${ORIGIN}", 0) != 0)
      fail("it looks for libraries in '" + p + "', which another machine does not have");
  }
  return {};
}

// ---- the table -----------------------------------------------------------------------------------------------------------------------

std::string check_strings(Subject& s) {
  const Manifest& m = s.manifest();
  if (!std::regex_match(m.version, std::regex(R"(\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?)"))) fail("version '" + m.version + "' is no semantic version");
  if (m.vendor.empty()) fail("the vendor is empty");
  if (m.description.empty() || m.description.back() != '.') fail("the description is no sentence: '" + m.description + "'");
  return {};
}

std::string check_query(Subject& s) {
  const lathe_plugin& table = s.plugin().table();
  for (const std::string& part : s.manifest().parts)
    if (table.part(part.c_str()) != table.part(part.c_str())) fail("part(\"" + part + "\") answers differently each time");
  for (const char* unknown : {"", "backend/99", "no such part"})
    if (table.part(unknown)) fail(std::string("part(\"") + unknown + "\") is answered");
  return {};
}

std::string check_options(Subject& s) {
  const Manifest& m = s.manifest();
  for (const OptionSpec& o : m.options) {
    if (o.help.empty()) fail("option '" + o.name + "' has no help");
    // A path or a text may be empty by default; everything else has to be a value of its own type.
    try {
      resolve_options(m.name, {o}, {{o.name, o.fallback}});
    } catch (const Error& e) {
      fail("the default of option '" + o.name + "' is no value of its type: '" + o.fallback + "'");
    }
  }
  return std::to_string(m.options.size()) + " options";
}

std::string check_recognise(Subject& s) {
  Plugin& plugin = s.plugin();
  std::string garbage(4096, '\0');
  for (size_t i = 0; i < garbage.size(); ++i) garbage[i] = static_cast<char>((i * 2654435761u) >> 13);
  const std::string path = s.path("file.bin");
  for (const std::string& head : {std::string(), std::string("x"), std::string(4096, '\0'), std::string(4096, '\xff'), garbage}) {
    auto ask = [&](const char* part, auto recognise) {
      const size_t before = s.reported.size();
      const int32_t score = recognise(head.empty() ? nullptr : head.data(), head.size(), head.size(), lathe_string{path.data(), path.size()});
      if (score < 0 || score > 100) fail(std::string(part) + ": recognise() answers " + std::to_string(score) + ", 0 to 100 expected");
      if (score == 100) fail(std::string(part) + ": recognise() is certain of " + (head.empty() ? "an empty file" : "a file of meaningless bytes"));
      if (s.reported.size() != before) fail(std::string(part) + ": recognise() reports something");
    };
    if (plugin.frontend()) ask("frontend/1", plugin.frontend()->recognise);
    if (plugin.executor()) ask("executor/1", plugin.executor()->recognise);
    if (plugin.inspector()) ask("inspector/1", plugin.inspector()->recognise);
    if (plugin.tensors()) ask("tensors/1", plugin.tensors()->recognise);
  }
  return {};
}

// ---- frontend, executor and tensors: files that are no good -------------------------------------------------------------------------------------

std::string check_frontend_errors(Subject& s) {
  Plugin& plugin = s.plugin();
  const lathe_frontend& f = *plugin.frontend();
  const std::vector<OptionSpec> declared = describe_options(f.options, f.option_count, f.option_stride);
  const SettingList settings(resolve_options(s.manifest().name, declared, {}), {});
  const std::string extension = f.extensions && *f.extensions ? std::string(".") + *f.extensions : "";
  write_file(s.path("empty" + extension), "");
  write_file(s.path("garbage" + extension), std::string(1000, '\x9d'));
  for (const std::string& name : {std::string("empty"), std::string("garbage"), std::string("absent")}) {
    const std::string path = s.path(name + extension);
    void* self = nullptr;
    plugin.check("create", [&] { return made(f.create(&plugin.host(), &self), self); });
    const std::unique_ptr<void, void (*)(void*)> owner(self, f.destroy);
    const lathe_import_request request = {sizeof request, 0, {path.data(), path.size()}, settings.data(), settings.size()};
    const lathe_graph_sink sink = {nullptr, [](void*, const lathe_graph* graph) {
                                     try {
                                       from_snapshot(*graph, nullptr);
                                       return lathe_code{LATHE_OK};
                                     } catch (const Error&) {
                                       return lathe_code{LATHE_FAILED};
                                     }
                                   }};
    must_refuse(plugin, "importing a model file that is " + name, [&] { return f.import_model(self, &request, &sink); });
  }
  return {};
}

std::string check_executor_errors(Subject& s) {
  Plugin& plugin = s.plugin();
  const lathe_executor& e = *plugin.executor();
  const std::string extension = e.extensions && *e.extensions ? std::string(".") + *e.extensions : "";
  write_file(s.path("empty" + extension), "");
  write_file(s.path("garbage" + extension), std::string(1000, '\x9d'));
  for (const std::string& name : {std::string("empty"), std::string("garbage"), std::string("absent")}) {
    const std::string path = s.path(name + extension);
    const lathe_load_request request = {sizeof request, 1, {path.data(), path.size()}, 0};
    must_refuse(plugin, "loading an artifact that is " + name, [&] {
      void* self = nullptr;
      const lathe_code code = e.load(&plugin.host(), &request, &self);
      if (code == LATHE_OK && self) e.unload(self);
      return code;
    });
  }
  return {};
}

std::string check_tensor_errors(Subject& s) {
  Plugin& plugin = s.plugin();
  const lathe_tensors& t = *plugin.tensors();
  const std::string extension = std::string(".") + *t.extensions;
  write_file(s.path("empty" + extension), "");
  write_file(s.path("garbage" + extension), std::string(1000, '\x9d'));
  for (const std::string& name : {std::string("empty"), std::string("garbage"), std::string("absent")}) {
    const std::string path = s.path(name + extension);
    const lathe_tensor_read_request request = {sizeof request, LATHE_KIND_TENSOR, {path.data(), path.size()}};
    const lathe_tensor_sink sink = {nullptr, [](void*, lathe_string, const lathe_buffer*) { return lathe_code{LATHE_OK}; }};
    must_refuse(plugin, "reading a tensor file that is " + name, [&] { return t.read(&plugin.host(), &request, &sink); });
  }
  return {};
}

// ---- backend ---------------------------------------------------------------------------------------------------------------------------

Graph read_graph(const std::string& file) {
  Graph graph = parse_text(read_file(file), file);
  infer_types(graph);
  return graph;
}

ResolvedTarget plain_target(const Manifest& m, const DeviceSpec& device) {
  ResolvedTarget target;
  target.manifest = &m;
  target.device = device.name;
  target.precision = device.precisions.front();
  return target;
}
// With every declared option at its default.
ResolvedTarget default_target(Plugin& plugin, const DeviceSpec& device) {
  ResolvedTarget target = plain_target(plugin.manifest(), device);
  const lathe_backend& b = *plugin.backend();
  const auto declared = describe_options(b.options, b.option_count, b.option_stride);
  for (auto& [name, value] : resolve_options(plugin.manifest().name, declared, {})) target.settings.push_back({name, value, false});
  return target;
}

std::string check_backend_errors(Subject& s) {
  Plugin& plugin = s.plugin();
  // What the host never asks for, because it is not declared; a plugin may refuse it or ignore it, with a sentence.
  for (const bool device : {true, false}) {
    ResolvedTarget target = default_target(plugin, s.manifest().devices.front());
    (device ? target.device : target.precision) = "no such thing";
    try {
      Backend(plugin, target, s.manifest().emits.front(), "stem");
    } catch (const Error& e) {
      if (e.code == Code::internal) fail(std::string("creating it for an unknown ") + (device ? "device: " : "precision: ") + e.what());
    }
  }
  const lathe_backend& b = *plugin.backend();
  if (LATHE_HAS(&b, lathe_backend, list_choices)) {
    const std::string option = "no-such-option";
    b.list_choices(&plugin.host(), {option.data(), option.size()}, nullptr, [](void*, lathe_string) {});
  }
  return {};
}

std::string words(size_t count, const char* what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

// Every file of a folder with its bytes.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files[entry.path().filename().string()] = read_file(entry.path().string());
  return files;
}

// Claims, compiles twice, runs where it can and compares: one graph of the corpus for one device.
std::string check_compile(Subject& s, const std::string& file, const DeviceSpec& device) {
  Plugin& plugin = s.plugin();
  const Manifest& m = s.manifest();
  const Graph graph = read_graph(file);
  const ResolvedTarget target = default_target(plugin, device);
  const std::string stem = fs::path(file).stem().string();
  // What drives a vendor's tool is judged by what it would hand to it, which needs no tool.
  const bool bundle = std::find(m.emits.begin(), m.emits.end(), "bundle") != m.emits.end();
  const std::string emit = bundle ? "bundle" : m.emits.front();
  Backend backend(plugin, target, emit, stem);
  const CandidateTarget candidate = {&plugin, backend.self(), m.name, backend.opset()};

  std::vector<NodeVerdict> verdicts = ask_verdicts(graph, candidate);
  const std::vector<NodeVerdict> again = ask_verdicts(graph, candidate);
  size_t taken = 0;
  for (NodeId n = 0; n < verdicts.size(); ++n) {
    const std::string node = graph.nodes[n].name + " (" + graph.nodes[n].op_type + ")";
    if (verdicts[n].taken != again[n].taken || verdicts[n].group != again[n].group) fail("it claims " + node + " once so and once otherwise");
    if (!verdicts[n].taken && verdicts[n].reason.empty()) fail("it does not take " + node + " and does not say why");
    taken += verdicts[n].taken;
  }
  if (taken == 0) skip("none of its nodes is taken: " + verdicts.front().reason);
  if (bundle && (m.has_trait("needs-calibration") || (m.calibration_lowest > 0 && target.precision == "int8")))
    skip("claimed; compiling for " + target.precision + " wants calibration data");

  // What it leaves goes to an imaginary second target.
  const std::vector<std::vector<NodeVerdict>> both = {verdicts, std::vector<NodeVerdict>(verdicts.size(), {true, none, ""})};
  const std::vector<std::string> names = {m.name, "the rest"};
  std::string said = words(taken, "node") + " of " + std::to_string(verdicts.size());
  size_t compared = 0;
  for (const Region& region : cut_regions(graph, names, both).regions) {
    if (region.target != 0) continue;
    std::map<std::string, std::string> first;
    std::string artifact;
    for (const char* round : {"first", "second"}) {
      const std::string folder = s.path(std::string(round) + "-" + stem);
      fs::remove_all(folder);
      fs::create_directory(folder);
      Backend fresh(plugin, target, emit, stem);
      CompiledRegion compiled;
      try {
        compiled = fresh.compile(region.graph, folder);
      } catch (const Error& e) {
        // The kit may stand alone, without the plugin that writes the file a tool reads.
        if (!bundle || e.code != Code::unsupported) throw;
        skip("claimed; not compiled: " + e.diagnostics.front().text);
      }
      artifact = (fs::path(folder) / compiled.artifact).string();
      if (first.empty())
        first = contents(folder);
      else if (first != contents(folder))
        fail("compiling the same graph twice gives different files");
    }
    const lathe_executor* e = plugin.executor();
    if (!e || bundle) continue;
    std::unique_ptr<Executable> executable;
    try {
      executable = load_executable(s.plugins(), artifact, 2, false);
    } catch (const Error& error) {
      const char* obstacle = LATHE_HAS(e, lathe_executor, obstacle) ? e->obstacle({artifact.data(), artifact.size()}) : nullptr;
      if (obstacle || error.code == Code::unsupported) {
        said += ", not run: " + (obstacle ? std::string(obstacle) : error.diagnostics.front().text);
        continue;
      }
      throw;
    }
    const Verification v = verify_artifact(region.graph, *executable, limits_for(target.precision, region.graph), false, 2);
    if (v.state == Verification::State::disagrees) fail(describe_disagreement(v).front().sentence());
    compared += v.state == Verification::State::agrees;
  }
  return said + (compared ? ", agrees with the reference" : "");
}

// A damaged artifact is refused or run; it never takes the process down.
std::string check_damage(Subject& s, const std::string& corpus) {
  Plugin& plugin = s.plugin();
  for (const auto& entry : fs::directory_iterator(s.path(""))) {
    if (!entry.is_directory() || entry.path().filename().string().rfind("first-", 0) != 0) continue;
    for (const auto& [name, bytes] : contents(entry.path().string())) {
      const std::string path = s.path(name);
      for (const size_t size : {bytes.size() / 2, std::min<size_t>(16, bytes.size() / 2)}) {
        write_file(path, std::string_view(bytes).substr(0, size));
        const lathe_load_request request = {sizeof request, 1, {path.data(), path.size()}, 0};
        must_refuse(plugin, "loading an artifact cut to " + std::to_string(size) + " of " + std::to_string(bytes.size()) + " bytes", [&] {
          void* self = nullptr;
          const lathe_code code = plugin.executor()->load(&plugin.host(), &request, &self);
          if (code == LATHE_OK && self) plugin.executor()->unload(self);
          return code;
        });
      }
      return {};
    }
  }
  skip("nothing of " + corpus + " was compiled");
}

// ---- passes and inspector ----------------------------------------------------------------------------------------------------------------

std::string check_pass(Subject& s, const std::string& pass_name, const std::vector<std::string>& corpus) {
  std::vector<Pass> passes;
  append_passes(s.plugin(), passes);
  size_t changed = 0;
  for (const Pass& pass : passes) {
    if (pass.name != pass_name) continue;
    PassSettings settings;
    for (const PassOption& o : pass.options) settings.values.emplace_back(o.name, o.fallback);
    for (const std::string& file : corpus) {
      const Graph before = read_graph(file);
      Graph after = clone(before);
      if (!pass.run(after, settings)) continue;
      ++changed;
      infer_types(after);
      const auto inputs = seeded_inputs(before, 1);
      const auto expected = run_reference(before, inputs), found = run_reference(after, inputs);
      for (const auto& [name, datum] : expected) {
        if (found.count(name) == 0) fail("output '" + name + "' of " + file + " is gone");
        const OutputComparison c = compare_outputs(name, datum, found.at(name), Limits{});
        if (!c.agrees) fail("output '" + name + "' of " + file + " changes its value at " + c.place);
      }
    }
  }
  return "changed " + words(changed, "graph") + " of " + std::to_string(corpus.size());
}

// ---- operators ---------------------------------------------------------------------------------------------------------------------------

// The shapes that the operator's shape function gives its outputs, for these inputs.
std::vector<std::optional<std::vector<int64_t>>> shapes_by_function(const AddedOperator& added, const Node& node,
                                                                    const std::vector<const Tensor*>& inputs) {
  std::vector<kernels::Tensor> in, out(node.outputs.size(), {nullptr, nullptr, 0, kernels::Type::float32});
  for (const Tensor* t : inputs)
    in.push_back(
        t ? kernels::Tensor{const_cast<std::byte*>(t->bytes.data), t->dimensions.data(), int32_t(t->dimensions.size()), kernels::Type(t->type)}
          : kernels::Tensor{nullptr, nullptr, 0, kernels::Type::none});
  std::vector<std::optional<std::vector<int64_t>>> shapes(out.size());
  const char* error = nullptr;
  kernels::Call call{};
  call.inputs = in.data(), call.input_count = int32_t(in.size());
  call.outputs = out.data(), call.output_count = int32_t(out.size());
  call.opset = int32_t(canonical_opset);
  call.error = &error;
  call.allocate_context = &shapes;
  call.allocate = [](void* context, int32_t index, const int64_t* dimensions, int32_t rank) -> const kernels::Tensor* {
    static const kernels::Tensor any = {};
    (*static_cast<std::vector<std::optional<std::vector<int64_t>>>*>(context))[size_t(index)].emplace(dimensions, dimensions + rank);
    return &any;
  };
  added.shape(call);
  if (error) fail(std::string("its shape function refuses a typical use: ") + error);
  return shapes;
}

// A typical use of one operator: inferred, run twice, and held against what inference and the shape function said. False: its inference does not
// take the typical use.
bool check_operator(Subject& s, const AddedOperator& added) {
  const std::string name = std::string(added.op.domain) + "." + std::string(added.op.name);
  Graph graph = typical_graph(added.op);
  const std::vector<ValueId> formal_inputs = graph.nodes[0].inputs;
  try {
    load_operators_of(s.plugins(), graph);
    infer_types(graph);
  } catch (const Error& e) {
    if (e.code == Code::internal) fail(name + ": " + e.what());
    return false;
  }
  const NamedData inputs = seeded_inputs(graph, 1);
  const NamedData first = run_reference(graph, inputs), second = run_reference(graph, inputs);
  for (const ValueId id : graph.outputs) {
    const Value& value = graph.value(id);
    const Tensor& tensor = first.at(value.name).tensor;
    if (added.op.deterministic && !(tensor == second.at(value.name).tensor)) fail(name + " computes something else the second time");
    const std::string found = to_string(ValueType{ValueKind::tensor, tensor.type, Shape(tensor.dimensions.begin(), tensor.dimensions.end())});
    if (value.type.element != tensor.type || (value.type.static_shape() && value.type.dimensions() != tensor.dimensions))
      fail(name + ": inference says " + to_string(value.type) + ", and its kernel yields " + found);
  }
  if (!added.shape) return true;
  std::vector<const Tensor*> tensors;
  for (const ValueId id : formal_inputs) tensors.push_back(id == none ? nullptr : &inputs.at(graph.value(id).name).tensor);
  const auto shapes = shapes_by_function(added, graph.nodes[0], tensors);
  for (size_t i = 0; i < shapes.size(); ++i)
    if (!shapes[i] || *shapes[i] != first.at(graph.value(graph.nodes[0].outputs[i]).name).tensor.dimensions)
      fail(name + ": its shape function gives output " + std::to_string(i) + " another shape than inference");
  return true;
}

std::string check_own_operators(Subject& s) {
  s.plugin();
  size_t ran = 0, all = 0;
  for (const auto& added : added_operators()) {
    if (added->plugin != s.manifest().name) continue;
    ++all;
    ran += check_operator(s, *added);
  }
  if (ran == 0) skip("none of its " + words(all, "operator") + " takes inputs of a typical shape");
  return words(ran, "operator") + " of " + std::to_string(all);
}

std::string check_inspector(Subject& s, const std::vector<std::string>& files) {
  Plugin& plugin = s.plugin();
  size_t known = 0;
  for (const std::string& file : files) {
    const std::string head = read_file(file).substr(0, 4096);
    if (plugin.inspector()->recognise(head.data(), head.size(), fs::file_size(file), {file.data(), file.size()}) <= 0) continue;
    std::string json;
    try {
      plugin.check("inspect", [&] {
        return plugin.inspector()->inspect(&plugin.host(), {file.data(), file.size()}, &json, [](void* context, lathe_string text) {
          static_cast<std::string*>(context)->append(text.data, text.size);
        });
      });
    } catch (const Error& e) {
      if (e.code == Code::internal) throw;
      continue;  // the checks' damaged files may be known by their names; refusing them with a sentence is right
    }
    ++known;
    const auto parsed = nlohmann::json::parse(json, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("format") || !parsed["format"].is_string())
      fail("what it says of " + file + " is no JSON object with a \"format\"");
  }
  if (known == 0) skip("it knows none of the files at hand");
  return words(known, "file");
}

}  // namespace

std::vector<CheckStep> check_steps(const Manifest& manifest, const std::string& corpus, const std::string& folder) {
  const auto s = std::make_shared<Subject>(manifest, folder);
  std::vector<std::string> graphs;
  std::error_code error;
  for (fs::directory_iterator i(corpus, error), end; !error && i != end; i.increment(error))
    if (i->path().extension() == ".onnxtxt") graphs.push_back(i->path().string());
  std::sort(graphs.begin(), graphs.end());

  std::vector<CheckStep> steps;
  auto add = [&](std::string name, std::function<std::string()> run, bool essential = false) {
    steps.push_back({std::move(name), std::move(run), essential});
  };
  add("exports one symbol", [s] { return check_symbols(s->manifest()); });
  add("looks for libraries only beside itself", [s] { return check_search_path(s->manifest()); });
  add(
      "loads, and its tables agree with its manifest", [s] { return std::string("built with ") + s->plugin().table().build; }, true);
  add("names, version and description", [s] { return check_strings(*s); });
  add("answers for its parts alone", [s] { return check_query(*s); });
  add("declares options with valid defaults", [s] { return check_options(*s); });
  add("recognises files calmly", [s] { return check_recognise(*s); });
  if (manifest.has_part("frontend/1")) add("refuses files that are no model", [s] { return check_frontend_errors(*s); });
  if (manifest.has_part("executor/1")) add("refuses files that are no artifact", [s] { return check_executor_errors(*s); });
  if (manifest.has_part("tensors/1")) add("refuses files that are no tensors", [s] { return check_tensor_errors(*s); });
  if (manifest.has_part("backend/1")) {
    add("answers requests for what it does not declare", [s] { return check_backend_errors(*s); });
    for (const DeviceSpec& device : manifest.devices) {
      for (const std::string& file : graphs) {
        add("compiles " + fs::path(file).stem().string() + " for " + device.name + " " + device.precisions.front(),
            [s, file, device] { return check_compile(*s, file, device); });
      }
    }
    if (graphs.empty()) add("compiles a corpus of graphs", [corpus]() -> std::string { skip("there is none in '" + corpus + "'"); });
    if (manifest.has_part("executor/1")) add("refuses truncated artifacts", [s, corpus] { return check_damage(*s, corpus); });
  }
  if (manifest.has_part("operators/1")) add("infers and runs its operators", [s] { return check_own_operators(*s); });
  if (manifest.has_part("passes/1")) {
    add("runs its passes", [s, graphs] {
      std::string all;
      std::vector<Pass> passes;
      append_passes(s->plugin(), passes);
      for (const Pass& p : passes) all += (all.empty() ? "" : "; ") + p.name + " " + check_pass(*s, p.name, graphs);
      return all;
    });
  }
  if (manifest.has_part("inspector/1")) {
    add("inspects files", [s, folder] {
      std::vector<std::string> files = {s->manifest().library};
      for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files.push_back(entry.path().string());
      return check_inspector(*s, files);
    });
  }
  return steps;
}

}  // namespace lathe
