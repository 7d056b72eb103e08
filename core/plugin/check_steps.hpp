// The single checks of `lathe plugin check`, and the order they run in. See check.hpp for who runs them.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/plugin/manifest.hpp"

namespace lathe {

// What a check throws when the plugin fails it, or when it cannot be made.
struct CheckFailed {
  std::string detail;
};
struct CheckSkipped {
  std::string reason;
};

struct CheckStep {
  std::string name;
  std::function<std::string()> run;  // returns a detail worth telling, or ""; throws CheckFailed, CheckSkipped or Error
  bool essential = false;            // when it fails, those after it are not tried
};

// `folder` is an empty folder for the checks' files.
std::vector<CheckStep> check_steps(const Manifest& manifest, const std::string& corpus, const std::string& folder);

}  // namespace lathe
