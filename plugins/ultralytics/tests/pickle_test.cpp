// The pickle machine: what it builds, and what it refuses.
#include "pickle.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

#include "files.hpp"

using namespace lathe::ultralytics;
using namespace lathe::ultralytics::test;
using Kind = PickleValue::Kind;

namespace {
const std::string start = "\x80\x02";

std::string complaint(const std::string& bytes) {
  try {
    Pickle(bytes, "a.pt");
    return "accepted";
  } catch (const lathe::sdk::Failure& failure) {
    return failure.what();
  }
}
bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("plain values") {
  // {'a': [1, -2, 2.5, None, True], 'b': ('x', b'y')}, as Python 3 writes it in protocol 4
  const std::string bytes = std::string("\x80\x04}(") + text("a") + "](K\x01" + integer(-2) + std::string("G\x40\x04\0\0\0\0\0\0", 9) + "N\x88" +
                            "e" + text("b") + text("x") + "C\x01y" + "\x86u.";
  const Pickle p(bytes, "a.pt");
  const PickleValue& a = p[find_key(p, p.root(), "a")];
  REQUIRE(a.items.size() == 5);
  CHECK(p[a.items[0]].integer == 1);
  CHECK(p[a.items[1]].integer == -2);
  CHECK(p[a.items[2]].real == 2.5);
  CHECK(p[a.items[3]].kind == Kind::none);
  CHECK(p[a.items[4]].integer == 1);
  const PickleValue& b = p[find_key(p, p.root(), "b")];
  CHECK(b.kind == Kind::tuple);
  CHECK(p[b.items[1]].text == "y");
  CHECK(find_key(p, p.root(), "c") == no_pickle);
}

TEST_CASE("integers of any length") {
  CHECK(Pickle(start + "\x8a\x01\xff.", "a")[0].integer == -1);
  CHECK(Pickle(start + std::string("\x8a\x02\x00\x80.", 5), "a")[0].integer == -32768);
  CHECK(Pickle(start + "\x8a\x09" + std::string(9, '\x7f') + ".", "a")[0].kind == Kind::big);
  CHECK(Pickle("I42\n.", "a")[0].integer == 42);
  CHECK(Pickle("I01\n.", "a")[0].kind == Kind::boolean);
  CHECK(Pickle("L-7L\n.", "a")[0].integer == -7);
}

TEST_CASE("what would run in Python stays a record") {
  const std::string call = start + global("os", "system") + text("touch /tmp/owned") + "\x85R.";
  const Pickle p(call, "a.pt");
  const PickleValue& v = p[p.root()];
  CHECK(v.kind == Kind::call);
  CHECK(p[v.items[0]].text == "os");
  CHECK(p[v.items[0]].name == "system");
  CHECK(p.globals() == std::vector<std::string>{"os.system"});
  // getattr(__import__('os'), 'system')('...')
  const std::string chain = start + global("builtins", "getattr") + global("builtins", "__import__") + text("os") + "\x85R" + text("system") +
                            "\x86R" + text("id") + "\x85R.";
  CHECK(Pickle(chain, "a.pt").globals().size() == 2);
  // The old forms: INST and OBJ, and BUILD.
  CHECK(Pickle("(S'id'\nios\nsystem\n.", "a.pt")[0].kind == Kind::text);
  CHECK(Pickle("(" + global("os", "system") + "S'id'\no}b.", "a.pt").globals().size() == 1);
}

TEST_CASE("objects keep their state and contents") {
  const std::string bytes = start + global("collections", "OrderedDict") + ")R(" + text("k") + "K\x05u}(" + text("s") + "K\x06ub.";
  const Pickle p(bytes, "a.pt");
  const PickleValue& v = p[p.root()];
  REQUIRE(v.contents.size() == 2);
  CHECK(p[v.contents[1]].integer == 5);
  CHECK(p[find_key(p, v.state, "s")].integer == 6);
  CHECK(find_key(p, p.root(), "k") == v.contents[1]);
}

TEST_CASE("bombs stay small") {
  // A list that holds itself twice, 64 times over: 2^64 elements in Python, 64 values here.
  std::string lists = start + "]";
  for (int i = 0; i < 64; ++i) lists += "2\x86";  // DUP, TUPLE2
  CHECK(Pickle(lists + ".", "a.pt").size() == 65);
  // Nesting 300,000 deep: nothing here recurses.
  CHECK(Pickle(start + std::string(300000, ']') + std::string(299999, 'a') + ".", "a.pt").size() == 300000);
  // Lists within themselves.
  CHECK(Pickle(start + "]q\x01h\x01" + "a.", "a.pt").size() == 1);
}

TEST_CASE("what a pickle can make is bounded") {
  const auto many = [](const std::string& piece, size_t times) {
    std::string program = start + piece;
    while (program.size() < piece.size() * times) program += program.substr(start.size());
    return program + ".";
  };
  CHECK(holds(complaint(many("]", 2000000)), "more values than any checkpoint"));                // values
  CHECK(holds(complaint(many("N", 2000000)), "stacks more values"));                             // the stack
  CHECK(holds(complaint(start + "]" + many("Na", 30000000).substr(2)), "more values"));          // elements of one list
  CHECK(holds(complaint(start + "Nr" + number(0xfffffff0, 4) + "."), "remembers more values"));  // the memo
  CHECK(holds(complaint(start + global(std::string(501, 'm'), "n") + "."), "longer than any"));
  CHECK(holds(complaint(start + global("m\x1b[2J", "n") + "."), "control characters"));
  std::string globals = start;
  for (int i = 0; i < 10001; ++i) globals += global("m", std::to_string(i)) + "0";
  CHECK(holds(complaint(globals + "N."), "more classes"));
  CHECK(Pickle("L" + std::string(100000, '9') + "L\n.", "a.pt")[0].kind == Kind::big);
  CHECK(holds(complaint("L" + std::string(100000, '9') + "x\n."), "an integer is expected"));
  CHECK(holds(complaint(start + global("m", "n") + ")]\x92."), "are no dictionary"));
}

TEST_CASE("what cannot change is made once") {
  const Pickle p(start + "](NNN\x88\x88\x89K\x07K\x07))" + global("m", "n") + global("m", "n") + "e.", "a.pt");
  CHECK(p.size() == 7);  // the list, None, True, False, 7, (), m.n
  CHECK(p[p.root()].items.size() == 12);
}

TEST_CASE("objects of attributes alone are read like dictionaries") {
  const std::string bytes = start + global("argparse", "Namespace") + ")\x81}" + text("imgsz") + "M\x40\x01sb.";
  const Pickle p(bytes, "a.pt");
  CHECK(p[find_key(p, p.root(), "imgsz")].integer == 320);
}

TEST_CASE("damage is said with its place") {
  CHECK(holds(complaint(""), "byte 0"));
  CHECK(holds(complaint(start + "X" + number(0xffffffff, 4) + "a."), "ends in the middle"));
  CHECK(holds(complaint(start + "\x8d" + number(uint64_t(1) << 32, 8) + "a."), "ends in the middle"));
  CHECK(holds(complaint(start + "\x8d" + number(UINT64_MAX, 8) + "a."), "ends in the middle"));
  CHECK(holds(complaint(start + "."), "takes a value where there is none"));
  CHECK(holds(complaint(start + "(."), "takes a value where there is none"));
  CHECK(holds(complaint(start + "h\x07."), "never remembered"));
  CHECK(holds(complaint(start + "K\x01" + "K\x02" + "a."), "can hold none"));
  CHECK(holds(complaint(start + "t."), "a mark is missing"));
  CHECK(holds(complaint(start + "}(K\x01u."), "a key without a value"));
  CHECK(holds(complaint(start + "K\x01}b."), "a state to what has none"));
  CHECK(holds(complaint("\x80\x09N."), "newer than 5"));
  CHECK(holds(complaint(start + "\x82\x01."), "no instruction"));  // EXT1
}

TEST_CASE("every truncation and every changed byte is refused or read without harm") {
  const std::string bytes =
      start + "}q\x01(" + text("a") + "](K\x01M\x01\x02Ne" + text("b") + global("m", "n") + ")\x81}(" + text("x") + "K\x01ub" + "u.";
  REQUIRE(complaint(bytes) == "accepted");
  for (size_t size = 0; size < bytes.size(); ++size) CHECK(complaint(bytes.substr(0, size)) != "accepted");
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int value = 0; value < 256; ++value) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(value);
      complaint(damaged);
    }
}
