// Reading a .dfp file: u64 version, then, from version 6 on, one MXPACK dictionary.
#include "file.hpp"

#include <array>
#include <cstring>
#include <stdexcept>

#include "mxpack.hpp"

namespace lathe::memryx {
namespace {

using Json = nlohmann::json;
constexpr int cascade_plus = 4;  // "sim_meta.intgen" of the MX3
constexpr std::array<const char*, 7> formats = {"GBF80", "RGB888", "RGB565", "YUV422", "BF16", "FP32", "YUY2"};

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

const Json& member(const Json& object, const char* key) {
  static const Json& none = *new Json();
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}
int64_t integer(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (value.is_boolean()) return value.get<bool>();
  return value.is_number_integer() ? value.get<int64_t>() : 0;
}
std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::vector<int64_t> shape(const Json& list) {
  std::vector<int64_t> extents;
  if (!list.is_array() || list.size() != 4) return {};
  for (const Json& item : list) {
    if (!item.is_number_integer()) return {};
    extents.push_back(item.get<int64_t>());
  }
  return extents;
}

std::vector<Port> ports(const Json& all, const char* key, const char* count, const std::string& path) {
  const Json& list = member(all, key);
  if (!list.is_array()) refuse(path, "the file's description has no list of ports", std::string("'") + key + "'");
  if (static_cast<int64_t>(list.size()) != integer(all, count))
    refuse(path, std::string("the file counts its ports in two ways that disagree: '") + count + "' and the length of '" + key + "'",
           std::to_string(integer(all, count)), std::to_string(list.size()));
  std::vector<Port> active;
  for (const Json& item : list) {
    if (integer(item, "active") == 0) continue;
    Port port;
    port.number = integer(item, "port");
    port.model = integer(item, "model_index");
    port.chip = integer(item, "mpu_id");
    port.layer = text(item, "layer_name");
    const int64_t format = integer(member(item, "packing_format"), "as_int");
    port.format = format >= 0 && format < static_cast<int64_t>(formats.size()) ? formats[static_cast<size_t>(format)] : std::to_string(format);
    port.shape = shape(member(item, "mxa_shape"));
    if (port.shape.empty())
      refuse(path, "a port has no shape", "'mxa_shape' with height, width, depth, channels", "port " + std::to_string(port.number));
    // With "high precision output channels" more channels leave the chip than the tensor has.
    const Json& precise = member(item, "hpoc");
    const std::vector<int64_t> kept = shape(member(precise, "shape"));
    if (integer(precise, "enabled") != 0 && !kept.empty()) port.shape = kept;
    const Json& range = member(item, "range_convert");
    port.converts = integer(range, "enabled") != 0;
    if (port.converts && member(range, "shift").is_number() && member(range, "scale").is_number())
      port.shift = member(range, "shift").get<double>(), port.scale = member(range, "scale").get<double>();
    active.push_back(std::move(port));
  }
  if (active.empty()) refuse(path, "the file has no active ports", std::string("at least one in '") + key + "'");
  return active;
}

// The machine's part: u64 its size, u32 bytes of weights, the weights, u8, u32 bytes of configuration, the configuration.
void read_hardware(std::string_view bytes, const Json& place, File& file, const std::string& path) {
  if (!member(place, "offset").is_number_integer()) refuse(path, "the file holds no program for the chips", "'hw_dfp'");
  const std::string_view part = bytes.substr(place["offset"].get<size_t>(), place["size"].get<size_t>());
  const auto missing = [&](const char* what) { refuse(path, std::string("the program for the chips ends within its ") + what); };
  if (part.size() < 12) missing("header");
  file.weight_bytes = load<uint32_t>(part, 8);
  if (file.weight_bytes > part.size() - 12) missing("weights");
  const size_t behind = 12 + static_cast<size_t>(file.weight_bytes);
  if (part.size() - behind < 5) missing("configuration");
  file.configuration_bytes = load<uint32_t>(part, behind + 1);
  if (file.configuration_bytes > part.size() - behind - 5) missing("configuration");
}

}  // namespace

bool looks_like_dfp(std::string_view head) {
  if (head.size() < 9) return false;
  const uint64_t version = load<uint64_t>(head, 0);
  return version == 5 || (version == 6 && head[8] == 1);
}

File read_file(std::string_view bytes, const std::string& path) {
  if (bytes.size() <= 16) refuse(path, "the file is too short for a .dfp file", "more than 16 bytes", std::to_string(bytes.size()));
  File file;
  file.version = load<uint64_t>(bytes, 0);
  if (file.version != 5 && file.version != 6)
    refuse(path, "this is no .dfp file, or one of an old kind that no current runtime loads", "container version 5 or 6",
           std::to_string(file.version));
  if (file.version == 5) return file;
  if (bytes[8] != 1) refuse(path, "the file is damaged: its description is no dictionary", "type 1", std::to_string(static_cast<uint8_t>(bytes[8])));
  const std::string_view body = bytes.substr(8);
  Json all;
  try {
    size_t end = 0;
    all = read_mxpack(body, end);
  } catch (const std::runtime_error& error) {
    refuse(path, std::string("the file is damaged: ") + error.what());
  }
  file.sub_version = integer(all, "dfp_sub_version");
  file.compiler = text(all, "compiler_version");
  file.time = text(all, "compile_timestamp");
  const Json &models = member(all, "models"), &chips = member(all, "sim_meta");
  file.models = models.is_array() ? static_cast<int64_t>(models.size()) : 0;
  file.mx3 = integer(chips, "intgen") == cascade_plus;
  file.chips = integer(chips, "num_mpus");
  if (!file.mx3) refuse(path, "the file is for another generation of MemryX's chips", "4 (MX3)", std::to_string(integer(chips, "intgen")));
  file.inputs = ports(all, "inport_info", "num_inports", path);
  file.outputs = ports(all, "outport_info", "num_outports", path);
  read_hardware(body, member(all, "hw_dfp"), file, path);
  return file;
}

}  // namespace lathe::memryx
