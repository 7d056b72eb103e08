// The arithmetic of places: reshapes, slices and parts without a copy.
#include "plan/places.hpp"

#include <algorithm>

#include "plan/kernels.hpp"

namespace lathe::llvm_cpu {

bool same_place(const Tensor& tensor, const Place& a, const Place& b) {
  if (a.storage != b.storage || a.offset != b.offset || a.layout != b.layout) return false;
  if (a.layout == Layout::blocked) return tensor.dimensions[0] == 1 || a.batch_stride == b.batch_stride;
  for (size_t d = 0; d < tensor.dimensions.size(); ++d)
    if (tensor.dimensions[d] != 1 && a.strides[d] != b.strides[d]) return false;
  return true;
}

std::optional<std::vector<int64_t>> reshape_strides(const std::vector<int64_t>& dimensions, const std::vector<int64_t>& strides,
                                                    const std::vector<int64_t>& wanted) {
  if (count(dimensions) == 0) return row_major(wanted);
  // Runs of old dimensions that lie densely behind each other are cut anew; a new dimension must not cross the end of a run.
  std::vector<int64_t> result(wanted.size(), 1);
  size_t next = wanted.size();
  int64_t length = 1, base = 1;  // of the run at hand: elements, and stride of the innermost
  bool open = false;
  const auto close = [&]() -> bool {
    int64_t rest = length, stride = base;
    while (next > 0 && (rest > 1 || wanted[next - 1] == 1)) {
      if (rest % wanted[next - 1] != 0) return false;
      result[next - 1] = stride;
      stride *= wanted[next - 1];
      rest /= wanted[next - 1];
      --next;
    }
    return rest == 1;
  };
  for (size_t d = dimensions.size(); d-- > 0;) {
    if (dimensions[d] == 1) continue;
    if (open && strides[d] == base * length) {
      length *= dimensions[d];
      continue;
    }
    if (open && !close()) return std::nullopt;
    open = true;
    base = strides[d];
    length = dimensions[d];
    // A dimension that repeats its elements (stride 0) can be cut, but never joins the next one.
  }
  if (!close()) return std::nullopt;
  return next == 0 ? std::optional(result) : std::nullopt;
}

bool is_dense(const std::vector<int64_t>& dimensions, const std::vector<int64_t>& strides, size_t first) {
  int64_t expected = 1;
  for (size_t d = dimensions.size(); d-- > first;) {
    if (dimensions[d] != 1 && strides[d] != expected) return false;
    expected *= dimensions[d];
  }
  return true;
}

bool same_blocked(const std::vector<int64_t>& x, const std::vector<int64_t>& y) {
  if (!is_image(x) || !is_image(y)) return false;
  const ImageShape a = image_shape(x), b = image_shape(y);
  return a.batch == b.batch && a.channels == b.channels && a.pixels() == b.pixels();
}

bool single_pixel(const std::vector<int64_t>& dimensions, int64_t block) {
  const ImageShape s = image_shape(dimensions);
  return s.pixels() == 1 && (s.batch == 1 || s.channels % block == 0);
}

bool is_channel_slice(const Network& network, const Operation& o, int64_t block) {
  const auto &x = network.at(o.inputs[0]).dimensions, &y = network.at(o.output()).dimensions;
  if (!is_image(x) || x.size() != y.size()) return false;
  for (size_t d = 0; d < x.size(); ++d)
    if (o.axes[d] != static_cast<int64_t>(d) || o.steps[d] != 1 || (d != 1 && (o.starts[d] != 0 || x[d] != y[d]))) return false;
  return o.starts[1] % block == 0 && (y[1] % block == 0 || o.starts[1] + y[1] == x[1]);
}

std::optional<Place> place_of_strided(const Network& network, const Operation& o, const Place& x, int64_t block) {
  Place y = x;
  if (x.layout == Layout::blocked) {
    if (!is_channel_slice(network, o, block)) return std::nullopt;
    const ImageShape s = image_shape(network.at(o.inputs[0]).dimensions);
    y.offset += static_cast<uint64_t>(o.starts[1] * s.pixels()) * sizeof(float);
    return y;
  }
  y.strides.clear();
  for (size_t d = 0; d < o.axes.size(); ++d) y.strides.push_back(o.axes[d] < 0 ? 0 : x.strides[static_cast<size_t>(o.axes[d])] * o.steps[d]);
  int64_t elements = 0;
  for (size_t d = 0; d < o.starts.size(); ++d) elements += o.starts[d] * x.strides[d];
  y.offset += static_cast<uint64_t>(elements * element_bytes(network.at(o.inputs[0]).type));
  return y;
}

std::optional<Place> place_of_view(const Network& network, const Operation& o, const Place& x) {
  const auto &from = network.at(o.inputs[0]).dimensions, &to = network.at(o.output()).dimensions;
  Place y = x;
  if (x.layout == Layout::blocked) return same_blocked(from, to) ? std::optional(y) : std::nullopt;
  const auto strides = reshape_strides(from, x.strides, to);
  if (!strides) return std::nullopt;
  y.strides = *strides;
  return y;
}

Place place_of_part(const Network& network, const Operation& o, const Place& whole, int64_t start) {
  const Tensor& tensor = network.at(o.output());
  Place part = whole;
  if (whole.layout == Layout::blocked) {
    part.offset += static_cast<uint64_t>(start * image_shape(tensor.dimensions).pixels()) * sizeof(float);
  } else {
    part.offset += static_cast<uint64_t>(start * whole.strides[static_cast<size_t>(o.axis)] * element_bytes(tensor.type));
  }
  return part;
}

uint64_t extent(const Tensor& tensor, const Place& place, int64_t block) {
  if (tensor.size() == 0) return 0;
  if (place.layout == Layout::blocked) {
    const Image image = dense_image(tensor.dimensions, Layout::blocked, block);
    return static_cast<uint64_t>((tensor.dimensions[0] - 1) * place.batch_stride + item_floats(image, block)) * sizeof(float);
  }
  if (is_dense(tensor.dimensions, place.strides)) return tensor.bytes();
  int64_t last = 0;
  for (size_t d = 0; d < tensor.dimensions.size(); ++d) last += (tensor.dimensions[d] - 1) * place.strides[d];
  return static_cast<uint64_t>((last + 1) * element_bytes(tensor.type));
}

}  // namespace lathe::llvm_cpu
