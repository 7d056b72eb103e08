// Names and the manifest; the model's JSON: model_json.cpp.
#include "core/package/package.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/sha256.hpp"
#include "core/files/write_file.hpp"
#include "core/job/diagnostic_json.hpp"

namespace lathe {
namespace {
using Json = nlohmann::ordered_json;

bool quantised(const std::string& precision) { return precision == "int8" || precision == "mixed"; }

// A figure that is the same wherever rounding noise is: rounded up to one digit.
double round_up(double x) {
  if (!(x > 0) || !std::isfinite(x)) return x > 0 ? 1e308 : 0;
  double step = std::pow(10.0, std::floor(std::log10(x)));
  char text[32];
  std::snprintf(text, sizeof text, "%.0e", std::ceil(x / step) * step);
  return std::strtod(text, nullptr);
}

Json describe(const Verification& v) {
  Json j{{"state", name(v.state)}};
  if (!v.reason.empty()) j["reason"] = v.reason;
  if (v.state == Verification::State::off || v.state == Verification::State::skipped) return j;
  j["inputs"] = v.inputs, j["relative_limit"] = v.limits.relative;
  Json outputs = Json::array();
  for (const OutputComparison& o : v.outputs)
    outputs.push_back({{"name", o.name}, {"relative_difference_at_most", round_up(o.difference / std::max(o.largest, 1e-30))}});
  j["outputs"] = outputs;
  return j;
}

Json describe(const PackageContents::Calibration& calibration) {
  const CalibrationSource& source = *calibration.source;
  Json j{{"kind", name(source.kind)}, {"sha256", source.sha256}, {"samples", calibration.findings.used}};
  if (source.kind == CalibrationSource::Kind::random) j["seed"] = source.seed;
  if (calibration.findings.given != calibration.findings.used) j["left_out"] = calibration.findings.given - calibration.findings.used;
  return j;
}

Json file_facts(const std::string& directory, const std::string& file) {
  std::string path = directory + "/" + file;
  return {{"file", file}, {"sha256", sha256_of_file(path)}, {"bytes", std::filesystem::file_size(path)}};
}

}  // namespace

std::string name_part(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '+';
    out += plain ? c : '_';
  }
  if (out.empty() || out[0] == '.' || out[0] == '-') out.insert(0, "_");
  return out.substr(0, 120);
}

std::string package_stem(const Graph& graph, const std::string& name, const ResolvedTarget& target, const std::string& version) {
  std::string size;
  const std::optional<Preprocessing> picture = preprocessing_of(graph);
  if (picture && picture->layout.width > 0 && picture->layout.height > 0)
    size = "--" + std::to_string(picture->layout.width) + "x" + std::to_string(picture->layout.height);
  return name_part(name) + size + (quantised(target.precision) ? "_quant_" : "_float_") + name_part(target.manifest->runtime) + "_" +
         name_part(target.device) + "_" + name_part(version);
}

void write_manifest(const std::string& directory, const PackageContents& contents, const std::vector<std::string>& described) {
  std::vector<std::string> files = described;
  for (const PackageStage& stage : contents.stages) files.insert(files.end(), stage.files.begin(), stage.files.end());
  Json manifest;
  manifest["lathe"] = LATHE_VERSION;
  manifest["model"] = {{"file", contents.model_file}, {"sha256", contents.model_sha256}};
  manifest["inputs"] = Json::array();
  for (const auto& [file, hash] : contents.inputs) manifest["inputs"].push_back({{"file", file}, {"sha256", hash}});
  manifest["frontend"] = {{"plugin", contents.frontend}, {"version", contents.frontend_version}};
  manifest["stages"] = Json::array();
  for (const PackageStage& stage : contents.stages) {
    Json settings = Json::object();
    for (const Setting& s : stage.target.settings) settings[s.name] = s.value;
    manifest["stages"].push_back({{"artifact", stage.artifact},
                                  {"target", stage.target.spelled()},
                                  {"plugin", stage.target.manifest->name},
                                  {"version", stage.target.manifest->version},
                                  {"precision", stage.target.precision},
                                  {"settings", settings},
                                  {"facts", stage.facts}});
  }
  manifest["options"] = Json::object();
  for (const auto& [key, value] : contents.options) manifest["options"][key] = value;
  if (contents.preprocessing) manifest["preprocessing"] = describe(*contents.preprocessing);
  if (contents.calibration) manifest["calibration"] = describe(*contents.calibration);
  manifest["verification"] = describe(contents.verification);
  std::sort(files.begin(), files.end());
  manifest["files"] = Json::array();
  for (const std::string& file : files) manifest["files"].push_back(file_facts(directory, file));
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH")) manifest["time"] = std::strtoll(epoch, nullptr, 10);
  write_file(directory + "/manifest.json", dump(manifest, 2) + "\n");
}

}  // namespace lathe
