// What travels with a model beside its numbers: a table of metadata within the file, and files in a ZIP archive behind it, as TensorFlow
// Lite's metadata library and Ultralytics' runtime read them.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model.hpp"

namespace lathe::tflite {

// Class names from the metadata property `names`, a dictionary {0: 'person', ...} or a list; empty where it is neither.
std::vector<std::string> parse_names(std::string_view text);

// The table for Model::metadata under TFLITE_METADATA; says that labels.txt labels the outputs.
std::string write_metadata(const Subgraph& graph, const std::string& name, bool has_labels);

// A ZIP archive of stored files with these names and contents; `offset` is where it begins in the whole file.
std::string write_archive(const std::vector<std::pair<std::string, std::string>>& files, size_t offset);

// The files of an archive behind a model, at most a few megabytes each; what is damaged is left out.
std::vector<std::pair<std::string, std::string>> read_archive(std::string_view file);

// Properties of a model: what metadata.json or a label file in its archive says. Damaged archives give none.
std::map<std::string, std::string> read_properties(std::string_view file);

}  // namespace lathe::tflite
