// Weights in the order in which the emitted kernels read them. Pure data movement, done once at compile time. No LLVM.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "machine.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

// Whether the emitters can do it, and in these layouts. "" or the reason why not. Planning asks before it chooses; what is refused goes
// the generic way.
std::string unsupported(const Machine& machine, const Convolution& kernel);
std::string unsupported(const Machine& machine, const TransposedConvolution& kernel);
std::string unsupported(const Machine& machine, const MatrixProduct& kernel);

// `weights`: ONNX's order, [OC][IC/groups][KH][KW].
std::vector<float> pack_weights(const Machine& machine, const Convolution& kernel, std::span<const float> weights);
// `weights`: ONNX's order for ConvTranspose, [IC][OC][KH][KW].
std::vector<float> pack_weights(const Machine& machine, const TransposedConvolution& kernel, std::span<const float> weights);
// `matrix`: [K][N] row major, or [N][K] when `transposed`.
std::vector<float> pack_matrix(const Machine& machine, const MatrixProduct& kernel, std::span<const float> matrix, bool transposed);

}  // namespace lathe::llvm_cpu
