// Lowering's steps on run-time values: operations whose shapes only the run knows, bodies of control flow, tuned kernels called row by row; and who
// reads a value last.
#include <stdexcept>

#include "plan/lowering.hpp"

namespace lathe::llvm_cpu {

ValueId Lowering::dynamic_value(TensorId t) {
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

ValueId Lowering::planned_value(TensorId t, BufferId buffer) {
  const auto [found, fresh] = planned_values_.try_emplace({t, buffer}, static_cast<ValueId>(list_.values.size()));
  if (fresh) list_.values.push_back({LATHE_KIND_TENSOR, tensor(t).type, buffer, dimensions(t)});
  return found->second;
}

ValueId Lowering::value_read(TensorId t, std::vector<BufferId>& arguments) {
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

// A loop that takes no turn has no element to show the sizes of what it stacks: what is declared of the node's output tells them, where the body's
// own outputs, whose values may have gone through sequences, do not.
void Lowering::declare_elements(const Operation& o, Program& body) const {
  const bool loop = o.action == Action::loop;
  if (!loop && o.action != Action::scan) return;
  const auto listed = [&](std::string_view name, size_t index, int64_t fallback) {
    const auto found = std::find_if(o.attributes.begin(), o.attributes.end(), [&](const Generic::Attribute& a) { return a.name == name; });
    return found != o.attributes.end() && index < found->ints.size() ? found->ints[index] : fallback;
  };
  const size_t condition = loop ? 1 : 0, others = loop ? 2 : static_cast<size_t>(listed("num_scan_inputs", 0, 0));
  const size_t carried = o.node_inputs - std::min(others, o.node_inputs);
  for (size_t i = carried; i < o.outputs.size() && condition + i < body.outputs.size(); ++i) {
    if (o.outputs[i] == no_tensor || !tensor(o.outputs[i]).ranked) continue;
    TensorInterface& element = body.outputs[condition + i];
    Dimensions declared = tensor(o.outputs[i]).dimensions;
    const auto rank = static_cast<int64_t>(declared.size());
    int64_t axis = listed("scan_output_axes", i - carried, 0);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) continue;
    declared.erase(declared.begin() + axis);
    if (!element.ranked) {
      element.ranked = true;
      element.dimensions.assign(declared.size(), -1);
      element.symbols.assign(declared.size(), {});
    }
    if (element.dimensions.size() != declared.size()) continue;
    for (size_t d = 0; d < declared.size(); ++d)
      if (element.dimensions[d] < 0 && declared[d] >= 0) element.dimensions[d] = declared[d];
  }
}

void Lowering::dynamic(const Operation& o) {
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
    Program program = plan_network(network, machine_, weights_);
    declare_elements(o, program);
    arena = std::max(arena, program.arena_bytes);
    made.program = std::make_shared<Program>(std::move(program));
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

void Lowering::row_by_row(const Operation& o) {
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

void Lowering::note_last_readers() {
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

}  // namespace lathe::llvm_cpu
