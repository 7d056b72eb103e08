// Resolution against manifests; nothing is loaded unless a backend has to be asked for its device.
#include "core/job/targets.hpp"

#include <algorithm>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : ", ") + w;
  return text;
}

bool answers_to(const Manifest& manifest, std::string_view name) {
  if (lower(manifest.name) == lower(name) || lower(manifest.runtime) == lower(name)) return true;
  return std::any_of(manifest.aliases.begin(), manifest.aliases.end(), [&](const std::string& a) { return lower(a) == lower(name); });
}

const DeviceSpec& find_device(const Manifest& manifest, const std::string& device) {
  std::vector<std::string> names;
  for (const DeviceSpec& d : manifest.devices) {
    if (lower(d.name) == lower(device)) return d;
    names.push_back(d.name);
  }
  throw Error(Code::usage, "target '" + manifest.name + "' has no device '" + device + "'" + did_you_mean(device, names),
              "its devices: " + join(names));
}

// An LLVM-style flag becomes the option it stands for.
std::pair<std::string, std::string> option_of_flag(const Manifest& manifest, const std::pair<std::string, std::string>& flag) {
  std::vector<std::string> flags;
  for (const OptionSpec& option : manifest.options) {
    if (option.flag.empty()) continue;
    if (option.flag == flag.first) return {option.name, flag.second};
    flags.push_back(option.flag);
  }
  std::string known;
  for (const std::string& f : flags) known += (known.empty() ? "-" : ", -") + f;
  throw Error(Code::usage, "target '" + manifest.name + "' has no flag '-" + flag.first + "'" + did_you_mean(flag.first, flags),
              known.empty() ? "it takes no flags; see 'lathe targets " + manifest.name + "'" : "its flags: " + known);
}

bool declares(const Manifest& manifest, std::string_view key) {
  return std::any_of(manifest.options.begin(), manifest.options.end(), [&](const OptionSpec& o) { return o.name == key; });
}

constexpr std::string_view job_options[] = {"head-cut"};
bool is_job_option(std::string_view key) { return std::find(std::begin(job_options), std::end(job_options), key) != std::end(job_options); }

bool any_has_trait(const std::vector<const Manifest*>& targets, std::string_view trait) {
  return std::any_of(targets.begin(), targets.end(), [&](const Manifest* m) { return m->has_trait(trait); });
}

// The first `named` targets were named by the person, the others were added.
// Gives each "[plugin.]key=value" to the target it belongs to.
std::vector<std::vector<std::pair<std::string, std::string>>> distribute(Plugins& plugins, const Job& job,
                                                                         const std::vector<const Manifest*>& targets, size_t named) {
  std::vector<std::vector<std::pair<std::string, std::string>>> given(targets.size());
  std::vector<Diagnostic> problems;
  auto problem = [&](std::string text, std::string hint) {
    Diagnostic d;
    d.text = std::move(text), d.hint = std::move(hint);
    problems.push_back(std::move(d));
  };
  for (const auto& [key, value] : job.options) {
    if (is_job_option(key)) {
      if (!any_has_trait(targets, "cuts-heads"))
        problem("--option " + key + ": no target of this job cuts detection heads", "'lathe targets NAME --json' lists a target's traits");
      continue;
    }
    size_t dot = key.find('.');
    if (dot != std::string::npos) {
      std::string prefix = key.substr(0, dot);
      bool known = false;
      for (size_t i = 0; i < targets.size(); ++i)
        if (answers_to(*targets[i], prefix)) given[i].emplace_back(key.substr(dot + 1), value), known = true;
      std::vector<std::string> names;
      for (const Manifest& manifest : plugins.manifests()) {
        known = known || (manifest.has_part("frontend/1") && manifest.name == prefix);
        names.push_back(manifest.name);
      }
      if (!known)
        problem("--option " + key + ": no plugin '" + prefix + "' takes part in this job" + did_you_mean(prefix, names),
                "targets of this job: " + job.targets);
      continue;
    }
    std::vector<size_t> takers;
    for (size_t i = 0; i < targets.size(); ++i)
      if (declares(*targets[i], key)) takers.push_back(i);
    // A named target's option is meant before that of an added one.
    if (!takers.empty() && takers.front() < named) std::erase_if(takers, [&](size_t t) { return t >= named; });
    if (takers.size() == 1) {
      given[takers[0]].emplace_back(key, value);
    } else if (takers.size() > 1) {
      problem("--option " + key + " is an option of several targets", "write " + targets[takers[0]]->name + "." + key + "=" + value);
    } else if (std::none_of(plugins.manifests().begin(), plugins.manifests().end(),
                            [&](const Manifest& m) { return m.has_part("frontend/1") && declares(m, key); })) {
      std::vector<std::string> names;
      for (const Manifest* manifest : targets)
        for (const OptionSpec& option : manifest->options) names.push_back(option.name);
      problem("no target of this job has an option '" + key + "'" + did_you_mean(key, names),
              names.empty() ? "these targets take no options" : "their options: " + join(names));
    }
  }
  if (!problems.empty()) throw Error(Code::usage, std::move(problems));
  return given;
}

// nullptr: none is installed.
const Manifest* host_target(Plugins& plugins) {
  // The last folder in search order is the installation's own: a plugin someone tries out does not become the default by being found first.
  const Manifest* host = nullptr;
  auto folder = [](const Manifest& manifest) { return manifest.file.substr(0, manifest.file.find_last_of('/')); };
  for (const Manifest& manifest : plugins.manifests())
    if (manifest.has_part("backend/1") && manifest.has_trait("runs-on-host") && (!host || folder(*host) != folder(manifest))) host = &manifest;
  return host;
}

TargetSpec spec_of(const Manifest& manifest) {
  TargetSpec spec;
  spec.name = manifest.name;
  return spec;
}

}  // namespace

std::vector<TargetSpec> wanted_targets(Plugins& plugins, const std::string& text) {
  if (!text.empty()) return parse_targets(text);
  const Manifest* host = host_target(plugins);
  if (!host) throw Error(Code::unsupported, "no installed target runs on this machine", "name one with --target; 'lathe targets' lists them");
  return {spec_of(*host)};
}

std::string resolve_precision(const std::string& kind, const DeviceSpec& device, const std::string& target) {
  const std::vector<std::string>& declared = device.precisions;
  if (declared.empty()) throw Error(Code::internal, "the target " + target + " declares no precision");
  std::string wanted = lower(kind);
  if (wanted.empty() || wanted == "auto") return declared.front();
  if (wanted == "quant") wanted = "int8";
  for (const std::string& p : declared) {
    if (wanted == "float" && (p == "float32" || p == "float16" || p == "bfloat16")) return p;
    if (lower(p) == wanted) return p;
  }
  // Only what would be taken is proposed.
  std::vector<std::string> words = declared;
  words.emplace_back("auto");
  const bool quantises = std::find(declared.begin(), declared.end(), "int8") != declared.end();
  if (quantises) words.emplace_back("quant");
  if (declared.size() > (quantises ? 1u : 0u)) words.emplace_back("float");
  throw Error(Code::usage, "target " + target + " has no precision '" + kind + "'" + did_you_mean(kind, words), "it declares: " + join(declared));
}

std::string job_option(const Job& job, std::string_view name, std::string fallback) {
  for (const auto& [key, value] : job.options)
    if (key == name) fallback = value;
  return fallback;
}

std::vector<ResolvedTarget> resolve_targets(Plugins& plugins, const Job& job) {
  std::vector<TargetSpec> specs = wanted_targets(plugins, job.targets);
  std::vector<const Manifest*> manifests;
  for (const TargetSpec& spec : specs) manifests.push_back(&plugins.find_target(spec));
  const size_t named = specs.size();
  if (any_has_trait(manifests, "rest-on-host") && !any_has_trait(manifests, "runs-on-host")) {
    if (const Manifest* host = host_target(plugins)) {
      specs.push_back(spec_of(*host));
      manifests.push_back(host);
    }
  }
  std::vector<std::vector<std::pair<std::string, std::string>>> given = distribute(plugins, job, manifests, named);

  std::vector<ResolvedTarget> targets;
  for (size_t i = 0; i < specs.size(); ++i) {
    const Manifest& manifest = *manifests[i];
    ResolvedTarget target;
    target.manifest = &manifest;
    if (!specs[i].device.empty()) target.device = find_device(manifest, specs[i].device).name;
    std::vector<std::pair<std::string, std::string>> chosen;
    for (const auto& flag : specs[i].flags) chosen.push_back(option_of_flag(manifest, flag));
    chosen.insert(chosen.end(), given[i].begin(), given[i].end());
    if (!job.host_triple.empty() && manifest.has_trait("runs-on-host"))
      for (const OptionSpec& option : manifest.options)
        if (option.flag == "mtriple" && std::none_of(chosen.begin(), chosen.end(), [&](const auto& pair) { return pair.first == option.name; }))
          chosen.emplace_back(option.name, job.host_triple);
    for (const std::pair<std::string, std::string>& option : resolve_options(manifest.name, manifest.options, chosen)) {
      bool set = std::any_of(chosen.begin(), chosen.end(), [&](const auto& pair) { return pair.first == option.first; });
      target.settings.push_back({option.first, option.second, set});
    }
    if (target.device.empty()) {
      const lathe_backend* backend = plugins.load(manifest.name).backend();
      if (backend && LATHE_HAS(backend, lathe_backend, default_device)) {
        std::vector<lathe_setting> settings;
        for (const Setting& s : target.settings) settings.push_back({{s.name.data(), s.name.size()}, {s.value.data(), s.value.size()}, s.given});
        if (const char* device = backend->default_device(settings.data(), settings.size())) target.device = find_device(manifest, device).name;
      }
      if (target.device.empty() && !manifest.devices.empty()) target.device = manifest.devices.front().name;
    }
    const std::vector<const Manifest*> earlier(manifests.begin(), manifests.begin() + static_cast<ptrdiff_t>(i));
    target.companion = i >= named || (manifest.has_trait("runs-on-host") && any_has_trait(earlier, "rest-on-host"));
    target.precision = resolve_precision(target.companion ? "auto" : job.precision, find_device(manifest, target.device), target.spelled());
    targets.push_back(std::move(target));
  }
  return targets;
}

bool makes_picture_size(const Manifest& frontend) { return declares(frontend, "width") && declares(frontend, "height"); }

std::vector<std::pair<std::string, std::string>> frontend_options(const Job& job, const Manifest& frontend,
                                                                  const std::vector<ResolvedTarget>& targets) {
  std::vector<std::pair<std::string, std::string>> options;
  for (const auto& [key, value] : job.options) {
    if (is_job_option(key)) continue;
    const size_t dot = key.find('.');
    if (dot != std::string::npos) {
      if (key.substr(0, dot) == frontend.name) options.emplace_back(key.substr(dot + 1), value);
      continue;
    }
    if (std::any_of(targets.begin(), targets.end(), [&](const ResolvedTarget& t) { return declares(*t.manifest, key); })) continue;
    if (!declares(frontend, key))
      throw Error(Code::usage, "neither a target of this job nor '" + frontend.name + "', which reads the model, has an option '" + key + "'",
                  "'lathe plugin list' and 'lathe targets NAME' show what there is");
    options.emplace_back(key, value);
  }
  if (!makes_picture_size(frontend)) return options;
  int64_t width = job.width, height = job.height;
  for (const auto& [name, dimensions] : job.shapes) {
    if (dimensions.size() != 4) continue;
    if (height <= 0 && dimensions[2] > 0) height = dimensions[2];
    if (width <= 0 && dimensions[3] > 0) width = dimensions[3];
  }
  const auto given = [&](std::string_view key) {
    return std::any_of(options.begin(), options.end(), [&](const auto& option) { return option.first == key; });
  };
  if (width > 0 && !given("width")) options.emplace_back("width", std::to_string(width));
  if (height > 0 && !given("height")) options.emplace_back("height", std::to_string(height));
  return options;
}

}  // namespace lathe
