// A small .rknn file, made after the one that was at hand.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::rknn::test {

template <class T>
std::string bytes_of(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

struct Sample {
  uint64_t version = 6;
  std::string identifier = "RKNN", target = "rk3588";
  std::string attributes = "{'attrs': {'x': {'mean': [0, 0, 0], 'std': [255, 255, 255], 'layout': 'nchw'}}, 'quant_tab': {}}";
  std::string text =
      R"({"norm_tensor": [{"tensor_id": 0, "url": "x", "size": [1, 3, 8, 8]}, {"tensor_id": 1, "url": "y", "size": [1, 4]}],)"
      R"( "graph": [{"left": "input", "right_tensor_id": 0}, {"left": "output", "right_tensor_id": 1}], "target_platform": ["rk3588"]})";
};

// The root table holds texts only: slot and content.
inline std::string flat_buffer(const std::string& identifier, const std::vector<std::pair<size_t, std::string>>& texts) {
  constexpr size_t slots = 17, fields_at = 8, fields_bytes = 4 + 2 * slots, table_at = 48;
  std::vector<uint16_t> offsets(slots, 0);
  for (size_t i = 0; i < texts.size(); ++i) offsets[texts[i].first] = static_cast<uint16_t>(4 + 4 * i);
  const size_t table_bytes = 4 + 4 * texts.size();
  std::string flat = bytes_of(static_cast<uint32_t>(table_at)) + identifier + bytes_of(static_cast<uint16_t>(fields_bytes)) +
                     bytes_of(static_cast<uint16_t>(table_bytes));
  for (const uint16_t offset : offsets) flat += bytes_of(offset);
  flat.resize(table_at, '\0');
  flat += bytes_of(static_cast<int32_t>(table_at - fields_at));
  std::string content;
  for (size_t i = 0; i < texts.size(); ++i) {
    flat += bytes_of(static_cast<uint32_t>(table_bytes - 4 - 4 * i + content.size()));
    content += bytes_of(static_cast<uint32_t>(texts[i].second.size())) + texts[i].second + '\0';
  }
  return flat + content;
}

inline std::string rknn(const Sample& s = {}) {
  const std::string types = R"({"x": {"dtype": "float16", "layout": "NHWC"}})";
  const std::string flat =
      flat_buffer(s.identifier, {{1, "RKNPU v2"}, {3, s.attributes}, {7, "2.3.2"}, {8, s.target}, {9, "ONNX"}, {12, types}, {16, "static_shape"}});
  return std::string("RKNN\0\0\0\0", 8) + bytes_of(s.version) + bytes_of(static_cast<uint64_t>(flat.size())) + std::string(40, '\0') + flat +
         bytes_of(static_cast<uint64_t>(s.text.size())) + s.text;
}

}  // namespace lathe::rknn::test
