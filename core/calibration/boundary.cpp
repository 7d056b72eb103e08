// See boundary.hpp.
#include "core/calibration/boundary.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/base/diagnostic.hpp"
#include "core/plugin/loading.hpp"
#include "core/reference/reference.hpp"

namespace lathe {
namespace {

// What of `model` computes the values of those names.
Graph front_of(const Graph& model, const std::vector<std::string>& names) {
  Graph front = clone(model);
  front.outputs.clear();
  std::vector<bool> wanted(front.values.size(), false);
  for (ValueId id = 0; id < front.values.size(); ++id)
    if (std::find(names.begin(), names.end(), front.values[id].name) != names.end()) wanted[id] = true, front.outputs.push_back(id);
  const Uses uses(front);
  for (size_t n = front.nodes.size(); n-- > 0;) {
    Node& node = front.nodes[n];
    const bool needed = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return id != none && wanted[id]; });
    if (!needed) continue;
    for (ValueId id = 0; id < front.values.size(); ++id)
      if (std::find(uses.users[id].begin(), uses.users[id].end(), static_cast<NodeId>(n)) != uses.users[id].end()) wanted[id] = true;
  }
  for (Node& node : front.nodes)
    if (std::none_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return id != none && wanted[id]; })) node.op_type.clear();
  compact(front);
  return front;
}

}  // namespace

BoundaryCalibration::BoundaryCalibration(const lathe_host& host, const CalibrationContext& context, const Graph& region)
    : host_(host), context_(context) {
  std::vector<std::string> inner;
  for (const NamedType& input : inputs_of(region)) {
    size_t number = SIZE_MAX;
    if (context_.set)
      for (size_t i = 0; i < context_.set->inputs().size(); ++i)
        if (context_.set->inputs()[i].name == input.name) number = i;
    if (number == SIZE_MAX) inner.push_back(input.name);
    const PictureLayout* layout = context_.preprocessing ? &context_.preprocessing->layout : nullptr;
    if (layout && layout->width > 0 && layout->height > 0 && context_.preprocessing->input == input.name)
      preprocessing_ = to_boundary(*context_.preprocessing, static_cast<uint32_t>(inputs_.size()));
    inputs_.push_back(input.name), from_model_.push_back(number);
  }
  if (!context_.set) return;
  if (!inner.empty() && context_.model) front_ = front_of(*context_.model, inner);
  table_.struct_size = sizeof table_;
  table_.context = this;
  table_.count = context_.set->count();
  table_.read = [](void* self, size_t sample, size_t input, void* bytes, size_t size) {
    const auto& me = *static_cast<const BoundaryCalibration*>(self);
    return run_callback(me.host_, [&] {
      const Tensor tensor = me.read(sample, input);
      if (tensor.bytes.size != size)
        throw Error(Code::internal, "the backend asked for " + std::to_string(size) + " bytes of calibration data for '" + me.inputs_.at(input) +
                                        "', which has " + std::to_string(tensor.bytes.size));
      std::memcpy(bytes, tensor.bytes.data, size);
    });
  };
  table_.source = [](void* self, size_t sample) -> lathe_string {
    const CalibrationSet& set = *static_cast<const BoundaryCalibration*>(self)->context_.set;
    if (sample >= set.count()) return {nullptr, 0};
    const std::string& file = set.file(sample);
    return {file.data(), file.size()};
  };
  if (preprocessing_ && context_.set->has_pictures())
    table_.read_picture = [](void* self, size_t sample, void* bytes, size_t size) {
      const auto& me = *static_cast<const BoundaryCalibration*>(self);
      return run_callback(me.host_, [&] {
        const Picture picture = me.context_.set->read_picture(sample);
        const auto channels = static_cast<size_t>(me.preprocessing_->channels), pixels = picture.rgb.size() / 3;
        if (pixels * channels != size)
          throw Error(Code::internal, "the backend asked for a calibration picture of " + std::to_string(size) + " bytes, and it has " +
                                          std::to_string(pixels * channels));
        auto* to = static_cast<uint8_t*>(bytes);
        for (size_t i = 0; i < pixels; ++i) std::copy_n(&picture.rgb[i * 3], channels, to + i * channels);
      });
    };
}

Tensor BoundaryCalibration::read(size_t sample, size_t input) const {
  if (input >= inputs_.size() || sample >= context_.set->count())
    throw Error(Code::internal, "the backend asked for calibration data that do not exist");
  if (from_model_[input] != SIZE_MAX) return context_.set->read(sample, from_model_[input]);
  ReferenceOptions options;
  options.threads = context_.threads;
  NamedData samples = context_.set->read(sample), wanted;
  for (const ValueId id : front_.inputs)
    if (!front_.value(id).constant) wanted[front_.value(id).name] = samples.at(front_.value(id).name);
  return run_reference(front_, wanted, options).at(inputs_[input]).tensor;
}

}  // namespace lathe
