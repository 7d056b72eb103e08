// The keys of a model's JSON as DeGirum's PySDK reads it: one table, which the writer, `lathe zoo verify` and tests share.
//
// Source: the key list of DeGirum's C++ SDK (dg_model_parameters.inc). Since which ConfigVersion a key is read is said nowhere; `seen_in` is the
// lowest version among public packages that carry it.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/base/diagnostic.hpp"

namespace lathe {

enum class KeyType { boolean, integer, number, text, integers, numbers, texts, object, nested };

struct PackageKey {
  const char* section;  // "" for the top level, else "DEVICE", ...
  const char* name;
  KeyType type;
  int seen_in;               // 0: in no public package
  const char* choices = "";  // words of a text, joined by '|'; empty: any
};
std::span<const PackageKey> package_keys();

inline constexpr int newest_config_version = 12;  // beyond it a framework refuses a package
// For keys that no public package has: the version of the newest ones.
inline constexpr int unseen_config_version = 11;

// The lowest ConfigVersion that carries every key of the document.
int lowest_config_version(const nlohmann::ordered_json& document);

// Everything in the document that PySDK would not read or would misunderstand: errors; what is only odd: warnings. A key that stands in no table is
// an error, unless the package brings code of its own (PythonFile), which may read it. The key "lathe" is ours and passed over.
std::vector<Diagnostic> check_package_document(const nlohmann::ordered_json& document, const std::string& source);

}  // namespace lathe
