// Resizing where Interpolate has no such form.
#pragma once
#include "step.hpp"

namespace lathe::openvino {

// A Resize as products with matrices of weights, one for each axis whose size changes. Sizes must be known; scales and the region may be computed.
void resample(Step& step);
// GridSample of volumes.
void sample_volume(Step& step);

}  // namespace lathe::openvino
