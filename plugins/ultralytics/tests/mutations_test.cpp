// A valid checkpoint, damaged in every way that can be enumerated and in some that cannot: reading it ends with a network or with a sentence.
#include <doctest/doctest.h>

#include <random>

#include "reading.hpp"
#include "small_checkpoint.hpp"

using namespace lathe::ultralytics::test;

namespace {

// Counts rather than asserts each.
class Tally {
 public:
  void add(const std::string& file, const std::string& mutation) {
    const Reading reading = read_checkpoint(file);
    ++all_;
    refused_ += !reading.built;
    if (reading.acceptable || ++bad_ > 10) return;
    FAIL_CHECK(mutation << ": " << reading.told);
  }
  ~Tally() { MESSAGE(all_ << " files, " << refused_ << " refused"); }

 private:
  size_t all_ = 0, refused_ = 0, bad_ = 0;
};

// The pickle alone is changed, and a sound zip file made of it: else the checksum would refuse all.
std::string with_pickle(const std::string& pickle) {
  const std::string floats(48, '\0');
  return zip({{"best/data.pkl", pickle},
              {"best/data/0", std::string(216, '\0')},
              {"best/data/1", floats.substr(0, 16)},
              {"best/data/2", floats.substr(16)}});
}

std::string mutate(std::string bytes, std::mt19937_64& random) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (size_t changes = 1 + below(5); changes > 0 && !bytes.empty(); --changes) {
    const size_t at = below(bytes.size()), length = std::min(bytes.size() - at, 1 + below(48));
    switch (below(5)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(below(bytes.size()), bytes.substr(at, length));
        break;
      default:
        // Small numbers, and the ends of ranges: what sizes and counts are made of.
        static constexpr unsigned char values[] = {0, 1, 2, 4, 0x7f, 0x80, 0xff};
        bytes[at] = static_cast<char>(values[below(std::size(values))]);
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("what is mutated is valid") {
  SmallCheckpoint small;
  CHECK_MESSAGE(read_checkpoint(small.file()).built, read_checkpoint(small.file()).told);
  CHECK(read_checkpoint(with_pickle(small.pickle())).built);
  small.deflated = true;
  CHECK(read_checkpoint(small.file()).built);
}

TEST_CASE("every truncation") {
  Tally tally;
  const std::string good = SmallCheckpoint().file();
  for (size_t size = 0; size < good.size(); ++size) {
    tally.add(good.substr(0, size), "first " + std::to_string(size) + " bytes");
    if (read_checkpoint(good.substr(0, size)).built) FAIL_CHECK("the first " << size << " bytes were taken for a checkpoint");
  }
}

TEST_CASE("every byte of the container") {
  Tally tally;
  SmallCheckpoint small;
  small.deflated = true;
  const std::string good = small.file();
  for (size_t at = 0; at < good.size(); ++at)
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      tally.add(damaged, "byte " + std::to_string(at) + " changed by " + std::to_string(change));
    }
}

TEST_CASE("every byte of the pickle") {
  Tally tally;
  const std::string good = SmallCheckpoint().pickle();
  for (size_t at = 0; at < good.size(); ++at)
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff, int('N'), int('R'), int('0')}) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(value);
      tally.add(with_pickle(damaged), "byte " + std::to_string(at) + " set to " + std::to_string(value));
    }
}

TEST_CASE("random changes") {
  Tally tally;
  std::mt19937_64 random(5);
  const std::string file = SmallCheckpoint().file(), pickle = SmallCheckpoint().pickle();
  for (int i = 0; i < 3000; ++i) tally.add(mutate(file, random), "of the file, " + std::to_string(i));
  for (int i = 0; i < 12000; ++i) tally.add(with_pickle(mutate(pickle, random)), "of the pickle, " + std::to_string(i));
}
