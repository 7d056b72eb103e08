// Reads models the way `lathe compile` does up to the backend: frontend, snapshot, lifting, types, passes; and says how it ended.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/diagnostic.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe::fuzz {

struct Outcome {
  Code code = Code::ok;
  std::vector<Diagnostic> problems;  // what the person is told
  std::optional<Graph> graph;

  // A graph, or a refusal of the model as such (1) or of what Lathe cannot do with it (3), with at least one sentence.
  bool acceptable() const;
  std::string told() const;  // all sentences
};

class Reader {
 public:
  Reader();   // loads the ONNX plugin; a private folder for files
  ~Reader();  // removes the folder
  Outcome read(std::string_view model);
  Outcome read_file(const std::string& path);
  const std::string& folder() const { return folder_; }
  Plugins& plugins() { return *plugins_; }

 private:
  std::string folder_;
  std::unique_ptr<Plugins> plugins_;
  Pipeline pipeline_;
};

// Makes the process fail, rather than the machine swap, when a model talks the reader into taking `gigabytes` of address space. No-op
// under sanitizers, which reserve far more; there max_allocation_size_mb does it.
void limit_memory(uint64_t gigabytes);

}  // namespace lathe::fuzz
