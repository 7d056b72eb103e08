// Pre-processing and calibration data as a backend sees them in its compile request.
#pragma once
#include <optional>
#include <vector>

#include "core/calibration/samples.hpp"
#include "lathe/calibration.h"
#include "lathe/plugin.h"

namespace lathe {

// What there is for a job; null where there is nothing.
struct CalibrationContext {
  const Preprocessing* preprocessing = nullptr;
  const CalibrationSet* set = nullptr;
  const Graph* model = nullptr;  // the whole graph, whose inputs the samples are
  unsigned threads = 1;
};

// For the graph `region`, a part of context.model or all of it. Where a region begins inside the model, the reference engine computes its inputs from
// the samples. What is in `context` and `host` outlives this object.
class BoundaryCalibration {
 public:
  BoundaryCalibration(const lathe_host& host, const CalibrationContext& context, const Graph& region);
  BoundaryCalibration(const BoundaryCalibration&) = delete;
  BoundaryCalibration& operator=(const BoundaryCalibration&) = delete;

  const lathe_preprocessing* preprocessing() const { return preprocessing_ ? &*preprocessing_ : nullptr; }
  const lathe_calibration* calibration() const { return context_.set ? &table_ : nullptr; }

 private:
  Tensor read(size_t sample, size_t input) const;

  const lathe_host& host_;
  CalibrationContext context_;
  std::vector<std::string> inputs_;  // the region's
  std::vector<size_t> from_model_;   // per input of the region: its number in the set, or SIZE_MAX
  Graph front_;                      // computes the others
  std::optional<lathe_preprocessing> preprocessing_;
  lathe_calibration table_{};
};

}  // namespace lathe
