// Attention of ONNX's own domain, rotary position embeddings, and the update of a key-value cache.
//
// One row of scores (a query against all keys) is worked on at a time: products, what the operator does to the scores, softmax, weighted sum
// of the values. attention_microsoft.hpp uses the same for the operators of that domain.
#pragma once
#include "lathe/kernels/dot.hpp"
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// A tensor seen as [batch, heads, steps, size]; size is dense, strides count elements.
struct Heads {
  int64_t batch, heads, steps, size;
  int64_t batch_stride, head_stride, step_stride;

  int64_t at(int64_t item, int64_t head, int64_t step) const { return item * batch_stride + head * head_stride + step * step_stride; }
};
// [batch, heads, steps, size]
inline Heads heads_first(int64_t batch, int64_t heads, int64_t steps, int64_t size) {
  return {batch, heads, steps, size, heads * steps * size, steps * size, size};
}
// [batch, steps, heads * size], where a step may be a part of a row of `row` elements.
inline Heads steps_first(int64_t batch, int64_t heads, int64_t steps, int64_t size, int64_t row) {
  return {batch, heads, steps, size, steps * row, size, row};
}
inline Heads steps_first(int64_t batch, int64_t heads, int64_t steps, int64_t size) { return steps_first(batch, heads, steps, size, heads * size); }
// A tensor of rank 3 [batch, steps, heads * size] or 4 [batch, heads, steps, size].
inline Heads heads_of(const Tensor& t, int64_t heads) {
  if (t.rank == 4) return heads_first(t.dimensions[0], t.dimensions[1], t.dimensions[2], t.dimensions[3]);
  return steps_first(t.dimensions[0], heads, t.dimensions[1], heads ? t.dimensions[2] / heads : 0);
}

// Keys and values: those of the past, then the new ones. Either may have no steps.
template <class T>
struct KeysAndValues {
  Heads past_shape, key_shape, value_shape;  // the past's values differ from its keys in size only
  const T *past_key, *past_value, *key, *value;
};

// Working memory of one worker, in elements: scores and one row of output.
inline int64_t attention_row_size(int64_t keys, int64_t value_size) { return (keys + value_size + 15) / 16 * 16; }

// output = softmax(adjust(scale * query key')) value; query head h attends to key head h / (query heads / key heads).
// adjust(item, head, step, scores) changes a row of scores in place and returns the score of a further key that has no value (minus infinity: there
// is none); finished(item, head, step, probabilities) sees the row after the softmax. `memory` holds attention_row_size() elements for each worker.
template <class T, class O, class Adjust, class Finished>
void attend(const Call& call, const Heads& query, const T* q, const KeysAndValues<T>& kv, const Heads& output, O* y, Compute<T> scale,
            Compute<T>* memory, Adjust&& adjust, Finished&& finished) {
  using C = Compute<T>;
  const int64_t past = kv.past_shape.steps, keys = past + kv.key_shape.steps, group = query.heads / kv.key_shape.heads;
  const int64_t row_size = attention_row_size(keys, output.size);
  parallel(call, query.batch * query.heads * query.steps, math::greatest<int64_t>(1, grain_elements * 2 / (keys * (query.size + output.size) + 1)),
           [&](int64_t begin, int64_t end, uint32_t worker) {
             C* scores = memory + int64_t(worker) * row_size;
             C* sum = scores + keys;
             for (int64_t row = begin; row < end; ++row) {
               const int64_t step = row % query.steps, head = row / query.steps % query.heads, item = row / (query.steps * query.heads);
               const int64_t from = head / group;
               const T* x = q + query.at(item, head, step);
               for (int64_t k = 0; k < keys; ++k) scores[k] = 0;
               if (past) add_dot_products(x, kv.past_key + kv.past_shape.at(item, from, 0), kv.past_shape.step_stride, query.size, past, scores);
               add_dot_products(x, kv.key + kv.key_shape.at(item, from, 0), kv.key_shape.step_stride, query.size, kv.key_shape.steps, scores + past);
               for (int64_t k = 0; k < keys; ++k) scores[k] *= scale;
               const C sink = adjust(item, head, step, scores);
               C best = sink;
               for (int64_t k = 0; k < keys; ++k) best = math::maximum(best, scores[k]);
               if (best == -std::numeric_limits<C>::infinity()) {  // nothing takes part: the row is zero
                 for (int64_t k = 0; k < keys; ++k) scores[k] = 0;
               } else {
                 for (int64_t k = 0; k < keys; ++k) scores[k] = math::exp(scores[k] - best);
                 C total = math::exp(sink - best);
                 for (int64_t k = 0; k < keys; ++k) total += scores[k];
                 for (int64_t k = 0; k < keys; ++k) scores[k] /= total;
               }
               finished(item, head, step, scores);
               for (int64_t i = 0; i < output.size; ++i) sum[i] = 0;
               if (past) {
                 const int64_t size = output.size;  // the past's values lie densely, whatever their size
                 add_scaled_rows(scores, kv.past_value + (item * kv.past_shape.heads + from) * past * size, size, size, past, sum);
               }
               add_scaled_rows(scores + past, kv.value + kv.value_shape.at(item, from, 0), kv.value_shape.step_stride, output.size,
                               kv.value_shape.steps, sum);
               O* to = y + output.at(item, head, step);
               for (int64_t i = 0; i < output.size; ++i) to[i] = O(sum[i]);
             }
           });
}

// to[batch, heads, past + steps, size] = the past's steps, then the new ones.
template <class T>
void join_cache(const Call& call, const T* past, int64_t past_steps, const T* fresh, const Heads& shape, T* to) {
  parallel(call, shape.batch * shape.heads, 1, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t row = begin; row < end; ++row) {
      T* target = to + row * (past_steps + shape.steps) * shape.size;
      if (past_steps) copy(target, past + row * past_steps * shape.size, past_steps * shape.size);
      for (int64_t step = 0; step < shape.steps; ++step)
        copy(target + (past_steps + step) * shape.size, fresh + shape.at(row / shape.heads, row % shape.heads, step), shape.size);
    }
  });
}

// The sizes of a call of ONNX's Attention. Inputs: Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen.
struct AttentionShape {
  Heads query, key, value, output;
  int64_t past;

  int64_t keys() const { return past + key.steps; }
};
inline AttentionShape attention_shape(const Call& call) {
  AttentionShape s;
  const int64_t query_heads = call.integer("q_num_heads", 0), key_heads = call.integer("kv_num_heads", 0);
  s.query = heads_of(call.input(0), query_heads);
  s.key = heads_of(call.input(1), key_heads);
  s.value = heads_of(call.input(2), key_heads);
  s.output = call.input(0).rank == 4 ? heads_first(s.query.batch, s.query.heads, s.query.steps, s.value.size)
                                     : steps_first(s.query.batch, s.query.heads, s.query.steps, s.value.size);
  s.past = call.has_input(4) ? call.input(4).dimension(2) : 0;
  return s;
}

// A mask of rank 2 to 4 that broadcasts to [batch, heads, steps, keys]; its rows may be shorter than the keys, which leaves the rest out.
struct Mask {
  const Tensor* tensor;
  int64_t strides[3];
  int64_t length;

  int64_t at(int64_t item, int64_t head, int64_t step) const { return item * strides[0] + head * strides[1] + step * strides[2]; }
};
inline Mask mask_of(const Tensor& t) {
  Mask m{&t, {0, 0, 0}, t.dimension(-1)};
  int64_t stride = m.length;
  for (int axis = t.rank - 2; axis >= 0; --axis) {
    m.strides[axis + 4 - t.rank] = t.dimensions[axis] == 1 ? 0 : stride;
    stride *= t.dimensions[axis];
  }
  return m;
}

}  // namespace detail

inline uint64_t attention_scratch(const Call& call, uint32_t threads) {
  const detail::AttentionShape s = detail::attention_shape(call);
  return uint64_t(detail::attention_row_size(s.keys(), s.output.size)) * threads * (call.input(0).type == Type::float64 ? 8 : 4);
}

// Vaswani et al., "Attention Is All You Need", 2017; grouped heads: Ainslie et al., 2023. Inputs: Q, K, V (rank 3 [batch, steps, heads * size] or
// rank 4 [batch, heads, steps, size]), attn_mask (boolean: whether it takes part; else added), past_key, past_value [batch, heads, past, size],
// nonpad_kv_seqlen [batch]. Outputs: Y (like Q), present_key, present_value, qk_matmul_output [batch, heads, steps, keys].
// Causal queries stand behind the past; with nonpad_kv_seqlen the last of them stands at the last key. Scores go through: scale, + mask, softcap,
// softmax. What a boolean, causality or the length leaves out stays out, whatever softcap does; a query that nothing is left for yields zeros.
inline void attention(const Call& call) {
  if (!call.scratch) return call.fail("there is no memory for the work of an operator");
  const detail::AttentionShape s = detail::attention_shape(call);
  const bool causal = call.integer("is_causal", 0) != 0, masked = call.has_input(3);
  const int64_t mode = call.integer("qk_matmul_output_mode", 0), keys = s.keys();
  const int64_t* lengths = call.has_input(6) ? call.input(6).as<const int64_t>() : nullptr;
  const detail::Mask mask = masked ? detail::mask_of(call.input(3)) : detail::Mask{};
  dispatch<Floats>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    constexpr C out = -std::numeric_limits<C>::infinity();
    const auto input = [&](int index) { return call.has_input(index) ? call.input(index).template as<const T>() : nullptr; };
    if (call.has_output(1)) detail::join_cache(call, input(4), s.past, input(1), s.key, call.output(1).template as<T>());
    if (call.has_output(2)) detail::join_cache(call, input(5), s.past, input(2), s.value, call.output(2).template as<T>());
    T* shown = call.has_output(3) ? call.output(3).template as<T>() : nullptr;
    const auto show = [&](int64_t stage, int64_t item, int64_t head, int64_t step, const C* scores) {
      if (!shown || stage != mode) return;
      T* to = shown + ((item * s.query.heads + head) * s.query.steps + step) * keys;
      for (int64_t k = 0; k < keys; ++k) to[k] = T(scores[k]);
    };
    const C cap = C(call.real("softcap", 0.0f));
    const Attribute* given = call.attribute("scale");
    const C scale = given ? C(given->floats[0]) : C(1) / math::sqrt(C(s.query.size));
    const detail::KeysAndValues<T> kv{
        detail::heads_first(s.key.batch, s.key.heads, s.past, s.key.size), s.key, s.value, input(4), input(5), input(1), input(2)};
    detail::attend(
        call, s.query, input(0), kv, s.output, call.output().template as<T>(), scale, static_cast<C*>(call.scratch),
        [&](int64_t item, int64_t head, int64_t step, C* scores) {
          show(0, item, head, step, scores);
          const int64_t place = masked ? mask.at(item, head, step) : 0, shared = masked ? math::least(mask.length, keys) : keys;
          if (masked && mask.tensor->type == Type::boolean) {
            const bool* row = mask.tensor->template as<const bool>() + place;
            for (int64_t k = 0; k < shared; ++k) scores[k] = row[k] ? scores[k] : out;
          } else if (masked) {
            dispatch<Floats>(call, mask.tensor->type, [&]<class M>() {
              const M* row = mask.tensor->template as<const M>() + place;
              for (int64_t k = 0; k < shared; ++k) scores[k] += C(row[k]);
            });
          }
          int64_t end = shared;
          if (lengths) end = math::least(end, lengths[item]);
          if (causal) end = math::least(end, (lengths ? lengths[item] - s.query.steps : s.past) + step + 1);
          for (int64_t k = math::greatest<int64_t>(end, 0); k < keys; ++k) scores[k] = out;
          show(1, item, head, step, scores);
          if (cap > C(0))
            for (int64_t k = 0; k < keys; ++k) scores[k] = scores[k] == out ? out : cap * math::tanh(scores[k] / cap);
          show(2, item, head, step, scores);
          return out;
        },
        [&](int64_t item, int64_t head, int64_t step, const C* scores) { show(3, item, head, step, scores); });
  });
}

namespace detail {

// Rotates the first `rotated` elements of every head by the angles of its step; angles(item, step) is the row of the caches.
template <class T, class Angles>
void rotate_heads(const Call& call, const Heads& shape, const T* x, const Heads& output, T* y, const T* cosines, const T* sines, int64_t rotated,
                  bool interleaved, Angles&& angles) {
  using C = Compute<T>;
  const int64_t half = rotated / 2;
  parallel(call, shape.batch * shape.steps, math::greatest<int64_t>(1, grain_elements / (shape.heads * shape.size + 1)),
           [&](int64_t begin, int64_t end, uint32_t) {
             for (int64_t row = begin; row < end; ++row) {
               const int64_t item = row / shape.steps, step = row % shape.steps, place = angles(item, step);
               const T *cosine = cosines + place * half, *sine = sines + place * half;
               for (int64_t head = 0; head < shape.heads; ++head) {
                 const T* from = x + shape.at(item, head, step);
                 T* to = y + output.at(item, head, step);
                 for (int64_t i = 0; i < half; ++i) {
                   const int64_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + half;
                   const C a = C(from[first]), b = C(from[second]), c = C(cosine[i]), d = C(sine[i]);
                   to[first] = T(c * a - d * b);
                   to[second] = T(d * a + c * b);
                 }
                 copy(to + rotated, from + rotated, shape.size - rotated);
               }
             }
           });
}

}  // namespace detail

// Su et al., "RoFormer", 2021. Inputs: X (rank 3 [batch, steps, heads * size] with num_heads, or rank 4 [batch, heads, steps, size]), cos_cache and
// sin_cache ([positions, rotated / 2] with position_ids, else [batch, steps, rotated / 2]), position_ids [batch, steps] (optional).
inline void rotary_embedding(const Call& call) {
  const Tensor& x = call.input(0);
  const detail::Heads shape = detail::heads_of(x, call.integer("num_heads", 0));
  const int64_t given = call.integer("rotary_embedding_dim", 0), rotated = given ? given : shape.size;
  const int64_t* positions = call.has_input(3) ? call.input(3).as<const int64_t>() : nullptr;
  if (positions)
    for (int64_t i = 0, n = call.input(3).size(); i < n; ++i)
      if (positions[i] < 0 || positions[i] >= call.input(1).dimension(0)) return call.fail("a position lies outside the caches of cosines and sines");
  dispatch<Floats>(call, x.type, [&]<class T>() {
    detail::rotate_heads(call, shape, x.as<const T>(), shape, call.output().template as<T>(), call.input(1).template as<const T>(),
                         call.input(2).template as<const T>(), rotated, call.integer("interleaved", 0) != 0, [&](int64_t item, int64_t step) {
                           const int64_t at = item * shape.steps + step;
                           return positions ? positions[at] : at;
                         });
  });
}

// Inputs: past_cache [batch, ..., longest, ...], update (shorter on `axis`), write_indices [batch] (optional: zeros). In mode circular places
// beyond the end begin at the front again.
inline void tensor_scatter(const Call& call) {
  const Tensor &cache = call.input(0), &update = call.input(1);
  const int axis = normal_axis(call.integer("axis", -2), cache.rank);
  const int64_t longest = cache.dimensions[axis], steps = update.dimensions[axis], inner = product(cache.dimensions, axis + 1, cache.rank);
  const int64_t outer = product(cache.dimensions, 0, axis), per_item = product(cache.dimensions, 1, axis);
  const bool circular = call.is("mode", "circular", "linear");
  const int64_t* indices = call.has_input(2) ? call.input(2).as<const int64_t>() : nullptr;
  for (int64_t item = 0; indices && item < cache.dimensions[0]; ++item)
    if (indices[item] < 0 || (!circular && indices[item] > longest - steps)) return call.fail("a write index lies outside the cache");
  dispatch_size(call, cache.type, [&]<class T>() {
    parallel(call, outer, math::greatest<int64_t>(1, grain_elements / (longest * inner + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        T* to = call.output().template as<T>() + row * longest * inner;
        copy(to, cache.as<const T>() + row * longest * inner, longest * inner);
        const int64_t first = indices ? indices[row / per_item] : 0;
        for (int64_t step = 0; step < steps; ++step)
          copy(to + (first + step) % longest * inner, update.as<const T>() + (row * steps + step) * inner, inner);
      }
    });
  });
}

namespace shapes {

inline void attention(const Call& call) {
  for (int i = 0; i < 3; ++i)
    if ((call.input(i).rank != 3 && call.input(i).rank != 4) || call.input(i).rank != call.input(0).rank)
      return call.fail("Q, K and V of an attention all have three or all have four dimensions");
  if (call.input(0).rank == 3 && (call.integer("q_num_heads", 0) < 1 || call.integer("kv_num_heads", 0) < 1))
    return call.fail("an attention of three dimensions wants q_num_heads and kv_num_heads");
  const detail::AttentionShape s = detail::attention_shape(call);
  const auto fits = [](const detail::Heads& h, const Tensor& t) { return t.rank == 4 || h.heads * h.size == t.dimensions[2]; };
  if (!fits(s.query, call.input(0)) || !fits(s.key, call.input(1)) || !fits(s.value, call.input(2)) || s.query.size != s.key.size ||
      s.key.batch != s.query.batch || s.value.batch != s.query.batch || s.value.steps != s.key.steps || s.value.heads != s.key.heads ||
      s.key.heads < 1 || s.query.heads % s.key.heads)
    return call.fail("the shapes of Q, K and V of an attention do not fit each other");
  for (int i = 4; i <= 5; ++i) {
    if (!call.has_input(i)) continue;
    const Tensor& t = call.input(i);
    if (t.rank != 4 || t.dimensions[0] != s.key.batch || t.dimensions[1] != s.key.heads || t.dimensions[2] != s.past ||
        t.dimensions[3] != (i == 4 ? s.key.size : s.value.size))
      return call.fail("the past of an attention does not fit its keys and values");
  }
  if (call.has_input(3)) {
    const Tensor& t = call.input(3);
    const int64_t wanted[3] = {s.query.batch, s.query.heads, s.query.steps};
    bool good = t.rank >= 2 && t.rank <= 4 && t.dimension(-1) <= s.keys();
    for (int axis = 0; good && axis + 1 < t.rank; ++axis) good = t.dimensions[axis] == 1 || t.dimensions[axis] == wanted[axis + 4 - t.rank];
    if (!good) return call.fail("the mask of an attention does not broadcast to its scores");
  }
  const int64_t four[4] = {s.query.batch, s.query.heads, s.query.steps, s.value.size};
  const int64_t three[3] = {s.query.batch, s.query.steps, s.query.heads * s.value.size};
  const int64_t key[4] = {s.key.batch, s.key.heads, s.keys(), s.key.size}, value[4] = {s.key.batch, s.key.heads, s.keys(), s.value.size};
  const int64_t scores[4] = {s.query.batch, s.query.heads, s.query.steps, s.keys()};
  if (call.allocate_output(0, call.input(0).rank == 4 ? four : three, call.input(0).rank) && call.allocate_output(1, key, 4) &&
      call.allocate_output(2, value, 4))
    call.allocate_output(3, scores, 4);
}

}  // namespace shapes

#define LATHE_KERNELS_ATTENTION(X)                       \
  X("", Attention, attention, shapes::attention)         \
  X("", RotaryEmbedding, rotary_embedding, shapes::same) \
  X("", TensorScatter, tensor_scatter, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
