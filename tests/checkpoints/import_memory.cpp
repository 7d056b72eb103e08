// What importing a checkpoint takes: `import_memory FILE...` prints the time and the peak above the process as it was before, and fails when
// the peak reaches four times the file. Time is only printed.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/plugin/plugins.hpp"

namespace {

// A line of /proc/self/status, in bytes: VmRSS (held now), VmHWM (the most since the last reset).
double held(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(key + ":", 0) == 0) return std::stod(line.substr(key.size() + 1)) * 1024;
  return 0;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace

int main(int argc, char** argv) {
  using namespace lathe;
  PluginSearch search;
  search.explicit_paths = {LATHE_CHECKPOINT_PLUGIN};
  search.program = LATHE_BINARY_DIR "/bin/lathe";
  const auto plugins =
      Plugins::discover(search, {[](const Diagnostic&) {}, [](std::string_view) {}, [](std::string_view, double) {}, [] { return false; }, 1});
  plugins->load("ultralytics");
  bool small = true;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    reset_peak();
    const double before = held("VmRSS");
    const auto begin = std::chrono::steady_clock::now();
    const Graph graph = import_model(*plugins, path, {});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double taken = held("VmHWM") - before, size = static_cast<double>(std::filesystem::file_size(path));
    std::printf("%s: imported in %.3f s, peak %.1f MB above %.1f MB, %.2f times the file\n", path.c_str(), seconds, taken / 1e6, before / 1e6,
                taken / size);
    small = small && taken > 0 && taken < 4 * size;
  }
  return small ? 0 : 1;
}
