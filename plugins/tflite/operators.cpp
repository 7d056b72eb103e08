// Numbers, option tables and versions, after TensorFlow Lite's schema version 3 and its list of operator versions.
#include "operators.hpp"

#include <algorithm>

#include "lathe/graph.h"

namespace lathe::tflite {
namespace {

using F = Feature;

constexpr OptionField byte(std::string_view name, uint8_t slot, double fallback = 0) { return {name, FieldKind::byte, slot, fallback}; }
constexpr OptionField number(std::string_view name, uint8_t slot, double fallback = 0) { return {name, FieldKind::int32, slot, fallback}; }
constexpr OptionField flag(std::string_view name, uint8_t slot, double fallback = 0) { return {name, FieldKind::boolean, slot, fallback}; }
constexpr OptionField real(std::string_view name, uint8_t slot, double fallback = 0) { return {name, FieldKind::float32, slot, fallback}; }
constexpr OptionField ints(std::string_view name, uint8_t slot) { return {name, FieldKind::ints, slot, 0}; }

constexpr OptionTable no_options = {};
constexpr OptionTable conv2d = {1,
                                {byte("padding", 0), number("stride_w", 1), number("stride_h", 2), byte("activation", 3), number("dilation_w", 4, 1),
                                 number("dilation_h", 5, 1)}};
constexpr OptionTable depthwise = {2,
                                   {byte("padding", 0), number("stride_w", 1), number("stride_h", 2), number("multiplier", 3), byte("activation", 4),
                                    number("dilation_w", 5, 1), number("dilation_h", 6, 1)}};
constexpr OptionTable pool2d = {
    5, {byte("padding", 0), number("stride_w", 1), number("stride_h", 2), number("filter_w", 3), number("filter_h", 4), byte("activation", 5)}};
constexpr OptionTable fully_connected = {
    8, {byte("activation", 0), byte("weights_format", 1), flag("keep_num_dims", 2), flag("asymmetric_quantize_inputs", 3)}};
constexpr OptionTable add = {11, {byte("activation", 0), flag("pot_scale_int16", 1, 1)}};
constexpr OptionTable sub = {28, {byte("activation", 0), flag("pot_scale_int16", 1, 1)}};
constexpr OptionTable strided_slice = {32,
                                       {number("begin_mask", 0), number("end_mask", 1), number("ellipsis_mask", 2), number("new_axis_mask", 3),
                                        number("shrink_axis_mask", 4), flag("offset", 5)}};
constexpr OptionTable reducer = {27, {flag("keep_dims", 0)}};
constexpr OptionTable lstm = {
    14, {byte("activation", 0), real("cell_clip", 1), real("proj_clip", 2), byte("kernel_type", 3), flag("asymmetric_quantize_inputs", 4)}};
constexpr OptionTable conv3d = {106,
                                {byte("padding", 0), number("stride_d", 1), number("stride_w", 2), number("stride_h", 3), byte("activation", 4),
                                 number("dilation_d", 5, 1), number("dilation_w", 6, 1), number("dilation_h", 7, 1)}};

// clang-format off
constexpr OperatorInfo table[] = {
  {"ADD", 0, add, {{{F::in_int8, 2}, {F::in_int16, 3}, {F::in_int64, 4}}}},
  {"AVERAGE_POOL_2D", 1, pool2d, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"CONCATENATION", 2, {10, {number("axis", 0), byte("activation", 1)}}, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"CONV_2D", 3, conv2d, {{{F::hybrid, 2}, {F::all_int8, 3}, {F::hybrid_per_axis, 5}, {F::grouped, 6}}}},
  {"DEPTHWISE_CONV_2D", 4, depthwise, {{{F::dilated, 2}, {F::all_int8, 3}, {F::hybrid, 4}, {F::hybrid_per_axis, 6}}}},
  {"DEPTH_TO_SPACE", 5, {94, {number("block_size", 0)}}, {{{F::in_int8, 2}}}},
  {"DEQUANTIZE", 6, {38}, {{{F::in_int8, 2}, {F::in_int16, 3}, {F::in_float16, 3}, {F::per_axis, 5}}}},
  {"EMBEDDING_LOOKUP", 7, no_options, {}},
  {"FLOOR", 8, no_options, {}},
  {"FULLY_CONNECTED", 9, fully_connected, {{{F::hybrid, 3}, {F::all_int8, 4}, {F::keep_dims, 5}, {F::no_bias, 6}, {F::hybrid_per_axis, 12}}}},
  {"L2_NORMALIZATION", 11, {12, {byte("activation", 0)}}, {{{F::in_int8, 2}}}},
  {"L2_POOL_2D", 12, pool2d, {}},
  {"LOCAL_RESPONSE_NORMALIZATION", 13, {13, {number("radius", 0), real("bias", 1), real("alpha", 2), real("beta", 3)}}, {}},
  {"LOGISTIC", 14, no_options, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"LSTM", 16, lstm, {}},
  {"MAX_POOL_2D", 17, pool2d, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"MUL", 18, {21, {byte("activation", 0)}}, {{{F::in_int8, 2}, {F::upscale, 3}, {F::in_int16, 4}, {F::in_int64, 5}}}},
  {"RELU", 19, no_options, {{{F::in_int8, 2}, {F::in_uint8, 2}, {F::in_int16, 3}}}},
  {"RELU_N1_TO_1", 20, no_options, {}},
  {"RELU6", 21, no_options, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"RESHAPE", 22, {17, {ints("new_shape", 0)}}, {}},
  {"RESIZE_BILINEAR", 23, {15, {flag("align_corners", 2), flag("half_pixel_centers", 3)}}, {{{F::in_int8, 2}, {F::half_pixel, 3}, {F::in_int16, 4}}}},
  {"RNN", 24, no_options, {}},
  {"SOFTMAX", 25, {9, {real("beta", 0)}}, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"SPACE_TO_DEPTH", 26, {19, {number("block_size", 0)}}, {{{F::in_int8, 2}}}},
  {"SVDF", 27, no_options, {}},
  {"TANH", 28, no_options, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"CUSTOM", 32, no_options, {}},
  {"PAD", 34, {22}, {{{F::in_int8, 2}, {F::in_int16, 3}, {F::rank5, 4}}}},
  {"GATHER", 36, {23, {number("axis", 0), number("batch_dims", 1)}}, {{{F::in_int8, 2}, {F::in_bool, 3}, {F::in_int16, 4}, {F::batch_dims, 5}}}},
  {"BATCH_TO_SPACE_ND", 37, {24}, {{{F::in_int8, 2}}}},
  {"SPACE_TO_BATCH_ND", 38, {25}, {{{F::in_int8, 2}}}},
  {"TRANSPOSE", 39, {26}, {{{F::in_int8, 2}, {F::in_bool, 3}, {F::rank5, 4}, {F::in_int16, 5}}}},
  {"MEAN", 40, reducer, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"SUB", 41, sub, {{{F::in_int8, 2}, {F::broadcast5, 3}, {F::in_int64, 4}, {F::in_int16, 5}}}},
  {"DIV", 42, {29, {byte("activation", 0)}}, {{{F::broadcast5, 2}}}},
  {"SQUEEZE", 43, {30, {ints("squeeze_dims", 0)}}, {{{F::in_string, 2}}}},
  {"UNIDIRECTIONAL_SEQUENCE_LSTM", 44, {71, {byte("activation", 0), real("cell_clip", 1), real("proj_clip", 2), flag("time_major", 3), flag("asymmetric_quantize_inputs", 4)}}, {}},
  {"STRIDED_SLICE", 45, strided_slice, {{{F::in_int8, 2}, {F::in_bool, 3}, {F::rank5, 4}, {F::in_string, 5}, {F::masks, 6}}}},
  {"EXP", 47, {33}, {}},
  {"TOPK_V2", 48, {34}, {{{F::in_int8, 2}}}},
  {"SPLIT", 49, {35, {number("num_splits", 0)}}, {{{F::data_int8, 2}, {F::data_int32, 3}, {F::data_int16, 4}}}},
  {"LOG_SOFTMAX", 50, {36}, {{{F::in_int8, 2}}}},
  {"CAST", 53, {37, {byte("in_data_type", 0), byte("out_data_type", 1)}}, {{{F::uses_uint32, 2}, {F::uses_int8, 3}, {F::uses_uint16, 4}, {F::uses_float64_or_float16, 5}}}},
  {"PRELU", 54, no_options, {}},
  {"MAXIMUM", 55, {39}, {{{F::in_int8, 2}, {F::broadcast5, 3}, {F::in_int16, 4}}}},
  {"ARG_MAX", 56, {40, {byte("output_type", 0)}}, {{{F::in_int8, 2}, {F::in_bool, 3}}}},
  {"MINIMUM", 57, {39}, {{{F::in_int8, 2}, {F::broadcast5, 3}, {F::in_int16, 4}}}},
  {"LESS", 58, {41}, {{{F::in_int8, 2}}}},
  {"NEG", 59, {42}, {}},
  {"PADV2", 60, {43}, {{{F::in_int8, 2}, {F::in_int16, 3}, {F::rank5, 4}}}},
  {"GREATER", 61, {44}, {{{F::in_int8, 2}}}},
  {"GREATER_EQUAL", 62, {45}, {{{F::in_int8, 2}}}},
  {"LESS_EQUAL", 63, {46}, {{{F::in_int8, 2}}}},
  {"SELECT", 64, {47}, {{{F::in_int8, 2}}}},
  {"SLICE", 65, {48}, {{{F::in_int8, 2}, {F::in_string, 3}, {F::in_int16, 4}, {F::rank5, 5}}}},
  {"SIN", 66, no_options, {}},
  {"TRANSPOSE_CONV", 67, {49, {byte("padding", 0), number("stride_w", 1), number("stride_h", 2), byte("activation", 3)}}, {{{F::data_int8, 2}, {F::with_bias, 3}, {F::activation, 4}}}},
  {"SPARSE_TO_DENSE", 68, {50, {flag("validate_indices", 0)}}, {}},
  {"TILE", 69, {51}, {{{F::in_string, 2}, {F::in_int8, 3}}}},
  {"EXPAND_DIMS", 70, {52}, {}},
  {"EQUAL", 71, {53}, {{{F::in_int8, 2}, {F::in_string, 3}, {F::in_int16, 4}}}},
  {"NOT_EQUAL", 72, {54}, {{{F::in_int8, 2}, {F::in_string, 3}}}},
  {"LOG", 73, no_options, {}},
  {"SUM", 74, reducer, {{{F::in_int8, 2}}}},
  {"SQRT", 75, no_options, {}},
  {"RSQRT", 76, no_options, {{{F::in_int8, 2}}}},
  {"SHAPE", 77, {55, {byte("out_type", 0)}}, {}},
  {"POW", 78, {56}, {}},
  {"ARG_MIN", 79, {57, {byte("output_type", 0)}}, {{{F::in_int8, 2}, {F::in_bool, 3}}}},
  {"FAKE_QUANT", 80, {58, {real("min", 0), real("max", 1), number("num_bits", 2), flag("narrow_range", 3)}}, {}},
  {"REDUCE_PROD", 81, reducer, {}},
  {"REDUCE_MAX", 82, reducer, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"PACK", 83, {59, {number("values_count", 0), number("axis", 1)}}, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"LOGICAL_OR", 84, {60}, {}},
  {"ONE_HOT", 85, {61, {number("axis", 0)}}, {}},
  {"LOGICAL_AND", 86, {62}, {}},
  {"LOGICAL_NOT", 87, {63}, {}},
  {"UNPACK", 88, {64, {number("num", 0), number("axis", 1)}}, {{{F::in_int8, 2}, {F::in_uint8, 2}, {F::in_bool, 3}, {F::in_int16, 4}}}},
  {"REDUCE_MIN", 89, reducer, {{{F::in_int8, 2}, {F::in_int16, 3}}}},
  {"FLOOR_DIV", 90, {65}, {}},
  {"REDUCE_ANY", 91, reducer, {}},
  {"SQUARE", 92, {66}, {}},
  {"ZEROS_LIKE", 93, {67}, {}},
  {"FILL", 94, {68}, {}},
  {"FLOOR_MOD", 95, {72}, {}},
  {"RANGE", 96, {73}, {}},
  {"RESIZE_NEAREST_NEIGHBOR", 97, {74, {flag("align_corners", 0), flag("half_pixel_centers", 1)}}, {{{F::in_int8, 2}, {F::half_pixel, 3}, {F::align_corners, 3}, {F::in_int16, 4}}}},
  {"LEAKY_RELU", 98, {75, {real("alpha", 0)}}, {{{F::in_int16, 2}}}},
  {"SQUARED_DIFFERENCE", 99, {76}, {{{F::in_int8, 2}}}},
  {"MIRROR_PAD", 100, {77, {byte("mode", 0)}}, {{{F::in_int8, 2}}}},
  {"ABS", 101, {78}, {}},
  {"SPLIT_V", 102, {79, {number("num_splits", 0)}}, {{{F::in_int8, 2}}}},
  {"UNIQUE", 103, {80, {byte("idx_out_type", 0, 2)}}, {}},
  {"CEIL", 104, no_options, {}},
  {"REVERSE_V2", 105, {81}, {{{F::in_bool, 2}, {F::in_int8, 3}}}},
  {"ADD_N", 106, {82}, {}},
  {"GATHER_ND", 107, {83}, {{{F::in_string, 2}, {F::in_int16, 3}}}},
  {"COS", 108, {84}, {}},
  {"WHERE", 109, {85}, {}},
  {"RANK", 110, {86}, {}},
  {"ELU", 111, no_options, {}},
  {"REVERSE_SEQUENCE", 112, {87, {number("seq_dim", 0), number("batch_dim", 1)}}, {}},
  {"QUANTIZE", 114, {89}, {}},
  {"ROUND", 116, no_options, {}},
  {"HARD_SWISH", 117, {91}, {}},
  {"IF", 118, {92, {number("then_subgraph", 0), number("else_subgraph", 1)}}, {}},
  {"WHILE", 119, {93, {number("cond_subgraph", 0), number("body_subgraph", 1)}}, {}},
  {"NON_MAX_SUPPRESSION_V4", 120, {95}, {}},
  {"NON_MAX_SUPPRESSION_V5", 121, {96}, {}},
  {"SCATTER_ND", 122, {97}, {}},
  {"SELECT_V2", 123, {98}, {}},
  {"DENSIFY", 124, {99}, {}},
  {"BATCH_MATMUL", 126, {101, {flag("adj_x", 0), flag("adj_y", 1), flag("asymmetric_quantize_inputs", 2)}}, {{{F::in_int8, 2}}}},
  {"CUMSUM", 128, {102, {flag("exclusive", 0), flag("reverse", 1)}}, {}},
  {"CALL_ONCE", 129, {103, {number("init_subgraph_index", 0)}}, {}},
  {"BROADCAST_TO", 130, {104}, {{{F::always, 2}, {F::in_int8, 3}, {F::in_int16, 3}}}},
  {"CONV_3D", 132, conv3d, {}},
  {"HASHTABLE", 136, no_options, {}},
  {"HASHTABLE_FIND", 137, no_options, {}},
  {"HASHTABLE_IMPORT", 138, no_options, {}},
  {"HASHTABLE_SIZE", 139, no_options, {}},
  {"REDUCE_ALL", 140, reducer, {}},
  {"CONV_3D_TRANSPOSE", 141, conv3d, {}},
  {"VAR_HANDLE", 142, no_options, {}},
  {"READ_VARIABLE", 143, no_options, {}},
  {"ASSIGN_VARIABLE", 144, no_options, {}},
  {"RANDOM_STANDARD_NORMAL", 146, {114}, {}},
  {"RANDOM_UNIFORM", 148, {114}, {}},
  {"MULTINOMIAL", 149, {114}, {}},
  {"GELU", 150, {116, {flag("approximate", 0)}}, {{{F::in_int8, 2}, {F::in_uint8, 2}}}},
};
// clang-format on

const Tensor* tensor(const Subgraph& graph, int32_t index) {
  return index >= 0 && static_cast<size_t>(index) < graph.tensors.size() ? &graph.tensors[static_cast<size_t>(index)] : nullptr;
}

bool uses(const Tensor* a, const Tensor* b, Type type) { return (a && a->type == type) || (b && b->type == type); }

bool holds(Feature feature, const Subgraph& graph, const Operator& op) {
  const Tensor* first = tensor(graph, op.input(0));
  const Tensor* second = tensor(graph, op.input(1));
  const Tensor* out = tensor(graph, op.outputs.empty() ? -1 : op.outputs[0]);
  const auto first_is = [&](Type type) { return first && first->type == type; };
  const auto second_is = [&](Type type) { return second && second->type == type; };
  const bool float_around = first_is(Type::float32) && out && out->type == Type::float32;
  switch (feature) {
    case F::none:
      return false;
    case F::always:
      return true;
    case F::in_int8:
      return first_is(Type::int8);
    case F::in_uint8:
      return first_is(Type::uint8);
    case F::in_int16:
      return first_is(Type::int16);
    case F::in_int32:
      return first_is(Type::int32);
    case F::in_int64:
      return first_is(Type::int64);
    case F::in_bool:
      return first_is(Type::boolean);
    case F::in_string:
      return first_is(Type::string);
    case F::in_float16:
      return first_is(Type::float16);
    case F::data_int8:
      return second_is(Type::int8);
    case F::data_int32:
      return second_is(Type::int32);
    case F::data_int16:
      return second_is(Type::int16);
    case F::all_int8:
      return first_is(Type::int8) && second_is(Type::int8);
    case F::hybrid:
      return float_around && second_is(Type::int8);
    case F::hybrid_per_axis:
      return float_around && second_is(Type::int8) && second->quantization.per_axis();
    case F::per_axis:
      return first && first->quantization.per_axis();
    case F::no_bias:
      return op.inputs.size() < 3 || op.inputs[2] < 0;
    case F::keep_dims:
      return op.number("keep_num_dims") != 0;
    case F::with_bias:
      return op.inputs.size() > 3 && op.inputs[3] >= 0;
    case F::activation:
      return op.number("activation") != 0;
    case F::dilated:
      return op.integer("dilation_w", 1) != 1 || op.integer("dilation_h", 1) != 1;
    case F::rank5:
      return first && first->shape.size() > 4;
    case F::broadcast5:
      return first && second && first->shape != second->shape && std::max(first->shape.size(), second->shape.size()) > 4;
    case F::half_pixel:
      return op.number("half_pixel_centers") != 0;
    case F::align_corners:
      return op.number("align_corners") != 0;
    case F::masks:
      return op.number("ellipsis_mask") != 0 || op.number("new_axis_mask") != 0;
    case F::batch_dims:
      return op.number("batch_dims") != 0;
    case F::upscale:
      return first && second && out && first->quantization.present() && second->quantization.present() && out->quantization.present() &&
             first->quantization.scales[0] * second->quantization.scales[0] / out->quantization.scales[0] >= 1;
    case F::uses_float64_or_float16:
      return uses(first, out, Type::float64) || uses(first, out, Type::float16);
    case F::uses_uint16:
      return uses(first, out, Type::uint16);
    case F::uses_int8:
      return uses(first, out, Type::int8);
    case F::uses_uint32:
      return uses(first, out, Type::uint32);
    case F::grouped:
      return first && second && first->shape.size() == 4 && second->shape.size() == 4 && first->shape[3] != second->shape[3];
  }
  return false;
}

struct TypeInfo {
  const char* name;
  size_t bytes;
  int32_t onnx;
};
constexpr TypeInfo types[] = {{"FLOAT32", 4, LATHE_FLOAT32},
                              {"FLOAT16", 2, LATHE_FLOAT16},
                              {"INT32", 4, LATHE_INT32},
                              {"UINT8", 1, LATHE_UINT8},
                              {"INT64", 8, LATHE_INT64},
                              {"STRING", 0, LATHE_STRING},
                              {"BOOL", 1, LATHE_BOOL},
                              {"INT16", 2, LATHE_INT16},
                              {"COMPLEX64", 8, LATHE_COMPLEX64},
                              {"INT8", 1, LATHE_INT8},
                              {"FLOAT64", 8, LATHE_FLOAT64},
                              {"COMPLEX128", 16, LATHE_COMPLEX128},
                              {"UINT64", 8, LATHE_UINT64},
                              {"RESOURCE", 0, 0},
                              {"VARIANT", 0, 0},
                              {"UINT32", 4, LATHE_UINT32},
                              {"UINT16", 2, LATHE_UINT16},
                              {"INT4", 0, LATHE_INT4}};
const TypeInfo* info(Type type) {
  const auto index = static_cast<size_t>(static_cast<uint8_t>(type));
  return index < std::size(types) ? &types[index] : nullptr;
}

}  // namespace

const char* name(Type type) { return info(type) ? info(type)->name : "?"; }
size_t element_bytes(Type type) { return info(type) ? info(type)->bytes : 0; }
int32_t onnx_type(Type type) { return info(type) ? info(type)->onnx : 0; }
bool type_of(int32_t onnx, Type& to) {
  for (size_t i = 0; i < std::size(types); ++i) {
    if (onnx != 0 && types[i].onnx == onnx) {
      to = static_cast<Type>(i);
      return true;
    }
  }
  return false;
}

const OperatorInfo* find_operator(int32_t code) {
  const auto* at = std::lower_bound(std::begin(table), std::end(table), code, [](const OperatorInfo& i, int32_t c) { return i.code < c; });
  return at != std::end(table) && at->code == code ? at : nullptr;
}

const OperatorInfo* find_operator(std::string_view name) {
  const auto* at = std::find_if(std::begin(table), std::end(table), [&](const OperatorInfo& i) { return i.name == name; });
  return at != std::end(table) ? at : nullptr;
}

int32_t lowest_version(const Subgraph& graph, const Operator& op) {
  int32_t version = 1;
  const OperatorInfo* found = find_operator(op.code);
  if (!found) return version;
  for (const VersionRule& rule : found->versions)
    if (rule.version > version && holds(rule.feature, graph, op)) version = rule.version;
  return version;
}

}  // namespace lathe::tflite
