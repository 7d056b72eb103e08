// One plugin with every kind of part, small but real; built by several compilers and flags, and against headers of other versions
// (abi.cpp loads them all). TOY files hold one line: "TOY1 <rows> <columns>", the model y = Relu(Relu(x)).
#include <fstream>
#include <lathe/plugin.hpp>
#include <stdexcept>

#ifndef PLUGIN_NAME
#error "-DPLUGIN_NAME=..., the file's name"
#endif
#define PLUGIN_NAME_TEXT LATHE_SDK_STRING(PLUGIN_NAME)

namespace {
namespace sdk = lathe::sdk;

struct Frontend {
  static sdk::FrontendInfo info() { return {"toy", {"toy"}, {{"twice", LATHE_OPTION_BOOL, "true", "Two Relu instead of one."}}}; }
  static int recognise(const sdk::FileHead& head) { return head.begins_with("TOY1") ? 70 : 0; }
  explicit Frontend(sdk::Host) {}
  void import_model(const sdk::ImportRequest& request, sdk::GraphSink& sink) {
    std::ifstream in(request.path);
    std::string magic;
    int64_t rows = 0, columns = 0;
    if (!(in >> magic >> rows >> columns)) throw std::invalid_argument("two numbers are wanted after the magic word");
    if (rows < 1 || columns < 1) throw sdk::Failure(LATHE_FAILED, "a dimension is not positive", "write numbers from 1 on");
    sdk::GraphBuilder g("toy");
    g.set_opset("", 17);
    g.set_property("rows", std::to_string(rows));
    uint32_t v = g.add_input("x", LATHE_FLOAT32, sdk::Shape{rows, columns});
    for (int i = request.settings.flag("twice") ? 0 : 1; i < 2; ++i) {
      const uint32_t next = g.add_value(i == 1 ? "y" : "t", LATHE_FLOAT32, sdk::Shape{rows, columns});
      g.add_node("Relu", {v}, {next});
      v = next;
    }
    g.add_output(v);
    sink.accept(std::move(g));
  }
};

struct Backend {
  static sdk::BackendInfo info() {
    sdk::BackendInfo i;
    i.runtime = "EVERY";
    i.devices = {{"ALL", "anything", {"float32"}}};
    i.options = {{"level", LATHE_OPTION_INT, "3", "A number.", {}, "mlevel"}};
    i.aliases = {"every-" PLUGIN_NAME_TEXT};
    i.flags = LATHE_BACKEND_STATIC_SHAPES;
    return i;
  }
  Backend(sdk::Host host, const sdk::CompileRequest& request) : host(host), stem(request.stem), level(request.settings.integer("level")) {
    if (level < 0) throw sdk::Failure(LATHE_USAGE, "the level is negative");
#if LATHE_ABI_MINOR >= 1
    // A newer plugin asks an older host for what it does not have.
    if (LATHE_HAS(host.get(), lathe_host, tomorrow)) host.note("the host offers tomorrow's function");
#endif
  }
  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    for (sdk::NodeView node : graph.nodes()) node.is("Relu") ? verdicts.take(node) : verdicts.refuse(node, "only Relu");
  }
  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    host.progress("compiling", 0.5);
    host.check_cancelled();
    if (graph.node_count() > 100) graph.node(0).fail("there are too many nodes");
    const auto shape = graph.value(graph.inputs()[0]).shape();
    const std::string file = stem + ".every";
    output.write(file, "EVERY1 ");
    output.write(file, std::to_string(shape.at(0)) + " " + std::to_string(shape.at(1)));
    output.artifact(file);
    output.bind("x", "input");
  }
  void fingerprint(const sdk::Facts& fact) { fact("level", std::to_string(level)); }
  static void list_choices(sdk::Host, std::string_view option, const sdk::Lines& line) { line("choices of " + std::string(option)); }
  static const char* default_device(const sdk::Settings&) { return "ALL"; }
  sdk::Host host;
  std::string stem;
  int64_t level;
};

struct Executor {
  static std::vector<const char*> extensions() { return {"every"}; }
  static int recognise(const sdk::FileHead& head) { return head.begins_with("EVERY1") ? 100 : 0; }
  Executor(sdk::Host, const sdk::LoadRequest& request) {
    std::ifstream in(request.path);
    std::string magic;
    if (!(in >> magic >> shape[0] >> shape[1])) throw std::runtime_error("truncated");
    described.add_input("x", LATHE_FLOAT32, lathe::sdk::Shape{shape[0], shape[1]});
    described.add_output("y", LATHE_FLOAT32, lathe::sdk::Shape{shape[0], shape[1]});
  }
  sdk::Interface& interface() { return described; }
  void run(sdk::Run& run) {
    const auto in = run.input(0).as<float>();
    auto* out = static_cast<float*>(run.output(0, LATHE_FLOAT32, shape, in.size() * 4));
    for (size_t i = 0; i < in.size(); ++i) out[i] = in[i] > 0 ? in[i] : 0;
    ++runs;
  }
  template <class Row>
  void profile(Row row) {
    lathe_kernel_time t = {};
    t.struct_size = sizeof t;
    t.kernel = sdk::string("relu");
    t.runs = runs;
    row(t);
  }
  uint64_t peak_bytes() { return 1234; }
  std::vector<int64_t> shape = {0, 0};
  uint64_t runs = 0;
  sdk::Interface described;
};

struct Inspector {
  static int recognise(const sdk::FileHead& head) { return head.begins_with("EVERY1") ? 100 : 0; }
  static std::string inspect(sdk::Host, const std::string& path) { return "{\"format\": \"every\", \"summary\": [[\"path\", \"" + path + "\"]]}"; }
};

void merge_relu(const sdk::Host&, const sdk::GraphView& graph, const sdk::Settings&, sdk::Edits& edits) {
  for (sdk::NodeView node : graph.nodes()) {
    const uint32_t producer = node.input_value(0).producer();
    if (!node.is("Relu") || producer == LATHE_NONE || !graph.node(producer).is("Relu")) continue;
    edits.replace_value(node.output(0), node.input(0));
    edits.remove_node(node.index());
  }
}
struct Passes {
  static std::vector<sdk::PassInfo> passes() { return {{"every-merge-relu", "Relu of Relu is Relu.", &sdk::run_pass<&merge_relu>}}; }
};

// Text: the dimensions of a matrix of floats, then its elements.
struct Tensors {
  static std::vector<const char*> extensions() { return {"numbers"}; }
  static int recognise(const sdk::FileHead& head) { return head.has_extension("numbers") ? 60 : 0; }
  static void read(const sdk::Host&, const std::string& path, int32_t kind, sdk::TensorSink& sink) {
    std::ifstream in(path);
    int64_t dimensions[2];
    if (kind != LATHE_KIND_TENSOR || !(in >> dimensions[0] >> dimensions[1])) throw std::runtime_error("no matrix");
    std::vector<float> elements;
    for (float x; in >> x;) elements.push_back(x);
    lathe_buffer buffer = {};
    buffer.struct_size = sizeof buffer;
    buffer.type = LATHE_FLOAT32;
    buffer.dimensions = dimensions;
    buffer.rank = 2;
    buffer.data = elements.data();
    buffer.size = elements.size() * sizeof(float);  // the host compares it with the dimensions
    buffer.present = 1;
    sink.accept("matrix", buffer);
  }
  static std::string write(const sdk::Host&, std::string_view, const sdk::BufferView& value) {
    std::string text;
    for (const int64_t d : value.dimensions()) text += std::to_string(d) + " ";
    for (const float x : value.as<float>()) text += std::to_string(x) + " ";
    return text;
  }
};

}  // namespace

LATHE_PLUGIN(PLUGIN_NAME_TEXT, "1.0.0", "Tests", "Has every kind of part.", sdk::FrontendPart<Frontend>, sdk::BackendPart<Backend>,
             sdk::ExecutorPart<Executor>, sdk::InspectorPart<Inspector>, sdk::PassesPart<Passes>, sdk::TensorsPart<Tensors>)
