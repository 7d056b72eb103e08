// What axcompile is given. That the scripts run is shown with a stand-in for axcompile, in compile.py.
#include "../scripts.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace lathe::axelera;

namespace {

lathe_preprocessing contract() {
  lathe_preprocessing p = {};
  p.struct_size = sizeof p;
  p.width = 320, p.height = 240, p.channels = 3;
  for (int c = 0; c < 3; ++c) p.mean[c] = 123.675f, p.scale[c] = 1 / 58.395f;
  return p;
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

}  // namespace

TEST_CASE("the transform says size, mean, scale and layout") {
  lathe_preprocessing p = contract();
  std::string text = transform_script(p);
  CHECK(has(text, "WIDTH, HEIGHT, CHANNELS = 320, 240, 3"));
  CHECK(has(text, "MEAN = numpy.array((123.675003, 123.675003, 123.675003)"));
  CHECK(has(text, "CHANNELS_LAST = False"));
  p.channels = 1, p.channels_last = 1;
  text = transform_script(p);
  CHECK(has(text, "MEAN = numpy.array((123.675003,)"));
  CHECK(has(text, "CHANNELS_LAST = True"));
}

TEST_CASE("the configuration has the keys of the SDK's version") {
  const auto json = nlohmann::json::parse(config_json({"per_tensor_min_max", 2, 6, 0.25, true}, true));
  CHECK(json["quantization_scheme"] == "per_tensor_min_max");
  CHECK(json["aipu_cores_used"] == 2);
  CHECK(json["tiling_depth"] == 6);
  CHECK(json["resources_used"] == 0.25);
  CHECK(json["output_axm_format"] == true);
  const auto old = nlohmann::json::parse(config_json({"per_tensor_min_max", 1, 0, 0, false}, false));
  CHECK(old["ptq_scheme"] == "per_tensor_min_max");
  CHECK(old["aipu_cores"] == 1);
  CHECK_FALSE(old.contains("output_axm_format"));
  CHECK_FALSE(old.contains("tiling_depth"));
}
