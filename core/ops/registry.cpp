// The list of all operators, and lookup by name.
#include <string>
#include <unordered_map>

#include "core/ops/added_operators.hpp"
#include "core/ops/families.hpp"

namespace lathe {

std::span<const Operator* const> operators() {
  static const std::vector<const Operator*> all = [] {
    std::vector<const Operator*> list;
    for (const auto family : {
             convolution_operators,
             matmul_operators,
             pooling_operators,
             normalization_operators,
             activation_operators,
             softmax_operators,
             elementwise_unary_operators,
             elementwise_binary_operators,
             comparison_operators,
             reduction_operators,
             shape_operators,
             movement_operators,
             indexing_operators,
             resize_operators,
             quantization_operators,
             quantized_products_operators,
             quantized_arithmetic_operators,
             fused_convolution_operators,
             recurrent_operators,
             conversion_operators,
             signal_operators,
             vision_operators,
             selection_operators,
             random_operators,
             control_flow_operators,
             sequence_operators,
             string_operators,
             ml_features_operators,
             ml_linear_operators,
             ml_trees_operators,
             attention_operators,
             attention_microsoft_operators,
             bitwise_operators,
             einsum_operators,
             loss_operators,
             normalization_microsoft_operators,
         })
      for (const Operator& op : family()) list.push_back(&op);
    return list;
  }();
  return all;
}

const Operator* find_operator(std::string_view domain, std::string_view name) {
  static const std::unordered_map<std::string, const Operator*> by_name = [] {
    std::unordered_map<std::string, const Operator*> map;
    for (const Operator* op : operators()) map.emplace(std::string(op->domain) + ":" + std::string(op->name), op);
    return map;
  }();
  if (domain == "ai.onnx") domain = "";
  const auto found = by_name.find(std::string(domain) + ":" + std::string(name));
  if (found != by_name.end()) return found->second;
  const std::shared_ptr<const AddedOperator> brought = domain.empty() ? nullptr : find_added_operator(domain, name);
  return brought ? &brought->op : nullptr;  // which the list keeps
}

}  // namespace lathe
