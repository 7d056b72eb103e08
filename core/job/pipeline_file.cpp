// The three places a target's pipeline is looked for.
#include "core/job/pipeline_file.hpp"

#include <filesystem>

#include "core/base/diagnostic.hpp"

namespace lathe {

std::string default_pipeline(const Plugins& plugins, const Manifest& target) {
  std::string folder = plugins.share_directory() + "/pipelines/";
  for (const std::string& file : {target.pipeline, folder + target.name + ".yaml", folder + "default.yaml"})
    if (!file.empty() && std::filesystem::exists(file)) return file;
  throw Error(Code::failed, "the installation lacks '" + folder + "default.yaml'", "install Lathe again, or name a file with --pipeline");
}

}  // namespace lathe
