// A small pool of threads for kernels: tasks are claimed one by one, nothing is started for one thread.
//
// This library is written in C++ with the C library's headers alone: it is also linked into executables for other processors, where no
// C++ library need be at hand. So atomics are the compiler's builtins and memory comes from malloc.
#pragma once
#include <lathe/artifact.h>

namespace lathe::runtime {

struct ThreadPool;

// How many processors this process may use; at least 1.
uint32_t available_processors();

// A pool of `count` threads, the calling one among them; NULL when threads or memory ran out.
ThreadPool* make_pool(uint32_t count);
void destroy_pool(ThreadPool* pool);  // NULL is fine
uint32_t pool_count(const ThreadPool* pool);

// The lent form: context is the pool. Only the thread that made a run calls it.
void parallel_for(void* pool, uint32_t tasks, void (*body)(void* argument, uint32_t task, uint32_t worker), void* argument);

}  // namespace lathe::runtime
