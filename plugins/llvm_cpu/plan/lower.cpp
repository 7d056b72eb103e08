// From operations to steps: gives every tensor a place, inserts the copies and reorders that kernels need, packs weights.
//
// A tensor may have several places at once (blocked and plain, dense and strided); what a kernel asks for is looked up and only made
// when it is not there. Views, slices and transpositions make no step: they are further places in the same storage, until somebody
// needs the elements dense. Destinations are planned backwards before anything is placed, so that the parts of a concatenation, and
// what a graph output is made of, are written where they have to be in the end.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include "plan/constants.hpp"
#include "plan/expression.hpp"
#include "plan/kernels.hpp"
#include "plan/pack.hpp"
#include "plan/places.hpp"

namespace lathe::llvm_cpu {

namespace {

using Kind = Operation::Kind;
using Dimensions = std::vector<int64_t>;

class Lowering {
 public:
  Lowering(const Network& network, const std::vector<Layout>& layouts, const Machine& machine, Weights& weights)
      : network_(network),
        layouts_(layouts),
        machine_(machine),
        weights_(weights),
        block_(machine.block()),
        producers_(TensorUses(network).producer),
        places_(network.tensors.size()),
        destinations_(network.tensors.size()) {}

  StepList run() {
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

 private:
  const Tensor& tensor(TensorId t) const { return network_.at(t); }
  const Dimensions& dimensions(TensorId t) const { return network_.at(t).dimensions; }

  // --- storages and places ----------------------------------------------------------------------------------------------------

  uint32_t new_storage(Buffer::Kind kind, uint32_t index, uint64_t bytes, uint64_t offset = 0) {
    list_.storages.push_back({kind, index, offset, bytes});
    return static_cast<uint32_t>(list_.storages.size() - 1);
  }

  Place dense_place(TensorId t, Layout layout, uint32_t storage) const {
    Place place{storage, 0, layout, {}, 0};
    if (layout == Layout::plain)
      place.strides = row_major(dimensions(t));
    else
      place.batch_stride = dense_image(dimensions(t), layout, block_).batch_stride;
    return place;
  }

  uint64_t dense_bytes(TensorId t, Layout layout) const {
    if (layout == Layout::plain) return tensor(t).bytes();
    return static_cast<uint64_t>(dimensions(t)[0] * dense_image(dimensions(t), layout, block_).batch_stride) * sizeof(float);
  }

  Place new_place(TensorId t, Layout layout) { return dense_place(t, layout, new_storage(Buffer::Kind::arena, 0, dense_bytes(t, layout))); }

  // Bytes in the weights, each content in one storage.
  uint32_t weights(const void* data, size_t size) {
    const uint64_t offset = weights_.add(data, size);
    const auto [found, fresh] = known_weights_.try_emplace({offset, size}, static_cast<uint32_t>(list_.storages.size()));
    if (fresh) new_storage(Buffer::Kind::weights, 0, size, offset);
    return found->second;
  }
  BufferId weights(const std::vector<float>& values) {
    return range(weights(values.data(), values.size() * sizeof(float)), 0, values.size() * sizeof(float));
  }

  uint32_t constant_storage(TensorId t) {
    const Tensor& c = tensor(t);
    if (!is_packed(c.type)) return weights(c.data, c.bytes());
    const std::vector<uint8_t> bytes = unpacked(c.type, c.data, c.size());
    return weights(bytes.data(), bytes.size());
  }

  void add_place(TensorId t, Place place) {
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

  template <class Accept>
  const Place* find(TensorId t, Accept accept) {
    if (tensor(t).constant && places_[t].empty()) {
      add_place(t, dense_place(t, Layout::plain, constant_storage(t)));
    }
    for (const Place& p : places_[t])
      if (accept(p)) return &p;
    return nullptr;
  }

  bool is_at(TensorId t, const Place& place) {
    return find(t, [&](const Place& p) { return same_place(tensor(t), p, place); }) != nullptr;
  }

  static bool is_plain(const Place& p) { return p.layout == Layout::plain; }
  static bool is_blocked(const Place& p) { return p.layout == Layout::blocked; }

  Place copied(TensorId t, Layout layout) {
    const Place place = new_place(t, layout);
    copy_into(t, place);
    return place;
  }

  // Any strides.
  Place plain(TensorId t) {
    if (const Place* p = find(t, is_plain)) return *p;
    if (!find(t, is_blocked)) throw std::logic_error("tensor '" + tensor(t).name + "' is used before it is made");
    return copied(t, Layout::plain);
  }
  Place dense(TensorId t) {
    if (const Place* p = find(t, [&](const Place& q) { return is_plain(q) && is_dense(dimensions(t), q.strides); })) return *p;
    return copied(t, Layout::plain);
  }
  Place blocked(TensorId t) {
    if (const Place* p = find(t, is_blocked)) return *p;
    if (tensor(t).constant) return blocked_constant(t);
    return copied(t, Layout::blocked);
  }
  // As an image: plain images may have any batch stride.
  Place image_place(TensorId t, Layout layout) {
    if (layout == Layout::blocked) return blocked(t);
    if (const Place* p = find(t, [&](const Place& q) { return is_plain(q) && is_dense(dimensions(t), q.strides, 1); })) return *p;
    return copied(t, Layout::plain);
  }

  Image image(TensorId t, const Place& place) const {
    Image i = dense_image(dimensions(t), place.layout, block_);
    if (dimensions(t)[0] > 1) i.batch_stride = place.layout == Layout::plain ? place.strides[0] : place.batch_stride;
    if (place.layout == Layout::plain && i.channels > 1 && place.strides[1] != i.height * i.width) i.channel_stride = place.strides[1];
    return i;
  }

  Place blocked_constant(TensorId t) {
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

  BufferId range(uint32_t storage, uint64_t offset, uint64_t bytes) {
    const StorageRange r{storage, offset, bytes};
    const auto [found, fresh] = known_ranges_.try_emplace(r, static_cast<BufferId>(list_.ranges.size()));
    if (fresh) list_.ranges.push_back(r);
    return found->second;
  }
  BufferId argument(TensorId t, const Place& place) { return range(place.storage, place.offset, extent(tensor(t), place, block_)); }

  void step(Kernel kernel, std::vector<BufferId> arguments, std::string name = {}) {
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

  // --- copies -----------------------------------------------------------------------------------------------------------------

  // Writes tensor `t` to a place, from whichever of its places serves best, and notes the new place.
  void copy_into(TensorId t, const Place& to) {
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

  bool pixels_are_dense(TensorId t, const Place& place) const { return is_dense(dimensions(t), place.strides, 2); }

  Reorder reorder(TensorId t, int64_t input_stride, int64_t output_stride, bool to_blocked) const {
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

  void copy_blocked(TensorId t, const Place& from, const Place& to) {
    const ImageShape s = image_shape(dimensions(t));
    const int64_t item = dense_image(dimensions(t), Layout::blocked, block_).batch_stride;
    step(elementwise_kernel({s.batch, item}, {{from.batch_stride, 1}}, {to.batch_stride, 1}, {}, sizeof(float)),
         {argument(t, from), argument(t, to)});
  }

  // --- destinations -----------------------------------------------------------------------------------------------------------

  // Whether the operation that makes `t` can write it there (lower() must keep what this promises).
  bool can_write(TensorId t, const Place& to) const {
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

  // The place in the layout that the operation behind `t` writes, where both layouts are the same bytes there.
  Place in_chosen_layout(TensorId t, const Place& to) const {
    if (to.layout == layouts_[t] || to.layout != Layout::plain || !is_image(dimensions(t))) return to;
    const int64_t channels = dimensions(t)[1];
    if (!single_pixel(dimensions(t), block_) || channels % block_ != 0 || !is_dense(dimensions(t), to.strides, 1)) return to;
    return {to.storage, to.offset, Layout::blocked, {}, dimensions(t)[0] == 1 ? channels : to.strides[0]};
  }

  // Whether a convolution can write plain channels that do not follow each other.
  bool writes_rows(const Operation& o, const Place& to) const {
    if (!is_dense(dimensions(o.output()), to.strides, 2)) return false;
    for (const Layout input : {Layout::blocked, Layout::plain})
      if (unsupported(machine_, convolution_kernel(network_, o, dense_image(dimensions(o.inputs[0]), input, block_), image(o.output(), to))).empty())
        return true;
    return false;
  }

  void plan_destinations() {
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

  void place_parts(const Operation& o) {
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

  // Where the parts lie already as this concatenation would have them (inside a later, longer one): there.
  std::optional<Place> joint_place(const Operation& o) const {
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

  void write_output(size_t i) {
    const TensorId t = network_.outputs[i];
    if (tensor(t).dynamic()) return;
    const Place place = dense_place(t, Layout::plain, output_storages_[i]);
    if (!is_at(t, place)) copy_into(t, place);
  }

  Place output_place(TensorId t) {
    const Place place = destinations_[t] ? *destinations_[t] : new_place(t, layouts_[t]);
    return place;
  }

  // --- operations -------------------------------------------------------------------------------------------------------------

  void lower(const Operation& o) {
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

  bool empty(const Operation& o) {
    if (tensor(o.output()).size() != 0) return false;
    add_place(o.output(), output_place(o.output()));
    return true;
  }

  void finish_view(TensorId y) {
    if (destinations_[y] && !is_at(y, *destinations_[y])) copy_into(y, *destinations_[y]);
  }

  void view(const Operation& o) {
    const TensorId x = o.inputs[0];
    find(x, is_plain);  // places a constant
    for (const Place& p : std::vector<Place>(places_[x]))
      if (const auto place = place_of_view(network_, o, p)) add_place(o.output(), *place);
    if (places_[o.output()].empty()) add_place(o.output(), *place_of_view(network_, o, dense(x)));
    finish_view(o.output());
  }

  void strided(const Operation& o) {
    const TensorId x = o.inputs[0];
    find(x, is_plain);
    for (const Place& p : std::vector<Place>(places_[x]))
      if (const auto place = place_of_strided(network_, o, p, block_)) add_place(o.output(), *place);
    if (places_[o.output()].empty()) add_place(o.output(), *place_of_strided(network_, o, plain(x), block_));
    finish_view(o.output());
  }

  void concatenate(const Operation& o) {
    const Place whole = *destinations_[o.output()];
    int64_t start = 0;
    for (const TensorId part : o.inputs) {
      const Place place = place_of_part(network_, o, whole, start);
      start += dimensions(part)[static_cast<size_t>(o.axis)];
      if (!is_at(part, place)) copy_into(part, place);
    }
    add_place(o.output(), whole);
  }

  // Convolutions of both directions.
  template <class MakeKernel>
  void window(const Operation& o, MakeKernel make) {
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

  std::vector<float> padded_bias(TensorId t, int64_t channels) const {
    std::vector<float> bias(static_cast<size_t>((channels + block_ - 1) / block_ * block_), 0.0f);
    if (t != no_tensor) std::copy_n(tensor(t).floats(), channels, bias.begin());
    return bias;
  }

  // A convolution that no emitter takes: the operator's own kernel, then its epilogue.
  void generic_anchor(const Operation& o) {
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
  void same_layout(const Operation& o, MakeKernel make) {
    if (empty(o)) return;
    const TensorId x = o.inputs[0], y = o.output();
    const Place to = output_place(y), from = image_place(x, to.layout);
    step(make(network_, o, image(x, from), image(y, to)), {argument(x, from), argument(y, to)});
    add_place(y, to);
  }

  void elementwise(const Operation& o) {
    if (empty(o)) return;
    const Place to = output_place(o.output());
    elementwise_step(o.expression, o.inputs, o.output(), to);
    add_place(o.output(), to);
  }

  void elementwise_step(const Expression& expression, const std::vector<TensorId>& operands, TensorId y, const Place& to) {
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

  static Dimensions broadcast(const Dimensions& from, const Dimensions& strides, const Dimensions& to) {
    Dimensions result(to.size(), 0);
    for (size_t d = 0; d < from.size(); ++d)
      if (from[d] != 1) result[to.size() - from.size() + d] = strides[d];
    return result;
  }

  // Strides of an operand over [N, C/B, H, W, B] of a blocked output.
  Dimensions blocked_operand(TensorId t, const Dimensions& y, std::vector<BufferId>& arguments) {
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

  void softmax(const Operation& o) {
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

  // Strides of a product's operand: of its batch dimensions (aligned with `batch`), its rows and its columns.
  struct Matrix {
    Place place;
    Dimensions batch;
    int64_t row = 0, column = 1;
  };
  Matrix matrix(TensorId t, bool transposed, const Dimensions& batch) {
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

  void product(const Operation& o) {
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
    if (const std::string reason = unsupported(machine_, k); !reason.empty())
      throw std::runtime_error("no kernel for " + describe(k) + ": " + reason);
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

  // Drops batch dimensions of one, joins neighbours, and makes rows of a batch that has one right side.
  static void join_batches(MatrixProduct& k) {
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

  void add_generic_input(Generic& kernel, std::vector<BufferId>& arguments, TensorId t) {
    if (t == no_tensor) {
      kernel.inputs.push_back({});
      arguments.push_back(no_buffer);
      return;
    }
    kernel.inputs.push_back({tensor(t).type, dimensions(t)});
    arguments.push_back(argument(t, dense(t)));
  }

  void generic(const Operation& o) {
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

  // --- run-time values --------------------------------------------------------------------------------------------------------

  ValueId dynamic_value(TensorId t) {
    const auto [found, fresh] = dynamic_values_.try_emplace(t, static_cast<ValueId>(list_.values.size()));
    if (!fresh) return found->second;
    const Tensor& x = tensor(t);
    ProgramValue value{x.kind, x.type};
    if (x.constant) {
      const std::vector<uint8_t> bytes = encode_strings(x.strings, x.size());
      value.buffer = range(weights(bytes.data(), bytes.size()), 0, bytes.size());
      value.dimensions = x.dimensions;
      value.encoded_strings = true;
    }
    list_.values.push_back(std::move(value));
    return found->second;
  }

  // A tensor with planned memory as a value.
  ValueId planned_value(TensorId t, BufferId buffer) {
    const auto [found, fresh] = planned_values_.try_emplace({t, buffer}, static_cast<ValueId>(list_.values.size()));
    if (fresh) list_.values.push_back({LATHE_KIND_TENSOR, tensor(t).type, buffer, dimensions(t)});
    return found->second;
  }

  ValueId value_read(TensorId t, std::vector<BufferId>& arguments) {
    if (t == no_tensor) return no_value;
    if (tensor(t).dynamic() && !tensor(t).constant) return dynamic_value(t);
    if (tensor(t).dynamic()) {
      const ValueId value = dynamic_value(t);
      arguments.push_back(list_.values[value].buffer);
      return value;
    }
    arguments.push_back(argument(t, dense(t)));
    return planned_value(t, arguments.back());
  }

  void dynamic(const Operation& o) {
    Dynamic kernel{o.action, o.domain, o.op_type};
    auto details = std::make_shared<DynamicDetails>();
    details->attributes = o.attributes;
    std::vector<BufferId> arguments;
    bool planned = true;  // all of it
    for (size_t i = 0; i < o.node_inputs; ++i) {
      const TensorId t = o.inputs[i];
      details->inputs.push_back(value_read(t, arguments));
      kernel.input_types.push_back(t == no_tensor ? 0 : tensor(t).type);
      planned = planned && (t == no_tensor || !tensor(t).dynamic());
    }
    size_t captured = o.node_inputs;
    uint64_t arena = 0;
    for (const Operation::Body& body : o.bodies) {
      DynamicDetails::Body made;
      for (size_t i = 0; i < body.captures; ++i) made.captures.push_back(value_read(o.inputs[captured++], arguments));
      Network network = *body.network;
      made.program = std::make_shared<Program>(plan_network(network, machine_, weights_));
      arena = std::max(arena, made.program->arena_bytes);
      details->bodies.push_back(std::move(made));
    }
    if (arena) {
      arguments.push_back(range(new_storage(Buffer::Kind::arena, 0, arena), 0, arena));
      for (DynamicDetails::Body& body : details->bodies) body.arena = arguments.back();
    }
    std::vector<std::pair<TensorId, Place>> made;
    for (const TensorId t : o.outputs) {
      kernel.output_types.push_back(t == no_tensor ? 0 : tensor(t).type);
      if (t == no_tensor) {
        details->outputs.push_back(no_value);
      } else if (tensor(t).dynamic()) {
        details->outputs.push_back(dynamic_value(t));
        planned = false;
      } else {
        made.emplace_back(t, output_place(t));
        arguments.push_back(argument(t, made.back().second));
        details->outputs.push_back(planned_value(t, arguments.back()));
      }
    }
    details->shapes_known = planned;
    step(kernel, std::move(arguments), o.op_type);
    list_.steps.back().dynamic = details;
    details_.push_back(details);
    for (const auto& [t, place] : made) add_place(t, place);
  }

  // A tuned kernel for some rows of an operation whose rows are counted by the run.
  void row_by_row(const Operation& o) {
    const std::optional<Rows> rows = rows_of(network_, o);
    if (!rows) throw std::logic_error("'" + tensor(o.output()).name + "' cannot be computed row by row");
    auto details = std::make_shared<DynamicDetails>();
    details->rows = rows;
    std::vector<BufferId> arguments;
    const auto read = [&](TensorId t) { details->inputs.push_back(value_read(t, arguments)); };
    const int64_t columns = rows->row_bytes.back() / 4;
    Kernel kernel;
    if (o.kind == Kind::elementwise) {
      Dimensions over{rows->rows}, output;
      over.insert(over.end(), rows->tail.begin(), rows->tail.end());
      output = row_major(over);
      std::vector<Dimensions> strides;
      for (size_t i = 0; i < o.inputs.size(); ++i) {
        const TensorId t = o.inputs[i];
        read(t);
        if (rows->row_bytes[i]) {
          strides.push_back(output);
          continue;
        }
        Dimensions d = dimensions(t);
        d.erase(d.begin(), std::find_if(d.begin(), d.end(), [](int64_t n) { return n != 1; }));
        strides.push_back(broadcast(d, row_major(d), over));
      }
      kernel = elementwise_kernel(over, std::move(strides), output, o.expression, sizeof(float));
    } else {
      MatrixProduct k;
      k.m = rows->rows, k.n = columns, k.k = rows->row_bytes[0] / 4;
      k.a_row_stride = k.k;
      k.constant_b = true;
      k.bias = o.inputs[2] != no_tensor;
      k.epilogue = epilogue_of(network_, o, 0);
      read(o.inputs[0]);
      const Tensor& b = tensor(o.inputs[1]);
      const BufferId packed = weights(pack_matrix(machine_, k, {b.floats(), static_cast<size_t>(b.size())}, o.transpose_b));
      arguments.push_back(packed);
      details->inputs.push_back(static_cast<ValueId>(list_.values.size()));
      list_.values.push_back({LATHE_KIND_TENSOR, LATHE_FLOAT32, packed, {b.size()}});
      if (k.bias) read(o.inputs[2]);
      for (size_t i = epilogue_begin; i < o.inputs.size(); ++i) read(o.inputs[i]);
      kernel = std::move(k);
    }
    details->outputs.push_back(dynamic_value(o.output()));
    step(std::move(kernel), std::move(arguments));
    list_.steps.back().dynamic = details;
    list_.steps.back().name += " per row group";
    details_.push_back(details);
  }

  // Tells every dynamic step which values are done with it.
  void note_last_readers() {
    std::vector<bool> read(list_.values.size(), false);
    for (const ValueId v : list_.output_values)
      if (v != no_value) read[v] = true;
    for (size_t i = details_.size(); i-- > 0;) {
      DynamicDetails& d = *details_[i];
      const auto note = [&](ValueId v) {
        if (v == no_value || list_.values[v].buffer != no_buffer || read[v]) return;
        read[v] = true;
        d.last.push_back(v);
      };
      std::for_each(d.inputs.begin(), d.inputs.end(), note);
      for (const DynamicDetails::Body& body : d.bodies) std::for_each(body.captures.begin(), body.captures.end(), note);
      std::for_each(d.outputs.begin(), d.outputs.end(), note);
    }
  }

  const Network& network_;
  const std::vector<Layout>& layouts_;
  const Machine& machine_;
  Weights& weights_;
  const int64_t block_;
  const std::vector<uint32_t> producers_;
  std::vector<std::vector<Place>> places_;                           // per tensor: everywhere its elements are by now
  std::vector<std::optional<Place>> destinations_;                   // per tensor: where its operation is to write it
  std::vector<uint32_t> output_storages_;                            // per graph output
  std::map<std::pair<uint64_t, uint64_t>, uint32_t> known_weights_;  // offset and size -> storage
  std::map<TensorId, ValueId> dynamic_values_;
  std::map<std::pair<TensorId, BufferId>, ValueId> planned_values_;
  std::vector<std::shared_ptr<DynamicDetails>> details_;  // of the steps so far
  std::map<StorageRange, BufferId> known_ranges_;
  const Operation* operation_ = nullptr;
  StepList list_;
};

}  // namespace

StepList lower(const Network& network, const std::vector<Layout>& layouts, const Machine& machine, Weights& weights) {
  return Lowering(network, layouts, machine, weights).run();
}

}  // namespace lathe::llvm_cpu
