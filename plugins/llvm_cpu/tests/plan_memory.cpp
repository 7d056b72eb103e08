// The arena: memory is shared by what does not live at the same time, and by nothing else.
#include "plan/network.hpp"
#include "plan_support.hpp"

using namespace lathe;
using namespace lathe::llvm_cpu;
using namespace lathe::llvm_cpu::test;

namespace {

// Each step reads the storage before its own and writes its own.
StepList chain(const std::vector<uint64_t>& sizes) {
  StepList list;
  for (const uint64_t bytes : sizes) {
    list.ranges.push_back({static_cast<uint32_t>(list.storages.size()), 0, bytes});
    list.storages.push_back({Buffer::Kind::arena, 0, 0, bytes});
  }
  for (uint32_t i = 0; i + 1 < sizes.size(); ++i) {
    Step step;
    step.kernel = Upsampling{};
    step.arguments = {i, i + 1};
    list.steps.push_back(step);
  }
  return list;
}

bool meet(const Buffer& a, const Buffer& b) { return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes; }

}  // namespace

TEST_CASE("a chain needs two buffers at a time") {
  Program program;
  place(chain({1000, 64, 1000, 64, 1000}), program);
  CHECK(program.arena_bytes == 1024 + 64);
  for (const Buffer& b : program.buffers) CHECK(b.offset % 64 == 0);
  for (size_t i = 0; i + 1 < program.buffers.size(); ++i) CHECK(!meet(program.buffers[i], program.buffers[i + 1]));
}

TEST_CASE("what is needed later is kept") {
  StepList list = chain({256, 256, 256, 256});
  list.steps[2].arguments.insert(list.steps[2].arguments.begin(), 0);  // the first is read again at the end
  Program program;
  place(list, program);
  CHECK(program.arena_bytes == 768);
  for (size_t i = 1; i < 4; ++i) CHECK(!meet(program.buffers[0], program.buffers[i]));
}

TEST_CASE("an elementwise step writes over an operand that dies there, and over no other") {
  const auto arena_of = [](bool read_again, const std::vector<int64_t>& operand_strides) {
    StepList list = chain({256, 256, 256, 256});
    Elementwise kernel;
    kernel.dimensions = {8, 8};
    kernel.operand_strides = {operand_strides};
    kernel.output_strides = {8, 1};
    kernel.expression.instructions = {{Expression::Operation::relu, 0}};
    list.steps[1].kernel = kernel;
    if (read_again) list.steps[2].arguments.insert(list.steps[2].arguments.begin(), 1);
    Program program;
    place(list, program);
    return program;
  };
  CHECK(arena_of(false, {8, 1}).buffers[1].offset == arena_of(false, {8, 1}).buffers[2].offset);
  const Program again = arena_of(true, {8, 1}), transposed = arena_of(false, {1, 8});
  CHECK(!meet(again.buffers[1], again.buffers[2]));
  CHECK(!meet(transposed.buffers[1], transposed.buffers[2]));
}

TEST_CASE("planning twice gives the same plan") {
  const auto once = [] {
    Model m(7);
    const ValueId x = m.convolution(m.input({1, 3, 8, 8}), 24, 3);
    m.output(m.node("Concat", {x, m.node("Relu", {m.convolution(x, 16)})}, {Model::set("axis", int64_t{1})}));
    return check(m);
  };
  const Program a = once(), b = once();
  CHECK(a.weights == b.weights);
  CHECK(a.arena_bytes == b.arena_bytes);
  REQUIRE(a.steps.size() == b.steps.size());
  for (size_t i = 0; i < a.steps.size(); ++i) {
    CHECK(a.steps[i].kernel == b.steps[i].kernel);
    CHECK(a.steps[i].arguments == b.steps[i].arguments);
  }
}

TEST_CASE("equal constants are stored once, each at a multiple of 64 bytes") {
  Model m;
  const ValueId x = m.convolution(m.input({1, 3, 4, 4}), 16), w = m.weights({16, 16, 1, 1});
  m.output(m.node("Conv", {m.node("Conv", {x, w}), w}));
  const Program program = check(m);
  CHECK(program.weights.size() < 16 * 16 * 4 * 2);
  for (const Buffer& b : program.buffers) CHECK((b.kind != Buffer::Kind::weights || b.offset % 64 == 0));
}
