// A whole backend: compiles Conv and Relu (float32, constant shapes and weights) into a small format of its own, and runs it.
// What it does not take, `--target example_backend,OTHER` leaves to OTHER.
#include <algorithm>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <lathe/plugin.hpp>
#include <numeric>
#include <sstream>

namespace {
namespace sdk = lathe::sdk;

constexpr std::string_view magic = "EXBK0001";

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> data;  // of constants
};
// Relu: input, output.  Conv: input, output, weights, bias or -1, top, left, strides, dilations, group.
using Step = std::vector<int64_t>;
struct Program {
  std::vector<Tensor> tensors;
  std::vector<int64_t> inputs, outputs;
  std::vector<Step> steps;
};

// The artifact is text: the magic, a checksum of the rest, and the program as counts and elements.
uint64_t checksum(std::string_view text) {
  return std::accumulate(text.begin(), text.end(), uint64_t{17}, [](uint64_t sum, char c) { return sum * 31 + static_cast<unsigned char>(c); });
}
template <class T>
void put(std::ostream& out, const std::vector<T>& list) {
  out << '\n' << list.size();
  for (const T& e : list) out << ' ' << e;
}
template <class T>
std::vector<T> get(std::istream& in) {
  size_t size = 0;
  std::vector<T> list(in >> size ? size : 0);
  for (T& e : list) in >> e;
  return list;
}

class Backend {
 public:
  static sdk::BackendInfo info() {
    return {"EXAMPLE", {{"CPU", "this machine, in plain loops", {"float32"}}},  {"library"}, {},
            {},        LATHE_BACKEND_RUNS_ON_HOST | LATHE_BACKEND_STATIC_SHAPES};
  }
  Backend(sdk::Host, const sdk::CompileRequest& request) : file_(request.stem + ".exbk") {}

  void claim(const sdk::GraphView& graph, sdk::Verdicts& verdicts) {
    for (sdk::NodeView node : graph.nodes()) {
      const char* obstacle = find_obstacle(node);
      obstacle ? verdicts.refuse(node, obstacle) : verdicts.take(node);
    }
  }

  void compile(const sdk::GraphView& graph, sdk::Output& output) {
    Program p;
    for (sdk::ValueView value : graph.values()) {
      p.tensors.push_back({std::string(value.name()), value.shape(), {}});
      if (value.is_constant() && value.type() == LATHE_FLOAT32) p.tensors.back().data = value.constant()->as<float>().copy();
    }
    p.inputs.assign(graph.inputs().begin(), graph.inputs().end());
    p.outputs.assign(graph.outputs().begin(), graph.outputs().end());
    for (sdk::NodeView node : graph.nodes()) {
      Step step = {node.input(0), node.output(0)};
      if (node.is("Conv")) {
        const auto pads = node.integers("pads", {0, 0, 0, 0}), strides = node.integers("strides", {1, 1}),
                   dilations = node.integers("dilations", {1, 1});
        step.insert(step.end(), {node.input(1), node.has_input(2) ? int64_t{node.input(2)} : -1, pads.at(0), pads.at(1), strides.at(0), strides.at(1),
                                 dilations.at(0), dilations.at(1), node.integer("group", 1)});
      }
      p.steps.push_back(std::move(step));
    }
    std::ostringstream text;
    text << std::setprecision(9) << '\n' << p.tensors.size();
    for (const Tensor& t : p.tensors) text << '\n' << std::quoted(t.name), put(text, t.shape), put(text, t.data);
    put(text, p.inputs), put(text, p.outputs);
    for (const Step& step : p.steps) put(text, step);
    output.write(file_, std::string(magic) + ' ' + std::to_string(checksum(text.str())) + text.str());
    output.artifact(file_);
  }

 private:
  static const char* find_obstacle(const sdk::NodeView& node) {
    if (!node.is("Conv") && !node.is("Relu")) return "only Conv and Relu are compiled";
    if (node.input_value(0).type() != LATHE_FLOAT32) return "only float32 is computed";
    if (node.is("Relu")) return nullptr;
    if (node.input_value(0).rank() != 4 || node.text("auto_pad", "NOTSET") != "NOTSET")
      return "only 2-D convolutions with explicit padding are compiled";
    const bool constant = node.input_value(1).is_constant() && (!node.has_input(2) || node.input_value(2).is_constant());
    return constant ? nullptr : "weights and bias must be constant";
  }
  std::string file_;
};

void conv(const Step& s, const Tensor& in, const Tensor& w, const Tensor* bias, Tensor& out) {
  const auto &i = in.shape, &o = out.shape, &k = w.shape;
  float* y = out.data.data();
  for (int64_t b = 0; b < o[0]; ++b)
    for (int64_t c = 0; c < o[1]; ++c)
      for (int64_t row = 0; row < o[2]; ++row)
        for (int64_t column = 0; column < o[3]; ++column) {
          float sum = bias ? bias->data[c] : 0;
          for (int64_t ci = 0; ci < k[1]; ++ci)
            for (int64_t kr = 0; kr < k[2]; ++kr)
              for (int64_t kc = 0; kc < k[3]; ++kc) {
                const int64_t r = row * s[6] - s[4] + kr * s[8], q = column * s[7] - s[5] + kc * s[9];
                if (r < 0 || r >= i[2] || q < 0 || q >= i[3]) continue;
                sum +=
                    in.data[((b * i[1] + c / (o[1] / s[10]) * k[1] + ci) * i[2] + r) * i[3] + q] * w.data[((c * k[1] + ci) * k[2] + kr) * k[3] + kc];
              }
          *y++ = sum;
        }
}

class Executor {
 public:
  static std::vector<const char*> extensions() { return {"exbk"}; }
  static int recognise(const sdk::FileHead& head) { return head.begins_with(magic) ? 100 : 0; }

  Executor(sdk::Host, const sdk::LoadRequest& request) {
    std::ifstream file(request.path, std::ios::binary);
    uint64_t sum = 0, size = 0;
    file.ignore(magic.size()) >> sum;
    std::istringstream text(std::string(std::istreambuf_iterator<char>(file), {}));
    if (sum != checksum(text.str())) throw sdk::Failure(LATHE_FAILED, "the artifact is damaged: its checksum is wrong", "compile the model again");
    text >> size;
    for (program_.tensors.resize(size); Tensor & t : program_.tensors)
      text >> std::quoted(t.name), t.shape = get<int64_t>(text), t.data = get<float>(text);
    program_.inputs = get<int64_t>(text), program_.outputs = get<int64_t>(text);
    for (Step step; !(step = get<int64_t>(text)).empty();) program_.steps.push_back(step);
    auto shape = [&](int64_t t) { return sdk::Shape(program_.tensors[t].shape.begin(), program_.tensors[t].shape.end()); };
    for (int64_t t : program_.inputs) interface_.add_input(program_.tensors[t].name, LATHE_FLOAT32, shape(t));
    for (int64_t t : program_.outputs) interface_.add_output(program_.tensors[t].name, LATHE_FLOAT32, shape(t));
  }
  sdk::Interface& interface() { return interface_; }

  void run(sdk::Run& run) {
    auto& t = program_.tensors;
    for (size_t i = 0; i < program_.inputs.size(); ++i) t[program_.inputs[i]].data = run.input(i).as<float>().copy();
    for (const Step& s : program_.steps) {
      Tensor &in = t[s[0]], &out = t[s[1]];
      out.data.resize(std::accumulate(out.shape.begin(), out.shape.end(), size_t{1}, std::multiplies<size_t>()));
      if (s.size() > 2)
        conv(s, in, t[s[2]], s[3] < 0 ? nullptr : &t[s[3]], out);
      else
        std::transform(in.data.begin(), in.data.end(), out.data.begin(), [](float x) { return x < 0 ? 0 : x; });
    }
    for (uint32_t i = 0; i < program_.outputs.size(); ++i) {
      const Tensor& out = t[program_.outputs[i]];
      std::copy(out.data.begin(), out.data.end(), static_cast<float*>(run.output(i, LATHE_FLOAT32, out.shape, out.data.size() * sizeof(float))));
    }
  }

 private:
  Program program_;
  sdk::Interface interface_;
};

}  // namespace

LATHE_PLUGIN("example_backend", "0.1.0", "Example", "Compiles Conv and Relu into plain loops.", sdk::BackendPart<Backend>,
             sdk::ExecutorPart<Executor>)
