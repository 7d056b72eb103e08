// The one contract of how a picture becomes a model's input. Predictions, calibration data, packages and plugins (lathe_preprocessing) all have it
// from here.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "core/files/picture_fit.hpp"
#include "core/ir/graph.hpp"
#include "lathe/calibration.h"

namespace lathe {

// What a person says about it; what is empty (padding: negative) is as the model's properties say, or as is usual.
struct PreprocessingOptions {
  std::vector<float> mean, scale;  // one number for all channels, or one for each, in the order of the input's channels
  std::string color_order;         // "RGB", "BGR"
  std::string fit;                 // "letterbox", "stretch", "crop"
  int64_t padding = -1;

  bool empty() const { return mean.empty() && scale.empty() && color_order.empty() && fit.empty() && padding < 0; }
};

// Fitted to the input's size; then, per channel c in the input's order, value = (pixel - mean[c]) * scale[c] with pixels of 0..255.
struct Preprocessing {
  std::string input;                       // name of the model's input that takes the picture
  DataType type = DataType::float32;       // float32, float16 or uint8
  PictureLayout layout;                    // width and height may be open
  Fit fit = Fit::letterbox;                //
  uint8_t padding = 114;                   // around a letterboxed picture
  bool bgr = false;                        // blue first
  std::array<float, 4> mean{0, 0, 0, 0};   // in pixels
  std::array<float, 4> scale{1, 1, 1, 1};  // per pixel
  std::string inside;                      // the model's own first nodes, where they normalise what comes in: "'sub' (Sub), 'div' (Div)"

  // What the values of channel c lie between.
  float lowest(size_t c) const { return (0 - mean[c]) * scale[c]; }
  float highest(size_t c) const { return (255 - mean[c]) * scale[c]; }
};

// How networks that are trained on ImageNet normalise pictures, red first, in pixels. Source: torchvision's models.
inline constexpr std::array<float, 3> imagenet_mean = {123.675f, 116.28f, 103.53f}, imagenet_deviation = {58.395f, 57.12f, 57.375f};

// Of the first input that can hold a picture; nothing when there is none. From the properties "task" (classifiers see the middle), "fit" and
// "input", and from the input's type: floats are 0..1, bytes are pixels. Where the model begins with a scale or a mean of its own, the contract
// has none: floats are 0..1, or pixels when the model's scale takes those. Throws Error(usage) for options that make no sense or would normalise what
// the model normalises itself, and when options are given and no input holds a picture.
std::optional<Preprocessing> preprocessing_of(const Graph& graph, const PreprocessingOptions& options = {});

// The picture in the input's size (`width` and `height` where the layout leaves them open), its channels in the contract's order, before mean and
// scale. Pictures for an input of one channel have three equal ones.
FittedPicture fit(const Preprocessing& preprocessing, const Picture& picture, int64_t width, int64_t height);
// What `fit` made, or anything of that form, as the input takes it.
Tensor to_input(const Preprocessing& preprocessing, const Picture& fitted);

// For a graph whose input number `input` it is. Only for layouts with a fixed size.
lathe_preprocessing to_boundary(const Preprocessing& preprocessing, uint32_t input);

// "letterbox 640x640, RGB, mean 0, scale 0.00392157": for people and manifests.
std::string describe(const Preprocessing& preprocessing);

}  // namespace lathe
