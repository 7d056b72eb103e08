// The plugin's parts: an inspector.
#include <lathe/mapped_file.hpp>
#include <lathe/plugin.hpp>

#include "file.hpp"

namespace lathe::n2x {
namespace {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return is_n2x({reinterpret_cast<const char*>(head.bytes), head.size}) ? 100 : 0; }
  static std::string inspect(const sdk::Host&, const std::string& path) {
    const sdk::MappedFile file(path);
    return describe(read_model(file.bytes(), path));
  }
};

}  // namespace
}  // namespace lathe::n2x

LATHE_PLUGIN("n2x", "1.0.0", "The Lathe authors", "Reads .n2x files of the N2X runtime.", lathe::sdk::InspectorPart<lathe::n2x::Inspector>)
