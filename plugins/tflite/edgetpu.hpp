// The Edge TPU: what it takes of a model, and its compiler, which puts the part it takes into one custom operator.
#pragma once
#include <lathe/plugin.hpp>
#include <span>
#include <string>

#include "model.hpp"

namespace lathe::tflite {

// Why the device would not take the operator; empty where it would. The rules are those of coral.ai's list of supported operations.
std::string edgetpu_objection(const Subgraph& graph, const Operator& op);

// The table that edgetpu_compiler prints, and the counts above it.
struct EdgetpuLog {
  struct Row {
    std::string name;
    int64_t count = 0;
    std::string status;
    bool mapped() const { return status == "Mapped to Edge TPU"; }
  };
  int64_t on_device = -1, on_processor = -1;  // operators; -1: not said
  std::string streamed;                       // parameters that do not fit the device's memory
  std::vector<Row> rows;
  // Operators that stay on the processor, by the counts or, where none are given, the table.
  int64_t left() const;
};
EdgetpuLog read_edgetpu_log(std::span<const std::string> lines);

// Compiles the model's bytes; the compiled file's. `allowed` operators may stay on the processor. Throws sdk::Failure: the compiler is absent or of
// another version (LATHE_UNSUPPORTED), refuses the model, or leaves more on the processor, with its table of what and why.
std::string compile_for_edgetpu(const sdk::Host& host, const std::string& stem, const std::string& bytes, std::string_view compiler, int64_t allowed);

}  // namespace lathe::tflite
