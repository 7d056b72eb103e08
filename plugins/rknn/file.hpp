// What stands in an .rknn file, as far as it can be told: the format is not published. The container, the root table of its FlatBuffer and the
// two texts that describe its tensors were worked out on files that rknn-toolkit2 1.5 to 2.3 wrote; the machine code and the weights are skipped.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::rknn {

struct TensorInfo {
  std::string name;
  std::vector<int64_t> shape;        // as the model that was converted had it, batch first
  std::string type;                  // what the NPU works on: "int8", "float16"; empty: not said
  std::string layout;                // how the runtime wants it: "NHWC", "NCHW"; empty: not said
  std::string quantization;          // "asymmetric, per tensor"; empty: none
  std::optional<double> low, high;   // the range that calibration found
  std::vector<double> mean, spread;  // of an input: the NPU computes (x - mean) / spread, per channel; empty: it does not
  bool blue_first = false;           // of an input: colours are exchanged on the way in
  // Of an int8 tensor with a range: real = scale * (integer - zero_point). Asymmetric quantisation to -128..127; derived, for the file holds ranges.
  std::optional<double> scale() const;
  std::optional<int64_t> zero_point() const;
};

struct File {
  uint64_t version = 0;   // of the container: decides which runtime reads it, see runtime_for()
  std::string generator;  // "RKNPU v2", "RKNPU lite"
  std::string toolkit;    // "1.5.0+1fa95b5c(compiler version: ...)"
  std::string target;     // "rk3588", lower case
  std::string framework;  // that the model came from
  std::string shapes;     // "static_shape"
  std::vector<TensorInfo> inputs, outputs;
  bool whole_on_npu = false;  // one block of machine code and nothing beside it
  uint64_t flat_bytes = 0, text_bytes = 0;
};

bool has_identifier(std::string_view head);
// Throws sdk::Failure (LATHE_FAILED), naming `path`, for what is no such file, damaged, or of a container that was never seen.
File read_file(std::string_view bytes, const std::string& path);

// The lowest version of librknnrt that takes a container of that version: "1.6".
std::string runtime_for(uint64_t version);
// Whether a file compiled for `target` serves the device: RK3566 and RK3568 take the same files.
bool serves(std::string_view target, std::string_view device);

}  // namespace lathe::rknn
