// executor/1 of llvm_cpu: runs artifacts through the runtime, those for another processor family under qemu-user.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "lathe/plugin.hpp"
#include "lathe/runtime.h"

namespace lathe::llvm_cpu {

class ForeignModel;

class Executor {
 public:
  static std::vector<const char*> extensions() { return {"so"}; }
  static int recognise(const sdk::FileHead& head);
  static const char* obstacle(std::string_view path);
  Executor(sdk::Host host, const sdk::LoadRequest& request);
  ~Executor();
  sdk::Interface& interface() { return interface_; }
  void run(sdk::Run& run);
  uint64_t peak_bytes();
  template <class Row>
  void profile(Row row) {
    const std::vector<std::pair<uint64_t, uint64_t>> times = kernel_times();
    const lathe_artifact& table = *lathe_model_describe(model_.get());
    for (uint32_t i = 0; i < table.kernel_count; ++i) {
      const lathe_artifact_kernel& k = table.kernels[i];
      lathe_kernel_time time = {sizeof(lathe_kernel_time),
                                0,
                                sdk::string(k.name),
                                sdk::string(k.nodes),
                                sdk::string(k.origin),
                                times[i].first,
                                times[i].second,
                                k.flops,
                                k.bytes};
      row(time);
    }
  }

 private:
  struct Close {
    void operator()(lathe_model* model) const { lathe_model_close(model); }
  };
  std::vector<std::pair<uint64_t, uint64_t>> kernel_times();

  sdk::Host host_;
  std::unique_ptr<lathe_model, Close> model_;  // opened for description only when `foreign_` runs it
  std::unique_ptr<ForeignModel> foreign_;
  sdk::Interface interface_;
};

}  // namespace lathe::llvm_cpu
