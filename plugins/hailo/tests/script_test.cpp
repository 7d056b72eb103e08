// The script, the order to the compiler, and how a HEF is held against what was asked.
#include "../script.hpp"

#include <doctest/doctest.h>

#include <lathe/plugin.hpp>

#include "../judge.hpp"
#include "../tool.hpp"
#include "sample.hpp"

using namespace lathe;
using namespace lathe::hailo;
using namespace lathe::hailo::test;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The file of sample.hpp, and what a compile that made it would have asked for.
Hef made() { return read_hef(hef_file(1, detector_description()), "a.hef"); }
Expected asked() {
  Expected e;
  e.device = "HAILO8L";
  e.inputs = {{"images", "", {1, 3, 640, 640}}};
  e.outputs = {{"boxes", "original/net/conv1", {1, 64, 80, 80}}, {"scores", "original/net/conv2", {1, 80, 80, 80}}};
  return e;
}
std::string refusal(const Hef& hef, const Expected& expected) {
  try {
    judge(sdk::Host(nullptr), hef, expected);
  } catch (const sdk::Failure& failure) {
    CHECK(failure.code == LATHE_FAILED);
    const sdk::Diagnostic& d = failure.diagnostics.front();
    return d.text + "; expected " + d.expected + "; found " + d.found;
  }
  return {};
}

}  // namespace

TEST_CASE("the script says normalisation, effort and calibration in the compiler's words") {
  Script script;
  script.mean = {0, 0, 0}, script.deviation = {255, 255, 255}, script.calibration_count = 80;
  CHECK(script_text(script) ==
        "normalization1 = normalization([0.0, 0.0, 0.0], [255.0, 255.0, 255.0])\n"
        "model_optimization_flavor(optimization_level=1, compression_level=0)\n"
        "model_optimization_config(calibration, batch_size=8, calibset_size=80)\n");
  script = {};
  script.mean = {123.675f}, script.deviation = {58.395f}, script.optimization_level = 4, script.wide_outputs = true, script.highest_effort = true;
  script.more = "allocator_param(timeout=10h)", script.calibration_count = 3;
  const std::string text = script_text(script);
  for (const char* part : {"normalization([123.675], [58.395])\n", "optimization_level=4", "batch_size=3", "precision_mode=a16_w16",
                           "compiler_optimization_level=max", "allocator_param(timeout=10h)\n"})
    CHECK_MESSAGE(has(text, part), part);
  CHECK(!has(script_text({}), "normalization"));
}

TEST_CASE("the order: architecture, end nodes, no questions, every file named") {
  Order order;
  order.device = "HAILO8L", order.files.network = "net", order.start_nodes = {"/a/Conv"}, order.end_nodes = {"/b/Conv", "/c/Conv"};
  sdk::ToolPlan p = plan(order);
  REQUIRE(p.runs.size() == 3);
  CHECK(p.runs[0].arguments == std::vector<std::string>{"parser", "onnx", "model.onnx", "--hw-arch", "hailo8l", "--net-name", "net", "--har-path",
                                                        "net.har", "--start-node-names", "/a/Conv", "--end-node-names", "/b/Conv", "/c/Conv", "-y"});
  CHECK(p.runs[1].arguments[0] == "optimize");
  CHECK(p.runs[2].arguments[0] == "compiler");
  CHECK(p.artifact == "net.hef");
  CHECK(p.target == "hailo:hailo8l");
  CHECK(!sdk::run_script(p).empty());  // every pattern can be said in a shell
  order.suppress = true;
  p = plan(order);
  REQUIRE(p.runs.size() == 4);
  CHECK(std::string(p.runs[1].program) == "python3");
  CHECK(has(sdk::run_script(p), "name_layers.py net.har suppression.json model.alls final.alls nms.json"));
  CHECK(network_name("yolov8n--640x640_quant_hailort_hailo8_1") == "yolov8n");
  CHECK(network_name("3d-net_quant") == "net_3d_net_quant");
}

TEST_CASE("what HailoRT has to know of a head, before the compiler has named its layers") {
  Suppressing s;
  s.network = "net", s.height = s.width = 640, s.classes = 3, s.box_length = 16;
  s.decoders = {{8, "/cv2.0/Conv", "/cv3.0/Conv", 64, 3}};
  const std::string text = suppression_text(s);
  for (const char* part : {"\"classes\": 3", "\"regression_length\": 16", "\"stride\": 8", "\"node\": \"/cv3.0/Conv\""})
    CHECK_MESSAGE(has(text, part), part);
}

TEST_CASE("a HEF that is what was asked for binds tensors to streams, by name or by shape") {
  std::vector<Binding> bound = judge(sdk::Host(nullptr), made(), asked());
  REQUIRE(bound.size() == 3);
  CHECK(bound[0].stream == "net/input_layer1");
  CHECK(bound[1].stream == "net/conv1");
  CHECK(bound[2].stream == "net/conv2");
  Expected e = asked();
  for (Border& b : e.outputs) b.node = "renamed";
  bound = judge(sdk::Host(nullptr), made(), e);
  CHECK(bound[1].stream == "net/conv1");
  e = asked(), e.classes = 80;
  CHECK(judge(sdk::Host(nullptr), made(), e).size() == 3);
}

TEST_CASE("a HEF that is something else is refused") {
  Expected e = asked();
  Hef hef = made();
  hef.architecture = 1;
  CHECK(has(refusal(hef, e), "the HEF is for another device; expected HAILO8L; found HAILO8"));
  e.device = "HAILO8";
  CHECK(refusal(hef, e).empty());
  e = asked(), e.outputs.pop_back();
  CHECK(has(refusal(made(), e), "another number of outputs; expected 1; found 2: net/conv1, net/conv2"));
  e = asked(), e.outputs[0].shape = {1, 64, 40, 40};
  CHECK(has(refusal(made(), e), "no output has the shape of 'boxes'; expected 40x40x64"));
  e = asked(), e.inputs[0].shape = {1, 3, 320, 320};
  CHECK(has(refusal(made(), e), "no input has the shape of 'images'; expected 320x320x3"));
  e = asked(), e.classes = 3;
  CHECK(has(refusal(made(), e), "another number of classes; expected 3; found 80"));
  hef = made(), hef.groups[0].suppressions.clear();
  CHECK(has(refusal(hef, e), "no suppression of boxes is in it"));
  hef = made(), hef.groups.push_back(hef.groups[0]);
  CHECK(has(refusal(hef, asked()), "another number of network groups"));
}
