// The table of models with golden numbers, and their files.
#include "cases.hpp"

#include <algorithm>
#include <filesystem>

#include "core/base/mapped_file.hpp"
#include "core/files/numpy.hpp"

namespace lathe::golden {

std::span<const Case> cases() {
  // Boxes in pixels: of trained checkpoints, and of those with seeded weights, which amplify rounding more.
  constexpr double real = 0.02, seeded = 0.1, score = 1e-4;
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
    {"yolov8n.pt", "models/pt/yolov8n.pt", "pytorch/yolov8n", {{"boxes", 0, 1, 0, 4, real}, {"scores", 0, 1, 4, 84, score}}},
    {"yolov5n.pt", "models/pt/yolov5n.pt", "pytorch/yolov5n", {{"boxes", 0, 2, 0, 4, real}, {"scores", 0, 2, 4, 85, score}}},
    {"yolo11n-seg.pt", "models/pt/yolo11n-seg.pt", "pytorch/yolo11n-seg", {{"boxes", 0, 1, 0, 4, real}, {"scores", 0, 1, 4, 84, score}, {"masks", 0, 1, 84, 116}}},
    {"custom_yolo11n_fruit_best.pt", "models/pt/custom_yolo11n_fruit_best.pt", "pytorch/custom_yolo11n_fruit_best", {{"boxes", 0, 1, 0, 4, real}, {"scores", 0, 1, 4, 9, score}}},
    {"custom_yolov8n-cls_leaf_best.pt", "models/pt/custom_yolov8n-cls_leaf_best.pt", "pytorch/custom_yolov8n-cls_leaf_best", {}},
    {"LeYOLONano.pt", "models/pt/LeYOLONano.pt", "pytorch/LeYOLONano", {{"boxes", 0, 1, 0, 4, real}, {"scores", 0, 1, 4, 84, score}}, false, false, false, "examples/modules/leyolo.yaml"},
    {"yolov8n-pose.pt", "pytorch/yolov8n-pose/yolov8n-pose.pt", "pytorch/yolov8n-pose", {{"boxes", 0, 1, 0, 4, seeded}, {"scores", 0, 1, 4, 5, score}, {"keypoints", 0, 1, 5, 56}}},
    {"yolov8n-obb.pt", "pytorch/yolov8n-obb/yolov8n-obb.pt", "pytorch/yolov8n-obb", {{"boxes", 0, 1, 0, 4, seeded}, {"scores", 0, 1, 4, 19, score}, {"angles", 0, 1, 19, 20}}},
    {"yolov9t.pt", "pytorch/yolov9t/yolov9t.pt", "pytorch/yolov9t", {{"boxes", 0, 1, 0, 4, seeded}, {"scores", 0, 1, 4, 84, score}}},
    {"yolo12n.pt", "pytorch/yolo12n/yolo12n.pt", "pytorch/yolo12n", {{"boxes", 0, 1, 0, 4, seeded}, {"scores", 0, 1, 4, 84, score}}, false, false, false, nullptr, true},
    {"yolov10n.pt", "pytorch/yolov10n/yolov10n.pt", "pytorch/yolov10n", {{"boxes", 0, 2, 0, 4, seeded}, {"scores", 0, 2, 4, 5, score}}, false, false, true},
    {"yolo26n.pt", "pytorch/yolo26n/yolo26n.pt", "pytorch/yolo26n", {{"boxes", 0, 2, 0, 4, seeded}, {"scores", 0, 2, 4, 5, score}}, false, false, true},
  };
  // clang-format on
  return table;
}

std::string model_path(const Case& c) {
  const std::string model = c.model;
  return (model.starts_with("models/onnx/") || model.starts_with("models/pt/") ? std::string(LATHE_SHARED) : std::string(LATHE_GOLDEN)) + "/" + model;
}

std::vector<std::pair<std::string, std::string>> import_options(const Case& c) {
  if (!c.modules) return {};
  return {{"modules", std::string(LATHE_SOURCE_DIR) + "/" + c.modules}};
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
