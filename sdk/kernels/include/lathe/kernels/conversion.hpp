// Conversion between element types: Cast, CastLike, BitCast.
//
// What the standard leaves open: floating-point numbers beyond an integer type's range saturate, NaN becomes 0, and integers of less than a byte
// keep the low bits. Numbers become text as numpy writes them (number_text.hpp); text becomes a whole number exactly where it is one, else by way of
// a floating-point number; "true" and "false" are booleans too.
#pragma once
#include "lathe/kernels/number_text.hpp"
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

struct CastRules {
  bool saturate;
  float8e8m0::Round round;
};
inline CastRules cast_rules(const Call& call) {
  return {call.integer("saturate", 1) != 0, call.is("round_mode", "down", "up")      ? float8e8m0::Round::down
                                            : call.is("round_mode", "nearest", "up") ? float8e8m0::Round::nearest
                                                                                     : float8e8m0::Round::up};
}

// A float32 that stands for the number until it is rounded to a small float.
template <class From>
float to_float(From from) {
  if constexpr (std::is_same_v<From, double>)
    return narrow_to_odd(from);
  else
    return float(from);
}

template <class To, class From>
To cast_to_small(From from, const CastRules& rules) {
  if constexpr (std::is_same_v<To, float8e8m0>) {
    float8e8m0 result;
    result.bits = float8e8m0::encode(to_float(from), rules.saturate, rules.round);
    return result;
  } else if constexpr (is_small_float<To>) {
    return To::from_bits(To::encode(to_float(from), rules.saturate));
  } else {
    return convert<To>(from);
  }
}

using Small = Types<float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float8e8m0, float4e2m1, int4, uint4, int2, uint2>;

template <class From, class To>
void cast_plain(const Call& call, const Tensor& x, const Tensor& y) {
  const From* __restrict from = x.as<const From>();
  To* __restrict to = y.as<To>();
  parallel(call, x.size(), grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
    for (int64_t i = begin; i < end; ++i) to[i] = convert<To>(from[i]);
  });
}

inline bool is_small(Type type) { return type >= Type::float8e4m3fn; }

// float32 holds every small float, and int32 every small integer: pairs of which one is small go by way of one of them, a few at a time. Between
// integers it is int32, so that bits are dropped and not clamped; a loop for each of the 500 pairs would be a lot of code. To integers of 4 and 2
// bits floats are rounded, halves to even, before bits are dropped (ONNX, "4 bit integer types"); to wider ones they are cut off.
inline void cast_small(const Call& call, const Tensor& x, const Tensor& y, const CastRules& rules) {
  constexpr int64_t block = 64;
  const auto small_integer = [](Type type) { return type == Type::int4 || type == Type::uint4 || type == Type::int2 || type == Type::uint2; };
  const bool rounded = small_integer(y.type), by_integers = rounded || (small_integer(x.type) && !is_small(y.type));
  parallel(call, x.size(), grain_elements, [&](int64_t begin, int64_t end, uint32_t) {
    for (int64_t at = begin; at < end; at += block) {
      const int64_t count = math::least(block, end - at);
      const auto from_buffer = [&]<class Middle, class To>(const Middle* middle) {
        for (int64_t i = 0; i < count; ++i) {
          if constexpr (is_small_float<To>)
            y.as<To>()[at + i] = cast_to_small<To>(middle[i], rules);
          else
            y.as<To>()[at + i] = convert<To>(middle[i]);
        }
      };
      if (by_integers) {
        int32_t middle[block];
        const auto fill = [&]<class From>() {
          const From* from = x.as<const From>() + at;
          for (int64_t i = 0; i < count; ++i) {
            if constexpr (is_float<From>)
              middle[i] = convert<int32_t>(rounded ? math::round_even(Compute<From>(from[i])) : Compute<From>(from[i]));
            else
              middle[i] = convert<int32_t>(from[i]);
          }
        };
        if (is_small(x.type))
          dispatch<Small>(call, x.type, fill);
        else
          dispatch<Scalars>(call, x.type, fill);
        const auto drain = [&]<class To>() { from_buffer.template operator()<int32_t, To>(middle); };
        if (is_small(y.type))
          dispatch<SmallIntegers>(call, y.type, drain);
        else
          dispatch<Scalars>(call, y.type, drain);
      } else {
        float middle[block];
        const auto fill = [&]<class From>() {
          for (int64_t i = 0; i < count; ++i)
            middle[i] = is_small_float<From> ? float(x.as<const From>()[at + i]) : to_float(x.as<const From>()[at + i]);
        };
        if (is_small(x.type))
          dispatch<Small>(call, x.type, fill);
        else
          dispatch<Scalars>(call, x.type, fill);
        if (is_small(y.type))
          dispatch<SmallFloats>(call, y.type, [&]<class To>() { from_buffer.template operator()<float, To>(middle); });
        else
          dispatch<Scalars>(call, y.type, [&]<class To>() { from_buffer.template operator()<float, To>(middle); });
      }
    }
  });
}

inline bool is_word(const String& text, const char* word) {
  int64_t i = 0;
  for (; word[i]; ++i)
    if (i >= text.size || (text.data[i] | 32) != word[i]) return false;
  return i == text.size;
}

// Integers and booleans from text. False: it is no number.
template <class To>
bool number_of(const String& text, To& to) {
  if constexpr (std::is_same_v<To, bool>) {
    if (is_word(text, "true") || is_word(text, "false")) {
      to = text.size == 4;
      return true;
    }
  }
  if constexpr (std::is_integral_v<To> || is_small_integer<To>) {
    bool negative;
    uint64_t magnitude;
    if (read_integer(text.data, text.size, negative, magnitude)) {
      to = convert<To>(int64_t(negative ? uint64_t(0) - magnitude : magnitude));
      return true;
    }
  }
  double value;
  if (!read_float(text.data, text.size, value)) return false;
  to = convert<To>(value);
  return true;
}

inline void cast_from_text(const Call& call, const Tensor& x, const Tensor& y, const CastRules& rules) {
  const String* from = x.as<const String>();
  const int64_t count = x.size();
  const auto body = [&]<class To>() {
    for (int64_t i = 0; i < count; ++i) {
      bool good;
      if constexpr (is_small_float<To>) {
        double value = 0;
        good = read_float(from[i].data, from[i].size, value);
        y.as<To>()[i] = cast_to_small<To>(value, rules);
      } else {
        good = number_of(from[i], y.as<To>()[i]);
      }
      if (!good) return call.fail("a text that is to become a number spells none");
    }
  };
  if (is_small(y.type))
    dispatch<Small>(call, y.type, body);
  else
    dispatch<Scalars>(call, y.type, body);
}

// At most longest_number_text characters; returns how many.
template <class From>
int64_t text_of(From value, char* to) {
  if constexpr (std::is_same_v<From, bool>) {
    const char* word = value ? "True" : "False";
    int64_t at = 0;
    for (; word[at]; ++at) to[at] = word[at];
    return at;
  } else if constexpr (std::is_same_v<From, double>) {
    return write_float(to, value, 53, -1074);
  } else if constexpr (std::is_same_v<From, float16>) {
    return write_float(to, float(value), 11, -24);
  } else if constexpr (std::is_same_v<From, bfloat16>) {
    return write_float(to, float(value), 8, -133);
  } else if constexpr (is_float<From>) {
    return write_float(to, float(value), 24, -149);
  } else if constexpr (is_small_integer<From>) {
    return text_of(int32_t(value), to);
  } else {
    const bool negative = value < From(0);
    return write_integer(to, negative ? uint64_t(0) - uint64_t(value) : uint64_t(value), negative);
  }
}

inline void cast_to_text(const Call& call, const Tensor& x, const Tensor& y) {
  const int64_t count = x.size();
  const auto body = [&]<class From>() {
    char buffer[longest_number_text];
    int64_t total = 0;
    for (int64_t i = 0; i < count; ++i) total += text_of(x.as<const From>()[i], buffer);
    char* characters = call.keep<char>(total);
    if (!characters) return;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t size = text_of(x.as<const From>()[i], buffer);
      __builtin_memcpy(characters, buffer, size_t(size));
      y.as<String>()[i] = {characters, size};
      characters += size;
    }
  };
  if (is_small(x.type))
    dispatch<Small>(call, x.type, body);
  else
    dispatch<Scalars>(call, x.type, body);
}

}  // namespace detail

// Attributes: to, saturate (of small floats), round_mode (of float8e8m0). The output's type says what to convert to.
inline void cast(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  if (x.type == y.type) {
    return dispatch_size(call, x.type, [&]<class T>() { copy(y.as<T>(), x.as<const T>(), x.size()); });
  }
  if (x.type == Type::string) return detail::cast_from_text(call, x, y, detail::cast_rules(call));
  if (y.type == Type::string) return detail::cast_to_text(call, x, y);
  if (detail::is_small(x.type) || detail::is_small(y.type)) return detail::cast_small(call, x, y, detail::cast_rules(call));
  dispatch<Scalars>(call, x.type,
                    [&]<class From>() { dispatch<Scalars>(call, y.type, [&]<class To>() { detail::cast_plain<From, To>(call, x, y); }); });
}
// Inputs: input, target_type (only its type counts).
inline void cast_like(const Call& call) { cast(call); }

// The same bits under another type of the same width.
inline void bit_cast(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  const int64_t count = x.size();
  const auto same_bits = [&]<class T>() {  // one to a byte: signs are extended anew
    for (int64_t i = 0; i < count; ++i) y.as<T>()[i] = T(int32_t(x.as<const uint8_t>()[i]));
  };
  if (y.type == Type::boolean) {
    for (int64_t i = 0; i < count; ++i) y.as<bool>()[i] = x.as<const uint8_t>()[i] != 0;
  } else if (y.type == Type::float4e2m1) {
    for (int64_t i = 0; i < count; ++i) y.as<uint8_t>()[i] = x.as<const uint8_t>()[i] & 15;
  } else if (y.type == Type::int4 || y.type == Type::uint4 || y.type == Type::int2 || y.type == Type::uint2) {
    dispatch<SmallIntegers>(call, y.type, same_bits);
  } else {
    dispatch_size(call, x.type, [&]<class T>() { copy(y.as<T>(), x.as<const T>(), count); });
  }
}

#define LATHE_KERNELS_CONVERSION(X)        \
  X("", Cast, cast, shapes::same)          \
  X("", CastLike, cast_like, shapes::same) \
  X("", BitCast, bit_cast, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
