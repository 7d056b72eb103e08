// Python literals: the toolkit leaves a description of its tensors in a file as Python prints a dictionary.
#pragma once
#include <nlohmann/json.hpp>
#include <string_view>

namespace lathe::rknn {

// Dictionaries, lists, tuples, strings, numbers, True, False, None, nan and inf (which become null). Nothing is evaluated. A discarded value where
// the text is something else or nested deeper than 50.
nlohmann::json parse_python(std::string_view text);

}  // namespace lathe::rknn
