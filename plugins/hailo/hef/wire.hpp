// Protocol Buffers' wire format (protobuf.dev/programming-guides/encoding), read in place: as much as a HEF needs and nothing generated.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <string_view>
#include <vector>

namespace lathe::hailo {

// One field of a message as it stands in the bytes. Which of the three holds the value is decided by `wire`.
struct WireField {
  uint32_t number = 0;
  uint32_t wire = 0;       // 0: varint, 1: 8 bytes, 2: length and bytes, 5: 4 bytes
  uint64_t integer = 0;    // wires 0, 1, 5: the bits
  std::string_view bytes;  // wire 2

  // Each throws Failure when the wire type is another one.
  std::string_view text() const;  // also of sub-messages
  uint64_t number_value() const;
  float real32() const;
  double real64() const;
};

// Goes through the fields of a message in order. Throws Failure where the bytes are no message.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : left_(message) {}
  // False at the end.
  bool next(WireField& field);

 private:
  uint64_t varint();
  uint64_t fixed(size_t size);
  std::string_view left_;
};

// A repeated number appends: packed (wire 2) or one at a time.
void append_integers(const WireField& field, std::vector<uint64_t>& list);
void append_reals(const WireField& field, std::vector<double>& list);

[[noreturn]] void refuse_message(const char* why);

}  // namespace lathe::hailo
