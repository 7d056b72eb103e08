// Real models: nothing that has an emitter goes the generic way, and few copies and reorders are left. Small ones are interpreted too.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "core/passes/pipeline.hpp"
#include "plan_support.hpp"

using namespace lathe;
using namespace lathe::llvm_cpu;
using namespace lathe::llvm_cpu::test;

namespace {

struct Case {
  std::string file;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::set<std::string> generic;  // operators that may go the generic way
  size_t moves = 0;               // copies and reorders at most
  bool run = false;               // small enough for the interpreter
};

const std::vector<Case> cases = {
    {"mnist.onnx", {}, {}, 0, true},
    {"trt_residual_block.onnx", {{"gpu_0/data_0", {1, 3, 224, 224}}}, {}, 1, false},
    {"openwakeword_embedding_model.onnx", {{"input_1", {1, 76, 32, 1}}}, {}, 1, true},
    {"ch_PP-OCRv4_det_infer.onnx", {{"x", {1, 3, 320, 320}}}, {}, 6, false},
    {"yolox_nano.onnx", {}, {}, 5, false},
    {"yolov8n_int8_qdq.onnx", {}, {}, 0, false},
};

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("real models") {
  const std::filesystem::path source = LATHE_SOURCE_DIR, models = source / "../shared/models/onnx";
  const std::filesystem::path frontend = std::filesystem::path(LATHE_LLVM_CPU_DATA).parent_path() / "onnx.so";
  if (!std::filesystem::exists(models) || !std::filesystem::exists(frontend)) {
    std::cout << "SKIPPED: " << (std::filesystem::exists(models) ? frontend : models) << " is not there\n";
    return;
  }
  const auto plugins = Plugins::discover({{frontend.string()}, {}}, {});
  const std::filesystem::path pipeline_file = source / "plugins/llvm_cpu/llvm_cpu.pipeline.yaml";
  const Pipeline pipeline = parse_pipeline(read_text(pipeline_file), pipeline_file.string(), builtin_passes());
  for (const Case& c : cases) {
    CAPTURE(c.file);
    Model model;
    model.graph = import_model(*plugins, (models / c.file).string(), {});
    infer_types(model.graph);
    pin_shapes(model.graph, c.shapes);
    run_pipeline(model.graph, pipeline, builtin_passes());
    const Snapshot snapshot(model.graph);
    const Program program = c.run ? check(model) : plan(snapshot.get(), machine_with_block(16));
    for (const Step& step : program.steps)
      if (const auto* generic = std::get_if<Generic>(&step.kernel)) CHECK_MESSAGE(c.generic.count(generic->op_type), step.name, " of ", step.nodes);
    CHECK(steps_of<Reorder>(program) + copies_in(program) <= c.moves);
    CHECK(program.arena_bytes > 0);
  }
}
