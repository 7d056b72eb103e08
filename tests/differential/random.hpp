// A small generator of random numbers that gives the same sequence everywhere (splitmix64, Steele et al. 2014), so that a seed names a graph.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace lathe::differential {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t end) { return end <= 0 ? 0 : int64_t(next() % uint64_t(end)); }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }  // both inclusive
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[below(int64_t(choices.size()))];
  }
  template <class T>
  const T& pick(const std::vector<T>& choices) {
    return choices[size_t(below(int64_t(choices.size())))];
  }
  template <class T>
  void shuffle(std::vector<T>& list) {
    for (size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[size_t(below(int64_t(i)))]);
  }

 private:
  uint64_t state_;
};

}  // namespace lathe::differential
