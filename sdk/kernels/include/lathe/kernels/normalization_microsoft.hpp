// ONNX Runtime's normalisations in domain com.microsoft: with a skip connection, of embeddings, and of groups of the last axis.
#pragma once
#include "lathe/kernels/normalization.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// One row: y[i] = (x(i) - mean) * factor * gamma[i] + beta[i]; `simple`: mean stays 0. Shows mean and 1 / deviation.
template <class T, class F>
void normalize_row(int64_t columns, bool simple, float epsilon, const T* gamma, const T* beta, T* y, float& mean, float& factor, F&& x) {
  mean = simple ? 0.0f : lane_sum<float>(columns, x) / float(columns);
  const float centre = mean;
  const float squares = lane_sum<float>(columns, [&](int64_t i) { return (x(i) - centre) * (x(i) - centre); });
  factor = 1.0f / math::sqrt(squares / float(columns) + epsilon);
  for (int64_t i = 0; i < columns; ++i) y[i] = T((x(i) - mean) * factor * float(gamma[i]) + (beta ? float(beta[i]) : 0.0f));
}

// x + skip + bias, normalised along the last axis. Outputs: y, mean, 1 / deviation (both [rows..., 1]), the sum (all but y optional).
inline void skip_normalization(const Call& call, bool simple, int beta_input, int bias_input) {
  const Tensor &x = call.input(0), &skip = call.input(1);
  const int64_t columns = x.dimension(-1), rows = columns ? x.size() / columns : 0, skip_rows = columns ? skip.size() / columns : 0;
  const float epsilon = call.real("epsilon", 1e-12f);
  dispatch<Types<float, float16, bfloat16>>(call, x.type, [&]<class T>() {
    const auto parameter = [&](int index) { return index >= 0 && call.has_input(index) ? call.input(index).template as<const T>() : nullptr; };
    const T *gamma = parameter(2), *beta = parameter(beta_input), *bias = parameter(bias_input);
    parallel(call, rows, math::greatest<int64_t>(1, grain_elements / (columns + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        const T *a = x.as<const T>() + row * columns, *b = skip.as<const T>() + row % skip_rows * columns;
        const auto sum = [=](int64_t i) { return float(a[i]) + float(b[i]) + (bias ? float(bias[i]) : 0.0f); };
        float mean = 0, factor = 0;
        normalize_row<T>(columns, simple, epsilon, gamma, beta, call.output().template as<T>() + row * columns, mean, factor, sum);
        if (call.has_output(1)) set_real(call.output(1), row, double(mean));
        if (call.has_output(2)) set_real(call.output(2), row, double(factor));
        if (call.has_output(3))
          for (int64_t i = 0; i < columns; ++i) call.output(3).template as<T>()[row * columns + i] = T(sum(i));
      }
    });
  });
}

}  // namespace detail

// Inputs: input [..., columns], skip (the same shape, or without or with 1 for its batch), gamma, beta, bias [columns] (the latter two optional).
inline void skip_layer_normalization(const Call& call) { detail::skip_normalization(call, false, 3, 4); }
// Inputs: input, skip, gamma, bias (optional); divides by the root mean square.
inline void skip_simplified_layer_normalization(const Call& call) { detail::skip_normalization(call, true, -1, 3); }

// Inputs: input_ids [batch, steps], segment_ids (optional), word, position and segment embeddings [entries, columns] (the last optional), gamma, beta
// [columns], mask [batch, steps] (optional), position_ids ([batch, steps] or [1, steps], optional). Outputs: y [batch, steps, columns],
// mask_index [batch] (how many of the mask are 1; optional), embedding_sum (optional).
inline void embed_layer_normalization(const Call& call) {
  const Tensor& ids = call.input(0);
  const int64_t batch = ids.dimension(0), steps = ids.dimension(1), columns = call.input(2).dimension(1);
  const float epsilon = call.real("epsilon", 1e-12f);
  const auto indices = [&](int index) { return call.has_input(index) ? call.input(index).as<const int32_t>() : nullptr; };
  const int32_t *words = indices(0), *segments = call.has_input(4) ? indices(1) : nullptr, *mask = indices(7), *positions = indices(8);
  const bool shared = positions && call.input(8).dimension(0) == 1;
  const auto position = [&](int64_t item, int64_t step) { return positions ? int64_t(positions[(shared ? 0 : item * steps) + step]) : step; };
  const auto outside = [&](int64_t index, int table) { return index < 0 || index >= call.input(table).dimension(0); };
  for (int64_t i = 0; i < batch * steps; ++i)
    if (outside(words[i], 2) || outside(position(i / steps, i % steps), 3) || (segments && outside(segments[i], 4)))
      return call.fail("an index lies outside its table of embeddings");
  dispatch<Types<float, float16, bfloat16>>(call, call.output().type, [&]<class T>() {
    const auto row_of = [&](int table, int64_t index) { return call.input(table).template as<const T>() + index * columns; };
    parallel(call, batch * steps, math::greatest<int64_t>(1, grain_elements / (columns + 1)), [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t row = begin; row < end; ++row) {
        const T *word = row_of(2, words[row]), *place = row_of(3, position(row / steps, row % steps));
        const T* segment = segments ? row_of(4, segments[row]) : nullptr;
        const auto sum = [=](int64_t i) { return float(word[i]) + float(place[i]) + (segment ? float(segment[i]) : 0.0f); };
        float mean = 0, factor = 0;
        detail::normalize_row<T>(columns, false, epsilon, row_of(5, 0), row_of(6, 0), call.output().template as<T>() + row * columns, mean, factor,
                                 sum);
        if (call.has_output(2))
          for (int64_t i = 0; i < columns; ++i) call.output(2).template as<T>()[row * columns + i] = T(sum(i));
      }
    });
  });
  if (!call.has_output(1)) return;
  for (int64_t item = 0; item < batch; ++item) {
    int32_t count = 0;
    for (int64_t step = 0; mask && step < steps; ++step) count += mask[item * steps + step] == 1;
    call.output(1).as<int32_t>()[item] = count;
  }
}

// Inputs: X [batch, spatial..., channels] (channels_last, the default) or [batch, channels, spatial...], gamma, beta [channels]. activation 1 is
// SiLU.
inline void microsoft_group_norm(const Call& call) {
  const Tensor& x = call.input(0);
  const bool last = call.integer("channels_last", 1) != 0, silu = call.integer("activation", 0) == 1;
  const int64_t batch = x.dimension(0), channels = x.dimension(last ? -1 : 1), groups = call.integer("groups", 1), part = channels / groups;
  const int64_t pixels = channels && batch ? x.size() / (batch * channels) : 0;
  const float epsilon = call.real("epsilon", 1e-5f);
  const int64_t channel_stride = last ? 1 : pixels, pixel_stride = last ? channels : 1;
  dispatch<Types<float, float16, bfloat16>>(call, x.type, [&]<class T>() {
    parallel(call, batch * groups, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t first = at / groups * channels * pixels, channel = at % groups * part;
        const T* from = x.as<const T>() + first;
        const auto each = [&](auto f) {
          for (int64_t p = 0; p < pixels; ++p)
            for (int64_t c = channel; c < channel + part; ++c) f(p * pixel_stride + c * channel_stride, c);
        };
        double sum = 0, squares = 0;
        each([&](int64_t i, int64_t) { sum += double(float(from[i])); });
        const double mean = sum / double(part * pixels);
        each([&](int64_t i, int64_t) { squares += (double(float(from[i])) - mean) * (double(float(from[i])) - mean); });
        const float factor = 1.0f / math::sqrt(float(squares / double(part * pixels)) + epsilon);
        each([&](int64_t i, int64_t c) {
          const float v =
              (float(from[i]) - float(mean)) * factor * float(detail::real_at(call.input(1), c)) + float(detail::real_at(call.input(2), c));
          call.output().template as<T>()[first + i] = T(silu ? v * math::sigmoid(v) : v);
        });
      }
    });
  });
}

namespace shapes {

inline void skip_normalization(const Call& call) {
  const Tensor& x = call.input(0);
  if (x.rank < 2) return call.fail("a normalisation with a skip connection wants two dimensions or more");
  int64_t kept[max_rank];
  copy(kept, x.dimensions, x.rank);
  kept[x.rank - 1] = 1;
  if (call.allocate_output(0, x.dimensions, x.rank) && call.allocate_output(1, kept, x.rank) && call.allocate_output(2, kept, x.rank))
    call.allocate_output(3, x.dimensions, x.rank);
}

inline void embed_layer_normalization(const Call& call) {
  const Tensor& ids = call.input(0);
  if (ids.rank != 2 || call.input(2).rank != 2) return call.fail("embeddings want ids and tables of two dimensions");
  const int64_t y[3] = {ids.dimensions[0], ids.dimensions[1], call.input(2).dimensions[1]};
  if (call.allocate_output(0, y, 3) && call.allocate_output(1, y, 1)) call.allocate_output(2, y, 3);
}

}  // namespace shapes

#define LATHE_KERNELS_NORMALIZATION_MICROSOFT(X)                                                            \
  X("com.microsoft", EmbedLayerNormalization, embed_layer_normalization, shapes::embed_layer_normalization) \
  X("com.microsoft", GroupNorm, microsoft_group_norm, shapes::same)                                         \
  X("com.microsoft", SkipLayerNormalization, skip_layer_normalization, shapes::skip_normalization)          \
  X("com.microsoft", SkipSimplifiedLayerNormalization, skip_simplified_layer_normalization, shapes::skip_normalization)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
