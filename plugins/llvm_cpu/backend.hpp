// backend/1 of llvm_cpu: options -> machine, graph -> program -> code -> file.
#pragma once
#include <string>

#include "lathe/plugin.hpp"
#include "machine.hpp"

namespace lathe::llvm_cpu {

class Backend {
 public:
  Backend(sdk::Host host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  static const char* default_device(const sdk::Settings& settings);
  static void list_choices(sdk::Host host, std::string_view option, const sdk::Lines& lines);
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& facts);

 private:
  sdk::Host host_;
  std::string emit_, stem_;
  bool fast_math_;
  int level_;
  Machine machine_;
};

}  // namespace lathe::llvm_cpu
