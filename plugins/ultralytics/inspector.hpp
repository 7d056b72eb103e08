// What `lathe inspect best.pt` prints.
#pragma once
#include <cstdint>
#include <string>

#include "checkpoint.hpp"
#include "wiring.hpp"

namespace lathe::ultralytics {

// One JSON object; see lathe/inspector.h. A checkpoint whose network cannot be imported is described all the same.
std::string inspect_checkpoint(const std::string& path, const WiringTable& wirings);
std::string describe_checkpoint(const Checkpoint& checkpoint, const WiringTable& wirings, uint64_t file_bytes);

}  // namespace lathe::ultralytics
