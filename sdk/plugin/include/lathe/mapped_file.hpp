// lathe/mapped_file.hpp - a file as read-only memory, for frontends and inspectors. POSIX. Include lathe/plugin.hpp before it.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lathe/support.hpp"

namespace lathe::sdk {

// A regular file, mapped read-only as a whole; pages come from disk when they are touched.
class MappedFile {
 public:
  // A file that a person named. Throws Failure: not there, not readable, no regular file, empty.
  explicit MappedFile(std::string path) : path_(std::move(path)) {
    // O_NONBLOCK so that a pipe that poses as a file cannot make us wait.
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) refuse(std::string("the file cannot be opened: ") + std::strerror(errno));
    struct stat status = {};
    const bool known = ::fstat(descriptor, &status) == 0, regular = known && S_ISREG(status.st_mode);
    const int error = regular ? map(descriptor, static_cast<uint64_t>(status.st_size)) : 0;
    ::close(descriptor);
    if (!regular) refuse(known ? "this is no regular file" : "the file cannot be read");
    if (status.st_size == 0) refuse("the file is empty");
    if (error) refuse_mapping(error);
  }
  // A regular file of `size` bytes that was opened and judged by other rules; it may be empty. `path` is for messages. The descriptor stays open.
  // Throws Failure when the file cannot be mapped.
  MappedFile(int descriptor, uint64_t size, std::string path) : path_(std::move(path)) {
    if (const int error = map(descriptor, size)) refuse_mapping(error);
  }
  ~MappedFile() {
    if (data_) ::munmap(const_cast<char*>(data_), size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* data() const { return data_; }  // null for an empty file
  uint64_t size() const { return size_; }
  std::string_view bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  int map(int descriptor, uint64_t size) noexcept {  // errno, or 0
    if (size == 0) return 0;
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (memory == MAP_FAILED) return errno;
    data_ = static_cast<const char*>(memory);
    size_ = size;
    return 0;
  }
  [[noreturn]] void refuse_mapping(int error) const { refuse(std::string("the file cannot be mapped: ") + std::strerror(error)); }
  [[noreturn]] void refuse(std::string text) const {
    Diagnostic d;
    d.text = std::move(text);
    d.location = path_;
    throw Failure(LATHE_FAILED, std::move(d));
  }
  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lathe::sdk
