// Body of kernels_x86_64_v*.cpp: the heavy families in the namespace LATHE_KERNELS_NAMESPACE, and their table. Included once per file.
#include "core/reference/level_table.hpp"
#include "lathe/kernels/activation.hpp"
#include "lathe/kernels/convolution.hpp"
#include "lathe/kernels/matmul.hpp"
#include "lathe/kernels/pooling.hpp"
#include "lathe/kernels/quantized_products.hpp"
#include "lathe/kernels/softmax.hpp"

namespace lathe {
namespace {

namespace own = LATHE_KERNELS_NAMESPACE;

void (*erase(void (*run)(const own::Call&)))() { return reinterpret_cast<void (*)()>(run); }
void (*erase(uint64_t (*scratch)(const own::Call&, uint32_t)))() { return reinterpret_cast<void (*)()>(scratch); }

const LevelEntry entries[] = {
    {"Relu", erase(own::relu), nullptr},
    {"Sigmoid", erase(own::sigmoid), nullptr},
    {"Softmax", erase(own::softmax), nullptr},
    {"MaxPool", erase(own::max_pool), nullptr},
    {"Conv", erase(own::conv), erase(own::conv_scratch)},
    {"ConvTranspose", erase(own::conv_transpose), nullptr},
    {"ConvInteger", erase(own::conv_integer), erase(own::conv_scratch)},
    {"MatMul", erase(own::matmul), erase(own::matmul_scratch)},
    {"MatMulInteger", erase(own::matmul_integer), nullptr},
    {"QLinearConv", erase(own::qlinear_conv), erase(own::qlinear_conv_scratch)},
    {"QLinearMatMul", erase(own::qlinear_matmul), nullptr},
    {"Gemm", erase(own::general_matmul), erase(own::gemm_scratch)},
};

}  // namespace

LevelTable LATHE_KERNELS_TABLE() { return {entries, sizeof entries / sizeof entries[0]}; }

}  // namespace lathe
