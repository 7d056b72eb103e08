// TensorProto -> the boundary's tensors. Bytes stay where they are (in the message or in a mapped file) when they lie there as the
// boundary wants them: packed, aligned, one per element. Else they are unpacked into memory of our own.
//
// Nothing is allocated for a size that a file merely claims: sizes are compared with the bytes that are there first.
#pragma once
#include <cstddef>
#include <deque>
#include <lathe/plugin.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files.hpp"
#include "messages.hpp"
#include "problems.hpp"

namespace lathe::onnx_plugin {

// Bits of one element; 0 for strings and for numbers that are no data type.
int element_bits(int32_t type);

// ONNX's textual name: "float", "int64", ...; "type 77" for an unknown number.
std::string type_name(int32_t type);

// Elements of a shape and bytes of a packed tensor; nullopt when the dimensions are negative or a product overflows.
std::optional<uint64_t> element_count(const std::vector<int64_t>& dimensions);
std::optional<uint64_t> packed_size(int32_t type, uint64_t elements);

// Keeps what tensors point to. Lives as long as the tensors.
class TensorReader {
 public:
  explicit TensorReader(const std::string& model_path) : folder_(model_path) {}

  // Returns nothing after adding to `problems` what is wrong. `where` says what the tensor belongs to, for the sentences.
  std::optional<sdk::TensorData> read(const onnx::TensorProto& tensor, const sdk::Diagnostic& where, Problems& problems);
  // Spread out densely: the boundary knows no sparse tensors.
  std::optional<sdk::TensorData> read(const onnx::SparseTensorProto& tensor, const sdk::Diagnostic& where, Problems& problems);

 private:
  void fill(const onnx::TensorProto& tensor, uint64_t elements, sdk::TensorData& result);
  void fill_external(const onnx::TensorProto& tensor, sdk::TensorData& result);
  void fill_typed(const onnx::TensorProto& tensor, uint64_t elements, sdk::TensorData& result);
  void point_at(const void* data, uint64_t alignment, sdk::TensorData& result);
  std::byte* own(uint64_t size, sdk::TensorData& result);

  ModelFolder folder_;
  std::deque<std::unique_ptr<std::byte[]>> owned_;
  uint64_t spread_out_ = 0;  // bytes of dense tensors made from sparse ones
};

}  // namespace lathe::onnx_plugin
