// The steps of a compile before the backend.
#include "reader.hpp"

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "core/ops/operator.hpp"

namespace lathe::fuzz {

bool Outcome::acceptable() const {
  if (code == Code::ok) return graph.has_value();
  return (code == Code::failed || code == Code::unsupported) && !problems.empty() && !problems.front().text.empty();
}

std::string Outcome::told() const {
  std::string all;
  for (const Diagnostic& d : problems) all += d.sentence() + "\n";
  return all;
}

Reader::Reader() {
  std::string pattern = (std::filesystem::temp_directory_path() / "lathe-fuzz-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  PluginSearch search;
  search.explicit_paths = {LATHE_ONNX_PLUGIN};
  search.program = LATHE_BINARY_DIR "/bin/lathe";
  plugins_ = Plugins::discover(search, {[](const Diagnostic&) {}, [](std::string_view) {}, [](std::string_view, double) {}, [] { return false; }, 1});
  std::ifstream file(LATHE_SOURCE_DIR "/core/passes/default.pipeline.yaml");
  pipeline_ = parse_pipeline(std::string(std::istreambuf_iterator<char>(file), {}), "default.pipeline.yaml", builtin_passes());
  try {
    plugins_->load("onnx");
  } catch (const Error& error) {
    throw std::runtime_error(error.what());
  }
}

Reader::~Reader() { std::filesystem::remove_all(folder_); }

Outcome Reader::read(std::string_view model) {
  const std::string path = folder_ + "/model.onnx";
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(model.data(), static_cast<std::streamsize>(model.size()));
  return read_file(path);
}

Outcome Reader::read_file(const std::string& path) {
  Outcome outcome;
  try {
    Graph graph = import_model(*plugins_, path, {});
    infer_types(graph);
    run_pipeline(graph, pipeline_, builtin_passes());
    outcome.graph = std::move(graph);
  } catch (const Error& error) {
    outcome.code = error.code;
    outcome.problems = error.diagnostics;
  }
  return outcome;
}

void limit_memory(uint64_t gigabytes) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifndef __SANITIZE_ADDRESS__
  const rlimit limit = {gigabytes << 30, gigabytes << 30};
  setrlimit(RLIMIT_AS, &limit);
#else
  (void)gigabytes;
#endif
}

}  // namespace lathe::fuzz
