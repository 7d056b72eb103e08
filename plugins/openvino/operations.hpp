// The operations of the IR as data: what the writer may write, what the reader takes, what the checker holds files against.
//
// An operation is written with the opset that introduced this form of it, because that is the oldest runtime that can load it.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::openvino {

inline constexpr int newest_opset = 16;

struct AttributeRule {
  std::string_view name;
  // int, real, bool, ints, reals, type (an element type), dims (a shape), text; or the allowed words, separated by '|'. Numbers may have a bound:
  // "int>0", "reals>=0"
  std::string_view kind;
  bool required = false;
  std::string_view fallback;  // what absence means; empty where it has no value
};

struct PortRule {
  std::string_view name;
  std::string_view type;  // a type variable ("T"), a class ("index"), a type ("boolean"), or "@attribute": the type that attribute names
  bool optional = false;  // the input may be left out, if those after it are
  bool variadic = false;  // once or more often; the last one
};

struct TypeRule {
  std::string_view variable, allowed;  // a class of type_in_class
};

// How the first output's shape follows from the inputs.
enum class ShapeRule {
  own,       // the operation's own rule
  same,      // that of the first input
  broadcast  // numpy's, over the inputs whose type rule is that of the first
};

struct Operation {
  std::string_view name;
  int opset;
  std::vector<PortRule> inputs, outputs;
  std::vector<TypeRule> types;
  std::vector<AttributeRule> attributes;
  ShapeRule shape;

  const AttributeRule* attribute(std::string_view name) const;
};

// All of them; the forms of one operation stand together, oldest first.
std::span<const Operation> operations();
// The form that `opset` holds: the newest that is not newer. nullptr: that opset has no such operation.
const Operation* find_operation(std::string_view name, int opset);
// The oldest form. nullptr: there is no such operation.
const Operation* oldest_operation(std::string_view name);

// "opset8" -> 8. nullopt for anything else.
std::optional<int> opset_number(std::string_view text);

}  // namespace lathe::openvino
