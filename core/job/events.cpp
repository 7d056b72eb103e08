// Events as lines of JSON.
#include "core/job/events.hpp"

#include <array>

#include "core/job/diagnostic_json.hpp"

namespace lathe {
namespace {
constexpr std::array<const char*, 6> kinds = {"stage", "progress", "diagnostic", "dump", "log", "result"};
}

std::string to_line(const Event& event) {
  nlohmann::ordered_json j{{"event", kinds[static_cast<size_t>(event.kind)]}};
  if (!event.text.empty()) j["text"] = event.text;
  if (!event.plugin.empty()) j["plugin"] = event.plugin;
  if (event.kind == Event::Kind::progress) j["fraction"] = event.fraction;
  if (event.kind == Event::Kind::diagnostic) j["diagnostic"] = to_json(event.diagnostic);
  return dump(j) + "\n";
}

std::optional<Event> parse_event(std::string_view line) {
  nlohmann::json j = nlohmann::json::parse(line, nullptr, false);
  if (!j.is_object()) return std::nullopt;
  try {
    std::string kind = j.value("event", "");
    for (size_t i = 0; i < kinds.size(); ++i) {
      if (kind != kinds[i]) continue;
      Event event;
      event.kind = static_cast<Event::Kind>(i);
      event.text = j.value("text", ""), event.plugin = j.value("plugin", ""), event.fraction = j.value("fraction", -1.0);
      if (event.kind == Event::Kind::diagnostic) event.diagnostic = diagnostic_from_json(j.at("diagnostic"));
      return event;
    }
  } catch (const nlohmann::json::exception&) {
  }
  return std::nullopt;
}

}  // namespace lathe
