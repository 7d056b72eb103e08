// Tensor files of formats that plugins know: the calls of tensors/1.
#include <algorithm>
#include <filesystem>

#include "core/plugin/buffers.hpp"
#include "core/plugin/loading.hpp"

namespace lathe {
namespace {

struct Sink {
  const lathe_host& host;
  std::optional<Datum> value;
};

lathe_code accept(void* context, lathe_string, const lathe_buffer* value) {
  Sink& sink = *static_cast<Sink*>(context);
  return run_callback(sink.host, [&] {
    if (!value) throw Error(Code::internal, "the plugin handed over no value");
    if (sink.value) throw Error(Code::internal, "the plugin handed over a second value");
    try {
      sink.value = read_buffer(*value);
    } catch (const Error& error) {
      throw Error(Code::internal, "the plugin handed over a value that " + error.diagnostics.front().text);
    }
  });
}

}  // namespace

std::optional<Datum> read_tensor_with_plugin(Plugins& plugins, const std::string& path, ValueKind kind) {
  Plugin* plugin = plugins.find_tensors(path);
  if (!plugin) return std::nullopt;
  const std::string absolute = std::filesystem::absolute(path).string();
  const lathe_tensor_read_request request = {sizeof request, static_cast<int32_t>(kind), {absolute.data(), absolute.size()}};
  Sink sink{plugin->host(), std::nullopt};
  const lathe_tensor_sink out = {&sink, &accept};
  plugin->check("read", [&] { return plugin->tensors()->read(&plugin->host(), &request, &out); });
  if (!sink.value) {
    Diagnostic d;
    d.text = "plugin '" + plugin->manifest().name + "' read the file but handed over no value";
    d.location = path;
    d.hint = "this is a defect of the plugin";
    throw Error(Code::internal, d);
  }
  return std::move(sink.value);
}

std::string write_tensor_with_plugin(Plugins& plugins, std::string_view extension, const std::string& name, const Datum& value) {
  std::vector<std::string> known;
  for (const Manifest& manifest : plugins.manifests()) {
    if (!manifest.has_part("tensors/1")) continue;
    known.insert(known.end(), manifest.tensor_extensions.begin(), manifest.tensor_extensions.end());
    if (std::find(manifest.tensor_extensions.begin(), manifest.tensor_extensions.end(), extension) == manifest.tensor_extensions.end()) continue;
    Plugin& plugin = plugins.load(manifest.name);
    const lathe_tensors* tensors = plugin.tensors();
    if (!LATHE_HAS(tensors, lathe_tensors, write)) continue;
    const Buffers buffers(std::span(&value, 1));
    std::string bytes;
    lathe_tensor_write_request request = {};
    request.struct_size = sizeof request;
    request.name = {name.data(), name.size()};
    request.value = buffers.data();
    request.context = &bytes;
    request.write = [](void* context, const void* data, size_t size) {
      static_cast<std::string*>(context)->append(static_cast<const char*>(data), size);
      return lathe_code{LATHE_OK};
    };
    plugin.check("write", [&] { return tensors->write(&plugin.host(), &request); });
    return bytes;
  }
  std::string list;
  for (const std::string& e : known) list += (list.empty() ? "" : ", ") + e;
  throw Error(Code::unsupported, "no installed plugin writes ." + std::string(extension) + " files",
              known.empty() ? "install the plugin that does" : "plugins write: " + list);
}

}  // namespace lathe
