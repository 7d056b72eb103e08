// Plain Python values of a checkpoint: numbers, texts, and what people are shown of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pickle.hpp"

namespace lathe::ultralytics {

bool is_global(const PickleValue& value, std::string_view module, std::string_view name);

// Of booleans, integers, reals, and numpy's scalars; nullopt for everything else.
std::optional<double> number(const Pickle& pickle, PickleId id);
// A number as a whole one: cut towards 0, and to the range in which doubles are exact.
int64_t whole(double value);
std::optional<std::string> text(const Pickle& pickle, PickleId id);

// Bytes, in both forms in which Python writes them: as they are, and (protocols 0 to 2) as a call that encodes a text.
std::optional<std::string> bytes(const Pickle& pickle, PickleId id);

// A value as text, for people: numbers, texts, paths, and lists and dictionaries of them `depth` deep; what else was to be constructed is
// named. At most some 20,000 bytes, without control characters.
std::string describe(const Pickle& pickle, PickleId id, int depth = 4);

// `text` without what would move a terminal's cursor, and no longer than `most` bytes.
std::string printable(std::string_view text, size_t most = 4096);

}  // namespace lathe::ultralytics
