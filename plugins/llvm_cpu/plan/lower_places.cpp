// Lowering's storages and places: where the elements of a tensor are by now, and the copies and reorders that bring them where they are wanted.
#include <stdexcept>

#include "plan/lowering.hpp"

namespace lathe::llvm_cpu {

uint32_t Lowering::new_storage(Buffer::Kind kind, uint32_t index, uint64_t bytes, uint64_t offset) {
  list_.storages.push_back({kind, index, offset, bytes});
  return static_cast<uint32_t>(list_.storages.size() - 1);
}

Place Lowering::dense_place(TensorId t, Layout layout, uint32_t storage) const {
  Place place{storage, 0, layout, {}, 0};
  if (layout == Layout::plain)
    place.strides = row_major(dimensions(t));
  else
    place.batch_stride = dense_image(dimensions(t), layout, block_).batch_stride;
  return place;
}

uint64_t Lowering::dense_bytes(TensorId t, Layout layout) const {
  if (layout == Layout::plain) return tensor(t).bytes();
  return static_cast<uint64_t>(dimensions(t)[0] * dense_image(dimensions(t), layout, block_).batch_stride) * sizeof(float);
}

uint32_t Lowering::weights(const void* data, size_t size) {
  const uint64_t offset = weights_.add(data, size);
  const auto [found, fresh] = known_weights_.try_emplace({offset, size}, static_cast<uint32_t>(list_.storages.size()));
  if (fresh) new_storage(Buffer::Kind::weights, 0, size, offset);
  return found->second;
}

BufferId Lowering::weights(const std::vector<float>& values) {
  return range(weights(values.data(), values.size() * sizeof(float)), 0, values.size() * sizeof(float));
}

uint32_t Lowering::constant_storage(TensorId t) {
  const Tensor& c = tensor(t);
  if (!is_packed(c.type)) return weights(c.data, c.bytes());
  const std::vector<uint8_t> bytes = unpacked(c.type, c.data, c.size());
  return weights(bytes.data(), bytes.size());
}

void Lowering::add_place(TensorId t, Place place) {
  auto& places = places_[t];
  if (std::find(places.begin(), places.end(), place) != places.end()) return;
  places.push_back(place);
  // With one pixel, both layouts are the same bytes.
  if (!is_image(dimensions(t)) || !single_pixel(dimensions(t), block_) || !tensor(t).is_float()) return;
  const ImageShape s = image_shape(dimensions(t));
  if (place.layout == Layout::blocked) {
    Place plain = place;
    plain.layout = Layout::plain;
    plain.batch_stride = 0;
    plain.strides = row_major(dimensions(t));
    plain.strides[0] = place.batch_stride;
    if (std::find(places.begin(), places.end(), plain) == places.end()) places.push_back(plain);
  } else if (s.channels % block_ == 0 && is_dense(dimensions(t), place.strides, 1)) {
    Place blocked = place;
    blocked.layout = Layout::blocked;
    blocked.strides.clear();
    blocked.batch_stride = s.batch == 1 ? s.channels : place.strides[0];
    if (std::find(places.begin(), places.end(), blocked) == places.end()) places.push_back(blocked);
  }
}

Place Lowering::copied(TensorId t, Layout layout) {
  const Place place = new_place(t, layout);
  copy_into(t, place);
  return place;
}

Place Lowering::plain(TensorId t) {
  if (const Place* p = find(t, is_plain)) return *p;
  if (!find(t, is_blocked)) throw std::logic_error("tensor '" + tensor(t).name + "' is used before it is made");
  return copied(t, Layout::plain);
}

Place Lowering::dense(TensorId t) {
  if (const Place* p = find(t, [&](const Place& q) { return is_plain(q) && is_dense(dimensions(t), q.strides); })) return *p;
  return copied(t, Layout::plain);
}

Place Lowering::blocked(TensorId t) {
  if (const Place* p = find(t, is_blocked)) return *p;
  if (tensor(t).constant) return blocked_constant(t);
  return copied(t, Layout::blocked);
}

Place Lowering::image_place(TensorId t, Layout layout) {
  if (layout == Layout::blocked) return blocked(t);
  if (const Place* p = find(t, [&](const Place& q) { return is_plain(q) && is_dense(dimensions(t), q.strides, 1); })) return *p;
  return copied(t, Layout::plain);
}

Image Lowering::image(TensorId t, const Place& place) const {
  Image i = dense_image(dimensions(t), place.layout, block_);
  if (dimensions(t)[0] > 1) i.batch_stride = place.layout == Layout::plain ? place.strides[0] : place.batch_stride;
  if (place.layout == Layout::plain && i.channels > 1 && place.strides[1] != i.height * i.width) i.channel_stride = place.strides[1];
  return i;
}

Place Lowering::blocked_constant(TensorId t) {
  const ImageShape s = image_shape(dimensions(t));
  const Image i = dense_image(dimensions(t), Layout::blocked, block_);
  std::vector<float> values(static_cast<size_t>(s.batch * i.batch_stride), 0.0f);
  const float* from = tensor(t).floats();
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t c = 0; c < s.channels; ++c)
      for (int64_t p = 0; p < s.pixels(); ++p)
        values[static_cast<size_t>(n * i.batch_stride + (c / block_ * s.pixels() + p) * block_ + c % block_)] =
            from[(n * s.channels + c) * s.pixels() + p];
  const Place place = dense_place(t, Layout::blocked, weights(values.data(), values.size() * sizeof(float)));
  add_place(t, place);
  return place;
}

BufferId Lowering::range(uint32_t storage, uint64_t offset, uint64_t bytes) {
  const StorageRange r{storage, offset, bytes};
  const auto [found, fresh] = known_ranges_.try_emplace(r, static_cast<BufferId>(list_.ranges.size()));
  if (fresh) list_.ranges.push_back(r);
  return found->second;
}

void Lowering::step(Kernel kernel, std::vector<BufferId> arguments, std::string name) {
  Step s;
  s.name = name.empty() ? describe(kernel) : std::move(name);
  s.flops = operations_of(kernel);
  for (const BufferId a : arguments)
    if (a != no_buffer) s.bytes += list_.ranges[a].bytes;
  s.kernel = std::move(kernel);
  s.arguments = std::move(arguments);
  if (operation_)
    for (const std::string& node : operation_->nodes) s.nodes += (s.nodes.empty() ? "" : ",") + node;
  list_.steps.push_back(std::move(s));
}

void Lowering::copy_into(TensorId t, const Place& to) {
  if (tensor(t).size() == 0) return add_place(t, to);
  if (to.layout == Layout::blocked) {
    if (const Place* from = find(t, is_blocked)) {
      const Place source = *from;
      copy_blocked(t, source, to);
    } else {
      const Place source = image_place(t, Layout::plain);
      step(reorder(t, image(t, source).batch_stride, image(t, to).batch_stride, true), {argument(t, source), argument(t, to)});
    }
  } else if (const Place* from = find(t, is_plain)) {
    const Place source = *from;
    const Tensor& x = tensor(t);
    step(elementwise_kernel(x.dimensions, {source.strides}, to.strides, {}, element_bytes(x.type)), {argument(t, source), argument(t, to)});
  } else if (const Place* other = find(t, is_blocked); other && pixels_are_dense(t, to)) {
    const Place source = *other;
    Reorder r = reorder(t, image(t, source).batch_stride, to.strides[0], false);
    if (dimensions(t)[1] > 1 && to.strides[1] != r.pixels) r.plain_channel_stride = to.strides[1];
    if (dimensions(t)[0] == 1) r.output_batch_stride = dense_image(dimensions(t), Layout::plain, block_).batch_stride;
    step(r, {argument(t, source), argument(t, to)});
  } else {
    const Place source = plain(t);
    return copy_into(t, to), void(source);
  }
  add_place(t, to);
}

Reorder Lowering::reorder(TensorId t, int64_t input_stride, int64_t output_stride, bool to_blocked) const {
  const ImageShape s = image_shape(dimensions(t));
  Reorder r;
  r.batch = s.batch;
  r.channels = s.channels;
  r.pixels = s.pixels();
  r.input_batch_stride = input_stride;
  r.output_batch_stride = output_stride;
  r.to_blocked = to_blocked;
  return r;
}

void Lowering::copy_blocked(TensorId t, const Place& from, const Place& to) {
  const ImageShape s = image_shape(dimensions(t));
  const int64_t item = dense_image(dimensions(t), Layout::blocked, block_).batch_stride;
  step(elementwise_kernel({s.batch, item}, {{from.batch_stride, 1}}, {to.batch_stride, 1}, {}, sizeof(float)), {argument(t, from), argument(t, to)});
}

}  // namespace lathe::llvm_cpu
