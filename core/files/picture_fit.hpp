// Bringing a picture to the size of a model's input, and back: where a place of the input lies in the picture.
//
// Each way is, byte for byte, what the libraries do whose pictures networks are trained on: OpenCV's bilinear resize for letterboxing and
// stretching, Pillow's antialiased one for the crops of classifiers.
#pragma once
#include "core/files/picture.hpp"

namespace lathe {

// A place (x, y) of the picture, in pixels from its upper left corner, lies at (x * scale_x + left, y * scale_y + top) of the input.
struct Placement {
  double scale_x = 1, scale_y = 1, left = 0, top = 0;

  double picture_x(double input_x) const { return (input_x - left) / scale_x; }
  double picture_y(double input_y) const { return (input_y - top) / scale_y; }
};

enum class Fit {
  letterbox,  // the largest copy with the picture's own aspect ratio, centred, bars around it
  stretch,    // the whole picture, at the input's aspect ratio
  crop        // scaled so that the shorter side fits, the middle cut out: how classifiers see pictures
};

struct FittedPicture {
  Picture picture;
  Placement placement;
};
// `padding`: the value of letterboxing's bars.
FittedPicture fit(const Picture& picture, int64_t width, int64_t height, Fit how, uint8_t padding = 114);

// Bilinear with pixel centres at one half and weights of 11 bits, as OpenCV's INTER_LINEAR computes it for bytes; a reduction to exactly half
// is the mean of four pixels. Not antialiased.
Picture resize(const Picture& picture, int64_t width, int64_t height);

// Bilinear (triangle) filter over the area that a pixel covers, weights of 22 bits, rows after columns, as Pillow's BILINEAR.
Picture resize_antialiased(const Picture& picture, int64_t width, int64_t height);

// fit(..., Fit::letterbox).picture.
Picture letterbox(const Picture& picture, int64_t width, int64_t height);

}  // namespace lathe
