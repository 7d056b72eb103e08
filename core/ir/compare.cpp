// One walk over both graphs side by side that pairs their values as it meets them.
#include "core/ir/compare.hpp"

#include <cstring>
#include <functional>
#include <string_view>

namespace lathe {
namespace {

size_t mix(size_t seed, size_t value) { return seed ^ (value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2)); }
size_t hash_bytes(const void* data, size_t size) { return std::hash<std::string_view>()({static_cast<const char*>(data), size}); }

size_t hash_graph(const Graph& graph) {
  size_t seed = graph.nodes.size();
  for (const Node& node : graph.nodes) {
    seed = mix(seed, std::hash<std::string>()(node.op_type));
    for (const auto& [name, attribute] : node.attributes) seed = mix(seed, hash(attribute));
  }
  return seed;
}

bool same_floats(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// Which value of `b` stands for each value of `a`. Values are paired when they are first met; constants only with their equals.
struct Pairs {
  Pairs(const Graph& a_in, const Graph& b_in) : a(a_in), b(b_in), to_b(a.values.size(), none), to_a(b.values.size(), none) {}
  const Graph &a, &b;
  std::vector<ValueId> to_b, to_a;

  bool pair(ValueId left, ValueId right) {
    if (left == none || right == none) return left == right;
    if (to_b[left] == none && to_a[right] == none) {
      if (a.values[left].constant != b.values[right].constant) return false;
      to_b[left] = right;
      to_a[right] = left;
    }
    return to_b[left] == right && to_a[right] == left;
  }
};

class Comparison {
 public:
  explicit Comparison(bool names) : names_(names) {}
  std::string what;  // the first difference

  // `outer`: how the enclosing graph's values are paired; nullptr: as they are numbered.
  bool graphs(const Graph& a, const Graph& b, Pairs* outer) {
    if (names_ && (a.name != b.name || a.opsets != b.opsets || a.properties != b.properties))
      return differ("name, opsets or properties of " + a.name);
    if (a.inputs.size() != b.inputs.size() || a.outputs.size() != b.outputs.size()) return differ("number of inputs or outputs of " + a.name);
    if (a.nodes.size() != b.nodes.size()) {
      return differ("number of nodes of '" + a.name + "': " + std::to_string(a.nodes.size()) + " and " + std::to_string(b.nodes.size()));
    }
    if (a.captures.size() != b.captures.size()) return differ("number of captures of " + a.name);
    Pairs pairs(a, b);
    if (names_ && !constants(a, b, pairs)) return false;
    if (!captures(a, b, outer, pairs)) return differ("captures of " + a.name);
    for (size_t i = 0; i < a.inputs.size(); ++i) {
      if (!values(a, b, a.inputs[i], b.inputs[i], pairs)) return false;
    }
    for (size_t n = 0; n < a.nodes.size(); ++n) {
      if (!nodes(a, b, a.nodes[n], b.nodes[n], pairs)) return false;
    }
    for (size_t i = 0; i < a.outputs.size(); ++i) {
      if (!values(a, b, a.outputs[i], b.outputs[i], pairs)) return false;
    }
    return true;
  }

  bool attributes(const Attribute& a, const Attribute& b, Pairs* outer) {
    if (a.value.index() != b.value.index()) return false;
    return std::visit(
        [&]<class T>(const T& left) {
          const T& right = std::get<T>(b.value);
          if constexpr (std::is_same_v<T, float>) {
            return std::memcmp(&left, &right, sizeof(float)) == 0;
          } else if constexpr (std::is_same_v<T, Attribute::Floats>) {
            return same_floats(left, right);
          } else if constexpr (std::is_same_v<T, Attribute::Subgraph>) {
            return graphs(*left, *right, outer);
          } else if constexpr (std::is_same_v<T, Attribute::Subgraphs>) {
            if (left.size() != right.size()) return false;
            for (size_t i = 0; i < left.size(); ++i) {
              if (!graphs(*left[i], *right[i], outer)) return false;
            }
            return true;
          } else {
            return left == right;
          }
        },
        a.value);
  }

 private:
  bool differ(std::string text) {
    if (what.empty()) what = std::move(text);
    return false;
  }

  bool constants(const Graph& a, const Graph& b, Pairs& pairs) {
    std::map<std::string_view, ValueId> in_b;
    for (ValueId v = 0; v < b.values.size(); ++v) {
      if (b.values[v].constant) in_b[b.values[v].name] = v;
    }
    for (ValueId v = 0; v < a.values.size(); ++v) {
      if (!a.values[v].constant) continue;
      const auto found = in_b.find(a.values[v].name);
      if (found == in_b.end()) return differ("there is no second constant '" + a.values[v].name + "'");
      if (!values(a, b, v, found->second, pairs)) return false;
      in_b.erase(found);
    }
    return in_b.empty() || differ("there is no first constant '" + std::string(in_b.begin()->first) + "'");
  }

  // Captures are paired by what they capture. A constant that only subgraphs use has not been met yet: then the order of captures decides.
  bool captures(const Graph& a, const Graph& b, Pairs* outer, Pairs& pairs) {
    // Outer value -> its captures in b, in their order: after nodes were merged there may be several.
    std::map<ValueId, std::vector<ValueId>> inner_of;
    for (auto c = b.captures.rbegin(); c != b.captures.rend(); ++c) inner_of[c->outer].push_back(c->inner);
    for (size_t i = 0; i < a.captures.size(); ++i) {
      const Capture& c = a.captures[i];
      if (outer && outer->to_b[c.outer] == none && !outer->pair(c.outer, b.captures[i].outer)) return false;
      const auto found = inner_of.find(outer ? outer->to_b[c.outer] : c.outer);
      if (found == inner_of.end() || found->second.empty() || !values(a, b, c.inner, found->second.back(), pairs)) return false;
      found->second.pop_back();
    }
    return true;
  }

  bool values(const Graph& a, const Graph& b, ValueId left, ValueId right, Pairs& pairs) {
    if (!pairs.pair(left, right)) return differ("values that are not the same: " + label(a, left) + " and " + label(b, right));
    if (left == none) return true;
    const Value &x = a.values[left], &y = b.values[right];
    if (names_ && x.name != y.name) return differ("names of values: '" + x.name + "' and '" + y.name + "'");
    if (names_ && x.type != y.type) return differ("types of '" + x.name + "': " + to_string(x.type) + " and " + to_string(y.type));
    return true;
  }

  static std::string label(const Graph& g, ValueId v) { return v == none ? "an absent one" : "'" + g.values[v].name + "'"; }

  bool nodes(const Graph& a, const Graph& b, const Node& x, const Node& y, Pairs& pairs) {
    const std::string which = "node '" + x.name + "' (" + x.op_type + ") and node '" + y.name + "' (" + y.op_type + ")";
    if (x.op_type != y.op_type || x.domain != y.domain) return differ("operators of " + which);
    if (names_ && x.name != y.name) return differ("names of " + which);
    if (x.inputs.size() != y.inputs.size() || x.outputs.size() != y.outputs.size()) return differ("number of inputs or outputs of " + which);
    if (x.attributes.size() != y.attributes.size()) return differ("number of attributes of " + which);
    for (size_t i = 0; i < x.inputs.size(); ++i) {
      if (!values(a, b, x.inputs[i], y.inputs[i], pairs)) return false;
    }
    for (auto p = x.attributes.begin(), q = y.attributes.begin(); p != x.attributes.end(); ++p, ++q) {
      if (p->first != q->first || !attributes(p->second, q->second, &pairs)) return differ("attribute '" + p->first + "' of " + which);
    }
    for (size_t i = 0; i < x.outputs.size(); ++i) {
      if (!values(a, b, x.outputs[i], y.outputs[i], pairs)) return false;
    }
    return true;
  }

  bool names_;
};

}  // namespace

bool same(const Attribute& a, const Attribute& b) { return Comparison(false).attributes(a, b, nullptr); }

size_t hash(const Tensor& tensor) {
  size_t seed = static_cast<size_t>(tensor.type);
  for (const int64_t d : tensor.dimensions) seed = mix(seed, static_cast<size_t>(d));
  if (tensor.strings) {
    for (const std::string& s : *tensor.strings) seed = mix(seed, std::hash<std::string>()(s));
  }
  return mix(seed, hash_bytes(tensor.bytes.data, tensor.bytes.size));
}

size_t hash(const Attribute& attribute) {
  const size_t kind = attribute.value.index();
  return std::visit(
      [&]<class T>(const T& value) {
        if constexpr (std::is_same_v<T, int64_t>) {
          return mix(kind, static_cast<size_t>(value));
        } else if constexpr (std::is_same_v<T, float>) {
          return mix(kind, hash_bytes(&value, sizeof(value)));
        } else if constexpr (std::is_same_v<T, std::string>) {
          return mix(kind, std::hash<std::string>()(value));
        } else if constexpr (std::is_same_v<T, Tensor>) {
          return mix(kind, hash(value));
        } else if constexpr (std::is_same_v<T, Attribute::Ints> || std::is_same_v<T, Attribute::Floats>) {
          return mix(kind, hash_bytes(value.data(), value.size() * sizeof(value[0])));
        } else if constexpr (std::is_same_v<T, Attribute::Subgraph>) {
          return mix(kind, hash_graph(*value));
        } else {
          return mix(kind, value.size());
        }
      },
      attribute.value);
}

std::string difference(const Graph& a, const Graph& b) {
  Comparison comparison(true);
  return comparison.graphs(a, b, nullptr) ? std::string() : comparison.what.empty() ? "they differ" : comparison.what;
}

}  // namespace lathe
