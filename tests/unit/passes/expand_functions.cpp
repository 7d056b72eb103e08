// expand-functions.
#include "core/passes/expand_functions.hpp"

#include "tests/unit/passes/support.hpp"

using namespace lathe;
using namespace lathe::test;

TEST_CASE("SequenceMap becomes a loop that computes the same") {
  Graph graph = typed(R"(g (seq(float[N]) s, seq(float[N]) t, float[1] x, float[1] z) => (seq(float[N]) y, seq(float[M]) u) {
                         [m] y, u = SequenceMap(s, t, x) <body = b (float[N] a, float[N] c, float[1] d) => (float[N] e, float[M] f) {
                             p = Add(a, d) e = Mul(p, z) f = Concat<axis = 0>(a, c) }> })");
  const Graph before = clone(graph);
  CHECK(expand_functions(graph));
  verify(graph);
  infer_types(graph);
  CHECK(count(graph, "SequenceMap") == 0);
  CHECK(count(graph, "Loop") == 1);
  const auto floats = [](std::vector<float> v) { return Tensor::of<float>(DataType::float32, {int64_t(v.size())}, v); };
  for (const size_t length : {0, 1, 3}) {
    const NamedData inputs = {{"s", Datum::sequence(DataType::float32, std::vector<Tensor>(length, floats({1, 2})))},
                              {"t", Datum::sequence(DataType::float32, std::vector<Tensor>(length, floats({5})))},
                              {"x", floats({10})},
                              {"z", floats({3})}};
    const NamedData expected = run_reference(before, inputs), found = run_reference(graph, inputs);
    CHECK(expected == found);
    CHECK(found.at("u").elements.size() == length);
  }
  CHECK_FALSE(expand_functions(graph));
}
