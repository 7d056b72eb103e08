// Opening libraries (Boost.DLL; absolute path, all symbols now, none shared) and the checks that follow, in the order of what can be
// trusted: the file, the symbol, the table's head, the table, the parts, the manifest.
#include "core/plugin/loading.hpp"

#include <dlfcn.h>

#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/files/picture.hpp"
#include "core/plugin/elf.hpp"
#include "core/plugin/from_snapshot.hpp"
#include "core/plugin/layout.hpp"
#include "core/plugin/models.hpp"
#include "core/plugin/operators.hpp"
#include "lathe/models.h"
#include "lathe/support.hpp"

namespace lathe {
namespace {

std::string text(lathe_string s) { return s.data && s.size ? std::string(s.data, s.size) : std::string(); }
lathe_string borrow(const std::string& s) { return {s.data(), s.size()}; }

class LoadedPlugin final : public Plugin {
 public:
  LoadedPlugin(const Manifest& manifest, const lathe_plugin& table, const HostServices& services, Plugins& plugins)
      : manifest_(manifest), table_(table), services_(services), plugins_(plugins) {
    host_.struct_size = sizeof host_;
    host_.abi_major = LATHE_ABI_MAJOR;
    host_.abi_minor = LATHE_ABI_MINOR;
    host_.context = this;
    host_.report = [](void* self, const lathe_diagnostic* d) { static_cast<LoadedPlugin*>(self)->report(d); };
    host_.log = [](void* self, lathe_string line) {
      const auto& log = static_cast<LoadedPlugin*>(self)->services_.log;
      if (log) log(text(line));
    };
    host_.progress = [](void* self, lathe_string what, double fraction) {
      const auto& progress = static_cast<LoadedPlugin*>(self)->services_.progress;
      if (progress) progress(text(what), fraction);
    };
    host_.cancelled = [](void* self) -> int32_t {
      const auto& cancelled = static_cast<LoadedPlugin*>(self)->services_.cancelled;
      return cancelled && cancelled();
    };
    models_ = {sizeof models_, 0, this, [](void* self, const lathe_graph* graph, lathe_string extension, lathe_string path) {
                 return static_cast<LoadedPlugin*>(self)->write_model(graph, extension, path);
               }};
    host_.service = [](void* self, const char* id) -> const void* {
      static const lathe_pictures pictures = {sizeof pictures, 0, nullptr, decode_picture_for_kernel};
      const std::string_view name = id ? id : "";
      if (name == LATHE_OPERATOR_KERNELS_SERVICE) return &operator_kernels_service();
      if (name == "models/1") return &static_cast<LoadedPlugin*>(self)->models_;
      return name == LATHE_PICTURES_SERVICE ? &pictures : nullptr;
    };
    host_.plugin_path = manifest_.library.c_str();
    host_.threads = std::max(1u, services.threads);
  }

  const Manifest& manifest() const override { return manifest_; }
  const lathe_plugin& table() const override { return table_; }
  const lathe_host& host() const override { return host_; }
  const lathe_frontend* frontend() const override { return part<lathe_frontend>("frontend/1"); }
  const lathe_backend* backend() const override { return part<lathe_backend>("backend/1"); }
  const lathe_executor* executor() const override { return part<lathe_executor>("executor/1"); }
  const lathe_inspector* inspector() const override { return part<lathe_inspector>("inspector/1"); }
  const lathe_passes* passes() const override { return part<lathe_passes>("passes/1"); }
  const lathe_tensors* tensors() const override { return part<lathe_tensors>("tensors/1"); }
  const lathe_operators* operators() const override { return part<lathe_operators>("operators/1"); }

  void check(std::string_view what, const std::function<lathe_code()>& call) override {
    Scope scope{std::this_thread::get_id(), {}};
    {
      const std::lock_guard lock(mutex_);
      scopes_.push_back(&scope);
    }
    lathe_code code = LATHE_INTERNAL;
    try {
      code = call();
    } catch (...) {
      leave(scope);
      throw;
    }
    leave(scope);
    if (code == LATHE_OK) {  // what was reported as an error did not keep the plugin from its work: pass it on
      for (const Diagnostic& d : scope.errors) forward(d);
      return;
    }
    if (code == LATHE_CANCELLED && scope.errors.empty()) throw Error(Code::interrupted, "interrupted");
    if (scope.errors.empty()) {
      Diagnostic d;
      d.text = "plugin '" + manifest_.name + "' failed with code " + std::to_string(code) + " in " + std::string(what) + " without saying why";
      d.location = manifest_.library;
      d.hint = "this is a defect of the plugin; report it to " + (manifest_.vendor.empty() ? "its vendor" : manifest_.vendor);
      throw Error(Code::internal, d);
    }
    const bool known = (code >= LATHE_FAILED && code <= LATHE_BUDGET) || code == LATHE_CANCELLED;
    throw Error(known ? static_cast<Code>(code) : Code::internal, scope.errors);
  }

 private:
  // One running check(): errors that the plugin reports meanwhile belong to it.
  struct Scope {
    std::thread::id thread;
    std::vector<Diagnostic> errors;
  };

  template <class T>
  const T* part(const char* id) const {
    return static_cast<const T*>(table_.part(id));
  }
  void leave(Scope& scope) {
    const std::lock_guard lock(mutex_);
    std::erase(scopes_, &scope);
  }
  // Called by the plugin: what the writer reports is reported as if this plugin had.
  lathe_code write_model(const lathe_graph* graph, lathe_string extension, lathe_string path) {
    return run_callback(host_, [&] {
      if (!graph) throw Error(Code::internal, "plugin '" + manifest_.name + "' has no graph written as a model", "this is a defect of the plugin");
      write_model_with_plugin(plugins_, from_snapshot(*graph, nullptr), text(extension), text(path));
    });
  }
  void forward(const Diagnostic& d) const {
    if (services_.report) services_.report(d);
  }
  void report(const lathe_diagnostic* from) {
    if (!from || from->struct_size < released_size<lathe_diagnostic>) return;
    Diagnostic d;
    d.severity = from->severity <= LATHE_NOTE ? Severity::note : from->severity == LATHE_WARNING ? Severity::warning : Severity::error;
    d.text = text(from->text);
    d.node = text(from->node);
    d.op_type = text(from->op_type);
    d.location = text(from->location);
    d.expected = text(from->expected);
    d.found = text(from->found);
    d.hint = text(from->hint);
    if (d.text.empty()) d.text = "plugin '" + manifest_.name + "' reported something without text";
    if (d.severity != Severity::error) return forward(d);
    {
      const std::lock_guard lock(mutex_);
      Scope* owner = scopes_.empty() ? nullptr : scopes_.back();  // a thread of the plugin's own: the newest call
      for (Scope* s : scopes_)
        if (s->thread == std::this_thread::get_id()) owner = s;
      if (owner) {
        owner->errors.push_back(std::move(d));
        return;
      }
    }
    forward(d);
  }

  Manifest manifest_;
  const lathe_plugin& table_;
  HostServices services_;
  Plugins& plugins_;
  lathe_host host_ = {};
  lathe_models models_ = {};
  std::mutex mutex_;
  std::vector<Scope*> scopes_;
};

[[noreturn]] void refuse(const Manifest& manifest, std::string reason, std::string hint) {
  Diagnostic d;
  d.text = "plugin '" + manifest.name + "' was found but is refused: " + std::move(reason);
  d.location = manifest.library;
  d.hint = std::move(hint);
  throw Error(Code::unsupported, d);
}

std::string sanitizer_of(std::string_view build) {
  const size_t last = build.rfind("; ");
  return last == std::string_view::npos ? "" : std::string(build.substr(last + 2));
}

// What would end the process inside dlopen, or give a message nobody understands, is refused before.
void check_file(const Manifest& manifest) {
  std::error_code error;
  if (!std::filesystem::exists(manifest.library, error)) {
    refuse(manifest, "its library is missing", "reinstall the plugin, or remove " + manifest.file);
  }
  ElfLibrary library;
  try {
    library = read_elf(manifest.library);
  } catch (const Error& e) {
    refuse(manifest, e.diagnostics.front().text, "reinstall the plugin");
  }
  if (library.machine != host_machine()) {
    refuse(manifest, "its library is for " + machine_name(library.machine) + ", and this is " + machine_name(host_machine()),
           "install the plugin's build for " + machine_name(host_machine()));
  }
  const std::string sanitizer = wanted_sanitizer(library);
  if (sanitizer != "none" && sanitizer != LATHE_BUILD_SANITIZER) {
    refuse(manifest, "it was built with the " + sanitizer + " sanitizer, and this program with " LATHE_BUILD_SANITIZER,
           "build it without -fsanitize");
  }
}

// Opened libraries. They are never closed: objects, threads and static data of a plugin may live on.
void keep_open(boost::dll::shared_library library) {
  static std::mutex& mutex = *new std::mutex;
  static auto& libraries = *new std::vector<boost::dll::shared_library>;
  const std::lock_guard lock(mutex);
  libraries.push_back(std::move(library));
}
Plugin& keep_alive(std::unique_ptr<Plugin> plugin) {
  static std::mutex& mutex = *new std::mutex;
  static auto& plugins = *new std::vector<std::unique_ptr<Plugin>>;
  const std::lock_guard lock(mutex);
  plugins.push_back(std::move(plugin));
  return *plugins.back();
}

lathe_plugin_query_function open(const Manifest& manifest) {
  boost::dll::shared_library library;
  boost::dll::fs::error_code error;
  library.load(manifest.library, error, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (error || !library.is_loaded()) {
    const char* reason = dlerror();
    refuse(manifest, std::string("the system cannot load it: ") + (reason ? reason : error.message()),
           "install what its library needs, or the plugin's build for this system");
  }
  lathe_plugin_query_function query = nullptr;
  if (library.has(LATHE_PLUGIN_QUERY_SYMBOL)) query = library.get<const lathe_plugin*(uint32_t, const void*)>(LATHE_PLUGIN_QUERY_SYMBOL);
  keep_open(std::move(library));
  if (!query) refuse(manifest, "its library does not export " LATHE_PLUGIN_QUERY_SYMBOL, "build it with lathe_add_plugin() and LATHE_PLUGIN(...)");
  return query;
}

std::string version(uint32_t major, uint32_t minor) { return std::to_string(major) + "." + std::to_string(minor); }

const lathe_plugin& check_table(const Manifest& manifest, lathe_plugin_query_function query) {
  const std::string ours = version(LATHE_ABI_MAJOR, LATHE_ABI_MINOR);
  const lathe_plugin* table = query(LATHE_ABI_MAJOR, nullptr);
  if (!table) refuse(manifest, "it does not serve plugin interface " + ours, "install a build of the plugin for this version of Lathe");
  if (table->abi_major != LATHE_ABI_MAJOR) {
    refuse(manifest, "it was built for plugin interface " + version(table->abi_major, table->abi_minor) + ", and this program offers " + ours,
           "install a build of the plugin for this version of Lathe");
  }
  if (table->struct_size < released_size<lathe_plugin>) {
    refuse(manifest,
           "its table is too small: " + std::to_string(table->struct_size) + " bytes, at least " + std::to_string(released_size<lathe_plugin>) +
               " expected",
           "this is a defect of the plugin; set struct_size to sizeof(lathe_plugin)");
  }
  if (!table->name || !table->version || !table->part) {
    refuse(manifest, "its table lacks a name, a version or the function part()", "this is a defect of the plugin; fill these fields");
  }
  if (manifest.name != table->name) {
    refuse(manifest, std::string("its library calls itself '") + table->name + "'", "name the files after the plugin");
  }
  const std::string file = std::filesystem::path(manifest.library).filename().string();
  if (file != manifest.name + ".so") refuse(manifest, "its library is called '" + file + "'", "call it " + manifest.name + ".so");
  const std::string sanitizer = sanitizer_of(table->build ? table->build : "");
  if (sanitizer.empty()) refuse(manifest, "its build string does not say how it was built", "fill it with LATHE_BUILD");
  if (sanitizer != LATHE_BUILD_SANITIZER) {
    refuse(manifest, "it was built with sanitizer '" + sanitizer + "', and this program with '" LATHE_BUILD_SANITIZER "'",
           "build both with the same -fsanitize, or both without");
  }
  return *table;
}

}  // namespace

Plugin& load_plugin(const Manifest& manifest, const HostServices& services, Plugins& plugins) {
  check_file(manifest);
  const lathe_plugin& table = check_table(manifest, open(manifest));
  const std::vector<std::string> defects = table_defects(table);
  if (!defects.empty()) refuse(manifest, defects.front(), "this is a defect of the plugin; `lathe plugin check` lists all of them");
  const std::vector<std::string> differing = differences(manifest, describe_tables(table));
  if (!differing.empty()) {
    refuse(manifest, "its manifest and its library disagree: " + differing.front(), "make " + manifest.file + " say what the library says");
  }
  Plugin& plugin = keep_alive(std::make_unique<LoadedPlugin>(manifest, table, services, plugins));
  bring_operators(plugin);
  return plugin;
}

void report_through(const lathe_host& host, const Diagnostic& d) {
  lathe_diagnostic c = {};
  c.struct_size = sizeof c;
  c.severity = static_cast<int32_t>(d.severity);
  c.text = borrow(d.text);
  c.node = borrow(d.node);
  c.op_type = borrow(d.op_type);
  c.location = borrow(d.location);
  c.expected = borrow(d.expected);
  c.found = borrow(d.found);
  c.hint = borrow(d.hint);
  host.report(host.context, &c);
}

lathe_code run_callback(const lathe_host& host, const std::function<void()>& body) noexcept {
  Diagnostic d;
  Code code = Code::internal;
  try {
    body();
    return LATHE_OK;
  } catch (const Error& e) {
    for (const Diagnostic& each : e.diagnostics) report_through(host, each);
    return static_cast<lathe_code>(e.code);
  } catch (const std::bad_alloc&) {
    d.text = "out of memory";
    code = Code::budget;
  } catch (const std::exception& e) {
    d.text = e.what();
  }
  report_through(host, d);
  return static_cast<lathe_code>(code);
}

}  // namespace lathe
