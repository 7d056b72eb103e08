// What the inference functions of ai.onnx.ml's families share: lists of attributes and their lengths.
#pragma once
#include <string_view>
#include <vector>

#include "core/ops/inference.hpp"

namespace lathe::ml {

inline constexpr std::string_view domain = "ai.onnx.ml";

// What to do about an operator of the domain that is not taken because it works on maps; empty for all others.
std::string_view advice_on_maps(std::string_view domain, std::string_view op_type);

// Float, double, int32 and int64: what most operators of the domain take.
std::vector<DataType> inputs();

// Elements of a list attribute (integers, floats, strings) or of a tensor attribute; 0 when it is absent or empty.
int64_t length(const Node& node, std::string_view attribute);
// Fails unless the attribute has `expected` elements.
void expect_length(const InferenceContext& context, std::string_view attribute, int64_t expected);
// Fails unless the attribute has one element or one for each place of the input's last axis, where that is known.
void expect_per_column(const InferenceContext& context, std::string_view attribute);
// The one of these attributes that is given, with its length in `count`; fails when none or several are. Empty lists count as absent.
std::string_view only_one(const InferenceContext& context, const std::vector<std::string_view>& attributes, int64_t& count);
// Fails unless the attribute's value is one of these.
void expect_text(const InferenceContext& context, std::string_view attribute, std::string_view fallback, const std::vector<std::string_view>& values);
void expect_transform(const InferenceContext& context);  // post_transform as text
// The number of classes of a classifier: the length of the only list of labels. `type`: that of the labels.
int64_t classes(const InferenceContext& context, std::string_view integers, DataType& type);

// Sets [N] of labels and [N, scores] for an input [N, F] or [F] whose F, where known, must be `features` (0: any).
void set_classification(InferenceContext& context, DataType labels, int64_t scores, int64_t features);
// Sets [N, targets].
void set_regression(InferenceContext& context, DataType type, int64_t targets, int64_t features);

}  // namespace lathe::ml
