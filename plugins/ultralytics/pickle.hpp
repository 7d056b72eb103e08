// Python's pickle, read without Python: a program for a small stack machine, run here so that it can build nothing but inert values.
//
// What a pickle names (classes, functions) stays a name; what it asks to be called stays a record of the call. Nothing is imported,
// called or constructed, whatever the file says. Source: CPython's Lib/pickletools.py, protocols 0 to 5.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::ultralytics {

using PickleId = uint32_t;
inline constexpr PickleId no_pickle = UINT32_MAX;

// The elements of a value: a list that keeps two of them within itself, because most lists of a checkpoint are that short and a hostile
// pickle makes as many as it can.
class PickleIds {
 public:
  PickleIds() = default;
  PickleIds(std::initializer_list<PickleId> ids) { append({ids.begin(), ids.size()}); }
  PickleIds(PickleIds&& other) noexcept : size_(other.size_), capacity_(other.capacity_), held_(other.held_) {
    other.size_ = 0, other.capacity_ = most_within;
  }
  PickleIds& operator=(PickleIds&& other) noexcept {
    std::swap(size_, other.size_), std::swap(capacity_, other.capacity_), std::swap(held_, other.held_);
    return *this;
  }
  ~PickleIds() {
    if (capacity_ > most_within) delete[] held_.list;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const PickleId* begin() const { return capacity_ > most_within ? held_.list : held_.within; }
  const PickleId* end() const { return begin() + size_; }
  PickleId operator[](size_t index) const { return begin()[index]; }
  // Returns the bytes of memory that were taken for it.
  uint64_t append(std::span<const PickleId> ids);

 private:
  static constexpr uint32_t most_within = 2;
  uint32_t size_ = 0, capacity_ = most_within;
  union {
    PickleId within[most_within];
    PickleId* list;
  } held_ = {};
};

struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,     // integer: 0 or 1
    integer,     // integer
    big,         // text: an integer beyond 64 bits, as it stands in the file
    real,        // real
    text,        // text: UTF-8, as it stands in the file
    bytes,       // text
    tuple,       // items
    list,        // items
    set,         // items
    dictionary,  // items: key, value, key, value...
    global,      // text: module, name: what a class or function is called
    call,        // items[0]: what was to be called; items[1]: its arguments; built with items appended or set on it: see below
    persistent   // items[0]: the identifier of something that lies outside of the pickle (a tensor's storage)
  };
  Kind kind = Kind::none;
  // Of calls: what BUILD handed to the object: its __dict__, mostly.
  PickleId state = no_pickle;
  union {
    int64_t integer = 0;
    double real;
  };
  std::string_view text, name;
  PickleIds items;
  PickleIds contents;  // of calls: what was put into the object as into a list, set or dictionary
};
static_assert(sizeof(PickleValue) <= 80, "what a pickle can make us spend is counted in these");

class Pickle {
 public:
  // Runs the program in `bytes`, which outlive this object (texts point into them). Throws sdk::Failure with the position of what is
  // wrong; `path` is for messages. Takes at most some 45 MB beside `bytes`, whatever the program does.
  Pickle(std::string_view bytes, std::string path);

  PickleId root() const { return root_; }
  const PickleValue& at(PickleId id) const { return values_[id]; }
  const PickleValue& operator[](PickleId id) const { return values_[id]; }
  size_t size() const { return values_.size(); }
  uint64_t consumed() const { return consumed_; }  // bytes of the program, STOP included

  // Every global the pickle names, as "module.name", sorted, once each. At most 10,000, and nothing in them that moves a terminal's cursor.
  std::vector<std::string> globals() const;

 private:
  friend class PickleMachine;
  std::vector<PickleValue> values_;
  PickleId root_ = no_pickle;
  uint64_t consumed_ = 0;
};

// The keys and values of a dictionary, of an object filled like one (OrderedDict), or of an object that has nothing but attributes
// (argparse.Namespace): key, value, key, value... Null when it is none of these.
const PickleIds* pairs(const Pickle& pickle, PickleId id);

// The value under a text key of those; no_pickle.
PickleId find_key(const Pickle& pickle, PickleId dictionary, std::string_view key);

}  // namespace lathe::ultralytics
