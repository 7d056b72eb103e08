// lathe/parts.hpp - turns small classes into the tables of the boundary. Include lathe/plugin.hpp.
//
// A part is a plain class with the members listed above its adapter; the adapter fills the C table, guards every call and keeps
// the declared data. Tables are made on first use and never freed, so there are no static constructors and nothing to destroy.
#pragma once
#include <type_traits>

#include "lathe/backend.h"
#include "lathe/builder.hpp"
#include "lathe/executor.h"
#include "lathe/frontend.h"
#include "lathe/inspector.h"
#include "lathe/models.h"
#include "lathe/passes.h"
#include "lathe/tensors.h"

namespace lathe::sdk {

// A declared option; see lathe_option. All texts are static.
struct Option {
  const char* name;
  int32_t type;  // LATHE_OPTION_...
  const char* fallback;
  const char* help;
  std::vector<const char*> choices = {};  // for LATHE_OPTION_CHOICE
  const char* flag = nullptr;             // "mcpu": `--target "name -mcpu=..."` sets it
};

namespace detail {

// NULL-terminated copy of a list of static texts; NULL for an empty one.
class Names {
 public:
  explicit Names(std::vector<const char*> names) : names_(std::move(names)) { names_.push_back(nullptr); }
  const char* const* get() const { return names_.data(); }
  const char* const* get_or_null() const { return names_.size() > 1 ? names_.data() : nullptr; }

 private:
  std::vector<const char*> names_;
};

class Options {
 public:
  explicit Options(const std::vector<Option>& options) {
    for (const Option& o : options) {
      choices_.emplace_back(o.choices);
      table_.push_back({sizeof(lathe_option), o.type, o.name, o.fallback, choices_.back().get_or_null(), o.help, o.flag});
    }
  }
  const lathe_option* data() const { return table_.data(); }
  size_t size() const { return table_.size(); }

 private:
  std::deque<Names> choices_;
  std::vector<lathe_option> table_;
};

inline FileHead file_head(const void* head, size_t head_size, uint64_t file_size, lathe_string path) {
  return {static_cast<const unsigned char*>(head), head_size, file_size, view(path)};
}
// recognise() reports nothing: a file that makes it throw is not its own.
template <class T>
int32_t recognise(const void* head, size_t head_size, uint64_t file_size, lathe_string path) noexcept {
  try {
    return T::recognise(file_head(head, head_size, file_size, path));
  } catch (...) {
    return 0;
  }
}

#define LATHE_SDK_DETECT(trait, expression) \
  template <class T, class = void>          \
  struct trait : std::false_type {};        \
  template <class T>                        \
  struct trait<T, std::void_t<decltype(expression)>> : std::true_type {}

// What `self` points to: the part's object and the host it was created with.
template <class T>
struct Instance {
  template <class... Arguments>
  explicit Instance(const lathe_host* h, const Arguments&... arguments) : host(h), part(Host(h), arguments...) {}
  Host host;
  T part;
};
template <class T, class... Arguments>
lathe_code create(const lathe_host* host, void** self, const Arguments&... arguments) noexcept {
  return guard(host, [&] { *self = new Instance<T>(host, arguments...); });
}
template <class T>
void destroy(void* self) noexcept {
  delete static_cast<Instance<T>*>(self);
}

}  // namespace detail

// ---- frontend/1 ------------------------------------------------------------------------------------------------------------------

struct FrontendInfo {
  const char* format;                   // for people: "ONNX"
  std::vector<const char*> extensions;  // without dot
  std::vector<Option> options = {};
};
struct ImportRequest {
  std::string path;
  Settings settings;
};
// Takes the graph, once. The builder is kept until the frontend is destroyed, and with it the tensors' owners.
class GraphSink {
 public:
  GraphSink(const lathe_graph_sink* sink, std::deque<GraphBuilder>& kept) : sink_(sink), kept_(kept) {}
  void accept(GraphBuilder graph) {
    kept_.push_back(std::move(graph));
    require(sink_->accept(sink_->context, &kept_.back().layout()));
  }

 private:
  const lathe_graph_sink* sink_;
  std::deque<GraphBuilder>& kept_;
};

// T: static FrontendInfo info(); static int recognise(const FileHead&); explicit T(Host);
//    void import_model(const ImportRequest&, GraphSink&)
template <class T>
class FrontendPart {
 public:
  static constexpr const char* id = "frontend/1";
  static const void* table() {
    static const Tables& tables = *new Tables();
    return &tables.table;
  }

 private:
  struct Kept {  // the builder outlives the part's own members that its tensors may point into, and is destroyed first
    explicit Kept(const Host& host) : part(host) {}
    T part;
    std::deque<GraphBuilder> graphs;
  };
  static lathe_code import_model(void* self, const lathe_import_request* request, const lathe_graph_sink* sink) noexcept {
    auto* instance = static_cast<detail::Instance<Kept>*>(self);
    return guard(instance->host, [&] {
      GraphSink out(sink, instance->part.graphs);
      instance->part.part.import_model({std::string(view(request->path)), Settings(request->settings, request->setting_count)}, out);
    });
  }
  struct Tables {
    FrontendInfo info = T::info();
    detail::Names extensions{info.extensions};
    detail::Options options{info.options};
    lathe_frontend table = {sizeof(lathe_frontend),
                            0,
                            info.format,
                            extensions.get(),
                            options.data(),
                            options.size(),
                            sizeof(lathe_option),
                            &detail::recognise<T>,
                            [](const lathe_host* host, void** self) { return detail::create<Kept>(host, self); },
                            &detail::destroy<Kept>,
                            &FrontendPart::import_model};
  };
};

// ---- backend/1 -------------------------------------------------------------------------------------------------------------------

struct Device {
  const char* name;
  const char* description;
  std::vector<const char*> precisions;           // best first
  uint64_t weight_bytes = 0, feature_bytes = 0;  // see lathe_device
};
struct BackendInfo {
  const char* runtime;  // as its vendor spells it
  std::vector<Device> devices;
  std::vector<const char*> emits = {"library"};
  std::vector<Option> options = {};
  std::vector<const char*> aliases = {};
  uint32_t flags = 0;  // LATHE_BACKEND_...
  int64_t opset_lowest = 0, opset_highest = 0;
  uint32_t calibration_lowest = 0, calibration_wanted = 0;
};
struct CompileRequest {
  std::string device, precision, emit, stem;
  Settings settings;                                   // valid during the constructor only: copy what compile() needs
  const lathe_preprocessing* preprocessing = nullptr;  // these two stay valid
  const lathe_calibration* calibration = nullptr;
};
// Where claim() says what the backend takes.
class Verdicts {
 public:
  explicit Verdicts(const lathe_verdict_sink* sink) : sink_(sink) {}
  void take(const NodeView& node, uint32_t region = LATHE_NONE) { say({sizeof(lathe_verdict), node.index(), 1, region, {}}); }
  void refuse(const NodeView& node, std::string_view reason) { say({sizeof(lathe_verdict), node.index(), 0, LATHE_NONE, string(reason)}); }

 private:
  void say(const lathe_verdict& verdict) { sink_->verdict(sink_->context, &verdict); }
  const lathe_verdict_sink* sink_;
};
// Where compile() puts its files.
class Output {
 public:
  explicit Output(const lathe_output* output) : output_(output) {}
  std::string directory() const { return output_->directory; }
  void write(std::string_view name, const void* bytes, size_t size) { require(output_->write(output_->context, string(name), bytes, size)); }
  void write(std::string_view name, std::string_view text) { write(name, text.data(), text.size()); }
  void artifact(std::string_view name) { require(output_->artifact(output_->context, string(name))); }
  void bind(std::string_view tensor, std::string_view artifact_tensor) {
    if (output_->bind) require(output_->bind(output_->context, string(tensor), string(artifact_tensor)));
  }

 private:
  const lathe_output* output_;
};
// Takes lines or key and value; see list_choices and fingerprint.
class Lines {
 public:
  Lines(void* context, void (*line)(void*, lathe_string)) : context_(context), line_(line) {}
  void operator()(std::string_view text) const { line_(context_, string(text)); }

 private:
  void* context_;
  void (*line_)(void*, lathe_string);
};
class Facts {
 public:
  Facts(void* context, void (*fact)(void*, lathe_string, lathe_string)) : context_(context), fact_(fact) {}
  void operator()(std::string_view key, std::string_view value) const { fact_(context_, string(key), string(value)); }

 private:
  void* context_;
  void (*fact_)(void*, lathe_string, lathe_string);
};

namespace detail {
LATHE_SDK_DETECT(has_default_device, T::default_device(std::declval<const Settings&>()));
LATHE_SDK_DETECT(has_fingerprint, std::declval<T&>().fingerprint(std::declval<const Facts&>()));
LATHE_SDK_DETECT(has_list_choices, T::list_choices(std::declval<Host>(), std::string_view(), std::declval<const Lines&>()));
LATHE_SDK_DETECT(has_profile, std::declval<T&>().profile(std::declval<void (*)(const lathe_kernel_time&)>()));
LATHE_SDK_DETECT(has_peak_bytes, std::declval<T&>().peak_bytes());
LATHE_SDK_DETECT(has_obstacle, T::obstacle(std::string_view()));
}  // namespace detail

// T: static BackendInfo info(); T(Host, const CompileRequest&); void claim(const GraphView&, Verdicts&);
//    void compile(const GraphView&, Output&)
// optional: static const char* default_device(const Settings&); void fingerprint(const Facts&);
//    static void list_choices(Host, std::string_view option, const Lines&)
template <class T>
class BackendPart {
 public:
  static constexpr const char* id = "backend/1";
  static const void* table() {
    static const Tables& tables = *new Tables();
    return &tables.table;
  }

 private:
  using Self = detail::Instance<T>;
  static lathe_code create(const lathe_host* host, const lathe_compile_request* r, void** self) noexcept {
    return guard(host, [&] {
      const CompileRequest request{std::string(view(r->device)),
                                   std::string(view(r->precision)),
                                   std::string(view(r->emit)),
                                   std::string(view(r->stem)),
                                   Settings(r->settings, r->setting_count),
                                   LATHE_HAS(r, lathe_compile_request, preprocessing) ? r->preprocessing : nullptr,
                                   LATHE_HAS(r, lathe_compile_request, calibration) ? r->calibration : nullptr};
      *self = new Self(host, request);
    });
  }
  static lathe_code claim(void* self, const lathe_graph* graph, const lathe_verdict_sink* sink) noexcept {
    auto* s = static_cast<Self*>(self);
    return guard(s->host, [&] {
      Verdicts verdicts(sink);
      s->part.claim(GraphView(graph), verdicts);
    });
  }
  static lathe_code compile(void* self, const lathe_graph* graph, const lathe_output* output) noexcept {
    auto* s = static_cast<Self*>(self);
    return guard(s->host, [&] {
      Output out(output);
      s->part.compile(GraphView(graph), out);
    });
  }
  struct Tables {
    Tables() {
      for (const Device& d : info.devices) {
        precisions.emplace_back(d.precisions);
        devices.push_back({sizeof(lathe_device), 0, d.name, d.description, precisions.back().get(), d.weight_bytes, d.feature_bytes});
      }
      table.struct_size = sizeof table;
      table.flags = info.flags;
      table.runtime = info.runtime;
      table.aliases = aliases.get_or_null();
      table.devices = devices.data(), table.device_count = devices.size(), table.device_stride = sizeof(lathe_device);
      table.options = options.data(), table.option_count = options.size(), table.option_stride = sizeof(lathe_option);
      table.emits = emits.get();
      table.opset_lowest = info.opset_lowest, table.opset_highest = info.opset_highest;
      table.calibration_lowest = info.calibration_lowest, table.calibration_wanted = info.calibration_wanted;
      table.create = &BackendPart::create;
      table.destroy = &detail::destroy<T>;
      table.claim = &BackendPart::claim;
      table.compile = &BackendPart::compile;
      if constexpr (detail::has_default_device<T>::value) {
        table.default_device = [](const lathe_setting* settings, size_t count) -> const char* {
          try {
            return T::default_device(Settings(settings, count));
          } catch (...) {
            return nullptr;
          }
        };
      }
      if constexpr (detail::has_fingerprint<T>::value) {
        table.fingerprint = [](void* self, void* context, void (*fact)(void*, lathe_string, lathe_string)) {
          return guard(static_cast<Self*>(self)->host, [&] { static_cast<Self*>(self)->part.fingerprint(Facts(context, fact)); });
        };
      }
      if constexpr (detail::has_list_choices<T>::value) {
        table.list_choices = [](const lathe_host* host, lathe_string option, void* context, void (*line)(void*, lathe_string)) {
          return guard(host, [&] { T::list_choices(Host(host), view(option), Lines(context, line)); });
        };
      }
    }
    BackendInfo info = T::info();
    detail::Names aliases{info.aliases}, emits{info.emits};
    detail::Options options{info.options};
    std::deque<detail::Names> precisions;
    std::vector<lathe_device> devices;
    lathe_backend table = {};
  };
};

// ---- executor/1 ------------------------------------------------------------------------------------------------------------------

struct LoadRequest {
  std::string path;
  unsigned threads = 1;
  bool profile = false;
};
// Inputs and outputs of a loaded artifact.
class Interface {
 public:
  // `shape` is nullopt where the rank is not known; `kind` is LATHE_KIND_... (of sequences, type and shape are their elements').
  void add_input(std::string name, int32_t type, std::optional<Shape> shape, int32_t kind = LATHE_KIND_TENSOR) {
    add(inputs_, std::move(name), type, std::move(shape), kind);
  }
  void add_output(std::string name, int32_t type, std::optional<Shape> shape, int32_t kind = LATHE_KIND_TENSOR) {
    add(outputs_, std::move(name), type, std::move(shape), kind);
  }
  const lathe_interface* layout() {
    c_inputs_.clear(), c_outputs_.clear();
    for (ValueData& v : inputs_) c_inputs_.push_back(v.layout());
    for (ValueData& v : outputs_) c_outputs_.push_back(v.layout());
    c_ = {sizeof(lathe_interface), 0, c_inputs_.data(), c_inputs_.size(), sizeof(lathe_value), c_outputs_.data(), c_outputs_.size(),
          sizeof(lathe_value)};
    return &c_;
  }

 private:
  static void add(std::deque<ValueData>& list, std::string name, int32_t type, std::optional<Shape> shape, int32_t kind) {
    list.emplace_back();
    list.back().name = std::move(name);
    list.back().type = type;
    list.back().shape = std::move(shape);
    list.back().kind = kind;
  }
  std::deque<ValueData> inputs_, outputs_;
  std::vector<lathe_value> c_inputs_, c_outputs_;
  lathe_interface c_ = {};
};
// One input of a run, or an element of a sequence.
class BufferView {
 public:
  explicit BufferView(const lathe_buffer* buffer) : buffer_(buffer) {}
  const lathe_buffer& get() const { return *buffer_; }
  int32_t kind() const { return buffer_->kind; }          // LATHE_KIND_...
  bool present() const { return buffer_->present != 0; }  // false: an empty optional
  int32_t type() const { return buffer_->type; }
  Span<const int64_t> dimensions() const { return {buffer_->dimensions, buffer_->rank}; }
  uint64_t bytes() const { return buffer_->size; }
  const void* data() const { return buffer_->data; }
  template <class T>
  Span<const T> as() const {
    return {static_cast<const T*>(buffer_->data), static_cast<size_t>(buffer_->size / sizeof(T))};
  }
  std::string_view text(size_t index) const { return view(static_cast<const lathe_string*>(buffer_->data)[index]); }  // of LATHE_STRING
  size_t element_count() const { return buffer_->element_count; }                                                     // of sequences
  BufferView element(size_t index) const { return BufferView(LATHE_AT(lathe_buffer, buffer_->elements, buffer_->element_stride, index)); }

 private:
  const lathe_buffer* buffer_;
};
// The inputs of a run, and where its outputs go.
class Run {
 public:
  Run(const lathe_buffer* inputs, size_t count, const lathe_buffer_sink* sink) : inputs_(inputs), count_(count), sink_(sink) {}
  size_t input_count() const { return count_; }
  BufferView input(size_t index) const { return BufferView(&inputs_[index]); }
  // Once per output that is a tensor of numbers: 64-byte aligned memory of `bytes` bytes to fill.
  void* output(uint32_t index, int32_t type, const std::vector<int64_t>& dimensions, uint64_t bytes) {
    void* memory = sink_->allocate(sink_->context, index, type, dimensions.data(), dimensions.size(), bytes);
    if (!memory) throw Failure(LATHE_FAILED);
    return memory;
  }
  // In its place for strings, sequences and optionals: the host copies all of `value`.
  void put(uint32_t index, const lathe_buffer& value) {
    if (!sink_->put) throw Failure(LATHE_UNSUPPORTED, "this host takes no strings, sequences or optionals");
    require(sink_->put(sink_->context, index, &value));
  }

 private:
  const lathe_buffer* inputs_;
  size_t count_;
  const lathe_buffer_sink* sink_;
};

// T: static std::vector<const char*> extensions(); static int recognise(const FileHead&); T(Host, const LoadRequest&);
//    Interface& interface(); void run(Run&)
// optional: template <class Row> void profile(Row row), row(const lathe_kernel_time&); uint64_t peak_bytes();
//    static const char* obstacle(std::string_view path)
template <class T>
class ExecutorPart {
 public:
  static constexpr const char* id = "executor/1";
  static const void* table() {
    static const Tables& tables = *new Tables();
    return &tables.table;
  }

 private:
  using Self = detail::Instance<T>;
  static lathe_code load(const lathe_host* host, const lathe_load_request* r, void** self) noexcept {
    return guard(host, [&] { *self = new Self(host, LoadRequest{std::string(view(r->path)), r->threads, r->profile != 0}); });
  }
  static const lathe_interface* describe(void* self) noexcept {
    const lathe_interface* interface = nullptr;
    guard(static_cast<Self*>(self)->host, [&] { interface = static_cast<Self*>(self)->part.interface().layout(); });
    return interface;
  }
  static lathe_code run(void* self, const lathe_buffer* inputs, size_t count, const lathe_buffer_sink* sink) noexcept {
    return guard(static_cast<Self*>(self)->host, [&] {
      Run run(inputs, count, sink);
      static_cast<Self*>(self)->part.run(run);
    });
  }
  struct Tables {
    Tables() {
      table.struct_size = sizeof table;
      table.extensions = extensions.get();
      table.recognise = &detail::recognise<T>;
      table.load = &ExecutorPart::load;
      table.unload = &detail::destroy<T>;
      table.describe = &ExecutorPart::describe;
      table.run = &ExecutorPart::run;
      if constexpr (detail::has_profile<T>::value) {
        table.profile = [](void* self, void* context, void (*row)(void*, const lathe_kernel_time*)) {
          return guard(static_cast<Self*>(self)->host,
                       [&] { static_cast<Self*>(self)->part.profile([&](const lathe_kernel_time& t) { row(context, &t); }); });
        };
      }
      if constexpr (detail::has_peak_bytes<T>::value) {
        table.peak_bytes = [](void* self) { return static_cast<uint64_t>(static_cast<Self*>(self)->part.peak_bytes()); };
      }
      if constexpr (detail::has_obstacle<T>::value) {
        table.obstacle = [](lathe_string path) -> const char* { return T::obstacle(view(path)); };
      }
    }
    detail::Names extensions{T::extensions()};
    lathe_executor table = {};
  };
};

// ---- inspector/1 -----------------------------------------------------------------------------------------------------------------

// T: static int recognise(const FileHead&); static std::string inspect(Host, const std::string& path) -> one JSON object
template <class T>
class InspectorPart {
 public:
  static constexpr const char* id = "inspector/1";
  static const void* table() {
    static const lathe_inspector table = {sizeof(lathe_inspector), 0, &detail::recognise<T>,
                                          [](const lathe_host* host, lathe_string path, void* context, void (*write)(void*, lathe_string)) {
                                            return guard(host, [&] {
                                              const std::string json = T::inspect(Host(host), std::string(view(path)));
                                              write(context, string(json));
                                            });
                                          }};
    return &table;
  }
};

// ---- tensors/1 -------------------------------------------------------------------------------------------------------------------

// Takes the value of a file, once.
class TensorSink {
 public:
  explicit TensorSink(const lathe_tensor_sink* sink) : sink_(sink) {}
  void accept(std::string_view name, const lathe_buffer& value) { require(sink_->accept(sink_->context, string(name), &value)); }

 private:
  const lathe_tensor_sink* sink_;
};

// T: static std::vector<const char*> extensions(); static int recognise(const FileHead&);
//    static void read(Host, const std::string& path, int32_t kind, TensorSink&);
//    static std::string write(Host, std::string_view name, const BufferView&) -> the file's bytes
template <class T>
class TensorsPart {
 public:
  static constexpr const char* id = "tensors/1";
  static const void* table() {
    static const Tables& tables = *new Tables();
    return &tables.table;
  }

 private:
  struct Tables {
    detail::Names extensions{T::extensions()};
    lathe_tensors table = {sizeof(lathe_tensors),
                           0,
                           extensions.get(),
                           &detail::recognise<T>,
                           [](const lathe_host* host, const lathe_tensor_read_request* request, const lathe_tensor_sink* sink) {
                             return guard(host, [&] {
                               TensorSink out(sink);
                               T::read(Host(host), std::string(view(request->path)), request->kind, out);
                             });
                           },
                           [](const lathe_host* host, const lathe_tensor_write_request* request) {
                             return guard(host, [&] {
                               const std::string bytes = T::write(Host(host), view(request->name), BufferView(request->value));
                               require(request->write(request->context, bytes.data(), bytes.size()));
                             });
                           }};
  };
};

// ---- passes/1 --------------------------------------------------------------------------------------------------------------------

using PassFunction = void (*)(const Host&, const GraphView&, const Settings&, Edits&);
struct PassInfo {
  const char* name;  // lower case, words joined by '-', prefixed with the plugin's name
  const char* help;
  lathe_code (*run)(const lathe_host*, const lathe_graph*, const lathe_setting*, size_t, const lathe_edit_sink*);  // run_pass<function>
  std::vector<Option> options = {};
  std::vector<const char*> needs = {}, leaves = {}, breaks = {};
};
template <PassFunction function>
lathe_code run_pass(const lathe_host* host, const lathe_graph* graph, const lathe_setting* settings, size_t count,
                    const lathe_edit_sink* sink) noexcept {
  return guard(host, [&] {
    const GraphView view(graph);
    Edits edits(view);
    function(Host(host), view, Settings(settings, count), edits);
    if (edits.empty()) return;
    const auto& list = edits.layout();
    require(sink->apply(sink->context, list.data(), list.size(), sizeof(lathe_edit)));
  });
}

// T: static std::vector<PassInfo> passes()
template <class T>
class PassesPart {
 public:
  static constexpr const char* id = "passes/1";
  static const void* table() {
    static const Tables& tables = *new Tables();
    return &tables.table;
  }

 private:
  struct Tables {
    Tables() {
      for (const PassInfo& p : T::passes()) {
        options.emplace_back(p.options);
        const detail::Options& o = options.back();
        auto facts = [&](const std::vector<const char*>& f) { return names.emplace_back(f).get_or_null(); };
        passes.push_back({sizeof(lathe_pass), 0, p.name, p.help, o.data(), o.size(), sizeof(lathe_option), facts(p.needs), facts(p.leaves),
                          facts(p.breaks), p.run});
      }
      table = {sizeof(lathe_passes), 0, passes.data(), passes.size(), sizeof(lathe_pass)};
    }
    std::deque<detail::Options> options;
    std::deque<detail::Names> names;
    std::vector<lathe_pass> passes;
    lathe_passes table = {};
  };
};

// The `part` function of a plugin that has these parts.
template <class... Parts>
const void* find_part(const char* id) noexcept {
  const void* found = nullptr;
  try {
    ((view(id) == Parts::id ? void(found = Parts::table()) : void()), ...);
  } catch (...) {
  }
  return found;
}

}  // namespace lathe::sdk
