// What a kernels_x86_64_v*.cpp hands to levels.cpp. Each copy has its own `Call` type of the same layout, hence the untyped functions.
#pragma once
#include <cstddef>

namespace lathe {

struct LevelEntry {
  const char* name;   // operator of ONNX's own domain
  void (*run)();      // really void (const Call&)
  void (*scratch)();  // really uint64_t (const Call&, uint32_t), or nullptr
};
struct LevelTable {
  const LevelEntry* entries;
  size_t count;
};

LevelTable kernels_x86_64_v3();
LevelTable kernels_x86_64_v4();

}  // namespace lathe
