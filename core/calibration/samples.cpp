// See samples.hpp.
#include "core/calibration/samples.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/diagnostic.hpp"
#include "core/base/mapped_file.hpp"
#include "core/base/parallel.hpp"
#include "core/base/sha256.hpp"
#include "core/files/numpy.hpp"
#include "core/files/picture_orientation.hpp"
#include "core/job/verification.hpp"
#include "lathe/kernels/types.hpp"

namespace lathe {
namespace {

[[noreturn]] void bad(const std::string& file, std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
  Diagnostic d;
  d.text = std::move(text), d.location = file, d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
  throw Error(Code::failed, std::move(d));
}

std::string shape_text(const std::vector<int64_t>& dimensions) {
  std::string text;
  for (const int64_t d : dimensions) text += (text.empty() ? "" : ",") + std::to_string(d);
  return "[" + text + "]";
}

std::span<const std::byte> span_of(const Bytes& bytes) { return {bytes.data, bytes.size}; }

bool fits(std::span<const int64_t> found, std::span<const Dimension> wanted) {
  return std::equal(found.begin(), found.end(), wanted.begin(), wanted.end(),
                    [](int64_t f, const Dimension& w) { return !w.constant() || w.value == f; });
}

// How many samples of `wanted` an array of `found` holds: it is one, one without the first dimension of 1, several joined along the first
// dimension, or several in a list.
std::optional<int64_t> samples_in(const std::vector<int64_t>& found, const Shape& wanted) {
  const std::span<const Dimension> all(wanted);
  if (wanted.empty()) return found.empty() ? std::optional<int64_t>(1) : found.size() == 1 ? std::optional<int64_t>(found[0]) : std::nullopt;
  const int64_t batch = wanted[0].constant() ? wanted[0].value : 1;
  if (found.size() + 1 == wanted.size() && batch == 1 && fits(found, all.subspan(1))) return 1;
  if (found.size() == wanted.size() + 1 && fits(std::span(found).subspan(1), all)) return found[0];
  if (found.size() == wanted.size() && batch > 0 && found[0] % batch == 0 && fits(std::span(found).subspan(1), all.subspan(1)))
    return found[0] / batch;
  return std::nullopt;
}

// SplitMix64 (Steele, Lea, Flood 2014): the same sequence on every machine.
uint64_t next(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

float to_float(const std::byte* from, DataType type) {
  const auto as = [&](auto x) {
    std::memcpy(&x, from, sizeof x);
    return x;
  };
  switch (type) {
    case DataType::float16:
      return static_cast<float>(as(kernels::float16{}));
    case DataType::float64:
      return static_cast<float>(as(double{}));
    case DataType::uint8:
      return static_cast<float>(as(uint8_t{}));
    default:
      return as(float{});
  }
}

bool floating(DataType type) { return type == DataType::float32 || type == DataType::float16 || type == DataType::float64; }

}  // namespace

std::vector<NamedType> inputs_of(const Graph& graph) {
  std::vector<NamedType> inputs;
  for (const ValueId id : graph.inputs)
    if (!graph.value(id).constant) inputs.push_back({graph.value(id).name, graph.value(id).type});
  return inputs;
}

CalibrationSet::CalibrationSet(CalibrationSource source, std::vector<NamedType> inputs, std::optional<Preprocessing> preprocessing, unsigned threads)
    : source_(std::move(source)), inputs_(std::move(inputs)), preprocessing_(std::move(preprocessing)) {
  for (const NamedType& input : inputs_)
    if (input.type.kind != ValueKind::tensor || !input.type.static_shape())
      bad(source_.path, "nothing can be calibrated while the shape of input '" + input.name + "' is open", {}, to_string(input.type),
          "pin it with --shape " + input.name + "=...");
  if (source_.kind == CalibrationSource::Kind::pictures) {
    std::string list;
    for (const NamedType& input : inputs_) list += (list.empty() ? "" : ", ") + input.name + " " + to_string(input.type);
    if (!preprocessing_)
      bad(source_.path, "pictures are given to calibrate with, and no input of the model holds a picture", {}, list, "give arrays (.npy)");
    if (inputs_.size() != 1)
      bad(source_.path, "pictures are given to calibrate with, and the model has " + std::to_string(inputs_.size()) + " inputs", {}, list,
          "give one .npz file that has an array for each");
  }
  if (source_.kind == CalibrationSource::Kind::arrays) open_arrays(threads);
  if (source_.kind == CalibrationSource::Kind::pictures)
    for (size_t i = 0; i < source_.files.size(); ++i) samples_.push_back({i, 0});
  for (int64_t i = 0; i < source_.count; ++i) samples_.push_back({0, static_cast<size_t>(i)});
}

void CalibrationSet::open_arrays(unsigned threads) {
  arrays_.resize(source_.files.size());
  parallel_for(source_.files.size(), threads, [&](size_t i) {
    const std::string& file = source_.files[i].path;
    if (sha256_of_file(file) != source_.files[i].sha256)
      bad(file, "this file is not the one the job was made for: its contents changed", {}, {}, "start again");
    const Bytes bytes = map_file(file);
    if (!file.ends_with(".npz") && !file.ends_with(".NPZ")) {
      if (inputs_.size() != 1)
        bad(file, "the model has " + std::to_string(inputs_.size()) + " inputs, and an .npy file holds one array", {}, {},
            "give .npz files that have an array for each");
      const NpyHeader header = read_npy_header(span_of(bytes), file);
      Bytes numbers = bytes;
      numbers.data += header.offset, numbers.size = header.size;
      arrays_[i].push_back(
          fit_array(header.plain ? numbers : read_npy(span_of(bytes), file).bytes, header.type, header.dimensions, inputs_[0], file));
      return;
    }
    const std::map<std::string, Tensor> all = read_npz(span_of(bytes), file);
    std::string names;
    for (const auto& [key, tensor] : all) names += (names.empty() ? "" : ", ") + key;
    for (const NamedType& input : inputs_) {
      auto found = all.find(input.name);
      if (found == all.end() && inputs_.size() == 1 && all.size() == 1) found = all.begin();
      if (found == all.end()) bad(file, "it has no array for the input '" + input.name + "'", input.name, names, "numpy.savez takes arrays by name");
      arrays_[i].push_back(fit_array(found->second.bytes, found->second.type, found->second.dimensions, input, file));
      if (arrays_[i].back().count != arrays_[i].front().count)
        bad(file, "its arrays hold different numbers of samples", std::to_string(arrays_[i].front().count), std::to_string(arrays_[i].back().count));
    }
  });
  for (size_t i = 0; i < arrays_.size(); ++i)
    for (size_t item = 0; item < arrays_[i].front().count; ++item) samples_.push_back({i, item});
}

CalibrationSet::Array CalibrationSet::fit_array(Bytes bytes, DataType type, const std::vector<int64_t>& dimensions, const NamedType& input,
                                                const std::string& file) const {
  Array array;
  array.type = type, array.bytes = std::move(bytes);
  const bool picture = preprocessing_ && preprocessing_->input == input.name;
  const Shape& wanted = *input.type.shape;
  std::optional<int64_t> count = samples_in(dimensions, wanted);
  if (!count && picture) {
    const Shape other =
        preprocessing_->layout.channels_last ? Shape{wanted[0], wanted[3], wanted[1], wanted[2]} : Shape{wanted[0], wanted[2], wanted[3], wanted[1]};
    count = samples_in(dimensions, other);
    array.other_layout = count.has_value();
  }
  if (!count)
    bad(file, "its array does not have the shape of the model's input '" + input.name + "'",
        "samples of " + to_string(input.type) + " after each other along the first dimension", std::string(name(type)) + shape_text(dimensions),
        "fit the samples to the input's size first, or give pictures: they are fitted here");
  array.pixels = picture && type == DataType::uint8;
  const bool converts = array.pixels || (floating(type) && (input.type.element == DataType::float32 || input.type.element == DataType::float16));
  if (type != input.type.element && !converts)
    bad(file, "its array does not have the element type of the model's input '" + input.name + "'", std::string(name(input.type.element)),
        std::string(name(type)), "convert it with numpy's astype");
  array.count = static_cast<size_t>(*count);
  array.item_bytes = array.count ? array.bytes.size / array.count : 0;
  return array;
}

size_t CalibrationSet::picture_input() const {
  size_t i = 0;
  while (i < inputs_.size() && !(preprocessing_ && preprocessing_->input == inputs_[i].name)) ++i;
  return i;
}

bool CalibrationSet::has_pictures() const {
  const size_t input = picture_input();
  if (input == inputs_.size()) return false;
  return std::all_of(arrays_.begin(), arrays_.end(), [&](const std::vector<Array>& file) { return file[input].pixels; });
}

bool CalibrationSet::has_finished_pictures() const {
  const size_t input = picture_input();
  return input < inputs_.size() && std::any_of(arrays_.begin(), arrays_.end(), [&](const std::vector<Array>& file) { return !file[input].pixels; });
}

Tensor CalibrationSet::from_array(const Array& array, size_t item, const NamedType& input) const {
  Tensor tensor = Tensor::allocate(input.type.element, input.type.dimensions());
  const std::byte* from = array.bytes.data + item * array.item_bytes;
  if (array.type == tensor.type && !array.other_layout && !(array.pixels && tensor.type != DataType::uint8)) {
    std::memcpy(tensor.as_mutable<std::byte>().data(), from, std::min<uint64_t>(array.item_bytes, tensor.bytes.size));
    return tensor;
  }
  const auto element = static_cast<size_t>(bits(array.type)) / 8;
  const Preprocessing* p = preprocessing_ && preprocessing_->input == input.name ? &*preprocessing_ : nullptr;
  const auto channels = static_cast<size_t>(p ? p->layout.channels : 1), pixels = static_cast<size_t>(tensor.size()) / channels;
  const bool last = p && p->layout.channels_last;
  for (size_t i = 0; i < static_cast<size_t>(tensor.size()); ++i) {
    // Place and channel of element i of the input.
    const size_t channel = last ? i % channels : i / pixels, place = last ? i / channels : i % pixels;
    const size_t at = !array.other_layout ? i : last ? channel * pixels + place : place * channels + channel;
    float value = to_float(from + at * element, array.type);
    if (array.pixels && tensor.type != DataType::uint8) value = (value - p->mean[channel]) * p->scale[channel];
    if (tensor.type == DataType::uint8) {
      tensor.as_mutable<uint8_t>()[i] = static_cast<uint8_t>(value);
    } else if (tensor.type == DataType::float16) {
      tensor.as_mutable<kernels::float16>()[i] = kernels::float16(value);
    } else {
      tensor.as_mutable<float>()[i] = value;
    }
  }
  return tensor;
}

Picture CalibrationSet::random_picture(size_t sample) const {
  const PictureLayout& layout = preprocessing_->layout;
  Picture picture{layout.width, layout.height, std::vector<uint8_t>(static_cast<size_t>(layout.width * layout.height * 3))};
  uint64_t state = source_.seed * 0x9e3779b97f4a7c15 + sample;
  for (size_t i = 0; i < picture.rgb.size(); ++i)
    picture.rgb[i] = layout.channels == 1 && i % 3 ? picture.rgb[i - 1] : static_cast<uint8_t>(next(state) >> 56);
  return picture;
}

Tensor CalibrationSet::read(size_t sample, size_t input) const {
  const Sample& s = samples_.at(sample);
  if (!arrays_.empty()) return from_array(arrays_[s.file].at(input), s.item, inputs_.at(input));
  if (input == picture_input()) return to_input(*preprocessing_, read_picture(sample));
  // Random data for an input that holds no picture.
  Graph alone;
  alone.inputs.push_back(alone.add_value(inputs_.at(input).name, inputs_.at(input).type));
  return seeded_inputs(alone, source_.seed * 1'000'003 + s.item).begin()->second.tensor;
}

NamedData CalibrationSet::read(size_t sample) const {
  NamedData data;
  for (size_t i = 0; i < inputs_.size(); ++i) data[inputs_[i].name] = read(sample, i);
  return data;
}

Picture CalibrationSet::read_picture(size_t sample) const {
  const Sample& s = samples_.at(sample);
  const PictureLayout& layout = preprocessing_.value().layout;
  if (source_.kind == CalibrationSource::Kind::random) return random_picture(s.item);
  if (source_.kind == CalibrationSource::Kind::pictures) {
    const std::string& file = source_.files[s.file].path;
    const Bytes bytes = map_file(file);
    if (sha256(span_of(bytes)) != source_.files[s.file].sha256)
      bad(file, "this file is not the one the job was made for: its contents changed", {}, {}, "start again");
    return fit(*preprocessing_, decode_upright(span_of(bytes), file), layout.width, layout.height).picture;
  }
  const Array& array = arrays_[s.file].at(picture_input());
  const std::byte* from = array.bytes.data + s.item * array.item_bytes;
  const auto channels = static_cast<size_t>(layout.channels), pixels = static_cast<size_t>(layout.width * layout.height);
  const bool last = layout.channels_last != array.other_layout;
  Picture picture{layout.width, layout.height, std::vector<uint8_t>(pixels * 3)};
  for (size_t i = 0; i < pixels; ++i)
    for (size_t c = 0; c < 3; ++c) {
      const size_t channel = std::min(c, channels - 1);
      picture.rgb[i * 3 + c] = static_cast<uint8_t>(from[last ? i * channels + channel : channel * pixels + i]);
    }
  return picture;
}

const std::string& CalibrationSet::file(size_t sample) const {
  static const std::string nothing;
  return source_.files.empty() ? nothing : source_.files[samples_.at(sample).file].path;
}

std::string CalibrationSet::fingerprint(size_t sample) const {
  const Sample& s = samples_.at(sample);
  if (source_.kind == CalibrationSource::Kind::random) return std::to_string(sample);
  if (source_.kind == CalibrationSource::Kind::pictures) return source_.files[s.file].sha256;
  Sha256 hash;
  for (const Array& array : arrays_[s.file]) hash.update(std::span(array.bytes.data + s.item * array.item_bytes, array.item_bytes));
  return hash.hex();
}

void CalibrationSet::keep(const std::vector<bool>& wanted) {
  std::vector<Sample> kept;
  for (size_t i = 0; i < samples_.size(); ++i)
    if (wanted.at(i)) kept.push_back(samples_[i]);
  samples_ = std::move(kept);
}

}  // namespace lathe
