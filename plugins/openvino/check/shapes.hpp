// What the shape rules of the operations' families share.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checker.hpp"

namespace lathe::openvino::check {

using Dims = std::vector<int64_t>;

// One operation's own rule: "" or what is wrong.
struct ShapeCheck {
  std::string_view type;
  std::string (*check)(const Layer&);
};

// By family: operations that move or choose elements; those of networks, detection, signals and chance.
std::span<const ShapeCheck> movement_checks();
std::span<const ShapeCheck> network_checks();

std::string text(const Dims& dims);
// "" where an output may have these dimensions.
std::string expect(const Layer& layer, size_t output, const Dims& wanted);
// numpy's rule; nullopt: the two do not go together.
std::optional<Dims> broadcast(const Dims& a, const Dims& b);
// Counted from the front; nullopt: the data has no such axis.
std::optional<int64_t> axis_in(int64_t axis, size_t rank);
// How often a window fits along an axis with the layer's strides, pads and rounding.
int64_t slid(const Layer& layer, size_t axis, int64_t size, int64_t kernel, int64_t dilation);
// Whether strides, dilations, pads and kernel have one number for each axis.
std::string window(const Layer& layer, size_t axes);
// The attribute as a number.
int64_t integer(const Layer& layer, std::string_view name);

// Two sizes that must be the same, where both are known.
inline bool differ(int64_t a, int64_t b) { return a >= 0 && b >= 0 && a != b; }

}  // namespace lathe::openvino::check
