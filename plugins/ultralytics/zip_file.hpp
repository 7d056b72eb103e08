// The zip container of a checkpoint (PKWARE APPNOTE 6.3.10): stored and deflated members, zip64, nothing else.
//
// The bytes are hostile: every offset and size is checked against the file, the central directory is held against the local headers,
// members may not overlap, and what a member unpacks to is bounded before memory is asked for.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::ultralytics {

class ZipFile {
 public:
  struct Member {
    std::string name;
    uint64_t header = 0;      // where its local header begins in the file
    uint64_t offset = 0;      // of its bytes in the file
    uint64_t compressed = 0;  // bytes there
    uint64_t size = 0;        // bytes when unpacked
    uint32_t check = 0;       // CRC-32 of the unpacked bytes
    bool deflated = false;
  };

  // Reads the directory. `bytes` outlives this object; `path` is for messages. Throws sdk::Failure saying what is wrong with the file.
  ZipFile(std::string_view bytes, std::string path);

  const std::vector<Member>& members() const { return members_; }
  const Member* find(std::string_view name) const;

  // The unpacked bytes, whose CRC was checked. A stored member is a view into the file; a deflated one is unpacked into `memory`, and all that
  // are unpacked through this object together may take twice the file and 32 MB.
  std::string_view read(const Member& member, std::string& memory) const;

 private:
  struct Directory;
  [[noreturn]] void refuse(std::string text, std::string hint = {}) const;
  Directory locate() const;
  Member read_entry(uint64_t& at, uint64_t end) const;
  void place(Member& member, uint64_t flags, uint64_t method) const;
  void check_overlaps(uint64_t directory) const;

  std::string_view bytes_;
  std::string path_;
  std::vector<Member> members_;
  std::map<std::string_view, size_t> by_name_;
  mutable uint64_t unpacked_ = 0;
};

}  // namespace lathe::ultralytics
