// Shapes of one layer's ports against each other. What is open fits everything.
#include "shapes.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace lathe::openvino::check {

bool fits(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] >= 0 && b[i] >= 0 && a[i] != b[i]) return false;
  return true;
}

std::string text(const Dims& dims) {
  std::string out;
  for (const int64_t d : dims) out += (out.empty() ? "" : "x") + std::to_string(d);
  return "[" + out + "]";
}

std::string expect(const Layer& layer, size_t output, const Dims& wanted) {
  const Dims& found = layer.outputs[output].dimensions;
  if (fits(found, wanted)) return "";
  return "its output " + std::to_string(output) + " is " + text(found) + " and must be " + text(wanted);
}

std::optional<Dims> broadcast(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x > 1 && y > 1 && x != y) return std::nullopt;
    if ((x == 0 && y > 1) || (y == 0 && x > 1)) return std::nullopt;
    out[out.size() - 1 - i] = x == 1 ? y : y == 1 ? x : x < 0 ? y : x;
  }
  return out;
}

std::optional<int64_t> axis_in(int64_t axis, size_t rank) {
  const int64_t n = static_cast<int64_t>(rank);
  if (axis < -n || axis >= n) return std::nullopt;
  return axis < 0 ? axis + n : axis;
}

int64_t integer(const Layer& layer, std::string_view name) { return std::atoll(layer.value(name).c_str()); }

namespace {

int64_t total(const Dims& dims) {
  int64_t n = 1;
  for (const int64_t d : dims)
    if (__builtin_mul_overflow(n, d, &n)) return -1;
  return n;
}

}  // namespace

std::string window(const Layer& layer, size_t axes) {
  for (const char* name : {"strides", "dilations", "pads_begin", "pads_end", "kernel"}) {
    if (!layer.operation->attribute(name)) continue;
    const Dims list = layer.list(name);
    if (list.size() != axes)
      return "the attribute " + std::string(name) + " has " + std::to_string(list.size()) + " numbers for " + std::to_string(axes) + " axes";
    for (const int64_t x : list)
      if (x < (name[0] == 'p' ? -(1 << 30) : 1)) return "the attribute " + std::string(name) + " holds " + std::to_string(x);
  }
  return "";
}

int64_t slid(const Layer& layer, size_t i, int64_t size, int64_t kernel, int64_t dilation) {
  if (size < 0 || kernel < 0) return -1;
  const std::string pad = layer.value("auto_pad");
  const int64_t stride = layer.list("strides")[i];
  if (pad == "same_upper" || pad == "same_lower") return (size + stride - 1) / stride;
  const int64_t padded = pad == "valid" ? size : size + layer.list("pads_begin")[i] + layer.list("pads_end")[i];
  const int64_t room = padded - dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  const std::string rounding = layer.operation->attribute("rounding_type") ? layer.value("rounding_type") : "floor";
  if (rounding == "floor") return room / stride + 1;
  const int64_t up = (room + stride - 1) / stride + 1;
  return rounding == "ceil_torch" && (up - 1) * stride >= size + layer.list("pads_begin")[i] ? up - 1 : up;
}

namespace {

// What an attribute auto_broadcast allows: anything that numpy does, equal shapes alone, or inputs that are spread over the first one's axes.
std::string elementwise(const Layer& layer, size_t first, size_t count) {
  const std::string rule = layer.value("auto_broadcast");
  Dims out = layer.inputs[first].dimensions;
  for (size_t i = first + 1; i < first + count; ++i) {
    const Dims& other = layer.inputs[i].dimensions;
    const auto both = broadcast(out, other);
    if (!both || (rule == "none" && !fits(out, other)) || (rule == "pdpd" && !fits(*both, out)))
      return "its inputs " + text(out) + " and " + text(other) + " cannot be broadcast";
    out = *both;
  }
  return expect(layer, 0, out);
}

std::string convolution(const Layer& layer) {
  const bool grouped = layer.type == "GroupConvolution";
  const Dims &x = layer.inputs[0].dimensions, &w = layer.inputs[1].dimensions;
  const size_t front = grouped ? 3 : 2;
  if (x.size() < 3 || w.size() != x.size() + (grouped ? 1 : 0)) return "data " + text(x) + " and filters " + text(w) + " do not go together";
  if (const std::string wrong = window(layer, x.size() - 2); !wrong.empty()) return wrong;
  const int64_t channels = grouped ? w[0] * w[2] : w[1];
  if (x[1] >= 0 && channels >= 0 && x[1] != channels)
    return "the data has " + std::to_string(x[1]) + " channels and the filters take " + std::to_string(channels);
  Dims out = {x[0], grouped ? w[0] * w[1] : w[0]};
  for (size_t i = 0; i + 2 < x.size(); ++i) out.push_back(slid(layer, i, x[i + 2], w[i + front], layer.list("dilations")[i]));
  return expect(layer, 0, out);
}

std::string transposed(const Layer& layer) {
  const bool grouped = layer.type.starts_with("Group");
  const Dims &x = layer.inputs[0].dimensions, &w = layer.inputs[1].dimensions;
  const size_t front = grouped ? 3 : 2;
  if (x.size() < 3 || w.size() != x.size() + (grouped ? 1 : 0)) return "data " + text(x) + " and filters " + text(w) + " do not go together";
  if (const std::string wrong = window(layer, x.size() - 2); !wrong.empty()) return wrong;
  const int64_t channels = grouped ? w[0] * w[1] : w[0];
  if (x[1] >= 0 && channels >= 0 && x[1] != channels)
    return "the data has " + std::to_string(x[1]) + " channels and the filters take " + std::to_string(channels);
  Dims out = {x[0], grouped ? w[0] * w[2] : w[1]}, more = layer.list("output_padding");
  if (layer.attribute("output_padding") && more.size() != x.size() - 2) return "the attribute output_padding has not one number for each axis";
  if (layer.inputs.size() > 2 || layer.value("auto_pad") != "explicit") return "";
  more.resize(x.size() - 2, 0);
  for (size_t i = 0; i + 2 < x.size(); ++i)
    out.push_back(x[i + 2] < 0 || w[i + front] < 0 ? -1
                                                   : layer.list("strides")[i] * (x[i + 2] - 1) + layer.list("dilations")[i] * (w[i + front] - 1) + 1 +
                                                         more[i] - layer.list("pads_begin")[i] - layer.list("pads_end")[i]);
  return expect(layer, 0, out);
}

std::string pool(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  if (x.size() < 3) return "its data has fewer than three axes";
  if (const std::string wrong = window(layer, x.size() - 2); !wrong.empty()) return wrong;
  Dims out = {x[0], x[1]};
  for (size_t i = 0; i + 2 < x.size(); ++i)
    out.push_back(slid(layer, i, x[i + 2], layer.list("kernel")[i], layer.operation->attribute("dilations") ? layer.list("dilations")[i] : 1));
  for (size_t o = 0; o < layer.outputs.size(); ++o)
    if (const std::string wrong = expect(layer, o, out); !wrong.empty()) return wrong;
  if (layer.operation->attribute("axis") && !axis_in(integer(layer, "axis"), x.size())) return "its axis is none of the data's";
  return "";
}

std::string matmul(const Layer& layer) {
  Dims a = layer.inputs[0].dimensions, b = layer.inputs[1].dimensions;
  if (a.size() < 2 || b.size() < 2) return "";
  if (layer.value("transpose_a") == "true") std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (layer.value("transpose_b") == "true") std::swap(b[b.size() - 1], b[b.size() - 2]);
  const int64_t inner = a.back(), other = b[b.size() - 2];
  if (inner >= 0 && other >= 0 && inner != other) return "it multiplies " + text(a) + " with " + text(b) + ", whose inner sizes differ";
  const auto batch = broadcast(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2));
  if (!batch) return "the batches of " + text(a) + " and " + text(b) + " cannot be broadcast";
  Dims out = *batch;
  out.push_back(a[a.size() - 2]), out.push_back(b.back());
  return expect(layer, 0, out);
}

std::string concat(const Layer& layer) {
  Dims out = layer.inputs[0].dimensions;
  const auto axis = axis_in(integer(layer, "axis"), out.size());
  if (!axis) return "its axis is none of the data's";
  const size_t at = static_cast<size_t>(*axis);
  for (size_t i = 1; i < layer.inputs.size(); ++i) {
    Dims other = layer.inputs[i].dimensions;
    if (other.size() != out.size()) return "its inputs have different ranks";
    const int64_t more = other[at];
    other[at] = out[at];
    if (!fits(other, out))
      return "its inputs differ beside the axis: " + text(layer.inputs[0].dimensions) + " and " + text(layer.inputs[i].dimensions);
    out[at] = out[at] < 0 || more < 0 ? -1 : out[at] + more;
  }
  return expect(layer, 0, out);
}

std::string split(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const auto axes = layer.constant(1);
  if (layer.type == "Split" && layer.value("num_splits") != std::to_string(layer.outputs.size()))
    return "num_splits is not the number of its outputs";
  if (!axes || axes->size() != 1) return "";
  const auto axis = axis_in(axes->front(), x.size());
  if (!axis) return "its axis is none of the data's";
  const size_t at = static_cast<size_t>(*axis);
  std::optional<Dims> lengths;
  if (layer.type == "Split") {
    const int64_t n = static_cast<int64_t>(layer.outputs.size());
    if (x[at] >= 0 && x[at] % n != 0) return "its axis of " + std::to_string(x[at]) + " cannot be cut into " + std::to_string(n);
    lengths = Dims(layer.outputs.size(), x[at] < 0 ? -1 : x[at] / n);
  } else {
    lengths = layer.constant(2);
    if (lengths && lengths->size() != layer.outputs.size()) return "it has another number of lengths than outputs";
    if (lengths && x[at] >= 0 && std::find(lengths->begin(), lengths->end(), -1) == lengths->end()) {
      int64_t sum = 0;
      for (const int64_t n : *lengths) sum += n;
      if (sum != x[at]) return "its lengths sum up to " + std::to_string(sum) + " and not to " + std::to_string(x[at]);
    }
  }
  for (size_t i = 0; lengths && i < layer.outputs.size(); ++i) {
    Dims out = x;
    out[at] = (*lengths)[i];
    if (const std::string wrong = expect(layer, i, out); !wrong.empty()) return wrong;
  }
  return "";
}

std::string transpose(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const auto order = layer.constant(1);
  if (!order || order->empty()) return "";
  Dims sorted = *order, out;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.size() != x.size()) return "its order has another number of axes than the data";
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<int64_t>(i)) return "its order is no permutation";
  for (const int64_t a : *order) out.push_back(x[static_cast<size_t>(a)]);
  return expect(layer, 0, out);
}

std::string reshape(const Layer& layer) {
  const Port &x = layer.inputs[0], &y = layer.outputs[0];
  if (const auto shape = layer.constant(1)) {
    if (shape->size() != y.dimensions.size()) return "its output has another rank than the wanted shape";
    Dims wanted = *shape;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i] == 0 && layer.value("special_zero") == "true") wanted[i] = i < x.dimensions.size() ? x.dimensions[i] : -1;
    if (const std::string wrong = expect(layer, 0, wanted); !wrong.empty()) return wrong;
  }
  if (x.is_static() && y.is_static() && total(x.dimensions) != total(y.dimensions))
    return text(x.dimensions) + " and " + text(y.dimensions) + " hold different numbers of elements";
  return "";
}

std::string squeeze(const Layer& layer) {
  const auto axes = layer.inputs.size() > 1 ? layer.constant(1) : std::nullopt;
  if (!axes) return "";
  const bool in = layer.type == "Squeeze";
  const Dims& longer = in ? layer.inputs[0].dimensions : layer.outputs[0].dimensions;
  const Dims& shorter = in ? layer.outputs[0].dimensions : layer.inputs[0].dimensions;
  Dims rest;
  std::vector<bool> named(longer.size(), false);
  for (const int64_t a : *axes) {
    const auto axis = axis_in(a, longer.size());
    if (!axis) return "an axis is none of its data's";
    named[static_cast<size_t>(*axis)] = true;
  }
  for (size_t i = 0; i < longer.size(); ++i) {
    if (!named[i]) rest.push_back(longer[i]);
    if (named[i] && longer[i] > 1) return "the axis " + std::to_string(i) + " is not of size 1";
  }
  return fits(rest, shorter) ? "" : "its input " + text(layer.inputs[0].dimensions) + " does not become " + text(layer.outputs[0].dimensions);
}

std::string reduce(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const auto axes = layer.constant(1);
  if (!axes) {
    // As many axes go as are named.
    const Dims& named = layer.inputs[1].dimensions;
    const int64_t count = layer.value("keep_dims") == "true" ? 0 : named.empty() ? 1 : named.size() == 1 ? named[0] : -1;
    const size_t rank = layer.outputs[0].dimensions.size();
    return count < 0 || static_cast<int64_t>(rank) + count == static_cast<int64_t>(x.size()) ? ""
                                                                                             : "its output has " + std::to_string(rank) + " axes";
  }
  std::vector<bool> reduced(x.size(), false);
  for (const int64_t a : *axes) {
    const auto axis = axis_in(a, x.size());
    if (!axis) return "an axis is none of the data's";
    reduced[static_cast<size_t>(*axis)] = true;
  }
  Dims out;
  for (size_t i = 0; i < x.size(); ++i)
    if (!reduced[i] || layer.value("keep_dims") == "true") out.push_back(reduced[i] ? 1 : x[i]);
  return expect(layer, 0, out);
}

std::string interpolate(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const size_t axes_at = layer.operation->opset < 11 ? 3 : 2;
  if (layer.outputs[0].dimensions.size() != x.size()) return "its output has another rank than its data";
  const auto axes = layer.inputs.size() > axes_at ? layer.constant(axes_at) : std::nullopt;
  for (const char* name : {"pads_begin", "pads_end"})
    if (const size_t n = layer.list(name).size(); n > 1 && n != x.size())
      return "the attribute " + std::string(name) + " has not one number for each axis";
  const bool by_sizes = layer.value("shape_calculation_mode") == "sizes";
  if (layer.operation->opset >= 11 && layer.inputs[1].precision.starts_with("FP") == by_sizes)
    return std::string("shape_calculation_mode says ") + (by_sizes ? "sizes" : "scales") + " and its input 1 is " + layer.inputs[1].precision;
  if (!axes && layer.inputs.size() > axes_at) return "";
  Dims out = x, named = axes.value_or(Dims());
  for (size_t i = 0; i < x.size() && !axes; ++i) named.push_back(static_cast<int64_t>(i));
  const auto begin = layer.list("pads_begin"), end = layer.list("pads_end");
  const auto pad = [](const Dims& pads, size_t i) { return i < pads.size() ? pads[i] : 0; };
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] >= 0) out[i] += pad(begin, i) + pad(end, i);
  const auto sizes = by_sizes ? layer.constant(1) : std::nullopt;
  const auto scales = by_sizes ? std::nullopt : layer.reals(layer.operation->opset < 11 ? 2 : 1);
  if ((sizes && sizes->size() != named.size()) || (scales && scales->size() != named.size())) return "it has not one size or scale for each axis";
  for (size_t i = 0; i < named.size(); ++i) {
    const auto axis = axis_in(named[i], x.size());
    if (!axis) return "an axis is none of the data's";
    int64_t& d = out[static_cast<size_t>(*axis)];
    if (sizes) {
      d = (*sizes)[i];
    } else if (scales && d >= 0) {
      // Scales are rounded numbers: what they make may lie one above.
      const double wide = std::floor(static_cast<double>(d) * static_cast<double>((*scales)[i]) + 1e-3);
      d = wide < 0 || wide > 1e15 ? -1 : static_cast<int64_t>(wide);
    } else {
      d = -1;
    }
  }
  return expect(layer, 0, out);
}

std::string fake_quantize(const Layer& layer) {
  const bool equal = layer.value("auto_broadcast") == "none";
  for (size_t i = 1; i < 5; ++i) {
    const auto both = broadcast(layer.inputs[0].dimensions, layer.inputs[i].dimensions);
    if (!both || both->size() != layer.inputs[0].dimensions.size() || (equal && !fits(layer.inputs[0].dimensions, layer.inputs[i].dimensions)))
      return "its bounds " + text(layer.inputs[i].dimensions) + " do not go with the data";
  }
  return expect(layer, 0, layer.inputs[0].dimensions);
}

std::string softmax(const Layer& layer) {
  const int64_t axis = integer(layer, "axis");
  if (!axis_in(axis, layer.inputs[0].dimensions.size()) || (axis < 0 && layer.type == "SoftMax" && layer.operation->opset < 8))
    return "its axis is none of the data's";
  return expect(layer, 0, layer.inputs[0].dimensions);
}

std::string shape_of(const Layer& layer) { return expect(layer, 0, {static_cast<int64_t>(layer.inputs[0].dimensions.size())}); }

std::string top_k(const Layer& layer) {
  Dims out = layer.inputs[0].dimensions;
  const auto axis = axis_in(integer(layer, "axis"), out.size());
  if (!axis) return "its axis is none of the data's";
  const auto k = layer.constant(1);
  out[static_cast<size_t>(*axis)] = k && k->size() == 1 ? k->front() : -1;
  for (size_t o = 0; o < layer.outputs.size(); ++o)
    if (const std::string wrong = expect(layer, o, out); !wrong.empty()) return wrong;
  return "";
}

std::string broadcast_to(const Layer& layer) {
  const auto shape = layer.constant(1);
  if (!shape) return "";
  if (layer.value("mode") == "explicit")
    return layer.inputs.size() == 3 ? expect(layer, 0, *shape) : "in the mode explicit it must have axes_mapping";
  const auto both = broadcast(layer.inputs[0].dimensions, *shape);
  if (!both) return text(layer.inputs[0].dimensions) + " cannot be broadcast to " + text(*shape);
  return expect(layer, 0, *both);
}

std::string pad(const Layer& layer) {
  const auto begin = layer.constant(1), end = layer.constant(2);
  Dims out = layer.inputs[0].dimensions;
  if (!begin || !end) return "";
  if (begin->size() != out.size() || end->size() != out.size()) return "it has not two pads for each axis";
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] >= 0 && (__builtin_add_overflow(out[i], (*begin)[i], &out[i]) || __builtin_add_overflow(out[i], (*end)[i], &out[i])))
      return "its pads are larger than any size";
  return expect(layer, 0, out);
}

constexpr ShapeCheck checks[] = {
    {"AvgPool", pool},
    {"Broadcast", broadcast_to},
    {"Concat", concat},
    {"Convolution", convolution},
    {"ConvolutionBackpropData", transposed},
    {"FakeQuantize", fake_quantize},
    {"GroupConvolution", convolution},
    {"GroupConvolutionBackpropData", transposed},
    {"Interpolate", interpolate},
    {"LogSoftmax", softmax},
    {"MatMul", matmul},
    {"MaxPool", pool},
    {"Pad", pad},
    {"ReduceL1", reduce},
    {"ReduceL2", reduce},
    {"ReduceLogicalAnd", reduce},
    {"ReduceLogicalOr", reduce},
    {"ReduceMax", reduce},
    {"ReduceMean", reduce},
    {"ReduceMin", reduce},
    {"ReduceProd", reduce},
    {"ReduceSum", reduce},
    {"Reshape", reshape},
    {"ShapeOf", shape_of},
    {"SoftMax", softmax},
    {"Split", split},
    {"Squeeze", squeeze},
    {"TopK", top_k},
    {"Transpose", transpose},
    {"Unsqueeze", squeeze},
    {"VariadicSplit", split},
};

}  // namespace

std::string check_shapes(const Layer& layer) {
  for (const std::span<const ShapeCheck> family : {std::span<const ShapeCheck>(checks), movement_checks(), network_checks()})
    for (const ShapeCheck& rule : family)
      if (rule.type == layer.type) return rule.check(layer);
  if (layer.type == "Select") return elementwise(layer, 0, 3);
  if (layer.operation->shape == ShapeRule::broadcast) return elementwise(layer, 0, layer.inputs.size());
  if (layer.operation->shape == ShapeRule::same) return expect(layer, 0, layer.inputs[0].dimensions);
  return "";
}

}  // namespace lathe::openvino::check
