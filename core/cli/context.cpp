// Output and small parsers shared by the subcommands.
#include "core/cli/context.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/job/diagnostic_json.hpp"

namespace lathe::cli {

std::shared_ptr<spdlog::logger> standard_error() {
  auto log = std::make_shared<spdlog::logger>("lathe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_pattern("%v");
  log->set_level(spdlog::level::debug);
  return log;
}

LogLevel Context::level() const {
  if (quiet || log_level == "error") return LogLevel::error;
  if (log_level == "warning") return LogLevel::warning;
  return log_level == "debug" ? LogLevel::debug : LogLevel::info;
}

bool Context::color() const {
  const char* set = std::getenv("NO_COLOR");
  return !no_color && !(set && *set) && ::isatty(2);
}

void Context::print(std::string_view line) const {
  std::fwrite(line.data(), 1, line.size(), results);
  std::fputc('\n', results);
}

void Context::print_json(const nlohmann::ordered_json& document) const { print(dump(document, 2)); }

void Context::print_table(const std::vector<std::vector<std::string>>& rows) const {
  std::vector<size_t> widths;
  // Width in characters: continuation bytes of UTF-8 take no room.
  auto width = [](const std::string& s) { return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; })); };
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    print(line);
  }
}

void Context::say(const Diagnostic& diagnostic) const {
  static constexpr LogLevel levels[] = {LogLevel::info, LogLevel::warning, LogLevel::error};
  static constexpr const char* colors[] = {"\033[36m", "\033[33m", "\033[31m"};
  const auto severity = static_cast<size_t>(diagnostic.severity);
  std::string text = diagnostic.sentence();
  const size_t colon = text.find(':');
  if (color() && colon != std::string::npos) text = colors[severity] + text.substr(0, colon + 1) + "\033[0m" + text.substr(colon + 1);
  write(levels[severity], text);
}

void Context::write(LogLevel at, std::string_view line) const {
  static constexpr spdlog::level::level_enum levels[] = {spdlog::level::err, spdlog::level::warn, spdlog::level::info, spdlog::level::debug};
  if (at <= level()) log->log(levels[static_cast<size_t>(at)], line);
}

std::unique_ptr<Plugins> Context::discover(unsigned threads) const {
  HostServices services;
  services.report = [this](const Diagnostic& d) {
    if (d.severity != Severity::error) say(d);  // errors arrive with the call that failed
  };
  services.log = [this](std::string_view text) { write(LogLevel::debug, text); };
  services.progress = [](std::string_view, double) {};
  services.cancelled = [] { return false; };
  services.threads = threads ? threads : std::max(1u, std::thread::hardware_concurrency());
  PluginSearch search;
  search.explicit_paths = plugins;
  search.program = program;
  std::unique_ptr<Plugins> found = Plugins::discover(search, std::move(services));
  for (Diagnostic d : found->refused()) {
    d.severity = Severity::warning;
    say(d);
  }
  return found;
}

std::vector<std::string> precision_kinds(const std::vector<std::string>& precisions) {
  std::vector<std::string> kinds;
  for (const std::string& p : precisions) {
    std::string kind = p == "int8" || p == "mixed" ? "quant" : "float";
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
  }
  std::sort(kinds.begin(), kinds.end());
  return kinds;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : std::string(separator)) + w;
  return text;
}

std::vector<std::string> join_target_flags(const std::vector<std::string>& arguments) {
  // A single dash and at least two letters: none of the program's own short options look like that.
  auto is_flag = [](const std::string& a) { return a.size() > 2 && a[0] == '-' && a[1] != '-' && a[1] != 'o' && !(a[1] >= '0' && a[1] <= '9'); };
  std::vector<std::string> out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    out.push_back(arguments[i]);
    bool separate = arguments[i] == "--target" && i + 1 < arguments.size();
    if (separate) out.push_back(arguments[++i]);
    if (!separate && !arguments[i].starts_with("--target=")) continue;
    while (i + 1 < arguments.size() &&
           (is_flag(arguments[i + 1]) || (arguments[i + 1].starts_with("-o") && arguments[i + 1].size() > 3 && arguments[i + 1].find('=') > 2 &&
                                          arguments[i + 1].find('=') != std::string::npos)))
      out.back() += " " + arguments[++i];
  }
  return out;
}

std::vector<int64_t> parse_dimensions(const std::string& text, const std::string& whole) {
  std::vector<int64_t> dimensions;
  auto bad = [&] { throw Error(Code::usage, "'" + whole + "' gives no shape", "write NAME=1x3x640x640; '?' leaves a dimension open"); };
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find_first_of("x,X", at), text.size());
    std::string part = text.substr(at, end - at);
    int64_t n = -1;
    if (part != "?" && part != "-1") {
      auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), n);
      if (error != std::errc() || stop != part.data() + part.size() || n < 0) bad();
    }
    dimensions.push_back(n);
    at = end + 1;
  }
  return dimensions;
}

uint64_t parse_bytes(const std::string& text) {
  double n = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  std::string unit(stop, text.data() + text.size());
  for (char& c : unit) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  double factor = unit.empty() || unit == "B" ? 1 : 0;
  for (const auto& [letter, scale] : {std::pair{'K', 0x1p10}, {'M', 0x1p20}, {'G', 0x1p30}, {'T', 0x1p40}})
    if (!unit.empty() && unit[0] == letter && (unit.size() == 1 || unit.substr(1) == "B" || unit.substr(1) == "IB")) factor = scale;
  if (error != std::errc() || factor == 0 || !(n > 0) || n * factor >= 0x1p62)
    throw Error(Code::usage, "'" + text + "' is no amount of memory", "write bytes, or 512M, 4G");
  return static_cast<uint64_t>(n * factor);
}

}  // namespace lathe::cli
