// A .dxnn file, as the loader of DEEPX's open runtime reads containers of the versions 6, 7 and 8:
//   0     "DXNN"
//   4     version, 32 bits, little endian
//   8     JSON, padded with zero bytes
//   8192  blobs; offsets in the JSON count from here
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::deepx {

constexpr int lowest_container = 6, highest_container = 8;

struct Tensor {
  std::string name, type, layout;  // "UINT8", "NHWC", as the file spells them; empty where it does not say
  std::vector<int64_t> shape;
};

// A part of the model that one processor runs.
struct Task {
  std::string name, npu;                // npu: the variant it was compiled for
  std::string mode;                     // as the file says it
  std::string opt_level, npu_version;   // empty where it does not say
  std::vector<Tensor> inputs, outputs;  // of the compiled task: after what the compiler moved into it
  uint64_t weight_bytes = 0, command_bytes = 0;
  bool post_processing = false;  // it holds a program for the post-processing unit
};

struct Model {
  int version = 0;
  std::string compiler;                      // DX-COM's version
  std::vector<std::string> inputs, outputs;  // the model's own names
  std::vector<Task> tasks;                   // on the NPU
  std::vector<std::string> cpu_tasks;        // run by ONNX Runtime inside DX-RT
};

bool is_dxnn(std::string_view head);

// `path` is for sentences. Throws sdk::Failure: another kind of file or version, blobs beyond the end or over one another, text that is no JSON.
Model read_model(std::string_view bytes, const std::string& path);

// One JSON object for `lathe inspect`.
std::string describe(const Model& model);

}  // namespace lathe::deepx
