// Labels and properties: FlatBuffers within, ZIP behind (APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.16; stored and deflated entries).
#include "metadata.hpp"

#include <zlib.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "metadata_generated.h"

namespace lathe::tflite {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t most_entry = size_t{8} << 20, most_entries = 256;
constexpr uint32_t local_header = 0x04034b50, central_header = 0x02014b50, end_of_central = 0x06054b50;
constexpr uint16_t first_day = (1 << 5) | 1;  // 1980-01-01, so that equal models give equal bytes

void put(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}
uint32_t get(std::string_view from, size_t at, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= static_cast<uint32_t>(static_cast<unsigned char>(from[at + i])) << (8 * i);
  return value;
}

std::string inflated(std::string_view bytes, size_t size) {
  std::string out(size, '\0');
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const bool whole = status == Z_STREAM_END && stream.total_out == size;
  inflateEnd(&stream);
  return whole ? out : std::string();
}

// What both parts of an entry say alike.
void put_entry(std::string& out, const std::string& name, const std::string& text) {
  put(out, 20, 2);
  put(out, 0, 2);
  put(out, 0, 2);  // stored
  put(out, 0, 2);
  put(out, first_day, 2);
  put(out, crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())), 4);
  put(out, text.size(), 4);
  put(out, text.size(), 4);
  put(out, name.size(), 2);
  put(out, 0, 2);
}

}  // namespace

// A small reader of what Python prints: keys are left, texts in either quotes are taken in order.
std::vector<std::string> parse_names(std::string_view text) {
  std::vector<std::string> names;
  for (size_t i = 0; i < text.size(); ++i) {
    const char quote = text[i];
    if (quote != '\'' && quote != '"') continue;
    std::string name;
    for (++i; i < text.size() && text[i] != quote; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      name += text[i];
    }
    // In a JSON dictionary the keys are texts too.
    size_t next = i + 1;
    while (next < text.size() && text[next] == ' ') ++next;
    if (next < text.size() && text[next] == ':') continue;
    names.push_back(name);
  }
  return names;
}

std::string write_metadata(const Subgraph& graph, const std::string& name, bool has_labels) {
  flatbuffers::FlatBufferBuilder out;
  const auto tensors = [&](const std::vector<int32_t>& list, bool labelled) {
    std::vector<flatbuffers::Offset<format::TensorMetadata>> all;
    for (const int32_t i : list) {
      flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<format::AssociatedFile>>> files = 0;
      if (labelled) {
        const auto label = out.CreateString("labels.txt");
        const auto what = out.CreateString("Names of the classes.");
        files = out.CreateVector(std::vector{format::CreateAssociatedFile(out, label, what, 2)});
      }
      all.push_back(format::CreateTensorMetadata(out, out.CreateString(graph.tensors[static_cast<size_t>(i)].name), 0, 0, 0, 0, 0, files));
    }
    return out.CreateVector(all);
  };
  const auto inputs = tensors(graph.inputs, false), outputs = tensors(graph.outputs, has_labels);
  const auto subgraphs = out.CreateVector(std::vector{format::CreateSubGraphMetadata(out, 0, 0, inputs, outputs)});
  const auto title = out.CreateString(name), parser = out.CreateString("1.0.0");
  format::FinishModelMetadataBuffer(out, format::CreateModelMetadata(out, title, 0, 0, subgraphs, 0, 0, 0, parser));
  return {reinterpret_cast<const char*>(out.GetBufferPointer()), out.GetSize()};
}

std::string write_archive(const std::vector<std::pair<std::string, std::string>>& files, size_t offset) {
  std::string out, directory;
  for (const auto& [name, text] : files) {
    const size_t at = offset + out.size();
    put(out, local_header, 4);
    put_entry(out, name, text);
    out += name + text;
    put(directory, central_header, 4);
    put(directory, 20, 2);
    put_entry(directory, name, text);
    put(directory, 0, 2);  // no comment
    put(directory, 0, 2);  // first disk
    put(directory, 0, 2);  // attributes
    put(directory, 0, 4);
    put(directory, at, 4);
    directory += name;
  }
  const size_t begin = offset + out.size();
  out += directory;
  put(out, end_of_central, 4);
  put(out, 0, 4);
  put(out, files.size(), 2);
  put(out, files.size(), 2);
  put(out, directory.size(), 4);
  put(out, begin, 4);
  put(out, 0, 2);
  return out;
}

std::vector<std::pair<std::string, std::string>> read_archive(std::string_view file) {
  constexpr size_t end_size = 22, central_size = 46, local_size = 30, most_comment = 65535;
  std::vector<std::pair<std::string, std::string>> files;
  if (file.size() < end_size) return files;
  size_t end = file.size() - end_size;
  const size_t lowest = file.size() > end_size + most_comment ? file.size() - end_size - most_comment : 0;
  while (get(file, end, 4) != end_of_central) {
    if (end == lowest) return files;
    --end;
  }
  const size_t count = get(file, end + 10, 2), size = get(file, end + 12, 4);
  if (size > end || count > most_entries) return files;
  // Archives that were appended count their places from their own beginning or from the file's: the directory ends where its end begins.
  size_t at = end - size;
  const size_t said = get(file, end + 16, 4);
  if (said > at) return files;
  const size_t shift = at - said;
  for (size_t i = 0; i < count; ++i) {
    if (end - at < central_size || get(file, at, 4) != central_header) return files;
    const size_t method = get(file, at + 10, 2), packed = get(file, at + 20, 4), full = get(file, at + 24, 4);
    const size_t name_size = get(file, at + 28, 2), rest = get(file, at + 30, 2) + get(file, at + 32, 2), place = get(file, at + 42, 4);
    if (end - at - central_size < name_size + rest) return files;
    const std::string name(file.substr(at + central_size, name_size));
    at += central_size + name_size + rest;
    if (place > end || end - place < shift + local_size) continue;
    const size_t local = place + shift;
    if (get(file, local, 4) != local_header || full > most_entry || packed > most_entry) continue;
    const size_t data = local + local_size + get(file, local + 26, 2) + get(file, local + 28, 2);
    if (data > end || end - data < packed) continue;
    const std::string_view bytes = file.substr(data, packed);
    if (method == 0 && packed == full) files.emplace_back(name, bytes);
    if (method == 8) files.emplace_back(name, inflated(bytes, full));
  }
  return files;
}

std::map<std::string, std::string> read_properties(std::string_view file) {
  std::map<std::string, std::string> properties;
  for (const auto& [name, text] : read_archive(file)) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_object()) {
      for (const auto& [key, value] : json.items())
        properties[key] = value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    } else if (text.size() > 2 && text[0] == '{') {  // as Python prints a dictionary: the class names are what is wanted of it
      const size_t names = text.find("'names':");
      const size_t close = names == std::string::npos ? names : text.find('}', names);
      if (close != std::string::npos) properties["names"] = text.substr(names + 9, close - names - 8);
    } else if (name.find("label") != std::string::npos && !properties.count("names")) {
      Json labels = Json::object();
      size_t number = 0;
      for (size_t at = 0; at < text.size();) {
        size_t end = text.find('\n', at);
        if (end == std::string::npos) end = text.size();
        std::string line = text.substr(at, end - at);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        labels[std::to_string(number++)] = line;
        at = end + 1;
      }
      properties["names"] = labels.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
  }
  return properties;
}

}  // namespace lathe::tflite
