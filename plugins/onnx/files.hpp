// Files as read-only memory: the model itself, and the external data beside it.
#pragma once
#include <cstdint>
#include <lathe/plugin.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "lathe/mapped_file.hpp"

namespace lathe::onnx_plugin {

class MappedFile : public sdk::MappedFile {
 public:
  using sdk::MappedFile::MappedFile;
  // Bytes of it that were copied because they are not aligned; a sound file is copied at most once.
  uint64_t copied = 0;
};

// Opens the model file that the person named. Throws sdk::Failure: not there, not readable, a folder, empty.
std::unique_ptr<MappedFile> open_model(const std::string& path);
// Likewise; an empty one is a sequence without elements.
std::unique_ptr<MappedFile> open_tensor_file(const std::string& path);

// External data of one model: files inside the model's own folder and nowhere else, each mapped once.
class ModelFolder {
 public:
  explicit ModelFolder(const std::string& model_path);
  // Throws sdk::Failure when `location` is absolute, has "..", leads out of the folder through a link, is no regular file, or has
  // hard links elsewhere: a file that says it is a model must not be able to read what its folder does not hold.
  MappedFile& open(const std::string& location);

 private:
  std::string directory_;
  std::map<std::string, std::unique_ptr<MappedFile>, std::less<>> files_;
};

}  // namespace lathe::onnx_plugin
