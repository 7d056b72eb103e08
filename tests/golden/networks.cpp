// golden_networks reference|llvm_cpu: the tiny checkpoints of plugins/ultralytics/tests/data, of every module class and head that the plugin knows,
// against PyTorch's numbers (that folder's README.md): each output within 1e-4 of its largest value.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "core/base/mapped_file.hpp"
#include "core/files/numpy.hpp"
#include "core/ops/operator.hpp"
#include "core/package/package.hpp"
#include "core/plugin/plugins.hpp"
#include "core/reference/reference.hpp"

using namespace lathe;
namespace fs = std::filesystem;

namespace {

Tensor picture(const std::vector<int64_t>& dimensions) {
  std::vector<float> values(static_cast<size_t>(element_count(dimensions).value_or(0)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i * 40503 % 65536) / 65536.0f;
  return Tensor::of<float>(DataType::float32, dimensions, values);
}

bool agree(const std::string& name, const Tensor& found, const Tensor& expected) {
  if (found.dimensions != expected.dimensions || found.type != DataType::float32) {
    std::printf("%s: another shape or type than expected\n", name.c_str());
    return false;
  }
  const std::span<const float> a = found.as<float>(), b = expected.as<float>();
  double largest = 0, worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double(b[i])));
    const double difference = std::abs(double(a[i]) - double(b[i]));
    worst = difference <= worst ? worst : difference;  // keeps what is no number
  }
  if (worst <= 1e-4 * largest) return true;
  std::printf("%s: differs by %g, of %g\n", name.c_str(), worst, largest);
  return false;
}

int start_and_wait(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (posix_spawn(&child, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0) return 127;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

NamedData run_compiled(Plugins& plugins, const std::string& model, const std::string& form, const std::string& size, const Tensor& image) {
  const std::string folder = std::string(LATHE_GOLDEN) + "/networks-" + fs::path(model).stem().string() + "-" + form;
  fs::remove_all(folder);
  fs::create_directories(folder);
  const std::vector<std::string> command = {LATHE_PROGRAM, "compile",       model,      "--quiet",          "-o",
                                            folder,        "--verify",      "off",      "--option",         "head=" + form,
                                            "--option",    "imgsz=" + size, "--plugin", LATHE_PLUGIN_FOLDER};
  if (start_and_wait(command) != 0) throw Error(Code::failed, "the compiler failed on " + model);
  NamedData outputs;
  {
    const std::unique_ptr<Executable> artifact = open_artifact(plugins, fs::directory_iterator(folder)->path().string(), 1, false);
    const std::vector<Datum> values = artifact->run({Datum(image)});
    for (size_t i = 0; i < values.size(); ++i) outputs.emplace(artifact->outputs()[i].name, values[i]);
  }
  fs::remove_all(folder);
  return outputs;
}

bool check(Plugins& plugins, const fs::path& model, bool compiled) {
  const fs::path numbers = fs::path(model).replace_extension(".npz");
  const Bytes bytes = map_file(numbers.string());
  const std::map<std::string, Tensor> expected = read_npz({bytes.data, bytes.size}, numbers.string());
  static const std::set<std::string> small = {"activations", "blocks", "convolutions", "pyramids", "texts", "torchvision"};
  const bool modules = small.contains(model.stem().string());
  const std::vector<int64_t> dimensions = modules ? std::vector<int64_t>{1, 3, 12, 12} : std::vector<int64_t>{1, 3, 64, 96};
  const std::string size = modules ? "12" : "64x96";
  std::set<std::string> forms;
  for (const auto& [name, tensor] : expected) forms.insert(name.substr(0, name.find('.')));
  // The graphs of final boxes are alike but for a few: compiling those is enough.
  if (compiled && forms.size() == 2 && forms.contains("decoded")) forms.erase("nms");
  bool good = true;
  for (const std::string& form : forms) {
    NamedData outputs;
    if (compiled) {
      outputs = run_compiled(plugins, model.string(), form, size, picture(dimensions));
    } else {
      Graph graph = import_model(plugins, model.string(), {{"head", form}, {"imgsz", size}});
      infer_types(graph);
      NamedData inputs;
      inputs.emplace("images", picture(dimensions));
      outputs = run_reference(graph, inputs);
    }
    for (const auto& [name, tensor] : expected) {
      if (name.substr(0, name.find('.')) != form) continue;
      const auto found = outputs.find(name.substr(name.find('.') + 1));
      const std::string label = model.stem().string() + " " + name;
      if (found == outputs.end()) {
        std::printf("%s: there is no such output\n", label.c_str());
        good = false;
      } else {
        good = agree(label, found->second.tensor, tensor) && good;
      }
    }
  }
  return good;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string engine = count == 2 ? arguments[1] : "";
  if (engine != "reference" && engine != "llvm_cpu") {
    std::printf("usage: golden_networks reference|llvm_cpu\n");
    return 2;
  }
  try {
    PluginSearch search;
    search.explicit_paths = {LATHE_PLUGIN_FOLDER};
    const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
    int networks = 0;
    bool good = true;
    for (const auto& entry : fs::directory_iterator(LATHE_NETWORKS)) {
      if (entry.path().extension() != ".pt") continue;
      ++networks;
      good = check(*plugins, entry.path(), engine == "llvm_cpu") && good;
    }
    std::printf("%d networks\n", networks);
    return good && networks > 20 ? 0 : 1;
  } catch (const Error& error) {
    for (const Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
    return 1;
  }
}
