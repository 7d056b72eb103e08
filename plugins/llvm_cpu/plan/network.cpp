// Small questions about a Network: sizes, uses, images, and how an epilogue may address a tensor.
#include "plan/network.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>

namespace lathe::llvm_cpu {

int32_t element_bytes(int32_t type) {
  switch (type) {
    case LATHE_UINT8:
    case LATHE_INT8:
    case LATHE_BOOL:
    case LATHE_FLOAT8E4M3FN:
    case LATHE_FLOAT8E4M3FNUZ:
    case LATHE_FLOAT8E5M2:
    case LATHE_FLOAT8E5M2FNUZ:
    case LATHE_FLOAT8E8M0:
    case LATHE_UINT4:
    case LATHE_INT4:
    case LATHE_FLOAT4E2M1:
    case LATHE_UINT2:
    case LATHE_INT2:
      return 1;
    case LATHE_UINT16:
    case LATHE_INT16:
    case LATHE_FLOAT16:
    case LATHE_BFLOAT16:
      return 2;
    case LATHE_FLOAT32:
    case LATHE_INT32:
    case LATHE_UINT32:
      return 4;
    case LATHE_INT64:
    case LATHE_UINT64:
    case LATHE_FLOAT64:
    case LATHE_COMPLEX64:
      return 8;
    case LATHE_COMPLEX128:
      return 16;
    default:
      return 0;
  }
}

int64_t count(const std::vector<int64_t>& dimensions) {
  int64_t n = 1;
  for (const int64_t d : dimensions) n *= d;
  return n;
}

int64_t Tensor::size() const { return count(dimensions); }

uint64_t Tensor::bytes() const { return static_cast<uint64_t>(size()) * static_cast<uint64_t>(element_bytes(type)); }

bool Tensor::dynamic() const {
  return kind != LATHE_KIND_TENSOR || !ranked || type == LATHE_STRING || type == 0 ||
         std::any_of(dimensions.begin(), dimensions.end(), [](int64_t d) { return d < 0; });
}

uint64_t Weights::add(const void* data, size_t size) {
  const std::string_view content(static_cast<const char*>(data), size);
  auto& same = known_[std::hash<std::string_view>{}(content)];
  for (const auto& [offset, length] : same)
    if (length == size && (size == 0 || std::memcmp(bytes_.data() + offset, data, size) == 0)) return offset;
  const uint64_t offset = (bytes_.size() + 63) / 64 * 64;
  bytes_.resize(offset + size);
  if (size) std::memcpy(bytes_.data() + offset, data, size);
  same.emplace_back(offset, size);
  return offset;
}

int64_t Network::symbol(const std::string& name) {
  const auto next = [&] { return -2 - static_cast<int64_t>(symbols.size()) - unnamed; };
  if (name.empty()) {
    const int64_t number = next();
    ++unnamed;
    return number;
  }
  const auto found = symbols.find(name);
  return found != symbols.end() ? found->second : symbols.emplace(name, next()).first->second;
}

TensorId Network::add(std::string name, int32_t type, std::vector<int64_t> dimensions) {
  tensors.push_back({std::move(name), type, std::move(dimensions)});
  return static_cast<TensorId>(tensors.size() - 1);
}

TensorId Network::add_constant(std::string name, std::vector<int64_t> dimensions, std::vector<float> values) {
  owned.push_back(std::move(values));
  const TensorId id = add(std::move(name), LATHE_FLOAT32, std::move(dimensions));
  tensors[id].data = owned.back().data();
  tensors[id].constant = true;
  return id;
}

TensorUses::TensorUses(const Network& network)
    : users(network.tensors.size()), producer(network.tensors.size(), UINT32_MAX), output(network.tensors.size(), false) {
  for (uint32_t i = 0; i < network.operations.size(); ++i) {
    for (const TensorId t : network.operations[i].inputs)
      if (t != no_tensor && (users[t].empty() || users[t].back() != i)) users[t].push_back(i);
    for (const TensorId t : network.operations[i].outputs)
      if (t != no_tensor) producer[t] = i;
  }
  for (const TensorId t : network.outputs) output[t] = true;
}

void remove_dead(Network& network) {
  std::vector<bool> live(network.tensors.size(), false);
  for (const TensorId t : network.outputs) live[t] = true;
  std::vector<Operation> kept;
  for (size_t i = network.operations.size(); i-- > 0;) {
    Operation& operation = network.operations[i];
    if (std::none_of(operation.outputs.begin(), operation.outputs.end(), [&](TensorId t) { return t != no_tensor && live[t]; })) continue;
    for (const TensorId t : operation.inputs)
      if (t != no_tensor) live[t] = true;
    kept.push_back(std::move(operation));
  }
  std::reverse(kept.begin(), kept.end());
  network.operations = std::move(kept);
}

bool is_image(const std::vector<int64_t>& dimensions) { return dimensions.size() == 3 || dimensions.size() == 4; }

ImageShape image_shape(const std::vector<int64_t>& d) {
  if (d.size() == 4) return {d[0], d[1], d[2], d[3]};
  if (d.size() == 3) return {d[0], d[1], 1, d[2]};
  return {d.at(0), d.at(1), 1, 1};
}

std::vector<int64_t> row_major(const std::vector<int64_t>& dimensions) {
  std::vector<int64_t> strides(dimensions.size(), 1);
  for (size_t i = dimensions.size(); i-- > 1;) strides[i - 1] = strides[i] * dimensions[i];
  return strides;
}

bool epilogue_access(const Operation& anchor, const Tensor& output, const Tensor& operand, Access& access) {
  if (!operand.is_float() || operand.dimensions.size() > output.dimensions.size()) return false;
  std::vector<int64_t> aligned(output.dimensions.size() - operand.dimensions.size(), 1);
  aligned.insert(aligned.end(), operand.dimensions.begin(), operand.dimensions.end());
  if (operand.size() == 1) return access = Access::scalar, true;
  const size_t channel = anchor.kind == Operation::Kind::product ? aligned.size() - 1 : 1;
  bool others_are_one = true;
  for (size_t i = 0; i < aligned.size(); ++i) others_are_one = others_are_one && (i == channel || aligned[i] == 1);
  // Where a tensor is both (one pixel, one row), the images' own layout is the simpler one to have.
  if (aligned == output.dimensions && !(others_are_one && operand.constant)) return access = Access::same, true;
  if (others_are_one && aligned[channel] == output.dimensions[channel]) return access = Access::per_channel, true;
  return false;
}

}  // namespace lathe::llvm_cpu
