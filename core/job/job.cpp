// The job document as JSON.
#include "core/job/job.hpp"

#include <iterator>
#include <nlohmann/json.hpp>

#include "core/base/diagnostic.hpp"

namespace lathe {
namespace {

constexpr const char* goals[] = {"compile", "check", "package"};

nlohmann::ordered_json describe(const CalibrationSource& source) {
  nlohmann::ordered_json j{{"kind", name(source.kind)}, {"sha256", source.sha256}, {"path", source.path}};
  j["files"] = nlohmann::ordered_json::array();
  for (const CalibrationFile& file : source.files) j["files"].push_back({{"sha256", file.sha256}, {"path", file.path}});
  j["count"] = source.count, j["seed"] = source.seed;
  return j;
}

CalibrationSource read_calibration(const nlohmann::json& j) {
  using Kind = CalibrationSource::Kind;
  CalibrationSource source;
  const std::string kind = j.at("kind");
  source.kind = Kind::none;
  for (const Kind known : {Kind::pictures, Kind::arrays, Kind::random})
    if (kind == name(known)) source.kind = known;
  j.at("sha256").get_to(source.sha256);
  j.at("path").get_to(source.path);
  for (const nlohmann::json& file : j.at("files")) source.files.push_back({file.at("sha256"), file.at("path")});
  j.at("count").get_to(source.count);
  j.at("seed").get_to(source.seed);
  return source;
}

}  // namespace

std::string to_json_text(const Job& job) {
  nlohmann::ordered_json j;
  j["lathe"] = LATHE_VERSION;
  j["goal"] = goals[static_cast<int>(job.goal)];
  j["artifact"] = {{"sha256", job.artifact.sha256}, {"path", job.artifact.path}};
  j["model"] = {{"sha256", job.model.sha256}, {"path", job.model.path}};
  j["name"] = job.name;
  j["version"] = job.version;
  j["targets"] = job.targets;
  j["precision"] = job.precision;
  j["emit"] = job.emit;
  j["layout"] = job.layout;
  j["verify"] = job.verify;
  j["host_triple"] = job.host_triple;
  j["options"] = job.options;
  j["shapes"] = job.shapes;
  j["width"] = job.width;
  j["height"] = job.height;
  const PreprocessingOptions& p = job.preprocessing;
  j["preprocessing"] = {{"mean", p.mean}, {"scale", p.scale}, {"color_order", p.color_order}, {"fit", p.fit}, {"padding", p.padding}};
  j["calibration"] = describe(job.calibration);
  j["pipeline"] = {{"text", job.pipeline}, {"source", job.pipeline_source}};
  j["dump_after"] = job.dump_after;
  j["verify_each"] = job.verify_each;
  return j.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Job parse_job(const std::string& json) {
  try {
    nlohmann::json j = nlohmann::json::parse(json);
    Job job;
    const std::string goal = j.at("goal");
    for (size_t i = 0; i < std::size(goals); ++i)
      if (goal == goals[i]) job.goal = static_cast<Goal>(i);
    j.at("artifact").at("sha256").get_to(job.artifact.sha256);
    j.at("artifact").at("path").get_to(job.artifact.path);
    j.at("model").at("sha256").get_to(job.model.sha256);
    j.at("model").at("path").get_to(job.model.path);
    j.at("name").get_to(job.name);
    j.at("version").get_to(job.version);
    j.at("targets").get_to(job.targets);
    j.at("precision").get_to(job.precision);
    j.at("emit").get_to(job.emit);
    j.at("layout").get_to(job.layout);
    j.at("verify").get_to(job.verify);
    j.at("host_triple").get_to(job.host_triple);
    j.at("options").get_to(job.options);
    j.at("shapes").get_to(job.shapes);
    j.at("width").get_to(job.width);
    j.at("height").get_to(job.height);
    const nlohmann::json& p = j.at("preprocessing");
    p.at("mean").get_to(job.preprocessing.mean);
    p.at("scale").get_to(job.preprocessing.scale);
    p.at("color_order").get_to(job.preprocessing.color_order);
    p.at("fit").get_to(job.preprocessing.fit);
    p.at("padding").get_to(job.preprocessing.padding);
    job.calibration = read_calibration(j.at("calibration"));
    j.at("pipeline").at("text").get_to(job.pipeline);
    j.at("pipeline").at("source").get_to(job.pipeline_source);
    j.at("dump_after").get_to(job.dump_after);
    j.at("verify_each").get_to(job.verify_each);
    return job;
  } catch (const nlohmann::json::exception& problem) {
    throw Error(Code::usage, std::string("this is no job document: ") + problem.what());
  }
}

}  // namespace lathe
