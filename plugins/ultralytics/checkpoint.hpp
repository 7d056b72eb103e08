// A checkpoint as torch.save writes it: the pickle, the storages beside it, and the module tree that the two describe.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pickle.hpp"
#include "zip_file.hpp"

namespace lathe::ultralytics {

// A tensor of the checkpoint; its elements lie in the file.
struct SavedTensor {
  int32_t type = 0;                          // LATHE_FLOAT16, ...
  std::vector<int64_t> dimensions, strides;  // in elements
  int64_t offset = 0;                        // of the first element in its storage
  std::string_view storage;                  // all of the storage's bytes
  int64_t size() const;
};

class Checkpoint;

// A view of one torch.nn.Module, which was saved as a class name and a dictionary of what it held.
class Module {
 public:
  Module() = default;
  Module(const Checkpoint& checkpoint, PickleId id) : checkpoint_(&checkpoint), id_(id) {}

  std::string class_path() const;  // "ultralytics.nn.modules.block.C2f"
  std::string class_name() const;  // "C2f"
  PickleId id() const { return id_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }

  // The value of an attribute of the Python object, wherever PyTorch keeps it; no_pickle when there is none. Modules, parameters and buffers
  // come from their own dictionaries.
  PickleId attribute(std::string_view name) const;
  std::optional<Module> child(std::string_view name) const;
  std::vector<std::pair<std::string, Module>> children() const;    // in the order they were added
  std::optional<SavedTensor> tensor(std::string_view name) const;  // a parameter or buffer; nullopt: absent or None

  // Plain attributes, with what counts when they are absent.
  int64_t integer(std::string_view name, int64_t fallback) const;
  double real(std::string_view name, double fallback) const;
  std::string text(std::string_view name, std::string_view fallback) const;
  std::vector<int64_t> integers(std::string_view name, size_t count, int64_t fallback) const;  // a number counts for all

 private:
  const Checkpoint* checkpoint_ = nullptr;
  PickleId id_ = no_pickle;
};

class Checkpoint {
 public:
  // `bytes` outlive this object. Throws sdk::Failure saying what is wrong.
  Checkpoint(std::string_view bytes, std::string path);

  const Pickle& pickle() const { return *pickle_; }
  const std::string& path() const { return path_; }
  // The entry of the checkpoint's dictionary; no_pickle when it is absent or None.
  PickleId entry(std::string_view key) const;
  // The network: `ema` where it is set, as Ultralytics prefers it, else `model`. Throws when there is none.
  Module model() const;

  bool is_module(PickleId id) const;
  bool is_tensor(PickleId id) const;
  SavedTensor tensor(PickleId id) const;

  // Globals that no checkpoint of PyTorch needs.
  static bool expected_global(std::string_view global);

 private:
  std::string path_;
  ZipFile zip_;
  std::string root_;          // of the members' names, with a slash
  std::string pickle_bytes_;  // when it was packed
  std::unique_ptr<Pickle> pickle_;
  mutable std::vector<std::unique_ptr<std::string>> unpacked_;
  mutable std::map<std::string, std::string_view, std::less<>> storages_;
  std::string_view storage(std::string_view key) const;
  [[noreturn]] void refuse(std::string text, std::string hint = {}) const;
};

// A value as text, for people: numbers, texts, and lists and dictionaries of them.
std::string describe(const Pickle& pickle, PickleId id, int depth = 4);
std::optional<double> number(const Pickle& pickle, PickleId id);  // of booleans, integers, reals
std::optional<std::string> text(const Pickle& pickle, PickleId id);

}  // namespace lathe::ultralytics
