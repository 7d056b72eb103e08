// Finding an operator's recipe.
#include "recipe.hpp"

namespace lathe::differential {
namespace {

const NamedRecipe* find(const Operator& op) {
  for (const auto list : {movement_recipes(), neural_recipes(), arithmetic_recipes(), quantized_recipes(), vision_recipes(), table_recipes(),
                          attention_recipes(), microsoft_recipes()})
    for (const NamedRecipe& r : list)
      if (r.op_type == op.name && r.domain == op.domain) return &r;
  return nullptr;
}

}  // namespace

bool has_recipe(const Operator& op) { return find(op) != nullptr; }

std::optional<Proposal> propose_by_recipe(Draft& draft, const Operator& op) {
  Recipe recipe{draft, op, draft.random, {std::string(op.domain), std::string(op.name), {}, {}, 1}};
  if (!find(op)->draw(recipe)) return std::nullopt;
  while (!recipe.p.inputs.empty() && recipe.p.inputs.back() == none) recipe.p.inputs.pop_back();
  return std::move(recipe.p);
}

}  // namespace lathe::differential
