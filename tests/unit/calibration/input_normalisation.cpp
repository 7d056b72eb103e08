// Models that normalise their own pictures: the contract leaves it to them, and nobody does it twice.
#include "core/calibration/input_normalisation.hpp"

#include <doctest/doctest.h>

#include "core/base/diagnostic.hpp"
#include "core/calibration/preprocessing.hpp"
#include "core/ir/text.hpp"

using namespace lathe;

namespace {

const std::string tail = " z = Relu(y) }";
Graph model(const std::string& head) { return parse_text("g (float[1,3,4,4] x) => (z) " + head + tail); }

std::string refusal(const Graph& graph, const PreprocessingOptions& options) {
  try {
    preprocessing_of(graph, options);
    return "";
  } catch (const Error& error) {
    CHECK(error.code == Code::usage);
    return error.what();
  }
}

}  // namespace

TEST_CASE("a division by 255 inside: the model takes pixels") {
  const Graph graph = model("<float s = {255}> { y = Div(x, s)");
  const Preprocessing p = *preprocessing_of(graph);
  CHECK(p.scale[0] == 1);
  CHECK(p.mean[0] == 0);
  CHECK(p.inside.find("(Div)") != std::string::npos);
  CHECK(refusal(graph, {{}, {1.0f / 255}, "", "", -1}).find("twice") != std::string::npos);
  CHECK(refusal(graph, {{123.675f, 116.28f, 103.53f}, {}, "", "", -1}).find("leave them out") != std::string::npos);
  CHECK(refusal(graph, {{0}, {1}, "", "", -1}).empty());
}

TEST_CASE("mean and deviation inside: the model takes 0 to 1, whatever its properties say") {
  Graph graph = model("<float[3,1,1] m = {0.485, 0.456, 0.406}, float[1,3,1,1] d = {0.229, 0.224, 0.225}> { a = Sub(x, m) y = Div(a, d)");
  graph.properties["input"] = "normalised";
  const Preprocessing p = *preprocessing_of(graph);
  CHECK(p.scale[1] == 1.0f / 255);
  CHECK(p.mean[1] == 0);
  const InputNormalisation inside = *normalisation_inside(graph, "x", p.layout);
  CHECK(inside.scale[2] == doctest::Approx(1 / 0.225));
  CHECK(inside.offset[0] == doctest::Approx(-0.485 / 0.229));
  CHECK_FALSE(inside.takes_pixels());
}

TEST_CASE("past a transposition, and what is no normalisation") {
  const PictureLayout last{4, 4, 3, true};
  const Graph turned =
      parse_text("g (float[1,4,4,3] x) => (z) <float[3,1,1] m = {1, 2, 4}> { t = Transpose<perm = [0, 3, 1, 2]>(x) y = Mul(t, m) z = Relu(y) }");
  const InputNormalisation inside = *normalisation_inside(turned, "x", last);
  CHECK(inside.scale[2] == 4);
  const auto none = [](const std::string& text) { return !normalisation_inside(model(text), "x", {4, 4, 3, false}); };
  CHECK(none("{ y = Neg(x)"));
  CHECK(none("<float s = {1}> { y = Sub(s, x)"));                // not x less something
  CHECK(none("<float[4] s = {1, 2, 3, 4}> { y = Mul(x, s)"));    // along the width
  CHECK(none("<float s = {2}> { a = Mul(x, s) y = Add(x, a)"));  // used twice
  CHECK_FALSE(preprocessing_of(model("{ y = Neg(x)"))->inside.size());
}
