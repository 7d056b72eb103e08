// Sizes and shapes of the boundary's structs, for reading what a plugin hands over without trusting it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "lathe/backend.h"
#include "lathe/executor.h"
#include "lathe/frontend.h"
#include "lathe/inspector.h"
#include "lathe/operators.h"
#include "lathe/passes.h"
#include "lathe/tensors.h"

namespace lathe {

// The size each struct had when it was first released (1.0): a plugin's struct_size is never below it. These numbers never change;
// tests/conformance/layout_1_0.c pins the offsets.
template <class T>
inline constexpr uint32_t released_size = 0;
template <>
inline constexpr uint32_t released_size<lathe_diagnostic> = 120;
template <>
inline constexpr uint32_t released_size<lathe_option> = 48;
template <>
inline constexpr uint32_t released_size<lathe_plugin> = 64;
template <>
inline constexpr uint32_t released_size<lathe_tensor> = 72;
template <>
inline constexpr uint32_t released_size<lathe_value> = 48;
template <>
inline constexpr uint32_t released_size<lathe_attribute> = 72;
template <>
inline constexpr uint32_t released_size<lathe_node> = 112;
template <>
inline constexpr uint32_t released_size<lathe_graph> = 200;
template <>
inline constexpr uint32_t released_size<lathe_edit> = 48;
template <>
inline constexpr uint32_t released_size<lathe_device> = 32;
template <>
inline constexpr uint32_t released_size<lathe_verdict> = 32;
template <>
inline constexpr uint32_t released_size<lathe_buffer> = 80;
template <>
inline constexpr uint32_t released_size<lathe_interface> = 56;
template <>
inline constexpr uint32_t released_size<lathe_kernel_time> = 88;
template <>
inline constexpr uint32_t released_size<lathe_pass> = 80;
template <>
inline constexpr uint32_t released_size<lathe_frontend> = 80;
template <>
inline constexpr uint32_t released_size<lathe_backend> = 152;
template <>
inline constexpr uint32_t released_size<lathe_executor> = 80;
template <>
inline constexpr uint32_t released_size<lathe_inspector> = 24;
template <>
inline constexpr uint32_t released_size<lathe_tensors> = 40;
template <>
inline constexpr uint32_t released_size<lathe_passes> = 32;
template <>
inline constexpr uint32_t released_size<lathe_formal> = 24;
template <>
inline constexpr uint32_t released_size<lathe_type_variable> = 32;
template <>
inline constexpr uint32_t released_size<lathe_formal_attribute> = 32;
template <>
inline constexpr uint32_t released_size<lathe_operator> = 184;
template <>
inline constexpr uint32_t released_size<lathe_operators> = 32;
template <>
inline constexpr uint32_t released_size<lathe_operator_kernel> = 40;

// Whether the struct at `p` is at least as large as its first release.
template <class T>
bool large_enough(const T* p) {
  return p->struct_size >= released_size<T>;
}

// A struct as this program knows it: fields that the plugin's version does not have are zero.
template <class T>
T copy_struct(const T* p, size_t stride = SIZE_MAX) {
  T copy = {};
  std::memcpy(&copy, p, std::min({sizeof copy, static_cast<size_t>(p->struct_size), stride}));
  return copy;
}

// What is wrong with a plugin's parts, sentence by sentence: sizes, missing functions, arrays without elements, names that break the
// rules. Calls part() and reads static tables only.
std::vector<std::string> table_defects(const lathe_plugin& table);

}  // namespace lathe
