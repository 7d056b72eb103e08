// Fourier transforms, short-time spectra, window functions, mel filter banks: signatures and inference. The kernels are in
// lathe/kernels/signal.hpp.
#include "lathe/kernels/signal.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

// A scalar integer input, unknown where its value is not known. Fails when it is not one number.
Dimension scalar(const InferenceContext& c, size_t input, std::string_view what) {
  if (const Shape* s = infer::shape(c, input); s && infer::differ(infer::product(c, *s, 0, s->size()), Dimension(1)))
    c.fail(std::string(what) + " is not one number", "a scalar", to_string(*s));
  const std::optional<std::vector<int64_t>> value = infer::known_integers(c, input);
  return value && value->size() == 1 ? infer::from_number((*value)[0]) : Dimension();
}

// The number where it is known, else one that is always right.
int64_t known(const Dimension& d, int64_t otherwise) { return infer::number(d).value_or(otherwise); }

// The last axis holds real numbers, or real and imaginary parts. Returns whether the signal is complex; nullopt: not known.
std::optional<bool> is_complex(const InferenceContext& c, const Shape& signal) {
  const Dimension& parts = signal.back();
  if (!parts.constant()) return std::nullopt;
  if (parts.value != 1 && parts.value != 2)
    c.fail("the last axis of the signal is neither real numbers nor real and imaginary parts", "1 or 2", std::to_string(parts.value));
  return parts.value == 2;
}

void infer_dft(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  const bool inverse = c.node().integer("inverse", 0) != 0, onesided = c.node().integer("onesided", 0) != 0;
  const Dimension given_length = scalar(c, 1, "the length of the transform"),
                  given_axis = c.input(2) ? scalar(c, 2, "the axis") : infer::from_number(-2);
  if (known(given_length, 1) < 1) c.fail("the length of the transform is not positive", "at least 1", to_string(Shape{given_length}));
  const Shape* x = infer::shape(c, 0);
  if (!x) return infer::set(c, std::nullopt);
  if (is_complex(c, *x).value_or(false) && onesided && !inverse)
    c.fail("a one-sided spectrum wants a real signal", "1 on the last axis", to_string(*x));
  Shape y = *x;
  y.back() = Dimension(inverse && onesided ? 1 : 2);
  if (infer::unknown(given_axis)) {
    for (size_t i = 0; i + 1 < y.size(); ++i) y[i] = Dimension();
    return infer::set(c, std::move(y));
  }
  const size_t axis = infer::axis(c, known(given_axis, 0), x->size());
  if (axis + 1 == x->size()) c.fail("the last axis holds real and imaginary parts and is not transformed", "another axis", std::to_string(axis));
  const Dimension one(1), two(2);
  Dimension length = given_length;
  if (!c.input(1)) length = inverse && onesided ? infer::times(c, infer::minus(c, (*x)[axis], one), two) : (*x)[axis];
  if (known(length, 1) < 1) c.fail("the transform has no length", "at least 1", to_string(*x));
  y[axis] = onesided && !inverse ? infer::plus(c, infer::divided(c, length, two), one) : length;
  infer::set(c, std::move(y));
}

void infer_stft(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, 3);
  infer::expect_rank(c, 2, 1, 1);
  const bool onesided = c.node().integer("onesided", 1) != 0;
  const Dimension step = scalar(c, 1, "the step between frames"), given = scalar(c, 3, "the length of a frame");
  if (known(step, 1) < 1) c.fail("the step between frames is not positive", "at least 1", to_string(Shape{step}));
  const Shape *x = infer::shape(c, 0), *window = infer::shape(c, 2);
  if (!c.input(2) && !c.input(3)) c.fail("the length of a frame is missing", "frame_length or a window");
  if (window && infer::differ((*window)[0], given)) c.fail("the window is not as long as a frame", to_string(Shape{given}), to_string(*window));
  if (x && is_complex(c, *x).value_or(false) && onesided)
    c.fail("a one-sided spectrum wants a real signal", "1 on the last axis, or onesided 0", to_string(*x));
  const Dimension length = !c.input(3) && window ? (*window)[0] : given;
  const Dimension one(1), whole = x ? (*x)[1] : Dimension();
  if (known(length, 1) < 1 || (length.constant() && whole.constant() && length.value > whole.value))
    c.fail("the length of a frame is out of range", "1 to the length of the signal", to_string(Shape{length}));
  const Dimension frames = infer::plus(c, infer::divided(c, infer::minus(c, whole, length), step), one);
  const Dimension bins = onesided ? infer::plus(c, infer::divided(c, length, Dimension(2)), one) : length;
  infer::set(c, Shape{x ? (*x)[0] : Dimension(), frames, bins, Dimension(2)});
}

// The attribute's type must be one of T2's.
DataType output_type(const InferenceContext& c) {
  const int64_t type = c.node().integer("output_datatype", int64_t(DataType::float32));
  const std::vector<DataType> allowed = infer::numbers();
  if (std::find(allowed.begin(), allowed.end(), DataType(type)) == allowed.end() || type < 0 || type > int64_t(DataType::int2))
    c.fail("attribute 'output_datatype' names no number type", "a float or integer type", std::to_string(type));
  return DataType(type);
}

void infer_window(InferenceContext& c) {
  const Dimension size = scalar(c, 0, "the size of the window");
  if (known(size, 0) < 0) c.fail("the size of the window is negative", "0 or more", to_string(Shape{size}));
  infer::set(c, output_type(c), Shape{size});
}

void infer_mel_weight_matrix(InferenceContext& c) {
  const Dimension mels = scalar(c, 0, "the number of mel bins"), length = scalar(c, 1, "the length of the transform");
  for (size_t i = 2; i < 5; ++i) scalar(c, i, "input " + std::to_string(i));
  if (known(mels, 0) < 0 || known(length, 0) < 0) c.fail("the number of mel bins or the length of the transform is negative");
  infer::set(c, output_type(c), Shape{infer::plus(c, infer::divided(c, length, Dimension(2)), Dimension(1)), mels});
}

}  // namespace

std::span<const Operator> signal_operators() {
  constexpr AttributeKind integer = AttributeKind::integer;
  const std::vector<DataType> whole{DataType::int32, DataType::int64};
  const FormalAttribute type{"output_datatype", integer, false, "1 (float)"};
  const auto window = [&](std::string_view name, kernels::Kernel kernel) {
    return Operator{"",
                    name,
                    {17},
                    {{"size", "T1"}},
                    {{"output", "T2"}},
                    {{"T1", whole}, {"T2", infer::numbers()}},
                    {type, {"periodic", integer, false, "1"}},
                    infer_window,
                    kernel};
  };
  static const Operator table[] = {
      {"",
       "DFT",
       {17, 20},
       {{"input", "T1"}, {"dft_length", "T2", Formal::optional}, {"axis", infer::int64_tensor, Formal::optional}},
       {{"output", "T1"}},
       {{"T1", infer::floats()}, {"T2", whole}},
       {{"inverse", integer, false, "0"}, {"onesided", integer, false, "0"}},
       infer_dft,
       kernels::dft,
       kernels::dft_scratch},
      {"",
       "STFT",
       {17},
       {{"signal", "T1"}, {"frame_step", "T2"}, {"window", "T1", Formal::optional}, {"frame_length", "T2", Formal::optional}},
       {{"output", "T1"}},
       {{"T1", infer::floats()}, {"T2", whole}},
       {{"onesided", integer, false, "1"}},
       infer_stft,
       kernels::stft,
       kernels::stft_scratch},
      window("HannWindow", kernels::hann_window),
      window("HammingWindow", kernels::hamming_window),
      window("BlackmanWindow", kernels::blackman_window),
      {"",
       "MelWeightMatrix",
       {17},
       {{"num_mel_bins", "T1"}, {"dft_length", "T1"}, {"sample_rate", "T1"}, {"lower_edge_hertz", "T2"}, {"upper_edge_hertz", "T2"}},
       {{"output", "T3"}},
       {{"T1", whole}, {"T2", infer::floats()}, {"T3", infer::numbers()}},
       {type},
       infer_mel_weight_matrix,
       kernels::mel_weight_matrix},
  };
  return table;
}

}  // namespace lathe
