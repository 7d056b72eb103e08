// The checker accepts the two files that OpenVINO and its quantiser wrote, and finds every one of these changes of a single field.
#include <doctest/doctest.h>

#include <pugixml.hpp>
#include <sstream>

#include "check/checker.hpp"
#include "support.hpp"

namespace lathe::openvino::test {
namespace {

struct Mutation {
  const char* what;
  bool of_detector;       // else of the other file
  const char* path;       // XPath of the element
  const char* attribute;  // "": its text; "-": the element goes
  const char* value;
};

// clang-format off
constexpr Mutation mutations[] = {
    {"an IR version to come", true, "/net", "version", "12"},
    {"a layer without a number", true, "//layer[@id='6']", "id", ""},
    {"two layers of one number", true, "//layer[@id='6']", "id", "7"},
    {"an operation that there is not", true, "//layer[@id='11']", "type", "Convolutions"},
    {"ONNX's spelling of a constant", true, "//layer[@id='7']", "type", "Constant"},
    {"an opset before the operation", true, "//layer[@id='14']", "version", "opset3"},
    {"an opset that there is not", true, "//layer[@id='14']", "version", "opset99"},
    {"a version that is none", true, "//layer[@id='14']", "version", "extension"},
    {"attributes of a later form", true, "//layer[@id='477']", "version", "opset1"},
    {"another operation's opset", true, "//layer[@id='530']", "version", "opset4"},
    {"a missing attribute", true, "//layer[@id='11']/data", "strides", nullptr},
    {"an attribute of another operation", true, "//layer[@id='6']/data", "axis", "1"},
    {"an attribute of another opset", false, "//layer[@id='10']/data", "output_padding", "0, 0"},
    {"a word that is no choice", true, "//layer[@id='11']/data", "auto_pad", "same"},
    {"a truth value that is none", true, "//layer[@id='523']/data", "special_zero", "yes"},
    {"a number that is none", false, "//layer[@id='13']/data", "max", "six"},
    {"strides of three axes", true, "//layer[@id='11']/data", "strides", "2, 2, 2"},
    {"another stride", true, "//layer[@id='11']/data", "strides", "1, 1"},
    {"more padding", true, "//layer[@id='11']/data", "pads_end", "3, 3"},
    {"a stride of zero", true, "//layer[@id='11']/data", "strides", "0, 2"},
    {"one level", true, "//layer[@id='6']/data", "levels", "1"},
    {"an axis beyond the data", true, "//layer[@id='81']/data", "axis", "4"},
    {"another axis to join at", true, "//layer[@id='81']/data", "axis", "2"},
    {"a product transposed", true, "//layer[@id='527']/data", "transpose_a", "false"},
    {"another type to convert to", true, "//layer[@id='8']/data", "destination_type", "f16"},
    {"a type that is none", true, "//layer[@id='8']/data", "destination_type", "fp32"},
    {"a pool's type of indices", true, "//layer[@id='477']/data", "index_element_type", "i32"},
    {"a shape's type", true, "//layer[@id='1291']/data", "output_type", "i64"},
    {"an axis of softmax beyond the data", true, "//layer[@id='1286']/data", "axis", "5"},
    {"axes that are kept no more", false, "//layer[@id='437']/data", "keep_dims", "false"},
    {"an offset past the weights", true, "//layer[@id='7']/data", "offset", "2777700"},
    {"an offset that overflows", true, "//layer[@id='7']/data", "offset", "9223372036854775800"},
    {"an offset below zero", true, "//layer[@id='7']/data", "offset", "-432"},
    {"a size that is not the elements'", true, "//layer[@id='7']/data", "size", "431"},
    {"another element type of a constant", true, "//layer[@id='9']/data", "element_type", "f16"},
    {"another shape of a constant", true, "//layer[@id='9']/data", "shape", "8, 2, 1, 1"},
    {"another type of an input", true, "//layer[@id='0']/data", "element_type", "f16"},
    {"another shape of an input", true, "//layer[@id='0']/data", "shape", "1,3,640,320"},
    {"a precision that is none", true, "//layer[@id='11']/output/port", "precision", "FLOAT"},
    {"a wrong precision of an input port", true, "//layer[@id='11']/input/port[1]", "precision", "FP16"},
    {"a wrong precision of an output port", true, "//layer[@id='7']/output/port", "precision", "U8"},
    {"an input port out of order", true, "//layer[@id='11']/input/port[1]", "id", "3"},
    {"an output port that begins at zero", true, "//layer[@id='11']/output/port", "id", "0"},
    {"a dimension of an output", true, "//layer[@id='11']/output/port/dim[2]", "", "17"},
    {"a dimension of an input port", true, "//layer[@id='11']/input/port[2]/dim[1]", "", "17"},
    {"a dimension below -1", true, "//layer[@id='11']/output/port/dim[1]", "", "-2"},
    {"a dimension that is no number", true, "//layer[@id='11']/output/port/dim[1]", "", "one"},
    {"an input port less", true, "//layer[@id='6']/input/port[5]", "-", ""},
    {"an output port less", true, "//layer[@id='48']/output/port[2]", "-", ""},
    {"a name that another tensor has", true, "//layer[@id='14']/output/port", "names", "x"},
    {"an edge from a port that is not there", true, "//edge[1]", "from-port", "1"},
    {"an edge to a port that is not there", true, "//edge[1]", "to-port", "9"},
    {"an edge to a layer that is not there", true, "//edge[1]", "to-layer", "5000"},
    {"an edge from another layer", true, "//edge[1]", "from-layer", "1"},
    {"an edge into a taken port", true, "//edge[4]", "to-port", "2"},
    {"an edge that makes a circle", true, "//edge[@to-layer='14']", "from-layer", "14"},
    {"a missing edge", true, "//edge[7]", "-", ""},
    {"a result less", false, "//layer[@id='453']", "-", ""},
    {"lists of ports before the attributes", true, "//layer[@id='11']/data", "move", ""},
};
// clang-format on
static_assert(std::size(mutations) >= 50);

std::string mutated(const std::string& text, const Mutation& m) {
  pugi::xml_document document;
  REQUIRE(document.load_string(text.c_str()));
  pugi::xml_node node = document.select_node(m.path).node();
  REQUIRE(node);
  const std::string_view attribute = m.attribute;
  if (attribute == "-") {
    node.parent().remove_child(node);
  } else if (attribute == "move") {
    node.parent().append_move(node);
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
  REQUIRE(out.str() != text);
  return out.str();
}

TEST_CASE("both real files are right, and every single change of a field is found") {
  if (!there(detector + ".xml")) {
    MESSAGE("SKIPPED: " << detector << ".xml is absent");
    return;
  }
  const std::string texts[] = {content(age + ".xml"), content(detector + ".xml")}, weights[] = {content(age + ".bin"), content(detector + ".bin")};
  for (int i = 0; i < 2; ++i)
    for (const std::string& problem : check_ir(texts[i], weights[i])) FAIL_CHECK(problem);
  for (const Mutation& m : mutations) {
    CAPTURE(m.what);
    CHECK_FALSE(check_ir(mutated(texts[m.of_detector], m), weights[m.of_detector]).empty());
  }
  CHECK_FALSE(check_ir(texts[1], std::string_view(weights[1]).substr(0, weights[1].size() - 1)).empty());
}

}  // namespace
}  // namespace lathe::openvino::test
