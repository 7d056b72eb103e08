// Which message a file holds, its tensors by way of TensorReader, and the way back. Field numbers: onnx.proto, message TensorProto;
// onnx-data.proto, messages SequenceProto and OptionalProto.
#include "tensor_file.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <onnx/onnx-data_pb.h>

#include <climits>
#include <deque>

#include "files.hpp"
#include "messages.hpp"
#include "problems.hpp"
#include "tensors.hpp"

namespace lathe::onnx_plugin {
namespace {

constexpr size_t most_dimensions = 1024;  // as the boundary has it

[[noreturn]] void refuse(const std::string& path, std::string text, std::string expected = {}, std::string found = {}, std::string hint = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path;
  d.expected = std::move(expected);
  d.found = std::move(found);
  d.hint = std::move(hint);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

// What a file can be, going by the numbers and wire types of its fields.
struct Plausible {
  bool tensor = true, sequence = true, optional = true;
};

Plausible plausible(std::string_view bytes, bool whole) {
  Plausible result;
  bool has_type = false;
  WireReader reader(bytes);
  while (const auto field = reader.next()) {
    const uint32_t n = field->number, wire = field->type;
    switch (n) {
      case 1:  // dims; name
        result.tensor &= wire == 0 || wire == 2;
        result.sequence &= wire == 2;
        result.optional &= wire == 2;
        break;
      case 2:  // data_type; elem_type
        result.tensor &= wire == 0;
        result.sequence &= wire == 0 && field->integer <= 5;
        result.optional &= wire == 0 && field->integer <= 5;
        has_type = true;
        break;
      case 3:  // segment, which nothing writes; tensor_values; tensor_value
        result.tensor = false;
        result.sequence &= wire == 2;
        result.optional &= wire == 2;
        break;
      case 5:  // int32_data; sequence_values, which are refused later; sequence_value
        result.tensor &= wire == 0 || wire == 2;
        result.sequence &= wire == 2;
        result.optional &= wire == 2;
        break;
      default: {
        const bool data = n == 4 ? wire == 5 || wire == 2 : n == 10 ? wire == 1 || wire == 2 : n == 7 || n == 11 ? wire == 0 || wire == 2 : false;
        const bool text = (n == 6 || n == 8 || n == 9 || n == 12 || n == 13 || n == 16) && wire == 2;
        result.tensor &= data || text || (n == 14 && wire == 0);
        const bool other_values = (n == 4 || n == 6 || n == 7) && wire == 2;  // sparse tensors, maps, optionals
        result.sequence &= other_values;
        result.optional &= other_values;
      }
    }
  }
  if (whole && reader.malformed()) return {false, false, false};
  if (whole) result.tensor &= has_type;
  return result;
}

template <class Message>
Message parse(std::string_view bytes, const std::string& path) {
  Message message;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  if (!message.ParsePartialFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    refuse(path, "this tensor file is damaged or cut off", {}, {}, "write it again");
  return message;
}

// Boundary values of one file; what they point to lives in here.
class Values {
 public:
  explicit Values(const std::string& path) : path_(path), reader_(path) {}

  lathe_buffer tensor(const onnx::TensorProto& message) {
    sdk::Diagnostic where;
    where.location = path_;
    Problems problems;
    std::optional<sdk::TensorData> data = reader_.read(message, where, problems);
    problems.throw_if_any();
    if (data->dimensions.size() > most_dimensions)
      refuse(path_, "the tensor has too many dimensions", "at most " + std::to_string(most_dimensions), std::to_string(data->dimensions.size()));
    const sdk::TensorData& kept = tensors_.emplace_back(std::move(*data));
    lathe_buffer buffer = {};
    buffer.struct_size = sizeof buffer;
    buffer.type = kept.type;
    buffer.dimensions = kept.dimensions.data();
    buffer.rank = kept.dimensions.size();
    buffer.present = 1;
    if (kept.type == LATHE_STRING) {
      std::vector<lathe_string>& strings = strings_.emplace_back();
      for (const std::string& s : kept.strings) strings.push_back(sdk::string(s));
      buffer.data = strings.data();
      buffer.size = strings.size() * sizeof(lathe_string);
    } else {
      buffer.data = const_cast<void*>(kept.data);
      buffer.size = kept.size;
    }
    return buffer;
  }

  lathe_buffer sequence(const onnx::SequenceProto& message) {
    using Sequence = onnx::SequenceProto;
    if (message.sequence_values_size() || message.map_values_size() || message.optional_values_size() || message.sparse_tensor_values_size() ||
        message.elem_type() == Sequence::SEQUENCE || message.elem_type() == Sequence::MAP || message.elem_type() == Sequence::SPARSE_TENSOR ||
        message.elem_type() == Sequence::OPTIONAL) {
      refuse(path_, "the file holds a sequence of something other than tensors", "a sequence of tensors");
    }
    std::vector<lathe_buffer>& elements = elements_.emplace_back();
    for (const onnx::TensorProto& t : message.tensor_values()) {
      elements.push_back(tensor(t));
      if (elements.back().type != elements.front().type)
        refuse(path_, "the sequence holds tensors of different element types", "all " + type_name(elements.front().type),
               type_name(elements.back().type));
    }
    lathe_buffer buffer = {};
    buffer.struct_size = sizeof buffer;
    buffer.kind = LATHE_KIND_SEQUENCE;
    buffer.present = 1;
    buffer.type = elements.empty() ? 0 : elements.front().type;
    buffer.elements = elements.data();
    buffer.element_count = elements.size();
    buffer.element_stride = sizeof(lathe_buffer);
    return buffer;
  }

  // `kind` decides what an empty one is an optional of.
  lathe_buffer optional(const onnx::OptionalProto& message, int32_t kind) {
    using Optional = onnx::OptionalProto;
    const bool other = message.has_map_value() || message.has_optional_value() || message.has_sparse_tensor_value();
    if (other || (message.has_tensor_value() && message.has_sequence_value()))
      refuse(path_, "the file holds an optional of something other than a tensor or a sequence of tensors");
    if (message.has_tensor_value() || message.has_sequence_value()) {
      lathe_buffer buffer = message.has_tensor_value() ? tensor(message.tensor_value()) : sequence(message.sequence_value());
      buffer.kind = message.has_tensor_value() ? LATHE_KIND_OPTIONAL : LATHE_KIND_OPTIONAL_SEQUENCE;
      return buffer;
    }
    if (message.elem_type() != Optional::UNDEFINED && message.elem_type() != Optional::TENSOR && message.elem_type() != Optional::SEQUENCE)
      refuse(path_, "the file holds an empty optional of something other than a tensor or a sequence of tensors");
    lathe_buffer buffer = {};
    buffer.struct_size = sizeof buffer;
    buffer.kind = kind;
    return buffer;
  }

 private:
  const std::string& path_;
  TensorReader reader_;
  std::deque<sdk::TensorData> tensors_;
  std::deque<std::vector<lathe_string>> strings_;
  std::deque<std::vector<lathe_buffer>> elements_;
};

const char* kind_words(int32_t kind) {
  static const char* const words[] = {"a tensor", "a sequence of tensors", "an optional tensor", "an optional sequence of tensors"};
  return kind >= 0 && kind < 4 ? words[kind] : "a value of another kind";
}

void fill(const sdk::BufferView& value, onnx::TensorProto& message) {
  message.set_data_type(value.type());
  for (const int64_t d : value.dimensions()) message.add_dims(d);
  if (value.type() != LATHE_STRING) {
    message.set_raw_data(value.data(), value.bytes());
    return;
  }
  for (size_t i = 0; i < value.bytes() / sizeof(lathe_string); ++i) message.add_string_data(std::string(value.text(i)));
}

void fill(const sdk::BufferView& value, onnx::SequenceProto& message) {
  message.set_elem_type(onnx::SequenceProto::TENSOR);
  for (size_t i = 0; i < value.element_count(); ++i) fill(value.element(i), *message.add_tensor_values());
}

// protobuf measures in int.
uint64_t bytes_of(const sdk::BufferView& value) {
  uint64_t bytes = value.bytes();
  if (value.type() == LATHE_STRING && value.kind() != LATHE_KIND_SEQUENCE)
    for (size_t i = 0; i < value.bytes() / sizeof(lathe_string); ++i) bytes += value.text(i).size();
  for (size_t i = 0; i < value.element_count(); ++i) bytes += bytes_of(value.element(i)) + 64;
  return bytes;
}

}  // namespace

int recognise_tensor_file(const sdk::FileHead& head) {
  if (!head.has_extension("pb")) return 0;
  const Plausible can_be = plausible({reinterpret_cast<const char*>(head.bytes), head.size}, false);
  return can_be.tensor || can_be.sequence || can_be.optional ? 80 : 10;  // what is wrong with a damaged one is said when it is read
}

void read_tensor_file(const std::string& path, int32_t kind, sdk::TensorSink& sink) {
  const auto file = open_tensor_file(path);
  const std::string_view bytes = file->bytes();
  if (bytes.size() > INT_MAX)
    refuse(path, "the file is larger than 2 GiB, which no tensor file of ONNX can be", "at most 2147483647 bytes", std::to_string(bytes.size()));
  const Plausible can_be = plausible(bytes, true);
  const bool wants_sequence = kind == LATHE_KIND_SEQUENCE;
  const bool wants_optional = kind == LATHE_KIND_OPTIONAL || kind == LATHE_KIND_OPTIONAL_SEQUENCE;
  Values values(path);
  if (wants_optional && can_be.optional) {
    const auto message = parse<onnx::OptionalProto>(bytes, path);
    return sink.accept(message.name(), values.optional(message, kind));
  }
  if (can_be.sequence && (wants_sequence || !can_be.tensor) && !bytes.empty()) {
    const auto message = parse<onnx::SequenceProto>(bytes, path);
    return sink.accept(message.name(), values.sequence(message));
  }
  if (wants_sequence && bytes.empty()) return sink.accept("", values.sequence({}));
  if (can_be.tensor) {
    const auto message = parse<onnx::TensorProto>(bytes, path);
    return sink.accept(message.name(), values.tensor(message));
  }
  refuse(path, "this is no readable tensor file of ONNX: it is damaged, cut off, or of another format",
         std::string(kind_words(kind)) + ", as TensorProto, SequenceProto or OptionalProto", bytes.empty() ? "an empty file" : "");
}

std::string write_tensor_file(std::string_view name, const sdk::BufferView& value) {
  constexpr uint64_t most = (uint64_t{1} << 31) - (uint64_t{1} << 24);
  if (bytes_of(value) > most) {
    sdk::Diagnostic d;
    d.text = "the value is larger than the 2 GiB that a tensor file of ONNX can hold";
    d.found = std::to_string(bytes_of(value)) + " bytes";
    d.hint = "write it as .npy";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  if (value.kind() == LATHE_KIND_TENSOR) {
    onnx::TensorProto message;
    message.set_name(std::string(name));
    fill(value, message);
    return message.SerializeAsString();
  }
  if (value.kind() == LATHE_KIND_SEQUENCE) {
    onnx::SequenceProto message;
    message.set_name(std::string(name));
    fill(value, message);
    return message.SerializeAsString();
  }
  onnx::OptionalProto message;
  const bool tensor = value.kind() == LATHE_KIND_OPTIONAL;
  message.set_name(std::string(name));
  message.set_elem_type(tensor ? onnx::OptionalProto::TENSOR : onnx::OptionalProto::SEQUENCE);
  if (value.present() && tensor) fill(value, *message.mutable_tensor_value());
  if (value.present() && !tensor) fill(value, *message.mutable_sequence_value());
  return message.SerializeAsString();
}

}  // namespace lathe::onnx_plugin
