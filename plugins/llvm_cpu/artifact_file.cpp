// Recognition of artifacts. The head is the host's; the trailer is read from the file, since it lies at the other end.
#include "artifact_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "lathe/artifact.h"

namespace lathe::llvm_cpu {

const Family* artifact_family(const sdk::FileHead& head) {
  Elf64_Ehdr header;
  if (head.size < sizeof header || head.file_size < sizeof header + sizeof(lathe_artifact_trailer)) return nullptr;
  std::memcpy(&header, head.bytes, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN) return nullptr;
  const auto family = std::find_if(families().begin(), families().end(), [&](const Family& f) { return f.elf_machine == header.e_machine; });
  if (family == families().end()) return nullptr;
  const int file = open(std::string(head.path).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  lathe_artifact_trailer trailer{};
  const ssize_t n = pread(file, &trailer, sizeof trailer, static_cast<off_t>(head.file_size - sizeof trailer));
  close(file);
  return n == sizeof trailer && std::memcmp(trailer.magic, "LATHEwt1", sizeof trailer.magic) == 0 ? &*family : nullptr;
}

const Family* artifact_family(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  unsigned char bytes[sizeof(Elf64_Ehdr)];
  struct stat status {};
  const bool sound = fstat(file, &status) == 0 && pread(file, bytes, sizeof bytes, 0) == static_cast<ssize_t>(sizeof bytes);
  close(file);
  return sound ? artifact_family(sdk::FileHead{bytes, sizeof bytes, static_cast<uint64_t>(status.st_size), path}) : nullptr;
}

}  // namespace lathe::llvm_cpu
