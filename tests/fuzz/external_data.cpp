// Weights in files beside the model: what is read, and every way of reaching a file that the model's folder does not hold.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "message.hpp"
#include "reader.hpp"

namespace lathe::fuzz {
namespace {

namespace fs = std::filesystem;

struct Place {
  std::string location, offset = {}, length = {};
};

// y = x + w, w float of `dimensions` in an external file.
std::string with_external(const Place& place, const std::vector<int64_t>& dimensions = {2}) {
  auto entry = [](const char* key, const std::string& text) { return Message().text(1, key).text(2, text); };
  Message w;
  for (const int64_t d : dimensions) w.integer(1, d);
  w.integer(2, 1).text(8, "w").integer(14, 1).message(13, entry("location", place.location));
  if (!place.offset.empty()) w.message(13, entry("offset", place.offset));
  if (!place.length.empty()) w.message(13, entry("length", place.length));
  GraphParts graph;
  graph.inputs = {value("x", 1, dimensions)};
  graph.outputs = {value("y", 1, dimensions)};
  graph.initializers = {w};
  graph.nodes = {node("Add", {"x", "w"}, {"y"})};
  return model(graph).bytes();
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Memory that the process itself filled, in KiB: mapped pages of files do not count.
int64_t own_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("RssAnon:", 0) == 0) return std::stoll(line.substr(8));
  return -1;
}

// A folder around the reader's own, which holds a secret.
struct Fixture {
  Reader reader;
  std::string outside = reader.folder() + "-outside";
  Fixture() {
    fs::create_directory(outside);
    write(outside + "/secret.bin", std::string(64, 's'));
    write(reader.folder() + "/w.bin", std::string(64, 'w'));
  }
  ~Fixture() { fs::remove_all(outside); }

  void refused(const Place& place, const std::string& sentence) {
    const Outcome outcome = reader.read(with_external(place));
    CHECK_MESSAGE(outcome.code == Code::failed, outcome.told());
    CHECK_MESSAGE(outcome.told().find(sentence) != std::string::npos, "expected: " << sentence << "\ntold: " << outcome.told());
  }
};

TEST_CASE_FIXTURE(Fixture, "what is there is read where it lies") {
  for (const Place& place : {Place{"w.bin"}, Place{"w.bin", "8", "8"}, Place{"./w.bin", "56"}}) {
    const Outcome outcome = reader.read(with_external(place));
    REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
    const Tensor* w = nullptr;
    for (const Value& v : outcome.graph->values)
      if (v.name == "w") w = &*v.constant;
    REQUIRE(w);
    CHECK(w->bytes.file == fs::canonical(reader.folder() + "/w.bin").string());
    CHECK(std::string(reinterpret_cast<const char*>(w->bytes.data), 8) == "wwwwwwww");
  }
}

TEST_CASE_FIXTURE(Fixture, "unaligned data is copied") {
  const Outcome outcome = reader.read(with_external({"w.bin", "3"}));
  REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
}

TEST_CASE_FIXTURE(Fixture, "paths that lead out") {
  const std::string leaf = fs::path(outside).filename().string();
  refused({"../" + leaf + "/secret.bin"}, "outside the model's folder");
  refused({"sub/../../" + leaf + "/secret.bin"}, "outside the model's folder");
  refused({outside + "/secret.bin"}, "absolute path");
  refused({".."}, "outside the model's folder");
  refused({""}, "without a location");
  refused({std::string("w.bin\0x", 7)}, "NUL");
}

TEST_CASE_FIXTURE(Fixture, "links that lead out") {
  fs::create_symlink(outside + "/secret.bin", reader.folder() + "/link.bin");
  refused({"link.bin"}, "leads out of the model's folder");
  fs::create_directory_symlink(outside, reader.folder() + "/linked");
  refused({"linked/secret.bin"}, "leads out of the model's folder");
  fs::create_hard_link(outside + "/secret.bin", reader.folder() + "/hard.bin");
  refused({"hard.bin"}, "hard link");
  fs::create_symlink(reader.folder() + "/w.bin", reader.folder() + "/inner.bin");
  CHECK(reader.read(with_external({"inner.bin"})).code == Code::ok);
}

TEST_CASE_FIXTURE(Fixture, "things that are no file") {
  refused({"missing.bin"}, "cannot be opened");
  refused({"."}, "no regular file");
  REQUIRE(mkfifo((reader.folder() + "/pipe").c_str(), 0600) == 0);
  refused({"pipe"}, "no regular file");
}

TEST_CASE_FIXTURE(Fixture, "offsets and lengths that lie") {
  refused({"w.bin", "60"}, "too short");
  refused({"w.bin", "64"}, "too short");
  refused({"w.bin", "9223372036854775807"}, "too short");
  refused({"w.bin", "99999999999999999999999"}, "no number of bytes");
  refused({"w.bin", "-4"}, "no number of bytes");
  refused({"w.bin", "0x4"}, "no number of bytes");
  refused({"w.bin", "0", "4"}, "not what type and shape ask for");
}

TEST_CASE_FIXTURE(Fixture, "three gigabytes are not copied") {
  constexpr int64_t elements = int64_t{3} << 28;
  const std::string path = reader.folder() + "/big.bin";
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  REQUIRE(::ftruncate(file, elements * 4) == 0);  // a hole: takes no room on the disk
  const float first = 1, last = 42;
  REQUIRE(::pwrite(file, &first, sizeof first, 0) == 4);
  REQUIRE(::pwrite(file, &last, sizeof last, elements * 4 - 4) == 4);
  ::close(file);
  const int64_t before = own_kilobytes();
  const Outcome outcome = reader.read(with_external({"big.bin", "0", std::to_string(elements * 4)}, {elements}));
  const int64_t after = own_kilobytes();
  REQUIRE_MESSAGE(outcome.code == Code::ok, outcome.told());
  for (const Value& v : outcome.graph->values)
    if (v.name == "w") CHECK(v.constant->as<float>()[elements - 1] == 42);
  CHECK(after - before < 100 * 1024);
}

}  // namespace
}  // namespace lathe::fuzz
