// Protobuf's wire format, read with every bound checked.
#include "wire.hpp"

#include <cstring>

namespace lathe::hailo {

void refuse_message(const char* why) { throw sdk::Failure(LATHE_FAILED, std::string("the HEF's description is damaged: ") + why); }

uint64_t WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (left_.empty()) refuse_message("a number is cut short");
    const auto byte = static_cast<unsigned char>(left_.front());
    left_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  refuse_message("a number has more than 64 bits");
}

uint64_t WireReader::fixed(size_t size) {
  if (left_.size() < size) refuse_message("a number is cut short");
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= static_cast<uint64_t>(static_cast<unsigned char>(left_[i])) << (8 * i);
  left_.remove_prefix(size);
  return value;
}

bool WireReader::next(WireField& field) {
  if (left_.empty()) return false;
  const uint64_t tag = varint();
  if (tag >> 3 == 0 || tag >> 32) refuse_message("a field has no number");
  field = {static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7), 0, {}};
  switch (field.wire) {
    case 0:
      field.integer = varint();
      break;
    case 1:
      field.integer = fixed(8);
      break;
    case 2: {
      const uint64_t size = varint();
      if (size > left_.size()) refuse_message("a field is longer than what holds it");
      field.bytes = left_.substr(0, static_cast<size_t>(size));
      left_.remove_prefix(static_cast<size_t>(size));
      break;
    }
    case 5:
      field.integer = fixed(4);
      break;
    default:
      refuse_message("a field is of a type that does not exist");
  }
  return true;
}

std::string_view WireField::text() const {
  if (wire != 2) refuse_message("a number stands where a text or a message should");
  return bytes;
}
uint64_t WireField::number_value() const {
  if (wire != 0) refuse_message("something else stands where a whole number should");
  return integer;
}
float WireField::real32() const {
  if (wire != 5) refuse_message("something else stands where a float should");
  const auto bits = static_cast<uint32_t>(integer);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
double WireField::real64() const {
  if (wire != 1) refuse_message("something else stands where a double should");
  double value;
  std::memcpy(&value, &integer, sizeof value);
  return value;
}

void append_integers(const WireField& field, std::vector<uint64_t>& list) {
  if (field.wire != 2) {
    list.push_back(field.number_value());
    return;
  }
  // Each packed number is the value of a field without a tag: a reader over a tag of our own would copy, so the digits are taken here.
  std::string_view left = field.bytes;
  while (!left.empty()) {
    uint64_t value = 0;
    unsigned shift = 0;
    for (;; shift += 7) {
      if (left.empty() || shift > 63) refuse_message("a number of a list is damaged");
      const auto byte = static_cast<unsigned char>(left.front());
      left.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    list.push_back(value);
  }
}

void append_reals(const WireField& field, std::vector<double>& list) {
  if (field.wire == 1) {
    list.push_back(field.real64());
    return;
  }
  const std::string_view bytes = field.text();
  if (bytes.size() % 8 != 0) refuse_message("a list of numbers is cut short");
  for (size_t i = 0; i < bytes.size(); i += 8) {
    double value;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    list.push_back(value);
  }
}

}  // namespace lathe::hailo
