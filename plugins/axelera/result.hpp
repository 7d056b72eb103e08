// What axcompile leaves behind: compilation_report.json, whose status word
// decides, and compiled_model/ with its manifest.json (packed as a zip file
// here, so that a package holds one artifact), or a single .axm file, whose
// inside is not public.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::axelera {

// A status word of compilation_report.json, and what it means. SUCCEEDED is not
// in the list.
struct Status {
  const char* word;
  const char* sentence;
  const char* hint;
};
const std::vector<Status>& statuses();

struct Report {
  std::string status;
  bool succeeded() const { return status == "SUCCEEDED"; }
};

// Shapes of the compiled model: as its memory holds them (N, H, W, C, padded),
// and of the model that was given.
struct Manifest {
  std::vector<std::vector<int64_t>> inputs, outputs;
  std::vector<std::vector<int64_t>> original_inputs,
      original_outputs;                   // empty where the manifest does not say
  std::string model_file, before, after;  // before, after: ONNX files with what
                                          // the host runs; empty: nothing
};

enum class Kind { none, report, manifest, folder, axm };
// `name` is the file's own name, without folder.
Kind kind_of(std::string_view head, std::string_view name);

// Each throws sdk::Failure with a sentence: no JSON, keys missing or of another
// kind, a damaged zip file. `path` is for sentences.
Report read_report(std::string_view text, const std::string& path);
Manifest read_manifest(std::string_view text, const std::string& path);
// The packed compiled_model/ folder.
struct Packed {
  Manifest manifest;
  std::vector<std::pair<std::string, uint64_t>> files;  // names and sizes
};
Packed read_packed(std::string_view bytes, const std::string& path);

// One JSON object for `lathe inspect`.
std::string describe(Kind kind, std::string_view bytes, const std::string& path);

}  // namespace lathe::axelera
