// What the tests share: the real files, and small graphs written and read back.
#pragma once
#include <fstream>
#include <iterator>
#include <lathe/plugin.hpp>
#include <string>

#include "lathe/mapped_file.hpp"
#include "read/step.hpp"
#include "read/xml.hpp"
#include "write/files.hpp"
#include "write/graph.hpp"

namespace lathe::openvino::test {

// Files that OpenVINO and its tools wrote; they lie beside the checkout.
inline const std::string detector = std::string(LATHE_SHARED) + "/models/vendor/openvino/yolo11n_int8_openvino_model/yolo11n";
inline const std::string age =
    std::string(LATHE_SHARED) +
    "/models/vendor/degirum/yolov8n_relu6_age--256x256_quant_openvino_cpu_1/yolov8n_relu6_age--256x256_quant_openvino_cpu_1";

inline bool there(const std::string& path) { return std::ifstream(path).good(); }
inline std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace lathe::openvino::test
