// Operators that select: what is not zero, what is distinct, what a condition keeps, the best of overlapping boxes. How much they yield depends on
// the data, so the kernels give their outputs their shapes. ReverseSequence, whose order depends on data, stands here too.
//
// Sources: ONNX, Operators.md, NonZero (opset 13), Unique, Compress, NonMaxSuppression (11), ReverseSequence (10).
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// Sorts in place, keeping the order of equals: merges runs of doubling length between the two arrays. before(a, b): a stands before b for sure.
template <class F>
void merge_sort(int64_t* items, int64_t* buffer, int64_t count, F&& before) {
  int64_t *from = items, *to = buffer;
  for (int64_t run = 1; run < count; run *= 2) {
    for (int64_t begin = 0; begin < count; begin += 2 * run) {
      const int64_t middle = math::least(begin + run, count), end = math::least(begin + 2 * run, count);
      int64_t left = begin, right = middle;
      for (int64_t at = begin; at < end; ++at)
        to[at] = left < middle && (right >= end || !before(from[right], from[left])) ? from[left++] : from[right++];
    }
    int64_t* const held = from;
    from = to;
    to = held;
  }
  if (from != items) copy(items, from, count);
}

// Negative, zero or positive as a stands before, with or behind b. NaN equals NaN and stands behind all numbers, as numpy sorts it.
template <class T>
int compared(const T& x, const T& y) {
  if constexpr (std::is_same_v<T, String>) {
    const int64_t common = math::least(x.size, y.size);
    for (int64_t i = 0; i < common; ++i)
      if (x.data[i] != y.data[i]) return static_cast<unsigned char>(x.data[i]) < static_cast<unsigned char>(y.data[i]) ? -1 : 1;
    return x.size < y.size ? -1 : x.size > y.size;
  } else {
    const Compute<T> a = Compute<T>(x), b = Compute<T>(y);
    if (a < b) return -1;
    if (a > b) return 1;
    if (a == b) return 0;
    return a == a ? -1 : b == b;
  }
}

template <class F>
void dispatch_comparable(const Call& call, Type type, F&& body) {
  if (type == Type::string) return body.template operator()<String>();
  dispatch<Scalars>(call, type, body);
}

}  // namespace detail

// Output int64 [rank, count]: the coordinates of all elements that are not zero, in row-major order.
inline void non_zero(const Call& call) {
  const Tensor& x = call.input(0);
  const int64_t size = x.size();
  detail::dispatch_comparable(call, x.type, [&]<class T>() {
    const T* data = x.as<const T>();
    const auto set = [](const T& value) {
      if constexpr (std::is_same_v<T, String>)
        return value.size != 0;
      else
        return Compute<T>(value) != Compute<T>(0);
    };
    int64_t count = 0;
    for (int64_t i = 0; i < size; ++i) count += set(data[i]);
    const int64_t dimensions[2] = {x.rank, count};
    if (!call.allocate_output(0, dimensions, 2)) return;
    int64_t* to = call.output().as<int64_t>();
    int64_t at = 0;
    for (int64_t i = 0; i < size; ++i) {
      if (!set(data[i])) continue;
      int64_t rest = i;
      for (int axis = x.rank - 1; axis >= 0; --axis) {
        to[axis * count + at] = rest % x.dimensions[axis];
        rest /= x.dimensions[axis];
      }
      ++at;
    }
  });
}

// Inputs: input, condition (bool [n], at most as long as the axis). Without the attribute axis the input is flat.
inline void compress(const Call& call) {
  const Tensor &x = call.input(0), &condition = call.input(1);
  const Attribute* given = call.attribute("axis");
  const int axis = given ? normal_axis(*given->ints, x.rank) : 0;
  const int64_t length = given ? x.dimensions[axis] : x.size(), outer = given ? product(x.dimensions, 0, axis) : 1,
                inner = given ? product(x.dimensions, axis + 1, x.rank) : 1;
  const bool* keep = condition.as<const bool>();
  int64_t count = 0;
  for (int64_t i = 0, n = condition.size(); i < n; ++i) {
    if (keep[i] && i >= length) return call.fail("the condition keeps an element behind the end of the axis");
    count += keep[i];
  }
  int64_t dimensions[max_rank] = {count};
  for (int i = 0; given && i < x.rank; ++i) dimensions[i] = i == axis ? count : x.dimensions[i];
  if (!call.allocate_output(0, dimensions, given ? x.rank : 1)) return;
  const int64_t places = math::least(condition.size(), length);
  dispatch_size(call, x.type, [&]<class T>() {
    T* to = call.output().as<T>();
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < places; ++i) {
        if (!keep[i]) continue;
        copy(to, x.as<const T>() + (o * length + i) * inner, inner);
        to += inner;
      }
  });
}

// Outputs: Y, indices of first occurrences, for every element its place in Y, counts (the last three optional). Without the attribute axis the input
// is flat; with it whole slices are compared, element by element.
inline void unique(const Call& call) {
  const Tensor& x = call.input(0);
  const Attribute* given = call.attribute("axis");
  const int axis = given ? normal_axis(*given->ints, x.rank) : 0;
  const int64_t length = given ? x.dimensions[axis] : x.size(), outer = given ? product(x.dimensions, 0, axis) : 1,
                inner = given ? product(x.dimensions, axis + 1, x.rank) : 1;
  int64_t *order = call.temporary<int64_t>(length), *buffer = call.temporary<int64_t>(length), *group = call.temporary<int64_t>(length),
          *firsts = call.temporary<int64_t>(length);
  if (!order || !buffer || !group || !firsts) return;
  detail::dispatch_comparable(call, x.type, [&]<class T>() {
    const T* data = x.as<const T>();
    const auto compared = [&](int64_t a, int64_t b) {
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i)
          if (const int c = detail::compared(data[(o * length + a) * inner + i], data[(o * length + b) * inner + i])) return c;
      return 0;
    };
    for (int64_t i = 0; i < length; ++i) order[i] = i;
    detail::merge_sort(order, buffer, length, [&](int64_t a, int64_t b) { return compared(a, b) < 0; });
    // Equal ones stand together now, the first occurrence in front.
    int64_t count = 0;
    for (int64_t i = 0; i < length; ++i) {
      if (i == 0 || compared(order[i - 1], order[i]) != 0) firsts[count++] = order[i];
      group[order[i]] = count - 1;
    }
    if (call.integer("sorted", 1) == 0) {
      // By first occurrence instead: order[g] becomes the new place of group g.
      int64_t next = 0;
      for (int64_t i = 0; i < length; ++i)
        if (firsts[group[i]] == i) order[group[i]] = next++;
      for (int64_t i = 0; i < length; ++i) group[i] = order[group[i]];
      for (int64_t i = length; i-- > 0;) firsts[group[i]] = i;
    }
    int64_t dimensions[max_rank] = {count};
    for (int i = 0; given && i < x.rank; ++i) dimensions[i] = i == axis ? count : x.dimensions[i];
    if (!call.allocate_output(0, dimensions, given ? x.rank : 1) || !call.allocate_output(1, &count, 1) || !call.allocate_output(2, &length, 1) ||
        !call.allocate_output(3, &count, 1))
      return;
    for (int64_t o = 0; call.has_output(0) && o < outer; ++o)
      for (int64_t g = 0; g < count; ++g) copy(call.output().as<T>() + (o * count + g) * inner, data + (o * length + firsts[g]) * inner, inner);
    if (call.has_output(1)) copy(call.output(1).as<int64_t>(), firsts, count);
    if (call.has_output(2)) copy(call.output(2).as<int64_t>(), group, length);
    if (!call.has_output(3)) return;
    int64_t* counts = call.output(3).as<int64_t>();
    for (int64_t g = 0; g < count; ++g) counts[g] = 0;
    for (int64_t i = 0; i < length; ++i) ++counts[group[i]];
  });
}

namespace detail {

struct Box {
  float top, left, bottom, right, area;
};
inline Box box_of(const float* numbers, bool centred) {
  Box b;
  if (centred) {  // x and y of the centre, width, height
    const float w = numbers[2] / 2, h = numbers[3] / 2;
    b = {numbers[1] - h, numbers[0] - w, numbers[1] + h, numbers[0] + w, 0};
  } else {  // y and x of any two opposite corners
    b = {math::least(numbers[0], numbers[2]), math::least(numbers[1], numbers[3]), math::greatest(numbers[0], numbers[2]),
         math::greatest(numbers[1], numbers[3]), 0};
  }
  b.area = (b.bottom - b.top) * (b.right - b.left);
  return b;
}
inline bool overlap(const Box& a, const Box& b, float threshold) {
  const float height = math::least(a.bottom, b.bottom) - math::greatest(a.top, b.top),
              width = math::least(a.right, b.right) - math::greatest(a.left, b.left);
  if (!(height > 0) || !(width > 0) || !(a.area > 0) || !(b.area > 0)) return false;
  const float common = height * width;
  return common / (a.area + b.area - common) > threshold;
}

}  // namespace detail

// Inputs: boxes [B, N, 4], scores [B, C, N], then optional scalars: max_output_boxes_per_class (0), iou_threshold (0), score_threshold (none).
// Output int64 [selected, 3]: batch, class, box. Boxes of one class that pass the threshold are taken by falling score (ties: lower index first)
// unless they overlap one that was taken. Memory is linear in the number of boxes that pass.
inline void non_max_suppression(const Call& call) {
  const Tensor &boxes = call.input(0), &scores = call.input(1);
  const int64_t batches = scores.dimensions[0], classes = scores.dimensions[1], count = scores.dimensions[2], slots = batches * classes;
  const auto given = [&](int32_t input) { return call.has_input(input) && call.input(input).size() > 0; };
  const int64_t most = given(2) ? *call.input(2).as<const int64_t>() : 0;
  const float iou = given(3) ? *call.input(3).as<const float>() : 0.0f;
  const bool limited = given(4), centred = call.integer("center_point_box", 0) != 0;
  const float lowest = limited ? *call.input(4).as<const float>() : 0.0f;
  if (!(iou >= 0 && iou <= 1)) return call.fail("the overlap threshold is not between 0 and 1");
  const float* score = scores.as<const float>();
  const auto passes = [&](float s) { return !limited || s > lowest; };

  int64_t *starts = call.temporary<int64_t>(slots + 1), *taken = call.temporary<int64_t>(slots);
  if (!starts || !taken) return;
  starts[0] = 0;
  for (int64_t slot = 0; slot < slots; ++slot) {
    int64_t passing = 0;
    for (int64_t i = 0; most > 0 && i < count; ++i) passing += passes(score[slot * count + i]);
    starts[slot + 1] = starts[slot] + passing;
    taken[slot] = 0;
  }
  int64_t *order = call.temporary<int64_t>(starts[slots]), *buffer = call.temporary<int64_t>(starts[slots]);
  detail::Box* kept = call.temporary<detail::Box>(starts[slots]);
  if (!order || !buffer || !kept) return;
  parallel(call, slots, 1, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t slot = begin; slot < end; ++slot) {
      const float* s = score + slot * count;
      int64_t *candidates = order + starts[slot], *selected = buffer + starts[slot], passing = 0;
      detail::Box* list = kept + starts[slot];
      if (starts[slot + 1] == starts[slot]) continue;
      for (int64_t i = 0; i < count; ++i)
        if (passes(s[i])) candidates[passing++] = i;
      detail::merge_sort(candidates, selected, passing, [s](int64_t a, int64_t b) { return s[a] > s[b]; });
      int64_t& number = taken[slot];
      for (int64_t i = 0; i < passing && number < most; ++i) {
        const detail::Box box = detail::box_of(boxes.as<const float>() + (slot / classes * count + candidates[i]) * 4, centred);
        bool free = true;
        for (int64_t k = 0; k < number && free; ++k) free = !detail::overlap(box, list[k], iou);
        if (!free) continue;
        list[number] = box;
        selected[number++] = candidates[i];
      }
    }
  });
  int64_t total = 0;
  for (int64_t slot = 0; slot < slots; ++slot) total += taken[slot];
  const int64_t dimensions[2] = {total, 3};
  if (!call.allocate_output(0, dimensions, 2)) return;
  int64_t* to = call.output().as<int64_t>();
  for (int64_t slot = 0; slot < slots; ++slot)
    for (int64_t i = 0; i < taken[slot]; ++i, to += 3) {
      to[0] = slot / classes;
      to[1] = slot % classes;
      to[2] = buffer[starts[slot] + i];
    }
}

// Inputs: input, sequence_lens int64 [batch]. Reverses the first sequence_lens[b] steps of every sequence b.
inline void reverse_sequence(const Call& call) {
  const Tensor &x = call.input(0), &lengths = call.input(1);
  const int time = normal_axis(call.integer("time_axis", 0), x.rank), batch = normal_axis(call.integer("batch_axis", 1), x.rank);
  const int64_t steps = x.dimensions[time], sequences = x.dimensions[batch], inner = product(x.dimensions, 2, x.rank);
  for (int64_t b = 0; b < sequences; ++b)
    if (integer_at(lengths, b) < 0 || integer_at(lengths, b) > steps) return call.fail("a sequence is longer than the time axis, or negative");
  const int64_t time_stride = time == 0 ? sequences * inner : inner, batch_stride = time == 0 ? inner : steps * inner;
  dispatch_size(call, x.type, [&]<class T>() {
    for (int64_t b = 0; b < sequences; ++b)
      for (int64_t t = 0; t < steps; ++t) {
        const int64_t length = integer_at(lengths, b), from = t < length ? length - 1 - t : t;
        copy(call.output().as<T>() + b * batch_stride + t * time_stride, x.as<const T>() + b * batch_stride + from * time_stride, inner);
      }
  });
}

namespace shapes {
inline void reverse_sequence(const Call& call) {
  const Tensor &x = call.input(0), &lengths = call.input(1);
  if (x.rank < 2) return call.fail("sequences want a batch axis and a time axis");
  if (lengths.rank != 1 || lengths.dimensions[0] != x.dimensions[normal_axis(call.integer("batch_axis", 1), x.rank)])
    return call.fail("there are not as many lengths as sequences");
  same(call);
}
}  // namespace shapes

#define LATHE_KERNELS_SELECTION(X)                                 \
  X("", NonZero, non_zero, shapes::by_kernel)                      \
  X("", Compress, compress, shapes::by_kernel)                     \
  X("", Unique, unique, shapes::by_kernel)                         \
  X("", NonMaxSuppression, non_max_suppression, shapes::by_kernel) \
  X("", ReverseSequence, reverse_sequence, shapes::reverse_sequence)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
