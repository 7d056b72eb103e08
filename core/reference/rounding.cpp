// See rounding.hpp.
#include "core/reference/rounding.hpp"

#include <algorithm>
#include <cmath>

namespace lathe {

bool sums_products(const Node& node) {
  constexpr std::string_view names[] = {"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul"};
  return std::find(std::begin(names), std::end(names), node.op_type) != std::end(names);
}

void move_sums(Tensor& tensor, uint64_t& state) {
  if (tensor.type != DataType::float32) return;
  double squares = 0;
  for (const float x : tensor.as<float>()) squares += double(x) * double(x);
  const double usual = std::sqrt(squares / double(std::max<int64_t>(tensor.size(), 1)));
  for (float& x : tensor.as_mutable<float>()) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX generator
    const double part = double(int64_t(state >> 11)) * 0x1p-52 - 1;
    x = float(double(x) + part * 0x1p-21 * std::max(usual, std::fabs(double(x))));
  }
}

}  // namespace lathe
