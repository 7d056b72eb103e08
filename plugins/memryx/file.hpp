// What stands in a .dfp file, MemryX's Dataflow Program. Read after the vendor's open runtime (memryx/MxAccl, dfp); no real file was at hand.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::memryx {

struct Port {
  int64_t number = 0, model = 0, chip = 0;
  std::string layer;           // name of the tensor's layer
  std::string format;          // on the wire: "FP32", "BF16", "GBF80", "RGB888", ...
  std::vector<int64_t> shape;  // height, width, depth, channels
  bool converts = false;       // of an input: x -> (x + shift) * scale on the way in
  double shift = 0, scale = 1;
};

struct File {
  uint64_t version = 0;  // of the container: 5 or 6; of 5 nothing but this is read
  int64_t sub_version = 0;
  std::string compiler, time;
  int64_t chips = 0, models = 0;
  bool mx3 = false;                   // written for this generation of chips
  std::vector<Port> inputs, outputs;  // active ones
  uint64_t weight_bytes = 0, configuration_bytes = 0;
};

// Whether the first bytes may be a .dfp file's: there is no magic number, so a file name that ends in .dfp is asked for too.
bool looks_like_dfp(std::string_view head);
// Throws sdk::Failure (LATHE_FAILED), naming `path`, for what is no such file, damaged, or for another generation of chips.
File read_file(std::string_view bytes, const std::string& path);

}  // namespace lathe::memryx
