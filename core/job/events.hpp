// What a worker tells its supervisor: one JSON document a line over a pipe. A line that is none of these is a broken contract.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/diagnostic.hpp"

namespace lathe {

struct Event {
  enum class Kind {
    stage,       // `text`: the stage's name; `plugin`: who is at work in it, may be empty
    progress,    // `text`: what is being done; `fraction` in 0..1, negative when unknown
    diagnostic,  // `diagnostic`
    dump,        // `plugin`: the pass; `text`: the graph after it
    log,         // `text`: a line for the log
    result       // `text`: the result as a JSON document; always the last event, on success and on failure
  };
  Kind kind = Kind::log;
  std::string text, plugin;
  double fraction = -1;
  Diagnostic diagnostic;
};

using EventSink = std::function<void(const Event&)>;

std::string to_line(const Event& event);  // with the newline
std::optional<Event> parse_event(std::string_view line);

}  // namespace lathe
