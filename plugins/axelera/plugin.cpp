// The plugin's parts: the target and an inspector of what axcompile leaves.
#include <lathe/mapped_file.hpp>
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "result.hpp"

namespace lathe::axelera {
namespace {

Kind kind(const unsigned char* bytes, size_t size, std::string_view path) {
  return kind_of({reinterpret_cast<const char*>(bytes), size}, path.substr(path.rfind('/') + 1));
}

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) {
    const Kind found = kind(head.bytes, head.size, head.path);
    return found == Kind::none ? 0 : found == Kind::axm ? 60 : 90;
  }
  static std::string inspect(const sdk::Host&, const std::string& path) {
    const sdk::MappedFile file(path);
    const Kind found = kind(reinterpret_cast<const unsigned char*>(file.data()), file.size() < 4096 ? file.size() : 4096, path);
    if (found == Kind::none)
      throw sdk::Failure(LATHE_FAILED, "this is no file of axcompile's", "an .axm file, manifest.json, compilation_report.json");
    return describe(found, file.bytes(), path);
  }
};

}  // namespace
}  // namespace lathe::axelera

LATHE_PLUGIN("axelera", "1.0.0", "The Lathe authors",
             "Has axcompile compile models for Axelera's METIS, and reads what "
             "it leaves.",
             lathe::sdk::BackendPart<lathe::axelera::Backend>, lathe::sdk::InspectorPart<lathe::axelera::Inspector>)
