// See network.hpp.
#include "network.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace lathe::ultralytics {
namespace {

using Kind = PickleValue::Kind;

[[noreturn]] void refuse(const Checkpoint& checkpoint, lathe_code code, std::string text, std::string hint = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = checkpoint.path();
  d.hint = std::move(hint);
  throw sdk::Failure(code, std::move(d));
}

std::vector<int64_t> places(const Pickle& pickle, PickleId id) {
  if (id == no_pickle) return {-1};
  std::vector<int64_t> list;
  if (const auto single = number(pickle, id)) return {whole(*single)};
  for (const PickleId item : pickle[id].items) list.push_back(whole(number(pickle, item).value_or(-1)));
  return list;
}

// As Python prints a dictionary of texts, which is what Ultralytics writes into its exports' metadata.
std::string python_dictionary(const std::vector<std::string>& names) {
  std::string text = "{";
  for (size_t i = 0; i < names.size(); ++i) {
    std::string escaped;
    for (const char c : names[i]) {
      if (c == '\\' || c == '\'') escaped += '\\';
      escaped += c;
    }
    text += (i ? ", " : "") + std::to_string(i) + ": '" + escaped + "'";
  }
  return text + "}";
}

bool describes(const WiringTable& wirings, std::string_view path) {
  for (;;) {
    if (wirings.contains(path)) return true;
    const size_t dot = path.find('.');
    if (dot == std::string_view::npos) return false;
    path.remove_prefix(dot + 1);
  }
}

// All classes that nothing describes, after a trace has stopped at the first of them.
void find_unknown(const Checkpoint& checkpoint, const Module& module, const WiringTable& wirings, std::set<PickleId>& seen,
                  std::map<std::string, sdk::Diagnostic>& unknown, const std::string& path, int depth) {
  if (depth > 64 || !seen.insert(module.id()).second) return;
  const std::string full = module.class_path(), name = module.class_name();
  // Of training, or asked for prompts: nothing that a compiled network computes.
  static constexpr std::string_view aside[] = {"RealNVP", "SAVPE", "Residual", "SwiGLUFFN"};
  if (std::find(std::begin(aside), std::end(aside), name) != std::end(aside)) return;
  if (depth > 0 && full.rfind("torch.nn.", 0) != 0 && !is_head(module) && !describes(wirings, full)) {
    sdk::Diagnostic d;
    d.text = "modules of the class " + full + " are not known";
    d.node = path;
    d.location = checkpoint.path();
    d.hint = how_to_describe(module);
    unknown.emplace(full, std::move(d));
  }
  for (const auto& [child_name, child] : module.children())
    find_unknown(checkpoint, child, wirings, seen, unknown, path.empty() ? child_name : path + "." + child_name, depth + 1);
}

// Embeddings of the classes' names that the checkpoint carries: YOLO-World's txt_feats, YOLOE's pe.
std::optional<Tensor> class_embeddings(Net& net, const Module& model) {
  for (const char* name : {"txt_feats", "pe"}) {
    const auto saved = model.tensor(name);
    if (!saved || saved->dimensions.size() < 2 || saved->dimensions.size() > 3) continue;
    const Tensor t = net.constant(name, *saved);
    if (t.rank() == 3 && t.shape[0] != 1) continue;
    return t.rank() == 3 ? t : net.reshape(t, {1, t.shape[0], t.shape[1]});
  }
  return std::nullopt;
}

}  // namespace

int64_t trained_size(const Checkpoint& checkpoint) {
  const Pickle& pickle = checkpoint.pickle();
  // Of the training; or of the network itself, when that was saved alone.
  std::vector<PickleId> places_of_arguments = {checkpoint.entry("train_args"), checkpoint.entry("opt")};
  if (places_of_arguments == std::vector<PickleId>{no_pickle, no_pickle}) places_of_arguments = {checkpoint.model().attribute("args")};
  for (const PickleId arguments : places_of_arguments) {
    const PickleId size = find_key(pickle, arguments, "imgsz");
    if (size == no_pickle) continue;
    const std::vector<int64_t> sizes = places(pickle, size);
    const int64_t largest = sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
    if (largest < 8 || largest > 8192)
      refuse(checkpoint, LATHE_FAILED, "the checkpoint says that it was trained with images of the size " + std::to_string(largest),
             "say which size is meant with --option imgsz=N, or with --width and --height");
    return largest;
  }
  // What each of Ultralytics' tasks is trained with unless told.
  return checkpoint.model().class_name().find("Classif") == std::string::npos ? 640 : 224;
}

std::vector<std::string> class_names(const Checkpoint& checkpoint, const Module& model) {
  const Pickle& pickle = checkpoint.pickle();
  const PickleId id = model.attribute("names");
  std::vector<std::string> names;
  if (id == no_pickle) return names;
  const PickleValue& v = pickle[id];
  constexpr size_t most_name = 500, most_bytes = 2 << 20;
  size_t bytes = 0;
  const auto name_of = [&](PickleId item, const std::string& otherwise) {
    const PickleValue& name = pickle[item];
    std::string text = name.kind == Kind::text ? printable(name.text, most_name) : otherwise;
    bytes += text.size();
    if (bytes > most_bytes) refuse(checkpoint, LATHE_FAILED, "the class names of the checkpoint are longer than any are");
    return text;
  };
  if (v.items.size() > (v.kind == Kind::dictionary ? 2u : 1u) * 65536)
    refuse(checkpoint, LATHE_FAILED, "the checkpoint has more than 65,536 class names");
  if (v.kind == Kind::list || v.kind == Kind::tuple) {
    for (const PickleId item : v.items) names.push_back(name_of(item, "class" + std::to_string(names.size())));
  } else if (v.kind == Kind::dictionary) {
    for (size_t i = 0; i + 1 < v.items.size(); i += 2) {
      const double key = number(pickle, v.items[i]).value_or(-1);
      if (key < 0 || key >= 65536 || key != std::floor(key)) continue;
      const auto index = static_cast<size_t>(key);
      while (names.size() <= index) names.push_back("class" + std::to_string(names.size()));
      names[index] = name_of(v.items[i + 1], names[index]);
    }
  }
  return names;
}

std::vector<Stage> stages(const Module& model) {
  const auto list = model.child("model");
  if (list && list->children().size() > 1000) refuse(model.checkpoint(), LATHE_FAILED, "the network has more than 1,000 top-level modules");
  if (!list)
    refuse(model.checkpoint(), LATHE_UNSUPPORTED, "the network of class " + model.class_path() + " has no list of modules named 'model'",
           "checkpoints of Ultralytics and of YOLOv5's repository are read");
  std::vector<Stage> result;
  for (const auto& [name, module] : list->children()) {
    Stage stage{module, places(model.checkpoint().pickle(), module.attribute("f"))};
    const auto index = static_cast<int64_t>(result.size());
    for (int64_t& from : stage.from) {
      if (from < -1) from += index;
      if (from < -1 || from >= index || (from == -1 && index == 0 && stage.from.size() > 1))
        refuse(model.checkpoint(), LATHE_FAILED, "module " + name + " of the network takes its input from a module that does not come before it");
    }
    result.push_back(std::move(stage));
  }
  if (result.empty()) refuse(model.checkpoint(), LATHE_FAILED, "the network holds no modules");
  return result;
}

int64_t largest_stride(const Module& model) {
  if (const auto saved = model.tensor("stride"); saved && saved->size() > 0 && saved->size() <= 64) {
    const std::vector<float> strides = as_floats(*saved);
    const float most = *std::max_element(strides.begin(), strides.end());
    if (most >= 1 && most <= 4096) return static_cast<int64_t>(std::ceil(most));
  }
  return 32;
}

namespace {

Outputs trace_stages(Trace& trace, const Module& model, const std::vector<Stage>& list, const Tensor& image, const HeadOptions& options) {
  Net& net = trace.net;
  HeadInputs head_inputs;
  head_inputs.height = image.shape.at(2), head_inputs.width = image.shape.at(3);
  head_inputs.text = class_embeddings(net, model);
  // YOLO-World looks at the names with the picture in view, but its head compares with them as they came.
  std::optional<Tensor> text = head_inputs.text;
  std::vector<Value> values;
  Value last = image;
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    const Stage& stage = list[i];
    const auto value_of = [&](int64_t from) { return from < 0 ? last : values[static_cast<size_t>(from)]; };
    Value input;
    if (stage.from.size() == 1) {
      input = value_of(stage.from[0]);
    } else {
      List several;
      for (const int64_t from : stage.from) several.push_back(value_of(from));
      input = Value::list(std::move(several));
    }
    const std::string name = "model." + std::to_string(i), class_name = stage.module.class_name();
    const bool changes_text = class_name == "ImagePoolingAttn";
    List arguments = {input};
    if (changes_text || class_name == "C2fAttn") {
      if (!text)
        net.refuse(LATHE_UNSUPPORTED, "the checkpoint carries no embeddings of class names, which its modules look at",
                   "set the classes once with set_classes() and save the model");
      arguments.push_back(*text);
    }
    const Value result = trace.call(stage.module, name, arguments);
    if (changes_text) {
      text = tensor_of(net, result);
    } else {
      last = result;
    }
    values.push_back(last);
  }
  for (const int64_t from : list.back().from) head_inputs.features.push_back(tensor_of(net, from < 0 ? last : values[static_cast<size_t>(from)]));
  return trace_head(trace, list.back().module, "model." + std::to_string(list.size() - 1), head_inputs, options);
}

}  // namespace

sdk::GraphBuilder trace_network(const Checkpoint& checkpoint, const WiringTable& wirings, const NetworkOptions& options) {
  const Module model = checkpoint.model();
  const std::vector<Stage> list = stages(model);
  const Module& head = list.back().module;
  const Pickle& pickle = checkpoint.pickle();
  const int64_t stride = largest_stride(model), size = options.height && options.width ? 0 : trained_size(checkpoint);
  const auto rounded = [&](int64_t wanted) { return (wanted + stride - 1) / stride * stride; };
  const int64_t height = rounded(options.height ? options.height : size), width = rounded(options.width ? options.width : size);
  const int64_t channels = [&] {
    const PickleId yaml = model.attribute("yaml");
    for (const char* key : {"channels", "ch"}) {
      const PickleId given = yaml == no_pickle ? no_pickle : find_key(pickle, yaml, key);
      const auto count = given == no_pickle ? std::nullopt : number(pickle, given);
      if (count && *count >= 1 && *count <= 1024) return static_cast<int64_t>(*count);
    }
    return int64_t(3);
  }();

  Net net("main_graph");
  Trace trace(net, wirings);
  Outputs outputs;
  try {
    if (!is_head(head))
      refuse(checkpoint, LATHE_UNSUPPORTED, "the network ends in a module of class " + head.class_path() + ", which is no head that is known",
             "known heads are " + head_names());
    outputs = trace_stages(trace, model, list, net.input("images", {1, channels, height, width}), options.head);
  } catch (const sdk::Failure&) {
    if (trace.unknown().empty()) throw;
    std::map<std::string, sdk::Diagnostic> unknown;
    std::set<PickleId> seen;
    for (const Stage& stage : list)
      find_unknown(checkpoint, stage.module, wirings, seen, unknown, "model." + std::to_string(&stage - list.data()), 1);
    std::vector<sdk::Diagnostic> problems;
    for (auto& [name, problem] : unknown) problems.push_back(std::move(problem));
    if (problems.empty()) throw;
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(problems));
  }
  for (const auto& [name, tensor] : outputs.tensors) {
    net.graph.value(tensor.value).name = name;
    net.graph.add_output(tensor.value);
  }

  const std::vector<std::string> names = class_names(checkpoint, model);
  net.graph.set_property("task", outputs.task);
  net.graph.set_property("stride", std::to_string(outputs.task == "classify" ? int64_t(32) : stride));
  net.graph.set_property("batch", "1");
  net.graph.set_property("imgsz", "[" + std::to_string(height) + ", " + std::to_string(width) + "]");
  for (const auto& [key, value] : outputs.properties) net.graph.set_property(key, value);
  if (!names.empty()) net.graph.set_property("names", python_dictionary(names));
  if (outputs.task == "pose") net.graph.set_property("kpt_shape", describe(pickle, head.attribute("kpt_shape")));
  return std::move(net.graph);
}

}  // namespace lathe::ultralytics
