// The state of lowering one network (lower() in plan/network.hpp), which its three files share.
//
//   lower.cpp          the order of things, destinations, one function per kind of operation
//   lower_places.cpp   storages, places, and the copies between them
//   lower_dynamic.cpp  steps on run-time values
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/constants.hpp"
#include "plan/expression.hpp"
#include "plan/kernels.hpp"
#include "plan/pack.hpp"
#include "plan/places.hpp"

namespace lathe::llvm_cpu {

class Lowering {
 public:
  using Kind = Operation::Kind;
  using Dimensions = std::vector<int64_t>;

  Lowering(const Network& network, const std::vector<Layout>& layouts, const Machine& machine, Weights& weights)
      : network_(network),
        layouts_(layouts),
        machine_(machine),
        weights_(weights),
        block_(machine.block()),
        producers_(TensorUses(network).producer),
        places_(network.tensors.size()),
        destinations_(network.tensors.size()) {}

  StepList run();

 private:
  const Tensor& tensor(TensorId t) const { return network_.at(t); }
  const Dimensions& dimensions(TensorId t) const { return network_.at(t).dimensions; }

  // ---- storages and places (lower_places.cpp) ----
  uint32_t new_storage(Buffer::Kind kind, uint32_t index, uint64_t bytes, uint64_t offset = 0);
  Place dense_place(TensorId t, Layout layout, uint32_t storage) const;
  uint64_t dense_bytes(TensorId t, Layout layout) const;
  Place new_place(TensorId t, Layout layout) { return dense_place(t, layout, new_storage(Buffer::Kind::arena, 0, dense_bytes(t, layout))); }

  // Bytes in the weights, each content in one storage.
  uint32_t weights(const void* data, size_t size);
  BufferId weights(const std::vector<float>& values);
  uint32_t constant_storage(TensorId t);
  void add_place(TensorId t, Place place);

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
  Place copied(TensorId t, Layout layout);

  // Any strides.
  Place plain(TensorId t);
  Place dense(TensorId t);
  Place blocked(TensorId t);
  // As an image: plain images may have any batch stride.
  Place image_place(TensorId t, Layout layout);
  Image image(TensorId t, const Place& place) const;
  Place blocked_constant(TensorId t);
  BufferId range(uint32_t storage, uint64_t offset, uint64_t bytes);
  BufferId argument(TensorId t, const Place& place) { return range(place.storage, place.offset, extent(tensor(t), place, block_)); }
  void step(Kernel kernel, std::vector<BufferId> arguments, std::string name = {});

  // ---- copies (lower_places.cpp) ----
  // Writes tensor `t` to a place, from whichever of its places serves best, and notes the new place.
  void copy_into(TensorId t, const Place& to);
  bool pixels_are_dense(TensorId t, const Place& place) const { return is_dense(dimensions(t), place.strides, 2); }
  Reorder reorder(TensorId t, int64_t input_stride, int64_t output_stride, bool to_blocked) const;
  void copy_blocked(TensorId t, const Place& from, const Place& to);

  // ---- destinations (lower.cpp) ----
  // Whether the operation that makes `t` can write it there (lower() must keep what this promises).
  bool can_write(TensorId t, const Place& to) const;

  // The place in the layout that the operation behind `t` writes, where both layouts are the same bytes there.
  Place in_chosen_layout(TensorId t, const Place& to) const;

  // Whether a convolution can write plain channels that do not follow each other.
  bool writes_rows(const Operation& o, const Place& to) const;
  void plan_destinations();
  void place_parts(const Operation& o);

  // Where the parts lie already as this concatenation would have them (inside a later, longer one): there.
  std::optional<Place> joint_place(const Operation& o) const;
  void write_output(size_t i);
  Place output_place(TensorId t);

  // ---- operations (lower.cpp) ----
  void lower(const Operation& o);
  bool empty(const Operation& o);
  void finish_view(TensorId y);
  void view(const Operation& o);
  void strided(const Operation& o);
  void concatenate(const Operation& o);

  // Convolutions of both directions.
  template <class MakeKernel>
  void window(const Operation& o, MakeKernel make);
  std::vector<float> padded_bias(TensorId t, int64_t channels) const;

  // A convolution that no emitter takes: the operator's own kernel, then its epilogue.
  void generic_anchor(const Operation& o);

  template <class MakeKernel>
  void same_layout(const Operation& o, MakeKernel make);
  void elementwise(const Operation& o);
  void elementwise_step(const Expression& expression, const std::vector<TensorId>& operands, TensorId y, const Place& to);
  static Dimensions broadcast(const Dimensions& from, const Dimensions& strides, const Dimensions& to);

  // Strides of an operand over [N, C/B, H, W, B] of a blocked output.
  Dimensions blocked_operand(TensorId t, const Dimensions& y, std::vector<BufferId>& arguments);
  void softmax(const Operation& o);

  // Strides of a product's operand: of its batch dimensions (aligned with `batch`), its rows and its columns.
  struct Matrix {
    Place place;
    Dimensions batch;
    int64_t row = 0, column = 1;
  };
  Matrix matrix(TensorId t, bool transposed, const Dimensions& batch);
  void product(const Operation& o);

  // Drops batch dimensions of one, joins neighbours, and makes rows of a batch that has one right side.
  static void join_batches(MatrixProduct& k);
  void add_generic_input(Generic& kernel, std::vector<BufferId>& arguments, TensorId t);
  void generic(const Operation& o);

  // ---- run-time values (lower_dynamic.cpp) ----
  ValueId dynamic_value(TensorId t);

  // A tensor with planned memory as a value.
  ValueId planned_value(TensorId t, BufferId buffer);
  ValueId value_read(TensorId t, std::vector<BufferId>& arguments);
  void dynamic(const Operation& o);
  void declare_elements(const Operation& o, Program& body) const;

  // A tuned kernel for some rows of an operation whose rows are counted by the run.
  void row_by_row(const Operation& o);

  // Tells every dynamic step which values are done with it.
  void note_last_readers();

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

}  // namespace lathe::llvm_cpu
