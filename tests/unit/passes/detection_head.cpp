// Finding where a detector's decoding begins, on small networks of the forms that exporters write.
#include "core/passes/detection_head.hpp"

#include <doctest/doctest.h>

#include "core/base/diagnostic.hpp"
#include "core/ir/text.hpp"
#include "core/ops/operator.hpp"
#include "core/reference/reference.hpp"

using namespace lathe;

namespace {

Graph typed(const std::string& text) {
  Graph graph = parse_text(text);
  infer_types(graph);
  return graph;
}

std::string names(const Graph& graph, const HeadCut& cut) {
  std::string all;
  for (const ValueId v : cut.tensors) all += (all.empty() ? "" : " ") + graph.value(v).name;
  return all;
}
std::string tail(const Graph& graph, const HeadCut& cut) {
  std::string all;
  for (NodeId n = 0; n < graph.nodes.size(); ++n)
    if (cut.tail[n]) all += (all.empty() ? "" : " ") + graph.nodes[n].op_type;
  return all;
}

// Two scales with boxes and scores of their own, distributions over four places, and a third output (prototypes) that is no part of the decoding.
const std::string modern = R"(g (float[1,2,4,4] x) => (y, proto)
<float[16,2,1,1] wb = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}, float[3,2,1,1] ws = {1,2,3,4,5,6},
 float[1,4,1,1] places = {0, 1, 2, 3}, int64[3] fb = {1, 16, -1}, int64[3] fs = {1, 3, -1}, int64[4] bins = {1, 4, 4, -1}, int64[3] flat = {1, 4, -1},
 float[2,2,1,1] wp = {1, 2, 3, 4}> {
  fine = Relu(x)
  coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(fine)
  p = Conv(fine, wp)
  proto = Sigmoid(p)
  b1 = Conv(coarse, wb)
  b0 = Conv(fine, wb)
  s0 = Conv(fine, ws)
  s1 = Conv(coarse, ws)
  rb0 = Reshape(b0, fb)  rb1 = Reshape(b1, fb)  rs0 = Reshape(s0, fs)  rs1 = Reshape(s1, fs)
  boxes = Concat<axis = 2>(rb0, rb1)
  scores = Concat<axis = 2>(rs0, rs1)
  split = Reshape(boxes, bins)
  turned = Transpose<perm = [0, 2, 1, 3]>(split)
  weights = Softmax<axis = 1>(turned)
  mean = Conv(weights, places)
  distances = Reshape(mean, flat)
  probabilities = Sigmoid(scores)
  y = Concat<axis = 1>(distances, probabilities)
})";

// Two anchors at two scales, seven values each: box, objectness, two classes.
const std::string anchors = R"(g (float[1,1,4,4] x) => (y)
<float[14,1,1,1] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14}, float[14] b = {1,2,3,4,5,6,7,8,9,10,11,12,13,14}, int64[5] s0 = {1, 2, 7, 4, 4},
 int64[5] s1 = {1, 2, 7, 2, 2}, int64[3] flat = {1, -1, 7}> {
  coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
  c0 = Conv(x, w, b)  c1 = Conv(coarse, w, b)
  r0 = Reshape(c0, s0)  r1 = Reshape(c1, s1)
  t0 = Transpose<perm = [0, 1, 3, 4, 2]>(r0)  t1 = Transpose<perm = [0, 1, 3, 4, 2]>(r1)
  p0 = Sigmoid(t0)  p1 = Sigmoid(t1)
  f0 = Reshape(p0, flat)  f1 = Reshape(p1, flat)
  y = Concat<axis = 1>(f0, f1)
})";

}  // namespace

TEST_CASE("the last convolutions of each scale, the finest first; prototypes stay with the network") {
  const Graph graph = typed(modern);
  const HeadCut cut = find_detection_head(graph);
  CHECK(cut.reason == "");
  CHECK(names(graph, cut) == "b0 s0 b1 s1");
  CHECK(tail(graph, cut) == "Reshape Reshape Reshape Reshape Concat Concat Reshape Transpose Softmax Conv Reshape Sigmoid Concat");
}

TEST_CASE("classifiers, single scales, fused scales are left whole, with the reason") {
  const auto reason = [](const std::string& text) {
    const HeadCut cut = find_detection_head(typed(text));
    CHECK(cut.tensors.empty());
    return cut.reason;
  };
  CHECK(reason("g (float[1,1,4,4] x) => (y) <float[2,1,1,1] w = {1, 2}, float[3,2] v = {1, 2, 3, 4, 5, 6}> { c = Conv(x, w) p = GlobalAveragePool(c) "
               "f = Flatten(p) l = Gemm<transB = 1>(f, v) y = Softmax(l) }") == "no convolutions of several scales are joined at its end");
  CHECK(reason("g (float[1,1,4,4] x) => (y) <float[2,1,1,1] w = {1, 2}, float[4] s = {1, 1, 2, 2}> { d = MaxPool<kernel_shape = [2, 2], strides = "
               "[2, 2]>(x) "
               "a = Conv(x, w) b = Conv(d, w) u = Resize<mode = \"nearest\">(b, , s) y = Concat<axis = 1>(a, u) }")
            .find("brought to one size") != std::string::npos);
  CHECK(reason("g (float[1,1,4,4] x) => (y) <float[2,1,1,1] w = {1, 2}, int64[2] n = {1, -1}, float[40,1] v = "
               "{1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,"
               "4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0}> { d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x) a = Conv(x, w) b = Conv(d, w) "
               "e = Reshape(a, n) f = Reshape(b, n) c = Concat<axis = 1>(e, f) y = MatMul(c, v) }") ==
        "no convolutions of several scales are joined at its end");
}

TEST_CASE("a cut by hand, by tensors or nodes") {
  const Graph graph = typed(modern);
  const HeadCut cut = cut_head_at(graph, {"boxes", "scores"});
  CHECK(names(graph, cut) == "boxes scores");
  CHECK(tail(graph, cut) == "Reshape Transpose Softmax Conv Reshape Sigmoid Concat");
  CHECK_THROWS_AS(cut_head_at(graph, {"boxs"}), Error);
  CHECK_THROWS_AS(cut_head_at(graph, {"y"}), Error);  // nothing is left behind it
}

TEST_CASE("boxes of anchors get convolutions of their own, and the numbers stay") {
  Graph graph = typed(anchors);
  Tensor x = Tensor::allocate(DataType::float32, {1, 1, 4, 4});
  for (size_t i = 0; i < 16; ++i) x.as_mutable<float>()[i] = float(i) / 20 - 0.3f;
  const Tensor before = run_reference(graph, {{"x", x}}).at("y").tensor;
  CHECK(names(graph, find_detection_head(graph)) == "c0 c1");
  REQUIRE(separate_anchor_boxes(graph));
  verify(graph);
  infer_types(graph);
  const HeadCut cut = find_detection_head(graph);
  CHECK(names(graph, cut) == "c0.boxes c0.scores c1.boxes c1.scores");
  CHECK(to_string(graph.value(cut.tensors[0]).type) == "float[1,8,4,4]");
  CHECK(to_string(graph.value(cut.tensors[1]).type) == "float[1,6,4,4]");
  CHECK(run_reference(graph, {{"x", x}}).at("y").tensor == before);
  CHECK(!separate_anchor_boxes(graph));
  Graph other = typed(modern);
  CHECK(!separate_anchor_boxes(other));
}
