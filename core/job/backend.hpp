// One backend, created for one request: asks it for claims and lets it compile into a folder.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/calibration/boundary.hpp"
#include "core/job/targets.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

struct CompiledRegion {
  std::string artifact;                      // name of the file a runtime loads
  std::vector<std::string> files;            // every file it wrote, the artifact included
  std::map<std::string, std::string> bound;  // the graph's tensor -> the artifact's own name for it, where they differ
};

class Backend {
 public:
  // `emit` is one of the manifest's, `stem` the artifact's file name without extension; `data` is for `graph`, which it is asked about or compiles.
  // Throws what the backend reports.
  Backend(Plugin& plugin, const ResolvedTarget& target, const std::string& emit, const std::string& stem, const CalibrationContext& data = {},
          const Graph& graph = {});
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  Plugin& plugin() const { return plugin_; }
  // The opset at which it is handed graphs: the highest it accepts, or, of backends with an option named `opset`, what that says.
  int64_t opset() const { return opset_; }
  void* self() const { return self_; }

  // Compiles `graph`, all of whose nodes the backend took, into `directory`; a canonical graph is lowered to opset() before. Throws what the backend
  // reports.
  CompiledRegion compile(const Graph& graph, const std::string& directory);
  // Facts beyond model and options that the result depends on (tool versions, ...), sorted.
  std::map<std::string, std::string> fingerprint();

 private:
  Plugin& plugin_;
  BoundaryCalibration data_;
  int64_t opset_ = canonical_opset;
  void* self_ = nullptr;
};

}  // namespace lathe
