// inspector/1: what is in a .dfp file.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

namespace lathe::memryx {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head);
  static std::string inspect(const sdk::Host& host, const std::string& path);
};

}  // namespace lathe::memryx
