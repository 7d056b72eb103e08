// .npy and .npz: round trips, both byte orders, both memory orders, and files that lie.
#include "core/files/numpy.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <numeric>

#include "core/base/diagnostic.hpp"

namespace {
using namespace lathe;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text.data(), text.size())); }

std::string npy(std::string header, const std::string& data, int version = 1) {
  header += "\n";
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

// One archive entry; `method` 0 or 8.
struct Entry {
  std::string name, data;
  int method;
};

void number(std::string& out, uint64_t n, int size) {
  for (int i = 0; i < size; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
}

std::string deflated(const std::string& data) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(data.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data())), stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data()), stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string archive(const std::vector<Entry>& entries, bool zip64 = false) {
  std::string file, directory;
  for (const Entry& e : entries) {
    std::string packed = e.method == 8 ? deflated(e.data) : e.data;
    uint64_t offset = file.size(), crc = crc32(0, reinterpret_cast<const Bytef*>(e.data.data()), static_cast<uInt>(e.data.size()));
    number(file, 0x04034b50, 4), number(file, 20, 2), number(file, 0, 2), number(file, static_cast<uint64_t>(e.method), 2), number(file, 0, 4),
        number(file, crc, 4);
    number(file, packed.size(), 4), number(file, e.data.size(), 4), number(file, e.name.size(), 2), number(file, 0, 2);
    file += e.name + packed;
    number(directory, 0x02014b50, 4), number(directory, 20, 2), number(directory, 20, 2), number(directory, 0, 2),
        number(directory, static_cast<uint64_t>(e.method), 2);
    number(directory, 0, 4), number(directory, crc, 4), number(directory, zip64 ? 0xffffffff : packed.size(), 4),
        number(directory, zip64 ? 0xffffffff : e.data.size(), 4);
    number(directory, e.name.size(), 2), number(directory, zip64 ? 20 : 0, 2), number(directory, 0, 2), number(directory, 0, 8),
        number(directory, offset, 4);
    directory += e.name;
    if (zip64) number(directory, 1, 2), number(directory, 16, 2), number(directory, e.data.size(), 8), number(directory, packed.size(), 8);
  }
  uint64_t start = file.size();
  file += directory;
  number(file, 0x06054b50, 4), number(file, 0, 4), number(file, entries.size(), 2), number(file, entries.size(), 2),
      number(file, directory.size(), 4), number(file, start, 4), number(file, 0, 2);
  return file;
}

Tensor counting(DataType type, std::vector<int64_t> dimensions) {
  Tensor tensor = Tensor::allocate(type, std::move(dimensions));
  std::span<std::byte> data = tensor.as_mutable<std::byte>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(type == DataType::boolean ? i & 1 : i * 7 + 1);
  return tensor;
}
}  // namespace

TEST_CASE("every type numpy has survives a round trip") {
  for (DataType type :
       {DataType::float32, DataType::float16, DataType::float64, DataType::int8, DataType::int16, DataType::int32, DataType::int64, DataType::uint8,
        DataType::uint16, DataType::uint32, DataType::uint64, DataType::boolean, DataType::complex64, DataType::complex128}) {
    for (std::vector<int64_t> shape : {std::vector<int64_t>{}, {5}, {2, 3}, {0, 4}, {2, 1, 3}}) {
      Tensor tensor = counting(type, shape);
      std::string file = write_npy(tensor);
      CHECK((file.size() - tensor.bytes.size) % 64 == 0);
      CHECK(read_npy(bytes(file), "t") == tensor);
    }
  }
  CHECK_THROWS_AS(write_npy(counting(DataType::bfloat16, {2})), Error);
}

TEST_CASE("big-endian and column-major files become row-major little-endian tensors") {
  std::string data;
  for (int i = 0; i < 6; ++i) data += std::string("\0\0\0", 3) + static_cast<char>(i);
  Tensor big = read_npy(bytes(npy("{'descr': '>i4', 'fortran_order': False, 'shape': (2, 3), }", data)), "t");
  CHECK(to_int64s(big) == std::vector<int64_t>{0, 1, 2, 3, 4, 5});
  Tensor columns = read_npy(bytes(npy("{'descr': '>i4', 'fortran_order': True, 'shape': (2, 3), }", data, 2)), "t");
  CHECK(to_int64s(columns) == std::vector<int64_t>{0, 2, 4, 1, 3, 5});
}

TEST_CASE("headers that lie are refused") {
  std::string four(4, '\0');
  for (std::string header :
       {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }",
        "{'descr': '<f4', 'shape': (1,), }", "{'descr': '<O8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "{'descr': '<f4", "{", "",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, }"})
    CHECK_THROWS_AS(read_npy(bytes(npy(header, four)), "t"), Error);
  CHECK_THROWS_AS(read_npy(bytes("\x93NUMPY"), "t"), Error);
  CHECK_THROWS_AS(read_npy(bytes(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", four, 9)), "t"), Error);
}

TEST_CASE("every single damaged byte of a file is survived") {
  std::string whole = write_npy(counting(DataType::float32, {2, 3}));
  for (size_t i = 0; i < whole.size(); ++i) {
    for (char change : {'\xff', '\x00', '9'}) {
      std::string file = whole;
      file[i] = change;
      try {
        read_npy(bytes(file), "t");
      } catch (const Error& e) {
        CHECK(e.code == Code::failed);
      }
    }
    CHECK_THROWS_AS(read_npy(bytes(whole.substr(0, i)), "t"), Error);
  }
}

TEST_CASE("archives, stored and deflated, with and without zip64") {
  Tensor a = counting(DataType::float32, {3, 4}), b = counting(DataType::int64, {});
  for (bool zip64 : {false, true}) {
    std::string file = archive({{"a.npy", write_npy(a), 0}, {"b.npy", write_npy(b), 8}}, zip64);
    std::map<std::string, Tensor> arrays = read_npz(bytes(file), "t");
    CHECK(arrays.size() == 2);
    CHECK(arrays.at("a") == a);
    CHECK(arrays.at("b") == b);
  }
}

TEST_CASE("damaged archives are refused or read, and never crash") {
  std::string whole = archive({{"a.npy", write_npy(counting(DataType::float32, {3})), 8}});
  for (size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string file = whole;
      file[i] = static_cast<char>(file[i] ^ (1 << bit));
      try {
        read_npz(bytes(file), "t");
      } catch (const Error& e) {
        CHECK(e.code == Code::failed);
      }
    }
    CHECK_THROWS_AS(read_npz(bytes(whole.substr(0, i)), "t"), Error);
  }
  CHECK_THROWS_AS(
      read_npz(bytes(archive({{"a.npy", write_npy(counting(DataType::float32, {3})), 0}, {"a.npy", write_npy(counting(DataType::float32, {3})), 0}})),
               "t"),
      Error);
}
