// One run of a graph and of the graphs inside it: frames of values, freed after their last use.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"
#include "core/reference/thread_pool.hpp"

namespace lathe {

// The values of one graph during one run of it.
struct Frame {
  const Graph& graph;
  const Frame* around = nullptr;            // of the graph that this one's captures come from
  std::vector<const Datum*> seen;           // per value: where it is; nullptr while there is none
  std::vector<std::unique_ptr<Datum>> own;  // per value that was made or given here
  std::string prefix;                       // of the names that are told to ReferenceOptions::watch
};

// An input of a node that runs. `mine` is set where nothing else needs the value any more, so that it may be taken apart.
struct Argument {
  const Datum* datum = nullptr;  // nullptr: absent
  Datum* mine = nullptr;
};

class Execution {
 public:
  explicit Execution(const ReferenceOptions& options);

  // Inputs and outputs in the graph's order. `around` is nullptr for the outermost graph.
  std::vector<Datum> run(const Graph& graph, std::vector<Datum> inputs, const Frame* around = nullptr, const std::string& prefix = {});

  void check_cancelled() const;  // throws Error(interrupted)

  // What the inputs of the outermost graph show of a dimension; 0 for one that they do not name.
  int64_t size_of(const Dimension& dimension) const;

 private:
  // What every run of a graph needs to know of it.
  struct Prepared {
    std::vector<std::unique_ptr<Datum>> constants;  // per value
    std::vector<uint32_t> uses;                     // per value
    std::vector<bool> output;                       // per value
  };
  const Prepared& prepare(const Graph& graph);
  std::vector<Datum> run_node(const Frame& frame, const Node& node, std::vector<Argument>& arguments);

  const ReferenceOptions& options_;
  uint64_t moved_;  // state of move_sums
  ThreadPool pool_;
  std::unordered_map<const Graph*, Prepared> prepared_;
  std::unordered_map<std::string, int64_t> symbols_;  // of the outermost graph's inputs
  int depth_ = 0;
};

// A node's data is bad: throws Error(failed).
[[noreturn]] void fail_node(const Node& node, std::string text, std::string expected = {}, std::string found = {});

// If, Loop, Scan: runs the node's bodies in `frame`.
bool is_control_flow(const Node& node);
std::vector<Datum> run_control_flow(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments);

// Operators on sequences and optionals, and Identity of one.
bool is_sequence_operator(const Node& node, const std::vector<Argument>& arguments);
std::vector<Datum> run_sequence_operator(Execution& execution, const Frame& frame, const Node& node, std::vector<Argument>& arguments);

}  // namespace lathe
