// The description of a HEF: messages and their field numbers, as HailoRT's hef.proto has them.
#include "hef.hpp"

#include <algorithm>
#include <iterator>
#include <lathe/plugin.hpp>
#include <map>
#include <set>

#include "header.hpp"
#include "wire.hpp"

namespace lathe::hailo {
namespace {

// No chip has as many; a damaged file may say so.
constexpr size_t most_groups = 256, most_streams = 4096, most_names = 65536;
constexpr uint64_t most_contexts = 65536;

template <class Handle>
void each_field(std::string_view message, Handle&& handle) {
  WireReader reader(message);
  for (WireField field; reader.next(field);) handle(field);
}

template <class List>
void add(List& list, typename List::value_type value, size_t most, const char* what) {
  if (list.size() >= most) refuse_message(what);
  list.push_back(std::move(value));
}

void add_name(std::vector<std::string>& list, const WireField& field) { add(list, std::string(field.text()), most_names, "it has too many names"); }

Suppression read_chip_suppression(std::string_view message) {  // ProtoHEFNmsInfo
  Suppression s;
  each_field(message, [&](const WireField& f) {
    if (f.number == 2) s.classes = f.number_value();
    if (f.number == 3) s.most_per_class = f.number_value();
  });
  return s;
}

Suppression read_host_suppression(std::string_view message) {  // ProtoHEFNmsOp
  static const std::pair<uint32_t, const char*> architectures[] = {{7, "YOLOv5"}, {8, "YOLOX"},       {9, "SSD"},
                                                                   {10, "IOU"},   {11, "YOLOv5-seg"}, {12, "YOLOv8"}};
  Suppression s;
  each_field(message, [&](const WireField& f) {
    const auto real = [&] { return f.wire == 1 ? f.real64() : static_cast<double>(f.real32()); };
    if (f.number == 1) s.score_threshold = real();
    if (f.number == 2) s.iou_threshold = real();
    if (f.number == 3) s.most_per_class = f.number_value();
    if (f.number == 4) s.classes = f.number_value();
    if (f.number == 13) s.decodes_only = f.number_value() != 0;
    for (const auto& [number, name] : architectures)
      if (f.number == number) s.architecture = name;
  });
  return s;
}

void read_quantization(std::string_view message, Quantization& q) {  // ProtoHEFEdgeLayerNumericInfo
  std::vector<double> zero_points, scales;
  each_field(message, [&](const WireField& f) {
    if (f.number == 1) q.zero_point = f.real32();
    if (f.number == 2) q.scale = f.real32();
    if (f.number == 3) q.lowest = f.real32();
    if (f.number == 4) q.highest = f.real32();
    if (f.number == 5) append_reals(f, zero_points);
    if (f.number == 6) append_reals(f, scales);
  });
  const auto differ = [](const std::vector<double>& list) {
    return std::adjacent_find(list.begin(), list.end(), [](double a, double b) { return !(a == b); }) != list.end();
  };
  q.per_feature = differ(zero_points) || differ(scales);
}

void read_base(std::string_view message, Stream& s) {  // ProtoHEFEdgeLayerBase
  each_field(message, [&](const WireField& f) {
    if (f.number == 1) s.height = f.number_value();
    if (f.number == 3) s.width = f.number_value();
    if (f.number == 5) s.features = f.number_value();
    if (f.number == 7) s.format = f.number_value();
    if (f.number == 12) s.data_bytes = f.number_value();
    if (f.number == 11)
      each_field(f.text(), [&](const WireField& info) {
        if (info.number == 1) s.suppression = read_chip_suppression(info.text());
      });
  });
}

void read_layer(std::string_view message, Stream& s) {  // ProtoHEFEdgeLayerInfo; of a mux or planes only name and base are looked for
  each_field(message, [&](const WireField& f) {
    if (f.number == 1 && f.wire == 2) s.name = f.text();
    if (f.number == 2 && f.wire == 2) read_base(f.text(), s);
    if (f.number == 3 && f.wire == 2) read_quantization(f.text(), s.quantization);
    if (f.number == 5 && f.wire == 2) add_name(s.original_names, f);
  });
}

// What is found of one group, which may lie in several places.
class GroupReader {
 public:
  // A network group and a core op hold the chip's part in fields of the same numbers; both may hold variants of it for fewer clusters.
  void read_core(std::string_view message, bool variant = false) {
    uint64_t contexts = 0;
    std::vector<std::string_view> partitions;
    each_field(message, [&](const WireField& f) {
      if (f.number == 1)
        each_field(f.text(), [&](const WireField& metadata) {
          if (metadata.number == 1 && group.name.empty()) group.name = metadata.text();
          if (metadata.number == 4) group.frames_per_second = metadata.real64();
          if (metadata.number == 6) group.latency = metadata.real64();
        });
      if (f.number == 3) {
        if (++contexts > most_contexts) refuse_message("it has more contexts than any chip");
        read_context(f.text());
      }
      if (f.number == 4) add_name(group.sorted_outputs, f);
      if (f.number == 6) add_name(group.networks, f);
      if (f.number == 7) add(partitions, f.text(), 256, "it has too many partitions");
    });
    group.contexts = std::max(group.contexts, contexts);
    if (variant) return;  // which has no variants itself
    group.partitions = partitions.size();
    for (const std::string_view partition : partitions)
      each_field(partition, [&](const WireField& f) {
        if (f.number == 1) read_core(f.text(), true);
      });
  }

  // As the group sorts them, inputs first; outputs that it does not name keep their order behind the others.
  void sort_streams() {
    std::map<std::string_view, size_t> places;
    for (size_t i = 0; i < group.sorted_outputs.size(); ++i) places.emplace(group.sorted_outputs[i], i);
    const auto place = [&](const Stream& s) {
      const auto found = places.find(s.name);
      return std::pair<bool, size_t>(!s.input, s.input ? 0 : found == places.end() ? places.size() : found->second);
    };
    std::vector<std::pair<std::pair<bool, size_t>, size_t>> order;
    for (size_t i = 0; i < group.streams.size(); ++i) order.emplace_back(place(group.streams[i]), i);
    std::sort(order.begin(), order.end());
    std::vector<Stream> sorted;
    for (const auto& [key, i] : order) sorted.push_back(std::move(group.streams[i]));
    group.streams = std::move(sorted);
  }

  NetworkGroup group;

 private:
  void read_context(std::string_view message) {
    each_field(message, [&](const WireField& f) {
      if (f.number != 3) return;
      each_field(f.text(), [&](const WireField& metadata) {
        if (metadata.number == 2) read_edge_layer(metadata.text());
      });
    });
  }

  // An edge layer is a stream when it lies between chip and host; the others pass values from one context to the next.
  void read_edge_layer(std::string_view message) {
    Stream s;
    s.input = true;  // proto3 leaves zeros out: no direction is from host to chip, no connection is the border
    uint64_t connection = 0;
    each_field(message, [&](const WireField& f) {
      if (f.number == 1) s.input = f.number_value() == 0;
      if (f.number == 3) read_layer(f.text(), s);
      if (f.number == 4 || f.number == 8)  // mux, planes: of these the name alone
        each_field(f.text(), [&](const WireField& inner) {
          if (inner.number == 1 && inner.wire == 2) s.name = inner.text();
        });
      if (f.number == 5)
        each_field(f.text(), [&](const WireField& info) {
          if (info.number == 3) connection = info.number_value();
        });
    });
    // Other contexts and variants hold the same stream again.
    if (connection == 0 && seen_.emplace(s.input, s.name).second) add(group.streams, std::move(s), most_streams, "it has more streams than any chip");
  }

  std::set<std::pair<bool, std::string>> seen_;
};

constexpr uint64_t net_flow = 13;

NetworkGroup read_group(std::string_view message, bool operations_decide) {
  GroupReader reader;
  std::string_view core;
  bool has_core = false;
  each_field(message, [&](const WireField& f) {
    if (f.number == 10) reader.group.name = f.text();
    if (f.number == 8)
      each_field(f.text(), [&](const WireField& op) {
        if (op.number == 4 && !has_core) core = op.text(), has_core = true;
        if (op.number == 5) add(reader.group.suppressions, read_host_suppression(op.text()), 256, "it has too many operations");
      });
  });
  reader.read_core(operations_decide && has_core ? core : message);
  reader.sort_streams();
  return std::move(reader.group);
}

void read_description(std::string_view message, Hef& hef) {
  std::vector<std::string_view> groups;
  each_field(message, [&](const WireField& f) {
    if (f.number == 1)
      each_field(f.text(), [&](const WireField& header) {
        if (header.number == 1) hef.architecture = header.number_value();
        if (header.number == 2) hef.milliseconds = header.number_value();
        if (header.number == 3) hef.compiler = header.text();
      });
    if (f.number == 2) add(groups, f.text(), most_groups, "it has too many network groups");
    if (f.number == 5 || f.number == 6) {
      uint64_t index = 0;
      each_field(f.text(), [&](const WireField& extension) {
        if (extension.number == 1) index = extension.number_value();
      });
      add(f.number == 5 ? hef.extensions : hef.optional_extensions, index, most_names, "it has too many extensions");
    }
    if (f.number == 7)
      each_field(f.text(), [&](const WireField& resource) {
        if (resource.number == 3) add_name(hef.external_resources, resource);
      });
  });
  for (auto* list : {&hef.extensions, &hef.optional_extensions}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  for (const std::string_view group : groups) hef.groups.push_back(read_group(group, hef.has_extension(net_flow)));
}

struct Named {
  uint64_t number;
  const char* name;
};
template <size_t N>
std::string name_of(const Named (&table)[N], uint64_t number, const char* what) {
  for (const Named& entry : table)
    if (entry.number == number) return entry.name;
  return std::string(what) + " " + std::to_string(number);
}

}  // namespace

bool Hef::has_extension(uint64_t index) const { return std::binary_search(extensions.begin(), extensions.end(), index); }

std::string architecture_name(uint64_t code) {
  // 1 is what the compiler writes for a plain HAILO8.
  static constexpr Named names[] = {{0, "HAILO8"},   {1, "HAILO8"},   {2, "HAILO8R"},  {3, "HAILO8L"},
                                    {4, "HAILO15M"}, {5, "HAILO10H"}, {6, "HAILO15L"}, {103, "HAILO15H"}};
  return name_of(names, code, "architecture");
}

bool runs_on(uint64_t architecture, std::string_view device) {
  if (device == "HAILO8") return architecture <= 3;
  return device == "HAILO8L" && architecture == 3;
}

std::string format_name(uint64_t format) {
  static constexpr Named names[] = {{0, "NHWC"}, {1, "NHCW"}, {2, "NC"},     {3, "FCR"},   {4, "BAYER"}, {5, "NHW"},
                                    {6, "NMS"},  {7, "F8CR"}, {8, "RGB888"}, {11, "YUY2"}, {13, "NHWC"}};
  return name_of(names, format, "format");
}

std::string extension_name(uint64_t index) {
  static constexpr Named names[] = {{0, "ABBALE"},
                                    {3, "padded DDR buffers"},
                                    {12, "KO_RUN_ASAP"},
                                    {13, "net-flow"},
                                    {14, "YOLOv5 NMS"},
                                    {15, "YOLOX NMS"},
                                    {16, "SSD NMS"},
                                    {17, "IOU NMS"},
                                    {21, "argmax"},
                                    {22, "softmax"},
                                    {24, "YOLOv5-seg NMS"},
                                    {25, "scale per feature"},
                                    {26, "periphery calculated by HailoRT"},
                                    {27, "YOLOv8 NMS"},
                                    {29, "boxes decoded only"},
                                    {31, "external resources"},
                                    {32, "shared configuration"}};
  return name_of(names, index, "extension");
}

Hef read_hef(std::string_view bytes, const std::string& path, Checksum checksum) {
  const HefHeader header = read_header(bytes, path);
  const std::string_view behind = bytes.substr(static_cast<size_t>(header.size));
  Hef hef;
  hef.version = header.version, hef.description_bytes = header.description_bytes;
  hef.configuration_bytes = header.configuration_bytes, hef.additional_bytes = header.additional_bytes;
  hef.checksum_right = checksum == Checksum::must_be_right && checksum_of(header.version, behind) == header.checksum;
  sdk::Diagnostic d;
  d.location = path;
  if (!hef.checksum_right && checksum == Checksum::must_be_right) {
    d.text = "the HEF is damaged: its checksum is wrong", d.hint = "copy the file again, or compile the model again";
    throw sdk::Failure(LATHE_FAILED, std::move(d));
  }
  try {
    read_description(behind.substr(0, static_cast<size_t>(header.description_bytes)), hef);
  } catch (sdk::Failure& failure) {
    if (!failure.diagnostics.empty()) failure.diagnostics.front().location = path;
    throw;
  }
  return hef;
}

}  // namespace lathe::hailo
