// What the reader and the writer of the textual syntax agree on: words, and where each element's bits lie.
#pragma once
#include <string_view>

#include "core/ir/tensor.hpp"

namespace lathe::text {

// Words that mean something where a name could stand; a value of such a name is quoted.
inline bool reserved(std::string_view word) {
  for (const std::string_view w : {"seq", "map", "optional", "sparse_tensor", "opaque", "undefined", "inf", "infinity", "nan"}) {
    if (word == w) return true;
  }
  return parse_data_type(word).has_value();
}

inline bool identifier_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
inline bool identifier_part(char c) { return identifier_start(c) || (c >= '0' && c <= '9'); }

// How an element is written: numbers of complex tensors stand in pairs.
enum class Literal { integer, unsigned_integer, real, text };
inline Literal literal_of(DataType type) {
  switch (type) {
    case DataType::float32:
    case DataType::float64:
    case DataType::complex64:
    case DataType::complex128:
      return Literal::real;
    case DataType::string:
      return Literal::text;
    case DataType::int2:
    case DataType::int4:
    case DataType::int8:
    case DataType::int16:
    case DataType::int32:
    case DataType::int64:
      return Literal::integer;
    default:
      return Literal::unsigned_integer;
  }
}

}  // namespace lathe::text
