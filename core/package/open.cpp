// Opening what a compile left: a bare artifact through the executor that knows it, a package by running its stages one after the other.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/diagnostic.hpp"
#include "core/files/write_file.hpp"
#include "core/package/package.hpp"
#include "core/package/read_back.hpp"

namespace lathe {
namespace {
namespace fs = std::filesystem;

[[noreturn]] void bad(const std::string& path, std::string text) {
  Diagnostic d;
  d.text = std::move(text);
  d.location = path;
  d.hint = "compile the model again";
  throw Error(Code::failed, std::move(d));
}

// The package's JSON file: named directly, or found in the folder by the "lathe" key.
std::string find_document(const std::string& path) {
  if (!fs::is_directory(path)) return path.ends_with(".json") ? path : "";
  std::string preferred = path + "/" + fs::weakly_canonical(path).filename().string() + ".json";
  if (fs::exists(preferred)) return preferred;
  std::vector<std::string> candidates;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    std::string file = entry.path().filename().string();
    if (file.ends_with(".json") && file != "manifest.json" && !file.starts_with("labels_")) candidates.push_back(entry.path().string());
  }
  if (candidates.size() != 1)
    bad(path, "this folder is no package: it holds " + (candidates.empty() ? std::string("no") : "several candidates for the") + " model JSON");
  return candidates[0];
}

class StagedExecutable : public Executable {
 public:
  StagedExecutable(Plugins& plugins, const std::string& document, unsigned threads, bool profile, std::string* stand_in,
                   const StageSubstitute& substitute) {
    nlohmann::json j = nlohmann::json::parse(read_text_file(document), nullptr, false);
    if (!j.is_object() || !j.contains("lathe")) bad(document, "this JSON describes no package of Lathe: it has no key 'lathe'");
    std::string folder = fs::path(document).parent_path().string();
    if (folder.empty()) folder = ".";
    try {
      const nlohmann::json& key = j.at("lathe");
      if (key.at("format").get<int>() != 1) bad(document, "this package has a newer format than this Lathe knows");
      std::vector<Diagnostic> missing;
      Code code = Code::unsupported;
      for (const nlohmann::json& s : key.at("stages")) {
        std::string file = s.at("artifact").get<std::string>();
        if (file.empty() || file.find('/') != std::string::npos || file == "..") bad(document, "a stage's artifact is no plain file name");
        const size_t index = stages_.size();
        stages_.emplace_back();
        Stage& stage = stages_.back();
        if (substitute) stage.executable = substitute(index);
        if (stage.executable) {  // it knows the model's names
          for (const TensorInfo& info : stage.executable->inputs()) stage.inputs.push_back(info.name);
          for (const TensorInfo& info : stage.executable->outputs()) stage.outputs.push_back(info.name);
          continue;
        }
        try {
          stage.executable = load_or_read_back(plugins, folder + "/" + file, threads, profile, stand_in);
        } catch (const Error& error) {
          if (key.at("stages").size() == 1 || !fs::exists(folder + "/" + file)) throw;
          if (has_executor(plugins, folder + "/" + file)) code = error.code;
          missing.push_back(cannot_run(error.diagnostics.front(), file, s.value("target", ""), index, key.at("stages").size()));
          continue;
        }
        bind(document, s.at("inputs"), stage.executable->inputs(), stage.inputs);
        bind(document, s.at("outputs"), stage.executable->outputs(), stage.outputs);
      }
      if (!missing.empty()) throw Error(code, std::move(missing));
      if (stages_.empty()) bad(document, "this package has no stages");
      for (const nlohmann::json& t : key.at("inputs")) inputs_.push_back(find_info(document, t.at("name").get<std::string>(), true));
      for (const nlohmann::json& t : key.at("outputs")) outputs_.push_back(find_info(document, t.at("name").get<std::string>(), false));
    } catch (const nlohmann::json::exception& problem) {
      bad(document, std::string("the key 'lathe' is not what a package holds: ") + problem.what());
    }
  }

  const std::vector<TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<TensorInfo>& outputs() const override { return outputs_; }

  std::vector<Datum> run(const std::vector<Datum>& inputs) override {
    NamedData tensors;
    for (size_t i = 0; i < inputs_.size(); ++i) tensors[inputs_[i].name] = inputs.at(i);
    for (Stage& stage : stages_) {
      std::vector<Datum> arguments;
      for (const std::string& tensor : stage.inputs) {
        auto found = tensors.find(tensor);
        if (found == tensors.end())
          throw Error(Code::failed, "the package runs a stage before the one that yields its input '" + tensor + "'", "compile the model again");
        arguments.push_back(found->second);
      }
      std::vector<Datum> results = stage.executable->run(arguments);
      for (size_t i = 0; i < results.size() && i < stage.outputs.size(); ++i) tensors[stage.outputs[i]] = std::move(results[i]);
    }
    std::vector<Datum> outputs;
    for (const TensorInfo& info : outputs_) outputs.push_back(tensors.at(info.name));
    return outputs;
  }

  std::vector<KernelTime> profile() override {
    std::vector<KernelTime> all;
    for (Stage& stage : stages_)
      for (KernelTime& k : stage.executable->profile()) all.push_back(std::move(k));
    return all;
  }

  uint64_t peak_bytes() override {
    uint64_t sum = 0;
    for (Stage& stage : stages_) sum += stage.executable->peak_bytes();
    return sum;
  }

 private:
  struct Stage {
    std::unique_ptr<Executable> executable;
    std::vector<std::string> inputs, outputs;  // names in the model, in the artifact's order
  };

  static bool has_executor(Plugins& plugins, const std::string& path) {
    try {
      return plugins.find_executor(path) != nullptr;
    } catch (const Error&) {
      return false;
    }
  }

  // Why stage `index` of `count` does not run on this machine.
  static Diagnostic cannot_run(const Diagnostic& reason, const std::string& file, const std::string& target, size_t index, size_t count) {
    Diagnostic d;
    d.text = "stage " + std::to_string(index + 1) + " of " + std::to_string(count) + ", '" + file + "'" + (target.empty() ? "" : " for " + target) +
             ", cannot run here: " + reason.text;
    d.location = reason.location;
    d.hint = "run the package on a machine with that device and its runtime";
    return d;
  }

  static void bind(const std::string& document, const nlohmann::json& bindings, const std::vector<TensorInfo>& infos,
                   std::vector<std::string>& tensors) {
    for (const TensorInfo& info : infos) {
      bool found = false;
      for (const nlohmann::json& b : bindings) {
        if (b.at("name").get<std::string>() != info.name) continue;
        tensors.push_back(b.at("tensor").get<std::string>());
        found = true;
        break;
      }
      if (!found) bad(document, "the package does not say which tensor of the model the artifact's '" + info.name + "' is");
    }
  }

  TensorInfo find_info(const std::string& document, const std::string& name, bool input) const {
    TensorInfo result;
    for (const Stage& stage : stages_) {
      const std::vector<std::string>& names = input ? stage.inputs : stage.outputs;
      auto at = std::find(names.begin(), names.end(), name);
      if (at != names.end()) {
        result = (input ? stage.executable->inputs() : stage.executable->outputs())[static_cast<size_t>(at - names.begin())];
        result.name = name;
        return result;
      }
    }
    // An input that no stage reads, or an output that is an input.
    for (const TensorInfo& info : inputs_)
      if (info.name == name) return info;
    if (!input) bad(document, "no stage of the package yields the output '" + name + "'");
    result.name = name;
    return result;
  }

  std::vector<Stage> stages_;
  std::vector<TensorInfo> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Executable> open_artifact(Plugins& plugins, const std::string& path, unsigned threads, bool profile, std::string* stand_in,
                                          const StageSubstitute& substitute) {
  if (!fs::exists(path)) fail_errno("open", path, ENOENT);
  std::string document = find_document(path);
  if (!document.empty()) return std::make_unique<StagedExecutable>(plugins, document, threads, profile, stand_in, substitute);
  return load_or_read_back(plugins, fs::absolute(path).string(), threads, profile, stand_in);
}

std::string package_document_path(const std::string& path) {
  std::string document = find_document(path);
  if (document.empty()) {
    fs::path sibling = fs::path(path).replace_extension(".json");
    if (!fs::exists(sibling)) return "";
    document = sibling.string();
  }
  return nlohmann::json::parse(read_text_file(document), nullptr, false).contains("lathe") ? document : "";
}

std::string package_document(const std::string& path) {
  const std::string document = package_document_path(path);
  return document.empty() ? "" : nlohmann::json::parse(read_text_file(document)).dump();
}

}  // namespace lathe
