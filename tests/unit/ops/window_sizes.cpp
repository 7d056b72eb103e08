// Convolution, transposed convolution, pooling and enlargement over awkward sizes: around the widths of tiles and vectors, one pixel, padding wider
// than the image, strides and dilations. Expected numbers come from the plain loops below, in double.
#include <cmath>
#include <functional>
#include <random>

#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

struct Sizes {
  int64_t channels, filters, groups, kernel, stride, dilation, pad;
};

struct Picture {
  int64_t batch, channels, height, width;
  std::vector<float> values;

  Picture(int64_t n, int64_t c, int64_t h, int64_t w) : batch(n), channels(c), height(h), width(w), values(size_t(n * c * h * w)) {
    std::minstd_rand random(uint32_t(c * 131 + h * 17 + w));
    for (float& v : values) v = float(random() % 2001) / 1000.0f - 1.0f;
  }
  float at(int64_t n, int64_t c, int64_t h, int64_t w) const { return values[size_t(((n * channels + c) * height + h) * width + w)]; }
  bool inside(int64_t h, int64_t w) const { return h >= 0 && h < height && w >= 0 && w < width; }
  Tensor tensor() const { return Tensor::of<float>(DataType::float32, {batch, channels, height, width}, values); }
};

std::string list(int64_t value, int count) {
  std::string text = "[" + std::to_string(value);
  for (int i = 1; i < count; ++i) text += ", " + std::to_string(value);
  return text + "]";
}

// Runs one node on pictures, with one thread and with three, and compares with expected(n, c, h, w).
void check(const std::string& node, const std::vector<std::pair<std::string, const Picture*>>& inputs,
           const std::function<double(int64_t, int64_t, int64_t, int64_t)>& expected) {
  std::string parameters;
  NamedData data;
  for (const auto& [name, picture] : inputs) {
    parameters += (parameters.empty() ? "float[" : ", float[") + std::to_string(picture->batch) + "," + std::to_string(picture->channels) + "," +
                  std::to_string(picture->height) + "," + std::to_string(picture->width) + "] " + name;
    data[name] = picture->tensor();
  }
  const std::string text = "g (" + parameters + ") => (y) { y = " + node + " }";
  CAPTURE(text);
  Graph graph = parse_text(text);
  lift_to_canonical(graph);
  infer_types(graph);
  const Tensor y = run_reference(graph, data, ReferenceOptions{1, {}, {}}).at("y").tensor;
  size_t i = 0;
  for (int64_t n = 0; n < y.dimensions[0]; ++n)
    for (int64_t c = 0; c < y.dimensions[1]; ++c)
      for (int64_t h = 0; h < y.dimensions[2]; ++h)
        for (int64_t w = 0; w < y.dimensions[3]; ++w, ++i) {
          const double wanted = expected(n, c, h, w);
          if (std::abs(double(y.as<float>()[i]) - wanted) > 1e-5 * (1 + std::abs(wanted))) {
            CAPTURE(c);
            CAPTURE(h);
            CAPTURE(w);
            REQUIRE(double(y.as<float>()[i]) == wanted);
          }
        }
  REQUIRE(i > 0);
  CHECK(run_reference(graph, data, ReferenceOptions{3, {}, {}}).at("y").tensor == y);
}

std::string window(const Sizes& s) {
  return "strides = " + list(s.stride, 2) + ", dilations = " + list(s.dilation, 2) + ", pads = " + list(s.pad, 4);
}

constexpr int64_t widths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 70};

}  // namespace

TEST_CASE("convolution over awkward sizes") {
  const Sizes cases[] = {{1, 1, 1, 3, 1, 1, 1},  {3, 5, 1, 3, 2, 1, 1},   {17, 13, 1, 3, 1, 1, 1}, {16, 12, 1, 1, 1, 1, 0},
                         {20, 9, 1, 1, 2, 1, 0}, {33, 14, 1, 2, 3, 1, 1}, {6, 4, 2, 3, 1, 2, 2},   {19, 25, 1, 5, 1, 1, 2},
                         {4, 3, 1, 3, 2, 3, 3},  {40, 7, 1, 3, 1, 1, 0},  {5, 5, 5, 3, 1, 1, 1},   {7, 7, 7, 5, 2, 1, 2},
                         {3, 3, 3, 3, 3, 2, 2},  {2, 2, 2, 1, 2, 1, 0},   {4, 4, 4, 2, 4, 1, 1},   {3, 3, 3, 17, 1, 1, 8}};
  for (const Sizes& s : cases)
    for (const int64_t width : widths) {
      const int64_t height = width % 5 + 1, extent = (s.kernel - 1) * s.dilation + 1;
      if (height + 2 * s.pad < extent || width + 2 * s.pad < extent) continue;
      const Picture x(2, s.channels, height, width), filters(s.filters, s.channels / s.groups, s.kernel, s.kernel);
      check("Conv<group = " + std::to_string(s.groups) + ", " + window(s) + ">(x, w)", {{"x", &x}, {"w", &filters}},
            [&](int64_t n, int64_t m, int64_t h, int64_t w) {
              double sum = 0;
              for (int64_t c = 0; c < filters.channels; ++c)
                for (int64_t i = 0; i < s.kernel; ++i)
                  for (int64_t k = 0; k < s.kernel; ++k) {
                    const int64_t row = h * s.stride - s.pad + i * s.dilation, column = w * s.stride - s.pad + k * s.dilation;
                    if (x.inside(row, column))
                      sum += double(x.at(n, m / (s.filters / s.groups) * filters.channels + c, row, column)) * double(filters.at(m, c, i, k));
                  }
              return sum;
            });
    }
}

TEST_CASE("transposed convolution over awkward sizes") {
  const Sizes cases[] = {{1, 1, 1, 2, 2, 1, 0}, {24, 5, 1, 2, 2, 1, 0}, {17, 3, 1, 4, 2, 1, 1}, {4, 6, 2, 3, 1, 1, 1},
                         {3, 2, 1, 3, 3, 2, 2}, {5, 5, 5, 3, 2, 1, 1},  {300, 2, 1, 2, 2, 1, 0}};
  for (const Sizes& s : cases)
    for (const int64_t width : widths) {
      const int64_t height = width % 4 + 1, extent = (s.kernel - 1) * s.dilation + 1;
      if ((height - 1) * s.stride + extent <= 2 * s.pad || (width - 1) * s.stride + extent <= 2 * s.pad) continue;
      const Picture x(2, s.channels, height, width), filters(s.channels, s.filters / s.groups, s.kernel, s.kernel);
      check("ConvTranspose<group = " + std::to_string(s.groups) + ", " + window(s) + ">(x, w)", {{"x", &x}, {"w", &filters}},
            [&](int64_t n, int64_t m, int64_t h, int64_t w) {
              const int64_t part = s.channels / s.groups, group = m / filters.channels;
              double sum = 0;
              for (int64_t c = group * part; c < (group + 1) * part; ++c)
                for (int64_t i = 0; i < s.kernel; ++i)
                  for (int64_t k = 0; k < s.kernel; ++k) {
                    const int64_t row = h + s.pad - i * s.dilation, column = w + s.pad - k * s.dilation;
                    if (row % s.stride == 0 && column % s.stride == 0 && x.inside(row / s.stride, column / s.stride) && row >= 0 && column >= 0)
                      sum += double(x.at(n, c, row / s.stride, column / s.stride)) * double(filters.at(c, m % filters.channels, i, k));
                  }
              return sum;
            });
    }
}

TEST_CASE("pooling over awkward sizes") {
  const Sizes cases[] = {{2, 0, 1, 5, 1, 1, 2}, {3, 0, 1, 2, 2, 1, 0}, {2, 0, 1, 3, 2, 1, 1}, {1, 0, 1, 3, 3, 2, 1}, {2, 0, 1, 1, 1, 1, 0}};
  for (const Sizes& s : cases)
    for (const int64_t width : widths) {
      const int64_t height = width % 5 + 1, extent = (s.kernel - 1) * s.dilation + 1;
      if (height + 2 * s.pad < extent || width + 2 * s.pad < extent) continue;
      Picture x(2, s.channels, height, width);
      const auto pooled = [&](bool maximum, bool count_pads) {
        return [&x, &s, maximum, count_pads](int64_t n, int64_t c, int64_t h, int64_t w) {
          double best = -INFINITY, sum = 0;
          int64_t count = 0;
          for (int64_t i = 0; i < s.kernel; ++i)
            for (int64_t k = 0; k < s.kernel; ++k) {
              const int64_t row = h * s.stride - s.pad + i * s.dilation, column = w * s.stride - s.pad + k * s.dilation;
              if (!x.inside(row, column)) continue;
              best = std::max(best, double(x.at(n, c, row, column)));
              sum += double(x.at(n, c, row, column));
              ++count;
            }
          return maximum ? best : sum / double(count_pads ? s.kernel * s.kernel : count);
        };
      };
      const std::string attributes = "<kernel_shape = " + list(s.kernel, 2) + ", " + window(s);
      check("MaxPool" + attributes + ">(x)", {{"x", &x}}, pooled(true, false));
      check("AveragePool" + attributes + ">(x)", {{"x", &x}}, pooled(false, false));
      check("AveragePool" + attributes + ", count_include_pad = 1>(x)", {{"x", &x}}, pooled(false, true));
    }
}

TEST_CASE("a maximum keeps what is no number, and minus infinity") {
  const Tensor found = result(
      "g () => (y) <float[1,1,1,8] x = {-inf, -inf, -inf, 1, nan, 2, -inf, 3}> "
      "{ y = MaxPool<kernel_shape = [1, 2]>(x) }");
  const std::vector<float> y = values<float>(found);
  CHECK(y[0] == -INFINITY);
  CHECK(y[1] == -INFINITY);
  CHECK(y[2] == 1);
  CHECK(std::isnan(y[3]));
  CHECK(std::isnan(y[4]));
  CHECK(y[5] == 2);
  CHECK(y[6] == 3);
}

TEST_CASE("global averages over awkward sizes") {
  for (const int64_t width : widths) {
    const Picture x(2, 3, 2, width);
    check("GlobalAveragePool(x)", {{"x", &x}}, [&](int64_t n, int64_t c, int64_t, int64_t) {
      double sum = 0;
      for (int64_t h = 0; h < 2; ++h)
        for (int64_t w = 0; w < width; ++w) sum += double(x.at(n, c, h, w));
      return sum / double(2 * width);
    });
  }
}

TEST_CASE("nearest neighbours over more columns than are found at once") {
  for (const int64_t width : {1, 3, 127, 128, 129, 300}) {
    const Picture x(1, 2, 3, width);
    Graph graph = parse_text("g (float[1,2,3," + std::to_string(width) +
                             "] x) => (y) <float[4] s = {1, 1, 2, 2}> { y = Resize<mode = \"nearest\", "
                             "coordinate_transformation_mode = \"asymmetric\", nearest_mode = \"floor\">(x, \"\", s) }");
    infer_types(graph);
    const Tensor y = run_reference(graph, {{"x", x.tensor()}}).at("y").tensor;
    REQUIRE(y.dimensions == std::vector<int64_t>{1, 2, 6, 2 * width});
    size_t i = 0;
    for (int64_t c = 0; c < 2; ++c)
      for (int64_t h = 0; h < 6; ++h)
        for (int64_t w = 0; w < 2 * width; ++w) REQUIRE(y.as<float>()[i++] == x.at(0, c, h / 2, w / 2));
  }
}
