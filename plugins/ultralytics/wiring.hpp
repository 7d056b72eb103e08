// The language in which the wiring of a module class is described: what its forward() computes from its sub-modules.
//
// It reads like a few lines of Python, and is none: there is nothing to import, no state, no recursion, and a description only
// ever sees the module it belongs to. A description is a block of statements, nested by indentation:
//
//     name = expression                 name, name = expression
//     for name in expression:           for name, name in zip(a, b):
//     if expression: / elif / else:     return expression
//
// Expressions: numbers, 'texts', True, False, None, [lists], names, f(arguments, key=value), x.attribute, x[i], x[a:b],
// + - * / // % @ (on numbers, on tensors with broadcasting; + joins lists), comparisons, `in`, `is None`, and, or, not, a if c else b.
// A name is a local variable, else an attribute of the module (a sub-module, a parameter, a number, a text), else a function of
// functions.hpp. `self` is the module itself.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::ultralytics {

struct Expression {
  enum class Kind { number, text, truth, none, name, list, call, attribute, index, slice, negate, invert, binary, choice };
  Kind kind = Kind::none;
  int line = 0, column = 0;  // in the file
  double number = 0;         // number; truth: 0 or 1
  std::string text;          // text, name, attribute; binary: the operator ("+", "//", "==", "in", "is", "and", ...)
  // list: elements; call: callee, then arguments; attribute, negate, invert: one; index: value, index; slice: value, begin, end (kind none
  // where left out); binary: left, right; choice: condition, then, otherwise.
  std::vector<Expression> operands;
  std::vector<std::string> keywords;  // call: names of the arguments that were given by name
  std::vector<Expression> named;      // and those arguments
};

struct Statement {
  enum class Kind { assign, loop, branch, give, evaluate };
  Kind kind = Kind::evaluate;
  int line = 0, column = 0;
  std::vector<std::string> names;          // assign, loop: targets
  Expression value;                        // assign, loop: what; branch: condition; give: result
  std::vector<Statement> body, otherwise;  // loop, branch
};

struct Wiring {
  std::string source;               // for messages: file and class
  std::vector<std::string> inputs;  // names of forward()'s arguments
  std::vector<Statement> body;
};

// Where a text begins in its file: lines and columns of messages are counted from there.
struct TextPlace {
  int lines_before = 0, columns_before = 0;
};

// Throws sdk::Failure(LATHE_USAGE) with the line and column in which the text is wrong.
Wiring parse_wiring(std::string_view text, std::vector<std::string> inputs, std::string source, TextPlace place = {});

// Descriptions by class name ("C2f") or by what the full path ends in ("block.C2f", "ultralytics.nn.modules.block.C2f"); the longest wins.
using WiringTable = std::map<std::string, Wiring, std::less<>>;

// Reads a YAML file (or the built-in text) of descriptions: `modules:` maps each class to its text, or to {inputs: [x, y], forward: text}. Later
// ones replace earlier ones of the same name.
void read_wirings(WiringTable& table, const std::string& yaml, const std::string& source);

}  // namespace lathe::ultralytics
