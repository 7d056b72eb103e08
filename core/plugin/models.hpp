// Service models/1: a graph that a plugin holds, written as a model file by whichever installed plugin writes that format.
#pragma once
#include <string>
#include <string_view>

#include "core/plugin/plugins.hpp"

namespace lathe {

// `path` is absolute; a file of that name is replaced. Throws Error(unsupported) when no installed plugin both reads and writes files with that
// extension, and what the writer reports.
void write_model_with_plugin(Plugins& plugins, const Graph& graph, std::string_view extension, const std::string& path);

}  // namespace lathe
