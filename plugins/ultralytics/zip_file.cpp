// See zip_file.hpp. Section numbers are those of PKWARE's APPNOTE.
#include "zip_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <lathe/plugin.hpp>

namespace lathe::ultralytics {
namespace {

constexpr uint32_t local_signature = 0x04034b50, central_signature = 0x02014b50, end_signature = 0x06054b50;
constexpr uint32_t end64_signature = 0x06064b50, locator64_signature = 0x07064b50;
constexpr uint64_t local_bytes = 30, central_bytes = 46, end_bytes = 22, locator64_bytes = 20, end64_bytes = 56;
constexpr uint64_t most_members = 1u << 17;  // a large network, saved with its optimizer, has some ten thousand
// Deflate cannot pack better than 1032 to 1 (zlib's technical details); weights do not come near a tenth of that.
constexpr uint64_t most_ratio = 1032;
constexpr uint64_t most_name = 1024;

uint64_t number(std::string_view bytes, uint64_t at, int size) {
  uint64_t value = 0;
  for (int i = size - 1; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<uint64_t>(i)]);
  return value;
}

// A name that could lead out of a folder, or that no writer of checkpoints makes.
bool hostile(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.size() > most_name) return true;
  if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\'; })) return true;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

struct ZipFile::Directory {
  uint64_t offset = 0, bytes = 0, entries = 0;
};

void ZipFile::refuse(std::string text, std::string hint) const {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path_;
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

ZipFile::ZipFile(std::string_view bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {
  const Directory directory = locate();
  uint64_t at = directory.offset;
  const uint64_t end = directory.offset + directory.bytes;
  members_.reserve(directory.entries);
  for (uint64_t i = 0; i < directory.entries; ++i) members_.push_back(read_entry(at, end));
  if (at != end) refuse("the zip file's directory holds more than the members it counts");
  for (size_t i = 0; i < members_.size(); ++i)
    if (!by_name_.emplace(members_[i].name, i).second) refuse("the zip file holds two members of the name '" + members_[i].name + "'");
  check_overlaps(directory.offset);
}

const ZipFile::Member* ZipFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &members_[found->second];
}

// 4.3.16: the end record stands last, followed by a comment of at most 65,535 bytes; 4.3.14 and 4.3.15 for zip64.
ZipFile::Directory ZipFile::locate() const {
  static const std::string truncated = "the file was probably cut off, or something was appended to it: download or copy it again";
  if (bytes_.size() < end_bytes) refuse("the file is too short for a zip file", truncated);
  const uint64_t last = bytes_.size() - end_bytes, lowest = last > 65535 ? last - 65535 : 0;
  uint64_t end = last + 1;
  for (uint64_t at = last + 1; at-- > lowest;) {
    if (number(bytes_, at, 4) == end_signature && at + end_bytes + number(bytes_, at + 20, 2) == bytes_.size()) {
      end = at;
      break;
    }
  }
  if (end > last) refuse("the zip file has no directory at its end", truncated);
  Directory d{number(bytes_, end + 16, 4), number(bytes_, end + 12, 4), number(bytes_, end + 10, 2)};
  if (number(bytes_, end + 4, 2) != number(bytes_, end + 6, 2) || number(bytes_, end + 8, 2) != number(bytes_, end + 10, 2))
    refuse("zip files in several parts are not read");
  uint64_t limit = end;
  if (end >= locator64_bytes && number(bytes_, end - locator64_bytes, 4) == locator64_signature) {
    const uint64_t record = number(bytes_, end - locator64_bytes + 8, 8);
    if (record > end - locator64_bytes || end - locator64_bytes - record < end64_bytes || number(bytes_, record, 4) != end64_signature)
      refuse("the zip64 directory does not lie where the file says");
    d = {number(bytes_, record + 48, 8), number(bytes_, record + 40, 8), number(bytes_, record + 32, 8)};
    limit = record;
  }
  if (d.offset > limit || d.bytes > limit - d.offset) refuse("the zip file's directory lies outside the file", truncated);
  if (d.entries > most_members || d.entries > d.bytes / central_bytes) refuse("the zip file's directory is too short for its number of members");
  return d;
}

// 4.3.12.
ZipFile::Member ZipFile::read_entry(uint64_t& at, uint64_t end) const {
  if (end - at < central_bytes || number(bytes_, at, 4) != central_signature) refuse("the zip file's directory is damaged");
  const uint64_t flags = number(bytes_, at + 8, 2), method = number(bytes_, at + 10, 2);
  Member member;
  member.check = static_cast<uint32_t>(number(bytes_, at + 16, 4));
  member.compressed = number(bytes_, at + 20, 4);
  member.size = number(bytes_, at + 24, 4);
  const uint64_t name = number(bytes_, at + 28, 2), extra = number(bytes_, at + 30, 2), comment = number(bytes_, at + 32, 2);
  member.header = number(bytes_, at + 42, 4);
  at += central_bytes;
  if (name + extra + comment > end - at) refuse("the zip file's directory is damaged");
  member.name = bytes_.substr(at, name);
  if (hostile(member.name)) refuse("the zip file holds a member whose name is not to be trusted");

  // 4.5.3: only what did not fit in 32 bits stands in the zip64 field, in this order.
  for (uint64_t field = at + name; field + 4 <= at + name + extra;) {
    const uint64_t id = number(bytes_, field, 2), size = number(bytes_, field + 2, 2);
    field += 4;
    if (size > at + name + extra - field) refuse("the zip file's directory is damaged");
    if (id == 1) {
      uint64_t place = field;
      for (uint64_t* value : {&member.size, &member.compressed, &member.header}) {
        if (*value != 0xffffffff) continue;
        if (place + 8 > field + size) refuse("the zip file's directory is damaged");
        *value = number(bytes_, place, 8);
        place += 8;
      }
    }
    field += size;
  }
  at += name + extra + comment;
  if (flags & 1) refuse("member '" + member.name + "' of the zip file is encrypted");
  if (method != 0 && method != 8) refuse("member '" + member.name + "' of the zip file is packed by a method other than deflate");
  member.deflated = method == 8;
  if (!member.deflated && member.size != member.compressed) refuse("member '" + member.name + "' of the zip file has two sizes");
  if (member.deflated && member.size / most_ratio > member.compressed)
    refuse("member '" + member.name + "' of the zip file claims to unpack to " + std::to_string(member.size) + " bytes from " +
           std::to_string(member.compressed) + ", which deflate cannot do");
  place(member, flags, method);
  return member;
}

// 4.3.7: where the bytes begin stands in the local header alone. What else it says must be what the directory says: a reader that went by it
// must not see another file than one that goes by the directory.
void ZipFile::place(Member& member, uint64_t flags, uint64_t method) const {
  const std::string what = "member '" + member.name + "' of the zip file ";
  const uint64_t header = member.header;
  if (header > bytes_.size() || bytes_.size() - header < local_bytes) refuse(what + "lies outside the file");
  if (number(bytes_, header, 4) != local_signature) refuse(what + "does not begin where the directory says");
  const uint64_t name = number(bytes_, header + 26, 2), extra = number(bytes_, header + 28, 2);
  if (name + extra > bytes_.size() - header - local_bytes) refuse(what + "lies outside the file");
  if (bytes_.substr(header + local_bytes, name) != member.name) refuse(what + "has another name in the directory than before its bytes");
  constexpr uint64_t described_later = 8, encrypted = 1;  // 4.4.4: bits of the flags
  const uint64_t local_flags = number(bytes_, header + 6, 2);
  bool agrees = number(bytes_, header + 8, 2) == method && ((local_flags ^ flags) & (described_later | encrypted)) == 0;
  // Sizes and checksum: all may be 0 where a data descriptor follows the bytes, and a size may have gone to the zip64 field.
  const auto check = [&](uint64_t at, uint64_t expected, bool may_be_large) {
    const uint64_t found = number(bytes_, header + at, 4);
    agrees = agrees && (found == expected || (found == 0 && (flags & described_later)) || (may_be_large && found == 0xffffffff));
  };
  check(14, member.check, false);
  check(18, member.compressed, true);
  check(22, member.size, true);
  if (!agrees) refuse(what + "is described in two ways: in the directory, and before its bytes");
  member.offset = header + local_bytes + name + extra;
  if (member.compressed > bytes_.size() - member.offset) refuse(what + "is longer than the file");
}

void ZipFile::check_overlaps(uint64_t directory) const {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const Member& m : members_) ranges.emplace_back(m.header, m.offset + m.compressed);
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 0; i < ranges.size(); ++i)
    if (ranges[i].second > (i + 1 < ranges.size() ? ranges[i + 1].first : directory)) refuse("members of the zip file lie over each other");
}

std::string_view ZipFile::read(const Member& member, std::string& memory) const {
  std::string_view data = bytes_.substr(member.offset, member.compressed);
  if (member.deflated) {
    constexpr uint64_t always = uint64_t(32) << 20;
    if (member.size > 2 * bytes_.size() + always - std::min(unpacked_, 2 * bytes_.size() + always))
      refuse("the members of the zip file unpack to far more than a checkpoint holds, '" + member.name + "' alone to " + std::to_string(member.size) +
                 " bytes",
             "if the file is to be trusted, pack it again without compression");
    unpacked_ += member.size;
    memory.resize(member.size);
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
    // zlib counts in 32 bits: feed and drain it in pieces.
    uint64_t in = 0, out = 0;
    int code = Z_OK;
    while (code == Z_OK) {
      const auto piece = [](uint64_t left) { return static_cast<uInt>(std::min<uint64_t>(left, 1u << 30)); };
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data() + in));
      stream.avail_in = piece(data.size() - in);
      stream.next_out = reinterpret_cast<Bytef*>(memory.data() + out);
      stream.avail_out = piece(memory.size() - out);
      const uInt fed = stream.avail_in, room = stream.avail_out;
      code = inflate(&stream, Z_NO_FLUSH);
      in += fed - stream.avail_in;
      out += room - stream.avail_out;
      if (code == Z_OK && fed == stream.avail_in && room == stream.avail_out) code = Z_BUF_ERROR;
    }
    inflateEnd(&stream);
    if (code != Z_STREAM_END || out != member.size || in != member.compressed)
      refuse("member '" + member.name + "' of the zip file cannot be unpacked");
    data = memory;
  }
  uLong check = crc32(0, nullptr, 0);
  for (uint64_t at = 0; at < data.size();) {
    const uInt piece = static_cast<uInt>(std::min<uint64_t>(data.size() - at, 1u << 30));
    check = crc32(check, reinterpret_cast<const Bytef*>(data.data() + at), piece);
    at += piece;
  }
  if (check != member.check)
    refuse("member '" + member.name + "' of the zip file is damaged: its checksum is wrong", "download or copy the file again");
  return data;
}

}  // namespace lathe::ultralytics
