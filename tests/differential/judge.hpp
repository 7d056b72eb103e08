// Whether two engines agree on a sample.
#pragma once
#include <optional>
#include <string>

#include "engines.hpp"

namespace lathe::differential {

// What is different, in a sentence, or nothing. Integers, booleans and strings must be equal, but for one step where an operator rounds a
// computed number to an integer; floats as near as their type allows, relative to the largest number of the output; NaN and infinities in
// the same places.
std::optional<std::string> difference(const Sample& sample, const std::vector<Tensor>& found, const std::vector<Tensor>& expected);

// Why the other runtime's answer does not count for this sample: a known difference from the standard. Empty when it counts. `values` are the
// tensors of a run.
std::string excused(const Sample& sample, const std::map<std::string, Tensor>& values);

}  // namespace lathe::differential
