// open, fstat, mmap, with a sentence for everything that can go wrong.
#include "core/base/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(Code::failed, "cannot read '" + path + "': " + why, "check the path and its permissions");
}

}  // namespace

Bytes map_file(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; regular files do not mind.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) refuse(path, std::strerror(errno));
  struct stat status {};
  if (::fstat(file.number, &status) != 0) refuse(path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) refuse(path, "it is a folder");
  if (!S_ISREG(status.st_mode)) refuse(path, "it is not a regular file");

  Bytes bytes;
  std::error_code ignored;
  bytes.file = std::filesystem::absolute(path, ignored).lexically_normal().string();
  bytes.size = static_cast<uint64_t>(status.st_size);
  if (bytes.size == 0) return bytes;
  void* address = ::mmap(nullptr, bytes.size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (address == MAP_FAILED) refuse(path, std::strerror(errno));
  bytes.owner = std::shared_ptr<const void>(address, [size = bytes.size](const void* p) { ::munmap(const_cast<void*>(p), size); });
  bytes.data = static_cast<const std::byte*>(address);
  return bytes;
}

}  // namespace lathe
