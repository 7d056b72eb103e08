// See judge.hpp.
#include "judge.hpp"

#include <cmath>
#include <span>
#include <sstream>

#include "draft.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe::differential {
namespace {

std::string dimensions(const Tensor& t) { return to_string(Shape(t.dimensions.begin(), t.dimensions.end())); }

template <class T>
std::optional<std::string> numbers(const Tensor& found, const Tensor& expected, double relative, double absolute = 0) {
  const auto a = found.as<T>(), b = expected.as<T>();
  double largest = 0;
  for (size_t i = 0; i < size_t(expected.size()); ++i)
    if (const double x = std::fabs(double(b[i])); std::isfinite(x)) largest = std::max(largest, x);
  for (size_t i = 0; i < size_t(expected.size()); ++i) {
    const double x = double(a[i]), y = double(b[i]);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (std::fabs(x - y) <= absolute + relative * std::max(largest, 1e-2)) continue;
    char text[120];
    std::snprintf(text, sizeof text, "element %zu is %.9g instead of %.9g", i, x, y);
    return text;
  }
  return std::nullopt;
}

// What must be equal: whole numbers of 64 bits, which a double does not hold, and strings.
template <class T>
std::optional<std::string> exactly(std::span<const T> found, std::span<const T> expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (found[i] == expected[i]) continue;
    std::ostringstream text;
    text << "element " << i << " is " << found[i] << " instead of " << expected[i];
    return text.str();
  }
  return std::nullopt;
}

std::optional<std::string> compare(const Tensor& found, const Tensor& expected, double step, double double_tolerance) {
  if (found.type != expected.type) return "is " + std::string(name(found.type)) + " instead of " + std::string(name(expected.type));
  if (found.dimensions != expected.dimensions) return "has shape [" + dimensions(found) + "] instead of [" + dimensions(expected) + "]";
  switch (found.type) {
    case DataType::float32:
      return numbers<float>(found, expected, 1e-4);
    case DataType::float64:
      return numbers<double>(found, expected, double_tolerance);
    case DataType::float16:
      return numbers<kernels::float16>(found, expected, 1e-2);
    case DataType::bfloat16:
      return numbers<kernels::bfloat16>(found, expected, 6e-2);
    case DataType::int8:
      return numbers<int8_t>(found, expected, 0, step);
    case DataType::uint8:
    case DataType::boolean:
      return numbers<uint8_t>(found, expected, 0, step);
    case DataType::int16:
      return numbers<int16_t>(found, expected, 0, step);
    case DataType::uint16:
      return numbers<uint16_t>(found, expected, 0, step);
    case DataType::int32:
      return numbers<int32_t>(found, expected, 0, step);
    case DataType::uint32:
      return numbers<uint32_t>(found, expected, 0, step);
    case DataType::int64:
      return exactly(found.as<int64_t>(), expected.as<int64_t>());
    case DataType::uint64:
      return exactly(found.as<uint64_t>(), expected.as<uint64_t>());
    case DataType::string:
      return exactly(std::span<const std::string>(*found.strings), std::span<const std::string>(*expected.strings));
    default:
      if (found == expected) return std::nullopt;
      return "differs";
  }
}

}  // namespace

std::optional<std::string> difference(const Sample& sample, const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
  double step = 0, double_tolerance = 1e-6;
  for (const Node& node : sample.graph.nodes) {
    if (rounding_operator(node.op_type)) step = 1;
    // Windows have constants of float32, and normalisation takes its moments in float32 unless stash_type says otherwise.
    if (node.op_type.ends_with("Window") || node.op_type.ends_with("Normalization")) double_tolerance = 1e-4;
  }
  for (size_t i = 0; i < expected.size(); ++i)
    if (const auto what = compare(found[i], expected[i], step, double_tolerance))
      return "output '" + sample.graph.value(sample.graph.outputs[i]).name + "' " + *what;
  return std::nullopt;
}

}  // namespace lathe::differential
