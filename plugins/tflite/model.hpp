// A .tflite model as plain data: what the file holds, with tensors and operators addressed by index, free of FlatBuffers.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::tflite {

// TensorType of the schema.
enum class Type : int8_t {
  float32 = 0,
  float16 = 1,
  int32 = 2,
  uint8 = 3,
  int64 = 4,
  string = 5,
  boolean = 6,
  int16 = 7,
  complex64 = 8,
  int8 = 9,
  float64 = 10,
  complex128 = 11,
  uint64 = 12,
  resource = 13,
  variant = 14,
  uint32 = 15,
  uint16 = 16,
  int4 = 17
};
enum class Padding : int8_t { same = 0, valid = 1 };
enum class Activation : int8_t { none = 0, relu = 1, relu_n1_to_1 = 2, relu6 = 3, tanh = 4, sign_bit = 5 };

const char* name(Type type);           // "FLOAT32", as the schema spells it
size_t element_bytes(Type type);       // 0 for strings, 4-bit and opaque types
int32_t onnx_type(Type type);          // LATHE_FLOAT32, ...; 0 where ONNX has none
bool type_of(int32_t onnx, Type& to);  // the other way; false where the format has none

// real = scale * (stored - zero_point), per tensor or along one axis.
struct Quantization {
  std::vector<float> scales;
  std::vector<int64_t> zero_points;
  int32_t axis = 0;
  bool present() const { return !scales.empty(); }
  bool per_axis() const { return scales.size() > 1; }
  int64_t zero_point(size_t i = 0) const { return zero_points.empty() ? 0 : zero_points[zero_points.size() == 1 ? 0 : i]; }
  bool operator==(const Quantization&) const = default;
};

struct Tensor {
  std::string name;
  Type type = Type::float32;
  std::vector<int32_t> shape;      // 1 stands where the signature is open
  std::vector<int32_t> signature;  // empty, or the shape with -1 where it is open
  Quantization quantization;
  bool constant = false;
  bool variable = false, sparse = false;
  std::string_view bytes;             // of constants
  std::shared_ptr<const void> owner;  // keeps `bytes` alive; null when they lie in a mapped file
};

// A field of an operator's option table; see OptionField for the names.
struct Option {
  std::string_view name;
  double number = 0;
  std::vector<int32_t> list;
};

struct Operator {
  int32_t code = 0;  // BuiltinOperator
  int32_t version = 1;
  std::string custom;                    // of CUSTOM: which
  std::vector<int32_t> inputs, outputs;  // -1: absent
  std::vector<Option> options;
  std::string_view custom_options;
  std::string origin;  // the node it was made from, for messages

  double number(std::string_view option, double fallback = 0) const {
    for (const Option& o : options)
      if (o.name == option) return o.number;
    return fallback;
  }
  int integer(std::string_view option, int fallback = 0) const { return static_cast<int>(number(option, fallback)); }
  const std::vector<int32_t>* list(std::string_view option) const {
    for (const Option& o : options)
      if (o.name == option) return &o.list;
    return nullptr;
  }
  int32_t input(size_t i) const { return i < inputs.size() ? inputs[i] : -1; }
};

struct Subgraph {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<int32_t> inputs, outputs;
  std::vector<Operator> operators;
};

struct Metadata {
  std::string name;
  std::string bytes;
};

struct Signature {
  std::string key;
  uint32_t subgraph = 0;
  std::vector<std::pair<std::string, uint32_t>> inputs, outputs;  // name and tensor index
};

struct Model {
  std::string description;
  std::vector<Subgraph> subgraphs;
  std::vector<Metadata> metadata;
  std::vector<Signature> signatures;
};

}  // namespace lathe::tflite
