// A checkpoint as torch.save writes it: the pickle, the storages beside it, and the module tree that the two describe.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pickle.hpp"
#include "saved_tensor.hpp"
#include "values.hpp"
#include "zip_file.hpp"

namespace lathe::ultralytics {

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
  // The network: `ema` where it is set, as Ultralytics prefers it, else `model`; what wraps it (DataParallel, a YOLO object) is taken off. Its
  // tree of modules was walked and is no deeper and no larger than a network's. Throws when there is none.
  Module model() const;

  bool is_module(PickleId id) const;
  bool is_tensor(PickleId id) const;
  SavedTensor tensor(PickleId id) const;

  // Globals that no checkpoint of PyTorch needs.
  static bool expected_global(std::string_view global);

 private:
  struct TensorCall {
    std::string_view function;
    const PickleIds* arguments;
  };
  std::string path_;
  ZipFile zip_;
  std::string root_;          // of the members' names, with a slash
  std::string pickle_bytes_;  // when it was packed
  std::unique_ptr<Pickle> pickle_;
  mutable std::vector<std::unique_ptr<std::string>> unpacked_;
  mutable std::map<std::string, std::string_view, std::less<>> storages_;
  mutable std::map<PickleId, std::string_view> arrays_;  // of numpy
  mutable uint64_t copied_ = 0;

  // checkpoint.cpp
  Module unwrapped(PickleId id) const;
  void check_tree(const Module& model) const;
  [[noreturn]] void refuse_weights() const;
  [[noreturn]] void refuse(std::string text, std::string hint = {}) const;
  // saved_tensor.cpp
  std::string_view storage(std::string_view key) const;
  TensorCall unwrap_tensor(PickleId id) const;
  std::vector<int64_t> sizes(PickleId id) const;
  int64_t tensor_of_numpy(const PickleIds& arguments, SavedTensor& tensor) const;
  std::string_view array_bytes(PickleId id) const;
  [[noreturn]] void refuse_tensor(const std::string& what) const;
};

}  // namespace lathe::ultralytics
