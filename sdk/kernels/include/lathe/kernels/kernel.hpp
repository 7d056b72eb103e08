// What every kernel of sdk/kernels is written against: freestanding C++20, no library call that a bare target lacks.
//
// A kernel is a function template `void name(const Call&)`, one per operator, in the header of its operator family. The same source is
// compiled three ways: into Lathe's core, where it folds constants and is the reference; to LLVM bitcode, where a code-generating
// target inlines it into a call whose types, shapes and attributes are constants and so specialises it; and into a vendor's plugin.
// Shapes and types were checked by the operator's inference (core/ops) before a kernel sees them; a kernel checks only what
// depends on the DATA (an index out of bounds) and says so through Call::fail.
#pragma once
#include <cstddef>
#include <cstdint>

// A program that compiles the kernels several times for several instruction sets gives each copy a namespace of its own, so that
// the linker never merges code for a newer processor into the copy for an older one.
#ifndef LATHE_KERNELS_NAMESPACE
#define LATHE_KERNELS_NAMESPACE kernels
#endif

namespace lathe::LATHE_KERNELS_NAMESPACE {

// Data types by ONNX's TensorProto.DataType numbers (the same as lathe/graph.h).
enum class Type : int32_t {
  none = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,
  int4 = 22,
  float4e2m1 = 23,
  float8e8m0 = 24,
  uint2 = 25,
  int2 = 26
};

// A dense, row-major tensor. An absent optional input has data == nullptr and type none.
struct Tensor {
  void* data;
  const int64_t* dimensions;
  int32_t rank;
  Type type;

  bool present() const { return type != Type::none; }
  int64_t dimension(int32_t axis) const { return dimensions[axis < 0 ? axis + rank : axis]; }
  int64_t size() const {
    int64_t n = 1;
    for (int32_t i = 0; i < rank; ++i) n *= dimensions[i];
    return n;
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

struct Attribute {
  const char* name;  // terminated
  const int64_t* ints;
  const float* floats;
  const char* string;  // terminated, for string attributes; for a tensor attribute its packed bytes
  int64_t count;       // of ints, floats or the tensor's elements; 1 for a single value
};

struct Call {
  const Tensor* inputs;
  const Tensor* outputs;  // shapes known, bytes allocated; except in operators whose output shape depends on data: see allocate
  const Attribute* attributes;
  int32_t input_count, output_count, attribute_count;
  int32_t opset;

  // Runs body(argument, task, worker) for task 0..tasks-1, possibly in parallel; nullptr: run serially.
  void (*parallel_for)(void* context, uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument);
  void* parallel_context;
  // Gives output `index` its shape and bytes, for operators whose output shape depends on data. nullptr elsewhere.
  const Tensor* (*allocate)(void* context, int32_t index, const int64_t* dimensions, int32_t rank);
  void* allocate_context;
  // Working memory that the kernel asked for through its `scratch` function (bytes per call), or nullptr.
  void* scratch;
  // Where a kernel says that the data is bad: a static sentence. The outputs' contents are then unspecified.
  const char** error;

  const Tensor& input(int32_t index) const { return inputs[index]; }
  bool has_input(int32_t index) const { return index < input_count && inputs[index].present(); }
  const Tensor& output(int32_t index = 0) const { return outputs[index]; }
  bool has_output(int32_t index) const { return index < output_count && outputs[index].present(); }
  void fail(const char* sentence) const { *error = sentence; }

  const Attribute* attribute(const char* name) const {
    for (int32_t i = 0; i < attribute_count; ++i) {
      const char *a = attributes[i].name, *b = name;
      while (*a && *a == *b) ++a, ++b;
      if (*a == *b) return &attributes[i];
    }
    return nullptr;
  }
  int64_t integer(const char* name, int64_t fallback) const {
    const Attribute* a = attribute(name);
    return a ? a->ints[0] : fallback;
  }
  float real(const char* name, float fallback) const {
    const Attribute* a = attribute(name);
    return a ? a->floats[0] : fallback;
  }
  // Whether the string attribute has that value; `fallback` is its value when it is not given.
  bool is(const char* name, const char* value, const char* fallback) const {
    const Attribute* a = attribute(name);
    const char* s = a ? a->string : fallback;
    while (*s && *s == *value) ++s, ++value;
    return *s == *value;
  }
};

using Kernel = void (*)(const Call&);

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
