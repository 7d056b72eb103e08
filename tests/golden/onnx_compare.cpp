// Elements are widened to double and compared one by one.
#include "onnx_compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "lathe/kernels/types.hpp"

namespace lathe::golden {
namespace {

std::string describe(const Tensor& tensor) {
  std::string text = std::string(name(tensor.type)) + "[";
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) text += (i ? "," : "") + std::to_string(tensor.dimensions[i]);
  return text + "]";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

// `parts`: 2 for complex numbers, whose halves are compared on their own.
template <class T>
std::string close(const Tensor& found, const Tensor& expected, double relative, double absolute, size_t parts = 1) {
  size_t wrong = 0, worst = 0;
  double largest = -1;
  const size_t count = size_t(found.size()) * parts;
  const std::span<const T> a = found.as<T>(), b = expected.as<T>();
  auto widened = [](T x) {
    if constexpr (std::is_same_v<T, double>)
      return x;
    else
      return double(float(x));
  };
  for (size_t i = 0; i < count; ++i) {
    const double x = widened(a[i]), r = widened(b[i]);
    if (x == r || (std::isnan(x) && std::isnan(r))) continue;
    const double apart = std::fabs(x - r);
    if (apart <= absolute + relative * std::fabs(r)) continue;
    ++wrong;
    const double excess = std::isnan(apart) ? INFINITY : apart / (absolute + relative * std::fabs(r));
    if (excess > largest) largest = excess, worst = i;
  }
  if (!wrong) return "";
  return std::to_string(wrong) + " of " + std::to_string(count) + " elements differ; element " + std::to_string(worst) + " is " +
         number(widened(a[worst])) + " instead of " + number(widened(b[worst]));
}

std::string exact(const Tensor& found, const Tensor& expected) {
  const auto *a = reinterpret_cast<const uint8_t*>(found.bytes.data), *b = reinterpret_cast<const uint8_t*>(expected.bytes.data);
  const size_t bit_count = size_t(bits(found.type));
  const size_t width = std::max<size_t>(1, bit_count / 8);
  size_t wrong = 0, first = 0;
  // Types below a byte: whole bytes but the last, in which only the elements that there are count.
  for (size_t i = 0; i < found.bytes.size; i += width) {
    uint8_t mask = 0xff;
    if (bit_count < 8 && i + 1 == found.bytes.size)
      if (const size_t used = size_t(found.size()) * bit_count % 8) mask = uint8_t((1u << used) - 1);
    bool same = true;
    for (size_t k = 0; k < width; ++k) same = same && ((a[i + k] ^ b[i + k]) & mask) == 0;
    if (!same && wrong++ == 0) first = i;
  }
  if (!wrong) return "";
  auto hex = [&](const uint8_t* bytes) {
    std::string text = "0x";
    for (size_t k = width; k-- > 0;) {
      char two[3];
      std::snprintf(two, sizeof two, "%02x", bytes[first + k]);
      text += two;
    }
    return text;
  };
  return std::to_string(wrong) + " of " + std::to_string(found.bytes.size / width) + (bit_count < 8 ? " packed bytes" : " elements") +
         " differ; number " + std::to_string(first / width) + " is " + hex(a) + " instead of " + hex(b);
}

std::string difference(const Tensor& found, const Tensor& expected, const Tolerance& tolerance) {
  if (found.type != expected.type || found.dimensions != expected.dimensions) return "it is " + describe(found) + " instead of " + describe(expected);
  switch (found.type) {
    case DataType::string: {
      static const std::vector<std::string> nothing;
      const std::vector<std::string>&a = found.strings ? *found.strings : nothing, &b = expected.strings ? *expected.strings : nothing;
      if (a == b) return "";
      for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        if (a[i] != b[i]) return "string " + std::to_string(i) + " is '" + a[i] + "' instead of '" + b[i] + "'";
      return "it holds " + std::to_string(a.size()) + " strings instead of " + std::to_string(b.size());
    }
    case DataType::float32:
      return close<float>(found, expected, tolerance.relative, tolerance.absolute);
    case DataType::complex64:
      return close<float>(found, expected, tolerance.relative, tolerance.absolute, 2);
    case DataType::float64:
      return close<double>(found, expected, tolerance.relative, tolerance.absolute);
    case DataType::complex128:
      return close<double>(found, expected, tolerance.relative, tolerance.absolute, 2);
    case DataType::float16:
      return close<kernels::float16>(found, expected, std::max(tolerance.relative, 0x1p-9), tolerance.absolute);
    case DataType::bfloat16:
      return close<kernels::bfloat16>(found, expected, std::max(tolerance.relative, 0x1p-6), tolerance.absolute);
    default:
      return exact(found, expected);
  }
}

}  // namespace

std::string difference(const Datum& found, const Datum& expected, const Tolerance& tolerance) {
  static const char* const words[] = {"a tensor", "a sequence", "an optional tensor", "an optional sequence"};
  if (found.kind != expected.kind) return std::string("it is ") + words[int(found.kind)] + " instead of " + words[int(expected.kind)];
  if (found.present != expected.present) return found.present ? "the optional should be empty" : "the optional is empty";
  if (!found.present) return "";
  if (!found.is_sequence()) return difference(found.tensor, expected.tensor, tolerance);
  if (found.elements.size() != expected.elements.size())
    return "it has " + std::to_string(found.elements.size()) + " elements instead of " + std::to_string(expected.elements.size());
  for (size_t i = 0; i < found.elements.size(); ++i)
    if (std::string text = difference(found.elements[i], expected.elements[i], tolerance); !text.empty())
      return "in tensor " + std::to_string(i) + " of the sequence, " + text;
  return "";
}

}  // namespace lathe::golden
