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
  if (const auto single = number(pickle, id)) return {static_cast<int64_t>(*single)};
  for (const PickleId item : pickle[id].items) list.push_back(static_cast<int64_t>(number(pickle, item).value_or(-1)));
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

// All classes that nothing describes, before a trace stops at the first of them.
void check_classes(const Checkpoint& checkpoint, const Module& module, const WiringTable& wirings, std::set<PickleId>& seen,
                   std::map<std::string, std::string>& unknown, const std::string& path, int depth) {
  if (depth > 64 || !seen.insert(module.id()).second) return;
  const std::string full = module.class_path(), name = module.class_name();
  if (depth > 0 && full.rfind("torch.nn.", 0) != 0 && !is_head(module) && !wirings.contains(full) && !wirings.contains(name))
    unknown.emplace(full, path);
  for (const auto& [child_name, child] : module.children())
    check_classes(checkpoint, child, wirings, seen, unknown, path.empty() ? child_name : path + "." + child_name, depth + 1);
}

}  // namespace

int64_t trained_size(const Checkpoint& checkpoint) {
  const Pickle& pickle = checkpoint.pickle();
  for (const std::string_view key : {"train_args", "opt"}) {
    const PickleId arguments = checkpoint.entry(key);
    const PickleId size = find_key(pickle, arguments, "imgsz");
    if (size == no_pickle) continue;
    const std::vector<int64_t> sizes = places(pickle, size);
    const int64_t largest = sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
    if (largest < 8 || largest > 8192)
      refuse(checkpoint, LATHE_FAILED, "the checkpoint says that it was trained with images of the size " + std::to_string(largest),
             "say which size is meant with --option imgsz=N, or with --width and --height");
    return largest;
  }
  return 640;
}

std::vector<std::string> class_names(const Checkpoint& checkpoint, const Module& model) {
  const Pickle& pickle = checkpoint.pickle();
  const PickleId id = model.attribute("names");
  std::vector<std::string> names;
  if (id == no_pickle) return names;
  const PickleValue& v = pickle[id];
  constexpr size_t most_name = 500;
  const auto name_of = [&](PickleId item, const std::string& otherwise) {
    const PickleValue& name = pickle[item];
    return name.kind == Kind::text ? printable(name.text, most_name) : otherwise;
  };
  if (v.items.size() > 2 * 65536) refuse(checkpoint, LATHE_FAILED, "the checkpoint has more than 65,536 class names");
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

sdk::GraphBuilder trace_network(const Checkpoint& checkpoint, const WiringTable& wirings, const NetworkOptions& options) {
  const Module model = checkpoint.model();
  const std::vector<Stage> list = stages(model);
  std::map<std::string, std::string> unknown;
  std::set<PickleId> seen;
  check_classes(checkpoint, model, wirings, seen, unknown, "", 0);
  if (!unknown.empty()) {
    std::vector<sdk::Diagnostic> problems;
    for (const auto& [name, path] : unknown) {
      sdk::Diagnostic d;
      d.text = "modules of the class " + name + " are not known";
      d.node = path;
      d.location = checkpoint.path();
      d.hint = "describe what it computes in a file and give that with --option modules=FILE";
      problems.push_back(std::move(d));
    }
    throw sdk::Failure(LATHE_UNSUPPORTED, std::move(problems));
  }
  const int64_t size = options.height && options.width ? 0 : trained_size(checkpoint);
  const int64_t height = options.height ? options.height : size, width = options.width ? options.width : size;
  const Module& head = list.back().module;
  if (!is_head(head))
    refuse(checkpoint, LATHE_UNSUPPORTED, "the network ends in a module of class " + head.class_path() + ", which is no head that is known");

  Net net("main_graph");
  Trace trace(net, wirings);
  const int64_t channels = [&] {
    const PickleId yaml = model.attribute("yaml");
    const PickleId given = yaml == no_pickle ? no_pickle : find_key(checkpoint.pickle(), yaml, "ch");
    const auto count = given == no_pickle ? std::nullopt : number(checkpoint.pickle(), given);
    return count && *count >= 1 && *count <= 1024 ? static_cast<int64_t>(*count) : 3;
  }();
  std::vector<Value> values;
  Value last = net.input("images", {1, channels, height, width});
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
    last = trace.call(stage.module, "model." + std::to_string(i), List{input});
    values.push_back(last);
  }
  std::vector<Tensor> features;
  for (const int64_t from : list.back().from) features.push_back(tensor_of(net, from < 0 ? last : values[static_cast<size_t>(from)]));
  const Outputs outputs = trace_head(trace, head, "model." + std::to_string(list.size() - 1), features, height, options.head);
  for (const auto& [name, tensor] : outputs.tensors) {
    net.graph.value(tensor.value).name = name;
    net.graph.add_output(tensor.value);
  }

  double stride = 32;
  if (const auto saved = model.tensor("stride"); saved && outputs.task != "classify") {
    stride = 0;
    for (const Tensor& f : features) stride = std::max(stride, double(height) / double(f.shape.at(2)));
  }
  const std::vector<std::string> names = class_names(checkpoint, model);
  net.graph.set_property("task", outputs.task);
  net.graph.set_property("stride", std::to_string(static_cast<int64_t>(stride)));
  net.graph.set_property("batch", "1");
  net.graph.set_property("imgsz", "[" + std::to_string(height) + ", " + std::to_string(width) + "]");
  if (!names.empty()) net.graph.set_property("names", python_dictionary(names));
  if (outputs.task == "pose") net.graph.set_property("kpt_shape", describe(checkpoint.pickle(), head.attribute("kpt_shape")));
  return std::move(net.graph);
}

}  // namespace lathe::ultralytics
