// The job document as JSON.
#include "core/job/job.hpp"

#include <nlohmann/json.hpp>

#include "core/base/diagnostic.hpp"

namespace lathe {

std::string to_json_text(const Job& job) {
  nlohmann::ordered_json j;
  j["lathe"] = LATHE_VERSION;
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
  j["pipeline"] = {{"text", job.pipeline}, {"source", job.pipeline_source}};
  j["dump_after"] = job.dump_after;
  j["verify_each"] = job.verify_each;
  return j.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Job parse_job(const std::string& json) {
  try {
    nlohmann::json j = nlohmann::json::parse(json);
    Job job;
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
