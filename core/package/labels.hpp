// Class names out of a model's metadata.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lathe {

// Reads what exporters write into "names": a Python dictionary literal ({0: 'person', 1: "it's"}; Ultralytics), a JSON object
// ({"0": "person"}), or a list of either kind (["person", ...], numbered from 0). Empty when the text is none of these.
std::map<int64_t, std::string> parse_class_names(std::string_view text);

// {"0": "person", ...}, as DeGirum's PySDK reads it.
std::string labels_json(const std::map<int64_t, std::string>& names);

}  // namespace lathe
