// The runtime's JSON reader: what it accepts, what it refuses, and that it finds members and elements.
#include "sdk/runtime/source/json.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace lathe::runtime;

namespace {
bool valid(const std::string& s) { return static_cast<bool>(parse_json(s.c_str(), s.size())); }
}  // namespace

TEST_CASE("JSON is told from what is none") {
  for (const char* good : {"{}", "[]", " [1, -2.5e3, \"a\\u00e4\\n\", true, false, null] ", R"({"a": {"b": [[], {}]}})", "0", "\"\""})
    CHECK_MESSAGE(valid(good), good);
  for (const char* bad :
       {"", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{a: 1}", "[1 2]", "\"\\x\"", "\"\\u12g4\"", "\"open", "tru", "[1]]", "-", "1.", "1e", "\"\t\""})
    CHECK_FALSE_MESSAGE(valid(bad), bad);
}

TEST_CASE("deep nesting is refused, not followed") {
  CHECK(valid(std::string(60, '[') + std::string(60, ']')));
  CHECK_FALSE(valid(std::string(100000, '[') + std::string(100000, ']')));
}

TEST_CASE("members and elements") {
  const std::string s = R"({"skip": {"key": 1}, "key": ["x", {"n": 42}, "\u00e4\ud83d\ude00\"\\"], "last": -7})";
  const Json root = parse_json(s.c_str(), s.size());
  REQUIRE(root);
  int64_t n = 0;
  CHECK(number(member(root, "last"), &n));
  CHECK(n == -7);
  CHECK_FALSE(member(root, "missing"));
  CHECK_FALSE(member(root, "ke"));
  const Json list = member(root, "key");
  const Json x = first(list);
  char out[32];
  CHECK(text(x, out, sizeof out));
  CHECK(std::string(out) == "x");
  const Json object = next(x);
  CHECK(number(member(object, "n"), &n));
  CHECK(n == 42);
  const Json escaped = next(object);
  CHECK(text(escaped, out, sizeof out));
  CHECK(std::string(out) == "\xc3\xa4\xf0\x9f\x98\x80\"\\");
  CHECK_FALSE(text(escaped, out, 8));
  CHECK_FALSE(next(escaped));
  CHECK_FALSE(first(root));
  CHECK_FALSE(text(object, out, sizeof out));
}
