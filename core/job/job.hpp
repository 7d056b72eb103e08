// The job document: everything that decides what one compile yields, and nothing of the machine it runs on.
//
// Inputs are named by content (SHA-256); a path is only a hint where to look. So the same document can be run by any worker, and the
// result can be found again by the document's own hash. Written and read as JSON.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/calibration/preprocessing.hpp"
#include "core/calibration/sources.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

struct JobInput {
  std::string sha256;
  std::string path;  // a hint: absolute, or relative to the folder the worker runs in
};

enum class Goal {
  compile,
  check,   // told before anything is compiled: what each node's fate and cost would be
  package  // as compile, but what the chip's part becomes was made elsewhere
};

struct Job {
  Goal goal = Goal::compile;
  JobInput artifact;  // of Goal::package
  JobInput model;
  std::string name;  // the model's name, before it is made fit for a file name
  std::string version = "1";
  std::string targets;  // as the person wrote them; empty: whatever runs on the host
  std::string precision = "auto";
  std::string emit = "package";
  std::string layout = "NCHW";  // of picture-like inputs and outputs
  std::string verify = "quick";
  std::string host_triple;                                   // empty: the machine the artifact is compiled on
  std::vector<std::pair<std::string, std::string>> options;  // "[plugin.]key" -> value, as given
  std::map<std::string, std::vector<int64_t>> shapes;        // -1 leaves a dimension as it is
  int64_t width = 0, height = 0;                             // of a picture input; 0: as the model says
  PreprocessingOptions preprocessing;                        // what was said about pictures as inputs
  CalibrationSource calibration;
  std::string pipeline;         // YAML text; empty: the target's own
  std::string pipeline_source;  // where it came from, for messages
  std::vector<std::string> dump_after;
  bool verify_each = false;
};

std::string to_json_text(const Job& job);
// Throws Error(usage) naming the field that is missing or of the wrong type.
Job parse_job(const std::string& json);

}  // namespace lathe
