// Element types as the IR spells them: lower case in attributes ("f32"), upper case in ports ("FP32"), and Lathe's numbers for them.
#pragma once
#include <cstdint>
#include <string_view>

namespace lathe::openvino {

struct ElementType {
  int32_t lathe;          // LATHE_FLOAT32, ...; 0 where Lathe has no such type
  std::string_view data;  // in <data>
  std::string_view port;  // in <port precision="...">
  unsigned bits;
};

// nullptr: no such type.
const ElementType* find_type(int32_t lathe);
const ElementType* find_type_in_data(std::string_view name);
const ElementType* find_type_in_port(std::string_view name);

// What a port may hold: "any", "number", "float", "integer", "index" (i32 or i64), "boolean", or one type's name. False for types without number.
bool type_in_class(int32_t lathe, std::string_view name);

}  // namespace lathe::openvino
