// A second look at an IR: reads the XML by itself and holds it against the rules of the format.
//
// It shares the table of operations with the writer and the reader, and nothing else: what it says about ports, edges, constants and shapes is
// computed here once more from the text.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../operations.hpp"

namespace pugi {
class xml_node;
}

namespace lathe::openvino {

// What breaks a rule, one sentence each; empty: nothing does. `weights` is the content of the .bin.
std::vector<std::string> check_ir(std::string_view xml, std::string_view weights);

namespace check {

struct Port {
  int64_t id = -1;
  std::string precision;
  std::vector<int64_t> dimensions;
  bool open = false;  // of a rank that is not fixed; it has no dimensions then, like a scalar
  bool is_static() const {
    for (const int64_t d : dimensions)
      if (d < 0) return false;
    return true;
  }
};

// A layer as the checker sees it.
struct Layer {
  int64_t id = -1;
  std::string name, type, version;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<Port> inputs, outputs;
  const Operation* operation = nullptr;
  std::vector<const Layer*> sources;  // by input; null where no edge ends
  std::vector<const Port*> ends;      // by input: the port there
  std::string_view bytes;             // of a Const
  bool compressed = false;            // rt_info: a Convert that undoes a compression of weights

  const std::string* attribute(std::string_view wanted) const;
  // The attribute, or what its absence means.
  std::string value(std::string_view wanted) const;
  std::vector<int64_t> list(std::string_view wanted) const;
  // Elements of the integer constant that is connected to an input.
  std::optional<std::vector<int64_t>> constant(size_t input) const;
  // Elements of the float32 constant that is connected to an input.
  std::optional<std::vector<float>> reals(size_t input) const;
};

// The layers of a file or of a body, by their numbers.
struct Scope {
  std::deque<Layer> layers;
  std::unordered_map<int64_t, Layer*> ids;  // into `layers`, so this is moved and never copied

  Scope() = default;
  Scope(std::deque<Layer> layers, std::unordered_map<int64_t, Layer*> ids) : layers(std::move(layers)), ids(std::move(ids)) {}
  Scope(Scope&&) = default;
  Scope& operator=(Scope&&) = default;
};

struct InnerScope {
  std::string name;  // the element: "body", "then_body", "else_body"
  Scope scope;
};

// What is wrong with the port maps and back edges of a layer that has bodies (`node` is its element). The bodies have been checked by themselves.
std::vector<std::string> check_bodies(const Layer& layer, const pugi::xml_node& node, const std::vector<InnerScope>& bodies);

// Whether `value` is of that kind of the table; "" or what is wrong.
std::string check_attribute(const AttributeRule& rule, std::string_view value);
// Whether attributes, inputs and outputs fit each other in their shapes; "" or what is wrong. Ports are those that the table wants.
std::string check_shapes(const Layer& layer);
// Whether two lists of dimensions may be the same; what is open fits everything.
bool fits(const std::vector<int64_t>& a, const std::vector<int64_t>& b);

}  // namespace check
}  // namespace lathe::openvino
