// The three engines that one sample is run on.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "sample.hpp"

namespace lathe {
class Plugins;
}

namespace lathe::differential {

// What came of a run. `outputs` are in the order of the graph's outputs.
struct Outcome {
  enum class State {
    ran,
    refused,  // the engine says that it cannot do this: no kernel, no such type
    failed    // it says that the model or its data is wrong
  } state = State::failed;
  std::vector<Tensor> outputs;
  std::string reason;                         // of refused and failed
  std::map<std::string, Tensor> values = {};  // of the reference: every tensor by its value's name
};

Outcome run_on_reference(const Sample& sample);

// Through the pipeline and the backend of a target that runs on this machine, in this process.
class NativeTarget {
 public:
  // `level`: how hard its code generator works, 1 to 4.
  NativeTarget(Plugins& plugins, std::string target, std::string folder, std::string level = "3");
  Outcome run(const Sample& sample);

 private:
  Plugins& plugins_;
  std::string target_, folder_, level_;
};

// One process of another runtime; models are handed to it as the exporter writes them.
class OnnxRuntime {
 public:
  // `folder` holds node_modules/onnxruntime-node. Throws Error when it cannot be started.
  OnnxRuntime(Plugins& plugins, const std::string& folder, std::string scratch);
  ~OnnxRuntime();
  OnnxRuntime(const OnnxRuntime&) = delete;
  OnnxRuntime& operator=(const OnnxRuntime&) = delete;

  // Throws Error when its process is gone.
  Outcome run(const Sample& sample);
  std::string model_bytes(const Sample& sample);

 private:
  Outcome run(const Sample& sample, const std::string& model);
  Plugins& plugins_;
  std::string scratch_;
  int to_ = -1, from_ = -1, child_ = -1;
};

}  // namespace lathe::differential
