// backend/1: prepares a graph for MemryX's Neural Compiler, has it compiled, and holds the result against what was asked.
#pragma once
#include <lathe/bundle.hpp>
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

#include "file.hpp"
#include "tool.hpp"

namespace lathe::memryx {

struct Binding {
  std::string tensor, port;  // the graph's name, the file's
};
// Holds a file against what was asked; the tensors that the file calls by other names. Throws Failure (LATHE_FAILED) where they do not agree.
std::vector<Binding> judge(const File& file, const Order& order, const std::string& path);

class Backend {
 public:
  Backend(const sdk::Host& host, const sdk::CompileRequest& request);
  static sdk::BackendInfo info();
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts);
  void compile(const sdk::GraphView& graph, sdk::Output& output);
  void fingerprint(const sdk::Facts& fact);

 private:
  sdk::ToolPlan prepare(const sdk::GraphView& graph, const std::string& folder, Order& order);

  sdk::Host host_;
  std::string stem_, runtime_;
  bool bundle_;
  std::string compiler_, environment_, container_;
  Order order_;          // what the options say
  std::string version_;  // of the compiler, once it was asked
  uint64_t container_version_ = 0;
};

}  // namespace lathe::memryx
