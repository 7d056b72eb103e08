// The plugin's parts: the target and an inspector of .dxnn files.
#include <lathe/mapped_file.hpp>
#include <lathe/plugin.hpp>

#include "backend.hpp"
#include "file.hpp"

namespace lathe::deepx {
namespace {

class Inspector {
 public:
  static int recognise(const sdk::FileHead& head) { return is_dxnn({reinterpret_cast<const char*>(head.bytes), head.size}) ? 100 : 0; }
  static std::string inspect(const sdk::Host&, const std::string& path) {
    const sdk::MappedFile file(path);
    return describe(read_model(file.bytes(), path));
  }
};

}  // namespace
}  // namespace lathe::deepx

LATHE_PLUGIN("deepx", "1.0.0", "The Lathe authors", "Has DX-COM compile models for DEEPX's NPUs, and reads what it writes.",
             lathe::sdk::BackendPart<lathe::deepx::Backend>, lathe::sdk::InspectorPart<lathe::deepx::Inspector>)
