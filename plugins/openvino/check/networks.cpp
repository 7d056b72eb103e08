// Shapes of normalisation along axes, recurrent networks, detection, sampling, signals and chance.
#include <algorithm>
#include <map>

#include "shapes.hpp"

namespace lathe::openvino::check {
namespace {

// The constant axes beside the data are axes of it; the result is like the data.
std::string along_axes(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  if (const auto axes = layer.constant(1)) {
    for (const int64_t a : *axes)
      if (!axis_in(a, x.size())) return "an axis is none of the data's";
    if (layer.type == "CumSum" && axes->size() != 1) return "its axis is not one number";
  }
  return expect(layer, 0, x);
}

// One number for each channel.
std::string per_channel(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  if (x.size() < 2) return "its data has no channels";
  for (size_t i = 1; i < layer.inputs.size(); ++i)
    if (const Dims& d = layer.inputs[i].dimensions; d.size() != 1 || differ(d[0], x[1])) return "it has not one number for each channel";
  if (layer.operation->attribute("num_groups") && x[1] >= 0 && x[1] % integer(layer, "num_groups") != 0)
    return "its groups do not divide the channels";
  return expect(layer, 0, x);
}

std::string clamp(const Layer& layer) {
  if (std::stod(layer.value("min")) > std::stod(layer.value("max"))) return "its min is larger than its max";
  return expect(layer, 0, layer.inputs[0].dimensions);
}

std::string scalars(const Layer& layer) {
  for (size_t i = 1; i < layer.inputs.size(); ++i)
    for (const int64_t d : layer.inputs[i].dimensions)
      if (d > 1 || d == 0) return "its input " + std::to_string(i) + " is not one number";
  return expect(layer, 0, layer.inputs[0].dimensions);
}

std::string einsum(const Layer& layer) {
  std::string equation = layer.value("equation");
  std::erase(equation, ' ');
  const size_t arrow = equation.find("->");
  const std::string left = equation.substr(0, arrow);
  std::vector<std::string> terms(1);
  for (const char c : left) {
    if (c == ',') {
      terms.emplace_back();
    } else if (std::isalpha(static_cast<unsigned char>(c)) || c == '.') {
      terms.back() += c;
    } else {
      return "its equation holds '" + std::string(1, c) + "'";
    }
  }
  if (terms.size() != layer.inputs.size()) return "its equation is for " + std::to_string(terms.size()) + " inputs";
  if (equation.find('.') != std::string::npos) return "";
  std::map<char, int64_t> sizes;
  std::map<char, size_t> uses;
  for (size_t i = 0; i < terms.size(); ++i) {
    const Dims& x = layer.inputs[i].dimensions;
    if (terms[i].size() != x.size())
      return "its equation names " + std::to_string(terms[i].size()) + " axes of an input of " + std::to_string(x.size());
    for (size_t a = 0; a < x.size(); ++a) {
      ++uses[terms[i][a]];
      int64_t& known = sizes.emplace(terms[i][a], -1).first->second;
      if (differ(known, x[a]) && known != 1 && x[a] != 1) return "its equation gives one letter to axes of different sizes";
      if (known < 0 || known == 1) known = x[a];
    }
  }
  std::string right;
  if (arrow != std::string::npos) {
    right = equation.substr(arrow + 2);
  } else {
    for (const auto& [letter, n] : uses)
      if (n == 1) right += letter;
  }
  Dims out;
  for (const char c : right) {
    if (!sizes.contains(c)) return "its equation has a letter in the result that no input has";
    out.push_back(sizes[c]);
  }
  return expect(layer, 0, out);
}

std::string deformable(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &offsets = layer.inputs[1].dimensions, &w = layer.inputs[2].dimensions;
  if (x.size() != 4 || w.size() != 4 || offsets.size() != 4) return "its data, offsets and filters have not four axes each";
  if (const std::string wrong = window(layer, 2); !wrong.empty()) return wrong;
  const int64_t groups = integer(layer, "group"), spots = integer(layer, "deformable_group");
  if (x[1] >= 0 && w[1] >= 0 && x[1] != w[1] * groups) return "its filters do not take the data's channels";
  if (w[0] >= 0 && w[0] % groups != 0) return "its groups do not divide the filters";
  Dims out = {x[0], w[0]};
  for (size_t i = 0; i < 2; ++i) out.push_back(slid(layer, i, x[i + 2], w[i + 2], layer.list("dilations")[i]));
  if (w[2] >= 0 && w[3] >= 0) {
    const int64_t places = w[2] * w[3] * spots;
    if (!fits(offsets, {x[0], 2 * places, out[2], out[3]})) return "its offsets are " + text(offsets) + " and must be two for each place";
    if (layer.inputs.size() > 3 && !fits(layer.inputs[3].dimensions, {x[0], places, out[2], out[3]})) return "its mask is not one for each place";
  }
  return expect(layer, 0, out);
}

std::string grid_sample(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &grid = layer.inputs[1].dimensions;
  if (x.size() != 4 || grid.size() != 4 || differ(grid[3], 2) || differ(grid[0], x[0])) return "its data and its grid do not go together";
  return expect(layer, 0, {x[0], x[1], grid[1], grid[2]});
}

std::string regions(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &rois = layer.inputs[1].dimensions;
  const bool align = layer.type == "ROIAlign";
  if (x.size() != 4 || rois.size() != 2 || differ(rois[1], align ? 4 : 5)) return "its data and its regions do not go together";
  if (align && (layer.inputs[2].dimensions.size() != 1 || differ(layer.inputs[2].dimensions[0], rois[0])))
    return "it has not one picture for each region";
  return expect(layer, 0, {rois[0], x[1], integer(layer, "pooled_h"), integer(layer, "pooled_w")});
}

std::string suppression(const Layer& layer) {
  const Dims &boxes = layer.inputs[0].dimensions, &scores = layer.inputs[1].dimensions;
  if (boxes.size() != 3 || scores.size() != 3 || differ(boxes[2], 4) || differ(boxes[0], scores[0]) || differ(boxes[1], scores[2]))
    return "its boxes " + text(boxes) + " and scores " + text(scores) + " do not go together";
  for (size_t i = 2; i < layer.inputs.size(); ++i)
    for (const int64_t d : layer.inputs[i].dimensions)
      if (d > 1 || d == 0) return "its input " + std::to_string(i) + " is not one number";
  for (size_t i = 0; i < 2; ++i)
    if (const std::string wrong = expect(layer, i, {-1, 3}); !wrong.empty()) return wrong;
  return expect(layer, 2, {1});
}

std::string recurrent(const Layer& layer) {
  const bool lstm = layer.type == "LSTMSequence", gru = layer.type == "GRUSequence";
  const int64_t gates = lstm ? 4 : gru ? 3 : 1, hidden = integer(layer, "hidden_size"), both = layer.value("direction") == "bidirectional" ? 2 : 1;
  const Dims& x = layer.inputs[0].dimensions;
  if (x.size() != 3) return "its data has not three axes";
  int64_t wide = 0;
  if (__builtin_mul_overflow(gates + (gru && layer.value("linear_before_reset") == "true"), hidden, &wide))
    return "its hidden size is larger than any size";
  const int64_t rows = gates * hidden;
  std::vector<Dims> wanted = {x, {x[0], both, hidden}};
  if (lstm) wanted.push_back(wanted[1]);
  for (const Dims& d : {Dims{x[0]}, Dims{both, rows, x[2]}, Dims{both, rows, hidden}, Dims{both, wide}}) wanted.push_back(d);
  for (size_t i = 0; i < layer.inputs.size(); ++i)
    if (!fits(layer.inputs[i].dimensions, wanted[i]))
      return "its input " + std::to_string(i) + " is " + text(layer.inputs[i].dimensions) + " and must be " + text(wanted[i]);
  if (const std::string* list = layer.attribute("activations")) {
    std::string names = *list;
    std::erase(names, ' ');
    size_t count = 0;
    for (size_t at = 0; at <= names.size(); ++count) {
      const size_t end = std::min(names.find(',', at), names.size());
      const std::string name = names.substr(at, end - at);
      if (name != "sigmoid" && name != "tanh" && name != "relu") return "there is no activation '" + name + "'";
      at = end + 1;
    }
    if (const size_t belong = lstm ? 3 : gru ? 2 : 1; count != belong)
      return "it has " + std::to_string(count) + " activations where " + std::to_string(belong) + " belong";
  }
  if (const std::string wrong = expect(layer, 0, {x[0], both, x[1], hidden}); !wrong.empty()) return wrong;
  for (size_t o = 1; o < layer.outputs.size(); ++o)
    if (const std::string wrong = expect(layer, o, wanted[1]); !wrong.empty()) return wrong;
  return "";
}

// Complex numbers have a last axis of 2; RDFT makes them and IRDFT takes them away.
std::string transform(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const bool made = layer.type == "RDFT", taken = layer.type == "IRDFT";
  if (x.empty() || (!made && differ(x.back(), 2))) return "its data are no complex numbers, whose last axis is 2";
  const size_t rank = made ? x.size() : x.size() - 1;
  const auto axes = layer.constant(1);
  const auto sizes = layer.inputs.size() > 2 ? layer.constant(2) : std::optional(Dims());
  if (!axes) return "";
  Dims out(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(rank));
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis = axis_in((*axes)[i], rank);
    if (!axis) return "an axis is none of the data's";
    int64_t& d = out[static_cast<size_t>(*axis)];
    const bool last = i + 1 == axes->size();
    const int64_t wanted = !sizes ? -2 : i < sizes->size() ? (*sizes)[i] : -1;
    if (wanted == -2) d = -1;
    if (wanted >= 0) d = wanted;
    if (taken && last && wanted == -1) d = d < 0 ? -1 : 2 * (d - 1);
    if (made && last && d >= 0) d = d / 2 + 1;
  }
  if (!taken) out.push_back(2);
  return expect(layer, 0, out);
}

std::string short_time(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  if (x.size() != 1 && x.size() != 2) return "its signal has neither one nor two axes";
  const auto size = layer.constant(2), step = layer.constant(3);
  const int64_t bins = size && size->size() == 1 ? size->front() / 2 + 1 : -1;
  int64_t frames = -1;
  if (size && step && size->size() == 1 && step->size() == 1 && x.back() >= 0) {
    if (step->front() < 1 || size->front() < 1 || size->front() > x.back()) return "its frames do not lie within the signal";
    frames = (x.back() - size->front()) / step->front() + 1;
  }
  Dims out = x.size() == 2 ? Dims{x[0]} : Dims{};
  const bool turned = layer.value("transpose_frames") == "true";
  out.push_back(turned ? bins : frames), out.push_back(turned ? frames : bins), out.push_back(2);
  return expect(layer, 0, out);
}

std::string random_uniform(const Layer& layer) {
  for (size_t i = 1; i < 3; ++i)
    for (const int64_t d : layer.inputs[i].dimensions)
      if (d > 1 || d == 0) return "its bounds are not one number each";
  const auto shape = layer.constant(0);
  if (layer.inputs[0].dimensions.size() != 1) return "its shape has not one axis";
  return shape ? expect(layer, 0, *shape)
         : differ(layer.inputs[0].dimensions[0], static_cast<int64_t>(layer.outputs[0].dimensions.size()))
             ? "its output has another rank than the wanted shape"
             : "";
}

std::string multinomial(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  if (x.size() != 2) return "its probabilities have not two axes";
  const auto count = layer.constant(1);
  return expect(layer, 0, {x[0], count && count->size() == 1 ? count->front() : -1});
}

constexpr ShapeCheck checks[] = {
    {"BatchNormInference", per_channel},
    {"Clamp", clamp},
    {"CumSum", along_axes},
    {"DFT", transform},
    {"DeformableConvolution", deformable},
    {"Einsum", einsum},
    {"GRUSequence", recurrent},
    {"GridSample", grid_sample},
    {"GroupNormalization", per_channel},
    {"HardSigmoid", scalars},
    {"IDFT", transform},
    {"IRDFT", transform},
    {"LRN", along_axes},
    {"LSTMSequence", recurrent},
    {"MVN", along_axes},
    {"Multinomial", multinomial},
    {"NonMaxSuppression", suppression},
    {"NormalizeL2", along_axes},
    {"RDFT", transform},
    {"RNNSequence", recurrent},
    {"ROIAlign", regions},
    {"ROIPooling", regions},
    {"RandomUniform", random_uniform},
    {"STFT", short_time},
    {"Selu", scalars},
    {"Swish", scalars},
};

}  // namespace

std::span<const ShapeCheck> network_checks() { return checks; }

}  // namespace lathe::openvino::check
