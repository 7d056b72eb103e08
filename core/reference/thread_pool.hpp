// Threads that the reference engine lends to kernels through Call::parallel_for.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace lathe {

// Runs numbered tasks on the calling thread and threads - 1 others, which sleep between calls. One run() at a time.
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const { return unsigned(workers_.size()) + 1; }
  // Calls body(argument, task, worker) once for each task; returns when all are done. `worker` is below threads().
  void run(uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument);

 private:
  void work(uint32_t worker);
  void take_tasks(std::unique_lock<std::mutex>& lock, uint32_t worker);

  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  void (*body_)(void*, uint32_t, uint32_t) = nullptr;
  void* argument_ = nullptr;
  uint32_t tasks_ = 0, next_ = 0, running_ = 0;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace lathe
