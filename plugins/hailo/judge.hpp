// Holds the HEF that came out against what was asked for.
#pragma once
#include <lathe/plugin.hpp>
#include <string>
#include <vector>

#include "hef/hef.hpp"

namespace lathe::hailo {

// A tensor at the border of the graph that was compiled.
struct Border {
  std::string tensor;
  std::string node;            // that yields an output, as the model names it; empty for inputs
  std::vector<int64_t> shape;  // N x C x H x W or N x C
};

struct Expected {
  std::string device;
  std::vector<Border> inputs, outputs;
  int64_t classes = 0;  // more than 0: HailoRT suppresses boxes of so many classes
};

struct Binding {
  std::string tensor, stream;
};

// The streams of the graph's tensors. Throws Failure: another device, missing or additional streams, other shapes or classes. Warns of what makes
// it slow.
std::vector<Binding> judge(const sdk::Host& host, const Hef& hef, const Expected& expected);

}  // namespace lathe::hailo
