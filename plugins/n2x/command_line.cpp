// A command line that the person wrote, with places for what only the plugin knows.
#include "backend.hpp"

namespace lathe::n2x {

std::vector<std::string> command_line(std::string_view text, const Places& places) {
  std::vector<std::string> words;
  std::string word;
  bool begun = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0 ? c == quote : (c == '"' || c == '\'')) {
      quote = quote == 0 ? c : '\0';
      begun = true;
    } else if (quote == 0 && (c == ' ' || c == '\t')) {
      if (begun) words.push_back(word);
      word.clear(), begun = false;
    } else if (c == '{') {
      const size_t end = text.find('}', i);
      const std::string_view name = text.substr(i + 1, end == std::string_view::npos ? end : end - i - 1);
      const std::string* value = name == "model"         ? &places.model
                                 : name == "artifact"    ? &places.artifact
                                 : name == "device"      ? &places.device
                                 : name == "precision"   ? &places.precision
                                 : name == "calibration" ? &places.calibration
                                                         : nullptr;
      if (end == std::string_view::npos || !value)
        throw sdk::Failure(LATHE_USAGE, "the option 'arguments' has no such place: {" + std::string(name.substr(0, 40)) + "}",
                           "its places are {model}, {artifact}, {device}, {precision} and {calibration}");
      word += *value;
      begun = true;
      i = end;
    } else {
      word += c;
      begun = true;
    }
  }
  if (quote != 0) throw sdk::Failure(LATHE_USAGE, "the option 'arguments' has a quote that is not closed");
  if (begun) words.push_back(word);
  return words;
}

}  // namespace lathe::n2x
