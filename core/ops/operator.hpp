// What an operator accepts and yields. One file per operator family here (signature, inference), one of the same name in sdk/kernels
// (what it computes). docs/adding-an-operator.md walks through adding one.
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/ir/graph.hpp"
#include "lathe/kernels/kernel.hpp"

namespace lathe {

// A formal input or output.
struct Formal {
  std::string_view name;
  // A tensor of a type variable of the operator ("T") or of one type ("tensor(int64)"); a sequence or optional of such ("seq(T)",
  // "optional(T)", "optional(seq(T))"); several of these with " | " between them; or "any": whatever there is.
  std::string_view types;
  enum Kind { required, optional, variadic, variadic_or_none } kind = required;  // variadic: once or more often
};

struct TypeVariable {
  std::string_view name;
  std::vector<DataType> allowed;
};

enum class AttributeKind { integer, real, text, tensor, graph, integers, reals, texts, tensors, graphs };

struct FormalAttribute {
  std::string_view name;
  AttributeKind kind;
  bool required = false;
  std::string_view fallback = {};  // the default as text, for documentation; the kernel and inference hold it too
};

struct InputFacts {
  const ValueType* type = nullptr;   // nullptr: the input is absent
  const Tensor* constant = nullptr;  // its elements, when all are known
  const Shape* elements = nullptr;   // integers known one by one
};

struct OutputFacts {
  ValueType type;
  std::optional<Shape> elements;
};

// What inference knows of a node while it runs: types and shapes of inputs, and, for small integer tensors, their elements
// as dimensions (constants or symbols), so that shape arithmetic (Shape -> Gather -> Concat -> Reshape) is evaluated.
class InferenceContext {
 public:
  virtual ~InferenceContext() = default;
  virtual const Node& node() const = 0;
  virtual const ValueType* input(size_t index) const = 0;  // nullptr: absent
  virtual const Tensor* constant(size_t index) const = 0;  // nullptr: not a constant
  virtual const Shape* elements(size_t index) const = 0;   // nullptr: not known element by element
  virtual void set_output(size_t index, ValueType type) = 0;
  virtual void set_elements(size_t index, Shape elements) = 0;  // of a rank-0 or rank-1 integer output
  virtual Graph* subgraph(std::string_view attribute) const = 0;
  // Infers that subgraph with these types of its inputs and whatever is known of the values it captures; the facts of its outputs, in
  // which sizes that only mean something inside are unknown.
  virtual std::vector<OutputFacts> infer_body(std::string_view attribute, const std::vector<ValueType>& inputs) const = 0;
  // The node is wrong: throws, with node and operator filled in.
  [[noreturn]] virtual void fail(std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) const = 0;
  // The node is right, but nothing here computes it: throws Error(unsupported) likewise.
  [[noreturn]] virtual void unsupported(std::string text, std::string hint = {}) const = 0;
};

struct Operator {
  std::string_view domain, name;
  std::vector<int> versions;  // opsets at which the signature changed, newest last; the newest is the canonical form
  std::vector<Formal> inputs, outputs;
  std::vector<TypeVariable> types;
  std::vector<FormalAttribute> attributes;
  void (*infer)(InferenceContext&);
  kernels::Kernel kernel;                                                 // nullptr: no kernel (control flow is run by the engines)
  uint64_t (*scratch)(const kernels::Call&, uint32_t threads) = nullptr;  // bytes of working memory the kernel wants
  bool deterministic = true;                                              // false: never folded or merged
};

// Every operator of Lathe, in family order; lookups by name are constant time.
std::span<const Operator* const> operators();
const Operator* find_operator(std::string_view domain, std::string_view name);

// Checks counts, types and attributes of every node against its signature and infers all types and shapes, subgraphs included.
// Throws one Error that carries every problem found: unknown operators are Code::unsupported, everything else Code::failed.
// `graph` is in canonical form. Declared types of inputs and outputs are kept and compared.
void infer_types(Graph& graph);

// Lifts a graph whose opset is older than canonical: renames, attributes that became inputs, changed defaults. First step after import.
void lift_to_canonical(Graph& graph);

// Pins symbolic dimensions: name of an input -> dimensions, -1 leaves one as it is. Throws Error(usage) when an input does not exist
// or contradicts a constant dimension. infer_types is to be run afterwards.
void pin_shapes(Graph& graph, const std::map<std::string, std::vector<int64_t>>& shapes);

}  // namespace lathe
