// .npy: the header is a Python dictionary literal with three known keys; read by a small scanner, every length checked.
#include "core/files/numpy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor bytes are little endian");

struct Dtype {
  std::string_view code;  // without the byte order
  DataType type;
  size_t item;  // bytes of the unit that byte order swaps
};
constexpr std::array dtypes = {
    Dtype{"f4", DataType::float32, 4},   Dtype{"f2", DataType::float16, 2},     Dtype{"f8", DataType::float64, 8}, Dtype{"i1", DataType::int8, 1},
    Dtype{"i2", DataType::int16, 2},     Dtype{"i4", DataType::int32, 4},       Dtype{"i8", DataType::int64, 8},   Dtype{"u1", DataType::uint8, 1},
    Dtype{"u2", DataType::uint16, 2},    Dtype{"u4", DataType::uint32, 4},      Dtype{"u8", DataType::uint64, 8},  Dtype{"b1", DataType::boolean, 1},
    Dtype{"c8", DataType::complex64, 4}, Dtype{"c16", DataType::complex128, 8},
};

[[noreturn]] void bad(const std::string& source, std::string text) {
  Diagnostic d;
  d.text = "this is no valid .npy file: " + text;
  d.location = source;
  d.hint = "write it again with numpy.save";
  throw Error(Code::failed, std::move(d));
}

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;
};

// Scans "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }".
class Scanner {
 public:
  Scanner(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  Header header() {
    Header h;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      std::string key = quoted();
      expect(':');
      if (key == "descr") {
        if (peek() != '\'' && peek() != '"') bad(source_, "structured dtypes are not tensors");
        h.descr = quoted(), descr = true;
      } else if (key == "fortran_order") {
        h.fortran = truth(), order = true;
      } else if (key == "shape") {
        h.shape = tuple(), shape = true;
      } else {
        bad(source_, "its header has an unknown key '" + key + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!descr || !order || !shape) bad(source_, "its header lacks one of 'descr', 'fortran_order', 'shape'");
    return h;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(source_, std::string("its header lacks a '") + c + "' at position " + std::to_string(at_));
  }
  std::string quoted() {
    char quote = peek();
    if (quote != '\'' && quote != '"') bad(source_, "its header lacks a quoted word at position " + std::to_string(at_));
    size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) bad(source_, "its header ends inside a quoted word");
    std::string word(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return word;
  }
  bool truth() {
    skip();
    for (std::string_view word : {"True", "False"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    }
    bad(source_, "'fortran_order' is neither True nor False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> numbers;
    expect('(');
    while (!accept(')')) {
      skip();
      int64_t n = -1;
      auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
      if (error != std::errc() || n < 0) bad(source_, "its shape holds something that is no size");
      at_ = static_cast<size_t>(end - text_.data());
      accept('L');  // Python 2 wrote 3L
      numbers.push_back(n);
      if (numbers.size() > 64) bad(source_, "its shape has more than 64 dimensions");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return numbers;
  }

  std::string_view text_;
  const std::string& source_;
  size_t at_ = 0;
};

void swap_bytes(std::span<std::byte> bytes, size_t item) {
  for (size_t i = 0; i + item <= bytes.size(); i += item) std::reverse(bytes.begin() + i, bytes.begin() + i + item);
}

// Column-major bytes into row-major order.
void from_fortran(std::span<const std::byte> from, std::span<std::byte> to, const std::vector<int64_t>& shape, size_t item) {
  std::vector<int64_t> index(shape.size(), 0);
  std::vector<size_t> stride(shape.size());
  size_t step = item;
  for (size_t d = 0; d < shape.size(); ++d) stride[d] = step, step *= static_cast<size_t>(shape[d]);
  size_t source = 0;
  for (size_t at = 0; at < to.size(); at += item) {
    std::memcpy(to.data() + at, from.data() + source, item);
    for (size_t d = shape.size(); d-- > 0;) {
      source += stride[d];
      if (++index[d] < shape[d]) break;
      source -= stride[d] * static_cast<size_t>(shape[d]);
      index[d] = 0;
    }
  }
}

// A file whose header was read and held against its size.
struct Opened {
  Header header;
  const Dtype* dtype = nullptr;
  bool big = false;
  uint64_t offset = 0, size = 0;  // of the numbers
};

Opened open_npy(std::span<const std::byte> file, const std::string& source) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  if (file.size() < 10 || std::memcmp(bytes, "\x93NUMPY", 6) != 0) bad(source, "it does not begin with numpy's magic bytes");
  if (bytes[6] < 1 || bytes[6] > 3) bad(source, "its format is version " + std::to_string(bytes[6]) + ", and 1 to 3 are known");
  size_t prefix = bytes[6] == 1 ? 10 : 12;
  if (file.size() < prefix) bad(source, "it ends inside its header");
  size_t length = bytes[8] | size_t{bytes[9]} << 8;
  if (prefix == 12) length |= size_t{bytes[10]} << 16 | size_t{bytes[11]} << 24;
  if (length > file.size() - prefix) bad(source, "it ends inside its header");
  std::string_view text(reinterpret_cast<const char*>(bytes) + prefix, length);
  Header header = Scanner(text, source).header();

  std::string_view code = header.descr;
  bool big = !code.empty() && code[0] == '>';
  if (!code.empty() && std::string_view("<>|=").find(code[0]) != std::string_view::npos) code.remove_prefix(1);
  const Dtype* dtype = nullptr;
  for (const Dtype& d : dtypes)
    if (d.code == code) dtype = &d;
  if (code == "?") dtype = &dtypes[11];
  if (!dtype) bad(source, "its dtype '" + header.descr + "' is no tensor element type");

  std::optional<uint64_t> size = byte_size(dtype->type, header.shape);
  if (!size) bad(source, "its shape is too large");
  if (file.size() - prefix - length < *size)
    bad(source, "its header promises " + std::to_string(*size) + " bytes of data, and " + std::to_string(file.size() - prefix - length) + " follow");
  return {std::move(header), dtype, big, prefix + length, *size};
}

}  // namespace

NpyHeader read_npy_header(std::span<const std::byte> file, const std::string& source) {
  const Opened npy = open_npy(file, source);
  return {npy.dtype->type, npy.header.shape, npy.offset, npy.size, !npy.header.fortran && !npy.big};
}

Tensor read_npy(std::span<const std::byte> file, const std::string& source) {
  const Opened npy = open_npy(file, source);
  const std::span<const std::byte> payload = file.subspan(npy.offset, npy.size);
  Tensor tensor = Tensor::allocate(npy.dtype->type, npy.header.shape);
  std::span<std::byte> data = tensor.as_mutable<std::byte>();
  size_t element = static_cast<size_t>(bits(npy.dtype->type)) / 8;
  if (npy.header.fortran && npy.header.shape.size() > 1 && npy.size > 0) {
    from_fortran(payload, data, npy.header.shape, element);
  } else {
    std::copy(payload.begin(), payload.end(), data.begin());
  }
  if (npy.big) swap_bytes(data, npy.dtype->item);
  if (npy.dtype->type == DataType::boolean)
    for (std::byte& b : data) b = b == std::byte{0} ? std::byte{0} : std::byte{1};
  return tensor;
}

bool numpy_has(DataType type) {
  return std::any_of(std::begin(dtypes), std::end(dtypes), [&](const Dtype& d) { return d.type == type; });
}

std::string write_npy(const Tensor& tensor) {
  const Dtype* dtype = nullptr;
  for (const Dtype& d : dtypes)
    if (d.type == tensor.type) dtype = &d;
  if (!dtype) throw Error(Code::failed, "numpy has no type for " + std::string(name(tensor.type)), "add a Cast to float to the model's output");
  std::string header =
      "{'descr': '" + std::string(bits(tensor.type) == 8 ? "|" : "<") + std::string(dtype->code) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) header += (i ? ", " : "") + std::to_string(tensor.dimensions[i]);
  header += tensor.dimensions.size() == 1 ? ",), }" : "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  file.append(reinterpret_cast<const char*>(tensor.bytes.data), tensor.bytes.size);
  return file;
}

}  // namespace lathe
