// How long work is shown: a bar on a terminal, plain lines otherwise, nothing with --quiet.
#pragma once
#include <string>

#include "core/job/events.hpp"

namespace lathe::cli {

struct Context;

class ProgressDisplay {
 public:
  explicit ProgressDisplay(const Context& context);
  ~ProgressDisplay();
  void show(const Event& event);
  // Takes the bar off the line, so that something else can be printed.
  void clear();

 private:
  void draw(double fraction);
  const Context& context_;
  bool bar_ = false, drawn_ = false;
  std::string stage_, what_;
};

}  // namespace lathe::cli
