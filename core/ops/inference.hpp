// What the inference functions of the operator families share: type sets, axes, broadcasting, and arithmetic on dimensions that may be
// symbols. Everything here either returns a result or ends in InferenceContext::fail with a sentence about the node.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/ops/operator.hpp"

namespace lathe::infer {

// Type sets of the standard (ONNX, Operators.md).
std::vector<DataType> floats();                                      // float16, bfloat16, float, double
std::vector<DataType> signed_types();                                // floats and signed integers
std::vector<DataType> integers();                                    // all whole-byte integer types
std::vector<DataType> numbers();                                     // floats and integers
std::vector<DataType> reducible();                                   // floats and 32- and 64-bit integers
std::vector<DataType> every_type();                                  // what an operator that only moves elements takes
std::vector<DataType> before_bfloat16(std::vector<DataType> types);  // less bfloat16 and all that came after it: operators of older versions
std::vector<DataType> before_float8(std::vector<DataType> types);    // less the types of eight and fewer bits that came after bfloat16, likewise
inline constexpr std::string_view int64_tensor = "tensor(int64)", float_tensor = "tensor(float)", bool_tensor = "tensor(bool)";

// Shape of an input; nullptr when it is absent or its rank is not known.
const Shape* shape(const InferenceContext& context, size_t index);
DataType element(const InferenceContext& context, size_t index);

// Outputs with input 0's element type and the given shape (nullopt: rank unknown).
void set(InferenceContext& context, std::optional<Shape> shape, size_t output = 0);
void set(InferenceContext& context, DataType element, std::optional<Shape> shape, size_t output = 0);

// Whole inference functions.
void same_as_input(InferenceContext& context);      // one output, type and shape of input 0
void broadcast_all(InferenceContext& context);      // all inputs broadcast; element type of input 0
void broadcast_to_bool(InferenceContext& context);  // likewise, boolean

// An axis attribute or element as 0..rank-1.
size_t axis(const InferenceContext& context, int64_t axis, size_t rank, std::string_view what = "axis");
// Several axes as 0..rank-1; fails where one is named twice.
std::vector<size_t> distinct_axes(const InferenceContext& context, const std::vector<int64_t>& axes, size_t rank);
// A text attribute with a fixed set of values; the first of them where it is absent.
std::string choice(const InferenceContext& context, std::string_view attribute, const std::vector<std::string>& known);
// An attribute that holds a TensorProto.DataType number; none where it is absent or 0.
DataType data_type(const InferenceContext& context, std::string_view attribute);
// The elements of an integer constant input, or nullopt when they are not known.
std::optional<std::vector<int64_t>> known_integers(const InferenceContext& context, size_t input);
// Fails unless the input's rank is between low and high (or unknown).
void expect_rank(const InferenceContext& context, size_t input, size_t low, size_t high);
// Fails unless a one-dimensional parameter has `length` elements (or either is unknown).
void expect_length(const InferenceContext& context, size_t input, const Dimension& length);

// Fails unless the input has this rank and these sizes (or its shape, or a size, is unknown); absent inputs pass.
void expect_shape(const InferenceContext& context, size_t input, const Shape& expected);

// Multidirectional broadcasting; fails naming both shapes.
Shape broadcast(const InferenceContext& context, const Shape& a, const Shape& b);

// Fails unless input `input`, a scale or zero point of an operand of a matrix product, has one element, one for each row of the operand (`rows`; else
// for each column), or that for each matrix of the stack. nullptr: the operand's shape is not known.
void expect_lines(const InferenceContext& context, size_t input, const Shape* operand, bool rows);

// What is true of both: the dimensions that are equal, the others unknown; no rank where the ranks differ. `a` and `b` are of one kind and
// element type, or one of them of none.
ValueType merged(const ValueType& a, const ValueType& b);

// numpy.matmul: a vector on the left is a row, on the right a column; leading axes broadcast. Neither is a scalar.
Shape matrix_product(const InferenceContext& context, const Shape& a, const Shape& b);

// Arithmetic on dimensions. Where an operand is a symbol the result is a symbol that spells the formula, so that equal formulas are
// equal dimensions; where nothing is known, or the formula is too long to be of use, the result is unknown. Division rounds down.
Dimension plus(const InferenceContext& context, const Dimension& a, const Dimension& b);
Dimension minus(const InferenceContext& context, const Dimension& a, const Dimension& b);
Dimension times(const InferenceContext& context, const Dimension& a, const Dimension& b);
Dimension divided(const InferenceContext& context, const Dimension& a, const Dimension& b);
Dimension product(const InferenceContext& context, const Shape& shape, size_t begin, size_t end);
bool unknown(const Dimension& d);                     // neither constant nor symbol
bool differ(const Dimension& a, const Dimension& b);  // both constant and not equal

// Elements of shape arithmetic may be negative, which Dimension cannot hold as a constant: they are symbols that spell the number.
Dimension from_number(int64_t number);
std::optional<int64_t> number(const Dimension& element);

}  // namespace lathe::infer
