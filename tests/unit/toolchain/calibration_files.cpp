// Calibration files for tools, read back by the readers of the core.
#include "lathe/calibration_files.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/files/numpy.hpp"
#include "core/files/picture.hpp"
#include "lathe/toolchain.hpp"

namespace {
using namespace lathe::sdk;
using Form = CalibrationForm;

constexpr size_t width = 3, height = 2, channels = 3, pixels = width * height;

unsigned char pixel(size_t sample, size_t place, size_t channel) { return static_cast<unsigned char>(sample * 50 + place * 5 + channel); }

// Samples whose every number is known; the input is [1, 3, 2, 3] of floats, a hundredth of the pixel.
struct Data {
  lathe_preprocessing preprocessing{};
  lathe_calibration table{};
  std::string file;

  Data() {
    preprocessing.struct_size = sizeof preprocessing;
    preprocessing.width = width, preprocessing.height = height, preprocessing.channels = channels;
    table.struct_size = sizeof table, table.count = 4, table.context = this;
    table.read = [](void*, size_t sample, size_t, void* bytes, size_t size) {
      if (size != pixels * channels * sizeof(float)) return lathe_code{LATHE_INTERNAL};
      for (size_t c = 0; c < channels; ++c)
        for (size_t i = 0; i < pixels; ++i) static_cast<float*>(bytes)[c * pixels + i] = static_cast<float>(pixel(sample, i, c)) / 100;
      return lathe_code{LATHE_OK};
    };
    table.read_picture = [](void*, size_t sample, void* bytes, size_t size) {
      if (size != pixels * channels) return lathe_code{LATHE_INTERNAL};
      for (size_t i = 0; i < size; ++i) static_cast<unsigned char*>(bytes)[i] = pixel(sample, i / channels, i % channels);
      return lathe_code{LATHE_OK};
    };
    table.source = [](void* self, size_t) -> lathe_string {
      const std::string& text = static_cast<Data*>(self)->file;
      return {text.data(), text.size()};
    };
  }
  CalibrationData get() const { return {&table, &preprocessing, 0, LATHE_FLOAT32, {1, 3, 2, 3}}; }
};

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
lathe::Tensor read_array(const std::string& path) {
  const std::string bytes = read(path);
  return lathe::read_npy(std::as_bytes(std::span(bytes)), path);
}
}  // namespace

TEST_CASE("one array of all samples, in every form") {
  const Data data;
  const ScratchFolder folder;
  const std::string path = folder.path() + "/all.npy";

  CHECK(write_calibration_array(data.get(), {Form::Values::pixels, Form::Layout::channels_last}, path) == 4);
  const lathe::Tensor last = read_array(path);
  CHECK(last.type == lathe::DataType::uint8);
  CHECK(last.dimensions == std::vector<int64_t>{4, 2, 3, 3});
  for (size_t i = 0; i < last.as<uint8_t>().size(); ++i) {
    const size_t inside = i % (pixels * channels);
    CHECK(last.as<uint8_t>()[i] == pixel(i / (pixels * channels), inside / channels, inside % channels));
  }

  write_calibration_array(data.get(), {Form::Values::float_pixels, Form::Layout::channels_first}, path);
  const lathe::Tensor first = read_array(path);
  CHECK(first.type == lathe::DataType::float32);
  CHECK(first.dimensions == std::vector<int64_t>{4, 3, 2, 3});
  CHECK(first.as<float>()[pixels * channels + pixels + 2] == static_cast<float>(pixel(1, 2, 1)));

  write_calibration_array(data.get(), {Form::Values::finished, Form::Layout::as_input}, path);
  CHECK(read_array(path).dimensions == std::vector<int64_t>{4, 3, 2, 3});
  CHECK(read_array(path).as<float>()[pixels + 2] == static_cast<float>(pixel(0, 2, 1)) / 100);

  write_calibration_array(data.get(), {Form::Values::finished, Form::Layout::channels_last}, path);
  const lathe::Tensor turned = read_array(path);
  CHECK(turned.dimensions == std::vector<int64_t>{4, 2, 3, 3});
  CHECK(turned.as<float>()[2 * pixels * channels + 4 * channels + 1] == static_cast<float>(pixel(2, 4, 1)) / 100);

  // Half of the samples, evenly taken: the first and the third.
  CHECK(write_calibration_array(data.get(), {Form::Values::pixels, Form::Layout::channels_last, 2}, path) == 2);
  CHECK(read_array(path).as<uint8_t>()[pixels * channels] == pixel(2, 0, 0));
}

TEST_CASE("one file per sample") {
  Data data;
  const ScratchFolder folder;
  const std::string inner = folder.path() + "/calibration";
  CHECK(write_calibration_arrays(data.get(), {}, inner) == std::vector<std::string>{"000000.npy", "000001.npy", "000002.npy", "000003.npy"});
  CHECK(read_array(inner + "/000003.npy").dimensions == std::vector<int64_t>{1, 3, 2, 3});
  Form bare{Form::Values::pixels, Form::Layout::channels_last};
  bare.batch_of_one = false;
  write_calibration_arrays(data.get(), bare, inner);
  CHECK(read_array(inner + "/000003.npy").dimensions == std::vector<int64_t>{2, 3, 3});

  for (const bool bgr : {false, true}) {
    data.preprocessing.bgr = bgr;
    const std::vector<std::string> names = write_calibration_pictures(data.get(), inner, 3);
    CHECK(names == std::vector<std::string>{"000000.png", "000001.png", "000002.png"});
    const std::string bytes = read(inner + "/000001.png");
    const lathe::Picture picture = lathe::decode_picture(std::as_bytes(std::span(bytes)), "picture");
    CHECK(picture.width == 3);
    CHECK(picture.height == 2);
    CHECK(picture.rgb[3 * 4] == pixel(1, 4, bgr ? 2 : 0));
    CHECK(picture.rgb[3 * 4 + 2] == pixel(1, 4, bgr ? 0 : 2));
  }

  data.file = folder.path() + "/a b.JPG";
  std::ofstream(data.file) << "bytes";
  CHECK(copy_calibration_sources(data.get(), inner, 1) == std::vector<std::string>{"000000.jpg"});
  CHECK(read(inner + "/000000.jpg") == "bytes");

  write_calibration_list(folder.path() + "/list.txt", {"1.png", "2.png"}, "/absolute/");
  CHECK(read(folder.path() + "/list.txt") == "/absolute/1.png\n/absolute/2.png\n");
  CHECK_THROWS_AS(write_calibration_list(folder.path() + "/list.txt", {"1 2.png"}), Failure);
}

TEST_CASE("a picture larger than a stored block") {
  std::string pixels_in(300 * 200 * 3, '\0');
  for (size_t i = 0; i < pixels_in.size(); ++i) pixels_in[i] = static_cast<char>(i * 7 + i / 900);
  const std::string file = png_file(300, 200, 3, reinterpret_cast<const unsigned char*>(pixels_in.data()));
  const lathe::Picture picture = lathe::decode_picture(std::as_bytes(std::span(file)), "picture");
  CHECK(std::memcmp(picture.rgb.data(), pixels_in.data(), pixels_in.size()) == 0);
  const std::string grey = png_file(2, 1, 1, reinterpret_cast<const unsigned char*>("\x10\x80"));
  CHECK(lathe::decode_picture(std::as_bytes(std::span(grey)), "grey").rgb == std::vector<uint8_t>{16, 16, 16, 128, 128, 128});
}

TEST_CASE("what cannot be had is refused") {
  Data data;
  const ScratchFolder folder;
  data.table.read_picture = nullptr;
  CHECK_FALSE(data.get().has_pictures());
  CHECK_THROWS_AS(write_calibration_array(data.get(), {Form::Values::pixels}, folder.path() + "/a.npy"), Failure);
  data.table.source = [](void*, size_t) -> lathe_string { return {nullptr, 0}; };
  CHECK_THROWS_AS(copy_calibration_sources(data.get(), folder.path() + "/copies"), Failure);
  // A sample that cannot be read leaves no file.
  data.table.read = [](void*, size_t, size_t, void*, size_t) { return lathe_code{LATHE_FAILED}; };
  CHECK_THROWS_AS(write_calibration_array(data.get(), {}, folder.path() + "/b.npy"), Failure);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/b.npy"));
  CHECK_THROWS_AS(write_calibration_array(data.get(), {}, folder.path() + "/absent/b.npy"), Failure);
}
