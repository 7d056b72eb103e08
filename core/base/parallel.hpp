// One loop over several threads, for work whose pieces have nothing to do with each other.
#pragma once
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lathe {

// Calls body(i) for every i below `count`, in any order, on up to `threads` threads. After the first exception no further piece is begun, and
// that exception is thrown here.
template <class Body>
void parallel_for(size_t count, unsigned threads, const Body& body) {
  std::atomic<size_t> next{0};
  std::exception_ptr problem;
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i; (i = next++) < count;) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!problem) problem = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> helpers;
  for (size_t t = 1; t < std::min<size_t>(threads, count); ++t) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  if (problem) std::rethrow_exception(problem);
}

}  // namespace lathe
