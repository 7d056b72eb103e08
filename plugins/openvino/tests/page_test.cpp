// docs/openvino.md says of every operator what the writers do.
#include <doctest/doctest.h>

#include <map>
#include <sstream>

#include "support.hpp"
#include "write/families.hpp"

namespace lathe::openvino::test {
namespace {

TEST_CASE("the page of operators is true") {
  if (!there(LATHE_PAGE)) {
    MESSAGE("SKIPPED: " << LATHE_PAGE << " is absent");
    return;
  }
  std::istringstream page(content(LATHE_PAGE));
  size_t rows = 0;
  for (std::string line; std::getline(page, line);) {
    const size_t second = line.find(" | ");
    if (!line.starts_with("| ") || second == std::string::npos) continue;
    const std::string op = line.substr(2, second - 2), how = line.substr(second + 3, line.find(" |", second + 3) - second - 3);
    if (op == "operator" || op == "Constant") continue;
    ++rows;
    CAPTURE(op);
    const size_t dot = op.rfind('.');
    const Writer* writer = dot == std::string::npos ? find_writer("", op) : find_writer(op.substr(0, dot), op.substr(dot + 1));
    CHECK(how == (!writer ? "not expressible" : writer->means == Means::exact ? "exact" : "by decomposition"));
  }
  CHECK(rows > 150);
}

}  // namespace
}  // namespace lathe::openvino::test
