// Every kernel family, and the list of all kernels.
//
// LATHE_KERNELS(X) expands X(domain, Operator, kernel, shape function) for each operator that has a kernel; LATHE_KERNELS_<FAMILY>(X) does so
// for one family. shapes::by_kernel (nullptr) stands where the kernel gives its outputs their shapes itself. Operators that want working memory
// (Call::scratch) stand in LATHE_KERNEL_SCRATCH(X) with the function that says how much. Without it (Call::scratch == nullptr) they still work, but
// slower, or fail with a sentence.
#pragma once
#include "lathe/kernels/activation.hpp"
#include "lathe/kernels/attention.hpp"
#include "lathe/kernels/attention_microsoft.hpp"
#include "lathe/kernels/bitwise.hpp"
#include "lathe/kernels/comparison.hpp"
#include "lathe/kernels/conversion.hpp"
#include "lathe/kernels/convolution.hpp"
#include "lathe/kernels/einsum.hpp"
#include "lathe/kernels/elementwise_binary.hpp"
#include "lathe/kernels/elementwise_unary.hpp"
#include "lathe/kernels/fused_convolution.hpp"
#include "lathe/kernels/indexing.hpp"
#include "lathe/kernels/loss.hpp"
#include "lathe/kernels/matmul.hpp"
#include "lathe/kernels/ml_features.hpp"
#include "lathe/kernels/ml_linear.hpp"
#include "lathe/kernels/ml_trees.hpp"
#include "lathe/kernels/movement.hpp"
#include "lathe/kernels/normalization.hpp"
#include "lathe/kernels/normalization_microsoft.hpp"
#include "lathe/kernels/pooling.hpp"
#include "lathe/kernels/quantization.hpp"
#include "lathe/kernels/quantized_arithmetic.hpp"
#include "lathe/kernels/quantized_products.hpp"
#include "lathe/kernels/random.hpp"
#include "lathe/kernels/recurrent.hpp"
#include "lathe/kernels/reduction.hpp"
#include "lathe/kernels/resize.hpp"
#include "lathe/kernels/selection.hpp"
#include "lathe/kernels/shape.hpp"
#include "lathe/kernels/signal.hpp"
#include "lathe/kernels/softmax.hpp"
#include "lathe/kernels/string.hpp"
#include "lathe/kernels/vision.hpp"

#define LATHE_KERNELS(X)                   \
  LATHE_KERNELS_ACTIVATION(X)              \
  LATHE_KERNELS_ATTENTION(X)               \
  LATHE_KERNELS_ATTENTION_MICROSOFT(X)     \
  LATHE_KERNELS_BITWISE(X)                 \
  LATHE_KERNELS_COMPARISON(X)              \
  LATHE_KERNELS_CONVERSION(X)              \
  LATHE_KERNELS_CONVOLUTION(X)             \
  LATHE_KERNELS_EINSUM(X)                  \
  LATHE_KERNELS_ELEMENTWISE_BINARY(X)      \
  LATHE_KERNELS_ELEMENTWISE_UNARY(X)       \
  LATHE_KERNELS_FUSED_CONVOLUTION(X)       \
  LATHE_KERNELS_INDEXING(X)                \
  LATHE_KERNELS_LOSS(X)                    \
  LATHE_KERNELS_MATMUL(X)                  \
  LATHE_KERNELS_ML_FEATURES(X)             \
  LATHE_KERNELS_ML_LINEAR(X)               \
  LATHE_KERNELS_ML_TREES(X)                \
  LATHE_KERNELS_MOVEMENT(X)                \
  LATHE_KERNELS_NORMALIZATION(X)           \
  LATHE_KERNELS_NORMALIZATION_MICROSOFT(X) \
  LATHE_KERNELS_POOLING(X)                 \
  LATHE_KERNELS_QUANTIZATION(X)            \
  LATHE_KERNELS_QUANTIZED_ARITHMETIC(X)    \
  LATHE_KERNELS_QUANTIZED_PRODUCTS(X)      \
  LATHE_KERNELS_RANDOM(X)                  \
  LATHE_KERNELS_RECURRENT(X)               \
  LATHE_KERNELS_REDUCTION(X)               \
  LATHE_KERNELS_RESIZE(X)                  \
  LATHE_KERNELS_SELECTION(X)               \
  LATHE_KERNELS_SHAPE(X)                   \
  LATHE_KERNELS_SIGNAL(X)                  \
  LATHE_KERNELS_SOFTMAX(X)                 \
  LATHE_KERNELS_STRING(X)                  \
  LATHE_KERNELS_VISION(X)

#define LATHE_KERNEL_SCRATCH(X)                                              \
  X("", Attention, attention_scratch)                                        \
  X("", Conv, conv_scratch)                                                  \
  X("", ConvInteger, conv_scratch)                                           \
  X("", ConvTranspose, conv_transpose_scratch)                               \
  X("", DFT, dft_scratch)                                                    \
  X("", Det, determinant_scratch)                                            \
  X("", GRU, gru_scratch)                                                    \
  X("", Gemm, gemm_scratch)                                                  \
  X("", LSTM, lstm_scratch)                                                  \
  X("", MatMul, matmul_scratch)                                              \
  X("", QLinearConv, qlinear_conv_scratch)                                   \
  X("", RNN, rnn_scratch)                                                    \
  X("", STFT, stft_scratch)                                                  \
  X("com.microsoft", Attention, microsoft_attention_scratch)                 \
  X("com.microsoft", DynamicQuantizeMatMul, dynamic_quantize_matmul_scratch) \
  X("com.microsoft", FusedConv, conv_scratch)                                \
  X("com.microsoft", FusedGemm, gemm_scratch)                                \
  X("com.microsoft", FusedMatMul, fused_matmul_scratch)                      \
  X("com.microsoft", GroupQueryAttention, group_query_attention_scratch)     \
  X("com.microsoft", MultiHeadAttention, multi_head_attention_scratch)       \
  X("com.microsoft", TransposeMatMul, fused_matmul_scratch)
