// Which file belongs to which input, and what fits.
#include "core/files/tensor_files.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "core/base/diagnostic.hpp"
#include "core/files/numpy.hpp"
#include "core/files/write_file.hpp"

namespace {
using namespace lathe;

struct Folder {
  std::string path = std::filesystem::temp_directory_path().string() + "/lathe-unit-XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data())); }
  ~Folder() { std::filesystem::remove_all(path); }
};

ValueType floats(Shape shape) { return {ValueKind::tensor, DataType::float32, std::move(shape)}; }

template <class F>
Diagnostic failure(F&& f, Code code) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code == code);
    return e.diagnostics.front();
  }
  FAIL("nothing was refused");
  return {};
}
}  // namespace

TEST_CASE("files are given to inputs by name, or without where there is one") {
  Folder folder;
  Tensor t = Tensor::allocate(DataType::float32, {2, 3});
  write_file(folder.path + "/a=b.npy", write_npy(t));
  std::vector<NamedType> one = {{"x", floats({2, 3})}}, two = {{"x", floats({2, 3})}, {"x=y", floats({Dimension("N"), 3})}};
  std::string file = folder.path + "/a=b.npy";
  CHECK(read_inputs({file}, one).size() == 1);
  CHECK(read_inputs({"x=" + file}, one).size() == 1);
  CHECK(read_inputs({"x=" + file, "x=y=" + file}, two).size() == 2);
  CHECK(failure([&] { read_inputs({file}, two); }, Code::usage).text.find("several inputs") != std::string::npos);
  CHECK(failure([&] { read_inputs({"x=" + file}, two); }, Code::usage).text == "input 'x=y' is missing");
  CHECK(failure([&] { read_inputs({"xx=" + file}, two); }, Code::usage).text.find("no input 'xx'") != std::string::npos);
}

TEST_CASE("raw bytes take the shape that is declared, with one open dimension") {
  Folder folder;
  write_file(folder.path + "/x.bin", std::string(24, '\0'));
  CHECK(read_tensor_file(folder.path + "/x.bin", "x", floats({2, 3})).tensor.dimensions == std::vector<int64_t>{2, 3});
  CHECK(read_tensor_file(folder.path + "/x.bin", "x", floats({Dimension("N"), 3})).tensor.dimensions == std::vector<int64_t>{2, 3});
  CHECK(failure([&] { read_tensor_file(folder.path + "/x.bin", "x", floats({2, 4})); }, Code::failed).expected.find("32 bytes") == 0);
  failure([&] { read_tensor_file(folder.path + "/x.bin", "x", floats({Dimension("N"), Dimension("M")})); }, Code::failed);
  failure([&] { read_tensor_file(folder.path + "/x.bin", "x", floats({Dimension("N"), 5})); }, Code::failed);
}

TEST_CASE("names of outputs become names of files") {
  Folder folder;
  std::vector<std::string> taken;
  Tensor t = Tensor::allocate(DataType::float32, {1});
  CHECK(write_tensor_file(folder.path, "a/b:0", t, taken) == folder.path + "/a_b_0.npy");
  CHECK(write_tensor_file(folder.path, "a_b_0", t, taken) == folder.path + "/a_b_0_2.npy");
  CHECK(write_tensor_file(folder.path, "../x", t, taken) == folder.path + "/_._x.npy");
  CHECK(safe_file_name("") == "_");
  CHECK(safe_file_name(std::string(500, 'a')).size() == 200);
}

TEST_CASE("writing replaces the whole file or nothing") {
  Folder folder;
  write_file(folder.path + "/f", std::string("one"));
  write_file(folder.path + "/f", std::string("two"));
  CHECK(read_text_file(folder.path + "/f") == "two");
  CHECK(failure([&] { write_file(folder.path + "/none/f", std::string("x")); }, Code::failed).text.find("no such file or folder") !=
        std::string::npos);
  CHECK(failure([&] { read_text_file(folder.path + "/f", 2); }, Code::failed).text.find("larger than") != std::string::npos);
  failure([&] { read_text_file(folder.path); }, Code::failed);
}
