// Reading manifests: the schema is the list of keys below; every problem is reported with its line and column.
#include "core/plugin/manifest.hpp"

#include <yaml-cpp/yaml.h>

#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace lathe {
namespace {

const std::vector<std::string> option_types = {"bool", "int", "float", "string", "choice", "path"};
const std::vector<std::string> known_parts = {"frontend/1", "backend/1", "executor/1", "inspector/1", "passes/1", "operators/1", "tensors/1"};
const std::vector<std::string> known_traits = {"runs-on-host",     "static-shapes", "needs-calibration",
                                               "quantises-itself", "rest-on-host",  "cuts-heads"};

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Manifest read(const YAML::Node& root) {
    Manifest m;
    m.file = file_;
    if (!expect_map(root, "a manifest",
                    {"name", "version", "vendor", "description", "library", "parts", "runtime", "aliases", "traits", "devices", "options", "emits",
                     "calibration", "extensions", "tensor-extensions", "domains"})) {
      return m;
    }
    m.name = required(root, "name");
    m.version = required(root, "version");
    m.vendor = text(root, "vendor");
    m.description = text(root, "description");
    m.library = text(root, "library");
    m.runtime = text(root, "runtime");
    m.parts = names(root, "parts", &known_parts);
    m.aliases = names(root, "aliases");
    m.traits = names(root, "traits", &known_traits);
    m.emits = names(root, "emits");
    m.extensions = names(root, "extensions");
    m.tensor_extensions = names(root, "tensor-extensions");
    m.domains = names(root, "domains");
    for (const YAML::Node& node : list(root, "devices")) {
      if (!expect_map(node, "a device", {"name", "description", "precisions", "weight-bytes", "feature-bytes"})) continue;
      m.devices.push_back({required(node, "name"), text(node, "description"), names(node, "precisions"), number(node, "weight-bytes"),
                           number(node, "feature-bytes")});
    }
    for (const YAML::Node& node : list(root, "options")) m.options.push_back(option(node));
    if (const YAML::Node node = root["calibration"]; node && expect_map(node, "calibration", {"lowest", "wanted"})) {
      m.calibration_lowest = static_cast<int64_t>(number(node, "lowest")), m.calibration_wanted = static_cast<int64_t>(number(node, "wanted"));
    }
    if (!m.name.empty() && !valid_name(m.name)) problem(root["name"], "'" + m.name + "' is no plugin name", "lower case letters, digits and '_'");
    if (m.parts.empty()) problem(root, "the manifest lists no parts", "parts: [" + known_parts.front() + ", ...]");
    if (m.has_part("backend/1")) {
      if (m.runtime.empty()) problem(root, "a plugin with backend/1 names its runtime", "runtime: NAME");
      if (m.devices.empty()) problem(root, "a plugin with backend/1 lists its devices", "devices: [{name: ..., precisions: [...]}]");
      if (m.emits.empty()) problem(root, "a plugin with backend/1 says what it emits", "emits: [library]");
    }
    if (m.has_part("operators/1") && m.domains.empty())
      problem(root, "a plugin with operators/1 names the domains of its operators", "domains: [com.example]");
    return m;
  }
  void finish() const {
    if (!problems_.empty()) throw Error(Code::failed, problems_);
  }

 private:
  static bool valid_name(const std::string& name) {
    return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == '_'; });
  }
  OptionSpec option(const YAML::Node& node) {
    OptionSpec o;
    if (!expect_map(node, "an option", {"name", "type", "default", "help", "choices", "flag"})) return o;
    o.name = required(node, "name");
    o.type = required(node, "type");
    o.fallback = text(node, "default");
    o.help = text(node, "help");
    o.flag = text(node, "flag");
    o.choices = names(node, "choices");
    if (!o.type.empty()) one_of(node["type"], o.type, option_types, "option type");
    if ((o.type == "choice") == o.choices.empty()) problem(node, "option '" + o.name + "': choices belong to type choice, and to it alone");
    return o;
  }
  bool expect_map(const YAML::Node& node, const std::string& what, const std::vector<std::string>& keys) {
    if (!node.IsMap()) {
      problem(node, what + " is a mapping of keys to values");
      return false;
    }
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      one_of(entry.first, key, keys, "key");
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) problem(entry.first, "key '" + key + "' is given twice");
      seen.push_back(key);
    }
    return true;
  }
  void one_of(const YAML::Node& node, const std::string& word, const std::vector<std::string>& words, const std::string& what) {
    if (std::find(words.begin(), words.end(), word) != words.end()) return;
    std::string all;
    for (const std::string& w : words) all += (all.empty() ? "" : ", ") + w;
    problem(node, "unknown " + what + " '" + word + "'" + did_you_mean(word, words), all);
  }
  std::string text(const YAML::Node& map, const char* key) {
    const YAML::Node node = map[key];
    if (!node || node.IsNull()) return {};
    if (!node.IsScalar()) {
      problem(node, std::string("'") + key + "' is a single word or text");
      return {};
    }
    return node.Scalar();
  }
  // 0 when the key is not there.
  uint64_t number(const YAML::Node& map, const char* key) {
    const std::string digits = text(map, key);
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (!digits.empty() && (error != std::errc() || end != digits.data() + digits.size()))
      problem(map[key], std::string("'") + key + "' is a number", "digits");
    return value;
  }
  std::string required(const YAML::Node& map, const char* key) {
    std::string value = text(map, key);
    if (value.empty() && (!map[key] || map[key].IsScalar() || map[key].IsNull())) problem(map, std::string("'") + key + "' is missing");
    return value;
  }
  YAML::Node list(const YAML::Node& map, const char* key) {
    const YAML::Node node = map[key];
    if (!node || node.IsNull()) return YAML::Node(YAML::NodeType::Sequence);
    if (node.IsSequence()) return node;
    problem(node, std::string("'") + key + "' is a list");
    return YAML::Node(YAML::NodeType::Sequence);
  }
  std::vector<std::string> names(const YAML::Node& map, const char* key, const std::vector<std::string>* known = nullptr) {
    std::vector<std::string> result;
    for (const YAML::Node& node : list(map, key)) {
      if (!node.IsScalar() || node.Scalar().empty()) {
        problem(node, std::string("'") + key + "' is a list of words");
        continue;
      }
      if (known) one_of(node, node.Scalar(), *known, key);
      result.push_back(node.Scalar());
    }
    return result;
  }
  void problem(const YAML::Node& node, std::string text, std::string expected = {}) {
    const YAML::Mark mark = node.Mark();
    Diagnostic d;
    d.text = std::move(text);
    d.location = file_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
    d.expected = std::move(expected);
    problems_.push_back(std::move(d));
  }
  std::string file_;
  std::vector<Diagnostic> problems_;
};

std::vector<YAML::Node> load(std::string_view yaml, const std::string& file) {
  try {
    return YAML::LoadAll(std::string(yaml));
  } catch (const YAML::Exception& e) {
    Diagnostic d;
    d.text = "not readable as YAML: " + e.msg;
    d.location = file + ":" + std::to_string(e.mark.line + 1) + ":" + std::to_string(e.mark.column + 1);
    throw Error(Code::failed, d);
  }
}

}  // namespace

Manifest parse_manifest(std::string_view yaml, const std::string& file) {
  const std::vector<YAML::Node> documents = load(yaml, file);
  if (documents.size() != 1) {
    Diagnostic d;
    d.text = "a manifest is one YAML document";
    d.location = file;
    d.found = std::to_string(documents.size());
    throw Error(Code::failed, d);
  }
  Reader reader(file);
  Manifest m = reader.read(documents[0]);
  reader.finish();
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  m.library = (folder / (m.library.empty() ? m.name + ".so" : m.library)).string();
  const std::filesystem::path pipeline = folder / (m.name + ".pipeline.yaml");
  std::error_code ignored;
  if (std::filesystem::exists(pipeline, ignored)) m.pipeline = pipeline.string();
  return m;
}

Manifest read_manifest(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || !text) {
    Diagnostic d;
    d.text = "the manifest cannot be read";
    d.location = file;
    throw Error(Code::failed, d);
  }
  return parse_manifest(text.str(), file);
}

std::vector<Manifest> parse_manifests(std::string_view yaml, const std::string& file) {
  std::vector<Manifest> manifests;
  for (const YAML::Node& document : load(yaml, file)) {
    if (document.IsNull()) continue;
    Reader reader(file);
    manifests.push_back(reader.read(document));
    reader.finish();
  }
  return manifests;
}

// ---- the tables in the same form ---------------------------------------------------------------------------------------------------

namespace {

std::vector<std::string> texts(const char* const* names) {
  std::vector<std::string> result;
  for (; names && *names; ++names) result.emplace_back(*names);
  return result;
}
std::string text(const char* s) { return s ? s : ""; }

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const std::string& s : from)
    if (std::find(to.begin(), to.end(), s) == to.end()) to.push_back(s);
}

}  // namespace

std::vector<OptionSpec> describe_options(const lathe_option* array, size_t count, size_t stride) {
  std::vector<OptionSpec> options;
  for (size_t i = 0; i < count; ++i) {
    const lathe_option& o = *LATHE_AT(lathe_option, array, stride, i);
    const bool known = o.type >= 0 && static_cast<size_t>(o.type) < option_types.size();
    options.push_back({text(o.name), known ? option_types[o.type] : "unknown", text(o.fallback), text(o.help), text(o.flag), texts(o.choices)});
  }
  return options;
}

Manifest describe_tables(const lathe_plugin& table) {
  Manifest m;
  m.name = text(table.name);
  m.version = text(table.version);
  m.vendor = text(table.vendor);
  m.description = text(table.description);
  for (const std::string& part : known_parts)
    if (table.part(part.c_str())) m.parts.push_back(part);
  if (const auto* f = static_cast<const lathe_frontend*>(table.part("frontend/1"))) {
    append(m.extensions, texts(f->extensions));
    m.options = describe_options(f->options, f->option_count, f->option_stride);
  }
  if (const auto* e = static_cast<const lathe_executor*>(table.part("executor/1"))) append(m.extensions, texts(e->extensions));
  if (const auto* t = static_cast<const lathe_tensors*>(table.part("tensors/1"))) m.tensor_extensions = texts(t->extensions);
  if (const auto* b = static_cast<const lathe_backend*>(table.part("backend/1"))) {
    m.runtime = text(b->runtime);
    m.aliases = texts(b->aliases);
    m.emits = texts(b->emits);
    for (size_t i = 0; i < known_traits.size(); ++i)
      if (b->flags & (1u << i)) m.traits.push_back(known_traits[i]);
    for (size_t i = 0; i < b->device_count; ++i) {
      const lathe_device& d = *LATHE_AT(lathe_device, b->devices, b->device_stride, i);
      m.devices.push_back({text(d.name), text(d.description), texts(d.precisions), LATHE_HAS(&d, lathe_device, weight_bytes) ? d.weight_bytes : 0,
                           LATHE_HAS(&d, lathe_device, feature_bytes) ? d.feature_bytes : 0});
    }
    if (LATHE_HAS(b, lathe_backend, calibration_lowest)) m.calibration_lowest = b->calibration_lowest;
    if (LATHE_HAS(b, lathe_backend, calibration_wanted)) m.calibration_wanted = b->calibration_wanted;
    for (OptionSpec& o : describe_options(b->options, b->option_count, b->option_stride)) m.options.push_back(std::move(o));
  }
  if (const auto* t = static_cast<const lathe_operators*>(table.part("operators/1"))) {
    for (size_t i = 0; i < t->operator_count; ++i) append(m.domains, {text(LATHE_AT(lathe_operator, t->operators, t->operator_stride, i)->domain)});
  }
  return m;
}

namespace {

std::string join(const std::vector<std::string>& list) {
  std::string all;
  for (const std::string& s : list) all += (all.empty() ? "" : ", ") + s;
  return "[" + all + "]";
}
std::vector<std::string> sorted(std::vector<std::string> list) {
  std::sort(list.begin(), list.end());
  return list;
}
std::string words(const OptionSpec& o) {
  return "type " + o.type + ", default '" + o.fallback + "', choices " + join(o.choices) + ", flag '" + o.flag + "', help '" + o.help + "'";
}
std::string words(const DeviceSpec& d) {
  return "precisions " + join(d.precisions) + ", description '" + d.description + "', weight-bytes " + std::to_string(d.weight_bytes) +
         ", feature-bytes " + std::to_string(d.feature_bytes);
}

// Elements by name: missing ones on either side, and those that differ.
template <class T>
void compare(const char* what, const std::vector<T>& manifest, const std::vector<T>& library, std::vector<std::string>& found) {
  auto find = [](const std::vector<T>& list, const std::string& name) {
    return std::find_if(list.begin(), list.end(), [&](const T& t) { return t.name == name; });
  };
  for (const T& m : manifest) {
    const auto l = find(library, m.name);
    if (l == library.end()) {
      found.push_back(std::string(what) + " '" + m.name + "' is in the manifest but not in the library");
    } else if (words(m) != words(*l)) {
      found.push_back(std::string(what) + " '" + m.name + "': the manifest says " + words(m) + "; the library says " + words(*l));
    }
  }
  for (const T& l : library)
    if (find(manifest, l.name) == manifest.end()) found.push_back(std::string(what) + " '" + l.name + "' is in the library but not in the manifest");
}

}  // namespace

std::vector<std::string> differences(const Manifest& manifest, const Manifest& table) {
  std::vector<std::string> found;
  auto same = [&](const char* what, const std::string& m, const std::string& l) {
    if (m != l) found.push_back(std::string(what) + ": the manifest says '" + m + "', the library says '" + l + "'");
  };
  same("name", manifest.name, table.name);
  same("version", manifest.version, table.version);
  same("vendor", manifest.vendor, table.vendor);
  same("description", manifest.description, table.description);
  same("parts", join(sorted(manifest.parts)), join(sorted(table.parts)));
  same("runtime", manifest.runtime, table.runtime);
  same("aliases", join(sorted(manifest.aliases)), join(sorted(table.aliases)));
  same("traits", join(sorted(manifest.traits)), join(sorted(table.traits)));
  same("emits", join(manifest.emits), join(table.emits));  // the first is the default
  same("extensions", join(sorted(manifest.extensions)), join(sorted(table.extensions)));
  same("tensor-extensions", join(sorted(manifest.tensor_extensions)), join(sorted(table.tensor_extensions)));
  same("domains", join(sorted(manifest.domains)), join(sorted(table.domains)));
  same("calibration", std::to_string(manifest.calibration_lowest) + ", " + std::to_string(manifest.calibration_wanted),
       std::to_string(table.calibration_lowest) + ", " + std::to_string(table.calibration_wanted));
  compare("device", manifest.devices, table.devices, found);
  compare("option", manifest.options, table.options, found);
  return found;
}

}  // namespace lathe
