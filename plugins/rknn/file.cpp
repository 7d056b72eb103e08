// Reading an .rknn file: every offset and size in it is held against the file before it is followed.
//
//   0  "RKNN", four zero bytes    8  version (u64)    16  size of the FlatBuffer (u64)    24  40 zero bytes    64  the FlatBuffer, its identifier
//   "RKNN" then  size of a JSON text (u64), the text, which ends the file
#include "file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <lathe/texts.hpp>
#include <nlohmann/json.hpp>

#include "python_text.hpp"

namespace lathe::rknn {
namespace {

using Json = nlohmann::json;
constexpr size_t header_bytes = 64;
constexpr size_t most_dimensions = 16, most_tensors = 4096;

// Slots of the root table. Which they are was observed; those not named here were not understood.
enum Slot : size_t { generator = 1, attributes = 3, toolkit = 7, target = 8, framework = 9, input_types = 12, output_types = 13, shapes = 16 };

[[noreturn]] void refuse(const std::string& path, std::string text, std::string expected = {}, std::string found = {}) {
  sdk::Diagnostic d;
  d.text = std::move(text);
  d.location = path;
  d.expected = std::move(expected);
  d.found = std::move(found);
  throw sdk::Failure(LATHE_FAILED, std::move(d));
}

template <class T>
T load(std::string_view bytes, size_t at) {  // little-endian, as this machine is
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// The root table of a FlatBuffer (flatbuffers.dev, "FlatBuffer Internals"), of which only texts are wanted.
class RootTable {
 public:
  RootTable(std::string_view flat, const std::string& path) : flat_(flat), path_(path) {
    if (flat.size() < 8 || flat.substr(4, 4) != "RKNN")
      refuse(path, "the part that holds the network is not readable: the file is encrypted, or of a kind that is not known here",
             "a FlatBuffer 'RKNN'");
    at_ = load<uint32_t>(flat, 0);
    if (!fits(at_, 4)) damaged("its root lies outside");
    const int64_t table = static_cast<int64_t>(at_) - load<int32_t>(flat, at_);
    if (table < 0 || !fits(static_cast<uint64_t>(table), 4)) damaged("the list of its fields lies outside");
    fields_ = static_cast<size_t>(table);
    field_bytes_ = load<uint16_t>(flat, fields_);
    if (field_bytes_ < 4 || !fits(fields_, field_bytes_)) damaged("the list of its fields is longer than it");
  }

  // Empty where the field is absent.
  std::string text(size_t slot) const {
    const size_t entry = 4 + 2 * slot;
    if (entry + 2 > field_bytes_) return {};
    const uint16_t offset = load<uint16_t>(flat_, fields_ + entry);
    if (offset == 0) return {};
    if (!fits(at_ + offset, 4)) damaged("a field lies outside");
    const uint64_t place = at_ + offset + load<uint32_t>(flat_, at_ + offset);
    if (!fits(place, 4)) damaged("a text lies outside");
    const uint32_t size = load<uint32_t>(flat_, place);
    if (!fits(place + 4, size)) damaged("a text is longer than it");
    return std::string(flat_.substr(place + 4, size));
  }

 private:
  bool fits(uint64_t at, uint64_t size) const { return at <= flat_.size() && size <= flat_.size() - at; }
  [[noreturn]] void damaged(const char* why) const { refuse(path_, std::string("the file is damaged: in its FlatBuffer, ") + why); }

  std::string_view flat_;
  const std::string& path_;
  uint64_t at_ = 0;
  size_t fields_ = 0, field_bytes_ = 0;
};

// Members of texts that anyone may have written: absent where they are of another type.
const Json& member(const Json& object, const std::string& key) {
  static const Json& none = *new Json();
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}
std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}
std::vector<int64_t> integers(const Json& list) {
  std::vector<int64_t> values;
  if (!list.is_array() || list.size() > most_dimensions) return values;
  for (const Json& item : list) {
    if (!item.is_number_integer()) return {};
    values.push_back(item.get<int64_t>());
  }
  return values;
}
std::vector<double> reals(const Json& list) {
  std::vector<double> values;
  if (!list.is_array() || list.size() > most_dimensions) return values;
  for (const Json& item : list) {
    if (!item.is_number()) return {};
    values.push_back(item.get<double>());
  }
  return values;
}
std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}
// `types` is {name: {dtype, layout}}, `all` the toolkit's dictionary {attrs: {...}, quant_tab: {...}}.
void describe(TensorInfo& t, const Json& types, const Json& all) {
  t.type = text_of(member(types, t.name), "dtype");
  t.layout = text_of(member(types, t.name), "layout");
  const Json& attribute = member(member(all, "attrs"), t.name);
  if (t.shape.empty()) t.shape = integers(member(attribute, "shape"));
  if (t.layout.empty()) t.layout = upper(text_of(attribute, "layout"));
  t.mean = reals(member(attribute, "mean"));
  t.spread = reals(member(attribute, "std"));
  const Json& exchanged = member(attribute, "rgb2bgr");
  t.blue_first = exchanged.is_boolean() && exchanged.get<bool>();
  const Json& quantised = member(member(all, "quant_tab"), t.name);
  const std::vector<double> low = reals(member(quantised, "min")), high = reals(member(quantised, "max"));
  if (low.size() == 1 && high.size() == 1) t.low = low[0], t.high = high[0];
  const std::string type = text_of(quantised, "qtype"), method = text_of(quantised, "qmethod");
  if (type.rfind("asymmetric", 0) == 0)
    t.quantization = "asymmetric";
  else if (type != "")
    t.quantization = type;
  if (!t.quantization.empty()) t.quantization += method == "layer" ? ", per tensor" : method == "channel" ? ", per channel" : "";
  if (t.type.rfind("int", 0) != 0) t.quantization.clear(), t.low.reset(), t.high.reset();
}

// The order of inputs and of outputs, their names and shapes: the JSON text at the file's end.
void read_connections(const Json& text, File& file, const std::string& path) {
  const Json& tensors = member(text, "norm_tensor");
  const Json& graph = member(text, "graph");
  if (!tensors.is_array() || !graph.is_array()) refuse(path, "the file's description of its tensors is missing", "lists 'norm_tensor' and 'graph'");
  if (tensors.size() > most_tensors || graph.size() > most_tensors) refuse(path, "the file describes more tensors than any network has");
  for (const Json& edge : graph) {
    const std::string side = text_of(edge, "left");
    const Json& id = member(edge, "right_tensor_id");
    if ((side != "input" && side != "output") || !id.is_number_integer()) continue;
    for (const Json& tensor : tensors) {
      const Json& own = member(tensor, "tensor_id");
      if (!own.is_number_integer() || own != id) continue;
      TensorInfo t;
      t.name = text_of(tensor, "url");
      t.shape = integers(member(tensor, "size"));
      (side == "input" ? file.inputs : file.outputs).push_back(std::move(t));
      break;
    }
  }
  if (file.inputs.empty() || file.outputs.empty()) refuse(path, "the file describes a network without inputs or outputs");
  const Json& nodes = member(text, "nodes");
  file.whole_on_npu = nodes.is_array() && nodes.size() == 1 && text_of(nodes[0], "op") == "RKNN_OP_NNBG";
}

}  // namespace

std::optional<double> TensorInfo::scale() const {
  if (type != "int8" || !low || !high || !(*high > *low)) return std::nullopt;
  return (*high - *low) / 255;
}
std::optional<int64_t> TensorInfo::zero_point() const {
  const std::optional<double> s = scale();
  if (!s) return std::nullopt;
  return static_cast<int64_t>(std::clamp(std::round(-128 - *low / *s), -128.0, 127.0));
}

bool has_identifier(std::string_view head) { return head.size() >= 8 && head.substr(0, 8) == std::string_view("RKNN\0\0\0\0", 8); }

File read_file(std::string_view bytes, const std::string& path) {
  if (!has_identifier(bytes)) refuse(path, "this is no .rknn file", "'RKNN' at its beginning");
  if (bytes.size() < header_bytes + 8) refuse(path, "the file ends within its header", "", std::to_string(bytes.size()) + " bytes");
  File file;
  file.version = load<uint64_t>(bytes, 8);
  if (file.version == 0 || file.version > 100)
    refuse(path, "the file's container has a version that is not known", "1 to 6", std::to_string(file.version));
  file.flat_bytes = load<uint64_t>(bytes, 16);
  if (file.flat_bytes > bytes.size() - header_bytes - 8)
    refuse(path, "the file is shorter than its header says", "at least " + std::to_string(file.flat_bytes) + " bytes behind the header",
           std::to_string(bytes.size() - header_bytes));
  const size_t behind = header_bytes + static_cast<size_t>(file.flat_bytes);
  file.text_bytes = load<uint64_t>(bytes, behind);
  if (file.text_bytes != bytes.size() - behind - 8)
    refuse(path, "the text at the file's end has another size than the file says", std::to_string(file.text_bytes) + " bytes",
           std::to_string(bytes.size() - behind - 8));

  const RootTable root(bytes.substr(header_bytes, static_cast<size_t>(file.flat_bytes)), path);
  file.generator = root.text(Slot::generator);
  file.toolkit = root.text(Slot::toolkit);
  file.target = sdk::lower_case(root.text(Slot::target));
  file.framework = root.text(Slot::framework);
  file.shapes = root.text(Slot::shapes);
  const Json text = Json::parse(bytes.substr(behind + 8), nullptr, false);
  if (text.is_discarded()) refuse(path, "the text at the file's end is no JSON");
  read_connections(text, file, path);
  const Json& targets = member(text, "target_platform");
  if (file.target.empty() && targets.is_array() && !targets.empty() && targets[0].is_string())
    file.target = sdk::lower_case(targets[0].get<std::string>());
  if (file.toolkit.empty()) file.toolkit = text_of(text, "version");

  // These three may fail to parse without harm: they only say more about tensors that are known already.
  const Json input_types = Json::parse(root.text(Slot::input_types), nullptr, false),
             output_types = Json::parse(root.text(Slot::output_types), nullptr, false);
  const Json all = parse_python(root.text(Slot::attributes));
  for (TensorInfo& t : file.inputs) describe(t, input_types, all);
  for (TensorInfo& t : file.outputs) describe(t, output_types, all);
  return file;
}

std::string runtime_for(uint64_t version) {
  struct Row {
    uint64_t highest;
    const char* runtime;
  };
  constexpr std::array<Row, 3> rows = {{{1, "1.0"}, {4, "1.5.0"}, {6, "1.6"}}};
  for (const Row& row : rows)
    if (version <= row.highest) return row.runtime;
  return "2.4";
}

bool serves(std::string_view target, std::string_view device) {
  const std::string a = sdk::lower_case(target), b = sdk::lower_case(device);
  const auto shared = [](const std::string& name) { return name == "rk3566" || name == "rk3568"; };
  return a == b || (shared(a) && shared(b));
}

}  // namespace lathe::rknn
