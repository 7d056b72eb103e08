// The zip reader: whole archives and damaged ones.
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

TEST_CASE("what stands before the bytes must be what the directory says") {
  const std::string good = zip({{"a", "hello"}});
  const auto with = [&](size_t at, const std::string& bytes) { return std::string(good).replace(at, bytes.size(), bytes); };
  CHECK(complaint(good) == "accepted");
  for (const size_t at : {6, 8, 14, 18, 22}) CHECK(holds(complaint(with(at, "\x09")), "described in two ways"));
  // A data descriptor follows: all three may be 0 before the bytes, if both places say that it does.
  const size_t directory = good.find("PK\x01\x02");
  std::string described = good;
  described[6] = described[directory + 8] = 8;
  described.replace(14, 12, std::string(12, '\0'));
  CHECK(complaint(described, true) == "accepted");
  described[directory + 8] = 0;
  CHECK(holds(complaint(described), "described in two ways"));
}

TEST_CASE("what the directory counts, and what lies in it") {
  const std::string good = zip({{"a", "hello"}, {"b", "world"}});
  const size_t end = good.find("PK\x05\x06");
  const auto with = [&](size_t at, const std::string& bytes) { return std::string(good).replace(at, bytes.size(), bytes); };
  CHECK(holds(complaint(with(end + 8, number(1, 2) + number(1, 2))), "more than the members it counts"));
  CHECK(holds(complaint(with(end + 8, number(3, 2) + number(3, 2))), "too short"));
  CHECK(holds(complaint(with(end + 8, number(1, 2))), "several parts"));
  CHECK(holds(complaint(with(end + 16, number(0x7fffffff, 4))), "outside the file"));
  CHECK(holds(complaint(good + "junk"), "no directory at its end"));
  CHECK(holds(complaint("junk" + good), "directory is damaged"));
  const size_t directory = good.find("PK\x01\x02");
  CHECK(holds(complaint(with(directory + 8, "\x01")), "encrypted"));
  CHECK(holds(complaint(with(directory + 10, "\x0c")), "other than deflate"));
  CHECK(holds(complaint(zip({{"a\x1b[2J", "1"}})), "not to be trusted"));
}

TEST_CASE("unpacking is bounded") {
  // Each of them is possible, all together are not: 100 members of a megabyte of zeros in a file of 100 KB.
  std::vector<TestMember> members;
  for (int i = 0; i < 100; ++i) members.push_back({std::to_string(i), std::string(1 << 20, '\0'), true});
  CHECK(holds(complaint(zip(members), true), "far more than a checkpoint holds"));
  members.resize(20);
  CHECK(complaint(zip(members), true) == "accepted");
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
