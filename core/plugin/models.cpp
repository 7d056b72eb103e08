// See models.hpp.
#include "core/plugin/models.hpp"

#include <algorithm>
#include <filesystem>

#include "core/base/diagnostic.hpp"
#include "core/job/backend.hpp"

namespace lathe {
namespace {
namespace fs = std::filesystem;

// A target whose artifact is a file that its own frontend reads: an open format.
const Manifest* writer_of(Plugins& plugins, std::string_view extension) {
  for (const Manifest& m : plugins.manifests()) {
    if (!m.has_part("backend/1") || !m.has_part("frontend/1") || m.emits.empty() || m.devices.empty()) continue;
    if (std::find(m.extensions.begin(), m.extensions.end(), extension) != m.extensions.end()) return &m;
  }
  return nullptr;
}

}  // namespace

void write_model_with_plugin(Plugins& plugins, const Graph& graph, std::string_view extension, const std::string& path) {
  const Manifest* manifest = writer_of(plugins, extension);
  if (!manifest)
    throw Error(Code::unsupported, "no installed plugin writes ." + std::string(extension) + " files", "'lathe plugin list' shows what is installed");
  const fs::path file(path);
  if (!file.is_absolute() || file.extension() != "." + std::string(extension))
    throw Error(Code::internal, "a model was to be written to '" + path + "'",
                "an absolute path that ends in ." + std::string(extension) + " is wanted");
  ResolvedTarget target;
  target.manifest = manifest;
  target.device = manifest->devices.front().name;
  target.precision = manifest->devices.front().precisions.front();
  for (const auto& [name, value] : resolve_options(manifest->name, manifest->options, {})) target.settings.push_back({name, value, false});
  std::error_code ignored;
  fs::remove(file, ignored);
  const CompiledRegion written =
      Backend(plugins.load(manifest->name), target, manifest->emits.front(), file.stem().string()).compile(graph, file.parent_path().string());
  if (written.artifact != file.filename().string())
    throw Error(Code::internal,
                "plugin '" + manifest->name + "' wrote '" + written.artifact + "' where '" + file.filename().string() + "' was wanted");
}

}  // namespace lathe
