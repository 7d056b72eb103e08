// detect ARTIFACT PICTURE.png [OUTPUT.png]: runs a compiled detector on a picture, prints what it found and draws it.
//
// The model's output is Ultralytics' form: float32 [1, 4 + classes, cells], rows centre x, centre y, width, height in pixels of the
// model's input, then one score for each class.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <lathe/runtime.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "picture.hpp"

namespace {

struct Detection {
  float left, top, right, bottom;  // pixels of the picture
  float score;
  int kind;
};

// Names from the package's labels_<model>.json beside the artifact; empty when there is none.
std::map<int, std::string> read_labels(const std::filesystem::path& artifact) {
  std::map<int, std::string> names;
  const auto folder = std::filesystem::is_directory(artifact) ? artifact : std::filesystem::absolute(artifact).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().rfind("labels_", 0) != 0) continue;
    std::ifstream file(entry.path());
    const auto labels = nlohmann::json::parse(file);
    for (const auto& [key, name] : labels.items()) names[std::stoi(key)] = name.get<std::string>();
  }
  return names;
}

// Every cell whose best score reaches `threshold`, in the picture's pixels.
std::vector<Detection> decode(const lathe::runtime::Tensor& output, const Letterbox& box, float threshold) {
  const auto rows = static_cast<size_t>(output.dimensions().at(1)), cells = static_cast<size_t>(output.dimensions().at(2));
  const std::span<const float> values = output.as<float>();
  std::vector<Detection> found;
  for (size_t cell = 0; cell < cells; ++cell) {
    auto row = [&](size_t r) { return values[r * cells + cell]; };
    size_t best = 4;
    for (size_t r = 5; r < rows; ++r)
      if (row(r) > row(best)) best = r;
    if (row(best) < threshold) continue;
    const float x = (row(0) - box.left) / box.scale, y = (row(1) - box.top) / box.scale;
    const float half_width = row(2) / box.scale / 2, half_height = row(3) / box.scale / 2;
    found.push_back({x - half_width, y - half_height, x + half_width, y + half_height, row(best), static_cast<int>(best) - 4});
  }
  return found;
}

float intersection_over_union(const Detection& a, const Detection& b) {
  auto area = [](const Detection& d) { return (d.right - d.left) * (d.bottom - d.top); };
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left), height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float common = std::max(width, 0.0f) * std::max(height, 0.0f);
  return common / (area(a) + area(b) - common);
}

// Greedy non-maximum suppression: the best box of a class silences those of its class that overlap it by more than `limit`.
std::vector<Detection> suppress(std::vector<Detection> found, float limit) {
  std::sort(found.begin(), found.end(), [](const Detection& a, const Detection& b) {
    return std::tie(b.score, a.left, a.top, a.right, a.bottom, a.kind) < std::tie(a.score, b.left, b.top, b.right, b.bottom, b.kind);
  });
  std::vector<Detection> kept;
  for (const Detection& d : found) {
    const bool silenced =
        std::any_of(kept.begin(), kept.end(), [&](const Detection& k) { return k.kind == d.kind && intersection_over_union(k, d) > limit; });
    if (!silenced) kept.push_back(d);
  }
  return kept;
}

void draw(Picture& picture, const std::vector<Detection>& found, const std::map<int, std::string>& names, const std::string& path) {
  static const Colour colours[] = {{214, 39, 40}, {31, 119, 180}, {44, 140, 44}, {148, 80, 189}, {200, 100, 0}, {23, 140, 150}};
  const int factor = std::max(1, 640 / std::max(picture.width, picture.height));
  Picture large = enlarge(picture, factor);
  auto pixel = [&](float v) { return static_cast<int>(std::lround(v * static_cast<float>(factor))); };
  for (const Detection& d : found) {
    const Colour colour = colours[static_cast<size_t>(d.kind) % std::size(colours)];
    draw_box(large, pixel(d.left), pixel(d.top), pixel(d.right), pixel(d.bottom), 3, colour);
    char score[16];
    std::snprintf(score, sizeof score, " %.2f", static_cast<double>(d.score));
    const auto name = names.find(d.kind);
    draw_text(large, pixel(d.left), std::max(0, pixel(d.top) - 18), (name == names.end() ? std::to_string(d.kind) : name->second) + score, 2, colour);
  }
  write_png(large, path);
}

int run(const std::string& artifact, const std::string& path, const std::string& drawn) {
  lathe::runtime::Model model(artifact);
  const lathe_artifact_tensor& input = model.input(0);
  if (model.input_count() != 1 || input.rank != 4 || input.dimensions[1] != 3 || input.dimensions[2] <= 0 || input.dimensions[3] <= 0) {
    std::fprintf(stderr, "detect: %s does not take one picture [1, 3, height, width]\n", artifact.c_str());
    return 1;
  }
  Picture picture = read_png(path);
  const Letterbox box = fit(picture, static_cast<int>(input.dimensions[3]), static_cast<int>(input.dimensions[2]));
  const auto pixels = lathe::runtime::Tensor::of<float>({1, 3, input.dimensions[2], input.dimensions[3]}, box.planes);
  const std::vector<lathe::runtime::Tensor> outputs = model.run(pixels);
  if (outputs.empty() || outputs[0].dimensions().size() != 3 || outputs[0].dimensions()[1] < 5) {
    std::fprintf(stderr, "detect: %s does not yield boxes [1, 4 + classes, cells]\n", artifact.c_str());
    return 1;
  }
  const std::vector<Detection> found = suppress(decode(outputs[0], box, 0.4f), 0.5f);
  const std::map<int, std::string> names = read_labels(artifact);
  for (const Detection& d : found) {
    const auto name = names.find(d.kind);
    std::printf("%-10s %.2f  box %6.1f %6.1f %6.1f %6.1f\n", (name == names.end() ? std::to_string(d.kind) : name->second).c_str(),
                static_cast<double>(d.score), static_cast<double>(d.left), static_cast<double>(d.top), static_cast<double>(d.right),
                static_cast<double>(d.bottom));
  }
  if (found.empty()) std::printf("nothing found\n");
  if (!drawn.empty()) draw(picture, found, names, drawn);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: detect ARTIFACT PICTURE.png [OUTPUT.png]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc == 4 ? argv[3] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "detect: %s\n", error.what());
    return 1;
  }
}
