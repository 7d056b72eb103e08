// See preprocessing.hpp.
#include "core/calibration/preprocessing.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/diagnostic.hpp"
#include "core/calibration/input_normalisation.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe {
namespace {

const Value* picture_input(const Graph& graph, PictureLayout& layout) {
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (value.constant || !value.type.shape || value.type.kind != ValueKind::tensor) continue;
    const std::optional<PictureLayout> found = picture_layout(*value.type.shape);
    const DataType type = value.type.element;
    if (!found || (type != DataType::float32 && type != DataType::float16 && type != DataType::uint8)) continue;
    layout = *found;
    return &value;
  }
  return nullptr;
}

[[noreturn]] void refuse(const std::string& text, const std::string& hint) { throw Error(Code::usage, text, hint); }

void read_numbers(const std::vector<float>& given, int64_t channels, const char* flag, std::array<float, 4>& numbers) {
  if (given.empty()) return;
  if (given.size() != 1 && given.size() != static_cast<size_t>(channels))
    refuse(
        std::string(flag) + " has " + std::to_string(given.size()) + " numbers, and the picture input has " + std::to_string(channels) + " channels",
        "give one number for all channels, or one for each");
  for (const float x : given)
    if (!std::isfinite(x)) refuse(std::string(flag) + " holds something that is no finite number", "give numbers like 123.675 or 1/255");
  for (size_t c = 0; c < numbers.size(); ++c) numbers[c] = given[std::min(c, given.size() - 1)];
}

std::string short_number(float x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", static_cast<double>(x));
  return text;
}

std::string list(const std::array<float, 4>& numbers, int64_t channels) {
  std::string text = short_number(numbers[0]);
  if (std::all_of(numbers.begin(), numbers.begin() + channels, [&](float x) { return x == numbers[0]; })) return text;
  for (int64_t c = 1; c < channels; ++c) text += "," + short_number(numbers[static_cast<size_t>(c)]);
  return text;
}

// The numbers of `from`, red first, in the order of the channels.
std::array<float, 4> ordered(const std::array<float, 3>& from, bool bgr) {
  return bgr ? std::array<float, 4>{from[2], from[1], from[0], from[0]} : std::array<float, 4>{from[0], from[1], from[2], from[2]};
}

}  // namespace

std::optional<Preprocessing> preprocessing_of(const Graph& graph, const PreprocessingOptions& options) {
  Preprocessing p;
  const Value* input = picture_input(graph, p.layout);
  if (!input) {
    if (!options.empty()) refuse("it is said how pictures become the model's input, and the model has no input that holds a picture", "leave it out");
    return std::nullopt;
  }
  const auto holds = [&](std::string_view key, std::string_view value) {
    const auto found = graph.properties.find(key);
    return found != graph.properties.end() && found->second == value;
  };
  p.input = input->name, p.type = input->type.element;
  p.fit = holds("task", "classify") ? Fit::crop : holds("fit", "stretch") ? Fit::stretch : Fit::letterbox;
  if (!options.fit.empty()) {
    p.fit = options.fit == "letterbox" ? Fit::letterbox : options.fit == "stretch" ? Fit::stretch : Fit::crop;
    if (options.fit != "letterbox" && options.fit != "stretch" && options.fit != "crop")
      refuse("pictures cannot be fitted by '" + options.fit + "'" + did_you_mean(options.fit, {"letterbox", "stretch", "crop"}),
             "--fit letterbox, stretch or crop");
  }
  if (!options.color_order.empty() && options.color_order != "RGB" && options.color_order != "BGR")
    refuse("the colour order '" + options.color_order + "' is not known", "--color-order RGB or BGR");
  p.bgr = options.color_order == "BGR";
  if (options.padding > 255) refuse("the padding " + std::to_string(options.padding) + " is no pixel's value", "--padding 0 to 255");
  if (options.padding >= 0) p.padding = static_cast<uint8_t>(options.padding);
  if (p.type != DataType::uint8) p.scale.fill(1.0f / 255);
  const std::optional<InputNormalisation> inside = normalisation_inside(graph, p.input, p.layout);
  if (inside) {
    p.inside = inside->nodes;
    if (inside->takes_pixels()) p.scale.fill(1);
    const auto differs = [](const std::vector<float>& given, float usual) {
      return std::any_of(given.begin(), given.end(), [&](float x) { return std::fabs(x - usual) > 1e-6f * std::max(1.0f, std::fabs(usual)); });
    };
    if (differs(options.mean, 0) || differs(options.scale, p.type == DataType::uint8 ? 1 : p.scale[0]))
      refuse("the model normalises its input '" + p.input + "' itself, by " + inside->nodes + ", so --mean and --scale would do it twice",
             "leave them out, or export the model without these nodes");
  } else if (holds("input", "normalised")) {
    p.mean = ordered(imagenet_mean, p.bgr), p.scale = ordered(imagenet_deviation, p.bgr);
    for (float& x : p.scale) x = 1 / x;
  }
  read_numbers(options.mean, p.layout.channels, "--mean", p.mean);
  read_numbers(options.scale, p.layout.channels, "--scale", p.scale);
  if (std::any_of(p.scale.begin(), p.scale.end(), [](float x) { return x == 0; }))
    refuse("--scale is 0: every picture would look alike", "--scale 1/255");
  if (p.type == DataType::uint8 && (!options.mean.empty() || !options.scale.empty()))
    refuse("the model's input '" + p.input + "' takes pixels as they are, so there is no mean and no scale", "leave --mean and --scale out");
  return p;
}

FittedPicture fit(const Preprocessing& p, const Picture& picture, int64_t width, int64_t height) {
  FittedPicture fitted = fit(picture, p.layout.width > 0 ? p.layout.width : width, p.layout.height > 0 ? p.layout.height : height, p.fit, p.padding);
  std::vector<uint8_t>& rgb = fitted.picture.rgb;
  if (p.layout.channels == 1) {
    for (size_t i = 0; i + 2 < rgb.size(); i += 3) {
      // Luma after ITU-R BT.601, as PIL and OpenCV make grey.
      const auto luma = static_cast<uint8_t>(std::lround(0.299 * rgb[i] + 0.587 * rgb[i + 1] + 0.114 * rgb[i + 2]));
      rgb[i] = rgb[i + 1] = rgb[i + 2] = luma;
    }
  } else if (p.bgr) {
    for (size_t i = 0; i + 2 < rgb.size(); i += 3) std::swap(rgb[i], rgb[i + 2]);
  }
  return fitted;
}

Tensor to_input(const Preprocessing& p, const Picture& fitted) {
  const int64_t channels = p.layout.channels, pixels = fitted.width * fitted.height;
  std::vector<int64_t> dimensions = {1, channels, fitted.height, fitted.width};
  if (p.layout.channels_last) dimensions = {1, fitted.height, fitted.width, channels};
  Tensor tensor = Tensor::allocate(p.type, dimensions);
  const auto fill = [&](auto values, auto convert) {
    for (int64_t c = 0; c < channels; ++c) {
      const auto channel = static_cast<size_t>(c);
      for (int64_t i = 0; i < pixels; ++i) {
        const int64_t at = p.layout.channels_last ? i * channels + c : c * pixels + i;
        values[static_cast<size_t>(at)] = convert(fitted.rgb[static_cast<size_t>(i * 3 + c)], channel);
      }
    }
  };
  // A scale of one 255th is a division, so that predictions stay what they were to the last bit.
  const auto value = [&](uint8_t pixel, size_t c) {
    const float x = static_cast<float>(pixel) - p.mean[c];
    return p.scale[c] == 1.0f / 255 ? x / 255.0f : x * p.scale[c];
  };
  if (p.type == DataType::uint8) {
    fill(tensor.as_mutable<uint8_t>(), [](uint8_t pixel, size_t) { return pixel; });
  } else if (p.type == DataType::float16) {
    fill(tensor.as_mutable<kernels::float16>(), [&](uint8_t pixel, size_t c) { return kernels::float16(value(pixel, c)); });
  } else {
    fill(tensor.as_mutable<float>(), value);
  }
  return tensor;
}

lathe_preprocessing to_boundary(const Preprocessing& p, uint32_t input) {
  lathe_preprocessing b{};
  b.struct_size = sizeof b;
  b.input = input;
  b.width = p.layout.width, b.height = p.layout.height, b.channels = p.layout.channels;
  b.fit = p.fit == Fit::stretch ? LATHE_FIT_STRETCH : p.fit == Fit::crop ? LATHE_FIT_CROP : LATHE_FIT_LETTERBOX;
  b.bgr = p.bgr, b.channels_last = p.layout.channels_last, b.padding = p.padding;
  std::copy(p.mean.begin(), p.mean.end(), b.mean);
  std::copy(p.scale.begin(), p.scale.end(), b.scale);
  return b;
}

std::string describe(const Preprocessing& p) {
  const auto size = [](int64_t n) { return n > 0 ? std::to_string(n) : std::string("?"); };
  std::string text = p.fit == Fit::stretch ? "stretch" : p.fit == Fit::crop ? "crop" : "letterbox";
  text += " " + size(p.layout.width) + "x" + size(p.layout.height);
  if (p.fit == Fit::letterbox) text += " padding " + std::to_string(p.padding);
  text += p.layout.channels == 1 ? ", grey" : p.bgr ? ", BGR" : ", RGB";
  return text + ", mean " + list(p.mean, p.layout.channels) + ", scale " + list(p.scale, p.layout.channels) +
         (p.inside.empty() ? "" : ", and the model's own " + p.inside);
}

}  // namespace lathe
