// What a model's own first operations do to its picture before anything learned: pixels are normalised there or by the contract, never twice.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/files/picture.hpp"
#include "core/ir/graph.hpp"

namespace lathe {

struct InputNormalisation {
  std::array<float, 4> scale{1, 1, 1, 1}, offset{0, 0, 0, 0};  // per channel c: x * scale[c] + offset[c]
  std::string nodes;                                           // "'sub' (Sub), 'div' (Div)"

  // A picture comes as pixels 0..255 when the scale brings those to small numbers; otherwise it comes as 0..1.
  bool takes_pixels() const { return scale[0] < 0.1f && scale[0] > -0.1f; }
};

// Follows the input through Add, Sub, Mul, Div with constants for all channels or each, past Cast, Identity and Transpose. Nothing when there is no
// such arithmetic. `graph` is canonical.
std::optional<InputNormalisation> normalisation_inside(const Graph& graph, std::string_view input, const PictureLayout& layout);

}  // namespace lathe
