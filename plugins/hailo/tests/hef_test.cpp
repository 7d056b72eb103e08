// The reader of HEF files: what is in a real one, in ones of every version, and in damaged ones.
#include "../hef/hef.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <lathe/plugin.hpp>

#include "../inspector.hpp"
#include "sample.hpp"

using namespace lathe;
using namespace lathe::hailo;
using namespace lathe::hailo::test;

namespace {

const char* const real_file = LATHE_SHARED "/models/vendor/hailo/arcface_mobilefacenet.hef";

std::string read_real() {
  std::ifstream file(real_file, std::ios::binary);
  if (!file) MESSAGE("SKIPPED: " << real_file << " is absent");
  return {std::istreambuf_iterator<char>(file), {}};
}

// The sentence it is refused with; empty when it is read.
std::string refusal(std::string_view bytes, Checksum checksum = Checksum::must_be_right) {
  try {
    read_hef(bytes, "a.hef", checksum);
  } catch (const sdk::Failure& failure) {
    REQUIRE(failure.code == LATHE_FAILED);
    REQUIRE(!failure.diagnostics.empty());
    CHECK(failure.diagnostics.front().location == "a.hef");
    return failure.diagnostics.front().text;
  }
  return {};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the real file is read as its makers' tools describe it") {
  const std::string bytes = read_real();
  if (bytes.empty()) return;
  const Hef hef = read_hef(bytes, real_file);
  CHECK(hef.version == 1);
  CHECK(hef.checksum_right);
  CHECK(hef.description_bytes == 997288);
  CHECK(hef.configuration_bytes == 2506040);
  CHECK(architecture_name(hef.architecture) == "HAILO8");
  CHECK(hef.architecture == 1);
  CHECK(hef.compiler == "3.29.0");
  CHECK(hef.extensions == std::vector<uint64_t>{0, 3, 12, 26});
  CHECK(hef.optional_extensions == std::vector<uint64_t>{8, 11});
  REQUIRE(hef.groups.size() == 1);
  const NetworkGroup& group = hef.groups[0];
  CHECK(group.name == "arcface_mobilefacenet");
  CHECK(group.contexts == 1);
  CHECK(group.partitions == 0);
  CHECK(group.suppressions.empty());
  REQUIRE(group.streams.size() == 2);
  const Stream &in = group.streams[0], &out = group.streams[1];
  CHECK(in.input);
  CHECK(in.name == "arcface_mobilefacenet/input_layer1");
  CHECK(in.height == 112);
  CHECK(in.width == 112);
  CHECK(in.features == 3);
  CHECK(format_name(in.format) == "NHWC");
  CHECK(in.quantization.scale == 1);
  CHECK(in.quantization.zero_point == 0);
  CHECK(in.quantization.highest == 255);
  CHECK(!out.input);
  CHECK(out.name == "arcface_mobilefacenet/fc1");
  CHECK(out.height * out.width == 1);
  CHECK(out.features == 512);
  CHECK(format_name(out.format) == "NC");
  CHECK(out.quantization.zero_point == 144);
  CHECK(out.quantization.scale == doctest::Approx(0.016739).epsilon(1e-4));
  CHECK(out.quantization.lowest == doctest::Approx(-2.4104).epsilon(1e-4));
  CHECK(out.quantization.highest == doctest::Approx(1.8580).epsilon(1e-4));
  CHECK(!out.quantization.per_feature);
  CHECK(out.data_bytes == 1);
}

TEST_CASE("every version of the header, with operations, partitions, contexts and NMS by the host") {
  for (const uint32_t version : {0u, 1u, 2u, 3u}) {
    CAPTURE(version);
    const Hef hef = read_hef(hef_file(version, detector_description(), "ccws", version == 3 ? "more" : ""), "a.hef");
    CHECK(hef.version == version);
    CHECK(hef.additional_bytes == (version == 3 ? 4 : 0));
    CHECK(architecture_name(hef.architecture) == "HAILO8L");
    CHECK(hef.milliseconds == 1700000000000ull);
    CHECK(hef.has_extension(13));
    CHECK(!hef.has_extension(8));
    REQUIRE(hef.groups.size() == 1);
    const NetworkGroup& group = hef.groups[0];
    CHECK(group.name == "net");
    CHECK(group.contexts == 2);
    CHECK(group.partitions == 1);
    CHECK(group.frames_per_second == 120.5);
    REQUIRE(group.streams.size() == 3);  // what passes between contexts is none
    CHECK(group.streams[0].name == "net/input_layer1");
    CHECK(group.streams[1].name == "net/conv1");  // the group's own order
    CHECK(group.streams[2].name == "net/conv2");
    CHECK(group.streams[2].original_names == std::vector<std::string>{"original/net/conv2"});
    CHECK(group.streams[2].quantization.zero_point == 3);
    REQUIRE(group.suppressions.size() == 1);
    CHECK(std::string(group.suppressions[0].architecture) == "YOLOv8");
    CHECK(group.suppressions[0].classes == 80);
    CHECK(group.suppressions[0].iou_threshold == 0.7);
  }
}

TEST_CASE("checksums are those of RFC 1321, of zlib and of xxHash") {
  const auto hex = [](const std::string& bytes) {
    std::string text;
    for (const unsigned char c : bytes) text += "0123456789abcdef"[c >> 4], text += "0123456789abcdef"[c & 15];
    return text;
  };
  CHECK(hex(checksum_of(0, "abc")) == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(hex(checksum_of(1, "123456789")) == "cbf43926");
  CHECK(hex(checksum_of(2, "")) == "2d06800538d394c2");
  CHECK(checksum_of(3, "abc") == checksum_of(2, "abc"));
}

TEST_CASE("which device runs which file") {
  for (const uint64_t kin : {0u, 1u, 2u, 3u}) CHECK(runs_on(kin, "HAILO8"));
  CHECK(runs_on(3, "HAILO8L"));
  for (const uint64_t other : {0u, 1u, 2u, 4u, 5u}) CHECK(!runs_on(other, "HAILO8L"));
  CHECK(!runs_on(4, "HAILO8"));
  CHECK(architecture_name(77) == "architecture 77");
}

TEST_CASE("damaged headers are refused with a sentence") {
  const std::string good = hef_file(1, detector_description());
  CHECK(refusal(good).empty());
  CHECK(has(refusal("PK\3\4 something else"), "this is no HEF"));
  CHECK(has(refusal(good.substr(0, 10)), "ends in its header"));
  CHECK(has(refusal(good.substr(0, 20)), "ends in its header"));
  CHECK(has(refusal(good + "x"), "longer than its header says"));
  CHECK(has(refusal(good.substr(0, good.size() - 1)), "cut short"));
  std::string other = good;
  other[7] = 4;
  CHECK(has(refusal(other), "a version that is not known"));
  other = good;
  other[16] = '\x7f';  // sums that would wrap around 64 bits
  CHECK(has(refusal(other), "cut short"));
  other = good;
  other[40] = static_cast<char>(other[40] ^ 1);
  CHECK(has(refusal(other), "its checksum is wrong"));
}

TEST_CASE("every truncation, and every bit of the whole file flipped, is refused; of a description with any bit flipped nothing crashes") {
  for (const uint32_t version : {0u, 1u, 2u, 3u}) {
    const std::string good = hef_file(version, detector_description(), "ccws", version == 3 ? "more" : "");
    for (size_t size = 0; size < good.size(); ++size) REQUIRE(!refusal(std::string_view(good).substr(0, size)).empty());
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string flipped = good;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      const bool reserved = (version == 0 && bit / 8 >= 12 && bit / 8 < 16) || (version == 1 && bit / 8 >= 24 && bit / 8 < 28) ||
                            (version == 2 && bit / 8 >= 28 && bit / 8 < 44) ||
                            (version == 3 && ((bit / 8 >= 28 && bit / 8 < 32) || (bit / 8 >= 40 && bit / 8 < 56)));
      REQUIRE(refusal(flipped).empty() == reserved);
      refusal(flipped, Checksum::may_be_wrong);
    }
  }
}

TEST_CASE("the real file cut and flipped") {
  const std::string real = read_real();
  if (real.empty()) return;
  for (size_t size = 0; size < real.size(); size += size < 64 ? 1 : 9973) REQUIRE(!refusal(std::string_view(real).substr(0, size)).empty());
  // Where the streams are described, every bit of a window; elsewhere samples. The checksum is not asked, so that the description is read.
  std::string bytes = real;
  const auto flip = [&](size_t bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    refusal(bytes, Checksum::may_be_wrong);
    bytes[bit / 8] = real[bit / 8];
  };
  for (size_t bit = 0; bit < 8 * 28; ++bit) flip(bit);
  // A shorter file with the same description: the chip's part is of no interest.
  const std::string description = real.substr(28, 997288);
  const size_t streams = description.find("arcface_mobilefacenet/input_layer1");
  REQUIRE(streams != std::string::npos);
  const std::string small = hef_file(1, description, "");
  bytes = small;
  for (size_t bit = 8 * (28 + streams - 64); bit < 8 * (28 + streams + 300); bit += 3) {
    bytes[bit / 8] = static_cast<char>(small[bit / 8] ^ (1 << bit % 8));
    refusal(bytes, Checksum::may_be_wrong);
    bytes[bit / 8] = small[bit / 8];
  }
}

TEST_CASE("descriptions that want more than there is are refused") {
  const auto described = [](const Message& message) { return refusal(hef_file(1, message.bytes)); };
  Message contexts, group, streams;
  for (int i = 0; i < 70000; ++i) contexts.text(3, "");
  CHECK(has(described(Message().message(2, contexts)), "more contexts than any chip"));
  Message metadata;
  for (int i = 0; i < 5000; ++i) metadata.message(2, edge(std::to_string(i).c_str(), true, 1, 1, 1));
  CHECK(has(described(Message().message(2, Message().message(3, Message().message(3, metadata)))), "more streams than any chip"));
  CHECK(has(described(Message().number(2, 7)), "a number stands where"));
  CHECK(has(refusal(hef_file(1, "\x0a\x05x")), "longer than what holds it"));
  CHECK(has(refusal(hef_file(1, "\x0f")), "a type that does not exist"));
  CHECK(has(refusal(hef_file(1, std::string(12, '\xff'))), "more than 64 bits"));
}

TEST_CASE("lathe inspect shows architecture, streams, NMS and what the runtime must know") {
  const auto path = std::filesystem::temp_directory_path() / ("lathe-hef-" + std::to_string(::getpid()) + ".hef");
  const std::string bytes = hef_file(2, detector_description());
  std::ofstream(path, std::ios::binary) << bytes;
  CHECK(Inspector::recognise({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), bytes.size(), "a.bin"}) == 100);
  CHECK(Inspector::recognise({reinterpret_cast<const unsigned char*>("PK"), 2, 2, "a.hef"}) == 0);
  const std::string json = Inspector::inspect(sdk::Host(nullptr), path.string());
  for (const char* part : {"HAILO8L", "Dataflow Compiler 3.31.0, 2023-11-14", "net/conv1 80x80x64 NHWC uint8 (scale 0.5, zero point 3)", "2 contexts",
                           "YOLOv8, 80 classes", "net-flow, YOLOv8 NMS"})
    CHECK_MESSAGE(has(json, part), part);
  std::filesystem::remove(path);
}
