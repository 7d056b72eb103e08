// See pictures.hpp.
#include "core/cli/pictures.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "core/base/diagnostic.hpp"

namespace lathe::cli {
namespace {

// "123.675" or "1/255".
float parse_number(std::string_view word, const std::string& flag) {
  const auto part = [&](std::string_view digits) {
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size())
      throw Error(Code::usage, flag + ": '" + std::string(word) + "' is no number", "write numbers like 123.675 or 1/255, joined by commas");
    return value;
  };
  const size_t slash = word.find('/');
  const double value = slash == std::string_view::npos ? part(word) : part(word.substr(0, slash)) / part(word.substr(slash + 1));
  if (!std::isfinite(value))
    throw Error(Code::usage, flag + ": '" + std::string(word) + "' is no finite number", "write numbers like 123.675 or 1/255");
  return static_cast<float>(value);
}

std::vector<float> parse_numbers(std::string_view text, const std::string& flag) {
  std::vector<float> numbers;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    numbers.push_back(parse_number(text.substr(0, end), flag));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return numbers;
}

}  // namespace

void add_picture_options(CLI::App& app, PicturesArguments& a) {
  const char* group = "Pictures and calibration";
  app.add_option(
         "--calibration", a.calibration,
         "Data to measure ranges with: a folder of pictures, a list (.txt), .npy, .npz, a data set's .yaml, or 'random' for trying out a tool")
      ->type_name("DATA")
      ->group(group);
  app.add_option("--mean", a.mean, "What is subtracted from pixels of 0..255, for each channel or all; default: as the model says")
      ->type_name("M[,M,M]")
      ->group(group);
  app.add_option("--scale", a.scale, "What they are multiplied by then: 1/255, 1/58.395,1/57.12,1/57.375")->type_name("S[,S,S]")->group(group);
  app.add_option("--color-order", a.color_order, "RGB or BGR")->check(CLI::IsMember({"RGB", "BGR"}, CLI::ignore_case))->group(group);
  app.add_option("--fit", a.fit, "How pictures get the input's size")->check(CLI::IsMember({"letterbox", "stretch", "crop"}))->group(group);
  app.add_option("--padding", a.padding, "The value around a letterboxed picture; default: 114")
      ->check(CLI::Range(0, 255))
      ->type_name("N")
      ->group(group);
}

PreprocessingOptions preprocessing_options(const PicturesArguments& a) {
  return {parse_numbers(a.mean, "--mean"), parse_numbers(a.scale, "--scale"), a.color_order, a.fit, a.padding};
}

}  // namespace lathe::cli
