// Shapes of the operations that move, choose and repeat elements.
#include <algorithm>

#include "shapes.hpp"

namespace lathe::openvino::check {
namespace {

std::string gather(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &indices = layer.inputs[1].dimensions;
  const auto axes = layer.constant(2);
  int64_t batch = integer(layer, "batch_dims");
  if (batch < 0) batch += static_cast<int64_t>(indices.size());
  if (batch < 0 || batch > static_cast<int64_t>(std::min(x.size(), indices.size()))) return "its batch_dims are more than its data has axes";
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i)
    if (differ(x[i], indices[i])) return "its data and its indices differ in their batches";
  if (!axes) return "";
  if (axes->size() != 1) return "its axis is not one number";
  const auto axis = axis_in(axes->front(), x.size());
  if (!axis) return "its axis is none of the data's";
  if (*axis < batch) return "its axis is one of its batches";
  Dims out(x.begin(), x.begin() + *axis);
  out.insert(out.end(), indices.begin() + batch, indices.end());
  out.insert(out.end(), x.begin() + *axis + 1, x.end());
  return expect(layer, 0, out);
}

std::string gather_elements(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &indices = layer.inputs[1].dimensions;
  if (x.size() != indices.size()) return "its data and its indices have different ranks";
  if (!axis_in(integer(layer, "axis"), x.size())) return "its axis is none of the data's";
  return expect(layer, 0, indices);
}

std::string gather_nd(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &indices = layer.inputs[1].dimensions;
  const int64_t batch = integer(layer, "batch_dims");
  if (indices.empty() || batch < 0 || batch >= static_cast<int64_t>(indices.size()) || batch > static_cast<int64_t>(x.size()))
    return "its batch_dims are more than its data has axes";
  for (size_t i = 0; i < static_cast<size_t>(batch); ++i)
    if (differ(x[i], indices[i])) return "its data and its indices differ in their batches";
  if (indices.back() < 0) return "";
  if (indices.back() > static_cast<int64_t>(x.size()) - batch) return "its indices name more axes than its data has";
  if (layer.operation->opset < 8 && batch > 1) return "";  // that form makes one axis of all batches
  Dims out(indices.begin(), indices.end() - 1);
  out.insert(out.end(), x.begin() + batch + indices.back(), x.end());
  return expect(layer, 0, out);
}

std::string scatter_elements(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &indices = layer.inputs[1].dimensions, &updates = layer.inputs[2].dimensions;
  if (x.size() != indices.size() || !fits(indices, updates)) return "its indices and updates do not go with the data";
  if (const auto axis = layer.constant(3); axis && (axis->size() != 1 || !axis_in(axis->front(), x.size()))) return "its axis is none of the data's";
  return expect(layer, 0, x);
}

std::string scatter_nd(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &indices = layer.inputs[1].dimensions;
  if (indices.empty()) return "its indices have no axis";
  if (indices.back() > static_cast<int64_t>(x.size())) return "its indices name more axes than its data has";
  if (indices.back() >= 0) {
    Dims wanted(indices.begin(), indices.end() - 1);
    wanted.insert(wanted.end(), x.begin() + indices.back(), x.end());
    if (!fits(wanted, layer.inputs[2].dimensions)) return "its updates " + text(layer.inputs[2].dimensions) + " must be " + text(wanted);
  }
  return expect(layer, 0, x);
}

// What remains of `size` between two places, `step` at a time.
int64_t between(int64_t size, int64_t start, int64_t stop, int64_t step) {
  if (size < 0) return -1;
  const auto place = [&](int64_t at) {
    return std::clamp(at < 0 ? std::max(at, -size - 1) + size : at, step > 0 ? int64_t{0} : int64_t{-1}, step > 0 ? size : size - 1);
  };
  const int64_t from = place(start), to = place(stop), way = step > 0 ? to - from : from - to;
  const uint64_t pace = step > 0 ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  return way <= 0 ? 0 : static_cast<int64_t>((static_cast<uint64_t>(way) - 1) / pace + 1);
}

std::string slice(const Layer& layer) {
  Dims out = layer.inputs[0].dimensions;
  const auto start = layer.constant(1), stop = layer.constant(2), step = layer.constant(3);
  const size_t count = layer.inputs[1].dimensions.size() == 1 ? static_cast<size_t>(std::max<int64_t>(layer.inputs[1].dimensions[0], 0)) : 0;
  std::optional<Dims> axes;
  if (layer.inputs.size() > 4) {
    axes = layer.constant(4);
  } else {
    axes.emplace();
    for (size_t i = 0; i < count; ++i) axes->push_back(static_cast<int64_t>(i));
  }
  if (!axes) return layer.outputs[0].dimensions.size() == out.size() ? "" : "its output has another rank than its data";
  std::vector<bool> named(out.size(), false);
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis = axis_in((*axes)[i], out.size());
    if (!axis || named[static_cast<size_t>(*axis)]) return "its axes are none of the data's, or one stands there twice";
    named[static_cast<size_t>(*axis)] = true;
    int64_t& d = out[static_cast<size_t>(*axis)];
    if (start && stop && step) {
      if (start->size() != axes->size() || stop->size() != axes->size() || step->size() != axes->size())
        return "its starts, stops, steps and axes are not equally many";
      if ((*step)[i] == 0) return "a step is zero";
      d = between(d, (*start)[i], (*stop)[i], (*step)[i]);
    } else {
      d = -1;
    }
  }
  return expect(layer, 0, out);
}

std::string strided_slice(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const auto begin = layer.constant(1), end = layer.constant(2);
  const auto strides = layer.inputs.size() > 3 ? layer.constant(3) : begin ? std::optional(Dims(begin->size(), 1)) : std::nullopt;
  for (const char* name : {"begin_mask", "end_mask", "new_axis_mask", "shrink_axis_mask", "ellipsis_mask"})
    for (const int64_t bit : layer.list(name))
      if (bit != 0 && bit != 1) return "the mask " + std::string(name) + " holds " + std::to_string(bit);
  if (!begin || !end || !strides) return "";
  if (begin->size() != end->size() || begin->size() != strides->size()) return "its begins, ends and strides are not equally many";
  const auto bit = [&](const char* name, size_t i) {
    const Dims list = layer.list(name);
    return i < list.size() && list[i] == 1;
  };
  size_t fresh = 0, dots = 0;
  for (size_t i = 0; i < begin->size(); ++i) fresh += bit("new_axis_mask", i), dots += bit("ellipsis_mask", i);
  if (dots > 1) return "it has two ellipses";
  if (begin->size() - fresh - dots > x.size()) return "it cuts more axes than its data has";
  Dims out;
  size_t at = 0;
  for (size_t i = 0; i < begin->size(); ++i) {
    if (bit("ellipsis_mask", i)) {
      for (size_t left = x.size() - (begin->size() - fresh - dots); left > 0; --left) out.push_back(x[at++]);
    } else if (bit("new_axis_mask", i)) {
      out.push_back(1);
    } else if (bit("shrink_axis_mask", i)) {
      ++at;
    } else {
      const int64_t size = x[at++], step = (*strides)[i];
      if (step == 0) return "a stride is zero";
      const int64_t whole = int64_t{1} << 62;
      out.push_back(between(size,
                            bit("begin_mask", i) ? (*begin)[i]
                            : step > 0           ? 0
                                                 : whole,
                            bit("end_mask", i) ? (*end)[i]
                            : step > 0         ? whole
                                               : -whole,
                            step));
    }
  }
  while (at < x.size()) out.push_back(x[at++]);
  return expect(layer, 0, out);
}

std::string tile(const Layer& layer) {
  Dims x = layer.inputs[0].dimensions;
  auto repeats = layer.constant(1);
  if (!repeats) return "";
  if (repeats->size() < x.size()) repeats->insert(repeats->begin(), x.size() - repeats->size(), 1);
  x.insert(x.begin(), repeats->size() - x.size(), 1);
  for (size_t i = 0; i < x.size(); ++i)
    if ((*repeats)[i] < 0 || (x[i] >= 0 && __builtin_mul_overflow(x[i], (*repeats)[i], &x[i]))) return "a number of its repeats is out of range";
  return expect(layer, 0, x);
}

// Depth becomes space, or the other way round.
std::string blocks(const Layer& layer) {
  const bool to_space = layer.type == "DepthToSpace";
  Dims x = layer.inputs[0].dimensions;
  const int64_t block = integer(layer, "block_size");
  if (x.size() < 3) return "its data has fewer than three axes";
  int64_t volume = 1;
  for (size_t i = 2; i < x.size(); ++i) {
    if (__builtin_mul_overflow(volume, block, &volume)) return "its blocks are larger than any size";
    if (x[i] < 0) continue;
    if (!to_space && x[i] % block != 0) return "its blocks do not divide the data";
    if (to_space ? __builtin_mul_overflow(x[i], block, &x[i]) : (x[i] /= block, false)) return "its blocks are larger than any size";
  }
  if (x[1] >= 0) {
    if (to_space && x[1] % volume != 0) return "its blocks do not divide the channels";
    if (to_space ? (x[1] /= volume, false) : __builtin_mul_overflow(x[1], volume, &x[1])) return "its blocks are larger than any size";
  }
  return expect(layer, 0, x);
}

std::string one_hot(const Layer& layer) {
  Dims out = layer.inputs[0].dimensions;
  const auto axis = axis_in(integer(layer, "axis"), out.size() + 1);
  if (!axis) return "its axis is none of the result's";
  const auto depth = layer.constant(1);
  out.insert(out.begin() + *axis, depth && depth->size() == 1 ? depth->front() : -1);
  return expect(layer, 0, out);
}

std::string eye(const Layer& layer) {
  const auto rows = layer.constant(0), columns = layer.constant(1), batch = layer.inputs.size() > 3 ? layer.constant(3) : std::optional(Dims());
  if (!batch) return "";
  Dims out = *batch;
  out.push_back(rows && rows->size() == 1 ? rows->front() : -1);
  out.push_back(columns && columns->size() == 1 ? columns->front() : -1);
  return expect(layer, 0, out);
}

std::string non_zero(const Layer& layer) { return expect(layer, 0, {static_cast<int64_t>(layer.inputs[0].dimensions.size()), -1}); }
std::string range(const Layer& layer) { return expect(layer, 0, {-1}); }

std::string reverse_sequence(const Layer& layer) {
  const Dims &x = layer.inputs[0].dimensions, &lengths = layer.inputs[1].dimensions;
  const auto batch = axis_in(integer(layer, "batch_axis"), x.size()), axis = axis_in(integer(layer, "seq_axis"), x.size());
  if (!batch || !axis || *batch == *axis) return "its two axes are none of the data's, or one";
  if (lengths.size() != 1 || differ(lengths[0], x[static_cast<size_t>(*batch)])) return "it has not one length for each sequence";
  return expect(layer, 0, x);
}

std::string unique(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  Dims out = {-1};
  if (layer.inputs.size() > 1) {
    const auto axes = layer.constant(1);
    out = x;
    if (axes) {
      const auto axis = axes->size() == 1 ? axis_in(axes->front(), x.size()) : std::nullopt;
      if (!axis) return "its axis is none of the data's";
      out[static_cast<size_t>(*axis)] = -1;
    } else {
      std::fill(out.begin(), out.end(), -1);
    }
  }
  if (const std::string wrong = expect(layer, 0, out); !wrong.empty()) return wrong;
  for (size_t i = 1; i < layer.outputs.size(); ++i)
    if (const std::string wrong = expect(layer, i, {-1}); !wrong.empty()) return wrong;
  return "";
}

std::string columns_to_image(const Layer& layer) {
  const Dims& x = layer.inputs[0].dimensions;
  const auto size = layer.constant(1), kernel = layer.constant(2);
  if (x.size() != 2 && x.size() != 3) return "its data has neither two nor three axes";
  for (const char* name : {"strides", "dilations", "pads_begin", "pads_end"})
    if (const size_t n = layer.list(name).size(); layer.attribute(name) && n != 2)
      return "the attribute " + std::string(name) + " has not two numbers";
  if (!size || !kernel || size->size() != 2 || kernel->size() != 2) return "";
  const int64_t area = (*kernel)[0] * (*kernel)[1], rows = x[x.size() - 2];
  if ((*kernel)[0] < 1 || (*kernel)[1] < 1 || (rows >= 0 && rows % area != 0)) return "its blocks do not divide the data";
  Dims out = x.size() == 3 ? Dims{x[0]} : Dims{};
  out.push_back(rows < 0 ? -1 : rows / area);
  int64_t places = 1;
  for (size_t i = 0; i < 2; ++i) {
    out.push_back((*size)[i]);
    const auto at = [&](const char* name, int64_t fallback) { return layer.attribute(name) ? layer.list(name)[i] : fallback; };
    const int64_t room = (*size)[i] + at("pads_begin", 0) + at("pads_end", 0) - at("dilations", 1) * ((*kernel)[i] - 1) - 1;
    places *= room < 0 ? 0 : room / at("strides", 1) + 1;
  }
  if (differ(x.back(), places)) return "its data has " + std::to_string(x.back()) + " blocks where " + std::to_string(places) + " belong";
  return expect(layer, 0, out);
}

constexpr ShapeCheck checks[] = {
    {"Col2Im", columns_to_image},
    {"DepthToSpace", blocks},
    {"Eye", eye},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd},
    {"NonZero", non_zero},
    {"OneHot", one_hot},
    {"Range", range},
    {"ReverseSequence", reverse_sequence},
    {"ScatterElementsUpdate", scatter_elements},
    {"ScatterNDUpdate", scatter_nd},
    {"Slice", slice},
    {"SpaceToDepth", blocks},
    {"StridedSlice", strided_slice},
    {"Tile", tile},
    {"Unique", unique},
};

}  // namespace

std::span<const ShapeCheck> movement_checks() { return checks; }

}  // namespace lathe::openvino::check
