// Describing a checkpoint: its task, classes, training, the table of modules, and every global that its pickle names.
#include "inspector.hpp"

#include <cmath>
#include <cstdio>
#include <lathe/plugin.hpp>
#include <nlohmann/json.hpp>

#include "lathe/mapped_file.hpp"
#include "module_table.hpp"
#include "network.hpp"

namespace lathe::ultralytics {
namespace {

using Json = nlohmann::ordered_json;
using Kind = PickleValue::Kind;

constexpr size_t most_arguments = 1000, most_text = 2000;

std::string padded(const std::string& text, size_t width, bool right) {
  if (text.size() >= width) return text;
  return right ? std::string(width - text.size(), ' ') + text : text + std::string(width - text.size(), ' ');
}

// 3157200 -> "3,157,200"
std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

// Numbers, texts and lists of them as JSON has them; everything else as it is shown to people.
Json to_json(const Pickle& pickle, PickleId id, int depth) {
  const PickleValue& v = pickle[id];
  switch (v.kind) {
    case Kind::none:
      return nullptr;
    case Kind::boolean:
      return v.integer != 0;
    case Kind::integer:
      return v.integer;
    case Kind::real:
      return std::isfinite(v.real) ? Json(v.real) : Json(describe(pickle, id, 0));
    case Kind::tuple:
    case Kind::list:
      if (depth > 0 && v.items.size() <= 64) {
        Json list = Json::array();
        for (const PickleId item : v.items) list.push_back(to_json(pickle, item, depth - 1));
        return list;
      }
      break;
    default:
      break;
  }
  return describe(pickle, id, 2).substr(0, most_text);
}

std::string task_of_class(std::string_view name) {
  static constexpr std::pair<std::string_view, const char*> tasks[] = {
      {"Detection", "detect"},        {"Segmentation", "segment"}, {"SegModel", "segment"}, {"Pose", "pose"},   {"OBB", "obb"},
      {"Classification", "classify"}, {"DETR", "detect"},          {"World", "detect"},     {"Model", "detect"}};
  for (const auto& [part, task] : tasks)
    if (name.find(part) != std::string_view::npos) return task;
  return {};
}

class Description {
 public:
  Description(const Checkpoint& checkpoint, const WiringTable& wirings) : checkpoint_(checkpoint), pickle_(checkpoint.pickle()), wirings_(wirings) {}

  Json made() {
    try {
      network();
    } catch (const sdk::Failure& failure) {
      for (const sdk::Diagnostic& d : failure.diagnostics) line("network", d.text);
    }
    training();
    globals();
    return std::move(json_);
  }

 private:
  void line(const std::string& label, const std::string& text) {
    if (!text.empty()) json_["summary"].push_back(Json::array({label, printable(text, 20000)}));
  }

  void network() {
    const Module model = checkpoint_.model();
    json_["class"] = model.class_path();
    line("network", model.class_path());
    const std::vector<Stage> list = stages(model);
    const std::vector<std::string> names = class_names(checkpoint_, model);
    const int64_t parameters = count_parameters(model);
    graph(model);
    json_["classes"] = names;
    std::string joined;
    for (const std::string& n : names) joined += (joined.empty() ? "" : ", ") + n;
    line("classes", std::to_string(names.size()) + (joined.empty() ? "" : ": " + joined.substr(0, 400)));
    json_["parameters"] = parameters;
    line("parameters", grouped(parameters));
    table(module_table(model, list));
  }

  // What needs the network to be built: a network that cannot be is described all the same.
  void graph(const Module& model) {
    std::string task = printable(model.text("task", ""), 40);
    try {
      json_["imgsz"] = trained_size(checkpoint_);
      sdk::GraphBuilder graph = trace_network(checkpoint_, wirings_, {});
      json_["importable"] = true;
      const lathe_graph& layout = graph.layout();
      for (size_t i = 0; i < layout.property_count; ++i)
        if (sdk::view(layout.properties[i].key) == "task") task = sdk::view(layout.properties[i].value);
      json_["gflops"] = count_gflops(graph);
    } catch (const sdk::Failure& failure) {
      json_["importable"] = false;
      json_["problems"] = Json::array();
      for (const sdk::Diagnostic& d : failure.diagnostics) {
        line("not importable", d.text);
        json_["problems"].push_back(d.text);
      }
    }
    if (task.empty()) task = task_of_class(model.class_name());
    json_["task"] = task;
    line("task", task);
    if (json_.contains("imgsz")) line("image size", std::to_string(json_["imgsz"].get<int64_t>()));
    if (json_.contains("gflops")) {
      char text[32];
      std::snprintf(text, sizeof text, "%.1f", json_["gflops"].get<double>());
      line("GFLOPs", text);
    }
  }

  void table(const std::vector<ModuleRow>& rows) {
    json_["modules"] = Json::array();
    line("modules", padded("", 3, true) + padded("from", 20, true) + padded("n", 3, true) + padded("params", 10, true) + "  " +
                        padded("module", 45, false) + "arguments");
    for (size_t i = 0; i < rows.size(); ++i) {
      const ModuleRow& row = rows[i];
      json_["modules"].push_back({{"index", i},
                                  {"from", row.from},
                                  {"n", row.repeats},
                                  {"parameters", row.parameters},
                                  {"module", row.module},
                                  {"arguments", row.arguments}});
      line("", padded(std::to_string(i), 3, true) + padded(row.from, 20, true) + padded(std::to_string(row.repeats), 3, true) +
                   padded(std::to_string(row.parameters), 10, true) + "  " + padded(row.module, 45, false) + row.arguments);
    }
  }

  void training() {
    for (const std::string_view key : {"version", "date", "license", "docs", "epoch", "best_fitness"}) {
      const PickleId id = checkpoint_.entry(key);
      if (id == no_pickle) continue;
      json_[std::string(key)] = to_json(pickle_, id, 1);
      line(std::string(key), describe(pickle_, id, 1));
    }
    // Ultralytics keeps a dictionary, earlier versions and YOLOv5 (as `opt`) a namespace.
    PickleId arguments = checkpoint_.entry("train_args");
    if (arguments == no_pickle) arguments = checkpoint_.entry("opt");
    const PickleIds* items = pairs(pickle_, arguments);
    if (!items) return;
    json_["train_args"] = Json::object();
    std::string text;
    for (size_t i = 0; i + 1 < std::min(items->size(), 2 * most_arguments); i += 2) {
      const std::string key = printable(describe(pickle_, (*items)[i], 0), 100), value = describe(pickle_, (*items)[i + 1], 2).substr(0, most_text);
      json_["train_args"][key] = to_json(pickle_, (*items)[i + 1], 2);
      if (value != "None") text += (text.empty() ? "" : ", ") + key + "=" + value;
    }
    line("training", text);
  }

  void globals() {
    json_["globals"] = Json::array();
    std::string unexpected;
    for (const std::string& global : pickle_.globals()) {
      const bool expected = Checkpoint::expected_global(global);
      json_["globals"].push_back({{"name", global}, {"expected", expected}});
      line(json_["globals"].size() == 1 ? "globals" : "", (expected ? "  " : "! ") + global);
      if (!expected && unexpected.size() < 2000) unexpected += (unexpected.empty() ? "" : ", ") + global;
    }
    if (!unexpected.empty()) line("unexpected", unexpected + " (nothing of it is run here; PyTorch would run it)");
  }

  const Checkpoint& checkpoint_;
  const Pickle& pickle_;
  const WiringTable& wirings_;
  Json json_ = {{"format", "PyTorch checkpoint"}, {"summary", Json::array()}};
};

}  // namespace

std::string describe_checkpoint(const Checkpoint& checkpoint, const WiringTable& wirings, uint64_t file_bytes) {
  Json json = Description(checkpoint, wirings).made();
  json["file_bytes"] = file_bytes;
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string inspect_checkpoint(const std::string& path, const WiringTable& wirings) {
  const sdk::MappedFile file(path);
  return describe_checkpoint(Checkpoint(file.bytes(), path), wirings, file.bytes().size());
}

}  // namespace lathe::ultralytics
