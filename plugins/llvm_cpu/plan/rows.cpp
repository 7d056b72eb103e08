// Operations whose leading dimensions are open, computed by a kernel for a fixed number of rows that is called until all are done. What follows the
// leading dimensions is fixed: the columns of a product, or the dimensions along which an operand repeats.
#include <algorithm>

#include "plan/network.hpp"

namespace lathe::llvm_cpu {

namespace {

using Dimensions = std::vector<int64_t>;
using Kind = Operation::Kind;

constexpr int64_t product_rows = 24;         // a multiple of most tiles' heights
constexpr int64_t elementwise_count = 1024;  // elements of one call, about
constexpr uint32_t most_operands = 20;

Dimensions without_leading_ones(Dimensions d) {
  d.erase(d.begin(), std::find_if(d.begin(), d.end(), [](int64_t n) { return n != 1; }));
  return d;
}

bool is_fixed(const Dimensions& d, size_t from = 0) {
  return std::all_of(d.begin() + static_cast<std::ptrdiff_t>(from), d.end(), [](int64_t n) { return n >= 0; });
}

// The operand repeats for all rows: how many of the output's last dimensions it has; nullopt when it does not.
std::optional<size_t> repeats(const Dimensions& operand, const Dimensions& output) {
  const Dimensions d = without_leading_ones(operand);
  if (!is_fixed(d) || d.size() > output.size()) return std::nullopt;
  for (size_t i = 0; i < d.size(); ++i) {
    const int64_t extent = output[output.size() - d.size() + i];
    if (extent < 0 || (d[i] != 1 && d[i] != extent)) return std::nullopt;
  }
  return d.size();
}

bool same(const Dimensions& operand, const Dimensions& output) { return without_leading_ones(operand) == without_leading_ones(output); }

std::optional<Rows> elementwise_rows(const Network& network, const Operation& o) {
  const Dimensions& y = network.at(o.output()).dimensions;
  Rows rows;
  size_t tail = 0;
  bool led = false;
  for (const TensorId t : o.inputs) {
    const Dimensions& d = network.at(t).dimensions;
    if (const auto k = repeats(d, y)) tail = std::max(tail, *k);
  }
  const int64_t columns = count({y.end() - static_cast<std::ptrdiff_t>(tail), y.end()});
  for (size_t i = 0; i < o.inputs.size(); ++i) {
    const Dimensions& d = network.at(o.inputs[i]).dimensions;
    if (repeats(d, y)) {
      rows.row_bytes.push_back(0);
      continue;
    }
    if (!same(d, y) || d.size() > y.size() || d.size() < tail) return std::nullopt;
    rows.row_bytes.push_back(columns * 4);
    if (!led) rows.lead = static_cast<uint32_t>(i), rows.ones = static_cast<uint32_t>(y.size() - d.size());
    led = true;
  }
  if (!led || columns <= 0 || o.inputs.size() > most_operands) return std::nullopt;
  rows.row_bytes.push_back(columns * 4);
  rows.lead_tail = static_cast<uint32_t>(tail);
  rows.tail.assign(y.end() - static_cast<std::ptrdiff_t>(tail), y.end());
  rows.rows = static_cast<uint32_t>(std::max<int64_t>(1, elementwise_count / columns));
  rows.least_calls = static_cast<uint32_t>(std::max<int64_t>(1, 32 * elementwise_count / (columns * rows.rows)));
  return rows;
}

std::optional<Rows> product_rows_of(const Network& network, const Operation& o) {
  const Tensor &a = network.at(o.inputs[0]), &b = network.at(o.inputs[1]), &y = network.at(o.output());
  if (!b.constant || b.dimensions.size() != 2 || o.transpose_a || a.dimensions.size() < 2 || a.dimensions.size() != y.dimensions.size() ||
      a.dimensions.back() <= 0 || y.dimensions.back() <= 0 || (o.inputs[2] != no_tensor && network.at(o.inputs[2]).dynamic()))
    return std::nullopt;
  Rows rows;
  rows.rows = product_rows;
  rows.lead_tail = 1;
  rows.tail = {y.dimensions.back()};
  rows.row_bytes = {a.dimensions.back() * 4, 0};
  if (o.inputs[2] != no_tensor) rows.row_bytes.push_back(0);
  for (size_t i = epilogue_begin; i < o.inputs.size(); ++i) {
    Access access;
    if (!epilogue_access(o, y, network.at(o.inputs[i]), access)) return std::nullopt;
    rows.row_bytes.push_back(access == Access::same ? y.dimensions.back() * 4 : 0);
  }
  rows.row_bytes.push_back(y.dimensions.back() * 4);
  return rows;
}

}  // namespace

std::optional<Rows> rows_of(const Network& network, const Operation& o) {
  if (o.kind == Kind::elementwise) return elementwise_rows(network, o);
  if (o.kind == Kind::product) return product_rows_of(network, o);
  return std::nullopt;
}

}  // namespace lathe::llvm_cpu
