// Every truncation and every flipped bit of a real file, given to a reader by the entry that libFuzzer uses too. No file is read but the first, and
// bytes are flipped in place.
//
//   every_bit FILE             all truncations, and all bits of the pages that the reader looks into
//   every_bit FILE COUNT SEED  that many of each, drawn at random
//
// Pages that the reader never touched in the whole file are left out by proof, not by chance: reading is deterministic, so it takes the same way
// whatever they hold. They are found by memory protection. Under AddressSanitizer what lies behind the end of a truncated file is poisoned.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define LATHE_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LATHE_POISONS 1
#endif
#endif
#ifdef LATHE_POISONS
#include <sanitizer/asan_interface.h>
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t page = 4096;
uint8_t* memory = nullptr;
size_t file_size = 0, pages = 0;
bool* touched = nullptr;  // by page; written by a signal handler

void poison([[maybe_unused]] size_t from, [[maybe_unused]] size_t to) {
#ifdef LATHE_POISONS
  __asan_poison_memory_region(memory + from, to - from);
#endif
}
void unpoison() {
#ifdef LATHE_POISONS
  __asan_unpoison_memory_region(memory, pages * page);
#endif
}

void on_touch(int, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr), begin = reinterpret_cast<uintptr_t>(memory);
  if (at < begin || at >= begin + pages * page) {
    std::signal(SIGSEGV, SIG_DFL);  // a real one: it happens again, and ends us
    return;
  }
  const size_t index = (at - begin) / page;
  touched[index] = true;
  ::mprotect(memory + index * page, page, PROT_READ | PROT_WRITE);
}

bool load(const char* path) {
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat status = {};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0 || status.st_size <= 0) return false;
  file_size = static_cast<size_t>(status.st_size), pages = (file_size + page - 1) / page;
  void* place = ::mmap(nullptr, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return false;
  memory = static_cast<uint8_t*>(place);
  for (size_t at = 0; at < file_size;) {
    const ssize_t n = ::read(descriptor, memory + at, file_size - at);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  ::close(descriptor);
  return ::mprotect(memory + pages * page, page, PROT_NONE) == 0;
}

void find_touched_pages() {
  touched = static_cast<bool*>(std::calloc(pages, sizeof(bool)));
  struct sigaction action = {}, before = {};
  action.sa_sigaction = on_touch, action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, &before);
  ::mprotect(memory, pages * page, PROT_NONE);
  LLVMFuzzerTestOneInput(memory, file_size);
  ::mprotect(memory, pages * page, PROT_READ | PROT_WRITE);
  ::sigaction(SIGSEGV, &before, nullptr);
}

uint64_t drawn(uint64_t& state) {  // SplitMix64
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void read_flipped(size_t at, unsigned bit) {
  memory[at] = static_cast<uint8_t>(memory[at] ^ 1u << bit);
  LLVMFuzzerTestOneInput(memory, file_size);
  memory[at] = static_cast<uint8_t>(memory[at] ^ 1u << bit);
}

template <class Work>
void timed(const char* what, Work&& work) {
  const auto begun = std::chrono::steady_clock::now();
  const uint64_t count = work();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("%s: %llu in %.1f s, %.0f a second\n", what, static_cast<unsigned long long>(count), seconds, static_cast<double>(count) / seconds);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) return std::fprintf(stderr, "every_bit FILE [COUNT SEED]\n"), 2;
  if (!load(argv[1])) return std::printf("SKIPPED: %s is absent\n", argv[1]), 77;
  find_touched_pages();
  std::vector<size_t> places;  // of the pages that count
  for (size_t i = 0; i < pages; ++i)
    if (touched[i]) places.push_back(i);
  std::printf("%s: %zu bytes, looked into in %zu of %zu pages\n", argv[1], file_size, places.size(), pages);
  poison(file_size, pages * page);
  if (argc == 4) {
    const uint64_t count = std::strtoull(argv[2], nullptr, 10);
    uint64_t state = std::strtoull(argv[3], nullptr, 10);
    timed("flips", [&] {
      for (uint64_t i = 0; i < count; ++i) {
        const size_t at = places[drawn(state) % places.size()] * page + drawn(state) % page;
        if (at < file_size) read_flipped(at, static_cast<unsigned>(drawn(state) % 8));
      }
      return count;
    });
    timed("truncations", [&] {
      for (uint64_t i = 0; i < count; ++i) {
        const size_t size = drawn(state) % file_size;
        poison(size, file_size);
        LLVMFuzzerTestOneInput(memory, size);
        unpoison();
      }
      return count;
    });
    return 0;
  }
  timed("flips", [&] {
    uint64_t count = 0;
    for (const size_t index : places)
      for (size_t at = index * page; at < std::min(file_size, (index + 1) * page); ++at)
        for (unsigned bit = 0; bit < 8; ++bit, ++count) read_flipped(at, bit);
    return count;
  });
  timed("truncations", [&] {
    for (size_t size = file_size; size-- > 0;) {
      poison(size, size + 1);
      LLVMFuzzerTestOneInput(memory, size);
    }
    return static_cast<uint64_t>(file_size);
  });
  return 0;
}
