// A stand-in for a chip that quantises by itself: its artifact is a JSON text that says what it was given to calibrate with, and its inspector reads
// that back. It takes Conv and Relu.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <lathe/plugin.hpp>

namespace lathe {
namespace {

constexpr std::string_view mark = "{\"format\": \"CAL\"";

std::string number(double x) {
  char text[48];
  std::snprintf(text, sizeof text, "%.9g", x);
  return text;
}

std::string described(const sdk::ValueView& value) {
  std::string text = "{\"name\": \"" + std::string(value.name()) + "\", \"shape\": [";
  for (size_t i = 0; i < value.shape().size(); ++i) text += (i ? ", " : "") + std::to_string(value.shape()[i]);
  return text + "]}";
}

class Backend {
 public:
  Backend(const sdk::Host&, const sdk::CompileRequest& request)
      : stem_(request.stem),
        device_(request.device),
        pixels_(request.settings.flag("pixels")),
        preprocessing_(request.preprocessing),
        calibration_(request.calibration) {}

  static sdk::BackendInfo info() {
    sdk::BackendInfo info;
    info.runtime = "CALRT";
    info.flags = LATHE_BACKEND_STATIC_SHAPES | LATHE_BACKEND_REST_ON_HOST | LATHE_BACKEND_NEEDS_CALIBRATION | LATHE_BACKEND_QUANTISES_ITSELF;
    info.devices = {{"LARGE", "holds everything", {"int8", "float16"}},
                    {"SMALL", "holds little", {"int8"}, 100, 500},
                    {"TINY", "holds nothing", {"int8"}, 20, 0}};
    info.emits = {"cal"};
    info.options = {{"pixels", LATHE_OPTION_BOOL, "false", "The artifact takes raw pixels."}};
    info.calibration_lowest = 3, info.calibration_wanted = 5;
    return info;
  }

  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    for (const sdk::NodeView node : graph.nodes())
      node.is("Conv") || node.is("Relu") ? verdicts.take(node) : verdicts.refuse(node, "only Conv and Relu are taken");
  }

  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    std::string text = std::string(mark) + ", \"summary\": [], \"runtime\": \"CALRT\", \"devices\": [\"" + device_ + "\"]";
    for (const bool inputs : {true, false}) {
      text += inputs ? ", \"inputs\": [" : ", \"outputs\": [";
      bool first = true;
      for (const uint32_t index : inputs ? graph.inputs() : graph.outputs()) {
        if (graph.value(index).is_constant()) continue;
        text += (first ? "" : ", ") + described(graph.value(index));
        first = false;
      }
      text += "]";
    }
    if (preprocessing_) {
      text += ", \"width\": " + std::to_string(preprocessing_->width) + ", \"bgr\": " + std::to_string(preprocessing_->bgr) +
              ", \"fit\": " + std::to_string(preprocessing_->fit) + ", \"mean\": " + number(preprocessing_->mean[0]) +
              ", \"scale\": " + number(preprocessing_->scale[0]);
    }
    if (calibration_) {
      std::vector<float> numbers(elements(graph));
      double sum = 0;
      for (size_t i = 0; i < calibration_->count; ++i) {
        sdk::require(calibration_->read(calibration_->context, i, 0, numbers.data(), numbers.size() * sizeof(float)));
        for (const float x : numbers) sum += x;
      }
      text += ", \"samples\": " + std::to_string(calibration_->count) + ", \"sum\": " + number(sum) +
              ", \"pictures\": " + (calibration_->read_picture ? "true" : "false");
    }
    output.write(stem_ + ".cal", text + "}\n");
    output.artifact(stem_ + ".cal");
  }

  void fingerprint(const sdk::Facts& fact) const {
    if (pixels_) fact("input", "pixels");
  }

 private:
  static size_t elements(const sdk::GraphView& graph) {
    for (const uint32_t index : graph.inputs()) {
      if (graph.value(index).is_constant()) continue;
      size_t count = 1;
      for (const int64_t d : graph.value(index).shape()) count *= static_cast<size_t>(d);
      return count;
    }
    return 0;
  }

  std::string stem_, device_;
  bool pixels_;
  const lathe_preprocessing* preprocessing_;
  const lathe_calibration* calibration_;
};

class Inspector {
 public:
  static int recognise(const sdk::FileHead& file) {
    return std::string_view(reinterpret_cast<const char*>(file.bytes), file.size).starts_with(mark) ? 100 : 0;
  }
  static std::string inspect(const sdk::Host&, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!text.ends_with("}\n")) throw sdk::Failure(LATHE_FAILED, "this file ends too early");
    return text;
  }
};

}  // namespace
}  // namespace lathe

LATHE_PLUGIN("calibrated", "1.0.0", "Tests", "Stands in for a chip that quantises by itself.", lathe::sdk::BackendPart<lathe::Backend>,
             lathe::sdk::InspectorPart<lathe::Inspector>)
