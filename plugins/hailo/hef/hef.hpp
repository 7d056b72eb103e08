// HEF, the file that HailoRT loads: a header with checksum, a description in Protocol Buffers, and the chip's configuration, which is not
// looked into. The format is known from HailoRT's own sources, which are public (hailort: hef.proto, hef_internal.hpp).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::hailo {

// What a value on the chip stands for: real = (integer - zero_point) * scale.
struct Quantization {
  float zero_point = 0, scale = 0;
  float lowest = 0, highest = 0;  // of the real values
  bool per_feature = false;       // features have scales of their own; the above is the first's
};

// Non-maximum suppression that the chip (a stream's) or HailoRT (a group's) does.
struct Suppression {
  uint64_t classes = 0;
  double score_threshold = 0, iou_threshold = 0;
  uint64_t most_per_class = 0;    // boxes
  const char* architecture = "";  // "YOLOv8"; empty where the file does not say
  bool decodes_only = false;      // boxes are decoded and nothing is suppressed
};

// An input or output of a network group, as it crosses the border between host and chip.
struct Stream {
  std::string name;  // "group/layer"
  bool input = false;
  uint64_t height = 0, width = 0, features = 0;
  uint64_t format = 0;      // see format_name
  uint64_t data_bytes = 0;  // of one element
  Quantization quantization;
  std::optional<Suppression> suppression;
  std::vector<std::string> original_names;  // layers it was made from
};

struct NetworkGroup {
  std::string name;
  std::vector<std::string> networks;
  uint64_t contexts = 0;                      // more than one: the chip is loaded anew within one inference
  uint64_t partitions = 0;                    // variants for chips with fewer clusters
  double frames_per_second = 0, latency = 0;  // the compiler's estimate; 0: none
  std::vector<Stream> streams;                // inputs first, outputs in the group's order
  std::vector<std::string> sorted_outputs;
  std::vector<Suppression> suppressions;  // on the host, by HailoRT
};

struct Hef {
  uint32_t version = 0;              // of the header
  uint64_t description_bytes = 0;    // Protocol Buffers
  uint64_t configuration_bytes = 0;  // of the chip
  uint64_t additional_bytes = 0;
  bool checksum_right = false;  // it was computed and is right
  uint64_t architecture = 0;    // see architecture_name
  uint64_t milliseconds = 0;    // since 1970
  std::string compiler;         // version of the Dataflow Compiler
  std::vector<NetworkGroup> groups;
  std::vector<uint64_t> extensions, optional_extensions;  // sorted; see extension_name
  std::vector<std::string> external_resources;

  bool has_extension(uint64_t index) const;
};

// Device as HailoRT names it ("HAILO8L"), for a code of the file; the code in words where there is no name.
std::string architecture_name(uint64_t code);
// Codes of files that a device runs. A HAILO8 runs those of all its kin, a HAILO8L its own alone.
bool runs_on(uint64_t architecture, std::string_view device);
std::string format_name(uint64_t format);
std::string extension_name(uint64_t index);

// Whether the first bytes are a HEF's.
bool is_hef(std::string_view head);

// may_be_wrong: it is not computed, so that reading takes no longer than the description is long.
enum class Checksum { must_be_right, may_be_wrong };

// Reads a file's bytes; `path` is for messages. Throws Failure (LATHE_FAILED): too short, another format, unknown version, lengths or checksum
// that do not fit, a description that is no message, more streams or contexts than any chip has.
Hef read_hef(std::string_view bytes, const std::string& path, Checksum checksum = Checksum::must_be_right);

}  // namespace lathe::hailo
