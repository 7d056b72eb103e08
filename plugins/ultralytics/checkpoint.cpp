// See checkpoint.hpp. The format is that of torch.save since PyTorch 1.6 (torch/serialization.py): <root>/data.pkl holds the pickle,
// <root>/data/<key> each storage, little endian.
#include "checkpoint.hpp"

#include <cmath>
#include <lathe/plugin.hpp>

#include "file_kinds.hpp"

namespace lathe::ultralytics {
namespace {

using Kind = PickleValue::Kind;

// Networks are a few hundred modules of a few dozen attributes; what is far beyond was made to take time.
constexpr size_t most_modules = 20000, most_depth = 64, most_attributes = 10000, most_path = 400;

}  // namespace

void Checkpoint::refuse(std::string text, std::string hint) const {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path_;
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

Checkpoint::Checkpoint(std::string_view bytes, std::string path) : path_(std::move(path)), zip_(expect_zip(bytes, path_), path_) {
  const std::string_view last = "data.pkl";
  const ZipFile::Member* found = nullptr;
  for (const ZipFile::Member& member : zip_.members()) {
    const std::string_view name = member.name;
    const bool named = name == last || (name.size() > last.size() && name.substr(name.size() - last.size() - 1) == "/data.pkl");
    if (!named) continue;
    if (found) refuse("the zip file holds two pickles");
    found = &member;
  }
  if (!found) refuse_zip_without_pickle(zip_, path_);
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
    if (const PickleId id = entry(key); id != no_pickle && is_module(id)) return unwrapped(id);
  if (is_module(pickle_->root())) return unwrapped(pickle_->root());
  refuse_weights();
}

// Takes off what only holds a network: torch.nn.DataParallel and DistributedDataParallel ("module"), torch.compile ("_orig_mod"), and the YOLO,
// AutoShape and DetectMultiBackend objects, whose "model" is the network with its own "model", the list of modules.
Module Checkpoint::unwrapped(PickleId id) const {
  Module model(*this, id);
  for (size_t depth = 0; depth < 8; ++depth) {
    std::optional<Module> inner;
    for (const std::string_view name : {"model", "module", "_orig_mod"})
      if (!inner) inner = model.child(name);
    if (!inner || (!inner->child("model") && model.child("model"))) break;
    model = *inner;
  }
  check_tree(model);
  return model;
}

// Walks the modules, each once: later steps may then follow them without counting. Shared modules are fine, a module within itself is not.
void Checkpoint::check_tree(const Module& model) const {
  const auto damaged = [&](const std::string& what) { refuse("the network in the checkpoint is described wrongly: " + what); };
  struct Place {
    PickleId module;
    const PickleIds* children;  // name, module, name, module...
    size_t next;
    size_t path;  // bytes of its name in the network
  };
  std::map<PickleId, bool> open;  // every module that was met; true while it is being walked
  std::vector<Place> path;
  size_t edges = 0;
  const auto enter = [&](PickleId id, size_t length) {
    if (const auto [met, fresh] = open.emplace(id, true); !fresh) {
      if (met->second) damaged("a module lies within itself");
      return;
    }
    if (path.size() >= most_depth) damaged("its modules lie more than " + std::to_string(most_depth) + " deep in each other");
    const PickleValue& v = pickle_->at(id);
    if (pickle_->at(v.items[0]).kind != Kind::global) damaged("a module's class is no name");
    const PickleIds* children = pairs(*pickle_, find_key(*pickle_, v.state, "_modules"));
    for (const PickleIds* held : {pairs(*pickle_, v.state), pairs(*pickle_, find_key(*pickle_, v.state, "_parameters")),
                                  pairs(*pickle_, find_key(*pickle_, v.state, "_buffers"))})
      if (held && held->size() / 2 > most_attributes) damaged("a module has more than " + std::to_string(most_attributes) + " attributes");
    edges += children ? children->size() / 2 : 0;
    if (edges > most_modules) damaged("it has more than " + std::to_string(most_modules) + " modules");
    path.push_back({id, children, 0, length});
  };
  enter(model.id(), 0);
  while (!path.empty()) {
    Place& place = path.back();
    if (!place.children || place.next + 1 >= place.children->size()) {
      open[place.module] = false;
      path.pop_back();
      continue;
    }
    const PickleValue& name = pickle_->at((*place.children)[place.next]);
    const PickleId child = (*place.children)[place.next + 1];
    place.next += 2;
    if (name.kind != Kind::text || name.text.empty() || place.path + name.text.size() > most_path || printable(name.text) != name.text)
      damaged("the name of a module is no name");
    if (is_module(child)) enter(child, place.path + name.text.size() + 1);
  }
}

// Whatever there is instead of a network.
void Checkpoint::refuse_weights() const {
  std::vector<PickleId> candidates = {pickle_->root()};
  for (const std::string_view key : {"ema", "model", "state_dict", "model_state_dict", "net"})
    if (const PickleId id = entry(key); id != no_pickle) candidates.push_back(id);
  for (const PickleId id : candidates) {
    const PickleIds* held = pairs(*pickle_, id);
    if (held && held->size() > 1 && is_tensor((*held)[1]))
      refuse("the checkpoint holds weights only (a state_dict), which do not say how the network is wired",
             "in Python, load them into their network and save the whole: torch.save({'model': network}, 'whole.pt')");
  }
  std::string keys;
  const PickleIds* held = pairs(*pickle_, pickle_->root());
  for (size_t i = 0; held && i + 1 < held->size() && keys.size() < 200; i += 2)
    keys += (keys.empty() ? "" : ", ") + printable(describe(*pickle_, (*held)[i], 0), 60);
  sdk::Diagnostic d;
  d.text = "the checkpoint holds no network";
  d.location = path_;
  d.expected = "a network under 'ema' or 'model', or a network alone";
  d.found = keys.empty() ? printable(describe(*pickle_, pickle_->root(), 1), 200) : "entries " + keys;
  d.hint = "name a checkpoint that Ultralytics or YOLOv5 wrote while training";
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

bool Checkpoint::is_module(PickleId id) const {
  if (id == no_pickle) return false;
  const PickleValue& v = pickle_->at(id);
  if (v.kind != Kind::call || v.state == no_pickle) return false;
  const PickleIds* held = pairs(*pickle_, v.state);
  return held && held->size() / 2 <= most_attributes && find_key(*pickle_, v.state, "_modules") != no_pickle;
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
  return value && std::abs(*value) < 9e15 ? whole(*value) : fallback;
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
  for (const PickleId item : p[id].items) values.push_back(whole(number(p, item).value_or(double(fallback))));
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

}  // namespace lathe::ultralytics
