// From operations to steps: gives every tensor a place, inserts the copies and reorders that kernels need, packs weights.
//
// A tensor may have several places at once (blocked and plain, dense and strided); what a kernel asks for is looked up and only made
// when it is not there. Views, slices and transpositions make no step: they are further places in the same storage, until somebody
// needs the elements dense. Destinations are planned backwards before anything is placed, so that the parts of a concatenation, and
// what a graph output is made of, are written where they have to be in the end.
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "plan/lowering.hpp"

namespace lathe::llvm_cpu {

StepList Lowering::run() {
  for (size_t i = 0; i < network_.inputs.size(); ++i) {
    const TensorId t = network_.inputs[i];
    list_.input_values.push_back(tensor(t).dynamic() ? dynamic_value(t) : no_value);
    if (!tensor(t).dynamic())
      add_place(t, dense_place(t, Layout::plain, new_storage(Buffer::Kind::input, static_cast<uint32_t>(i), network_.at(t).bytes())));
  }
  plan_destinations();
  for (const Operation& o : network_.operations) {
    operation_ = &o;
    lower(o);
  }
  operation_ = nullptr;
  for (size_t i = 0; i < network_.outputs.size(); ++i) write_output(i);
  note_last_readers();
  return std::move(list_);
}

bool Lowering::can_write(TensorId t, const Place& to) const {
  if (producers_[t] == UINT32_MAX || tensor(t).constant || layouts_[t] != to.layout) return false;
  const Operation& o = network_.operations[producers_[t]];
  switch (o.kind) {
    case Kind::convolution:
      return to.layout == Layout::blocked || is_dense(dimensions(t), to.strides, 1) || writes_rows(o, to);
    case Kind::transposed:
    case Kind::pooling:
    case Kind::upsampling:
      return to.layout == Layout::blocked || is_dense(dimensions(t), to.strides, 1);
    case Kind::product:
    case Kind::softmax:
    case Kind::generic:
    case Kind::dynamic:
      return to.layout == Layout::plain && is_dense(dimensions(t), to.strides);
    default:
      return true;
  }
}

Place Lowering::in_chosen_layout(TensorId t, const Place& to) const {
  if (to.layout == layouts_[t] || to.layout != Layout::plain || !is_image(dimensions(t))) return to;
  const int64_t channels = dimensions(t)[1];
  if (!single_pixel(dimensions(t), block_) || channels % block_ != 0 || !is_dense(dimensions(t), to.strides, 1)) return to;
  return {to.storage, to.offset, Layout::blocked, {}, dimensions(t)[0] == 1 ? channels : to.strides[0]};
}

bool Lowering::writes_rows(const Operation& o, const Place& to) const {
  if (!is_dense(dimensions(o.output()), to.strides, 2)) return false;
  for (const Layout input : {Layout::blocked, Layout::plain})
    if (unsupported(machine_, convolution_kernel(network_, o, dense_image(dimensions(o.inputs[0]), input, block_), image(o.output(), to))).empty())
      return true;
  return false;
}

void Lowering::plan_destinations() {
  for (size_t i = 0; i < network_.outputs.size(); ++i) {
    const TensorId t = network_.outputs[i];
    list_.output_values.push_back(tensor(t).dynamic() ? dynamic_value(t) : no_value);
    output_storages_.push_back(tensor(t).dynamic() ? UINT32_MAX : new_storage(Buffer::Kind::output, static_cast<uint32_t>(i), tensor(t).bytes()));
    if (tensor(t).dynamic()) continue;
    const Place place = in_chosen_layout(t, dense_place(t, Layout::plain, output_storages_.back()));
    if (!destinations_[t] && can_write(t, place)) destinations_[t] = place;
  }
  for (size_t i = network_.operations.size(); i-- > 0;) {
    const Operation& o = network_.operations[i];
    if (o.kind == Kind::concatenate) {
      place_parts(o);
    } else if (o.kind == Kind::view && destinations_[o.output()] && !destinations_[o.inputs[0]]) {
      Operation back = o;  // the same view, seen from its output
      std::swap(back.inputs, back.outputs);
      auto place = place_of_view(network_, back, *destinations_[o.output()]);
      if (place) place = in_chosen_layout(o.inputs[0], *place);
      if (place && can_write(o.inputs[0], *place)) destinations_[o.inputs[0]] = place;
    }
  }
}

void Lowering::place_parts(const Operation& o) {
  const TensorId y = o.output();
  auto& whole = destinations_[y];
  if (!whole) whole = joint_place(o);
  if (!whole) whole = new_place(y, layouts_[y]);
  int64_t start = 0;
  for (const TensorId part : o.inputs) {
    const Place place = place_of_part(network_, o, *whole, start);
    start += dimensions(part)[static_cast<size_t>(o.axis)];
    if (!destinations_[part] && can_write(part, place)) destinations_[part] = place;
  }
}

std::optional<Place> Lowering::joint_place(const Operation& o) const {
  const TensorId y = o.output();
  const auto& first = destinations_[o.inputs[0]];
  if (!first || first->layout != layouts_[y]) return std::nullopt;
  int64_t start = 0;
  for (const TensorId part : o.inputs) {
    if (!destinations_[part] || !same_place(tensor(part), *destinations_[part], place_of_part(network_, o, *first, start))) return std::nullopt;
    start += dimensions(part)[static_cast<size_t>(o.axis)];
  }
  return first;
}

void Lowering::write_output(size_t i) {
  const TensorId t = network_.outputs[i];
  if (tensor(t).dynamic()) return;
  const Place place = dense_place(t, Layout::plain, output_storages_[i]);
  if (!is_at(t, place)) copy_into(t, place);
}

Place Lowering::output_place(TensorId t) {
  const Place place = destinations_[t] ? *destinations_[t] : new_place(t, layouts_[t]);
  return place;
}

void Lowering::lower(const Operation& o) {
  if ((o.kind == Kind::product || o.kind == Kind::elementwise) && tensor(o.output()).dynamic()) return row_by_row(o);
  switch (o.kind) {
    case Kind::convolution:
      return window(o, convolution_kernel);
    case Kind::transposed:
      return window(o, transposed_kernel);
    case Kind::product:
      return product(o);
    case Kind::pooling:
      return same_layout(o, pooling_kernel);
    case Kind::upsampling:
      return same_layout(o, upsampling_kernel);
    case Kind::elementwise:
      return elementwise(o);
    case Kind::softmax:
      return softmax(o);
    case Kind::view:
      return view(o);
    case Kind::strided:
      return strided(o);
    case Kind::concatenate:
      return concatenate(o);
    case Kind::generic:
      return generic(o);
    case Kind::dynamic:
      return dynamic(o);
  }
}

bool Lowering::empty(const Operation& o) {
  if (tensor(o.output()).size() != 0) return false;
  add_place(o.output(), output_place(o.output()));
  return true;
}

void Lowering::finish_view(TensorId y) {
  if (destinations_[y] && !is_at(y, *destinations_[y])) copy_into(y, *destinations_[y]);
}

void Lowering::view(const Operation& o) {
  const TensorId x = o.inputs[0];
  find(x, is_plain);  // places a constant
  for (const Place& p : std::vector<Place>(places_[x]))
    if (const auto place = place_of_view(network_, o, p)) add_place(o.output(), *place);
  if (places_[o.output()].empty()) add_place(o.output(), *place_of_view(network_, o, dense(x)));
  finish_view(o.output());
}

void Lowering::strided(const Operation& o) {
  const TensorId x = o.inputs[0];
  find(x, is_plain);
  for (const Place& p : std::vector<Place>(places_[x]))
    if (const auto place = place_of_strided(network_, o, p, block_)) add_place(o.output(), *place);
  if (places_[o.output()].empty()) add_place(o.output(), *place_of_strided(network_, o, plain(x), block_));
  finish_view(o.output());
}

void Lowering::concatenate(const Operation& o) {
  const Place whole = *destinations_[o.output()];
  int64_t start = 0;
  for (const TensorId part : o.inputs) {
    const Place place = place_of_part(network_, o, whole, start);
    start += dimensions(part)[static_cast<size_t>(o.axis)];
    if (!is_at(part, place)) copy_into(part, place);
  }
  add_place(o.output(), whole);
}

template <class MakeKernel>
void Lowering::window(const Operation& o, MakeKernel make) {
  if (empty(o)) return;
  const TensorId x = o.inputs[0], y = o.output();
  const Place to = output_place(y);
  std::vector<Layout> order{Layout::blocked, Layout::plain};
  // Few channels would mostly be padding, and one pixel is contiguous either way.
  if (!find(x, is_blocked) && (dimensions(x)[1] < block_ || image_shape(dimensions(x)).pixels() == 1)) std::swap(order[0], order[1]);
  for (const Layout layout : order) {
    auto kernel = make(network_, o, dense_image(dimensions(x), layout, block_), image(y, to));
    if (!unsupported(machine_, kernel).empty()) continue;
    const Place from = image_place(x, layout);
    kernel.input = image(x, from);
    std::vector<BufferId> arguments{
        argument(x, from), weights(pack_weights(machine_, kernel, {tensor(o.inputs[1]).floats(), static_cast<size_t>(tensor(o.inputs[1]).size())})),
        weights(padded_bias(o.inputs[2], kernel.output.channels))};
    for (size_t i = 0; i < kernel.epilogue.operands.size(); ++i) {
      const TensorId t = o.inputs[epilogue_begin + i];
      if (kernel.epilogue.operands[i].access != Access::same) {
        arguments.push_back(argument(t, dense(t)));
        continue;
      }
      const Place operand = image_place(t, to.layout);
      kernel.epilogue.operands[i].batch_stride = image(t, operand).batch_stride;
      arguments.push_back(argument(t, operand));
    }
    arguments.push_back(argument(y, to));
    step(kernel, std::move(arguments));
    return add_place(y, to);
  }
  generic_anchor(o);
}

std::vector<float> Lowering::padded_bias(TensorId t, int64_t channels) const {
  std::vector<float> bias(static_cast<size_t>((channels + block_ - 1) / block_ * block_), 0.0f);
  if (t != no_tensor) std::copy_n(tensor(t).floats(), channels, bias.begin());
  return bias;
}

void Lowering::generic_anchor(const Operation& o) {
  const TensorId y = o.output();
  Generic kernel;
  kernel.op_type = o.kind == Kind::transposed ? "ConvTranspose" : "Conv";
  const bool flat = dimensions(y).size() == 3;
  const auto list = [&](const char* name, const std::array<int64_t, 2>& v) {
    kernel.attributes.push_back({name, flat ? Dimensions{v[1]} : Dimensions{v[0], v[1]}, {}, {}});
  };
  kernel.attributes.push_back({"group", {o.groups}, {}, {}});
  list("kernel_shape", o.kernel), list("strides", o.stride), list("dilations", o.dilation);
  kernel.attributes.push_back(
      {"pads", flat ? Dimensions{o.pad_begin[1], o.pad_end[1]} : Dimensions{o.pad_begin[0], o.pad_begin[1], o.pad_end[0], o.pad_end[1]}, {}, {}});
  const bool bare = o.inputs.size() == epilogue_begin && o.expression.instructions.empty();
  const Place to = output_place(y);
  const bool direct = bare && is_plain(to) && is_dense(dimensions(y), to.strides);
  const Place accumulator = direct ? to : new_place(y, Layout::plain);
  std::vector<BufferId> arguments;
  for (size_t i = 0; i < epilogue_begin; ++i) add_generic_input(kernel, arguments, o.inputs[i]);
  kernel.outputs.push_back({tensor(y).type, dimensions(y)});
  arguments.push_back(argument(y, accumulator));
  step(kernel, std::move(arguments));
  add_place(y, accumulator);
  if (direct) return;
  if (bare) return copy_into(y, to);
  std::vector<TensorId> operands{y};
  operands.insert(operands.end(), o.inputs.begin() + epilogue_begin, o.inputs.end());
  elementwise_step(o.expression, operands, y, to);
  places_[y].clear();
  add_place(y, to);
}

template <class MakeKernel>
void Lowering::same_layout(const Operation& o, MakeKernel make) {
  if (empty(o)) return;
  const TensorId x = o.inputs[0], y = o.output();
  const Place to = output_place(y), from = image_place(x, to.layout);
  step(make(network_, o, image(x, from), image(y, to)), {argument(x, from), argument(y, to)});
  add_place(y, to);
}

void Lowering::elementwise(const Operation& o) {
  if (empty(o)) return;
  const Place to = output_place(o.output());
  elementwise_step(o.expression, o.inputs, o.output(), to);
  add_place(o.output(), to);
}

void Lowering::elementwise_step(const Expression& expression, const std::vector<TensorId>& operands, TensorId y, const Place& to) {
  std::vector<Dimensions> strides;
  std::vector<BufferId> arguments;
  Dimensions over, output;
  if (to.layout == Layout::plain) {
    over = dimensions(y);
    output = to.strides;
    for (const TensorId t : operands) {
      const Place p = plain(t);
      strides.push_back(broadcast(dimensions(t), p.strides, over));
      arguments.push_back(argument(t, p));
    }
  } else {
    const ImageShape s = image_shape(dimensions(y));
    over = {s.batch, (s.channels + block_ - 1) / block_, s.height, s.width, block_};
    output = {to.batch_stride, s.pixels() * block_, s.width * block_, block_, 1};
    for (const TensorId t : operands) strides.push_back(blocked_operand(t, dimensions(y), arguments));
  }
  arguments.push_back(argument(y, to));
  step(elementwise_kernel(over, std::move(strides), output, expression, sizeof(float)), std::move(arguments));
}

Lowering::Dimensions Lowering::broadcast(const Dimensions& from, const Dimensions& strides, const Dimensions& to) {
  Dimensions result(to.size(), 0);
  for (size_t d = 0; d < from.size(); ++d)
    if (from[d] != 1) result[to.size() - from.size() + d] = strides[d];
  return result;
}

Lowering::Dimensions Lowering::blocked_operand(TensorId t, const Dimensions& y, std::vector<BufferId>& arguments) {
  Dimensions aligned(y.size() - dimensions(t).size(), 1);
  aligned.insert(aligned.end(), dimensions(t).begin(), dimensions(t).end());
  const ImageShape s = image_shape(aligned);
  if (s.channels == 1) {  // any strides, the same for all lanes
    const Place p = plain(t);
    Dimensions plain_strides = broadcast(dimensions(t), p.strides, y);
    if (y.size() == 3) plain_strides.insert(plain_strides.begin() + 2, 0);
    arguments.push_back(argument(t, p));
    return {plain_strides[0], 0, plain_strides[2], plain_strides[3], 0};
  }
  const auto along = [&](int64_t batch_stride) -> Dimensions {
    return {s.batch > 1 ? batch_stride : 0, s.pixels() * block_, s.height > 1 ? s.width * block_ : 0, s.width > 1 ? block_ : 0, 1};
  };
  if (tensor(t).constant && tensor(t).size() == s.channels) {
    // Per channel; a repeated last value keeps the padding's arithmetic as ordinary as the last channel's.
    std::vector<float> values(tensor(t).floats(), tensor(t).floats() + s.channels);
    values.resize(static_cast<size_t>((s.channels + block_ - 1) / block_ * block_), values.back());
    arguments.push_back(weights(values));
    return along(0);
  }
  if (dimensions(t).size() == y.size()) {
    const Place p = blocked(t);
    arguments.push_back(argument(t, p));
    return along(p.batch_stride);
  }
  // Fewer dimensions than the output: reordered under the output's rank.
  const Place p = dense(t);
  Reorder r;
  r.batch = s.batch;
  r.channels = s.channels;
  r.pixels = s.pixels();
  r.input_batch_stride = s.channels * s.pixels();
  r.output_batch_stride = item_floats({s.channels, s.height, s.width, Layout::blocked, 0}, block_);
  const uint64_t bytes = static_cast<uint64_t>(s.batch * r.output_batch_stride) * sizeof(float);
  const BufferId to = range(new_storage(Buffer::Kind::arena, 0, bytes), 0, bytes);
  step(r, {argument(t, p), to});
  arguments.push_back(to);
  return along(r.output_batch_stride);
}

void Lowering::softmax(const Operation& o) {
  if (empty(o)) return;
  const TensorId x = o.inputs[0], y = o.output();
  Softmax k;
  for (size_t d = 0; d < dimensions(x).size(); ++d) {
    int64_t& side = static_cast<int64_t>(d) < o.axis ? k.outer : static_cast<int64_t>(d) == o.axis ? k.extent : k.inner;
    side *= dimensions(x)[d];
  }
  const Place from = dense(x), to = output_place(y);
  step(k, {argument(x, from), argument(y, to)});
  add_place(y, to);
}

Lowering::Matrix Lowering::matrix(TensorId t, bool transposed, const Dimensions& batch) {
  const auto look = [&](const Place& p) {
    const Dimensions& d = dimensions(t);
    Matrix m;
    m.place = p;
    m.batch.assign(batch.size(), 0);
    const size_t rows = d.size() - 2, columns = d.size() - 1;
    m.row = p.strides[transposed ? columns : rows];
    m.column = p.strides[transposed ? rows : columns];
    // A stride along a single element may be anything; make it the convenient number.
    if (d[transposed ? rows : columns] == 1)
      m.column = 1;
    else if (d[transposed ? columns : rows] == 1 && m.column != 1)
      m.row = 1;
    for (size_t i = 0; i < rows; ++i)
      if (d[i] != 1) m.batch[batch.size() - rows + i] = p.strides[i];
    return m;
  };
  const Matrix m = look(plain(t));
  return m.row == 1 || m.column == 1 ? m : look(dense(t));
}

void Lowering::product(const Operation& o) {
  if (empty(o)) return;
  const TensorId a = o.inputs[0], b = o.inputs[1], y = o.output();
  MatrixProduct k = product_kernel(network_, o);
  const Matrix left = matrix(a, o.transpose_a, k.batch);
  k.a_row_stride = left.row, k.a_column_stride = left.column, k.a_batch_stride = left.batch;
  std::vector<BufferId> arguments{argument(a, left.place)};
  if (k.constant_b) {
    k.b_batch_stride.assign(k.batch.size(), 0);
  } else {
    const Matrix right = matrix(b, o.transpose_b, k.batch);
    k.b_row_stride = right.row, k.b_column_stride = right.column, k.b_batch_stride = right.batch;
    arguments.push_back(argument(b, right.place));
  }
  join_batches(k);
  if (const std::string reason = unsupported(machine_, k); !reason.empty()) throw std::runtime_error("no kernel for " + describe(k) + ": " + reason);
  if (k.constant_b) {
    const Tensor& matrix_b = tensor(b);
    arguments.push_back(weights(pack_matrix(machine_, k, {matrix_b.floats(), static_cast<size_t>(matrix_b.size())}, o.transpose_b)));
  }
  if (k.bias) arguments.push_back(argument(o.inputs[2], dense(o.inputs[2])));
  for (size_t i = epilogue_begin; i < o.inputs.size(); ++i) arguments.push_back(argument(o.inputs[i], dense(o.inputs[i])));
  const Place to = output_place(y);
  arguments.push_back(argument(y, to));
  step(k, std::move(arguments));
  add_place(y, to);
}

void Lowering::join_batches(MatrixProduct& k) {
  Dimensions batch, a, b;
  for (size_t i = 0; i < k.batch.size(); ++i) {
    const int64_t n = k.batch[i];
    if (n == 1) continue;
    if (!batch.empty() && a.back() == k.a_batch_stride[i] * n && b.back() == k.b_batch_stride[i] * n) {
      batch.back() *= n;
      a.back() = k.a_batch_stride[i];
      b.back() = k.b_batch_stride[i];
    } else {
      batch.push_back(n), a.push_back(k.a_batch_stride[i]), b.push_back(k.b_batch_stride[i]);
    }
  }
  while (!batch.empty() && b.back() == 0 && (k.m == 1 || a.back() == k.a_row_stride * k.m)) {
    if (k.m == 1) k.a_row_stride = a.back();
    k.m *= batch.back();
    batch.pop_back(), a.pop_back(), b.pop_back();
  }
  k.batch = std::move(batch), k.a_batch_stride = std::move(a), k.b_batch_stride = std::move(b);
}

void Lowering::add_generic_input(Generic& kernel, std::vector<BufferId>& arguments, TensorId t) {
  if (t == no_tensor) {
    kernel.inputs.push_back({});
    arguments.push_back(no_buffer);
    return;
  }
  kernel.inputs.push_back({tensor(t).type, dimensions(t)});
  arguments.push_back(argument(t, dense(t)));
}

void Lowering::generic(const Operation& o) {
  Generic kernel;
  kernel.domain = o.domain;
  kernel.op_type = o.op_type;
  kernel.attributes = o.attributes;
  std::vector<BufferId> arguments;
  for (const TensorId t : o.inputs) add_generic_input(kernel, arguments, t);
  std::vector<std::pair<TensorId, Place>> made;
  for (const TensorId t : o.outputs) {
    if (t == no_tensor) {
      kernel.outputs.push_back({});
      arguments.push_back(no_buffer);
      continue;
    }
    kernel.outputs.push_back({tensor(t).type, dimensions(t)});
    made.emplace_back(t, output_place(t));
    arguments.push_back(argument(t, made.back().second));
  }
  step(std::move(kernel), std::move(arguments));
  for (const auto& [t, place] : made) add_place(t, place);
}

StepList lower(const Network& network, const std::vector<Layout>& layouts, const Machine& machine, Weights& weights) {
  return Lowering(network, layouts, machine, weights).run();
}

}  // namespace lathe::llvm_cpu
