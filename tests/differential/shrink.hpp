// Makes a failing sample smaller while it keeps failing: fewer outputs, fewer nodes, fewer attributes.
#pragma once
#include <functional>

#include "sample.hpp"

namespace lathe::differential {

Sample shrink(Sample sample, const std::function<bool(const Sample&)>& fails);

}  // namespace lathe::differential
