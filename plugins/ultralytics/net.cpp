// See net.hpp.
#include "net.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lathe::ultralytics {
namespace {

// Networks of this kind have tensors of some million elements; what a damaged file asks for is refused here, before anybody computes with it.
constexpr int64_t most_elements = int64_t(1) << 31;

float half_to_float(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p+112f));
}

bool is_real(int32_t type) { return type == LATHE_FLOAT32 || type == LATHE_FLOAT64 || type == LATHE_FLOAT16 || type == LATHE_BFLOAT16; }
int64_t bytes_of(int32_t real) { return real == LATHE_FLOAT64 ? 8 : real == LATHE_FLOAT32 ? 4 : 2; }

template <class T>
T element(const char* bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

// Walks a strided tensor in row-major order of its dimensions.
template <class F>
void walk(const SavedTensor& t, F&& f) {
  const int64_t count = t.size();
  std::vector<int64_t> index(t.dimensions.size(), 0);
  int64_t at = t.offset;
  for (int64_t i = 0; i < count; ++i) {
    f(at);
    for (size_t axis = index.size(); axis-- > 0;) {
      at += t.strides[axis];
      if (++index[axis] < t.dimensions[axis]) break;
      at -= t.strides[axis] * t.dimensions[axis];
      index[axis] = 0;
    }
  }
}

template <class To, class From, class Convert>
std::vector<To> convert(const SavedTensor& t, Convert&& to) {
  std::vector<To> values;
  values.reserve(static_cast<size_t>(t.size()));
  walk(t, [&](int64_t at) { values.push_back(to(element<From>(t.storage.data(), at))); });
  return values;
}

std::vector<int64_t> as_integers(const SavedTensor& t) {
  const auto plain = [](auto v) { return static_cast<int64_t>(v); };
  switch (t.type) {
    case LATHE_INT64:
      return convert<int64_t, int64_t>(t, plain);
    case LATHE_INT32:
      return convert<int64_t, int32_t>(t, plain);
    case LATHE_INT16:
      return convert<int64_t, int16_t>(t, plain);
    case LATHE_INT8:
      return convert<int64_t, int8_t>(t, plain);
    case LATHE_UINT16:
      return convert<int64_t, uint16_t>(t, plain);
    case LATHE_UINT32:
      return convert<int64_t, uint32_t>(t, plain);
    case LATHE_UINT64:
      return convert<int64_t, uint64_t>(t, plain);
    default:
      return convert<int64_t, uint8_t>(t, plain);
  }
}

std::string to_string(const std::vector<int64_t>& shape) {
  std::string s;
  for (const int64_t d : shape) s += (s.empty() ? "" : "x") + std::to_string(d);
  return s.empty() ? "scalar" : s;
}

sdk::Shape dimensions(const std::vector<int64_t>& shape) { return {shape.begin(), shape.end()}; }

}  // namespace

std::vector<float> as_floats(const SavedTensor& t) {
  const auto plain = [](auto v) { return static_cast<float>(v); };
  switch (t.type) {
    case LATHE_FLOAT32:
      return convert<float, float>(t, plain);
    case LATHE_FLOAT64:
      return convert<float, double>(t, plain);
    case LATHE_FLOAT16:
      return convert<float, uint16_t>(t, half_to_float);
    default:  // bfloat16
      return convert<float, uint16_t>(t, [](uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); });
  }
}

Net::Scope::Scope(Net& net, const std::string& name) : net_(net), length_(net.path_.size()) {
  if (!name.empty()) net.path_ += (net.path_.empty() ? "" : ".") + name;
}
Net::Scope::~Scope() { net_.path_.resize(length_); }

void Net::refuse(lathe_code code, std::string text, std::string hint) const {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.node = path_;
  d.hint = std::move(hint);
  throw sdk::Failure(code, std::move(d));
}

std::string Net::fresh(const std::string& op_type) {
  const std::string base = "/" + path_ + "/" + op_type;
  const int uses = names_[base]++;
  return uses ? base + "_" + std::to_string(uses) : base;
}

Tensor Net::input(std::string name, std::vector<int64_t> shape) {
  Tensor t;
  t.value = graph.add_input(std::move(name), LATHE_FLOAT32, dimensions(shape));
  t.shape = std::move(shape);
  return t;
}

// Views may repeat elements (a stride of 0, or many views of one storage), and integers grow eightfold: a small file must not become a large
// graph that way. Networks do so with a few thousand elements at most.
void Net::count_elements(const SavedTensor& saved) {
  constexpr int64_t most_repeated = int64_t(1) << 21;
  const bool real = is_real(saved.type);
  const int64_t held = static_cast<int64_t>(saved.storage.size()) / (real ? bytes_of(saved.type) : INT64_MAX);
  int64_t& used = used_elements_[saved.storage.data()];
  const int64_t before = std::max<int64_t>(used - held, 0);
  used += saved.size();
  repeated_elements_ += std::max<int64_t>(used - held, 0) - before;
  if (repeated_elements_ > most_repeated)
    refuse(LATHE_FAILED, "the weights repeat the elements of their storages more than any network does",
           "if the file is to be trusted, save the network again with contiguous weights");
}

Tensor Net::constant(const std::string& name, const SavedTensor& saved) {
  // Shared weights stay shared.
  std::string key = std::to_string(reinterpret_cast<uintptr_t>(saved.storage.data())) + ":" + std::to_string(saved.offset);
  for (const auto* list : {&saved.dimensions, &saved.strides})
    for (const int64_t n : *list) key += "," + std::to_string(n);
  if (const auto found = constants_.find(key); found != constants_.end()) return found->second;
  count_elements(saved);
  Tensor t;
  t.shape = saved.dimensions;
  const std::string full = path_ + "." + name;
  const bool real = is_real(saved.type);
  t.type = real ? LATHE_FLOAT32 : LATHE_INT64;
  t.value = graph.add_constant(full, real ? sdk::TensorData::of<float>(LATHE_FLOAT32, t.shape, as_floats(saved))
                                          : sdk::TensorData::of<int64_t>(LATHE_INT64, t.shape, as_integers(saved)));
  return constants_[key] = t;
}

Tensor Net::floats(const std::string& name, std::vector<int64_t> shape, const std::vector<float>& values) {
  Tensor t;
  t.value = graph.add_constant(fresh(name), sdk::TensorData::of<float>(LATHE_FLOAT32, shape, values));
  t.shape = std::move(shape);
  return t;
}

Tensor Net::integers(const std::string& name, const std::vector<int64_t>& values) {
  Tensor t;
  t.shape = {static_cast<int64_t>(values.size())};
  t.type = LATHE_INT64;
  t.value = graph.add_constant(fresh(name), sdk::TensorData::of<int64_t>(LATHE_INT64, t.shape, values));
  return t;
}

Tensor Net::scalar(float value) {
  const std::string key = std::to_string(std::bit_cast<uint32_t>(value));
  const auto found = scalars_.find(key);
  if (found != scalars_.end()) return found->second;
  return scalars_[key] = floats("constant", {}, {value});
}

Tensor Net::node(const std::string& op_type, const std::vector<Tensor>& inputs, std::vector<int64_t> shape, const Fill& fill, int32_t type) {
  int64_t count = 1;
  for (const int64_t d : shape)
    if (d < 0 || __builtin_mul_overflow(count, d, &count) || count > most_elements)
      refuse(LATHE_FAILED, op_type + " would yield a tensor of the shape " + to_string(shape));
  constexpr size_t most_nodes = 20000;  // the largest networks of this kind have some thousand
  if (graph.node_count() >= most_nodes) refuse(LATHE_FAILED, "the network takes more than " + std::to_string(most_nodes) + " steps");
  const std::string name = fresh(op_type);
  std::vector<uint32_t> values;
  for (const Tensor& t : inputs) values.push_back(t.value);
  Tensor result;
  result.type = type;
  result.value = graph.add_value(name + "_output", type, dimensions(shape));
  result.shape = std::move(shape);
  sdk::NodeData& n = graph.add_node(op_type, values, {result.value}, name);
  if (fill) fill(n);
  return result;
}

int64_t Net::axis(const Tensor& x, int64_t axis) const {
  const int64_t normal = axis < 0 ? axis + x.rank() : axis;
  if (normal < 0 || normal >= x.rank())
    refuse(LATHE_FAILED, "axis " + std::to_string(axis) + " does not fit a tensor of the shape " + to_string(x.shape));
  return normal;
}

// ---- windows ----------------------------------------------------------------------------------------------------------------------

namespace {
int64_t slide(int64_t input, const Window2d& w, size_t i, bool ceil_mode) {
  const int64_t span = input + 2 * w.padding[i] - w.dilation[i] * (w.kernel[i] - 1) - 1;
  int64_t size = (ceil_mode ? span + w.stride[i] - 1 : span) / w.stride[i] + 1;
  // A window that would begin in the padding behind the image is left out (PyTorch, nn.MaxPool2d).
  if (ceil_mode && (size - 1) * w.stride[i] >= input + w.padding[i]) --size;
  return span < 0 ? -1 : size;
}
std::vector<int64_t> both_ends(const std::vector<int64_t>& padding) { return {padding[0], padding[1], padding[0], padding[1]}; }
}  // namespace

Tensor Net::convolution(const Tensor& x, const Tensor& weight, const Tensor* bias, const Window2d& w, int64_t groups) {
  if (x.rank() != 4 || weight.rank() != 4 || groups < 1 || x.shape[1] != weight.shape[1] * groups || weight.shape[0] % groups || w.stride[0] < 1 ||
      w.stride[1] < 1)
    refuse(LATHE_FAILED, "the weights " + to_string(weight.shape) + " of a convolution do not fit its input " + to_string(x.shape));
  std::vector<Tensor> inputs = {x, weight};
  if (bias) inputs.push_back(*bias);
  return node("Conv", inputs, {x.shape[0], weight.shape[0], slide(x.shape[2], w, 0, false), slide(x.shape[3], w, 1, false)}, [&](sdk::NodeData& n) {
    n.set("kernel_shape", std::vector<int64_t>{weight.shape[2], weight.shape[3]});
    n.set("strides", w.stride);
    n.set("pads", both_ends(w.padding));
    n.set("dilations", w.dilation);
    n.set("group", groups);
  });
}

Tensor Net::transposed_convolution(const Tensor& x, const Tensor& weight, const Tensor* bias, const Window2d& w,
                                   const std::vector<int64_t>& output_padding, int64_t groups) {
  if (x.rank() != 4 || weight.rank() != 4 || groups < 1 || x.shape[1] != weight.shape[0])
    refuse(LATHE_FAILED, "the weights " + to_string(weight.shape) + " of a transposed convolution do not fit its input " + to_string(x.shape));
  std::vector<Tensor> inputs = {x, weight};
  if (bias) inputs.push_back(*bias);
  const auto size = [&](size_t i) {
    return (x.shape[2 + i] - 1) * w.stride[i] - 2 * w.padding[i] + w.dilation[i] * (weight.shape[2 + i] - 1) + output_padding[i] + 1;
  };
  return node("ConvTranspose", inputs, {x.shape[0], weight.shape[1] * groups, size(0), size(1)}, [&](sdk::NodeData& n) {
    n.set("kernel_shape", std::vector<int64_t>{weight.shape[2], weight.shape[3]});
    n.set("strides", w.stride);
    n.set("pads", both_ends(w.padding));
    n.set("dilations", w.dilation);
    n.set("output_padding", output_padding);
    n.set("group", groups);
  });
}

Tensor Net::pool(const std::string& op_type, const Tensor& x, const Window2d& w, bool ceil_mode, bool count_include_pad) {
  if (x.rank() != 4 || w.stride[0] < 1 || w.stride[1] < 1) refuse(LATHE_FAILED, "a pooling wants an image, and got " + to_string(x.shape));
  return node(op_type, {x}, {x.shape[0], x.shape[1], slide(x.shape[2], w, 0, ceil_mode), slide(x.shape[3], w, 1, ceil_mode)}, [&](sdk::NodeData& n) {
    n.set("kernel_shape", w.kernel);
    n.set("strides", w.stride);
    n.set("pads", both_ends(w.padding));
    n.set("ceil_mode", int64_t(ceil_mode));
    if (op_type == "MaxPool") n.set("dilations", w.dilation);
    if (op_type == "AveragePool") n.set("count_include_pad", int64_t(count_include_pad));
  });
}

// ---- elementwise, matrices --------------------------------------------------------------------------------------------------------

Tensor Net::unary(const std::string& op_type, const Tensor& x, const Fill& fill) { return node(op_type, {x}, x.shape, fill, x.type); }

Tensor Net::binary(const std::string& op_type, const Tensor& a, const Tensor& b) {
  std::vector<int64_t> shape(std::max(a.shape.size(), b.shape.size()), 1);
  for (const Tensor* t : {&a, &b}) {
    const size_t more = shape.size() - t->shape.size();
    for (size_t i = 0; i < t->shape.size(); ++i) {
      int64_t& d = shape[more + i];
      if (t->shape[i] == 1 || t->shape[i] == d) continue;
      if (d != 1) refuse(LATHE_FAILED, "tensors of the shapes " + to_string(a.shape) + " and " + to_string(b.shape) + " do not fit each other");
      d = t->shape[i];
    }
  }
  return node(op_type, {a, b}, shape);
}

Tensor Net::matmul(const Tensor& a, const Tensor& b) {
  const auto misfit = [&] {
    refuse(LATHE_FAILED, "matrices of the shapes " + to_string(a.shape) + " and " + to_string(b.shape) + " cannot be multiplied");
  };
  if (a.rank() < 2 || b.rank() < 2 || a.shape.back() != b.shape[b.shape.size() - 2]) misfit();
  std::vector<int64_t> shape(std::max(a.shape.size(), b.shape.size()), 1);
  for (const Tensor* t : {&a, &b}) {
    const size_t more = shape.size() - t->shape.size();
    for (size_t i = 0; i + 2 < t->shape.size(); ++i) {
      if (t->shape[i] == 1 || t->shape[i] == shape[more + i]) continue;
      if (shape[more + i] != 1) misfit();
      shape[more + i] = t->shape[i];
    }
  }
  shape[shape.size() - 2] = a.shape[a.shape.size() - 2];
  shape.back() = b.shape.back();
  return node("MatMul", {a, b}, shape);
}

Tensor Net::softmax(const Tensor& x, int64_t along) {
  const int64_t normal = axis(x, along);
  return unary("Softmax", x, [&](sdk::NodeData& n) { n.set("axis", normal); });
}

// ---- shapes -----------------------------------------------------------------------------------------------------------------------

Tensor Net::reshape(const Tensor& x, std::vector<int64_t> shape) {
  int64_t count = 1, open = -1, all = 1;
  for (const int64_t d : x.shape) all *= d;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0) {
      open = static_cast<int64_t>(i);
    } else if (shape[i] < 0 || __builtin_mul_overflow(count, shape[i], &count)) {
      refuse(LATHE_FAILED, "a tensor cannot have the shape " + to_string(shape));
    }
  }
  if (open >= 0 && count > 0 && all % count == 0) {
    shape[static_cast<size_t>(open)] = all / count;
    count = all;
  }
  if (count != all) refuse(LATHE_FAILED, "a tensor of the shape " + to_string(x.shape) + " cannot become one of " + to_string(shape));
  if (shape == x.shape) return x;
  return node("Reshape", {x, integers("shape", shape)}, shape, {}, x.type);
}

Tensor Net::permute(const Tensor& x, const std::vector<int64_t>& order) {
  std::vector<int64_t> axes, shape;
  for (const int64_t a : order) axes.push_back(axis(x, a));
  std::vector<int64_t> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted.size() != x.shape.size() || sorted[i] != static_cast<int64_t>(i)) refuse(LATHE_FAILED, "the order of axes is no permutation");
  for (const int64_t a : axes) shape.push_back(x.shape[static_cast<size_t>(a)]);
  return node(
      "Transpose", {x}, shape, [&](sdk::NodeData& n) { n.set("perm", axes); }, x.type);
}

Tensor Net::concat(const std::vector<Tensor>& parts, int64_t along) {
  if (parts.empty()) refuse(LATHE_FAILED, "there is nothing to join");
  const auto normal = static_cast<size_t>(axis(parts[0], along));
  std::vector<int64_t> shape = parts[0].shape;
  for (size_t i = 1; i < parts.size(); ++i) {
    std::vector<int64_t> other = parts[i].shape;
    if (other.size() == shape.size()) {
      shape[normal] += other[normal];
      other[normal] = shape[normal];
    }
    if (other != shape)
      refuse(LATHE_FAILED, "tensors of the shapes " + to_string(parts[0].shape) + " and " + to_string(parts[i].shape) + " cannot be joined");
  }
  if (parts.size() == 1) return parts[0];
  return node(
      "Concat", parts, shape, [&](sdk::NodeData& n) { n.set("axis", static_cast<int64_t>(normal)); }, parts[0].type);
}

Tensor Net::slice(const Tensor& x, int64_t along, int64_t begin, int64_t end, int64_t step) {
  const int64_t normal = axis(x, along), size = x.shape[static_cast<size_t>(normal)];
  const auto clamped = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + size : v, 0, size); };
  begin = clamped(begin), end = clamped(end);
  if (step < 1) refuse(LATHE_FAILED, "the step of a slice is not positive");
  std::vector<int64_t> shape = x.shape;
  shape[static_cast<size_t>(normal)] = end > begin ? (end - begin + step - 1) / step : 0;
  return node("Slice", {x, integers("starts", {begin}), integers("ends", {end}), integers("axes", {normal}), integers("steps", {step})}, shape, {},
              x.type);
}

std::vector<Tensor> Net::split(const Tensor& x, const std::vector<int64_t>& sizes, int64_t along) {
  const auto normal = static_cast<size_t>(axis(x, along));
  int64_t sum = 0;
  for (const int64_t s : sizes) sum += s < 0 ? most_elements : s;
  if (sum != x.shape[normal])
    refuse(LATHE_FAILED, "the parts " + to_string(sizes) + " do not add up to axis " + std::to_string(normal) + " of " + to_string(x.shape));
  if (sizes.size() == 1) return {x};
  const std::string name = fresh("Split");
  std::vector<Tensor> parts;
  std::vector<uint32_t> outputs;
  for (size_t i = 0; i < sizes.size(); ++i) {
    Tensor part = x;
    part.shape[normal] = sizes[i];
    part.value = graph.add_value(name + "_output_" + std::to_string(i), x.type, dimensions(part.shape));
    outputs.push_back(part.value);
    parts.push_back(std::move(part));
  }
  graph.add_node("Split", {x.value, integers("split", sizes).value}, outputs, name).set("axis", static_cast<int64_t>(normal));
  return parts;
}

Tensor Net::reduce(const std::string& op_type, const Tensor& x, const std::vector<int64_t>& axes, bool keep) {
  std::vector<int64_t> normal, shape;
  for (const int64_t a : axes) normal.push_back(axis(x, a));
  for (int64_t i = 0; i < x.rank(); ++i) {
    const bool reduced = std::find(normal.begin(), normal.end(), i) != normal.end();
    if (!reduced) shape.push_back(x.shape[static_cast<size_t>(i)]);
    if (reduced && keep) shape.push_back(1);
  }
  return node(op_type, {x, integers("axes", normal)}, shape, [&](sdk::NodeData& n) { n.set("keepdims", int64_t(keep)); });
}

Tensor Net::pad(const Tensor& x, const std::vector<int64_t>& begins, const std::vector<int64_t>& ends, float value) {
  std::vector<int64_t> pads = begins, shape = x.shape;
  pads.insert(pads.end(), ends.begin(), ends.end());
  for (size_t i = 0; i < shape.size(); ++i) shape[i] += begins[i] + ends[i];
  return node("Pad", {x, integers("pads", pads), scalar(value)}, shape);
}

Tensor Net::adaptive_pool(const std::string& op_type, const Tensor& x, int64_t height, int64_t width) {
  if (x.rank() != 4) refuse(LATHE_FAILED, "a pooling wants an image, and got " + to_string(x.shape));
  Tensor y = x;
  // A window is a rectangle, so rows and columns may be taken one after the other.
  for (const auto& [along, count] : {std::pair{2, height}, std::pair{3, width}}) {
    const int64_t size = y.shape[static_cast<size_t>(along)];
    if (count < 1 || count > 1024) refuse(LATHE_FAILED, "an adaptive pooling wants 1 to 1024 windows, not " + std::to_string(count));
    if (size == count) continue;
    std::vector<Tensor> windows;
    for (int64_t i = 0; i < count; ++i)
      windows.push_back(reduce(op_type, slice(y, along, i * size / count, ((i + 1) * size + count - 1) / count), {along}, true));
    y = concat(windows, along);
  }
  return y;
}

Tensor Net::resize(const Tensor& x, int64_t height, int64_t width, const std::string& mode, bool align_corners) {
  if (x.rank() != 4 || height < 1 || width < 1) refuse(LATHE_FAILED, "an image of the shape " + to_string(x.shape) + " cannot be resized");
  const Tensor sizes = integers("sizes", {x.shape[0], x.shape[1], height, width});
  const bool nearest = mode == "nearest";
  Tensor none;
  return node("Resize", {x, none, none, sizes}, {x.shape[0], x.shape[1], height, width}, [&](sdk::NodeData& n) {
    n.set("mode", nearest ? "nearest" : "linear");
    // What torch.nn.functional.interpolate does.
    n.set("coordinate_transformation_mode", nearest ? "asymmetric" : align_corners ? "align_corners" : "pytorch_half_pixel");
    if (nearest) n.set("nearest_mode", "floor");
  });
}

}  // namespace lathe::ultralytics
