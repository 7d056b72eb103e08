// Kernels of program.hpp from operations; their names and operation counts.
#include "plan/kernels.hpp"

#include <algorithm>
#include <stdexcept>

#include "plan/expression.hpp"

namespace lathe::llvm_cpu {

Image dense_image(const std::vector<int64_t>& dimensions, Layout layout, int64_t block) {
  const ImageShape s = image_shape(dimensions);
  Image image{s.channels, s.height, s.width, layout, 0};
  image.batch_stride = item_floats(image, block);
  return image;
}

int64_t item_floats(const Image& image, int64_t block) {
  const int64_t channels = image.layout == Layout::plain ? image.channels : (image.channels + block - 1) / block * block;
  return channels * image.height * image.width;
}

Epilogue epilogue_of(const Network& network, const Operation& anchor, int64_t batch_stride) {
  Epilogue epilogue;
  epilogue.expression = anchor.expression;
  epilogue.expression.operands = 1 + static_cast<int>(anchor.inputs.size() - epilogue_begin);
  for (size_t i = epilogue_begin; i < anchor.inputs.size(); ++i) {
    EpilogueOperand operand;
    if (!epilogue_access(anchor, network.at(anchor.output()), network.at(anchor.inputs[i]), operand.access))
      throw std::logic_error("an epilogue's operand does not fit");
    if (operand.access == Access::same) operand.batch_stride = batch_stride;
    epilogue.operands.push_back(operand);
  }
  return epilogue;
}

Convolution convolution_kernel(const Network& network, const Operation& o, const Image& input, const Image& output) {
  Convolution k;
  k.batch = network.at(o.output()).dimensions[0];
  k.groups = o.groups;
  k.input = input;
  k.output = output;
  k.kernel = o.kernel;
  k.stride = o.stride;
  k.dilation = o.dilation;
  k.pad_begin = o.pad_begin;
  k.epilogue = epilogue_of(network, o, output.batch_stride);
  return k;
}

TransposedConvolution transposed_kernel(const Network& network, const Operation& o, const Image& input, const Image& output) {
  TransposedConvolution k;
  k.batch = network.at(o.output()).dimensions[0];
  k.input = input;
  k.output = output;
  k.stride = o.stride;
  k.epilogue = epilogue_of(network, o, output.batch_stride);
  return k;
}

Pooling pooling_kernel(const Network& network, const Operation& o, const Image& input, const Image& output) {
  Pooling k;
  k.kind = o.maximum ? Pooling::Kind::maximum : Pooling::Kind::average;
  k.batch = network.at(o.output()).dimensions[0];
  k.input = input;
  k.output = output;
  k.kernel = o.kernel;
  k.stride = o.stride;
  k.dilation = o.dilation;
  k.pad_begin = o.pad_begin;
  k.pad_end = o.pad_end;
  k.count_include_pad = o.count_include_pad;
  return k;
}

Upsampling upsampling_kernel(const Network& network, const Operation& o, const Image& input, const Image& output) {
  Upsampling k;
  k.batch = network.at(o.output()).dimensions[0];
  k.input = input;
  k.output = output;
  k.scale = o.stride;
  return k;
}

MatrixProduct product_kernel(const Network& network, const Operation& o) {
  const auto &a = network.at(o.inputs[0]).dimensions, &b = network.at(o.inputs[1]).dimensions, &c = network.at(o.output()).dimensions;
  MatrixProduct k;
  const size_t an = a.size(), bn = b.size();
  k.m = a[an - (o.transpose_a ? 1 : 2)];
  k.k = a[an - (o.transpose_a ? 2 : 1)];
  k.n = b[bn - (o.transpose_b ? 2 : 1)];
  k.batch.assign(c.begin(), c.end() - 2);
  k.bias = o.inputs[2] != no_tensor;
  k.constant_b = network.at(o.inputs[1]).constant && bn == 2;
  k.epilogue = epilogue_of(network, o, 0);
  return k;
}

Elementwise elementwise_kernel(std::vector<int64_t> dimensions, std::vector<std::vector<int64_t>> operand_strides,
                               std::vector<int64_t> output_strides, Expression expression, int32_t element_bytes) {
  Elementwise k;
  k.operand_strides.resize(operand_strides.size());
  k.expression = std::move(expression);
  k.element_bytes = element_bytes;
  for (size_t d = 0; d < dimensions.size(); ++d) {
    if (dimensions[d] == 1) continue;
    const auto joins = [&](const std::vector<int64_t>& kept, const std::vector<int64_t>& strides) {
      return kept.back() == strides[d] * dimensions[d];
    };
    bool join = !k.dimensions.empty() && joins(k.output_strides, output_strides);
    for (size_t i = 0; i < operand_strides.size() && join; ++i) join = joins(k.operand_strides[i], operand_strides[i]);
    if (join) {
      k.dimensions.back() *= dimensions[d];
      k.output_strides.back() = output_strides[d];
      for (size_t i = 0; i < operand_strides.size(); ++i) k.operand_strides[i].back() = operand_strides[i][d];
    } else {
      k.dimensions.push_back(dimensions[d]);
      k.output_strides.push_back(output_strides[d]);
      for (size_t i = 0; i < operand_strides.size(); ++i) k.operand_strides[i].push_back(operand_strides[i][d]);
    }
  }
  if (k.dimensions.empty()) {  // a single element
    k.dimensions = {1};
    k.output_strides = {1};
    for (auto& strides : k.operand_strides) strides = {0};
  }
  return k;
}

namespace {

std::string by(int64_t a, int64_t b) { return std::to_string(a) + 'x' + std::to_string(b); }
std::string suffix(const Epilogue& epilogue) {
  const std::string text = summary(epilogue.expression);
  return text.empty() ? "" : " +" + text;
}
std::string joined(const std::vector<int64_t>& d) {
  std::string text;
  for (const int64_t v : d) text += (text.empty() ? "" : "x") + std::to_string(v);
  return text;
}
const char* layouts(const Image& input, const Image& output) {
  if (input.layout == output.layout) return input.layout == Layout::plain ? " plain" : "";
  return input.layout == Layout::plain ? " from plain" : " to plain";
}
int64_t product(const std::vector<int64_t>& d) {
  int64_t n = 1;
  for (const int64_t v : d) n *= v;
  return n;
}

struct Describe {
  std::string operator()(const Convolution& k) const {
    const bool depthwise = k.groups > 1 && k.groups == k.input.channels;
    std::string text = (depthwise ? "depthwise " : "conv2d ") + by(k.kernel[0], k.kernel[1]) + " s" + std::to_string(k.stride[1]);
    if (k.dilation[0] > 1 || k.dilation[1] > 1) text += " d" + std::to_string(k.dilation[1]);
    if (k.groups > 1 && !depthwise) text += " g" + std::to_string(k.groups);
    return text + ' ' + std::to_string(k.input.channels) + "->" + std::to_string(k.output.channels) + ' ' + by(k.output.height, k.output.width) +
           layouts(k.input, k.output) + suffix(k.epilogue);
  }
  std::string operator()(const TransposedConvolution& k) const {
    return "conv_transpose " + by(k.stride[0], k.stride[1]) + ' ' + std::to_string(k.input.channels) + "->" + std::to_string(k.output.channels) +
           ' ' + by(k.output.height, k.output.width) + layouts(k.input, k.output) + suffix(k.epilogue);
  }
  std::string operator()(const MatrixProduct& k) const {
    return "matmul " + (k.batch.empty() ? "" : joined(k.batch) + " of ") + std::to_string(k.m) + 'x' + std::to_string(k.k) + " by " +
           std::to_string(k.k) + 'x' + std::to_string(k.n) + suffix(k.epilogue);
  }
  std::string operator()(const Pooling& k) const {
    const bool global = k.output.height == 1 && k.output.width == 1 && k.kernel[0] == k.input.height && k.kernel[1] == k.input.width;
    return std::string(global ? "global_" : "") + (k.kind == Pooling::Kind::maximum ? "maxpool " : "avgpool ") + by(k.kernel[0], k.kernel[1]) + " s" +
           std::to_string(k.stride[1]) + ' ' + std::to_string(k.input.channels) + ' ' + by(k.output.height, k.output.width) +
           layouts(k.input, k.output);
  }
  std::string operator()(const Upsampling& k) const {
    return "upsample " + by(k.scale[0], k.scale[1]) + ' ' + std::to_string(k.input.channels) + ' ' + by(k.output.height, k.output.width) +
           layouts(k.input, k.output);
  }
  std::string operator()(const Elementwise& k) const {
    return (k.expression.instructions.empty() ? "copy" : "elementwise " + summary(k.expression)) + ' ' + joined(k.dimensions);
  }
  std::string operator()(const Softmax& k) const {
    return "softmax " + std::to_string(k.outer) + 'x' + std::to_string(k.extent) + 'x' + std::to_string(k.inner);
  }
  std::string operator()(const Reorder& k) const {
    return std::string("reorder ") + (k.to_blocked ? "to blocked " : "to plain ") + by(k.channels, k.pixels);
  }
  std::string operator()(const Generic& k) const {
    std::string text = k.op_type;
    for (const auto& shape : k.outputs) text += ' ' + joined(shape.dimensions);
    return text;
  }
  std::string operator()(const Dynamic& k) const { return k.op_type; }
};

struct Count {
  static uint64_t epilogue(const Epilogue& e, int64_t elements) { return e.expression.instructions.size() * static_cast<uint64_t>(elements); }
  static int64_t elements(const Image& i, int64_t batch) { return batch * i.channels * i.height * i.width; }
  uint64_t operator()(const Convolution& k) const {
    const int64_t out = elements(k.output, k.batch);
    return static_cast<uint64_t>(2 * out * k.kernel[0] * k.kernel[1] * (k.input.channels / k.groups)) + epilogue(k.epilogue, out);
  }
  uint64_t operator()(const TransposedConvolution& k) const {
    const int64_t out = elements(k.output, k.batch);
    return static_cast<uint64_t>(2 * out * k.input.channels) + epilogue(k.epilogue, out);
  }
  uint64_t operator()(const MatrixProduct& k) const {
    const int64_t out = product(k.batch) * k.m * k.n;
    return static_cast<uint64_t>(2 * out * k.k) + epilogue(k.epilogue, out);
  }
  uint64_t operator()(const Pooling& k) const { return static_cast<uint64_t>(elements(k.output, k.batch) * k.kernel[0] * k.kernel[1]); }
  uint64_t operator()(const Upsampling&) const { return 0; }
  uint64_t operator()(const Elementwise& k) const { return k.expression.instructions.size() * static_cast<uint64_t>(product(k.dimensions)); }
  uint64_t operator()(const Softmax& k) const { return static_cast<uint64_t>(4 * k.outer * k.extent * k.inner); }
  uint64_t operator()(const Reorder&) const { return 0; }
  uint64_t operator()(const Generic& k) const {
    uint64_t n = 0;
    for (const auto& shape : k.outputs) n += static_cast<uint64_t>(product(shape.dimensions));
    return n;
  }
  uint64_t operator()(const Dynamic&) const { return 0; }  // only the run knows
};

}  // namespace

std::string describe(const Kernel& kernel) { return std::visit(Describe{}, kernel); }
uint64_t operations_of(const Kernel& kernel) { return std::visit(Count{}, kernel); }

}  // namespace lathe::llvm_cpu
