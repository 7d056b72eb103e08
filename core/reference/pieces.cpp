// See pieces.hpp. A tensor is seen as [before the axis, axis, after it]; runs of elements that lie together are copied at once.
#include "core/reference/pieces.hpp"

#include <cstring>

namespace lathe {
namespace {

// A tensor being filled: strings are shared and constant once it is done.
class Filling {
 public:
  Filling(DataType type, std::vector<int64_t> dimensions) : tensor_(Tensor::allocate(type, std::move(dimensions))) {
    if (type == DataType::string) strings_.resize(size_t(tensor_.size()));
  }

  void copy(int64_t at, const Tensor& from, int64_t from_at, int64_t count) {
    const int width = bits(tensor_.type);
    if (tensor_.type == DataType::string) {
      std::copy_n(from.strings->begin() + from_at, count, strings_.begin() + at);
    } else if (width % 8 == 0) {
      const size_t bytes = size_t(width / 8);
      if (count)
        std::memcpy(tensor_.as_mutable<std::byte>().data() + size_t(at) * bytes, from.bytes.data + size_t(from_at) * bytes, size_t(count) * bytes);
    } else {
      const int64_t per_byte = 8 / width;
      const unsigned mask = (1u << width) - 1;
      const std::span<uint8_t> to = tensor_.as_mutable<uint8_t>();
      const std::span<const uint8_t> source = from.as<uint8_t>();
      for (int64_t i = 0; i < count; ++i) {
        const int64_t a = at + i, b = from_at + i;
        const unsigned value = (source[size_t(b / per_byte)] >> (b % per_byte * width)) & mask;
        uint8_t& byte = to[size_t(a / per_byte)];
        const int shift = int(a % per_byte) * width;
        byte = uint8_t((byte & ~(mask << shift)) | (value << shift));
      }
    }
  }

  Tensor done() {
    if (tensor_.type == DataType::string) tensor_.strings = std::make_shared<const std::vector<std::string>>(std::move(strings_));
    return std::move(tensor_);
  }

 private:
  Tensor tensor_;
  std::vector<std::string> strings_;
};

struct Extent {
  int64_t before = 1, length = 1, after = 1;
  Extent(const std::vector<int64_t>& dimensions, size_t axis) : length(dimensions[axis]) {
    for (size_t i = 0; i < axis; ++i) before *= dimensions[i];
    for (size_t i = axis + 1; i < dimensions.size(); ++i) after *= dimensions[i];
  }
};

}  // namespace

Tensor part_of(const Tensor& tensor, size_t axis, int64_t start, int64_t length) {
  const Extent extent(tensor.dimensions, axis);
  std::vector<int64_t> dimensions = tensor.dimensions;
  dimensions[axis] = length;
  Filling result(tensor.type, std::move(dimensions));
  const int64_t run = length * extent.after;
  for (int64_t i = 0; i < extent.before; ++i) result.copy(i * run, tensor, (i * extent.length + start) * extent.after, run);
  return result.done();
}

Tensor joined(std::vector<Tensor> parts, size_t axis) {
  std::vector<int64_t> dimensions = parts[0].dimensions;
  dimensions[axis] = 0;
  for (const Tensor& part : parts) dimensions[axis] += part.dimensions[axis];
  const int64_t whole = dimensions[axis];
  Filling result(parts[0].type, std::move(dimensions));
  int64_t at = 0;
  for (Tensor& part : parts) {
    const Extent extent(part.dimensions, axis);
    const int64_t run = extent.length * extent.after;
    for (int64_t i = 0; i < extent.before; ++i) result.copy((i * whole + at) * extent.after, part, i * run, run);
    at += extent.length;
    part = Tensor();
  }
  return result.done();
}

Tensor with_axis(Tensor tensor, size_t axis) {
  tensor.dimensions.insert(tensor.dimensions.begin() + int64_t(axis), 1);
  return tensor;
}

Tensor without_axis(Tensor tensor, size_t axis) {
  tensor.dimensions.erase(tensor.dimensions.begin() + int64_t(axis));
  return tensor;
}

}  // namespace lathe
