// The pool behind parallel_for. A job is published by one 64-bit word (serial number, tasks left to claim); whoever decrements it owns a
// task, and only an owner of an unfinished task reads the job, which therefore cannot change under it. A worker that sleeps through a
// job delays nobody: there is no roll call.
#include "threads.hpp"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lathe::runtime {
namespace {

// How often a thread looks for work before it sleeps: about 50 microseconds, longer than the gaps between kernels.
constexpr int spin_rounds = 4000;

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void futex_wait(uint32_t* word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0); }
void futex_wake(uint32_t* word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0); }

struct Worker {
  ThreadPool* pool;
  uint32_t index;
  pthread_t thread;
};

}  // namespace

struct ThreadPool {
  // Each on a cache line of its own: workers hammer them.
  alignas(64) uint64_t claim;       // serial number of the job << 32 | tasks not yet claimed
  alignas(64) uint32_t unfinished;  // tasks of the job that are not done
  alignas(64) uint32_t signal;      // changes when sleepers have to look again
  uint32_t sleepers;
  uint32_t stopping;
  alignas(64) uint32_t tasks;
  void (*body)(void*, uint32_t, uint32_t);
  void* argument;
  uint32_t serial;
  uint32_t count;
  int rounds;       // of spinning: none when there are more threads than processors
  Worker* workers;  // count - 1
};

namespace {

// Does tasks until none is left to claim.
void work(ThreadPool* pool, uint32_t index) {
  uint64_t claim = __atomic_load_n(&pool->claim, __ATOMIC_ACQUIRE);
  while (static_cast<uint32_t>(claim) != 0) {
    if (!__atomic_compare_exchange_n(&pool->claim, &claim, claim - 1, true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) continue;
    pool->body(pool->argument, pool->tasks - static_cast<uint32_t>(claim), index);
    __atomic_fetch_sub(&pool->unfinished, 1, __ATOMIC_RELEASE);
    claim = __atomic_load_n(&pool->claim, __ATOMIC_ACQUIRE);
  }
}

bool idle(const ThreadPool* pool) {
  return static_cast<uint32_t>(__atomic_load_n(&pool->claim, __ATOMIC_SEQ_CST)) == 0 && __atomic_load_n(&pool->stopping, __ATOMIC_SEQ_CST) == 0;
}

void* worker_main(void* argument) {
  const Worker* self = static_cast<const Worker*>(argument);
  ThreadPool* pool = self->pool;
  for (;;) {
    for (int round = 0; round < pool->rounds && idle(pool); ++round) pause_briefly();
    while (idle(pool)) {
      const uint32_t seen = __atomic_load_n(&pool->signal, __ATOMIC_SEQ_CST);
      __atomic_fetch_add(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
      if (idle(pool)) futex_wait(&pool->signal, seen);
      __atomic_fetch_sub(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
    }
    if (__atomic_load_n(&pool->stopping, __ATOMIC_SEQ_CST)) return nullptr;
    work(pool, self->index);
  }
}

void wake(ThreadPool* pool) {
  if (__atomic_load_n(&pool->sleepers, __ATOMIC_SEQ_CST) == 0) return;
  __atomic_fetch_add(&pool->signal, 1, __ATOMIC_SEQ_CST);
  futex_wake(&pool->signal);
}

}  // namespace

uint32_t available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

ThreadPool* make_pool(uint32_t count) {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignof(ThreadPool), sizeof(ThreadPool)) != 0) return nullptr;
  ThreadPool* pool = static_cast<ThreadPool*>(memory);
  *pool = ThreadPool{};
  pool->count = 1;
  pool->rounds = count <= available_processors() ? spin_rounds : 0;
  if (count <= 1) return pool;
  pool->workers = static_cast<Worker*>(calloc(count - 1, sizeof(Worker)));
  while (pool->workers && pool->count < count) {
    Worker* worker = &pool->workers[pool->count - 1];
    worker->pool = pool;
    worker->index = pool->count;
    if (pthread_create(&worker->thread, nullptr, worker_main, worker) != 0) break;
    ++pool->count;
  }
  if (pool->count == count) return pool;
  destroy_pool(pool);
  return nullptr;
}

void destroy_pool(ThreadPool* pool) {
  if (!pool) return;
  __atomic_store_n(&pool->stopping, 1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&pool->signal, 1, __ATOMIC_SEQ_CST);
  futex_wake(&pool->signal);
  for (uint32_t i = 0; i + 1 < pool->count; ++i) pthread_join(pool->workers[i].thread, nullptr);
  free(pool->workers);
  free(pool);
}

uint32_t pool_count(const ThreadPool* pool) { return pool->count; }

void parallel_for(void* context, uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument) {
  ThreadPool* pool = static_cast<ThreadPool*>(context);
  if (pool->count == 1 || tasks <= 1) {
    for (uint32_t task = 0; task < tasks; ++task) body(argument, task, 0);
    return;
  }
  pool->tasks = tasks;
  pool->body = body;
  pool->argument = argument;
  __atomic_store_n(&pool->unfinished, tasks, __ATOMIC_RELAXED);
  __atomic_store_n(&pool->claim, static_cast<uint64_t>(++pool->serial) << 32 | tasks, __ATOMIC_SEQ_CST);
  wake(pool);
  work(pool, 0);
  for (int round = 0; __atomic_load_n(&pool->unfinished, __ATOMIC_ACQUIRE) != 0; ++round) {
    if (round < pool->rounds)
      pause_briefly();
    else
      sched_yield();
  }
}

}  // namespace lathe::runtime
