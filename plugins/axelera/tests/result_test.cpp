// Reports, manifests and packed folders, made up after the SDK's documentation: no real ones were to be had.
#include "../result.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <lathe/plugin.hpp>

#include "../zip.hpp"

using namespace lathe::axelera;

namespace {

const std::string manifest = R"({"quantized_model_file": "quantized_model.json", "quantize_params": [[0.0039, -128]],
  "input_shapes": [[1, 656, 644, 4]], "input_shapes_original": [[1, 3, 640, 640]], "n_padded_ch_inputs": [[0, 0, 2, 14, 2, 2, 0, 1]],
  "output_shapes": [[1, 80, 80, 64]], "output_shapes_original": [[1, 64, 80, 80]], "model_lib_file": "model.json", "preprocess_graph": null})";

struct File {
  std::string name, bytes;
  uint16_t method = 0;
  int32_t moved = 0;  // added to the place in the directory
};
std::string zip(const std::vector<File>& files) {
  std::string out, directory;
  const auto put = [](std::string& to, uint32_t value, int width) {
    for (int i = 0; i < width; ++i) to += static_cast<char>(value >> (8 * i));
  };
  for (const File& f : files) {
    const auto place = static_cast<uint32_t>(static_cast<int64_t>(out.size()) + f.moved);
    const auto size = static_cast<uint32_t>(f.bytes.size()), name = static_cast<uint32_t>(f.name.size());
    const auto common = [&](std::string& to) {
      put(to, 20, 2), put(to, 0, 2), put(to, f.method, 2), put(to, 0, 4), put(to, 0, 4), put(to, size, 4), put(to, size, 4), put(to, name, 2),
          put(to, 0, 2);
    };
    out += "PK\x03\x04";
    common(out);
    out += f.name + f.bytes;
    directory += "PK\x01\x02";
    put(directory, 20, 2);
    common(directory);
    put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 2), put(directory, 0, 4), put(directory, place, 4);
    directory += f.name;
  }
  const auto begin = static_cast<uint32_t>(out.size()), size = static_cast<uint32_t>(directory.size()), count = static_cast<uint32_t>(files.size());
  out += directory + "PK\x05\x06";
  put(out, 0, 4), put(out, count, 2), put(out, count, 2), put(out, size, 4), put(out, begin, 4), put(out, 0, 2);
  return out;
}
std::vector<File> folder() {
  return {{"compiled_model/kernel_function.c", "int main;"},
          {"compiled_model/manifest.json", manifest},
          {"compiled_model/pool_l2_const.bin", std::string(64, 'x')}};
}

std::string said(Kind kind, std::string_view bytes) {
  try {
    describe(kind, bytes, "sample");
    return "";
  } catch (const lathe::sdk::Failure& failure) {
    return failure.diagnostics.empty() ? "nothing" : failure.diagnostics.front().text;
  }
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

void damage(Kind kind, const std::string& right) {
  REQUIRE(said(kind, right).empty());
  for (size_t size = 0; size < right.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(said(kind, std::string_view(right).substr(0, size)).empty());
  }
  std::string changed = right;
  for (size_t bit = 0; bit < right.size() * 8; ++bit) {
    changed[bit / 8] = static_cast<char>(right[bit / 8] ^ (1 << (bit % 8)));
    said(kind, changed);
    changed[bit / 8] = right[bit / 8];
  }
}

}  // namespace

TEST_CASE("every documented status word has a sentence and a next step") {
  for (const char* word : {"INITIALIZE_CLI_ERROR", "ONNX_GRAPH_CLEANER_ERROR", "QTOOLS_ERROR", "GRAPH_EXPORTER_ERROR", "TVM_FRONTEND_ERROR",
                           "TOP_LEVEL_QUANTIZE_ERROR", "LOWER_FRONTEND_ERROR", "FRONTEND_TO_MIDEND_ERROR", "LOWER_MIDEND_ERROR",
                           "MIDEND_TO_TIR_ERROR", "LOWER_TIR_ERROR", "TIR_TO_RUNTIME_ERROR", "TOP_LEVEL_LOWER_ERROR"}) {
    CAPTURE(word);
    const std::string text = R"({"status": ")" + std::string(word) + R"("})";
    const Report report = read_report(text, "compilation_report.json");
    CHECK_FALSE(report.succeeded());
    CHECK(has(describe(Kind::report, text, "compilation_report.json"), "\"meaning\""));
  }
  CHECK(statuses().size() == 13);
  CHECK(read_report(R"({"status": "SUCCEEDED", "took": 3})", "r").succeeded());
  CHECK(has(said(Kind::report, "{}"), "says no status"));
  CHECK(has(said(Kind::report, R"({"status": 3})"), "says no status"));
  CHECK(has(said(Kind::report, "[]"), "no JSON object"));
  CHECK(has(said(Kind::report, "SUCCEEDED"), "no JSON"));
}

TEST_CASE("a manifest tells shapes, padded and as given") {
  const Manifest m = read_manifest(manifest, "manifest.json");
  CHECK(m.inputs == std::vector<std::vector<int64_t>>{{1, 656, 644, 4}});
  CHECK(m.original_outputs == std::vector<std::vector<int64_t>>{{1, 64, 80, 80}});
  CHECK(m.model_file == "model.json");
  CHECK(m.before.empty());
  CHECK(has(said(Kind::manifest, "{}"), "no input_shapes"));
  CHECK(has(said(Kind::manifest, R"({"input_shapes": 3, "output_shapes": []})"), "no list of shapes"));
  CHECK(has(said(Kind::manifest, R"({"input_shapes": [[-1]], "output_shapes": [[1]]})"), "no list of shapes"));
  CHECK(has(said(Kind::manifest, R"({"input_shapes": [[1e300]], "output_shapes": [[1]]})"), "no list of shapes"));
  CHECK(has(said(Kind::manifest, "{\"a\": " + std::string(1000, '[')), "nested deeper"));
}

TEST_CASE("a packed folder is read, and its manifest in it") {
  const Packed packed = read_packed(zip(folder()), "compiled_model.zip");
  CHECK(packed.files.size() == 3);
  CHECK(packed.manifest.original_inputs == std::vector<std::vector<int64_t>>{{1, 3, 640, 640}});
  const auto changed = [](auto change) {
    std::vector<File> files = folder();
    change(files);
    return said(Kind::folder, zip(files));
  };
  CHECK(has(changed([](auto& f) { f[1].name = "compiled_model/other.json"; }), "no compiled_model/manifest.json"));
  CHECK(has(changed([](auto& f) { f[0].name = "../../etc/passwd"; }), "leads out of the folder"));
  CHECK(has(changed([](auto& f) { f[0].name = "/etc/passwd"; }), "leads out of the folder"));
  CHECK(has(changed([](auto& f) { f[0].method = 8; }), "compressed"));
  CHECK(has(changed([](auto& f) { f[2].moved = 10; }), "not where the directory says"));
  CHECK(
      has(changed([](auto& f) { f[2] = f[1], f[2].moved = -static_cast<int32_t>(30 + f[1].name.size() + f[1].bytes.size()); }), "over one another"));
  CHECK(has(said(Kind::folder, zip(folder()).substr(40)), "damaged"));
}

TEST_CASE("truncated and flipped results are refused or read") {
  damage(Kind::manifest, manifest);
  damage(Kind::folder, zip(folder()));
  damage(Kind::report, R"({"status": "QTOOLS_ERROR"})");
}

TEST_CASE("files are known by name and content") {
  CHECK(kind_of(manifest, "manifest.json") == Kind::manifest);
  CHECK(kind_of(manifest, "quantized_model_manifest.json") == Kind::manifest);
  CHECK(kind_of(manifest, "other.json") == Kind::none);
  CHECK(kind_of(R"( {"status": 1})", "compilation_report.json") == Kind::report);
  CHECK(kind_of(zip(folder()), "a.zip") == Kind::folder);
  CHECK(kind_of(zip({{"other/manifest.json", manifest}}), "a.zip") == Kind::none);
  CHECK(kind_of("whatever", "yolov8n.axm") == Kind::axm);
  CHECK(kind_of("", "x") == Kind::none);
}
