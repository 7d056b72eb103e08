// Resolved options in the boundary's form.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "lathe/plugin.h"

namespace lathe {

// Valid as long as it lives; `given` are the names that the person set.
class SettingList {
 public:
  SettingList(std::vector<std::pair<std::string, std::string>> resolved, const std::vector<std::pair<std::string, std::string>>& given)
      : values_(std::move(resolved)) {
    for (const auto& [name, value] : values_) {
      bool set = false;
      for (const auto& g : given) set = set || g.first == name;
      settings_.push_back({{name.data(), name.size()}, {value.data(), value.size()}, set});
    }
  }
  SettingList(const SettingList&) = delete;
  const lathe_setting* data() const { return settings_.data(); }
  size_t size() const { return settings_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
  std::vector<lathe_setting> settings_;
};

}  // namespace lathe
