// golden_detections NAME [HEAD...]: compiles a checkpoint for a native target once for each form of its head, predicts, and compares with the final
// detections that PyTorch and Ultralytics stored for pictures: same classes, boxes within half a pixel, scores within 1e-3, keypoints within half
// a pixel, angles within 1e-3, masks of the same area within half a percent. Exit code 77: the data is absent.
//
// The stored input is used where there is one, and the pictures themselves: those go through the decoder and the letterbox, too.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cases.hpp"
#include "chip.hpp"
#include "core/base/mapped_file.hpp"
#include "core/files/write_file.hpp"
#include "core/package/package.hpp"
#include "core/predict/predictor.hpp"

using namespace lathe;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

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

// The picture under shared/images; the data names some of them by folders of their origin. Empty: it is not there.
std::string find_picture(const std::string& name) {
  const std::string images = std::string(LATHE_SHARED) + "/images/", file = fs::path(name).filename().string();
  for (const char* folder : {"ultralytics/", "coco/images/", "imagenet/"})
    if (fs::exists(images + folder + file)) return images + folder + file;
  return "";
}

struct Worst {
  double box = 0, score = 0, point = 0, angle = 0, area = 0;
};

double apart(const Json& expected, float found) { return std::fabs(expected.get<double>() - double(found)); }

// How far `found` is from what was stored; infinite where the classes differ.
Worst distance(const Json& expected, const Detection& found, const Mask* mask) {
  Worst d;
  if (expected.at("cls").get<int64_t>() != found.label) d.box = INFINITY;
  d.score = apart(expected.at("conf"), found.score);
  if (expected.contains("xywhr")) {
    const Json& r = expected.at("xywhr");
    const RotatedBox& box = found.rotated.value();
    const float numbers[] = {box.x, box.y, box.width, box.height};
    for (size_t i = 0; i < 4; ++i) d.box = std::max(d.box, apart(r.at(i), numbers[i]));
    d.angle = apart(r.at(4), box.angle);
  } else {
    const float numbers[] = {found.box.left, found.box.top, found.box.right, found.box.bottom};
    for (size_t i = 0; i < 4; ++i) d.box = std::max(d.box, apart(expected.at("box").at(i), numbers[i]));
  }
  if (expected.contains("keypoints"))
    for (size_t i = 0; i < found.keypoints.size(); ++i) {
      const Json& point = expected.at("keypoints").at(i);
      d.point = std::max({d.point, apart(point.at(0), found.keypoints[i].x), apart(point.at(1), found.keypoints[i].y)});
      d.score = std::max(d.score, apart(point.at(2), found.keypoints[i].visibility));
    }
  if (mask && expected.contains("mask_area_letterboxed_px")) {
    const double area = expected.at("mask_area_letterboxed_px").get<double>();
    d.area = std::fabs(area - double(mask->area())) / area;
  }
  return d;
}

bool near(const Worst& d) { return d.box <= 0.5 && d.score <= 1e-3 && d.point <= 0.5 && d.angle <= 1e-3 && d.area <= 0.005; }

// Each stored detection has its own among those found, and the reverse. `masks`: those found, on the input instead of the picture, as they are
// stored.
bool compare(const char* what, const Json& expected, const Prediction& found, const std::vector<Mask>& masks) {
  std::vector<bool> taken(found.detections.size());
  Worst worst;
  size_t missing = 0;
  for (const Json& e : expected) {
    size_t best = taken.size();
    Worst nearest;
    nearest.box = INFINITY;
    for (size_t i = 0; i < taken.size(); ++i) {
      if (taken[i]) continue;
      const Worst d = distance(e, found.detections[i], i < masks.size() ? &masks[i] : nullptr);
      if (near(d) && d.box < nearest.box) best = i, nearest = d;
    }
    if (best == taken.size()) {
      ++missing;
      std::printf("  no like of %s\n", e.dump().substr(0, 160).c_str());
      continue;
    }
    taken[best] = true;
    worst = {std::max(worst.box, nearest.box), std::max(worst.score, nearest.score), std::max(worst.point, nearest.point),
             std::max(worst.angle, nearest.angle), std::max(worst.area, nearest.area)};
  }
  size_t surplus = 0;
  for (size_t i = 0; i < taken.size(); ++i) {
    if (taken[i]) continue;
    ++surplus;
    const Detection& d = found.detections[i];
    std::printf("  surplus: class %d score %.4f box %.1f %.1f %.1f %.1f\n", int(d.label), double(d.score), double(d.box.left), double(d.box.top),
                double(d.box.right), double(d.box.bottom));
  }
  const bool good = missing == 0 && surplus == 0;
  std::printf("%-34s %3zu expected, %3zu found; worst: boxes %.3f px, scores %.1e, points %.3f px, angles %.1e, mask areas %.2f %%%s\n", what,
              expected.size(), found.detections.size(), worst.box, worst.score, worst.point, worst.angle, worst.area * 100,
              good ? "" : "  DISAGREES");
  return good;
}

bool compare_classes(const char* what, const Json& expected, const Prediction& found) {
  double worst = expected.size() == found.classes.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(expected.size(), found.classes.size()); ++i) {
    if (expected[i].at("cls").get<int64_t>() != found.classes[i].first) worst = INFINITY;
    worst = std::max(worst, apart(expected[i].at("prob"), found.classes[i].second));
  }
  std::printf("%-34s the five surest classes; worst probability %.1e%s\n", what, worst, worst <= 1e-3 ? "" : "  DISAGREES");
  return worst <= 1e-3;
}

// Where a picture of that size lies in the input.
Placement placement_of(Surface picture, Surface input) {
  return fit({picture.width, picture.height, std::vector<uint8_t>(static_cast<size_t>(picture.width * picture.height * 3))}, input.width,
             input.height, Fit::letterbox)
      .placement;
}

// The package's JSON says what PyTorch said about the model: task, classes, strides, image size, keypoints, anchors; and how pictures are prepared.
bool described(const std::string& package, const Contract& contract, const Json& meta) {
  const Json j = Json::parse(read_text_file(package_document_path(package))), &model = j.at("lathe").at("model"), &pre = j.at("PRE_PROCESS").at(0);
  bool good = true;
  const auto check = [&](const char* what, const Json& found, const Json& expected) {
    if (found == expected) return;
    std::printf("  the package's %s: %s instead of %s\n", what, found.dump().c_str(), expected.dump().c_str());
    good = false;
  };
  const std::string task = meta.at("task").get<std::string>();
  Json names = Json::object();
  for (const auto& [id, label] : contract.labels) names[std::to_string(id)] = label;
  check("labels", names, meta.at("names"));
  check("task", model.at("task"), task);
  check("image size", model.at("image_size"), Json{meta.at("imgsz"), meta.at("imgsz")});
  check("input width", pre.at("InputW"), meta.at("imgsz"));
  check("preparation", pre.at("InputPadMethod"), task == "classify" ? "crop-last" : "letterbox");
  check("scale", pre.at("InputScaleCoeff"), 1.0 / 255);
  check("colours", pre.at("InputColorSpace"), "RGB");
  if (task != "classify") check("stride", model.at("stride").get<double>(), meta.at("stride").back());
  check("keypoints", model.value("keypoints", Json()), meta.value("kpt_shape", Json()));
  check("anchors", model.value("anchors", Json()), meta.value("anchors_px", Json()));
  check("end_to_end", model.value("end_to_end", false), meta.contains("end2end") && meta.at("end2end") == true);
  return good;
}

bool check(const golden::Case& c, Plugins& plugins, const std::string& head) {
  const std::string folder = std::string(LATHE_GOLDEN) + "/detections/" + c.name + "_" + head;
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::vector<std::string> words = {LATHE_PROGRAM, "compile", golden::model_path(c), "-o", folder, "--verify", "off", "--quiet"};
  if (head == "chip") {
    words.insert(words.end(), {"--target", "chip"});
    for (const std::string& word : golden::chip_arguments()) words.push_back(word);
  } else if (!head.empty()) {
    words.insert(words.end(), {"--option", "head=" + head});
  }
  for (const auto& [key, value] : golden::import_options(c)) words.insert(words.end(), {"--option", key + "=" + value});
  if (const int code = start_and_wait(words); code != 0) {
    std::printf("lathe compile ended with %d\n", code);
    return false;
  }
  const std::string package = fs::directory_iterator(folder)->path().string(), data = std::string(LATHE_GOLDEN) + "/" + c.folder;
  const StageSubstitute substitute = head == "chip" ? golden::chip_by_reference(plugins, package, 2) : StageSubstitute();
  Predictor predictor(plugins, package, 2, nullptr, substitute);
  const Json stored = Json::parse(read_text_file(data + "/detections.json"));
  PredictOptions options;
  options.confidence = stored.at("conf").get<float>(), options.overlap = stored.at("iou").get<float>(),
  options.most = stored.at("max_det").get<int64_t>();
  const Json meta = Json::parse(read_text_file(data + "/meta.json"));
  bool good = described(package, predictor.contract(), meta);
  size_t seen = 0;
  for (const Json& image : stored.at("images")) {
    const std::string name = image.at("image").get<std::string>(), file = fs::path(name).filename().string();
    const Surface size{image.at("orig_hw").at(1).get<int64_t>(), image.at("orig_hw").at(0).get<int64_t>()};
    const bool classifier = image.contains("top5");
    const Json& expected = image.at(classifier ? "top5" : "square");
    const std::string path = find_picture(name);
    if (!path.empty()) {
      const Bytes bytes = map_file(path);
      const Prediction found = predictor.predict(decode_picture({bytes.data, bytes.size}, path), options);
      good = (classifier ? compare_classes(file.c_str(), expected, found) : compare(file.c_str(), expected, found, {})) && good;
      ++seen;
    }
    if (meta.at("input_image").get<std::string>() != name) continue;
    const Tensor input = golden::read_tensors(c, "input").at(0).tensor;
    const Surface fitted{input.dimensions.at(3), input.dimensions.at(2)};
    const Placement placement = placement_of(size, fitted);
    const std::unique_ptr<Executable> model = open_artifact(plugins, package, 2, false, nullptr, substitute);
    const std::vector<Datum> outputs = model->run({input});
    const Prediction found = predictor.interpret(outputs, fitted, placement, size, options);
    const std::vector<Mask> masks = predictor.interpret(outputs, fitted, {}, fitted, options).masks;
    const std::string what = "input.npy (" + file + ")";
    good = (classifier ? compare_classes(what.c_str(), expected, found) : compare(what.c_str(), expected, found, masks)) && good;
    ++seen;
  }
  fs::remove_all(folder);
  if (seen == 0) std::printf("none of the pictures is there\n");
  return good && seen > 0;
}

int run(const golden::Case& c, std::vector<std::string> heads) {
  for (const std::string& path : {golden::model_path(c), std::string(LATHE_GOLDEN) + "/" + c.folder}) {
    if (fs::exists(path)) continue;
    std::printf("SKIPPED: %s is absent\n", path.c_str());
    return 77;
  }
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  if (heads.empty()) heads = {""};
  bool good = true;
  for (const std::string& head : heads) {
    if (!head.empty()) std::printf("head=%s\n", head.c_str());
    good = check(c, *plugins, head) && good;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  for (const golden::Case& c : golden::cases()) {
    if (count < 2 || c.name != std::string_view(arguments[1])) continue;
    try {
      return run(c, {arguments + 2, arguments + count});
    } catch (const Error& error) {
      for (const Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
      return 1;
    }
  }
  std::printf("usage: golden_detections NAME [HEAD...]\n");
  return 2;
}
