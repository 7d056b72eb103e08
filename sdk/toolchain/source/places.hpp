// Programs that come with a tool. Internal to this library.
#pragma once
#include <string>

#include "lathe/toolchain.hpp"

namespace lathe::sdk::toolchain {

// What to execute for `program`: the file beside the tool, else in PATH; its mere name in a container. Throws Failure when there is none.
std::string companion(const Tool& tool, const std::string& program);

}  // namespace lathe::sdk::toolchain
