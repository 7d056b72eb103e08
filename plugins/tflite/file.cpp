// FlatBuffers on one side, the plain model on the other. The tables of operator options go through operators.cpp's list.
#include "file.hpp"

#include <cmath>
#include <cstring>
#include <lathe/plugin.hpp>
#include <map>
#include <set>

#include "operators.hpp"
#include "schema_generated.h"
#include "sparse.hpp"

namespace lathe::tflite {
namespace {

constexpr size_t most_depth = 16, most_tables = 4'000'000;
constexpr uint64_t most_elements = uint64_t{1} << 40;
constexpr size_t most_rank = 64;

flatbuffers::voffset_t field_offset(const OptionField& field) { return static_cast<flatbuffers::voffset_t>(4 + 2 * field.slot); }

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& path)
      : bytes_(bytes), path_(path), verifier_(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), most_depth, most_tables) {}

  Model read() {
    if (!has_identifier(bytes_)) refuse("this is no .tflite file", "the identifier TFL3 at byte 4");
    if (bytes_.size() > FLATBUFFERS_MAX_BUFFER_SIZE) refuse("the file is beyond the format's limit", "at most 2 GB");
    if (reinterpret_cast<uintptr_t>(bytes_.data()) % 16) refuse("the file's bytes are not aligned in memory");
    if (!format::VerifyModelBuffer(verifier_)) refuse("the file is damaged: a table, a vector or a text lies outside it or is not aligned");
    const format::Model& file = *format::GetModel(bytes_.data());
    if (file.version() != 3) refuse("the schema version is unknown", "3", std::to_string(file.version()));
    Model model;
    model.description = text(file.description());
    if (file.buffers()) buffers_ = file.buffers();
    if (file.operator_codes()) codes_ = file.operator_codes();
    subgraphs_ = file.subgraphs() ? file.subgraphs()->size() : 0;
    if (subgraphs_ == 0) refuse("the model has no subgraph");
    for (const format::SubGraph* graph : *file.subgraphs()) model.subgraphs.push_back(read(*graph, model.subgraphs.size()));
    if (file.metadata())
      for (const format::Metadata* entry : *file.metadata())
        model.metadata.push_back({text(entry->name()), std::string(data(entry->buffer(), "metadata"))});
    if (file.signature_defs())
      for (const format::SignatureDef* s : *file.signature_defs()) model.signatures.push_back(read(*s, model));
    return model;
  }

 private:
  [[noreturn]] void refuse(std::string what, std::string expected = {}, std::string found = {}) const {
    sdk::Diagnostic d;
    d.text = std::move(what);
    d.location = path_;
    d.expected = std::move(expected);
    d.found = std::move(found);
    d.hint = "export the model again";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }

  static std::string text(const flatbuffers::String* s) {
    if (!s) return {};
    std::string out = s->str();
    for (char& c : out)
      if (c == '\0') c = '?';
    return out;
  }
  template <class T>
  static std::vector<T> list(const flatbuffers::Vector<T>* v) {
    std::vector<T> values(v ? v->size() : 0);
    // Byte by byte: a hostile file need not align them, and the container's verifier looks at the alignment of the length alone.
    if (!values.empty()) std::memcpy(values.data(), v->Data(), values.size() * sizeof(T));
    return values;
  }

  // The bytes of a buffer: in the container, or behind it in files beyond 2 GB.
  std::string_view data(uint32_t index, const std::string& whose) const {
    const uint32_t count = buffers_ ? buffers_->size() : 0;
    if (index >= count && !(index == 0 && count == 0))
      refuse("the buffer of " + whose + " does not exist", "below " + std::to_string(count), std::to_string(index));
    if (count == 0) return {};
    const format::Buffer& b = *buffers_->Get(index);
    if (b.data() && b.data()->size()) return {reinterpret_cast<const char*>(b.data()->data()), b.data()->size()};
    if (b.offset() <= 1) return {};
    if (b.size() > bytes_.size() || b.offset() > bytes_.size() - b.size())
      refuse("the buffer of " + whose + " lies outside the file", "an end of at most " + std::to_string(bytes_.size()),
             std::to_string(b.offset()) + " and " + std::to_string(b.size()) + " bytes from there");
    return bytes_.substr(b.offset(), b.size());
  }

  Tensor read(const format::Tensor& from, size_t index) {
    Tensor t;
    t.name = text(from.name());
    const std::string whose = "the tensor " + (t.name.empty() ? std::to_string(index) : "'" + t.name + "'");
    t.type = static_cast<Type>(from.type());
    t.shape = list(from.shape());
    t.signature = list(from.shape_signature());
    t.variable = from.is_variable();
    t.sparse = from.sparsity() != nullptr;
    if (t.shape.size() > most_rank)
      refuse(whose + " has too many dimensions", "at most " + std::to_string(most_rank), std::to_string(t.shape.size()));
    uint64_t elements = 1;
    bool empty = false;
    for (const int32_t d : t.shape) {
      if (d < -1) refuse(whose + " has a negative dimension", {}, std::to_string(d));
      const auto e = static_cast<uint64_t>(d < 1 ? 1 : d);  // an extent of 0 must not hide what the others come to
      if (elements > most_elements / e) refuse(whose + " has too many elements");
      elements *= e;
      empty |= d == 0;
    }
    if (empty) elements = 0;
    if (!t.signature.empty() && t.signature.size() != t.shape.size())
      refuse(whose + " has a shape signature of another rank", std::to_string(t.shape.size()), std::to_string(t.signature.size()));
    for (size_t i = 0; i < t.signature.size(); ++i)
      if (t.signature[i] != -1 && t.signature[i] != t.shape[i])
        refuse(whose + " has a shape signature that says another shape", {}, std::to_string(t.signature[i]));
    if (from.quantization()) t.quantization = read(*from.quantization(), t, whose);
    t.bytes = data(from.buffer(), whose);
    t.constant = !t.bytes.empty();
    if (t.constant && t.sparse) {
      std::string why;
      auto dense = std::make_shared<const std::string>(densified(read(*from.sparsity(), whose), t.shape, element_bytes(t.type), t.bytes, why));
      if (!why.empty()) refuse(whose + " is sparse, and its description does not hold together: " + why);
      t.bytes = *dense;
      t.owner = std::move(dense);
    } else if (t.constant) {
      const uint64_t wanted = t.type == Type::int4 ? (elements + 1) / 2 : elements * element_bytes(t.type);
      if (wanted && wanted != t.bytes.size())
        refuse(whose + " has data of another size than its shape", std::to_string(wanted) + " bytes", std::to_string(t.bytes.size()));
    }
    return t;
  }

  // One of three kinds of lists, which the container's verifier has not looked into.
  std::vector<int64_t> read(uint8_t kind, const format::Opaque* table, const std::string& whose) {
    const auto numbers = [&](const auto* from) {
      if (!verifier_.VerifyTable(from)) refuse(whose + " is sparse, and a list of its description is damaged");
      const auto all = list(from->values());
      return std::vector<int64_t>(all.begin(), all.end());
    };
    if (!table) return {};
    if (kind == 1) return numbers(reinterpret_cast<const format::Numbers32*>(table));
    if (kind == 2) return numbers(reinterpret_cast<const format::Numbers16*>(table));
    if (kind == 3) return numbers(reinterpret_cast<const format::Numbers8*>(table));
    refuse(whose + " is sparse, and a list of its description is of an unknown kind", "1 to 3", std::to_string(kind));
  }

  Sparsity read(const format::Sparsity& from, const std::string& whose) {
    Sparsity s;
    s.order = list(from.traversal_order());
    s.blocks = list(from.block_map());
    if (from.dimensions())
      for (const format::SparseDimension* d : *from.dimensions())
        s.axes.push_back(
            {d->format() != 0, d->dense_size(), read(d->segments_type(), d->segments(), whose), read(d->indices_type(), d->indices(), whose)});
    return s;
  }

  Quantization read(const format::Quantization& from, const Tensor& t, const std::string& whose) const {
    Quantization q;
    q.scales = list(from.scale());
    q.zero_points = list(from.zero_point());
    q.axis = from.quantized_dimension();
    if (from.details_type() != 0) refuse(whose + " is quantised in a way of its own, which has no meaning outside the runtime it was made for");
    for (const float s : q.scales)
      if (!std::isfinite(s) || s < 0) refuse(whose + " has a scale that is no positive number", {}, std::to_string(s));
    if (q.scales.empty()) return {};
    if (q.zero_points.size() > 1 && q.zero_points.size() != q.scales.size())
      refuse(whose + " has another number of zero points than of scales", std::to_string(q.scales.size()), std::to_string(q.zero_points.size()));
    if (t.shape.size() == 1) q.axis = 0;  // biases carry their weights' axis at times
    if (q.per_axis()) {
      if (q.axis < 0 || static_cast<size_t>(q.axis) >= t.shape.size() || static_cast<size_t>(t.shape[static_cast<size_t>(q.axis)]) != q.scales.size())
        refuse(whose + " has another number of scales than elements along its quantised dimension", {}, std::to_string(q.scales.size()));
    }
    return q;
  }

  Subgraph read(const format::SubGraph& from, size_t number) {
    Subgraph graph;
    graph.name = text(from.name());
    if (from.tensors())
      for (const format::Tensor* t : *from.tensors()) graph.tensors.push_back(read(*t, graph.tensors.size()));
    const std::string whose = number == 0 ? "the model" : "subgraph " + std::to_string(number);
    graph.inputs = indices(from.inputs(), graph, whose + "'s inputs", false);
    graph.outputs = indices(from.outputs(), graph, whose + "'s outputs", false);
    if (from.operators())
      for (const format::Operator* op : *from.operators()) graph.operators.push_back(read(*op, graph));
    check_order(graph, whose);
    return graph;
  }

  std::vector<int32_t> indices(const flatbuffers::Vector<int32_t>* from, const Subgraph& graph, const std::string& whose, bool absent) const {
    std::vector<int32_t> all = list(from);
    for (const int32_t i : all)
      if (i < (absent ? -1 : 0) || (i >= 0 && static_cast<size_t>(i) >= graph.tensors.size()))
        refuse(whose + " name a tensor that does not exist", "below " + std::to_string(graph.tensors.size()), std::to_string(i));
    return all;
  }

  // Operators stand in execution order: each reads only what is there, and nothing is made twice.
  void check_order(const Subgraph& graph, const std::string& whose) const {
    std::vector<bool> made(graph.tensors.size());
    for (size_t i = 0; i < made.size(); ++i) made[i] = graph.tensors[i].constant || graph.tensors[i].variable;
    for (const int32_t i : graph.inputs) made[static_cast<size_t>(i)] = true;
    for (size_t n = 0; n < graph.operators.size(); ++n) {
      const Operator& op = graph.operators[n];
      const std::string which = "operator " + std::to_string(n) + " of " + whose;
      for (const int32_t i : op.inputs) {
        // An empty constant has no bytes and looks like a value that nothing makes.
        if (i < 0 || made[static_cast<size_t>(i)]) continue;
        const Tensor& t = graph.tensors[static_cast<size_t>(i)];
        bool empty = false;
        for (const int32_t d : t.shape) empty |= d == 0;
        if (!empty) refuse(which + " reads the tensor '" + t.name + "' before anything makes it: the operators are not in order, or form a circle");
      }
      for (const int32_t i : op.outputs) {
        if (i < 0) continue;
        if (made[static_cast<size_t>(i)] && !graph.tensors[static_cast<size_t>(i)].variable)
          refuse(which + " makes the tensor '" + graph.tensors[static_cast<size_t>(i)].name + "', which is there already");
        made[static_cast<size_t>(i)] = true;
      }
    }
    for (const int32_t i : graph.outputs)
      if (!made[static_cast<size_t>(i)]) refuse("nothing makes the output '" + graph.tensors[static_cast<size_t>(i)].name + "' of " + whose);
  }

  Operator read(const format::Operator& from, const Subgraph& graph) {
    Operator op;
    const uint32_t count = codes_ ? codes_->size() : 0;
    const std::string which = "operator " + std::to_string(graph.operators.size());
    if (from.opcode_index() >= count)
      refuse(which + " has an operator code that does not exist", "below " + std::to_string(count), std::to_string(from.opcode_index()));
    const format::OperatorCode& code = *codes_->Get(from.opcode_index());
    op.code = std::max<int32_t>(code.deprecated_builtin_code(), code.builtin_code());
    op.version = code.version();
    op.custom = text(code.custom_code());
    op.inputs = indices(from.inputs(), graph, which + "'s inputs", true);
    op.outputs = indices(from.outputs(), graph, which + "'s outputs", true);
    if (from.custom_options()) op.custom_options = {reinterpret_cast<const char*>(from.custom_options()->data()), from.custom_options()->size()};
    const OperatorInfo* info = find_operator(op.code);
    const auto* options = reinterpret_cast<const flatbuffers::Table*>(from.builtin_options());
    if (info && options && info->options.number && from.builtin_options_type() == info->options.number) {
      for (const OptionField& field : info->options.fields)
        if (field.kind != FieldKind::none) op.options.push_back(read(*options, field, which));
    } else if (info) {
      for (const OptionField& field : info->options.fields)
        if (field.kind != FieldKind::none) op.options.push_back({field.name, field.fallback, {}});
    }
    return op;
  }

  // The container's verifier has not looked into option tables: each field is verified here before it is read.
  Option read(const flatbuffers::Table& table, const OptionField& field, const std::string& which) {
    const flatbuffers::voffset_t at = field_offset(field);
    const auto good = [&](bool ok) {
      if (!ok) refuse("the options of " + which + " are damaged");
    };
    Option o{field.name, field.fallback, {}};
    switch (field.kind) {
      case FieldKind::byte:
        good(table.VerifyField<int8_t>(verifier_, at, sizeof(int8_t)));
        o.number = table.GetField<int8_t>(at, static_cast<int8_t>(field.fallback));
        break;
      case FieldKind::boolean:
        good(table.VerifyField<uint8_t>(verifier_, at, sizeof(uint8_t)));
        o.number = table.GetField<uint8_t>(at, static_cast<uint8_t>(field.fallback)) != 0;
        break;
      case FieldKind::int32:
        good(table.VerifyField<int32_t>(verifier_, at, sizeof(int32_t)));
        o.number = table.GetField<int32_t>(at, static_cast<int32_t>(field.fallback));
        break;
      case FieldKind::float32:
        good(table.VerifyField<float>(verifier_, at, sizeof(float)));
        o.number = table.GetField<float>(at, static_cast<float>(field.fallback));
        break;
      case FieldKind::ints: {
        good(table.VerifyOffset(verifier_, at));
        const auto* list = table.GetPointer<const flatbuffers::Vector<int32_t>*>(at);
        good(verifier_.VerifyVector(list));
        if (list) o.list.assign(list->begin(), list->end());
        break;
      }
      case FieldKind::none:
        break;
    }
    return o;
  }

  Signature read(const format::SignatureDef& from, const Model& model) const {
    Signature s;
    s.key = text(from.signature_key());
    s.subgraph = from.subgraph_index();
    if (s.subgraph >= model.subgraphs.size()) refuse("the signature '" + s.key + "' is of a subgraph that does not exist");
    const size_t tensors = model.subgraphs[s.subgraph].tensors.size();
    const auto maps = [&](const auto* list, auto& to) {
      if (!list) return;
      for (const format::TensorMap* m : *list) {
        if (m->tensor_index() >= tensors) refuse("the signature '" + s.key + "' names a tensor that does not exist");
        to.emplace_back(text(m->name()), m->tensor_index());
      }
    };
    maps(from.inputs(), s.inputs);
    maps(from.outputs(), s.outputs);
    return s;
  }

  std::string_view bytes_;
  const std::string& path_;
  flatbuffers::Verifier verifier_;
  const flatbuffers::Vector<flatbuffers::Offset<format::Buffer>>* buffers_ = nullptr;
  const flatbuffers::Vector<flatbuffers::Offset<format::OperatorCode>>* codes_ = nullptr;
  size_t subgraphs_ = 0;
};

// ---- writing -----------------------------------------------------------------------------------------------------------------------

class Writer {
 public:
  std::string write(const Model& model) {
    uint64_t bytes = 0;
    for (const Subgraph& graph : model.subgraphs)
      for (const Tensor& t : graph.tensors) bytes += t.bytes.size();
    if (bytes > (uint64_t{2} << 30) - (uint64_t{16} << 20))
      throw sdk::Failure(LATHE_UNSUPPORTED, "the model's constants take " + std::to_string(bytes) + " bytes, and a .tflite file holds at most 2 GB",
                         "compile with --precision float16 or int8 weights");
    buffer("");  // the sentinel
    std::vector<flatbuffers::Offset<format::SubGraph>> graphs;
    for (const Subgraph& graph : model.subgraphs) graphs.push_back(write(graph));
    std::vector<flatbuffers::Offset<format::Metadata>> metadata;
    for (const Metadata& entry : model.metadata) {
      const auto label = out_.CreateString(entry.name);
      metadata.push_back(format::CreateMetadata(out_, label, buffer(entry.bytes)));
    }
    std::vector<flatbuffers::Offset<format::SignatureDef>> signatures;
    for (const Signature& s : model.signatures) signatures.push_back(write(s));
    std::vector<flatbuffers::Offset<format::OperatorCode>> codes;
    for (const Code& code : codes_)
      codes.push_back(format::CreateOperatorCode(out_, static_cast<int8_t>(std::min(code.number, 127)),
                                                 code.custom.empty() ? 0 : out_.CreateString(code.custom), code.version, code.number));
    const auto all_codes = out_.CreateVector(codes);
    const auto all_graphs = out_.CreateVector(graphs);
    const auto description = out_.CreateString(model.description);
    const auto buffers = out_.CreateVector(buffers_);
    const auto all_metadata = metadata.empty() ? 0 : out_.CreateVector(metadata);
    const auto all_signatures = signatures.empty() ? 0 : out_.CreateVector(signatures);
    format::FinishModelBuffer(out_, format::CreateModel(out_, 3, all_codes, all_graphs, description, buffers, 0, all_metadata, all_signatures));
    return {reinterpret_cast<const char*>(out_.GetBufferPointer()), out_.GetSize()};
  }

 private:
  struct Code {
    int32_t number;
    int32_t version;
    std::string custom;
    bool operator<(const Code& other) const { return std::tie(number, version, custom) < std::tie(other.number, other.version, other.custom); }
  };

  uint32_t buffer(std::string_view bytes) {
    if (bytes.empty()) {
      if (buffers_.empty()) buffers_.push_back(format::CreateBuffer(out_));
      return 0;
    }
    const auto known = shared_.find(bytes.data());
    if (known != shared_.end() && known->second.first == bytes.size()) return known->second.second;
    out_.ForceVectorAlignment(bytes.size(), 1, 16);
    const auto data = out_.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    buffers_.push_back(format::CreateBuffer(out_, data));
    const auto index = static_cast<uint32_t>(buffers_.size() - 1);
    shared_[bytes.data()] = {bytes.size(), index};
    return index;
  }

  flatbuffers::Offset<format::Tensor> write(const Tensor& t) {
    flatbuffers::Offset<format::Quantization> quantization = 0;
    if (t.quantization.present()) {
      const auto scales = out_.CreateVector(t.quantization.scales);
      std::vector<int64_t> zeros = t.quantization.zero_points;
      if (zeros.empty()) zeros.push_back(0);
      zeros.resize(t.quantization.scales.size(), zeros[0]);
      quantization = format::CreateQuantization(out_, 0, 0, scales, out_.CreateVector(zeros), 0, 0, t.quantization.axis);
    }
    const auto shape = out_.CreateVector(t.shape);
    const auto label = out_.CreateString(t.name);
    const auto signature = t.signature.empty() ? 0 : out_.CreateVector(t.signature);
    const uint32_t data = buffer(t.bytes);
    return format::CreateTensor(out_, shape, static_cast<int8_t>(t.type), data, label, quantization, t.variable, 0, signature, true);
  }

  flatbuffers::Offset<format::Opaque> options(const Operator& op, const OperatorInfo& info) {
    std::map<std::string_view, flatbuffers::uoffset_t> lists;
    for (const OptionField& field : info.options.fields)
      if (field.kind == FieldKind::ints)
        if (const auto* list = op.list(field.name); list && !list->empty()) lists[field.name] = out_.CreateVector(*list).o;
    const flatbuffers::uoffset_t start = out_.StartTable();
    for (const OptionField& field : info.options.fields) {
      const flatbuffers::voffset_t at = field_offset(field);
      const double value = op.number(field.name, field.fallback);
      switch (field.kind) {
        case FieldKind::byte:
          out_.AddElement<int8_t>(at, static_cast<int8_t>(value), static_cast<int8_t>(field.fallback));
          break;
        case FieldKind::boolean:
          out_.AddElement<uint8_t>(at, value != 0, static_cast<uint8_t>(field.fallback));
          break;
        case FieldKind::int32:
          out_.AddElement<int32_t>(at, static_cast<int32_t>(value), static_cast<int32_t>(field.fallback));
          break;
        case FieldKind::float32:
          out_.AddElement<float>(at, static_cast<float>(value), static_cast<float>(field.fallback));
          break;
        case FieldKind::ints:
          if (const auto list = lists.find(field.name); list != lists.end())
            out_.AddOffset(at, flatbuffers::Offset<flatbuffers::Vector<int32_t>>(list->second));
          break;
        case FieldKind::none:
          break;
      }
    }
    return {out_.EndTable(start)};
  }

  flatbuffers::Offset<format::SubGraph> write(const Subgraph& graph) {
    std::vector<flatbuffers::Offset<format::Tensor>> tensors;
    for (const Tensor& t : graph.tensors) tensors.push_back(write(t));
    std::vector<flatbuffers::Offset<format::Operator>> operators;
    for (const Operator& op : graph.operators) {
      const Code code{op.code, op.version, op.custom};
      const auto [known, is_new] = numbers_.emplace(code, static_cast<uint32_t>(codes_.size()));
      if (is_new) codes_.push_back(code);
      const OperatorInfo* info = find_operator(op.code);
      const uint8_t table = info ? info->options.number : 0;
      const auto made = table ? options(op, *info) : flatbuffers::Offset<format::Opaque>(0);
      const auto inputs = out_.CreateVector(op.inputs), outputs = out_.CreateVector(op.outputs);
      const auto custom =
          op.custom_options.empty() ? 0 : out_.CreateVector(reinterpret_cast<const uint8_t*>(op.custom_options.data()), op.custom_options.size());
      operators.push_back(format::CreateOperator(out_, known->second, inputs, outputs, table, made, custom));
    }
    const auto all_tensors = out_.CreateVector(tensors);
    const auto inputs = out_.CreateVector(graph.inputs), outputs = out_.CreateVector(graph.outputs);
    const auto all_operators = out_.CreateVector(operators);
    return format::CreateSubGraph(out_, all_tensors, inputs, outputs, all_operators, out_.CreateString(graph.name));
  }

  flatbuffers::Offset<format::SignatureDef> write(const Signature& s) {
    const auto maps = [&](const auto& list) {
      std::vector<flatbuffers::Offset<format::TensorMap>> all;
      for (const auto& [label, index] : list) all.push_back(format::CreateTensorMap(out_, out_.CreateString(label), index));
      return out_.CreateVector(all);
    };
    const auto inputs = maps(s.inputs), outputs = maps(s.outputs);
    return format::CreateSignatureDef(out_, inputs, outputs, out_.CreateString(s.key), 0, s.subgraph);
  }

  flatbuffers::FlatBufferBuilder out_{1 << 20};
  std::vector<flatbuffers::Offset<format::Buffer>> buffers_;
  std::map<const char*, std::pair<size_t, uint32_t>> shared_;
  std::map<Code, uint32_t> numbers_;
  std::vector<Code> codes_;
};

}  // namespace

bool has_identifier(std::string_view head) { return head.size() >= 8 && head.substr(4, 4) == "TFL3"; }
Model read_model(std::string_view bytes, const std::string& path) { return Reader(bytes, path).read(); }
std::string write_model(const Model& model) { return Writer().write(model); }

}  // namespace lathe::tflite
