// Elements, numbers, ports, edges, precisions, constants, names, order.
#include "checker.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <map>
#include <pugixml.hpp>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "../element_types.hpp"
#include "../model.hpp"

namespace lathe::openvino {
namespace check {

const std::string* Layer::attribute(std::string_view wanted) const {
  for (const auto& [name, value] : attributes)
    if (name == wanted) return &value;
  return nullptr;
}

std::string Layer::value(std::string_view wanted) const {
  if (const std::string* given = attribute(wanted)) return *given;
  const AttributeRule* rule = operation ? operation->attribute(wanted) : nullptr;
  return rule ? std::string(rule->fallback) : "";
}

std::vector<int64_t> Layer::list(std::string_view wanted) const {
  const std::string words = value(wanted);
  std::vector<int64_t> numbers;
  for (const char *at = words.data(), *end = at + words.size(); at < end;) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    int64_t x = 0;
    const auto [next, error] = std::from_chars(at, end, x);
    if (error != std::errc()) break;
    numbers.push_back(x);
    at = next;
  }
  return numbers;
}

std::optional<std::vector<int64_t>> Layer::constant(size_t input) const {
  const Layer* from = input < sources.size() ? sources[input] : nullptr;
  if (!from || from->type != "Const") return std::nullopt;
  const std::string type = from->value("element_type");
  const size_t width = type == "i64" ? 8 : type == "i32" ? 4 : 0;
  if (!width || from->bytes.size() % width != 0) return std::nullopt;
  std::vector<int64_t> numbers;
  for (size_t at = 0; at < from->bytes.size(); at += width) {
    int64_t wide = 0;
    int32_t narrow = 0;
    std::memcpy(width == 8 ? static_cast<void*>(&wide) : &narrow, from->bytes.data() + at, width);
    numbers.push_back(width == 8 ? wide : narrow);
  }
  return numbers;
}

std::optional<std::vector<float>> Layer::reals(size_t input) const {
  const Layer* from = input < sources.size() ? sources[input] : nullptr;
  if (!from || from->type != "Const" || from->value("element_type") != "f32" || from->bytes.size() % 4 != 0) return std::nullopt;
  std::vector<float> numbers(from->bytes.size() / 4);
  if (!numbers.empty()) std::memcpy(numbers.data(), from->bytes.data(), from->bytes.size());
  return numbers;
}

}  // namespace check

namespace {

using check::Layer;
using check::Port;

bool whole(std::string_view text, int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

// What the file and all its bodies share.
struct Whole {
  std::string_view weights;
  bool old = false;                                  // version 10, which leaves out precisions of input ports
  std::vector<std::pair<uint64_t, uint64_t>> parts;  // offsets and sizes of the constants
};

class Checker {
 public:
  explicit Checker(Whole& whole, int depth = 0) : whole_(whole), depth_(depth) {}

  std::vector<std::string> run(std::string_view xml) {
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_doctype);
    if (!parsed) return {std::string("this is no XML: ") + parsed.description()};
    for (const pugi::xml_node node : document.children())
      if (node.type() == pugi::node_doctype) return {"the file declares a document type, which an IR does not"};
    const pugi::xml_node net = document.child("net");
    if (!net) return {"there is no element <net>"};
    const std::string_view version = net.attribute("version").value();
    if (version != "10" && version != "11") say("the IR's version is '" + std::string(version) + "' and must be 10 or 11");
    whole_.old = version == "10";
    if (!net.child("layers") || !net.child("edges")) return {"<net> must have <layers> and <edges>"};
    std::vector<std::string_view> sections = {"layers", "edges", "rt_info"};
    if (whole_.old) sections.insert(sections.end(), {"meta_data", "quantization_parameters"});
    only(net, "<net>", {"name", "version"}, sections);
    network(net);
    overlaps();
    notes(net.child("rt_info"), 0);
    return problems_;
  }

 private:
  // Layers and edges of the file, or of a body.
  void network(const pugi::xml_node net) {
    for (const char* list : {"layers", "edges"})
      for (const pugi::xml_attribute a : net.child(list).attributes()) say("<" + std::string(list) + "> has an attribute " + a.name());
    for (const pugi::xml_node node : net.child("layers").children()) layer(node);
    for (const pugi::xml_node node : net.child("edges").children()) edge(node);
    for (Layer& l : layers_) connections(l);
    if (!problems_.empty()) return;  // what follows relies on ports and edges
    cycles();
    unused();
    for (const Layer& l : layers_) types(l);
    for (const Layer& l : layers_)
      if (l.compressed && l.inputs[0].precision != "FP16" && l.inputs[0].precision != "BF16")
        say(l, "what it undoes the compression of is " + l.inputs[0].precision);
    if (!problems_.empty()) return;
    const auto open = [](const std::vector<Port>& ports) { return std::any_of(ports.begin(), ports.end(), [](const Port& p) { return p.open; }); };
    for (const Layer& l : layers_) {
      if (open(l.inputs) || open(l.outputs)) continue;  // nothing is known to hold the shapes against
      if (const std::string wrong = check::check_shapes(l); !wrong.empty()) say(l, wrong);
    }
    if (std::none_of(layers_.begin(), layers_.end(), [](const Layer& l) { return l.type == "Result"; })) say("the model has no Result");
  }

  // The elements that a layer with bodies has beside the usual ones.
  void bodies(const pugi::xml_node node, const Layer& l) {
    std::vector<std::string> wanted;
    if (l.type == "If") wanted = {"then_body", "else_body"};
    if (l.type == "Loop" || l.type == "TensorIterator") wanted = {"body"};
    if (wanted.empty()) return;
    if (depth_ >= deepest_body) return say(l, "bodies are nested deeper than " + std::to_string(deepest_body));
    std::vector<check::InnerScope> scopes;
    for (const std::string& name : wanted) {
      const pugi::xml_node body = node.child(name.c_str());
      if (!body || !body.child("layers") || !body.child("edges")) return say(l, "it must have a <" + name + "> with <layers> and <edges>");
      only(body, "the " + name + " of layer " + std::to_string(l.id), {}, {"layers", "edges", "rt_info"});
      Checker inner(whole_, depth_ + 1);
      inner.network(body);
      for (const std::string& problem : inner.problems_) say(l, "in its " + name + ": " + problem);
      if (!inner.problems_.empty()) return;
      scopes.push_back({name, {std::move(inner.layers_), std::move(inner.ids_)}});
    }
    for (const std::string& problem : check::check_bodies(l, node, scopes)) say(l, problem);
  }

  // That an element has these attributes and children alone, and each child once.
  void only(const pugi::xml_node node, const std::string& what, std::initializer_list<std::string_view> attributes,
            const std::vector<std::string_view>& children) {
    for (const pugi::xml_attribute a : node.attributes()) {
      if (std::find(attributes.begin(), attributes.end(), std::string_view(a.name())) == attributes.end())
        say(what + " has an attribute " + a.name());
      for (pugi::xml_attribute b = a.next_attribute(); b; b = b.next_attribute())
        if (std::string_view(a.name()) == b.name()) say(what + " has the attribute " + a.name() + " twice");
    }
    std::vector<std::string_view> seen;
    for (const pugi::xml_node child : node.children()) {
      if (child.type() != pugi::node_element) continue;
      const std::string_view name = child.name();
      if (std::find(children.begin(), children.end(), name) == children.end()) say(what + " has an element <" + std::string(name) + ">");
      if (std::find(seen.begin(), seen.end(), name) != seen.end() && name != "port" && name != "dim")
        say(what + " has the element <" + std::string(name) + "> twice");
      seen.push_back(name);
    }
  }

  // Constants share their bytes or have none in common; what lies between them brings the next one to a multiple of four or more.
  void overlaps() {
    std::sort(whole_.parts.begin(), whole_.parts.end());
    for (size_t i = 0; i < whole_.parts.size(); ++i) {
      const auto [at, size] = i > 0 ? whole_.parts[i - 1] : std::pair<uint64_t, uint64_t>();
      const auto [next, length] = whole_.parts[i];
      if (next < at + size && (next != at || length != size))
        return say("the constants at " + std::to_string(at) + " and " + std::to_string(next) + " of the .bin lie over each other");
      if (next > at + size && next % 4 != 0)
        return say("the constant at " + std::to_string(next) + " of the .bin begins neither where another ends nor at a multiple of four");
    }
  }

  // rt_info of the file: elements with a value, or with elements of their own; each key once.
  void notes(const pugi::xml_node node, int depth) {
    if (depth == 0 && node.first_attribute()) say("<rt_info> has an attribute");
    if (depth > deepest_body) return say("rt_info is nested deeper than " + std::to_string(deepest_body));
    std::unordered_set<std::string> keys;
    for (const pugi::xml_node child : node.children()) {
      const std::string key = std::string(child.name()) + " " + child.attribute("name").value();
      if (!keys.insert(key).second) say("rt_info has <" + std::string(child.name()) + "> twice");
      for (const pugi::xml_attribute a : child.attributes())
        if (const std::string_view name = a.name(); name != "value" && name != "name")
          say("<" + std::string(child.name()) + "> of rt_info has an attribute " + a.name());
      notes(child, depth + 1);
    }
  }

  // A model holds what its results need, and its inputs.
  void unused() {
    std::unordered_set<const Layer*> needed;
    std::vector<const Layer*> open;
    for (const Layer& l : layers_)
      if (l.type == "Result" || l.type == "Parameter") open.push_back(&l);
    while (!open.empty()) {
      const Layer* l = open.back();
      open.pop_back();
      if (!needed.insert(l).second) continue;
      for (const Layer* source : l->sources) open.push_back(source);
    }
    for (const Layer& l : layers_)
      if (!needed.contains(&l)) say(l, "no Result needs it");
  }

  void say(std::string text) {
    if (problems_.size() < 100) problems_.push_back(std::move(text));
  }
  void say(const Layer& l, const std::string& text) { say("layer " + std::to_string(l.id) + " '" + l.name + "' (" + l.type + "): " + text); }

  void layer(const pugi::xml_node node) {
    if (node.type() != pugi::node_element || std::string_view(node.name()) != "layer")
      return say("<layers> has an element <" + std::string(node.name()) + ">");
    Layer& l = layers_.emplace_back();
    l.name = node.attribute("name").value();
    l.type = node.attribute("type").value();
    l.version = node.attribute("version").value();
    if (!whole(node.attribute("id").value(), l.id) || l.id < 0) return say("layer '" + l.name + "' has no number");
    if (!ids_.emplace(l.id, &l).second) say(l, "another layer has its number");
    if (l.name.empty()) say(l, "it has no name");
    if (!l.name.empty() && !layer_names_.insert(l.name).second) say(l, "another layer has its name");
    form(l);
    std::vector<std::string_view> elements = own_elements(l.type);
    elements.insert(elements.end(), {"data", "rt_info", "input", "output"});
    only(node, "layer " + std::to_string(l.id), {"id", "name", "type", "version"}, elements);
    // Children in their order: data, rt_info, input, output.
    static constexpr std::string_view order[] = {"data", "rt_info", "input", "output"};
    size_t place = 0;
    const std::vector<std::string_view> more = own_elements(l.type);
    for (const pugi::xml_node child : node.children()) {
      if (std::find(more.begin(), more.end(), std::string_view(child.name())) != more.end()) continue;
      const auto at = std::find(std::begin(order), std::end(order), std::string_view(child.name())) - std::begin(order);
      if (static_cast<size_t>(at) < place) say(l, "its elements are not in the order data, rt_info, input, output");
      if (at < 4) place = static_cast<size_t>(at);
    }
    for (const pugi::xml_attribute a : node.child("data").attributes()) {
      if (l.attribute(a.name())) say(l, "the attribute " + std::string(a.name()) + " is given twice");
      l.attributes.emplace_back(a.name(), a.value());
    }
    ports(node.child("input"), l, l.inputs, 0);
    ports(node.child("output"), l, l.outputs, l.inputs.size());
    for (const pugi::xml_node port : node.child("output").children("port"))
      for (const std::string& name : names(port.attribute("names").value()))
        if (!tensors_.insert(name).second) say(l, "two tensors have the name '" + name + "'");
    marks(node.child("rt_info"), l);
    if (!l.operation) return;
    attributes(l);
    counts(l);
    if (l.type == "Const") constant(l);
    if (l.type == "Const" || l.type == "Parameter") declared(l);
    bodies(node, l);
  }

  // rt_info of a layer or a port: a list of attributes with a name, a version and values of their own.
  void marks(const pugi::xml_node info, Layer& l) {
    for (const pugi::xml_node mark : info.children()) {
      const std::string_view name = mark.attribute("name").value();
      int64_t version = 0;
      if (std::string_view(mark.name()) != "attribute" || name.empty() || !whole(mark.attribute("version").value(), version) || version < 0)
        say(l, "its rt_info has what is no <attribute> with a name and a version");
      if (name == "decompression" && l.type != "Convert") say(l, "only a Convert undoes a compression");
      l.compressed = l.compressed || (name == "decompression" && l.type == "Convert");
    }
  }

  static std::vector<std::string_view> own_elements(std::string_view type) {
    if (type == "If") return {"then_port_map", "else_port_map", "then_body", "else_body"};
    if (type == "Loop" || type == "TensorIterator") return {"port_map", "back_edges", "body"};
    return {};
  }

  // The form that is written is the one that this opset introduced.
  void form(Layer& l) {
    const auto number = opset_number(l.version);
    if (!number || *number > newest_opset)
      return say(l, "its version is '" + l.version + "' and must be opset1 to opset" + std::to_string(newest_opset));
    if (!oldest_operation(l.type)) return say(l, "there is no operation of this name");
    l.operation = find_operation(l.type, *number);
    if (!l.operation) {
      say(l, "opset" + std::to_string(*number) + " has no such operation; it came with opset" + std::to_string(oldest_operation(l.type)->opset));
    } else if (l.operation->opset != *number) {
      say(l, "its form is that of opset" + std::to_string(l.operation->opset) + " and is written so, not as " + l.version);
    }
  }

  static std::vector<std::string> names(std::string_view list) {
    std::vector<std::string> out(1);
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i] == '\\' && i + 1 < list.size()) {
        out.back() += list[++i];
      } else if (list[i] == ',') {
        out.emplace_back();
      } else {
        out.back() += list[i];
      }
    }
    std::erase(out, "");
    return out;
  }

  void ports(const pugi::xml_node parent, Layer& l, std::vector<Port>& list, size_t first) {
    for (const pugi::xml_attribute a : parent.attributes()) say(l, "its <" + std::string(parent.name()) + "> has an attribute " + a.name());
    const bool output = std::string_view(parent.name()) == "output";
    for (const pugi::xml_node node : parent.children()) {
      Port& port = list.emplace_back();
      if (std::string_view(node.name()) != "port") say(l, "a list of ports has an element <" + std::string(node.name()) + ">");
      const std::string what = "port " + std::to_string(first + list.size() - 1) + " of layer " + std::to_string(l.id);
      if (output) {
        only(node, what, {"id", "precision", "names"}, {"dim", "rt_info"});
      } else {
        only(node, what, {"id", "precision"}, {"dim", "rt_info"});
      }
      if (node.attribute("names") && names(node.attribute("names").value()).empty())
        say(l, "port " + std::to_string(first + list.size() - 1) + " has names that are none");
      marks(node.child("rt_info"), l);
      if (!whole(node.attribute("id").value(), port.id) || port.id != static_cast<int64_t>(first + list.size() - 1))
        say(l, "its ports are not numbered one after the other, inputs first: found '" + std::string(node.attribute("id").value()) + "' for " +
                   std::to_string(first + list.size() - 1));
      port.precision = node.attribute("precision").value();
      if (!find_type_in_port(port.precision) && !(whole_.old && !output && port.precision.empty()))
        say(l, "port " + std::to_string(port.id) + " has the precision '" + port.precision + "'");
      for (const pugi::xml_node dim : node.children("dim")) {
        int64_t d = 0;
        if (dim.first_attribute() || !whole(dim.child_value(), d) || d < -1)
          say(l, "port " + std::to_string(port.id) + " has a dimension that is none");
        port.dimensions.push_back(d);
      }
    }
  }

  void attributes(const Layer& l) {
    for (const auto& [name, value] : l.attributes) {
      const AttributeRule* rule = l.operation->attribute(name);
      if (!rule) {
        say(l, l.version + " gives it no attribute " + name);
      } else if (const std::string wrong = check::check_attribute(*rule, value); !wrong.empty()) {
        say(l, wrong);
      }
    }
    for (const AttributeRule& rule : l.operation->attributes)
      if (rule.required && !l.attribute(rule.name)) say(l, "the attribute " + std::string(rule.name) + " is missing");
  }

  void counts(const Layer& l) {
    const auto check = [&](const std::vector<PortRule>& rules, size_t found, const char* what) {
      const size_t least = static_cast<size_t>(std::count_if(rules.begin(), rules.end(), [](const PortRule& r) { return !r.optional; }));
      const bool many = !rules.empty() && rules.back().variadic;
      if (found < least || (!many && found > rules.size()))
        say(l, "it has " + std::to_string(found) + " " + what + " where " + std::to_string(least) + (many ? " or more" : "") + " belong");
    };
    check(l.operation->inputs, l.inputs.size(), "inputs");
    check(l.operation->outputs, l.outputs.size(), "outputs");
  }

  void constant(Layer& l) {
    int64_t offset = 0, size = 0;
    const ElementType* type = find_type_in_data(l.value("element_type"));
    if (!whole(l.value("offset"), offset) || !whole(l.value("size"), size) || offset < 0 || size < 0 || !type)
      return say(l, "offset, size and element type must be there");
    const uint64_t length = static_cast<uint64_t>(size), at = static_cast<uint64_t>(offset);
    if (length > whole_.weights.size() || at > whole_.weights.size() - length)
      return say(l, "it ends at " + std::to_string(at) + " + " + std::to_string(length) + ", beyond the .bin's " +
                        std::to_string(whole_.weights.size()) + " bytes");
    uint64_t bits = type->bits;
    for (const int64_t d : l.list("shape"))
      if (d < 0 || __builtin_mul_overflow(bits, static_cast<uint64_t>(d), &bits)) return say(l, "its shape is none of a constant");
    if ((bits + 7) / 8 != length)
      return say(l, "its size is " + std::to_string(length) + " bytes and its elements take " + std::to_string((bits + 7) / 8));
    l.bytes = whole_.weights.substr(at, length);
    if (length > 0) whole_.parts.emplace_back(at, length);
  }

  // Type and shape stand twice.
  void declared(const Layer& l) {
    if (l.outputs.size() != 1) return;
    const ElementType *data = find_type_in_data(l.value("element_type")), *port = find_type_in_port(l.outputs[0].precision);
    if (data && port && data != port)
      say(l, "its element type is " + std::string(data->data) + " and its port's precision " + std::string(port->port));
    std::string shape = l.value("shape");
    if (shape == "...") return;
    std::vector<int64_t> dims;
    for (size_t at = 0; at < shape.size();) {
      const size_t end = std::min(shape.find(',', at), shape.size());
      std::string word = shape.substr(at, end - at);
      std::erase(word, ' ');
      int64_t d = -1;
      dims.push_back(whole(word, d) ? d : -1);
      at = end + 1;
    }
    if (dims != l.outputs[0].dimensions) say(l, "its shape is not that of its port");
  }

  void edge(const pugi::xml_node node) {
    int64_t n[4] = {};
    const char* keys[4] = {"from-layer", "from-port", "to-layer", "to-port"};
    if (std::string_view(node.name()) != "edge") return say("<edges> has an element <" + std::string(node.name()) + ">");
    only(node, "an edge", {"from-layer", "from-port", "to-layer", "to-port"}, {});
    for (int i = 0; i < 4; ++i)
      if (!whole(node.attribute(keys[i]).value(), n[i])) return say(std::string("an edge has no ") + keys[i]);
    const auto from = ids_.find(n[0]), to = ids_.find(n[2]);
    const std::string text = "the edge from layer " + std::to_string(n[0]) + " port " + std::to_string(n[1]) + " to layer " + std::to_string(n[2]) +
                             " port " + std::to_string(n[3]);
    if (from == ids_.end() || to == ids_.end()) return say(text + " names a layer that is not there");
    const auto port_of = [](std::vector<Port>& ports, int64_t id) -> Port* {
      for (Port& p : ports)
        if (p.id == id) return &p;
      return nullptr;
    };
    const Port* out = port_of(from->second->outputs, n[1]);
    Port* in = port_of(to->second->inputs, n[3]);
    if (!out) return say(text + ": there is no such output port");
    if (!in) return say(text + ": there is no such input port");
    if (whole_.old && in->precision.empty()) in->precision = out->precision;
    if (out->precision != in->precision) say(text + " joins " + out->precision + " with " + in->precision);
    if (out->dimensions != in->dimensions) say(text + " joins ports of different shapes");
    Layer& target = *to->second;
    target.sources.resize(target.inputs.size(), nullptr);
    const Layer*& slot = target.sources[static_cast<size_t>(in - target.inputs.data())];
    if (slot) say(text + ": another edge ends there");
    slot = from->second;
    target.ends.resize(target.inputs.size(), nullptr);
    target.ends[static_cast<size_t>(in - target.inputs.data())] = out;
  }

  void connections(Layer& l) {
    l.sources.resize(l.inputs.size(), nullptr);
    for (size_t i = 0; i < l.inputs.size(); ++i)
      if (!l.sources[i]) say(l, "no edge ends at its input port " + std::to_string(l.inputs[i].id));
  }

  void cycles() {
    std::unordered_map<const Layer*, size_t> waiting;
    std::unordered_map<const Layer*, std::vector<const Layer*>> users;
    std::vector<const Layer*> ready;
    size_t done = 0;
    for (const Layer& l : layers_) {
      waiting[&l] = l.sources.size();
      for (const Layer* s : l.sources) users[s].push_back(&l);
      if (l.sources.empty()) ready.push_back(&l);
    }
    while (!ready.empty()) {
      const Layer* l = ready.back();
      ready.pop_back();
      ++done;
      open_ranks(*ids_.at(l->id));
      for (const Layer* user : users[l])
        if (--waiting[user] == 0) ready.push_back(user);
    }
    if (done != layers_.size()) say("the graph is cyclic");
  }

  // Sources come before their users.
  static void open_ranks(Layer& l) {
    bool open = l.type == "If" || l.type == "Loop" || l.type == "TensorIterator" || (l.type == "Parameter" && l.value("shape") == "...");
    for (size_t i = 0; i < l.ends.size(); ++i)
      if (l.ends[i] && l.ends[i]->open) open = l.inputs[i].open = true;
    if ((l.type == "Reshape" || l.type == "Squeeze" || l.type == "Broadcast") && l.inputs.size() > 1 && !l.constant(1)) open = true;
    if (l.type == "Squeeze" && l.inputs.size() == 1 && !l.inputs[0].is_static()) open = true;
    // A product of matrices has axes.
    if (l.type == "MatMul" && std::any_of(l.inputs.begin(), l.inputs.end(), [](const Port& p) { return p.dimensions.size() > 1; })) open = true;
    for (Port& port : l.outputs) port.open = open && port.dimensions.empty();
  }

  void types(const Layer& l) {
    std::map<std::string_view, std::string> bound;
    const auto check = [&](const PortRule& rule, const Port& port, const char* what) {
      const ElementType* type = find_type_in_port(port.precision);
      if (!type) return;
      const std::string where = std::string(what) + " " + std::string(rule.name);
      if (rule.type.starts_with('@')) {
        const std::string wanted = l.value(rule.type.substr(1));
        if (wanted != type->data) say(l, where + " is " + port.precision + " and " + std::string(rule.type.substr(1)) + " says " + wanted);
        return;
      }
      for (const TypeRule& variable : l.operation->types) {
        if (variable.variable != rule.type) continue;
        const auto [at, fresh] = bound.emplace(rule.type, port.precision);
        if (!fresh && at->second != port.precision) say(l, where + " is " + port.precision + " and must be " + at->second + " as the others");
        if (type->lathe && !type_in_class(type->lathe, variable.allowed))
          say(l, where + " is " + port.precision + " and must be of the class " + std::string(variable.allowed));
        return;
      }
      if (type->lathe && !type_in_class(type->lathe, rule.type)) say(l, where + " is " + port.precision + " and must be " + std::string(rule.type));
    };
    for (size_t i = 0; i < l.inputs.size(); ++i) check(l.operation->inputs[std::min(i, l.operation->inputs.size() - 1)], l.inputs[i], "input");
    for (size_t i = 0; i < l.outputs.size(); ++i) check(l.operation->outputs[std::min(i, l.operation->outputs.size() - 1)], l.outputs[i], "output");
  }

  Whole& whole_;
  int depth_;
  std::deque<Layer> layers_;
  std::unordered_map<int64_t, Layer*> ids_;
  std::unordered_set<std::string> tensors_, layer_names_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check_ir(std::string_view xml, std::string_view weights) {
  Whole whole{weights, false, {}};
  return Checker(whole).run(xml);
}

}  // namespace lathe::openvino
