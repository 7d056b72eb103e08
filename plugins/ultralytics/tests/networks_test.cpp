// Whole checkpoints (data/README.md): every description of modules.yaml is needed by one of them, sizes and heads are what was asked for, and what
// is not known is said. The numbers are compared in tests/golden/networks.cpp.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <lathe/plugin.hpp>
#include <set>

#include "modules.hpp"
#include "network.hpp"

using namespace lathe::ultralytics;
namespace sdk = lathe::sdk;

namespace {

struct File {
  std::string name, bytes;
};

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::vector<File>& files() {
  static const std::vector<File> all = [] {
    std::vector<File> list;
    for (const auto& entry : std::filesystem::directory_iterator(TEST_DATA))
      if (entry.path().extension() == ".pt") list.push_back({entry.path().filename().string(), read(entry.path())});
    return list;
  }();
  return all;
}

WiringTable known() {
  WiringTable table;
  read_wirings(table, modules_yaml, "modules.yaml");
  return table;
}

void collect(const Module& module, std::set<std::string>& classes, int depth = 0) {
  if (depth > 32) return;
  classes.insert(module.class_path());
  classes.insert(module.class_name());
  for (const auto& [name, child] : module.children()) collect(child, classes, depth + 1);
}

NetworkOptions options(HeadForm form = HeadForm::raw, int64_t height = 0, int64_t width = 0) {
  NetworkOptions o;
  o.head.form = form;
  o.height = height, o.width = width;
  return o;
}

// The first problem of a network, or "accepted".
std::string complaint(const std::string& name, const WiringTable& table, const NetworkOptions& o = options()) {
  const std::string bytes = read(std::filesystem::path(TEST_DATA) / name);
  try {
    const Checkpoint checkpoint(bytes, name);
    trace_network(checkpoint, table, o);
    return "accepted";
  } catch (const sdk::Failure& failure) {
    const sdk::Diagnostic& d = failure.diagnostics.at(0);
    return d.text + " | " + d.node + " | " + d.location + " | " + d.hint;
  }
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string property(sdk::GraphBuilder& graph, std::string_view key) {
  const lathe_graph& g = graph.layout();
  for (size_t i = 0; i < g.property_count; ++i)
    if (std::string_view(g.properties[i].key.data, g.properties[i].key.size) == key) return {g.properties[i].value.data, g.properties[i].value.size};
  return {};
}

}  // namespace

TEST_CASE("every description is needed by a checkpoint of the test data") {
  REQUIRE(files().size() > 20);
  const WiringTable all = known();
  std::map<std::string, std::set<std::string>> classes;
  std::map<std::string, std::unique_ptr<Checkpoint>> checkpoints;
  for (const File& file : files()) {
    checkpoints[file.name] = std::make_unique<Checkpoint>(file.bytes, file.name);
    collect(checkpoints[file.name]->model(), classes[file.name]);
    CHECK_NOTHROW_MESSAGE(trace_network(*checkpoints[file.name], all, options()), file.name);
  }
  for (const auto& [name, wiring] : all) {
    WiringTable rest = all;
    rest.erase(name);
    bool needed = false;
    for (const auto& [file, held] : classes) {
      if (needed || !held.contains(name)) continue;
      try {
        trace_network(*checkpoints[file], rest, options());
      } catch (const sdk::Failure&) {
        needed = true;
      }
    }
    CHECK_MESSAGE(needed, name);
  }
}

TEST_CASE("image sizes are multiples of the stride") {
  const std::string bytes = read(std::filesystem::path(TEST_DATA) / "detect.pt");
  const Checkpoint checkpoint(bytes, "detect.pt");
  CHECK(largest_stride(checkpoint.model()) == 32);
  CHECK(trained_size(checkpoint) == 96);
  for (const auto& [height, width, expected] :
       {std::tuple{0, 0, "[96, 96]"}, std::tuple{64, 0, "[64, 96]"}, std::tuple{33, 97, "[64, 128]"}, std::tuple{1, 1, "[32, 32]"}}) {
    sdk::GraphBuilder graph = trace_network(checkpoint, known(), options(HeadForm::decoded, height, width));
    CHECK(property(graph, "imgsz") == expected);
    CHECK(property(graph, "stride") == "32");
  }
  // Sizes that no tensor of this kind has are refused by the first convolution.
  CHECK(holds(complaint("detect.pt", known(), options(HeadForm::raw, 65536, 65536)), "would yield a tensor of the shape"));
}

TEST_CASE("tasks") {
  for (const auto& [name, task] : {std::pair{"detect.pt", "detect"}, std::pair{"segment_26.pt", "segment"}, std::pair{"yoloe_fused.pt", "segment"},
                                   std::pair{"pose_26.pt", "pose"}, std::pair{"obb.pt", "obb"}, std::pair{"rtdetr.pt", "detect"},
                                   std::pair{"yolov5_segment.pt", "segment"}, std::pair{"yolov5_classify.pt", "classify"}}) {
    const std::string bytes = read(std::filesystem::path(TEST_DATA) / name);
    const Checkpoint checkpoint(bytes, name);
    sdk::GraphBuilder graph = trace_network(checkpoint, known(), options());
    CHECK_MESSAGE(property(graph, "task") == task, name);
  }
}

TEST_CASE("a class that nothing describes is named, with what it holds and how to describe it") {
  WiringTable table = known();
  table.erase("SPPF");
  const std::string text = complaint("pyramids.pt", table);
  CHECK(holds(text, "modules of the class ultralytics.nn.modules.block.SPPF are not known"));
  CHECK(holds(text, "cv1 (Conv), cv2 (Conv), m (MaxPool2d)"));
  CHECK(holds(text, "modules: {SPPF: \"return cv2(cv1(x))\"}"));
  CHECK(holds(text, "--option modules=FILE"));
  // All at once.
  table.erase("SPP");
  table.erase("C2PSA");
  const std::string bytes = read(std::filesystem::path(TEST_DATA) / "pyramids.pt");
  const Checkpoint checkpoint(bytes, "pyramids.pt");
  try {
    trace_network(checkpoint, table, options());
    CHECK(false);
  } catch (const sdk::Failure& failure) {
    CHECK(failure.diagnostics.size() == 3);
  }
}

TEST_CASE("what a description does wrong is said with file, line and column") {
  const auto with = [](const std::string& body) {
    WiringTable table = known();
    read_wirings(table, "# mine\nmodules:\n  SPPF: |\n    y = cv1(x)\n    " + body + "\n", "mine.yaml");
    return complaint("pyramids.pt", table);
  };
  CHECK(holds(with("return cv2(convolve(y))"), "'convolve' is no variable"));
  CHECK(holds(with("return cv2(convolve(y))"), "mine.yaml, class SPPF, line 5, column 16"));
  CHECK(holds(with("return cv2(convolve(y))"), "functions are abs, "));
  CHECK(holds(with("return cv2(y)"), "do not fit its input"));
  CHECK(holds(with("return y + layer('Foo', y)"), "'Foo', which is no layer"));
  CHECK(holds(with("return y @ y % y"), "does not work on tensors"));
  CHECK(holds(with("return cat([y, transpose(y, 1, 2)], 1)"), "mine.yaml, class SPPF, line 5"));
  CHECK(holds(with("z = 1"), "returns nothing"));
  // What would take more memory than any network does.
  CHECK(holds(with("return adaptive_max_pool2d(y, [5000, 1])"), "1 to 1024 windows"));
  CHECK(holds(with("return y + sine_positions(65536, 65536, 4)"), "sine_positions() wants"));
}

TEST_CASE("the page about the language lists what there is") {
  const std::string page = read(std::filesystem::path(DESCRIPTIONS_PAGE));
  REQUIRE(!page.empty());
  const auto named = [](std::string_view text) {
    std::set<std::string> names;
    for (size_t begin = text.find('`'); begin != std::string_view::npos; begin = text.find('`', begin)) {
      const size_t end = text.find('`', begin + 1);
      if (end == std::string_view::npos) break;
      names.emplace(text.substr(begin + 1, end - begin - 1));
      begin = end + 1;
    }
    return names;
  };
  const auto line_of = [&](std::string_view start) {
    const size_t begin = page.find(start);
    REQUIRE(begin != std::string::npos);
    return std::string_view(page).substr(begin, page.find('\n', begin) - begin);
  };
  const auto listed = [](const std::string& list) {
    std::set<std::string> names;
    for (size_t begin = 0; begin < list.size();) {
      const size_t end = std::min(list.find(", ", begin), list.size());
      names.insert(list.substr(begin, end - begin));
      begin = end + 2;
    }
    return names;
  };
  CHECK(named(line_of("Functions: ")) == listed(function_names()));
  CHECK(named(line_of("Classes of torch.nn")) == listed(layer_names()));
  CHECK(named(line_of("| heads |")) == listed(head_names()));
  std::set<std::string> classes = listed(head_names());
  for (const auto& [name, wiring] : known()) classes.insert(name);
  CHECK(named(std::string_view(page).substr(page.find("| | classes |"))) == classes);
}

TEST_CASE("packages of another name") {
  // The same class from a repository that was installed as a package: what the path ends in decides.
  WiringTable table = known();
  table.erase("models.common.Flatten");
  CHECK(holds(complaint("pyramids.pt", table), "models.common.Flatten"));
  read_wirings(table, "modules: {common.Flatten: \"return flatten(x, 1)\"}", "other.yaml");
  CHECK(complaint("pyramids.pt", table) == "accepted");
}
