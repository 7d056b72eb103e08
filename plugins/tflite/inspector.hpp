// What `lathe inspect model.tflite` prints.
#pragma once
#include <lathe/plugin.hpp>
#include <string>

namespace lathe::tflite {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head);
  static std::string inspect(const sdk::Host& host, const std::string& path);
};

}  // namespace lathe::tflite
