// From the functions that torch.save names for each tensor (torch/_utils.py) to a checked view of the bytes. None of them is called: what it
// would have been given says where the tensor lies.
#include "saved_tensor.hpp"

#include <algorithm>
#include <iterator>
#include <lathe/plugin.hpp>

#include "checkpoint.hpp"
#include "values.hpp"

namespace lathe::ultralytics {
namespace {

using Kind = PickleValue::Kind;

struct ElementType {
  std::string_view name, storage;
  int32_t type;  // 0: refused
  int64_t bytes;
};
constexpr ElementType element_types[] = {
    {"float32", "FloatStorage", LATHE_FLOAT32, 4},
    {"float64", "DoubleStorage", LATHE_FLOAT64, 8},
    {"float16", "HalfStorage", LATHE_FLOAT16, 2},
    {"bfloat16", "BFloat16Storage", LATHE_BFLOAT16, 2},
    {"int64", "LongStorage", LATHE_INT64, 8},
    {"int32", "IntStorage", LATHE_INT32, 4},
    {"int16", "ShortStorage", LATHE_INT16, 2},
    {"int8", "CharStorage", LATHE_INT8, 1},
    {"uint8", "ByteStorage", LATHE_UINT8, 1},
    {"bool", "BoolStorage", LATHE_BOOL, 1},
    {"uint16", "", LATHE_UINT16, 2},
    {"uint32", "", LATHE_UINT32, 4},
    {"uint64", "", LATHE_UINT64, 8},
    {"complex64", "ComplexFloatStorage", 0, 8},
    {"complex128", "ComplexDoubleStorage", 0, 16},
    {"quint8", "QUInt8Storage", 0, 1},
    {"qint8", "QInt8Storage", 0, 1},
    {"qint32", "QInt32Storage", 0, 4},
    {"quint4x2", "QUInt4x2Storage", 0, 1},
    {"quint2x4", "QUInt2x4Storage", 0, 1},
    {"float8_e4m3fn", "", 0, 1},
    {"float8_e4m3fnuz", "", 0, 1},
    {"float8_e5m2", "", 0, 1},
    {"float8_e5m2fnuz", "", 0, 1},
};
constexpr std::string_view untyped = "UntypedStorage";
constexpr int64_t most_elements = int64_t(1) << 31;

const ElementType* element_type(std::string_view ElementType::*member, std::string_view name) {
  for (const ElementType& t : element_types)
    if (t.*member == name && !name.empty()) return &t;
  return nullptr;
}

}  // namespace

bool is_storage_type(std::string_view name) { return name == untyped || element_type(&ElementType::storage, name); }
bool is_element_type(std::string_view name) { return element_type(&ElementType::name, name) != nullptr; }

int64_t SavedTensor::size() const {
  int64_t n = 1;
  for (const int64_t d : dimensions) n *= d;
  return n;
}

bool Checkpoint::is_tensor(PickleId id) const {
  if (id == no_pickle || pickle_->at(id).kind != Kind::call) return false;
  const PickleValue& callable = pickle_->at(pickle_->at(id).items[0]);
  if (callable.kind != Kind::global) return false;
  return (callable.text == "torch._utils" && callable.name.substr(0, 9) == "_rebuild_") ||
         is_global(callable, "torch._tensor", "_rebuild_from_type_v2") || is_global(callable, "torch.nn.parameter", "Parameter");
}

std::string_view Checkpoint::storage(std::string_view key) const {
  if (const auto found = storages_.find(key); found != storages_.end()) return found->second;
  const ZipFile::Member* member = key.size() > 100 ? nullptr : zip_.find(root_ + "data/" + std::string(key));
  if (!member) refuse("the checkpoint lacks the data of storage '" + printable(key, 100) + "'");
  unpacked_.push_back(std::make_unique<std::string>());
  const std::string_view bytes = zip_.read(*member, *unpacked_.back());
  return storages_.emplace(key, bytes).first->second;
}

// Through what wraps a tensor (parameters, subclasses, copies for a device) to the call that describes it.
Checkpoint::TensorCall Checkpoint::unwrap_tensor(PickleId id) const {
  static constexpr std::string_view wrappers[] = {"_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_device_tensor_from_cpu_tensor",
                                                  "Parameter"};
  for (int depth = 0; depth < 8; ++depth) {
    if (!is_tensor(id)) refuse_tensor("it is none");
    const PickleValue& call = pickle_->at(id);
    const PickleValue& arguments = pickle_->at(call.items[1]);
    std::string_view function = pickle_->at(call.items[0]).name;
    if (arguments.kind != Kind::tuple || arguments.items.empty()) refuse_tensor("a call without arguments");
    if (function == "_rebuild_from_type_v2") {  // (function, class, its arguments, attributes)
      if (arguments.items.size() < 3 || pickle_->at(arguments.items[0]).kind != Kind::global) refuse_tensor("a subclass without a tensor");
      function = pickle_->at(arguments.items[0]).name;
      const PickleValue& inner = pickle_->at(arguments.items[2]);
      if (inner.kind != Kind::tuple || inner.items.empty()) refuse_tensor("a call without arguments");
      if (std::find(std::begin(wrappers), std::end(wrappers), function) == std::end(wrappers)) return {function, &inner.items};
      id = inner.items[0];
      continue;
    }
    if (std::find(std::begin(wrappers), std::end(wrappers), function) == std::end(wrappers)) return {function, &arguments.items};
    id = arguments.items[0];
  }
  refuse_tensor("it is wrapped too often");
}

void Checkpoint::refuse_tensor(const std::string& what) const { refuse("a tensor of the checkpoint is described wrongly: " + what); }

SavedTensor Checkpoint::tensor(PickleId id) const {
  const auto [function, arguments] = unwrap_tensor(id);
  SavedTensor tensor;
  int64_t element_bytes = 0;
  if (function == "_rebuild_tensor" || function == "_rebuild_tensor_v2" || function == "_rebuild_tensor_v3") {
    // (storage, offset, size, stride, requires_grad, hooks[, dtype])
    if (arguments->size() < 4) refuse_tensor("too few arguments");
    const ElementType* type = nullptr;
    if (function == "_rebuild_tensor_v3") {
      const PickleValue* named = arguments->size() > 6 ? &pickle_->at((*arguments)[6]) : nullptr;
      type = named && named->kind == Kind::global && named->text == "torch" ? element_type(&ElementType::name, named->name) : nullptr;
      if (!type)
        refuse("a tensor of the checkpoint has elements of a type that is not known: " + (named ? describe(*pickle_, (*arguments)[6], 1) : ""));
    }
    // ('storage', class of the storage, key, device, number of elements)
    const PickleValue& reference = pickle_->at((*arguments)[0]);
    if (reference.kind != Kind::persistent) refuse_tensor("its storage is none");
    const PickleValue& identifier = pickle_->at(reference.items[0]);
    if (identifier.kind != Kind::tuple || identifier.items.size() < 5) refuse_tensor("its storage is none");
    const PickleValue &kind = pickle_->at(identifier.items[1]), &key = pickle_->at(identifier.items[2]), &count = pickle_->at(identifier.items[4]);
    if (kind.kind != Kind::global || key.kind != Kind::text || count.kind != Kind::integer || count.integer < 0) refuse_tensor("its storage is none");
    const bool known_home = kind.text == "torch" || kind.text == "torch.cuda" || kind.text == "torch.storage";
    int64_t unit = 1;
    if (!known_home || kind.name != untyped) {
      const ElementType* stored = known_home ? element_type(&ElementType::storage, kind.name) : nullptr;
      if (!stored) refuse("a tensor of the checkpoint lies in a storage of a type that is not known: " + describe(*pickle_, identifier.items[1], 1));
      unit = stored->bytes;
      if (!type) type = stored;
    }
    if (!type) refuse_tensor("nothing says what its elements are");
    if (type->type == 0)
      refuse("a tensor of the checkpoint holds elements of type " + std::string(type->name) + ", which are not read",
             "convert the network to float32 or float16 and save it again");
    tensor.type = type->type;
    element_bytes = type->bytes;
    tensor.storage = storage(key.text);
    const uint64_t held = tensor.storage.size();
    if (static_cast<uint64_t>(count.integer) > held / static_cast<uint64_t>(unit) ||
        static_cast<uint64_t>(count.integer) * static_cast<uint64_t>(unit) != held)
      refuse_tensor("its storage is said to hold " + std::to_string(count.integer) + " elements and has " + std::to_string(held) + " bytes");
    const PickleValue& offset = pickle_->at((*arguments)[1]);
    if (offset.kind != Kind::integer || offset.integer < 0) refuse_tensor("its offset is no number");
    tensor.offset = offset.integer;
    tensor.dimensions = sizes((*arguments)[2]);
    tensor.strides = sizes((*arguments)[3]);
  } else if (function == "_rebuild_device_tensor_from_numpy") {
    element_bytes = tensor_of_numpy(*arguments, tensor);
  } else {
    refuse("a tensor of the checkpoint is of a kind that is not read: " + std::string(function.substr(0, 60)),
           "sparse, quantised and nested tensors are not read; convert them to plain ones and save the network again");
  }

  if (tensor.dimensions.size() != tensor.strides.size() || tensor.dimensions.size() > 16) refuse_tensor("its shape and strides differ in length");
  // The last element that it reaches must lie in its storage.
  const int64_t elements = static_cast<int64_t>(tensor.storage.size()) / element_bytes;
  int64_t last = tensor.offset, count = 1;
  const bool empty = std::find(tensor.dimensions.begin(), tensor.dimensions.end(), 0) != tensor.dimensions.end();
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(count, tensor.dimensions[i], &count) || count > most_elements) refuse_tensor("it has too many elements");
    if (!empty && (__builtin_mul_overflow(tensor.dimensions[i] - 1, tensor.strides[i], &reach) || __builtin_add_overflow(last, reach, &last)))
      refuse_tensor("it reaches outside of its storage");
  }
  if (!empty && last >= elements) refuse_tensor("it reaches outside of its storage");
  return tensor;
}

// A shape or strides.
std::vector<int64_t> Checkpoint::sizes(PickleId id) const {
  const PickleValue* list = &pickle_->at(id);
  // torch.Size((...)) is a call with the tuple as its argument.
  if (list->kind == Kind::call && !pickle_->at(list->items[1]).items.empty()) list = &pickle_->at(pickle_->at(list->items[1]).items[0]);
  if (list->kind != Kind::tuple && list->kind != Kind::list) refuse_tensor("its shape is no list");
  if (list->items.size() > 16) refuse_tensor("it has too many axes");
  std::vector<int64_t> numbers;
  for (const PickleId n : list->items) {
    if (pickle_->at(n).kind != Kind::integer || pickle_->at(n).integer < 0) refuse_tensor("its shape holds what is no size");
    numbers.push_back(pickle_->at(n).integer);
  }
  return numbers;
}

// (array, dtype, device, requires_grad), where the array is numpy's _reconstruct(...) with the state (version, shape, dtype, is Fortran's order,
// bytes). What tensors become that were saved from devices of which PyTorch knows no storage. Returns the bytes of an element.
int64_t Checkpoint::tensor_of_numpy(const PickleIds& arguments, SavedTensor& tensor) const {
  static constexpr struct {
    std::string_view numpy, torch;
  } types[] = {{"f4", "float32"}, {"f8", "float64"}, {"f2", "float16"}, {"i8", "int64"}, {"i4", "int32"},
               {"i2", "int16"},   {"i1", "int8"},    {"u1", "uint8"},   {"b1", "bool"}};
  const PickleValue& array = pickle_->at(arguments[0]);
  const PickleValue* state = array.kind == Kind::call && array.state != no_pickle ? &pickle_->at(array.state) : nullptr;
  if (!state || state->kind != Kind::tuple || state->items.size() != 5) refuse_tensor("its array of numpy is none");
  const PickleValue& type = pickle_->at(state->items[2]);
  const PickleValue* names = type.kind == Kind::call ? &pickle_->at(type.items[1]) : nullptr;
  const ElementType* element = nullptr;
  if (names && names->kind == Kind::tuple && !names->items.empty() && pickle_->at(names->items[0]).kind == Kind::text)
    for (const auto& [numpy, torch] : types)
      if (pickle_->at(names->items[0]).text == numpy) element = element_type(&ElementType::name, torch);
  if (!element) refuse_tensor("its array of numpy has elements of a type that is not known");
  // (3, '<', ...): little endian, the machine's own, or '|' where there is nothing to order
  if (type.state != no_pickle && pickle_->at(type.state).items.size() > 1 && describe(*pickle_, pickle_->at(type.state).items[1], 0) == ">")
    refuse_tensor("its array of numpy is big-endian");
  tensor.storage = array_bytes(state->items[4]);
  tensor.type = element->type;
  tensor.dimensions = sizes(state->items[1]);
  const bool columns_first = number(*pickle_, state->items[3]).value_or(0) != 0;
  tensor.strides.assign(tensor.dimensions.size(), 1);
  int64_t step = 1;
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) {
    const size_t axis = columns_first ? i : tensor.dimensions.size() - 1 - i;
    tensor.strides[axis] = step;
    if (__builtin_mul_overflow(step, std::max<int64_t>(tensor.dimensions[axis], 1), &step)) refuse_tensor("it has too many elements");
  }
  return element->bytes;
}

// Bytes within the pickle. Where they stand there as an encoded text they are decoded once, and all together make no more than the pickle.
std::string_view Checkpoint::array_bytes(PickleId id) const {
  if (const auto found = arrays_.find(id); found != arrays_.end()) return found->second;
  if (pickle_->at(id).kind == Kind::bytes) return pickle_->at(id).text;
  auto data = bytes(*pickle_, id);
  if (!data) refuse_tensor("its array of numpy has no bytes");
  copied_ += data->size();
  if (copied_ > pickle_->consumed()) refuse_tensor("its array of numpy is decoded too often");
  unpacked_.push_back(std::make_unique<std::string>(std::move(*data)));
  return arrays_.emplace(id, *unpacked_.back()).first->second;
}

}  // namespace lathe::ultralytics
