// The table of operations, after OpenVINO's operation sets. Each line is parsed once.
//
// inputs and outputs: name:type, '?' optional, '...' repeated. attributes: name:kind, '!' required, =default.
#include "operations.hpp"

#include <algorithm>
#include <charconv>

namespace lathe::openvino {
namespace {

struct Line {
  std::string_view name;
  int opset;
  std::string_view inputs, outputs, types, attributes;
  ShapeRule shape = ShapeRule::own;
};

constexpr ShapeRule same = ShapeRule::same, broadcast = ShapeRule::broadcast;
constexpr std::string_view numpy = "auto_broadcast:numpy|none|pdpd=numpy";
constexpr std::string_view binary = "a:T b:T";
constexpr std::string_view unary = "data:T";
constexpr std::string_view sliding =
    "strides:ints>0! dilations:ints>0! pads_begin:ints>=0! pads_end:ints>=0! auto_pad:explicit|same_upper|same_lower|valid=explicit";
constexpr std::string_view transposed =
    "strides:ints>0! dilations:ints>0! pads_begin:ints>=0! pads_end:ints>=0! auto_pad:explicit|same_upper|same_lower|valid=explicit "
    "output_padding:ints>=0=0";
constexpr std::string_view interpolation =
    "mode:nearest|linear|linear_onnx|cubic! shape_calculation_mode:sizes|scales! "
    "coordinate_transformation_mode:half_pixel|pytorch_half_pixel|asymmetric|tf_half_pixel_for_nn|align_corners=half_pixel "
    "nearest_mode:round_prefer_floor|round_prefer_ceil|floor|ceil|simple=round_prefer_floor antialias:bool=false pads_begin:ints>=0=0 "
    "pads_end:ints>=0=0 "
    "cube_coeff:real=-0.75";
constexpr std::string_view reduction = "keep_dims:bool=false";
constexpr std::string_view sequence =
    "hidden_size:int>0! activations:text activations_alpha:reals activations_beta:reals clip:real>=0=0 direction:forward|reverse|bidirectional!";

// clang-format off
constexpr Line lines[] = {
    {"Parameter", 1, "", "output:@element_type", "", "shape:dims! element_type:type!"},
    {"Const", 1, "", "output:@element_type", "", "element_type:type! shape:dims! offset:int>=0! size:int>=0!"},
    {"Result", 1, "data:any", "", "", ""},
    // with bodies
    {"If", 8, "condition:boolean inputs:any...?", "outputs:any...", "", ""},
    {"Loop", 5, "trip_count:index condition:boolean inputs:any...?", "outputs:any...", "", ""},
    {"TensorIterator", 1, "inputs:any...", "outputs:any...", "", ""},
    // elementwise, two inputs
    {"Add", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"BitwiseAnd", 13, binary, "output:T", "T=any", numpy, broadcast},
    {"BitwiseLeftShift", 15, binary, "output:T", "T=integer", numpy, broadcast},
    {"BitwiseOr", 13, binary, "output:T", "T=any", numpy, broadcast},
    {"BitwiseRightShift", 15, binary, "output:T", "T=integer", numpy, broadcast},
    {"BitwiseXor", 13, binary, "output:T", "T=any", numpy, broadcast},
    {"Divide", 1, binary, "output:T", "T=number", "auto_broadcast:numpy|none|pdpd=numpy m_pythondiv:bool=true", broadcast},
    {"Equal", 1, binary, "output:boolean", "T=any", numpy, broadcast},
    {"FloorMod", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"Greater", 1, binary, "output:boolean", "T=any", numpy, broadcast},
    {"GreaterEqual", 1, binary, "output:boolean", "T=any", numpy, broadcast},
    {"Less", 1, binary, "output:boolean", "T=any", numpy, broadcast},
    {"LessEqual", 1, binary, "output:boolean", "T=any", numpy, broadcast},
    {"LogicalAnd", 1, binary, "output:boolean", "T=boolean", numpy, broadcast},
    {"LogicalOr", 1, binary, "output:boolean", "T=boolean", numpy, broadcast},
    {"LogicalXor", 1, binary, "output:boolean", "T=boolean", numpy, broadcast},
    {"Maximum", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"Minimum", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"Mod", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"Multiply", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"NotEqual", 1, binary, "output:boolean", "T=any", numpy, broadcast},
    {"PReLU", 1, "data:T slope:T", "output:T", "T=number", "", same},
    {"Power", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"Select", 1, "cond:boolean then:T else:T", "output:T", "T=any", numpy},
    {"SquaredDifference", 1, binary, "output:T", "T=number", numpy, broadcast},
    {"Subtract", 1, binary, "output:T", "T=number", numpy, broadcast},
    // elementwise, one input
    {"Abs", 1, unary, "output:T", "T=number", "", same},
    {"Acos", 1, unary, "output:T", "T=number", "", same},
    {"Acosh", 4, unary, "output:T", "T=number", "", same},
    {"Asin", 1, unary, "output:T", "T=number", "", same},
    {"Asinh", 4, unary, "output:T", "T=number", "", same},
    {"Atan", 1, unary, "output:T", "T=number", "", same},
    {"Atanh", 4, unary, "output:T", "T=number", "", same},
    {"BitwiseNot", 13, unary, "output:T", "T=any", "", same},
    {"Ceiling", 1, unary, "output:T", "T=number", "", same},
    {"Clamp", 1, unary, "output:T", "T=number", "min:real! max:real!", same},
    {"Convert", 1, "data:any", "output:@destination_type", "", "destination_type:type!", same},
    {"ConvertLike", 1, "data:any like:L", "output:L", "L=any", "", same},
    {"Cos", 1, unary, "output:T", "T=number", "", same},
    {"Cosh", 1, unary, "output:T", "T=number", "", same},
    {"Elu", 1, unary, "output:T", "T=float", "alpha:real!", same},
    {"Erf", 1, unary, "output:T", "T=number", "", same},
    {"Exp", 1, unary, "output:T", "T=number", "", same},
    {"Floor", 1, unary, "output:T", "T=number", "", same},
    {"Gelu", 2, unary, "output:T", "T=float", "", same},
    {"Gelu", 7, unary, "output:T", "T=float", "approximation_mode:ERF|TANH|erf|tanh=ERF", same},
    {"HSigmoid", 5, unary, "output:T", "T=float", "", same},
    {"HSwish", 4, unary, "output:T", "T=float", "", same},
    {"HardSigmoid", 1, "data:T alpha:T beta:T", "output:T", "T=float", "", same},
    {"IsFinite", 10, unary, "output:boolean", "T=float", "", same},
    {"IsInf", 10, unary, "output:boolean", "T=float", "detect_negative:bool=true detect_positive:bool=true", same},
    {"IsNaN", 10, unary, "output:boolean", "T=float", "", same},
    {"Log", 1, unary, "output:T", "T=number", "", same},
    {"LogicalNot", 1, unary, "output:boolean", "T=boolean", "", same},
    {"Mish", 4, unary, "output:T", "T=float", "", same},
    {"Negative", 1, unary, "output:T", "T=number", "", same},
    {"ReLU", 1, unary, "output:T", "T=number", "", same},
    {"Round", 5, unary, "output:T", "T=number", "mode:half_to_even|half_away_from_zero=half_to_even", same},
    {"Selu", 1, "data:T alpha:T lambda:T", "output:T", "T=float", "", same},
    {"Sigmoid", 1, unary, "output:T", "T=number", "", same},
    {"Sign", 1, unary, "output:T", "T=number", "", same},
    {"Sin", 1, unary, "output:T", "T=number", "", same},
    {"Sinh", 1, unary, "output:T", "T=number", "", same},
    {"SoftPlus", 4, unary, "output:T", "T=float", "", same},
    {"SoftSign", 9, unary, "output:T", "T=float", "", same},
    {"Sqrt", 1, unary, "output:T", "T=number", "", same},
    {"Swish", 4, "data:T beta:T?", "output:T", "T=float", "", same},
    {"Tan", 1, unary, "output:T", "T=number", "", same},
    {"Tanh", 1, unary, "output:T", "T=number", "", same},
    // along axes
    {"CumSum", 3, "data:T axis:index", "output:T", "T=number", "exclusive:bool=false reverse:bool=false", same},
    {"LogSoftmax", 5, unary, "output:T", "T=float", "axis:int=1", same},
    {"SoftMax", 1, unary, "output:T", "T=float", "axis:int=1", same},
    {"SoftMax", 8, unary, "output:T", "T=float", "axis:int=1", same},
    {"MVN", 6, "data:T axes:index", "output:T", "T=float", "normalize_variance:bool! eps:real>=0! eps_mode:inside_sqrt|outside_sqrt|INSIDE_SQRT|OUTSIDE_SQRT!", same},
    {"NormalizeL2", 1, "data:T axes:index", "output:T", "T=float", "eps:real>=0! eps_mode:add|max!", same},
    {"LRN", 1, "data:T axes:index", "output:T", "T=float", "alpha:real! beta:real! bias:real! size:int>0!", same},
    {"BatchNormInference", 5, "data:T gamma:T beta:T mean:T variance:T", "output:T", "T=float", "epsilon:real>=0!", same},
    {"GroupNormalization", 12, "data:T scale:T bias:T", "output:T", "T=float", "num_groups:int>0! epsilon:real>=0!", same},
    {"ReduceL1", 4, "data:T axes:index", "output:T", "T=number", reduction},
    {"ReduceL2", 4, "data:T axes:index", "output:T", "T=number", reduction},
    {"ReduceLogicalAnd", 1, "data:T axes:index", "output:T", "T=boolean", reduction},
    {"ReduceLogicalOr", 1, "data:T axes:index", "output:T", "T=boolean", reduction},
    {"ReduceMax", 1, "data:T axes:index", "output:T", "T=number", reduction},
    {"ReduceMean", 1, "data:T axes:index", "output:T", "T=number", reduction},
    {"ReduceMin", 1, "data:T axes:index", "output:T", "T=number", reduction},
    {"ReduceProd", 1, "data:T axes:index", "output:T", "T=number", reduction},
    {"ReduceSum", 1, "data:T axes:index", "output:T", "T=number", reduction},
    {"TopK", 3, "data:T k:integer", "values:T indices:@index_element_type", "T=number", "axis:int! mode:min|max! sort:value|index|none! index_element_type:type=i32"},
    {"TopK", 11, "data:T k:integer", "values:T indices:@index_element_type", "T=number", "axis:int! mode:min|max! sort:value|index|none! index_element_type:type=i32 stable:bool=false"},
    // products, windows
    {"Convolution", 1, "data:T filters:T", "output:T", "T=float", sliding},
    {"GroupConvolution", 1, "data:T filters:T", "output:T", "T=float", sliding},
    {"ConvolutionBackpropData", 1, "data:T filters:T output_shape:index?", "output:T", "T=float", transposed},
    {"GroupConvolutionBackpropData", 1, "data:T filters:T output_shape:index?", "output:T", "T=float", transposed},
    {"DeformableConvolution", 8, "data:T offsets:T filters:T mask:T?", "output:T", "T=float", "strides:ints>0! dilations:ints>0! pads_begin:ints>=0! pads_end:ints>=0! auto_pad:explicit|same_upper|same_lower|valid=explicit group:int>0=1 deformable_group:int>0=1 bilinear_interpolation_pad:bool=false"},
    {"MatMul", 1, binary, "output:T", "T=number", "transpose_a:bool=false transpose_b:bool=false"},
    {"Einsum", 7, "inputs:T...", "output:T", "T=number", "equation:text!"},
    {"MaxPool", 1, unary, "output:T", "T=number", "strides:ints>0! pads_begin:ints>=0! pads_end:ints>=0! kernel:ints>0! rounding_type:floor|ceil=floor auto_pad:explicit|same_upper|same_lower|valid=explicit"},
    {"MaxPool", 8, unary, "output:T indices:@index_element_type", "T=number", "strides:ints>0! dilations:ints>0! pads_begin:ints>=0! pads_end:ints>=0! kernel:ints>0! rounding_type:floor|ceil=floor auto_pad:explicit|same_upper|same_lower|valid=explicit index_element_type:type=i64 axis:int=0"},
    {"MaxPool", 14, unary, "output:T indices:@index_element_type", "T=number", "strides:ints>0! dilations:ints>0! pads_begin:ints>=0! pads_end:ints>=0! kernel:ints>0! rounding_type:floor|ceil|ceil_torch=floor auto_pad:explicit|same_upper|same_lower|valid=explicit index_element_type:type=i64 axis:int=0"},
    {"AvgPool", 1, unary, "output:T", "T=float", "kernel:ints>0! strides:ints>0! pads_begin:ints>=0! pads_end:ints>=0! exclude-pad:bool! rounding_type:floor|ceil=floor auto_pad:explicit|same_upper|same_lower|valid=explicit"},
    {"AvgPool", 14, unary, "output:T", "T=float", "kernel:ints>0! strides:ints>0! pads_begin:ints>=0! pads_end:ints>=0! exclude-pad:bool! rounding_type:floor|ceil|ceil_torch=floor auto_pad:explicit|same_upper|same_lower|valid=explicit"},
    {"FakeQuantize", 1, "data:T input_low:T input_high:T output_low:T output_high:T", "output:T", "T=float", "levels:int>1! auto_broadcast:numpy|none|pdpd=numpy", same},
    // shapes and movement
    {"Broadcast", 3, "data:T target_shape:index axes_mapping:index?", "output:T", "T=any", "mode:numpy|explicit|bidirectional=numpy"},
    {"Col2Im", 15, "data:T output_size:I kernel_size:I", "output:T", "T=any I=index", "strides:ints>0=1 dilations:ints>0=1 pads_begin:ints>=0=0 pads_end:ints>=0=0"},
    {"Concat", 1, "inputs:T...", "output:T", "T=any", "axis:int!"},
    {"DepthToSpace", 1, unary, "output:T", "T=any", "mode:blocks_first|depth_first! block_size:int>0=1"},
    {"Eye", 9, "rows:index columns:index diagonal:index batch_shape:index?", "output:@output_type", "", "output_type:type!"},
    {"Gather", 7, "data:T indices:index axis:index", "output:T", "T=any", "batch_dims:int=0"},
    {"Gather", 8, "data:T indices:index axis:index", "output:T", "T=any", "batch_dims:int=0"},
    {"GatherElements", 6, "data:T indices:index", "output:T", "T=any", "axis:int!"},
    {"GatherND", 5, "data:T indices:index", "output:T", "T=any", "batch_dims:int=0"},
    {"GatherND", 8, "data:T indices:index", "output:T", "T=any", "batch_dims:int=0"},
    {"GridSample", 9, "data:T grid:G", "output:T", "T=number G=float", "align_corners:bool=false mode:bilinear|nearest|bicubic=bilinear padding_mode:zeros|border|reflection=zeros"},
    {"Interpolate", 4, "data:T output_shape:index scales:float axes:index?", "output:T", "T=number", interpolation},
    {"Interpolate", 11, "data:T scales_or_sizes:number axes:index?", "output:T", "T=number", interpolation},
    {"NonZero", 3, "data:any", "output:@output_type", "", "output_type:type=i64"},
    {"OneHot", 1, "indices:index depth:index on_value:T off_value:T", "output:T", "T=any", "axis:int!"},
    {"Pad", 1, "data:T pads_begin:I pads_end:I value:T?", "output:T", "T=any I=index", "pad_mode:constant|edge|reflect|symmetric!"},
    {"Pad", 12, "data:T pads_begin:I pads_end:I value:T?", "output:T", "T=any I=index", "pad_mode:constant|edge|reflect|symmetric!"},
    {"ROIAlign", 3, "data:T rois:T batch_indices:index", "output:T", "T=float", "pooled_h:int>0! pooled_w:int>0! sampling_ratio:int>=0! spatial_scale:real>0! mode:max|avg!"},
    {"ROIAlign", 9, "data:T rois:T batch_indices:index", "output:T", "T=float", "pooled_h:int>0! pooled_w:int>0! sampling_ratio:int>=0! spatial_scale:real>0! mode:max|avg! aligned_mode:asymmetric|half_pixel_for_nn|half_pixel=asymmetric"},
    {"Range", 4, "start:number stop:number step:number", "output:@output_type", "", "output_type:type!"},
    {"Reshape", 1, "data:T shape:index", "output:T", "T=any", "special_zero:bool!"},
    {"ReverseSequence", 1, "data:T lengths:index", "output:T", "T=any", "batch_axis:int=0 seq_axis:int=1", same},
    {"ScatterElementsUpdate", 3, "data:T indices:index updates:T axis:index", "output:T", "T=any", "", same},
    {"ScatterElementsUpdate", 12, "data:T indices:index updates:T axis:index", "output:T", "T=any", "reduction:none|sum|prod|min|max|mean=none use_init_val:bool=true", same},
    {"ScatterNDUpdate", 3, "data:T indices:index updates:T", "output:T", "T=any", "", same},
    {"ScatterNDUpdate", 15, "data:T indices:index updates:T", "output:T", "T=any", "reduction:none|sum|sub|prod|min|max=none", same},
    {"ShapeOf", 1, "data:any", "output:i64", "", ""},
    {"ShapeOf", 3, "data:any", "output:@output_type", "", "output_type:type=i64"},
    {"Slice", 8, "data:T start:I stop:I step:I axes:index?", "output:T", "T=any I=index", ""},
    {"SpaceToDepth", 1, unary, "output:T", "T=any", "mode:blocks_first|depth_first! block_size:int>0=1"},
    {"Split", 1, "data:T axis:index", "outputs:T...", "T=any", "num_splits:int>0!"},
    {"Squeeze", 1, "data:T axes:index?", "output:T", "T=any", ""},
    {"StridedSlice", 1, "data:T begin:index end:index strides:index?", "output:T", "T=any", "begin_mask:ints! end_mask:ints! new_axis_mask:ints=0 shrink_axis_mask:ints=0 ellipsis_mask:ints=0"},
    {"Tile", 1, "data:T repeats:index", "output:T", "T=any", ""},
    {"Transpose", 1, "data:T order:index", "output:T", "T=any", ""},
    {"Unique", 10, "data:T axis:index?", "output:T indices:@index_element_type inverse:@index_element_type counts:@count_element_type", "T=any", "sorted:bool=true index_element_type:type=i64 count_element_type:type=i64"},
    {"Unsqueeze", 1, "data:T axes:index", "output:T", "T=any", ""},
    {"VariadicSplit", 1, "data:T axis:index lengths:index", "outputs:T...", "T=any", ""},
    // signals; complex numbers have a last axis of 2
    {"DFT", 7, "data:T axes:index signal_size:index?", "output:T", "T=float", ""},
    {"IDFT", 7, "data:T axes:index signal_size:index?", "output:T", "T=float", ""},
    {"IRDFT", 9, "data:T axes:index signal_size:index?", "output:T", "T=float", ""},
    {"RDFT", 9, "data:T axes:index signal_size:index?", "output:T", "T=float", ""},
    {"STFT", 15, "signal:T window:T frame_size:index frame_step:index", "output:T", "T=float", "transpose_frames:bool!"},
    // detection
    {"ROIPooling", 2, "data:T rois:T", "output:T", "T=float", "pooled_h:int>0! pooled_w:int>0! spatial_scale:real>0! method:max|bilinear=max"},
    {"NonMaxSuppression", 9, "boxes:T scores:T max_output_boxes_per_class:index? iou_threshold:float? score_threshold:float? soft_nms_sigma:float?", "selected_indices:@output_type selected_scores:T valid_outputs:@output_type", "T=float", "box_encoding:corner|center=corner sort_result_descending:bool=true output_type:type=i64"},
    // chance
    {"Multinomial", 13, "probabilities:T count:index", "output:@convert_type", "T=float", "convert_type:type! with_replacement:bool! log_probs:bool! global_seed:int=0 op_seed:int=0"},
    {"RandomUniform", 8, "shape:index low:T high:T", "output:@output_type", "T=number", "output_type:type! global_seed:int=0 op_seed:int=0"},
    // recurrent
    {"GRUSequence", 5, "data:T hidden:T lengths:index weights:T recurrence:T bias:T", "output:T state:T", "T=float", "hidden_size:int>0! activations:text activations_alpha:reals activations_beta:reals clip:real>=0=0 direction:forward|reverse|bidirectional! linear_before_reset:bool=false"},
    {"LSTMSequence", 5, "data:T hidden:T cell:T lengths:index weights:T recurrence:T bias:T", "output:T state:T cell_state:T", "T=float", sequence},
    {"RNNSequence", 5, "data:T hidden:T lengths:index weights:T recurrence:T bias:T", "output:T state:T", "T=float", sequence},
};
// clang-format on

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> list;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) list.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

bool cut_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

std::vector<PortRule> parse_ports(std::string_view text) {
  std::vector<PortRule> ports;
  for (std::string_view word : words(text)) {
    PortRule port;
    port.optional = cut_suffix(word, "?");
    port.variadic = cut_suffix(word, "...");
    const size_t colon = word.find(':');
    port.name = word.substr(0, colon);
    port.type = word.substr(colon + 1);
    ports.push_back(port);
  }
  return ports;
}

std::vector<AttributeRule> parse_attributes(std::string_view text) {
  std::vector<AttributeRule> attributes;
  for (std::string_view word : words(text)) {
    AttributeRule rule;
    rule.required = cut_suffix(word, "!");
    const size_t colon = word.find(':');
    size_t equals = word.find('=', colon);
    if (equals != std::string_view::npos && word[equals - 1] == '>') equals = word.find('=', equals + 1);
    rule.name = word.substr(0, colon);
    rule.kind = word.substr(colon + 1, equals == std::string_view::npos ? equals : equals - colon - 1);
    if (equals != std::string_view::npos) rule.fallback = word.substr(equals + 1);
    attributes.push_back(rule);
  }
  return attributes;
}

std::vector<Operation> parse() {
  std::vector<Operation> all;
  for (const Line& line : lines) {
    Operation operation{line.name, line.opset, parse_ports(line.inputs), parse_ports(line.outputs), {}, parse_attributes(line.attributes),
                        line.shape};
    for (const std::string_view word : words(line.types))
      operation.types.push_back({word.substr(0, word.find('=')), word.substr(word.find('=') + 1)});
    all.push_back(std::move(operation));
  }
  return all;
}

}  // namespace

const AttributeRule* Operation::attribute(std::string_view wanted) const {
  for (const AttributeRule& rule : attributes)
    if (rule.name == wanted) return &rule;
  return nullptr;
}

std::span<const Operation> operations() {
  static const std::vector<Operation> all = parse();
  return all;
}

const Operation* find_operation(std::string_view name, int opset) {
  const Operation* found = nullptr;
  for (const Operation& operation : operations())
    if (operation.name == name && operation.opset <= opset && opset <= newest_opset) found = &operation;
  return found;
}

const Operation* oldest_operation(std::string_view name) {
  for (const Operation& operation : operations())
    if (operation.name == name) return &operation;
  return nullptr;
}

std::optional<int> opset_number(std::string_view text) {
  constexpr std::string_view prefix = "opset";
  if (!text.starts_with(prefix)) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data() + prefix.size(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

}  // namespace lathe::openvino
