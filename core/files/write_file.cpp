// Whole-file reading and writing over POSIX calls, so that errno is at hand for the sentence.
#include "core/files/write_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

SystemProblem explain_errno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return {"the disk is full", "free some space, or choose another folder with -o"};
    case EFBIG:
      return {"the file would be larger than the limit set for this process allows",
              "raise it with 'ulimit -f unlimited', or choose another folder with -o"};
    case EACCES:
    case EPERM:
      return {"permission denied", "check who owns it, or choose another path"};
    case EROFS:
      return {"the file system is read-only", "choose another folder with -o"};
    case ENOENT:
      return {"no such file or folder", "check the path"};
    case ENOTDIR:
      return {"a part of the path is a file, not a folder", "check the path"};
    case EISDIR:
      return {"it is a folder", "name a file"};
    case ENAMETOOLONG:
      return {"the name is too long", "choose a shorter one"};
    case EMFILE:
    case ENFILE:
      return {"too many files are open", "raise the limit with 'ulimit -n'"};
    default:
      return {std::strerror(error), ""};
  }
}

void fail_errno(std::string_view what, const std::string& path, int error) {
  SystemProblem problem = explain_errno(error);
  throw Error(Code::failed, "cannot " + std::string(what) + " '" + path + "': " + problem.reason, problem.hint);
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  std::string temporary = path + ".part";
  {
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) fail_errno("write", path, errno);
    for (size_t done = 0; done < bytes.size();) {
      ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        int error = errno;
        ::unlink(temporary.c_str());
        fail_errno("write", path, error);
      }
      done += static_cast<size_t>(n);
    }
    int fd = std::exchange(file.fd, -1);
    if (::close(fd) != 0) {
      int error = errno;
      ::unlink(temporary.c_str());
      fail_errno("write", path, error);
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    int error = errno;
    ::unlink(temporary.c_str());
    fail_errno("write", path, error);
  }
}

void write_file(const std::string& path, std::string_view text) { write_file(path, std::as_bytes(std::span(text.data(), text.size()))); }

std::string read_text_file(const std::string& path, size_t limit) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_errno("read", path, errno);
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail_errno("read", path, errno);
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) fail_errno("read", path, S_ISDIR(status.st_mode) ? EISDIR : EINVAL);
  std::string text;
  char block[16384];
  for (;;) {
    ssize_t n = ::read(file.fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno("read", path, errno);
    if (n == 0) return text;
    text.append(block, static_cast<size_t>(n));
    if (text.size() > limit) throw Error(Code::failed, "'" + path + "' is larger than the " + std::to_string(limit) + " bytes such a file may have");
  }
}

std::string safe_file_name(std::string_view name) {
  std::string safe;
  for (char c : name.substr(0, 200)) {
    bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '+' || c == '=';
    safe += plain || static_cast<unsigned char>(c) >= 0x80 ? c : '_';
  }
  if (safe.empty()) safe = "_";
  if (safe[0] == '.') safe[0] = '_';
  return safe;
}

}  // namespace lathe
