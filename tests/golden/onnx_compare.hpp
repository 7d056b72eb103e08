// How close is close in the ONNX project's own tests.
#pragma once
#include <string>

#include "core/ir/datum.hpp"

namespace lathe::golden {

struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;  // numpy.testing.assert_allclose, with the ONNX test runner's numbers
};

// What is wrong with `found`, as one sentence; empty when it agrees. An element x agrees with the expected r when |x - r| <= absolute +
// relative * |r|, or when both are the same infinity or both NaN. Types whose own steps are wider than `relative` get two of them: float16
// 2^-9 (a step is up to 2^-10 of the value) and bfloat16 2^-6 (2^-7). Everything else, the 8-bit and 4-bit floats included, is exact.
std::string difference(const Datum& found, const Datum& expected, const Tolerance& tolerance);

}  // namespace lathe::golden
