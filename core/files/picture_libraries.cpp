// WebP, TIFF and JPEG 2000 through the libraries of the machine. Their functions are looked up by name in the versions whose interface is declared
// here (libwebp 7, libtiff 6 and 5, libopenjp2 7), so that neither building nor running Lathe needs them.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>

#include "core/base/diagnostic.hpp"
#include "core/files/picture_formats.hpp"

namespace lathe {
namespace {

constexpr int64_t most_pixels = int64_t{1} << 28;

[[noreturn]] void bad(const std::string& source, std::string text, std::string hint = {}) {
  Diagnostic d;
  d.text = std::move(text);
  d.location = source;
  d.hint = std::move(hint);
  throw Error(Code::failed, std::move(d));
}

void check_size(int64_t width, int64_t height, const std::string& source) {
  if (width < 1 || height < 1 || width * height > most_pixels) bad(source, "this picture has no pixels, or more than 268 million");
}

// A library stays open: a second picture of the format is likely.
class Library {
 public:
  Library(std::initializer_list<const char*> names, std::string_view format, const std::string& source) : source_(source) {
    for (const char* name : names)
      if (!handle_) handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle_)
      bad(source, "nothing on this machine reads " + std::string(format) + " pictures",
          "install the library " + std::string(*names.begin()) + ", or convert the picture to PNG");
  }
  template <class F>
  F* function(const char* name) const {
    void* found = dlsym(handle_, name);
    if (!found) bad(source_, std::string("the library that reads this picture lacks ") + name);
    return reinterpret_cast<F*>(found);
  }

 private:
  void* handle_ = nullptr;
  const std::string& source_;
};

// A file in memory, as the libraries read it through callbacks.
struct Memory {
  std::span<const std::byte> file;
  uint64_t at = 0;
  int64_t read(void* to, uint64_t count) {
    const uint64_t left = file.size() - std::min<uint64_t>(at, file.size());
    count = std::min(count, left);
    if (count) std::memcpy(to, file.data() + at, count);
    at += count;
    return int64_t(count);
  }
};

// openjpeg.h, version 2: the beginnings that are read here.
struct JpegComponent {
  uint32_t dx, dy, w, h, x0, y0, precision, bits, is_signed, resolutions, factor;
  int32_t* data;
  uint16_t alpha;
};
struct JpegImage {
  uint32_t x0, y0, x1, y1, component_count;
  int32_t colour_space;  // 1: sRGB, 2: grey, 3: YCC
  JpegComponent* components;
  uint8_t* profile;
  uint32_t profile_size;
};

}  // namespace

Picture decode_webp(std::span<const std::byte> file, const std::string& source) {
  const Library library({"libwebp.so.7"}, "WebP", source);
  const auto* bytes = reinterpret_cast<const uint8_t*>(file.data());
  int width = 0, height = 0;
  if (!library.function<int(const uint8_t*, size_t, int*, int*)>("WebPGetInfo")(bytes, file.size(), &width, &height))
    bad(source, "this WebP picture cannot be read");
  check_size(width, height, source);
  Picture picture{width, height, std::vector<uint8_t>(size_t{3} * size_t(width) * size_t(height))};
  if (!library.function<uint8_t*(const uint8_t*, size_t, uint8_t*, size_t, int)>("WebPDecodeRGBInto")(bytes, file.size(), picture.rgb.data(),
                                                                                                      picture.rgb.size(), 3 * width))
    bad(source, "this WebP picture is damaged");
  return picture;
}

Picture decode_tiff(std::span<const std::byte> file, const std::string& source) {
  const Library library({"libtiff.so.6", "libtiff.so.5"}, "TIFF", source);
  using Transfer = int64_t(void*, void*, int64_t);
  using Seek = uint64_t(void*, uint64_t, int);
  using Size = uint64_t(void*);
  using Map = int(void*, void**, uint64_t*);
  using Unmap = void(void*, void*, uint64_t);
  Memory memory{file};
  Transfer* read = [](void* user, void* to, int64_t count) { return static_cast<Memory*>(user)->read(to, uint64_t(count)); };
  Transfer* write = [](void*, void*, int64_t) { return int64_t(-1); };
  Seek* seek = [](void* user, uint64_t to, int from) {
    auto* m = static_cast<Memory*>(user);
    m->at = from == 0 ? to : (from == 1 ? m->at + to : m->file.size() + to);
    return m->at;
  };
  int (*close)(void*) = [](void*) { return 0; };
  Size* size = [](void* user) { return uint64_t(static_cast<Memory*>(user)->file.size()); };
  Map* map = [](void*, void**, uint64_t*) { return 0; };
  Unmap* unmap = [](void*, void*, uint64_t) {};
  using Handler = void(const char*, const char*, __builtin_va_list);
  library.function<Handler*(Handler*)>("TIFFSetErrorHandler")(nullptr);
  library.function<Handler*(Handler*)>("TIFFSetWarningHandler")(nullptr);
  void* tiff = library.function<void*(const char*, const char*, void*, Transfer*, Transfer*, Seek*, int (*)(void*), Size*, Map*, Unmap*)>(
      "TIFFClientOpen")(source.c_str(), "r", &memory, read, write, seek, close, size, map, unmap);
  if (!tiff) bad(source, "this TIFF picture cannot be read");
  const std::unique_ptr<void, void (*)(void*)> closing(tiff, library.function<void(void*)>("TIFFClose"));
  auto* field = library.function<int(void*, uint32_t, ...)>("TIFFGetField");
  constexpr uint32_t width_tag = 256, height_tag = 257;
  uint32_t width = 0, height = 0;
  if (!field(tiff, width_tag, &width) || !field(tiff, height_tag, &height)) bad(source, "this TIFF picture has no size");
  check_size(width, height, source);
  std::vector<uint32_t> pixels(size_t{width} * height);
  constexpr int top_left = 1;
  if (!library.function<int(void*, uint32_t, uint32_t, uint32_t*, int, int)>("TIFFReadRGBAImageOriented")(tiff, width, height, pixels.data(),
                                                                                                          top_left, 0))
    bad(source, "this TIFF picture is damaged");
  Picture picture{width, height, std::vector<uint8_t>(pixels.size() * 3)};
  for (size_t i = 0; i < pixels.size(); ++i)
    for (size_t c = 0; c < 3; ++c) picture.rgb[3 * i + c] = uint8_t(pixels[i] >> (8 * c));
  return picture;
}

Picture decode_jpeg_2000(std::span<const std::byte> file, const std::string& source) {
  const Library library({"libopenjp2.so.7"}, "JPEG 2000", source);
  Memory memory{file};
  constexpr int raw = 0, boxed = 2;
  const std::unique_ptr<void, void (*)(void*)> codec(library.function<void*(int)>("opj_create_decompress")(file[0] == std::byte{0xff} ? raw : boxed),
                                                     library.function<void(void*)>("opj_destroy_codec")),
      stream(library.function<void*(int)>("opj_stream_default_create")(1), library.function<void(void*)>("opj_stream_destroy"));
  if (!codec || !stream) bad(source, "there is no memory for a JPEG 2000 decoder");
  using Read = size_t(void*, size_t, void*);
  using Skip = int64_t(int64_t, void*);
  using Seek = int(int64_t, void*);
  Read* read = [](void* to, size_t count, void* user) {
    const int64_t got = static_cast<Memory*>(user)->read(to, count);
    return got ? size_t(got) : size_t(-1);
  };
  Skip* skip = [](int64_t count, void* user) {
    static_cast<Memory*>(user)->at += uint64_t(count);
    return count;
  };
  Seek* seek = [](int64_t to, void* user) {
    static_cast<Memory*>(user)->at = uint64_t(to);
    return 1;
  };
  library.function<void(void*, Read*)>("opj_stream_set_read_function")(stream.get(), read);
  library.function<void(void*, Skip*)>("opj_stream_set_skip_function")(stream.get(), skip);
  library.function<void(void*, Seek*)>("opj_stream_set_seek_function")(stream.get(), seek);
  library.function<void(void*, void*, void (*)(void*))>("opj_stream_set_user_data")(stream.get(), &memory, nullptr);
  library.function<void(void*, uint64_t)>("opj_stream_set_user_data_length")(stream.get(), file.size());
  alignas(16) std::byte parameters[16384] = {};  // opj_dparameters_t is about half as large: two file names and a few numbers
  library.function<void(void*)>("opj_set_default_decoder_parameters")(parameters);
  JpegImage* header = nullptr;
  auto* destroy_image = library.function<void(JpegImage*)>("opj_image_destroy");
  if (!library.function<int(void*, void*)>("opj_setup_decoder")(codec.get(), parameters) ||
      !library.function<int(void*, void*, JpegImage**)>("opj_read_header")(stream.get(), codec.get(), &header) || !header)
    bad(source, "this JPEG 2000 picture cannot be read");
  const std::unique_ptr<JpegImage, void (*)(JpegImage*)> image(header, destroy_image);
  check_size(int64_t(image->x1) - image->x0, int64_t(image->y1) - image->y0, source);
  if (!library.function<int(void*, void*, JpegImage*)>("opj_decode")(codec.get(), stream.get(), image.get()))
    bad(source, "this JPEG 2000 picture is damaged");
  const JpegComponent* c = image->components;
  const uint32_t count = image->component_count >= 3 ? 3 : 1;
  if (image->component_count < 1 || image->colour_space == 3) bad(source, "this JPEG 2000 picture has colours that are not read");
  const int64_t width = c[0].w, height = c[0].h;
  check_size(width, height, source);
  Picture picture{width, height, std::vector<uint8_t>(size_t(width * height * 3))};
  for (uint32_t k = 0; k < 3; ++k) {
    const JpegComponent& from = c[count == 3 ? k : 0];
    if (int64_t(from.w) != width || int64_t(from.h) != height || !from.data || from.precision < 1 || from.precision > 30)
      bad(source, "this JPEG 2000 picture has channels of several sizes, which is not read");
    const int64_t offset = from.is_signed ? int64_t{1} << (from.precision - 1) : 0, most = (int64_t{1} << from.precision) - 1;
    for (int64_t i = 0; i < width * height; ++i)
      picture.rgb[size_t(3 * i + k)] = uint8_t(std::clamp<int64_t>(from.data[i] + offset, 0, most) * 255 / most);
  }
  return picture;
}

}  // namespace lathe
