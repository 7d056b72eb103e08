// Recurrent layers: RNN, GRU, LSTM.
//
// A layer is a set of chains, one for each direction and batch item, that do not touch each other: they run in parallel where there are several,
// and a single chain splits its units. The products with the inputs of all time steps are taken first, in one go. Units are blocks of the
// hidden state; gates lie one after another, each of hidden_size rows, in the order of the standard (RNN: i; GRU: z r h; LSTM: i o f c).
#pragma once
#include "lathe/kernels/dot.hpp"
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

enum class Nonlinearity { relu, tanh, sigmoid, affine, leaky_relu, thresholded_relu, scaled_tanh, hard_sigmoid, elu, softsign, softplus };

struct NonlinearityName {
  const char* name;
  Nonlinearity kind;
  float alpha, beta;         // defaults
  bool has_alpha, has_beta;  // whether it takes an element of activation_alpha and activation_beta
};
inline constexpr NonlinearityName nonlinearity_names[] = {
    {"relu", Nonlinearity::relu, 0, 0, false, false},
    {"tanh", Nonlinearity::tanh, 0, 0, false, false},
    {"sigmoid", Nonlinearity::sigmoid, 0, 0, false, false},
    {"affine", Nonlinearity::affine, 1, 0, true, true},
    {"leakyrelu", Nonlinearity::leaky_relu, 0.01f, 0, true, false},
    {"thresholdedrelu", Nonlinearity::thresholded_relu, 1, 0, true, false},
    {"scaledtanh", Nonlinearity::scaled_tanh, 1, 1, true, true},
    {"hardsigmoid", Nonlinearity::hard_sigmoid, 0.2f, 0.5f, true, true},
    {"elu", Nonlinearity::elu, 1, 0, true, false},
    {"softsign", Nonlinearity::softsign, 0, 0, false, false},
    {"softplus", Nonlinearity::softplus, 0, 0, false, false},
};

// Names are compared without regard to case, as exporters spell them both ways. nullptr: there is no such function.
inline const NonlinearityName* find_nonlinearity(const char* text, int64_t size) {
  for (const NonlinearityName& entry : nonlinearity_names) {
    int64_t i = 0;
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
    while (i < size && entry.name[i] && lower(text[i]) == entry.name[i]) ++i;
    if (i == size && !entry.name[i]) return &entry;
  }
  return nullptr;
}

template <class C>
struct Activation {
  Nonlinearity kind;
  C alpha, beta;

  // values[i] = f(values[i] limited to -clip..clip); clip 0: not limited.
  void apply(C* values, int64_t count, C clip) const {
    if (clip > C(0))
      for (int64_t i = 0; i < count; ++i) values[i] = math::maximum(-clip, math::minimum(clip, values[i]));
    const auto each = [&](auto f) {
      for (int64_t i = 0; i < count; ++i) values[i] = f(values[i]);
    };
    const C a = alpha, b = beta;
    switch (kind) {
      case Nonlinearity::relu:
        return each([](C x) { return math::maximum(C(0), x); });
      case Nonlinearity::tanh:
        return each([](C x) { return math::tanh(x); });
      case Nonlinearity::sigmoid:
        return each([](C x) { return math::sigmoid(x); });
      case Nonlinearity::affine:
        return each([=](C x) { return a * x + b; });
      case Nonlinearity::leaky_relu:
        return each([=](C x) { return x < C(0) ? a * x : x; });
      case Nonlinearity::thresholded_relu:
        return each([=](C x) { return x > a ? x : C(0); });
      case Nonlinearity::scaled_tanh:
        return each([=](C x) { return a * math::tanh(b * x); });
      case Nonlinearity::hard_sigmoid:
        return each([=](C x) { return math::maximum(C(0), math::minimum(C(1), a * x + b)); });
      case Nonlinearity::elu:
        return each([=](C x) { return x < C(0) ? a * math::expm1(x) : x; });
      case Nonlinearity::softsign:
        return each([](C x) { return x / (C(1) + math::fabs(x)); });
      case Nonlinearity::softplus:
        return each([](C x) { return math::maximum(x, C(0)) + math::log1p(math::exp(-math::fabs(x))); });
    }
  }
};

// Sizes, and where things lie (in elements) in either layout: 0 is time-major, 1 batch-major.
struct RecurrentShape {
  int64_t directions, batch, steps, inputs, hidden;
  int gates;
  bool batch_major;

  int64_t x_at(int64_t step, int64_t item) const { return (batch_major ? item * steps + step : step * batch + item) * inputs; }
  int64_t y_at(int64_t step, int64_t direction, int64_t item) const {
    return (batch_major ? (item * steps + step) * directions + direction : (step * directions + direction) * batch + item) * hidden;
  }
  int64_t state_at(int64_t direction, int64_t item) const {
    return (batch_major ? item * directions + direction : direction * batch + item) * hidden;
  }

  // Working memory, in elements: the inputs' part of every gate at every step; then for each chain its gates and five vectors.
  int64_t products_size() const { return directions * steps * batch * gates * hidden; }
  int64_t chain_size() const { return (gates + 5) * hidden; }
};

inline RecurrentShape recurrent_shape(const Call& call, int gates) {
  const Tensor &x = call.input(0), &weights = call.input(1), &recurrence = call.input(2);
  const bool batch_major = call.integer("layout", 0) != 0;
  return {weights.dimension(0), x.dimension(batch_major ? 0 : 1), x.dimension(batch_major ? 1 : 0), x.dimension(2), recurrence.dimension(2), gates,
          batch_major};
}

template <int gates>
uint64_t recurrent_scratch(const Call& call, uint32_t) {
  const RecurrentShape s = recurrent_shape(call, gates);
  return uint64_t(s.products_size() + s.directions * s.batch * s.chain_size()) * (call.input(0).type == Type::float64 ? 8 : 4);
}

// What one chain's cell works with.
template <class T>
struct Chain {
  using C = Compute<T>;
  const Call* call;  // lends threads only where there is one chain
  RecurrentShape s;
  const T *recurrence, *recurrent_bias, *peepholes;  // of this direction; the latter two may be nullptr
  const Activation<C>* activations;                  // of this direction
  C clip;
  C *gates, *previous, *next, *cell, *extra, *update;  // gates: [gates][hidden], the products with the inputs and biases when a step begins

  // Calls body(first unit, units) for blocks of units.
  template <class F>
  void each_block(F&& body) const {
    constexpr int64_t worth_a_task = 131072;  // multiplications; a step is a synchronisation of all threads
    parallel(*call, s.hidden, worth_a_task / (s.hidden * s.gates + 1) + 1, [&](int64_t begin, int64_t end, uint32_t) { body(begin, end - begin); });
  }
  void add_recurrence(int gate, const C* state, C* to, int64_t first, int64_t count) const {
    add_dot_products(state, recurrence + (gate * s.hidden + first) * s.hidden, s.hidden, s.hidden, count, to + first);
  }
};

// ONNX: Ht = f(Xt Wi + Ht-1 Ri + biases).
struct RnnCell {
  static constexpr int gates = 1, functions = 1, cell_input = -1, peephole_input = -1;
  static constexpr const char* defaults[] = {"tanh"};
  template <class T>
  static void step(const Call&, Chain<T>& c) {
    c.each_block([&](int64_t first, int64_t count) {
      c.add_recurrence(0, c.previous, c.gates, first, count);
      c.activations[0].apply(c.gates + first, count, c.clip);
      for (int64_t i = first; i < first + count; ++i) c.next[i] = c.gates[i];
    });
  }
};

// Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014; linear_before_reset is the form of cuDNN.
struct GruCell {
  static constexpr int gates = 3, functions = 2, cell_input = -1, peephole_input = -1;
  static constexpr const char* defaults[] = {"sigmoid", "tanh"};
  template <class T>
  static void step(const Call& call, Chain<T>& c) {
    using C = Compute<T>;
    const int64_t hidden = c.s.hidden;
    const bool linear_first = call.integer("linear_before_reset", 0) != 0;
    C *z = c.gates, *r = c.gates + hidden, *h = c.gates + 2 * hidden;
    c.each_block([&](int64_t first, int64_t count) {
      c.add_recurrence(0, c.previous, z, first, count);
      c.add_recurrence(1, c.previous, r, first, count);
      c.activations[0].apply(z + first, count, c.clip);
      c.activations[0].apply(r + first, count, c.clip);
      for (int64_t i = first; i < first + count; ++i) {
        c.update[i] = z[i];
        c.extra[i] = linear_first ? (c.recurrent_bias ? C(c.recurrent_bias[2 * hidden + i]) : C(0)) : r[i] * c.previous[i];
      }
      if (!linear_first) return;
      c.add_recurrence(2, c.previous, c.extra, first, count);
      for (int64_t i = first; i < first + count; ++i) h[i] += r[i] * c.extra[i];
    });
    c.each_block([&](int64_t first, int64_t count) {
      if (!linear_first) c.add_recurrence(2, c.extra, h, first, count);  // extra: the whole reset state
      c.activations[1].apply(h + first, count, c.clip);
      for (int64_t i = first; i < first + count; ++i) c.next[i] = (C(1) - c.update[i]) * h[i] + c.update[i] * c.previous[i];
    });
  }
};

// Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997, with the forget gate and peepholes of Gers, Schraudolph and Schmidhuber, 2002.
struct LstmCell {
  static constexpr int gates = 4, functions = 3, cell_input = 6, peephole_input = 7;
  static constexpr const char* defaults[] = {"sigmoid", "tanh", "tanh"};
  template <class T>
  static void step(const Call& call, Chain<T>& c) {
    using C = Compute<T>;
    const int64_t hidden = c.s.hidden;
    const bool coupled = call.integer("input_forget", 0) != 0;
    C *i = c.gates, *o = c.gates + hidden, *f = c.gates + 2 * hidden, *g = c.gates + 3 * hidden;
    c.each_block([&](int64_t first, int64_t count) {
      const int64_t end = first + count;
      for (int gate = 0; gate < gates; ++gate)
        if (gate != 2 || !coupled) c.add_recurrence(gate, c.previous, c.gates + gate * hidden, first, count);
      if (c.peepholes) {
        for (int64_t k = first; k < end; ++k) i[k] += C(c.peepholes[k]) * c.cell[k];
        for (int64_t k = first; k < end; ++k) f[k] += C(c.peepholes[2 * hidden + k]) * c.cell[k];
      }
      c.activations[0].apply(i + first, count, c.clip);
      if (!coupled) c.activations[0].apply(f + first, count, c.clip);
      c.activations[1].apply(g + first, count, c.clip);
      for (int64_t k = first; k < end; ++k) {
        const C forget = coupled ? C(1) - i[k] : f[k];
        c.cell[k] = forget * c.cell[k] + i[k] * g[k];
        g[k] = c.cell[k];
        if (c.peepholes) o[k] += C(c.peepholes[hidden + k]) * c.cell[k];
      }
      c.activations[0].apply(o + first, count, c.clip);
      c.activations[2].apply(g + first, count, C(0));  // the cell is not limited, only the gates are
      for (int64_t k = first; k < end; ++k) c.next[k] = o[k] * g[k];
    });
  }
};

// The activations of all directions; alphas and betas are consumed in order by those that take them.
template <class C>
void recurrent_activations(const Call& call, int functions, int64_t directions, const char* const* defaults, Activation<C>* activations) {
  const Attribute *names = call.attribute("activations"), *alphas = call.attribute("activation_alpha"), *betas = call.attribute("activation_beta");
  int64_t alpha = 0, beta = 0;
  for (int64_t i = 0; i < functions * directions; ++i) {
    const char* text = defaults[i % functions];
    int64_t size = 0;
    if (names && i < names->count) {
      text = names->strings[i].data;
      size = names->strings[i].size;
    } else {
      while (text[size]) ++size;
    }
    const NonlinearityName* entry = find_nonlinearity(text, size);
    if (!entry) return call.fail("an activation function of a recurrent layer is not known");
    activations[i] = {entry->kind, C(entry->alpha), C(entry->beta)};
    if (entry->has_alpha && alphas && alpha < alphas->count) activations[i].alpha = C(alphas->floats[alpha++]);
    if (entry->has_beta && betas && beta < betas->count) activations[i].beta = C(betas->floats[beta++]);
  }
}

// Inputs: X, W [directions, gates * hidden, inputs], R [directions, gates * hidden, hidden], B [directions, 2 * gates * hidden], sequence_lens
// [batch], initial_h, initial_c (LSTM), P [directions, 3 * hidden] (LSTM). Outputs: Y, Y_h, Y_c (LSTM), all optional. Steps beyond an item's
// length yield zeros and leave its state; a backward chain begins at the item's last step.
template <class Cell>
void recurrent(const Call& call) {
  const RecurrentShape s = recurrent_shape(call, Cell::gates);
  if (!call.scratch) return call.fail("there is no memory for the work of an operator");
  const int32_t* lengths = call.has_input(4) ? call.input(4).as<const int32_t>() : nullptr;
  for (int64_t item = 0; lengths && item < s.batch; ++item)
    if (lengths[item] < 0 || lengths[item] > s.steps) return call.fail("an element of sequence_lens is negative or longer than the sequence");
  dispatch<Floats>(call, call.input(0).type, [&]<class T>() {
    using C = Compute<T>;
    Activation<C> activations[2 * Cell::functions];
    recurrent_activations(call, Cell::functions, s.directions, Cell::defaults, activations);
    if (*call.error) return;
    const auto optional = [&](int index) { return index >= 0 && call.has_input(index) ? call.input(index).template as<const T>() : nullptr; };
    const T *x = optional(0), *weights = optional(1), *recurrence = optional(2), *biases = optional(3), *initial_h = optional(5),
            *initial_c = optional(Cell::cell_input), *peepholes = optional(Cell::peephole_input);
    const auto output = [&](int index) { return call.has_output(index) ? call.output(index).template as<T>() : nullptr; };
    T *y = output(0), *y_h = output(1), *y_c = Cell::cell_input >= 0 ? output(2) : nullptr;
    const int64_t width = s.gates * s.hidden, rows = s.steps * s.batch;
    C* products = static_cast<C*>(call.scratch);
    C* vectors = products + s.products_size();
    const bool linear_first = Cell::gates == 3 && call.integer("linear_before_reset", 0) != 0;

    parallel(call, s.directions * rows, math::greatest<int64_t>(1, 2 * grain_elements / (width * s.inputs + 1)),
             [&](int64_t begin, int64_t end, uint32_t) {
               for (int64_t row = begin; row < end; ++row) {
                 const int64_t direction = row / rows, step = row % rows / s.batch, item = row % s.batch;
                 C* to = products + row * width;
                 const T* bias = biases ? biases + direction * 2 * width : nullptr;
                 const int64_t both = linear_first ? 2 * s.hidden : width;  // the hidden gate's recurrent bias comes before its reset then
                 for (int64_t i = 0; i < width; ++i) to[i] = bias ? C(bias[i]) + (i < both ? C(bias[width + i]) : C(0)) : C(0);
                 add_dot_products(x + s.x_at(step, item), weights + direction * width * s.inputs, s.inputs, s.inputs, width, to);
               }
             });

    const int64_t chains = s.directions * s.batch;
    Call serial = call;
    serial.parallel_for = nullptr;
    const auto run = [&](int64_t index, const Call& lent) {
      const int64_t direction = index / s.batch, item = index % s.batch, length = lengths ? lengths[item] : s.steps;
      const bool backward = direction == 1 || call.is("direction", "reverse", "forward");
      C* own = vectors + index * s.chain_size();
      C* vector[5];
      for (int i = 0; i < 5; ++i) vector[i] = own + width + i * s.hidden;
      Chain<T> c{&lent,
                 s,
                 recurrence + direction * width * s.hidden,
                 biases ? biases + (2 * direction + 1) * width : nullptr,
                 peepholes ? peepholes + direction * 3 * s.hidden : nullptr,
                 activations + direction * Cell::functions,
                 C(call.real("clip", 0.0f)),
                 own,
                 vector[0],
                 vector[1],
                 vector[2],
                 vector[3],
                 vector[4]};
      const int64_t state = s.state_at(direction, item);
      for (int64_t i = 0; i < s.hidden; ++i) {
        c.previous[i] = initial_h ? C(initial_h[state + i]) : C(0);
        c.cell[i] = initial_c ? C(initial_c[state + i]) : C(0);
      }
      for (int64_t k = 0; k < length; ++k) {
        const int64_t step = backward ? length - 1 - k : k;
        copy(c.gates, products + (direction * rows + step * s.batch + item) * width, width);
        Cell::step(call, c);
        if (y)
          for (int64_t i = 0; i < s.hidden; ++i) y[s.y_at(step, direction, item) + i] = T(c.next[i]);
        C* swapped = c.previous;
        c.previous = c.next;
        c.next = swapped;
      }
      for (int64_t step = length; y && step < s.steps; ++step)
        for (int64_t i = 0; i < s.hidden; ++i) y[s.y_at(step, direction, item) + i] = T(0.0f);
      for (int64_t i = 0; i < s.hidden; ++i) {
        if (y_h) y_h[state + i] = T(c.previous[i]);
        if (y_c) y_c[state + i] = T(c.cell[i]);
      }
    };
    if (chains == 1) return run(0, call);
    parallel(call, chains, 1, [&](int64_t begin, int64_t end, uint32_t) {
      for (int64_t index = begin; index < end; ++index) run(index, serial);
    });
  });
}

}  // namespace detail

inline void rnn(const Call& call) { detail::recurrent<detail::RnnCell>(call); }
inline void gru(const Call& call) { detail::recurrent<detail::GruCell>(call); }
inline void lstm(const Call& call) { detail::recurrent<detail::LstmCell>(call); }
inline uint64_t rnn_scratch(const Call& call, uint32_t threads) { return detail::recurrent_scratch<1>(call, threads); }
inline uint64_t gru_scratch(const Call& call, uint32_t threads) { return detail::recurrent_scratch<3>(call, threads); }
inline uint64_t lstm_scratch(const Call& call, uint32_t threads) { return detail::recurrent_scratch<4>(call, threads); }

namespace shapes {

// Y [steps, directions, batch, hidden] or, with layout 1, [batch, steps, directions, hidden]; Y_h and Y_c without the steps.
template <int gates>
void recurrent(const Call& call) {
  const Tensor &x = call.input(0), &weights = call.input(1), &recurrence = call.input(2);
  if (x.rank != 3 || weights.rank != 3 || recurrence.rank != 3) return call.fail("X, W and R of a recurrent layer have three dimensions");
  const detail::RecurrentShape s = detail::recurrent_shape(call, gates);
  const auto is = [&](int index, int64_t a, int64_t b, int64_t c) {
    if (!call.has_input(index)) return true;
    const Tensor& t = call.input(index);
    return t.rank == (c < 0 ? 2 : 3) && t.dimensions[0] == a && t.dimensions[1] == b && (c < 0 || t.dimensions[2] == c);
  };
  const int64_t rows = gates * s.hidden, outer = s.batch_major ? s.batch : s.directions, inner = s.batch_major ? s.directions : s.batch;
  if (s.directions != (call.is("direction", "bidirectional", "forward") ? 2 : 1) || !is(1, s.directions, rows, s.inputs) ||
      !is(2, s.directions, rows, s.hidden) || !is(3, s.directions, 2 * rows, -1) || !is(5, outer, inner, s.hidden) ||
      (gates == 4 && (!is(6, outer, inner, s.hidden) || !is(7, s.directions, 3 * s.hidden, -1))))
    return call.fail("the shapes of a recurrent layer's inputs do not fit each other");
  if (call.has_input(4) && (call.input(4).rank != 1 || call.input(4).dimensions[0] != s.batch))
    return call.fail("sequence_lens of a recurrent layer has one element for each batch item");
  const int64_t time_major[4] = {s.steps, s.directions, s.batch, s.hidden}, batch_major[4] = {s.batch, s.steps, s.directions, s.hidden};
  const int64_t state[3] = {outer, inner, s.hidden};
  if (!call.allocate_output(0, s.batch_major ? batch_major : time_major, 4)) return;
  for (int32_t i = 1; i < call.output_count; ++i) call.allocate_output(i, state, 3);
}

}  // namespace shapes

#define LATHE_KERNELS_RECURRENT(X)      \
  X("", RNN, rnn, shapes::recurrent<1>) \
  X("", GRU, gru, shapes::recurrent<3>) \
  X("", LSTM, lstm, shapes::recurrent<4>)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
