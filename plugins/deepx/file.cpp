// The header, its blobs held against the file, and the texts among them.
#include "file.hpp"

#include <algorithm>
#include <cstring>
#include <lathe/plugin.hpp>
#include <lathe/toolchain.hpp>
#include <nlohmann/json.hpp>
#include <optional>

namespace lathe::deepx {
namespace {

using Json = nlohmann::json;

constexpr uint64_t header_at = 8, blobs_at = 8192, longest_text = 64u << 20;
constexpr size_t most_blobs = 4096, most_names = 4096, longest_name = 512;
constexpr int deepest = 32;

struct Damage {
  std::string text;
};

struct Blob {
  uint64_t offset = 0, size = 0;
  std::string what;
};

// A name that can be printed.
std::string name_of(const std::string& text) {
  if (text.size() > longest_name) throw Damage{"a name in it is " + std::to_string(text.size()) + " letters long"};
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 32) throw Damage{"a name in it holds bytes that are no text"};
  return text;
}

Json parse(std::string_view text, const std::string& what) {
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      if (depth > deepest) throw Damage{what + " is nested deeper than " + std::to_string(deepest)};
      return true;
    });
  } catch (const Json::exception&) {
    throw Damage{what + " is no JSON"};
  }
}

const Json* find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}
std::string text_at(const Json& object, const char* key) {
  const Json* value = find(object, key);
  return value && value->is_string() ? name_of(value->get_ref<const std::string&>()) : std::string();
}

// Containers of version 7 may write integers as text.
std::optional<uint64_t> natural(const Json* value) {
  if (!value) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  if (!value->is_string()) return std::nullopt;
  const std::string& digits = value->get_ref<const std::string&>();
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::stoull(digits);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Model read() {
    if (bytes_.size() < blobs_at) throw Damage{"it ends after " + std::to_string(bytes_.size()) + " bytes, and the header alone takes 8192"};
    const std::string_view padded = bytes_.substr(header_at, blobs_at - header_at);
    const std::string_view text = padded.substr(0, std::min(padded.find('\0'), padded.size()));
    const Json header = parse(text, "the header");
    const Json* data = find(header, "data");
    if (!data || !data->is_object()) throw Damage{"the header has no 'data'"};
    if (const Json* cpu = find(*data, "cpu_models"); cpu && cpu->is_object())
      for (const auto& [name, place] : cpu->items()) {
        blob(place, "the processor's task '" + name_of(name) + "'");
        model.cpu_tasks.push_back(name);
      }
    if (const auto config = optional_blob(*data, "compile_config"))
      model.compiler = text_at(parse(content(*config), config->what), "compile_version");
    const auto graph = optional_blob(*data, "graph_info");
    if (!graph) throw Damage{"it has no 'graph_info'"};
    read_graph(parse(content(*graph), graph->what));
    const Json* compiled = find(*data, "compiled_data");
    if (!compiled || !compiled->is_object() || compiled->empty()) throw Damage{"it has no 'compiled_data': nothing in it runs on the NPU"};
    for (const auto& [npu, tasks] : compiled->items()) {
      if (!tasks.is_object()) throw Damage{"the tasks of '" + name_of(npu) + "' are no object"};
      for (const auto& [name, parts] : tasks.items()) read_task(name_of(npu), name_of(name), parts);
    }
    if (model.tasks.empty()) throw Damage{"it has no task that runs on the NPU"};
    check_overlaps();
    return std::move(model);
  }

 private:
  // What a place names, inside the file.
  Blob blob(const Json& place, const std::string& what) {
    const auto offset = natural(find(place, "offset")), size = natural(find(place, "size"));
    if (!offset || !size) throw Damage{what + " has no offset and size"};
    const uint64_t room = bytes_.size() - blobs_at;
    if (*offset > room || *size > room - *offset)
      throw Damage{what + " ends " +
                   (*offset > room || *size > UINT64_MAX - *offset ? std::string() : std::to_string(*offset + *size - room) + " bytes ") +
                   "beyond the end of the file: the file is cut off, or its header is damaged"};
    if (blobs_.size() >= most_blobs) throw Damage{"it has more than " + std::to_string(most_blobs) + " parts"};
    blobs_.push_back({*offset, *size, what});
    return blobs_.back();
  }
  std::optional<Blob> optional_blob(const Json& object, const char* key) {
    const Json* place = find(object, key);
    if (!place || !place->is_object()) return std::nullopt;
    return blob(*place, std::string("'") + key + "'");
  }
  std::string_view content(const Blob& blob) const {
    if (blob.size > longest_text) throw Damage{blob.what + " is a text of " + std::to_string(blob.size) + " bytes"};
    const std::string_view text = bytes_.substr(blobs_at + blob.offset, blob.size);
    return text.substr(0, std::min(text.find('\0'), text.size()));
  }
  // Parts lie apart; the same part named twice (weights shared by two variants) is one.
  void check_overlaps() {
    std::sort(blobs_.begin(), blobs_.end(),
              [](const Blob& a, const Blob& b) { return a.offset != b.offset ? a.offset < b.offset : a.size < b.size; });
    const Blob* last = nullptr;
    for (const Blob& blob : blobs_) {
      if (blob.size == 0) continue;
      if (last && blob.offset < last->offset + last->size && !(blob.offset == last->offset && blob.size == last->size))
        throw Damage{last->what + " and " + blob.what + " lie over one another"};
      last = &blob;
    }
  }
  static std::vector<std::string> names(const Json* list) {
    std::vector<std::string> all;
    if (!list || !list->is_array()) return all;
    if (list->size() > most_names) throw Damage{"a list in it has " + std::to_string(list->size()) + " names"};
    for (const Json& name : *list)
      if (name.is_string()) all.push_back(name_of(name.get_ref<const std::string&>()));
    return all;
  }
  // Version 6 spells the model's ends otherwise.
  void read_graph(const Json& graph) {
    const bool old = model.version == 6 && find(graph, "origin_input");
    model.inputs = names(find(graph, old ? "origin_input" : "inputs"));
    model.outputs = names(find(graph, old ? "origin_output" : "outputs"));
    if (model.inputs.empty() || model.outputs.empty()) throw Damage{"'graph_info' names no inputs or no outputs"};
  }
  static std::vector<Tensor> tensors(const Json* list) {
    std::vector<Tensor> all;
    if (!list || !list->is_array()) return all;
    if (list->size() > most_names) throw Damage{"a task has " + std::to_string(list->size()) + " tensors"};
    for (const Json& entry : *list) {
      Tensor t = {text_at(entry, "name"), text_at(entry, "dtype"), text_at(entry, "layout"), {}};
      if (const Json* shape = find(entry, "shape"); shape && shape->is_array() && shape->size() <= 16)
        for (const Json& d : *shape)
          if (const auto size = natural(&d); size && *size <= (uint64_t{1} << 40)) t.shape.push_back(static_cast<int64_t>(*size));
      all.push_back(std::move(t));
    }
    return all;
  }
  void read_task(const std::string& npu, const std::string& name, const Json& parts) {
    Task task;
    task.name = name, task.npu = npu;
    const auto place = [&](const char* key) -> std::optional<Blob> {
      const Json* where = find(parts, key);
      if (!where) return std::nullopt;
      return blob(*where, "'" + std::string(key) + "' of the task '" + name + "'");
    };
    if (const auto rmap = place("rmap")) task.command_bytes = rmap->size;
    if (const auto weight = place("weight")) task.weight_bytes = weight->size;
    place("bitmatch");
    if (model.version >= 8) task.post_processing = place("ppu").has_value();
    const auto info = place("rmap_info");
    if (!info) throw Damage{"the task '" + name + "' has no 'rmap_info'"};
    const Json rmap_info = parse(content(*info), info->what);
    task.mode = text_at(rmap_info, "mode");
    if (const Json* version = find(rmap_info, "version"))
      task.opt_level = text_at(*version, "opt_level"), task.npu_version = text_at(*version, "npu");
    task.inputs = tensors(find(rmap_info, "inputs")), task.outputs = tensors(find(rmap_info, "outputs"));
    model.tasks.push_back(std::move(task));
  }

  std::string_view bytes_;
  std::vector<Blob> blobs_;

 public:
  Model model;
};

std::string shown(const Tensor& t) {
  std::string shape;
  for (const int64_t d : t.shape) shape += (shape.empty() ? "" : "x") + std::to_string(d);
  std::string text = t.name;
  for (const std::string& word : {t.type, shape, t.layout})
    if (!word.empty()) text += " " + word;
  return text;
}
template <class Range, class Show>
std::string list(const Range& range, Show show) {
  std::string text;
  for (const auto& element : range) text += (text.empty() ? "" : ", ") + show(element);
  return text;
}
nlohmann::ordered_json json_of(const std::vector<Tensor>& tensors) {
  auto all = nlohmann::ordered_json::array();
  for (const Tensor& t : tensors) all.push_back({{"name", t.name}, {"type", t.type}, {"shape", t.shape}, {"layout", t.layout}});
  return all;
}

// The model's own ends: names alone, since a task's shapes are those of its memory, which may be padded.
nlohmann::ordered_json ends(const std::vector<std::string>& names) {
  auto all = nlohmann::ordered_json::array();
  for (const std::string& name : names) all.push_back({{"name", name}});
  return all;
}

}  // namespace

bool is_dxnn(std::string_view head) { return head.substr(0, 4) == "DXNN"; }

Model read_model(std::string_view bytes, const std::string& path) {
  sdk::Diagnostic d;
  d.location = path;
  if (!is_dxnn(bytes) || bytes.size() < header_at) {
    d.text = "this is no DXNN file";
    d.expected = "the letters DXNN and a version at its beginning";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  int32_t version = 0;
  std::memcpy(&version, bytes.data() + 4, sizeof version);
  if (version < lowest_container || version > highest_container) {
    d.text = "the DXNN file is of a container version that is not known";
    d.expected = std::to_string(lowest_container) + " to " + std::to_string(highest_container);
    d.found = std::to_string(version);
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  try {
    Reader reader(bytes);
    reader.model.version = version;
    return reader.read();
  } catch (const Damage& damage) {
    d.text = "the DXNN file is damaged: " + damage.text;
    d.hint = "copy it anew, or compile it again";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
}

std::string describe(const Model& model) {
  nlohmann::ordered_json json = {{"format", "DXNN"}, {"summary", nlohmann::ordered_json::array()}};
  json["container_version"] = model.version, json["compiler_version"] = model.compiler;
  json["runtime"] = "DEEPX", json["devices"] = {"M1A"};
  json["inputs"] = ends(model.inputs), json["outputs"] = ends(model.outputs);
  // What the host has to give: the compiler moves steps from picture to input into the NPU's program.
  json["compiled_inputs"] = nlohmann::ordered_json::array();
  for (const Task& t : model.tasks)
    for (const Tensor& input : t.inputs)
      if (std::find(model.inputs.begin(), model.inputs.end(), input.name) != model.inputs.end())
        json["compiled_inputs"].push_back(json_of({input})[0]);
  json["tasks"] = nlohmann::ordered_json::array();
  const auto line = [&](const std::string& label, const std::string& text) {
    if (!text.empty()) json["summary"].push_back({label, text});
  };
  line("container version", std::to_string(model.version));
  line("compiler", model.compiler);
  line("inputs", list(model.inputs, [](const std::string& n) { return n; }));
  line("outputs", list(model.outputs, [](const std::string& n) { return n; }));
  for (const Task& t : model.tasks) {
    json["tasks"].push_back({{"name", t.name},
                             {"npu", t.npu},
                             {"mode", t.mode},
                             {"opt_level", t.opt_level},
                             {"npu_version", t.npu_version},
                             {"inputs", json_of(t.inputs)},
                             {"outputs", json_of(t.outputs)},
                             {"weight_bytes", t.weight_bytes},
                             {"command_bytes", t.command_bytes},
                             {"post_processing_unit", t.post_processing}});
    line("task on " + t.npu,
         t.name + ": " + list(t.inputs, shown) + " -> " + list(t.outputs, shown) + ", weights " + std::to_string(t.weight_bytes) + " bytes");
  }
  json["cpu_tasks"] = model.cpu_tasks;
  line("tasks on the processor", list(model.cpu_tasks, [](const std::string& n) { return n; }));
  // As DX-RT's own tables say: a program for the post-processing unit needs a parser of version 8.
  // It refuses compilers before 1.18.1.
  const sdk::ToolVersion compiler = sdk::ToolVersion::parse(model.compiler);
  if (!compiler.empty() && compiler.compare(sdk::ToolVersion::parse("1.18.1")) < 0)
    line("runtime", "none that is current: DX-RT wants files of DX-COM 1.18.1 or newer");
  else
    line("runtime", model.version >= 8 ? "DX-RT with a parser of version 8" : "DX-RT 3.0 or newer");
  json["reader"] = "told from the vendor's open runtime; it has never met a real file";
  line("reader", json["reader"]);
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lathe::deepx
