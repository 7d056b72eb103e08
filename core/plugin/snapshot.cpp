// A graph in the boundary's form. Names, indices, dimensions and tensor bytes are pointed at, not copied; only the arrays of structs and
// what the boundary spells differently (dimensions of values, lists of strings) are made here.
#include <deque>

#include "core/plugin/plugins.hpp"

namespace lathe {
namespace {

lathe_string borrow(const std::string& s) { return {s.data(), s.size()}; }

}  // namespace

struct Snapshot::Data {
  // `available_in` of a subgraph is its enclosing graph; captures carry its indices.
  explicit Data(const Graph& graph) {
    size_t dimension_count = 0;
    for (const Value& v : graph.values) dimension_count += v.type.shape ? v.type.shape->size() : 0;
    dimensions.reserve(dimension_count);  // no reallocation: values point into it

    for (const Value& v : graph.values) values.push_back(value(v));
    for (const Node& n : graph.nodes) add_node(n);
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const ValueId v : graph.nodes[n].outputs)
        if (v != none) values[v].producer = static_cast<uint32_t>(n);
    }
    for (const auto& body : bodies) subgraphs.push_back(body->c);
    for (size_t n = 0; n < nodes.size(); ++n) {
      nodes[n].attributes = attributes[n].data();
      nodes[n].attribute_count = attributes[n].size();
    }
    for (const Capture& k : graph.captures) captures.push_back({k.inner, k.outer});
    for (const auto& [domain, version] : graph.opsets) opsets.push_back({borrow(domain), version});
    for (const auto& [key, text] : graph.properties) properties.push_back({borrow(key), borrow(text)});

    c.struct_size = sizeof c;
    c.name = borrow(graph.name);
    c.values = values.data(), c.value_count = values.size(), c.value_stride = sizeof(lathe_value);
    c.nodes = nodes.data(), c.node_count = nodes.size(), c.node_stride = sizeof(lathe_node);
    c.tensors = tensors.data(), c.tensor_count = tensors.size(), c.tensor_stride = sizeof(lathe_tensor);
    c.subgraphs = subgraphs.data(), c.subgraph_count = subgraphs.size(), c.subgraph_stride = sizeof(lathe_graph);
    c.inputs = graph.inputs.data(), c.input_count = graph.inputs.size();
    c.outputs = graph.outputs.data(), c.output_count = graph.outputs.size();
    c.captures = captures.data(), c.capture_count = captures.size();
    c.opsets = opsets.data(), c.opset_count = opsets.size();
    c.properties = properties.data(), c.property_count = properties.size();
  }

  lathe_value value(const Value& from) {
    lathe_value v = {};
    v.struct_size = sizeof v;
    v.kind = static_cast<int32_t>(from.type.kind);
    v.name = borrow(from.name);
    v.type = static_cast<int32_t>(from.type.element);
    v.rank = -1;
    if (from.type.shape) {
      v.rank = static_cast<int32_t>(from.type.shape->size());
      v.dimensions = dimensions.data() + dimensions.size();
      for (const Dimension& d : *from.type.shape) dimensions.push_back({d.value, borrow(d.symbol)});
    }
    v.tensor = from.constant ? tensor(*from.constant) : LATHE_NONE;
    v.producer = LATHE_NONE;
    return v;
  }

  uint32_t tensor(const Tensor& from) {
    lathe_tensor t = {};
    t.struct_size = sizeof t;
    t.type = static_cast<int32_t>(from.type);
    t.dimensions = from.dimensions.data();
    t.rank = from.dimensions.size();
    t.data = from.bytes.data;
    t.size = from.bytes.size;
    if (from.strings) t.strings = string_list(*from.strings);
    t.file = borrow(from.bytes.file);
    t.offset = from.bytes.offset;
    tensors.push_back(t);
    return static_cast<uint32_t>(tensors.size() - 1);
  }

  const lathe_string* string_list(const std::vector<std::string>& from) {
    std::vector<lathe_string>& list = strings.emplace_back();
    for (const std::string& s : from) list.push_back(borrow(s));
    return list.data();
  }

  uint32_t subgraph(const Attribute::Subgraph& from) {
    bodies.push_back(std::make_unique<Data>(*from));
    return static_cast<uint32_t>(bodies.size() - 1);
  }

  void add_node(const Node& from) {
    lathe_node n = {};
    n.struct_size = sizeof n;
    n.name = borrow(from.name);
    n.domain = borrow(from.domain);
    n.op_type = borrow(from.op_type);
    n.inputs = from.inputs.data();
    n.input_count = from.inputs.size();
    n.outputs = from.outputs.data();
    n.output_count = from.outputs.size();
    n.attribute_stride = sizeof(lathe_attribute);
    nodes.push_back(n);
    std::vector<lathe_attribute>& list = attributes.emplace_back();
    for (const auto& [name, attribute] : from.attributes) {
      lathe_attribute a = {};
      a.struct_size = sizeof a;
      a.name = borrow(name);
      a.count = 1;
      std::visit([&](const auto& v) { fill(a, v); }, attribute.value);
      list.push_back(a);
    }
  }

  void fill(lathe_attribute& a, const int64_t& v) { a.kind = LATHE_ATTRIBUTE_INT, a.ints = &v; }
  void fill(lathe_attribute& a, const float& v) { a.kind = LATHE_ATTRIBUTE_FLOAT, a.floats = &v; }
  void fill(lathe_attribute& a, const std::string& v) {
    a.kind = LATHE_ATTRIBUTE_STRING;
    a.strings = &strings.emplace_back(1, borrow(v)).front();
  }
  void fill(lathe_attribute& a, const Tensor& v) {
    a.kind = LATHE_ATTRIBUTE_TENSOR;
    a.tensors = &indices.emplace_back(1, tensor(v)).front();
  }
  void fill(lathe_attribute& a, const Attribute::Subgraph& v) {
    a.kind = LATHE_ATTRIBUTE_GRAPH;
    a.graphs = &indices.emplace_back(1, subgraph(v)).front();
  }
  void fill(lathe_attribute& a, const Attribute::Ints& v) { a.kind = LATHE_ATTRIBUTE_INTS, a.ints = v.data(), a.count = v.size(); }
  void fill(lathe_attribute& a, const Attribute::Floats& v) { a.kind = LATHE_ATTRIBUTE_FLOATS, a.floats = v.data(), a.count = v.size(); }
  void fill(lathe_attribute& a, const Attribute::Strings& v) { a.kind = LATHE_ATTRIBUTE_STRINGS, a.strings = string_list(v), a.count = v.size(); }
  void fill(lathe_attribute& a, const Attribute::Tensors& v) {
    std::vector<uint32_t>& list = indices.emplace_back();
    for (const Tensor& t : v) list.push_back(tensor(t));
    a.kind = LATHE_ATTRIBUTE_TENSORS, a.tensors = list.data(), a.count = v.size();
  }
  void fill(lathe_attribute& a, const Attribute::Subgraphs& v) {
    std::vector<uint32_t>& list = indices.emplace_back();
    for (const Attribute::Subgraph& g : v) list.push_back(subgraph(g));
    a.kind = LATHE_ATTRIBUTE_GRAPHS, a.graphs = list.data(), a.count = v.size();
  }

  std::vector<lathe_dimension> dimensions;
  std::vector<lathe_value> values;
  std::vector<lathe_node> nodes;
  std::vector<lathe_tensor> tensors;
  std::vector<std::vector<lathe_attribute>> attributes;  // per node
  std::deque<std::vector<lathe_string>> strings;         // deques: what is in them does not move
  std::deque<std::vector<uint32_t>> indices;
  std::vector<std::unique_ptr<Data>> bodies;
  std::vector<lathe_graph> subgraphs;
  std::vector<lathe_capture> captures;
  std::vector<lathe_opset> opsets;
  std::vector<lathe_property> properties;
  lathe_graph c = {};
};

Snapshot::Snapshot(const Graph& graph) : data_(std::make_unique<Data>(graph)) {}
Snapshot::~Snapshot() = default;
Snapshot::Snapshot(Snapshot&&) noexcept = default;
const lathe_graph& Snapshot::get() const { return data_->c; }

}  // namespace lathe
