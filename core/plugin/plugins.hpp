// The host's half of the plugin boundary: finding plugins, reading their manifests, loading them, refusing them with a reason.
//
// A manifest `<name>.plugin.yaml` beside `<name>.so` answers `lathe targets` and `--target` without loading code; when the library is
// loaded its tables must agree with it. Nothing is ever unloaded.
#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/ir/datum.hpp"
#include "core/passes/pipeline.hpp"
#include "lathe/backend.h"
#include "lathe/executor.h"
#include "lathe/frontend.h"
#include "lathe/inspector.h"
#include "lathe/operators.h"
#include "lathe/passes.h"
#include "lathe/tensors.h"

namespace lathe {

struct OptionSpec {
  std::string name, type, fallback, help, flag;  // type: bool, int, float, string, choice, path
  std::vector<std::string> choices;
};
struct DeviceSpec {
  std::string name, description;
  std::vector<std::string> precisions;
  uint64_t weight_bytes = 0, feature_bytes = 0;  // see lathe_device
};

// What a manifest says.
struct Manifest {
  std::string name, version, vendor, description, library /* absolute path */, file /* absolute path of the manifest */;
  std::string pipeline;            // absolute path of <name>.pipeline.yaml beside it: the target's default pipeline; empty when there is none
  std::vector<std::string> parts;  // "backend/1", ...
  // backend
  std::string runtime;
  std::vector<std::string> traits;  // lathe_backend.flags in words (manifest.cpp)
  std::vector<std::string> aliases;
  std::vector<DeviceSpec> devices;
  std::vector<OptionSpec> options;
  std::vector<std::string> emits;
  int64_t calibration_lowest = 0, calibration_wanted = 0;  // samples; see lathe_backend
  std::vector<std::string> extensions;                     // what its frontend reads or its executor runs
  std::vector<std::string> tensor_extensions;              // tensor files that it reads and writes
  std::vector<std::string> domains;                        // of its operators

  bool has_part(std::string_view part) const { return std::find(parts.begin(), parts.end(), part) != parts.end(); }
  bool has_trait(std::string_view trait) const { return std::find(traits.begin(), traits.end(), trait) != traits.end(); }
};

// A target as the person wrote it: NAME[:DEVICE] and LLVM-style flags.
struct TargetSpec {
  std::string name, device;  // device may be empty
  std::vector<std::pair<std::string, std::string>> flags;
};
// "a,b:dev -mcpu=x" -> specs. Throws Error(usage).
std::vector<TargetSpec> parse_targets(std::string_view text);

// Receives what plugins say; the worker turns it into events.
struct HostServices {
  std::function<void(const Diagnostic&)> report;
  std::function<void(std::string_view)> log;
  std::function<void(std::string_view what, double fraction)> progress;
  std::function<bool()> cancelled;
  unsigned threads = 2;
};

// A loaded plugin. References stay valid for the process.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual const Manifest& manifest() const = 0;
  virtual const lathe_plugin& table() const = 0;
  virtual const lathe_host& host() const = 0;  // what to pass to its functions
  virtual const lathe_frontend* frontend() const = 0;
  virtual const lathe_backend* backend() const = 0;
  virtual const lathe_executor* executor() const = 0;
  virtual const lathe_inspector* inspector() const = 0;
  virtual const lathe_passes* passes() const = 0;
  virtual const lathe_tensors* tensors() const = 0;
  virtual const lathe_operators* operators() const = 0;
  // Runs `call`, and turns a code other than LATHE_OK into an Error that carries what was reported meanwhile; a failure without a
  // report becomes Error(internal) naming the plugin.
  virtual void check(std::string_view what, const std::function<lathe_code()>& call) = 0;
};

struct PluginSearch {
  std::vector<std::string> explicit_paths;  // --plugin: a library, a manifest or a folder
  std::string program;                      // absolute path of the running program, for <prefix>/lib/lathe/plugins
};

class Plugins {
 public:
  virtual ~Plugins() = default;
  // In search order: --plugin, LATHE_PLUGIN_PATH (':'-separated), $XDG_DATA_HOME/lathe/plugins, the install tree. First hit per name wins.
  static std::unique_ptr<Plugins> discover(const PluginSearch& search, HostServices services);

  virtual const std::vector<Manifest>& manifests() const = 0;
  virtual const std::vector<Diagnostic>& refused() const = 0;  // manifests that could not be read, libraries without manifest, ...
  virtual Plugin& load(std::string_view name) = 0;             // throws Error(unsupported or internal)
  // Three sentences: unknown target; known but not installed (share/lathe/known-targets.yaml); found but refused.
  virtual const Manifest& find_target(const TargetSpec& spec) = 0;
  virtual Plugin* find_frontend(const std::string& path) = 0;      // by the file's first bytes; throws Error(failed) when none knows it
  virtual Plugin* find_executor(const std::string& path) = 0;      // likewise
  virtual Plugin* find_inspector(const std::string& path) = 0;     // nullptr when none knows it
  virtual Plugin* find_tensors(const std::string& path) = 0;       // likewise
  virtual std::vector<Pass> passes() = 0;                          // builtin ones and those of plugins
  virtual std::string share_directory() const = 0;                 // <prefix>/share/lathe
  virtual const std::vector<Manifest>& known_targets() const = 0;  // of share/lathe/known-targets.yaml, installed or not; may be empty
};

// Option values: resolves `given` against declared options (type, choices, nearest name). Throws Error(usage).
std::vector<std::pair<std::string, std::string>> resolve_options(std::string_view plugin, const std::vector<OptionSpec>& declared,
                                                                 const std::vector<std::pair<std::string, std::string>>& given);

// Reads a model file with whichever frontend knows it; the graph is lifted, but not yet typed. The frontend lives as long as the tensors.
Graph import_model(Plugins& plugins, const std::string& path, const std::vector<std::pair<std::string, std::string>>& options);

// Reads a tensor file with whichever plugin knows its format; nullopt when none does. `kind` is that of the input it is for.
std::optional<Datum> read_tensor_with_plugin(Plugins& plugins, const std::string& path, ValueKind kind);
// The bytes of a tensor file of the format with that extension. Throws Error(unsupported) when no plugin writes it.
std::string write_tensor_with_plugin(Plugins& plugins, std::string_view extension, const std::string& name, const Datum& value);

// A snapshot of `graph` in the boundary's form; valid as long as both live and the graph is unchanged.
class Snapshot {
 public:
  explicit Snapshot(const Graph& graph);
  ~Snapshot();
  Snapshot(Snapshot&&) noexcept;
  const lathe_graph& get() const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};
// The reverse: checks every index, count and string of a plugin's snapshot. `owner` keeps tensor bytes alive.
Graph from_snapshot(const lathe_graph& graph, std::shared_ptr<const void> owner);

// An artifact or a package's stage, loaded by whichever plugin's executor knows it.
struct TensorInfo {
  std::string name;
  ValueType type;
};
struct KernelTime {
  std::string kernel, nodes, origin;
  uint64_t runs = 0, nanoseconds = 0, flops = 0, bytes = 0;
};
class Executable {
 public:
  virtual ~Executable() = default;
  virtual const std::vector<TensorInfo>& inputs() const = 0;
  virtual const std::vector<TensorInfo>& outputs() const = 0;
  virtual std::vector<Datum> run(const std::vector<Datum>& inputs) = 0;  // in the order of inputs() and outputs()
  virtual std::vector<KernelTime> profile() = 0;
  virtual uint64_t peak_bytes() = 0;
};
std::unique_ptr<Executable> load_executable(Plugins& plugins, const std::string& path, unsigned threads, bool profile);

}  // namespace lathe
