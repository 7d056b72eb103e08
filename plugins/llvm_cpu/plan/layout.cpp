// Plain or channel-blocked, for every tensor: islands of blocked tensors around convolutions, with few reorders at their shores.
//
// A backward sweep counts how many readers want a tensor blocked and how many want it plain; a forward sweep then decides, knowing
// the inputs' layouts. Convolutions write blocked unless only readers of plain tensors follow; poolings, upsamplings, elementwise
// operations, channel slices and concatenations go with the cheaper side.
#include <algorithm>

#include "plan/kernels.hpp"
#include "plan/pack.hpp"
#include "plan/places.hpp"

namespace lathe::llvm_cpu {

namespace {

using Kind = Operation::Kind;

struct Wish {
  int blocked = 0, plain = 0;
};

class LayoutChoice {
 public:
  LayoutChoice(const Network& network, const Machine& machine)
      : network_(network),
        machine_(machine),
        block_(machine.block()),
        wishes_(network.tensors.size()),
        layouts_(network.tensors.size(), Layout::plain) {}

  std::vector<Layout> choose() {
    for (const TensorId t : network_.outputs) ++wishes_[t].plain;
    for (size_t i = network_.operations.size(); i-- > 0;) collect(network_.operations[i]);
    for (const Operation& o : network_.operations)
      if (o.outputs.size() == 1 && o.output() != no_tensor && network_.at(o.output()).is_float() && !network_.at(o.output()).dynamic() &&
          network_.at(o.output()).size() > 0)
        layouts_[o.output()] = choose(o);
    return std::move(layouts_);
  }

 private:
  const std::vector<int64_t>& dimensions(TensorId t) const { return network_.at(t).dimensions; }

  void collect(const Operation& o) {
    for (size_t i = 0; i < o.inputs.size(); ++i) {
      const TensorId t = o.inputs[i];
      if (t == no_tensor || network_.at(t).constant) continue;
      Wish& wish = wishes_[t];
      if (o.outputs.size() == 1 && o.output() != no_tensor && network_.at(o.output()).dynamic()) {
        ++wish.plain;
        continue;
      }
      const auto pass_on = [&] {
        if (is_image(dimensions(o.output())) && single_pixel(dimensions(o.output()), block_)) return;  // does not care
        wish.blocked += wishes_[o.output()].blocked > 0;
        wish.plain += wishes_[o.output()].plain > 0;
      };
      switch (o.kind) {
        case Kind::convolution:
        case Kind::transposed:
          ++wish.blocked;
          break;
        case Kind::pooling:
        case Kind::upsampling:
        case Kind::elementwise:
          pass_on();
          break;
        case Kind::view:
          if (same_blocked(dimensions(t), dimensions(o.output())))
            pass_on();
          else
            ++wish.plain;
          break;
        case Kind::strided:
          if (is_channel_slice(network_, o, block_))
            pass_on();
          else
            ++wish.plain;
          break;
        case Kind::concatenate:
          if (whole_blocks(o))
            pass_on();
          else
            ++wish.plain;
          break;
        default:
          ++wish.plain;
      }
    }
  }

  // Whether the parts of a concatenation of channels begin at whole blocks.
  bool whole_blocks(const Operation& o) const {
    if (o.axis != 1 || !is_image(dimensions(o.output()))) return false;
    int64_t start = 0;
    for (const TensorId t : o.inputs) {
      if (start % block_ != 0) return false;
      start += dimensions(t)[1];
    }
    return true;
  }

  template <class MakeKernel>
  Layout choose_window(const Operation& o, MakeKernel make) const {
    const auto possible = [&](Layout output) {
      for (const Layout input : {Layout::blocked, Layout::plain})
        if (unsupported(machine_,
                        make(network_, o, dense_image(dimensions(o.inputs[0]), input, block_), dense_image(dimensions(o.output()), output, block_)))
                .empty())
          return true;
      return false;
    };
    const Wish& wish = wishes_[o.output()];
    // Depthwise kernels want both sides blocked, and other groups gain nothing from a plain output.
    const bool prefer_plain = wish.plain > 0 && wish.blocked == 0 && o.groups == 1;
    if (prefer_plain && !single_pixel(dimensions(o.output()), block_) && possible(Layout::plain)) return Layout::plain;
    return possible(Layout::blocked) ? Layout::blocked : Layout::plain;
  }

  // The layout that asks for fewer reorders, given that `inputs` lie as they do.
  Layout cheaper(const Operation& o, const std::vector<TensorId>& inputs) const {
    int blocked = 0, plain = 0;
    for (const TensorId t : inputs) {
      if (network_.at(t).constant || single_pixel(dimensions(t), block_)) continue;
      ++(layouts_[t] == Layout::blocked ? blocked : plain);
    }
    if (blocked == 0) return Layout::plain;
    const Wish& wish = wishes_[o.output()];
    return blocked + (wish.blocked > 0) >= plain + (wish.plain > 0) ? Layout::blocked : Layout::plain;
  }

  Layout choose(const Operation& o) const {
    const auto& y = dimensions(o.output());
    switch (o.kind) {
      case Kind::convolution:
        return choose_window(o, convolution_kernel);
      case Kind::transposed:
        return choose_window(o, transposed_kernel);
      case Kind::pooling:
        return layouts_[o.inputs[0]];
      case Kind::upsampling: {  // its input is the smaller one to reorder
        const Wish& wish = wishes_[o.output()];
        return wish.plain > 0 && wish.blocked == 0 ? Layout::plain : layouts_[o.inputs[0]];
      }
      case Kind::elementwise: {
        if (!is_image(y)) return Layout::plain;
        std::vector<TensorId> whole;
        for (const TensorId t : o.inputs)
          if (dimensions(t) == y) whole.push_back(t);
        return cheaper(o, whole);
      }
      case Kind::view:
        return same_blocked(dimensions(o.inputs[0]), y) ? layouts_[o.inputs[0]] : Layout::plain;
      case Kind::strided:
        return is_channel_slice(network_, o, block_) ? layouts_[o.inputs[0]] : Layout::plain;
      case Kind::concatenate: {
        return whole_blocks(o) ? cheaper(o, o.inputs) : Layout::plain;
      }
      default:
        return Layout::plain;
    }
  }

  const Network& network_;
  const Machine& machine_;
  const int64_t block_;
  std::vector<Wish> wishes_;
  std::vector<Layout> layouts_;
};

}  // namespace

std::vector<Layout> choose_layouts(const Network& network, const Machine& machine) { return LayoutChoice(network, machine).choose(); }

}  // namespace lathe::llvm_cpu
