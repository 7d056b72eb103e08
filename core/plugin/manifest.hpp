// A plugin's manifest `<name>.plugin.yaml`: parsed and checked without loading the plugin; compared with its tables once it is loaded.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/plugin/plugins.hpp"

namespace lathe {

// One manifest. `file` is its absolute path; library and pipeline are looked for beside it. Throws Error(failed) that names every problem
// with file:line:column; unknown keys are problems.
Manifest parse_manifest(std::string_view yaml, const std::string& file);
Manifest read_manifest(const std::string& file);

// Several manifests as YAML documents of one text (share/lathe/known-targets.yaml).
std::vector<Manifest> parse_manifests(std::string_view yaml, const std::string& file);

// What the plugin's tables say, in the manifest's form; file, library and pipeline are empty. The tables' sizes and pointers were checked.
Manifest describe_tables(const lathe_plugin& table);

// A part's options in the manifest's form.
std::vector<OptionSpec> describe_options(const lathe_option* options, size_t count, size_t stride);

// Every difference between the two as a sentence: "devices: the manifest says ..., the library says ...".
std::vector<std::string> differences(const Manifest& manifest, const Manifest& table);

}  // namespace lathe
