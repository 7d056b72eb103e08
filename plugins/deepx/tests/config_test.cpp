// What dxcom is given: its configuration and its arguments. That the steps yield the model's input is shown with a stand-in for it, in compile.py.
#include "../config.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "../backend.hpp"

using namespace lathe::deepx;

namespace {

lathe_preprocessing contract() {
  lathe_preprocessing p = {};
  p.struct_size = sizeof p;
  p.width = 640, p.height = 480, p.channels = 3;
  for (int c = 0; c < 3; ++c) p.scale[c] = 1 / 255.f;
  return p;
}
nlohmann::json steps(const lathe_preprocessing& p) {
  Config config;
  config.input = "images", config.shape = {1, 3, 480, 640}, config.count = 100, config.folder = "/folder/calibration", config.extension = "png";
  return nlohmann::json::parse(config_json(config, p));
}

}  // namespace

TEST_CASE("the usual picture: blue first, 0 to 255, to RGB, 0 to 1, channels first") {
  const auto json = steps(contract());
  CHECK(json["inputs"] == nlohmann::json{{"images", {1, 3, 480, 640}}});
  CHECK(json["calibration_method"] == "ema");
  CHECK(json["calibration_num"] == 100);
  CHECK(json["default_loader"]["dataset_path"] == "/folder/calibration");
  CHECK(json["default_loader"]["file_extensions"] == nlohmann::json{"png"});
  CHECK(json["default_loader"]["preprocessings"] == nlohmann::json::parse(R"([{"convertColor": {"form": "BGR2RGB"}},
    {"resize": {"mode": "default", "width": 640, "height": 480}}, {"div": {"x": 255.0}}, {"transpose": {"axis": [2, 0, 1]}}, {"expandDim": {"axis": 0}}])"));
  CHECK_FALSE(json.contains("quantization_device"));
}

TEST_CASE("numbers per channel, blue first, channels last, grey, raw") {
  lathe_preprocessing p = contract();
  const float mean[] = {123.675f, 116.28f, 103.53f}, deviation[] = {58.395f, 57.12f, 57.375f};
  for (int c = 0; c < 3; ++c) p.mean[c] = mean[c], p.scale[c] = 1 / deviation[c];
  p.bgr = 1, p.channels_last = 1;
  auto list = steps(p)["default_loader"]["preprocessings"];
  REQUIRE(list.size() == 4);  // no colours to change, no axes to move
  CHECK(list[1]["div"]["x"] == 255.0);
  CHECK(list[2]["normalize"]["mean"][0].get<double>() == doctest::Approx(0.485));
  CHECK(list[2]["normalize"]["std"][2].get<double>() == doctest::Approx(0.225));
  CHECK(list[3]["expandDim"]["axis"] == 0);
  p = contract();
  p.channels = 1;
  list = steps(p)["default_loader"]["preprocessings"];
  CHECK(list[0]["convertColor"]["form"] == "BGR2GRAY");
  CHECK(list[3]["expandDim"]["axis"] == 0);
  CHECK(list[4]["expandDim"]["axis"] == 0);
  p = contract();
  for (int c = 0; c < 3; ++c) p.scale[c] = 1;
  CHECK(steps(p)["default_loader"]["preprocessings"].size() == 4);  // nothing to divide by
  for (int c = 0; c < 3; ++c) p.mean[c] = 127.5f, p.scale[c] = 1 / 127.5f;
  list = steps(p)["default_loader"]["preprocessings"];
  CHECK(list[2]["subtract"]["x"] == 127.5);
  CHECK(list[3]["mul"]["x"].get<double>() == doctest::Approx(1 / 127.5));
}

TEST_CASE("arguments") {
  using Words = std::vector<std::string>;
  Choices c;
  c.opt_level = "1", c.recalibration = "none";
  CHECK(dxcom_arguments(c) == Words{"-m", "model.onnx", "-c", "config.json", "-o", "out", "--opt_level", "1", "--gen_log"});
  c.aggressive = c.float64 = c.tuned = c.diagnosis = true;
  Words all = dxcom_arguments(c);
  for (const char* flag : {"--aggressive_partitioning", "--float64_calibration", "--use_q_pro", "--quant_diagnosis"})
    CHECK(std::find(all.begin(), all.end(), flag) != all.end());
  CHECK(c.need_newest());
  c = {};
  c.opt_level = "0", c.recalibration = "iqr", c.checkpoint = "/somewhere/m.qxnn";
  CHECK(dxcom_arguments(c) == Words{"--checkpoint", "model.qxnn", "-o", "out", "--opt_level", "0", "--gen_log", "--recalibration_method", "iqr",
                                    "--dataset_path", "calibration"});
}
