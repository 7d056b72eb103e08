// A whole frontend: reads a small text format, one statement a line:
//
//   tiny 1                     the format and its version
//   input x 1 3 8 8            a float32 input and its shape
//   constant c 2 : 0.5 1.5     a float32 constant: its shape, then its elements
//   relu y x                   operator, result, operands: relu, sigmoid, add, mul, matmul
//   output y
#include <fstream>
#include <lathe/plugin.hpp>
#include <map>
#include <sstream>

namespace {
namespace sdk = lathe::sdk;

class Reader {
 public:
  Reader(std::string path, int64_t longest) : path_(std::move(path)), longest_(longest) {}

  sdk::GraphBuilder read() {
    graph_.set_opset("", 17);
    std::ifstream in(path_);
    std::string text;
    while (std::getline(in, text)) {
      ++line_;
      std::istringstream words(text);
      std::string keyword;
      if (!(words >> keyword) || keyword[0] == '#') continue;
      statement(keyword, words);
    }
    if (!began_) fail("the file is empty", "tiny 1");
    if (!outputs_) fail("the model has no output", "output NAME");
    return std::move(graph_);
  }

 private:
  [[noreturn]] void fail(std::string text, std::string expected = {}, std::string found = {}) const {
    sdk::Diagnostic d;
    d.text = std::move(text);
    d.location = path_ + ":" + std::to_string(line_);
    d.expected = std::move(expected);
    d.found = std::move(found);
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }

  void statement(const std::string& keyword, std::istringstream& words) {
    static const std::map<std::string, std::pair<const char*, size_t>> operators = {
        {"relu", {"Relu", 1}}, {"sigmoid", {"Sigmoid", 1}}, {"add", {"Add", 2}}, {"mul", {"Mul", 2}}, {"matmul", {"MatMul", 2}}};
    std::string name;
    if (!began_) {
      if (keyword != "tiny" || !(words >> name) || name != "1") fail("this is no model of this format", "tiny 1", keyword);
      began_ = true;
    } else if (!(words >> name)) {
      fail("'" + keyword + "' needs a name");
    } else if (keyword == "input") {
      const auto shape = read_shape(words);
      define(name, graph_.add_input(name, LATHE_FLOAT32, sdk::Shape(shape.begin(), shape.end())));
    } else if (keyword == "constant") {
      const auto shape = read_shape(words);
      define(name, graph_.add_constant(name, sdk::TensorData::of(LATHE_FLOAT32, shape, read_elements(words, shape))));
    } else if (keyword == "output") {
      graph_.add_output(find(name));
      ++outputs_;
    } else if (const auto op = operators.find(keyword); op != operators.end()) {
      std::vector<uint32_t> operands;
      for (std::string operand; words >> operand;) operands.push_back(find(operand));
      if (operands.size() != op->second.second)
        fail("'" + keyword + "' takes another number of operands", std::to_string(op->second.second), std::to_string(operands.size()));
      const uint32_t result = graph_.add_value(name);
      define(name, result);
      graph_.add_node(op->second.first, std::move(operands), {result}, keyword + "_line_" + std::to_string(line_));
    } else {
      fail("unknown statement '" + keyword + "'", "input, constant, output, relu, sigmoid, add, mul or matmul");
    }
  }
  // Dimensions up to the end of the line or ':'.
  std::vector<int64_t> read_shape(std::istringstream& words) const {
    std::vector<int64_t> shape;
    int64_t size = 1;
    for (std::string word; words >> word && word != ":";) {
      int64_t d = 0;
      if (!(std::istringstream(word) >> d) || d < 1 || d > longest_ || (size *= d) > longest_)
        fail("this is no dimension, or the tensor is too large", "1 to " + std::to_string(longest_), word);
      shape.push_back(d);
    }
    return shape;
  }
  std::vector<float> read_elements(std::istringstream& words, const std::vector<int64_t>& shape) const {
    size_t size = 1;
    for (int64_t d : shape) size *= static_cast<size_t>(d);
    std::vector<float> elements;
    for (float e; words >> e;) elements.push_back(e);
    if (!words.eof() || elements.size() != size)
      fail("the constant has the wrong number of elements", std::to_string(size), std::to_string(elements.size()));
    return elements;
  }
  void define(const std::string& name, uint32_t value) {
    if (!values_.emplace(name, value).second) fail("'" + name + "' is defined twice");
  }
  uint32_t find(const std::string& name) const {
    const auto value = values_.find(name);
    if (value == values_.end()) fail("'" + name + "' is not defined before it is used");
    return value->second;
  }

  std::string path_;
  int64_t longest_;
  int line_ = 0, outputs_ = 0;
  bool began_ = false;
  sdk::GraphBuilder graph_{"tiny"};
  std::map<std::string, uint32_t> values_;
};

class Frontend {
 public:
  static sdk::FrontendInfo info() {
    return {"tiny text", {"tiny"}, {{"largest", LATHE_OPTION_INT, "16777216", "The most elements that a tensor may have."}}};
  }
  static int recognise(const sdk::FileHead& head) { return head.begins_with("tiny ") ? 90 : 0; }
  explicit Frontend(sdk::Host) {}

  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
    sink.accept(Reader(request.path, request.settings.integer("largest")).read());
  }
};

}  // namespace

LATHE_PLUGIN("example_frontend", "0.1.0", "Example", "Reads models in a small text format.", sdk::FrontendPart<Frontend>)
