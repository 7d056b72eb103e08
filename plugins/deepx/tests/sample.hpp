// DXNN files made up for tests.
#pragma once
#include <cstring>
#include <string>

namespace lathe::deepx::test {

struct Sample {
  int32_t version = 7;
  bool numbers_as_text = false;
  std::string graph = R"({"offloading": true, "inputs": ["images"], "outputs": ["a", "b"], "toposort_order": ["npu_0"], "graphs": []})";
  std::string info = R"({"version": {"npu": "M1", "opt_level": "1"}, "name": "npu_0", "mode": "DEBUG", "size": 8,
    "inputs": [{"name": "images", "dtype": "UINT8", "shape": [1, 640, 640, 3], "layout": "NHWC"}],
    "outputs": [{"name": "a", "dtype": "FLOAT", "shape": ["1", 80, 80, 64], "layout": "NHWC"}]})";
  std::string weights = "wwwwwwwwwwwwwwww";
  int64_t move_weights = 0;  // added to the offset of the weights
};

inline std::string written(const Sample& s = {}) {
  std::string blobs, entries;
  const auto place = [&](const std::string& bytes, int64_t moved = 0) {
    const std::string quote = s.numbers_as_text ? "\"" : "";
    const std::string text = "{\"offset\": " + quote + std::to_string(static_cast<int64_t>(blobs.size()) + moved) + quote + ", \"size\": " + quote +
                             std::to_string(bytes.size()) + quote + "}";
    blobs += bytes;
    return text;
  };
  const std::string config = place(R"({"compile_version": "2.4.0"})"), graph = place(s.graph), cpu = place("an ONNX model"), rmap = place("commands"),
                    info = place(s.info), weight = place(s.weights, s.move_weights), ppu = place("ppu");
  std::string header = R"({"data": {"cpu_models": {"cpu_0": )" + cpu + R"(}, "compile_config": )" + config + R"(, "graph_info": )" + graph +
                       R"(, "compiled_data": {"M1_4K": {"npu_0": {"rmap": )" + rmap + R"(, "weight": )" + weight + R"(, "rmap_info": )" + info +
                       (s.version >= 8 ? R"(, "ppu": )" + ppu : std::string()) + "}}}}}";
  header.resize(8192 - 8);
  std::string file = "DXNN";
  file.append(reinterpret_cast<const char*>(&s.version), 4);
  return file + header + blobs;
}

}  // namespace lathe::deepx::test
