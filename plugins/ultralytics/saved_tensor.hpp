// A tensor of a checkpoint: a view of a storage, whose elements lie in the file.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe::ultralytics {

struct SavedTensor {
  int32_t type = 0;                          // LATHE_FLOAT16, ...
  std::vector<int64_t> dimensions, strides;  // in elements
  int64_t offset = 0;                        // of the first element in its storage
  std::string_view storage;                  // all of the storage's bytes
  int64_t size() const;                      // elements
};

// Names of PyTorch: "HalfStorage", and "float16". Types that are refused later (complex, quantised) are among them.
bool is_storage_type(std::string_view name);
bool is_element_type(std::string_view name);

}  // namespace lathe::ultralytics
