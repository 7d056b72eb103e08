// A graph in the making: values with the numbers they will have, so that every operator is drawn to fit what there is.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/ops/operator.hpp"
#include "random.hpp"
#include "sample.hpp"

namespace lathe::differential {

using Dims = std::vector<int64_t>;

// What numbers a tensor is filled with.
enum class Content {
  any,       // small numbers of both signs, some of them equal, zeros among them
  positive,  // at least 1/4
  unit,      // -1 to 1
  nonzero,   // at least 1/4 or at most -1/4
  large,     // at least 1
  wild       // the type's extremes, infinities and NaN too
};

// A node as it is put together; null inputs are absent.
struct Proposal {
  std::string domain, op_type;
  std::vector<ValueId> inputs;
  std::map<std::string, Attribute, std::less<>> attributes;
  size_t outputs = 1;
};

class Draft {
 public:
  Draft(Random& random, bool common_types, bool wild) : random(random), common_types_(common_types), wild_(wild) {
    sample.graph.name = "g";
    sample.graph.opsets[""] = canonical_opset;
  }

  Random& random;
  Sample sample;
  std::map<std::string, int> refusals;  // "operator: sentence" of proposals that Lathe refused

  // ---- values ----
  const Tensor& tensor(ValueId id) const { return *tensors_[id]; }
  const Dims& dims(ValueId id) const { return tensors_[id]->dimensions; }
  DataType type(ValueId id) const { return tensors_[id]->type; }

  Dims shape(int64_t lowest_rank = 0, int64_t highest_rank = 5);  // sizes mostly 1 to 5, now and then 0
  int64_t size();                                                 // one such size, at least 1
  DataType any_of(const std::vector<DataType>& allowed);          // as likely as models have them
  DataType variable(const Operator& op, std::string_view name);   // one that the type variable allows

  // A tensor of that type and shape: an earlier value now and then, else a new input or constant.
  ValueId value(DataType type, const Dims& dims, Content content = Content::any);
  // An earlier value of that type, or a new one, of `lowest` to `highest` dimensions.
  ValueId some(DataType type, int64_t lowest_rank = 0, int64_t highest_rank = 5, Content content = Content::any);
  ValueId fresh(Tensor tensor);  // a new input or constant with these numbers
  ValueId constant(Tensor tensor);
  ValueId ints(const Dims& values);  // an int64 vector, usually constant
  ValueId integer(int64_t value, DataType type = DataType::int64, bool scalar = true);
  ValueId indices(const Dims& dims, int64_t end, bool negative = true, DataType type = DataType::int64);  // elements of -end..end-1
  Tensor filled(DataType type, const Dims& dims, Content content);
  // A shape that broadcasts to `target`: leading dimensions left out, others 1.
  Dims broadcastable(const Dims& target);

  // Runs the node on its inputs and adds it; false when Lathe refuses it.
  bool add(const Proposal& proposal);

  // Likewise for a graph in ONNX's textual syntax, whose inputs are bound to `inputs` and whose outputs are tensors.
  bool add(const std::string& text, const std::vector<ValueId>& inputs);

  // Outputs, open dimensions; nullopt when there is no node.
  std::optional<Sample> finish(bool open_dimensions);

 private:
  struct Facts {
    bool exact = true;  // every engine yields the same bits
    int inexact_depth = 0;
  };
  ValueId append(Tensor tensor, bool constant);
  void remember(ValueId id, Tensor tensor, const Facts& facts);
  bool usable(ValueId id) const;

  bool common_types_, wild_;
  std::vector<std::optional<Tensor>> tensors_;
  std::vector<Facts> facts_;
  const Operator* current_ = nullptr;  // whose inputs are being drawn

 public:
  void begin(const Operator* op) { current_ = op; }  // nullptr: whatever it is, numbers must be exact
  bool wild() const;                                 // the numbers of this operator's inputs may be special
};

// How an operator behaves towards numbers that differ in their last bits.
bool exact_operator(std::string_view op_type);     // exact inputs give exact outputs, floats too
bool tolerant_operator(std::string_view op_type);  // a small difference in comes out small
bool rounding_operator(std::string_view op_type);  // rounds a computed number to an integer: one step more or less is a matter of the last bit
bool takes_special_numbers(const Operator& op);    // infinities, NaN

// Whether ONNX Runtime's programming interface can carry the type; values of the others stay inside the graph.
bool portable(DataType type);

// Draws one node for the operator: by its recipe, or from its signature alone. nullopt: this time it did not work out.
std::optional<Proposal> propose(Draft& draft, const Operator& op);
bool has_recipe(const Operator& op);

// The graph that a seed names. `only`: operators to choose from, or all.
Sample generate(uint64_t seed, const std::vector<std::string>& only, std::map<std::string, int>* refusals = nullptr);

}  // namespace lathe::differential
