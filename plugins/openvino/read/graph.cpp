// Layer by layer into a graph; what cannot be read is told for all layers at once.
#include <algorithm>

#include "step.hpp"

namespace lathe::openvino {
namespace {

constexpr std::span<const Reader> (*families[])() = {control_flow_readers, elementwise_readers,  movement_readers,
                                                     network_readers,      quantization_readers, random_readers,
                                                     recurrent_readers,    signal_readers,       vision_readers};

const Reader* find_reader(std::string_view type) {
  for (const auto& family : families)
    for (const Reader& reader : family())
      if (reader.type == type) return &reader;
  return nullptr;
}

// The counts that the table gives; what lies inside the operation is its reader's.
void check_ports(const ReadStep& s) {
  const Operation& o = s.operation;
  const bool variadic = !o.inputs.empty() && o.inputs.back().variadic;
  const size_t least = static_cast<size_t>(std::count_if(o.inputs.begin(), o.inputs.end(), [](const PortRule& p) { return !p.optional; }));
  if (s.inputs() < least || (!variadic && s.inputs() > o.inputs.size()))
    s.refuse("it has " + std::to_string(s.inputs()) + " inputs, and the operation takes " + std::to_string(least) +
             (variadic                   ? " or more"
              : least == o.inputs.size() ? ""
                                         : " to " + std::to_string(o.inputs.size())));
  const size_t given = s.layer.outputs.size();
  const bool many = !o.outputs.empty() && o.outputs.back().variadic;
  if (given < 1 || (!many && given > o.outputs.size()))
    s.refuse("it has " + std::to_string(given) + " outputs, and the operation yields " + std::to_string(o.outputs.size()));
}

void add_properties(const Model& model, sdk::GraphBuilder& builder) {
  for (const Info& info : model.info) {
    if (info.name != "model_info") continue;
    for (const Info& entry : info.children) {
      if (entry.name != "labels" || entry.value.empty()) continue;
      // Labels stand with blanks between them, and blanks inside became '_'.
      std::string names = "{";
      size_t number = 0, at = 0;
      while (at < entry.value.size()) {
        const size_t end = std::min(entry.value.find(' ', at), entry.value.size());
        std::string name = entry.value.substr(at, end - at);
        std::replace(name.begin(), name.end(), '_', ' ');
        std::string escaped;
        for (const char c : name) escaped += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
        if (!name.empty()) names += (number ? ", " : "") + std::to_string(number) + ": '" + escaped + "'", ++number;
        at = end + 1;
      }
      builder.set_property("names", names + "}");
    }
  }
}

}  // namespace

void read_layers(Import& import) {
  for (uint32_t i = 0; i < import.model.layers.size(); ++i) {
    const Layer& layer = import.model.layers[i];
    if (layer.type == "Parameter" || layer.type == "Const" || layer.type == "Result") continue;
    const Reader* reader = find_reader(layer.type);
    try {
      if (!reader || !find_operation(layer.type, layer.opset)) {
        sdk::Diagnostic d;
        d.text = oldest_operation(layer.type) && reader ? "opset" + std::to_string(layer.opset) + " has no operation of this name"
                                                        : "the operation is not one that can be read";
        d.node = layer.name;
        d.op_type = layer.type;
        throw sdk::Failure(LATHE_UNSUPPORTED, std::move(d));
      }
      ReadStep step(import, i);
      check_ports(step);
      reader->read(step);
    } catch (sdk::Failure& failure) {
      for (sdk::Diagnostic& d : failure.diagnostics) {
        d.location = import.where;
        if (import.problems.size() < 50) import.problems.push_back(std::move(d));
      }
      if (failure.code != LATHE_UNSUPPORTED) throw;
    }
  }
}

sdk::GraphBuilder read_graph(const Model& model, const std::string& weights_path, std::string_view weights, const std::string& where) {
  Import import(model, weights_path, weights);
  import.where = where;
  // Names of inputs and outputs are what people call them by: they are taken before any other.
  for (uint32_t i = 0; i < model.layers.size(); ++i) {
    const Layer& layer = model.layers[i];
    if (layer.type != "Parameter") continue;
    std::optional<sdk::Shape> shape;
    if (layer.outputs[0].dimensions) {
      shape.emplace();
      for (const int64_t d : *layer.outputs[0].dimensions) shape->push_back(sdk::Dimension(d));
    }
    import.set({i, 0}, import.builder.add_input(import.unique(import.tensor_name({i, 0})), layer.outputs[0].type, std::move(shape)));
  }
  read_layers(import);
  if (!import.problems.empty()) throw sdk::Failure(LATHE_UNSUPPORTED, std::move(import.problems));
  size_t results = 0;
  for (const Layer& layer : model.layers) {
    if (layer.type != "Result") continue;
    if (layer.inputs.size() != 1) throw sdk::Failure(LATHE_FAILED, "the result '" + layer.name + "' has not one input");
    const Source source = layer.inputs[0];
    uint32_t value = import.value(source);
    // An output under its own name, where the tensor has several: the second and third result of one port.
    const auto& names = import.port(source).names;
    const std::string own = layer.name.substr(0, layer.name.find("/sink_port_"));
    const bool named = std::find(names.begin(), names.end(), own) != names.end();
    if (named && import.builder.value(value).name != own) {
      const uint32_t copy = import.builder.add_value(import.unique(own));
      import.builder.add_node("Identity", {value}, {copy}, import.unique_node(layer.name));
      value = copy;
    }
    import.builder.add_output(value);
    ++results;
  }
  if (!results) throw sdk::Failure(LATHE_FAILED, "the model has no result");
  add_properties(model, import.builder);
  return std::move(import.builder);
}

}  // namespace lathe::openvino
