// See plan_interpreter.hpp.
#include "plan_interpreter.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>
#include <utility>

#include "lathe/kernels/all.hpp"
#include "plan/expression.hpp"
#include "plan/pack.hpp"

namespace lathe::llvm_cpu {

namespace {

int64_t product(const std::vector<int64_t>& d) {
  int64_t n = 1;
  for (const int64_t v : d) n *= v;
  return n;
}

// The weights in ONNX's order: `pack` is given 1, 2, 3, ... and its result says which element lies where.
template <class Pack>
std::vector<float> unpack(const float* packed, size_t size, Pack pack) {
  if (size >= (size_t{1} << 24)) throw std::runtime_error("too many weights for indices in float32");
  std::vector<float> indices(size), weights(size, std::numeric_limits<float>::quiet_NaN());
  for (size_t i = 0; i < size; ++i) indices[i] = static_cast<float>(i + 1);
  const std::vector<float> where = pack(indices);
  for (size_t i = 0; i < where.size(); ++i) {
    if (where[i] != 0)
      weights[static_cast<size_t>(where[i]) - 1] = packed[i];
    else if (packed[i] != 0)
      throw std::runtime_error("padding of packed weights is not zero");
  }
  return weights;
}

class Interpreter {
 public:
  Interpreter(const Program& program, const Machine& machine, const std::vector<Bytes>& inputs)
      : program_(program), machine_(machine), inputs_(inputs), arena_(program.arena_bytes, 0xff), weights_(program.weights) {
    for (const TensorInterface& output : program.outputs) outputs_.emplace_back(element_count(output) * 16, uint8_t{0xff});
  }

  std::vector<Bytes> run() {
    for (const Step& step : program_.steps) {
      step_ = &step;
      std::visit([&](const auto& kernel) { execute(kernel); }, step.kernel);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].resize(element_count(program_.outputs[i]) * element_bytes(program_.outputs[i].type));
    return std::move(outputs_);
  }

 private:
  static size_t element_count(const TensorInterface& t) { return static_cast<size_t>(product(t.dimensions)); }
  static size_t element_bytes(int32_t type) {
    switch (type) {
      case 2:
      case 3:
      case 9:
        return 1;
      case 4:
      case 5:
      case 10:
      case 16:
        return 2;
      case 7:
      case 11:
      case 13:
        return 8;
      default:
        return 4;
    }
  }

  uint8_t* bytes(size_t argument) {
    const BufferId id = step_->arguments.at(argument);
    if (id == no_buffer) return nullptr;
    const Buffer& buffer = program_.buffers.at(id);
    Bytes& memory = buffer.kind == Buffer::Kind::input    ? inputs_.at(buffer.index)
                    : buffer.kind == Buffer::Kind::output ? outputs_.at(buffer.index)
                    : buffer.kind == Buffer::Kind::arena  ? arena_
                                                          : weights_;
    if (buffer.offset + buffer.bytes > memory.size()) throw std::runtime_error("a buffer of step '" + step_->name + "' ends behind its memory");
    return memory.data() + buffer.offset;
  }
  float* floats(size_t argument) { return reinterpret_cast<float*>(bytes(argument)); }
  // Reads and writes are checked against the buffer's size.
  float& element(size_t argument, int64_t index) {
    const Buffer& buffer = program_.buffers.at(step_->arguments.at(argument));
    if (index < 0 || static_cast<uint64_t>(index + 1) * sizeof(float) > buffer.bytes)
      throw std::runtime_error("step '" + step_->name + "' leaves its buffer");
    return floats(argument)[index];
  }

  int64_t address(const Image& image, int64_t n, int64_t c, int64_t pixel) const {
    const int64_t block = machine_.block(), pixels = image.height * image.width;
    if (image.layout == Layout::plain) return n * image.batch_stride + c * (image.channel_stride ? image.channel_stride : pixels) + pixel;
    return n * image.batch_stride + (c / block * pixels + pixel) * block + c % block;
  }
  std::vector<float> load(size_t argument, const Image& image, int64_t batch) {
    const int64_t pixels = image.height * image.width;
    std::vector<float> values;
    values.reserve(static_cast<size_t>(batch * image.channels * pixels));
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t c = 0; c < image.channels; ++c)
        for (int64_t p = 0; p < pixels; ++p) values.push_back(element(argument, address(image, n, c, p)));
    return values;
  }

  // Applies the epilogue to an image of accumulators and stores it. `first` is the argument of the first epilogue operand.
  void finish(const Epilogue& epilogue, const std::vector<float>& accumulators, const Image& image, int64_t batch, size_t first, size_t last) {
    const int64_t pixels = image.height * image.width;
    std::vector<float> operands(epilogue.operands.size() + 1);
    size_t i = 0;
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t c = 0; c < image.channels; ++c)
        for (int64_t p = 0; p < pixels; ++p) {
          operands[0] = accumulators[i++];
          for (size_t k = 0; k < epilogue.operands.size(); ++k) {
            Image other = image;
            other.batch_stride = epilogue.operands[k].batch_stride;
            const Access access = epilogue.operands[k].access;
            operands[k + 1] = element(first + k, access == Access::same ? address(other, n, c, p) : access == Access::per_channel ? c : 0);
          }
          element(last, address(image, n, c, p)) = evaluate(epilogue.expression, operands);
        }
  }

  void execute(const Convolution& k) {
    const auto ic = k.input.channels / k.groups, oc = k.output.channels / k.groups, area = k.kernel[0] * k.kernel[1];
    const std::vector<float> x = load(0, k.input, k.batch);
    const std::vector<float> w = unpack(floats(1), static_cast<size_t>(k.output.channels * ic * area),
                                        [&](const std::vector<float>& v) { return pack_weights(machine_, k, v); });
    const int64_t oh = k.output.height, ow = k.output.width, ih = k.input.height, iw = k.input.width;
    std::vector<float> y(static_cast<size_t>(k.batch * k.output.channels * oh * ow));
    for (int64_t n = 0; n < k.batch; ++n)
      for (int64_t o = 0; o < k.output.channels; ++o) {
        float* to = &y[static_cast<size_t>((n * k.output.channels + o) * oh * ow)];
        std::fill(to, to + oh * ow, element(2, o));
        for (int64_t c = 0; c < ic; ++c)
          for (int64_t ky = 0; ky < k.kernel[0]; ++ky)
            for (int64_t kx = 0; kx < k.kernel[1]; ++kx) {
              const float weight = w[static_cast<size_t>((o * ic + c) * area + ky * k.kernel[1] + kx)];
              const float* from = &x[static_cast<size_t>((n * k.input.channels + o / oc * ic + c) * ih * iw)];
              for (int64_t r = 0; r < oh; ++r) {
                const int64_t iy = r * k.stride[0] - k.pad_begin[0] + ky * k.dilation[0];
                if (iy < 0 || iy >= ih) continue;
                for (int64_t q = 0; q < ow; ++q) {
                  const int64_t ix = q * k.stride[1] - k.pad_begin[1] + kx * k.dilation[1];
                  if (ix >= 0 && ix < iw) to[r * ow + q] += weight * from[iy * iw + ix];
                }
              }
            }
      }
    finish(k.epilogue, y, k.output, k.batch, 3, step_->arguments.size() - 1);
  }

  void execute(const TransposedConvolution& k) {
    const int64_t ic = k.input.channels, oc = k.output.channels, area = k.stride[0] * k.stride[1];
    const std::vector<float> x = load(0, k.input, k.batch);
    const std::vector<float> w =
        unpack(floats(1), static_cast<size_t>(ic * oc * area), [&](const std::vector<float>& v) { return pack_weights(machine_, k, v); });
    const int64_t oh = k.output.height, ow = k.output.width;
    std::vector<float> y(static_cast<size_t>(k.batch * oc * oh * ow));
    for (int64_t n = 0; n < k.batch; ++n)
      for (int64_t o = 0; o < oc; ++o)
        for (int64_t r = 0; r < oh; ++r)
          for (int64_t q = 0; q < ow; ++q) {
            float sum = element(2, o);
            for (int64_t c = 0; c < ic; ++c)
              sum += w[static_cast<size_t>((c * oc + o) * area + r % k.stride[0] * k.stride[1] + q % k.stride[1])] *
                     x[static_cast<size_t>(((n * ic + c) * k.input.height + r / k.stride[0]) * k.input.width + q / k.stride[1])];
            y[static_cast<size_t>(((n * oc + o) * oh + r) * ow + q)] = sum;
          }
    finish(k.epilogue, y, k.output, k.batch, 3, step_->arguments.size() - 1);
  }

  void execute(const MatrixProduct& k) {
    std::vector<float> constant;
    if (k.constant_b)
      constant = unpack(floats(1), static_cast<size_t>(k.k * k.n), [&](const std::vector<float>& v) { return pack_matrix(machine_, k, v, false); });
    const size_t first = k.bias ? 3 : 2, last = step_->arguments.size() - 1;
    std::vector<float> operands(k.epilogue.operands.size() + 1);
    for (int64_t b = 0; b < product(k.batch); ++b) {
      int64_t a_base = 0, b_base = 0, rest = b;
      for (size_t d = k.batch.size(); d-- > 0;) {
        a_base += rest % k.batch[d] * k.a_batch_stride[d];
        b_base += rest % k.batch[d] * k.b_batch_stride[d];
        rest /= k.batch[d];
      }
      for (int64_t r = 0; r < k.m; ++r)
        for (int64_t c = 0; c < k.n; ++c) {
          float sum = k.bias ? element(2, c) : 0;
          for (int64_t i = 0; i < k.k; ++i)
            sum += element(0, a_base + r * k.a_row_stride + i * k.a_column_stride) *
                   (k.constant_b ? constant[static_cast<size_t>(i * k.n + c)] : element(1, b_base + i * k.b_row_stride + c * k.b_column_stride));
          operands[0] = sum;
          const int64_t at = (b * k.m + r) * k.n + c;
          for (size_t e = 0; e < k.epilogue.operands.size(); ++e) {
            const Access access = k.epilogue.operands[e].access;
            operands[e + 1] = element(first + e, access == Access::same ? at : access == Access::per_channel ? c : 0);
          }
          element(last, at) = evaluate(k.epilogue.expression, operands);
        }
    }
  }

  void execute(const Pooling& k) {
    const std::vector<float> x = load(0, k.input, k.batch);
    const bool maximum = k.kind == Pooling::Kind::maximum;
    const int64_t ih = k.input.height, iw = k.input.width;
    for (int64_t n = 0; n < k.batch; ++n)
      for (int64_t c = 0; c < k.output.channels; ++c)
        for (int64_t r = 0; r < k.output.height; ++r)
          for (int64_t q = 0; q < k.output.width; ++q) {
            float value = maximum ? -std::numeric_limits<float>::infinity() : 0;
            int64_t counted = 0;
            for (int64_t ky = 0; ky < k.kernel[0]; ++ky)
              for (int64_t kx = 0; kx < k.kernel[1]; ++kx) {
                const int64_t y = r * k.stride[0] - k.pad_begin[0] + ky * k.dilation[0], z = q * k.stride[1] - k.pad_begin[1] + kx * k.dilation[1];
                if (y < 0 || y >= ih || z < 0 || z >= iw) {
                  counted += k.count_include_pad && y < ih + k.pad_end[0] && z < iw + k.pad_end[1];
                  continue;
                }
                const float v = x[static_cast<size_t>(((n * k.input.channels + c) * ih + y) * iw + z)];
                value = maximum ? std::max(value, v) : value + v;
                ++counted;
              }
            element(1, address(k.output, n, c, r * k.output.width + q)) = maximum ? value : value / static_cast<float>(counted);
          }
  }

  void execute(const Upsampling& k) {
    const std::vector<float> x = load(0, k.input, k.batch);
    for (int64_t n = 0; n < k.batch; ++n)
      for (int64_t c = 0; c < k.output.channels; ++c)
        for (int64_t r = 0; r < k.output.height; ++r)
          for (int64_t q = 0; q < k.output.width; ++q)
            element(1, address(k.output, n, c, r * k.output.width + q)) =
                x[static_cast<size_t>(((n * k.input.channels + c) * k.input.height + r / k.scale[0]) * k.input.width + q / k.scale[1])];
  }

  // Elementwise over whole padded blocks also touches the lanes beyond the last channel, whatever lies there.
  void execute(const Elementwise& k) {
    const size_t operands = k.operand_strides.size(), last = step_->arguments.size() - 1;
    const auto width = static_cast<size_t>(k.element_bytes);
    std::vector<int64_t> index(k.dimensions.size(), 0), at(operands, 0);
    std::vector<float> values(operands);
    std::vector<uint8_t*> from;
    for (size_t i = 0; i < operands; ++i) from.push_back(bytes(i));
    int64_t to = 0;
    for (int64_t count = product(k.dimensions); count > 0; --count) {
      for (size_t i = 0; i < operands; ++i) check(i, at[i], width);
      check(last, to, width);
      if (k.expression.instructions.empty()) {
        std::memmove(bytes(last) + to * k.element_bytes, from[0] + at[0] * k.element_bytes, width);
      } else {
        for (size_t i = 0; i < operands; ++i) std::memcpy(&values[i], from[i] + at[i] * k.element_bytes, width);
        element(last, to) = evaluate(k.expression, values);
      }
      for (size_t d = k.dimensions.size(); d-- > 0;) {
        to += k.output_strides[d];
        for (size_t i = 0; i < operands; ++i) at[i] += k.operand_strides[i][d];
        if (++index[d] < k.dimensions[d]) break;
        index[d] = 0;
        to -= k.output_strides[d] * k.dimensions[d];
        for (size_t i = 0; i < operands; ++i) at[i] -= k.operand_strides[i][d] * k.dimensions[d];
      }
    }
  }
  void check(size_t argument, int64_t index, size_t width) {
    const Buffer& buffer = program_.buffers.at(step_->arguments.at(argument));
    if (index < 0 || static_cast<uint64_t>(index + 1) * width > buffer.bytes)
      throw std::runtime_error("step '" + step_->name + "' leaves its buffer");
  }

  void execute(const Softmax& k) {
    for (int64_t o = 0; o < k.outer; ++o)
      for (int64_t i = 0; i < k.inner; ++i) {
        const auto at = [&](int64_t e) { return (o * k.extent + e) * k.inner + i; };
        float largest = -std::numeric_limits<float>::infinity(), sum = 0;
        for (int64_t e = 0; e < k.extent; ++e) largest = std::max(largest, element(0, at(e)));
        for (int64_t e = 0; e < k.extent; ++e) sum += std::exp(element(0, at(e)) - largest);
        for (int64_t e = 0; e < k.extent; ++e) element(1, at(e)) = std::exp(element(0, at(e)) - largest) / sum;
      }
  }

  void execute(const Reorder& k) {
    const int64_t stride = k.plain_channel_stride ? k.plain_channel_stride : k.pixels;
    Image blocked{k.channels, 1, k.pixels, Layout::blocked, k.to_blocked ? k.output_batch_stride : k.input_batch_stride};
    for (int64_t n = 0; n < k.batch; ++n)
      for (int64_t c = 0; c < k.channels; ++c)
        for (int64_t p = 0; p < k.pixels; ++p) {
          const int64_t plain = n * (k.to_blocked ? k.input_batch_stride : k.output_batch_stride) + c * stride + p;
          if (k.to_blocked)
            element(1, address(blocked, n, c, p)) = element(0, plain);
          else
            element(1, plain) = element(0, address(blocked, n, c, p));
        }
  }

  void execute(const Generic& k) {
#define ENTRY(domain, name, function, shape) {{domain, #name}, &kernels::function},
    static const std::map<std::pair<std::string, std::string>, kernels::Kernel> table = {LATHE_KERNELS(ENTRY)};
#undef ENTRY
    const auto found = table.find({k.domain, k.op_type});
    if (found == table.end()) throw std::runtime_error("no kernel for " + k.op_type);
    std::vector<kernels::Tensor> inputs, outputs;
    std::vector<kernels::Attribute> attributes;
    size_t argument = 0;
    for (const auto& [list, tensors] : {std::pair{&k.inputs, &inputs}, std::pair{&k.outputs, &outputs}})
      for (const Generic::TensorShape& shape : *list)
        tensors->push_back(
            {bytes(argument++), shape.dimensions.data(), static_cast<int32_t>(shape.dimensions.size()), static_cast<kernels::Type>(shape.type)});
    for (const Generic::Attribute& a : k.attributes)
      attributes.push_back(
          {a.name.c_str(), a.ints.data(), a.floats.data(), a.text.c_str(), static_cast<int64_t>(std::max(a.ints.size(), a.floats.size()))});
    const char* error = nullptr;
    kernels::Call call{};
    call.inputs = inputs.data(), call.outputs = outputs.data(), call.attributes = attributes.data();
    call.input_count = static_cast<int32_t>(inputs.size()), call.output_count = static_cast<int32_t>(outputs.size());
    call.attribute_count = static_cast<int32_t>(attributes.size());
    call.opset = 26;
    call.error = &error;
    found->second(call);
    if (error) throw std::runtime_error(error);
  }

  void execute(const Dynamic& k) { throw std::runtime_error(k.op_type + " on run-time values is the artifact's driver's"); }

  const Program& program_;
  const Machine& machine_;
  std::vector<Bytes> inputs_, outputs_;
  Bytes arena_, weights_;
  const Step* step_ = nullptr;
};

}  // namespace

std::vector<Bytes> interpret(const Program& program, const Machine& machine, const std::vector<Bytes>& inputs) {
  return Interpreter(program, machine, inputs).run();
}

}  // namespace lathe::llvm_cpu
