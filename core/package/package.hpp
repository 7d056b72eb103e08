// What a compile leaves behind: names, the model's JSON, labels and the manifest.
//
// <stem>.json is the model as DeGirum's PySDK reads it (ConfigVersion, DEVICE, PRE_PROCESS, MODEL_PARAMETERS, POST_PROCESS), plus the
// key "lathe" that says how the stages are run: docs/schemas/package.schema.json.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/calibration/sufficiency.hpp"
#include "core/ir/graph.hpp"
#include "core/job/targets.hpp"
#include "core/job/verification.hpp"
#include "core/package/artifact.hpp"

namespace lathe {

// A stage: one artifact, and which tensors of the model go in and come out. Stages run in the order of the list; a tensor is an input of
// the model or an output of an earlier stage.
struct PackageStage {
  struct Binding {
    std::string tensor;  // the name in the model
    std::string name;    // the artifact's own name for it
  };
  std::string artifact;            // file name in the package
  std::vector<std::string> files;  // all files of the stage, the artifact included
  ResolvedTarget target;
  std::vector<Binding> inputs, outputs;
  std::map<std::string, std::string> facts;  // the backend's fingerprint
};

struct PackageContents {
  std::string stem, name, version;
  const Graph* graph = nullptr;  // after shapes were pinned: inputs, outputs and properties are read from it
  std::string model_file, model_sha256;
  std::vector<std::pair<std::string, std::string>> inputs;  // further input files (external data, pipeline): name, SHA-256; sorted
  std::string frontend, frontend_version;
  std::vector<PackageStage> stages;
  size_t main = 0;                                           // the stage that names the package: device, runtime, ModelPath
  std::vector<std::pair<std::string, std::string>> options;  // what else was decided: shapes, layout, passes, ...
  ArtifactInput artifact_input;                              // of the main stage
  std::optional<Preprocessing> preprocessing;                // of the picture input; nothing when there is none
  struct Calibration {
    const CalibrationSource* source = nullptr;
    CalibrationFindings findings;
  };
  std::optional<Calibration> calibration;  // what ranges were measured with
  Verification verification;
};

// Text as a part of a file name: lower case, without blanks and slashes.
std::string name_part(std::string_view text);

// "yolov8n--640x640_float_RUNTIME_DEVICE_1" in the grammar <name>[--<W>x<H>]_<float|quant>_<runtime>_<device>_<version>, lower case. The size
// is there when the first input that can hold a picture has a fixed one.
std::string package_stem(const Graph& graph, const std::string& name, const ResolvedTarget& target, const std::string& version);

// Writes <stem>.json and labels_<name>.json (when the model names its classes) into `directory`, where the stages' files lie already, and
// returns their names.
std::vector<std::string> write_model_json(const std::string& directory, const PackageContents& contents);

// Writes manifest.json: hashes of the model, of `described` and of all stages' files; versions, options, the result of verification. Time
// enters only through SOURCE_DATE_EPOCH.
void write_manifest(const std::string& directory, const PackageContents& contents, const std::vector<std::string>& described);

// What runs a package's stage that no installed plugin runs; nullptr: nothing does.
using StageSubstitute = std::function<std::unique_ptr<Executable>(size_t stage)>;

// An artifact file, a package folder, or a package's JSON, ready to run. A package runs all its stages. A stage whose runtime is absent is read
// back and run by the reference engine where its format can be read; `stand_in` (unless null) gets the sentence that says so. Throws
// Error(unsupported) with the stages that cannot run here, unless `substitute` has something in their place.
std::unique_ptr<Executable> open_artifact(Plugins& plugins, const std::string& path, unsigned threads, bool profile, std::string* stand_in = nullptr,
                                          const StageSubstitute& substitute = {});

// The path of the JSON of the package that an artifact, a folder or a JSON belongs to, or "" for a bare file.
std::string package_document_path(const std::string& path);
// The artifact's file and the "lathe" key of the package it belongs to (a JSON document), or "" for a bare file.
std::string package_document(const std::string& path);

}  // namespace lathe
