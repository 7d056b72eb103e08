// What is composed of many small products and selections: determinants, bits of integers, counted n-grams.
#include <algorithm>
#include <cstring>

#include "families.hpp"

namespace lathe::openvino {
namespace {

const Attribute numpy = {"auto_broadcast", "numpy"};

// Elimination with the largest element of each column as pivot (Golub and Van Loan, Matrix Computations, 3.4): the pivot's row leaves the matrix, the
// first row takes its place, and each step multiplies the determinant by the pivot, with the other sign where rows changed places.
void determinant(Step& s) {
  Wire a = s.in(0);
  const int64_t rank = s.rank(0), n = rank < 2 ? -1 : a.dimensions->back();
  if (n < 0 || (*a.dimensions)[static_cast<size_t>(rank - 2)] != n)
    s.refuse("the IR has no determinant, and the elimination in its place wants a known size");
  const int32_t type = a.type;
  const Wire zero = s.scalar(type, 0), one = s.scalar(type, 1);
  const auto op = [&](const char* name, const Wire& x, const Wire& y) { return s.make(name, {x, y}, {numpy}); };
  const auto select = [&](const Wire& test, const Wire& x, const Wire& y) {
    return s.make("Select", {test, x, y}, {numpy}, broadcast(test.dimensions, broadcast(x.dimensions, y.dimensions)));
  };
  Wire result;
  for (int64_t size = n; size > 0; --size) {
    const Wire column = s.slice(a, {0}, {1}, {1}, {rank - 1});  // [..., size, 1]
    std::vector<int64_t> top = *column.dimensions;
    top[static_cast<size_t>(rank - 2)] = 1;
    const std::vector<Wire> largest =
        s.make_many({"TopK", 3}, {s.make("Abs", {column}), s.index(1)},
                    {{"axis", text(rank - 2)}, {"mode", "max"}, {"sort", "value"}, {"index_element_type", "i64"}}, {top, top});
    std::vector<int64_t> numbers, shape(static_cast<size_t>(rank), 1);
    for (int64_t i = 0; i < size; ++i) numbers.push_back(i);
    shape[static_cast<size_t>(rank - 2)] = size;
    const Wire rows = s.reshape(s.indices(numbers), shape), chosen = op("Equal", rows, largest[1]);  // [..., size, 1]
    const Wire pivots = s.reduce("ReduceSum", select(chosen, a, zero), {rank - 2}, true);            // [..., 1, size]
    const Wire pivot = s.slice(pivots, {0}, {1}, {1}, {rank - 1});
    const Wire sign = select(op("Equal", largest[1], s.index(0)), one, s.scalar(type, -1));
    const Wire factor = op("Multiply", pivot, sign);
    result = result.has_rank() ? op("Multiply", result, factor) : factor;
    if (size == 1) break;
    const Wire first = s.slice(a, {0}, {1}, {1}, {rank - 2});
    const Wire rest = s.slice(select(chosen, first, a), {1}, {size}, {1}, {rank - 2});
    const Wire safe = select(op("Equal", pivot, zero), one, pivot);
    const Wire share = s.make("Divide", {s.slice(rest, {0}, {1}, {1}, {rank - 1}), safe}, {numpy, {"m_pythondiv", "true"}});
    const Wire removed = op("Multiply", share, s.slice(pivots, {1}, {size}, {1}, {rank - 1}));
    a = op("Subtract", s.slice(rest, {1}, {size}, {1}, {rank - 1}), removed);
  }
  if (n == 0)
    return s.out(0, s.broadcast_to(one, s.slice(s.shape_of(a), {0}, {rank - 2}, {1}, {0}),
                                   std::vector<int64_t>(a.dimensions->begin(), a.dimensions->end() - 2)));
  s.out(0, s.squeeze(result, {rank - 2, rank - 1}));
}

// How often each n-gram of a list occurs among the elements of a row, with up to max_skip_count elements left out between two of them.
void n_grams(Step& s) {
  if (s.node.attribute("pool_strings") || s.in(0).type == LATHE_STRING)
    s.refuse("the IR's operations on strings pack and unpack their bytes and compare none");
  const Wire given = s.in(0);
  const int64_t rank = s.rank(0), length = given.dimensions->back();
  if (length < 0) s.refuse("how many elements its n-grams are taken from is open");
  const std::vector<int64_t> pool = s.node.integers("pool_int64s"), counts = s.node.integers("ngram_counts"),
                             places = s.node.integers("ngram_indexes");
  const int64_t least = s.node.integer("min_gram_length", 1), most = s.node.integer("max_gram_length", 1),
                skips = s.node.integer("max_skip_count", 0);
  const std::vector<float> weights = s.node.reals("weights");
  const std::string_view mode = s.node.text("mode", "TF");
  int64_t columns = 0;
  for (const int64_t p : places) columns = std::max(columns, p + 1);
  const Wire x = s.convert(given, LATHE_INT64);
  const Wire shape = s.concat({s.slice(s.shape_of(x), {0}, {rank - 1}, {1}, {0}), s.indices({columns})}, 0);
  std::vector<int64_t> dimensions = *x.dimensions;
  dimensions.back() = columns;
  Wire total = s.broadcast_to(s.scalar(LATHE_FLOAT32, 0), shape, dimensions);
  size_t named = 0;
  for (size_t group = 0; group < counts.size(); ++group) {
    const int64_t n = static_cast<int64_t>(group) + 1;
    const size_t from = static_cast<size_t>(counts[group]), to = group + 1 < counts.size() ? static_cast<size_t>(counts[group + 1]) : pool.size();
    if (to < from || to > pool.size() || (to - from) % static_cast<size_t>(n) != 0) s.refuse("its pool does not fall into n-grams");
    const int64_t grams = static_cast<int64_t>(to - from) / n;
    const size_t first = named;
    named += static_cast<size_t>(grams);
    if (named > places.size()) s.refuse("it has fewer columns than n-grams");
    if (n < least || n > most || grams == 0) continue;
    const std::vector<int64_t> list(pool.begin() + static_cast<std::ptrdiff_t>(from), pool.begin() + static_cast<std::ptrdiff_t>(to));
    const Wire wanted = s.reshape(s.indices(list), {grams, n});
    // A single element has nothing to skip.
    for (int64_t skip = 0; skip <= (n == 1 ? 0 : skips); ++skip) {
      const int64_t reach = (n - 1) * (skip + 1) + 1, windows = length - reach + 1;
      if (windows < 1) continue;
      std::vector<int64_t> positions;
      for (int64_t w = 0; w < windows; ++w)
        for (int64_t k = 0; k < n; ++k) positions.push_back(w + k * (skip + 1));
      const Wire at = s.reshape(s.indices(positions), {windows, 1, n});
      const Wire windowed = s.gather(x, at, rank - 1);  // [..., windows, 1, n]
      const Wire same = s.reduce("ReduceLogicalAnd", s.make("Equal", {windowed, wanted}, {numpy}), {rank + 1}, false);
      const Wire found = s.reduce("ReduceSum", s.convert(same, LATHE_FLOAT32), {rank - 1}, false);  // [..., grams]
      // To the columns of these n-grams.
      std::vector<double> columns_of(static_cast<size_t>(grams * columns), 0.0);
      for (int64_t g = 0; g < grams; ++g) {
        const int64_t column = places[first + static_cast<size_t>(g)];
        if (column < 0) s.refuse("a column of it lies below zero");
        columns_of[static_cast<size_t>(g * columns + column)] = 1;
      }
      const Wire spread = s.matmul(s.unsqueeze(found, {0}), s.floats(LATHE_FLOAT32, {grams, columns}, columns_of));
      total = s.make("Add", {total, s.squeeze(spread, {0})}, {numpy});
    }
  }
  Wire y = total;
  if (mode != "TF") {
    if (mode == "IDF") y = s.convert(s.make("Greater", {y, s.scalar(LATHE_FLOAT32, 0)}, {numpy}), LATHE_FLOAT32);
    if (!weights.empty()) {
      std::vector<double> row(static_cast<size_t>(columns), 1.0);
      for (size_t i = 0; i < weights.size() && i < places.size(); ++i) row[static_cast<size_t>(places[i])] = weights[i];
      y = s.make("Multiply", {y, s.floats(LATHE_FLOAT32, {columns}, row)}, {numpy});
    }
  }
  s.out(0, y);
}

constexpr Writer writers[] = {
    {"Det", Means::decomposition, determinant},
    {"TfIdfVectorizer", Means::decomposition, n_grams},
};

}  // namespace

std::span<const Writer> algebra_writers() { return writers; }

}  // namespace lathe::openvino
