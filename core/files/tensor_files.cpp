// Chooses the reader by the file's first bytes and checks the result against the input.
#include "core/files/tensor_files.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/base/diagnostic.hpp"
#include "core/base/mapped_file.hpp"
#include "core/files/numpy.hpp"
#include "core/files/picture.hpp"
#include "core/files/picture_fit.hpp"
#include "core/files/write_file.hpp"

namespace lathe {
namespace {

[[noreturn]] void bad(const std::string& source, std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
  Diagnostic d;
  d.text = std::move(text);
  d.location = source;
  d.expected = std::move(expected), d.found = std::move(found), d.hint = std::move(hint);
  throw Error(Code::failed, std::move(d));
}

Tensor from_raw(std::span<const std::byte> file, const std::string& input, const ValueType& type, const std::string& source) {
  if (!type.shape || bits(type.element) == 0)
    bad(source, "raw bytes cannot be given to input '" + input + "', whose type or rank is not known", {}, {}, "give a .npy file");
  std::vector<int64_t> dimensions;
  std::optional<size_t> unknown;
  for (size_t i = 0; i < type.shape->size(); ++i) {
    const Dimension& d = (*type.shape)[i];
    if (!d.constant() && unknown)
      bad(source, "raw bytes say nothing of their shape, and input '" + input + "' has several open dimensions", to_string(type), {},
          "give a .npy file");
    if (!d.constant()) unknown = i;
    dimensions.push_back(d.constant() ? d.value : 1);
  }
  std::optional<uint64_t> size = byte_size(type.element, dimensions);
  if (unknown && size && *size > 0 && file.size() % *size == 0) {
    dimensions[*unknown] = static_cast<int64_t>(file.size() / *size);
    size = file.size();
  }
  if (!size || *size != file.size())
    bad(source, "the raw file has not the size of input '" + input + "'", (size ? std::to_string(*size) : "?") + " bytes for " + to_string(type),
        std::to_string(file.size()) + " bytes", "check type and shape, or give a .npy file");
  Tensor tensor = Tensor::allocate(type.element, dimensions);
  std::copy(file.begin(), file.end(), tensor.as_mutable<std::byte>().begin());
  return tensor;
}

enum class Format { npy, npz, picture, raw, other };

Format format_of(std::span<const std::byte> file, const std::string& path) {
  auto begins = [&](std::string_view magic) {
    return file.size() >= magic.size() && std::equal(magic.begin(), magic.end(), reinterpret_cast<const char*>(file.data()));
  };
  if (begins("\x93NUMPY")) return Format::npy;
  if (begins("PK\x03\x04") || begins("PK\x05\x06")) return Format::npz;
  if (is_png(file) || is_jpeg(file)) return Format::picture;
  std::string extension = std::filesystem::path(path).extension();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  // A damaged file of a known kind is told so by its own reader, instead of being taken for raw bytes.
  if (extension == ".npy") return Format::npy;
  if (extension == ".npz") return Format::npz;
  if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") return Format::picture;
  if (extension == ".bin" || extension == ".raw") return Format::raw;
  return Format::other;
}

Datum read_other(const std::string& path, const ValueType& type, const TensorFileOptions& options) {
  std::optional<Datum> value = options.other_formats ? options.other_formats(path, type.kind) : std::nullopt;
  if (value) return std::move(*value);
  const std::string extension = std::filesystem::path(path).extension();
  bad(path, "this is no tensor or picture file", ".npy, .npz, .png, .jpg, raw .bin or .pb",
      extension.empty() ? "a file without extension" : "*" + extension);
}

}  // namespace

void check_fits(const Datum& value, const std::string& input, const ValueType& type, const std::string& source) {
  if (fits(value, type)) return;
  const char* hint = value.is_tensor() && type.kind == ValueKind::tensor ? "convert it, e.g. with numpy's astype and reshape" : "";
  bad(source, "the file does not fit input '" + input + "'", to_string(type), describe(value), hint);
}

Datum read_tensor_file(const std::string& path, const std::string& input, const ValueType& type, const TensorFileOptions& options) {
  Bytes file = map_file(path);
  std::span<const std::byte> bytes(file.data, file.size);
  Datum tensor;
  switch (format_of(bytes, path)) {
    case Format::npy:
      tensor = read_npy(bytes, path);
      break;
    case Format::npz: {
      std::map<std::string, Tensor> arrays = read_npz(bytes, path);
      auto found = arrays.find(input);
      if (found == arrays.end() && arrays.size() == 1) found = arrays.begin();
      if (found == arrays.end()) {
        std::string names;
        for (const auto& [key, value] : arrays) names += (names.empty() ? "" : ", ") + key;
        bad(path, "the archive has no array for input '" + input + "'", "an array named '" + input + "'", names.empty() ? "no array" : names);
      }
      tensor = found->second;
      break;
    }
    case Format::picture: {
      std::optional<PictureLayout> layout = type.shape ? picture_layout(*type.shape) : std::nullopt;
      if (!layout) bad(path, "input '" + input + "' does not take a picture", to_string(type), "a picture", "give a .npy file");
      Picture picture = decode_picture(bytes, path);
      if (options.letterbox && layout->width > 0 && layout->height > 0) picture = letterbox(picture, layout->width, layout->height);
      tensor = picture_to_tensor(picture, type.element, *layout, path);
      break;
    }
    case Format::raw:
      tensor = from_raw(bytes, input, type, path);
      break;
    case Format::other:
      tensor = read_other(path, type, options);
      break;
  }
  tensor = converted(std::move(tensor), type);
  check_fits(tensor, input, type, path);
  return tensor;
}

std::vector<Datum> read_inputs(const std::vector<std::string>& arguments, const std::vector<NamedType>& inputs, const TensorFileOptions& options) {
  std::vector<std::string> names;
  for (const NamedType& input : inputs) names.push_back(input.name);
  std::map<std::string, std::string> files;
  for (const std::string& argument : arguments) {
    // The longest prefix that is an input's name decides, so that names and paths may contain '='.
    std::string name, path = argument;
    for (const NamedType& input : inputs)
      if (argument.starts_with(input.name + "=") && input.name.size() >= name.size())
        name = input.name, path = argument.substr(input.name.size() + 1);
    if (name.empty() && !std::filesystem::exists(argument) && argument.find('=') != std::string::npos) {
      std::string given = argument.substr(0, argument.find('='));
      Diagnostic d;
      d.text = "the model has no input '" + given + "'" + did_you_mean(given, names);
      std::string list;
      for (const std::string& n : names) list += (list.empty() ? "" : ", ") + n;
      d.hint = "its inputs: " + list;
      throw Error(Code::usage, std::move(d));
    }
    if (!name.empty()) {
      if (!files.emplace(name, path).second) throw Error(Code::usage, "input '" + name + "' is given twice");
      continue;
    }
    if (inputs.size() == 1) {
      if (!files.emplace(names[0], path).second) throw Error(Code::usage, "the model has one input, '" + names[0] + "', and several files are given");
    } else if (path.ends_with(".npz")) {
      for (const std::string& n : names) files.emplace(n, path);
    } else {
      std::string list;
      for (const std::string& n : names) list += (list.empty() ? "" : ", ") + n;
      throw Error(Code::usage, "the model has several inputs, and '" + argument + "' does not say which it is for",
                  "write NAME=FILE; its inputs: " + list);
    }
  }
  std::vector<Datum> values;
  std::vector<Diagnostic> problems;
  for (const NamedType& input : inputs) {
    auto found = files.find(input.name);
    if (found == files.end()) {
      Diagnostic d;
      d.text = "input '" + input.name + "' is missing";
      d.expected = to_string(input.type);
      d.hint = "add --input " + input.name + "=FILE";
      problems.push_back(std::move(d));
      continue;
    }
    values.push_back(read_tensor_file(found->second, input.name, input.type, options));
  }
  if (!problems.empty()) throw Error(Code::usage, std::move(problems));
  return values;
}

std::string write_tensor_file(const std::string& directory, const std::string& name, const Datum& value, std::vector<std::string>& taken,
                              const TensorFileFormat& format) {
  const bool numpy = format.extension.empty() ? value.is_tensor() && numpy_has(value.tensor.type) : format.extension == "npy";
  const std::string extension = numpy ? "npy" : format.extension.empty() ? "pb" : format.extension;
  if (numpy && (!value.is_tensor() || !numpy_has(value.tensor.type)))
    throw Error(Code::failed, "no .npy file can hold output '" + name + "', which is " + describe(value), "write it with --format pb");
  if (!numpy && !format.encode)
    throw Error(Code::failed, "output '" + name + "' is " + describe(value) + ", and nothing here writes ." + extension + " files");
  std::string stem = safe_file_name(name), unique = stem;
  for (int i = 2; std::find(taken.begin(), taken.end(), unique) != taken.end(); ++i) unique = stem + "_" + std::to_string(i);
  taken.push_back(unique);
  std::string path = directory + "/" + unique + "." + extension;
  write_file(path, numpy ? write_npy(value.tensor) : format.encode(extension, name, value));
  return path;
}

}  // namespace lathe
