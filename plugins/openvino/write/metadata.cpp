// rt_info and metadata.yaml from the properties that Ultralytics' exports carry.
#include "metadata.hpp"

#include <algorithm>

namespace lathe::openvino {
namespace {

// The order in which Ultralytics writes them; others follow by name.
constexpr std::string_view known_keys[] = {"description", "author", "date",  "version", "license", "docs",     "stride",
                                           "task",        "batch",  "imgsz", "names",   "args",    "channels", "end2end"};

// "{0: 'person', 1: 'traffic light'}" -> the texts in their order.
std::vector<std::string> names_of(std::string_view text) {
  std::vector<std::string> names;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\'' && text[i] != '"') continue;
    const char quote = text[i];
    std::string name;
    for (++i; i < text.size() && text[i] != quote; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      name += text[i];
    }
    names.push_back(std::move(name));
  }
  return names;
}

// Numbers, truth values, lists and maps as they are, everything else between quotes where YAML could take it for something else.
std::string yaml_value(std::string_view value) {
  if (!value.empty() && (value.front() == '{' || value.front() == '[')) {
    const bool plain = value.find('\\') == std::string_view::npos && value.find('\n') == std::string_view::npos;
    const char last = value.front() == '{' ? '}' : ']';
    if (plain && value.back() == last) return std::string(value);
  }
  const bool plain =
      !value.empty() &&
      std::all_of(value.begin(), value.end(),
                  [](unsigned char c) {
                    return std::isalnum(c) || c == ' ' || c == '.' || c == '/' || c == '_' || c == '-' || c == '(' || c == ')' || c == '+';
                  }) &&
      value.front() != ' ' && value.front() != '-' && value.back() != ' ';
  const bool date = value.size() > 10 && value[4] == '-' && value[7] == '-';
  if (plain && !date) return std::string(value);
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) >= 32) {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

std::vector<Info> model_info(const sdk::GraphView& graph) {
  const std::string_view task = graph.property("task"), names = graph.property("names");
  if (task.empty() || names.empty()) return {};
  std::string labels;
  for (std::string name : names_of(names)) {
    std::replace(name.begin(), name.end(), ' ', '_');  // a blank parts the names
    labels += (labels.empty() ? "" : " ") + name;
  }
  Info info{"model_info", "", {}};
  const bool pictures = task == "detect" || task == "segment" || task == "pose" || task == "obb";
  if (pictures) info.children.push_back({"iou_threshold", "0.7", {}});
  info.children.push_back({"labels", labels, {}});
  if (pictures) {
    info.children.push_back({"model_type", "YOLO", {}});
    info.children.push_back({"pad_value", "114", {}});
    info.children.push_back({"resize_type", "fit_to_window_letterbox", {}});
  }
  info.children.push_back({"reverse_input_channels", "YES", {}});
  info.children.push_back({"scale_values", "255", {}});
  return {info};
}

std::string metadata_yaml(const sdk::GraphView& graph) {
  std::vector<std::pair<std::string, std::string>> list;
  for (size_t i = 0; i < graph.get().property_count; ++i)
    list.emplace_back(sdk::view(graph.get().properties[i].key), sdk::view(graph.get().properties[i].value));
  const auto position = [](const std::string& key) { return std::find(std::begin(known_keys), std::end(known_keys), key) - std::begin(known_keys); };
  std::sort(list.begin(), list.end(),
            [&](const auto& a, const auto& b) { return std::pair(position(a.first), a.first) < std::pair(position(b.first), b.first); });
  std::string yaml;
  for (const auto& [key, value] : list)
    if (!key.empty()) yaml += yaml_value(key) + ": " + yaml_value(value) + "\n";
  return yaml;
}

}  // namespace lathe::openvino
