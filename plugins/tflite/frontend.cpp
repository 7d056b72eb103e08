// From file to graph.
#include "frontend.hpp"

#include "file.hpp"
#include "metadata.hpp"
#include "raise/raising.hpp"

namespace lathe::tflite {

int Frontend::recognise(const sdk::FileHead& head) {
  return has_identifier({reinterpret_cast<const char*>(head.bytes), head.size}) ? 100 : head.has_extension("tflite") ? 10 : 0;
}

void Frontend::import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
  Imported& kept = imported_.emplace_back(request.path);
  kept.model = read_model(kept.file.bytes(), request.path);
  sdk::GraphBuilder graph = Raising(kept.model, request.path).run();
  for (const auto& [key, text] : read_properties(kept.file.bytes())) graph.set_property(key, text);
  sink.accept(std::move(graph));
}

}  // namespace lathe::tflite
