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
  std::string format;
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

const char* word(ValueKind kind) {
  static const char* const words[] = {"tensor", "sequence", "optional", "optional sequence"};
  return words[static_cast<int>(kind)];
}

nlohmann::ordered_json describe(const std::string& name, const Datum& value, const std::string& file) {
  if (!value.present) return {{"name", name}, {"kind", word(value.kind)}, {"present", false}, {"file", file}};
  if (value.is_sequence()) {
    nlohmann::ordered_json shapes = nlohmann::ordered_json::array();
    for (const Tensor& tensor : value.elements) shapes.push_back(tensor.dimensions);
    return {{"name", name}, {"kind", word(value.kind)}, {"type", lathe::name(value.element)}, {"shapes", shapes}, {"file", file}};
  }
  const Tensor& tensor = value.tensor;
  nlohmann::ordered_json j{{"name", name}, {"type", lathe::name(tensor.type)}, {"shape", tensor.dimensions}, {"file", file}};
  if (!value.is_tensor()) j["kind"] = word(value.kind);
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
  std::string stand_in;
  std::unique_ptr<Executable> executable = open_artifact(*plugins, a.artifact, threads, false, &stand_in);
  if (!stand_in.empty()) context.note(stand_in);
  std::vector<NamedType> wanted;
  for (const TensorInfo& info : executable->inputs()) wanted.push_back({info.name, info.type});
  TensorFileOptions options;
  options.letterbox = a.letterbox;
  options.other_formats = [&](const std::string& path, ValueKind kind) { return read_tensor_with_plugin(*plugins, path, kind); };
  const std::vector<Datum> inputs = read_inputs(a.inputs, wanted, options);
  doing("running '" + a.artifact + "'");
  const std::vector<Datum> outputs = executable->run(inputs);

  std::error_code error;
  fs::create_directories(a.output, error);
  if (error) fail_errno("make the folder", a.output, error.value());
  TensorFileFormat format;
  format.extension = a.format;
  format.encode = [&](const std::string& extension, const std::string& name, const Datum& value) {
    return write_tensor_with_plugin(*plugins, extension, name, value);
  };
  std::vector<std::string> taken;
  nlohmann::ordered_json documents = nlohmann::ordered_json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = executable->outputs()[i].name;
    std::string file = write_tensor_file(a.output, name, outputs[i], taken, format);
    documents.push_back(describe(name, outputs[i], file));
  }
  if (context.json) {
    context.print_json({{"artifact", a.artifact}, {"outputs", documents}});
    return 0;
  }
  for (size_t i = 0; i < outputs.size(); ++i) context.print(documents[i]["file"].get<std::string>() + "  " + describe(outputs[i]));
  return 0;
}

}  // namespace

Command add_run(CLI::App& program, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* app = program.add_subcommand("run", "Run an artifact or a package once");
  app->add_option("ARTIFACT", a->artifact, "A file or a package's folder")->required();
  app->add_option("--input,-i", a->inputs, ".npy, .npz, .png, .jpg, raw .bin or .pb; NAME= may be left out where there is one input")
      ->type_name("[NAME=]FILE")
      ->allow_extra_args(false);
  app->add_option("--output,-o", a->output, "Folder for the outputs, <name>.npy each, .pb where numpy has no such type (default: here)")
      ->type_name("DIR");
  app->add_option("--format", a->format, "Of the outputs: npy, or pb for ONNX's own tensor files")->type_name("npy|pb");
  app->add_option("--threads", a->threads, "Default: one per processor")->type_name("N");
  app->add_flag("--letterbox", a->letterbox, "Fit pictures of another size in, with grey bars; otherwise they are refused");
  app->add_option("--inference_context", a->context_family, "LEIP's spelling for where to run; checked against the artifact")
      ->type_name("FAMILY")
      ->group("LEIP's spellings");
  app->footer("Example:\n  lathe run out/yolov8n--640x640_float_*_1 --input bus.jpg --letterbox --output results");
  return {app, [a, &context] { return run(context, *a); }};
}

}  // namespace lathe::cli
