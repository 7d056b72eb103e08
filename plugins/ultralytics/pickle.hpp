// Python's pickle, read without Python: a program for a small stack machine, run here so that it can build nothing but inert values.
//
// What a pickle names (classes, functions) stays a name; what it asks to be called stays a record of the call. Nothing is imported,
// called or constructed, whatever the file says. Source: CPython's Lib/pickletools.py, protocols 0 to 5.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::ultralytics {

using PickleId = uint32_t;
inline constexpr PickleId no_pickle = UINT32_MAX;

struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,     // integer: 0 or 1
    integer,     // integer
    big,         // text: little-endian two's complement, of integers beyond 64 bits
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
  union {
    int64_t integer = 0;
    double real;
  };
  std::string_view text, name;
  std::vector<PickleId> items;
  // Of calls: what BUILD handed to the object (its __dict__, mostly), and what was put into it as into a list, set or dictionary.
  PickleId state = no_pickle;
  std::vector<PickleId> contents;
};

class Pickle {
 public:
  // Runs the program in `bytes`, which outlive this object (texts point into them). Throws sdk::Failure with the position of what is
  // wrong; `path` is for messages. Memory is proportional to the size of the program.
  Pickle(std::string_view bytes, std::string path);

  PickleId root() const { return root_; }
  const PickleValue& at(PickleId id) const { return values_[id]; }
  const PickleValue& operator[](PickleId id) const { return values_[id]; }
  size_t size() const { return values_.size(); }
  uint64_t consumed() const { return consumed_; }  // bytes of the program, STOP included

  // Every global the pickle names, as "module.name", sorted, once each.
  std::vector<std::string> globals() const;

 private:
  friend class PickleMachine;
  std::vector<PickleValue> values_;
  PickleId root_ = no_pickle;
  uint64_t consumed_ = 0;
};

// The value under a text key of a dictionary, or of what a call's contents hold when it was filled like one (an OrderedDict); no_pickle.
PickleId find_key(const Pickle& pickle, PickleId dictionary, std::string_view key);

}  // namespace lathe::ultralytics
