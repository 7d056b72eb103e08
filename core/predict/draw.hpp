// Predictions drawn on their picture: boxes with names and scores, masks, skeletons, and the classes of a classifier.
#pragma once
#include "core/files/picture.hpp"
#include "core/predict/contract.hpp"
#include "core/predict/predictor.hpp"

namespace lathe {

using Colour = std::array<uint8_t, 3>;

// A class's colour: neighbouring classes have hues far apart.
Colour class_colour(int64_t label);

void draw(Picture& picture, const Prediction& prediction, const Contract& contract);

}  // namespace lathe
