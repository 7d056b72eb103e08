// What is not zero, distinct, kept by a condition, not suppressed; sequences reversed up to their lengths: signatures and inference. The kernels are
// in lathe/kernels/selection.hpp; most outputs have sizes that only the data tell.
#include "lathe/kernels/selection.hpp"

#include "core/ops/families.hpp"
#include "core/ops/inference.hpp"

namespace lathe {
namespace {

void infer_non_zero(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  infer::set(c, DataType::int64, Shape{x ? Dimension(int64_t(x->size())) : Dimension(), Dimension()});
}

// Input 0 with another size along the attribute axis; one unknown axis without it.
Shape along_axis(const InferenceContext& c, const Shape& x) {
  if (!c.node().has("axis")) return Shape{Dimension()};
  Shape y = x;
  y[infer::axis(c, c.node().integer("axis", 0), x.size())] = Dimension();
  return y;
}

void infer_compress(InferenceContext& c) {
  infer::expect_rank(c, 0, 1, SIZE_MAX);
  infer::expect_rank(c, 1, 1, 1);
  const Shape* x = infer::shape(c, 0);
  infer::set(c, x ? std::optional(along_axis(c, *x)) : std::nullopt);
}

void infer_unique(InferenceContext& c) {
  const Shape* x = infer::shape(c, 0);
  const int64_t sorted = c.node().integer("sorted", 1);
  if (sorted != 0 && sorted != 1) c.fail("attribute 'sorted' is out of range", "0 or 1", std::to_string(sorted));
  infer::set(c, x ? std::optional(along_axis(c, *x)) : std::nullopt);
  Dimension length;
  if (x && c.node().has("axis"))
    length = (*x)[infer::axis(c, c.node().integer("axis", 0), x->size())];
  else if (x)
    length = infer::product(c, *x, 0, x->size());
  for (size_t output = 1; output < c.node().outputs.size(); ++output)
    infer::set(c, DataType::int64, Shape{output == 2 ? length : Dimension()}, output);
}

void infer_non_max_suppression(InferenceContext& c) {
  infer::expect_rank(c, 0, 3, 3);
  infer::expect_rank(c, 1, 3, 3);
  const int64_t centred = c.node().integer("center_point_box", 0);
  if (centred != 0 && centred != 1) c.fail("attribute 'center_point_box' is out of range", "0 or 1", std::to_string(centred));
  const Shape *boxes = infer::shape(c, 0), *scores = infer::shape(c, 1);
  if (boxes && infer::differ((*boxes)[2], Dimension(4))) c.fail("a box is not four numbers", "batch x boxes x 4", to_string(*boxes));
  if (boxes && scores && (infer::differ((*boxes)[0], (*scores)[0]) || infer::differ((*boxes)[1], (*scores)[2])))
    c.fail("boxes and scores do not fit each other", "batch x boxes x 4 and batch x classes x boxes",
           to_string(*boxes) + " and " + to_string(*scores));
  for (size_t i = 2; i < 5; ++i)
    if (const Shape* s = infer::shape(c, i); s && infer::product(c, *s, 0, s->size()).constant() && infer::product(c, *s, 0, s->size()).value > 1)
      c.fail("input " + std::to_string(i) + " is not one number", "a scalar", to_string(*s));
  infer::set(c, DataType::int64, Shape{Dimension(), Dimension(3)});
}

void infer_reverse_sequence(InferenceContext& c) {
  infer::expect_rank(c, 0, 2, SIZE_MAX);
  const int64_t time = c.node().integer("time_axis", 0), batch = c.node().integer("batch_axis", 1);
  if (time < 0 || time > 1 || batch != 1 - time)
    c.fail("the time axis and the batch axis are not the first two axes", "0 and 1, or 1 and 0",
           std::to_string(time) + " and " + std::to_string(batch));
  if (const Shape* x = infer::shape(c, 0)) infer::expect_length(c, 1, (*x)[size_t(batch)]);
  infer::same_as_input(c);
}

}  // namespace

std::span<const Operator> selection_operators() {
  constexpr AttributeKind integer = AttributeKind::integer;
  constexpr std::string_view int64_tensor = infer::int64_tensor;
  std::vector<DataType> comparable = infer::numbers();
  comparable.push_back(DataType::boolean);
  comparable.push_back(DataType::string);
  static const Operator table[] = {
      {"", "NonZero", {9, 13}, {{"X", "T"}}, {{"Y", int64_tensor}}, {{"T", comparable}}, {}, infer_non_zero, kernels::non_zero},
      {"",
       "Compress",
       {9, 11},
       {{"input", "T"}, {"condition", infer::bool_tensor}},
       {{"output", "T"}},
       {{"T", infer::before_bfloat16(infer::every_type())}},
       {{"axis", integer, false, "the flat input"}},
       infer_compress,
       kernels::compress},
      {"",
       "Unique",
       {11},
       {{"X", "T"}},
       {{"Y", "T"},
        {"indices", int64_tensor, Formal::optional},
        {"inverse_indices", int64_tensor, Formal::optional},
        {"counts", int64_tensor, Formal::optional}},
       {{"T", infer::before_bfloat16(comparable)}},
       {{"axis", integer, false, "the flat input"}, {"sorted", integer, false, "1"}},
       infer_unique,
       kernels::unique},
      {"",
       "NonMaxSuppression",
       {10, 11},
       {{"boxes", infer::float_tensor},
        {"scores", infer::float_tensor},
        {"max_output_boxes_per_class", int64_tensor, Formal::optional},
        {"iou_threshold", infer::float_tensor, Formal::optional},
        {"score_threshold", infer::float_tensor, Formal::optional}},
       {{"selected_indices", int64_tensor}},
       {},
       {{"center_point_box", integer, false, "0"}},
       infer_non_max_suppression,
       kernels::non_max_suppression},
      {"",
       "ReverseSequence",
       {10},
       {{"input", "T"}, {"sequence_lens", int64_tensor}},
       {{"Y", "T"}},
       {{"T", infer::before_bfloat16(infer::every_type())}},
       {{"batch_axis", integer, false, "1"}, {"time_axis", integer, false, "0"}},
       infer_reverse_sequence,
       kernels::reverse_sequence},
  };
  return table;
}

}  // namespace lathe
