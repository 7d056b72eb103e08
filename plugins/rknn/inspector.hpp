// inspector/1: what is in an .rknn file.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

namespace lathe::rknn {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head);
  static std::string inspect(const sdk::Host& host, const std::string& path);
};

}  // namespace lathe::rknn
