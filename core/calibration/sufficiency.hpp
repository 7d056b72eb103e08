// Whether calibration data are enough and are what the model takes: held before anything that takes long.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/calibration/samples.hpp"

namespace lathe {

// What a target says it needs; see lathe_backend.calibration_lowest. 0: no such number.
struct CalibrationNeed {
  int64_t lowest = 0, wanted = 0;
  std::string target;  // for sentences
};

struct CalibrationFindings {
  size_t given = 0, used = 0;
  size_t unreadable = 0, constant = 0, duplicated = 0;  // left out
  std::vector<Diagnostic> diagnostics;                  // notes and warnings
};

// Reads every sample once. Samples that cannot be read, that show one colour, or that are there twice are left out, and that is said. Throws
// Error(failed), with everything that is wrong, when fewer than need.lowest are left or the numbers are not the contract's: pixels where 0..1 is
// wanted, or the reverse; no normalisation where there should be one; NaN.
CalibrationFindings check_sufficiency(CalibrationSet& set, const CalibrationNeed& need, unsigned threads,
                                      const std::function<void(double fraction)>& progress = {});

}  // namespace lathe
