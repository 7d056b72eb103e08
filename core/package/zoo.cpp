// See zoo.hpp.
#include "core/package/zoo.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "core/base/sha256.hpp"
#include "core/files/write_file.hpp"
#include "core/job/staging.hpp"
#include "core/package/artifact.hpp"
#include "core/package/keys.hpp"
#include "core/package/labels.hpp"

namespace lathe {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A section's first entry, or an empty object.
Json entry(const Json& document, const char* section) {
  const auto found = document.find(section);
  return found != document.end() && found->is_array() && !found->empty() && found->front().is_object() ? found->front() : Json::object();
}
std::string word(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}
int64_t number(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

bool describes_model(const Json& document) {
  return document.is_object() && document.contains("MODEL_PARAMETERS") && (document.contains("ConfigVersion") || document.contains("DEVICE"));
}

Json read_document(const std::string& path) { return Json::parse(read_text_file(path), nullptr, false); }

// Whether a manifest.json is one of ours: compilers write files of that name too.
bool of_package(const std::string& manifest) {
  std::error_code ignored;
  if (!fs::is_regular_file(manifest, ignored) || fs::file_size(manifest, ignored) > (16u << 20)) return false;
  const Json document = read_document(manifest);
  return document.is_object() && document.contains("files") && document["files"].is_array();
}

bool plain(const std::string& file) { return !file.empty() && file.find('/') == std::string::npos && file != "." && file != ".."; }

class Verifier {
 public:
  Verifier(Plugins& plugins, std::string path) : plugins_(plugins), path_(std::move(path)) {
    folder_ = fs::path(path_).parent_path().string();
    if (folder_.empty()) folder_ = ".";
    stem_ = fs::path(path_).stem().string();
  }

  std::vector<Diagnostic> run() {
    if (!fs::exists(path_)) {
      say(Severity::error, "the package has no JSON of its name, so nothing can load it", "get the whole package again");
      return std::move(findings_);
    }
    const Json document = read_document(path_);
    findings_ = check_package_document(document, path_);
    if (!document.is_object()) return std::move(findings_);
    const std::string artifact = word(entry(document, "MODEL_PARAMETERS"), "ModelPath");
    const bool ours = document.contains("lathe");
    check_names(document, artifact, ours);
    check_artifact(document, artifact);
    check_labels(document);
    if (const std::string code = word(entry(document, "POST_PROCESS"), "PythonFile"); plain(code)) {
      require(code, "its post-processor");
      say(Severity::warning, "this package brings executable code, '" + code + "', which runs when the model is loaded",
          "read it before you use the package");
    }
    if (ours) check_stages(document);
    check_manifest();
    return std::move(findings_);
  }

 private:
  void say(Severity severity, std::string text, std::string hint = {}, std::string expected = {}, std::string found = {}) {
    Diagnostic d;
    d.severity = severity, d.text = std::move(text), d.location = path_;
    d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
    findings_.push_back(std::move(d));
  }
  bool require(const std::string& file, const std::string& what) {
    std::error_code ignored;
    const std::string path = folder_ + "/" + file;
    if (plain(file) && fs::is_symlink(path, ignored)) {
      say(Severity::error, what + " '" + file + "' is a link: the package is whole only where what it points to lies",
          "copy the file into the package");
      return false;
    }
    if (plain(file) && fs::is_regular_file(path, ignored)) return true;
    say(Severity::error, what + " '" + file + "' is missing from the package", "get the whole package again");
    return false;
  }

  void check_names(const Json& document, const std::string& artifact, bool ours) {
    const Severity severity = ours ? Severity::error : Severity::warning;
    const std::string folder = fs::weakly_canonical(folder_).filename().string();
    if (folder != stem_) say(severity, "the folder and the JSON have different names", "the model is found under '" + stem_ + "'", stem_, folder);
    if (plain(artifact) && fs::path(artifact).stem().string() != stem_)
      say(severity, "the artifact and the JSON have different names", "", stem_, artifact);
    static const std::regex grammar(
        "([a-z0-9_.+-]+?)(?:--([0-9]+)x([0-9]+))?_(?:pruned_|dense_)?(quant|float)_([a-z0-9_.+-]+)_([a-z0-9.+-]+)_([a-z0-9.+-]+)");
    std::smatch parts;
    if (!std::regex_match(stem_, parts, grammar)) {
      say(Severity::warning, "the name is not of the usual form", "", "NAME[--WxH]_quant|float_RUNTIME_DEVICE_VERSION", stem_);
      return;
    }
    const Json input = entry(document, "PRE_PROCESS");
    const int64_t width = number(input, "InputW"), height = number(input, "InputH");
    if (parts[2].matched && width > 0 && height > 0 && (parts[2] != std::to_string(width) || parts[3] != std::to_string(height)))
      say(severity, "the size in the name is not the input's", "width comes first", std::to_string(width) + "x" + std::to_string(height),
          parts[2].str() + "x" + parts[3].str());
  }

  void check_artifact(const Json& document, const std::string& artifact) {
    if (artifact.empty() || !require(artifact, "the artifact")) return;
    const std::string path = fs::absolute(folder_ + "/" + artifact).string(), hash = sha256_of_file(path);
    if (const std::string said = word(document, "Checksum"); said != hash)
      say(Severity::error, "the checksum is not the artifact's: one of the two was changed", "get the whole package again", hash, said);
    Plugin* plugin = plugins_.find_inspector(path);
    if (!plugin) return say(Severity::note, "no installed plugin reads '" + artifact + "', so nothing is said of what is in it");
    Json inspected;
    try {
      inspected = inspect_file(plugins_, path);
    } catch (const Error& error) {
      for (Diagnostic d : error.diagnostics) findings_.push_back(std::move(d));
      return;
    }
    check_inputs(document, inspected);
  }

  // Sizes in the JSON against the artifact's own.
  void check_inputs(const Json& document, const Json& inspected) {
    const auto own = inspected.find("compiled_inputs") != inspected.end() ? inspected.find("compiled_inputs") : inspected.find("inputs");
    const auto said = document.find("PRE_PROCESS");
    // Behind a stage of the host the artifact's inputs are not the model's.
    if (const auto key = document.find("lathe"); key != document.end() && key->is_object() && key->contains("stages") &&
                                                 (*key)["stages"].is_array() && !(*key)["stages"].empty() &&
                                                 word((*key)["stages"][0], "artifact") != word(entry(document, "MODEL_PARAMETERS"), "ModelPath"))
      return;
    if (own == inspected.end() || !own->is_array() || said == document.end() || !said->is_array() || own->size() != said->size()) return;
    for (size_t i = 0; i < own->size(); ++i) {
      const Json& input = (*said)[i];
      std::vector<int64_t> expected, found;
      for (const char* key : {"InputN", "InputH", "InputW", "InputC"}) expected.push_back(number(input, key));
      if ((*own)[i].is_object() && (*own)[i].contains("shape") && (*own)[i]["shape"].is_array())
        for (const Json& d : (*own)[i]["shape"])
          if (d.is_number_integer()) found.push_back(d.get<int64_t>());
      if (found.empty() || std::any_of(expected.begin(), expected.end(), [](int64_t d) { return d <= 0; })) continue;
      for (std::vector<int64_t>* list : {&expected, &found})
        std::erase_if(*list, [](int64_t d) { return d == 1; }), std::sort(list->begin(), list->end());
      if (expected != found)
        say(Severity::error, "the artifact's input has another size than the JSON says", "one of the two belongs to another model",
            Json(expected).dump(), (*own)[i]["shape"].dump());
    }
  }

  void check_labels(const Json& document) {
    const Json post = entry(document, "POST_PROCESS");
    const std::string file = word(post, "LabelsPath");
    if (!plain(file) || !require(file, "the labels")) return;
    const std::map<int64_t, std::string> labels = parse_class_names(read_text_file(folder_ + "/" + file));
    if (labels.empty()) return say(Severity::error, "the labels in '" + file + "' cannot be read", "", "{\"0\": \"name\", ...}");
    const int64_t classes = number(post, "OutputNumClasses");
    if (classes > 0 && labels.rbegin()->first >= classes)
      say(Severity::error, "there are labels for more classes than the model has", "", std::to_string(classes) + " classes",
          "a label for class " + std::to_string(labels.rbegin()->first));
  }

  // The key "lathe", as package.schema.json has it. Stages beside the main one are companions: a package without them does half its work.
  void check_stages(const Json& document) {
    const Json& key = document["lathe"];
    const auto wrong = [&](const std::string& what, const std::string& expected) {
      say(Severity::error, "the key 'lathe' is not what a package holds: " + what, "get the whole package again", expected);
    };
    if (!key.is_object()) return wrong("it is no object", "an object");
    if (number(key, "format") != 1) wrong("its 'format' is another one", "1");
    const auto list = [&](const Json& owner, const char* name, std::initializer_list<const char*> texts) {
      const auto found = owner.find(name);
      bool good = found != owner.end() && found->is_array();
      if (good)
        for (const Json& item : *found)
          for (const char* text : texts) good = good && item.is_object() && !word(item, text).empty();
      if (!good) wrong(std::string("its '") + name + "' are no list of objects with what belongs to them", "objects with texts");
      return good;
    };
    list(key, "inputs", {"name", "type"}), list(key, "outputs", {"name", "type"});
    if (const auto model = key.find("model"); model != key.end() && !model->is_object()) wrong("its 'model' is no object", "an object");
    if (!list(key, "stages", {"artifact", "target", "precision"})) return;
    if (key["stages"].empty()) return wrong("it has no stages", "one or more");
    const std::string main = word(entry(document, "MODEL_PARAMETERS"), "ModelPath");
    bool runs_main = false;
    for (const Json& stage : key["stages"]) {
      list(stage, "inputs", {"tensor", "name"}), list(stage, "outputs", {"tensor", "name"});
      runs_main = runs_main || word(stage, "artifact") == main;
      require(word(stage, "artifact"), "a stage's artifact");
    }
    if (!runs_main) wrong("none of its stages is the artifact that 'ModelPath' names", main);
  }

  void check_manifest() {
    const std::string path = folder_ + "/manifest.json";
    if (!fs::exists(path)) return;
    const Json manifest = read_document(path);
    if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_array())
      return say(Severity::error, "the package's manifest.json cannot be read", "get the whole package again");
    std::set<std::string> listed = {"manifest.json"};
    for (const Json& file : manifest["files"]) {
      const std::string name = word(file, "file");
      listed.insert(name);
      if (!require(name, "the file")) continue;
      const std::string hash = sha256_of_file(folder_ + "/" + name);
      if (hash != word(file, "sha256"))
        say(Severity::error, "'" + name + "' is not the file that the manifest lists: it was changed", "get the whole package again",
            word(file, "sha256"), hash);
    }
    for (const fs::directory_entry& file : fs::directory_iterator(folder_))
      if (const std::string name = file.path().filename().string(); !listed.contains(name))
        say(Severity::warning, "'" + name + "' lies in the package's folder and is no part of it", "take it out");
  }

  Plugins& plugins_;
  std::string path_, folder_, stem_;
  std::vector<Diagnostic> findings_;
};

// The JSON of a package's folder, or the JSON itself.
std::string document_of(const std::string& package) {
  if (!fs::exists(package)) fail_errno("open", package, ENOENT);
  if (!fs::is_directory(package)) return package;
  std::vector<ZooPackage> found;
  for (ZooPackage& candidate : list_zoo(package))
    if (fs::equivalent(fs::path(candidate.document).parent_path(), package)) found.push_back(std::move(candidate));
  if (found.size() != 1)
    throw Error(
        Code::failed,
        "'" + package + "' is no package: it holds " + (found.empty() ? "no JSON that describes a model" : "several JSON files that describe models"),
        "name a package's folder or its JSON");
  return found.front().document;
}

}  // namespace

std::vector<ZooPackage> list_zoo(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw Error(Code::failed, "there is no folder '" + folder + "'", "a zoo is a folder of packages; 'lathe compile --zoo DIR' makes one");
  std::vector<std::string> documents;
  fs::recursive_directory_iterator at(folder, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    std::error_code ignored;
    const std::string name = at->path().filename().string();
    if (name.starts_with(".lathe-") && at->is_directory(ignored)) at.disable_recursion_pending();
    // A package whose JSON is gone or describes nothing any more is found by its manifest; a bundle has one too, and a run.sh.
    const fs::path folder_of = at->path().parent_path();
    const fs::path own = folder_of / (fs::weakly_canonical(folder_of).filename().string() + ".json");
    if (name == "manifest.json" && !fs::exists(own, ignored) && !fs::exists(folder_of / "run.sh", ignored) && of_package(at->path().string()))
      documents.push_back(own.string());
    if (name.ends_with(".json") && name != "manifest.json" && at->is_regular_file(ignored) && at->file_size(ignored) < (16u << 20))
      documents.push_back(at->path().string());
  }
  if (error) fail_errno("read the folder", folder, error.value());
  std::sort(documents.begin(), documents.end());
  std::vector<ZooPackage> packages;
  for (const std::string& path : documents) {
    const Json document = fs::exists(path) ? read_document(path) : Json();
    const fs::path folder = fs::path(path).parent_path();
    const bool broken = fs::exists(folder / "manifest.json") && fs::path(path).stem() == fs::weakly_canonical(folder).filename();
    if (!describes_model(document) && !broken) continue;
    const Json device = entry(document, "DEVICE"), input = entry(document, "PRE_PROCESS");
    ZooPackage p;
    p.model = fs::path(path).stem().string(), p.document = path;
    p.runtime = word(device, "RuntimeAgent"), p.device = word(device, "DeviceType"), p.supported = word(device, "SupportedDeviceTypes");
    p.artifact = word(entry(document, "MODEL_PARAMETERS"), "ModelPath");
    p.config_version = number(document, "ConfigVersion"), p.classes = number(entry(document, "POST_PROCESS"), "OutputNumClasses");
    p.width = number(input, "InputW"), p.height = number(input, "InputH");
    p.ours = document.contains("lathe");
    if (p.ours && document["lathe"].is_object() && document["lathe"].contains("model")) p.task = word(document["lathe"]["model"], "task");
    packages.push_back(std::move(p));
  }
  return packages;
}

std::vector<Diagnostic> verify_package(Plugins& plugins, const std::string& document) { return Verifier(plugins, document).run(); }

std::string add_to_zoo(Plugins& plugins, const std::string& zoo, const std::string& package) {
  const std::string document = document_of(package), model = fs::path(document).stem().string();
  std::vector<Diagnostic> findings = verify_package(plugins, document);
  if (std::any_of(findings.begin(), findings.end(), [](const Diagnostic& d) { return d.severity == Severity::error; }))
    throw Error(Code::failed, std::move(findings));
  fs::path from = fs::path(document).parent_path();
  if (from.empty()) from = ".";
  Staging staging(zoo);
  for (const fs::directory_entry& file : fs::directory_iterator(from)) {
    if (!file.is_regular_file()) continue;
    std::error_code error;
    fs::copy_file(file.path(), staging.path() + "/" + file.path().filename().string(), error);
    if (error) fail_errno("copy", file.path().string(), error.value());
  }
  staging.publish_folder(model);
  return (fs::path(zoo) / model).string();
}

}  // namespace lathe
