// Resizing where Interpolate has no such form.
#pragma once
#include "step.hpp"

namespace lathe::openvino {

// A Resize as products with matrices of weights, one for each axis whose size changes. Sizes must be known; scales and the region may be computed.
// The one scale of all axes that keep_aspect_ratio_policy asks for; nullopt: none is asked for, or it is not known.
std::optional<double> kept_scale(const Step& step);
void resample(Step& step);
// GridSample of volumes.
void sample_volume(Step& step);

}  // namespace lathe::openvino
