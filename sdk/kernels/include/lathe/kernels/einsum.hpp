// Einsum: sums of products over named axes.
//
// The equation is read by read_einsum, which inference uses too. The kernel walks the output in runs along its last axis and adds, for every place
// of the summed axes, a run of products; so the usual contractions have dense innermost loops.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

inline constexpr int einsum_operands = 16;
inline constexpr int einsum_letters = 52;                        // a to z, A to Z
inline constexpr int einsum_labels = einsum_letters + max_rank;  // then the axes of the ellipsis, counted from the right

// The label of every axis.
struct Einsum {
  int count = 0;  // of operands
  int ranks[einsum_operands] = {};
  int labels[einsum_operands][max_rank] = {};
  int output_rank = 0;
  int output[einsum_labels] = {};
};

inline int einsum_letter(char c) {
  if (c >= 'a' && c <= 'z') return c - 'a';
  return c >= 'A' && c <= 'Z' ? 26 + (c - 'A') : -1;
}

// Reads an equation such as "bij,bjk->bik" or "...ij->...ji" for operands of these ranks. nullptr, or what is wrong with it.
inline const char* read_einsum(const char* equation, const int* ranks, int count, Einsum& e) {
  if (count > einsum_operands) return "the equation has more operands than can be summed at once";
  e.count = count;
  int uses[einsum_letters] = {}, widest = 0;
  const char* p = equation;
  for (int operand = 0; operand < count; ++operand) {
    if (operand && *p++ != ',') return "the equation has fewer terms than there are operands";
    int letters = 0, ellipses = 0;
    const char* end = p;
    for (; *end && *end != ',' && *end != '-'; ++end) {
      if (*end == ' ') continue;
      if (*end == '.') {
        if (end[1] != '.' || end[2] != '.') return "a dot in the equation is no part of an ellipsis";
        end += 2;
        ++ellipses;
      } else if (einsum_letter(*end) < 0) {
        return "the equation has a character that is no letter";
      } else {
        ++letters;
      }
    }
    if (ellipses > 1) return "a term of the equation has two ellipses";
    const int rest = ranks[operand] - letters;
    if (rest < 0 || (rest > 0 && !ellipses)) return "a term of the equation does not have as many letters as its operand has axes";
    widest = rest > widest ? rest : widest;
    int axis = 0;
    for (; p != end; ++p) {
      if (*p == ' ') continue;
      if (*p == '.') {
        p += 2;
        for (int i = rest - 1; i >= 0; --i) e.labels[operand][axis++] = einsum_letters + i;
      } else {
        e.labels[operand][axis++] = einsum_letter(*p);
        ++uses[einsum_letter(*p)];
      }
    }
    e.ranks[operand] = axis;
  }
  if (*p == ',') return "the equation has more terms than there are operands";
  if (!*p) {  // implicit: the ellipsis, then every letter that is used once, in alphabetical order
    for (int i = widest - 1; i >= 0; --i) e.output[e.output_rank++] = einsum_letters + i;
    for (char c = 'A'; c <= 'Z'; ++c)
      if (uses[einsum_letter(c)] == 1) e.output[e.output_rank++] = einsum_letter(c);
    for (char c = 'a'; c <= 'z'; ++c)
      if (uses[einsum_letter(c)] == 1) e.output[e.output_rank++] = einsum_letter(c);
    return nullptr;
  }
  if (p[1] != '>') return "the equation has a character that is no letter";
  bool given[einsum_letters] = {}, ellipsis = false;
  for (p += 2; *p; ++p) {
    if (*p == ' ') continue;
    if (*p == '.') {
      if (p[1] != '.' || p[2] != '.' || ellipsis) return "the output of the equation has a dot or an ellipsis too many";
      p += 2;
      ellipsis = true;
      for (int i = widest - 1; i >= 0; --i) e.output[e.output_rank++] = einsum_letters + i;
      continue;
    }
    const int letter = einsum_letter(*p);
    if (letter < 0) return "the equation has a character that is no letter";
    if (!uses[letter]) return "the output of the equation has a letter that no operand has";
    if (given[letter]) return "the output of the equation has a letter twice";
    given[letter] = true;
    e.output[e.output_rank++] = letter;
  }
  return widest && !ellipsis ? "the output of the equation lacks the ellipsis of its operands" : nullptr;
}

// Sizes and strides of every label; an axis of size 1 is broadcast. False: sizes differ, and the call failed.
struct EinsumLoops {
  int64_t sizes[einsum_labels];
  int64_t strides[einsum_operands][einsum_labels] = {};
  int summed_count = 0;
  int summed[einsum_labels];
};
inline bool einsum_loops(const Call& call, Einsum& e, EinsumLoops& l) {
  int ranks[einsum_operands];
  for (int i = 0; i < call.input_count && i < einsum_operands; ++i) ranks[i] = call.input(i).rank;
  const Attribute* equation = call.attribute("equation");
  if (const char* problem = read_einsum(equation ? equation->string : "", ranks, call.input_count, e)) return call.fail(problem), false;
  bool used[einsum_labels] = {};
  for (int64_t& size : l.sizes) size = 1;
  for (int operand = 0; operand < e.count; ++operand) {
    int64_t stride = 1;
    for (int axis = e.ranks[operand] - 1; axis >= 0; --axis) {
      const int label = e.labels[operand][axis];
      const int64_t size = call.input(operand).dimensions[axis];
      used[label] = true;
      if (size != 1 && l.sizes[label] != 1 && l.sizes[label] != size) return call.fail("axes of one letter have different sizes"), false;
      if (size != 1) {
        l.sizes[label] = size;
        l.strides[operand][label] += stride;  // a letter that an operand has twice walks the diagonal
      }
      stride *= size;
    }
  }
  for (int i = 0; i < e.output_rank; ++i) used[e.output[i]] = false;
  for (int label = 0; label < einsum_labels; ++label)
    if (used[label]) l.summed[l.summed_count++] = label;
  return true;
}

}  // namespace detail

inline void einsum(const Call& call) {
  detail::Einsum e;
  detail::EinsumLoops l;
  if (!detail::einsum_loops(call, e, l)) return;
  dispatch<Numbers>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    constexpr int64_t width = 64;
    const int last = e.output_rank ? e.output[e.output_rank - 1] : -1;
    const int64_t columns = last < 0 ? 1 : l.sizes[last], blocks = (columns + width - 1) / width;
    int64_t summed = 1;
    for (int i = 0; i < l.summed_count; ++i) summed *= l.sizes[l.summed[i]];
    const int64_t rows = columns ? call.output().size() / columns : 0;
    parallel(call, rows * blocks, math::greatest<int64_t>(1, grain_elements / (summed * width + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t first = at % blocks * width, count = math::least(width, columns - first);
        int64_t row = at / blocks;
        const T* from[detail::einsum_operands];
        int64_t step[detail::einsum_operands];
        for (int i = 0; i < e.count; ++i) {
          step[i] = last < 0 ? 0 : l.strides[i][last];
          from[i] = call.input(i).template as<const T>() + first * step[i];
        }
        T* to = call.output().template as<T>() + row * columns + first;
        for (int axis = e.output_rank - 2; axis >= 0; --axis) {
          const int label = e.output[axis];
          for (int i = 0; i < e.count; ++i) from[i] += row % l.sizes[label] * l.strides[i][label];
          row /= l.sizes[label];
        }
        C sum[width] = {};
        int64_t index[detail::einsum_labels] = {};
        for (int64_t place = 0; place < summed; ++place) {
          if (e.count == 2 && step[1] == 1 && step[0] == 0) {
            const C a = C(*from[0]);
            for (int64_t k = 0; k < count; ++k) sum[k] = math::add(sum[k], math::multiply(a, C(from[1][k])));
          } else {
            for (int64_t k = 0; k < count; ++k) {
              C product = C(from[0][k * step[0]]);
              for (int i = 1; i < e.count; ++i) product = math::multiply(product, C(from[i][k * step[i]]));
              sum[k] = math::add(sum[k], product);
            }
          }
          for (int axis = l.summed_count - 1; axis >= 0; --axis) {
            const int label = l.summed[axis];
            for (int i = 0; i < e.count; ++i) from[i] += l.strides[i][label];
            if (++index[axis] < l.sizes[label]) break;
            index[axis] = 0;
            for (int i = 0; i < e.count; ++i) from[i] -= l.sizes[label] * l.strides[i][label];
          }
        }
        for (int64_t k = 0; k < count; ++k) to[k] = T(sum[k]);
      }
    });
  });
}

namespace shapes {
inline void einsum(const Call& call) {
  detail::Einsum e;
  detail::EinsumLoops l;
  if (!detail::einsum_loops(call, e, l)) return;
  if (e.output_rank > max_rank) return call.fail("the output of an einsum has too many dimensions");
  int64_t dimensions[max_rank];
  for (int i = 0; i < e.output_rank; ++i) dimensions[i] = l.sizes[e.output[i]];
  call.allocate_output(0, dimensions, e.output_rank);
}
}  // namespace shapes

#define LATHE_KERNELS_EINSUM(X) X("", Einsum, einsum, shapes::einsum)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
