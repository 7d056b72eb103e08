// See module_table.hpp. What `parse_model` of Ultralytics (ultralytics/nn/tasks.py) makes of a network's YAML, which is saved with the
// network: channels scaled by its width, repeats by its depth.
#include "module_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

namespace lathe::ultralytics {
namespace {

using Kind = PickleValue::Kind;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Classes whose constructors take (channels in, channels out, ...).
bool takes_channels(std::string_view name) {
  return is_one_of(name, {"A2C2f",
                          "AConv",
                          "ADown",
                          "Bottleneck",
                          "BottleneckCSP",
                          "C1",
                          "C2",
                          "C2PSA",
                          "C2f",
                          "C2fAttn",
                          "C2fCIB",
                          "C2fPSA",
                          "C3",
                          "C3Ghost",
                          "C3SPP",
                          "C3TR",
                          "C3k2",
                          "C3x",
                          "Classify",
                          "Conv",
                          "Conv2",
                          "CrossConv",
                          "ConvTranspose",
                          "DWConv",
                          "ELAN1",
                          "Focus",
                          "GhostBottleneck",
                          "GhostConv",
                          "MixConv2d",
                          "PSA",
                          "RepC3",
                          "RepNCSPELAN4",
                          "SCDown",
                          "SPP",
                          "SPPELAN",
                          "SPPF",
                          "TorchVision",
                          "LightConv",
                          "DWConvTranspose2d",
                          "nn.ConvTranspose2d"});
}
// Those of them that take the number of repeats as their third argument.
bool takes_repeats(std::string_view name) {
  return is_one_of(
      name, {"A2C2f", "BottleneckCSP", "C1", "C2", "C2PSA", "C2f", "C2fAttn", "C2fCIB", "C2fPSA", "C3", "C3Ghost", "C3TR", "C3k2", "C3x", "RepC3"});
}
// Heads: what they take last are the channels of all their inputs.
bool takes_inputs(std::string_view name) {
  return name.find("Detect") != std::string_view::npos || name.substr(0, 7) == "Segment" || name.substr(0, 4) == "Pose" ||
         name.substr(0, 3) == "OBB" || name == "YOLOESegment" || name == "YOLOESegment26" || name == "ImagePoolingAttn";
}
bool keeps_channels(std::string_view name) {
  return is_one_of(name, {"CBAM", "CBFuse", "ChannelAttention", "Identity", "SpatialAttention"}) || name.substr(0, 3) == "nn.";
}
bool has_prototypes(std::string_view name) { return name.find("Segment") != std::string_view::npos; }

// As Python's repr() has it.
std::string python_text(const Pickle& pickle, PickleId id, int depth = 4) {
  const PickleValue& v = pickle[id];
  switch (v.kind) {
    case Kind::real: {
      std::array<char, 40> buffer{};
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v.real).ptr;
      std::string digits(buffer.data(), end);
      if (digits.find_first_not_of("-0123456789") == std::string::npos) digits += ".0";
      return digits;
    }
    case Kind::text:
      return "'" + printable(v.text, 200) + "'";
    case Kind::list:
    case Kind::tuple: {
      std::string list;
      for (const PickleId item : v.items) {
        list += (list.empty() ? "" : ", ") + (depth > 0 ? python_text(pickle, item, depth - 1) : "...");
        if (list.size() > 1000) break;
      }
      return v.kind == Kind::list ? "[" + list + "]" : "(" + list + (v.items.size() == 1 ? ",)" : ")");
    }
    default:
      return describe(pickle, id, 1);
  }
}

// Channels; below 0 where a class that is not known stands before.
std::string channel_text(int64_t channels) { return channels < 0 ? "?" : std::to_string(channels); }

std::string python_text(const std::vector<int64_t>& channels) {
  std::string list;
  for (const int64_t n : channels) list += (list.empty() ? "" : ", ") + channel_text(n);
  return "[" + list + "]";
}

// What the YAML says about the whole network.
struct Description {
  const Pickle& pickle;
  PickleId yaml;
  double depth = 1, width = 1, most_channels = std::numeric_limits<double>::infinity();
  int64_t classes = -1;
  std::string scale;
  bool heads_take_reg_max = false;  // since Ultralytics 8.4

  PickleId get(std::string_view key) const { return find_key(pickle, yaml, key); }
  double real(std::string_view key, double otherwise) const {
    const PickleId id = get(key);
    return id == no_pickle ? otherwise : number(pickle, id).value_or(otherwise);
  }

  Description(const Module& model, PickleId yaml) : pickle(model.checkpoint().pickle()), yaml(yaml) {
    depth = real("depth_multiple", 1), width = real("width_multiple", 1);
    classes = whole(real("nc", -1));
    if (const PickleIds* scales = pairs(pickle, get("scales")); scales && scales->size() >= 2) {
      if (const PickleId named = get("scale"); named != no_pickle) scale = text(pickle, named).value_or("");
      PickleId chosen = scale.empty() ? no_pickle : find_key(pickle, get("scales"), scale);
      if (chosen == no_pickle) chosen = (*scales)[1];
      const PickleIds& three = pickle[chosen].items;
      if (three.size() >= 2) depth = number(pickle, three[0]).value_or(1), width = number(pickle, three[1]).value_or(1);
      if (three.size() >= 3) most_channels = number(pickle, three[2]).value_or(most_channels);
    }
    if (const PickleId version = model.checkpoint().entry("version"); version != no_pickle) {
      const std::string v = describe(pickle, version, 0);
      int major = 0, minor = 0;
      if (std::sscanf(v.c_str(), "%d.%d", &major, &minor) == 2) heads_take_reg_max = major > 8 || (major == 8 && minor >= 4);
    }
  }

  int64_t scaled(double channels) const { return whole(std::ceil(std::min(channels, most_channels) * width / 8)) * 8; }

  // An argument that is the name of a value of the network.
  std::string argument(PickleId id) const {
    const PickleValue& v = pickle[id];
    if (v.kind != Kind::text) return python_text(pickle, id);
    if (is_one_of(v.text, {"None", "True", "False"})) return std::string(v.text);
    if (v.text == "nc" && classes >= 0) return std::to_string(classes);
    if (v.text == "anchors" || v.text == "kpt_shape" || v.text == "reg_max")
      if (const PickleId named = get(v.text); named != no_pickle) return python_text(pickle, named);
    return python_text(pickle, id);
  }
};

}  // namespace

int64_t count_parameters(const Module& module) {
  const Checkpoint& checkpoint = module.checkpoint();
  const Pickle& pickle = checkpoint.pickle();
  std::set<PickleId> seen;
  std::vector<Module> open = {module};
  int64_t count = 0;
  while (!open.empty()) {
    const Module next = open.back();
    open.pop_back();
    if (!seen.insert(next.id()).second) continue;
    const PickleIds* held = pairs(pickle, find_key(pickle, pickle[next.id()].state, "_parameters"));
    for (size_t i = 0; held && i + 1 < held->size(); i += 2)
      if (const PickleId id = (*held)[i + 1]; checkpoint.is_tensor(id) && seen.insert(id).second) count += checkpoint.tensor(id).size();
    for (const auto& [name, child] : next.children()) open.push_back(child);
  }
  return count;
}

std::vector<ModuleRow> module_table(const Module& model, const std::vector<Stage>& stages) {
  const Pickle& pickle = model.checkpoint().pickle();
  std::vector<ModuleRow> rows;
  for (const Stage& stage : stages) {
    const PickleId from = stage.module.attribute("f");
    const std::string type = stage.module.text("type", "");
    rows.push_back({from == no_pickle ? "-1" : python_text(pickle, from), 1, count_parameters(stage.module),
                    type.empty() ? stage.module.class_path() : printable(type, 200), ""});
  }

  const PickleId yaml = model.attribute("yaml");
  if (yaml == no_pickle || !pairs(pickle, yaml)) return rows;
  const Description network(model, yaml);
  std::vector<PickleId> lines;
  for (const std::string_view part : {"backbone", "head"})
    if (const PickleId list = network.get(part); list != no_pickle) lines.insert(lines.end(), pickle[list].items.begin(), pickle[list].items.end());
  if (lines.size() != rows.size()) return rows;

  std::vector<int64_t> channels;  // that each module yields
  const double given = network.real("ch", network.real("channels", 3));
  for (size_t i = 0; i < rows.size(); ++i) {
    const PickleIds& line = pickle[lines[i]].items;  // from, repeats, class, arguments
    if (line.size() != 4 || pickle[line[2]].kind != Kind::text) return rows;
    const std::string_view name = pickle[line[2]].text;
    const PickleIds& written = pickle[line[3]].items;
    std::vector<int64_t> inputs;
    for (const int64_t from : stages[i].from)
      inputs.push_back(from < 0 ? (channels.empty() ? whole(given) : channels.back()) : channels[static_cast<size_t>(from)]);
    const double repeats = number(pickle, line[1]).value_or(1);
    rows[i].repeats = repeats > 1 && repeats < 1e6 ? std::max<int64_t>(std::llrint(repeats * network.depth), 1) : 1;

    std::vector<std::string> arguments;
    for (const PickleId id : written) arguments.push_back(network.argument(id));
    const auto at = [&](size_t index) { return index < written.size() ? number(pickle, written[index]) : std::nullopt; };
    const int64_t first = inputs.empty() ? 0 : inputs.front();
    int64_t out = inputs.empty() ? 0 : inputs.back();
    if (takes_channels(name) && !written.empty()) {
      const bool classes = pickle[written[0]].kind == Kind::text || at(0) == double(network.classes);
      out = classes ? network.classes : network.scaled(at(0).value_or(0));
      arguments[0] = channel_text(out);
      arguments.insert(arguments.begin(), channel_text(first));
      if (takes_repeats(name)) arguments.insert(arguments.begin() + 2, std::to_string(rows[i].repeats));
      const bool large = is_one_of(network.scale, {"m", "l", "x"});
      if (name == "C3k2" && large && arguments.size() > 3) arguments[3] = "True";
      if (name == "A2C2f" && large && network.scale != "m") arguments.insert(arguments.end(), {"True", "1.2"});
    } else if (name == "Concat") {
      out = 0;
      for (const int64_t n : inputs) out = n < 0 || out < 0 ? -1 : out + n;
    } else if (takes_inputs(name)) {
      if (has_prototypes(name) && arguments.size() > 2) arguments[2] = std::to_string(network.scaled(at(2).value_or(0)));
      if (network.heads_take_reg_max && name != "v10Detect" && name != "ImagePoolingAttn") {
        for (const std::string_view key : {"reg_max", "end2end"})
          arguments.push_back(network.get(key) != no_pickle ? python_text(pickle, network.get(key)) : key == "reg_max" ? "16" : "None");
      }
      arguments.push_back(python_text(inputs));
    } else if (name == "RTDETRDecoder") {
      arguments.insert(arguments.begin() + (arguments.empty() ? 0 : 1), python_text(inputs));
    } else if (name == "AIFI") {
      arguments.insert(arguments.begin(), channel_text(first));
    } else if (is_one_of(name, {"HGStem", "HGBlock"})) {
      out = whole(at(1).value_or(0));
      arguments.insert(arguments.begin(), channel_text(first));
      if (name == "HGBlock" && arguments.size() > 3) arguments.insert(arguments.begin() + 4, std::to_string(rows[i].repeats));
    } else if (name == "ResNetLayer") {
      out = whole(at(1).value_or(0)) * (at(3).value_or(0) != 0 ? 1 : 4);
    } else if (name == "nn.BatchNorm2d") {
      arguments = {channel_text(first)};
    } else if (name == "CBLinear") {
      arguments.insert(arguments.begin(), channel_text(first));
    } else if (name == "Index") {
      out = whole(at(0).value_or(-1));
    } else if (!keeps_channels(name)) {
      out = -1;
    }
    channels.push_back(out);
    for (const std::string& a : arguments) rows[i].arguments += (rows[i].arguments.empty() ? "" : ", ") + a;
    rows[i].arguments = "[" + rows[i].arguments + "]";
  }
  return rows;
}

double count_gflops(sdk::GraphBuilder& graph) {
  const auto elements = [&](uint32_t value, size_t first_axis = 0) {
    double count = 1;
    const auto& shape = graph.value(value).shape;
    for (size_t i = first_axis; shape && i < shape->size(); ++i) count *= static_cast<double>((*shape)[i].value);
    return count;
  };
  double multiplications = 0;
  for (uint32_t i = 0; i < graph.node_count(); ++i) {
    const sdk::NodeData& node = graph.node(i);
    if (node.op_type == "Conv") multiplications += elements(node.outputs[0]) * elements(node.inputs[1], 1);
    if (node.op_type == "ConvTranspose") multiplications += elements(node.inputs[0]) * elements(node.inputs[1], 1);
    if (node.op_type == "MatMul" || node.op_type == "Gemm") {
      const auto& shape = graph.value(node.inputs[0]).shape;
      if (shape && !shape->empty()) multiplications += elements(node.outputs[0]) * static_cast<double>(shape->back().value);
    }
  }
  return 2 * multiplications / 1e9;
}

}  // namespace lathe::ultralytics
