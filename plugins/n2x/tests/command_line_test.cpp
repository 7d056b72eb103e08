// The command line of a private compiler.
#include <doctest/doctest.h>

#include "../backend.hpp"

using lathe::n2x::command_line;

namespace {

using Words = std::vector<std::string>;
const lathe::n2x::Places places = {"model.onnx", "model.n2x", "CPU", "int8", ""};

lathe_code code_of(std::string_view text) {
  try {
    command_line(text, places);
    return LATHE_OK;
  } catch (const lathe::sdk::Failure& failure) {
    return failure.code;
  }
}

}  // namespace

TEST_CASE("places are filled, quotes keep blanks together, an empty place stays a word") {
  CHECK(command_line("{model} -o {artifact} --device={device}", places) == Words{"model.onnx", "-o", "model.n2x", "--device=CPU"});
  CHECK(command_line("--name 'two words' \"a{precision}b\"", places) == Words{"--name", "two words", "aint8b"});
  CHECK(command_line("  {calibration}  x ", places) == Words{"", "x"});
  CHECK(command_line("", places).empty());
}

TEST_CASE("mistakes are usage errors") {
  CHECK(code_of("{modle}") == LATHE_USAGE);
  CHECK(code_of("{model") == LATHE_USAGE);
  CHECK(code_of("'open") == LATHE_USAGE);
  CHECK(code_of("{model}") == LATHE_OK);
}
