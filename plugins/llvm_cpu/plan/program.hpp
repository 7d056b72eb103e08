// What planning hands to code generation: buffers, and steps that run kernels on them. Plain data without LLVM types.
//
//   graph -> fuse -> choose layouts -> buffers with lifetimes in one arena -> Program -> one function per distinct kernel -> object code
//
// Two steps whose kernels compare equal share one generated function: a kernel says everything about the code and nothing about
// addresses, which arrive in an array of pointers.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bitcode/action.hpp"

namespace lathe::llvm_cpu {

// How a float tensor of shape [N, C, H, W] lies in memory.
enum class Layout {
  plain,  // row major, as ONNX has it
  // [N][ceil(C/B)][H][W][B] with B = Machine::block(). What lies in the lanes beyond C is unspecified (any bits, NaN included): no kernel
  // lets it reach a valid channel, so elementwise work may run over the padding as if it were data.
  blocked
};

// A batch of images, or a slice of the channels of one (batch_stride is then that of the whole). One-dimensional signals have height 1.
struct Image {
  int64_t channels = 0, height = 0, width = 0;
  Layout layout = Layout::plain;
  int64_t batch_stride = 0;    // floats from one batch item to the next
  int64_t channel_stride = 0;  // of a plain convolution output: floats from one channel to the next; 0: height * width
  bool operator==(const Image&) const = default;
};

// A straight-line float32 program applied to every element. Values are numbered: first the operands (operand 0 is the
// incoming value: the accumulator of a convolution, or the first tensor of an elementwise kernel), then one per instruction;
// the last one is the result.
struct Expression {
  enum class Operation {
    add,
    subtract,
    multiply,
    divide,
    maximum,
    minimum,
    power,
    prelu,  // a, b: a where it is not negative, else a b
    negate,
    absolute,
    exponential,
    logarithm,
    square_root,
    reciprocal,
    floor,
    ceiling,  // a
    round_even,
    sigmoid,
    tanh,
    erf,
    sign,
    sine,
    cosine,  // a
    relu,
    silu,
    hard_swish,     // a
    leaky_relu,     // a; p = slope
    clip,           // a; p = lowest, q = highest
    hard_sigmoid,   // a; p = alpha, q = beta: max(0, min(1, p a + q))
    elu,            // a; p = alpha
    fake_quantise,  // a; p = scale, q = zero point, r = lowest, s = highest integer: (clamp(round_even(a / p) + q, r, s) - q) p
    constant        // p
  };
  struct Instruction {
    Operation operation;
    int a = -1, b = -1;  // value numbers
    float p = 0, q = 0, r = 0, s = 0;
    bool operator==(const Instruction&) const = default;
  };
  int operands = 1;
  std::vector<Instruction> instructions;  // empty: the result is operand 0
  bool operator==(const Expression&) const = default;
};

// How an epilogue's further operand is addressed from an output element.
enum class Access {
  same /* an image or matrix like the output, with its own batch_stride */,
  per_channel /* [C], or [N] of a matrix product */,
  scalar
};
struct EpilogueOperand {
  Access access = Access::same;
  int64_t batch_stride = 0;  // for `same`
  bool operator==(const EpilogueOperand&) const = default;
};
struct Epilogue {
  Expression expression;                  // operand 0: the accumulator with bias added
  std::vector<EpilogueOperand> operands;  // operand 1, 2, ...
  bool operator==(const Epilogue&) const = default;
};

// Convolution, depthwise and grouped too. Arguments: input, packed weights, bias, epilogue operands..., output.
// Bias is always there: floats padded with zeros to a multiple of the block.
struct Convolution {
  int64_t batch = 1, groups = 1;
  Image input, output;  // layouts may differ (the first layer reads plain, the last may write plain)
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1}, pad_begin{0, 0};  // pads at the end follow from the output's size
  Epilogue epilogue;
  bool operator==(const Convolution&) const = default;
};

// Transposed convolution whose kernel equals its stride (no overlap), group 1. Arguments as Convolution.
struct TransposedConvolution {
  int64_t batch = 1;
  Image input, output;
  std::array<int64_t, 2> stride{2, 2};
  Epilogue epilogue;
  bool operator==(const TransposedConvolution&) const = default;
};

// C[b] = A[b] B[b] (+ bias). Arguments: A, B (packed when constant_b), bias when `bias` (floats [N]), epilogue operands..., C.
struct MatrixProduct {
  std::vector<int64_t> batch;                           // batch dimensions of C, outermost first
  std::vector<int64_t> a_batch_stride, b_batch_stride;  // in floats, 0 where broadcast
  int64_t m = 0, n = 0, k = 0;
  int64_t a_row_stride = 0, a_column_stride = 1;  // floats; a_column_stride 1 or a_row_stride 1 (transposed A)
  int64_t b_row_stride = 0, b_column_stride = 1;  // when not constant_b
  bool constant_b = false;                        // one matrix for all batches, packed by pack_matrix
  bool bias = false;
  Epilogue epilogue;  // `same`: C's shape, contiguous; `per_channel`: [N]
  bool operator==(const MatrixProduct&) const = default;
};

// Max and average pooling; global pooling has a kernel as large as the input. Arguments: input, output. Same layout on both sides.
struct Pooling {
  enum class Kind { maximum, average } kind = Kind::maximum;
  int64_t batch = 1;
  Image input, output;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1}, pad_begin{0, 0}, pad_end{0, 0};
  bool count_include_pad = false;
  bool operator==(const Pooling&) const = default;
};

// Nearest-neighbour enlargement by whole numbers. Arguments: input, output. Same layout on both sides.
struct Upsampling {
  int64_t batch = 1;
  Image input, output;
  std::array<int64_t, 2> scale{2, 2};
  bool operator==(const Upsampling&) const = default;
};

// Elementwise chains, and with an empty expression every strided copy (transpose, slice, a part of a concatenation, expand).
// All tensors are addressed by strides over the same (collapsed) dimensions. Arguments: operands..., output.
struct Elementwise {
  std::vector<int64_t> dimensions;                    // outermost first
  std::vector<std::vector<int64_t>> operand_strides;  // in elements; 0 where broadcast; one list per operand
  std::vector<int64_t> output_strides;
  Expression expression;
  int32_t element_bytes = 4;  // copies (empty expression) also move 1, 2 and 8 byte elements
  bool operator==(const Elementwise&) const = default;
};

// exp(x - max) / sum(exp(x - max)) over the middle dimension of a contiguous tensor [outer][extent][inner]. Arguments: input, output,
// which may be the same.
struct Softmax {
  int64_t outer = 1, extent = 1, inner = 1;
  bool operator==(const Softmax&) const = default;
};

// Between plain and blocked. Arguments: input, output.
struct Reorder {
  int64_t batch = 1, channels = 0, pixels = 0;
  int64_t input_batch_stride = 0, output_batch_stride = 0;
  int64_t plain_channel_stride = 0;  // on the plain side; 0: pixels
  bool to_blocked = true;
  bool operator==(const Reorder&) const = default;
};

// Any other operator: its kernel of sdk/kernels as bitcode, specialised by types, shapes and attributes.
struct Generic {
  struct TensorShape {
    int32_t type = 0;  // 0: absent
    std::vector<int64_t> dimensions;
    bool operator==(const TensorShape&) const = default;
  };
  struct AttributeTensor {
    int32_t type = 0;
    std::vector<int64_t> dimensions;
    std::vector<uint8_t> bytes;        // types smaller than a byte one per byte
    std::vector<std::string> strings;  // instead of bytes
    bool operator==(const AttributeTensor&) const = default;
  };
  // One of the lists, the text or the tensor.
  struct Attribute {
    std::string name;
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::string text;
    std::vector<std::string> strings = {};
    std::vector<AttributeTensor> tensor = {};  // at most one
    bool operator==(const Attribute&) const = default;
  };
  std::string domain, op_type;
  std::vector<TensorShape> inputs, outputs;  // arguments: inputs..., outputs... (absent ones included, as no_buffer)
  std::vector<Attribute> attributes;
  uint64_t scratch_bytes = 0;
  bool operator==(const Generic&) const = default;
};

// An operator on values whose shapes (or whose existence) only the run knows: one function for all its nodes with the same types. Attributes
// and shapes reach it at run time. Operators that the driver computes itself (Action) need no code.
struct Dynamic {
  Action action = Action::kernel;
  std::string domain, op_type;
  std::vector<int32_t> input_types = {}, output_types = {};  // 0: absent, or not known
  bool operator==(const Dynamic&) const = default;
};

using Kernel = std::variant<Convolution, TransposedConvolution, MatrixProduct, Pooling, Upsampling, Elementwise, Softmax, Reorder, Generic, Dynamic>;

using BufferId = uint32_t;
inline constexpr BufferId no_buffer = UINT32_MAX;

struct Buffer {
  enum class Kind { input, output, weights, arena } kind = Kind::arena;
  uint32_t index = 0;   // of the model's input or output
  uint64_t offset = 0;  // bytes in the weights or the arena, or into the input or output
  uint64_t bytes = 0;
};

// A value that dynamic steps read or make. One with a buffer has its memory, type and shape from the start.
using ValueId = uint32_t;
struct ProgramValue {
  int32_t kind = 0, type = 0;  // LATHE_KIND_...
  BufferId buffer = no_buffer;
  std::vector<int64_t> dimensions = {};  // with a buffer
  bool encoded_strings = false;          // the buffer holds strings as encode_strings (plan/pack.hpp) lays them out
};

struct Program;

// How a kernel for a fixed number of rows stands for any number of them: see RowPart in bitcode/schedule.hpp.
struct Rows {
  uint32_t rows = 1, lead = 0, lead_tail = 0, ones = 0, least_calls = 1;
  std::vector<int64_t> row_bytes;  // per input, then of the output
  std::vector<int64_t> tail;
};

// What a step on run-time values needs beyond its kernel.
struct DynamicDetails {
  struct Body {
    std::shared_ptr<const Program> program;  // its weights are the outermost program's
    std::vector<ValueId> captures;           // values of the enclosing program: the body's inputs behind the formal ones
    BufferId arena = no_buffer;              // where the body's arena lies in the enclosing one
  };
  std::vector<ValueId> inputs, outputs;  // of the node; no_value: absent
  std::vector<ValueId> last;             // values without a buffer that no later step reads
  std::vector<Generic::Attribute> attributes;
  std::vector<Body> bodies;   // of If: then, else
  std::optional<Rows> rows;   // the step's kernel is an emitted one then, and `inputs` are its arguments
  bool shapes_known = false;  // of everything it reads and makes: the shape function need not be called
};

struct Step {
  Kernel kernel;
  std::vector<BufferId> arguments;
  std::string name;   // "conv2d 3x3 s1 64->64 80x80"
  std::string nodes;  // the model's nodes, joined by ','
  uint64_t flops = 0, bytes = 0;
  std::shared_ptr<const DynamicDetails> dynamic = nullptr;  // of steps on run-time values; `arguments` are then the buffers of its values
};

struct TensorInterface {
  std::string name;
  int32_t type = 0;
  std::vector<int64_t> dimensions;        // -1: only the run knows
  std::vector<std::string> symbols = {};  // names of dimensions that are not fixed, "" where there is none
  int32_t kind = 0;                       // LATHE_KIND_...
  bool ranked = true;                     // false: `dimensions` says nothing
  ValueId value = no_value;               // when it is a run-time value
};

struct Program {
  std::vector<TensorInterface> inputs, outputs;
  std::vector<Buffer> buffers;
  std::vector<Step> steps;       // in order
  std::vector<uint8_t> weights;  // packed constants, each 64-byte aligned
  uint64_t arena_bytes = 0;
  std::vector<ProgramValue> values;
};

}  // namespace lathe::llvm_cpu
