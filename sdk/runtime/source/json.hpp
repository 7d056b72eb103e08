// Reads JSON (RFC 8259) in place: enough for a package's model JSON, without allocation or the C++ library. A value is a cursor into the text, which
// was checked as a whole by parse_json() before; so the functions below cannot run off its end.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace lathe::runtime {

struct Json {
  const char* at = nullptr;  // the value's first character, or NULL: there is none
  explicit operator bool() const { return at != nullptr; }
};

// The text's value, or none when it is not JSON (or nested deeper than 64). text[size] must be 0.
Json parse_json(const char* text, size_t size);

Json member(Json object, const char* key);  // none: no object, or no such key
Json first(Json array);                     // none: no array, or an empty one
Json next(Json element);                    // the element after it; none: the last
// Writes the string's characters, terminated; false: no string, or it does not fit.
bool text(Json string, char* out, size_t size);
bool number(Json value, int64_t* out);  // false: no whole number

}  // namespace lathe::runtime
