// Port maps and back edges of If, Loop and TensorIterator: which port of the layer is which Parameter or Result of the body.
#include <algorithm>
#include <charconv>
#include <pugixml.hpp>
#include <set>

#include "checker.hpp"

namespace lathe::openvino::check {
namespace {

using Dims = std::vector<int64_t>;

struct Entry {
  bool input = false;
  int64_t port = 0, layer = 0;
  std::optional<int64_t> axis;
  int64_t start = 0, end = -1, stride = 1, part = 1;
  std::string purpose;
  const Port* outside = nullptr;  // null where the port is -1
  const Layer* inside = nullptr;
  const Port& inner() const { return input ? inside->outputs[0] : inside->inputs[0]; }
};

class BodyChecker {
 public:
  BodyChecker(const Layer& layer, const pugi::xml_node& node, const InnerScope& body) : layer_(layer), node_(node), body_(body) {}

  std::vector<std::string> run() {
    const std::string maps = body_.name.substr(0, body_.name.size() - 4) + "port_map";
    const pugi::xml_node map = node_.child(maps.c_str());
    if (!map) return {"it must have a <" + maps + ">"};
    if (map.first_attribute() || node_.child("back_edges").first_attribute()) return {"its <" + maps + "> and <back_edges> have no attributes"};
    for (const pugi::xml_node entry : map.children()) read(entry);
    if (!problems_.empty()) return problems_;
    for (const pugi::xml_node edge : node_.child("back_edges").children()) back_edge(edge);
    if (!problems_.empty()) return problems_;
    complete();
    if (!problems_.empty()) return problems_;
    for (const Entry& e : entries_) shapes(e);
    turns();
    return problems_;
  }

  // Which input ports a body takes.
  void taken(std::set<int64_t>& ports) const {
    for (const Entry& e : entries_)
      if (e.input) ports.insert(e.port);
  }

 private:
  void say(std::string text) { problems_.push_back("its " + body_.name + ": " + std::move(text)); }
  bool loops() const { return layer_.type != "If"; }

  static bool whole(const pugi::xml_attribute& attribute, int64_t& number) {
    const std::string_view text = attribute.value();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return !text.empty() && error == std::errc() && end == text.data() + text.size();
  }

  void read(const pugi::xml_node& node) {
    Entry e;
    const std::string_view kind = node.name();
    if (kind != "input" && kind != "output") return say("a port map has an element <" + std::string(kind) + ">");
    e.input = kind == "input";
    for (const pugi::xml_attribute a : node.attributes()) {
      const std::string_view name = a.name();
      int64_t axis = 0;
      bool good = true;
      if (name == "external_port_id") {
        good = whole(a, e.port);
      } else if (name == "internal_layer_id") {
        good = whole(a, e.layer);
      } else if (name == "purpose" && layer_.type == "Loop") {
        e.purpose = a.value();
      } else if (!loops()) {
        good = false;
      } else if (name == "axis") {
        good = whole(a, axis), e.axis = axis;
      } else if (name == "start") {
        good = whole(a, e.start);
      } else if (name == "end") {
        good = whole(a, e.end);
      } else if (name == "stride") {
        good = whole(a, e.stride) && e.stride != 0;
      } else if (name == "part_size") {
        good = whole(a, e.part) && e.part > 0;
      } else {
        good = false;
      }
      if (!good) return say("an " + std::string(kind) + " of the port map has the attribute " + std::string(name) + "='" + a.value() + "'");
    }
    if (!node.attribute("external_port_id") || !node.attribute("internal_layer_id"))
      return say("an " + std::string(kind) + " of the port map lacks external_port_id or internal_layer_id");
    if (!e.axis && (node.attribute("start") || node.attribute("end") || node.attribute("stride") || node.attribute("part_size")))
      return say("an " + std::string(kind) + " of the port map is cut without an axis");
    const auto found = body_.scope.ids.find(e.layer);
    e.inside = found == body_.scope.ids.end() ? nullptr : found->second;
    if (!e.inside || e.inside->type != (e.input ? "Parameter" : "Result"))
      return say("the port map names the layer " + std::to_string(e.layer) + ", which is no " + (e.input ? "Parameter" : "Result") + " of the body");
    if (!e.purpose.empty()) {
      if (e.purpose != (e.input ? "current_iteration" : "execution_condition"))
        return say("there is no purpose '" + e.purpose + "' of an " + std::string(kind));
      if (e.port != -1) return say("what is for the " + e.purpose + " belongs to no port, which is written as -1");
    } else {
      for (const Port& p : e.input ? layer_.inputs : layer_.outputs)
        if (p.id == e.port) e.outside = &p;
      if (!e.outside) return say("the port map names the " + std::string(kind) + " port " + std::to_string(e.port) + ", which is not there");
    }
    for (const Entry& other : entries_) {
      if (other.input != e.input) continue;
      if (other.port == e.port) return say("the port map names the " + std::string(kind) + " port " + std::to_string(e.port) + " twice");
      if (e.input && other.layer == e.layer) return say("two inputs are for the Parameter " + std::to_string(e.layer));
    }
    entries_.push_back(std::move(e));
  }

  void back_edge(const pugi::xml_node& node) {
    int64_t from = 0, to = 0;
    if (std::string_view(node.name()) != "edge" || std::distance(node.attributes_begin(), node.attributes_end()) != 2 ||
        !whole(node.attribute("from-layer"), from) || !whole(node.attribute("to-layer"), to))
      return say("a back edge has no from-layer and to-layer");
    const auto result = body_.scope.ids.find(from), parameter = body_.scope.ids.find(to);
    if (result == body_.scope.ids.end() || result->second->type != "Result" || parameter == body_.scope.ids.end() ||
        parameter->second->type != "Parameter")
      return say("the back edge from " + std::to_string(from) + " to " + std::to_string(to) + " does not lead from a Result to a Parameter");
    const auto initial = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.input && e.layer == to; });
    if (initial == entries_.end() || !initial->outside || initial->axis)
      return say("the back edge to " + std::to_string(to) + " leads to a Parameter that no whole input begins with");
    if (!carried_.insert(to).second) return say("two back edges lead to the Parameter " + std::to_string(to));
    const Port &a = result->second->inputs[0], &b = parameter->second->outputs[0];
    if (a.precision != b.precision) say("the back edge to " + std::to_string(to) + " joins " + a.precision + " with " + b.precision);
    if (!agree(a.dimensions, b.dimensions)) say("the back edge to " + std::to_string(to) + " joins different shapes");
  }

  // Every Parameter and every output port has its place.
  void complete() {
    for (const Layer& l : body_.scope.layers)
      if (l.type == "Parameter" && std::none_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.input && e.layer == l.id; }))
        say("the Parameter " + std::to_string(l.id) + " belongs to no port");
    for (const Port& p : layer_.outputs)
      if (std::none_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return !e.input && e.port == p.id; }))
        say("no Result is for the output port " + std::to_string(p.id));
    if (layer_.type != "Loop") return;
    if (std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.purpose == "execution_condition"; }))
      say("no Result is for the execution_condition");
    for (const Entry& e : entries_) {
      if (e.purpose.empty()) continue;
      const Port& p = e.inner();
      const bool index = p.precision == "I32" || p.precision == "I64";
      if (e.input ? !index : p.precision != "BOOL") say("what is for the " + e.purpose + " is " + p.precision);
      if (p.dimensions.size() > 1 || (p.dimensions.size() == 1 && p.dimensions[0] != 1 && p.dimensions[0] != -1))
        say("what is for the " + e.purpose + " is not one element");
    }
  }

  // A port without dimensions is a scalar, or one whose rank is open: the format writes both alike.
  static bool agree(const Dims& a, const Dims& b) { return a.empty() || b.empty() || fits(a, b); }

  void shapes(const Entry& e) {
    if (!e.outside) return;
    const Port& inner = e.inner();
    const std::string what = std::string(e.input ? "input" : "output") + " port " + std::to_string(e.port);
    if (inner.precision != e.outside->precision) return say(what + " is " + e.outside->precision + " and " + inner.precision + " inside");
    Dims outside = e.outside->dimensions;
    if (e.axis) {
      if (*e.axis < 0 || *e.axis >= static_cast<int64_t>(outside.size())) return say(what + " is cut along an axis that it does not have");
      outside[static_cast<size_t>(*e.axis)] = e.part;
    }
    if (e.axis ? !fits(outside, inner.dimensions) : !agree(outside, inner.dimensions)) say(what + " has another shape than what it is inside");
  }

  // Everything that is cut is cut into the same number of pieces.
  void turns() {
    int64_t known = -1;
    for (const Entry& e : entries_) {
      if (!e.axis || !e.outside || *e.axis < 0 || *e.axis >= static_cast<int64_t>(e.outside->dimensions.size())) continue;
      const int64_t size = e.outside->dimensions[static_cast<size_t>(*e.axis)];
      if (size < 0) continue;
      const auto place = [&](int64_t at) { return at < 0 ? at + size + 1 : at; };
      const int64_t from = place(e.start), to = place(e.end), length = e.stride > 0 ? to - from : from - to;
      if (from < 0 || from > size || to < 0 || to > size || length < 0) {
        say("port " + std::to_string(e.port) + " is cut from " + std::to_string(e.start) + " to " + std::to_string(e.end) + ", beyond its axis");
        continue;
      }
      const int64_t step = std::abs(e.stride), count = length / step;
      if (step < e.part || length % step != 0) {
        say("the axis of port " + std::to_string(e.port) + " does not fall into its pieces");
      } else if (known >= 0 && known != count && (layer_.type == "TensorIterator" || !e.input)) {
        say("port " + std::to_string(e.port) + " has " + std::to_string(count) + " pieces and another " + std::to_string(known));
      } else if (layer_.type == "TensorIterator" || !e.input) {
        known = count;
      }
    }
    if (layer_.type == "TensorIterator" && std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.input && e.axis; }))
      say("none of its inputs is cut, so nothing says how often it runs");
  }

  const Layer& layer_;
  const pugi::xml_node& node_;
  const InnerScope& body_;
  std::vector<Entry> entries_;
  std::set<int64_t> carried_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check_bodies(const Layer& layer, const pugi::xml_node& node, const std::vector<InnerScope>& bodies) {
  std::vector<std::string> problems;
  std::set<int64_t> taken;
  for (const InnerScope& body : bodies) {
    BodyChecker checker(layer, node, body);
    for (std::string& problem : checker.run()) problems.push_back(std::move(problem));
    checker.taken(taken);
  }
  const size_t own = layer.type == "Loop" ? 2 : layer.type == "If" ? 1 : 0;  // trip count and condition, condition
  for (size_t i = own; i < layer.inputs.size() && problems.empty(); ++i)
    if (!taken.contains(layer.inputs[i].id)) problems.push_back("no body takes its input port " + std::to_string(layer.inputs[i].id));
  for (size_t i = 0; i < std::min(own, layer.inputs.size()); ++i) {
    const Dims& d = layer.inputs[i].dimensions;
    if (d.size() > 1 || (d.size() == 1 && d[0] != 1 && d[0] != -1)) problems.push_back("its input port " + std::to_string(i) + " is not one element");
  }
  return problems;
}

}  // namespace lathe::openvino::check
