// The planner's own view of a graph: tensors and operations that a Program can express, small enough to rewrite freely.
//
//   read.cpp      lathe_graph -> Network (one or a few operations per node)
//   dynamic.cpp   the nodes of which that work on run-time values
//   fuse.cpp      Network -> Network with fewer, larger operations
//   layout.cpp    decides for every tensor: plain or channel-blocked
//   lower*.cpp    Network -> steps on places, with the copies and reorders that are needed (lowering.hpp says which file does what)
//   memory.cpp    places -> buffers in one arena
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lathe/graph.h"
#include "machine.hpp"
#include "plan/program.hpp"

namespace lathe::llvm_cpu {

using TensorId = uint32_t;
inline constexpr TensorId no_tensor = UINT32_MAX;

struct Tensor {
  std::string name;
  int32_t type = 0;                 // LATHE_FLOAT32, ...
  std::vector<int64_t> dimensions;  // negative: not fixed; equal numbers are equal dimensions (Network::symbol)
  const void* data = nullptr;       // the bytes when constant (owned by the snapshot or by Network::owned), else NULL
  bool constant = false;
  const lathe_string* strings = nullptr;  // of constant strings
  int32_t kind = LATHE_KIND_TENSOR;
  bool ranked = true;                     // false: `dimensions` is empty and says nothing
  std::vector<std::string> symbols = {};  // per dimension, "" where it has none

  // Whether it is a value that only the run knows the shape of, or that is no plain block of elements.
  bool dynamic() const;
  int64_t size() const;
  uint64_t bytes() const;  // types smaller than a byte lie one per byte
  bool is_float() const { return type == LATHE_FLOAT32; }
  const float* floats() const { return static_cast<const float*>(data); }
};

// Bytes of an element; types smaller than a byte lie one per byte; 0 for strings.
int32_t element_bytes(int32_t type);

struct Network;

struct Operation {
  enum class Kind {
    convolution,  // inputs: x, weights (constant), bias (or none), epilogue...
    transposed,   // likewise; kernel equals stride
    product,      // inputs: a, b, bias (or none), epilogue...
    pooling,      // inputs: x
    upsampling,   // inputs: x
    softmax,      // inputs: x; along `axis`
    elementwise,  // inputs: operands, broadcast to the output
    view,         // inputs: x; the same elements in the same order under another shape
    strided,      // inputs: x; slices, transpositions, expansions: see axes, starts, steps
    concatenate,  // inputs: parts
    generic,      // inputs and outputs of the node, absent ones as no_tensor
    dynamic       // likewise on run-time values; behind the node's inputs those that its bodies capture
  };
  Kind kind = Kind::generic;
  std::vector<TensorId> inputs, outputs;
  std::vector<std::string> nodes;  // names of the model's nodes that this operation stands for

  Expression expression;  // of an elementwise operation, or the epilogue of an anchor (operand 0: the accumulator)

  // Windows of convolutions and poolings; one-dimensional ones have height 1.
  int64_t groups = 1;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1}, pad_begin{0, 0}, pad_end{0, 0};  // of upsampling: stride is the scale
  bool maximum = false, count_include_pad = false;                                                    // pooling

  bool transpose_a = false, transpose_b = false;  // product: Gemm's

  // strided: output dimension d walks along axis axes[d] of x (-1: stays where it is) in steps of steps[d]; starts: per axis of x.
  std::vector<int64_t> axes, steps, starts;
  int64_t axis = 0;  // concatenate, softmax

  std::string domain, op_type;  // of the node (for messages, and for generic)
  std::vector<Generic::Attribute> attributes;

  // dynamic
  Action action = Action::kernel;
  size_t node_inputs = 0;  // how many of `inputs` are the node's own
  struct Body {
    std::shared_ptr<Network> network;  // its inputs: the formal ones, then the captured
    size_t captures = 0;               // how many; they stand in `inputs` behind the node's own and those of the body before
  };
  std::vector<Body> bodies;

  TensorId output() const { return outputs.at(0); }
  bool anchor() const { return kind == Kind::convolution || kind == Kind::transposed || kind == Kind::product; }
};
inline constexpr size_t epilogue_begin = 3;  // of an anchor's inputs

struct Network {
  std::deque<Tensor> tensors;         // references stay valid while tensors are added
  std::vector<Operation> operations;  // in topological order
  std::vector<TensorId> inputs, outputs;
  std::deque<std::vector<float>> owned;  // constants made while planning

  std::map<std::string, int64_t> symbols;  // names of dimensions that are not fixed -> their numbers
  int64_t unnamed = 0;                     // how many dimensions without a name there are

  // The number of a dimension that is not fixed; each one without a name gets its own.
  int64_t symbol(const std::string& name);

  TensorId add(std::string name, int32_t type, std::vector<int64_t> dimensions);
  TensorId add_constant(std::string name, std::vector<int64_t> dimensions, std::vector<float> values);
  const Tensor& at(TensorId id) const { return tensors.at(id); }
};

// How often a tensor is read (an operation that reads it twice counts twice), and by whom; graph outputs count as one more use.
struct TensorUses {
  explicit TensorUses(const Network& network);
  std::vector<std::vector<uint32_t>> users;  // per tensor: operation indices, ascending, once each
  std::vector<uint32_t> producer;            // per tensor: operation index or UINT32_MAX
  std::vector<bool> output;                  // per tensor
};

// Drops operations whose outputs nobody uses. (Operations removed by a pass have no outputs.)
void remove_dead(Network& network);

// A tensor as a batch of images: [N, C, H, W], [N, C, W] with height 1; rank 2 is [N, C] with one pixel.
struct ImageShape {
  int64_t batch = 0, channels = 0, height = 1, width = 1;
  int64_t pixels() const { return height * width; }
};
bool is_image(const std::vector<int64_t>& dimensions);  // rank 3 or 4
ImageShape image_shape(const std::vector<int64_t>& dimensions);

// How an anchor's epilogue could address a tensor, given the anchor's output. False when it cannot.
bool epilogue_access(const Operation& anchor, const Tensor& output, const Tensor& operand, Access& access);

// Row-major strides in elements.
std::vector<int64_t> row_major(const std::vector<int64_t>& dimensions);
int64_t count(const std::vector<int64_t>& dimensions);

Network read(const lathe_graph& graph);

// A body of a node in `outer`: captured constants become constants of the body, other captures its last inputs, which are appended to `captured`.
Operation::Body read_body(const lathe_graph& body, const Network& outer, std::vector<TensorId>& captured);

// The attributes of a node as kernels take them; subgraphs are left out.
std::vector<Generic::Attribute> read_attributes(const lathe_graph& graph, const lathe_node& node);

// Whether a node works on run-time values, given its tensors and operator.
bool is_dynamic(const Network& network, const lathe_node& node);
Operation read_dynamic(const lathe_graph& graph, const lathe_node& node, const Network& network);

// How an elementwise operation or a product on run-time values is computed row by row; nullopt when it cannot be.
std::optional<Rows> rows_of(const Network& network, const Operation& operation);

void fuse(Network& network);

// Per tensor, the layout in which its producer writes it.
std::vector<Layout> choose_layouts(const Network& network, const Machine& machine);

// Where tensors lie before addresses are known.
struct Storage {
  Buffer::Kind kind = Buffer::Kind::arena;
  uint32_t index = 0;   // of the model's input or output
  uint64_t offset = 0;  // of weights
  uint64_t bytes = 0;
};
struct StorageRange {  // what will become a Buffer
  uint32_t storage = 0;
  uint64_t offset = 0, bytes = 0;
  auto operator<=>(const StorageRange&) const = default;
};

// Constants of a program and its bodies, each content once.
class Weights {
 public:
  // The content's offset.
  uint64_t add(const void* data, size_t size);
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
  std::unordered_map<size_t, std::vector<std::pair<uint64_t, size_t>>> known_;  // hash of the content -> offsets and sizes
};

// Steps whose arguments are indices into `ranges` (or no_buffer).
struct StepList {
  std::vector<Step> steps;
  std::vector<Storage> storages;
  std::vector<StorageRange> ranges;
  std::vector<ProgramValue> values;                  // buffers as indices into `ranges`
  std::vector<ValueId> input_values, output_values;  // no_value: planned
};
StepList lower(const Network& network, const std::vector<Layout>& layouts, const Machine& machine, Weights& weights);

// Everything behind reading.
Program plan_network(Network& network, const Machine& machine, Weights& weights);

// Places the arena's storages by their lifetimes (first fit, largest first, 64-byte aligned) and turns ranges into buffers.
void place(const StepList& list, Program& program);

}  // namespace lathe::llvm_cpu
