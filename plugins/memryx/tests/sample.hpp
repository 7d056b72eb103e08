// A .dfp file made after the vendor's open runtime's reader, since none was at hand.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::memryx::test {

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
inline std::string key(std::string_view name, uint8_t type) {
  return std::string(name) + std::string(64 - name.size(), '\0') + static_cast<char>(type);
}
inline std::string byte(std::string_view name, uint8_t value) { return key(name, 0x10) + static_cast<char>(value); }
inline std::string text(std::string_view name, std::string_view value) {
  return key(name, 0x60) + bytes_of(static_cast<uint32_t>(value.size())) + std::string(value);
}
inline std::string dictionary(const std::vector<std::string>& entries) {  // its body, without the type
  std::string all = bytes_of(static_cast<uint32_t>(entries.size()));
  for (const std::string& entry : entries) all += entry;
  return all;
}
inline std::string list(uint8_t type, const std::vector<std::string>& values) {
  std::string all = static_cast<char>(type) + bytes_of(static_cast<uint32_t>(values.size()));
  for (const std::string& value : values) all += value;
  return all;
}
inline std::string port(uint8_t number, std::string_view layer, const std::vector<uint16_t>& shape, bool input) {
  std::vector<std::string> extents;
  for (const uint16_t extent : shape) extents.push_back(bytes_of(extent));
  std::vector<std::string> entries = {byte("port", number),      byte("active", 1),
                                      byte("port_set", 0),       byte("mpu_id", 0),
                                      byte("model_index", 0),    key("packing_format", 0x01) + dictionary({byte("as_int", 5)}),
                                      text("layer_name", layer), key("mxa_shape", 0x02) + list(0x20, extents)};
  if (input) entries.push_back(key("range_convert", 0x01) + dictionary({byte("enabled", 0)}));
  return dictionary(entries);
}

struct Sample {
  uint64_t version = 6;
  uint8_t generation = 4, counted_inputs = 1;
  std::string hardware = bytes_of(uint64_t{21}) + bytes_of(uint32_t{4}) + "WWWW" + '\1' + bytes_of(uint32_t{3}) + "CCC";
};
inline std::string dfp(const Sample& s = {}) {
  return bytes_of(s.version) + '\1' +
         dictionary({key("models", 0x02) + list(0x60, {bytes_of(uint32_t{3}) + "net"}), text("compile_timestamp", "2026-01-02"),
                     text("compiler_version", "2.2.5"), key("use_multigroup_loadbalance", 0x70) + '\0',
                     key("sim_meta", 0x01) + dictionary({byte("intgen", s.generation), byte("num_mpus", 4)}), byte("num_inports", s.counted_inputs),
                     byte("num_outports", 2), key("inport_info", 0x02) + list(0x01, {port(0, "images", {640, 640, 1, 3}, true)}),
                     key("outport_info", 0x02) + list(0x01, {port(0, "boxes", {80, 80, 1, 64}, false), port(1, "scores", {80, 80, 1, 80}, false)}),
                     key("hw_dfp", 0x03) + bytes_of(static_cast<uint64_t>(s.hardware.size())) + s.hardware});
}

}  // namespace lathe::memryx::test
