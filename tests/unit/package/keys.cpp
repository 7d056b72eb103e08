// The table of keys against real packages, and every key against what it must not be.
#include "core/package/keys.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "core/files/write_file.hpp"

namespace {
using namespace lathe;
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

std::string errors(const Json& document) {
  std::string text;
  for (const Diagnostic& d : check_package_document(document, "p.json"))
    if (d.severity == Severity::error) text += d.sentence() + "\n";
  return text;
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Json smallest() {
  return Json::parse(R"({"ConfigVersion": 1, "Checksum": "x", "DEVICE": [{"DeviceType": "A", "RuntimeAgent": "B"}],
                         "MODEL_PARAMETERS": [{"ModelPath": "m.bin"}]})");
}

Json value_of(KeyType type) {
  switch (type) {
    case KeyType::boolean:
      return true;
    case KeyType::integer:
      return 3;
    case KeyType::number:
      return 0.5;
    case KeyType::text:
      return "word";
    case KeyType::integers:
      return {1, 2};
    case KeyType::numbers:
      return {0.5, 2};
    case KeyType::texts:
      return {"a", "b"};
    case KeyType::object:
      return Json::object({{"a", 1}});
    case KeyType::nested:
      return Json::parse("[[[1, 2]]]");
  }
  return nullptr;
}
Json wrong_value(KeyType type) { return type == KeyType::object || type == KeyType::nested ? Json("word") : Json::object({{"a", 1}}); }
}  // namespace

TEST_CASE("every key is taken where it belongs and with its type, and refused otherwise") {
  CHECK(errors(smallest()).empty());
  for (const PackageKey& key : package_keys()) {
    CAPTURE(key.name);
    const auto with = [&](const char* section, const std::string& name, const Json& value) {
      Json document = smallest();
      if (!*section) {
        document[name] = value;
      } else {
        if (!document.contains(section)) document[section] = Json::array({Json::object()});
        document[section][0][name] = value;
      }
      return errors(document);
    };
    const std::string first_choice = std::string(key.choices).substr(0, std::string(key.choices).find('|'));
    Json good = *key.choices ? Json(first_choice) : value_of(key.type);
    if (key.name == std::string("SupportedDeviceTypes")) good = "B/A";
    if (key.name == std::string("DeviceType") || key.name == std::string("RuntimeAgent")) good = "C";
    CHECK(with(key.section, key.name, good) == "");
    CHECK(has(with(key.section, key.name, wrong_value(key.type)), "has another type"));
    CHECK(has(with(key.section, std::string(key.name) + "x", good), "is not known"));
    if (*key.choices) CHECK(has(with(key.section, key.name, "no such word"), "none of its words"));
    if (*key.section) CHECK(has(with("", key.name, good), "is not known"));
  }
}

TEST_CASE("the lowest version that carries the keys") {
  Json document = smallest();
  CHECK(lowest_config_version(document) == 1);
  document["PRE_PROCESS"] = Json::array({{{"InputN", 1}}});
  CHECK(lowest_config_version(document) == 1);
  document["PRE_PROCESS"][0]["InputScaleEn"] = true;
  CHECK(lowest_config_version(document) == 6);
  document["PRE_PROCESS"][0]["InputRawDataType"] = "DG_UINT8";
  CHECK(lowest_config_version(document) == 10);
  document["PRE_PROCESS"].push_back({{"InputShape", {1, 2}}});
  CHECK(lowest_config_version(document) == unseen_config_version);
}

TEST_CASE("real packages are accepted, and their version is one that our table allows") {
  const fs::path folder = fs::path(LATHE_SOURCE_DIR) / "../shared/models/vendor/degirum";
  if (!fs::exists(folder)) {
    MESSAGE("skipped: ", folder.string(), " is not here");
    return;
  }
  size_t count = 0;
  for (const fs::directory_entry& file : fs::recursive_directory_iterator(folder)) {
    if (file.path().extension() != ".json") continue;
    const Json document = Json::parse(read_text_file(file.path().string()));
    if (!document.contains("MODEL_PARAMETERS")) continue;
    CAPTURE(file.path().string());
    CHECK(errors(document) == "");
    CHECK(document["ConfigVersion"].get<int>() >= lowest_config_version(document));
    ++count;
    // Each key spelled otherwise or of another type is noticed, but in packages whose own code may read it.
    const bool code = document["POST_PROCESS"][0].contains("PythonFile");
    for (const auto& [section, list] : document.items()) {
      if (!list.is_array()) continue;
      for (const auto& [key, value] : list[0].items()) {
        Json misspelled = document, mistyped = document;
        misspelled[section][0].erase(key);
        misspelled[section][0][key + "_"] = value;
        if (!code) CHECK(errors(misspelled) != "");
        mistyped[section][0][key] = Json::array({nullptr});
        if (key != "RegScale" && key != "RegOffset") CHECK(errors(mistyped) != "");
      }
    }
  }
  CHECK(count >= 9);
}
