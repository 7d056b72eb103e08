// lathe predict: what a compiled detector, segmenter, pose estimator or classifier sees in pictures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>
#include <thread>

#include "core/base/mapped_file.hpp"
#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/files/picture_orientation.hpp"
#include "core/files/write_file.hpp"
#include "core/job/diagnostic_json.hpp"
#include "core/predict/draw.hpp"
#include "core/predict/predictor.hpp"
#include "core/predict/report.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Arguments {
  std::string artifact, output = "predictions";
  std::vector<std::string> pictures;
  std::vector<std::string> classes;
  double confidence = 0.25, overlap = 0.7;
  int64_t most = 300;
  bool agnostic = false;
  unsigned threads = 0;
};

bool named_as_picture(const fs::path& path) {
  static const std::set<std::string> extensions = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".pnm", ".ppm", ".pgm"};
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return extensions.contains(extension);
}

// Files as they are named; of folders what is named as a picture, in the order of their names.
std::vector<std::string> find_pictures(const std::vector<std::string>& arguments) {
  std::vector<std::string> list;
  for (const std::string& argument : arguments) {
    if (!fs::exists(argument)) fail_errno("open", argument, ENOENT);
    if (!fs::is_directory(argument)) {
      list.push_back(argument);
      continue;
    }
    std::vector<std::string> found;
    for (const fs::directory_entry& entry : fs::directory_iterator(argument))
      if (entry.is_regular_file() && named_as_picture(entry.path())) found.push_back(entry.path().string());
    if (found.empty())
      throw Error(Code::failed, "the folder '" + argument + "' holds no pictures", "PNG, JPEG, BMP, PNM, WebP, TIFF and JPEG 2000 are known");
    std::sort(found.begin(), found.end());
    list.insert(list.end(), found.begin(), found.end());
  }
  return list;
}

// Numbers, or names of the model's classes.
std::set<int64_t> parse_classes(const std::vector<std::string>& words, const Contract& contract) {
  std::set<int64_t> classes;
  std::vector<std::string> names;
  for (const auto& [id, name] : contract.labels) names.push_back(name);
  for (const std::string& word : words) {
    int64_t id = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error == std::errc() && end == word.data() + word.size() && id >= 0 && (contract.labels.empty() || contract.labels.contains(id))) {
      classes.insert(id);
      continue;
    }
    bool known = false;
    for (const auto& [label, name] : contract.labels)
      if (name == word) classes.insert(label), known = true;
    if (!known)
      throw Error(Code::usage, "--classes: the model knows no class '" + word + "'" + did_you_mean(word, names),
                  "labels_<model>.json in the package lists them");
  }
  return classes;
}

void check_limits(const Arguments& a) {
  for (const auto& [flag, value] : {std::pair{"--conf", a.confidence}, std::pair{"--iou", a.overlap}})
    if (!(value >= 0 && value <= 1)) throw Error(Code::usage, std::string(flag) + " is a number from 0 to 1");
  if (a.most < 1) throw Error(Code::usage, "--max-det is 1 or more");
}

// Where each picture's drawing goes. None is one of the pictures themselves, and no two are the same.
std::vector<std::string> name_drawings(const std::vector<std::string>& pictures, const std::string& folder) {
  std::set<std::string> taken;
  std::vector<std::string> drawings;
  for (const std::string& picture : pictures) {
    const std::string stem = fs::path(picture).stem().string();
    std::string name = stem + ".png";
    for (int i = 2; !taken.insert(name).second; ++i) name = stem + "_" + std::to_string(i) + ".png";
    drawings.push_back((fs::path(folder) / name).string());
  }
  for (const std::string& drawing : drawings)
    for (const std::string& picture : pictures) {
      std::error_code ignored;
      if (fs::equivalent(drawing, picture, ignored))
        throw Error(Code::usage, "the drawing would replace the picture '" + picture + "'", "name another folder with --output");
    }
  return drawings;
}

int predict(Context& context, const Arguments& a) {
  check_limits(a);
  const std::vector<std::string> pictures = find_pictures(a.pictures);
  const std::vector<std::string> drawings = name_drawings(pictures, a.output);
  const unsigned threads = a.threads ? a.threads : std::max(1u, std::thread::hardware_concurrency());
  const std::unique_ptr<Plugins> plugins = context.discover(threads);
  doing("loading '" + a.artifact + "'");
  std::string stand_in;
  Predictor predictor(*plugins, a.artifact, threads, &stand_in);
  if (!stand_in.empty()) context.note(stand_in);
  const Contract& contract = predictor.contract();
  PredictOptions options;
  options.confidence = static_cast<float>(a.confidence), options.overlap = static_cast<float>(a.overlap);
  options.most = a.most, options.agnostic = a.agnostic, options.classes = parse_classes(a.classes, contract);
  std::error_code error;
  fs::create_directories(a.output, error);
  if (error) fail_errno("make the folder", a.output, error.value());

  Json document{{"artifact", a.artifact}, {"task", name(contract.task)}, {"pictures", Json::array()}};
  bool all_read = true;
  for (size_t i = 0; i < pictures.size(); ++i) {
    doing("predicting '" + pictures[i] + "'");
    Picture picture;
    try {  // one picture that cannot be read does not cost the others
      const Bytes file = map_file(pictures[i]);
      picture = decode_upright({file.data, file.size}, pictures[i]);
    } catch (const Error& problem) {
      all_read = false;
      for (const Diagnostic& d : problem.diagnostics) context.say(d);
      document["pictures"].push_back({{"picture", pictures[i]}, {"problem", to_json(problem.diagnostics)}});
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    const Prediction prediction = predictor.predict(picture, options);
    const double milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    Json entry{{"picture", pictures[i]}, {"width", picture.width}, {"height", picture.height}, {"drawing", drawings[i]}};
    entry.update(to_json(prediction, contract));
    document["pictures"].push_back(std::move(entry));
    draw(picture, prediction, contract);
    write_file(drawings[i], encode_png(picture));
    if (!context.json) context.print(pictures[i] + ": " + summary(prediction, contract) + "  (" + std::to_string(std::lround(milliseconds)) + " ms)");
  }
  const std::string results = (fs::path(a.output) / "predictions.json").string();
  write_file(results, dump(document, 1) + "\n");
  if (context.json) {
    context.print_json(document);
  } else {
    context.print(results);
  }
  return static_cast<int>(all_read ? Code::ok : Code::failed);
}

}  // namespace

Command add_predict(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("predict", "Run a compiled detector, segmenter, pose estimator or classifier on pictures");
  app->add_option("ARTIFACT", a->artifact, "A package's folder, or its artifact")->required();
  app->add_option("PICTURE", a->pictures, "Pictures, or folders of pictures")->required();
  app->add_option("--output,-o", a->output, "Folder for the drawn pictures and predictions.json (default: predictions)")->type_name("DIR");
  app->add_option("--conf", a->confidence, "The lowest score of a detection (default: 0.25)")->type_name("SCORE");
  app->add_option("--iou", a->overlap, "How far two boxes may overlap before they count as one (default: 0.7)")->type_name("PART");
  app->add_option("--max-det", a->most, "The most detections of a picture (default: 300)")->type_name("N");
  app->add_option("--classes", a->classes, "Only these classes, by number or name, separated by commas")
      ->type_name("CLASS")
      ->delimiter(',')
      ->allow_extra_args(false);
  app->add_flag("--agnostic-nms", a->agnostic, "Boxes of different classes may count as one, too");
  app->add_option("--threads", a->threads, "Default: one per processor")->type_name("N");
  app->footer("Example:\n  lathe predict out/yolov8n--640x640_float_*_1 bus.jpg photos --classes person,bus --output found");
  return {app, [a, &context] { return predict(context, *a); }};
}

}  // namespace lathe::cli
