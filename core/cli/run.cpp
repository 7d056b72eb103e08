// lathe run: one run of an artifact on files.
#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/cli/context.hpp"
#include "core/cli/guard.hpp"
#include "core/files/tensor_files.hpp"
#include "core/files/write_file.hpp"
#include "core/job/verification.hpp"
#include "core/package/package.hpp"

namespace lathe::cli {
namespace {
namespace fs = std::filesystem;

struct Arguments {
  std::string artifact, output = ".", context_family;
  std::vector<std::string> inputs;
  unsigned threads = 0;
  bool letterbox = false;
};

// LEIP's --inference_context names the family of devices to run on; what an artifact was compiled for decides that here, so it is checked.
void check_family(Plugins& plugins, const std::string& family, const std::string& artifact) {
  if (family.empty()) return;
  std::string path = artifact;
  if (fs::is_directory(path)) return;
  const Manifest& manifest = plugins.find_executor(fs::absolute(path).string())->manifest();
  std::vector<std::string> words = {manifest.name, manifest.runtime};
  words.insert(words.end(), manifest.aliases.begin(), manifest.aliases.end());
  if (manifest.has_trait("runs-on-host")) words.push_back("cpu");
  auto lower = [](std::string s) {
    for (char& c : s) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return s;
  };
  for (const std::string& word : words)
    if (lower(word) == lower(family)) return;
  throw Error(Code::usage, "--inference_context " + family + ": this artifact runs on " + manifest.runtime,
              "leave it out, or compile for another target");
}

nlohmann::ordered_json describe(const std::string& name, const Tensor& tensor, const std::string& file) {
  nlohmann::ordered_json j{{"name", name}, {"type", lathe::name(tensor.type)}, {"shape", tensor.dimensions}, {"file", file}};
  if (std::optional<TensorRange> range = range_of(tensor)) {
    // JSON has no infinities.
    auto number = [](double x) { return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(); };
    j["min"] = number(range->lowest), j["max"] = number(range->highest), j["mean"] = number(range->mean);
  }
  return j;
}

int run(Context& context, const Arguments& a) {
  unsigned threads = a.threads ? a.threads : std::max(1u, std::thread::hardware_concurrency());
  std::unique_ptr<Plugins> plugins = context.discover(threads);
  check_family(*plugins, a.context_family, a.artifact);
  doing("loading '" + a.artifact + "'");
  std::unique_ptr<Executable> executable = open_artifact(*plugins, a.artifact, threads, false);
  std::vector<NamedType> wanted;
  for (const TensorInfo& info : executable->inputs()) wanted.push_back({info.name, info.type});
  TensorFileOptions options;
  options.letterbox = a.letterbox;
  std::vector<Tensor> tensors = read_inputs(a.inputs, wanted, options);
  doing("running '" + a.artifact + "'");
  const std::vector<Datum> outputs = executable->run({tensors.begin(), tensors.end()});

  std::error_code error;
  fs::create_directories(a.output, error);
  if (error) fail_errno("make the folder", a.output, error.value());
  std::vector<std::string> taken;
  nlohmann::ordered_json documents = nlohmann::ordered_json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = executable->outputs()[i].name;
    if (!outputs[i].is_tensor()) throw Error(Code::unsupported, "output '" + name + "' is " + describe(outputs[i]) + ", which no .npy file can hold");
    std::string file = write_tensor_file(a.output, name, outputs[i].tensor, taken);
    documents.push_back(describe(name, outputs[i].tensor, file));
  }
  if (context.json) {
    context.print_json({{"artifact", a.artifact}, {"outputs", documents}});
    return 0;
  }
  for (const auto& j : documents) context.print(j["file"].get<std::string>() + "  " + j["type"].get<std::string>() + j["shape"].dump());
  return 0;
}

}  // namespace

Command add_run(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("run", "Run an artifact or a package once");
  app->add_option("ARTIFACT", a->artifact, "A file or a package's folder")->required();
  app->add_option("--input,-i", a->inputs, ".npy, .npz, .png, .jpg or raw .bin; NAME= may be left out where there is one input")
      ->type_name("[NAME=]FILE")
      ->allow_extra_args(false);
  app->add_option("--output,-o", a->output, "Folder for the outputs, <name>.npy each (default: here)")->type_name("DIR");
  app->add_option("--threads", a->threads, "Default: one per processor")->type_name("N");
  app->add_flag("--letterbox", a->letterbox, "Fit pictures of another size in, with grey bars; otherwise they are refused");
  app->add_option("--inference_context", a->context_family, "LEIP's spelling for where to run; checked against the artifact")
      ->type_name("FAMILY")
      ->group("LEIP's spellings");
  app->footer("Example:\n  lathe run out/yolov8n--640x640_float_*_1 --input bus.jpg --letterbox --output results");
  return {app, [a, &context] { return run(context, *a); }};
}

}  // namespace lathe::cli
