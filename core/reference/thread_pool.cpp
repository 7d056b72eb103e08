// See thread_pool.hpp. Tasks are milliseconds long, so a mutex around the counter costs nothing.
#include "core/reference/thread_pool.hpp"

namespace lathe {

ThreadPool::ThreadPool(unsigned threads) {
  for (uint32_t worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { work(worker); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument) {
  std::unique_lock lock(mutex_);
  body_ = body;
  argument_ = argument;
  next_ = 0;
  tasks_ = tasks;
  wake_.notify_all();
  take_tasks(lock, 0);
  finished_.wait(lock, [this] { return running_ == 0; });
  tasks_ = next_ = 0;
}

void ThreadPool::work(uint32_t worker) {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    take_tasks(lock, worker);
    wake_.wait(lock, [this] { return stop_ || next_ < tasks_; });
  }
}

void ThreadPool::take_tasks(std::unique_lock<std::mutex>& lock, uint32_t worker) {
  while (next_ < tasks_) {
    const uint32_t task = next_++;
    ++running_;
    lock.unlock();
    body_(argument_, task, worker);
    lock.lock();
    if (--running_ == 0 && next_ == tasks_) finished_.notify_all();
  }
}

}  // namespace lathe
