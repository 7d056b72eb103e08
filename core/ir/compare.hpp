// Are two graphs, attributes or tensors the same? By structure: values are matched by what they are, not by their number.
#pragma once
#include <cstddef>
#include <string>

#include "core/ir/graph.hpp"

namespace lathe {

// Same type and same value. Floats and tensors are compared by their bits (so NaN equals NaN, and 0 is not -0). Graphs in attributes are the
// same when they compute the same nodes in the same order from the same captured values; the names in them do not count.
bool same(const Attribute& a, const Attribute& b);

// Equal for attributes that are the same.
size_t hash(const Attribute& attribute);
size_t hash(const Tensor& tensor);

// "" when both graphs have the same inputs, outputs, nodes (in the same order), attributes, types, constants, opsets, properties and, for all
// of that, the same names; otherwise a sentence naming the first difference. For tests.
std::string difference(const Graph& a, const Graph& b);

}  // namespace lathe
