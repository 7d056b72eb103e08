// A plugin that works, and, linked with another word for `lathe_test_fault` (see fault.c), one that breaks the contract in that one way.
// As "none" it compiles and runs graphs of Relu. The faults, by the moment they strike:
//   loading   load_crash load_exit · query null_query wrong_major small_table wrong_name no_part no_build other_sanitizer
//   tables    missing_function wrong_device (its manifest names another) wrong_option repeated_option bad_fallback
//   claim     claim_refuse claim_crash claim_bad_node claim_silent
//   compile   throw throw_int crash abort hang exit garbage allocate silent bad_code no_artifact two_artifacts bad_file_name bad_text orphan
//   many_reports run       load_null run_crash run_nothing run_twice run_wrong_size run_wrong_numbers
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <lathe/plugin.hpp>
#include <sstream>
#include <thread>

extern "C" const char lathe_test_fault[];
extern "C" const char lathe_test_name[];

namespace {
namespace sdk = lathe::sdk;

bool is(const char* fault) { return std::strcmp(lathe_test_fault, fault) == 0; }
void crash() {
  volatile int* nowhere = nullptr;
  *nowhere = 1;
}

struct AtLoad {
  AtLoad() {
    if (is("load_crash")) crash();
    if (is("load_exit")) std::exit(0);
  }
} at_load;

class Backend {
 public:
  static sdk::BackendInfo info() {
    sdk::BackendInfo info;
    info.runtime = "FAULTY";
    info.devices = {{"ONE", "the first", {"float32"}}, {"TWO", "the second", {"float32", "float16"}}};
    if (is("wrong_device")) info.devices.pop_back();
    info.options = {{"level", LATHE_OPTION_INT, "1", "A number.", {}, "mlevel"}, {"mode", LATHE_OPTION_CHOICE, "fast", "A word.", {"fast", "small"}}};
    if (is("wrong_option")) info.options[0].fallback = "2";
    if (is("repeated_option")) info.options.push_back(info.options[0]);
    if (is("bad_fallback")) info.options[0].fallback = "many";
    info.flags = LATHE_BACKEND_RUNS_ON_HOST | LATHE_BACKEND_STATIC_SHAPES;
    return info;
  }
  Backend(sdk::Host host, const sdk::CompileRequest& request) : host_(host), file_(request.stem + ".flt") {}

  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    if (is("claim_crash")) crash();
    if (is("claim_silent")) throw sdk::Failure(LATHE_FAILED);
    if (is("claim_bad_node")) verdicts.take(sdk::NodeView(&graph.get(), 0), LATHE_NONE), bad_verdict(graph, verdicts);
    for (sdk::NodeView node : graph.nodes()) {
      const bool fits = node.is("Relu") && node.input_value(0).type() == LATHE_FLOAT32;
      fits && !is("claim_refuse") ? verdicts.take(node) : verdicts.refuse(node, "only Relu of float32 is compiled");
    }
  }

  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    if (is("throw")) throw std::runtime_error("thrown on purpose");
    if (is("throw_int")) throw 42;
    if (is("crash")) crash();
    if (is("abort")) std::abort();
    if (is("exit")) std::exit(0);
    if (is("hang")) std::this_thread::sleep_for(std::chrono::hours(24));
    if (is("silent")) throw sdk::Failure(LATHE_FAILED);
    if (is("bad_code")) throw sdk::Failure(77, "a code that is none");
    if (is("orphan") && fork() == 0) std::this_thread::sleep_for(std::chrono::hours(24));
    if (is("garbage")) std::printf("{\"event\": \"result\", garbage\x01\xff\n%s\n", std::string(10000, '#').c_str()), std::fflush(stdout);
    if (is("bad_text")) host_.report("not UTF-8: \xff\xfe, and a control: \x01", LATHE_WARNING);
    if (is("bad_file_name")) output.write("../escaped.flt", "x");
    for (int i = 0; is("many_reports") && i < 100000; ++i) host_.report("warning number " + std::to_string(i), LATHE_WARNING);
    for (std::vector<std::vector<char>> kept; is("allocate");) kept.emplace_back(size_t{16} << 20, 'x');

    std::ostringstream text;
    text << "FLT1\n" << graph.inputs().size() << '\n';
    for (uint32_t v : graph.inputs()) put(text, graph.value(v));
    text << graph.outputs().size() << '\n';
    for (uint32_t v : graph.outputs()) {
      put(text, graph.value(v));
      uint32_t source = v;
      while (graph.value(source).producer() != LATHE_NONE) source = graph.node(graph.value(source).producer()).input(0);
      for (size_t i = 0; i < graph.inputs().size(); ++i)
        if (graph.inputs()[i] == source) text << i << '\n';
    }
    output.write(file_, text.str());
    if (!is("no_artifact")) output.artifact(file_);
    if (is("two_artifacts")) output.artifact(file_);
  }

 private:
  static void put(std::ostream& out, const sdk::ValueView& value) {
    out << value.name() << ' ' << value.rank();
    for (int64_t d : value.shape()) out << ' ' << d;
    out << '\n';
  }
  static void bad_verdict(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    lathe_graph longer = graph.get();
    std::vector<lathe_node> nodes(graph.node_count() + 1);
    longer.nodes = nodes.data();
    longer.node_stride = sizeof(lathe_node);
    verdicts.take(sdk::NodeView(&longer, static_cast<uint32_t>(graph.node_count())));
  }
  sdk::Host host_;
  std::string file_;
};

class Executor {
 public:
  static std::vector<const char*> extensions() { return {"flt"}; }
  static int recognise(const sdk::FileHead& head) { return head.begins_with("FLT1") ? 80 : 0; }

  Executor(sdk::Host, const sdk::LoadRequest& request) {
    if (is("load_null")) throw sdk::Failure(LATHE_FAILED);
    std::ifstream in(request.path);
    std::string magic;
    size_t count = 0;
    in >> magic >> count;
    for (size_t i = 0; i < count && in; ++i) {
      auto [name, shape] = get(in);
      interface_.add_input(name, LATHE_FLOAT32, sdk::Shape(shape.begin(), shape.end()));
    }
    in >> count;
    for (size_t i = 0; i < count && in; ++i) {
      auto [name, shape] = get(in);
      interface_.add_output(name, LATHE_FLOAT32, sdk::Shape(shape.begin(), shape.end()));
      shapes_.push_back(shape);
      in >> sources_.emplace_back();
    }
    if (!in) throw sdk::Failure(LATHE_FAILED, "the artifact is truncated");
  }
  sdk::Interface& interface() { return interface_; }

  void run(sdk::Run& run) {
    if (is("run_crash")) crash();
    if (is("run_nothing")) return;
    for (uint32_t i = 0; i < shapes_.size(); ++i) {
      const auto input = run.input(sources_[i]).as<float>();
      if (is("run_wrong_size")) run.output(i, LATHE_FLOAT32, shapes_[i], 1);
      auto* out = static_cast<float*>(run.output(i, LATHE_FLOAT32, shapes_[i], input.size() * sizeof(float)));
      if (is("run_twice")) run.output(i, LATHE_FLOAT32, shapes_[i], input.size() * sizeof(float));
      for (size_t k = 0; k < input.size(); ++k) out[k] = (input[k] > 0 ? input[k] : 0) + (is("run_wrong_numbers") ? 1 : 0);
    }
  }

 private:
  static std::pair<std::string, std::vector<int64_t>> get(std::istream& in) {
    std::string name;
    size_t rank = 0;
    in >> name >> rank;
    std::vector<int64_t> shape(in && rank < 16 ? rank : 0);
    for (int64_t& d : shape) in >> d;
    return {name, shape};
  }
  sdk::Interface interface_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<size_t> sources_;
};

const void* part(const char* id) {
  const void* table = sdk::find_part<sdk::BackendPart<Backend>, sdk::ExecutorPart<Executor>>(id);
  if (table && is("missing_function") && std::strcmp(id, "backend/1") == 0) {
    static lathe_backend without = *static_cast<const lathe_backend*>(table);
    without.compile = nullptr;
    return &without;
  }
  return table;
}

}  // namespace

extern "C" LATHE_EXPORT const lathe_plugin* lathe_plugin_query(uint32_t, const void*) {
  static lathe_plugin table = {
      sizeof table, LATHE_ABI_MAJOR, LATHE_ABI_MINOR, 0, lathe_test_name, "1.0.0", "Tests", "Breaks the contract in one way.", LATHE_BUILD, &part};
  if (is("null_query")) return nullptr;
  if (is("wrong_major")) table.abi_major = 99;
  if (is("small_table")) table.struct_size = 40;
  if (is("wrong_name")) table.name = "somebody_else";
  if (is("no_part")) table.part = nullptr;
  if (is("no_build")) table.build = nullptr;
  if (is("other_sanitizer")) table.build = "some compiler; some library; imaginary";
  return &table;
}
