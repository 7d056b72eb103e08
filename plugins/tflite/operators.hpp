// The one table of TensorFlow Lite's operators: number, option table with its fields, and the version each feature came with.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "model.hpp"

namespace lathe::tflite {

enum class FieldKind : uint8_t { none, byte, int32, boolean, float32, ints };

struct OptionField {
  std::string_view name;
  FieldKind kind = FieldKind::none;
  uint8_t slot = 0;     // the field's number in its table
  double fallback = 0;  // the schema's default
};

struct OptionTable {
  uint8_t number = 0;  // in the union BuiltinOptions; 0: the operator has none
  std::array<OptionField, 8> fields = {};
};

// What a use of an operator may ask of the runtime beyond version 1.
enum class Feature : uint8_t {
  none,
  always,
  in_int8,
  in_uint8,
  in_int16,
  in_int32,
  in_int64,
  in_bool,
  in_string,
  in_float16,
  data_int8,  // of SPLIT and TRANSPOSE_CONV, whose data is the second input
  data_int32,
  data_int16,
  all_int8,  // input, weights and output
  hybrid,    // float input and output, int8 weights
  hybrid_per_axis,
  per_axis,
  no_bias,
  keep_dims,
  with_bias,  // TRANSPOSE_CONV's fourth input
  activation,
  dilated,
  rank5,
  broadcast5,
  half_pixel,
  align_corners,
  masks,
  batch_dims,
  upscale,  // MUL whose combined scale is at least one
  uses_float64_or_float16,
  uses_uint16,
  uses_int8,
  uses_uint32,
  grouped
};

struct VersionRule {
  Feature feature = Feature::none;
  int32_t version = 1;
};

struct OperatorInfo {
  std::string_view name;  // as in the schema's enumeration
  int32_t code;
  OptionTable options;
  std::array<VersionRule, 8> versions = {};
};

const OperatorInfo* find_operator(int32_t code);           // null: not in the table
const OperatorInfo* find_operator(std::string_view name);  // likewise

// The lowest version of the operator with all that this use of it needs.
int32_t lowest_version(const Subgraph& graph, const Operator& op);

}  // namespace lathe::tflite
