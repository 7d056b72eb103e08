// See lathe/texts.hpp.
#include "lathe/texts.hpp"

#include <fstream>
#include <iterator>

namespace lathe::sdk {

void write_text_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) throw Failure(LATHE_FAILED, "'" + path + "' cannot be written");
}

std::string read_text_file(const std::string& path, const std::string& hint) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Failure(LATHE_FAILED, "'" + path + "' cannot be read", hint);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return result;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t d : shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text.empty() ? "a scalar" : text;
}

int64_t integer_between(const Settings& settings, const char* name, int64_t lowest, int64_t highest) {
  const int64_t value = settings.integer(name);
  if (value < lowest || value > highest)
    throw Failure(LATHE_USAGE,
                  std::string(name) + " is " + std::to_string(lowest) + " to " + std::to_string(highest) + ", not " + std::to_string(value));
  return value;
}

}  // namespace lathe::sdk
