// Control flow, sequences and optionals: drawn as small graphs in ONNX's textual syntax whose inputs and outputs are tensors.
#pragma once
#include <string>
#include <vector>

#include "draft.hpp"

namespace lathe::differential {

struct Fragment {
  std::string text;  // a graph; its inputs are bound to `inputs` in their order
  std::vector<ValueId> inputs;
};

// Draws one; empty text: this time it did not work out. `only`: operators of which one must occur, or all.
Fragment draw_fragment(Draft& draft, const std::vector<std::string>& only);

}  // namespace lathe::differential
