// One line on standard error, rewritten in place.
#include "core/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "core/cli/context.hpp"

namespace lathe::cli {
namespace {

// Where each stage begins on the bar, from what stages take in practice.
struct Stage {
  std::string_view name;
  double begin, end;
};
constexpr std::array stages = {Stage{"start", 0, 0.02},    Stage{"import", 0.02, 0.05},  Stage{"shapes", 0.05, 0.07},   Stage{"passes", 0.07, 0.12},
                               Stage{"claim", 0.12, 0.14}, Stage{"compile", 0.14, 0.85}, Stage{"describe", 0.85, 0.87}, Stage{"verify", 0.87, 0.99},
                               Stage{"package", 0.99, 1},  Stage{"done", 1, 1}};

}  // namespace

ProgressDisplay::ProgressDisplay(const Context& context) : context_(context) {
  const char* terminal = std::getenv("TERM");
  bar_ = !context.quiet && ::isatty(2) && terminal && std::string_view(terminal) != "dumb" && context.level() >= LogLevel::info;
}

ProgressDisplay::~ProgressDisplay() { clear(); }

void ProgressDisplay::show(const Event& event) {
  if (event.kind == Event::Kind::stage) {
    bool entered = event.text != stage_;
    stage_ = event.text, what_ = event.plugin;
    if (bar_) {
      draw(0);
    } else if (entered && stage_ != "start" && stage_ != "done") {
      context_.note("lathe: " + stage_ + (event.plugin.empty() ? "" : " (" + event.plugin + ")"));
    }
  } else if (event.kind == Event::Kind::progress && bar_) {
    what_ = event.text;
    draw(event.fraction);
  }
}

void ProgressDisplay::draw(double fraction) {
  winsize size{};
  size_t columns = ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
  double done = 0;
  for (const Stage& s : stages)
    if (s.name == stage_) done = s.begin + (s.end - s.begin) * std::clamp(fraction, 0.0, 1.0);
  constexpr size_t cells = 24;
  size_t filled = static_cast<size_t>(done * cells);
  std::string line = "[" + std::string(filled, '#') + std::string(cells - filled, '.') + "] " + std::to_string(static_cast<int>(done * 100)) + "% " +
                     stage_ + (what_.empty() ? "" : ": " + what_);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  if (line.size() > columns - 1) line.resize(columns - 1);
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressDisplay::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace lathe::cli
