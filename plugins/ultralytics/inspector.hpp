// What `lathe inspect best.pt` prints.
#pragma once
#include <string>

#include "wiring.hpp"

namespace lathe::ultralytics {

// One JSON object; see lathe/inspector.h. A checkpoint whose network cannot be imported is described all the same.
std::string inspect_checkpoint(const std::string& path, const WiringTable& wirings);

}  // namespace lathe::ultralytics
