// The model script (.alls): what the compiler is told besides the model.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lathe::hailo {

// One scale of a detection head whose boxes and scores come from convolutions of their own (YOLOv8 and its kin).
struct Decoder {
  int64_t stride = 0;         // pixels of the input to one cell
  std::string boxes, scores;  // names of the nodes they end at
  int64_t box_features = 0, score_features = 0;
};

struct Script {
  // Per channel: real = (pixel - mean) / deviation, computed on the chip. Empty: the chip gets the model's own input.
  std::vector<float> mean, deviation;
  uint64_t calibration_count = 0;
  int64_t optimization_level = 1;  // 0 to 4; 2 and more want a graphics card
  int64_t compression_level = 0;   // 0 to 5: how much of the weights goes to 4 bits
  bool highest_effort = false;     // of the search for a placement
  bool wide_outputs = false;       // 16 bits
  std::string more;                // the person's own lines
};

// The text. Deterministic; numbers in the shortest form that reads back the same.
std::string script_text(const Script& script);

// What suppression by HailoRT wants: the file that the step between parsing and optimising (name_layers.py) reads, as JSON. The compiler's own names
// of layers, which the final file needs, exist only after parsing.
struct Suppressing {
  std::string network;                                         // the compiler's name of the network
  int64_t height = 0, width = 0, classes = 0, box_length = 0;  // box_length: bins of a side's distribution (reg_max)
  double score_threshold = 0.25, iou_threshold = 0.7;
  int64_t most_per_class = 100;
  std::vector<Decoder> decoders;
};
std::string suppression_text(const Suppressing& suppressing);

}  // namespace lathe::hailo
