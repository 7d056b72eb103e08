// From the boundary's form to a Graph: counts, strides, sizes, ranks and strings are checked here, the graph's invariants by verify().
#include "core/plugin/from_snapshot.hpp"

#include "core/plugin/layout.hpp"

namespace lathe {
namespace {

constexpr size_t highest_rank = 1024;
constexpr uint64_t longest_string = 1u << 30;

[[noreturn]] void fail(std::string text, std::string expected = {}, std::string found = {}) {
  Diagnostic d;
  d.text = std::move(text);
  d.expected = std::move(expected);
  d.found = std::move(found);
  throw Error(Code::failed, d);
}

// Whether every byte sequence is well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(const char* s, size_t size) {
  const auto* p = reinterpret_cast<const unsigned char*>(s);
  for (size_t i = 0; i < size;) {
    const unsigned c = p[i++];
    if (c < 0x80) continue;
    const int more = c >= 0xC2 && c <= 0xDF ? 1 : (c & 0xF0) == 0xE0 ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
    if (more == 0 || size - i < static_cast<size_t>(more)) return false;
    const unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (p[i] < low || p[i] > high) return false;
    for (int k = 1; k < more; ++k)
      if ((p[i + k] & 0xC0) != 0x80) return false;
    i += static_cast<size_t>(more);
  }
  return true;
}

template <class T>
void check_array(const char* what, const T* base, size_t count, size_t stride) {
  if (count == 0) return;
  if (count >= LATHE_NONE) fail(std::string("the graph announces more ") + what + " than there can be", "", std::to_string(count));
  if (!base) fail(std::string("the graph announces ") + what + " but has none", "", std::to_string(count));
  if (stride < released_size<T> || stride % alignof(T) != 0) {
    fail(std::string("the stride of the graph's ") + what + " is wrong", "at least " + std::to_string(released_size<T>), std::to_string(stride));
  }
}
template <class T>
void check_plain(const char* what, const T* base, size_t count) {
  if (count >= LATHE_NONE || (count > 0 && !base)) fail(std::string("the graph's list of ") + what + " is wrong", "", std::to_string(count));
}

// Element `index` of an array that check_array has passed.
template <class T>
T element(const char* what, const T* base, size_t stride, size_t index) {
  const T* p = LATHE_AT(T, base, stride, index);
  if (!large_enough(p)) {
    fail(std::string("struct_size of one of the graph's ") + what + " is too small", "at least " + std::to_string(released_size<T>),
         std::to_string(p->struct_size));
  }
  return copy_struct(p, stride);
}

}  // namespace

SnapshotReader::SnapshotReader(const lathe_graph& graph, std::shared_ptr<const void> owner, int depth)
    : graph_(large_enough(&graph) ? copy_struct(&graph) : lathe_graph{}), owner_(std::move(owner)), depth_(depth) {
  if (graph_.struct_size == 0)
    fail("struct_size of the graph is too small", std::to_string(released_size<lathe_graph>), std::to_string(graph.struct_size));
  if (depth_ > max_graph_depth) fail("graphs are nested too deep", "at most " + std::to_string(max_graph_depth) + " levels");
  check_array("values", graph_.values, graph_.value_count, graph_.value_stride);
  check_array("nodes", graph_.nodes, graph_.node_count, graph_.node_stride);
  check_array("tensors", graph_.tensors, graph_.tensor_count, graph_.tensor_stride);
  check_array("subgraphs", graph_.subgraphs, graph_.subgraph_count, graph_.subgraph_stride);
  check_plain("inputs", graph_.inputs, graph_.input_count);
  check_plain("outputs", graph_.outputs, graph_.output_count);
  check_plain("captures", graph_.captures, graph_.capture_count);
  check_plain("opsets", graph_.opsets, graph_.opset_count);
  check_plain("properties", graph_.properties, graph_.property_count);
}

std::string SnapshotReader::text(const lathe_string& s, const char* what, bool utf8) {
  if (s.size == 0) return {};
  if (!s.data || s.size > longest_string) fail(std::string(what) + " is no string", "", std::to_string(s.size) + " bytes");
  if (utf8 && !is_utf8(s.data, s.size)) fail(std::string(what) + " is not UTF-8");
  return std::string(s.data, s.size);
}

Value SnapshotReader::value(const lathe_value& from) const {
  Value v;
  v.name = text(from.name, "a value's name");
  if (from.kind < LATHE_KIND_TENSOR || from.kind > LATHE_KIND_OPTIONAL_SEQUENCE) {
    fail("value '" + v.name + "' is of an unknown kind", "", std::to_string(from.kind));
  }
  if (from.type < 0 || from.type > LATHE_INT2) fail("value '" + v.name + "' has an unknown element type", "", std::to_string(from.type));
  if (from.rank < -1 || from.rank > static_cast<int32_t>(highest_rank) || (from.rank > 0 && !from.dimensions)) {
    fail("value '" + v.name + "' has an impossible rank", "", std::to_string(from.rank));
  }
  v.type.kind = static_cast<ValueKind>(from.kind);
  v.type.element = static_cast<DataType>(from.type);
  if (from.rank >= 0) {
    Shape& shape = v.type.shape.emplace();
    for (int32_t i = 0; i < from.rank; ++i) {
      const lathe_dimension& d = from.dimensions[i];
      if (d.value < -1) fail("value '" + v.name + "' has a negative dimension", "", std::to_string(d.value));
      shape.push_back(d.value >= 0 ? Dimension(d.value) : Dimension(text(d.symbol, "a dimension's symbol")));
    }
  }
  return v;
}

Tensor SnapshotReader::tensor(const lathe_tensor& from, const std::string& what) const {
  Tensor t;
  if (from.type <= 0 || from.type > LATHE_INT2) fail(what + " has an unknown element type", "", std::to_string(from.type));
  if (from.rank > highest_rank || (from.rank > 0 && !from.dimensions)) fail(what + " has an impossible rank", "", std::to_string(from.rank));
  t.type = static_cast<DataType>(from.type);
  t.dimensions.assign(from.dimensions, from.dimensions + from.rank);
  for (const int64_t d : t.dimensions)
    if (d < 0) fail(what + " has a negative dimension", "", std::to_string(d));
  const auto elements = element_count(t.dimensions);
  const auto bytes = byte_size(t.type, t.dimensions);
  if (!elements || !bytes) fail(what + " has a shape whose size overflows");
  if (t.type == DataType::string) {
    // Each element's header must lie in memory, which bounds the count long before it overflows.
    if (*elements > 0 && !from.strings) fail(what + " has no strings");
    auto strings = std::make_shared<std::vector<std::string>>();
    for (int64_t i = 0; i < *elements; ++i) strings->push_back(text(from.strings[i], "a string element", false));
    t.strings = std::move(strings);
    return t;
  }
  if (from.size != *bytes) fail(what + " has the wrong number of bytes", std::to_string(*bytes), std::to_string(from.size));
  if (from.size > 0 && !from.data) fail(what + " has no bytes");
  t.bytes.owner = owner_;
  t.bytes.data = static_cast<const std::byte*>(from.data);
  t.bytes.size = from.size;
  t.bytes.file = text(from.file, "a tensor's file", false);
  t.bytes.offset = from.offset;
  return t;
}

Tensor SnapshotReader::tensor(uint32_t index, const std::string& what) const {
  if (index >= graph_.tensor_count)
    fail(what + " refers to a tensor that is not there", "less than " + std::to_string(graph_.tensor_count), std::to_string(index));
  return tensor(element("tensors", graph_.tensors, graph_.tensor_stride, index), what);
}

std::pair<std::string, Attribute> SnapshotReader::attribute(const lathe_attribute& from, const Node& node) const {
  const std::string name = text(from.name, "an attribute's name");
  const std::string what = "attribute '" + name + "' of node '" + node.name + "'";
  auto need = [&](const void* array) {
    if (from.count >= LATHE_NONE || (from.count > 0 && !array)) fail(what + " has no elements", "", std::to_string(from.count));
  };
  auto body = [&](uint32_t index) {
    if (index >= graph_.subgraph_count) fail(what + " refers to a subgraph that is not there", "", std::to_string(index));
    const lathe_graph* inner = LATHE_AT(lathe_graph, graph_.subgraphs, graph_.subgraph_stride, index);
    return std::make_shared<Graph>(SnapshotReader(*inner, owner_, depth_ + 1).graph());
  };
  const bool single = from.kind >= LATHE_ATTRIBUTE_INT && from.kind <= LATHE_ATTRIBUTE_GRAPH;
  if (single && from.count != 1) fail(what + " is a single value", "1", std::to_string(from.count));
  Attribute a;
  switch (from.kind) {
    case LATHE_ATTRIBUTE_INT:
      need(from.ints);
      a.value = from.ints[0];
      break;
    case LATHE_ATTRIBUTE_FLOAT:
      need(from.floats);
      a.value = from.floats[0];
      break;
    case LATHE_ATTRIBUTE_STRING:
      need(from.strings);
      a.value = text(from.strings[0], what.c_str(), false);
      break;
    case LATHE_ATTRIBUTE_TENSOR:
      need(from.tensors);
      a.value = tensor(from.tensors[0], what);
      break;
    case LATHE_ATTRIBUTE_GRAPH:
      need(from.graphs);
      a.value = body(from.graphs[0]);
      break;
    case LATHE_ATTRIBUTE_INTS:
      need(from.ints);
      a.value = Attribute::Ints(from.ints, from.ints + from.count);
      break;
    case LATHE_ATTRIBUTE_FLOATS:
      need(from.floats);
      a.value = Attribute::Floats(from.floats, from.floats + from.count);
      break;
    case LATHE_ATTRIBUTE_STRINGS: {
      need(from.strings);
      Attribute::Strings list;
      for (size_t i = 0; i < from.count; ++i) list.push_back(text(from.strings[i], what.c_str(), false));
      a.value = std::move(list);
      break;
    }
    case LATHE_ATTRIBUTE_TENSORS: {
      need(from.tensors);
      Attribute::Tensors list;
      for (size_t i = 0; i < from.count; ++i) list.push_back(tensor(from.tensors[i], what));
      a.value = std::move(list);
      break;
    }
    case LATHE_ATTRIBUTE_GRAPHS: {
      need(from.graphs);
      Attribute::Subgraphs list;
      for (size_t i = 0; i < from.count; ++i) list.push_back(body(from.graphs[i]));
      a.value = std::move(list);
      break;
    }
    default:
      fail(what + " is of an unknown kind", "", std::to_string(from.kind));
  }
  return {name, std::move(a)};
}

Node SnapshotReader::node(const lathe_node& from) const {
  Node n;
  n.name = text(from.name, "a node's name");
  n.domain = text(from.domain, "a node's domain");
  n.op_type = text(from.op_type, "a node's operator");
  if (n.op_type.empty()) fail("node '" + n.name + "' has no operator");
  check_plain("a node's inputs", from.inputs, from.input_count);
  check_plain("a node's outputs", from.outputs, from.output_count);
  check_array("attributes", from.attributes, from.attribute_count, from.attribute_stride);
  n.inputs.assign(from.inputs, from.inputs + from.input_count);
  n.outputs.assign(from.outputs, from.outputs + from.output_count);
  for (size_t i = 0; i < from.attribute_count; ++i) {
    auto [name, a] = attribute(element("attributes", from.attributes, from.attribute_stride, i), n);
    if (!n.attributes.emplace(name, std::move(a)).second) fail("node '" + n.name + "' has attribute '" + name + "' twice");
  }
  return n;
}

Graph SnapshotReader::graph() const {
  Graph g;
  g.name = text(graph_.name, "the graph's name");
  for (size_t i = 0; i < graph_.value_count; ++i) {
    const lathe_value from = element("values", graph_.values, graph_.value_stride, i);
    Value v = value(from);
    if (from.tensor != LATHE_NONE) {
      v.constant = tensor(from.tensor, "constant '" + v.name + "'");
      if (v.type.element == DataType::none) v.type.element = v.constant->type;
      if (!v.type.shape) v.type.shape = Shape(v.constant->dimensions.begin(), v.constant->dimensions.end());
    }
    g.values.push_back(std::move(v));
  }
  for (size_t i = 0; i < graph_.node_count; ++i) g.nodes.push_back(node(element("nodes", graph_.nodes, graph_.node_stride, i)));
  g.inputs.assign(graph_.inputs, graph_.inputs + graph_.input_count);
  g.outputs.assign(graph_.outputs, graph_.outputs + graph_.output_count);
  for (size_t i = 0; i < graph_.capture_count; ++i) g.captures.push_back({graph_.captures[i].inner, graph_.captures[i].outer});
  for (size_t i = 0; i < graph_.opset_count; ++i) g.opsets[text(graph_.opsets[i].domain, "an opset's domain")] = graph_.opsets[i].version;
  for (size_t i = 0; i < graph_.property_count; ++i) {
    g.properties[text(graph_.properties[i].key, "a property's key")] = text(graph_.properties[i].value, "a property's value");
  }
  return g;
}

Graph from_snapshot(const lathe_graph& graph, std::shared_ptr<const void> owner) {
  Graph result = SnapshotReader(graph, std::move(owner)).graph();
  try {
    verify(result);
  } catch (const Error& e) {
    throw Error(Code::failed, e.diagnostics);
  }
  return result;
}

}  // namespace lathe
