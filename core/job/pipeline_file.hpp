// Which pipeline file a target uses when --pipeline names none.
#pragma once
#include <string>

#include "core/plugin/plugins.hpp"

namespace lathe {

// Beside the plugin (<name>.pipeline.yaml), else share/lathe/pipelines/<name>.yaml, else share/lathe/pipelines/default.yaml. Throws
// Error(failed) when there is none of them: the installation is broken.
std::string default_pipeline(const Plugins& plugins, const Manifest& target);

}  // namespace lathe
