// Where plugins are looked for, which of them answers to a name or a file, and the sentences for those that do not.
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/plugin/loading.hpp"
#include "core/plugin/manifest.hpp"
#include "core/plugin/passes.hpp"
#include "core/plugin/plugins.hpp"

namespace fs = std::filesystem;

namespace lathe {
namespace {

constexpr std::string_view manifest_suffix = ".plugin.yaml";

std::string lower(std::string_view s) {
  std::string result(s);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}
bool same(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

std::string join(const std::vector<std::string>& list) {
  std::string all;
  for (const std::string& s : list) all += (all.empty() ? "" : ", ") + s;
  return all;
}

bool answers_to(const Manifest& m, const std::string& name) {
  return same(m.name, name) || std::any_of(m.aliases.begin(), m.aliases.end(), [&](const std::string& a) { return same(a, name); });
}

// The first bytes of a file, for recognise().
struct Head {
  std::vector<char> bytes;
  uint64_t size = 0;
};
Head read_head(const std::string& path) {
  Diagnostic d;
  d.location = path;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    d.text = "there is no such file";
    throw Error(Code::failed, d);
  }
  if (!fs::is_regular_file(status)) {
    d.text = "it is no regular file";
    throw Error(Code::failed, d);
  }
  Head head;
  head.size = fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  head.bytes.resize(4096);
  in.read(head.bytes.data(), static_cast<std::streamsize>(head.bytes.size()));
  if (!in && !in.eof()) {
    d.text = "the file cannot be read";
    throw Error(Code::failed, d);
  }
  head.bytes.resize(static_cast<size_t>(in.gcount()));
  return head;
}

std::string extension(const std::string& path) {
  const std::string e = fs::path(path).extension().string();
  return e.empty() ? e : lower(e.substr(1));
}

class Found final : public Plugins {
 public:
  Found(const PluginSearch& search, HostServices services) : services_(std::move(services)) {
    for (const std::string& path : search.explicit_paths) add_explicit(path);
    if (const char* list = std::getenv("LATHE_PLUGIN_PATH")) {
      std::string_view rest = list;
      while (!rest.empty()) {
        const size_t end = std::min(rest.find(':'), rest.size());
        if (end > 0) add_folder(fs::absolute(rest.substr(0, end)), "LATHE_PLUGIN_PATH");
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) {
      add_folder(fs::path(data) / "lathe/plugins");
    } else if (const char* home = std::getenv("HOME"); home && *home) {
      add_folder(fs::path(home) / ".local/share/lathe/plugins");
    }
    if (!search.program.empty()) {
      const fs::path prefix = fs::path(search.program).parent_path().parent_path();
      add_folder(prefix / "lib/lathe/plugins");
      share_ = (prefix / "share/lathe").string();
    }
    read_known_targets();
  }

  const std::vector<Manifest>& manifests() const override { return manifests_; }
  const std::vector<Diagnostic>& refused() const override { return refused_; }
  std::string share_directory() const override { return share_; }
  const std::vector<Manifest>& known_targets() const override { return known_; }

  Plugin& load(std::string_view name) override {
    if (const auto loaded = loaded_.find(name); loaded != loaded_.end()) return *loaded->second;
    if (const auto failed = failed_.find(name); failed != failed_.end()) throw Error(failed->second);
    for (const Manifest& m : manifests_) {
      if (m.name != name) continue;
      try {
        Plugin& plugin = load_plugin(m, services_, *this);
        loaded_.emplace(m.name, &plugin);
        return plugin;
      } catch (const Error& e) {
        failed_.emplace(m.name, e);
        refused_.insert(refused_.end(), e.diagnostics.begin(), e.diagnostics.end());
        throw;
      }
    }
    Diagnostic d;
    std::vector<std::string> names;
    for (const Manifest& m : manifests_) names.push_back(m.name);
    d.text = "there is no plugin '" + std::string(name) + "'" + did_you_mean(name, names);
    d.hint = "looked in " + join(folders_);
    throw Error(Code::unsupported, d);
  }

  const Manifest& find_target(const TargetSpec& spec) override {
    for (const Manifest& m : manifests_) {
      if (!m.has_part("backend/1") || !answers_to(m, spec.name)) continue;
      check_device(m, spec);
      return m;
    }
    Diagnostic d;
    if (const auto refusal = refused_names_.find(lower(spec.name)); refusal != refused_names_.end()) {
      d = refusal->second;
      d.severity = Severity::error;
      d.text = "target '" + spec.name + "' was found but is refused: " + d.text;
      if (d.hint.empty()) d.hint = "mend that file, or reinstall the plugin";
      throw Error(Code::unsupported, d);
    }
    std::vector<std::string> installed, names;
    for (const Manifest& m : manifests_) {
      if (!m.has_part("backend/1")) continue;
      installed.push_back(m.name);
      names.push_back(m.name);
      names.insert(names.end(), m.aliases.begin(), m.aliases.end());
    }
    for (const Manifest& m : known_) {
      names.push_back(m.name);
      names.insert(names.end(), m.aliases.begin(), m.aliases.end());
      if (!m.has_part("backend/1") || !answers_to(m, spec.name)) continue;
      d.text = "target '" + spec.name + "' (" + m.runtime + ") is known, but its plugin is not installed";
      d.hint = "install " + m.name + ".so and " + m.name + std::string(manifest_suffix) + " into one of " + join(folders_) +
               ", or name their folder with --plugin";
      throw Error(Code::unsupported, d);
    }
    d.text = "unknown target '" + spec.name + "'" + did_you_mean(spec.name, names);
    d.expected = installed.empty() ? "" : "one of " + join(installed);
    d.hint = installed.empty() ? "no target is installed; looked in " + join(folders_) : "`lathe targets` lists what is installed";
    throw Error(Code::usage, d);
  }

  Plugin* find_frontend(const std::string& path) override {
    return recognise("frontend/1", path, "no installed plugin reads this model file",
                     [](Plugin& p, const Head& h, lathe_string s) { return p.frontend()->recognise(h.bytes.data(), h.bytes.size(), h.size, s); });
  }
  Plugin* find_executor(const std::string& path) override {
    try {
      return recognise("executor/1", path, "no installed plugin runs this artifact",
                       [](Plugin& p, const Head& h, lathe_string s) { return p.executor()->recognise(h.bytes.data(), h.bytes.size(), h.size, s); });
    } catch (const Error& unknown) {
      const Plugin* reader = nullptr;
      try {
        reader = find_frontend(path);
      } catch (const Error&) {  // no model either: the first sentence stands
      }
      if (!reader) throw;
      Diagnostic d;
      d.text = "this is a model, not something compiled from one";
      d.location = path;
      d.hint = "compile it first: lathe compile " + path;
      throw Error(unknown.code, std::move(d));
    }
  }
  Plugin* find_inspector(const std::string& path) override {
    return recognise("inspector/1", path, "",
                     [](Plugin& p, const Head& h, lathe_string s) { return p.inspector()->recognise(h.bytes.data(), h.bytes.size(), h.size, s); });
  }

  Plugin* find_tensors(const std::string& path) override {
    return recognise("tensors/1", path, "",
                     [](Plugin& p, const Head& h, lathe_string s) { return p.tensors()->recognise(h.bytes.data(), h.bytes.size(), h.size, s); });
  }

  std::vector<Pass> passes() override {
    std::vector<Pass> all(builtin_passes().begin(), builtin_passes().end());
    for (const Manifest& m : manifests_) {
      if (!m.has_part("passes/1")) continue;
      try {
        append_passes(load(m.name), all);
      } catch (const Error& e) {
        say(e.diagnostics.front(), Severity::warning);
      }
    }
    return all;
  }

 private:
  void say(Diagnostic d, Severity severity) const {
    d.severity = severity;
    if (services_.report) services_.report(d);
  }
  void refuse(std::string text, std::string location, std::string hint, Severity severity = Severity::warning) {
    Diagnostic d;
    d.severity = severity;
    d.text = std::move(text);
    d.location = std::move(location);
    d.hint = std::move(hint);
    refused_.push_back(std::move(d));
  }

  // What a person named themselves must be there.
  void add_explicit(const std::string& given) {
    std::error_code error;
    const fs::path path = fs::absolute(given, error);
    Diagnostic d;
    d.location = path.string();
    if (!fs::exists(path, error)) {
      d.text = "there is no such plugin, manifest or folder";
      d.hint = "--plugin takes a library, its manifest or the folder they lie in";
      throw Error(Code::usage, d);
    }
    if (fs::is_directory(path, error)) return add_folder(path, "--plugin");
    if (path.extension() != ".so") return add_manifest(path);
    const fs::path manifest = path.parent_path() / (path.stem().string() + std::string(manifest_suffix));
    if (!fs::exists(manifest, error)) {
      d.text = "the plugin has no manifest beside it";
      d.expected = manifest.string();
      d.hint = "lathe_add_plugin() puts it there";
      throw Error(Code::unsupported, d);
    }
    add_manifest(manifest);
  }

  // `named_by`: who asked for the folder; empty for those that need not exist.
  void add_folder(const fs::path& folder, const char* named_by = nullptr) {
    std::error_code error;
    folders_.push_back(folder.string());
    if (!fs::is_directory(folder, error)) {
      if (named_by) refuse(std::string(named_by) + " names a folder that does not exist", folder.string(), "", Severity::note);
      return;
    }
    std::vector<fs::path> manifests, libraries;
    for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
      const std::string file = i->path().filename().string();
      if (file.size() > manifest_suffix.size() && file.ends_with(manifest_suffix)) manifests.push_back(i->path());
      if (i->path().extension() == ".so") libraries.push_back(i->path());
    }
    if (error) refuse("the folder cannot be read: " + error.message(), folder.string(), "");
    std::sort(manifests.begin(), manifests.end());
    std::sort(libraries.begin(), libraries.end());
    for (const fs::path& m : manifests) add_manifest(m);
    for (const fs::path& l : libraries) {
      const fs::path manifest = folder / (l.stem().string() + std::string(manifest_suffix));
      if (fs::exists(manifest, error)) continue;
      refuse("a library without manifest is not used", l.string(), "put " + manifest.filename().string() + " beside it");
      refused_names_.emplace(lower(l.stem().string()), refused_.back());
    }
  }

  void add_manifest(const fs::path& file) {
    const std::string stem = file.filename().string().substr(0, file.filename().string().size() - manifest_suffix.size());
    try {
      Manifest m = read_manifest(file.string());
      if (m.name + std::string(manifest_suffix) != file.filename()) {
        Diagnostic d;
        d.text = "the manifest of plugin '" + m.name + "' is called " + file.filename().string();
        d.location = file.string();
        d.hint = "call it " + m.name + std::string(manifest_suffix);
        throw Error(Code::failed, d);
      }
      for (const Manifest& first : manifests_) {
        if (first.name != m.name) continue;
        if (first.file != m.file) {
          refuse("another plugin '" + m.name + "' comes first and is used", file.string(), "the one in use is " + first.file, Severity::note);
        }
        return;
      }
      manifests_.push_back(std::move(m));
    } catch (const Error& e) {
      refused_.insert(refused_.end(), e.diagnostics.begin(), e.diagnostics.end());
      refused_names_.emplace(lower(stem), e.diagnostics.front());
    }
  }

  void read_known_targets() {
    const std::string file = share_ + "/known-targets.yaml";
    std::ifstream in(file, std::ios::binary);
    if (share_.empty() || !in) return;
    try {
      known_ = parse_manifests(std::string(std::istreambuf_iterator<char>(in), {}), file);
    } catch (const Error& e) {
      refused_.insert(refused_.end(), e.diagnostics.begin(), e.diagnostics.end());
    }
  }

  static void check_device(const Manifest& m, const TargetSpec& spec) {
    if (spec.device.empty()) return;
    std::vector<std::string> devices;
    for (const DeviceSpec& d : m.devices) {
      if (same(d.name, spec.device)) return;
      devices.push_back(d.name);
    }
    Diagnostic d;
    d.text = "target '" + m.name + "' has no device '" + spec.device + "'" + did_you_mean(spec.device, devices);
    d.expected = "one of " + join(devices);
    d.found = spec.device;
    throw Error(Code::usage, d);
  }

  using Recogniser = int32_t (*)(Plugin&, const Head&, lathe_string);

  // The plugin that is surest that the file is its own. Those that list the file's extension are asked first, so that usually only one
  // is loaded. With an empty `otherwise`, no answer is an answer.
  Plugin* recognise(std::string_view part, const std::string& path, const char* otherwise, Recogniser ask) {
    const Head head = read_head(path);
    const std::string absolute = fs::absolute(path).string(), suffix = extension(path);
    std::vector<std::string> formats;
    for (const bool listed : {true, false}) {
      Plugin* best = nullptr;
      int32_t best_score = 0;
      for (const Manifest& m : manifests_) {
        if (!m.has_part(part)) continue;
        const std::vector<std::string>& extensions = part == "tensors/1" ? m.tensor_extensions : m.extensions;
        const bool lists = std::any_of(extensions.begin(), extensions.end(), [&](const std::string& e) { return same(e, suffix); });
        if (lists != listed) continue;
        for (const std::string& e : extensions) formats.push_back("." + e);
        Plugin* plugin = nullptr;
        try {
          plugin = &load(m.name);
        } catch (const Error& e) {  // one plugin's refusal does not keep another from reading the file
          say(e.diagnostics.front(), Severity::warning);
          continue;
        }
        const int32_t score = ask(*plugin, head, {absolute.data(), absolute.size()});
        if (score > best_score) best = plugin, best_score = score;
      }
      if (best) return best;
    }
    if (!*otherwise) return nullptr;
    Diagnostic d;
    d.text = otherwise;
    d.location = path;
    d.expected = formats.empty() ? "" : "one of " + join(formats);
    d.hint = formats.empty() ? "no plugin for it is installed; looked in " + join(folders_) : "";
    throw Error(Code::failed, d);
  }

  HostServices services_;
  std::vector<Manifest> manifests_, known_;
  std::vector<Diagnostic> refused_;
  std::map<std::string, Diagnostic> refused_names_;
  std::vector<std::string> folders_;  // looked in, in order
  std::string share_;
  std::map<std::string, Plugin*, std::less<>> loaded_;
  std::map<std::string, Error, std::less<>> failed_;
};

}  // namespace

std::unique_ptr<Plugins> Plugins::discover(const PluginSearch& search, HostServices services) {
  return std::make_unique<Found>(search, std::move(services));
}

}  // namespace lathe
