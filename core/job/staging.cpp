// Staging over rename(2) and, where something older stands in the way, renameat2(2) with RENAME_EXCHANGE.
#include "core/job/staging.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/base/diagnostic.hpp"
#include "core/files/write_file.hpp"

namespace lathe {
namespace fs = std::filesystem;

Staging::Staging(const std::string& parent) : parent_(fs::absolute(parent).lexically_normal().string()) {
  if (parent_.size() > 1 && parent_.ends_with('/')) parent_.pop_back();
  for (fs::path at = parent_; !at.empty() && !fs::exists(fs::symlink_status(at)); at = at.parent_path()) made_ = at.string();
  std::error_code error;
  fs::create_directories(parent_, error);
  if (error) fail_errno("make the folder", parent_, error.value());
  std::string name = parent_ + "/.lathe-XXXXXX";
  if (!::mkdtemp(name.data())) {
    int problem = errno;
    if (!made_.empty()) fs::remove_all(made_, error);
    fail_errno("write into", parent_, problem);
  }
  path_ = name;
  ::chmod(path_.c_str(), 0755);
}

Staging::~Staging() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (published_ || made_.empty()) return;
  for (fs::path at = parent_; at.string().size() >= made_.size(); at = at.parent_path())
    if (::rmdir(at.c_str()) != 0) break;
}

void Staging::publish_folder(const std::string& name) {
  std::string destination = parent_ + "/" + name;
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, destination.c_str(), RENAME_NOREPLACE) == 0) {
    published_ = true;
    return;
  }
  if (errno != EEXIST && errno != EINVAL && errno != ENOSYS) fail_errno("write", destination, errno);
  std::error_code error;
  bool package =
      fs::is_directory(fs::symlink_status(destination)) && (fs::exists(destination + "/manifest.json") || fs::is_empty(destination, error));
  if (fs::exists(fs::symlink_status(destination)) && !package) {
    throw Error(Code::failed, "'" + destination + "' is in the way: it is no package that Lathe wrote",
                "move it away, or choose another folder with -o");
  }
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, destination.c_str(), RENAME_EXCHANGE) == 0) {
    published_ = true;  // what is at path_ now is the older package; the destructor removes it
    return;
  }
  // File systems without exchange: two renames, the older package kept until the newer one stands.
  std::string older = path_ + ".old";
  if (::rename(destination.c_str(), older.c_str()) != 0 && errno != ENOENT) fail_errno("replace", destination, errno);
  if (::rename(path_.c_str(), destination.c_str()) != 0) {
    int problem = errno;
    ::rename(older.c_str(), destination.c_str());
    fail_errno("write", destination, problem);
  }
  published_ = true;
  fs::remove_all(older, error);
}

void Staging::publish_file(const std::string& file, const std::string& destination) {
  std::string source = path_ + "/" + file;
  if (::rename(source.c_str(), destination.c_str()) != 0) fail_errno("write", destination, errno);
  published_ = true;
}

}  // namespace lathe
