// Shape functions against inference: for random inputs, good and bad, both must give the same shapes or both must refuse.
#include "shape_functions.hpp"

#include <functional>
#include <random>

#include "support.hpp"

using namespace lathe;
using namespace lathe::test;

namespace {

using Random = std::mt19937;

int64_t draw(Random& random, int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

// Mostly small numbers, now and then one from the far ends.
int64_t number(Random& random, int64_t low, int64_t high) {
  const int64_t far[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, -1, 0, INT32_MAX};
  return draw(random, 0, 11) ? draw(random, low, high) : far[draw(random, 0, 5)];
}

std::vector<int64_t> numbers(Random& random, int64_t count, int64_t low, int64_t high) {
  std::vector<int64_t> list;
  for (int64_t i = 0; i < count; ++i) list.push_back(number(random, low, high));
  return list;
}

Tensor list(const std::vector<int64_t>& values) { return Tensor::of<int64_t>(DataType::int64, {int64_t(values.size())}, values); }

struct Case {
  Node node;
  std::vector<std::optional<Tensor>> inputs;
};

Case make(const char* op_type, std::vector<std::optional<Tensor>> inputs, size_t outputs = 1) {
  Case c;
  c.node.op_type = op_type;
  c.node.name = "n";
  for (size_t i = 0; i < inputs.size(); ++i) c.node.inputs.push_back(inputs[i] ? ValueId(i) : none);
  for (size_t i = 0; i < outputs; ++i) c.node.outputs.push_back(ValueId(inputs.size() + i));
  c.inputs = std::move(inputs);
  return c;
}
Case with(Case c, const char* name, Attribute value) {
  c.node.attributes.emplace(name, std::move(value));
  return c;
}

Tensor data(Random& random, int64_t low_rank = 0, int64_t high_rank = 4) {
  std::vector<int64_t> dimensions;
  for (int64_t i = draw(random, low_rank, high_rank); i > 0; --i) dimensions.push_back(draw(random, 0, 9) ? draw(random, 1, 6) : 0);
  return Tensor::allocate(DataType::float32, dimensions);
}
int64_t rank(const Tensor& t) { return int64_t(t.dimensions.size()); }

// Axes that are right more often than not.
std::vector<int64_t> axes(Random& random, int64_t count, int64_t of) {
  std::vector<int64_t> all;
  for (int64_t i = 0; i < of; ++i) all.push_back(draw(random, 0, 1) ? i : i - of);
  std::shuffle(all.begin(), all.end(), random);
  all.resize(size_t(std::min(count, of)));
  if (!all.empty() && draw(random, 0, 7) == 0) all[0] = number(random, -of - 1, of + 1);
  return all;
}

const std::vector<std::pair<const char*, std::function<Case(Random&)>>> cases = {
    {"Reshape",
     [](Random& r) {
       const Tensor x = data(r);
       std::vector<int64_t> shape = x.dimensions;  // something that has a chance to fit
       std::shuffle(shape.begin(), shape.end(), r);
       if (!shape.empty() && draw(r, 0, 1)) shape[size_t(draw(r, 0, int64_t(shape.size()) - 1))] = draw(r, -1, 0);
       if (draw(r, 0, 5) == 0) shape = numbers(r, draw(r, 0, 18), -2, 4);
       return with(make("Reshape", {x, list(shape)}), "allowzero", Attribute{draw(r, 0, 1)});
     }},
    {"Flatten",
     [](Random& r) {
       const Tensor x = data(r);
       return with(make("Flatten", {x}), "axis", Attribute{number(r, -rank(x) - 1, rank(x) + 1)});
     }},
    {"Squeeze",
     [](Random& r) {
       Tensor x = data(r);
       for (int64_t& d : x.dimensions)
         if (draw(r, 0, 1)) d = 1;
       x = Tensor::allocate(DataType::float32, x.dimensions);
       if (draw(r, 0, 2) == 0) return make("Squeeze", {x});
       return make("Squeeze", {x, list(axes(r, draw(r, 0, 2), rank(x)))});
     }},
    {"Unsqueeze",
     [](Random& r) {
       const Tensor x = data(r);
       const int64_t count = draw(r, 0, 13);
       return make("Unsqueeze", {x, list(axes(r, count, rank(x) + count))});
     }},
    {"Shape",
     [](Random& r) { return with(with(make("Shape", {data(r)}), "start", Attribute{number(r, -5, 5)}), "end", Attribute{number(r, -5, 5)}); }},
    {"Size", [](Random& r) { return make("Size", {data(r)}); }},
    {"ConstantOfShape", [](Random& r) { return make("ConstantOfShape", {list(numbers(r, draw(r, 0, 5), 0, 4))}); }},
    {"Expand",
     [](Random& r) {
       const Tensor x = data(r);
       std::vector<int64_t> shape = x.dimensions;
       for (int64_t& d : shape)
         if (draw(r, 0, 2) == 0) d = 1;
       if (!shape.empty() && draw(r, 0, 3) == 0) shape[0] = number(r, -1, 4);
       return make("Expand", {x, list(shape)});
     }},
    {"Range",
     [](Random& r) {
       std::vector<std::optional<Tensor>> inputs;
       const bool real = draw(r, 0, 1);
       for (int i = 0; i < 3; ++i) {
         const int64_t value = number(r, -40, 40);
         const float half = float(value) / 4;
         inputs.push_back(real ? Tensor::of<float>(DataType::float32, {}, {&half, 1}) : Tensor::of<int64_t>(DataType::int64, {}, {&value, 1}));
       }
       return make("Range", inputs);
     }},
    {"Transpose",
     [](Random& r) {
       const Tensor x = data(r);
       if (draw(r, 0, 3) == 0) return make("Transpose", {x});
       std::vector<int64_t> order;
       for (int64_t i = 0; i < rank(x); ++i) order.push_back(i);
       std::shuffle(order.begin(), order.end(), r);
       if (!order.empty() && draw(r, 0, 5) == 0) order[0] = draw(r, -1, 4);
       return with(make("Transpose", {x}), "perm", Attribute{order});
     }},
    {"Concat",
     [](Random& r) {
       const Tensor x = data(r, 1);
       Tensor z = x;
       const int64_t axis = draw(r, 0, rank(x) - 1);
       z.dimensions[size_t(axis)] = draw(r, 0, 3);
       if (draw(r, 0, 5) == 0) z.dimensions[0] = 7;
       return with(make("Concat", {x, Tensor::allocate(DataType::float32, z.dimensions), x}), "axis",
                   Attribute{draw(r, 0, 7) ? axis : number(r, -5, 5)});
     }},
    {"Split",
     [](Random& r) {
       const Tensor x = data(r, 1);
       const int64_t axis = draw(r, 0, rank(x) - 1), parts = draw(r, 1, 4);
       if (draw(r, 0, 1)) return with(make("Split", {x}, size_t(parts)), "axis", Attribute{axis});
       std::vector<int64_t> sizes(size_t(parts), 0);
       for (int64_t i = 0; i < x.dimensions[size_t(axis)]; ++i) ++sizes[size_t(draw(r, 0, parts - 1))];
       if (draw(r, 0, 3) == 0) sizes[0] = number(r, -1, 3);
       return with(make("Split", {x, list(sizes)}, size_t(parts)), "axis", Attribute{axis});
     }},
    {"Slice",
     [](Random& r) {
       const Tensor x = data(r);
       const std::vector<int64_t> along = axes(r, draw(r, 0, rank(x)), rank(x));
       const int64_t count = int64_t(along.size());
       return make("Slice", {x, list(numbers(r, count, -8, 8)), list(numbers(r, draw(r, 0, 15) ? count : count + 1, -8, 8)),
                             draw(r, 0, 2) ? std::optional(list(along)) : std::nullopt,
                             draw(r, 0, 2) ? std::optional(list(numbers(r, count, -3, 3))) : std::nullopt});
     }},
    {"Tile",
     [](Random& r) {
       const Tensor x = data(r);
       return make("Tile", {x, list(numbers(r, draw(r, 0, 9) ? rank(x) : 2, 0, 4))});
     }},
    {"Pad",
     [](Random& r) {
       const Tensor x = data(r);
       const std::vector<int64_t> along = axes(r, draw(r, 0, rank(x)), rank(x));
       const bool some = draw(r, 0, 1);
       const char* modes[] = {"constant", "reflect", "edge", "wrap"};
       return with(make("Pad", {x, list(numbers(r, 2 * (some ? int64_t(along.size()) : rank(x)), -2, 4)), std::nullopt,
                                some ? std::optional(list(along)) : std::nullopt}),
                   "mode", Attribute{std::string(modes[draw(r, 0, 3)])});
     }},
    {"DepthToSpace",
     [](Random& r) {
       return with(make("DepthToSpace", {Tensor::allocate(DataType::float32, {1, draw(r, 1, 18), 2, 3})}), "blocksize", Attribute{draw(r, 1, 3)});
     }},
    {"SpaceToDepth",
     [](Random& r) {
       return with(make("SpaceToDepth", {Tensor::allocate(DataType::float32, {1, 2, draw(r, 1, 9), draw(r, 1, 9)})}), "blocksize",
                   Attribute{draw(r, 1, 3)});
     }},
    {"Trilu", [](Random& r) { return make("Trilu", {data(r)}); }},
    {"QuantizeLinear",
     [](Random& r) {
       const Tensor x = data(r, 1);
       const int64_t axis = draw(r, 0, rank(x) - 1);
       std::vector<int64_t> scale;
       int64_t block = 0;
       if (draw(r, 0, 2) == 0) {
         block = draw(r, 1, 3);
         scale = x.dimensions;
         scale[size_t(axis)] = (scale[size_t(axis)] + block - 1) / block;
       } else if (draw(r, 0, 2)) {
         scale = {draw(r, 0, 5) ? x.dimensions[size_t(axis)] : 3};
       }
       std::vector<int64_t> zero = scale;
       if (draw(r, 0, 5) == 0) zero.push_back(1);
       return with(with(make("QuantizeLinear", {x, Tensor::allocate(DataType::float32, scale), Tensor::allocate(DataType::int8, zero)}), "axis",
                        Attribute{axis}),
                   "block_size", Attribute{block});
     }},
};

std::vector<const Tensor*> pointers(const Case& c) {
  std::vector<const Tensor*> inputs;
  for (const auto& input : c.inputs) inputs.push_back(input ? &*input : nullptr);
  return inputs;
}

}  // namespace

TEST_CASE("shape functions and inference agree on random inputs") {
  for (const auto& entry : cases) {
    const std::string name = entry.first;
    Random random(20260);
    int good = 0, bad = 0;
    for (int i = 0; i < 1000; ++i) {
      const Case c = entry.second(random);
      std::vector<DataType> types;
      const Shapes expected = by_inference(c.node, pointers(c), &types);
      if (types.empty()) types.assign(c.node.outputs.size(), c.inputs[0]->type);
      const std::optional<Shapes> found = by_shape_function(c.node, pointers(c), types);
      ++(expected.error.empty() ? good : bad);
      std::string inputs;
      for (const Tensor* t : pointers(c)) {
        inputs += t ? " " + to_string(Shape(t->dimensions.begin(), t->dimensions.end())) : " -";
        if (t && t->type == DataType::int64)
          for (const int64_t v : t->as<int64_t>()) inputs += "," + std::to_string(v);
      }
      CAPTURE(name);
      CAPTURE(inputs);
      CAPTURE(expected.error);
      REQUIRE(found.has_value());
      CAPTURE(found->error);
      REQUIRE(found->error.empty() == expected.error.empty());
      if (expected.error.empty()) REQUIRE(found->outputs == expected.outputs);
    }
    CAPTURE(name);
    CHECK(good > 100);
    const bool may_fail = name != "Size" && name != "Shape";
    CHECK(bool(bad > 0) == may_fail);
  }
}
