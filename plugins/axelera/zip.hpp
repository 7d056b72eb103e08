// Zip files whose entries are stored, not compressed: how a result folder is
// packed (APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12, 4.3.16).
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lathe::axelera {

struct Entry {
  std::string name;
  std::string_view bytes;
};

// Reads the directory at the end. Throws sdk::Failure: no zip file, compressed
// entries, entries beyond the end or over one another, names that lead out of
// the folder.
std::vector<Entry> read_zip(std::string_view bytes, const std::string& path);

}  // namespace lathe::axelera
