// What a frontend does with a file, on bytes: read, then raise. Refusing with a sentence is fine; anything else is not.
#pragma once
#include <cstring>
#include <lathe/plugin.hpp>
#include <memory>

#include "../file.hpp"
#include "../metadata.hpp"
#include "../raise/raising.hpp"

namespace lathe::tflite::test {

// Whether the file was taken. A refusal without a sentence throws std::logic_error.
inline bool takes(std::string_view bytes) {
  // Aligned as a mapped file is, and of exactly its size, so that a read past the end is seen.
  const std::unique_ptr<char[], decltype(&std::free)> memory(static_cast<char*>(std::aligned_alloc(64, (bytes.size() + 64) / 64 * 64)), &std::free);
  char* begin = memory.get();
  std::memcpy(begin, bytes.data(), bytes.size());
  const std::string path = "hostile.tflite";
  try {
    const Model model = read_model({begin, bytes.size()}, path);
    read_properties({begin, bytes.size()});
    Raising(model, path).run();
    return true;
  } catch (const sdk::Failure& failure) {
    if (failure.diagnostics.empty() || failure.diagnostics[0].text.empty()) throw std::logic_error("a refusal without a sentence");
    return false;
  }
}

}  // namespace lathe::tflite::test
