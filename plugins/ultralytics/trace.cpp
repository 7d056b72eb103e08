// The evaluation of descriptions, and the way into a module.
#include "trace.hpp"

#include <cmath>

namespace lathe::ultralytics {
namespace {

constexpr int most_depth = 64;             // of modules within modules
constexpr int64_t most_steps = 2'000'000;  // a network of this kind takes some thousand

const char* kind_of(const Value& value) {
  static constexpr const char* names[] = {"None", "a truth value", "a number", "a text", "a tensor", "a list", "a module", "a function"};
  return names[value.is.index()];
}

[[noreturn]] void wrong(const Net& net, const char* wanted, const Value& found) {
  net.refuse(LATHE_FAILED, std::string("the module's description wants ") + wanted + " where it has " + kind_of(found));
}

Value plain_value(const Pickle& pickle, PickleId id, int depth) {
  using Kind = PickleValue::Kind;
  const PickleValue& v = pickle[id];
  switch (v.kind) {
    case Kind::boolean:
      return v.integer != 0;
    case Kind::integer:
      return double(v.integer);
    case Kind::real:
      return v.real;
    case Kind::text:
      return std::string(v.text);
    case Kind::tuple:
    case Kind::list: {
      List items;
      if (depth > 0)
        for (const PickleId item : v.items) items.push_back(plain_value(pickle, item, depth - 1));
      return Value::list(std::move(items));
    }
    default:
      return {};
  }
}

}  // namespace

const Tensor& tensor_of(const Net& net, const Value& value) {
  if (const auto* t = std::get_if<Tensor>(&value.is)) return *t;
  wrong(net, "a tensor", value);
}
double number_of(const Net& net, const Value& value) {
  if (const auto* n = std::get_if<double>(&value.is)) return *n;
  if (const auto* b = std::get_if<bool>(&value.is)) return *b;
  wrong(net, "a number", value);
}
int64_t integer_of(const Net& net, const Value& value) {
  const double n = number_of(net, value);
  if (n != std::floor(n) || std::abs(n) > 9e15) wrong(net, "an integer", value);
  return static_cast<int64_t>(n);
}
const List& list_of(const Net& net, const Value& value) {
  if (const auto* l = std::get_if<std::shared_ptr<const List>>(&value.is)) return **l;
  wrong(net, "a list", value);
}
std::vector<int64_t> integers_of(const Net& net, const Value& value) {
  std::vector<int64_t> numbers;
  if (std::holds_alternative<double>(value.is)) return {integer_of(net, value)};
  for (const Value& item : list_of(net, value)) numbers.push_back(integer_of(net, item));
  return numbers;
}
std::vector<Tensor> tensors_of(const Net& net, const Value& value) {
  std::vector<Tensor> tensors;
  for (const Value& item : list_of(net, value)) tensors.push_back(tensor_of(net, item));
  return tensors;
}
bool truth_of(const Net& net, const Value& value) {
  if (const auto* b = std::get_if<bool>(&value.is)) return *b;
  if (const auto* n = std::get_if<double>(&value.is)) return *n != 0;
  if (const auto* s = std::get_if<std::string>(&value.is)) return !s->empty();
  if (const auto* l = std::get_if<std::shared_ptr<const List>>(&value.is)) return !(*l)->empty();
  if (std::holds_alternative<std::monostate>(value.is)) return false;
  if (std::holds_alternative<Module>(value.is)) return true;
  wrong(net, "a truth value", value);
}

bool attribute_of(Net& net, const Module& module, const std::string& name, Value& value) {
  if (const auto child = module.child(name)) {
    value = *child;
    return true;
  }
  const PickleId id = module.attribute(name);
  if (id == no_pickle) return false;
  if (const auto tensor = module.tensor(name)) {
    value = net.constant(name, *tensor);
    return true;
  }
  value = plain_value(module.checkpoint().pickle(), id, 4);
  return true;
}

std::string held_by(const Module& module) {
  std::string list;
  const auto add = [&](const std::string& name, const std::string& what) {
    if (list.size() < 1000) list += (list.empty() ? "" : ", ") + name + what;
  };
  for (const auto& [name, child] : module.children()) add(name, " (" + child.class_name() + ")");
  const Pickle& pickle = module.checkpoint().pickle();
  const PickleId state = pickle[module.id()].state;
  for (const PickleId dictionary : {find_key(pickle, state, "_parameters"), find_key(pickle, state, "_buffers"), state}) {
    if (dictionary == no_pickle) continue;
    const PickleValue& v = pickle[dictionary];
    const PickleIds& items = v.kind == PickleValue::Kind::call ? v.contents : v.items;
    for (size_t i = 0; i + 1 < items.size(); i += 2)
      if (const auto name = text(pickle, items[i]); name && !name->empty() && name->front() != '_' && *name != "training") add(*name, "");
  }
  return list.empty() ? "nothing" : list;
}

std::string how_to_describe(const Module& module) {
  const auto children = module.children();
  std::string body = "x";
  for (size_t i = 0; i < children.size() && i < 2; ++i) body = children[i].first + "(" + body + ")";
  if (!children.empty() && !children[0].first.empty() && children[0].first[0] >= '0' && children[0].first[0] <= '9') body = "layer('Sequential', x)";
  return "say what it computes from what it holds (" + held_by(module) + ") in a YAML file like modules: {" + module.class_name() + ": \"return " +
         body + "\"}, and give that with --option modules=FILE; docs/describing-modules.md explains the language";
}

// ---- evaluation -------------------------------------------------------------------------------------------------------------------

class Evaluation {
 public:
  Evaluation(Trace& trace, const Module& self, const Wiring& wiring) : trace_(trace), net_(trace.net), self_(self), wiring_(wiring) {}

  Value run(const List& arguments) {
    if (arguments.size() != wiring_.inputs.size())
      net_.refuse(LATHE_FAILED, "a module of class " + self_.class_name() + " takes " + std::to_string(wiring_.inputs.size()) +
                                    " inputs and was given " + std::to_string(arguments.size()));
    for (size_t i = 0; i < arguments.size(); ++i) variables_[wiring_.inputs[i]] = arguments[i];
    if (!execute(wiring_.body)) fail(Statement(), "it returns nothing");
    return std::move(result_);
  }

 private:
  template <class Place>  // an expression or a statement
  [[noreturn]] void fail(const Place& place, const std::string& what, std::string hint = {}) const {
    sdk::Diagnostic d;
    d.text = "the description of a module does not fit: " + what;
    d.node = net_.path();
    d.location = wiring_.source;
    if (place.line) d.location += ", line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
    d.hint = std::move(hint);
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }

  // True once a result was given.
  bool execute(const std::vector<Statement>& statements) {
    for (const Statement& s : statements) {
      try {
        if (execute(s)) return true;
      } catch (sdk::Failure& failure) {  // what a function or an operator refuses: here it is
        for (sdk::Diagnostic& d : failure.diagnostics)
          if (d.location.empty()) d.location = wiring_.source + ", line " + std::to_string(s.line) + ", column " + std::to_string(s.column);
        throw;
      }
    }
    return false;
  }

  bool execute(const Statement& s) {
    switch (s.kind) {
      case Statement::Kind::assign:
        assign(s, evaluate(s.value));
        break;
      case Statement::Kind::evaluate:
        evaluate(s.value);
        break;
      case Statement::Kind::give:
        result_ = evaluate(s.value);
        return true;
      case Statement::Kind::branch:
        return execute(truth_of(net_, evaluate(s.value)) ? s.body : s.otherwise);
      case Statement::Kind::loop:
        for (const Value& item : elements(evaluate(s.value))) {
          assign(s, item);
          if (execute(s.body)) return true;
        }
        break;
    }
    return false;
  }

  void assign(const Statement& s, const Value& value) {
    if (s.names.size() == 1) {
      variables_[s.names[0]] = value;
      return;
    }
    const List items = elements(value);
    if (items.size() != s.names.size()) fail(s, std::to_string(s.names.size()) + " names for " + std::to_string(items.size()) + " values");
    for (size_t i = 0; i < items.size(); ++i) variables_[s.names[i]] = items[i];
  }

  // Of a list, or of a ModuleList or Sequential.
  List elements(const Value& value) {
    if (const auto* module = std::get_if<Module>(&value.is)) {
      List items;
      for (auto& [name, child] : module->children()) items.push_back(child);
      return items;
    }
    return list_of(net_, value);
  }

  Value evaluate(const Expression& e) {
    if (++trace_.steps_ > most_steps) fail(e, "it takes too many steps");
    using Kind = Expression::Kind;
    switch (e.kind) {
      case Kind::number:
        return e.number;
      case Kind::truth:
        return e.number != 0;
      case Kind::text:
        return e.text;
      case Kind::none:
        return {};
      case Kind::name:
        return name(e);
      case Kind::list: {
        List items;
        for (const Expression& o : e.operands) items.push_back(evaluate(o));
        return Value::list(std::move(items));
      }
      case Kind::attribute:
        return attribute(e);
      case Kind::call:
        return call(e);
      case Kind::index:
      case Kind::slice:
        return part(e);
      case Kind::negate: {
        const Value v = evaluate(e.operands[0]);
        if (const auto* t = std::get_if<Tensor>(&v.is)) return net_.unary("Neg", *t);
        return -number_of(net_, v);
      }
      case Kind::invert:
        return !truth_of(net_, evaluate(e.operands[0]));
      case Kind::choice:
        return evaluate(e.operands[truth_of(net_, evaluate(e.operands[0])) ? 1 : 2]);
      case Kind::binary:
        return binary(e);
    }
    return {};
  }

  Value name(const Expression& e) {
    if (const auto found = variables_.find(e.text); found != variables_.end()) return found->second;
    if (e.text == "self") return self_;
    Value value;
    if (attribute_of(net_, self_, e.text, value)) return named(value, e.text);
    if (is_function(e.text)) return Value::Function{e.text};
    fail(e, "'" + e.text + "' is no variable, nothing that this module of class " + self_.class_name() + " holds, and no function",
         "the module holds " + held_by(self_) + "; functions are " + function_names());
  }

  // Remembers what a module is called, for the names of nodes.
  Value named(const Value& value, const std::string& path) {
    if (const auto* module = std::get_if<Module>(&value.is)) {
      names_[module->id()] = path;
      size_t i = 0;
      for (auto& [name, child] : module->children()) names_.emplace(child.id(), path + "." + name), ++i;
    }
    return value;
  }

  Value attribute(const Expression& e) {
    const Value of = evaluate(e.operands[0]);
    if (const auto* tensor = std::get_if<Tensor>(&of.is)) {
      if (e.text != "shape") fail(e, "a tensor has no '" + e.text + "', only a shape");
      List shape;
      for (const int64_t d : tensor->shape) shape.push_back(double(d));
      return Value::list(std::move(shape));
    }
    if (const auto* module = std::get_if<Module>(&of.is)) {
      Value value;
      if (!attribute_of(net_, *module, e.text, value)) fail(e, "a module of class " + module->class_name() + " has no '" + e.text + "'");
      const auto known = names_.find(module->id());
      return named(value, known == names_.end() ? e.text : known->second + "." + e.text);
    }
    fail(e, std::string("'.") + e.text + "' of " + kind_of(of));
  }

  Value call(const Expression& e) {
    const Value callee = evaluate(e.operands[0]);
    List arguments;
    for (size_t i = 1; i < e.operands.size(); ++i) arguments.push_back(evaluate(e.operands[i]));
    if (const auto* module = std::get_if<Module>(&callee.is)) {
      const auto known = names_.find(module->id());
      return trace_.call(*module, known == names_.end() ? module->class_name() : known->second, arguments);
    }
    const auto* function = std::get_if<Value::Function>(&callee.is);
    if (!function) fail(e, std::string(kind_of(callee)) + " cannot be called");
    std::map<std::string, Value> keywords;
    for (size_t i = 0; i < e.keywords.size(); ++i) keywords[e.keywords[i]] = evaluate(e.named[i]);
    return call_function(trace_, self_, function->name, arguments, keywords);
  }

  Value part(const Expression& e) {
    const Value of = evaluate(e.operands[0]);
    if (const auto* tensor = std::get_if<Tensor>(&of.is)) {  // along the first axis that is no batch would surprise: along axis 0, as in Python
      if (e.kind == Expression::Kind::slice) {
        const Value begin = evaluate(e.operands[1]), end = evaluate(e.operands[2]);
        return net_.slice(*tensor, 0, bound(begin, 0), bound(end, INT64_MAX));
      }
      const int64_t i = integer_of(net_, evaluate(e.operands[1]));
      const int64_t at = i < 0 ? i + tensor->shape.at(0) : i;
      const Tensor piece = net_.slice(*tensor, 0, at, at + 1);
      return net_.reshape(piece, {tensor->shape.begin() + 1, tensor->shape.end()});
    }
    const List items = elements(of);
    const auto count = static_cast<int64_t>(items.size());
    if (e.kind == Expression::Kind::index) {
      int64_t i = integer_of(net_, evaluate(e.operands[1]));
      if (i < 0) i += count;
      if (i < 0 || i >= count) fail(e, "element " + std::to_string(i) + " of a list of " + std::to_string(count));
      return items[static_cast<size_t>(i)];
    }
    const auto clamped = [&](int64_t v) { return std::min(std::max<int64_t>(v < 0 ? v + count : v, 0), count); };
    const int64_t begin = clamped(bound(evaluate(e.operands[1]), 0)), end = clamped(bound(evaluate(e.operands[2]), count));
    return Value::list(begin < end ? List(items.begin() + begin, items.begin() + end) : List());
  }
  int64_t bound(const Value& value, int64_t fallback) {
    return std::holds_alternative<std::monostate>(value.is) ? fallback : integer_of(net_, value);
  }

  Value binary(const Expression& e) {
    const std::string& op = e.text;
    if (op == "and" || op == "or") {
      const Value left = evaluate(e.operands[0]);
      return truth_of(net_, left) == (op == "or") ? left : evaluate(e.operands[1]);
    }
    const Value left = evaluate(e.operands[0]), right = evaluate(e.operands[1]);
    if (op == "is") return std::holds_alternative<std::monostate>(left.is) && std::holds_alternative<std::monostate>(right.is);
    if (op == "in") {
      for (const Value& item : list_of(net_, right))
        if (equal(left, item)) return true;
      return false;
    }
    if (op == "==") return equal(left, right);
    if (op == "!=") return !equal(left, right);
    if (op == "+" && std::holds_alternative<std::shared_ptr<const List>>(left.is)) {
      List items = list_of(net_, left);
      for (const Value& item : elements(right)) items.push_back(item);
      return Value::list(std::move(items));
    }
    if (op == "*" && std::holds_alternative<std::shared_ptr<const List>>(left.is)) {
      List items;
      for (int64_t i = integer_of(net_, right); i > 0 && items.size() < 4096; --i)
        for (const Value& item : list_of(net_, left)) items.push_back(item);
      return Value::list(std::move(items));
    }
    const auto *a = std::get_if<Tensor>(&left.is), *b = std::get_if<Tensor>(&right.is);
    if (a || b) {
      const Tensor x = a ? *a : net_.scalar(static_cast<float>(number_of(net_, left)));
      const Tensor y = b ? *b : net_.scalar(static_cast<float>(number_of(net_, right)));
      if (op == "@") return net_.matmul(x, y);
      static const std::map<std::string, const char*> operators = {{"+", "Add"}, {"-", "Sub"}, {"*", "Mul"}, {"/", "Div"}};
      const auto found = operators.find(op);
      if (found == operators.end()) fail(e, "'" + op + "' does not work on tensors");
      return net_.binary(found->second, x, y);
    }
    const double x = number_of(net_, left), y = number_of(net_, right);
    if (op == "+") return x + y;
    if (op == "-") return x - y;
    if (op == "*") return x * y;
    if (op == "<") return x < y;
    if (op == ">") return x > y;
    if (op == "<=") return x <= y;
    if (op == ">=") return x >= y;
    if (y == 0) fail(e, "a division by zero");
    if (op == "/") return x / y;
    if (op == "//") return std::floor(x / y);
    if (op == "%") return x - std::floor(x / y) * y;
    fail(e, "'" + op + "' does not work on numbers");
  }

  bool equal(const Value& a, const Value& b) {
    if (const auto* s = std::get_if<std::string>(&a.is)) {
      const auto* t = std::get_if<std::string>(&b.is);
      return t && *s == *t;
    }
    const auto numeric = [](const Value& v) { return std::holds_alternative<double>(v.is) || std::holds_alternative<bool>(v.is); };
    if (numeric(a) && numeric(b)) return number_of(net_, a) == number_of(net_, b);
    return a.is.index() == 0 && b.is.index() == 0;
  }

  Trace& trace_;
  Net& net_;
  const Module self_;
  const Wiring& wiring_;
  std::map<std::string, Value> variables_;
  std::map<PickleId, std::string> names_;
  Value result_;
};

Value Trace::call(const Module& module, const std::string& name, const List& arguments) {
  const Net::Scope scope(net, name);
  struct Depth {
    int& depth;
    explicit Depth(int& d) : depth(++d) {}
    ~Depth() { --depth; }
  } depth(depth_);
  if (depth_ > most_depth) net.refuse(LATHE_FAILED, "modules are nested more than " + std::to_string(most_depth) + " deep");
  if (++steps_ > most_steps) net.refuse(LATHE_FAILED, "the network takes too many steps");
  const std::string path = module.class_path();
  // A description of the full path first: a fork may redefine what it likes.
  auto wiring = table_.find(path);
  if (wiring == table_.end()) {
    Value result;
    if (call_layer(*this, module, arguments, result)) return result;
    // Then by what the path ends in: the same repository may be installed as a package of another name.
    for (size_t dot = path.find('.'); wiring == table_.end() && dot != std::string::npos; dot = path.find('.', dot + 1))
      wiring = table_.find(path.substr(dot + 1));
  }
  if (wiring == table_.end()) {
    unknown_.emplace(path, net.path());
    net.refuse(LATHE_UNSUPPORTED, "modules of the class " + path + " are not known", how_to_describe(module));
  }
  return Evaluation(*this, module, wiring->second).run(arguments);
}

Tensor Trace::call(const Module& module, const std::string& name, const Tensor& x) {
  const Value result = call(module, name, List{x});
  return tensor_of(net, result);
}

}  // namespace lathe::ultralytics
