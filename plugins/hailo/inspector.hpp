// Says what is in a HEF.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

namespace lathe::hailo {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head);
  static std::string inspect(const sdk::Host& host, const std::string& path);
};

}  // namespace lathe::hailo
