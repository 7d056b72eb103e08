// The table of element types.
#include "element_types.hpp"

#include "lathe/graph.h"

namespace lathe::openvino {
namespace {

constexpr ElementType types[] = {
    {LATHE_FLOAT32, "f32", "FP32", 32},
    {LATHE_FLOAT16, "f16", "FP16", 16},
    {LATHE_BFLOAT16, "bf16", "BF16", 16},
    {LATHE_FLOAT64, "f64", "FP64", 64},
    {LATHE_INT4, "i4", "I4", 4},
    {LATHE_INT8, "i8", "I8", 8},
    {LATHE_INT16, "i16", "I16", 16},
    {LATHE_INT32, "i32", "I32", 32},
    {LATHE_INT64, "i64", "I64", 64},
    {0, "u1", "U1", 1},
    {LATHE_UINT4, "u4", "U4", 4},
    {LATHE_UINT8, "u8", "U8", 8},
    {LATHE_UINT16, "u16", "U16", 16},
    {LATHE_UINT32, "u32", "U32", 32},
    {LATHE_UINT64, "u64", "U64", 64},
    {LATHE_BOOL, "boolean", "BOOL", 8},
    {LATHE_FLOAT8E4M3FN, "f8e4m3", "F8E4M3", 8},
    {LATHE_FLOAT8E5M2, "f8e5m2", "F8E5M2", 8},
    {LATHE_FLOAT8E8M0, "f8e8m0", "F8E8M0", 8},
    {LATHE_FLOAT4E2M1, "f4e2m1", "F4E2M1", 4},
    {0, "string", "STRING", 64},
    {0, "nf4", "NF4", 4},
    {0, "u2", "U2", 2},
    {0, "u3", "U3", 3},
    {0, "u6", "U6", 6},
};

}  // namespace

const ElementType* find_type(int32_t lathe) {
  for (const ElementType& t : types)
    if (t.lathe == lathe && lathe != 0) return &t;
  return nullptr;
}
const ElementType* find_type_in_data(std::string_view name) {
  for (const ElementType& t : types)
    if (t.data == name) return &t;
  return nullptr;
}
const ElementType* find_type_in_port(std::string_view name) {
  for (const ElementType& t : types)
    if (t.port == name) return &t;
  return nullptr;
}

bool type_in_class(int32_t lathe, std::string_view name) {
  const ElementType* type = find_type(lathe);
  if (!type) return false;
  const char kind = type->data[0] == 'b' ? type->data[1] : type->data[0];  // f of "f32" and "bf16", i, u, o of "boolean"
  if (name == "any") return true;
  if (name == "number") return kind != 'o';
  if (name == "float") return kind == 'f';
  if (name == "integer") return kind == 'i' || kind == 'u';
  if (name == "index") return lathe == LATHE_INT32 || lathe == LATHE_INT64;
  return name == type->data;
}

}  // namespace lathe::openvino
