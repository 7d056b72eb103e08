// Einsum as BATCH_MATMUL over axes sorted by what they are for; Det by cofactors.
#include <algorithm>
#include <map>

#include "expression.hpp"

namespace lathe::tflite {
namespace {

struct Operand {
  int32_t tensor;
  std::string labels;  // one per axis; the ellipsis' axes are upper-case digits of their own ('\x01', '\x02', ...)
};

// Repeated labels within one operand: only where they are equal, and one axis of them.
Operand diagonal(Lowering& l, Operand x) {
  for (size_t i = 0; i < x.labels.size(); ++i) {
    const size_t j = x.labels.find(x.labels[i], i + 1);
    if (j == std::string::npos) continue;
    Extents e = l.extents_of(x.tensor), shape(e.size(), 1);
    const int64_t n = e[i];
    shape[i] = shape[j] = n;
    std::vector<float> eye(static_cast<size_t>(n * n), 0);
    for (int64_t d = 0; d < n; ++d) eye[static_cast<size_t>(d * n + d)] = 1;
    const int32_t mask = l.constant<float>(Type::float32, shape, std::move(eye), {}, "diagonal");
    const int32_t there = l.compare("GREATER", mask, l.scalar(0.5F));
    const int32_t only = l.select(there, x.tensor, l.filled(l.type_of(x.tensor), {}, 0));
    x.tensor = l.reduce("SUM", only, {static_cast<int>(j)}, false);
    x.labels.erase(j, 1);
    --i;
  }
  return x;
}

// Sums over labels that nobody else has.
Operand summed(Lowering& l, Operand x, const std::string& kept) {
  std::vector<int> axes;
  std::string left;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    if (kept.find(x.labels[i]) == std::string::npos)
      axes.push_back(static_cast<int>(i));
    else
      left += x.labels[i];
  }
  if (!axes.empty()) x = {l.reduce("SUM", x.tensor, axes, false), left};
  return x;
}

Operand arranged(Lowering& l, const Operand& x, const std::string& labels) {
  Order order;
  for (const char c : labels) order.push_back(static_cast<int>(x.labels.find(c)));
  return {l.transpose(x.tensor, order), labels};
}

Operand product(Lowering& l, Operand a, Operand b, const std::string& kept) {
  const auto in = [](const std::string& s, char c) { return s.find(c) != std::string::npos; };
  a = summed(l, diagonal(l, a), kept + b.labels);
  b = summed(l, diagonal(l, b), kept + a.labels);
  std::string batch, rows, columns, inner;
  std::map<char, int64_t> extent;
  const Extents ea = l.extents_of(a.tensor), eb = l.extents_of(b.tensor);
  for (size_t i = 0; i < a.labels.size(); ++i) {
    const char c = a.labels[i];
    extent[c] = ea[i];
    if (!in(b.labels, c))
      rows += c;
    else if (in(kept, c))
      batch += c;
    else
      inner += c;
  }
  for (size_t i = 0; i < b.labels.size(); ++i) {
    const char c = b.labels[i];
    if (!in(a.labels, c)) columns += c;
    if (in(a.labels, c) && extent[c] != eb[i] && extent[c] != 1 && eb[i] != 1) l.refuse("the extents of its operands do not fit");
    extent[c] = in(a.labels, c) ? std::max(extent[c], eb[i]) : eb[i];
  }
  const auto count = [&](const std::string& labels) {
    int64_t n = 1;
    for (const char c : labels) n *= extent[c];
    return n;
  };
  const auto whole = [&](Operand x, const std::string& labels) {  // an ellipsis may broadcast
    x = arranged(l, x, labels);
    Extents to;
    for (const char c : labels) to.push_back(extent[c]);
    if (l.extents_of(x.tensor) == to) return x.tensor;
    return l.make("BROADCAST_TO", {x.tensor, l.ints({to.begin(), to.end()})}, l.type_of(x.tensor), to);
  };
  const int64_t n = count(batch), m = count(rows), k = count(inner), p = count(columns);
  const int32_t x = l.reshape(whole(a, batch + rows + inner), {n, m, k}), y = l.reshape(whole(b, batch + inner + columns), {n, k, p});
  Operand out{l.make("BATCH_MATMUL", {x, y}, Type::float32, {n, m, p}), batch + rows + columns};
  Extents e;
  for (const char c : out.labels) e.push_back(extent[c]);
  out.tensor = l.reshape(out.tensor, e);
  return out;
}

void lower_einsum(Lowering& l, const Work& w) {
  if (l.type(w.out()) != Type::float32) l.refuse(std::string("the runtime's BATCH_MATMUL has no kernel for ") + name(l.type(w.out())));
  std::string equation(w.node.text("equation", ""));
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const size_t arrow = equation.find("->");
  std::string left = equation.substr(0, arrow), result;
  std::vector<std::string> terms{""};
  for (const char c : left) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  if (terms.size() != w.inputs.size()) l.refuse("its equation has another number of terms than it has inputs");
  size_t ellipsis = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    for (const int64_t d : l.extents(w.in(i)))
      if (d < 0) l.refuse("its shape is open, and a RESHAPE of the format leaves one open dimension");
    if (terms[i].find("...") != std::string::npos) ellipsis = std::max(ellipsis, l.rank(w.in(i)) - (terms[i].size() - 3));
  }
  // The ellipsis' axes get labels of their own, counted from their end.
  const auto spelled = [&](std::string term, size_t axes) {
    const size_t at = term.find("...");
    if (at == std::string::npos) return term;
    std::string own;
    for (size_t i = axes; i-- > 0;) own += static_cast<char>(1 + i);
    return term.replace(at, 3, own);
  };
  std::vector<Operand> operands;
  for (size_t i = 0; i < terms.size(); ++i) {
    const size_t axes = terms[i].find("...") == std::string::npos ? 0 : l.rank(w.in(i)) - (terms[i].size() - 3);
    operands.push_back({l.plain(w.in(i)), spelled(terms[i], axes)});
  }
  if (arrow != std::string::npos) {
    result = spelled(equation.substr(arrow + 2), ellipsis);
  } else {  // the ellipsis, then what occurs once, by the alphabet
    for (size_t i = ellipsis; i-- > 0;) result += static_cast<char>(1 + i);
    std::map<char, int> times;
    for (const char c : left)
      if (c != ',' && c != '.') ++times[c];
    for (const auto& [c, n] : times)
      if (n == 1) result += c;
  }
  Operand sum = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    std::string kept = result;
    for (size_t j = i + 1; j < operands.size(); ++j) kept += operands[j].labels;
    sum = product(l, sum, operands[i], kept);
  }
  sum = arranged(l, summed(l, diagonal(l, sum), result), result);
  l.define(w.out(), l.reshape(sum.tensor, l.extents(w.out())), identity(l.rank(w.out())));
}

// ---- determinants -------------------------------------------------------------------------------------------------------------------

// Of the matrix that is left without the first rows and these columns; rows and columns are elements [batch].
Expression minor_of(Lowering& l, int32_t x, int64_t n, int64_t row, const std::vector<int64_t>& columns,
                    std::map<std::vector<int64_t>, int32_t>& known) {
  const auto found = known.find(columns);
  if (found != known.end()) return {&l, found->second};
  const int64_t batch = l.extents_of(x)[0];
  const auto element = [&](int64_t column) { return Expression{&l, l.slice(x, {0, row, column}, {batch, 1, 1})}; };
  Expression sum{&l, -1};
  for (size_t i = 0; i < columns.size(); ++i) {
    Expression term = element(columns[i]);
    if (columns.size() > 1) {
      std::vector<int64_t> rest = columns;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
      term = term * minor_of(l, x, n, row + 1, rest, known);
    }
    if (sum.tensor < 0)
      sum = term;
    else
      sum = i % 2 ? sum - term : sum + term;
  }
  known.emplace(columns, sum.tensor);
  return sum;
}

void lower_det(Lowering& l, const Work& w) {
  constexpr int64_t most = 8;  // 2^n minors
  const Extents e = l.extents(w.in(0));
  const int64_t n = e.back();
  int64_t batch = 1;
  for (size_t i = 0; i + 2 < e.size(); ++i) batch *= e[i];
  if (batch < 0 || n < 0) l.refuse("its shape is open");
  if (n > most) l.refuse("the format has no determinants, and elimination with pivots has no operator; cofactors are written out up to 8 rows");
  if (l.type(w.in(0)) != Type::float32) l.refuse(std::string("the runtime's MUL has no kernel for ") + name(l.type(w.in(0))));
  const int32_t x = l.reshape(l.plain(w.in(0)), {batch, n, n});
  std::vector<int64_t> columns(static_cast<size_t>(n));
  for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<int64_t>(i);
  std::map<std::vector<int64_t>, int32_t> known;
  l.define(w.out(), l.reshape(minor_of(l, x, n, 0, columns, known).tensor, l.extents(w.out())), identity(l.rank(w.out())));
}

const LowerRule rules[] = {{"Det", lower_det}, {"Einsum", lower_einsum}};

}  // namespace

std::span<const LowerRule> einsum_rules() { return rules; }

}  // namespace lathe::tflite
