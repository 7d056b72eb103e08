// Types, by their byte, all numbers little-endian:
//   01 dictionary: u32 count, then per entry a key of 64 bytes (zero-padded), a type, a value
//   02 list, a2 array: a type, u32 count, the values without their type (a list in a list: its own type, count, values)
//   03 bytes, 61 UTF-8: u64 size, bytes      60 ASCII: u32 size, bytes      10 u8  11 i8  20 u16  21 i16  30 u32  31 i32  40 u64  41 i64  50 float 70
//   bool
#include "mxpack.hpp"

#include <cmath>
#include <cstring>
#include <stdexcept>

namespace lathe::memryx {
namespace {

using Json = nlohmann::json;
constexpr int deepest = 32;
constexpr size_t most_values = 1000000, longest_list = 4096, key_bytes = 64;

[[noreturn]] void damaged(const char* why) { throw std::runtime_error(why); }

class Reader {
 public:
  Reader(std::string_view bytes, size_t at) : bytes_(bytes), at_(at) {}
  size_t at() const { return at_; }
  uint8_t type() { return number<uint8_t>(); }

  Json value(uint8_t type, int depth) {
    if (depth > deepest) damaged("values are nested too deeply");
    if (++values_ > most_values) damaged("there are more values than any description has");
    switch (type) {
      case 0x01:
        return dictionary(depth);
      case 0x02:
      case 0xa2:
        return list(depth);
      case 0x03:
        return binary();
      case 0x10:
        return number<uint8_t>();
      case 0x11:
        return number<int8_t>();
      case 0x20:
        return number<uint16_t>();
      case 0x21:
        return number<int16_t>();
      case 0x30:
        return number<uint32_t>();
      case 0x31:
        return number<int32_t>();
      case 0x40:
        return number<uint64_t>();
      case 0x41:
        return number<int64_t>();
      case 0x50: {
        const float real = number<float>();
        return std::isfinite(real) ? Json(real) : Json();
      }
      case 0x60:
        return text(number<uint32_t>());
      case 0x61:
        return text(number<uint64_t>());
      case 0x70:
        return number<uint8_t>() != 0;
      default:
        damaged("a value has a type that is not known");
    }
  }

 private:
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) damaged("a value is longer than the file");
    const std::string_view part = bytes_.substr(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return part;
  }
  static size_t number_bytes(uint8_t type) {  // 0: not a number
    switch (type >> 4) {
      case 1:
      case 7:
        return 1;
      case 2:
        return 2;
      case 3:
      case 5:
        return 4;
      case 4:
        return 8;
      default:
        return 0;
    }
  }
  static std::string until_zero(std::string_view padded) { return std::string(padded.substr(0, padded.find('\0'))); }
  Json text(uint64_t size) { return until_zero(take(size)); }  // the length may count a terminating zero
  Json binary() {
    const uint64_t size = number<uint64_t>();
    const size_t offset = at_;
    take(size);
    return {{"offset", offset}, {"size", size}};
  }
  Json dictionary(int depth) {
    const uint32_t count = number<uint32_t>();
    if (count > (bytes_.size() - at_) / (key_bytes + 2)) damaged("a dictionary has more entries than the file has room for");
    Json object = Json::object();
    for (uint32_t i = 0; i < count; ++i) {
      std::string key = until_zero(take(key_bytes));
      const uint8_t type = this->type();
      object[std::move(key)] = value(type, depth + 1);
    }
    return object;
  }
  Json list(int depth) {
    const uint8_t type = this->type();
    const uint32_t count = number<uint32_t>();
    if (count > bytes_.size() - at_) damaged("a list is longer than the file");
    if (const size_t size = number_bytes(type); size > 0 && count > longest_list) {
      take(uint64_t{count} * size);
      return {{"count", count}};
    }
    Json array = Json::array();
    for (uint32_t i = 0; i < count; ++i) array.push_back(value(type, depth + 1));
    return array;
  }

  std::string_view bytes_;
  size_t at_, values_ = 0;
};

}  // namespace

Json read_mxpack(std::string_view bytes, size_t& end) {
  Reader reader(bytes, 0);
  const uint8_t type = reader.type();
  Json value = reader.value(type, 0);
  end = reader.at();
  return value;
}

}  // namespace lathe::memryx
