// The graph's invariants, checked. What is found here is a defect of the pass or plugin that made the graph, never of the model.
#include <unordered_set>
#include <utility>

#include "core/base/diagnostic.hpp"
#include "core/ir/graph.hpp"

namespace lathe {
namespace {

class Verifier {
 public:
  Verifier(const Graph& graph, std::string where) : graph_(graph), where_(std::move(where)), origin_(graph.values.size(), Origin::nowhere) {}

  // `available` says whether an outer value is known where the node with this subgraph stands; nullptr for the outermost graph.
  void run(const std::vector<bool>* available, int depth) {
    if (depth > max_graph_depth) fail("graphs are nested deeper than " + std::to_string(max_graph_depth) + " levels");
    check_names();
    check_captures(available);
    for (const ValueId v : graph_.inputs) set_origin(v, Origin::input, "the graph's inputs");
    for (ValueId v = 0; v < graph_.values.size(); ++v) {
      if (!graph_.values[v].constant) continue;
      set_origin(v, Origin::constant, "the constants");
      check_constant(graph_.values[v]);
    }
    check_producers();
    check_order(depth);
    for (const ValueId v : graph_.outputs) {
      check_id(v, "the graph's outputs");
      if (origin_[v] == Origin::nowhere) fail("output '" + graph_.values[v].name + "' is made by nothing");
    }
  }

 private:
  enum class Origin : uint8_t { nowhere, input, constant, node, capture };

  [[noreturn]] void fail(std::string text, const Node* node = nullptr) const {
    Diagnostic d;
    d.text = "the graph is inconsistent: " + std::move(text);
    d.location = where_;
    if (node) {
      d.node = node->name;
      d.op_type = node->op_type;
    }
    throw Error(Code::internal, std::move(d));
  }

  std::string label(ValueId v) const { return "'" + graph_.values[v].name + "' (value " + std::to_string(v) + ")"; }

  void check_id(ValueId v, const std::string& place, const Node* node = nullptr) const {
    if (v >= graph_.values.size()) {
      fail(place + " refer to value " + std::to_string(v) + ", but there are only " + std::to_string(graph_.values.size()) + " values", node);
    }
  }

  void check_names() const {
    std::unordered_set<std::string_view> seen;
    for (ValueId v = 0; v < graph_.values.size(); ++v) {
      if (graph_.values[v].name.empty()) fail("value " + std::to_string(v) + " has no name");
      if (!seen.insert(graph_.values[v].name).second) fail("two values have the name '" + graph_.values[v].name + "'");
    }
    seen.clear();
    for (NodeId n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.op_type.empty()) fail("node " + std::to_string(n) + " is marked as removed but still there", &node);
      if (node.name.empty()) fail("node " + std::to_string(n) + " has no name", &node);
      if (!seen.insert(node.name).second) fail("two nodes have the name '" + node.name + "'", &node);
    }
  }

  static std::string_view words(Origin origin) {
    switch (origin) {
      case Origin::input:
        return "a graph input";
      case Origin::constant:
        return "a constant";
      case Origin::node:
        return "a node's output";
      case Origin::capture:
        return "a capture";
      case Origin::nowhere:
        break;
    }
    return "made by nothing";
  }

  void set_origin(ValueId v, Origin origin, const std::string& place, const Node* node = nullptr) {
    check_id(v, place, node);
    if (origin_[v] != Origin::nowhere) {
      if (origin_[v] == origin) fail("value " + label(v) + " is " + std::string(words(origin)) + " twice", node);
      fail("value " + label(v) + " is both " + std::string(words(origin_[v])) + " and " + std::string(words(origin)), node);
    }
    origin_[v] = origin;
  }

  void check_captures(const std::vector<bool>* available) {
    if (!available && !graph_.captures.empty()) fail("the outermost graph has captures");
    for (const Capture& c : graph_.captures) {
      set_origin(c.inner, Origin::capture, "the captures");
      if (c.outer >= available->size()) {
        fail("capture " + label(c.inner) + " refers to outer value " + std::to_string(c.outer) + ", but there are only " +
             std::to_string(available->size()));
      }
      if (!(*available)[c.outer]) fail("capture " + label(c.inner) + " refers to an outer value that is not known before the node");
    }
  }

  void check_constant(const Value& value) const {
    const Tensor& t = *value.constant;
    const auto expected = byte_size(t.type, t.dimensions);
    if (t.type == DataType::none || !expected) fail("constant '" + value.name + "' has no type or an impossible shape");
    if (t.type == DataType::string) {
      if (!t.strings || std::cmp_not_equal(t.strings->size(), t.size())) fail("constant '" + value.name + "' lacks strings");
    } else if (t.bytes.size != *expected) {
      fail("constant '" + value.name + "' has " + std::to_string(t.bytes.size) + " bytes, its type and shape want " + std::to_string(*expected));
    }
    if (value.type.element != DataType::none && value.type.element != t.type) {
      fail("constant '" + value.name + "' is declared " + to_string(value.type) + " but holds " + std::string(name(t.type)));
    }
    if (value.type.static_shape() && value.type.dimensions() != t.dimensions) {
      fail("constant '" + value.name + "' is declared " + to_string(value.type) + " but holds another shape");
    }
  }

  void check_producers() {
    for (const Node& node : graph_.nodes) {
      for (const ValueId v : node.outputs) {
        if (v != none) set_origin(v, Origin::node, "the outputs", &node);
      }
    }
  }

  void check_order(int depth) {
    std::vector<bool> known(graph_.values.size());
    for (ValueId v = 0; v < known.size(); ++v) known[v] = origin_[v] != Origin::nowhere && origin_[v] != Origin::node;
    for (const Node& node : graph_.nodes) {
      for (const ValueId v : node.inputs) {
        if (v == none) continue;
        check_id(v, "the inputs", &node);
        if (origin_[v] == Origin::nowhere) fail("input " + label(v) + " is made by nothing", &node);
        if (!known[v]) fail("input " + label(v) + " is made by a later node or by this one: the nodes are not in topological order", &node);
      }
      for (const auto& [name, attribute] : node.attributes) check_attribute(node, name, attribute, known, depth);
      for (const ValueId v : node.outputs) {
        if (v != none) known[v] = true;
      }
    }
  }

  void check_attribute(const Node& node, const std::string& name, const Attribute& attribute, const std::vector<bool>& known, int depth) {
    std::vector<const Graph*> inner;
    if (const auto* one = std::get_if<Attribute::Subgraph>(&attribute.value)) inner.push_back(one->get());
    if (const auto* many = std::get_if<Attribute::Subgraphs>(&attribute.value)) {
      for (const auto& graph : *many) inner.push_back(graph.get());
    }
    for (const Graph* graph : inner) {
      if (!graph) fail("attribute '" + name + "' holds no graph", &node);
      // A graph that is reached twice would be changed twice.
      if (!owned_.insert(graph).second) fail("attribute '" + name + "' shares its graph with another attribute", &node);
      std::string place = where_.empty() ? std::string() : where_ + ", ";
      Verifier(*graph, std::move(place) + "graph '" + name + "' of node '" + node.name + "'").run(&known, depth + 1);
    }
  }

  const Graph& graph_;
  std::string where_;
  std::vector<Origin> origin_;
  std::unordered_set<const Graph*> owned_;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph, {}).run(nullptr, 0); }

}  // namespace lathe
