// The reader: what the real file holds, and that damage of every kind is refused or read.
#include "../file.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <lathe/plugin.hpp>

using namespace lathe::n2x;

namespace {

// Writes FlatBuffers front to back: what a field points to comes after it.
class Writer {
 public:
  using Child = std::function<uint32_t()>;  // writes something; where it begins
  struct Field {
    unsigned id;
    uint32_t value;
    Child child = nullptr;
  };
  std::string take(const Child& root) {
    out_ = std::string("\0\0\0\0N2X0", 8);
    patch(0, root() - 0);
    return out_;
  }
  uint32_t table(const std::vector<Field>& fields) {
    align();
    unsigned count = 0;
    for (const Field& f : fields) count = std::max(count, f.id + 1);
    std::vector<uint16_t> places(count, 0);
    uint16_t size = 4;
    for (const Field& f : fields) places[f.id] = size, size = static_cast<uint16_t>(size + 4);
    const uint32_t vtable = here();
    put(static_cast<uint16_t>(4 + 2 * count)), put(size);
    for (const uint16_t p : places) put(p);
    align();
    const uint32_t at = here();
    put(at - vtable);
    for (const Field& f : fields) put(f.value);
    for (size_t i = 0; i < fields.size(); ++i)
      if (fields[i].child) link(at + 4 + 4 * static_cast<uint32_t>(i), fields[i].child);
    return at;
  }
  Child tables(std::vector<Child> children) {
    return [this, children] {
      align();
      const uint32_t at = here();
      put(static_cast<uint32_t>(children.size()));
      for (size_t i = 0; i < children.size(); ++i) put(uint32_t{0});
      for (size_t i = 0; i < children.size(); ++i) link(at + 4 + 4 * static_cast<uint32_t>(i), children[i]);
      return at;
    };
  }
  template <class T>
  Child vector(std::vector<T> elements) {
    return [this, elements] {
      align();
      const uint32_t at = here();
      put(static_cast<uint32_t>(elements.size()));
      for (const T& e : elements) put(e);
      return at;
    };
  }
  Child text(const std::string& letters) { return vector(std::vector<char>(letters.begin(), letters.end())); }

 private:
  template <class T>
  void put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  uint32_t here() const { return static_cast<uint32_t>(out_.size()); }
  void align() { out_.resize((out_.size() + 3) / 4 * 4); }
  void patch(uint32_t at, uint32_t value) { std::memcpy(out_.data() + at, &value, 4); }
  void link(uint32_t at, const Child& child) {
    const uint32_t where = child();
    patch(at, where - at);
  }
  std::string out_;
};

struct Sample {
  int32_t last = 4;             // of the input's shape
  uint32_t input_bytes = 24;    // its size
  uint32_t constant_place = 0;  // in the weights, which are 8 bytes
  uint32_t memory = 32;
  std::string name = "x";
};

std::string written(const Sample& s = {}) {
  Writer w;
  const auto tensor = [&](const std::string& name, uint32_t place, uint32_t bytes, uint32_t type, std::vector<int32_t> shape, uint32_t constant) {
    return [=, &w] {
      return w.table({{1, 0, w.text(name)},
                      {2, place},
                      {3, bytes},
                      {5, type},
                      {6, 0, w.vector(shape)},
                      {7, constant},
                      {4, 0, [&w] {
                         return w.table({{0, 0, w.vector<float>({0.5f})}, {1, 0, w.vector<int64_t>({128})}});
                       }}});
    };
  };
  const auto input = tensor(s.name, 0, s.input_bytes, 2, {1, 2, 3, s.last}, 0), output = tensor("y", 24, 8, 0, {1, 2}, 0),
             constant = tensor("w", s.constant_place, 8, 1, {2}, 1);
  const auto layer = [&w] { return w.table({{1, 0, w.text("Layer: conv2dq8 gemm: a")}}); };
  return w.take([&] {
    return w.table({{0, 0, w.vector<char>({'w', 'e', 'i', 'g', 'h', 't', 's', '!'})},
                    {1, 306},
                    {2, 0,
                     [&] {
                       return w.table({{0, 0, w.text("small")}, {3, 0, w.tables({input, output, constant})}, {6, 0, w.tables({layer, layer})}});
                     }},
                    {3, 0,
                     [&] {
                       return w.table({{1, s.memory}, {2, 0, w.tables({input})}, {3, 0, w.tables({output})}});
                     }},
                    {4, 0, w.vector<char>({1, 2})},
                    {11, 0, w.vector<int32_t>({7})}});
  });
}

std::string said(std::string_view bytes) {
  try {
    describe(read_model(bytes, "sample.n2x"));
    return "";
  } catch (const lathe::sdk::Failure& failure) {
    return failure.diagnostics.empty() ? "nothing" : failure.diagnostics.front().text;
  }
}
bool has(const std::string& text, const char* part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("said: " << text);
  return found;
}

std::string real_file() {
  const std::string stem = "mobilenet_v2_generic_object--224x224_quant_n2x_cpu_1";
  std::ifstream in(std::string(LATHE_SHARED) + "/models/vendor/degirum/" + stem + "/" + stem + ".n2x", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a small file is read") {
  const Model m = read_model(written(), "small.n2x");
  CHECK(m.name == "small");
  CHECK(m.version == 306);
  REQUIRE(m.inputs.size() == 1);
  CHECK(m.inputs[0].type == "uint8");
  CHECK(m.inputs[0].scales == std::vector<float>{0.5f});
  CHECK(m.inputs[0].zero_points == std::vector<int64_t>{128});
  CHECK(m.outputs[0].type == "float32");
  CHECK(m.output_ids == std::vector<int32_t>{7});
  CHECK(m.layers.at("conv2dq8") == 2);
  CHECK(m.constants == 1);
  CHECK(m.quantised());
}

TEST_CASE("parts that do not fit together are refused with a sentence") {
  CHECK(has(said(""), "no N2X file"));
  CHECK(has(said("\x04\0\0\0TFL3"), "no N2X file"));
  CHECK(has(said(written({.last = 5})), "a shape of 30 bytes and a size of 24"));
  CHECK(has(said(written({.last = -1})), "dimension -1"));
  CHECK(has(said(written({.last = 2147483647})), "size"));
  CHECK(has(said(written({.constant_place = 1})), "ends at 9"));
  CHECK(has(said(written({.memory = 31})), "ends at 32"));
  CHECK(has(said(written({.name = std::string(600, 'n')})), "600 letters"));
  CHECK(has(said(written({.name = "a\nb"})), "no text"));
}

TEST_CASE("every truncation and every flipped bit of a small file is refused or read") {
  const std::string right = written();
  REQUIRE(said(right).empty());
  size_t refused = 0;
  for (size_t size = 0; size < right.size(); ++size) refused += !said(std::string_view(right).substr(0, size)).empty();
  CHECK(refused > right.size() * 9 / 10);  // the last bytes may be padding
  for (size_t bit = 0; bit < right.size() * 8; ++bit) {
    std::string changed = right;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    said(changed);
  }
}

TEST_CASE("a public file is read as what its package says") {
  const std::string bytes = real_file();
  if (bytes.empty()) {
    MESSAGE("skipped: the shared models are not beside the tree");
    return;
  }
  const Model m = read_model(bytes, "mobilenet.n2x");
  REQUIRE(m.inputs.size() == 1);
  CHECK(m.inputs[0].name == "normalized_input_image_tensor");
  CHECK(m.inputs[0].shape == std::vector<int64_t>{1, 224, 224, 3});  // ModelInputN, H, W, C
  CHECK(m.inputs[0].zero_points == std::vector<int64_t>{128});
  REQUIRE(m.outputs.size() == 1);
  CHECK(m.outputs[0].shape == std::vector<int64_t>{1, 631});  // OutputNumClasses
  CHECK(m.outputs[0].scales == std::vector<float>{1.f / 256});
  CHECK(m.output_ids == std::vector<int32_t>{1});  // PostProcessorInputs
  CHECK(m.quantised());                            // ModelQuantEn
  CHECK(m.tensors == 238);
  CHECK(m.layers.at("conv2dq8") == 39);
  CHECK(m.layers.at("convdw2dq8") == 34);
  CHECK(m.weight_bytes == 3722380);
}

TEST_CASE("damage of the public file is refused or read") {
  const std::string right = real_file();
  if (right.empty()) return;
  CHECK_FALSE(said(std::string_view(right).substr(0, right.size() / 2)).empty());
  for (size_t size = 0; size < 4096; size += 3) CHECK_FALSE(said(std::string_view(right).substr(0, size)).empty());
  std::string changed = right;
  // The tables lie before the weights: every 67th bit of them, and some of the rest.
  for (size_t bit = 0; bit < changed.size() * 8; bit += bit < 47112 * 8 ? 67 : 99991) {
    const char kept = changed[bit / 8];
    changed[bit / 8] = static_cast<char>(kept ^ (1 << (bit % 8)));
    said(changed);
    changed[bit / 8] = kept;
  }
}
