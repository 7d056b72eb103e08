// The plugin's parts: a frontend that reads checkpoints of Ultralytics and of YOLOv5's repository, and an inspector that describes them.
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <lathe/plugin.hpp>
#include <memory>
#include <sstream>

#include "inspector.hpp"
#include "lathe/mapped_file.hpp"
#include "modules.hpp"
#include "network.hpp"

namespace lathe::ultralytics {
namespace {

WiringTable known_wirings() {
  WiringTable table;
  read_wirings(table, modules_yaml, "the built-in descriptions");
  return table;
}

int recognise_head(const sdk::FileHead& head) {
  const bool named = head.has_extension("pt") || head.has_extension("pth");
  if (head.begins_with("PK\x03\x04")) return named ? 90 : 0;
  return named ? 30 : 0;  // to say what it is instead
}

void parse_size(std::string_view text, NetworkOptions& options) {
  const std::string s(text);
  char* end = nullptr;
  const long height = std::strtol(s.c_str(), &end, 10);
  long width = height;
  if (*end == 'x') width = std::strtol(end + 1, &end, 10);
  if (s.empty() || *end != '\0' || height < 1 || width < 1 || height > 65536 || width > 65536) {
    sdk::Diagnostic d;
    d.text = "option imgsz is no image size";
    d.expected = "a number, or HEIGHTxWIDTH";
    d.found = s;
    throw sdk::Failure(LATHE_USAGE, std::move(d));
  }
  options.height = height;
  options.width = width;
}

class Frontend {
 public:
  explicit Frontend(const sdk::Host& host) : host_(host) {}
  static sdk::FrontendInfo info() {
    return {"PyTorch checkpoint",
            {"pt", "pth"},
            {{"head",
              LATHE_OPTION_CHOICE,
              "decoded",
              "What the network yields: convolution outputs per scale, decoded boxes and scores, or final boxes.",
              {"raw", "decoded", "nms"}},
             {"width", LATHE_OPTION_INT, "0", "Width of the image; as in training when it is 0."},
             {"height", LATHE_OPTION_INT, "0", "Height of the image; as in training when it is 0."},
             {"imgsz", LATHE_OPTION_STRING, "", "Image size, as a number or HEIGHTxWIDTH; as in training when it is not given."},
             {"modules", LATHE_OPTION_PATH, "", "A YAML file that describes module classes which are not known."},
             {"conf", LATHE_OPTION_FLOAT, "0.25", "With head=nms: the lowest score of a box."},
             {"iou", LATHE_OPTION_FLOAT, "0.7", "With head=nms: how far boxes of one class may overlap."},
             {"max-det", LATHE_OPTION_INT, "300", "With head=nms and in end-to-end networks: the most boxes."}}};
  }
  static int recognise(const sdk::FileHead& head) { return recognise_head(head); }

  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
    const sdk::MappedFile file(request.path);
    const Checkpoint checkpoint(file.bytes(), request.path);
    WiringTable wirings = known_wirings();
    if (const std::string path(request.settings.text("modules")); !path.empty()) {
      const sdk::MappedFile descriptions(path);
      read_wirings(wirings, std::string(descriptions.bytes()), path);
    }
    NetworkOptions options;
    const std::string_view form = request.settings.text("head");
    options.head.form = form == "raw" ? HeadForm::raw : form == "nms" ? HeadForm::nms : HeadForm::decoded;
    options.head.confidence = static_cast<float>(request.settings.real("conf"));
    options.head.overlap = static_cast<float>(request.settings.real("iou"));
    options.head.most_boxes = std::max<int64_t>(request.settings.integer("max-det"), 1);
    if (const std::string_view size = request.settings.text("imgsz"); !size.empty()) parse_size(size, options);
    for (const auto& [name, value] : {std::pair{"width", &options.width}, std::pair{"height", &options.height}})
      if (const int64_t size = request.settings.integer(name); size > 0) *value = size;
    warn_of_globals(checkpoint);
    const int64_t stride = largest_stride(checkpoint.model()), trained = options.height && options.width ? 0 : trained_size(checkpoint);
    for (const auto& [name, given] : {std::pair{"height", options.height}, std::pair{"width", options.width}})
      if (const int64_t size = given ? given : trained; size % stride)
        host_.warn("a " + std::string(name) + " of " + std::to_string(size) + " is no multiple of the network's stride, " + std::to_string(stride) +
                   ": " + std::to_string((size + stride - 1) / stride * stride) + " is taken");
    try {
      sink.accept(trace_network(checkpoint, wirings, options));
    } catch (sdk::Failure& failure) {
      for (sdk::Diagnostic& d : failure.diagnostics)
        if (d.location.empty()) d.location = request.path;
      throw;
    }
  }

 private:
  // Each by name, as long as a person would read on.
  void warn_of_globals(const Checkpoint& checkpoint) const {
    size_t count = 0;
    for (const std::string& global : checkpoint.pickle().globals())
      if (!Checkpoint::expected_global(global) && ++count <= 10)
        host_.warn("the checkpoint names " + global + ", which no network needs; nothing of it was run");
    if (count > 10) host_.warn("and " + std::to_string(count - 10) + " more names of that kind: `lathe inspect` lists them all");
  }

  sdk::Host host_;
};

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return recognise_head(head); }
  static std::string inspect(const sdk::Host&, const std::string& path) { return inspect_checkpoint(path, known_wirings()); }
};

}  // namespace
}  // namespace lathe::ultralytics

LATHE_PLUGIN("ultralytics", "1.0.0", "The Lathe authors", "Reads checkpoints of Ultralytics and YOLOv5, without running anything in them.",
             lathe::sdk::FrontendPart<lathe::ultralytics::Frontend>, lathe::sdk::InspectorPart<lathe::ultralytics::Inspector>)
