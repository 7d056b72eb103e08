// An artifact for another processor family, run by the runner of that family under qemu-user, which it talks to over pipes
// (programs/runner.cpp has the protocol).
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "lathe/plugin.hpp"
#include "target.hpp"

namespace lathe::llvm_cpu {

// The emulator's path for a family, searched in PATH; "" when there is none.
std::string find_emulator(const Family& family);

class ForeignModel {
 public:
  // `data`: the plugin's data folder. Throws sdk::Failure.
  ForeignModel(const Family& family, const std::string& data, const sdk::LoadRequest& request);
  ForeignModel(const ForeignModel&) = delete;
  ForeignModel& operator=(const ForeignModel&) = delete;
  ~ForeignModel();

  void run(sdk::Run& run, const std::vector<int32_t>& output_types);
  struct Profile {
    uint64_t scratch_bytes = 0;
    std::vector<std::pair<uint64_t, uint64_t>> times;  // runs, nanoseconds per kernel
  };
  Profile profile();

 private:
  void send(const void* bytes, uint64_t size);
  void receive(void* bytes, uint64_t size);
  void await_success();

  pid_t process_ = -1;
  int to_ = -1, from_ = -1;
};

}  // namespace lathe::llvm_cpu
