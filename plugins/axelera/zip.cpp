// From the end of the file to its directory, and from there to each entry.
#include "zip.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <lathe/plugin.hpp>

namespace lathe::axelera {
namespace {

constexpr std::string_view end_mark = "PK\x05\x06", directory_mark = "PK\x01\x02", entry_mark = "PK\x03\x04";
constexpr uint64_t end_size = 22, directory_size = 46, entry_size = 30, longest_comment = 65535;

uint32_t number(std::string_view bytes, uint64_t at, unsigned width) {
  uint32_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return value;
}

[[noreturn]] void refuse(const std::string& path, std::string text) {
  sdk::Diagnostic d;
  d.text = "the packed folder is damaged: " + std::move(text);
  d.location = path;
  d.hint = "copy it anew, or compile it again";
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

bool leads_out(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != std::string_view::npos || name.find('\0') != std::string_view::npos) return true;
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    if (part == ".." || part == "." || (part.empty() && end != name.size())) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

std::vector<Entry> read_zip(std::string_view bytes, const std::string& path) {
  if (bytes.size() < end_size) refuse(path, "it is too short");
  const uint64_t lowest = bytes.size() - std::min<uint64_t>(bytes.size(), end_size + longest_comment);
  const size_t end = bytes.substr(lowest).rfind(end_mark);
  if (end == std::string_view::npos || lowest + end + end_size > bytes.size()) refuse(path, "its end is missing: it is cut off");
  const uint64_t tail = lowest + end, count = number(bytes, tail + 10, 2), size = number(bytes, tail + 12, 4), begin = number(bytes, tail + 16, 4);
  if (begin + size > tail) refuse(path, "its directory lies beyond the end");
  std::vector<Entry> entries;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  uint64_t at = begin;
  for (uint64_t i = 0; i < count; ++i) {
    if (at + directory_size > tail || bytes.substr(at, 4) != directory_mark)
      refuse(path, "entry " + std::to_string(i) + " of its directory is missing");
    const uint64_t name_size = number(bytes, at + 28, 2), extra = number(bytes, at + 30, 2), comment = number(bytes, at + 32, 2);
    const uint64_t stored = number(bytes, at + 20, 4), real = number(bytes, at + 24, 4), place = number(bytes, at + 42, 4);
    if (at + directory_size + name_size > tail) refuse(path, "a name lies beyond the end");
    const std::string name(bytes.substr(at + directory_size, name_size));
    if (leads_out(name)) refuse(path, "it holds a name that leads out of the folder");
    if (number(bytes, at + 10, 2) != 0 || stored != real) refuse(path, "'" + name + "' is compressed, which is not read here");
    if (place + entry_size > begin || bytes.substr(place, 4) != entry_mark) refuse(path, "'" + name + "' is not where the directory says");
    const uint64_t data = place + entry_size + number(bytes, place + 26, 2) + number(bytes, place + 28, 2);
    if (data > begin || real > begin - data) refuse(path, "'" + name + "' lies beyond the end");
    entries.push_back({name, bytes.substr(data, real)});
    ranges.emplace_back(place, data + real);
    at += directory_size + name_size + extra + comment;
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) refuse(path, "entries lie over one another");
  return entries;
}

}  // namespace lathe::axelera
