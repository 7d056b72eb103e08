// See checkpoint.hpp. The format is that of torch.save since PyTorch 1.6 (torch/serialization.py): <root>/data.pkl holds the pickle,
// <root>/data/<key> each storage, little endian.
#include "checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <lathe/plugin.hpp>

namespace lathe::ultralytics {
namespace {

using Kind = PickleValue::Kind;

struct StorageType {
  std::string_view name;
  int32_t type;
  int64_t bytes;
};
constexpr StorageType storage_types[] = {
    {"FloatStorage", LATHE_FLOAT32, 4},     {"DoubleStorage", LATHE_FLOAT64, 8}, {"HalfStorage", LATHE_FLOAT16, 2},
    {"BFloat16Storage", LATHE_BFLOAT16, 2}, {"LongStorage", LATHE_INT64, 8},     {"IntStorage", LATHE_INT32, 4},
    {"ShortStorage", LATHE_INT16, 2},       {"CharStorage", LATHE_INT8, 1},      {"ByteStorage", LATHE_UINT8, 1},
    {"BoolStorage", LATHE_BOOL, 1},
};
const StorageType* storage_type(std::string_view name) {
  for (const StorageType& s : storage_types)
    if (s.name == name) return &s;
  return nullptr;
}

bool is_global(const PickleValue& v, std::string_view module, std::string_view name) {
  return v.kind == Kind::global && v.text == module && v.name == name;
}

// Dictionaries, and objects filled like one.
const std::vector<PickleId>* pairs(const Pickle& pickle, PickleId id) {
  if (id == no_pickle) return nullptr;
  const PickleValue& v = pickle[id];
  if (v.kind == Kind::dictionary) return &v.items;
  return v.kind == Kind::call ? &v.contents : nullptr;
}

}  // namespace

int64_t SavedTensor::size() const {
  int64_t n = 1;
  for (const int64_t d : dimensions) n *= d;
  return n;
}

void Checkpoint::refuse(std::string text, std::string hint) const {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path_;
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

Checkpoint::Checkpoint(std::string_view bytes, std::string path) : path_(std::move(path)), zip_(bytes, path_) {
  const std::string_view last = "data.pkl";
  const ZipFile::Member* found = nullptr;
  for (const ZipFile::Member& member : zip_.members()) {
    const std::string_view name = member.name;
    const bool named = name == last || (name.size() > last.size() && name.substr(name.size() - last.size() - 1) == "/data.pkl");
    if (!named || std::count(name.begin(), name.end(), '/') > 1) continue;
    if (found) refuse("the zip file holds two pickles");
    found = &member;
  }
  if (!found) refuse("this zip file is no PyTorch checkpoint: it holds no data.pkl", "name a file that torch.save or Ultralytics wrote");
  if (zip_.find(found->name.substr(0, found->name.size() - last.size()) + "constants.pkl"))
    refuse("this is a TorchScript archive, which holds a program and no module tree", "name the checkpoint it was made from");
  constexpr uint64_t most_pickle = uint64_t(256) << 20;
  if (found->size > most_pickle) refuse("the pickle in the checkpoint is larger than 256 MB, which no network's description is");
  root_ = found->name.substr(0, found->name.size() - last.size());
  if (const ZipFile::Member* order = zip_.find(root_ + "byteorder")) {
    std::string memory;
    if (zip_.read(*order, memory) != "little") refuse("the checkpoint was saved on a big-endian machine");
  }
  pickle_ = std::make_unique<Pickle>(zip_.read(*found, pickle_bytes_), path_);
}

PickleId Checkpoint::entry(std::string_view key) const {
  const PickleId id = find_key(*pickle_, pickle_->root(), key);
  return id == no_pickle || pickle_->at(id).kind == Kind::none ? no_pickle : id;
}

Module Checkpoint::model() const {
  for (const std::string_view key : {"ema", "model"})
    if (const PickleId id = entry(key); id != no_pickle && is_module(id)) return Module(*this, id);
  if (is_module(pickle_->root())) return Module(*this, pickle_->root());
  refuse("the checkpoint holds no network, only other data",
         "weights alone (a state_dict) do not say how the network is wired: save the whole model");
}

bool Checkpoint::is_module(PickleId id) const {
  if (id == no_pickle) return false;
  const PickleValue& v = pickle_->at(id);
  return v.kind == Kind::call && v.state != no_pickle && find_key(*pickle_, v.state, "_modules") != no_pickle;
}

bool Checkpoint::is_tensor(PickleId id) const {
  if (id == no_pickle) return false;
  const PickleValue& v = pickle_->at(id);
  if (v.kind != Kind::call) return false;
  const PickleValue& callable = pickle_->at(v.items[0]);
  return is_global(callable, "torch._utils", "_rebuild_tensor_v2") || is_global(callable, "torch._utils", "_rebuild_parameter");
}

std::string_view Checkpoint::storage(std::string_view key) const {
  if (const auto found = storages_.find(key); found != storages_.end()) return found->second;
  const ZipFile::Member* member = zip_.find(root_ + "data/" + std::string(key));
  if (!member) refuse("the checkpoint lacks the data of storage '" + std::string(key) + "'");
  unpacked_.push_back(std::make_unique<std::string>());
  const std::string_view bytes = zip_.read(*member, *unpacked_.back());
  return storages_.emplace(key, bytes).first->second;
}

SavedTensor Checkpoint::tensor(PickleId id) const {
  const auto damaged = [&](const std::string& what) { refuse("a tensor of the checkpoint is described wrongly: " + what); };
  // A parameter wraps a tensor.
  for (int depth = 0; depth < 4 && is_tensor(id); ++depth) {
    const PickleValue& v = pickle_->at(id);
    if (!is_global(pickle_->at(v.items[0]), "torch._utils", "_rebuild_parameter")) break;
    const PickleValue& arguments = pickle_->at(v.items[1]);
    if (arguments.items.empty()) damaged("a parameter without a tensor");
    id = arguments.items[0];
  }
  if (!is_tensor(id)) damaged("it is none");
  const PickleValue& arguments = pickle_->at(pickle_->at(id).items[1]);
  if (arguments.kind != Kind::tuple || arguments.items.size() < 4) damaged("too few arguments");
  const PickleValue& reference = pickle_->at(arguments.items[0]);
  if (reference.kind != Kind::persistent) damaged("its storage is none");
  const PickleValue& identifier = pickle_->at(reference.items[0]);
  if (identifier.kind != Kind::tuple || identifier.items.size() < 5) damaged("its storage is none");
  const PickleValue &type = pickle_->at(identifier.items[1]), &key = pickle_->at(identifier.items[2]);
  if (type.kind != Kind::global || key.kind != Kind::text) damaged("its storage is none");
  const StorageType* storage_kind = storage_type(type.name);
  if (!storage_kind) damaged("storages of the type '" + std::string(type.name) + "' are not known");

  SavedTensor tensor;
  tensor.type = storage_kind->type;
  tensor.storage = storage(key.text);
  const PickleValue& offset = pickle_->at(arguments.items[1]);
  if (offset.kind != Kind::integer || offset.integer < 0) damaged("its offset is no number");
  tensor.offset = offset.integer;
  for (auto [index, list] : {std::pair{2, &tensor.dimensions}, std::pair{3, &tensor.strides}}) {
    const PickleValue* numbers = &pickle_->at(arguments.items[static_cast<size_t>(index)]);
    // torch.Size((...)) is a call with the tuple as its argument.
    if (numbers->kind == Kind::call && !pickle_->at(numbers->items[1]).items.empty()) numbers = &pickle_->at(pickle_->at(numbers->items[1]).items[0]);
    if (numbers->kind != Kind::tuple && numbers->kind != Kind::list) damaged("its shape is no list");
    for (const PickleId n : numbers->items) {
      if (pickle_->at(n).kind != Kind::integer || pickle_->at(n).integer < 0) damaged("its shape holds what is no size");
      list->push_back(pickle_->at(n).integer);
    }
  }
  if (tensor.dimensions.size() != tensor.strides.size() || tensor.dimensions.size() > 16) damaged("its shape and strides differ in length");
  // The last element that it reaches must lie in its storage.
  const int64_t elements = static_cast<int64_t>(tensor.storage.size()) / storage_kind->bytes;
  int64_t last = tensor.offset, count = 1;
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(count, tensor.dimensions[i], &count)) damaged("it has too many elements");
    if (tensor.dimensions[i] > 0 &&
        (__builtin_mul_overflow(tensor.dimensions[i] - 1, tensor.strides[i], &reach) || __builtin_add_overflow(last, reach, &last)))
      damaged("it reaches outside of its storage");
  }
  // Strides of 0 repeat elements: memory must still be bounded by what the file holds.
  if (count > 0 && (last >= elements || count > elements)) damaged("it reaches outside of its storage");
  return tensor;
}

bool Checkpoint::expected_global(std::string_view global) {
  static constexpr std::string_view prefixes[] = {"torch.nn.modules.", "ultralytics.nn.", "ultralytics.utils.",   "ultralytics.yolo.utils.",
                                                  "models.common.",    "models.yolo.",    "models.experimental.", "utils."};
  static constexpr std::string_view names[] = {"collections.OrderedDict",
                                               "collections.defaultdict",
                                               "__builtin__.set",
                                               "builtins.set",
                                               "__builtin__.dict",
                                               "torch.Size",
                                               "torch.device",
                                               "torch._utils._rebuild_tensor_v2",
                                               "torch._utils._rebuild_parameter",
                                               "numpy.core.multiarray.scalar",
                                               "numpy._core.multiarray.scalar",
                                               "numpy.dtype",
                                               "_codecs.encode",
                                               "pathlib.PosixPath",
                                               "pathlib.WindowsPath",
                                               "types.SimpleNamespace",
                                               "argparse.Namespace",
                                               "datetime.datetime"};
  if (std::find(std::begin(names), std::end(names), global) != std::end(names)) return true;
  for (const std::string_view prefix : prefixes)
    if (global.substr(0, prefix.size()) == prefix) return true;
  if (global.substr(0, 6) != "torch.") return false;
  const std::string_view rest = global.substr(6);
  static constexpr std::string_view types[] = {"float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"};
  return storage_type(rest) || std::find(std::begin(types), std::end(types), rest) != std::end(types);
}

// ---- modules ----------------------------------------------------------------------------------------------------------------------

std::string Module::class_path() const {
  const Pickle& p = checkpoint_->pickle();
  const PickleValue& callable = p[p[id_].items[0]];
  if (callable.kind != Kind::global) return {};
  return std::string(callable.text) + "." + std::string(callable.name);
}

std::string Module::class_name() const {
  const std::string path = class_path();
  return path.substr(path.rfind('.') + 1);
}

PickleId Module::attribute(std::string_view name) const {
  const Pickle& p = checkpoint_->pickle();
  const PickleId state = p[id_].state;
  for (const std::string_view held : {"_parameters", "_buffers", "_modules"})
    if (const PickleId found = find_key(p, find_key(p, state, held), name); found != no_pickle) return found;
  return find_key(p, state, name);
}

std::optional<Module> Module::child(std::string_view name) const {
  const PickleId id = attribute(name);
  if (!checkpoint_->is_module(id)) return std::nullopt;
  return Module(*checkpoint_, id);
}

std::vector<std::pair<std::string, Module>> Module::children() const {
  const Pickle& p = checkpoint_->pickle();
  std::vector<std::pair<std::string, Module>> list;
  const auto* held = pairs(p, find_key(p, p[id_].state, "_modules"));
  for (size_t i = 0; held && i + 1 < held->size(); i += 2)
    if (checkpoint_->is_module((*held)[i + 1]) && p[(*held)[i]].kind == Kind::text)
      list.emplace_back(std::string(p[(*held)[i]].text), Module(*checkpoint_, (*held)[i + 1]));
  return list;
}

std::optional<SavedTensor> Module::tensor(std::string_view name) const {
  const PickleId id = attribute(name);
  if (!checkpoint_->is_tensor(id)) return std::nullopt;
  return checkpoint_->tensor(id);
}

int64_t Module::integer(std::string_view name, int64_t fallback) const {
  const PickleId id = attribute(name);
  const std::optional<double> value = id == no_pickle ? std::nullopt : number(checkpoint_->pickle(), id);
  return value && std::abs(*value) < 9e15 ? static_cast<int64_t>(*value) : fallback;
}
double Module::real(std::string_view name, double fallback) const {
  const PickleId id = attribute(name);
  return id == no_pickle ? fallback : number(checkpoint_->pickle(), id).value_or(fallback);
}
std::string Module::text(std::string_view name, std::string_view fallback) const {
  const PickleId id = attribute(name);
  return id == no_pickle ? std::string(fallback) : ultralytics::text(checkpoint_->pickle(), id).value_or(std::string(fallback));
}
std::vector<int64_t> Module::integers(std::string_view name, size_t count, int64_t fallback) const {
  const Pickle& p = checkpoint_->pickle();
  const PickleId id = attribute(name);
  if (id == no_pickle || (p[id].kind != Kind::tuple && p[id].kind != Kind::list)) return std::vector<int64_t>(count, integer(name, fallback));
  std::vector<int64_t> values;
  for (const PickleId item : p[id].items) values.push_back(static_cast<int64_t>(number(p, item).value_or(double(fallback))));
  if (values.size() != count) {
    sdk::Diagnostic d;
    d.text = "attribute '" + std::string(name) + "' of a module of class " + class_name() + " has an unexpected length";
    d.expected = std::to_string(count);
    d.found = std::to_string(values.size());
    d.location = checkpoint_->path();
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  return values;
}

// ---- plain values -----------------------------------------------------------------------------------------------------------------

std::optional<double> number(const Pickle& pickle, PickleId id) {
  const PickleValue& v = pickle[id];
  if (v.kind == Kind::boolean || v.kind == Kind::integer) return static_cast<double>(v.integer);
  if (v.kind == Kind::real) return v.real;
  return std::nullopt;
}

std::optional<std::string> text(const Pickle& pickle, PickleId id) {
  const PickleValue& v = pickle[id];
  if (v.kind != Kind::text) return std::nullopt;
  return std::string(v.text);
}

std::string describe(const Pickle& pickle, PickleId id, int depth) {
  const PickleValue& v = pickle[id];
  const auto joined = [&](const std::vector<PickleId>& items, bool keyed) {
    std::string list;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) list += keyed && i % 2 ? ": " : ", ";
      list += depth > 0 ? describe(pickle, items[i], depth - 1) : "...";
      if (list.size() > 20000) return list + "...";
    }
    return list;
  };
  switch (v.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return v.integer ? "True" : "False";
    case Kind::integer:
      return std::to_string(v.integer);
    case Kind::real: {
      std::array<char, 40> buffer{};
      std::snprintf(buffer.data(), buffer.size(), "%.6g", v.real);
      return buffer.data();
    }
    case Kind::text:
      return std::string(v.text.substr(0, 4096));
    case Kind::bytes:
    case Kind::big:
      return "<" + std::to_string(v.text.size()) + " bytes>";
    case Kind::tuple:
    case Kind::list:
    case Kind::set:
      return "[" + joined(v.items, false) + "]";
    case Kind::dictionary:
      return "{" + joined(v.items, true) + "}";
    case Kind::global:
      return std::string(v.text) + "." + std::string(v.name);
    case Kind::call:
      return pickle[v.items[0]].kind == Kind::global ? "<" + describe(pickle, v.items[0], 0) + ">" : "<object>";
    case Kind::persistent:
      return "<storage>";
  }
  return {};
}

}  // namespace lathe::ultralytics
