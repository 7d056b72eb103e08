// Staging: nothing stays of what was not published, an older package is exchanged, a stranger's folder is not touched.
#include "core/job/staging.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "core/base/diagnostic.hpp"
#include "core/files/write_file.hpp"

namespace {
using namespace lathe;
namespace fs = std::filesystem;

struct Folder {
  std::string path = fs::temp_directory_path().string() + "/lathe-unit-XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data())); }
  ~Folder() { fs::remove_all(path); }
  std::set<std::string> names(const std::string& sub = "") const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(path + sub)) found.insert(entry.path().filename().string());
    return found;
  }
};
}  // namespace

TEST_CASE("what is not published goes, with the folders that were made for it") {
  Folder folder;
  {
    Staging staging(folder.path + "/a/b");
    write_file(staging.path() + "/file", std::string("x"));
    CHECK(fs::exists(folder.path + "/a/b"));
  }
  CHECK(folder.names().empty());
  fs::create_directory(folder.path + "/kept");
  { Staging staging(folder.path + "/kept"); }
  CHECK(folder.names() == std::set<std::string>{"kept"});
}

TEST_CASE("the scratch folder lies in TMPDIR and goes with the staging folder") {
  Folder folder;
  std::string scratch;
  {
    Staging staging(folder.path + "/out");
    scratch = staging.scratch();
    CHECK(fs::path(scratch).parent_path() == fs::temp_directory_path());
    write_file(scratch + "/file", std::string("x"));
  }
  CHECK(!fs::exists(scratch));
}

TEST_CASE("of a process that is killed nothing stays: its guardian removes both folders") {
  Folder folder;
  int told[2];
  REQUIRE(::pipe(told) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Staging staging(folder.path + "/a/b");
    const std::string scratch = staging.scratch();
    write_file(staging.path() + "/file", std::string("x"));
    if (::write(told[1], scratch.data(), scratch.size()) > 0) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  ::close(told[1]);
  char text[4096];
  const ssize_t size = ::read(told[0], text, sizeof text);
  ::close(told[0]);
  REQUIRE(size > 0);
  const std::string scratch(text, static_cast<size_t>(size));
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  for (int turn = 0; turn < 3000 && (fs::exists(scratch) || !folder.names().empty()); ++turn) ::usleep(10000);
  CHECK(!fs::exists(scratch));
  CHECK(folder.names().empty());
}

TEST_CASE("a folder is published once, and replaces an older package whole") {
  Folder folder;
  for (std::string text : {"first", "second"}) {
    Staging staging(folder.path + "/out");
    write_file(staging.path() + "/manifest.json", text);
    write_file(staging.path() + "/" + text, text);
    staging.publish_folder("package");
  }
  CHECK(folder.names("/out") == std::set<std::string>{"package"});
  CHECK(folder.names("/out/package") == std::set<std::string>{"manifest.json", "second"});
}

TEST_CASE("what is no package is not replaced") {
  Folder folder;
  fs::create_directories(folder.path + "/package");
  write_file(folder.path + "/package/diary", std::string("mine"));
  {
    Staging staging(folder.path);
    CHECK_THROWS_AS(staging.publish_folder("package"), Error);
  }
  CHECK(folder.names() == std::set<std::string>{"package"});
  CHECK(read_text_file(folder.path + "/package/diary") == "mine");
  write_file(folder.path + "/file", std::string("mine"));
  Staging staging(folder.path);
  CHECK_THROWS_AS(staging.publish_folder("file"), Error);
}

TEST_CASE("a file is published under the name it was asked to have") {
  Folder folder;
  {
    Staging staging(folder.path + "/new");
    write_file(staging.path() + "/made.so", std::string("x"));
    staging.publish_file("made.so", folder.path + "/new/wanted");
  }
  CHECK(folder.names("/new") == std::set<std::string>{"wanted"});
}
