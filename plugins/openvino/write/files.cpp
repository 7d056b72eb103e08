// Layers, edges and rt_info as XML (IR version 11); constants one after the other into the .bin.
#include "files.hpp"

#include <cstring>
#include <lathe/plugin.hpp>
#include <pugixml.hpp>
#include <unordered_map>

#include "../element_types.hpp"
#include "step.hpp"

namespace lathe::openvino {
namespace {

class Weights {
 public:
  uint64_t place(const void* data, uint64_t size) {
    const std::string_view bytes(static_cast<const char*>(data), size);
    const auto [first, last] = places_.equal_range(std::hash<std::string_view>()(bytes));
    for (auto at = first; at != last; ++at)
      if (at->second.second == size && std::memcmp(bytes_.data() + at->second.first, data, size) == 0) return at->second.first;
    // Large ones begin where a page's cache line does, so that a runtime may map them.
    const uint64_t alignment = size >= 64 ? 64 : 8;
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
    const uint64_t offset = bytes_.size();
    bytes_.append(bytes);
    places_.emplace(std::hash<std::string_view>()(bytes), std::pair(offset, size));
    return offset;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  std::unordered_multimap<size_t, std::pair<uint64_t, uint64_t>> places_;
};

// Tensor names stand in a list with commas between them; those of a name itself get a backslash.
std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ',';
    for (const char c : name) {
      if (c == ',' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out;
}

void add_port(pugi::xml_node parent, uint32_t id, const OutputPort& port, bool names) {
  pugi::xml_node node = parent.append_child("port");
  node.append_attribute("id") = id;
  node.append_attribute("precision") = std::string(find_type(port.type)->port).c_str();
  if (names && !port.names.empty()) node.append_attribute("names") = joined(port.names).c_str();
  if (!port.dimensions) return;
  for (const int64_t d : *port.dimensions) node.append_child("dim").text() = static_cast<long long>(d);
}

void add_info(pugi::xml_node parent, const std::vector<Info>& list) {
  for (const Info& info : list) {
    pugi::xml_node node = parent.append_child(info.name.c_str());
    if (info.children.empty()) node.append_attribute("value") = info.value.c_str();
    add_info(node, info.children);
  }
}

struct StringWriter : pugi::xml_writer {
  std::string text;
  void write(const void* data, size_t size) override { text.append(static_cast<const char*>(data), size); }
};

// One element for each port that a body has to do with.
void add_port_map(pugi::xml_node parent, const char* what, const PortMap& map, int64_t port) {
  pugi::xml_node node = parent.append_child(what);
  if (map.axis) node.append_attribute("axis") = static_cast<long long>(*map.axis);
  node.append_attribute("external_port_id") = static_cast<long long>(port);
  node.append_attribute("internal_layer_id") = map.inner;
  if (map.axis) {
    node.append_attribute("start") = static_cast<long long>(map.start);
    node.append_attribute("end") = static_cast<long long>(map.end);
    node.append_attribute("stride") = static_cast<long long>(map.stride);
    node.append_attribute("part_size") = static_cast<long long>(map.part_size);
  }
  if (!map.purpose.empty()) node.append_attribute("purpose") = map.purpose.c_str();
}

void add_network(pugi::xml_node net, const Model& model, Weights& weights);

void add_bodies(pugi::xml_node node, const Layer& layer, Weights& weights) {
  for (const Body& body : layer.bodies) {
    pugi::xml_node maps = node.append_child(body.port_map().c_str());
    for (const PortMap& map : body.inputs) add_port_map(maps, "input", map, map.port);
    // Ports of outputs are numbered on behind those of the inputs.
    for (const PortMap& map : body.outputs)
      add_port_map(maps, "output", map, map.port < 0 ? map.port : map.port + static_cast<int64_t>(layer.inputs.size()));
    if (body.back_edges.empty()) continue;
    pugi::xml_node edges = node.append_child("back_edges");
    for (const BackEdge& back : body.back_edges) {
      pugi::xml_node edge = edges.append_child("edge");
      edge.append_attribute("from-layer") = back.result;
      edge.append_attribute("to-layer") = back.parameter;
    }
  }
  for (const Body& body : layer.bodies) add_network(node.append_child(body.name.c_str()), *body.model, weights);
}

void add_network(pugi::xml_node net, const Model& model, Weights& weights) {
  pugi::xml_node layers = net.append_child("layers"), edges = net.append_child("edges");
  for (size_t id = 0; id < model.layers.size(); ++id) {
    const Layer& layer = model.layers[id];
    pugi::xml_node node = layers.append_child("layer");
    node.append_attribute("id") = static_cast<unsigned long>(id);
    node.append_attribute("name") = layer.name.c_str();
    node.append_attribute("type") = layer.type.c_str();
    node.append_attribute("version") = ("opset" + std::to_string(layer.opset)).c_str();
    if (layer.type == "Const") {
      const OutputPort& port = layer.outputs[0];
      pugi::xml_node data = node.append_child("data");
      data.append_attribute("element_type") = std::string(find_type(port.type)->data).c_str();
      data.append_attribute("shape") = text(*port.dimensions).c_str();
      data.append_attribute("offset") = static_cast<unsigned long long>(weights.place(layer.data, layer.size));
      data.append_attribute("size") = static_cast<unsigned long long>(layer.size);
    } else if (!layer.attributes.empty()) {
      pugi::xml_node data = node.append_child("data");
      for (const Attribute& a : layer.attributes) data.append_attribute(a.name.c_str()) = a.value.c_str();
    }
    if (layer.decompression) {
      pugi::xml_node mark = node.append_child("rt_info").append_child("attribute");
      mark.append_attribute("name") = "decompression";
      mark.append_attribute("version") = "0";
    }
    uint32_t port = 0;
    if (!layer.inputs.empty()) {
      pugi::xml_node inputs = node.append_child("input");
      for (const Source& source : layer.inputs) {
        add_port(inputs, port, model.layers[source.layer].outputs[source.port], false);
        pugi::xml_node edge = edges.append_child("edge");
        edge.append_attribute("from-layer") = source.layer;
        edge.append_attribute("from-port") = static_cast<unsigned long>(model.layers[source.layer].inputs.size() + source.port);
        edge.append_attribute("to-layer") = static_cast<unsigned long>(id);
        edge.append_attribute("to-port") = port++;
      }
    }
    if (!layer.outputs.empty()) {
      pugi::xml_node outputs = node.append_child("output");
      for (const OutputPort& output : layer.outputs) add_port(outputs, port++, output, true);
    }
    add_bodies(node, layer, weights);
  }
}

}  // namespace

Files write_files(const Model& model) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  pugi::xml_node net = document.append_child("net");
  net.append_attribute("name") = model.name.c_str();
  net.append_attribute("version") = "11";
  Weights weights;
  add_network(net, model, weights);
  add_info(net.append_child("rt_info"), model.info);
  StringWriter writer;
  document.save(writer, "\t", pugi::format_default, pugi::encoding_utf8);
  return {std::move(writer.text), weights.take()};
}

}  // namespace lathe::openvino
