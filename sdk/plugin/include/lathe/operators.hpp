// lathe/operators.hpp - operators of a plugin's own, from C++: the part operators/1. Include it beside lathe/plugin.hpp; it needs C++20 and the
// kernels' headers (Lathe::kernels, which lathe_add_plugin(... KERNELS header) links).
#pragma once
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "lathe/builder.hpp"
#include "lathe/kernels/kernel.hpp"
#include "lathe/operators.h"

namespace lathe::sdk {

// All texts of a declaration are static.
struct Formal {
  const char* name;
  const char* types;  // a type variable ("T") or one type ("tensor(int64)")
  int32_t kind = LATHE_FORMAL_REQUIRED;
};
struct TypeVariable {
  const char* name;
  std::vector<int32_t> allowed;  // LATHE_FLOAT32, ...
};
struct FormalAttribute {
  const char* name;
  int32_t kind;  // LATHE_ATTRIBUTE_...
  bool required = false;
  const char* fallback = nullptr;  // the default as text
};

// One node whose outputs are to be inferred.
class Inference {
 public:
  Inference(const lathe_graph* graph, const lathe_type_sink* sink) : graph_(graph), sink_(sink) {}
  NodeView node() const { return graph_.node(0); }
  // Type and shape as far as they are known, and the numbers of a constant; nullopt: the input is absent.
  std::optional<ValueView> input(size_t index) const { return node().has_input(index) ? std::optional(node().input_value(index)) : std::nullopt; }
  // nullopt: the input is absent or its rank is not known.
  std::optional<Shape> shape(size_t index) const {
    const auto value = input(index);
    if (!value || !value->has_rank()) return std::nullopt;
    Shape shape;
    for (const lathe_dimension& d : value->dimensions()) shape.push_back(d.value >= 0 ? Dimension(d.value) : Dimension(std::string(view(d.symbol))));
    return shape;
  }
  // nullopt: the rank is not known; a Dimension() is not known and gets a name of its own.
  void set_output(size_t index, int32_t type, std::optional<Shape> shape) {
    ValueData value;
    value.type = type;
    value.shape = std::move(shape);
    const lathe_value layout = value.layout();
    require(sink_->set(sink_->context, index, &layout));
  }
  [[noreturn]] void fail(std::string text, std::string expected = {}, std::string found = {}) const {
    Diagnostic d;
    d.text = std::move(text), d.expected = std::move(expected), d.found = std::move(found);
    throw Failure(LATHE_FAILED, std::move(d));
  }

 private:
  GraphView graph_;
  const lathe_type_sink* sink_;
};

using InferenceFunction = void (*)(Inference&);
template <InferenceFunction function>
lathe_code run_inference(const lathe_host* host, const lathe_graph* graph, const lathe_type_sink* sink) noexcept {
  return guard(host, [&] {
    Inference inference(graph, sink);
    function(inference);
  });
}
// Whole inference: one output with type and shape of input 0.
inline void same_as_input(Inference& inference) { inference.set_output(0, inference.input(0)->type(), inference.shape(0)); }

// A node as a graph of known operators, in ONNX's textual syntax.
using DecompositionFunction = std::string (*)(const NodeView&);
template <DecompositionFunction function>
lathe_code run_decomposition(const lathe_host* host, const lathe_graph* graph, void* context, void (*write)(void*, lathe_string)) noexcept {
  return guard(host, [&] {
    const std::string text = function(GraphView(graph).node(0));
    write(context, string(text));
  });
}

struct OperatorInfo {
  const char* domain;
  const char* name;
  std::vector<int64_t> versions;
  std::vector<Formal> inputs, outputs;
  std::vector<TypeVariable> types;
  std::vector<FormalAttribute> attributes;
  // Either these,
  lathe_code (*infer)(const lathe_host*, const lathe_graph*, const lathe_type_sink*) = nullptr;  // &run_inference<function>
  kernels::Kernel kernel = nullptr;
  kernels::ShapeFunction shape = nullptr;  // nullptr: the kernel gives its outputs their shapes
  uint64_t (*scratch)(const kernels::Call&, uint32_t threads) = nullptr;
  // or this.
  lathe_code (*decompose)(const lathe_host*, const lathe_graph*, void*, void (*)(void*, lathe_string)) = nullptr;  // &run_decomposition<function>
  bool deterministic = true;
};

// T: static std::vector<OperatorInfo> operators()
template <class T>
class OperatorsPart {
 public:
  static constexpr const char* id = "operators/1";
  static const void* table() {
    static const Tables& tables = *new Tables();
    return &tables.table;
  }

 private:
  struct Arrays {
    explicit Arrays(const OperatorInfo& o) : info(o) {
      for (const Formal& f : info.inputs) inputs.push_back({sizeof(lathe_formal), f.kind, f.name, f.types});
      for (const Formal& f : info.outputs) outputs.push_back({sizeof(lathe_formal), f.kind, f.name, f.types});
      for (const TypeVariable& t : info.types) types.push_back({sizeof(lathe_type_variable), 0, t.name, t.allowed.data(), t.allowed.size()});
      for (const FormalAttribute& a : info.attributes)
        attributes.push_back({sizeof(lathe_formal_attribute), a.kind, a.required, 0, a.name, a.fallback});
    }
    OperatorInfo info;
    std::vector<lathe_formal> inputs, outputs;
    std::vector<lathe_type_variable> types;
    std::vector<lathe_formal_attribute> attributes;
  };
  // A reference to Call and a pointer to it are passed alike.
  static lathe_kernel plain(kernels::Kernel kernel) { return reinterpret_cast<lathe_kernel>(reinterpret_cast<void (*)()>(kernel)); }
  struct Tables {
    Tables() {
      for (const OperatorInfo& o : T::operators()) {
        const Arrays& a = arrays.emplace_back(o);
        const OperatorInfo& i = a.info;
        lathe_operator c = {};
        c.struct_size = sizeof c;
        c.kernel_layout = i.kernel ? LATHE_KERNEL_LAYOUT : 0;
        c.domain = i.domain, c.name = i.name;
        c.versions = i.versions.data(), c.version_count = i.versions.size();
        c.inputs = a.inputs.data(), c.input_count = a.inputs.size(), c.input_stride = sizeof(lathe_formal);
        c.outputs = a.outputs.data(), c.output_count = a.outputs.size(), c.output_stride = sizeof(lathe_formal);
        c.types = a.types.data(), c.type_count = a.types.size(), c.type_stride = sizeof(lathe_type_variable);
        c.attributes = a.attributes.data(), c.attribute_count = a.attributes.size(), c.attribute_stride = sizeof(lathe_formal_attribute);
        c.infer = i.infer;
        c.kernel = plain(i.kernel), c.shape = plain(i.shape);
        c.scratch = reinterpret_cast<decltype(c.scratch)>(reinterpret_cast<void (*)()>(i.scratch));
        c.decompose = i.decompose;
        c.not_deterministic = !i.deterministic;
        operators.push_back(c);
      }
      table = {sizeof(lathe_operators), 0, operators.data(), operators.size(), sizeof(lathe_operator)};
    }
    std::deque<Arrays> arrays;
    std::vector<lathe_operator> operators;
    lathe_operators table = {};
  };
};

}  // namespace lathe::sdk
