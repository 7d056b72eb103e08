// Making zip files and pickles, good and bad, byte by byte.
#pragma once
#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::ultralytics::test {

inline std::string number(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

struct TestMember {
  std::string name, bytes;
  bool deflated = false;
  // What the directory claims instead of the truth.
  uint64_t claimed_size = UINT64_MAX;
  uint32_t check_change = 0;
  std::string local_name = {};
};

inline std::string deflated(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zip(const std::vector<TestMember>& members) {
  std::string file, directory;
  for (const TestMember& m : members) {
    const std::string data = m.deflated ? deflated(m.bytes) : m.bytes;
    const uint32_t check = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(m.bytes.data()), static_cast<uInt>(m.bytes.size())));
    const uint64_t size = m.claimed_size == UINT64_MAX ? m.bytes.size() : m.claimed_size;
    const std::string common =
        number(0, 2) + number(m.deflated ? 8 : 0, 2) + number(0, 4) + number(check + m.check_change, 4) + number(data.size(), 4) + number(size, 4);
    const std::string local = m.local_name.empty() ? m.name : m.local_name;
    directory += "PK\x01\x02" + number(20, 2) + number(20, 2) + common + number(m.name.size(), 2) + number(0, 2) + number(0, 2) + number(0, 2) +
                 number(0, 2) + number(0, 4) + number(file.size(), 4) + m.name;
    file += "PK\x03\x04" + number(20, 2) + common + number(local.size(), 2) + number(0, 2) + local + data;
  }
  const uint64_t offset = file.size();
  return file + directory + "PK\x05\x06" + number(0, 4) + number(members.size(), 2) + number(members.size(), 2) + number(directory.size(), 4) +
         number(offset, 4) + number(0, 2);
}

inline std::string text(std::string_view s) { return "X" + number(s.size(), 4) + std::string(s); }  // BINUNICODE
inline std::string global(std::string_view module, std::string_view name) { return "c" + std::string(module) + "\n" + std::string(name) + "\n"; }
inline std::string integer(int32_t value) { return "J" + number(static_cast<uint32_t>(value), 4); }

}  // namespace lathe::ultralytics::test
