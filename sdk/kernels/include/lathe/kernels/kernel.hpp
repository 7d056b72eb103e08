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

// An element of a string tensor: UTF-8, not terminated. Same layout as lathe_string.
struct String {
  const char* data;
  int64_t size;
};

// A dense, row-major tensor. An absent optional input has data == nullptr and type none. Types smaller than a byte lie one element per
// byte, sign-extended where they are signed (engines unpack them before a kernel and pack them after it); a float4 is its four bits.
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
  const char* string;  // terminated
  int64_t count;       // of ints, floats or strings; 1 for a single value
  const String* strings = nullptr;
  const struct Tensor* tensor = nullptr;
};

// Decodes a picture file. Once its size is known it calls allocate(target, height, width) and writes height * width * 3 bytes of red, green and blue
// there, rows from the top; nullptr from allocate: there is no memory. Returns nullptr, or a sentence on why it could not, which lives until the
// same thread's next call. (The same type as lathe_decode_picture of lathe/artifact.h and the function of lathe/executor.h's "pictures/1".)
using DecodePicture = const char* (*)(void* context, const void* file, uint64_t size, void* target,
                                      uint8_t* (*allocate)(void* target, int64_t height, int64_t width));

struct Call {
  const Tensor* inputs;
  const Tensor* outputs;  // shapes known, bytes allocated; except in operators whose output shape depends on data: see allocate
  const Attribute* attributes;
  int32_t input_count, output_count, attribute_count;
  int32_t opset;

  // Runs body(argument, task, worker) for task 0..tasks-1, possibly in parallel; nullptr: run serially.
  void (*parallel_for)(void* context, uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument);
  void* parallel_context;
  // Gives output `index` its shape and bytes (its type is set already), once; outputs[index] shows them afterwards. Shape functions call
  // it, and kernels that stand in the list of kernels without one, because their output's shape depends on data. nullptr elsewhere.
  const Tensor* (*allocate)(void* context, int32_t index, const int64_t* dimensions, int32_t rank);
  void* allocate_context;
  // Memory, 64-byte aligned, for kernels without a shape function and for those that yield strings: `kept` lives as long as the outputs (the
  // characters of strings), else it is gone when the kernel returns. nullptr when there is none left. See keep() and temporary().
  void* (*memory)(void* context, uint64_t bytes, bool kept);
  // Working memory that the kernel asked for through its `scratch` function (bytes per call), or nullptr.
  void* scratch;
  // Where a kernel says that the data is bad: a static sentence. The outputs' contents are then unspecified.
  const char** error;
  // What no bare target has; nullptr: nothing here decodes pictures.
  DecodePicture decode_picture = nullptr;
  void* picture_context = nullptr;

  const Tensor& input(int32_t index) const { return inputs[index]; }
  bool has_input(int32_t index) const { return index < input_count && inputs[index].present(); }
  const Tensor& output(int32_t index = 0) const { return outputs[index]; }
  bool has_output(int32_t index) const { return index < output_count && outputs[index].present(); }
  void fail(const char* sentence) const { *error = sentence; }
  // False (and the call failed) when there is no memory.
  bool allocate_output(int32_t index, const int64_t* dimensions, int32_t rank) const {
    if (!has_output(index)) return true;
    if (allocate(allocate_context, index, dimensions, rank)) return true;
    fail("there is no memory for an output of this shape");
    return false;
  }
  // nullptr (and the call failed) when there is no memory.
  template <class T>
  T* temporary(int64_t count) const {
    return static_cast<T*>(obtain(uint64_t(count) * sizeof(T), false));
  }
  template <class T>
  T* keep(int64_t count) const {
    return static_cast<T*>(obtain(uint64_t(count) * sizeof(T), true));
  }
  void* obtain(uint64_t bytes, bool kept) const {
    void* result = memory(allocate_context, bytes ? bytes : 1, kept);
    if (!result) fail("there is no memory for the work of an operator");
    return result;
  }

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

// A shape function has the same form: it reads the inputs' shapes (and the few inputs and attributes that decide about shapes) and calls
// allocate_output for every output that is present. Inference (core/ops) says the same ahead of time, as far as it can be known;
// generated code calls the shape function where it could not. It checks what inference could not check, with Call::fail.
using ShapeFunction = Kernel;

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
