// lathe/calibration_files.hpp - calibration data (lathe/calibration.h) as the files a vendor's tool wants. Link Lathe::toolchain.
//
//   const CalibrationData data = calibration_data(request.preprocessing, request.calibration, graph);
//   write_calibration_array(data, {CalibrationForm::Values::pixels, CalibrationForm::Layout::channels_last}, scratch.path() + "/calibration.npy");
//
// Samples are read, written and forgotten one by one, several at a time. Functions throw Failure: what could not be read was reported, what could
// not be written is said.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lathe/calibration.h"
#include "lathe/view.hpp"

namespace lathe::sdk {

// One input of a graph and its samples.
struct CalibrationData {
  const lathe_calibration* samples = nullptr;
  const lathe_preprocessing* preprocessing = nullptr;  // null when this input takes no picture
  uint32_t input = 0;                                  // which of the graph's inputs (constants not counted)
  int32_t type = 0;                                    // LATHE_FLOAT32, ...
  std::vector<int64_t> shape;                          // of the input, the batch of 1 included

  size_t count() const { return samples ? samples->count : 0; }
  // Whether there are pictures behind it: pixels and PNG files can be had.
  bool has_pictures() const { return samples && samples->read_picture && preprocessing; }
};
// Throws Failure(LATHE_UNSUPPORTED) when there are no samples, the graph has no such input, or its shape is open.
CalibrationData calibration_data(const lathe_preprocessing* preprocessing, const lathe_calibration* samples, const GraphView& graph,
                                 uint32_t input = 0);

struct CalibrationForm {
  enum class Values {
    finished,     // the input's own numbers and type: mean and scale applied
    pixels,       // bytes of 0..255, before mean and scale
    float_pixels  // the same as float32
  };
  enum class Layout { as_input, channels_first, channels_last };
  Values values = Values::finished;
  Layout layout = Layout::as_input;
  size_t most = 0;           // that many samples at most, taken evenly from all; 0: all
  bool batch_of_one = true;  // of files with one sample each: [1, ...] instead of [...]
};

// One .npy file of all samples, [N, H, W, C] or [N, C, H, W] (or [N, ...] of an input of another rank). Returns N.
size_t write_calibration_array(const CalibrationData& data, const CalibrationForm& form, const std::string& path);

// One .npy file per sample in the folder `folder`, which is made: "000000.npy", ... Returns the files' names, in the samples' order.
std::vector<std::string> write_calibration_arrays(const CalibrationData& data, const CalibrationForm& form, const std::string& folder);

// One PNG file per sample, fitted to the input's size: "000000.png", ... Colours are RGB in the file, whatever the model's order is, for that is what
// readers of pictures expect; grey for an input of one channel.
std::vector<std::string> write_calibration_pictures(const CalibrationData& data, const std::string& folder, size_t most = 0);

// Copies of the files the samples came from, named by number and their own extension in lower case, so without blanks: "000000.jpg", ... Throws
// Failure(LATHE_UNSUPPORTED) when a sample is no picture file of its own (arrays, random data): write_calibration_pictures() makes some then.
std::vector<std::string> copy_calibration_sources(const CalibrationData& data, const std::string& folder, size_t most = 0);

// A text file with one line per name: `prefix` and the name ("/absolute/folder/" for tools that want absolute paths). Throws Failure when a line
// would hold a blank, which such tools take for the end of the path.
void write_calibration_list(const std::string& path, const std::vector<std::string>& names, const std::string& prefix = {});

// A PNG file of `channels` (1 or 3) x 8 bits, rows from the top; not compressed, so that no library is needed.
std::string png_file(int64_t width, int64_t height, int64_t channels, const unsigned char* pixels);

}  // namespace lathe::sdk
