// Packages for the stand-in of a closed chip (tests/conformance/plugins/chip.cpp): its part is run by the reference, the host's as it was compiled.
#pragma once
#include <string>
#include <vector>

#include "core/package/package.hpp"

namespace lathe::golden {

// Whether the target, as it is spelled on the command line, is the stand-in; then what `lathe compile` needs to find it.
bool is_chip(const std::string& target);
std::vector<std::string> chip_arguments();

// Reads the chip's part out of its artifact. Throws Error(failed) when the package is not what it should be: one stage, or two with the second for
// the host, named after it; every output of the chip's part an output of the model or of a convolution; none that mixes boxes and scores.
StageSubstitute chip_by_reference(Plugins& plugins, const std::string& package, unsigned threads);

}  // namespace lathe::golden
