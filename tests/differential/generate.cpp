// Which operators, how many, and how an operator without a recipe is drawn from its signature alone.
#include <algorithm>
#include <array>

#include "core/ops/inference.hpp"
#include "draft.hpp"
#include "fragments.hpp"

namespace lathe::differential {
namespace {

constexpr std::array<std::string_view, 73> exact_names = {"Abs",
                                                          "Add",
                                                          "ArgMax",
                                                          "ArgMin",
                                                          "BitCast",
                                                          "Cast",
                                                          "CastLike",
                                                          "Ceil",
                                                          "CenterCropPad",
                                                          "Clip",
                                                          "Compress",
                                                          "Concat",
                                                          "ConstantOfShape",
                                                          "DepthToSpace",
                                                          "Div",
                                                          "Equal",
                                                          "Expand",
                                                          "EyeLike",
                                                          "Flatten",
                                                          "Floor",
                                                          "Gather",
                                                          "GatherElements",
                                                          "GatherND",
                                                          "GlobalMaxPool",
                                                          "Greater",
                                                          "GreaterOrEqual",
                                                          "Hardmax",
                                                          "Identity",
                                                          "IsInf",
                                                          "IsNaN",
                                                          "Less",
                                                          "LessOrEqual",
                                                          "Max",
                                                          "MaxPool",
                                                          "MaxUnpool",
                                                          "Min",
                                                          "Mul",
                                                          "Neg",
                                                          "NonMaxSuppression",
                                                          "NonZero",
                                                          "Not",
                                                          "OneHot",
                                                          "Optional",
                                                          "Pad",
                                                          "PRelu",
                                                          "Range",
                                                          "ReduceMax",
                                                          "ReduceMin",
                                                          "Relu",
                                                          "Reshape",
                                                          "ReverseSequence",
                                                          "Round",
                                                          "ScatterElements",
                                                          "ScatterND",
                                                          "Shape",
                                                          "Sign",
                                                          "Size",
                                                          "Slice",
                                                          "SpaceToDepth",
                                                          "Split",
                                                          "SplitToSequence",
                                                          "Squeeze",
                                                          "Sub",
                                                          "TensorScatter",
                                                          "Tile",
                                                          "TopK",
                                                          "Transpose",
                                                          "Trilu",
                                                          "Unique",
                                                          "Unsqueeze",
                                                          "Upsample",
                                                          "Where",
                                                          "DequantizeLinear"};

constexpr std::array<std::string_view, 62> tolerant_names = {"Abs",
                                                             "Add",
                                                             "AveragePool",
                                                             "CenterCropPad",
                                                             "Celu",
                                                             "Clip",
                                                             "Concat",
                                                             "Conv",
                                                             "ConvTranspose",
                                                             "Cos",
                                                             "CumSum",
                                                             "DepthToSpace",
                                                             "Einsum",
                                                             "Elu",
                                                             "Erf",
                                                             "Expand",
                                                             "Flatten",
                                                             "Gather",
                                                             "GatherElements",
                                                             "GatherND",
                                                             "Gelu",
                                                             "Gemm",
                                                             "GlobalAveragePool",
                                                             "GlobalMaxPool",
                                                             "HardSigmoid",
                                                             "HardSwish",
                                                             "Identity",
                                                             "LeakyRelu",
                                                             "MatMul",
                                                             "Max",
                                                             "MaxPool",
                                                             "Mean",
                                                             "Min",
                                                             "Mish",
                                                             "Mul",
                                                             "Neg",
                                                             "PRelu",
                                                             "Pad",
                                                             "ReduceL1",
                                                             "ReduceMax",
                                                             "ReduceMean",
                                                             "ReduceMin",
                                                             "ReduceSum",
                                                             "ReduceSumSquare",
                                                             "Relu",
                                                             "Reshape",
                                                             "Selu",
                                                             "Sigmoid",
                                                             "Sin",
                                                             "Slice",
                                                             "Softmax",
                                                             "Softplus",
                                                             "Softsign",
                                                             "Split",
                                                             "Squeeze",
                                                             "Sub",
                                                             "Sum",
                                                             "Swish",
                                                             "Tanh",
                                                             "Tile",
                                                             "Transpose",
                                                             "Unsqueeze"};

// Values for attributes whose text is one of a few.
struct TextChoice {
  std::string_view op_type, attribute;
  std::vector<const char*> choices;
};
const std::vector<TextChoice>& text_choices() {
  static const std::vector<TextChoice> table = {
      {"Gelu", "approximate", {"none", "tanh"}},
      {"DepthToSpace", "mode", {"DCR", "CRD"}},
      {"BitShift", "direction", {"LEFT", "RIGHT"}},
      {"ScatterElements", "reduction", {"none", "add", "mul", "max", "min"}},
      {"ScatterND", "reduction", {"none", "add", "mul", "max", "min"}},
      {"StringNormalizer", "case_change_action", {"NONE", "LOWER", "UPPER"}},
      {"Cast", "round_mode", {"up", "down", "nearest"}},
  };
  return table;
}

// Numbers an operator wants of its inputs when they are not to be special.
Content content_for(std::string_view op_type, size_t input) {
  if (op_type == "Acosh") return Content::large;
  if (op_type == "Asin" || op_type == "Acos" || op_type == "Atanh" || op_type == "Tan" || op_type == "Sinh" || op_type == "Cosh")
    return Content::unit;
  if (op_type == "Log" || op_type == "Sqrt" || op_type == "ReduceLogSum") return Content::positive;
  if (op_type == "Reciprocal" || op_type == "ReduceProd") return Content::nonzero;
  if ((op_type == "Div" || op_type == "Mod") && input == 1) return Content::nonzero;
  if (op_type == "Pow") return input == 0 ? Content::positive : Content::unit;
  return Content::any;
}

std::optional<Attribute> draw_attribute(Draft& draft, const Operator& op, const FormalAttribute& formal, int64_t rank) {
  Random& random = draft.random;
  const std::string_view name = formal.name;
  switch (formal.kind) {
    case AttributeKind::integer:
      if (name == "axis" || name == "batch_axis" || name == "time_axis") return Attribute{rank ? random.between(-rank, rank - 1) : int64_t(0)};
      if (name == "to" || name == "dtype") return std::nullopt;
      return Attribute{random.between(0, 1)};
    case AttributeKind::real:
      return Attribute{float(random.between(op.name == "Celu" ? 1 : -8, 16)) / 8};  // Celu divides by its alpha
    case AttributeKind::text:
      for (const TextChoice& t : text_choices())
        if (t.op_type == op.name && t.attribute == name) return Attribute{std::string(random.pick(t.choices))};
      return std::nullopt;
    case AttributeKind::integers:
      if (name == "perm") {
        Dims perm(static_cast<size_t>(rank));
        for (size_t i = 0; i < perm.size(); ++i) perm[i] = int64_t(i);
        random.shuffle(perm);
        return perm.empty() ? std::nullopt : std::optional(Attribute{perm});
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// From the signature: types of its variables, shapes that broadcast, attributes by their names.
std::optional<Proposal> propose_from_signature(Draft& draft, const Operator& op) {
  Random& random = draft.random;
  Proposal p{std::string(op.domain), std::string(op.name), {}, {}, 0};
  std::map<std::string_view, DataType> bound;
  const auto type_of = [&](const Formal& f) {
    const auto [entry, added] = bound.try_emplace(f.types, DataType::none);
    if (added) entry->second = draft.variable(op, f.types);
    return entry->second;
  };
  std::optional<Dims> target;
  for (const Formal& f : op.inputs) {
    if (f.kind == Formal::optional && random.chance(60)) {
      p.inputs.push_back(none);
      continue;
    }
    const int64_t count = f.kind == Formal::variadic ? random.between(1, 4) : 1;
    for (int64_t i = 0; i < count; ++i) {
      const DataType type = type_of(f);
      if (type == DataType::none) return std::nullopt;
      const Content content = draft.wild() ? Content::any : content_for(op.name, p.inputs.size());
      if (!target) {
        p.inputs.push_back(draft.some(type, 0, 5, content));
        target = draft.dims(p.inputs.back());
      } else {
        p.inputs.push_back(draft.value(type, draft.broadcastable(*target), content));
      }
    }
  }
  while (!p.inputs.empty() && p.inputs.back() == none) p.inputs.pop_back();
  if (p.inputs.size() > 1 && random.chance(30)) std::swap(p.inputs[0], p.inputs[1]);
  const int64_t rank = target ? int64_t(target->size()) : 0;
  for (const FormalAttribute& f : op.attributes)
    if (f.required || random.chance(50))
      if (std::optional<Attribute> a = draw_attribute(draft, op, f, rank)) p.attributes[std::string(f.name)] = std::move(*a);
  for (const Formal& f : op.outputs) {
    if (f.kind == Formal::variadic || (f.kind == Formal::optional && random.chance(50))) break;
    ++p.outputs;
  }
  if (p.outputs == 0) return std::nullopt;
  return p;
}

}  // namespace

bool exact_operator(std::string_view op_type) { return std::find(exact_names.begin(), exact_names.end(), op_type) != exact_names.end(); }
bool tolerant_operator(std::string_view op_type) { return std::find(tolerant_names.begin(), tolerant_names.end(), op_type) != tolerant_names.end(); }

bool rounding_operator(std::string_view op_type) {
  return op_type == "Resize" || op_type == "Upsample" || op_type == "QuantizeLinear" || op_type == "DynamicQuantizeLinear" ||
         op_type.starts_with("QLinear");
}

// Infinities and NaN mean something to operators that look at each element alone, or only move it.
bool takes_special_numbers(const Operator& op) {
  for (const std::string_view name :
       {"ArgMax", "ArgMin", "Cast", "CastLike", "DequantizeLinear", "GlobalMaxPool", "Hardmax", "MaxPool", "NonMaxSuppression", "Range", "ReduceMax",
        "ReduceMin", "Resize", "ScatterElements", "ScatterND", "Sign", "TopK", "Unique", "Upsample"})
    if (op.name == name) return false;
  return exact_operator(op.name) || (op.inputs.size() == 1 && op.infer == infer::same_as_input);
}

std::optional<Proposal> propose_by_recipe(Draft& draft, const Operator& op);  // recipes.cpp

std::optional<Proposal> propose(Draft& draft, const Operator& op) {
  draft.begin(&op);
  return has_recipe(op) ? propose_by_recipe(draft, op) : propose_from_signature(draft, op);
}

Sample generate(uint64_t seed, const std::vector<std::string>& only, std::map<std::string, int>* refusals) {
  std::vector<const Operator*> choices;
  for (const Operator* op : operators()) {
    const bool wanted = only.empty() || std::find(only.begin(), only.end(), op->name) != only.end();
    if (wanted && op->deterministic && op->kernel) choices.push_back(op);
  }
  Random random(Random(seed).next());  // neighbouring seeds, unrelated sequences
  for (int attempt = 0; attempt < 100; ++attempt) {
    const bool wild = random.chance(12), common = random.chance(65);
    const int64_t length = wild || !common ? random.between(1, 2) : random.between(1, 6);
    Draft draft(random, common, wild);
    for (int64_t made = 0, tries = 0; made < length && tries < 40; ++tries) {
      if (random.chance(only.empty() ? 6 : 50) || choices.empty()) {
        const Fragment fragment = draw_fragment(draft, only);
        made += !fragment.text.empty() && draft.add(fragment.text, fragment.inputs);
        if (!fragment.text.empty() || choices.empty()) continue;
      }
      const std::optional<Proposal> p = propose(draft, *choices[size_t(random.below(int64_t(choices.size())))]);
      if (p && draft.add(*p)) ++made;
    }
    std::optional<Sample> sample = draft.finish(random.chance(20));
    if (refusals)
      for (const auto& [text, count] : draft.refusals) (*refusals)[text] += count;
    if (sample) return std::move(*sample);
  }
  return {};
}

}  // namespace lathe::differential
