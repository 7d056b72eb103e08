// Describing an IR.
#pragma once
#include <string>

namespace lathe::openvino {

// One JSON object: what the file holds, and where it breaks rules of the format.
std::string inspect_model(const std::string& path);

}  // namespace lathe::openvino
