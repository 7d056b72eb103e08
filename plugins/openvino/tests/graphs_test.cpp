// Small graphs written: names, deduplicated weights, compression, the forms of quantised weights, the same bytes every time.
#include <doctest/doctest.h>

#include <pugixml.hpp>

#include "check/checker.hpp"
#include "support.hpp"
#include "write/half.hpp"

namespace lathe::openvino::test {
namespace {

// Lets Refusal of a reason be seen.
std::string refused(sdk::GraphBuilder& builder, const WriteOptions& options = {}) {
  std::string all;
  for (const std::string& reason : refusals(sdk::GraphView(&builder.layout()), options)) all += reason;
  return all;
}

struct Written {
  Files files;
  pugi::xml_document document;
  explicit Written(sdk::GraphBuilder& builder, const WriteOptions& options = {}) {
    files = write_files(write_graph(sdk::GraphView(&builder.layout()), options));
    REQUIRE(document.load_string(files.xml.c_str()));
    for (const std::string& problem : check_ir(files.xml, files.bin)) FAIL_CHECK(problem);
  }
  size_t count(const std::string& type) const { return document.select_nodes(("//layer[@type='" + type + "']").c_str()).size(); }
  std::string data(const std::string& type, const char* attribute) const {
    return document.select_node(("//layer[@type='" + type + "']/data").c_str()).node().attribute(attribute).value();
  }
};

// x * w + w, with constants given twice.
sdk::GraphBuilder twice() {
  sdk::GraphBuilder b("twice");
  const std::vector<float> numbers(32, 0.5f);
  const uint32_t x = b.add_input("x", LATHE_FLOAT32, sdk::Shape{1, 32});
  const uint32_t first = b.add_constant("first", sdk::TensorData::of(LATHE_FLOAT32, {1, 32}, numbers));
  const uint32_t second = b.add_constant("second", sdk::TensorData::of(LATHE_FLOAT32, {1, 32}, numbers));
  const uint32_t product = b.add_value("product", LATHE_FLOAT32, sdk::Shape{1, 32}), sum = b.add_value("a,b", LATHE_FLOAT32, sdk::Shape{1, 32});
  b.add_node("Mul", {x, first}, {product}, "times");
  b.add_node("Add", {product, second}, {sum}, "plus");
  b.add_output(sum);
  return b;
}

TEST_CASE("equal constants share their bytes, and names with commas are kept") {
  sdk::GraphBuilder b = twice();
  const Written w(b);
  CHECK(w.files.bin.size() == 32 * 4);
  CHECK(w.document.select_node("//layer[@type='Add']").node().attribute("name").value() == std::string("plus"));
  CHECK(w.document.select_node("//layer[@type='Add']/output/port").node().attribute("names").value() == std::string("a\\,b"));
  const Model model = parse_model(w.files.xml, w.files.bin, "test");
  CHECK(model.layers.back().type == "Result");
  sdk::GraphBuilder back = read_graph(model, "", w.files.bin, "test");
  const sdk::GraphView graph(&back.layout());
  CHECK(graph.value(graph.outputs()[0]).name() == "a,b");
  CHECK(graph.value(graph.inputs()[0]).name() == "x");
}

TEST_CASE("the same graph gives the same bytes") {
  sdk::GraphBuilder a = twice(), b = twice();
  const Written first(a), second(b);
  CHECK(first.files.xml == second.files.xml);
  CHECK(first.files.bin == second.files.bin);
}

TEST_CASE("compressed weights are halves behind a marked Convert") {
  sdk::GraphBuilder b = twice();
  WriteOptions options;
  options.compress = true;
  const Written w(b, options);
  CHECK(w.files.bin.size() == 32 * 2);
  CHECK(w.count("Convert") == 2);
  CHECK(w.document.select_node("//layer[@type='Convert']/rt_info/attribute").node().attribute("name").value() == std::string("decompression"));
  for (const float x : {0.0f, 1.0f, -2.5f, 65504.0f, 6.1e-5f, 5.96e-8f, 0.333251953f})
    CHECK(half_to_float(float_to_half(x)) == doctest::Approx(x).epsilon(1e-3));
  CHECK(float_to_half(1.0f + 1.0f / 2048) == float_to_half(1.0f));  // a tie goes to the even one
}

// conv(DQ(Q(x)), DQ(int8 weights)) with groups.
sdk::GraphBuilder quantised(int64_t groups, bool zero_point) {
  sdk::GraphBuilder b("q");
  const auto f = [&](const char* name, std::vector<int64_t> shape, std::vector<float> v) {
    return b.add_constant(name, sdk::TensorData::of(LATHE_FLOAT32, std::move(shape), v));
  };
  const uint32_t x = b.add_input("x", LATHE_FLOAT32, sdk::Shape{1, 4, 8, 8});
  const uint32_t scale = f("scale", {}, {0.1f});
  const uint32_t zero = b.add_constant("zero", sdk::TensorData::of(LATHE_UINT8, {}, std::vector<uint8_t>{7}));
  const uint32_t q = b.add_value("q", LATHE_UINT8, sdk::Shape{1, 4, 8, 8}), d = b.add_value("d", LATHE_FLOAT32, sdk::Shape{1, 4, 8, 8});
  b.add_node("QuantizeLinear", {x, scale, zero}, {q}, "quantise");
  b.add_node("DequantizeLinear", {q, scale, zero}, {d}, "dequantise");
  const int64_t inner = 4 / groups;
  const uint32_t w = b.add_constant("w", sdk::TensorData::of(LATHE_INT8, {4, inner, 3, 3}, std::vector<int8_t>(static_cast<size_t>(36 * inner), 3)));
  const uint32_t ws = f("ws", {4}, {0.1f, 0.2f, 0.3f, 0.4f}), wd = b.add_value("wd", LATHE_FLOAT32, sdk::Shape{4, inner, 3, 3});
  const uint32_t wz = b.add_constant("wz", sdk::TensorData::of(LATHE_INT8, {4}, std::vector<int8_t>(4, zero_point ? 1 : 0)));
  b.add_node("DequantizeLinear", {w, ws, wz}, {wd}, "weights").set("axis", 0);
  const uint32_t y = b.add_value("y", LATHE_FLOAT32, sdk::Shape{1, 4, 8, 8});
  b.add_node("Conv", {d, wd}, {y}, "conv")
      .set("group", groups)
      .set("pads", std::vector<int64_t>{1, 1, 1, 1})
      .set("kernel_shape", std::vector<int64_t>{3, 3});
  b.add_output(y);
  return b;
}

TEST_CASE("a pair around a tensor is FakeQuantize, and weights stay integers, in both directions") {
  for (const int64_t groups : {1, 4}) {
    for (const bool zero : {false, true}) {
      CAPTURE(groups);
      CAPTURE(zero);
      sdk::GraphBuilder b = quantised(groups, zero);
      const Written w(b);
      CHECK(w.count("FakeQuantize") == 1);
      CHECK(w.data("FakeQuantize", "levels") == "256");
      CHECK(w.count(groups == 1 ? "Convolution" : "GroupConvolution") == 1);
      CHECK(w.count("Convert") == (zero ? 2u : 1u));
      CHECK(w.count("Subtract") == (zero ? 1u : 0u));  // only with a zero point
      CHECK(w.document.select_nodes("//layer[@type='Const']/data[@element_type='i8']").size() == (zero ? 2u : 1u));
      sdk::GraphBuilder back = read_graph(parse_model(w.files.xml, w.files.bin, "test"), "", w.files.bin, "test");
      const sdk::GraphView graph(&back.layout());
      size_t pairs = 0, others = 0;
      for (const sdk::NodeView node : graph.nodes()) {
        if (node.op_type() == "QuantizeLinear") {
          ++pairs;
          const auto scale = graph.value(node.input(1)).constant();
          CHECK(scale->as<float>()[0] == doctest::Approx(0.1f));
          CHECK(graph.value(node.input(2)).constant()->as<uint8_t>()[0] == 7);
        }
        if (node.op_type() == "DequantizeLinear") ++others;
      }
      CHECK(pairs == 1);
      CHECK(others == 2);
    }
  }
}

TEST_CASE("what the format lacks is said, node by node") {
  sdk::GraphBuilder b("open");
  const uint32_t x = b.add_input("x", LATHE_FLOAT32, sdk::Shape{"n", 4});
  const uint32_t y = b.add_value("y", LATHE_FLOAT32, sdk::Shape{"n", 4}), z = b.add_value("z", LATHE_FLOAT32, sdk::Shape{"n"});
  b.add_node("Relu", {x}, {y}, "relu");
  b.add_node("Det", {y}, {z}, "det");
  b.add_output(z);
  CHECK(refused(b).find("determinant") != std::string::npos);
  WriteOptions fixed;
  fixed.static_shapes = true;
  CHECK(refused(b, fixed).find("static shapes") != std::string::npos);
}

TEST_CASE("real files are read") {
  if (!there(detector + ".xml")) {
    MESSAGE("SKIPPED: " << detector << ".xml is absent");
    return;
  }
  for (const std::string& file : {detector, age}) {
    const ModelFile model(file + ".xml");
    sdk::GraphBuilder back = read_graph(model.model(), model.weights_path(), model.weights(), file);
    const sdk::GraphView graph(&back.layout());
    size_t pairs = 0, weights = 0;
    for (const sdk::NodeView node : graph.nodes()) {
      pairs += node.op_type() == "QuantizeLinear";
      weights += node.op_type() == "DequantizeLinear" && graph.value(node.input(0)).is_constant();
    }
    CHECK(pairs == (file == detector ? 100u : 38u));
    CHECK(weights == (file == detector ? 87u : 31u));
  }
}

}  // namespace
}  // namespace lathe::openvino::test
