// IF and WHILE: their subgraphs become the bodies of If and Loop. A subgraph reads only what it is given, which a body captures.
#include "raising.hpp"

namespace lathe::tflite {
namespace {

std::string_view name_of(const Operator& op) { return find_operator(op.code)->name; }

// A condition has no axes in the graph, and may have some of extent 1 in the file.
uint32_t condition_of(Raising& r, uint32_t value) { return r.node("Reshape", {value, r.constant(std::vector<int64_t>{})}); }

void raise_if(Raising& r, const Operator& op) {
  std::vector<uint32_t> given;
  for (size_t i = 1; i < op.inputs.size(); ++i) given.push_back(r.stored(op.input(i)));
  const auto branch = [&](int subgraph) {
    return r.body(subgraph, [&] {
      std::vector<uint32_t> inner;
      for (const uint32_t outer : given) inner.push_back(r.captured(outer));
      const auto made = r.inlined(subgraph, inner);
      if (made.size() != op.outputs.size()) r.refuse("its subgraphs have other outputs than it has");
      return made;
    });
  };
  const uint32_t yes = branch(op.integer("then_subgraph")), no = branch(op.integer("else_subgraph"));
  const auto made = r.nodes("If", {condition_of(r, r.plain(op.input(0)))}, op.outputs.size(),
                            [&](sdk::NodeData& n) { n.set_graph("then_branch", yes).set_graph("else_branch", no); });
  for (size_t i = 0; i < made.size(); ++i) r.define_stored(op.outputs[i], made[i]);
}

// The condition looks at the state before every round: before the first here, before the others at the end of the one before.
void raise_while(Raising& r, const Operator& op) {
  const int test = op.integer("cond_subgraph"), round = op.integer("body_subgraph");
  if (op.outputs.size() != op.inputs.size()) r.refuse("its inputs and outputs differ in number");
  std::vector<uint32_t> state;
  for (const int32_t i : op.inputs) state.push_back(r.stored(i));
  const auto goes_on = [&](const std::vector<uint32_t>& values) {
    const auto made = r.inlined(test, values);
    if (made.size() != 1) r.refuse("its condition is not one output");
    return condition_of(r, made[0]);
  };
  const uint32_t first = goes_on(state);
  const uint32_t body = r.body(round, [&] {
    r.body_input("round", LATHE_INT64, sdk::Shape{});
    r.body_input("goes_on", LATHE_BOOL, sdk::Shape{});
    std::vector<uint32_t> inner;
    for (const int32_t i : op.inputs) inner.push_back(r.body_input("state", onnx_type(r.tensor(i).type), std::nullopt));
    auto made = r.inlined(round, inner);
    if (made.size() != inner.size()) r.refuse("its body has another number of outputs than of inputs");
    made.insert(made.begin(), goes_on(made));
    return made;
  });
  std::vector<uint32_t> inputs{LATHE_NONE, first};
  inputs.insert(inputs.end(), state.begin(), state.end());
  const auto made = r.nodes("Loop", inputs, op.outputs.size(), [&](sdk::NodeData& n) { n.set_graph("body", body); });
  for (size_t i = 0; i < made.size(); ++i) r.define_stored(op.outputs[i], made[i]);
}

void refuse_state(Raising& r, const Operator& op) {
  r.refuse("it keeps a " + std::string(name_of(op).starts_with("HASHTABLE") ? "table" : "variable") + " between runs, which a graph has not");
}

const RaiseRule rules[] = {{"ASSIGN_VARIABLE", refuse_state},
                           {"CALL_ONCE", refuse_state},
                           {"HASHTABLE", refuse_state},
                           {"HASHTABLE_FIND", refuse_state},
                           {"HASHTABLE_IMPORT", refuse_state},
                           {"HASHTABLE_SIZE", refuse_state},
                           {"IF", raise_if},
                           {"READ_VARIABLE", refuse_state},
                           {"VAR_HANDLE", refuse_state},
                           {"WHILE", raise_while}};

}  // namespace

std::span<const RaiseRule> raise_control_flow() { return rules; }

// ---- subgraphs ----------------------------------------------------------------------------------------------------------------------

// What is known of the tensors of the subgraph that is walked; put back when another's walk ends, however it ends.
class Raising::Scope {
 public:
  Scope(Raising& r, size_t subgraph) : r_(r), graph_(r.graph_), origin_(r.origin_) {
    r.graph_ = &r.model_.subgraphs[subgraph];
    std::swap(r.stored_, stored_);
    std::swap(r.numbers_, numbers_);
    ++r.depth_;
  }
  ~Scope() {
    r_.graph_ = graph_;
    r_.origin_ = origin_;
    std::swap(r_.stored_, stored_);
    std::swap(r_.numbers_, numbers_);
    --r_.depth_;
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Raising& r_;
  const Subgraph* graph_;
  std::string origin_;
  std::map<int32_t, std::vector<Held>> stored_, numbers_;
};

// A builder in place of the graph's.
class Raising::Inside {
 public:
  explicit Inside(Raising& r, std::string name) : r_(r), builder_(std::move(name)) { swap(); }
  ~Inside() {
    if (!taken_) swap();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  sdk::GraphBuilder take() {
    swap();
    taken_ = true;
    return std::move(builder_);
  }

 private:
  void swap() {
    std::swap(r_.builder_, builder_);
    std::swap(r_.scales_, scales_);
  }
  Raising& r_;
  sdk::GraphBuilder builder_;
  std::map<std::pair<float, int64_t>, std::pair<uint32_t, std::map<int32_t, uint32_t>>> scales_;
  bool taken_ = false;
};

size_t Raising::subgraph_at(int index) const {
  if (index < 1 || static_cast<size_t>(index) >= model_.subgraphs.size()) refuse("it names a subgraph that does not exist");
  return static_cast<size_t>(index);
}

std::vector<uint32_t> Raising::inlined(int subgraph, const std::vector<uint32_t>& inputs) {
  constexpr size_t deepest = 8, most_operators = 1'000'000;
  const size_t at = subgraph_at(subgraph);
  if (depth_ >= deepest) refuse("its subgraphs hold each other deeper than " + std::to_string(deepest) + " times, or in a circle");
  const Scope scope(*this, at);
  if (graph().inputs.size() != inputs.size()) refuse("its subgraph '" + graph().name + "' has other inputs than it is given");
  for (size_t i = 0; i < inputs.size(); ++i) stored_[graph().inputs[i]].push_back({inputs[i], identity(rank(graph().inputs[i]))});
  walked_ += graph().operators.size();
  if (walked_ > most_operators) refuse("its subgraphs come to more than " + std::to_string(most_operators) + " operators");
  for (size_t i = 0; i < graph().operators.size(); ++i) {
    const Operator& op = graph().operators[i];
    name_origin(op, i);
    try {
      raise(op);
    } catch (const sdk::Failure& failure) {
      if (failure.code != LATHE_UNSUPPORTED) throw;
      const OperatorInfo* info = find_operator(op.code);
      refuse("in its subgraph '" + graph().name + "': '" + origin_ + "' (" +
             (info ? std::string(info->name) : "operator " + std::to_string(op.code)) + "): " + failure.what());
    }
  }
  std::vector<uint32_t> outputs;
  for (const int32_t index : graph().outputs) outputs.push_back(stored(index, identity(rank(index))));
  return outputs;
}

uint32_t Raising::body(int subgraph, const std::function<std::vector<uint32_t>()>& make) {
  Inside inside(*this, model_.subgraphs[subgraph_at(subgraph)].name);
  for (const uint32_t value : make()) {
    const uint32_t out = builder_.add_value(unique(origin_ + "/result"));
    builder_.add_node("Identity", {value}, {out}, unique(origin_ + "/give"));
    builder_.add_output(out);
  }
  return builder_.add_subgraph(inside.take());
}

uint32_t Raising::captured(uint32_t outer) { return builder_.add_capture(unique(origin_ + "/given"), outer); }

uint32_t Raising::body_input(const std::string& name, int32_t type, std::optional<sdk::Shape> shape) {
  return builder_.add_input(unique(origin_ + "/" + name), type, std::move(shape));
}

void Raising::define_stored(int32_t index, uint32_t value) {
  if (index >= 0) stored_[index].push_back({value, identity(rank(index))});
}

}  // namespace lathe::tflite
