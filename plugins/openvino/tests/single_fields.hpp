// Every change of one field of an IR: what a test of the checker draws from.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <pugixml.hpp>
#include <string>
#include <vector>

namespace lathe::openvino::test {

// One field with another value. Its place is named as "TYPE/element@attribute", so that changes of one kind in many places have one name:
// "Convolution/data@strides", "*/port@precision", "edge@to-port".
struct FieldChange {
  std::string place,
      what;  // what: "gone", "garbage", "empty", "more", "less", "other", "huge", "nan", "shorter", "longer", "renamed", "twice", "added"
  std::string before, after;
  std::string layer;  // the number of the layer it is in, for messages
};

namespace detail {

inline bool is_number(const std::string& text) {
  size_t used = 0;
  try {
    std::stod(text, &used);
  } catch (...) {
    return false;
  }
  return used == text.size();
}
inline bool is_whole(const std::string& text) { return is_number(text) && text.find_first_of(".e") == std::string::npos && text.size() < 18; }

inline const std::vector<std::vector<std::string>>& word_groups() {
  static const std::vector<std::vector<std::string>> groups = {
      {"true", "false"},
      {"explicit", "same_upper", "same_lower", "valid"},
      {"floor", "ceil", "ceil_torch"},
      {"numpy", "none", "pdpd"},
      {"f32", "f16", "i64", "i32", "i8", "u8", "boolean"},
      {"FP32", "FP16", "I64", "I32", "I8", "U8", "BOOL"},
      {"nearest", "linear", "linear_onnx", "cubic"},
      {"sizes", "scales"},
      {"half_pixel", "asymmetric", "align_corners"},
      {"inside_sqrt", "outside_sqrt"},
      {"INSIDE_SQRT", "OUTSIDE_SQRT"},
      {"min", "max"},
      {"value", "index", "none"},
      {"constant", "edge", "reflect", "symmetric"},
      {"bidirectional", "explicit", "numpy"},
      {"forward", "reverse", "bidirectional"},
      {"blocks_first", "depth_first"},
      {"half_to_even", "half_away_from_zero"},
      {"corner", "center"},
      {"ERF", "TANH"},
      {"round_prefer_floor", "ceil", "simple"},
      {"bilinear", "nearest", "bicubic"},
      {"zeros", "border", "reflection"},
      {"none", "sum", "max"},
  };
  return groups;
}

// Other values for one of these.
inline std::vector<std::pair<std::string, std::string>> others(const std::string& value) {
  std::vector<std::pair<std::string, std::string>> list = {{"garbage", "?!"}};
  if (!value.empty()) list.emplace_back("empty", "");
  for (const auto& group : word_groups()) {
    if (std::find(group.begin(), group.end(), value) == group.end()) continue;
    for (const std::string& word : group)
      if (word != value) list.emplace_back("other", word);
  }
  if (is_whole(value)) {
    const long long n = std::stoll(value);
    list.emplace_back("more", std::to_string(n + 1));
    list.emplace_back("less", std::to_string(n - 1));
    list.emplace_back("other", std::to_string(-n - 7));
    list.emplace_back("huge", "99999999999999999999");
  } else if (is_number(value)) {
    list.emplace_back("other", "-" + value);
    list.emplace_back("other", value == "0.5" ? "0.25" : "0.5");
    list.emplace_back("nan", "nan");
  } else if (const size_t comma = value.find(','); comma != std::string::npos && value.find_first_not_of("-0123456789, ") == std::string::npos) {
    list.emplace_back("more", std::to_string(std::stoll(value) + 1) + value.substr(comma));
    list.emplace_back("less", std::to_string(std::stoll(value) - 1) + value.substr(comma));
    list.emplace_back("shorter", value.substr(comma + 2));
    list.emplace_back("longer", value + ", 1");
  }
  return list;
}

inline std::string place_of(const pugi::xml_node& node) {
  std::string type = "net";
  bool in_rt = false;
  for (pugi::xml_node up = node; up; up = up.parent()) {
    if (std::string_view(up.name()) == "rt_info") in_rt = true;
    if (std::string_view(up.name()) == "layer") {
      type = up.attribute("type").value();
      break;
    }
  }
  std::string side;
  const std::string_view parent = node.parent().name();
  if (std::string_view(node.name()) == "port") side = parent == "input" ? "input/" : "output/";
  if (std::string_view(node.name()) == "dim") side = std::string_view(node.parent().parent().name()) == "input" ? "input/" : "output/";
  return type + "/" + (in_rt ? "rt_info/" : "") + side + node.name();
}

}  // namespace detail

// Calls `visit` with the document changed in one field, and puts it right again afterwards. `keep(n)` says whether the n-th change is wanted.
inline void each_single_field(pugi::xml_document& document, const std::function<bool(size_t)>& keep,
                              const std::function<void(const FieldChange&)>& visit) {
  size_t count = 0;
  const std::function<void(pugi::xml_node, const std::string&)> walk = [&](pugi::xml_node node, const std::string& layer) {
    const std::string name = node.name(), place = detail::place_of(node);
    const std::string number = name == "layer" ? node.attribute("id").value() : layer;
    const auto tell = [&](std::string where, std::string what, std::string before, std::string after) {
      visit({std::move(where), std::move(what), std::move(before), std::move(after), number});
    };
    // Attributes: gone, other values, one more.
    for (pugi::xml_attribute a = node.first_attribute(); a; a = a.next_attribute()) {
      const std::string value = a.value(), key = a.name();
      for (const auto& [what, other] : detail::others(value)) {
        if (!keep(count++)) continue;
        a.set_value(other.c_str());
        tell(place + "@" + key, what, value, other);
        a.set_value(value.c_str());
      }
      if (!keep(count++)) continue;
      a.set_name("unknown_name");
      tell(place + "@" + key, "renamed", key, "unknown_name");
      a.set_name(key.c_str());
    }
    if (keep(count++)) {
      node.append_attribute("unknown_name") = "1";
      tell(place, "added", "", "unknown_name=1");
      node.remove_attribute("unknown_name");
    }
    // Text.
    if (const std::string text = node.child_value(); !text.empty() && name == "dim") {
      for (const auto& [what, other] : detail::others(text)) {
        if (!keep(count++)) continue;
        node.text() = other.c_str();
        tell(place, what, text, other);
        node.text() = text.c_str();
      }
    }
    for (pugi::xml_node child = node.first_child(); child; child = child.next_sibling()) {
      if (child.type() != pugi::node_element) continue;
      walk(child, number);
      const std::string inner = detail::place_of(child);
      if (keep(count++)) {  // twice
        const pugi::xml_node copy = node.insert_copy_after(child, child);
        tell(inner, "twice", child.name(), "");
        node.remove_child(copy);
      }
      if (keep(count++)) {  // gone
        pugi::xml_document kept;
        kept.append_copy(child);
        const pugi::xml_node before = child.previous_sibling();
        node.remove_child(child);
        tell(inner, "gone", kept.first_child().name(), "");
        child = before ? node.insert_copy_after(kept.first_child(), before) : node.prepend_copy(kept.first_child());
      }
    }
  };
  walk(document.child("net"), "");
}

}  // namespace lathe::openvino::test
