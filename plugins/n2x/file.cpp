// The walk through the tables, and the description.
#include "file.hpp"

#include <lathe/plugin.hpp>
#include <nlohmann/json.hpp>

#include "flatbuffer.hpp"

namespace lathe::n2x {
namespace {

constexpr size_t most_tensors = size_t{1} << 20, most_ports = 256, most_dimensions = 16, most_channels = size_t{1} << 16, longest_name = 512;

// Numbers of the tables' fields.
enum RootField : unsigned { root_weights = 0, root_version = 1, root_graph = 2, root_ports = 3, root_operations = 4, root_output_ids = 11 };
enum GraphField : unsigned { graph_name = 0, graph_tensors = 3, graph_layers = 6 };
enum PortsField : unsigned { ports_memory = 1, ports_inputs = 2, ports_outputs = 3 };
enum TensorField : unsigned {
  tensor_name = 1,
  tensor_address = 2,
  tensor_bytes = 3,
  tensor_quantisation = 4,
  tensor_type = 5,
  tensor_shape = 6,
  tensor_constant = 7
};
enum QuantisationField : unsigned { quantisation_scales = 0, quantisation_zero_points = 1 };
enum LayerField : unsigned { layer_text = 1 };

struct ElementType {
  const char* name;
  uint64_t width;
};
constexpr ElementType element_types[] = {{"float32", 4}, {"int32", 4}, {"uint8", 1}};

std::string shown(std::string_view text, const char* what) {
  if (text.size() > longest_name) throw Damage{std::string(what) + " is " + std::to_string(text.size()) + " letters long"};
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 32) throw Damage{std::string(what) + " holds bytes that are no text"};
  return std::string(text);
}

Tensor read_tensor(const Table& table) {
  Tensor t;
  t.name = shown(table.text(tensor_name, "a tensor's name"), "a tensor's name");
  t.bytes = table.number<uint32_t>(tensor_bytes, 0);
  for (const int32_t d : table.numbers<int32_t>(tensor_shape, most_dimensions, "a tensor's shape")) t.shape.push_back(d);
  const auto type = table.number<uint8_t>(tensor_type, 0);
  t.type = type < std::size(element_types) ? element_types[type].name : "type " + std::to_string(type);
  if (const auto quantisation = table.table(tensor_quantisation)) {
    t.scales = quantisation->numbers<float>(quantisation_scales, most_channels, "a tensor's scales");
    t.zero_points = quantisation->numbers<int64_t>(quantisation_zero_points, most_channels, "a tensor's zero points");
  }
  uint64_t size = type < std::size(element_types) ? element_types[type].width : 0;
  for (const int64_t d : t.shape) {
    if (d < 1) throw Damage{"the tensor '" + t.name + "' has the dimension " + std::to_string(d)};
    if (size > (uint64_t{1} << 40)) throw Damage{"the tensor '" + t.name + "' is larger than any file holds"};
    size *= static_cast<uint64_t>(d);
  }
  if (size != 0 && size != t.bytes)
    throw Damage{"the tensor '" + t.name + "' has a shape of " + std::to_string(size) + " bytes and a size of " + std::to_string(t.bytes)};
  return t;
}

std::vector<Tensor> read_ports(const Table& ports, unsigned field, const char* what) {
  const Vector list = ports.vector(field, 4, what);
  if (list.count == 0) throw Damage{std::string("the file has no ") + what};
  if (list.count > most_ports) throw Damage{std::string("the file has ") + std::to_string(list.count) + " " + what};
  std::vector<Tensor> all;
  for (uint32_t i = 0; i < list.count; ++i) all.push_back(read_tensor(ports.element(list, i)));
  return all;
}

// "Layer: conv2dq8 gemm: MobilenetV2/Conv/Relu6" is of the kind "conv2dq8".
std::string kind_of_layer(std::string_view text) {
  constexpr std::string_view prefix = "Layer: ";
  if (text.substr(0, prefix.size()) == prefix) text.remove_prefix(prefix.size());
  return std::string(text.substr(0, text.find_first_of(" :")));
}

// Tensors lie in the weights when they are constant, else in the memory that the file asks for.
void check_places(const Table& graph, Model& model) {
  const Vector list = graph.vector(graph_tensors, 4, "the list of tensors");
  if (list.count > most_tensors) throw Damage{"the file lists " + std::to_string(list.count) + " tensors"};
  model.tensors = list.count;
  for (uint32_t i = 0; i < list.count; ++i) {
    const Table tensor = graph.element(list, i);
    const uint64_t address = tensor.number<uint32_t>(tensor_address, 0), bytes = tensor.number<uint32_t>(tensor_bytes, 0);
    const bool constant = tensor.number<uint8_t>(tensor_constant, 0) != 0;
    model.constants += constant;
    const uint64_t room = constant ? model.weight_bytes : model.memory_bytes;
    if (address + bytes > room)
      throw Damage{"tensor " + std::to_string(i) + " ends at " + std::to_string(address + bytes) + ", and " +
                   (constant ? "the weights" : "the memory") + " at " + std::to_string(room)};
  }
}

Model walk(const Bytes& bytes) {
  const Table root(bytes, bytes.number<uint32_t>(0, "the root"));
  Model model;
  model.version = root.number<int32_t>(root_version, 0);
  model.weight_bytes = root.vector(root_weights, 1, "the weights").count;
  root.vector(root_operations, 1, "the list of operations");
  model.output_ids = root.numbers<int32_t>(root_output_ids, most_ports, "the list of outputs");
  const auto graph = root.table(root_graph), ports = root.table(root_ports);
  if (!graph || !ports) throw Damage{"the file has no graph"};
  model.name = shown(graph->text(graph_name, "the graph's name"), "the graph's name");
  model.memory_bytes = ports->number<uint32_t>(ports_memory, 0);
  model.inputs = read_ports(*ports, ports_inputs, "inputs");
  model.outputs = read_ports(*ports, ports_outputs, "outputs");
  check_places(*graph, model);
  const Vector layers = graph->vector(graph_layers, 4, "the list of layers");
  if (layers.count > most_tensors) throw Damage{"the file lists " + std::to_string(layers.count) + " layers"};
  for (uint32_t i = 0; i < layers.count; ++i) {
    const std::string kind = kind_of_layer(shown(graph->element(layers, i).text(layer_text, "a layer's name"), "a layer's name"));
    if (model.layers.size() < 1000 || model.layers.count(kind)) ++model.layers[kind];
  }
  return model;
}

std::string shape_text(const Tensor& t) {
  std::string text;
  for (const int64_t d : t.shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return t.name + " " + t.type + " " + (text.empty() ? "scalar" : text);
}

nlohmann::ordered_json tensor_json(const Tensor& t) {
  nlohmann::ordered_json json = {{"name", t.name}, {"type", t.type}, {"shape", t.shape}};
  if (!t.scales.empty()) json["scales"] = t.scales;
  if (!t.zero_points.empty()) json["zero_points"] = t.zero_points;
  return json;
}

}  // namespace

bool Model::quantised() const {
  for (const auto* list : {&inputs, &outputs})
    for (const Tensor& t : *list)
      if (t.type == "uint8") return true;
  return false;
}

bool is_n2x(std::string_view head) { return head.size() >= 8 && head.substr(4, 4) == "N2X0"; }

Model read_model(std::string_view bytes, const std::string& path) {
  sdk::Diagnostic d;
  d.location = path;
  if (!is_n2x(bytes)) {
    d.text = "this is no N2X file";
    d.expected = "the letters N2X0 after the first four bytes";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  try {
    return walk(Bytes(bytes));
  } catch (const Damage& damage) {
    d.text = "the N2X file is damaged: " + damage.text;
    d.hint = "copy it anew from where it was made";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
}

std::string describe(const Model& model) {
  nlohmann::ordered_json json = {{"format", "N2X"}, {"summary", nlohmann::ordered_json::array()}};
  json["runtime"] = "N2X";
  json["name"] = model.name, json["version"] = model.version;
  json["inputs"] = json["outputs"] = nlohmann::ordered_json::array();
  std::string inputs, outputs, layers;
  for (const Tensor& t : model.inputs) json["inputs"].push_back(tensor_json(t)), inputs += (inputs.empty() ? "" : ", ") + shape_text(t);
  for (const Tensor& t : model.outputs) json["outputs"].push_back(tensor_json(t)), outputs += (outputs.empty() ? "" : ", ") + shape_text(t);
  for (const auto& [kind, count] : model.layers) layers += (layers.empty() ? "" : ", ") + kind + " " + std::to_string(count);
  json["output_ids"] = model.output_ids;
  json["layers"] = model.layers;
  json["tensors"] = model.tensors, json["constants"] = model.constants;
  json["weights_bytes"] = model.weight_bytes, json["memory_bytes"] = model.memory_bytes;
  json["quantised"] = model.quantised();
  const auto line = [&](const char* label, const std::string& text) { json["summary"].push_back({label, text}); };
  line("name", model.name);
  line("version", std::to_string(model.version));
  line("inputs", inputs);
  line("outputs", outputs);
  line("layers", layers);
  line("weights", std::to_string(model.weight_bytes) + " bytes");
  line("memory", std::to_string(model.memory_bytes) + " bytes");
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lathe::n2x
