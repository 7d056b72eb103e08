#include "zip_file.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

#include "files.hpp"

using namespace lathe::ultralytics;
using namespace lathe::ultralytics::test;

namespace {
std::string complaint(const std::string& bytes, bool read = false) {
  try {
    const ZipFile file(bytes, "a.pt");
    std::string memory;
    if (read)
      for (const auto& member : file.members()) file.read(member, memory);
    return "accepted";
  } catch (const lathe::sdk::Failure& failure) {
    return failure.what();
  }
}
bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_CASE("stored and deflated members") {
  const std::string long_text(100000, 'a');
  const std::string bytes = zip({{"a/data.pkl", "hello"}, {"a/data/0", long_text, true}, {"a/empty", ""}});
  const ZipFile file(bytes, "a.pt");
  std::string memory;
  REQUIRE(file.members().size() == 3);
  CHECK(file.read(*file.find("a/data.pkl"), memory) == "hello");
  CHECK(file.read(*file.find("a/data/0"), memory) == long_text);
  CHECK(file.read(*file.find("a/empty"), memory).empty());
  CHECK(file.find("data.pkl") == nullptr);
}

TEST_CASE("what is wrong is said") {
  CHECK(holds(complaint(""), "too short"));
  CHECK(holds(complaint(std::string(1000, 'x')), "no directory"));
  CHECK(holds(complaint(zip({{"a", "1"}, {"a", "2"}})), "two members of the name 'a'"));
  CHECK(holds(complaint(zip({{"../a", "1"}})), "not to be trusted"));
  CHECK(holds(complaint(zip({{"a/../../b", "1"}})), "not to be trusted"));
  CHECK(holds(complaint(zip({{"/etc/passwd", "1"}})), "not to be trusted"));
  CHECK(holds(complaint(zip({{"a", "1", false, UINT64_MAX, 0, "b"}})), "another name"));
  CHECK(holds(complaint(zip({{"a", "1", false, UINT64_MAX, 1}}), true), "checksum"));
  CHECK(holds(complaint(zip({{"a", "1", true, 4000000000u}})), "deflate cannot do"));
  CHECK(holds(complaint(zip({{"a", "hello", true, 4}}), true), "cannot be unpacked"));
  CHECK(holds(complaint(zip({{"a", "hello", true, 6}}), true), "cannot be unpacked"));
}

TEST_CASE("members that lie over each other are refused") {
  // Both directory entries point at the first member.
  std::string bytes = zip({{"a", "hello"}, {"a", "hello"}});
  const size_t directory = bytes.find("PK\x01\x02");
  const size_t second = bytes.find("PK\x01\x02", directory + 4);
  bytes.replace(second + 42, 4, number(0, 4));
  CHECK(complaint(bytes) != "accepted");
}

TEST_CASE("every truncation and every changed byte is refused or read without harm") {
  const std::string bytes = zip({{"a/data.pkl", "hello"}, {"a/data/0", std::string(300, 'b'), true}});
  for (size_t size = 0; size < bytes.size(); ++size) CHECK(complaint(bytes.substr(0, size), true) != "accepted");
  for (size_t at = 0; at < bytes.size(); ++at)
    for (const int change : {1, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      complaint(damaged, true);
    }
}
