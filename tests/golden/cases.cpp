// The table of models with golden numbers, and their files.
#include "cases.hpp"

#include <algorithm>
#include <filesystem>

#include "core/base/mapped_file.hpp"
#include "core/files/numpy.hpp"

namespace lathe::golden {

std::span<const Case> cases() {
  // clang-format off
  static const Case table[] = {
    {"yolov8n", "pytorch/yolov8n/model.onnx", "pytorch/yolov8n", {{"boxes", 0, 1, 0, 4}, {"scores", 0, 1, 4, 84}}},
    {"yolo11n-seg", "pytorch/yolo11n-seg/model.onnx", "pytorch/yolo11n-seg", {{"boxes", 0, 1, 0, 4}, {"scores", 0, 1, 4, 84}, {"masks", 0, 1, 84, 116}}},
    {"tv_mobilenet_v3_small", "pytorch/tv_mobilenet_v3_small/model.onnx", "pytorch/tv_mobilenet_v3_small", {}},
    {"encoder_2l_h256", "pytorch/encoder_2l_h256/model.onnx", "pytorch/encoder_2l_h256", {}},
    {"rand_resnet50", "models/rand_resnet50.onnx", "onnxruntime/rand_resnet50", {}},
    {"rand_densenet121", "models/rand_densenet121.onnx", "onnxruntime/rand_densenet121", {}},
    {"rand_shufflenet", "models/rand_shufflenet.onnx", "onnxruntime/rand_shufflenet", {}},
    {"rand_squeezenet", "models/rand_squeezenet.onnx", "onnxruntime/rand_squeezenet", {}},
    {"mnist", "models/onnx/mnist.onnx", "onnxruntime/mnist", {}},
    {"trt_residual_block", "models/onnx/trt_residual_block.onnx", "onnxruntime/trt_residual_block", {}},
    {"yolox_nano", "models/onnx/yolox_nano.onnx", "onnxruntime/yolox_nano", {{"boxes", 0, 2, 0, 4}, {"scores", 0, 2, 4, 85}}},
    {"ch_PP-OCRv4_det_infer", "models/onnx/ch_PP-OCRv4_det_infer.onnx", "onnxruntime/ch_PP-OCRv4_det_infer", {}},
    {"ch_PP-OCRv4_rec_infer", "models/onnx/ch_PP-OCRv4_rec_infer.onnx", "onnxruntime/ch_PP-OCRv4_rec_infer", {}},
    {"openwakeword_embedding_model", "models/onnx/openwakeword_embedding_model.onnx", "onnxruntime/openwakeword_embedding_model", {}},
    {"silero_vad_v5", "models/onnx/silero_vad_v5.onnx", "onnxruntime/silero_vad_v5", {}, false, true},
    {"openwakeword_melspectrogram", "models/onnx/openwakeword_melspectrogram.onnx", "onnxruntime/openwakeword_melspectrogram", {}},
    {"yolov8n_int8_qdq", "models/onnx/yolov8n_int8_qdq.onnx", "onnxruntime/yolov8n_int8_qdq", {{"boxes", 0, 1, 0, 4}, {"scores", 0, 1, 4, 84}}, true},
    {"yolov8n_int8", "models/onnx/yolov8n_int8.onnx", "onnxruntime/yolov8n_int8", {{"boxes", 0, 1, 0, 4}, {"scores", 0, 1, 4, 84}}, true},
  };
  // clang-format on
  return table;
}

std::string model_path(const Case& c) {
  const std::string model = c.model;
  return (model.starts_with("models/onnx/") ? std::string(LATHE_SHARED) : std::string(LATHE_GOLDEN)) + "/" + model;
}

std::vector<NamedTensor> read_tensors(const Case& c, const std::string& prefix) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(LATHE_GOLDEN) + "/" + c.folder)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(prefix) && file.ends_with(".npy") && file.find("pre_topk") == std::string::npos) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<NamedTensor> tensors;
  for (const std::string& file : files) {
    const Bytes bytes = map_file(file);
    const std::string stem = std::filesystem::path(file).stem().string();  // input, output0, or output.<name>
    const size_t dot = stem.find('.');
    tensors.push_back({dot == std::string::npos ? "" : stem.substr(dot + 1), read_npy({bytes.data, bytes.size}, file)});
  }
  return tensors;
}

}  // namespace lathe::golden
