// From the boundary's snapshot to a Network: every node becomes one or a few operations. Nothing is optimised here beyond
// choosing the operation; what has no kernel of its own becomes `generic`.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "plan/batch.hpp"
#include "plan/expression.hpp"
#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

using Kind = Operation::Kind;
using Dimensions = std::vector<int64_t>;

std::string text(lathe_string s) { return s.size ? std::string(s.data, s.size) : std::string(); }

class Reader {
 public:
  explicit Reader(const lathe_graph& graph) : graph_(graph) {}

  // A graph of which a part is run item by item: what comes before, that part as one operation, and the rest.
  Network read_around(const BatchPart& part) {
    start();
    Operation items;
    items.kind = Kind::dynamic;
    items.action = Action::each_item;
    items.op_type = "each item of " + part.symbol;
    items.inputs = part.inputs;
    items.node_inputs = items.inputs.size();
    items.outputs = part.outputs;
    items.inputs.insert(items.inputs.end(), part.shared.begin(), part.shared.end());
    items.bodies.push_back({std::make_shared<Network>(Reader(graph_).read_item(part)), part.shared.size()});
    add_nodes([&](size_t i) { return part.before[i]; });
    push(std::move(items));
    add_nodes([&](size_t i) { return !part.before[i] && !part.nodes[i]; });
    return std::move(network_);
  }

  // `outer` is the enclosing network of a body; what the body captures of it (no constants) is appended to `captured`.
  Network read(const Network* outer = nullptr, std::vector<TensorId>* captured = nullptr) {
    start();
    for (size_t i = 0; outer && i < graph_.capture_count; ++i) {
      const lathe_capture& capture = graph_.captures[i];
      Tensor& inner = network_.tensors.at(capture.inner);
      const std::string name = inner.name;
      inner = outer->at(capture.outer);
      inner.name = name;
      // Names of the enclosing graph are told apart from the body's own.
      for (int64_t& d : inner.dimensions)
        if (d < 0) d = network_.symbol("^" + std::to_string(d));
      if (inner.constant) continue;
      network_.inputs.push_back(capture.inner);
      captured->push_back(capture.outer);
    }
    add_nodes([](size_t) { return true; });
    return std::move(network_);
  }

 private:
  // Values, inputs and outputs.
  void start() {
    for (size_t i = 0; i < graph_.value_count; ++i) add_value(*LATHE_AT(lathe_value, graph_.values, graph_.value_stride, i));
    network_.inputs.assign(graph_.inputs, graph_.inputs + graph_.input_count);
    network_.outputs.assign(graph_.outputs, graph_.outputs + graph_.output_count);
    note_uses();
  }

  template <class Wanted>
  void add_nodes(Wanted wanted) {
    for (size_t i = 0; i < graph_.node_count; ++i)
      if (wanted(i)) add_node(*LATHE_AT(lathe_node, graph_.nodes, graph_.node_stride, i));
  }

  // The part for one item.
  Network read_item(const BatchPart& part) {
    start();
    for (Tensor& tensor : network_.tensors)
      for (size_t d = 0; d < tensor.symbols.size(); ++d)
        if (tensor.dimensions[d] < 0 && tensor.symbols[d] == part.symbol) tensor.dimensions[d] = 1;
    network_.inputs = part.inputs;
    network_.inputs.insert(network_.inputs.end(), part.shared.begin(), part.shared.end());
    network_.outputs = part.outputs;
    add_nodes([&](size_t i) { return part.nodes[i]; });
    return std::move(network_);
  }

  void note_uses() {
    used_.assign(graph_.value_count, false);
    for (const TensorId t : network_.outputs) used_[t] = true;
    for (size_t i = 0; i < graph_.node_count; ++i) {
      const lathe_node& node = *LATHE_AT(lathe_node, graph_.nodes, graph_.node_stride, i);
      for (size_t k = 0; k < node.input_count; ++k)
        if (node.inputs[k] != LATHE_NONE) used_[node.inputs[k]] = true;
    }
    for (size_t i = 0; i < graph_.subgraph_count; ++i) {
      const lathe_graph& body = *LATHE_AT(lathe_graph, graph_.subgraphs, graph_.subgraph_stride, i);
      for (size_t k = 0; k < body.capture_count; ++k) used_[body.captures[k].outer] = true;
    }
  }

  void add_value(const lathe_value& value) {
    Tensor tensor{text(value.name), value.type, {}};
    if (value.tensor != LATHE_NONE) {
      const lathe_tensor& constant = *LATHE_AT(lathe_tensor, graph_.tensors, graph_.tensor_stride, value.tensor);
      tensor.constant = true;
      tensor.type = constant.type;
      tensor.data = constant.data;
      tensor.strings = constant.strings;
      tensor.dimensions.assign(constant.dimensions, constant.dimensions + constant.rank);
    } else {
      tensor.kind = value.kind;
      tensor.ranked = value.rank >= 0;
      for (int32_t d = 0; d < value.rank; ++d) {
        tensor.symbols.push_back(text(value.dimensions[d].symbol));
        const int64_t extent = value.dimensions[d].value;
        tensor.dimensions.push_back(extent < 0 ? network_.symbol(tensor.symbols.back()) : extent);
      }
    }
    network_.tensors.push_back(std::move(tensor));
  }

  // --- the node at hand -------------------------------------------------------------------------------------------------------

  TensorId in(size_t i) const { return i < node_->input_count ? node_->inputs[i] : no_tensor; }
  TensorId out(size_t i = 0) const { return i < node_->output_count ? node_->outputs[i] : no_tensor; }
  const Tensor& tensor(TensorId id) const { return network_.at(id); }
  const Dimensions& dimensions(TensorId id) const { return network_.at(id).dimensions; }
  bool float_in(size_t i) const { return in(i) != no_tensor && tensor(in(i)).is_float(); }

  const lathe_attribute* attribute(std::string_view name) const {
    for (size_t i = 0; i < node_->attribute_count; ++i) {
      const lathe_attribute* a = LATHE_AT(lathe_attribute, node_->attributes, node_->attribute_stride, i);
      if (std::string_view(a->name.data, a->name.size) == name) return a;
    }
    return nullptr;
  }
  int64_t integer(std::string_view name, int64_t fallback) const {
    const lathe_attribute* a = attribute(name);
    return a && a->count ? a->ints[0] : fallback;
  }
  float real(std::string_view name, float fallback) const {
    const lathe_attribute* a = attribute(name);
    return a && a->count ? a->floats[0] : fallback;
  }
  std::string string(std::string_view name, std::string fallback) const {
    const lathe_attribute* a = attribute(name);
    return a && a->count ? text(a->strings[0]) : fallback;
  }
  Dimensions integers(std::string_view name, Dimensions fallback = {}) const {
    const lathe_attribute* a = attribute(name);
    return a ? Dimensions(a->ints, a->ints + a->count) : fallback;
  }
  // The elements of a constant integer input; nullopt when it is absent or computed.
  std::optional<Dimensions> constants(size_t i) const {
    if (in(i) == no_tensor || !tensor(in(i)).constant) return std::nullopt;
    const Tensor& t = tensor(in(i));
    Dimensions values(static_cast<size_t>(t.size()));
    if (t.type == LATHE_INT64) {
      std::copy_n(static_cast<const int64_t*>(t.data), values.size(), values.begin());
    } else if (t.type == LATHE_INT32) {
      std::copy_n(static_cast<const int32_t*>(t.data), values.size(), values.begin());
    } else {
      return std::nullopt;
    }
    return values;
  }
  std::optional<float> scalar(TensorId id) const {
    if (id == no_tensor || !tensor(id).constant || !tensor(id).is_float() || tensor(id).size() != 1) return std::nullopt;
    return tensor(id).floats()[0];
  }

  Operation make(Kind kind, std::vector<TensorId> inputs, std::vector<TensorId> outputs) const {
    Operation o;
    o.kind = kind;
    o.inputs = std::move(inputs);
    o.outputs = std::move(outputs);
    o.nodes = {text(node_->name)};
    o.op_type = text(node_->op_type);
    o.domain = text(node_->domain);
    return o;
  }
  bool push(Operation o) {
    network_.operations.push_back(std::move(o));
    return true;
  }
  TensorId temporary(int32_t type, Dimensions d) {
    return network_.add(text(node_->name) + "#" + std::to_string(network_.tensors.size()), type, std::move(d));
  }

  void add_node(const lathe_node& node) {
    node_ = &node;
    if (is_dynamic(network_, node)) {
      if (!row_by_row()) push(read_dynamic(graph_, node, network_));
      return;
    }
    using Method = bool (Reader::*)();
    static const std::map<std::string_view, Method> methods = {{"Conv", &Reader::convolution},
                                                               {"ConvTranspose", &Reader::transposed_convolution},
                                                               {"MatMul", &Reader::matmul},
                                                               {"Gemm", &Reader::gemm},
                                                               {"MaxPool", &Reader::pool},
                                                               {"AveragePool", &Reader::pool},
                                                               {"GlobalAveragePool", &Reader::global_pool},
                                                               {"GlobalMaxPool", &Reader::global_pool},
                                                               {"ReduceMean", &Reader::reduce_mean},
                                                               {"Resize", &Reader::resize},
                                                               {"Reshape", &Reader::view},
                                                               {"Flatten", &Reader::view},
                                                               {"Squeeze", &Reader::view},
                                                               {"Unsqueeze", &Reader::view},
                                                               {"Identity", &Reader::view},
                                                               {"Dropout", &Reader::dropout},
                                                               {"Transpose", &Reader::transpose},
                                                               {"Slice", &Reader::slice},
                                                               {"Split", &Reader::split},
                                                               {"Concat", &Reader::concatenate},
                                                               {"Softmax", &Reader::softmax},
                                                               {"Expand", &Reader::expand},
                                                               {"Gather", &Reader::gather},
                                                               {"DepthToSpace", &Reader::depth_to_space},
                                                               {"SpaceToDepth", &Reader::space_to_depth},
                                                               {"DequantizeLinear", &Reader::dequantise},
                                                               {"BatchNormalization", &Reader::batch_normalization},
                                                               {"Clip", &Reader::clip},
                                                               {"Gelu", &Reader::gelu},
                                                               {"PRelu", &Reader::prelu},
                                                               {"Swish", &Reader::swish},
                                                               {"Cast", &Reader::cast}};
    const std::string op_type = text(node.op_type);
    const bool onnx = node.domain.size == 0;
    if (onnx) {
      const auto found = methods.find(op_type);
      if (found != methods.end() && (this->*found->second)()) return;
      if (elementwise(op_type)) return;
    }
    generic();
  }

  // Nodes on floats with open leading dimensions that a tuned kernel can compute row by row.
  bool row_by_row() {
    const std::string op_type = text(node_->op_type);
    if (node_->domain.size != 0 || node_->output_count != 1 || node_->input_count == 0) return false;
    for (size_t i = 0; i < node_->input_count; ++i) {
      if (in(i) == no_tensor) continue;
      const Tensor& x = tensor(in(i));
      if (x.kind != LATHE_KIND_TENSOR || !x.ranked || !x.is_float()) return false;
    }
    if (!tensor(out()).is_float() || !tensor(out()).ranked || !tensor(out()).dynamic()) return false;
    const size_t before = network_.operations.size();
    bool read = false;
    if (op_type == "MatMul")
      read = matmul();
    else if (op_type == "Gemm")
      read = gemm();
    else if (op_type == "Clip")
      read = clip();
    else if (op_type == "Gelu")
      read = gelu();
    else if (op_type == "PRelu")
      read = prelu();
    else if (op_type == "Swish")
      read = swish();
    else
      read = elementwise(op_type);
    const auto fits = [&](const Operation& o) { return rows_of(network_, o).has_value(); };
    if (read && std::all_of(network_.operations.begin() + static_cast<std::ptrdiff_t>(before), network_.operations.end(), fits)) return true;
    network_.operations.resize(before);
    return false;
  }

  void generic() {
    Operation o = make(Kind::generic, {node_->inputs, node_->inputs + node_->input_count}, {node_->outputs, node_->outputs + node_->output_count});
    o.attributes = read_attributes(graph_, *node_);
    push(std::move(o));
  }

  // --- windows ----------------------------------------------------------------------------------------------------------------

  // Kernel, stride, dilation and pads of a node that slides a window over `spatial` dimensions (1 or 2).
  bool window(Operation& o, const Dimensions& kernel, const Dimensions& input, const Dimensions& output) const {
    const size_t spatial = input.size() - 2;
    if (spatial < 1 || spatial > 2 || kernel.size() != spatial) return false;
    const Dimensions strides = integers("strides", Dimensions(spatial, 1)), dilations = integers("dilations", Dimensions(spatial, 1));
    Dimensions pads = integers("pads", Dimensions(2 * spatial, 0));
    const std::string automatic = string("auto_pad", "NOTSET");
    if (strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial) return false;
    for (size_t i = 0; i < spatial; ++i) {
      if (automatic == "VALID") pads[i] = pads[i + spatial] = 0;
      if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
        const int64_t total = std::max<int64_t>(0, (output[i + 2] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - input[i + 2]);
        pads[i] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
        pads[i + spatial] = total - pads[i];
      }
      if (pads[i] < 0 || pads[i + spatial] < 0) return false;
      const size_t at = i + 2 - spatial;  // a single dimension is the width
      o.kernel[at] = kernel[i], o.stride[at] = strides[i], o.dilation[at] = dilations[i], o.pad_begin[at] = pads[i],
      o.pad_end[at] = pads[i + spatial];
    }
    return true;
  }

  bool constant_float(TensorId id) const { return id != no_tensor && tensor(id).constant && tensor(id).is_float(); }

  bool convolution() {
    if (!float_in(0) || !constant_float(in(1)) || (in(2) != no_tensor && !constant_float(in(2)))) return false;
    Operation o = make(Kind::convolution, {in(0), in(1), in(2)}, {out()});
    const Dimensions& weights = dimensions(in(1));
    o.groups = integer("group", 1);
    return window(o, {weights.begin() + 2, weights.end()}, dimensions(in(0)), dimensions(out())) && push(std::move(o));
  }

  bool transposed_convolution() {
    if (!float_in(0) || !constant_float(in(1)) || (in(2) != no_tensor && !constant_float(in(2))) || integer("group", 1) != 1) return false;
    Operation o = make(Kind::transposed, {in(0), in(1), in(2)}, {out()});
    const Dimensions& weights = dimensions(in(1));
    if (!window(o, {weights.begin() + 2, weights.end()}, dimensions(in(0)), dimensions(out()))) return false;
    const ImageShape x = image_shape(dimensions(in(0))), y = image_shape(dimensions(out()));
    // Padding shifts what lands where, even when output_padding makes the size fit again.
    const bool no_overlap = o.kernel == o.stride && o.dilation == std::array<int64_t, 2>{1, 1} && o.pad_begin == std::array<int64_t, 2>{0, 0} &&
                            y.height == x.height * o.stride[0] && y.width == x.width * o.stride[1];
    return no_overlap && push(std::move(o));
  }

  bool pool() {
    if (!float_in(0) || out(1) != no_tensor) return false;
    Operation o = make(Kind::pooling, {in(0)}, {out()});
    o.maximum = o.op_type == "MaxPool";
    o.count_include_pad = integer("count_include_pad", 0) != 0;
    return window(o, integers("kernel_shape"), dimensions(in(0)), dimensions(out())) && push(std::move(o));
  }

  bool global_pool() {
    if (!float_in(0) || !is_image(dimensions(in(0)))) return false;
    Operation o = make(Kind::pooling, {in(0)}, {out()});
    o.maximum = o.op_type == "GlobalMaxPool";
    const ImageShape x = image_shape(dimensions(in(0)));
    o.kernel = {x.height, x.width};
    return push(std::move(o));
  }

  // The mean over all pixels is a global pooling.
  bool reduce_mean() {
    const std::optional<Dimensions> axes = constants(1);
    if (!float_in(0) || !axes || dimensions(in(0)).size() != 4 || axes->size() != 2) return false;
    Dimensions sorted = *axes;
    for (int64_t& a : sorted) a += a < 0 ? 4 : 0;
    std::sort(sorted.begin(), sorted.end());
    if (sorted != Dimensions{2, 3}) return false;
    const Dimensions& x = dimensions(in(0));
    const bool keep = integer("keepdims", 1) != 0;
    const TensorId mean = keep ? out() : temporary(LATHE_FLOAT32, {x[0], x[1], 1, 1});
    Operation o = make(Kind::pooling, {in(0)}, {mean});
    o.kernel = {x[2], x[3]};
    push(std::move(o));
    return keep || push(make(Kind::view, {mean}, {out()}));
  }

  // Nearest-neighbour enlargement by whole numbers, where each way of rounding picks floor(i / scale).
  bool resize() {
    const Dimensions &x = dimensions(in(0)), &y = dimensions(out());
    if (!float_in(0) || string("mode", "nearest") != "nearest" || !is_image(x) || x.size() != y.size() || x[0] != y[0] || x[1] != y[1]) return false;
    if (string("keep_aspect_ratio_policy", "stretch") != "stretch" || attribute("axes")) return false;
    const std::string coordinates = string("coordinate_transformation_mode", "half_pixel"), nearest = string("nearest_mode", "round_prefer_floor");
    const bool scales_given = in(2) != no_tensor && tensor(in(2)).size() > 0;
    if (scales_given && !constant_float(in(2))) return false;
    Operation o = make(Kind::upsampling, {in(0)}, {out()});
    for (size_t d = 2; d < x.size(); ++d) {
      if (x[d] == 0 || y[d] % x[d] != 0) return false;
      const int64_t scale = y[d] / x[d];
      if (scales_given && tensor(in(2)).floats()[d] != static_cast<float>(scale)) return false;
      for (int64_t i = 0; i < y[d]; ++i) {
        double at;
        if (coordinates == "half_pixel" || (coordinates == "pytorch_half_pixel" && y[d] > 1)) {
          at = (static_cast<double>(i) + 0.5) / static_cast<double>(scale) - 0.5;
        } else if (coordinates == "asymmetric") {
          at = static_cast<double>(i) / static_cast<double>(scale);
        } else {
          return false;
        }
        double rounded;
        if (nearest == "floor") {
          rounded = std::floor(at);
        } else if (nearest == "ceil") {
          rounded = std::ceil(at);
        } else if (nearest == "round_prefer_ceil") {
          rounded = std::floor(at + 0.5);
        } else {
          rounded = std::ceil(at - 0.5);
        }
        if (std::clamp<int64_t>(static_cast<int64_t>(rounded), 0, x[d] - 1) != i / scale) return false;
      }
      o.stride[d + 2 - x.size()] = scale;
    }
    return push(std::move(o));
  }

  // --- products ---------------------------------------------------------------------------------------------------------------

  // The same elements under other dimensions; constants stay constants.
  TensorId reshaped(TensorId x, Dimensions d) {
    if (dimensions(x) == d) return x;
    Tensor other = tensor(x);
    other.dimensions = std::move(d);
    if (!other.constant) other.name += "#" + std::to_string(network_.tensors.size());
    const bool constant = other.constant;
    network_.tensors.push_back(std::move(other));
    const auto id = static_cast<TensorId>(network_.tensors.size() - 1);
    if (!constant) push(make(Kind::view, {x}, {id}));
    return id;
  }

  // A vector on the left is a row, on the right a column, which the result then lacks.
  bool matmul() {
    if (!float_in(0) || !float_in(1)) return false;
    const Dimensions a = dimensions(in(0)), b = dimensions(in(1)), c = dimensions(out());
    if (a.empty() || b.empty() || a.back() == 0) return false;
    Dimensions full = c;
    if (b.size() == 1) full.push_back(1);
    if (a.size() == 1) full.insert(full.end() - 1, 1);
    const TensorId left = reshaped(in(0), a.size() == 1 ? Dimensions{1, a[0]} : a), right = reshaped(in(1), b.size() == 1 ? Dimensions{b[0], 1} : b);
    const TensorId result = full == c ? out() : temporary(LATHE_FLOAT32, full);
    push(make(Kind::product, {left, right, no_tensor}, {result}));
    return full == c || push(make(Kind::view, {result}, {out()}));
  }

  bool gemm() {
    if (!float_in(0) || !float_in(1) || tensor(in(0)).size() == 0) return false;
    Operation o = make(Kind::product, {in(0), in(1), no_tensor}, {out()});
    o.transpose_a = integer("transA", 0) != 0;
    o.transpose_b = integer("transB", 0) != 0;
    const float alpha = real("alpha", 1), beta = in(2) == no_tensor ? 0 : real("beta", 1);
    const Dimensions& y = dimensions(out());
    // y = alpha (A B) + beta C: what is not plain bias becomes elementwise operations behind the product.
    TensorId value = alpha == 1 && beta == 0 ? out() : temporary(LATHE_FLOAT32, y);
    o.outputs = {value};
    push(std::move(o));
    if (alpha != 1) {
      const TensorId scaled = beta == 0 ? out() : temporary(LATHE_FLOAT32, y);
      push_elementwise(Op::multiply, {value, network_.add_constant("alpha", {}, {alpha})}, scaled);
      value = scaled;
    }
    if (beta == 0) return true;
    TensorId c = in(2);
    if (beta != 1) {
      const TensorId scaled = temporary(LATHE_FLOAT32, dimensions(c));
      push_elementwise(Op::multiply, {c, network_.add_constant("beta", {}, {beta})}, scaled);
      c = scaled;
    }
    return push_elementwise(Op::add, {value, c}, out());
  }

  // --- elementwise ------------------------------------------------------------------------------------------------------------

  bool push_elementwise(Expression expression, std::vector<TensorId> inputs, TensorId output) {
    Operation o = make(Kind::elementwise, std::move(inputs), {output});
    o.expression = std::move(expression);
    return push(std::move(o));
  }
  bool push_elementwise(Op operation, std::vector<TensorId> inputs, TensorId output) {
    return push_elementwise(single(operation), std::move(inputs), output);
  }

  bool elementwise(const std::string& op_type) {
    static const std::map<std::string_view, Op> fixed = {{"Add", Op::add},
                                                         {"Sub", Op::subtract},
                                                         {"Mul", Op::multiply},
                                                         {"Div", Op::divide},
                                                         {"Pow", Op::power},
                                                         {"Neg", Op::negate},
                                                         {"Abs", Op::absolute},
                                                         {"Exp", Op::exponential},
                                                         {"Log", Op::logarithm},
                                                         {"Sqrt", Op::square_root},
                                                         {"Reciprocal", Op::reciprocal},
                                                         {"Floor", Op::floor},
                                                         {"Ceil", Op::ceiling},
                                                         {"Round", Op::round_even},
                                                         {"Sigmoid", Op::sigmoid},
                                                         {"Tanh", Op::tanh},
                                                         {"Erf", Op::erf},
                                                         {"Sign", Op::sign},
                                                         {"Relu", Op::relu},
                                                         {"HardSwish", Op::hard_swish}};
    static const std::map<std::string_view, Op> variadic = {{"Max", Op::maximum}, {"Min", Op::minimum}, {"Sum", Op::add}, {"Mean", Op::add}};
    if (node_->output_count != 1) return false;
    std::vector<TensorId> inputs;
    for (size_t i = 0; i < node_->input_count; ++i) {
      if (!float_in(i)) return false;
      inputs.push_back(in(i));
    }
    if (inputs.empty() || !tensor(out()).is_float()) return false;
    if (const auto found = fixed.find(op_type); found != fixed.end()) {
      return static_cast<int>(inputs.size()) == arity(found->second) && push_elementwise(found->second, std::move(inputs), out());
    }
    if (op_type == "LeakyRelu") return push_elementwise(single(Op::leaky_relu, real("alpha", 0.01f)), std::move(inputs), out());
    if (op_type == "Elu") return push_elementwise(single(Op::elu, real("alpha", 1)), std::move(inputs), out());
    if (op_type == "HardSigmoid")
      return push_elementwise(single(Op::hard_sigmoid, real("alpha", 0.2f), real("beta", 0.5f)), std::move(inputs), out());
    if (const auto found = variadic.find(op_type); found != variadic.end()) {
      Expression e;
      e.operands = static_cast<int>(inputs.size());
      int value = 0;
      for (int i = 1; i < e.operands; ++i) value = append(e, found->second, value, i);
      if (op_type == "Mean" && inputs.size() > 1)
        append(e, Op::multiply, value, append(e, Op::constant, -1, -1, 1.0f / static_cast<float>(inputs.size())));
      return push_elementwise(std::move(e), std::move(inputs), out());
    }
    return false;
  }

  bool clip() {
    float low = -std::numeric_limits<float>::infinity(), high = -low;
    if (!float_in(0)) return false;
    if (in(1) != no_tensor) {
      if (const auto v = scalar(in(1)))
        low = *v;
      else
        return false;
    }
    if (in(2) != no_tensor) {
      if (const auto v = scalar(in(2)))
        high = *v;
      else
        return false;
    }
    return push_elementwise(single(Op::clip, low, high), {in(0)}, out());
  }

  bool gelu() {
    if (!float_in(0)) return false;
    Expression e;
    const auto constant = [&](float value) { return append(e, Op::constant, -1, -1, value); };
    int inner;
    if (string("approximate", "none") == "tanh") {  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
      const int cube = append(e, Op::multiply, append(e, Op::multiply, 0, 0), 0);
      const int sum = append(e, Op::add, 0, append(e, Op::multiply, cube, constant(0.044715f)));
      inner = append(e, Op::tanh, append(e, Op::multiply, sum, constant(0.7978845608f)));
    } else {  // 0.5 x (1 + erf(x / sqrt(2)))
      inner = append(e, Op::erf, append(e, Op::multiply, 0, constant(0.70710678118f)));
    }
    const int gate = append(e, Op::multiply, append(e, Op::add, inner, constant(1)), constant(0.5f));
    append(e, Op::multiply, 0, gate);
    return push_elementwise(std::move(e), {in(0)}, out());
  }

  bool prelu() {
    if (!float_in(0) || !float_in(1)) return false;
    Expression e;
    e.operands = 2;
    append(e, Op::prelu, 0, 1);
    return push_elementwise(std::move(e), {in(0), in(1)}, out());
  }

  bool swish() {
    if (!float_in(0) || real("alpha", 1) != 1) return false;
    return push_elementwise(Op::silu, {in(0)}, out());
  }

  // scale (x - mean) / sqrt(variance + epsilon) + shift with everything but x constant: x factor + rest per channel.
  bool batch_normalization() {
    if (!float_in(0) || integer("training_mode", 0) != 0 || dimensions(in(0)).size() < 2) return false;
    for (size_t i = 1; i < 5; ++i)
      if (!constant_float(in(i))) return false;
    const auto channels = static_cast<size_t>(dimensions(in(0))[1]);
    const float *scale = tensor(in(1)).floats(), *shift = tensor(in(2)).floats(), *mean = tensor(in(3)).floats(), *variance = tensor(in(4)).floats();
    std::vector<float> factor(channels), rest(channels);
    for (size_t c = 0; c < channels; ++c) {
      const double f = scale[c] / std::sqrt(static_cast<double>(variance[c]) + real("epsilon", 1e-5f));
      factor[c] = static_cast<float>(f);
      rest[c] = static_cast<float>(shift[c] - mean[c] * f);
    }
    Dimensions d(dimensions(in(0)).size() - 1, 1);
    d[0] = static_cast<int64_t>(channels);
    Expression e;
    e.operands = 3;
    append(e, Op::add, append(e, Op::multiply, 0, 1), 2);
    const std::string name = text(node_->name);
    const TensorId factors = network_.add_constant(name + "#factor", d, std::move(factor)),
                   rests = network_.add_constant(name + "#rest", d, std::move(rest));
    return push_elementwise(std::move(e), {in(0), factors, rests}, out());
  }

  bool cast() { return tensor(in(0)).type == tensor(out()).type && view(); }

  // DequantizeLinear of a constant is a constant; behind a QuantizeLinear with the same constant scale and zero point it is
  // one elementwise function of that one's input.
  bool dequantise() {
    if (!tensor(out()).is_float() || !constant_float(in(1))) return false;
    const Tensor &x = tensor(in(0)), &scales = tensor(in(1));
    if (x.constant) return dequantise_constant(x, scales);
    const Operation* quantise = nullptr;
    for (const Operation& o : network_.operations)
      if (o.op_type == "QuantizeLinear" && o.output() == in(0)) quantise = &o;
    if (!quantise || quantise->inputs.size() < 2 || !scalar(in(1)) || scalar(quantise->inputs[1]) != scalar(in(1))) return false;
    const TensorId point = quantise->inputs.size() > 2 ? quantise->inputs[2] : no_tensor;
    const std::optional<float> first = zero_point(point), second = zero_point(in(2));
    if (!first || first != second || !tensor(quantise->inputs[0]).is_float()) return false;
    float low, high;
    if (x.type == LATHE_UINT8) {
      low = 0, high = 255;
    } else if (x.type == LATHE_INT8) {
      low = -128, high = 127;
    } else {
      return false;
    }
    const TensorId source = quantise->inputs[0];
    Operation o = make(Kind::elementwise, {source}, {out()});
    o.nodes.insert(o.nodes.begin(), quantise->nodes.begin(), quantise->nodes.end());
    o.expression = single(Op::fake_quantise, *scalar(in(1)), *first, low, high);
    return push(std::move(o));
  }

  std::optional<float> zero_point(TensorId id) const {
    if (id == no_tensor) return 0.0f;
    const Tensor& t = tensor(id);
    if (!t.constant || t.size() != 1) return std::nullopt;
    return integer_element(t, 0);
  }
  static std::optional<float> integer_element(const Tensor& t, size_t i) {
    switch (t.type) {
      case LATHE_UINT8:
        return static_cast<const uint8_t*>(t.data)[i];
      case LATHE_INT8:
        return static_cast<const int8_t*>(t.data)[i];
      case LATHE_INT32:
        return static_cast<float>(static_cast<const int32_t*>(t.data)[i]);
      default:
        return std::nullopt;
    }
  }

  bool dequantise_constant(const Tensor& x, const Tensor& scales) {
    const TensorId point = in(2);
    if (!integer_element(x, 0) || (point != no_tensor && !tensor(point).constant) || integer("block_size", 0) != 0) return false;
    const auto rank = static_cast<int64_t>(x.dimensions.size());
    int64_t axis = integer("axis", 1);
    axis += axis < 0 ? rank : 0;
    const bool per_axis = scales.size() > 1;
    if (per_axis && (axis >= rank || scales.size() != x.dimensions[static_cast<size_t>(axis)])) return false;
    const int64_t inner = per_axis ? row_major(x.dimensions)[static_cast<size_t>(axis)] : 1;
    std::vector<float> values(static_cast<size_t>(x.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t s = per_axis ? static_cast<size_t>(static_cast<int64_t>(i) / inner % scales.size()) : 0;
      const int64_t zero =
          point == no_tensor ? 0 : static_cast<int64_t>(integer_element(tensor(point), tensor(point).size() > 1 ? s : 0).value_or(0));
      const int64_t q = x.type == LATHE_INT32 ? static_cast<const int32_t*>(x.data)[i] : static_cast<int64_t>(*integer_element(x, i));
      values[i] = static_cast<float>(q - zero) * scales.floats()[s];
    }
    network_.owned.push_back(std::move(values));
    Tensor& result = network_.tensors[out()];
    result.data = network_.owned.back().data();
    result.constant = true;
    return true;
  }

  // --- shapes and copies ------------------------------------------------------------------------------------------------------

  bool view() { return node_->output_count == 1 && push(make(Kind::view, {in(0)}, {out()})); }
  bool dropout() {
    if ((out(1) != no_tensor && used_[out(1)]) || (in(2) != no_tensor && !tensor(in(2)).constant)) return false;
    if (in(2) != no_tensor && *static_cast<const uint8_t*>(tensor(in(2)).data)) return false;
    return push(make(Kind::view, {in(0)}, {out()}));
  }

  bool movable(TensorId id) const { return element_bytes(tensor(id).type) >= 1 && element_bytes(tensor(id).type) <= 8; }
  bool push_strided(TensorId x, TensorId y, Dimensions axes, Dimensions steps, Dimensions starts) {
    if (!movable(x)) return false;
    Operation o = make(Kind::strided, {x}, {y});
    o.axes = std::move(axes);
    o.steps = std::move(steps);
    o.starts = std::move(starts);
    return push(std::move(o));
  }
  bool push_permutation(TensorId x, TensorId y, Dimensions order) {
    const size_t rank = order.size();
    return push_strided(x, y, std::move(order), Dimensions(rank, 1), Dimensions(rank, 0));
  }
  static Dimensions sequence(size_t rank) {
    Dimensions axes(rank);
    std::iota(axes.begin(), axes.end(), 0);
    return axes;
  }

  bool transpose() {
    Dimensions order = integers("perm", sequence(dimensions(in(0)).size()));
    if (!attribute("perm")) std::reverse(order.begin(), order.end());
    return push_permutation(in(0), out(), std::move(order));
  }

  bool slice() {
    const Dimensions& x = dimensions(in(0));
    const auto starts = constants(1), ends = constants(2);
    if (!starts || !ends || (in(3) != no_tensor && !constants(3)) || (in(4) != no_tensor && !constants(4))) return false;
    const Dimensions axes = in(3) != no_tensor ? *constants(3) : sequence(starts->size());
    const Dimensions given = in(4) != no_tensor ? *constants(4) : Dimensions(starts->size(), 1);
    Dimensions begin(x.size(), 0), steps(x.size(), 1);
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + static_cast<int64_t>(x.size()) : axes[i]);
      if (given[i] <= 0) return false;
      const int64_t start = (*starts)[i] < 0 ? (*starts)[i] + x.at(axis) : (*starts)[i];
      begin[axis] = std::clamp<int64_t>(start, 0, x[axis]);
      steps[axis] = given[i];
    }
    return push_strided(in(0), out(), sequence(x.size()), std::move(steps), std::move(begin));
  }

  bool split() {
    if (!movable(in(0))) return false;
    const size_t rank = dimensions(in(0)).size();
    int64_t axis = integer("axis", 0);
    axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
    Dimensions starts(rank, 0);
    for (size_t i = 0; i < node_->output_count; ++i) {
      if (out(i) == no_tensor) return false;
      push_strided(in(0), out(i), sequence(rank), Dimensions(rank, 1), starts);
      starts[static_cast<size_t>(axis)] += dimensions(out(i))[static_cast<size_t>(axis)];
    }
    return true;
  }

  bool concatenate() {
    if (!movable(out())) return false;
    Operation o = make(Kind::concatenate, {node_->inputs, node_->inputs + node_->input_count}, {out()});
    o.axis = integer("axis", 0);
    o.axis += o.axis < 0 ? static_cast<int64_t>(dimensions(out()).size()) : 0;
    return push(std::move(o));
  }

  bool softmax() {
    if (!float_in(0) || dimensions(in(0)).empty()) return false;
    Operation o = make(Kind::softmax, {in(0)}, {out()});
    o.axis = integer("axis", -1);
    o.axis += o.axis < 0 ? static_cast<int64_t>(dimensions(in(0)).size()) : 0;
    return push(std::move(o));
  }

  bool expand() {
    const Dimensions &x = dimensions(in(0)), &y = dimensions(out());
    Dimensions axes(y.size(), -1);
    for (size_t i = 0; i < x.size(); ++i)
      if (x[i] != 1) axes[y.size() - x.size() + i] = static_cast<int64_t>(i);
    return push_strided(in(0), out(), std::move(axes), Dimensions(y.size(), 1), Dimensions(x.size(), 0));
  }

  // With one constant index it is a slice.
  bool gather() {
    const auto index = constants(1);
    const Dimensions& x = dimensions(in(0));
    if (!index || index->size() != 1) return false;
    int64_t axis = integer("axis", 0);
    axis += axis < 0 ? static_cast<int64_t>(x.size()) : 0;
    Dimensions starts(x.size(), 0), axes = sequence(x.size());
    const int64_t length = x.at(static_cast<size_t>(axis)), at = index->front() < 0 ? index->front() + length : index->front();
    if (at < 0 || at >= length) return false;
    starts[static_cast<size_t>(axis)] = at;
    axes.erase(axes.begin() + axis);
    axes.insert(axes.begin() + axis, dimensions(in(1)).size(), -1);
    const size_t rank = axes.size();
    return push_strided(in(0), out(), std::move(axes), Dimensions(rank, 1), std::move(starts));
  }

  // A reshape, a transposition and a reshape.
  bool permute_between(const Dimensions& split, const Dimensions& order) {
    if (!movable(in(0))) return false;
    Dimensions permuted;
    for (const int64_t axis : order) permuted.push_back(split[static_cast<size_t>(axis)]);
    const int32_t type = tensor(in(0)).type;
    const TensorId first = temporary(type, split), second = temporary(type, permuted);
    push(make(Kind::view, {in(0)}, {first}));
    push_permutation(first, second, order);
    return push(make(Kind::view, {second}, {out()}));
  }
  bool depth_to_space() {
    const Dimensions x = dimensions(in(0));
    const int64_t b = integer("blocksize", 1);
    if (string("mode", "DCR") == "CRD") return permute_between({x[0], x[1] / (b * b), b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3});
    return permute_between({x[0], b, b, x[1] / (b * b), x[2], x[3]}, {0, 3, 4, 1, 5, 2});
  }
  bool space_to_depth() {
    const Dimensions x = dimensions(in(0));
    const int64_t b = integer("blocksize", 1);
    return permute_between({x[0], x[1], x[2] / b, b, x[3] / b, b}, {0, 3, 5, 1, 2, 4});
  }

  const lathe_graph& graph_;
  const lathe_node* node_ = nullptr;
  std::vector<bool> used_;  // per value of the snapshot: whether anybody reads it
  Network network_;
};

}  // namespace

Network read(const lathe_graph& graph) {
  const std::optional<BatchPart> part = find_batch_part(graph);
  return part ? Reader(graph).read_around(*part) : Reader(graph).read();
}

Operation::Body read_body(const lathe_graph& body, const Network& outer, std::vector<TensorId>& captured) {
  const size_t before = captured.size();
  auto network = std::make_shared<Network>(Reader(body).read(&outer, &captured));
  return {std::move(network), captured.size() - before};
}

}  // namespace lathe::llvm_cpu
