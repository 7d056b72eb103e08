// The flags about pictures as a model's inputs and data to calibrate with, which several commands share.
#pragma once
#include <string>

#include "core/calibration/preprocessing.hpp"

namespace CLI {
class App;
}

namespace lathe::cli {

struct PicturesArguments {
  std::string calibration, mean, scale, color_order, fit;
  int64_t padding = -1;
};

void add_picture_options(CLI::App& app, PicturesArguments& arguments);

// Throws Error(usage).
PreprocessingOptions preprocessing_options(const PicturesArguments& arguments);

}  // namespace lathe::cli
