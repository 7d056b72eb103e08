// Reads an artifact's table out of its ELF file without running it, for any processor. Files are hostile until checked: every address,
// count and string is bounds-checked against the file.
#pragma once
#include <lathe/artifact.h>

namespace lathe::runtime {

// One sentence about what went wrong.
struct Message {
  char text[512];
};
__attribute__((format(printf, 2, 3))) void say(Message* message, const char* format, ...);

inline constexpr int32_t most_dimensions = 64;  // of a tensor

struct Description {
  lathe_artifact table{};                    // pointers lead into the file's bytes and the arrays below; prepare and run are null
  uint16_t machine = 0;                      // ELF's e_machine
  const void* weights = nullptr;             // in the file's bytes
  lathe_artifact_tensor* tensors = nullptr;  // inputs, then outputs; malloc
  lathe_artifact_kernel* kernels = nullptr;  // malloc
  const char** symbols = nullptr;            // most_dimensions per tensor: names of dimensions

  Description() = default;
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
  ~Description();
};

// `name` is the file's name for messages. The bytes stay where they are as long as the description is used, and begin at a page boundary.
bool read_description(const uint8_t* bytes, uint64_t size, const char* name, Description* description, Message* message);

}  // namespace lathe::runtime
