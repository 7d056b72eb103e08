// See input_normalisation.hpp.
#include "core/calibration/input_normalisation.hpp"

#include <algorithm>

#include "core/passes/rewrite.hpp"

namespace lathe {
namespace {

// One number for each channel of a tensor [N, C, H, W] whose channels lie on `axis`, by the rules of broadcasting; nothing when it varies otherwise.
std::optional<std::array<double, 4>> per_channel(const Tensor& tensor, size_t axis, int64_t channels) {
  const auto values = to_doubles(tensor);
  if (!values || values->empty() || tensor.dimensions.size() > 4) return std::nullopt;
  std::array<double, 4> numbers;
  numbers.fill(values->front());
  if (values->size() == 1) return numbers;
  const size_t missing = 4 - tensor.dimensions.size();
  for (size_t d = 0; d < tensor.dimensions.size(); ++d)
    if (tensor.dimensions[d] != (d + missing == axis ? channels : 1)) return std::nullopt;
  std::copy_n(values->begin(), std::min<size_t>(values->size(), 4), numbers.begin());
  return numbers;
}

}  // namespace

std::optional<InputNormalisation> normalisation_inside(const Graph& graph, std::string_view input, const PictureLayout& layout) {
  const Uses uses(graph);
  ValueId at = none;
  for (const ValueId v : graph.inputs)
    if (graph.value(v).name == input) at = v;
  size_t axis = layout.channels_last ? 3 : 1;
  std::array<double, 4> scale{1, 1, 1, 1}, offset{0, 0, 0, 0};
  InputNormalisation found;
  while (at != none && uses.users[at].size() == 1 && !uses.output[at]) {
    const Node& node = graph.nodes[uses.users[at][0]];
    if (!node.domain.empty() || node.outputs.empty() || node.outputs[0] == none) break;
    const std::string& op = node.op_type;
    if (op == "Transpose") {
      const std::vector<int64_t> order = node.integers("perm", {3, 2, 1, 0});
      const auto place = std::find(order.begin(), order.end(), static_cast<int64_t>(axis));
      if (order.size() != 4 || place == order.end()) break;
      axis = static_cast<size_t>(place - order.begin());
    } else if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") {
      const bool first = node.input(0) == at;
      const Tensor* constant = graph.constant(node.input(first ? 1 : 0));
      const auto numbers = constant ? per_channel(*constant, axis, layout.channels) : std::nullopt;
      if (!numbers || (!first && (op == "Sub" || op == "Div"))) break;
      for (size_t c = 0; c < 4; ++c) {
        const double n = (*numbers)[c];
        if (op == "Add") offset[c] += n;
        if (op == "Sub") offset[c] -= n;
        if (op == "Mul") scale[c] *= n, offset[c] *= n;
        if (op == "Div") scale[c] /= n, offset[c] /= n;
      }
      found.nodes += (found.nodes.empty() ? "'" : ", '") + node.name + "' (" + op + ")";
    } else if (op != "Cast" && op != "Identity") {
      break;
    }
    at = node.outputs[0];
  }
  if (found.nodes.empty()) return std::nullopt;
  for (size_t c = 0; c < 4; ++c) found.scale[c] = static_cast<float>(scale[c]), found.offset[c] = static_cast<float>(offset[c]);
  return found;
}

}  // namespace lathe
