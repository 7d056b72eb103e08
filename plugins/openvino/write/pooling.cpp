// Pooling over sliding windows and over whole pictures.
#include <algorithm>

#include "families.hpp"
#include "windows.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

struct Pool {
  Window window;
  Dimensions out;
  bool up = false;  // the output's size is rounded up and cannot be written as rounding down with other pads
};

// ONNX rounds up without a window that begins in the padding behind the data, as the IR's "ceil_torch" does.
Pool pool(const Step& s, const Wire& data) {
  Pool p;
  p.window = read_window(s, {}, data);
  Window& w = p.window;
  if (w.axes() < 1 || w.axes() > 3) s.refuse("the IR pools over 1, 2 or 3 axes");
  const bool ceil = s.node.integer("ceil_mode", 0) != 0 && w.auto_pad == "explicit";
  if (data.has_rank()) p.out = *data.dimensions;
  for (size_t i = 0; i < w.axes(); ++i) {
    const int64_t size = data.has_rank() ? (*data.dimensions)[i + 2] : -1;
    int64_t out = w.auto_pad == "explicit" ? w.output(i, size) : -1;
    if (ceil) {
      p.up = p.up || size < 0;
      const int64_t room = size + w.begin[i] + w.end[i] - w.dilations[i] * (w.kernel[i] - 1) - 1;
      if (size >= 0 && room % w.strides[i] != 0 && (out * w.strides[i]) < size + w.begin[i]) ++out, p.up = true;
    }
    if (p.out) (*p.out)[i + 2] = out;
  }
  return p;
}

// Indices that count row by row, over the whole tensor, as ones that count column by column within each picture.
Wire by_columns(Step& s, const Wire& indices, const Wire& x, size_t axes) {
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < axes; ++i) sizes.push_back(x.has_rank() ? (*x.dimensions)[i + 2] : -1);
  if (std::any_of(sizes.begin(), sizes.end(), [](int64_t d) { return d < 0; }))
    s.refuse("MaxPool of the IR counts its indices row by row; counting them again column by column wants known sizes");
  int64_t area = 1;
  for (const int64_t d : sizes) area *= d;
  const auto part = [&](const char* op, const Wire& a, int64_t b) {
    Attributes attributes = {numpy};
    if (op == std::string_view("Divide")) attributes.push_back({"m_pythondiv", "true"});
    return s.make(op, {a, s.index(b)}, attributes, a.dimensions);
  };
  Wire rest = part("FloorMod", indices, area);
  Wire y = s.make("Subtract", {indices, rest}, {numpy}, indices.dimensions);
  int64_t below = area, stride = 1;
  for (size_t i = 0; i < axes; ++i) {
    below /= sizes[i];
    y = s.make("Add", {y, part("Multiply", part("Divide", rest, below), stride)}, {numpy}, indices.dimensions);
    rest = part("FloorMod", rest, below);
    stride *= sizes[i];
  }
  return y;
}

void max_pool(Step& s) {
  const Wire x = s.in(0);
  Pool p = pool(s, x);
  Window& w = p.window;
  if (p.up && x.has_rank() && std::all_of(p.out->begin() + 2, p.out->end(), [](int64_t d) { return d >= 0; })) {
    // More padding behind holds nothing that could be the largest.
    for (size_t i = 0; i < w.axes(); ++i) {
      const int64_t needed = ((*p.out)[i + 2] - 1) * w.strides[i] + w.dilations[i] * (w.kernel[i] - 1) + 1 - (*x.dimensions)[i + 2] - w.begin[i];
      w.end[i] = std::max(w.end[i], needed);
    }
    p.up = false;
  }
  Attributes attributes = {{"strides", text(w.strides)}};
  const bool dilated = std::any_of(w.dilations.begin(), w.dilations.end(), [](int64_t d) { return d != 1; });
  const bool newer = dilated || s.wants(1) || p.up;
  if (newer) attributes.push_back({"dilations", text(w.dilations)});
  for (Attribute a : Attributes{{"pads_begin", text(w.begin)},
                                {"pads_end", text(w.end)},
                                {"kernel", text(w.kernel)},
                                {"rounding_type", p.up ? "ceil_torch" : "floor"},
                                {"auto_pad", w.auto_pad}})
    attributes.push_back(std::move(a));
  if (!newer) return s.out(0, s.make("MaxPool", {x}, attributes, p.out));
  attributes.push_back({"index_element_type", "i64"});
  attributes.push_back({"axis", "0"});
  const std::vector<Wire> both = s.make_many({"MaxPool", p.up ? 14 : 8}, {x}, attributes, {p.out, p.out});
  s.out(0, both[0]);
  if (s.wants(1)) s.out(1, s.node.integer("storage_order", 0) != 0 ? by_columns(s, both[1], x, w.axes()) : both[1]);
}

// The sum over each window, channel by channel: a convolution with ones. Windows that reach over the end find zeros there; `ones` is then the number
// of elements in each, with the padding (where that counts) but not what lies behind it.
struct Sums {
  Wire sum, number;
};
Sums window_sums(Step& s, const Wire& x, Pool p, bool count_padding) {
  Window& w = p.window;
  if (!x.has_rank() || (*x.dimensions)[1] < 0)
    s.refuse("AvgPool of the IR has no dilation, and the convolution in its place wants a known number of channels");
  const int64_t channels = (*x.dimensions)[1];
  int64_t count = channels;
  std::vector<int64_t> shape = {channels, 1, 1};
  for (const int64_t k : w.kernel) shape.push_back(k), count *= k;
  const Wire filters = s.floats(x.type, shape, std::vector<double>(static_cast<size_t>(count), 1.0));
  const auto sum = [&](const Wire& data, const Window& pads) {
    return s.make("GroupConvolution", {data, filters},
                  {{"strides", text(w.strides)},
                   {"dilations", text(w.dilations)},
                   {"pads_begin", text(pads.begin)},
                   {"pads_end", text(pads.end)},
                   {"auto_pad", w.auto_pad}},
                  p.out);
  };
  Window more = w;
  if (p.up) {
    for (size_t i = 0; i < w.axes(); ++i) {
      const int64_t size = (*x.dimensions)[i + 2], out = (*p.out)[i + 2];
      if (size < 0 || out < 0) s.refuse("AvgPool of the IR has no dilation, and the convolution in its place rounds up where sizes are known alone");
      more.end[i] = std::max(w.end[i], (out - 1) * w.strides[i] + w.dilations[i] * (w.kernel[i] - 1) + 1 - size - w.begin[i]);
    }
  }
  const Wire y = sum(x, more);
  if (count_padding && !p.up) return {y, s.scalar(x.type, static_cast<double>(count / channels))};
  Wire ones = s.broadcast_to(s.scalar(x.type, 1), s.shape_of(x), x.dimensions);
  if (count_padding) {
    // The padding counts, so it is made of ones too.
    std::vector<int64_t> front = {0, 0}, back = {0, 0};
    Dimensions padded = x.dimensions;
    for (size_t i = 0; i < w.axes(); ++i) {
      front.push_back(w.begin[i]), back.push_back(w.end[i]);
      (*padded)[i + 2] += w.begin[i] + w.end[i];
      more.end[i] -= w.end[i], more.begin[i] = 0;
    }
    ones = s.make("Pad", {ones, s.indices(front), s.indices(back), s.scalar(x.type, 1)}, {{"pad_mode", "constant"}}, padded);
  }
  return {y, sum(ones, more)};
}

Wire average(Step& s, const Wire& x, bool count_padding) {
  Pool p = pool(s, x);
  Window& w = p.window;
  if (std::all_of(w.dilations.begin(), w.dilations.end(), [](int64_t d) { return d == 1; })) {
    const Attributes attributes = {
        {"kernel", text(w.kernel)}, {"strides", text(w.strides)},          {"pads_begin", text(w.begin)},
        {"pads_end", text(w.end)},  {"exclude-pad", text(!count_padding)}, {"rounding_type", p.up ? "ceil_torch" : "floor"},
        {"auto_pad", w.auto_pad}};
    return s.make({"AvgPool", p.up ? 14 : 1}, {x}, attributes, p.out);
  }
  const Sums sums = window_sums(s, x, std::move(p), count_padding);
  return s.make("Divide", {sums.sum, sums.number}, {numpy, {"m_pythondiv", "true"}});
}

void average_pool(Step& s) { s.out(0, average(s, s.in(0), s.node.integer("count_include_pad", 0) != 0)); }

// (sum of |x|^p over the window)^(1/p), the sum being the mean over the window with its padding, times the window's size.
void lp_pool(Step& s) {
  const Wire x = s.in(0);
  const double p = static_cast<double>(s.node.integer("p", 2));
  const Window w = read_window(s, {}, x);
  double size = 1;
  for (const int64_t k : w.kernel) size *= static_cast<double>(k);
  const Wire powered = s.make("Power", {s.make("Abs", {x}), s.scalar(x.type, p)}, {numpy});
  if (s.node.integer("ceil_mode", 0) != 0)
    return s.out(0, s.make("Power", {window_sums(s, powered, pool(s, x), true).sum, s.scalar(x.type, 1 / p)}, {numpy}));
  const Wire sum = s.make("Multiply", {average(s, powered, true), s.scalar(x.type, size)}, {numpy});
  s.out(0, s.make("Power", {sum, s.scalar(x.type, 1 / p)}, {numpy}));
}

std::vector<int64_t> spatial_axes(const Step& s) {
  std::vector<int64_t> axes;
  for (int64_t i = 2; i < s.rank(0); ++i) axes.push_back(i);
  return axes;
}

void global_pool(Step& s) { s.out(0, s.reduce(s.node.op_type() == "GlobalMaxPool" ? "ReduceMax" : "ReduceMean", s.in(0), spatial_axes(s), true)); }

void global_lp(Step& s) {
  const Wire x = s.in(0);
  const int64_t p = s.node.integer("p", 2);
  if (p == 1 || p == 2) return s.out(0, s.reduce(p == 1 ? "ReduceL1" : "ReduceL2", x, spatial_axes(s), true));
  const Wire powered = s.make("Power", {s.make("Abs", {x}), s.scalar(x.type, static_cast<double>(p))}, {numpy});
  s.out(0, s.make("Power", {s.reduce("ReduceSum", powered, spatial_axes(s), true), s.scalar(x.type, 1 / static_cast<double>(p))}, {numpy}));
}

constexpr Writer writers[] = {
    {"AveragePool", Means::exact, average_pool},  {"GlobalAveragePool", Means::exact, global_pool}, {"GlobalLpPool", Means::exact, global_lp},
    {"GlobalMaxPool", Means::exact, global_pool}, {"LpPool", Means::decomposition, lp_pool},        {"MaxPool", Means::exact, max_pool},
};

}  // namespace

std::span<const Writer> pooling_writers() { return writers; }

}  // namespace lathe::openvino
