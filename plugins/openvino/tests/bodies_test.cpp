// If, Loop and TensorIterator: written, found right by the checker, read back; and every one of these changes of a single field of their port maps,
// back edges and bodies is found, by the checker always, by the reader without harm.
#include <doctest/doctest.h>

#include <pugixml.hpp>
#include <sstream>

#include "check/checker.hpp"
#include "support.hpp"

namespace lathe::openvino::test {
namespace {

sdk::TensorData number(int64_t x) { return sdk::TensorData::of(LATHE_INT64, {}, std::vector<int64_t>{x}); }
sdk::Shape row() { return {1, 4}; }

// condition ? x + y : x * w, with w a constant from outside.
sdk::GraphBuilder branches() {
  sdk::GraphBuilder b("branches");
  const uint32_t condition = b.add_input("condition", LATHE_BOOL, sdk::Shape{}), x = b.add_input("x", LATHE_FLOAT32, row());
  const uint32_t y = b.add_input("y", LATHE_FLOAT32, row());
  const uint32_t w = b.add_constant("w", sdk::TensorData::of(LATHE_FLOAT32, {1, 4}, std::vector<float>{1, 2, 3, 4}));
  const auto branch = [&](const char* op, uint32_t other) {
    sdk::GraphBuilder g(op);
    const uint32_t a = g.add_capture("a", x), c = g.add_capture("c", other), z = g.add_value(std::string("z_") + op, LATHE_FLOAT32, row());
    for (const uint32_t v : {a, c}) g.value(v).type = LATHE_FLOAT32, g.value(v).shape = row();
    g.add_node(op, {a, c}, {z});
    g.add_output(z);
    return g;
  };
  const uint32_t result = b.add_value("result", LATHE_FLOAT32, row());
  const uint32_t yes = b.add_subgraph(branch("Add", y)), no = b.add_subgraph(branch("Mul", w));
  b.add_node("If", {condition}, {result}, "choice").set_graph("then_branch", yes).set_graph("else_branch", no);
  b.add_output(result);
  return b;
}

// total += part and each total is kept; part is x in the Loop, a row of x in the Scan.
sdk::GraphBuilder sums(bool scan) {
  sdk::GraphBuilder b("sums");
  const uint32_t start = b.add_input("start", LATHE_FLOAT32, row()), x = b.add_input("x", LATHE_FLOAT32, scan ? sdk::Shape{1, 4, 3} : row());
  sdk::GraphBuilder g("turn");
  if (!scan) g.add_input("i", LATHE_INT64, sdk::Shape{});
  const uint32_t go = scan ? 0 : g.add_input("go", LATHE_BOOL, sdk::Shape{});
  const uint32_t total = g.add_input("total", LATHE_FLOAT32, row());
  const uint32_t part = scan ? g.add_input("part", LATHE_FLOAT32, row()) : g.add_capture("part", x);
  g.value(part).type = LATHE_FLOAT32, g.value(part).shape = row();
  const uint32_t next = g.add_value("next", LATHE_FLOAT32, row()), kept = g.add_value("kept", LATHE_FLOAT32, row());
  g.add_node("Add", {total, part}, {next});
  g.add_node("Neg", {next}, {kept});
  if (!scan) {
    const uint32_t still = g.add_value("still", LATHE_BOOL, sdk::Shape{});
    g.add_node("Identity", {go}, {still});
    g.add_output(still);
  }
  g.add_output(next);
  g.add_output(kept);
  const uint32_t last = b.add_value("last", LATHE_FLOAT32, row());
  const uint32_t all = b.add_value("all", LATHE_FLOAT32, scan ? sdk::Shape{1, 3, 4} : sdk::Shape{5, 1, 4});
  const uint32_t body = b.add_subgraph(std::move(g));
  if (scan) {
    b.add_node("Scan", {start, x}, {last, all}, "sums")
        .set_graph("body", body)
        .set("num_scan_inputs", 1)
        .set("scan_input_axes", std::vector<int64_t>{2})
        .set("scan_input_directions", std::vector<int64_t>{1})
        .set("scan_output_axes", std::vector<int64_t>{1});
  } else {
    const uint32_t turns = b.add_constant("turns", number(5));
    b.add_node("Loop", {turns, LATHE_NONE, start}, {last, all}, "sums").set_graph("body", body);
  }
  b.add_output(last);
  b.add_output(all);
  return b;
}

Files written(sdk::GraphBuilder builder) { return write_files(write_graph(sdk::GraphView(&builder.layout()), {})); }

TEST_CASE("bodies are written as the format wants them") {
  const Files files[] = {written(branches()), written(sums(false)), written(sums(true))};
  for (const Files& f : files)
    for (const std::string& problem : check_ir(f.xml, f.bin)) FAIL_CHECK(problem);
  const auto has = [&](int i, const char* path) {
    pugi::xml_document document;
    REQUIRE(document.load_string(files[i].xml.c_str()));
    CAPTURE(path);
    CHECK(document.select_node(path));
  };
  has(0, "//layer[@type='If'][@version='opset8']/then_port_map/output[@external_port_id='3']");
  has(0, "//layer[@type='If']/else_body/layers/layer[@type='Const']");  // the constant from outside
  has(1, "//layer[@type='Loop'][@version='opset5']/port_map/output[@purpose='execution_condition'][@external_port_id='-1']");
  has(1, "//port_map/input[@purpose='current_iteration']");
  has(1, "//port_map/output[@axis='0'][@start='0'][@end='-1'][@stride='1'][@part_size='1']");
  has(2, "//layer[@type='TensorIterator'][@version='opset1']/port_map/input[@axis='2'][@start='-1'][@end='0'][@stride='-1']");
  has(2, "//back_edges/edge");
}

TEST_CASE("what is read back has the operators, and the inputs and outputs have their names") {
  const std::pair<Files, const char*> files[] = {{written(branches()), "If"}, {written(sums(false)), "Loop"}, {written(sums(true)), "Loop"}};
  for (const auto& [f, op] : files) {
    sdk::GraphBuilder back = read_graph(parse_model(f.xml, f.bin, "test"), "", f.bin, "test");
    const sdk::GraphView graph(&back.layout());
    size_t found = 0;
    for (const sdk::NodeView node : graph.nodes()) found += node.op_type() == op;
    CHECK(found == 1);
    CHECK(graph.value(graph.outputs()[0]).name() == (std::string_view(op) == "If" ? "result" : "last"));
    CHECK(graph.get().subgraph_count == (std::string_view(op) == "If" ? 2 : 1));
  }
}

TEST_CASE("a body's node that cannot be written is said by its name") {
  sdk::GraphBuilder b = branches();
  sdk::GraphBuilder g("other");
  const uint32_t condition = 0, x = 1;
  const uint32_t a = g.add_capture("a", x), z = g.add_value("z", LATHE_FLOAT32, row());
  g.value(a).type = LATHE_FLOAT32, g.value(a).shape = row();
  g.add_node("ImageDecoder", {a}, {z}, "dice");
  g.add_output(z);
  const uint32_t y = b.add_value("other", LATHE_FLOAT32, row()), body = b.add_subgraph(std::move(g));
  b.add_node("If", {condition}, {y}, "second").set_graph("then_branch", body).set_graph("else_branch", body);
  b.add_output(y);
  const std::vector<std::string> reasons = refusals(sdk::GraphView(&b.layout()), {});
  CHECK(reasons[0].empty());
  CHECK(reasons[1].find("'dice' (ImageDecoder): the IR has no operation that decodes pictures") != std::string::npos);
}

struct Mutation {
  const char* what;
  int file;               // 0 If, 1 Loop, 2 TensorIterator
  const char* path;       // XPath of the element
  const char* attribute;  // "": its text; "-": the element goes
  const char* value;      // nullptr: the attribute goes
};

// clang-format off
constexpr Mutation mutations[] = {
    {"no body", 0, "//then_body", "-", ""},
    {"no other body", 0, "//else_body", "-", ""},
    {"no port map", 0, "//else_port_map", "-", ""},
    {"an input port that is not there", 0, "//then_port_map/input[1]", "external_port_id", "9"},
    {"an output port as an input", 0, "//then_port_map/input[1]", "external_port_id", "3"},
    {"an output port that is not there", 0, "//then_port_map/output", "external_port_id", "4"},
    {"an input port as an output", 0, "//else_port_map/output", "external_port_id", "1"},
    {"an output that no Result is for", 0, "//else_port_map/output", "-", ""},
    {"a Parameter that no port is for", 0, "//then_port_map/input[2]", "-", ""},
    {"a Parameter that is not there", 0, "//then_port_map/input[1]", "internal_layer_id", "77"},
    {"a Parameter that is another layer", 0, "//then_port_map/input[1]", "internal_layer_id", "2"},
    {"a Parameter twice", 0, "//then_port_map/input[2]", "internal_layer_id", "0"},
    {"a port twice", 0, "//then_port_map/input[2]", "external_port_id", "1"},
    {"a Result that is a Parameter", 0, "//then_port_map/output", "internal_layer_id", "0"},
    {"a number that is none", 0, "//then_port_map/input[1]", "internal_layer_id", "x"},
    {"no number", 0, "//then_port_map/input[1]", "external_port_id", nullptr},
    {"an If that cuts", 0, "//then_port_map/input[1]", "axis", "0"},
    {"an If with a purpose", 0, "//then_port_map/input[1]", "purpose", "current_iteration"},
    {"an attribute that there is not", 0, "//then_port_map/output", "names", "z"},
    {"a condition of numbers", 0, "//layer[@type='If']/input/port[1]", "precision", "I64"},
    {"another precision inside", 0, "//then_body//layer[@type='Parameter'][1]/output/port", "precision", "FP16"},
    {"another type inside", 0, "//then_body//layer[@type='Parameter'][1]/data", "element_type", "f16"},
    {"another shape inside", 0, "//then_body//layer[@type='Parameter'][1]/data", "shape", "1,5"},
    {"another size of a port inside", 0, "//then_body//layer[@type='Parameter'][1]/output/port/dim[2]", "", "5"},
    {"another shape outside", 0, "//layer[@type='If']/output/port/dim[2]", "", "5"},
    {"another precision outside", 0, "//layer[@type='If']/output/port", "precision", "FP16"},
    {"an edge inside that is not there", 0, "//then_body/edges/edge[1]", "-", ""},
    {"an edge inside from another port", 0, "//then_body/edges/edge[1]", "from-port", "3"},
    {"an operation inside that there is not", 0, "//then_body//layer[@type='Add']", "type", "Sum"},
    {"an opset inside", 0, "//else_body//layer[@type='Multiply']", "version", "opset7"},
    {"an offset inside, past the weights", 0, "//else_body//layer[@type='Const']/data", "offset", "4096"},
    {"no Result inside", 0, "//then_body//layer[@type='Result']", "-", ""},
    {"layers of a body without its edges", 0, "//then_body/edges", "-", ""},
    {"an element that there is not", 0, "//layer[@type='If']/then_body", "rename", "middle_body"},
    {"If before its opset", 0, "//layer[@type='If']", "version", "opset5"},
    {"no condition to go on", 1, "//port_map/output[@purpose]", "-", ""},
    {"another purpose", 1, "//port_map/output[@purpose]", "purpose", "current_iteration"},
    {"a purpose that there is not", 1, "//port_map/input[@purpose]", "purpose", "turn"},
    {"a purpose with a port", 1, "//port_map/input[@purpose]", "external_port_id", "0"},
    {"no purpose, and no port", 1, "//port_map/input[@purpose]", "purpose", nullptr},
    {"a number of turns of real numbers", 1, "//port_map/input[@purpose]", "internal_layer_id", "1"},
    {"what is put together has another axis", 1, "//port_map/output[@axis]", "axis", "1"},
    {"what is put together has no axis", 1, "//port_map/output[@axis]", "axis", nullptr},
    {"an axis that there is not", 1, "//port_map/output[@axis]", "axis", "3"},
    {"an axis below zero", 1, "//port_map/output[@axis]", "axis", "-1"},
    {"a stride of zero", 1, "//port_map/output[@axis]", "stride", "0"},
    {"pieces of two", 1, "//port_map/output[@axis]", "part_size", "2"},
    {"pieces of nothing", 1, "//port_map/output[@axis]", "part_size", "0"},
    {"pieces from beyond the axis", 1, "//port_map/output[@axis]", "start", "7"},
    {"a back edge from a Parameter", 1, "//back_edges/edge", "from-layer", "0"},
    {"a back edge to a Result", 1, "//back_edges/edge", "to-layer", "4"},
    {"a back edge to a layer that is not there", 1, "//back_edges/edge", "to-layer", "99"},
    {"a back edge without a number", 1, "//back_edges/edge", "to-layer", nullptr},
    {"a back edge to the turn's number", 1, "//back_edges/edge", "to-layer", "0"},
    {"a condition inside of another type", 1, "//body//layer[@type='Const']/data", "element_type", "u8"},
    {"a state of another shape", 1, "//layer[@type='Loop']/input/port[3]/dim[2]", "", "5"},
    {"a TensorIterator's body in a Loop", 1, "//layer[@type='Loop']", "type", "TensorIterator"},
    {"an axis to cut that there is not", 2, "//port_map/input[@axis]", "axis", "3"},
    {"another axis to cut", 2, "//port_map/input[@axis]", "axis", "1"},
    {"nothing to cut", 2, "//port_map/input[@axis]", "axis", nullptr},
    {"a cut from beyond the axis", 2, "//port_map/input[@axis]", "start", "4"},
    {"a cut against its direction", 2, "//port_map/input[@axis]", "stride", "1"},
    {"a cut of another number of turns", 2, "//port_map/input[@axis]", "end", "1"},
    {"a purpose in a TensorIterator", 2, "//port_map/input[1]", "purpose", "current_iteration"},
    {"a Parameter with another axis", 2, "//body//layer[@type='Parameter'][2]/data", "shape", "1,4,3"},
    {"what is put together is longer", 2, "//layer[@type='TensorIterator']/output/port[2]/dim[2]", "", "4"},
};
// clang-format on

TEST_CASE("every single change of a field is found") {
  const Files files[] = {written(branches()), written(sums(false)), written(sums(true))};
  for (const Mutation& m : mutations) {
    CAPTURE(std::string(m.what));
    const std::string& text = files[m.file].xml;
    pugi::xml_document document;
    REQUIRE(document.load_string(text.c_str()));
    pugi::xml_node node = document.select_node(m.path).node();
    REQUIRE(node);
    const std::string_view attribute = m.attribute;
    if (attribute == "-") {
      node.parent().remove_child(node);
    } else if (attribute == "rename") {
      node.set_name(m.value);
    } else if (attribute.empty()) {
      node.text() = m.value;
    } else if (!m.value) {
      REQUIRE(node.remove_attribute(m.attribute));
    } else {
      if (!node.attribute(m.attribute)) node.append_attribute(m.attribute);
      node.attribute(m.attribute) = m.value;
    }
    std::ostringstream out;
    document.save(out);
    CHECK_FALSE(check_ir(out.str(), files[m.file].bin).empty());
    try {
      read_graph(parse_model(out.str(), files[m.file].bin, "test"), "", files[m.file].bin, "test");
    } catch (const sdk::Failure& failure) {
      CHECK((failure.code == LATHE_FAILED || failure.code == LATHE_UNSUPPORTED));
      CHECK_FALSE(failure.diagnostics.empty());
    }
  }
}

TEST_CASE("bodies within bodies end somewhere") {
  std::string text = "<net name=\"n\" version=\"11\"><layers></layers><edges></edges></net>";
  for (int i = 0; i < 100; ++i) {
    const std::string inner = text.substr(text.find("<layers>"), text.rfind("</net>") - text.find("<layers>"));
    text = "<net name=\"n\" version=\"11\"><layers><layer id=\"0\" name=\"l\" type=\"TensorIterator\" version=\"opset1\"><body>" + inner +
           "</body></layer></layers><edges></edges></net>";
  }
  CHECK_FALSE(check_ir(text, "").empty());
  CHECK_THROWS_AS(parse_model(text, "", "test"), sdk::Failure);
}

}  // namespace
}  // namespace lathe::openvino::test
