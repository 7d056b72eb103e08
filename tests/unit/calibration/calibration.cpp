// Finding, reading and judging calibration data, and the contract they are held against.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/base/sha256.hpp"
#include "core/calibration/boundary.hpp"
#include "core/calibration/sufficiency.hpp"
#include "core/files/numpy.hpp"
#include "core/files/write_file.hpp"
#include "core/ops/operator.hpp"

namespace {
using namespace lathe;
namespace fs = std::filesystem;
using Kind = CalibrationSource::Kind;

struct Folder {
  Folder() {
    std::string form = (fs::temp_directory_path() / "lathe-calibration-XXXXXX").string();
    path = ::mkdtemp(form.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

Picture picture(int64_t width, int64_t height, int seed) {
  Picture p{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (size_t i = 0; i < p.rgb.size(); ++i) p.rgb[i] = static_cast<uint8_t>(i * 37 + static_cast<size_t>(seed) * 91 + (i * i) / 11);
  return p;
}
void save(const std::string& path, const Picture& p) {
  fs::create_directories(fs::path(path).parent_path());
  write_file(path, encode_png(p));
}
void save(const std::string& path, std::vector<int64_t> dimensions, const std::vector<float>& values) {
  write_file(path, write_npy(Tensor::of<float>(DataType::float32, std::move(dimensions), values)));
}
std::vector<float> ramp(size_t count, float low, float high) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = low + (high - low) * static_cast<float>(i * 7919 % count) / static_cast<float>(count - 1);
  return values;
}

// x [1, 3, 4, 4] -> Relu -> Neg -> y
Graph model(DataType type = DataType::float32, std::map<std::string, std::string, std::less<>> properties = {}) {
  Graph graph;
  graph.opsets[""] = canonical_opset;
  graph.properties = std::move(properties);
  const ValueType shape{ValueKind::tensor, type, Shape{1, 3, 4, 4}};
  const ValueId x = graph.add_value("x", shape), middle = graph.add_value("middle", shape), y = graph.add_value("y", shape);
  graph.inputs = {x}, graph.outputs = {y};
  graph.add_node("Relu", {x}, {middle}, "relu");
  graph.add_node("Neg", {middle}, {y}, "neg");
  return graph;
}

CalibrationSet open(const std::string& argument, const Graph& graph, const PreprocessingOptions& options = {}) {
  return CalibrationSet(find_calibration(argument, 2), inputs_of(graph), preprocessing_of(graph, options), 2);
}
std::string problem(const std::string& argument, const Graph& graph, const CalibrationNeed& need, const PreprocessingOptions& options = {}) {
  try {
    CalibrationSet set = open(argument, graph, options);
    check_sufficiency(set, need, 2);
  } catch (const Error& e) {
    std::string text;
    for (const Diagnostic& d : e.diagnostics) text += d.sentence() + "\n";
    return text;
  }
  return "";
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("the contract comes from the model, and options change it") {
  const Preprocessing plain = *preprocessing_of(model());
  CHECK(plain.input == "x");
  CHECK(plain.fit == Fit::letterbox);
  CHECK(describe(plain) == "letterbox 4x4 padding 114, RGB, mean 0, scale 0.00392157");
  CHECK(preprocessing_of(model(DataType::uint8))->scale[0] == 1);
  CHECK(preprocessing_of(model(DataType::float32, {{"task", "classify"}}))->fit == Fit::crop);
  const Preprocessing normalised = *preprocessing_of(model(DataType::float32, {{"input", "normalised"}}));
  CHECK(normalised.mean[0] == imagenet_mean[0]);
  CHECK(normalised.highest(2) == doctest::Approx((255 - 103.53) / 57.375));
  PreprocessingOptions bgr;
  bgr.color_order = "BGR";
  CHECK(preprocessing_of(model(DataType::float32, {{"input", "normalised"}}), bgr)->mean[0] == imagenet_mean[2]);
  CHECK_THROWS_AS(preprocessing_of(model(), {{1, 2}, {}, "", "", -1}), Error);
  CHECK_THROWS_AS(preprocessing_of(model(DataType::uint8), {{1}, {}, "", "", -1}), Error);
  CHECK_THROWS_AS(preprocessing_of(model(DataType::int64), {{1}, {}, "", "", -1}), Error);
  CHECK_FALSE(preprocessing_of(model(DataType::int64)).has_value());

  const Picture p = picture(4, 4, 1);
  const Preprocessing custom = *preprocessing_of(model(), {{10, 20, 30}, {2}, "BGR", "stretch", -1});
  const Tensor tensor = to_input(custom, fit(custom, p, 0, 0).picture);
  CHECK(tensor.as<float>()[16 * 0 + 5] == (static_cast<float>(p.rgb[5 * 3 + 2]) - 10) * 2);
  CHECK(tensor.as<float>()[16 * 2 + 5] == (static_cast<float>(p.rgb[5 * 3]) - 30) * 2);
  // A 0..1 model gets what it always got.
  CHECK(to_input(plain, p) == picture_to_tensor(p, DataType::float32, plain.layout, ""));
}

TEST_CASE("folders, lists and descriptions become the same sorted files") {
  const Folder folder;
  save(folder / "b/2.png", picture(5, 5, 2));
  save(folder / "a/1.png", picture(6, 6, 1));
  save(folder / "c.PNG", picture(7, 7, 3));
  write_file(folder / "notes.md", "no picture");
  const CalibrationSource all = find_calibration(folder.path, 2);
  CHECK(all.kind == Kind::pictures);
  CHECK(all.files.size() == 3);
  CHECK(all.files[0].path.ends_with("a/1.png"));
  CHECK(all.files[2].path.ends_with("c.PNG"));
  CHECK(all.files[0].sha256 == sha256_of_file(folder / "a/1.png"));
  CHECK(all.sha256 == sha256(all.files[0].sha256 + "\n" + all.files[1].sha256 + "\n" + all.files[2].sha256 + "\n"));

  write_file(folder / "list.txt", "# three\na/1.png\r\n\nb/2.png\nc.PNG\n");
  CHECK(find_calibration(folder / "list.txt", 1).sha256 == all.sha256);
  write_file(folder / "list.txt",
             "\xef\xbb\xbf"
             "a/1.png\nb/2.png\nc.PNG\n");  // as Windows' editors write
  CHECK(find_calibration(folder / "list.txt", 1).sha256 == all.sha256);
  write_file(folder / "data.yaml", "path: .\nval: [b, list.txt]\nnames: {0: x}\n");
  CHECK(find_calibration(folder / "data.yaml", 1).files.size() == 4);
  write_file(folder / "train.yaml", "train: a\nval: b\n");
  CHECK(find_calibration(folder / "train.yaml", 1).files.size() == 1);

  for (const char* text : {"names: [x]\n", "[1, 2]", "train: {a: b}\n", "{", "train: absent\n"}) {
    write_file(folder / "bad.yaml", text);
    CHECK_THROWS_AS(find_calibration(folder / "bad.yaml", 1), Error);
  }
  write_file(folder / "bad.txt", "a/1.png\nabsent.png\n");
  CHECK_THROWS_WITH_AS(find_calibration(folder / "bad.txt", 1), doctest::Contains("absent.png"), Error);
  write_file(folder / "bad.txt", "a\n");
  CHECK_THROWS_WITH_AS(find_calibration(folder / "bad.txt", 1), doctest::Contains("that is a folder"), Error);
  write_file(folder / "bad.yaml", "path: ../nowhere\ntrain: images\n");
  CHECK_THROWS_WITH_AS(find_calibration(folder / "bad.yaml", 1), doctest::Contains("its key 'path' leads to"), Error);
  CHECK_THROWS_AS(find_calibration(folder / "absent", 1), Error);
  CHECK_THROWS_AS(find_calibration(folder / "notes.md", 1), Error);
  fs::create_directories(folder / "empty");
  CHECK_THROWS_AS(find_calibration(folder / "empty", 1), Error);

  CHECK(find_calibration("random", 1).count == 64);
  CHECK(find_calibration("random:5:9", 1).seed == 9);
  CHECK(find_calibration("random:5:9", 1).sha256 != find_calibration("random:5:8", 1).sha256);
  for (const char* word : {"random:", "random:x", "random:0", "random:1:2:3"}) CHECK_THROWS_AS(find_calibration(word, 1), Error);
}

TEST_CASE("arrays are taken in every shape that can be meant") {
  const Folder folder;
  const Graph graph = model();
  const std::vector<float> values = ramp(96, 0, 1);
  save(folder / "two.npy", {2, 3, 4, 4}, values);
  const CalibrationSet two = open(folder / "two.npy", graph);
  CHECK(two.count() == 2);
  CHECK_FALSE(two.has_pictures());
  CHECK(two.read(1, 0).as<float>()[0] == values[48]);
  save(folder / "listed.npy", {2, 1, 3, 4, 4}, values);
  CHECK(open(folder / "listed.npy", graph).count() == 2);
  save(folder / "last.npy", {2, 4, 4, 3}, values);
  CHECK(open(folder / "last.npy", graph).read(1, 0).as<float>()[16 + 5] == values[48 + 5 * 3 + 1]);
  save(folder / "one.npy", {3, 4, 4}, ramp(48, 0, 1));
  CHECK(open(folder / "one.npy", graph).count() == 1);

  Tensor bytes = Tensor::allocate(DataType::uint8, {2, 4, 4, 3});
  for (size_t i = 0; i < 96; ++i) bytes.as_mutable<uint8_t>()[i] = static_cast<uint8_t>(i * 2);
  write_file(folder / "bytes.npy", write_npy(bytes));
  const CalibrationSet pixels = open(folder / "bytes.npy", graph);
  CHECK(pixels.has_pictures());
  CHECK(pixels.read(1, 0).as<float>()[16 + 5] == doctest::Approx((48 + 5 * 3 + 1) * 2 / 255.0));
  CHECK(pixels.read_picture(1).rgb[5 * 3 + 1] == (48 + 5 * 3 + 1) * 2);

  save(folder / "small.npy", {2, 3, 4, 5}, ramp(120, 0, 1));
  CHECK(has(problem(folder / "small.npy", graph, {}), "does not have the shape of the model's input 'x'"));
  write_file(folder / "whole.npy", write_npy(Tensor::allocate(DataType::int64, {1, 3, 4, 4})));
  CHECK(has(problem(folder / "whole.npy", graph, {}), "element type"));
  write_file(folder / "damaged.npy", std::string_view("\x93NUMPY\x01"));
  CHECK(has(problem(folder / "damaged.npy", graph, {}), "no valid .npy"));
}

TEST_CASE("a file that changed after it was hashed is refused") {
  const Folder folder;
  save(folder / "1.png", picture(4, 4, 1));
  CalibrationSource source = find_calibration(folder.path, 1);
  save(folder / "1.png", picture(4, 4, 2));
  const Graph graph = model();
  const CalibrationSet set(source, inputs_of(graph), preprocessing_of(graph), 1);
  CHECK_THROWS_WITH_AS(set.read(0, 0), doctest::Contains("contents changed"), Error);
}

TEST_CASE("what is no use is left out, and too little is refused with what is wanted") {
  const Folder folder;
  for (int i = 0; i < 4; ++i) save(folder / ("good" + std::to_string(i) + ".png"), picture(8, 8, i));
  save(folder / "same.png", picture(8, 8, 0));
  save(folder / "sky.png", {8, 8, std::vector<uint8_t>(192, 200)});
  write_file(folder / "broken.jpg", "no picture at all");
  CalibrationSet set = open(folder.path, model());
  const CalibrationFindings findings = check_sufficiency(set, {2, 10, "chip"}, 2);
  CHECK(findings.given == 7);
  CHECK(findings.used == 4);
  CHECK(findings.unreadable == 1);
  CHECK(findings.constant == 1);
  CHECK(findings.duplicated == 1);
  CHECK(set.count() == 4);
  std::string said;
  for (const Diagnostic& d : findings.diagnostics) said += d.sentence() + "\n";
  CHECK(has(said, "broken.jpg"));
  CHECK(has(said, "sky.png"));
  CHECK(has(said, "same.png"));
  CHECK(has(said, "would like 10"));
  const std::string refused = problem(folder.path, model(), {5, 10, "chip"});
  CHECK(has(refused, "target 'chip' wants at least 5, better 10"));
  CHECK(has(refused, "4 of 7 can be used"));

  const Folder grey;
  for (int i = 0; i < 3; ++i) {
    Picture p = picture(8, 8, i);
    for (size_t k = 0; k < p.rgb.size(); ++k) p.rgb[k] = p.rgb[k / 3 * 3];
    save(grey / (std::to_string(i) + ".png"), p);
  }
  CalibrationSet dull = open(grey.path, model());
  CHECK(has(check_sufficiency(dull, {}, 1).diagnostics.at(0).text, "all pictures are grey"));
}

TEST_CASE("numbers that are not the contract's are refused") {
  const Folder folder;
  const Graph graph = model(), normalised = model(DataType::float32, {{"input", "normalised"}});
  save(folder / "pixels.npy", {2, 3, 4, 4}, ramp(96, 0, 255));
  save(folder / "unit.npy", {2, 3, 4, 4}, ramp(96, 0, 1));
  save(folder / "centred.npy", {2, 3, 4, 4}, ramp(96, -2, 2.4f));
  CHECK(has(problem(folder / "pixels.npy", graph, {}), "they look like pixels"));
  CHECK(problem(folder / "pixels.npy", graph, {}, {{0}, {1}, "", "", -1}).empty());
  CHECK(problem(folder / "unit.npy", graph, {}).empty());
  CHECK(has(problem(folder / "unit.npy", graph, {}, {{0}, {1}, "", "", -1}), "they look like 0..1"));
  CHECK(has(problem(folder / "unit.npy", normalised, {}), "never negative"));
  CHECK(problem(folder / "centred.npy", normalised, {}).empty());
  CHECK(has(problem(folder / "centred.npy", graph, {}), "outside of what the model takes"));
  std::vector<float> wild = ramp(96, 0, 1);
  wild[7] = NAN;
  save(folder / "wild.npy", {2, 3, 4, 4}, wild);
  CHECK(has(problem(folder / "wild.npy", graph, {}), "NaN"));
}

TEST_CASE("colours in the wrong order are noticed") {
  const Folder folder;
  std::vector<float> warm;  // the first channel brighter than the third, as in most pictures
  for (int i = 0; i < 10; ++i)
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < 16; ++k) warm.push_back((c == 0 ? 0.6f : c == 1 ? 0.5f : 0.4f) + 0.02f * static_cast<float>((k * 7 + i) % 16));
  save(folder / "warm.npy", {10, 3, 4, 4}, warm);
  PreprocessingOptions bgr;
  bgr.color_order = "BGR";
  CalibrationSet wrong = open(folder / "warm.npy", model(), bgr), right = open(folder / "warm.npy", model());
  const CalibrationFindings noticed = check_sufficiency(wrong, {}, 1);
  REQUIRE(noticed.diagnostics.size() == 1);
  CHECK(has(noticed.diagnostics[0].text, "in the other order"));
  CHECK(check_sufficiency(right, {}, 1).diagnostics.empty());
  bgr.mean = {imagenet_mean[0], imagenet_mean[1], imagenet_mean[2]}, bgr.scale = {0.017f};
  CalibrationSet random(find_calibration("random:3", 1), inputs_of(model()), preprocessing_of(model(), bgr), 1);
  const CalibrationFindings said = check_sufficiency(random, {}, 1);
  REQUIRE(said.diagnostics.size() == 2);
  CHECK(has(said.diagnostics[0].text, "ImageNet's in the order RGB"));
  CHECK(has(said.diagnostics[1].text, "3 random samples (seed 1)"));
  CHECK(random.read(2, 0) == CalibrationSet(find_calibration("random:3", 1), inputs_of(model()), preprocessing_of(model(), bgr), 1).read(2, 0));
  CHECK_FALSE(random.read(1, 0) == random.read(2, 0));
}

TEST_CASE("a backend reads what it was promised, also for a part inside the model") {
  const Folder folder;
  const Graph graph = model();
  const Picture p = picture(4, 4, 3);
  save(folder / "1.png", p);
  const CalibrationSet set = open(folder.path, graph);
  const std::optional<Preprocessing> preprocessing = preprocessing_of(graph);
  lathe_host host{};
  host.struct_size = sizeof host;
  static int reports;
  reports = 0;
  host.report = [](void*, const lathe_diagnostic*) { ++reports; };
  const CalibrationContext context{&*preprocessing, &set, &graph, 1};
  const BoundaryCalibration whole(host, context, graph);
  REQUIRE(whole.preprocessing());
  CHECK(whole.preprocessing()->width == 4);
  const lathe_calibration& table = *whole.calibration();
  CHECK(table.count == 1);
  std::vector<float> numbers(48);
  CHECK(table.read(table.context, 0, 0, numbers.data(), 192) == LATHE_OK);
  CHECK(numbers[17] == static_cast<float>(p.rgb[3 + 1]) / 255.0f);
  CHECK(table.read(table.context, 0, 0, numbers.data(), 10) == LATHE_INTERNAL);
  CHECK(table.read(table.context, 1, 0, numbers.data(), 192) == LATHE_INTERNAL);
  CHECK(table.read(table.context, 0, 1, numbers.data(), 192) == LATHE_INTERNAL);
  CHECK(reports == 3);
  std::vector<uint8_t> bytes(48);
  CHECK(table.read_picture(table.context, 0, bytes.data(), 48) == LATHE_OK);
  CHECK(bytes == p.rgb);
  CHECK(std::string(table.source(table.context, 0).data, table.source(table.context, 0).size) == folder / "1.png");

  Graph part;  // begins at "middle"
  const ValueId middle = part.add_value("middle", graph.value(1).type), y = part.add_value("y", graph.value(2).type);
  part.inputs = {middle}, part.outputs = {y};
  part.add_node("Neg", {middle}, {y}, "neg");
  const BoundaryCalibration inside(host, context, part);
  CHECK(inside.preprocessing() == nullptr);
  CHECK((inside.calibration()->read_picture == nullptr));
  std::vector<float> computed(48);
  CHECK(inside.calibration()->read(inside.calibration()->context, 0, 0, computed.data(), 192) == LATHE_OK);
  CHECK(computed == numbers);  // Relu of positive numbers
}
