// See artifact.hpp.
#include "core/package/artifact.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

// Extents above 1, sorted: what is left of a shape when its layout is not known.
std::vector<int64_t> extents(std::vector<int64_t> shape) {
  std::erase_if(shape, [](int64_t d) { return d == 1; });
  std::sort(shape.begin(), shape.end());
  return shape;
}
std::vector<int64_t> extents(const Json& tensor) {
  std::vector<int64_t> shape;
  if (tensor.contains("shape") && tensor["shape"].is_array())
    for (const Json& d : tensor["shape"])
      if (d.is_number_integer()) shape.push_back(d.get<int64_t>());
  return extents(std::move(shape));
}

// A text, or "" where there is none.
std::string word(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool has_shape(const Json& tensor) { return tensor.contains("shape") && tensor["shape"].is_array(); }

std::string text(const Json& tensor) { return "'" + word(tensor, "name") + "'" + (tensor.contains("shape") ? " " + tensor["shape"].dump() : ""); }

std::vector<std::pair<std::string, std::string>> match(const Json& inspected, const char* key, const std::vector<const Value*>& wanted,
                                                       const std::string& artifact, std::vector<Diagnostic>& problems) {
  std::vector<std::pair<std::string, std::string>> names;
  const auto list = inspected.find(key);
  if (list == inspected.end() || !list->is_array() || list->empty()) {
    for (const Value* value : wanted) names.emplace_back(value->name, value->name);
    return names;
  }
  std::vector<bool> used(list->size(), false);
  const auto find = [&](const auto& fits) -> const Json* {
    for (size_t i = 0; i < list->size(); ++i)
      if (!used[i] && (*list)[i].is_object() && fits((*list)[i])) {
        used[i] = true;
        return &(*list)[i];
      }
    return nullptr;
  };
  std::string found;
  for (const Json& tensor : *list) found += (found.empty() ? "" : ", ") + text(tensor);
  // Names first, so that a tensor of the same size does not take another one's place.
  std::vector<const Json*> tensors;
  for (const bool by_name : {true, false})
    for (size_t i = 0; i < wanted.size(); ++i) {
      const bool sized = wanted[i]->type.static_shape();
      const std::vector<int64_t> size = sized ? extents(wanted[i]->type.dimensions()) : std::vector<int64_t>{};
      if (by_name)
        tensors.push_back(find([&](const Json& t) { return word(t, "name") == wanted[i]->name && (!sized || !has_shape(t) || extents(t) == size); }));
      if (!by_name && !tensors[i] && sized) tensors[i] = find([&](const Json& t) { return has_shape(t) && extents(t) == size; });
    }
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Value* value = wanted[i];
    const Json* tensor = tensors[i];
    if (!tensor) {
      Diagnostic d;
      d.text = std::string("the artifact has no ") + (key[0] == 'i' ? "input" : "output") + " for the model's '" + value->name + "'";
      d.location = artifact, d.expected = to_string(value->type), d.found = found;
      d.hint = "it was made from another model, another size, or another cut (--option head-cut=...)";
      problems.push_back(std::move(d));
      continue;
    }
    const std::string own = word(*tensor, "name");
    names.emplace_back(value->name, own.empty() ? value->name : own);
  }
  for (size_t i = 0; i < list->size(); ++i) {
    if (used[i] || !problems.empty()) continue;
    Diagnostic d;
    d.text = std::string("the artifact has an ") + (key[0] == 'i' ? "input" : "output") + " that the model has not: " + text((*list)[i]);
    d.location = artifact;
    d.hint = "it was made from another model, or another cut (--option head-cut=...)";
    problems.push_back(std::move(d));
  }
  return names;
}

}  // namespace

Json inspect_file(Plugins& plugins, const std::string& path) {
  Plugin* plugin = plugins.find_inspector(path);
  if (!plugin) throw Error(Code::failed, "no installed plugin knows what '" + path + "' is", "'lathe plugin list' shows what is known");
  std::string written;
  plugin->check("inspect", [&] {
    return plugin->inspector()->inspect(&plugin->host(), {path.data(), path.size()}, &written,
                                        [](void* context, lathe_string part) { static_cast<std::string*>(context)->append(part.data, part.size); });
  });
  Json j = Json::parse(written, nullptr, false);
  if (!j.is_object()) throw Error(Code::internal, "plugin '" + plugin->manifest().name + "' described the file by something that is no JSON object");
  j["plugin"] = plugin->manifest().name;
  return j;
}

ArtifactNames hold_artifact(const Json& inspected, const std::string& artifact, const ResolvedTarget& target, const Graph& graph) {
  std::vector<Diagnostic> problems;
  const auto problem = [&](std::string sentence, std::string expected, std::string found) {
    Diagnostic d;
    d.text = std::move(sentence), d.location = artifact, d.expected = std::move(expected), d.found = std::move(found);
    d.hint = "name the target it was made for with --target";
    problems.push_back(std::move(d));
  };
  if (const std::string plugin = word(inspected, "plugin"); plugin != target.manifest->name)
    problem("the artifact is no file of target '" + target.manifest->name + "'", "a file for " + target.spelled(),
            word(inspected, "format") + ", which plugin '" + plugin + "' reads");
  if (const auto runtime = inspected.find("runtime");
      runtime != inspected.end() && runtime->is_string() && lower(*runtime) != lower(target.manifest->runtime))
    problem("the artifact is for another runtime", target.manifest->runtime, *runtime);
  if (const auto devices = inspected.find("devices"); devices != inspected.end() && devices->is_array() && !devices->empty()) {
    const bool named =
        std::any_of(devices->begin(), devices->end(), [&](const Json& d) { return d.is_string() && lower(d) == lower(target.device); });
    if (!named) problem("the artifact was made for another device", target.device, devices->dump());
  }
  std::vector<const Value*> inputs, outputs;
  for (const ValueId id : graph.inputs)
    if (!graph.value(id).constant) inputs.push_back(&graph.value(id));
  for (const ValueId id : graph.outputs) outputs.push_back(&graph.value(id));
  ArtifactNames names;
  if (problems.empty()) names.inputs = match(inspected, "inputs", inputs, artifact, problems);
  if (problems.empty()) names.outputs = match(inspected, "outputs", outputs, artifact, problems);
  if (!problems.empty()) throw Error(Code::failed, std::move(problems));
  return names;
}

ArtifactInput artifact_input(const std::map<std::string, std::string>& facts, const Json& inspected) {
  const auto fact = [&](const char* key) {
    const auto found = facts.find(key);
    return found == facts.end() ? std::string() : found->second;
  };
  ArtifactInput input{fact("input") == "pixels", fact("input-layout")};
  if (const auto list = inspected.find("compiled_inputs");
      list != inspected.end() && list->is_array() && list->size() == 1 && list->front().is_object()) {
    input.pixels = input.pixels || lower(word(list->front(), "type")) == "uint8";
    if (input.layout.empty()) input.layout = word(list->front(), "layout");
  }
  if (input.pixels && input.layout.empty()) input.layout = "NHWC";
  if (input.layout != "NHWC" && input.layout != "NCHW") input.layout.clear();
  return input;
}

}  // namespace lathe
