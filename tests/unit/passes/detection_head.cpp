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

TEST_CASE("classifiers, segmenters, fused scales are left whole, with the reason") {
  const auto reason = [](const std::string& text) {
    const HeadCut cut = find_detection_head(typed(text));
    CHECK(cut.tensors.empty());
    return cut.reason;
  };
  CHECK(reason("g (float[1,1,4,4] x) => (y) <float[2,1,1,1] w = {1, 2}, float[3,2] v = {1, 2, 3, 4, 5, 6}> { c = Conv(x, w) p = GlobalAveragePool(c) "
               "f = Flatten(p) l = Gemm<transB = 1>(f, v) y = Softmax(l) }") == "nothing behind its last layers joins scales or decodes boxes");
  CHECK(reason("g (float[1,1,4,4] x) => (y) <float[2,1,1,1] w = {1, 2}, float[4] s = {1, 1, 2, 2}> { d = MaxPool<kernel_shape = [2, 2], strides = "
               "[2, 2]>(x) "
               "a = Conv(x, w) b = Conv(d, w) u = Resize<mode = \"nearest\">(b, , s) y = Concat<axis = 1>(a, u) }")
            .find("brought to one size") != std::string::npos);
  CHECK(reason("g (float[1,1,4,4] x) => (y) <float[2,1,1,1] w = {1, 2}, int64[2] n = {1, -1}, float[40,1] v = "
               "{1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,"
               "4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0}> { d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x) a = Conv(x, w) b = Conv(d, w) "
               "e = Reshape(a, n) f = Reshape(b, n) c = Concat<axis = 1>(e, f) y = MatMul(c, v) }") ==
        "nothing behind its last layers joins scales or decodes boxes");
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
  REQUIRE(separate_boxes(graph));
  verify(graph);
  infer_types(graph);
  const HeadCut cut = find_detection_head(graph);
  CHECK(names(graph, cut) == "c0.boxes c0.scores c1.boxes c1.scores");
  CHECK(to_string(graph.value(cut.tensors[0]).type) == "float[1,8,4,4]");
  CHECK(to_string(graph.value(cut.tensors[1]).type) == "float[1,6,4,4]");
  CHECK(run_reference(graph, {{"x", x}}).at("y").tensor == before);
  CHECK(!separate_boxes(graph));
  Graph other = typed(modern);
  CHECK(!separate_boxes(other));
}

TEST_CASE("scales that leave the network one by one, and one scale that is decoded") {
  // Boxes and scores of each scale joined, and nothing else.
  const Graph apart = typed(R"(g (float[1,1,4,4] x) => (y0, y1, features)
<float[8,1,1,1] wb = {1,2,3,4,5,6,7,8}, float[3,1,1,1] ws = {1,2,3}, float[2,1,1,1] wf = {1, 2}> {
  coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
  b0 = Conv(x, wb)  s0 = Conv(x, ws)  b1 = Conv(coarse, wb)  s1 = Conv(coarse, ws)
  p0 = Sigmoid(s0)  p1 = Sigmoid(s1)
  y0 = Concat<axis = 1>(b0, p0)  y1 = Concat<axis = 1>(b1, p1)
  f = Conv(x, wf)
  features = Relu(f)
})");
  CHECK(names(apart, find_detection_head(apart)) == "b0 s0 b1 s1");
  CHECK(tail(apart, find_detection_head(apart)) == "Sigmoid Sigmoid Concat Concat");
  // The places are added to what one convolution yields.
  const std::string text = R"(g (float[1,1,2,2] x) => (y)
<float[4,1,1,1] wb = {1,2,3,4}, float[3,1,1,1] ws = {1,2,3}, int64[3] fb = {1, 4, 4}, int64[3] fs = {1, 3, 4}, float[1,4,4] grid =
 {0,1,0,1,0,0,1,1,0,0,0,0,0,0,0,0}> {
  b = Conv(x, wb)  s = Conv(x, ws)
  rb = Reshape(b, fb)  rs = Reshape(s, fs)
  boxes = Add(rb, grid)
  scores = Sigmoid(rs)
  y = Concat<axis = 1>(boxes, scores)
})";
  const Graph single = typed(text);
  CHECK(names(single, find_detection_head(single)) == "b s");
  std::string plain = text;
  plain.replace(plain.find("Add(rb, grid)"), 13, "Relu(rb)");
  CHECK(find_detection_head(typed(plain)).tensors.empty());
}

TEST_CASE("the cut stands before a decoder that chooses rows") {
  const Graph graph = typed(R"(g (float[1,1,4,4] x) => (y)
<float[2,1,1,1] w = {1, 2}, int64[3] rows = {1, 2, -1}, float[2,2] m = {1, 2, 3, 4}, float[2,1] score = {1, 1}, int64[1] k = {3}, int64[1] last = {2}> {
  coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
  c0 = Conv(x, w)  c1 = Conv(coarse, w)
  r0 = Reshape(c0, rows)  r1 = Reshape(c1, rows)
  t0 = Transpose<perm = [0, 2, 1]>(r0)  t1 = Transpose<perm = [0, 2, 1]>(r1)
  all = Concat<axis = 1>(t0, t1)
  memory = MatMul(all, m)
  scores = MatMul(memory, score)
  flat = Squeeze(scores, last)
  values, chosen = TopK(flat, k)
  y = Identity(chosen)
})");
  const HeadCut cut = find_detection_head(graph);
  CHECK(names(graph, cut) == "c0 c1");
  CHECK(tail(graph, cut) == "Reshape Reshape Transpose Transpose Concat MatMul MatMul Squeeze TopK Identity");
}

namespace {

Tensor ramp(const std::vector<int64_t>& dimensions) {
  Tensor x = Tensor::allocate(DataType::float32, dimensions);
  float next = -0.3f;
  for (float& value : x.as_mutable<float>()) value = next += 0.05f;
  return x;
}

}  // namespace

TEST_CASE("rows of anchors, coefficients of masks, scores before boxes: whatever the tail parts gets a convolution of its own") {
  const auto parted = [](const std::string& text) {
    Graph graph = typed(text);
    const Tensor x = ramp({1, 1, 4, 4});
    const Tensor before = run_reference(graph, {{"x", x}}).at("y").tensor;
    REQUIRE(separate_boxes(graph));
    verify(graph);
    infer_types(graph);
    CHECK(run_reference(graph, {{"x", x}}).at("y").tensor == before);
    CHECK(!separate_boxes(graph));
    return names(graph, find_detection_head(graph));
  };
  // Channels last, two anchors of eight values: box, objectness, class, two coefficients.
  CHECK(parted(R"(g (float[1,1,4,4] x) => (y)
<float[16,1,1,1] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}, int64[3] rows = {1, -1, 8}, int64[4] parts = {2, 2, 2, 2}> {
  coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
  c0 = Conv(x, w)  c1 = Conv(coarse, w)
  t0 = Transpose<perm = [0, 2, 3, 1]>(c0)  t1 = Transpose<perm = [0, 2, 3, 1]>(c1)
  r0 = Reshape(t0, rows)  r1 = Reshape(t1, rows)
  all = Concat<axis = 1>(r0, r1)
  xy, wh, scores, masks = Split<axis = 2>(all, parts)
  p = Sigmoid(scores)
  y = Concat<axis = 2>(xy, wh, p, masks)
})") == "c0.boxes c0.scores c0.coefficients c1.boxes c1.scores c1.coefficients");
  // Three scores, then eight values of a box.
  CHECK(parted(R"(g (float[1,1,4,4] x) => (y)
<float[11,1,1,1] w = {1,2,3,4,5,6,7,8,9,10,11}, int64[2] parts = {3, 8}, int64[3] flat = {1, 11, -1}> {
  coarse = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
  c0 = Conv(x, w)  c1 = Conv(coarse, w)
  s0, b0 = Split<axis = 1>(c0, parts)  s1, b1 = Split<axis = 1>(c1, parts)
  p0 = Sigmoid(s0)  p1 = Sigmoid(s1)
  j0 = Concat<axis = 1>(p0, b0)  j1 = Concat<axis = 1>(p1, b1)
  f0 = Reshape(j0, flat)  f1 = Reshape(j1, flat)
  y = Concat<axis = 2>(f0, f1)
})") == "c0.part1 c0.part2 c1.part1 c1.part2");
}

TEST_CASE("comparing every place with constant texts is a convolution") {
  for (const char* product : {"t = Einsum<equation = \"bchw,bkc->bkhw\">(c, texts)", "f = Reshape(c, flat) m = MatMul(texts, f) t = Reshape(m, back)",
                              "f = Reshape(c, flat) r = Transpose<perm = [0, 2, 1]>(f) m = MatMul(r, columns) u = Transpose<perm = [0, 2, 1]>(m) "
                              "t = Reshape(u, back)"}) {
    Graph graph =
        typed(std::string("g (float[1,1,2,2] x) => (y) <float[2,1,1,1] w = {1, 2}, float[1,3,2] texts = {1, 2, 3, 4, 5, 6}, float[2,3] columns "
                          "= {1, 3, 5, 2, 4, 6}, int64[3] flat = {1, 2, 4}, int64[4] back = {1, 3, 2, 2}> { c = Conv(x, w) ") +
              product + " y = Sigmoid(t) }");
    const Tensor x = ramp({1, 1, 2, 2});
    const Tensor before = run_reference(graph, {{"x", x}}).at("y").tensor;
    REQUIRE(convolve_channel_products(graph));
    verify(graph);
    infer_types(graph);
    const Tensor after = run_reference(graph, {{"x", x}}).at("y").tensor;
    REQUIRE(after.dimensions == before.dimensions);
    for (size_t j = 0; j < 12; ++j) CHECK(after.as<float>()[j] == doctest::Approx(before.as<float>()[j]).epsilon(1e-6));
    for (const Node& node : graph.nodes) CHECK((node.op_type != "MatMul" && node.op_type != "Einsum"));
    CHECK(!convolve_channel_products(graph));
  }
}
