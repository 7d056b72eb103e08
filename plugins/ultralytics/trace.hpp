// Runs an image through the modules of a checkpoint and writes down what is computed: torch.nn's own modules by layers.cpp, all others by
// their descriptions (wiring.hpp; built-in ones in modules.yaml).
#pragma once
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint.hpp"
#include "net.hpp"
#include "wiring.hpp"

namespace lathe::ultralytics {

struct Value;
using List = std::vector<Value>;

// What an expression of a description yields.
struct Value {
  struct Function {
    std::string name;
  };
  std::variant<std::monostate, bool, double, std::string, Tensor, std::shared_ptr<const List>, Module, Function> is;

  Value() = default;
  template <class T>
  Value(T v) : is(std::move(v)) {}  // NOLINT: what it holds is what it is
  static Value list(List items) { return Value(std::make_shared<const List>(std::move(items))); }
};

class Trace {
 public:
  Trace(Net& net, const WiringTable& table) : net(net), table_(table) {}

  Net& net;

  // Runs a module on values. `name` is the module's own in its parent ("cv1"); it becomes part of the nodes' names.
  Value call(const Module& module, const std::string& name, const List& arguments);
  Tensor call(const Module& module, const std::string& name, const Tensor& x);

  // Classes that stopped a trace because nothing describes them, with the path of the first module of each.
  const std::map<std::string, std::string>& unknown() const { return unknown_; }

 private:
  friend class Evaluation;
  const WiringTable& table_;
  std::map<std::string, std::string> unknown_;
  int depth_ = 0;
  int64_t steps_ = 0;
};

// layers.cpp: modules of torch.nn. False: the class is none of them.
bool call_layer(Trace& trace, const Module& module, const List& arguments, Value& result);
// The same by the class's name, whatever class the module has: for those derived from one of torch.nn.
bool call_layer(Trace& trace, const std::string& name, const Module& module, const List& arguments, Value& result);

std::string layer_names();  // sorted, with commas

// functions.cpp: the functions of descriptions. False: there is none of that name.
bool is_function(const std::string& name);
std::string function_names();  // sorted, with commas, for messages and the page about the language
Value call_function(Trace& trace, const Module& self, const std::string& name, const List& arguments, const std::map<std::string, Value>& keywords);

// What a value must be; else the trace ends with a sentence about the module at work.
const Tensor& tensor_of(const Net& net, const Value& value);
double number_of(const Net& net, const Value& value);
int64_t integer_of(const Net& net, const Value& value);
const List& list_of(const Net& net, const Value& value);
std::vector<int64_t> integers_of(const Net& net, const Value& value);  // of a list, or a number alone
std::vector<Tensor> tensors_of(const Net& net, const Value& value);
bool truth_of(const Net& net, const Value& value);

// What a module holds, for messages: sub-modules with their classes, parameters, attributes.
std::string held_by(const Module& module);
// The next step for who has a module of a class that nothing describes.
std::string how_to_describe(const Module& module);

// An attribute of a module as a value: sub-modules, parameters, numbers, texts, lists. False: it has none of that name.
bool attribute_of(Net& net, const Module& module, const std::string& name, Value& value);

}  // namespace lathe::ultralytics
