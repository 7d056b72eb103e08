// XML to layers: ids, ports, edges, element types, constants inside the weights, no cycles.
#include "xml.hpp"

#include <algorithm>
#include <charconv>
#include <pugixml.hpp>
#include <queue>
#include <unordered_map>

#include "../element_types.hpp"
#include "../operations.hpp"

namespace lathe::openvino {
namespace {

constexpr uint64_t largest_text = uint64_t{256} << 20;
constexpr size_t most_layers = 1000000, most_problems = 20, deepest_info = 32, most_axes = 64;
constexpr int64_t largest_dimension = int64_t{1} << 48;

std::optional<int64_t> integer(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Where a text stops being UTF-8; nullopt: nowhere.
std::optional<size_t> no_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
    const unsigned lead = byte(0);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
    if (length == 0) return i;
    for (size_t k = 1; k < length; ++k)
      if (byte(k) < 0x80 || byte(k) > 0xbf) return i;
    // Spelled too long, a surrogate, or beyond the last character.
    if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f))
      return i;
    i += length;
  }
  return std::nullopt;
}

// "1, 3,?,-1,1..8" -> dimensions; nullopt: not such a list. "..." is a shape of unknown rank.
bool parse_shape(std::string_view text, Dimensions& out) {
  out.emplace();
  if (text.find_first_not_of(" []") == std::string_view::npos) return true;
  if (text == "...") {
    out.reset();
    return true;
  }
  while (true) {
    const size_t comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    if (word == "?" || word.find("..") != std::string_view::npos) {
      out->push_back(-1);
    } else {
      const auto number = integer(word);
      if (!number || *number < -1 || *number > largest_dimension) return false;
      out->push_back(*number);
    }
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

// Names between commas; a backslash takes the next character as it is.
std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      names.back() += text[++i];
    } else if (text[i] == ',') {
      names.emplace_back();
    } else {
      names.back() += text[i];
    }
  }
  std::erase(names, "");
  return names;
}

class Parser {
 public:
  Parser(std::string_view weights, const std::string& where, int depth = 0, std::string place = {})
      : weights_(weights), where_(where), depth_(depth), place_(std::move(place)) {}

  Model run(std::string_view xml) {
    if (xml.size() > largest_text) stop("the file is larger than an IR's text can be", "at most 256 MiB", std::to_string(xml.size()) + " bytes");
    if (const auto at = no_utf8(xml)) stop("this XML is not UTF-8 at byte " + std::to_string(*at));
    pugi::xml_document document;
    const pugi::xml_parse_result result =
        document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
    if (!result) stop(std::string("this is no XML: ") + result.description() + " at byte " + std::to_string(result.offset));
    for (const pugi::xml_node child : document.children())
      if (child.type() == pugi::node_doctype) stop("the file declares a document type; an IR has none, and its entities are not taken");
    const pugi::xml_node net = document.child("net");
    if (!net) stop("this XML is no IR: it has no element <net>");
    const auto version = integer(net.attribute("version").value());
    if (!version || *version < 10 || *version > 11)
      stop("this IR has a version that is not read", "10 or 11", net.attribute("version").value(), "convert the model again with a newer OpenVINO");
    network(net);
    model_.version = static_cast<int>(*version);
    model_.name = net.attribute("name").value();
    model_.info = read_info(net.child("rt_info"), 0);
    return std::move(model_);
  }

 private:
  // The layers and edges of the file, or of a body.
  void network(const pugi::xml_node net) {
    for (const pugi::xml_node layer : net.child("layers").children("layer")) {
      if (drafts_.size() >= most_layers) stop("the model has more than a million layers");
      read_layer(layer);
    }
    if (drafts_.empty()) problem("the model has no layers");
    throw_if_any();
    for (const pugi::xml_node edge : net.child("edges").children("edge")) read_edge(edge);
    for (const Draft& draft : drafts_)
      for (size_t i = 0; i < draft.sources.size(); ++i)
        if (!draft.sources[i]) problem(name_of(draft) + ": nothing is connected to its input port " + std::to_string(draft.input_ids[i]));
    throw_if_any();
    order();
    open_ranks();
  }

  // A port whose rank is open is written without dimensions, as a scalar's is. It is one where that comes from a layer whose result has no fixed
  // rank.
  void open_ranks() {
    const auto open = [&](const Model& model, const Source& source) { return !model.layers[source.layer].outputs[source.port].dimensions; };
    for (Layer& layer : model_.layers) {
      if (layer.type == "Parameter" || layer.type == "Const") continue;  // their own shape says it
      const bool any = std::any_of(layer.inputs.begin(), layer.inputs.end(), [&](const Source& s) { return open(model_, s); });
      // Wanted shapes and axes that are computed.
      const bool product = layer.type == "MatMul" && std::any_of(layer.inputs.begin(), layer.inputs.end(), [&](const Source& s) {
                             const Dimensions& shape = model_.layers[s.layer].outputs[s.port].dimensions;
                             return shape && shape->size() > 1;
                           });
      const bool computed = (layer.type == "Reshape" || layer.type == "Squeeze" || layer.type == "Broadcast") && layer.inputs.size() > 1 &&
                            model_.layers[layer.inputs[1].layer].type != "Const";
      for (size_t i = 0; i < layer.outputs.size(); ++i) {
        OutputPort& port = layer.outputs[i];
        if (!port.dimensions || !port.dimensions->empty()) continue;
        bool unknown =
            layer.bodies.empty() && (any || computed || product || (layer.type == "Squeeze" && layer.inputs.size() == 1)) && layer.type != "ShapeOf";
        for (const Body& body : layer.bodies)
          for (const PortMap& map : body.outputs) {
            if (map.port != static_cast<int64_t>(i)) continue;
            const Layer& result = body.model->layers[map.inner];
            const Dimensions& inner = body.model->layers[result.inputs[0].layer].outputs[result.inputs[0].port].dimensions;
            unknown = unknown || !inner || !inner->empty();
          }
        if (unknown) port.dimensions.reset();
      }
    }
  }

  struct Draft {
    int64_t id = 0;
    Layer layer;
    std::vector<int64_t> input_ids, output_ids;
    std::vector<std::optional<std::pair<size_t, uint32_t>>> sources;
  };

  [[noreturn]] void stop(std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
    problem(std::move(text), std::move(expected), std::move(found), std::move(hint));
    throw sdk::Failure(LATHE_FAILED, std::move(problems_));
  }
  void problem(std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
    sdk::Diagnostic d;
    d.text = place_ + std::move(text), d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
    d.location = where_;
    problems_.push_back(std::move(d));
    if (problems_.size() >= most_problems) throw_if_any();
  }
  void throw_if_any() {
    if (!problems_.empty()) throw sdk::Failure(LATHE_FAILED, std::move(problems_));
  }
  static std::string name_of(const Draft& draft) {
    return "layer " + std::to_string(draft.id) + " '" + draft.layer.name + "' (" + draft.layer.type + ")";
  }

  bool read_port(const pugi::xml_node node, const Draft& draft, bool output, int64_t& id, OutputPort& port) {
    const auto number = integer(node.attribute("id").value());
    if (!number || *number < 0) {
      problem(name_of(draft) + " has a port without a number");
      return false;
    }
    id = *number;
    const auto taken = [&](const std::vector<int64_t>& list) { return std::find(list.begin(), list.end(), id) != list.end(); };
    if (taken(draft.input_ids) || taken(draft.output_ids)) problem(name_of(draft) + " has two ports " + std::to_string(id));
    const std::string_view precision = node.attribute("precision").value();
    const ElementType* type = find_type_in_port(precision);
    if (type) {
      port.type = type->lathe;
    } else if (output || !precision.empty()) {
      problem(name_of(draft) + ": port " + std::to_string(id) + " has a precision that is not known", "FP32, FP16, I64, ...", std::string(precision));
    }
    port.dimensions.emplace();
    for (const pugi::xml_node dim : node.children("dim")) {
      const auto d = integer(dim.text().get());
      if (port.dimensions->size() >= most_axes) {
        problem(name_of(draft) + ": port " + std::to_string(id) + " has more axes than a tensor can have", "at most " + std::to_string(most_axes));
        return false;
      }
      if (!d || *d < -1 || *d > largest_dimension) {
        problem(name_of(draft) + ": port " + std::to_string(id) + " has a dimension that is none",
                "0 to " + std::to_string(largest_dimension) + ", or -1 where it is open", dim.text().get());
        return false;
      }
      port.dimensions->push_back(*d);
    }
    if (output) port.names = split_names(node.attribute("names").value());
    return true;
  }

  void read_layer(const pugi::xml_node node) {
    Draft draft;
    const auto id = integer(node.attribute("id").value());
    draft.layer.name = node.attribute("name").value();
    draft.layer.type = node.attribute("type").value();
    if (!id || *id < 0) return problem("a layer has no number: '" + draft.layer.name + "'", "id=\"0\" or more", node.attribute("id").value());
    draft.id = *id;
    if (draft.layer.type.empty()) return problem("layer " + std::to_string(*id) + " names no operation (its attribute type is empty)");
    if (draft.layer.name.empty()) draft.layer.name = draft.layer.type + "_" + std::to_string(*id);
    const std::string_view version = node.attribute("version").value();
    const auto opset = opset_number(version);
    if (!opset || *opset > newest_opset) {
      problem(name_of(draft) + " is of an operation set that is not known", "opset1 to opset" + std::to_string(newest_opset), std::string(version));
    } else {
      draft.layer.opset = *opset;
    }
    const pugi::xml_node data = node.child("data");
    for (const pugi::xml_attribute a : data.attributes()) draft.layer.attributes.push_back({a.name(), a.value()});
    for (const pugi::xml_node mark : node.child("rt_info").children("attribute"))
      if (std::string_view(mark.attribute("name").value()) == "decompression") draft.layer.decompression = true;
    for (const pugi::xml_node port : node.child("input").children("port")) {
      int64_t number = 0;
      OutputPort read;
      if (!read_port(port, draft, false, number, read)) continue;
      draft.input_ids.push_back(number);
      draft.sources.emplace_back();
    }
    for (const pugi::xml_node port : node.child("output").children("port")) {
      int64_t number = 0;
      OutputPort read;
      if (!read_port(port, draft, true, number, read)) continue;
      draft.output_ids.push_back(number);
      draft.layer.outputs.push_back(std::move(read));
    }
    if (draft.layer.type == "Const") read_constant(draft);
    if (draft.layer.type == "Parameter") read_parameter(draft);
    for (const char* body : {"body", "then_body", "else_body"})
      if (const pugi::xml_node inner = node.child(body)) read_body(node, inner, draft);
    if (!index_.emplace(*id, drafts_.size()).second) problem("two layers have the number " + std::to_string(*id));
    drafts_.push_back(std::move(draft));
  }

  // A network inside of a layer, and which ports belong to which of its Parameters and Results.
  void read_body(const pugi::xml_node node, const pugi::xml_node inner, Draft& draft) {
    if (depth_ >= deepest_body) stop(name_of(draft) + ": bodies are nested deeper than " + std::to_string(deepest_body));
    Body body;
    body.name = inner.name();
    Parser parser(weights_, where_, depth_ + 1, place_ + "in the " + body.name + " of " + name_of(draft) + ": ");
    parser.network(inner);
    const auto numbers = [&](const pugi::xml_node entry, const char* name, int64_t fallback, bool& good) {
      const pugi::xml_attribute given = entry.attribute(name);
      const auto number = given ? integer(given.value()) : std::optional(fallback);
      if (!number) good = false;
      return number.value_or(fallback);
    };
    const auto layer_of = [&](int64_t id, std::string_view type, uint32_t& place) {
      const auto found = parser.index_.find(id);
      if (found == parser.index_.end()) return false;
      place = parser.places_[found->second];
      const Layer& layer = parser.model_.layers[place];
      return layer.type == type && (type != "Result" || layer.inputs.size() == 1);
    };
    std::vector<std::pair<int64_t, PortMap>> outputs;
    for (const pugi::xml_node entry : node.child(body.port_map().c_str()).children()) {
      const bool input = std::string_view(entry.name()) == "input";
      if (!input && std::string_view(entry.name()) != "output") continue;
      PortMap map;
      bool good = entry.attribute("external_port_id") && entry.attribute("internal_layer_id");
      const int64_t port = numbers(entry, "external_port_id", 0, good), id = numbers(entry, "internal_layer_id", 0, good);
      if (entry.attribute("axis")) map.axis = numbers(entry, "axis", 0, good);
      map.start = numbers(entry, "start", 0, good), map.end = numbers(entry, "end", -1, good);
      map.stride = numbers(entry, "stride", 1, good), map.part_size = numbers(entry, "part_size", 1, good);
      map.purpose = entry.attribute("purpose").value();
      const std::string text = name_of(draft) + ": an " + entry.name() + " of its " + body.port_map();
      if (!good) return problem(text + " lacks a number");
      if (!layer_of(id, input ? "Parameter" : "Result", map.inner))
        return problem(text + " names no " + (input ? "Parameter" : "Result") + " of the body", {}, std::to_string(id));
      if (!input) {
        outputs.emplace_back(port, map);
        continue;
      }
      if (port >= 0) {
        const auto at = std::find(draft.input_ids.begin(), draft.input_ids.end(), port);
        if (at == draft.input_ids.end()) return problem(text + " names a port that is not there", {}, std::to_string(port));
        map.port = at - draft.input_ids.begin();
      }
      for (const PortMap& other : body.inputs)
        if (other.inner == map.inner || (map.port >= 0 && other.port == map.port))
          return problem(text + " stands there twice", {}, std::to_string(port));
      body.inputs.push_back(map);
    }
    // Outputs count in the order of their numbers: some files number them from 0, others behind the inputs.
    std::vector<std::pair<int64_t, size_t>> order;
    for (size_t i = 0; i < outputs.size(); ++i) order.emplace_back(outputs[i].first, i);
    std::sort(order.begin(), order.end());
    int64_t count = 0, last = -1;
    for (const auto& [number, index] : order) {
      auto& [port, map] = outputs[index];
      if (port >= 0 && port == last) return problem(name_of(draft) + ": two Results of its " + body.name + " are for one port");
      last = port;
      if (port >= 0) map.port = count++;
      body.outputs.push_back(map);
    }
    if (count != static_cast<int64_t>(draft.layer.outputs.size()))
      return problem(name_of(draft) + ": the Results of its " + body.name + " are not as many as its outputs",
                     std::to_string(draft.layer.outputs.size()), std::to_string(count));
    for (const pugi::xml_node entry : node.child("back_edges").children("edge")) {
      BackEdge edge;
      bool good = entry.attribute("from-layer") && entry.attribute("to-layer");
      const int64_t from = numbers(entry, "from-layer", 0, good), to = numbers(entry, "to-layer", 0, good);
      if (!good || !layer_of(from, "Result", edge.result) || !layer_of(to, "Parameter", edge.parameter))
        return problem(name_of(draft) + ": a back edge does not lead from a Result to a Parameter of the body");
      for (const BackEdge& other : body.back_edges)
        if (other.parameter == edge.parameter) return problem(name_of(draft) + ": two back edges lead to one Parameter");
      body.back_edges.push_back(edge);
    }
    body.model = std::make_shared<const Model>(std::move(parser.model_));
    draft.layer.bodies.push_back(std::move(body));
  }

  const std::string* required(const Draft& draft, std::string_view attribute) {
    const std::string* value = draft.layer.attribute(attribute);
    if (!value) problem(name_of(draft) + " lacks the attribute " + std::string(attribute));
    return value;
  }

  // Shape and type stand in <data>; the ports repeat them.
  bool declared(Draft& draft) {
    const std::string *type_text = required(draft, "element_type"), *shape_text = required(draft, "shape");
    if (!type_text || !shape_text) return false;
    const ElementType* type = find_type_in_data(*type_text);
    Dimensions shape;
    if (!type || !parse_shape(*shape_text, shape)) {
      problem(name_of(draft) + " has no element type or no shape", "element_type=\"f32\" shape=\"1, 3\"", *type_text + ", " + *shape_text);
      return false;
    }
    if (draft.layer.outputs.size() != 1) {
      problem(name_of(draft) + " has not one output port", "1", std::to_string(draft.layer.outputs.size()));
      return false;
    }
    if (!type->lathe) {
      problem(name_of(draft) + " is of type " + *type_text + ", which is not read");
      return false;
    }
    draft.layer.outputs[0].type = type->lathe;
    draft.layer.outputs[0].dimensions = std::move(shape);
    return true;
  }

  void read_parameter(Draft& draft) { declared(draft); }

  void read_constant(Draft& draft) {
    if (!declared(draft)) return;
    const std::string *offset_text = required(draft, "offset"), *size_text = required(draft, "size");
    if (!offset_text || !size_text) return;
    const auto offset = integer(*offset_text), size = integer(*size_text);
    if (!offset || !size || *offset < 0 || *size < 0)
      return problem(name_of(draft) + ": offset and size are no numbers", {}, *offset_text + ", " + *size_text);
    const OutputPort& port = draft.layer.outputs[0];
    uint64_t bits = find_type(port.type)->bits;
    for (const int64_t d : *port.dimensions) {
      if (d < 0) return problem(name_of(draft) + " has an open dimension, which a constant cannot have");
      if (__builtin_mul_overflow(bits, static_cast<uint64_t>(d), &bits)) return problem(name_of(draft) + " has more elements than can be counted");
    }
    const uint64_t wanted = bits / 8 + (bits % 8 != 0);
    if (wanted != static_cast<uint64_t>(*size))
      return problem(name_of(draft) + " has a size that is not that of its elements", std::to_string(wanted), std::to_string(*size));
    if (static_cast<uint64_t>(*size) > weights_.size() || static_cast<uint64_t>(*offset) > weights_.size() - static_cast<uint64_t>(*size))
      return problem(name_of(draft) + " lies beyond the end of the weights", "at most " + std::to_string(weights_.size()) + " bytes",
                     "offset " + std::to_string(*offset) + ", size " + std::to_string(*size), "the .bin is cut off, or belongs to another .xml");
    draft.layer.data = weights_.data() + *offset;
    draft.layer.size = static_cast<uint64_t>(*size);
  }

  void read_edge(const pugi::xml_node edge) {
    int64_t numbers[4] = {};
    const char* names[4] = {"from-layer", "from-port", "to-layer", "to-port"};
    for (int i = 0; i < 4; ++i) {
      const auto number = integer(edge.attribute(names[i]).value());
      if (!number) return problem(std::string("an edge has no ") + names[i], "a number", edge.attribute(names[i]).value());
      numbers[i] = *number;
    }
    const auto text = [&] { return "the edge from layer " + std::to_string(numbers[0]) + " to layer " + std::to_string(numbers[2]); };
    const auto from = index_.find(numbers[0]), to = index_.find(numbers[2]);
    if (from == index_.end() || to == index_.end()) return problem(text() + " names a layer that is not there");
    const Draft& source = drafts_[from->second];
    Draft& target = drafts_[to->second];
    const auto out = std::find(source.output_ids.begin(), source.output_ids.end(), numbers[1]);
    if (out == source.output_ids.end()) return problem(text() + ": " + name_of(source) + " has no output port " + std::to_string(numbers[1]));
    const auto in = std::find(target.input_ids.begin(), target.input_ids.end(), numbers[3]);
    if (in == target.input_ids.end()) return problem(text() + ": " + name_of(target) + " has no input port " + std::to_string(numbers[3]));
    auto& slot = target.sources[static_cast<size_t>(in - target.input_ids.begin())];
    if (slot) return problem(text() + ": input port " + std::to_string(numbers[3]) + " of " + name_of(target) + " is connected twice");
    slot = {from->second, static_cast<uint32_t>(out - source.output_ids.begin())};
  }

  // Kahn's algorithm, in the file's order where it has a choice. Results stand last, in the file's order: it is that of the outputs.
  void order() {
    std::vector<size_t> waiting(drafts_.size(), 0);
    std::vector<std::vector<size_t>> users(drafts_.size());
    std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready, results;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      waiting[i] = drafts_[i].sources.size();
      for (const auto& source : drafts_[i].sources) users[source->first].push_back(i);
      if (waiting[i] == 0) ready.push(i);
    }
    places_.assign(drafts_.size(), 0);
    while (!ready.empty() || !results.empty()) {
      auto& next = ready.empty() ? results : ready;
      const size_t i = next.top();
      next.pop();
      places_[i] = static_cast<uint32_t>(model_.layers.size());
      for (const auto& source : drafts_[i].sources) drafts_[i].layer.inputs.push_back({places_[source->first], source->second});
      model_.layers.push_back(std::move(drafts_[i].layer));
      for (const size_t user : users[i])
        if (--waiting[user] == 0) (drafts_[user].layer.type == "Result" ? results : ready).push(user);
    }
    if (model_.layers.size() == drafts_.size()) return;
    for (size_t i = 0; i < drafts_.size(); ++i)
      if (waiting[i]) stop("the graph is cyclic: " + name_of(drafts_[i]) + " waits for its own result");
  }

  std::vector<Info> read_info(const pugi::xml_node node, size_t depth) {
    std::vector<Info> list;
    if (depth >= deepest_info) return list;
    for (const pugi::xml_node child : node.children())
      if (child.type() == pugi::node_element) list.push_back({child.name(), child.attribute("value").value(), read_info(child, depth + 1)});
    return list;
  }

  std::string_view weights_;
  const std::string& where_;
  int depth_;
  std::string place_;  // in front of every sentence about a body
  Model model_;
  std::vector<Draft> drafts_;
  std::vector<uint32_t> places_;  // of each draft among the model's layers
  std::unordered_map<int64_t, size_t> index_;
  std::vector<sdk::Diagnostic> problems_;
};

}  // namespace

Model parse_model(std::string_view xml, std::string_view weights, const std::string& where) { return Parser(weights, where).run(xml); }

ModelFile::ModelFile(const std::string& path) : xml_(path) {
  const size_t dot = path.rfind('.'), slash = path.rfind('/');
  weights_path_ = (dot == std::string::npos || (slash != std::string::npos && dot < slash) ? path : path.substr(0, dot)) + ".bin";
  const bool constants = xml_.bytes().find("type=\"Const\"") != std::string_view::npos;
  // A model all of whose constants are empty has an empty file, which cannot be mapped.
  struct stat status = {};
  const bool there = ::stat(weights_path_.c_str(), &status) == 0;
  if (constants && !there) {
    sdk::Diagnostic d;
    d.text = "the weights of this model are missing";
    d.location = path;
    d.expected = weights_path_;
    d.hint = "the .xml and the .bin belong together: copy both";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  if (there && (status.st_size > 0 || !S_ISREG(status.st_mode))) weights_ = std::make_unique<sdk::MappedFile>(weights_path_);
  model_ = parse_model(xml_.bytes(), weights(), path);
}

bool looks_like_ir(std::string_view head) {
  const size_t net = head.find("<net");
  if (net == std::string_view::npos) return false;
  const std::string_view before = head.substr(0, net);
  return before.find_first_not_of(" \t\r\n\xef\xbb\xbf") == std::string_view::npos || before.find("<?xml") != std::string_view::npos ||
         before.find("<!--") != std::string_view::npos;
}

}  // namespace lathe::openvino
