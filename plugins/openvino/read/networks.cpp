// Convolutions, products, pooling, normalisation and reductions.
#include <algorithm>

#include "step.hpp"

namespace lathe::openvino {
namespace {

std::vector<int64_t> joined(std::vector<int64_t> a, const std::vector<int64_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void set_window(ReadStep& s, sdk::NodeData& node, bool dilations) {
  node.set("strides", s.integers("strides"));
  if (dilations) node.set("dilations", s.integers("dilations"));
  const std::string mode = s.text("auto_pad");
  if (mode == "same_upper" || mode == "same_lower") {
    node.set("auto_pad", mode == "same_upper" ? "SAME_UPPER" : "SAME_LOWER");
  } else if (mode == "valid") {
    node.set("auto_pad", "VALID");
  } else {
    node.set("pads", joined(s.integers("pads_begin"), s.integers("pads_end")));
  }
}

// [groups, O/G, I/G, ...] -> [O, I/G, ...]: the number of groups goes into an attribute.
uint32_t ungrouped(ReadStep& s, int64_t& groups) {
  const Dimensions& shape = s.dimensions(1);
  if (!shape || shape->size() < 3 || std::any_of(shape->begin(), shape->end(), [](int64_t d) { return d < 0; }))
    s.refuse("the weights' shape is not known");
  groups = (*shape)[0];
  std::vector<int64_t> flat(shape->begin() + 1, shape->end());
  flat[0] *= groups;
  if (const Layer* multiply = s.source(1, "Multiply"))
    if (const auto weights = quantized_weights(s, *multiply, &flat)) return *weights;
  if (const Layer* constant = s.source(1, "Const")) return s.constant(s.import.tensor(*constant, flat));
  return s.emit("Reshape", {s.in(1), s.indices(flat)});
}

void convolution(ReadStep& s) {
  int64_t groups = 1;
  const uint32_t weights = s.layer.type == "GroupConvolution" ? ungrouped(s, groups) : s.in(1);
  const uint32_t y = s.emit("Conv", {s.in(0), weights});
  set_window(s, s.last(), true);
  s.last().set("group", groups);
  s.out(0, y);
}

void transposed(ReadStep& s) {
  int64_t groups = 1;
  const uint32_t weights = s.layer.type == "GroupConvolutionBackpropData" ? ungrouped(s, groups) : s.in(1);
  const uint32_t y = s.emit("ConvTranspose", {s.in(0), weights});
  set_window(s, s.last(), true);
  s.last().set("group", groups);
  const std::vector<int64_t> more = s.integers("output_padding");
  if (more.size() == s.integers("strides").size()) s.last().set("output_padding", more);
  if (s.has(2)) s.last().set("output_shape", s.integers(2, "the output's shape"));
  s.out(0, y);
}

void deformable(ReadStep& s) {
  std::vector<uint32_t> inputs = {s.in(0), s.in(2), s.in(1)};
  if (s.has(3)) inputs.insert(inputs.end(), {LATHE_NONE, s.in(3)});
  const uint32_t y = s.emit("DeformConv", inputs);
  s.last().set("strides", s.integers("strides")).set("dilations", s.integers("dilations"));
  s.last().set("pads", joined(s.integers("pads_begin"), s.integers("pads_end")));
  s.last().set("group", s.integer("group")).set("offset_group", s.integer("deformable_group"));
  s.out(0, y);
}

void matmul(ReadStep& s) {
  const auto side = [&](size_t i, const char* flag) {
    const uint32_t x = s.in(i);
    if (!s.flag(flag) || s.rank(i) < 2) return x;
    std::vector<int64_t> order;
    for (int64_t k = 0; k < s.rank(i); ++k) order.push_back(k);
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    const uint32_t y = s.emit("Transpose", {x});
    s.last().set("perm", order);
    return y;
  };
  const uint32_t a = side(0, "transpose_a");
  const uint32_t b = side(1, "transpose_b");
  s.out(0, s.emit("MatMul", {a, b}));
}

void einsum(ReadStep& s) {
  std::vector<uint32_t> inputs;
  for (size_t i = 0; i < s.inputs(); ++i) inputs.push_back(s.in(i));
  const uint32_t y = s.emit("Einsum", inputs);
  s.last().set("equation", s.text("equation"));
  s.out(0, y);
}

void max_pool(ReadStep& s) {
  const bool indices = s.operation.opset >= 8 && s.used(1);
  if (indices && s.integer("axis") != 0) s.refuse("indices are read where they count over the whole tensor (axis=\"0\")");
  const std::string rounding = s.text("rounding_type");
  const std::vector<uint32_t> y = s.emit_many("MaxPool", {s.in(0)}, indices ? 2 : 1);
  s.last().set("kernel_shape", s.integers("kernel")).set("ceil_mode", rounding == "floor" ? 0 : 1);
  set_window(s, s.last(), s.operation.opset >= 8);
  s.out(0, y[0]);
  if (!indices) return;
  s.out(1, s.out_type(1) == LATHE_INT64 ? y[1] : s.cast(y[1], s.out_type(1)));
}

void average_pool(ReadStep& s) {
  const uint32_t y = s.emit("AveragePool", {s.in(0)});
  s.last().set("kernel_shape", s.integers("kernel")).set("ceil_mode", s.text("rounding_type") == "floor" ? 0 : 1);
  s.last().set("count_include_pad", s.flag("exclude-pad") ? 0 : 1);
  set_window(s, s.last(), false);
  s.out(0, y);
}

void mvn(ReadStep& s) {
  const uint32_t x = s.in(0), axes = s.list(1);
  const auto mean = [&](uint32_t v) {
    const uint32_t m = s.emit("ReduceMean", {v, axes});
    s.last().set("keepdims", 1);
    return m;
  };
  const uint32_t centred = s.emit("Sub", {x, mean(x)});
  if (!s.flag("normalize_variance")) return s.out(0, centred);
  const uint32_t variance = mean(s.emit("Mul", {centred, centred})), epsilon = s.constant(s.type(0), {}, {s.real("eps")});
  const std::string mode = s.text("eps_mode");
  const bool inside = mode == "inside_sqrt" || mode == "INSIDE_SQRT";
  const uint32_t deviation = inside ? s.emit("Sqrt", {s.emit("Add", {variance, epsilon})}) : s.emit("Add", {s.emit("Sqrt", {variance}), epsilon});
  s.out(0, s.emit("Div", {centred, deviation}));
}

void normalize(ReadStep& s) {
  const uint32_t x = s.in(0);
  const uint32_t sum = s.emit("ReduceSumSquare", {x, s.list(1)});
  s.last().set("keepdims", 1);
  const uint32_t epsilon = s.constant(s.type(0), {}, {s.real("eps")});
  s.out(0, s.emit("Div", {x, s.emit("Sqrt", {s.emit(s.text("eps_mode") == "add" ? "Add" : "Max", {sum, epsilon})})}));
}

void local_response(ReadStep& s) {
  if (s.integers(1, "the axes") != std::vector<int64_t>{1}) s.refuse("LRN is read over the channels (axis 1) alone");
  const uint32_t y = s.emit("LRN", {s.in(0)});
  s.last()
      .set("alpha", static_cast<float>(s.real("alpha")))
      .set("beta", static_cast<float>(s.real("beta")))
      .set("bias", static_cast<float>(s.real("bias")));
  s.last().set("size", s.integer("size"));
  s.out(0, y);
}

void batch_norm(ReadStep& s) {
  const uint32_t y = s.emit("BatchNormalization", {s.in(0), s.in(1), s.in(2), s.in(3), s.in(4)});
  s.last().set("epsilon", static_cast<float>(s.real("epsilon")));
  s.out(0, y);
}

void group_norm(ReadStep& s) {
  const uint32_t y = s.emit("GroupNormalization", {s.in(0), s.in(1), s.in(2)});
  s.last().set("epsilon", static_cast<float>(s.real("epsilon"))).set("num_groups", s.integer("num_groups"));
  s.out(0, y);
}

void reduce(ReadStep& s) {
  const bool logic = s.layer.type.starts_with("ReduceLogical");
  const std::string op = logic ? s.layer.type == "ReduceLogicalOr" ? "ReduceMax" : "ReduceMin" : s.layer.type;
  const uint32_t x = s.in(0);
  const uint32_t y = s.emit(op.c_str(), {x, s.list(1)});
  s.last().set("keepdims", s.flag("keep_dims") ? 1 : 0).set("noop_with_empty_axes", 1);
  s.out(0, y);
}

void top_k(ReadStep& s) {
  if (s.text("sort") == "index") s.refuse("TopK is read where it sorts by value; sorted by index is another order");
  const uint32_t x = s.in(0);
  const std::vector<uint32_t> y = s.emit_many("TopK", {x, s.list(1)}, 2);
  s.last().set("axis", s.integer("axis")).set("largest", s.text("mode") == "max" ? 1 : 0).set("sorted", 1);
  s.out(0, y[0]);
  if (s.layer.outputs.size() > 1) s.out(1, s.out_type(1) == LATHE_INT64 ? y[1] : s.cast(y[1], s.out_type(1)));
}

void cumulative(ReadStep& s) {
  const uint32_t y = s.emit("CumSum", {s.in(0), s.in(1)});
  s.last().set("exclusive", s.flag("exclusive") ? 1 : 0).set("reverse", s.flag("reverse") ? 1 : 0);
  s.out(0, y);
}

constexpr Reader readers[] = {
    {"AvgPool", average_pool},
    {"BatchNormInference", batch_norm},
    {"Convolution", convolution},
    {"ConvolutionBackpropData", transposed},
    {"CumSum", cumulative},
    {"DeformableConvolution", deformable},
    {"Einsum", einsum},
    {"GroupConvolution", convolution},
    {"GroupConvolutionBackpropData", transposed},
    {"GroupNormalization", group_norm},
    {"LRN", local_response},
    {"MVN", mvn},
    {"MatMul", matmul},
    {"MaxPool", max_pool},
    {"NormalizeL2", normalize},
    {"ReduceL1", reduce},
    {"ReduceL2", reduce},
    {"ReduceLogicalAnd", reduce},
    {"ReduceLogicalOr", reduce},
    {"ReduceMax", reduce},
    {"ReduceMean", reduce},
    {"ReduceMin", reduce},
    {"ReduceProd", reduce},
    {"ReduceSum", reduce},
    {"TopK", top_k},
};

}  // namespace

std::span<const Reader> network_readers() { return readers; }

}  // namespace lathe::openvino
