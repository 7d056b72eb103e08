// ONNX's tensor files (.pb): values of every kind and type come back as they were written; damaged files end with a value that fits together
// or with a sentence.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "message.hpp"
#include "reader.hpp"

namespace lathe::fuzz {
namespace {

class Files {
 public:
  std::string write(std::string_view bytes, const std::string& name = "x.pb") {
    const std::string path = reader_.folder() + "/" + name;
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  Datum read(std::string_view bytes, ValueKind kind = ValueKind::tensor) {
    const std::optional<Datum> value = read_tensor_with_plugin(reader_.plugins(), write(bytes), kind);
    REQUIRE(value);
    return *value;
  }
  // What the person is told; empty when the file was read.
  std::string refusal(std::string_view bytes, ValueKind kind = ValueKind::tensor) {
    try {
      read(bytes, kind);
    } catch (const Error& error) {
      CHECK(error.code == Code::failed);
      return error.diagnostics.front().sentence();
    }
    return "";
  }
  std::string encode(const Datum& value) { return write_tensor_with_plugin(reader_.plugins(), "pb", "value", value); }

 private:
  Reader reader_;
};

Tensor strings(std::vector<int64_t> dimensions, std::vector<std::string> texts) {
  Tensor tensor = Tensor::allocate(DataType::string, std::move(dimensions));
  tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(texts));
  return tensor;
}

// Bytes 1, 2, 3, ..., so that every element differs from its neighbours. A bool is 0 or 1.
Tensor counting(DataType type, std::vector<int64_t> dimensions) {
  Tensor tensor = Tensor::allocate(type, std::move(dimensions));
  uint8_t next = 0;
  for (std::byte& b : tensor.as_mutable<std::byte>()) b = std::byte(type == DataType::boolean ? ++next & 1 : ++next);
  return tensor;
}

Datum optional_of(Datum value) {
  value.kind = value.is_sequence() ? ValueKind::optional_sequence : ValueKind::optional;
  return value;
}

std::vector<Datum> samples() {
  std::vector<Datum> all;
  for (int type = 1; type <= int(DataType::int2); ++type) {
    if (DataType(type) == DataType::string) continue;
    all.emplace_back(counting(DataType(type), {2, 3}));
    all.emplace_back(counting(DataType(type), {5}));
    all.emplace_back(counting(DataType(type), {}));
    all.emplace_back(counting(DataType(type), {0, 4}));
  }
  all.emplace_back(strings({2, 2}, {"", "a", std::string("\0b", 2), "\xc3\xa4"}));
  all.emplace_back(strings({0}, {}));
  all.push_back(Datum::sequence(DataType::none, {}));
  all.push_back(Datum::sequence(DataType::bfloat16,
                                {counting(DataType::bfloat16, {2}), counting(DataType::bfloat16, {}), counting(DataType::bfloat16, {3, 0})}));
  all.push_back(Datum::sequence(DataType::string, {strings({1}, {"x"}), strings({2}, {"y", ""})}));
  all.push_back(optional_of(counting(DataType::int4, {3})));
  all.push_back(optional_of(Datum::sequence(DataType::int64, {counting(DataType::int64, {1})})));
  all.push_back(Datum::absent(ValueKind::optional, DataType::none));
  all.push_back(Datum::absent(ValueKind::optional_sequence, DataType::none));
  return all;
}

TEST_CASE("every kind and type comes back") {
  Files files;
  for (const Datum& value : samples()) {
    const Datum read = files.read(files.encode(value), value.kind);
    CHECK_MESSAGE(read == value, describe(value));
    CHECK(bool(read.tensor.strings) == bool(value.tensor.strings));
    if (read.tensor.strings) CHECK(*read.tensor.strings == *value.tensor.strings);
  }
}

TEST_CASE("elements in typed fields") {
  Files files;
  auto typed = [](int64_t type, std::vector<int64_t> dimensions, uint32_t field, std::vector<int64_t> numbers) {
    Message m;
    for (const int64_t d : dimensions) m.integer(1, d);
    m.integer(2, type);
    for (const int64_t n : numbers) m.integer(field, n);
    return m.bytes();
  };
  auto bytes = [&](const std::string& file) {
    const Datum value = files.read(file);
    return std::string(reinterpret_cast<const char*>(value.tensor.bytes.data), value.tensor.bytes.size);
  };
  CHECK(bytes(typed(10, {2}, 5, {0x3c00, 0xc000})) == std::string("\x00\x3c\x00\xc0", 4));  // float16
  CHECK(bytes(typed(16, {1}, 5, {0x3f80})) == "\x80\x3f");                                  // bfloat16
  CHECK(bytes(typed(17, {2}, 5, {0x38, 0xfe})) == "\x38\xfe");                              // float8e4m3fn
  CHECK(bytes(typed(22, {3}, 5, {0x21, 0x0f})) == "\x21\x0f");                              // int4, two a byte
  CHECK(bytes(typed(25, {5}, 5, {0xe4, 0x03})) == "\xe4\x03");                              // uint2, four a byte
  CHECK(bytes(typed(3, {2}, 5, {-1, 5})) == "\xff\x05");                                    // int8
  CHECK(bytes(typed(12, {1}, 11, {0xfffffffe})) == "\xfe\xff\xff\xff");                     // uint32
}

TEST_CASE("what is refused, and in which words") {
  Files files;
  const std::string floats = tensor<float>("x", 1, {2}, {1, 2}).bytes();
  auto refused = [&](const std::string& file, ValueKind kind, const char* words) {
    const std::string told = files.refusal(file, kind);
    CHECK_MESSAGE(told.find(words) != std::string::npos, told);
  };
  refused("", ValueKind::tensor, "an empty file");
  refused("no protobuf", ValueKind::tensor, "no readable tensor file");
  refused(Message().integer(1, 2).text(9, "12345678").bytes(), ValueKind::tensor, "no readable tensor file");  // no data_type
  refused(Message().integer(1, 2).integer(2, 99).text(9, "12").bytes(), ValueKind::tensor, "no data type");
  refused(Message().integer(1, -2).integer(2, 1).text(9, "12345678").bytes(), ValueKind::tensor, "negative dimension");
  refused(Message().integer(1, INT64_MAX).integer(1, INT64_MAX).integer(2, 1).text(9, "12345678").bytes(), ValueKind::tensor, "more elements than");
  refused(Message().integer(1, int64_t{1} << 40).integer(2, 1).text(9, "12345678").bytes(), ValueKind::tensor, "not as long as");
  refused(Message().integer(1, int64_t{1} << 40).integer(2, 8).bytes(), ValueKind::tensor, "as many elements");
  Message deep;
  for (int i = 0; i < 1025; ++i) deep.integer(1, 1);
  refused(deep.integer(2, 2).text(9, "1").bytes(), ValueKind::tensor, "too many dimensions");
  const Message one = tensor<float>("", 1, {1}, {1}), other = tensor<int64_t>("", 7, {1}, {1});
  refused(Message().integer(2, 1).message(3, one).message(3, other).bytes(), ValueKind::sequence, "different element types");
  refused(Message().integer(2, 3).message(5, Message().integer(2, 1).message(3, one)).bytes(), ValueKind::sequence, "something other than tensors");
  refused(Message().integer(2, 4).message(6, Message().text(1, "m")).bytes(), ValueKind::sequence, "something other than tensors");
  refused(Message().integer(2, 4).message(6, Message().text(1, "m")).bytes(), ValueKind::optional, "something other than a tensor or a sequence");
  // External data only from the file's own folder.
  const Message outside = Message().integer(1, 2).integer(2, 1).message(13, Message().text(1, "location").text(2, "../x")).integer(14, 1);
  refused(outside.bytes(), ValueKind::tensor, "outside the model's folder");

  // A file of another kind than was asked for is read as what it is; whether it fits the input is the host's to say.
  CHECK(files.read(floats, ValueKind::optional).kind == ValueKind::tensor);
  CHECK(files.read(floats, ValueKind::sequence).kind == ValueKind::tensor);
  CHECK(files.read(Message().text(1, "s").integer(2, 1).message(3, one).bytes(), ValueKind::tensor).kind == ValueKind::sequence);
}

// A damaged file: a value or a refusal, nothing else. read_tensor_with_plugin compares sizes with shapes.
void survive(Files& files, const std::string& bytes, ValueKind kind, size_t& refused) {
  if (!files.refusal(bytes, kind).empty()) ++refused;
}

TEST_CASE("every truncation, every bit") {
  Files files;
  size_t all = 0, refused = 0;
  for (const Datum& value : samples()) {
    const std::string good = files.encode(value);
    for (size_t length = 0; length < good.size(); ++length, ++all) survive(files, good.substr(0, length), value.kind, refused);
    for (size_t bit = 0; bit < 8 * good.size(); ++bit, ++all) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      survive(files, bad, value.kind, refused);
    }
  }
  MESSAGE(all << " files, " << refused << " refused");
  CHECK(refused > all / 4);
  // A tensor whose last byte is missing is never taken for a whole one.
  const std::string whole = files.encode(counting(DataType::float32, {2, 3}));
  for (size_t length = 0; length < whole.size(); ++length) CHECK(!files.refusal(whole.substr(0, length)).empty());
}

TEST_CASE("seeded mutations, and files of another kind") {
  Files files;
  std::mt19937 random(17);
  const std::vector<Datum> values = samples();
  size_t refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = files.encode(values[random() % values.size()]);
    for (unsigned n = random() % 4; n > 0 && !bytes.empty(); --n) {
      const size_t at = random() % bytes.size();
      if (random() % 3 == 0) {
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 16));
      } else if (random() % 2) {
        bytes.erase(at, random() % 8);
      } else {
        bytes[at] = static_cast<char>(random());
      }
    }
    survive(files, bytes, ValueKind(random() % 4), refused);
  }
  CHECK(refused > 500);
}

}  // namespace
}  // namespace lathe::fuzz
