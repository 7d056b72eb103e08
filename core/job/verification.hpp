// Comparing what an artifact computes with what the reference engine computes: the same inputs, every output on its own.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/ir/graph.hpp"
#include "core/plugin/plugins.hpp"

namespace lathe {

// An element x of an output agrees with the reference r when |x - r| <= absolute + relative * (the largest |r| of that output). Integers,
// booleans and strings must be equal; NaN and infinities must stand in the same places. Quantised arithmetic rounds differently at ties in
// every engine, and one tie moves a whole value by a step: there the cosine of the angle between the two outputs decides instead.
// Where that fails in float32, the reference runs twice more with its sums of products moved as rounding may move them (core/reference/rounding.hpp):
// a network that amplifies rounding, as untrained ones do on noise, is not settled any better by float32. Then the output agrees when neither its
// worst element nor its root mean square is off by more than three times what rounding moves.
struct Limits {
  double relative = 1e-4, absolute = 1e-7;
  double cosine = 0;     // when positive, the least that is allowed, and the other two are not looked at
  bool rounding = true;  // whether rounding's part is measured where an output is beyond the limits
};
// float32 1e-4; float16, bfloat16 1e-2; quantised, be it by its precision or because the graph quantises: a cosine of 0.999.
Limits limits_for(const std::string& precision, const Graph& graph);

// Why no two runs of the graph agree: it holds an operator that draws random numbers without a seed. Empty when it holds none.
std::string unpredictable(const Graph& graph);

struct OutputComparison {
  std::string name;
  bool agrees = true;
  double largest = 0;              // |r| over the output
  double difference = 0;           // the worst |x - r|
  double allowed = 0;              // the limit that decided
  double rounding = 0;             // how far rounding alone moves the output, where that was measured
  std::string place;               // index of the worst element, "[0,3,17]"
  double expected = 0, found = 0;  // there
  std::string problem;             // when shapes or types differ
};

OutputComparison compare_outputs(const std::string& name, const Tensor& reference, const Tensor& found, const Limits& limits);
// Of a sequence: the worst of its elements.
OutputComparison compare_outputs(const std::string& name, const Datum& reference, const Datum& found, const Limits& limits);

struct Verification {
  enum class State { off, skipped, agrees, disagrees } state = State::off;
  std::string reason;  // of skipped
  size_t inputs = 0;   // how many sets of inputs were run
  Limits limits;
  std::vector<OutputComparison> outputs;  // the worst over all sets of inputs
};
std::string_view name(Verification::State state);

// One set of inputs for `graph`: pseudo-random numbers that depend on nothing but `seed` and the inputs' names and types
// (floats uniform in [0,1), integers 0 or 1, strings of one digit). Open dimensions become `open`, the same symbol everywhere the same; an open
// batch becomes 1. Sequences get two elements, optionals something in them.
NamedData seeded_inputs(const Graph& graph, uint64_t seed, int64_t open = 32);

// `full`: four seeds, all zeros, and for open dimensions two more sizes. Throws Error where one of the two engines fails.
Verification verify_artifact(const Graph& graph, Executable& artifact, const Limits& limits, bool full, unsigned threads,
                             const std::function<bool()>& cancelled = {});

// One run of both engines on these inputs.
Verification compare_on(const Graph& graph, Executable& artifact, const NamedData& inputs, const Limits& limits, unsigned threads,
                        const std::function<bool()>& cancelled = {});

// Of a tensor of numbers; nothing for strings and for empty ones. NaN is left out.
struct TensorRange {
  double lowest = 0, highest = 0, mean = 0;
};
std::optional<TensorRange> range_of(const Tensor& tensor);

// What to say of outputs that agree only because rounding alone moves them beyond the limits: one note per output.
std::vector<Diagnostic> describe_rounding(const Verification& verification);

// What to say when outputs disagree: one diagnostic per output.
std::vector<Diagnostic> describe_disagreement(const Verification& verification);

}  // namespace lathe
