// Describing a checkpoint: its task, classes, training, the table of modules, and every global that its pickle names.
#include "inspector.hpp"

#include <array>
#include <cstdio>
#include <lathe/plugin.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "lathe/mapped_file.hpp"
#include "network.hpp"

namespace lathe::ultralytics {
namespace {

using Json = nlohmann::ordered_json;
using Kind = PickleValue::Kind;

int64_t parameters(const Module& module, std::set<PickleId>& seen, int depth = 0) {
  if (depth > 64 || !seen.insert(module.id()).second) return 0;
  const Checkpoint& checkpoint = module.checkpoint();
  const Pickle& pickle = checkpoint.pickle();
  int64_t count = 0;
  const PickleId held = find_key(pickle, pickle[module.id()].state, "_parameters");
  if (held != no_pickle) {
    const auto& items = pickle[held].kind == Kind::call ? pickle[held].contents : pickle[held].items;
    for (size_t i = 0; i + 1 < items.size(); i += 2)
      if (checkpoint.is_tensor(items[i + 1])) count += checkpoint.tensor(items[i + 1]).size();
  }
  for (const auto& [name, child] : module.children()) count += parameters(child, seen, depth + 1);
  return count;
}

std::string padded(const std::string& text, size_t width, bool right) {
  if (text.size() >= width) return text;
  return right ? std::string(width - text.size(), ' ') + text : text + std::string(width - text.size(), ' ');
}

}  // namespace

std::string inspect_checkpoint(const std::string& path, const WiringTable& wirings) {
  const sdk::MappedFile file(path);
  const Checkpoint checkpoint(file.bytes(), path);
  const Pickle& pickle = checkpoint.pickle();
  Json json = {{"format", "PyTorch checkpoint"}, {"summary", Json::array()}};
  const auto line = [&](const std::string& label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back(Json::array({label, text}));
  };

  try {
    const Module model = checkpoint.model();
    json["class"] = model.class_path();
    line("network", model.class_path());
    std::set<PickleId> seen;
    const int64_t count = parameters(model, seen);
    json["parameters"] = count;
    const std::vector<Stage> list = stages(model);
    const std::vector<std::string> names = class_names(checkpoint, model);
    json["classes"] = names;
    std::string joined;
    for (const std::string& n : names) joined += (joined.empty() ? "" : ", ") + n;
    line("classes", std::to_string(names.size()) + (joined.empty() ? "" : ": " + joined.substr(0, 400)));
    line("parameters", std::to_string(count));
    json["imgsz"] = trained_size(checkpoint);
    line("image size", std::to_string(trained_size(checkpoint)));
    try {
      NetworkOptions options;
      const sdk::GraphBuilder graph = trace_network(checkpoint, wirings, options);
      json["importable"] = true;
    } catch (const sdk::Failure& failure) {
      json["importable"] = false;
      for (const sdk::Diagnostic& d : failure.diagnostics) line("not importable", d.text);
    }
    json["modules"] = Json::array();
    line("modules", padded("", 4, true) + padded("from", 18, true) + padded("parameters", 12, true) + "  class");
    for (size_t i = 0; i < list.size(); ++i) {
      std::set<PickleId> own;
      const int64_t own_count = parameters(list[i].module, own);
      std::string from;
      for (const int64_t f : list[i].from) from += (from.empty() ? "" : ", ") + std::to_string(f);
      if (list[i].from.size() > 1) from = "[" + from + "]";
      json["modules"].push_back({{"index", i}, {"from", list[i].from}, {"parameters", own_count}, {"class", list[i].module.class_path()}});
      line("", padded(std::to_string(i), 4, true) + padded(from, 18, true) + padded(std::to_string(own_count), 12, true) + "  " +
                   list[i].module.class_path());
    }
  } catch (const sdk::Failure& failure) {
    for (const sdk::Diagnostic& d : failure.diagnostics) line("network", d.text);
  }

  for (const std::string_view key : {"version", "date", "license", "epoch", "best_fitness"}) {
    const PickleId id = checkpoint.entry(key);
    if (id == no_pickle) continue;
    json[std::string(key)] = describe(pickle, id, 1);
    line(std::string(key), describe(pickle, id, 1));
  }
  if (const PickleId arguments = checkpoint.entry("train_args"); arguments != no_pickle && pickle[arguments].kind == Kind::dictionary) {
    const auto& items = pickle[arguments].items;
    json["train_args"] = Json::object();
    std::string text;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const std::string key = describe(pickle, items[i], 1), value = describe(pickle, items[i + 1], 2);
      json["train_args"][key] = value;
      if (value != "None") text += (text.empty() ? "" : ", ") + key + "=" + value;
    }
    line("training", text);
  }
  json["globals"] = Json::array();
  std::string unexpected;
  for (const std::string& global : pickle.globals()) {
    const bool expected = Checkpoint::expected_global(global);
    json["globals"].push_back({{"name", global}, {"expected", expected}});
    line(json["globals"].size() == 1 ? "globals" : "", (expected ? "  " : "! ") + global);
    if (!expected) unexpected += (unexpected.empty() ? "" : ", ") + global;
  }
  if (!unexpected.empty()) line("unexpected", unexpected + " (nothing of it is run here; PyTorch would run it)");
  json["file_bytes"] = file.bytes().size();
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lathe::ultralytics
