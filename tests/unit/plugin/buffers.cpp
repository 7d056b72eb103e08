// Values of a run across the boundary: what goes out comes back, and what does not add up is refused.
#include "core/plugin/buffers.hpp"

#include <doctest/doctest.h>

#include "core/base/diagnostic.hpp"

using namespace lathe;

namespace {

Tensor floats(std::vector<float> values) { return Tensor::of<float>(DataType::float32, {int64_t(values.size())}, values); }
Tensor words(std::vector<std::string> values) {
  Tensor tensor = Tensor::allocate(DataType::string, {int64_t(values.size())});
  tensor.strings = std::make_shared<const std::vector<std::string>>(std::move(values));
  return tensor;
}

std::string refusal(const lathe_buffer& buffer) {
  try {
    read_buffer(buffer);
  } catch (const Error& error) {
    return error.diagnostics.front().text;
  }
  return "";
}

}  // namespace

TEST_CASE("tensors, strings, sequences and optionals go across and back") {
  const Datum data[] = {
      floats({1, 2, 3}),
      words({"a", "", "longer than a small string is"}),
      Datum::sequence(DataType::float32, {floats({1}), floats({})}),
      Datum::sequence(DataType::string, {words({"x"})}),
      Datum::sequence(DataType::int64, {}),
      Datum::absent(ValueKind::optional, DataType::float32),
      Datum::absent(ValueKind::optional_sequence, DataType::float32),
      converted(floats({4}), {ValueKind::optional, DataType::float32, std::nullopt}),
      converted(Datum::sequence(DataType::float32, {floats({5})}), {ValueKind::optional_sequence, DataType::float32, std::nullopt}),
  };
  const Buffers buffers(data);
  REQUIRE(buffers.size() == std::size(data));
  for (size_t i = 0; i < buffers.size(); ++i) {
    CAPTURE(i);
    CHECK(read_buffer(buffers.data()[i]) == data[i]);
  }
}

TEST_CASE("a value that does not add up is refused") {
  const Datum data[] = {floats({1, 2}), words({"a", "b"}), Datum::sequence(DataType::float32, {floats({1})})};
  const Buffers buffers(data);
  lathe_buffer b = buffers.data()[0];
  b.size = 7;
  CHECK(refusal(b) == "has too few or too many bytes");
  b = buffers.data()[0];
  b.data = nullptr;
  CHECK(refusal(b) == "has too few or too many bytes");
  b = buffers.data()[0];
  b.kind = 9;
  CHECK(refusal(b) == "is of an unknown kind");
  b = buffers.data()[0];
  b.struct_size = 8;
  CHECK(refusal(b) == "has a struct_size that is too small");
  b = buffers.data()[0];
  b.type = 99;
  CHECK(refusal(b) == "has no element type");
  b = buffers.data()[0];
  const int64_t negative = -1;
  b.dimensions = &negative;
  CHECK(refusal(b) == "has an impossible shape");
  b = buffers.data()[1];
  b.size -= 1;
  CHECK(refusal(b) == "has too few or too many strings");
  b = buffers.data()[2];
  b.elements = nullptr;
  CHECK(refusal(b) == "is a sequence without elements");
  b = buffers.data()[2];
  b.type = LATHE_INT64;
  CHECK(refusal(b) == "has an element of another type");
}

TEST_CASE("what a value of a type may hold") {
  const ValueType type = {ValueKind::tensor, DataType::float32, Shape{Dimension("N")}};
  CHECK(fits(floats({1}), type));
  CHECK_FALSE(fits(words({"a"}), type));
  CHECK_FALSE(fits(floats({1}), {ValueKind::tensor, DataType::float32, Shape{2}}));
  CHECK_FALSE(fits(Datum::sequence(DataType::float32, {floats({1})}), type));
  const ValueType sequence = {ValueKind::sequence, DataType::float32, Shape{2}};
  CHECK(fits(Datum::sequence(DataType::float32, {floats({1, 2})}), sequence));
  CHECK_FALSE(fits(Datum::sequence(DataType::float32, {floats({1, 2}), floats({1})}), sequence));
  CHECK_FALSE(fits(Datum::sequence(DataType::int64, {}), sequence));
  CHECK(fits(Datum::absent(ValueKind::optional, DataType::float32), {ValueKind::optional, DataType::float32, Shape{2}}));
  CHECK(describe(Datum::sequence(DataType::float32, {floats({1})})) == "a sequence of 1 float tensor");
}
