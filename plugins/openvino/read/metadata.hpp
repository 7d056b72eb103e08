// metadata.yaml beside a model, as Ultralytics' export writes it, as properties of the graph.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lathe::openvino {

// Keys and values; lists and maps as Python writes them ("[640, 640]", "{0: 'person'}"), which is how models carry them elsewhere. Empty when the
// text is no such file: it is about the model, and the model does not need it.
std::vector<std::pair<std::string, std::string>> read_metadata(const std::string& yaml);

}  // namespace lathe::openvino
