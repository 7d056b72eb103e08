// Valid models, damaged in every way that can be enumerated and in some that cannot: the reader ends with a graph or with a sentence.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "models.hpp"
#include "reader.hpp"

namespace lathe::fuzz {
namespace {

// Counts rather than asserts each: tens of thousands of models a test.
class Tally {
 public:
  void add(const Outcome& outcome, const std::string& mutation) {
    ++all_;
    refused_ += outcome.code != Code::ok;
    if (outcome.acceptable() || ++bad_ > 10) return;
    FAIL_CHECK(mutation << ": code " << static_cast<int>(outcome.code) << ", told: " << outcome.told());
  }
  ~Tally() { MESSAGE(all_ << " models, " << refused_ << " refused"); }

 private:
  size_t all_ = 0, refused_ = 0, bad_ = 0;
};

std::string with_byte(std::string model, size_t at, char byte) {
  model[at] = byte;
  return model;
}

TEST_CASE("what is mutated is valid") {
  Reader reader;
  const Outcome small = reader.read(small_model().bytes());
  CHECK_MESSAGE(small.code == Code::ok, small.told());
  const Outcome with_subgraphs = reader.read(small_model(true).bytes());
  CHECK_MESSAGE(with_subgraphs.acceptable(), with_subgraphs.told());
  CHECK_MESSAGE(with_subgraphs.code != Code::failed, with_subgraphs.told());
}

TEST_CASE("every byte, every bit") {
  Reader reader;
  Tally tally;
  for (const bool with_subgraphs : {false, true}) {
    const std::string good = small_model(with_subgraphs).bytes();
    for (size_t at = 0; at < good.size(); ++at)
      for (int bit = 0; bit < 8; ++bit)
        tally.add(reader.read(with_byte(good, at, static_cast<char>(good[at] ^ (1 << bit)))),
                  "bit " + std::to_string(bit) + " of byte " + std::to_string(at));
  }
}

TEST_CASE("every byte, edge values") {
  Reader reader;
  Tally tally;
  for (const bool with_subgraphs : {false, true}) {
    const std::string good = small_model(with_subgraphs).bytes();
    for (size_t at = 0; at < good.size(); ++at)
      for (const int byte : {0x00, 0x01, 0x7f, 0x80, 0xff})
        tally.add(reader.read(with_byte(good, at, static_cast<char>(byte))), "byte " + std::to_string(at) + " set to " + std::to_string(byte));
  }
}

TEST_CASE("every truncation") {
  Reader reader;
  Tally tally;
  for (const bool with_subgraphs : {false, true}) {
    const std::string good = small_model(with_subgraphs).bytes();
    for (size_t size = 0; size < good.size(); ++size) tally.add(reader.read(good.substr(0, size)), "first " + std::to_string(size) + " bytes");
  }
}

TEST_CASE("every byte left out, and every byte twice") {
  Reader reader;
  Tally tally;
  for (const bool with_subgraphs : {false, true}) {
    const std::string good = small_model(with_subgraphs).bytes();
    for (size_t at = 0; at < good.size(); ++at) {
      tally.add(reader.read(std::string(good).erase(at, 1)), "without byte " + std::to_string(at));
      tally.add(reader.read(std::string(good).insert(at, 1, good[at])), "byte " + std::to_string(at) + " twice");
    }
  }
}

// Several changes at once: bytes set, runs copied elsewhere, removed or overwritten.
std::string mutate(std::string model, std::mt19937_64& random) {
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (size_t changes = 1 + below(6); changes > 0 && !model.empty(); --changes) {
    const size_t at = below(model.size()), length = std::min(model.size() - at, 1 + below(64));
    switch (below(5)) {
      case 0:
        model[at] = static_cast<char>(random());
        break;
      case 1:
        model[at] = static_cast<char>(model[at] ^ (1 << below(8)));
        break;
      case 2:
        model.erase(at, length);
        break;
      case 3:
        model.insert(below(model.size()), model.substr(at, length));
        break;
      default:
        model.replace(at, length, std::string(length, static_cast<char>(random())));
        break;
    }
  }
  return model;
}

TEST_CASE("random changes to the small model") {
  Reader reader;
  Tally tally;
  std::mt19937_64 random(1);
  const std::string plain = small_model().bytes(), with_subgraphs = small_model(true).bytes();
  for (int i = 0; i < 10000; ++i) tally.add(reader.read(mutate(i % 2 ? plain : with_subgraphs, random)), "mutation " + std::to_string(i));
}

TEST_CASE("random changes to the example detector") {
  std::ifstream file(LATHE_SOURCE_DIR "/examples/detector.onnx", std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  REQUIRE(!good.empty());
  Reader reader;
  REQUIRE(reader.read(good).code == Code::ok);
  Tally tally;
  std::mt19937_64 random(2);
  // Weights make up most of a model, and changing them teaches nothing: change the parts that hold structure, at both ends.
  const size_t edge = std::min<size_t>(good.size() / 4, 24000);
  for (int i = 0; i < 400; ++i) {
    const bool front = i % 2 == 0;
    const std::string part = mutate(front ? good.substr(0, edge) : good.substr(good.size() - edge), random);
    tally.add(reader.read(front ? part + good.substr(edge) : good.substr(0, good.size() - edge) + part), "mutation " + std::to_string(i));
  }
}

}  // namespace
}  // namespace lathe::fuzz
