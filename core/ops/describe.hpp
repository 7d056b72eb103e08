// Signatures in words, for tables and pages.
#pragma once
#include <string>

#include "core/ops/operator.hpp"

namespace lathe {

// "Conv", "com.example.Scale"
std::string full_name(const Operator& op);
// "T: floats, int8; Tind: int32, int64". Sets that the standard names are named: floats, integers, numbers, every type.
std::string types_in_words(const Operator& op);
// "(X: T, W: T, B: T?) -> (Y: T)": '?' marks what is optional, '...' what is repeated.
std::string signature_in_words(const Operator& op);
std::string_view name(AttributeKind kind);  // "int", "floats", "string", ...

// The page of all operators in Markdown, by domain and name. `engines[i]` says who runs list[i].
std::string operator_page(const std::vector<const Operator*>& list, const std::vector<std::string>& engines);

}  // namespace lathe
