// The attention operators of ONNX Runtime's domain com.microsoft: Attention, MultiHeadAttention, GroupQueryAttention, RotaryEmbedding.
//
// They bring projections, biases, caches and masks in many shapes. Each of them first lays Q, K and V out as float32 [batch, heads, steps, size],
// the past's steps before the new ones, in working memory; the rest is detail::attend.
#pragma once
#include "lathe/kernels/attention.hpp"
#include "lathe/kernels/gemm.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

using MicrosoftTypes = Types<float, float16, bfloat16>;

// `fresh` new keys stand behind `past` ones, in room for `keys`.
struct MicrosoftShape {
  int64_t batch, steps, fresh, past, keys, heads, key_heads, size, value_size;

  int64_t query_elements() const { return batch * heads * steps * size; }
  int64_t key_elements() const { return batch * key_heads * keys * size; }
  int64_t value_elements() const { return batch * key_heads * keys * value_size; }
  int64_t operand_elements() const { return (query_elements() + key_elements() + value_elements() + 15) / 16 * 16; }
  uint64_t bytes(uint32_t threads) const { return uint64_t(operand_elements() + attention_row_size(keys, value_size) * threads) * 4; }
};

// Working memory, laid out.
struct MicrosoftOperands {
  float *query, *key, *value, *rows;
};
inline MicrosoftOperands operands_in(const MicrosoftShape& s, void* memory) {
  float* start = static_cast<float*>(memory);
  return {start, start + s.query_elements(), start + s.query_elements() + s.key_elements(), start + s.operand_elements()};
}

// to[batch, heads, room, size], from step `first` on = from + bias; first(item) may differ between batch items. bias: [heads * size] or nullptr.
template <class T, class First>
void lay_out(const Call& call, const Heads& shape, const T* from, const T* bias, float* to, int64_t room, First&& first) {
  parallel(call, shape.batch * shape.heads, math::greatest<int64_t>(1, grain_elements / (shape.steps * shape.size + 1)),
           [&](int64_t begin, int64_t end, uint32_t) {
             for (int64_t row = begin; row < end; ++row) {
               const int64_t item = row / shape.heads, head = row % shape.heads;
               for (int64_t step = 0; step < shape.steps; ++step) {
                 const int64_t place = first(item) + step;
                 if (place >= room) break;
                 const T* source = from + shape.at(item, head, step);
                 float* target = to + (row * room + place) * shape.size;
                 for (int64_t i = 0; i < shape.size; ++i) target[i] = float(source[i]) + (bias ? float(bias[head * shape.size + i]) : 0.0f);
               }
             }
           });
}

template <class T>
void attend_laid_out(const Call& call, const MicrosoftShape& s, const MicrosoftOperands& m, float scale, T* y, auto&& adjust) {
  const Heads keys = heads_first(s.batch, s.key_heads, s.keys, s.size), values = heads_first(s.batch, s.key_heads, s.keys, s.value_size);
  const KeysAndValues<float> kv{heads_first(s.batch, s.key_heads, 0, s.size), keys, values, nullptr, nullptr, m.key, m.value};
  attend(call, heads_first(s.batch, s.heads, s.steps, s.size), m.query, kv, steps_first(s.batch, s.heads, s.steps, s.value_size), y, scale, m.rows,
         adjust, [](int64_t, int64_t, int64_t, const float*) {});
}

template <class T>
void store(const Call& call, const float* from, T* to, int64_t count) {
  parallel(call, count, grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
    for (int64_t i = begin; i < end; ++i) to[i] = T(from[i]);
  });
}

inline float scale_of(const Call& call, int64_t size) {
  const float given = call.real("scale", 0.0f);
  return given != 0.0f ? given : 1.0f / math::sqrt(float(size));
}

// scores += attention_bias [batch or 1, heads or 1, steps, keys].
template <class T>
void add_bias(const Tensor& bias, int64_t item, int64_t head, int64_t step, int64_t keys, float* scores) {
  const Mask m = mask_of(bias);
  const T* row = bias.as<const T>() + m.at(item, head, step);
  for (int64_t k = 0; k < math::least(keys, m.length); ++k) scores[k] += float(row[k]);
}

// Adds `filter` to the scores of keys that the mask leaves out. int32: [batch] the end of each item's keys; [2 * batch] the ends, then the
// starts; [3 * batch + 2] the ends, then more; [batch, keys], [batch, steps, keys] and [batch, 1, longest, longest] zeros for what is left out.
inline void mask_keys(const Tensor& mask, const MicrosoftShape& s, int64_t item, int64_t step, float filter, float* scores) {
  const int32_t* p = mask.as<const int32_t>();
  if (mask.rank == 1) {
    const int64_t end = p[item], start = mask.dimensions[0] == 2 * s.batch ? p[s.batch + item] : 0;
    for (int64_t k = 0; k < s.keys; ++k)
      if (k >= end || k < start) scores[k] += filter;
    return;
  }
  const int64_t length = mask.dimension(-1);
  if (mask.rank == 2) p += item * length;
  if (mask.rank == 3) p += (item * s.steps + step) * length;
  if (mask.rank == 4) p += (item * length + s.past + step) * length;
  for (int64_t k = 0; k < math::least(length, s.keys); ++k)
    if (p[k] <= 0) scores[k] += filter;
}

inline constexpr float left_out = -std::numeric_limits<float>::infinity();

// ---- Attention: inputs input, weights, bias, mask_index, past, attention_bias.

inline MicrosoftShape microsoft_attention_shape(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1);
  const int64_t heads = call.integer("num_heads", 1), past = call.has_input(4) ? call.input(4).dimension(3) : 0, steps = x.dimension(1);
  const Attribute* sizes = call.attribute("qkv_hidden_sizes");
  const int64_t query = sizes ? sizes->ints[0] : weights.dimension(1) / 3, value = sizes ? sizes->ints[2] : weights.dimension(1) / 3;
  return {x.dimension(0), steps, steps, past, past + steps, heads, heads, query / heads, value / heads};
}

}  // namespace detail

inline uint64_t microsoft_attention_scratch(const Call& call, uint32_t threads) {
  const detail::MicrosoftShape s = detail::microsoft_attention_shape(call);
  const int64_t rows = s.batch * s.steps, projections = (rows * call.input(1).dimension(1) + 15) / 16 * 16;
  return uint64_t(projections) * 4 + gemm::scratch_bytes(rows, call.input(0).dimension(2), threads) + s.bytes(threads) + 128;
}

// Inputs: input [batch, steps, inputs], weights [inputs, Q + K + V columns], bias (optional), mask_index (optional), past [2, batch, heads, past,
// size] (optional), attention_bias (optional). Outputs: [batch, steps, V columns]; present like past (optional).
inline void microsoft_attention(const Call& call) {
  if (!call.scratch) return call.fail("there is no memory for the work of an operator");
  const detail::MicrosoftShape s = detail::microsoft_attention_shape(call);
  const int64_t rows = s.batch * s.steps, inputs = call.input(0).dimension(2), columns = call.input(1).dimension(1);
  // Memory: the projections, the product's packed operands, and after the product, over those, what attend wants.
  float* projections = static_cast<float*>(call.scratch);
  float* rest = projections + (rows * columns + 15) / 16 * 16;
  float* packed = rest;
  const bool causal = call.integer("unidirectional", 0) != 0;
  const float filter = call.real("mask_filter_value", -10000.0f);
  dispatch<detail::MicrosoftTypes>(call, call.input(0).type, [&]<class T>() {
    const T *x = call.input(0).template as<const T>(), *weights = call.input(1).template as<const T>();
    const T* bias = call.has_input(2) ? call.input(2).template as<const T>() : nullptr;
    gemm::pack_rows(
        call, [=](int64_t row, int64_t k) { return float(x[row * inputs + k]); }, rows, inputs, packed);
    gemm::multiply(call, rows, columns, inputs, packed, projections, columns, static_cast<const float*>(nullptr),
                   packed + gemm::blocks_offset(rows, inputs), gemm::MatrixBlock<float, T>{weights, columns, 1});
    const detail::MicrosoftOperands m = detail::operands_in(s, rest);
    for (int64_t row = 0; bias && row < rows; ++row)
      for (int64_t i = 0; i < columns; ++i) projections[row * columns + i] += float(bias[i]);
    const auto at_start = [](int64_t) { return int64_t(0); };
    const auto after_past = [&](int64_t) { return s.past; };
    const float* none = nullptr;
    const detail::Heads q = detail::steps_first(s.batch, s.heads, s.steps, s.size, columns);
    const detail::Heads v = detail::steps_first(s.batch, s.heads, s.steps, s.value_size, columns);
    detail::lay_out(call, q, static_cast<const float*>(projections), none, m.query, s.steps, at_start);
    detail::lay_out(call, q, static_cast<const float*>(projections) + s.heads * s.size, none, m.key, s.keys, after_past);
    detail::lay_out(call, v, static_cast<const float*>(projections) + 2 * s.heads * s.size, none, m.value, s.keys, after_past);
    if (call.has_input(4)) {
      const T* past = call.input(4).template as<const T>();
      const T* unbiased = nullptr;
      detail::lay_out(call, detail::heads_first(s.batch, s.heads, s.past, s.size), past, unbiased, m.key, s.keys, at_start);
      detail::lay_out(call, detail::heads_first(s.batch, s.heads, s.past, s.value_size), past + s.batch * s.heads * s.past * s.size, unbiased,
                      m.value, s.keys, at_start);
    }
    if (call.has_output(1)) {
      detail::store(call, m.key, call.output(1).template as<T>(), s.key_elements());
      detail::store(call, m.value, call.output(1).template as<T>() + s.key_elements(), s.value_elements());
    }
    detail::attend_laid_out(call, s, m, detail::scale_of(call, s.size), call.output().template as<T>(),
                            [&](int64_t item, int64_t head, int64_t step, float* scores) {
                              if (call.has_input(5)) detail::add_bias<T>(call.input(5), item, head, step, s.keys, scores);
                              if (call.has_input(3)) detail::mask_keys(call.input(3), s, item, step, filter, scores);
                              for (int64_t k = s.past + step + 1; causal && k < s.keys; ++k) scores[k] = detail::left_out;
                              return detail::left_out;
                            });
  });
}

namespace detail {

// ---- MultiHeadAttention: inputs query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value.

inline MicrosoftShape multi_head_shape(const Call& call) {
  const Tensor& q = call.input(0);
  MicrosoftShape s;
  s.batch = q.dimension(0);
  s.steps = q.dimension(1);
  s.heads = s.key_heads = call.integer("num_heads", 1);
  s.size = q.rank == 5 ? q.dimension(4) : q.dimension(2) / s.heads;
  s.value_size = s.size;
  s.fresh = s.steps;
  if (call.has_input(1)) s.fresh = call.input(1).dimension(call.input(1).rank == 4 ? 2 : 1);
  if (call.has_input(2)) {
    const Tensor& v = call.input(2);
    s.value_size = v.rank == 4 ? v.dimension(3) : v.dimension(2) / s.heads;
  }
  s.past = call.has_input(6) ? call.input(6).dimension(2) : 0;
  s.keys = s.past + s.fresh;
  return s;
}

}  // namespace detail

inline uint64_t multi_head_attention_scratch(const Call& call, uint32_t threads) { return detail::multi_head_shape(call).bytes(threads); }

// Inputs: query [batch, steps, heads * size] (or [batch, steps, heads, 3, size] with key and value in it), key [batch, fresh, heads * size] (or
// [batch, fresh, heads, 2, size] with the value in it, or [batch, heads, fresh, size]), value, bias [Q + K + V columns], key_padding_mask,
// attention_bias, past_key, past_value [batch, heads, past, size]. Outputs: [batch, steps, heads * value size], present_key, present_value.
inline void multi_head_attention(const Call& call) {
  if (!call.scratch) return call.fail("there is no memory for the work of an operator");
  const detail::MicrosoftShape s = detail::multi_head_shape(call);
  const detail::MicrosoftOperands m = detail::operands_in(s, call.scratch);
  const bool causal = call.integer("unidirectional", 0) != 0;
  const float filter = call.real("mask_filter_value", -10000.0f);
  dispatch<detail::MicrosoftTypes>(call, call.input(0).type, [&]<class T>() {
    const auto input = [&](int index) { return call.has_input(index) ? call.input(index).template as<const T>() : nullptr; };
    const T *bias = input(3), *key_bias = bias ? bias + s.heads * s.size : nullptr, *value_bias = bias ? key_bias + s.heads * s.size : nullptr;
    // Packed inputs hold the parts of each head one after another.
    const auto packed = [&](int64_t steps, int64_t parts) {
      return detail::Heads{s.batch, s.heads, steps, s.size, steps * s.heads * parts * s.size, parts * s.size, s.heads * parts * s.size};
    };
    const auto at_start = [](int64_t) { return int64_t(0); };
    const auto after_past = [&](int64_t) { return s.past; };
    const bool all_packed = call.input(0).rank == 5, pair_packed = call.has_input(1) && call.input(1).rank == 5;
    detail::Heads q = detail::heads_of(call.input(0), s.heads), k, v;
    const T *key = input(1), *value = input(2);
    if (all_packed) {
      q = k = v = packed(s.steps, 3);
      key = input(0) + s.size;
      value = input(0) + 2 * s.size;
    } else if (pair_packed) {
      k = v = packed(s.fresh, 2);
      value = key + s.size;
    } else {
      k = detail::heads_of(call.input(1), s.heads);
      v = detail::heads_of(call.input(2), s.heads);
    }
    detail::lay_out(call, q, input(0), bias, m.query, s.steps, at_start);
    detail::lay_out(call, k, key, key_bias, m.key, s.keys, after_past);
    detail::lay_out(call, v, value, value_bias, m.value, s.keys, after_past);
    const T* unbiased = nullptr;
    if (call.has_input(6)) detail::lay_out(call, detail::heads_first(s.batch, s.heads, s.past, s.size), input(6), unbiased, m.key, s.keys, at_start);
    if (call.has_input(7))
      detail::lay_out(call, detail::heads_first(s.batch, s.heads, s.past, s.value_size), input(7), unbiased, m.value, s.keys, at_start);
    if (call.has_output(1)) detail::store(call, m.key, call.output(1).template as<T>(), s.key_elements());
    if (call.has_output(2)) detail::store(call, m.value, call.output(2).template as<T>(), s.value_elements());
    detail::attend_laid_out(call, s, m, detail::scale_of(call, s.size), call.output().template as<T>(),
                            [&](int64_t item, int64_t head, int64_t step, float* scores) {
                              if (call.has_input(5)) detail::add_bias<T>(call.input(5), item, head, step, s.keys, scores);
                              if (call.has_input(4)) detail::mask_keys(call.input(4), s, item, step, filter, scores);
                              for (int64_t k2 = s.past + step + 1; causal && k2 < s.keys; ++k2) scores[k2] = detail::left_out;
                              return detail::left_out;
                            });
  });
}

namespace detail {

// ---- GroupQueryAttention: inputs query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache, position_ids,
// attention_bias, head_sink. `keys` is the length of the present cache, which total_sequence_length and the past decide: with_total says it.

inline MicrosoftShape group_query_shape(const Call& call, int64_t present) {
  const Tensor& q = call.input(0);
  MicrosoftShape s;
  s.batch = q.dimension(0);
  s.steps = s.fresh = q.dimension(1);
  s.heads = call.integer("num_heads", 1);
  s.key_heads = call.integer("kv_num_heads", 1);
  s.size = s.value_size = q.dimension(2) / (call.has_input(1) ? s.heads : s.heads + 2 * s.key_heads);
  s.past = call.has_input(3) ? call.input(3).dimension(2) : 0;
  s.keys = present;
  return s;
}

}  // namespace detail

inline uint64_t group_query_attention_scratch(const Call& call, uint32_t threads) {
  return detail::group_query_shape(call, call.output(1).dimension(2)).bytes(threads);
}

// Inputs: query [batch, steps, heads * size] (with key and value behind it in each row where those are absent), key and value [batch, steps, key
// heads * size], past_key and past_value [batch, key heads, past, size], seqlens_k [batch] (keys of each item, less one), total_sequence_length
// (the most of them). Outputs: [batch, steps, heads * size], present_key, present_value [batch, key heads, present, size]. Always causal.
inline void group_query_attention(const Call& call) {
  if (!call.scratch) return call.fail("there is no memory for the work of an operator");
  const detail::MicrosoftShape s = detail::group_query_shape(call, call.output(1).dimension(2));
  const detail::MicrosoftOperands m = detail::operands_in(s, call.scratch);
  const int32_t* lengths = call.input(5).as<const int32_t>();
  const bool prompt = *call.input(6).as<const int32_t>() == s.steps;
  const int64_t window = call.integer("local_window_size", -1);
  const float cap = call.real("softcap", 0.0f);
  for (int64_t item = 0; item < s.batch; ++item)
    if (lengths[item] < 0 || lengths[item] >= s.keys || (!prompt && lengths[item] + 1 < s.steps))
      return call.fail("an element of seqlens_k does not fit the cache");
  const auto past_of = [&](int64_t item) { return prompt ? int64_t(0) : lengths[item] + 1 - s.steps; };
  dispatch<detail::MicrosoftTypes>(call, call.input(0).type, [&]<class T>() {
    const auto input = [&](int index) { return call.has_input(index) ? call.input(index).template as<const T>() : nullptr; };
    const int64_t row = call.input(0).dimension(2);
    const detail::Heads q = detail::steps_first(s.batch, s.heads, s.steps, s.size, row);
    const detail::Heads kv = call.has_input(1) ? detail::steps_first(s.batch, s.key_heads, s.steps, s.size)
                                               : detail::steps_first(s.batch, s.key_heads, s.steps, s.size, row);
    const T* key = call.has_input(1) ? input(1) : input(0) + s.heads * s.size;
    const T* value = call.has_input(1) ? input(2) : key + s.key_heads * s.size;
    const T* none = nullptr;
    const auto at_start = [](int64_t) { return int64_t(0); };
    const detail::Heads past = detail::heads_first(s.batch, s.key_heads, s.past, s.size);
    if (call.has_input(3) && !prompt) detail::lay_out(call, past, input(3), none, m.key, s.keys, at_start);
    if (call.has_input(4) && !prompt) detail::lay_out(call, past, input(4), none, m.value, s.keys, at_start);
    detail::lay_out(call, q, input(0), none, m.query, s.steps, at_start);
    detail::lay_out(call, kv, key, none, m.key, s.keys, past_of);
    detail::lay_out(call, kv, value, none, m.value, s.keys, past_of);
    for (int64_t item = 0; item < s.batch; ++item) {  // the room behind an item's keys is empty
      const int64_t end = past_of(item) + s.steps, rest = (s.keys - end) * s.size;
      for (int64_t head = 0; head < s.key_heads && rest > 0; ++head) {
        const int64_t at = ((item * s.key_heads + head) * s.keys + end) * s.size;
        for (int64_t i = 0; i < rest; ++i) m.key[at + i] = m.value[at + i] = 0;
      }
    }
    if (call.integer("do_rotary", 0)) {
      // In place: rotate_heads reads both elements of a pair before it writes them.
      const int64_t half = call.input(7).dimension(1);
      const int64_t* positions = call.has_input(9) ? call.input(9).template as<const int64_t>() : nullptr;
      const bool interleaved = call.integer("rotary_interleaved", 0) != 0;
      const auto rotate = [&](float* x, int64_t heads, int64_t room, int64_t item, int64_t first) {
        for (int64_t head = 0; head < heads; ++head)
          for (int64_t step = 0; step < s.steps; ++step) {
            float* at = x + ((item * heads + head) * room + first + step) * s.size;
            const int64_t place = math::least(positions ? positions[item * s.steps + step] : past_of(item) + step, call.input(7).dimension(0) - 1);
            for (int64_t i = 0; i < half; ++i) {
              const float c = float(input(7)[place * half + i]), d = float(input(8)[place * half + i]);
              float &a = at[interleaved ? 2 * i : i], &b = at[interleaved ? 2 * i + 1 : i + half];
              const float turned = c * a - d * b;
              b = d * a + c * b;
              a = turned;
            }
          }
      };
      parallel(call, s.batch, 1, [&](int64_t begin, int64_t end, uint32_t) {
        for (int64_t item = begin; item < end; ++item) {
          rotate(m.query, s.heads, s.steps, item, 0);
          rotate(m.key, s.key_heads, s.keys, item, past_of(item));
        }
      });
    }
    if (call.has_output(1)) detail::store(call, m.key, call.output(1).template as<T>(), s.key_elements());
    if (call.has_output(2)) detail::store(call, m.value, call.output(2).template as<T>(), s.value_elements());
    const bool smooth = call.integer("smooth_softmax", 0) == 1;
    detail::attend_laid_out(call, s, m, detail::scale_of(call, s.size), call.output().template as<T>(),
                            [&](int64_t item, int64_t head, int64_t step, float* scores) {
                              const int64_t end = math::least(past_of(item) + step + 1, s.keys);
                              const int64_t start = window > 0 ? math::greatest<int64_t>(0, end - window) : 0;
                              for (int64_t k = 0; cap > 0 && k < end; ++k) scores[k] = cap * math::tanh(scores[k] / cap);
                              if (call.has_input(10)) detail::add_bias<T>(call.input(10), item, head, step, end, scores);
                              for (int64_t k = 0; k < start; ++k) scores[k] = detail::left_out;
                              for (int64_t k = end; k < s.keys; ++k) scores[k] = detail::left_out;
                              if (call.has_input(11)) return float(input(11)[head]);
                              return smooth ? 0.0f : detail::left_out;
                            });
  });
}

// Inputs: input (rank 3 [batch, steps, heads * size] or rank 4 [batch, heads, steps, size]), position_ids ([1]: the first step's, or [batch, steps]),
// cos_cache, sin_cache [positions, rotated / 2].
inline void microsoft_rotary_embedding(const Call& call) {
  const Tensor &x = call.input(0), &positions = call.input(1);
  const int64_t half = call.input(2).dimension(1), given = call.integer("rotary_embedding_dim", 0), heads = call.integer("num_heads", 0);
  // Without either attribute the caches tell how large a head is.
  const detail::Heads shape = detail::heads_of(x, heads > 0 ? heads : x.dimension(-1) / (2 * half));
  const int64_t* p = positions.as<const int64_t>();
  const auto place = [&](int64_t item, int64_t step) { return positions.size() == 1 ? p[0] + step : p[item * shape.steps + step]; };
  for (int64_t item = 0; item < shape.batch; ++item)
    for (int64_t step = 0; step < shape.steps; ++step)
      if (place(item, step) < 0 || place(item, step) >= call.input(2).dimension(0))
        return call.fail("a position lies outside the caches of cosines and sines");
  dispatch<detail::MicrosoftTypes>(call, x.type, [&]<class T>() {
    detail::rotate_heads(call, shape, x.as<const T>(), shape, call.output().template as<T>(), call.input(2).template as<const T>(),
                         call.input(3).template as<const T>(), given > 0 ? given : 2 * half, call.integer("interleaved", 0) != 0, place);
  });
}

namespace shapes {

inline void microsoft_attention(const Call& call) {
  if (call.input(0).rank != 3 || call.input(1).rank != 2 || call.input(0).dimensions[2] != call.input(1).dimensions[0] ||
      (call.has_input(4) && call.input(4).rank != 5))
    return call.fail("the shapes of an attention's inputs do not fit each other");
  const detail::MicrosoftShape s = detail::microsoft_attention_shape(call);
  const int64_t y[3] = {s.batch, s.steps, s.heads * s.value_size}, present[5] = {2, s.batch, s.heads, s.keys, s.size};
  if (call.allocate_output(0, y, 3)) call.allocate_output(1, present, 5);
}

inline void multi_head_attention(const Call& call) {
  const Tensor& q = call.input(0);
  if ((q.rank != 3 && q.rank != 5) || (q.rank == 3 && !call.has_input(1)))
    return call.fail("the shapes of an attention's inputs do not fit each other");
  const detail::MicrosoftShape s = detail::multi_head_shape(call);
  const int64_t y[3] = {s.batch, s.steps, s.heads * s.value_size}, key[4] = {s.batch, s.heads, s.keys, s.size},
                value[4] = {s.batch, s.heads, s.keys, s.value_size};
  if (call.allocate_output(0, y, 3) && call.allocate_output(1, key, 4)) call.allocate_output(2, value, 4);
}

inline void group_query_attention(const Call& call) {
  const int64_t past = call.has_input(3) ? call.input(3).dimension(2) : 0, total = *call.input(6).as<const int32_t>();
  const detail::MicrosoftShape s = detail::group_query_shape(call, math::greatest(past, total));
  const int64_t y[3] = {s.batch, s.steps, s.heads * s.size}, cache[4] = {s.batch, s.key_heads, s.keys, s.size};
  if (call.allocate_output(0, y, 3) && call.allocate_output(1, cache, 4)) call.allocate_output(2, cache, 4);
}

}  // namespace shapes

#define LATHE_KERNELS_ATTENTION_MICROSOFT(X)                                                    \
  X("com.microsoft", Attention, microsoft_attention, shapes::microsoft_attention)               \
  X("com.microsoft", GroupQueryAttention, group_query_attention, shapes::group_query_attention) \
  X("com.microsoft", MultiHeadAttention, multi_head_attention, shapes::multi_head_attention)    \
  X("com.microsoft", RotaryEmbedding, microsoft_rotary_embedding, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
