// See calibration_files.hpp.
#include "lathe/calibration_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace lathe::sdk {
namespace {

using Form = CalibrationForm;

struct Element {
  int32_t type;
  const char* numpy;
  size_t bytes;
};
constexpr Element elements[] = {{LATHE_FLOAT32, "<f4", 4}, {LATHE_FLOAT16, "<f2", 2}, {LATHE_FLOAT64, "<f8", 8}, {LATHE_UINT8, "|u1", 1},
                                {LATHE_INT8, "|i1", 1},    {LATHE_UINT16, "<u2", 2},  {LATHE_INT16, "<i2", 2},   {LATHE_UINT32, "<u4", 4},
                                {LATHE_INT32, "<i4", 4},   {LATHE_UINT64, "<u8", 8},  {LATHE_INT64, "<i8", 8},   {LATHE_BOOL, "|b1", 1}};

const Element& element(int32_t type) {
  for (const Element& e : elements)
    if (e.type == type) return e;
  throw Failure(LATHE_UNSUPPORTED, "calibration data of this element type cannot be written for the tool");
}

[[noreturn]] void fail_to_write(const std::string& path) {
  throw Failure(LATHE_FAILED, "cannot write '" + path + "': " + std::strerror(errno),
                errno == ENOSPC ? "make room, or set TMPDIR to a larger disk" : "");
}

// A file that is written at any place, or not there at the end.
class OutputFile {
 public:
  explicit OutputFile(std::string path) : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail_to_write(path_);
  }
  ~OutputFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write_at(uint64_t offset, const void* bytes, size_t size) const {
    const char* at = static_cast<const char*>(bytes);
    while (size > 0) {
      const ssize_t n = ::pwrite(fd_, at, size, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_to_write(path_);
      at += n, size -= static_cast<size_t>(n), offset += static_cast<uint64_t>(n);
    }
  }
  void finish() {
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) fail_to_write(path_);
  }

 private:
  std::string path_;
  int fd_;
};

void write_whole(const std::string& path, const std::string& bytes) {
  OutputFile file(path);
  file.write_at(0, bytes.data(), bytes.size());
  file.finish();
}

void make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) fail_to_write(folder);
}

// Pieces that have nothing to do with each other, several at a time. Throws the first failure.
void for_each_sample(size_t count, const std::function<void(size_t)>& body) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr problem;
  const auto work = [&] {
    for (size_t i; (i = next++) < count;) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!problem) problem = std::current_exception();
        next = count;
      }
    }
  };
  const size_t threads = std::min<size_t>({std::max(1u, std::thread::hardware_concurrency()), 8, count});
  std::vector<std::thread> helpers;
  for (size_t t = 1; t < threads; ++t) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  if (problem) std::rethrow_exception(problem);
}

// Which samples are written when at most `most` are: evenly taken.
std::vector<size_t> chosen(const CalibrationData& data, size_t most) {
  const size_t count = most == 0 ? data.count() : std::min(most, data.count());
  std::vector<size_t> list;
  for (size_t i = 0; i < count; ++i) list.push_back(i * data.count() / count);
  return list;
}

std::string numbered(size_t i, std::string_view extension) {
  char text[32];
  std::snprintf(text, sizeof text, "%06zu", i);
  return std::string(text) + std::string(extension);
}

uint64_t element_count(const std::vector<int64_t>& shape) {
  uint64_t count = 1;
  for (const int64_t d : shape)
    if (d < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(d), &count))
      throw Failure(LATHE_UNSUPPORTED, "the input is too large to calibrate");
  return count;
}

// From [C, pixels] to [pixels, C], or the reverse: `first` and `second` are the extents as they come.
std::string transposed(const std::string& from, size_t first, size_t second, size_t bytes) {
  std::string to(from.size(), '\0');
  for (size_t a = 0; a < first; ++a)
    for (size_t b = 0; b < second; ++b) std::memcpy(&to[(b * first + a) * bytes], &from[(a * second + b) * bytes], bytes);
  return to;
}

// What one sample is in a form: element type, shape without the batch, and its bytes.
struct Shaped {
  Element element;
  std::vector<int64_t> shape;
  bool pixels = false, transpose = false;
  size_t channels = 1, places = 1;  // of what is transposed
  bool last = false;                // how the sample comes
  bool items = false;               // the leading axis counts no items: it is part of a sample
};

Shaped shaped(const CalibrationData& data, const Form& form) {
  // Of a tensor inside a network the leading axis may be more than 1.
  const bool items = !data.shape.empty() && data.shape[0] != 1 && !data.preprocessing;
  Shaped s{element(data.type), {data.shape.begin() + (data.shape.empty() || items ? 0 : 1), data.shape.end()}};
  s.items = items;
  s.pixels = form.values != Form::Values::finished;
  const lathe_preprocessing* p = data.preprocessing;
  if (s.pixels) {
    if (!data.has_pictures())
      throw Failure(LATHE_UNSUPPORTED, "the tool wants pixels of 0..255 to calibrate with, and the data given are finished numbers",
                    "give a folder of pictures, or arrays of uint8");
    s.element = element(form.values == Form::Values::pixels ? LATHE_UINT8 : LATHE_FLOAT32);
    s.shape = {p->height, p->width, p->channels};
    s.last = true;
  } else {
    s.last = p ? p->channels_last != 0 : false;
  }
  const bool want_last = form.layout == Form::Layout::as_input ? (p ? p->channels_last != 0 : s.last) : form.layout == Form::Layout::channels_last;
  if (form.layout != Form::Layout::as_input && s.shape.size() != 3)
    throw Failure(LATHE_UNSUPPORTED, "the tool wants calibration data with channels in a certain place, and the input has no channels");
  if (s.shape.size() != 3 || want_last == s.last) return s;
  s.transpose = true;
  s.channels = static_cast<size_t>(s.shape[s.last ? 2 : 0]);
  s.places = static_cast<size_t>(s.last ? s.shape[0] * s.shape[1] : s.shape[1] * s.shape[2]);
  s.shape = s.last ? std::vector<int64_t>{s.shape[2], s.shape[0], s.shape[1]} : std::vector<int64_t>{s.shape[1], s.shape[2], s.shape[0]};
  return s;
}

std::string read_sample(const CalibrationData& data, const Form& form, const Shaped& s, size_t sample) {
  const uint64_t count = element_count(s.shape);
  std::string bytes(count * (s.pixels ? 1 : s.element.bytes), '\0');
  require(s.pixels ? data.samples->read_picture(data.samples->context, sample, bytes.data(), bytes.size())
                   : data.samples->read(data.samples->context, sample, data.input, bytes.data(), bytes.size()));
  if (s.transpose) bytes = transposed(bytes, s.last ? s.places : s.channels, s.last ? s.channels : s.places, s.pixels ? 1 : s.element.bytes);
  if (form.values != Form::Values::float_pixels) return bytes;
  std::string floats(count * sizeof(float), '\0');
  for (size_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(static_cast<unsigned char>(bytes[i]));
    std::memcpy(&floats[i * sizeof(float)], &value, sizeof value);
  }
  return floats;
}

// Format 1.0 of numpy.lib.format.
std::string npy_header(const Element& element, const std::vector<int64_t>& shape) {
  std::string header = std::string("{'descr': '") + element.numpy + "', 'fortran_order': False, 'shape': (";
  for (const int64_t d : shape) header += std::to_string(d) + ", ";
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return file + header;
}

std::string big_endian(uint32_t n) {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8), static_cast<char>(n)};
}

// CRC-32 of ISO 3309, as PNG uses it.
uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::string png_chunk(const char* type, const std::string& body) {
  const std::string covered = type + body;
  return big_endian(static_cast<uint32_t>(body.size())) + covered + big_endian(crc32(covered));
}

// A zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4).
std::string stored_stream(const std::string& bytes) {
  std::string stream("\x78\x01", 2);
  constexpr size_t most = 65535;
  uint32_t a = 1, b = 0;
  for (size_t at = 0; at < bytes.size() || at == 0; at += most) {
    const size_t size = std::min(most, bytes.size() - at);
    stream += static_cast<char>(at + size == bytes.size());
    for (const size_t n : {size, ~size}) stream += static_cast<char>(n & 0xff), stream += static_cast<char>(n >> 8 & 0xff);
    stream.append(bytes, at, size);
  }
  for (const char c : bytes) a = (a + static_cast<unsigned char>(c)) % 65521, b = (b + a) % 65521;
  return stream + big_endian(b << 16 | a);
}

std::string lower_extension(std::string_view path) {
  const size_t dot = path.rfind('.'), slash = path.rfind('/');
  if (dot == std::string_view::npos || (slash != std::string_view::npos && dot < slash)) return "";
  std::string text(path.substr(dot));
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return text;
}

void copy_file(const std::string& from, const std::string& to) {
  const int fd = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw Failure(LATHE_FAILED, "cannot read '" + from + "': " + std::strerror(errno));
  std::string bytes;
  char block[65536];
  ssize_t n = 0;
  while ((n = ::read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
    if (n > 0) bytes.append(block, static_cast<size_t>(n));
  const int error = errno;
  ::close(fd);
  if (n < 0) throw Failure(LATHE_FAILED, "cannot read '" + from + "': " + std::strerror(error));
  write_whole(to, bytes);
}

}  // namespace

CalibrationData calibration_data(const lathe_preprocessing* preprocessing, const lathe_calibration* samples, const GraphView& graph, uint32_t input) {
  if (!samples || samples->count == 0)
    throw Failure(LATHE_UNSUPPORTED, "the tool wants data to calibrate with, and none are given", "add --calibration");
  uint32_t number = 0;
  for (const uint32_t index : graph.inputs()) {
    const ValueView value = graph.value(index);
    if (value.is_constant()) continue;
    if (number++ != input) continue;
    if (!value.has_static_shape())
      throw Failure(LATHE_UNSUPPORTED, "the input '" + std::string(value.name()) + "' has an open shape and cannot be calibrated");
    return {samples, preprocessing && preprocessing->input == input ? preprocessing : nullptr, input, value.type(), value.shape()};
  }
  throw Failure(LATHE_UNSUPPORTED, "the graph has no input " + std::to_string(input) + " to calibrate");
}

size_t write_calibration_array(const CalibrationData& data, const CalibrationForm& form, const std::string& path) {
  const Shaped s = shaped(data, form);
  const std::vector<size_t> samples = chosen(data, form.most);
  std::vector<int64_t> shape = s.shape;
  shape.insert(shape.begin(), static_cast<int64_t>(samples.size()));
  const std::string header = npy_header(s.element, shape);
  const uint64_t size = element_count(s.shape) * s.element.bytes;
  OutputFile file(path);
  file.write_at(0, header.data(), header.size());
  for_each_sample(samples.size(), [&](size_t i) {
    const std::string bytes = read_sample(data, form, s, samples[i]);
    file.write_at(header.size() + i * size, bytes.data(), bytes.size());
  });
  file.finish();
  return samples.size();
}

std::vector<std::string> write_calibration_arrays(const CalibrationData& data, const CalibrationForm& form, const std::string& folder) {
  const Shaped s = shaped(data, form);
  const std::vector<size_t> samples = chosen(data, form.most);
  std::vector<int64_t> shape = s.shape;
  if (form.batch_of_one && !s.items) shape.insert(shape.begin(), 1);
  const std::string header = npy_header(s.element, shape);
  make_folder(folder);
  std::vector<std::string> names(samples.size());
  for_each_sample(samples.size(), [&](size_t i) {
    names[i] = numbered(i, ".npy");
    write_whole(folder + "/" + names[i], header + read_sample(data, form, s, samples[i]));
  });
  return names;
}

std::vector<std::string> write_calibration_pictures(const CalibrationData& data, const std::string& folder, size_t most) {
  const CalibrationForm form{CalibrationForm::Values::pixels, CalibrationForm::Layout::channels_last, most};
  const Shaped s = shaped(data, form);
  const std::vector<size_t> samples = chosen(data, most);
  make_folder(folder);
  std::vector<std::string> names(samples.size());
  for_each_sample(samples.size(), [&](size_t i) {
    std::string pixels = read_sample(data, form, s, samples[i]);
    if (data.preprocessing->bgr && s.shape[2] == 3)
      for (size_t at = 0; at + 2 < pixels.size(); at += 3) std::swap(pixels[at], pixels[at + 2]);
    names[i] = numbered(i, ".png");
    write_whole(folder + "/" + names[i], png_file(s.shape[1], s.shape[0], s.shape[2], reinterpret_cast<const unsigned char*>(pixels.data())));
  });
  return names;
}

std::vector<std::string> copy_calibration_sources(const CalibrationData& data, const std::string& folder, size_t most) {
  const std::vector<size_t> samples = chosen(data, most);
  std::vector<std::string> from(samples.size()), names(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    from[i] = std::string(view(data.samples->source(data.samples->context, samples[i])));
    const std::string extension = lower_extension(from[i]);
    if (from[i].empty() || extension == ".npy" || extension == ".npz")
      throw Failure(LATHE_UNSUPPORTED, "the tool wants picture files to calibrate with, and the data given are none", "give a folder of pictures");
    names[i] = numbered(i, extension);
  }
  make_folder(folder);
  for_each_sample(samples.size(), [&](size_t i) { copy_file(from[i], folder + "/" + names[i]); });
  return names;
}

void write_calibration_list(const std::string& path, const std::vector<std::string>& names, const std::string& prefix) {
  std::string text;
  for (const std::string& name : names) {
    const std::string line = prefix + name;
    if (line.find_first_of(" \t\r\n") != std::string::npos)
      throw Failure(LATHE_FAILED, "the path '" + line + "' holds a blank, which the tool takes for its end",
                    "set TMPDIR to a folder without blanks in its path");
    text += line + "\n";
  }
  write_whole(path, text);
}

std::string png_file(int64_t width, int64_t height, int64_t channels, const unsigned char* pixels) {
  const size_t row = static_cast<size_t>(width * channels);
  std::string rows;
  rows.reserve((row + 1) * static_cast<size_t>(height));
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(pixels) + y * row, row);
  }
  std::string head = big_endian(static_cast<uint32_t>(width)) + big_endian(static_cast<uint32_t>(height));
  head += {'\x08', static_cast<char>(channels == 1 ? 0 : 2), '\0', '\0', '\0'};
  return std::string("\x89PNG\r\n\x1a\n", 8) + png_chunk("IHDR", head) + png_chunk("IDAT", stored_stream(rows)) + png_chunk("IEND", "");
}

}  // namespace lathe::sdk
