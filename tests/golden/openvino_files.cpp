// golden_openvino_files: a real IR that OpenVINO and its quantiser wrote (8-bit weights, FakeQuantize), compiled for this machine, against pictures
// that people labelled; and written again, the same numbers. Exit code 77: the data is absent.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/base/mapped_file.hpp"
#include "core/job/verification.hpp"
#include "core/ops/operator.hpp"
#include "core/package/package.hpp"
#include "core/predict/predictor.hpp"

using namespace lathe;
namespace fs = std::filesystem;

namespace {

constexpr size_t pictures = 24;

int start_and_wait(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (posix_spawn(&child, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0) return 127;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

// The package that compiling for `target` leaves; empty: it failed.
std::string compiled(const std::string& model, const std::vector<std::string>& words) {
  const std::string folder =
      std::string(LATHE_GOLDEN) + "/compiled/openvino_files/" + std::to_string(::getpid()) + "_" + std::to_string(words.size());
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::vector<std::string> all = {LATHE_PROGRAM, "compile", model, "-o", folder, "--quiet"};
  all.insert(all.end(), words.begin(), words.end());
  if (const int code = start_and_wait(all); code != 0) {
    std::printf("lathe compile ended with %d\n", code);
    return "";
  }
  return fs::directory_iterator(folder)->path().string();
}

struct Label {
  int64_t kind;
  double left, top, right, bottom;
};

// "class x y w h" relative to the picture, centre and size.
std::vector<Label> labels_of(const std::string& file, double width, double height) {
  std::vector<Label> labels;
  std::ifstream in(file);
  double k, x, y, w, h;
  while (in >> k >> x >> y >> w >> h)
    labels.push_back({int64_t(k), (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height});
  return labels;
}

double overlap(const Label& l, const Detection& d) {
  const double w = std::min(l.right, double(d.box.right)) - std::max(l.left, double(d.box.left));
  const double h = std::min(l.bottom, double(d.box.bottom)) - std::max(l.top, double(d.box.top));
  if (w <= 0 || h <= 0) return 0;
  const double both = (l.right - l.left) * (l.bottom - l.top) + double((d.box.right - d.box.left) * (d.box.bottom - d.box.top));
  return w * h / (both - w * h);
}

// Of the detections that are sure, most are labelled; of the large things that are labelled, most are found. A model that was read wrongly
// finds nothing.
bool detects(Plugins& plugins, const std::string& package) {
  Predictor predictor(plugins, package, 2);
  PredictOptions options;
  options.confidence = 0.5f;
  const std::string images = std::string(LATHE_SHARED) + "/images/coco/";
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(images + "images")) files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  size_t sure = 0, right = 0, large = 0, found = 0, seen = 0;
  for (const std::string& file : files) {
    const std::string text = images + "labels/" + fs::path(file).stem().string() + ".txt";
    if (!fs::exists(text) || seen == pictures) continue;
    ++seen;
    const Bytes bytes = map_file(file);
    const Picture picture = decode_picture({bytes.data, bytes.size}, file);
    const Prediction prediction = predictor.predict(picture, options);
    const double width = double(picture.width), height = double(picture.height);
    const std::vector<Label> labels = labels_of(text, width, height);
    const auto same = [](const Label& l, const Detection& d) { return l.kind == d.label && overlap(l, d) >= 0.5; };
    for (const Detection& d : prediction.detections)
      ++sure, right += std::any_of(labels.begin(), labels.end(), [&](const Label& l) { return same(l, d); });
    for (const Label& l : labels) {
      if ((l.right - l.left) * (l.bottom - l.top) < 0.1 * width * height) continue;
      ++large, found += std::any_of(prediction.detections.begin(), prediction.detections.end(), [&](const Detection& d) { return same(l, d); });
    }
  }
  std::printf("%zu pictures: %zu of %zu sure detections are labelled, %zu of %zu large things are found\n", seen, right, sure, found, large);
  return seen == pictures && sure >= 40 && right >= sure * 8 / 10 && found >= large * 7 / 10;
}

// Read, written, read again: the two graphs yield the same.
bool written_again(Plugins& plugins, const std::string& model, const std::string& package) {
  Graph graph = import_model(plugins, model, {});
  infer_types(graph);
  const std::unique_ptr<Executable> again = open_artifact(plugins, package, 2, false);
  const Verification v = verify_artifact(graph, *again, limits_for("float32", graph), false, 2);
  for (const OutputComparison& o : v.outputs)
    std::printf("written again: '%s' differs by %.3g where the largest is %.3g%s\n", o.name.c_str(), o.difference, o.largest,
                o.agrees ? "" : "  DISAGREES");
  return v.state == Verification::State::agrees;
}

}  // namespace

int main() try {
  const std::string model = std::string(LATHE_SHARED) + "/models/vendor/openvino/yolo11n_int8_openvino_model/yolo11n.xml";
  if (!fs::exists(model)) {
    std::printf("SKIPPED: %s is absent\n", model.c_str());
    return 77;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  const std::string native = compiled(model, {"--verify", "off"}), again = compiled(model, {"--target", "openvino:cpu", "--precision", "int8"});
  if (native.empty() || again.empty()) return 1;
  const bool good = detects(*plugins, native);
  const bool same = written_again(*plugins, model, again);
  fs::remove_all(fs::path(native).parent_path());
  fs::remove_all(fs::path(again).parent_path());
  return good && same ? 0 : 1;
} catch (const Error& error) {
  for (const Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
  return 1;
}
