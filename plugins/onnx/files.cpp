// Mapping files, and the walls around external data.
#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <lathe/plugin.hpp>

#include "problems.hpp"

namespace lathe::onnx_plugin {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// O_NONBLOCK so that a pipe that poses as a file cannot make us wait.
int open_for_reading(const std::string& path, int flags = 0) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags); }

[[noreturn]] void refuse(std::string text, const std::string& location, std::string hint = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = location;
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

// Where an open file really lies, whatever links led to it. Asking the open descriptor leaves no moment in which a link can change.
std::string real_path(const Descriptor& descriptor) {
  std::string path(4096, '\0');
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor.get());
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0 || static_cast<size_t>(length) >= path.size()) return {};
  path.resize(static_cast<size_t>(length));
  return path;
}

std::unique_ptr<MappedFile> open_named(const std::string& path, const std::string& what, const std::string& hint) {
  const Descriptor file(open_for_reading(path));
  if (!file.valid()) refuse("the " + what + " file cannot be opened: " + std::strerror(errno), path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) refuse("the " + what + " file cannot be read: " + std::strerror(errno), path);
  if (!S_ISREG(status.st_mode)) refuse("this is no regular file", path, hint);
  return std::make_unique<MappedFile>(file.get(), static_cast<uint64_t>(status.st_size), path);
}

}  // namespace

std::unique_ptr<MappedFile> open_model(const std::string& path) {
  auto file = open_named(path, "model", "name the .onnx file itself");
  if (file->size() == 0) refuse("the file is empty", path, "export or download the model again");
  return file;
}

std::unique_ptr<MappedFile> open_tensor_file(const std::string& path) { return open_named(path, "tensor", "name the .pb file itself"); }

ModelFolder::ModelFolder(const std::string& model_path) {
  const size_t slash = model_path.rfind('/');
  directory_ = slash == std::string::npos ? "." : slash == 0 ? "/" : model_path.substr(0, slash);
}

MappedFile& ModelFolder::open(const std::string& location) {
  if (const auto found = files_.find(location); found != files_.end()) return *found->second;

  static const std::string hint = "external data must lie in the folder of the model, or below it";
  if (location.empty()) refuse("external data without a location", directory_, hint);
  if (location.find('\0') != std::string::npos) refuse("the location of external data holds a NUL byte", directory_, hint);
  if (location.front() == '/') refuse("external data at an absolute path is refused: " + quoted(location), directory_, hint);
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    if (std::string_view(location).substr(begin, end - begin) == "..")
      refuse("external data outside the model's folder is refused: " + quoted(location), directory_, hint);
    begin = end + 1;
  }

  const std::string path = directory_ + "/" + location;
  const Descriptor folder(open_for_reading(directory_, O_DIRECTORY));
  const Descriptor file(open_for_reading(path));
  if (!file.valid()) {
    refuse("the external data " + quoted(location) + " cannot be opened: " + std::strerror(errno), path,
           "put the data file beside the model, under the name that the model gives it");
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) refuse("the external data " + quoted(location) + " is no regular file", path);
  const std::string inside = real_path(folder);
  const std::string real = real_path(file);
  const std::string wall = inside == "/" ? inside : inside + "/";
  if (inside.empty() || real.compare(0, wall.size(), wall) != 0)
    refuse("the external data " + quoted(location) + " is a link that leads out of the model's folder", path, hint);
  // Where else a hard link leads cannot be seen from here.
  if (status.st_nlink > 1) {
    refuse("the external data " + quoted(location) + " is a hard link: the same file has other names, perhaps outside the model's folder", path,
           "replace it by a copy");
  }
  auto mapped = std::make_unique<MappedFile>(file.get(), static_cast<uint64_t>(status.st_size), real);
  return *files_.emplace(location, std::move(mapped)).first->second;
}

}  // namespace lathe::onnx_plugin
