// .npz: a zip archive read through its central directory. Entries are stored or deflated; sizes are taken from the directory (zip64
// included), checked against the file, and the data against its CRC-32.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/diagnostic.hpp"
#include "core/files/numpy.hpp"

namespace lathe {
namespace {

[[noreturn]] void bad(const std::string& source, std::string text) {
  Diagnostic d;
  d.text = "this is no valid .npz archive: " + text;
  d.location = source;
  d.hint = "write it again with numpy.savez";
  throw Error(Code::failed, std::move(d));
}

// Little-endian numbers at an offset, refused beyond the end.
class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& source) : file_(file), source_(source) {}
  uint64_t number(uint64_t at, unsigned bytes) const {
    std::span<const std::byte> part = slice(at, bytes);
    uint64_t n = 0;
    for (unsigned i = 0; i < bytes; ++i) n |= static_cast<uint64_t>(part[i]) << (8 * i);
    return n;
  }
  std::span<const std::byte> slice(uint64_t at, uint64_t size) const {
    if (at > file_.size() || size > file_.size() - at) bad(source_, "it ends too early");
    return file_.subspan(at, size);
  }
  uint64_t size() const { return file_.size(); }

 private:
  std::span<const std::byte> file_;
  const std::string& source_;
};

struct Entry {
  std::string name;
  uint64_t method = 0, crc = 0, packed = 0, size = 0, local = 0;
};

// Fields that do not fit 32 bits stand, in this order, in the extra field 0x0001.
void read_zip64(const Reader& file, uint64_t at, uint64_t length, Entry& entry) {
  for (uint64_t end = at + length; at + 4 <= end;) {
    uint64_t id = file.number(at, 2), size = file.number(at + 2, 2), field = at + 4;
    if (id == 1) {
      for (uint64_t* number : {&entry.size, &entry.packed, &entry.local}) {
        if (*number == 0xffffffff && field + 8 <= at + 4 + size) *number = file.number(field, 8), field += 8;
      }
      return;
    }
    at += 4 + size;
  }
}

std::vector<Entry> read_directory(const Reader& file, const std::string& source) {
  uint64_t end = 0;
  bool found = false;
  for (uint64_t back = 22; back <= file.size() && back <= 22 + 65535; ++back) {
    if (file.number(file.size() - back, 4) == 0x06054b50) {
      end = file.size() - back, found = true;
      break;
    }
  }
  if (!found) bad(source, "it has no central directory");
  uint64_t count = file.number(end + 10, 2), offset = file.number(end + 16, 4);
  if ((count == 0xffff || offset == 0xffffffff) && end >= 20 && file.number(end - 20, 4) == 0x07064b50) {
    uint64_t record = file.number(end - 12, 8);
    if (file.number(record, 4) != 0x06064b50) bad(source, "its zip64 record is broken");
    count = file.number(record + 32, 8), offset = file.number(record + 48, 8);
  }
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < count; ++i) {
    if (file.number(offset, 4) != 0x02014b50) bad(source, "its central directory is broken");
    Entry e;
    e.method = file.number(offset + 10, 2), e.crc = file.number(offset + 16, 4);
    e.packed = file.number(offset + 20, 4), e.size = file.number(offset + 24, 4), e.local = file.number(offset + 42, 4);
    uint64_t name = file.number(offset + 28, 2), extra = file.number(offset + 30, 2), comment = file.number(offset + 32, 2);
    std::span<const std::byte> text = file.slice(offset + 46, name);
    e.name.assign(reinterpret_cast<const char*>(text.data()), text.size());
    file.slice(offset + 46 + name, extra);
    read_zip64(file, offset + 46 + name, extra, e);
    entries.push_back(std::move(e));
    offset += 46 + name + extra + comment;
  }
  return entries;
}

std::vector<std::byte> inflate(std::span<const std::byte> packed, uint64_t size, const std::string& source) {
  // Deflate never expands more than 1032 times: a larger promise is a lie told to make us allocate.
  if (size / 1032 > packed.size() + 1) bad(source, "an entry promises more data than its bytes can hold");
  std::vector<std::byte> out(size);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) bad(source, "zlib could not be started");
  size_t in_at = 0, out_at = 0;
  int state = Z_OK;
  std::byte spare{};  // an empty output still needs a place to write to
  while (state == Z_OK) {
    uInt in_now = static_cast<uInt>(std::min<size_t>(packed.size() - in_at, 1u << 30)),
         out_now = static_cast<uInt>(std::min<size_t>(size - out_at, 1u << 30));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + in_at)), stream.avail_in = in_now;
    stream.next_out = reinterpret_cast<Bytef*>(size ? out.data() + out_at : &spare), stream.avail_out = out_now;
    state = ::inflate(&stream, Z_NO_FLUSH);
    in_at += in_now - stream.avail_in, out_at += out_now - stream.avail_out;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || out_at != size) bad(source, "an entry's compressed data is broken");
  return out;
}

}  // namespace

std::map<std::string, Tensor> read_npz(std::span<const std::byte> bytes, const std::string& source) {
  Reader file(bytes, source);
  std::map<std::string, Tensor> arrays;
  for (const Entry& entry : read_directory(file, source)) {
    std::string name = entry.name.ends_with(".npy") ? entry.name.substr(0, entry.name.size() - 4) : entry.name;
    std::string place = source + ":" + entry.name;
    if (file.number(entry.local, 4) != 0x04034b50) bad(source, "the entry '" + entry.name + "' does not begin where the directory says");
    uint64_t data = entry.local + 30 + file.number(entry.local + 26, 2) + file.number(entry.local + 28, 2);
    std::span<const std::byte> packed = file.slice(data, entry.packed);
    std::vector<std::byte> unpacked;
    std::span<const std::byte> npy = packed;
    if (entry.method == 8) {
      unpacked = inflate(packed, entry.size, source);
      npy = unpacked;
    } else if (entry.method != 0) {
      bad(source, "the entry '" + entry.name + "' is compressed by a method other than deflate");
    }
    uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(npy.data()), npy.size());
    if (crc != entry.crc) bad(source, "the entry '" + entry.name + "' is damaged (its checksum differs)");
    if (!arrays.emplace(name, read_npy(npy, place)).second) bad(source, "it holds '" + name + "' twice");
  }
  return arrays;
}

}  // namespace lathe
