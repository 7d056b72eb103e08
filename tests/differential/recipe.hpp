// A recipe draws one node of an operator whose inputs depend on each other in ways that a signature does not tell (weights, axes, sizes).
#pragma once
#include <span>
#include <string_view>

#include "draft.hpp"

namespace lathe::differential {

// What a recipe fills in. Helpers draw the parts that many operators share.
struct Recipe {
  Draft& d;
  const Operator& op;
  Random& random;
  Proposal p;

  // A type that the signature allows there.
  DataType input_type(size_t index) { return d.variable(op, op.inputs[index].types); }
  DataType output_type(size_t index) { return d.variable(op, op.outputs[index].types); }
  void in(ValueId id) { p.inputs.push_back(id); }
  void set(const char* name, int64_t value) { p.attributes[name] = Attribute{value}; }
  void set(const char* name, float value) { p.attributes[name] = Attribute{value}; }
  void set(const char* name, const char* value) { p.attributes[name] = Attribute{std::string(value)}; }
  void set(const char* name, Dims value) { p.attributes[name] = Attribute{std::move(value)}; }
  bool chance(int percent) { return random.chance(percent); }
  // An axis of a tensor of that rank, counted from either end.
  int64_t axis(int64_t rank) { return chance(30) ? random.between(-rank, -1) : random.between(0, rank - 1); }
  static int64_t positive(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }
  // Some of the axes, each once, in any order.
  Dims axes(int64_t rank, bool negative = true) {
    Dims list;
    for (int64_t i = 0; i < rank; ++i)
      if (chance(45)) list.push_back(negative && chance(30) ? i - rank : i);
    random.shuffle(list);
    return list;
  }
};

struct NamedRecipe {
  std::string_view op_type;
  bool (*draw)(Recipe&);  // false: it did not work out
  std::string_view domain = "";
};

// One list per file recipes_*.cpp.
std::span<const NamedRecipe> movement_recipes();
std::span<const NamedRecipe> neural_recipes();
std::span<const NamedRecipe> table_recipes();
std::span<const NamedRecipe> arithmetic_recipes();
std::span<const NamedRecipe> attention_recipes();
std::span<const NamedRecipe> microsoft_recipes();
std::span<const NamedRecipe> quantized_recipes();
std::span<const NamedRecipe> vision_recipes();

}  // namespace lathe::differential
