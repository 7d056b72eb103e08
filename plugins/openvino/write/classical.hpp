// What the operators of classical machine learning (ai.onnx.ml) share: their rows, the largest of a row, and what becomes of scores.
#pragma once
#include <string_view>
#include <vector>

#include "step.hpp"

namespace lathe::openvino::classical {

// Numbers of an attribute, which is a list of reals or, by another name, a tensor of float32 or float64.
std::vector<double> numbers(const Step& step, std::string_view list, std::string_view tensor = {});
// The data as rows [N, F], in `type`; what has one axis is one row.
Wire table(Step& step, int32_t type);
// The place of the first largest element of each row [N, C]: [N], int64.
Wire place_of_largest(Step& step, const Wire& rows);
// The class labels that are integers; none where they are strings.
std::vector<int64_t> labels(const Step& step, std::string_view integers);
// The labels at places [N].
Wire labels_at(Step& step, const std::vector<int64_t>& labels, const Wire& places);

// How a single score becomes those of two classes: not, [1 - s, s], or [-s, s].
enum class Second { no, rest, opposite };
// The scores [N, C] after post_transform, NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT. Of a single score only the probit is taken, unless it
// becomes two, as ONNX Runtime does it where the standard is silent.
Wire transformed(Step& step, const Wire& scores, std::string_view transform, Second second = Second::no);

}  // namespace lathe::openvino::classical
