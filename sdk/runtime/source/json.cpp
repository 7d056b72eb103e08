// JSON in place: checking the whole text once, then walking it by skipping values.
#include "json.hpp"

#include <stdlib.h>
#include <string.h>

namespace lathe::runtime {
namespace {

constexpr int deepest = 64;

const char* skip_space(const char* p) {
  while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') ++p;
  return p;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Each skip_ function returns what follows, or NULL when the text is no JSON. The terminating 0 stops every loop.
const char* skip_string(const char* p) {
  if (*p++ != '"') return nullptr;
  while (*p != '"') {
    if (static_cast<unsigned char>(*p) < 0x20) return nullptr;
    if (*p++ != '\\') continue;
    if (*p == 'u') {
      for (int i = 1; i <= 4; ++i)
        if (hex(p[i]) < 0) return nullptr;
      p += 5;
    } else if (*p && strchr("\"\\/bfnrt", *p)) {
      ++p;
    } else {
      return nullptr;
    }
  }
  return p + 1;
}

const char* skip_number(const char* p) {
  if (*p == '-') ++p;
  if (!is_digit(*p)) return nullptr;
  while (is_digit(*p)) ++p;
  if (*p == '.') {
    if (!is_digit(*++p)) return nullptr;
    while (is_digit(*p)) ++p;
  }
  if (*p == 'e' || *p == 'E') {
    ++p;
    if (*p == '+' || *p == '-') ++p;
    if (!is_digit(*p)) return nullptr;
    while (is_digit(*p)) ++p;
  }
  return p;
}

const char* skip_value(const char* p, int depth) {
  if (depth > deepest) return nullptr;
  if (*p == '"') return skip_string(p);
  if (*p == '-' || is_digit(*p)) return skip_number(p);
  static const char* const words[] = {"true", "false", "null"};
  for (const char* word : words)
    if (strncmp(p, word, strlen(word)) == 0) return p + strlen(word);
  const bool object = *p == '{';
  if (!object && *p != '[') return nullptr;
  const char close = object ? '}' : ']';
  p = skip_space(p + 1);
  if (*p == close) return p + 1;
  for (;;) {
    if (object) {
      p = skip_string(p);
      if (!p) return nullptr;
      p = skip_space(p);
      if (*p++ != ':') return nullptr;
      p = skip_space(p);
    }
    p = skip_value(p, depth + 1);
    if (!p) return nullptr;
    p = skip_space(p);
    if (*p == close) return p + 1;
    if (*p++ != ',') return nullptr;
    p = skip_space(p);
  }
}

// Appends a code point as UTF-8; false: no room for it and the terminator.
bool append(uint32_t c, char** out, const char* end) {
  char bytes[4];
  int n = 0;
  if (c < 0x80) {
    bytes[n++] = static_cast<char>(c);
  } else if (c < 0x800) {
    bytes[n++] = static_cast<char>(0xc0 | (c >> 6));
    bytes[n++] = static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    bytes[n++] = static_cast<char>(0xe0 | (c >> 12));
    bytes[n++] = static_cast<char>(0x80 | ((c >> 6) & 63));
    bytes[n++] = static_cast<char>(0x80 | (c & 63));
  } else {
    bytes[n++] = static_cast<char>(0xf0 | (c >> 18));
    bytes[n++] = static_cast<char>(0x80 | ((c >> 12) & 63));
    bytes[n++] = static_cast<char>(0x80 | ((c >> 6) & 63));
    bytes[n++] = static_cast<char>(0x80 | (c & 63));
  }
  if (end - *out <= n) return false;
  memcpy(*out, bytes, static_cast<size_t>(n));
  *out += n;
  return true;
}

uint32_t four_digits(const char* p) {
  uint32_t c = 0;
  for (int i = 0; i < 4; ++i) c = c * 16 + static_cast<uint32_t>(hex(p[i]));
  return c;
}

}  // namespace

Json parse_json(const char* text, size_t size) {
  const char* begin = skip_space(text);
  const char* end = skip_value(begin, 0);
  return end && skip_space(end) == text + size ? Json{begin} : Json{};
}

Json first(Json array) {
  if (!array || *array.at != '[') return {};
  const char* p = skip_space(array.at + 1);
  return *p == ']' ? Json{} : Json{p};
}

Json next(Json element) {
  if (!element) return {};
  const char* p = skip_space(skip_value(element.at, 0));
  return *p == ',' ? Json{skip_space(p + 1)} : Json{};
}

Json member(Json object, const char* key) {
  if (!object || *object.at != '{') return {};
  const char* p = skip_space(object.at + 1);
  const size_t length = strlen(key);
  while (*p == '"') {
    const char* after = skip_string(p);
    const bool found = static_cast<size_t>(after - p) == length + 2 && memcmp(p + 1, key, length) == 0;
    p = skip_space(skip_space(after) + 1);
    if (found) return {p};
    p = skip_space(skip_value(p, 0));
    if (*p == ',') p = skip_space(p + 1);
  }
  return {};
}

bool text(Json string, char* out, size_t size) {
  if (!string || *string.at != '"' || size == 0) return false;
  const char* end = out + size;
  for (const char* p = string.at + 1; *p != '"'; ++p) {
    uint32_t c = static_cast<unsigned char>(*p);
    if (c != '\\') {
      if (end - out <= 1) return false;
      *out++ = *p;
      continue;
    }
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (*++p != 'u') {
      c = static_cast<unsigned char>(meanings[strchr(names, *p) - names]);
    } else {
      c = four_digits(p + 1);
      p += 4;
      if (c >= 0xd800 && c < 0xdc00 && p[1] == '\\' && p[2] == 'u') {
        c = 0x10000 + ((c - 0xd800) << 10) + ((four_digits(p + 3) - 0xdc00) & 0x3ff);
        p += 6;
      }
      if (c == 0) return false;  // would end the name early
    }
    if (!append(c, &out, end)) return false;
  }
  *out = 0;
  return true;
}

bool number(Json value, int64_t* out) {
  if (!value || (*value.at != '-' && !is_digit(*value.at))) return false;
  char* end;
  *out = strtoll(value.at, &end, 10);
  return end == skip_number(value.at);
}

}  // namespace lathe::runtime
