// Hashes and mapped files, against the standard's test vectors and files as they are on disk.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/checked.hpp"
#include "core/base/diagnostic.hpp"
#include "core/base/mapped_file.hpp"
#include "core/base/sha256.hpp"

using namespace lathe;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("lathe_unit_base_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
};

std::string failure(const std::string& path) {
  try {
    map_file(path);
  } catch (const Error& error) {
    CHECK(error.code == Code::failed);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("sha256 gives the values of FIPS 180-4's examples") {
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 pieces;
  pieces.update("a");
  pieces.update("bc");
  CHECK(pieces.hex() == sha256("abc"));
}

TEST_CASE("files are hashed and mapped as they are") {
  const Folder folder;
  const std::string text(3 << 20, 'x');
  const std::string path = folder.write("big", text);
  CHECK(sha256_of_file(path) == sha256(text));
  const Bytes bytes = map_file(path);
  REQUIRE(bytes.size == text.size());
  CHECK(std::equal(text.begin(), text.end(), reinterpret_cast<const char*>(bytes.data)));
  CHECK(bytes.file == path);
  CHECK(map_file(folder.write("empty", "")).size == 0);
}

TEST_CASE("what cannot be mapped gets a sentence") {
  const Folder folder;
  CHECK(failure((folder.path / "absent").string()).find("No such file") != std::string::npos);
  CHECK(failure(folder.path.string()).find("a folder") != std::string::npos);
  CHECK(failure("/dev/null").find("not a regular file") != std::string::npos);
  CHECK_THROWS_AS(sha256_of_file((folder.path / "absent").string()), Error);
  CHECK_THROWS_AS(sha256_of_file(folder.path.string()), Error);
}

TEST_CASE("checked arithmetic sees every overflow") {
  CHECK(checked_multiply<int64_t>(INT64_MAX, 1) == INT64_MAX);
  CHECK_FALSE(checked_multiply<int64_t>(INT64_MAX / 2 + 1, 2));
  CHECK_FALSE(checked_multiply<int64_t>(INT64_MIN, -1));
  CHECK_FALSE(checked_add<uint64_t>(UINT64_MAX, 1));
  CHECK_FALSE(checked_subtract<uint64_t>(0, 1));
  CHECK(checked_subtract<int64_t>(0, 1) == -1);
}
