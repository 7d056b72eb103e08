// Bad and hostile files are refused with a sentence, whatever is in them.
#include <doctest/doctest.h>

#include "check/checker.hpp"
#include "support.hpp"

namespace lathe::openvino::test {
namespace {

// A small right file: x + 1, and a constant in 16 bytes of weights.
const std::string right = R"(<?xml version="1.0"?>
<net name="small" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,4" element_type="f32"/><output><port id="0" precision="FP32" names="x"><dim>1</dim><dim>4</dim></port></output></layer>
<layer id="1" name="c" type="Const" version="opset1"><data element_type="f32" shape="1, 4" offset="0" size="16"/><output><port id="0" precision="FP32"><dim>1</dim><dim>4</dim></port></output></layer>
<layer id="2" name="a" type="Add" version="opset1"><data auto_broadcast="numpy"/><input><port id="0" precision="FP32"><dim>1</dim><dim>4</dim></port><port id="1" precision="FP32"><dim>1</dim><dim>4</dim></port></input><output><port id="2" precision="FP32" names="y"><dim>1</dim><dim>4</dim></port></output></layer>
<layer id="3" name="r" type="Result" version="opset1"><input><port id="0" precision="FP32"><dim>1</dim><dim>4</dim></port></input></layer>
</layers><edges>
<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
</edges></net>)";
const std::string weights(16, '\0');

// What the reader says; "" when it takes the file.
std::string said(const std::string& xml, const std::string& bytes = weights) {
  try {
    const Model model = parse_model(xml, bytes, "test.xml");
    read_graph(model, "", bytes, "test.xml").layout();
    return "";
  } catch (const sdk::Failure& failure) {
    std::string all;
    for (const sdk::Diagnostic& d : failure.diagnostics) all += d.text + "\n";
    return all.empty() ? "nothing" : all;
  }
}

std::string with(std::string from, const std::string& to) {
  std::string text = right;
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("a right file is taken") {
  CHECK(said(right) == "");
  CHECK(check_ir(right, weights).empty());
}

TEST_CASE("entities are not taken") {
  const std::string bomb =
      R"(<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><net name="&b;" version="11"><layers/></net>)";
  CHECK(holds(said(bomb), "document type"));
  CHECK_FALSE(check_ir(bomb, "").empty());
}

TEST_CASE("what is no IR is called so") {
  CHECK(holds(said(""), "no XML"));
  CHECK(holds(said("<net"), "no XML"));
  CHECK(holds(said("<a/>"), "no IR"));
  CHECK(holds(said(with("version=\"11\"", "version=\"9\"")), "version"));
  CHECK(holds(said("<net version=\"11\"><layers/></net>"), "no layers"));
}

TEST_CASE("names are UTF-8, and dimensions numbers that a tensor can have") {
  CHECK(holds(said(with("name=\"r\"", "name=\"\xc3\x28\"")), "UTF-8"));
  CHECK(holds(said(with("name=\"r\"", "name=\"\xed\xa0\x80\"")), "UTF-8"));
  CHECK(said(with("name=\"r\"", "name=\"gr\xc3\xb6\xc3\x9f\x65 ../x\"")) == "");
  CHECK(holds(said(with("<dim>4</dim>", "<dim>9223372036854775807</dim>")), "dimension that is none"));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "<dim>1</dim>";
  CHECK(holds(said(with("<dim>4</dim>", many)), "more axes"));
}

TEST_CASE("constants lie inside the weights") {
  CHECK(holds(said(right, std::string(15, '\0')), "beyond the end"));
  CHECK(holds(said(with("offset=\"0\"", "offset=\"1\"")), "beyond the end"));
  CHECK(holds(said(with("offset=\"0\"", "offset=\"18446744073709551615\"")), "no numbers"));
  CHECK(holds(said(with("offset=\"0\"", "offset=\"9223372036854775807\"")), "beyond the end"));
  CHECK(holds(said(with("size=\"16\"", "size=\"12\"")), "size"));
  CHECK(holds(said(with("shape=\"1, 4\"", "shape=\"4294967296, 4294967296\"")), "element"));
  CHECK(holds(said(with("shape=\"1, 4\"", "shape=\"-1, 4\"")), "open dimension"));
}

TEST_CASE("edges end at ports that are there, once, and in no circle") {
  CHECK(holds(said(with("to-layer=\"2\" to-port=\"0\"", "to-layer=\"2\" to-port=\"7\"")), "no input port 7"));
  CHECK(holds(said(with("from-layer=\"1\" from-port=\"0\"", "from-layer=\"1\" from-port=\"3\"")), "no output port 3"));
  CHECK(holds(said(with("from-layer=\"1\"", "from-layer=\"9\"")), "not there"));
  CHECK(holds(said(with("to-port=\"1\"", "to-port=\"0\"")), "connected twice"));
  CHECK(holds(said(with("<edge from-layer=\"1\" from-port=\"0\"", "<edge from-layer=\"2\" from-port=\"2\"")), "cyclic"));
  CHECK(holds(said(with("<edge from-layer=\"0\" from-port=\"0\" to-layer=\"2\" to-port=\"0\"/>", "")), "nothing is connected"));
}

TEST_CASE("operations and attributes are known") {
  CHECK(holds(said(with("type=\"Add\"", "type=\"Addition\"")), "not one that can be read"));
  CHECK(holds(said(with("version=\"opset1\"", "version=\"opset77\"")), "operation set"));
  CHECK(holds(said(with("id=\"2\" precision=\"FP32\"", "id=\"2\" precision=\"F32\"")), "precision"));
  CHECK(holds(said(with("<dim>4</dim>", "<dim>4x</dim>")), "dimension"));
  CHECK(holds(said(with("id=\"3\" name=\"r\"", "id=\"2\" name=\"r\"")), "two layers"));
  CHECK(holds(said(with("type=\"Add\"", "type=\"Convolution\"")), "missing"));
}

// A walk through damaged copies that is the same every time: none may crash, and all that are taken must be readable.
TEST_CASE("damage of every kind is survived") {
  uint64_t state = 1;
  const auto random = [&](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  const std::string words[] = {"opset8", "-1",   "0",   "99999999999999999999", "FP16", "Split", "MaxPool", "Const", "\"", "<", "/>",
                               "&amp;",  "1, 1", "\xff"};
  size_t taken = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = right;
    for (uint64_t changes = 1 + random(4); changes > 0; --changes) {
      const size_t at = random(text.size()), length = random(12);
      const std::string& word = words[random(std::size(words))];
      switch (random(4)) {
        case 0:
          text.replace(at, std::min(length, text.size() - at), word);
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text[at] = static_cast<char>(random(256));
          break;
        default:
          text.insert(at, text.substr(random(text.size()), 60));
      }
      if (text.empty()) text = "<";
    }
    taken += said(text).empty();
    check_ir(text, weights);
  }
  CHECK(taken > 0);
}

}  // namespace
}  // namespace lathe::openvino::test
