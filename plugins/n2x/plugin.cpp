// The plugin's parts: the target and an inspector of .n2x files.
#include <lathe/mapped_file.hpp>
#include <lathe/plugin.hpp>

#include "backend.hpp"
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

LATHE_PLUGIN("n2x", "1.0.0", "The Lathe authors",
             "Packages .n2x files of DeGirum's N2X runtime, reads them, and drives a private compiler where one is given.",
             lathe::sdk::BackendPart<lathe::n2x::Backend>, lathe::sdk::InspectorPart<lathe::n2x::Inspector>)
