// An artifact in an open format, run without its runtime: the frontend that knows the format reads it, and the reference engine runs the graph.
#pragma once
#include <memory>
#include <string>

#include "core/plugin/plugins.hpp"

namespace lathe {

// Loads with the executor that knows the file. Where that reports that its runtime is absent and a frontend reads the file, the artifact is read
// back instead, and `stand_in` (unless null) gets the sentence that says so.
std::unique_ptr<Executable> load_or_read_back(Plugins& plugins, const std::string& path, unsigned threads, bool profile, std::string* stand_in);

// A graph as the reference engine runs it. Shares the constants' bytes with `graph`.
std::unique_ptr<Executable> reference_executable(const Graph& graph, unsigned threads);

}  // namespace lathe
