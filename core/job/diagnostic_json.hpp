// Diagnostics as JSON; included by .cpp files only.
#pragma once
#include <nlohmann/json.hpp>

#include "core/base/diagnostic.hpp"

namespace lathe {

inline nlohmann::ordered_json to_json(const Diagnostic& d) {
  static constexpr const char* severities[] = {"note", "warning", "error"};
  nlohmann::ordered_json j{{"severity", severities[static_cast<int>(d.severity)]}, {"text", d.text}};
  auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) j[key] = value;
  };
  put("node", d.node), put("operator", d.op_type), put("location", d.location);
  put("expected", d.expected), put("found", d.found), put("hint", d.hint);
  return j;
}

inline Diagnostic diagnostic_from_json(const nlohmann::json& j) {
  Diagnostic d;
  std::string severity = j.value("severity", "error");
  d.severity = severity == "note" ? Severity::note : severity == "warning" ? Severity::warning : Severity::error;
  d.text = j.value("text", ""), d.node = j.value("node", ""), d.op_type = j.value("operator", ""), d.location = j.value("location", "");
  d.expected = j.value("expected", ""), d.found = j.value("found", ""), d.hint = j.value("hint", "");
  return d;
}

inline nlohmann::ordered_json to_json(const std::vector<Diagnostic>& diagnostics) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Diagnostic& d : diagnostics) list.push_back(to_json(d));
  return list;
}

// Text that came from a model or a plugin may be no UTF-8; it is replaced instead of thrown about.
inline std::string dump(const nlohmann::ordered_json& j, int indent = -1) {
  return j.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lathe
