// What the files of lowering share. Private to core/ops.
#pragma once
#include <span>
#include <string>

#include "core/ops/lift.hpp"

namespace lathe::lower {

// The node cannot be expressed: one clause that says why.
[[noreturn]] void refuse(std::string text);

// Operators written out in older ones, in canonical form (lower_expand.cpp).
std::span<const lift::Rule> expansions();
std::span<const lift::Rule> attention_expansions();  // lower_attention.cpp

}  // namespace lathe::lower
