// The ONNX project's own tests: what they are, the two engines that run them, and the pool of processes they run in.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/ir/datum.hpp"
#include "core/plugin/plugins.hpp"
#include "onnx_compare.hpp"

namespace lathe::golden {

// One model with its data sets: folders of input_<n>.pb and output_<n>.pb. The "light" models have one output file each; their inputs are
// made as the ONNX test runner makes them.
struct OnnxTest {
  std::string name;  // "test_add_bcast", or "light_resnet50"
  std::string model;
  std::vector<std::string> data_sets;
  std::string light_output;
  Tolerance tolerance;
};

// All of them, sorted by name within each kind. Throws Error(failed) when two have one name.
std::vector<OnnxTest> find_onnx_tests(const std::string& root);

// One data set, read with the kinds that the model's inputs and outputs have.
struct DataSet {
  NamedData inputs;
  std::vector<Datum> outputs;  // in the order of the graph's outputs
};
std::vector<DataSet> read_data_sets(const OnnxTest& test, const Graph& graph);

// An engine prepared with one model, ready for any number of runs. Outputs come in the order of the graph's.
using RunFunction = std::function<std::vector<Datum>(const NamedData& inputs)>;
// Makes one from a graph that was imported and typed. Throws Error.
using Engine = std::function<RunFunction(const Graph& graph)>;

inline constexpr unsigned engine_threads = 2;

Engine reference_engine();
// Compiles for `target`, or, of "NAME@N", for NAME with its option `opset` set to N, with its own pipeline and loads what came out; files lie below
// `folder` as long as the process lives.
Engine compiled_engine(Plugins& plugins, const std::string& target, const std::string& folder);

struct Outcome {
  bool passed = false;
  std::string reason;               // why not
  std::set<std::string> operators;  // "domain:Name" of every node in the model, subgraphs included
  double seconds = 0;
};
Outcome run_onnx_test(const OnnxTest& test, Plugins& plugins, const Engine& engine);

// Calls `work` with every number below `count` in `workers` forked processes and `finished` here with what it returned. A process that dies
// or takes longer than `seconds` on one number is replaced; its number comes back as failed, saying what happened.
struct PoolOptions {
  unsigned workers = 2;
  double seconds = 60;
};
void run_in_processes(size_t count, const PoolOptions& options, const std::function<Outcome(size_t)>& work,
                      const std::function<void(size_t, Outcome)>& finished);

}  // namespace lathe::golden
