// 64-bit arithmetic on sizes that come from files: every overflow is seen, none wraps.
#pragma once
#include <optional>
#include <type_traits>

namespace lathe {

// a * b, or nullopt where the result does not fit T.
template <class T>
constexpr std::optional<T> checked_multiply(std::type_identity_t<T> a, std::type_identity_t<T> b) {
  T result{};
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

// a + b, or nullopt where the result does not fit T.
template <class T>
constexpr std::optional<T> checked_add(std::type_identity_t<T> a, std::type_identity_t<T> b) {
  T result{};
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

// a - b, or nullopt where the result does not fit T.
template <class T>
constexpr std::optional<T> checked_subtract(std::type_identity_t<T> a, std::type_identity_t<T> b) {
  T result{};
  if (__builtin_sub_overflow(a, b, &result)) return std::nullopt;
  return result;
}

}  // namespace lathe
