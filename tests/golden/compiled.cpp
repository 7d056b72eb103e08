// golden_compiled NAME TARGET...: compiles a model with the lathe program for a native target, runs the artifact with one and with two threads,
// and compares with the golden numbers: with the dimensions that the model leaves open, and pinned to those of the golden input. Exit code 77: the
// data, or what it takes to run the artifact here, is absent.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cases.hpp"
#include "chip.hpp"
#include "core/package/package.hpp"
#include "core/plugin/plugins.hpp"

using namespace lathe;

namespace {

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

std::string dimensions(const Tensor& tensor) {
  std::string text;
  for (const int64_t d : tensor.dimensions) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

// Index of the tensor that a golden file's name means; characters that a file name cannot hold became '_'.
size_t meant(const std::vector<TensorInfo>& infos, size_t index, const std::string& name) {
  for (size_t i = 0; i < infos.size(); ++i) {
    std::string written = infos[i].name;
    std::replace(written.begin(), written.end(), '/', '_');
    if (written == name) return i;
  }
  return index;
}

bool compare(const golden::Case& c, Plugins& plugins, const std::string& package, unsigned threads, bool chip) {
  std::printf("%u thread%s\n", threads, threads == 1 ? "" : "s");
  const StageSubstitute substitute = chip ? golden::chip_by_reference(plugins, package, threads) : StageSubstitute();
  const std::unique_ptr<Executable> model = open_artifact(plugins, package, threads, false, nullptr, substitute);
  std::vector<Datum> inputs(model->inputs().size());
  size_t position = 0;
  for (golden::NamedTensor& t : golden::read_tensors(c, "input")) inputs.at(meant(model->inputs(), position++, t.name)) = std::move(t.tensor);
  const std::vector<Datum> outputs = model->run(inputs);
  std::vector<Tensor> found, expected;
  for (golden::NamedTensor& t : golden::read_tensors(c, "output")) {
    found.push_back(outputs.at(meant(model->outputs(), expected.size(), t.name)).tensor);
    expected.push_back(std::move(t.tensor));
  }
  return golden::agree(c, found, expected);
}

int run(const golden::Case& c, const std::string& target) {
  for (const std::string& path : {golden::model_path(c), std::string(LATHE_GOLDEN) + "/" + c.folder}) {
    if (std::filesystem::exists(path)) continue;
    std::printf("SKIPPED: %s is absent\n", path.c_str());
    return 77;
  }
  std::string folder = std::string(LATHE_GOLDEN) + "/compiled/" + c.name + " " + target;  // paths with spaces are to work too
  std::replace(folder.begin(), folder.end(), '=', '_');
  PluginSearch search;
  search.explicit_paths = {LATHE_PLUGIN_FOLDER};
  const std::unique_ptr<Plugins> plugins = Plugins::discover(search, {});
  const Graph graph = import_model(*plugins, golden::model_path(c), golden::import_options(c));
  size_t position = 0;
  std::vector<ValueId> open;
  for (const ValueId id : graph.inputs)
    if (!graph.value(id).constant) open.push_back(id);
  std::vector<TensorInfo> infos;
  for (const ValueId id : open) infos.push_back({graph.value(id).name, graph.value(id).type});
  std::vector<std::string> pins;
  for (const golden::NamedTensor& t : golden::read_tensors(c, "input")) {
    const TensorInfo& info = infos.at(meant(infos, position++, t.name));
    if (!info.type.static_shape()) pins.insert(pins.end(), {"--shape", info.name + "=" + dimensions(t.tensor)});
  }
  const auto agrees = [&](const std::vector<std::string>& shapes) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    std::vector<std::string> words = {LATHE_PROGRAM, "compile", golden::model_path(c), "--target", target, "-o", folder, "--verify",
                                      "off",         "--quiet"};
    words.insert(words.end(), shapes.begin(), shapes.end());
    const bool chip = golden::is_chip(target);
    if (chip)
      for (const std::string& word : golden::chip_arguments()) words.push_back(word);
    for (const auto& [key, value] : golden::import_options(c)) words.insert(words.end(), {"--option", key + "=" + value});
    if (const int code = start_and_wait(words); code != 0) {
      std::printf("lathe compile ended with %d\n", code);
      return false;
    }
    const std::string package = std::filesystem::directory_iterator(folder)->path().string();
    const bool one = compare(c, *plugins, package, 1, chip), two = compare(c, *plugins, package, 2, chip);
    std::filesystem::remove_all(folder);
    return one && two;
  };
  bool good = true;
  // Open dimensions stay open, and, since most people pin them for speed, pinned as well; for other processors, which are slow here, open alone.
  const bool open_too = !pins.empty() && target.starts_with("llvm_cpu"), only_open = c.only_open || (open_too && target != "llvm_cpu");
  if (open_too) {
    std::printf("open dimensions\n");
    good = agrees({});
  }
  if (!only_open) good = agrees(pins) && good;
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  for (const golden::Case& c : golden::cases()) {
    if (count < 3 || c.name != std::string_view(arguments[1])) continue;
    try {
      int worst = 0;
      for (int i = 2; i < count; ++i) {
        std::printf("%s\n", arguments[i]);
        worst = std::max(worst, run(c, arguments[i]));
      }
      return worst;
    } catch (const Error& error) {
      for (const Diagnostic& d : error.diagnostics) std::printf("%s\n", d.sentence().c_str());
      return 1;
    }
  }
  std::printf("usage: golden_compiled NAME TARGET...\n");
  return 2;
}
