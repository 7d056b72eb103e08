// MXPACK: MemryX's self-describing binary values, in which a .dfp file holds its description. Read after what the vendor's open runtime
// (memryx/MxAccl, mxpack) takes; unlike it, nothing here is followed before it is held against the file.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lathe::memryx {

// A value, its first byte the type. Binary values, which may be large, become {"offset": within `bytes`, "size": N}; lists and arrays become lists,
// or
// {"count": N} where they have more than 4096 numbers. Throws std::runtime_error with a part of a sentence ("a list is longer than the file") for
// what is damaged, nested deeper than 32, or has more than a million values. `end` is set behind the value.
nlohmann::json read_mxpack(std::string_view bytes, size_t& end);

}  // namespace lathe::memryx
