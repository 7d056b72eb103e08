// Reading FlatBuffers without a schema compiler: tables, vectors and strings by position, every access held against the file's end.
// FlatBuffers' own page "Internals" gives the layout: little-endian offsets, a table's first word points back to its vtable.
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::n2x {

// What was wrong with the bytes: "the field 'inputs' ... 0x24 ...".
struct Damage {
  std::string text;
};

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  uint64_t size() const { return bytes_.size(); }
  // Throws Damage unless `count` bytes at `position` lie in the file.
  void require(uint64_t position, uint64_t count, const char* what) const {
    if (position > bytes_.size() || count > bytes_.size() - position)
      throw Damage{std::string(what) + " at " + std::to_string(position) + " lies beyond the end of the file"};
  }
  template <class Number>
  Number number(uint64_t position, const char* what) const {
    require(position, sizeof(Number), what);
    Number value;
    std::memcpy(&value, bytes_.data() + position, sizeof value);
    return value;
  }
  std::string_view text(uint64_t position, uint64_t count, const char* what) const {
    require(position, count, what);
    return bytes_.substr(position, count);
  }

 private:
  std::string_view bytes_;
};

// `count` elements of `width` bytes that begin at `position`.
struct Vector {
  uint64_t position = 0;
  uint32_t count = 0;
};

class Table {
 public:
  Table(const Bytes& bytes, uint64_t position) : bytes_(&bytes), position_(position) {
    const int64_t vtable = static_cast<int64_t>(position) - bytes.number<int32_t>(position, "a table");
    if (vtable < 0) throw Damage{"the table at " + std::to_string(position) + " has its list of fields before the file's beginning"};
    vtable_ = static_cast<uint64_t>(vtable);
    vtable_size_ = bytes.number<uint16_t>(vtable_, "a table's list of fields");
    size_ = bytes.number<uint16_t>(vtable_ + 2, "a table's list of fields");
    bytes.require(vtable_, vtable_size_, "a table's list of fields");
    bytes.require(position_, size_, "a table");
    if (vtable_size_ < 4 || vtable_size_ % 2 != 0 || size_ < 4) throw Damage{"the table at " + std::to_string(position) + " has no list of fields"};
  }
  // Where field `id` lies; nothing when the table leaves it out.
  std::optional<uint64_t> field(unsigned id, unsigned width) const {
    const uint64_t entry = 4 + 2 * uint64_t{id};
    if (entry + 2 > vtable_size_) return std::nullopt;
    const auto offset = bytes_->number<uint16_t>(vtable_ + entry, "a table's list of fields");
    if (offset == 0) return std::nullopt;
    if (offset + width > size_) throw Damage{"a field of the table at " + std::to_string(position_) + " lies outside it"};
    return position_ + offset;
  }
  template <class Number>
  Number number(unsigned id, Number fallback) const {
    const auto at = field(id, sizeof(Number));
    return at ? bytes_->number<Number>(*at, "a field") : fallback;
  }
  std::optional<Table> table(unsigned id) const {
    const auto at = field(id, 4);
    if (!at) return std::nullopt;
    return Table(*bytes_, *at + bytes_->number<uint32_t>(*at, "a field"));
  }
  // Elements of `width` bytes each; absent: an empty one.
  Vector vector(unsigned id, unsigned width, const char* what) const {
    const auto at = field(id, 4);
    if (!at) return {};
    const uint64_t begin = *at + bytes_->number<uint32_t>(*at, what);
    const auto count = bytes_->number<uint32_t>(begin, what);
    bytes_->require(begin + 4, uint64_t{count} * width, what);
    return {begin + 4, count};
  }
  std::string_view text(unsigned id, const char* what) const {
    const Vector letters = vector(id, 1, what);
    return bytes_->text(letters.position, letters.count, what);
  }
  // Element `index` of a vector of tables.
  Table element(const Vector& vector, uint32_t index) const {
    const uint64_t at = vector.position + 4 * uint64_t{index};
    return Table(*bytes_, at + bytes_->number<uint32_t>(at, "a list of tables"));
  }
  template <class Number>
  std::vector<Number> numbers(unsigned id, size_t most, const char* what) const {
    const Vector list = vector(id, sizeof(Number), what);
    if (list.count > most) throw Damage{std::string(what) + " has " + std::to_string(list.count) + " elements, more than any file needs"};
    std::vector<Number> out(list.count);
    for (uint32_t i = 0; i < list.count; ++i) out[i] = bytes_->number<Number>(list.position + i * sizeof(Number), what);
    return out;
  }

 private:
  const Bytes* bytes_;
  uint64_t position_, vtable_ = 0;
  unsigned vtable_size_ = 0, size_ = 0;
};

}  // namespace lathe::n2x
