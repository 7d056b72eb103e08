// The conformance kit behind `lathe plugin check`: what a plugin promises, tried out. Each check runs in a child process, so that a
// plugin that crashes, hangs or exits is a finding like any other.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace lathe {

enum class Outcome { passed, failed, skipped };
std::string_view name(Outcome outcome);

struct CheckFinding {
  std::string check;  // "exports one symbol", "compiles conv.onnxtxt for CPU float32"
  Outcome outcome = Outcome::passed;
  std::string detail;  // what is wrong, why it was skipped, or a figure
};

struct CheckReport {
  std::string plugin, library;
  std::vector<CheckFinding> findings;  // in the order they were made
  bool passed() const;
};

struct CheckRequest {
  std::string path;                                   // the library, its manifest or its folder when it holds one plugin
  std::string corpus;                                 // folder of *.onnxtxt; share/lathe/check
  unsigned seconds = 120;                             // for each check
  std::function<void(const CheckFinding&)> progress;  // called as findings are made; may be empty
};

// Throws Error(usage) when there is nothing to check at that path.
CheckReport check_plugin(const CheckRequest& request);

}  // namespace lathe
