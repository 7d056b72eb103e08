// The JSON that dxcom is given: what to calibrate with, and how a picture becomes the model's input.
#pragma once
#include <lathe/backend.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::deepx {

struct Config {
  std::string input;           // its name, as in the ONNX file
  std::vector<int64_t> shape;  // of the input: batch 1
  std::string method = "ema";  // or "minmax"
  size_t count = 0;            // pictures
  std::string folder;          // of the pictures; absolute, since dxcom resolves it against wherever it was started
  std::string extension;       // of the pictures, without dot, in their own case
  std::string device;          // "cpu", "cuda", "cuda:1"; empty: as dxcom chooses
};

// The pictures lie in the folder fitted to the input's size already. dxcom's loader yields height x width x channels, blue first.
std::string config_json(const Config& config, const lathe_preprocessing& preprocessing);

}  // namespace lathe::deepx
