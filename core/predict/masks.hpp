// Masks of a segmenter: each detection's mask is a sum of prototypes, weighted by the detection's coefficients (Bolya et al., "YOLACT", 2019).
#pragma once
#include <cstdint>
#include <vector>

#include "core/files/picture_fit.hpp"
#include "core/ir/tensor.hpp"
#include "core/predict/detection.hpp"

namespace lathe {

// The part of a picture that a mask can lie in, row by row: 1 where the object is.
struct Mask {
  int64_t left = 0, top = 0, width = 0, height = 0;
  std::vector<uint8_t> bits;

  int64_t area() const;
};

struct Surface {
  int64_t width = 0, height = 0;
};

// `prototypes`: [1, n, h, w], over an input of the size `input`. `detection.box` in pixels of the input. The sum is cut to the box at the
// prototypes' resolution and then interpolated (bilinear) to the pixels of a picture of the size `picture` that lies in the input as
// `placement` says.
Mask make_mask(const Detection& detection, const Tensor& prototypes, Surface input, const Placement& placement, Surface picture);

// Lengths of runs of 0 and 1 in turn over the whole picture, column by column, beginning with 0: COCO's uncompressed run-length encoding.
std::vector<int64_t> run_lengths(const Mask& mask, Surface picture);

}  // namespace lathe
