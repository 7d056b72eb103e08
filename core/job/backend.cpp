// The calls of backend/1, and the files a backend writes through lathe_output.
#include "core/job/backend.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/base/diagnostic.hpp"
#include "core/files/write_file.hpp"
#include "core/ops/lower.hpp"
#include "core/plugin/loading.hpp"

namespace lathe {
namespace {

lathe_string view(const std::string& text) { return {text.data(), text.size()}; }
std::string_view text_of(lathe_string s) { return s.data ? std::string_view(s.data, s.size) : std::string_view(); }

// The folder as the backend sees it. Its functions are called from C: they report and return a code, and throw nothing.
class OutputFolder {
 public:
  OutputFolder(const lathe_host& host, std::string directory) : host_(host), directory_(std::move(directory)) {
    table_.context = this;
    table_.directory = directory_.c_str();
    table_.write = [](void* self, lathe_string name, const void* bytes, size_t size) {
      return static_cast<OutputFolder*>(self)->write(name, bytes, size);
    };
    table_.artifact = [](void* self, lathe_string name) { return static_cast<OutputFolder*>(self)->artifact(name); };
    table_.bind = [](void* self, lathe_string tensor, lathe_string other) {
      static_cast<OutputFolder*>(self)->result.bound[std::string(text_of(tensor))] = text_of(other);
      return lathe_code{LATHE_OK};
    };
  }
  ~OutputFolder() {
    for (auto& [name, fd] : open_) ::close(fd);
  }
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const lathe_output* table() const { return &table_; }

  // Closes the files; a full disk may show only now.
  void finish() {
    for (auto& [name, fd] : open_) {
      int error = ::close(fd) != 0 ? errno : 0;
      fd = -1;
      if (error) fail_errno("write", directory_ + "/" + name, error);
    }
    open_.clear();
    if (result.artifact.empty()) throw Error(Code::internal, "the backend did not say which file is the artifact");
    struct stat status {};
    if (::stat((directory_ + "/" + result.artifact).c_str(), &status) != 0 || !S_ISREG(status.st_mode))
      throw Error(Code::internal, "the backend named '" + result.artifact + "' as its artifact and did not write it");
    if (std::find(result.files.begin(), result.files.end(), result.artifact) == result.files.end()) result.files.push_back(result.artifact);
  }

  CompiledRegion result;

 private:
  lathe_code report(lathe_code code, const std::string& text, const std::string& hint = {}) {
    lathe_diagnostic d{};
    d.struct_size = sizeof d, d.severity = LATHE_ERROR;
    d.text = view(text), d.hint = view(hint);
    host_.report(host_.context, &d);
    return code;
  }

  static bool plain(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
           name.size() < 250;
  }

  lathe_code write(lathe_string name, const void* bytes, size_t size) {
    std::string file(text_of(name));
    if (!plain(file)) return report(LATHE_INTERNAL, "the backend asked for a file '" + file + "', which is no plain file name");
    auto found = open_.find(file);
    if (found == open_.end()) {
      int fd = ::open((directory_ + "/" + file).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
      if (fd < 0) return problem(file, errno);
      found = open_.emplace(file, fd).first;
      result.files.push_back(file);
    }
    const char* at = static_cast<const char*>(bytes);
    while (size > 0) {
      ssize_t n = ::write(found->second, at, size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return problem(file, errno);
      at += n, size -= static_cast<size_t>(n);
    }
    return LATHE_OK;
  }

  lathe_code problem(const std::string& file, int error) {
    SystemProblem reason = explain_errno(error);
    return report(LATHE_FAILED, "cannot write '" + directory_ + "/" + file + "': " + reason.reason, reason.hint);
  }

  lathe_code artifact(lathe_string name) {
    std::string file(text_of(name));
    if (!plain(file)) return report(LATHE_INTERNAL, "the backend named an artifact '" + file + "', which is no plain file name");
    if (!result.artifact.empty()) return report(LATHE_INTERNAL, "the backend named two artifacts, '" + result.artifact + "' and '" + file + "'");
    result.artifact = file;
    return LATHE_OK;
  }

  const lathe_host& host_;
  std::string directory_;
  std::map<std::string, int> open_;
  lathe_output table_{};
};

int64_t handover_opset(const lathe_backend& backend, const ResolvedTarget& target) {
  const int64_t highest = backend.opset_highest > 0 ? std::min(backend.opset_highest, canonical_opset) : canonical_opset;
  const int64_t lowest = std::max(backend.opset_lowest, lowest_written_opset);
  for (const Setting& setting : target.settings) {
    if (setting.name != "opset") continue;
    const int64_t wanted = std::strtoll(setting.value.c_str(), nullptr, 10);
    if (wanted < lowest || wanted > highest)
      throw Error(Code::usage, "target '" + target.manifest->name + "' cannot be handed opset " + setting.value,
                  "opsets " + std::to_string(lowest) + " to " + std::to_string(highest) + " can be asked for");
    return wanted;
  }
  return highest;
}

}  // namespace

Backend::Backend(Plugin& plugin, const ResolvedTarget& target, const std::string& emit, const std::string& stem, const CalibrationContext& data,
                 const Graph& graph)
    : plugin_(plugin), data_(plugin.host(), data, graph) {
  const lathe_backend* table = plugin.backend();
  if (!table) throw Error(Code::internal, "plugin '" + plugin.manifest().name + "' has no backend");
  std::vector<lathe_setting> settings;
  for (const Setting& s : target.settings) settings.push_back({view(s.name), view(s.value), s.given});
  lathe_compile_request request{};
  request.struct_size = sizeof request;
  request.device = view(target.device), request.precision = view(target.precision), request.emit = view(emit), request.stem = view(stem);
  request.settings = settings.data(), request.setting_count = settings.size();
  request.preprocessing = data_.preprocessing(), request.calibration = data_.calibration();
  opset_ = handover_opset(*table, target);
  plugin.check("create", [&] { return made(table->create(&plugin.host(), &request, &self_), self_); });
}

Backend::~Backend() {
  if (self_) plugin_.backend()->destroy(self_);
}

CompiledRegion Backend::compile(const Graph& graph, const std::string& directory) {
  const auto found = graph.opsets.find("");
  const bool newer = found != graph.opsets.end() && found->second > opset_;
  Graph lowered;
  if (newer) {
    lowered = clone(graph);
    lower_to_opset(lowered, opset_);
  }
  Snapshot snapshot(newer ? lowered : graph);
  OutputFolder folder(plugin_.host(), directory);
  plugin_.check("compile", [&] { return plugin_.backend()->compile(self_, &snapshot.get(), folder.table()); });
  folder.finish();
  return std::move(folder.result);
}

std::map<std::string, std::string> Backend::fingerprint() {
  std::map<std::string, std::string> facts;
  const lathe_backend* table = plugin_.backend();
  if (!LATHE_HAS(table, lathe_backend, fingerprint)) return facts;
  plugin_.check("fingerprint", [&] {
    return table->fingerprint(self_, &facts, [](void* context, lathe_string key, lathe_string value) {
      (*static_cast<std::map<std::string, std::string>*>(context))[std::string(text_of(key))] = text_of(value);
    });
  });
  return facts;
}

}  // namespace lathe
