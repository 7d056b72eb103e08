// Numbers as text and text as numbers, exactly: the shortest decimal that reads back as the same number, and the nearest number to any decimal.
//
// Writing: Steele and White, "How to Print Floating-Point Numbers Accurately", PLDI 1990, in Burger and Dybvig's form (PLDI 1996). Reading: long
// division of whole numbers, rounded once. Both use whole numbers of a fixed, sufficient length on the stack; no C library, no locale.
#pragma once
#include "lathe/kernels/loops.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

namespace detail {

// A whole number of up to 128 words of 32 bits: 10^1100 fits.
struct Whole {
  static constexpr int most = 128;
  uint32_t words[most];
  int size = 0;  // without leading zeros

  explicit Whole(uint64_t value = 0) {
    for (; value; value >>= 32) words[size++] = uint32_t(value);
  }
  void multiply_add(uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (int i = 0; i < size; ++i) {
      carry += uint64_t(words[i]) * factor;
      words[i] = uint32_t(carry);
      carry >>= 32;
    }
    if (carry && size < most) words[size++] = uint32_t(carry);
  }
  void multiply_power_of_ten(int exponent) {
    for (; exponent >= 9; exponent -= 9) multiply_add(1000000000u, 0);
    for (; exponent > 0; --exponent) multiply_add(10, 0);
  }
  void shift_left(int count) {
    if (size == 0 || count <= 0) return;
    const int skip = count / 32, rest = count % 32;
    const int top = math::least(size + skip + 1, most);
    for (int i = top - 1; i >= 0; --i) {
      const int from = i - skip;
      const uint64_t high = from >= 0 && from < size ? words[from] : 0, low = from - 1 >= 0 && from - 1 < size ? words[from - 1] : 0;
      words[i] = uint32_t(((high << 32 | low) << rest) >> 32);
    }
    size = top;
    while (size > 0 && words[size - 1] == 0) --size;
  }
  int bit_length() const { return size ? 32 * size - __builtin_clz(words[size - 1]) : 0; }

  static int compare(const Whole& a, const Whole& b) {
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    for (int i = a.size - 1; i >= 0; --i)
      if (a.words[i] != b.words[i]) return a.words[i] < b.words[i] ? -1 : 1;
    return 0;
  }
  void add(const Whole& other) {
    uint64_t carry = 0;
    const int top = math::greatest(size, other.size);
    for (int i = 0; i < top; ++i) {
      carry += uint64_t(i < size ? words[i] : 0) + (i < other.size ? other.words[i] : 0);
      words[i] = uint32_t(carry);
      carry >>= 32;
    }
    size = top;
    if (carry && size < most) words[size++] = uint32_t(carry);
  }
  void subtract(const Whole& other) {  // not greater than this
    int64_t borrow = 0;
    for (int i = 0; i < size; ++i) {
      borrow += int64_t(words[i]) - (i < other.size ? other.words[i] : 0);
      words[i] = uint32_t(borrow);
      borrow >>= 32;
    }
    while (size > 0 && words[size - 1] == 0) --size;
  }
};

// The shortest digits d1 d2 ... with 0.d1d2... * 10^point nearest to mantissa * 2^exponent among those that lie nearer to it than to its neighbours.
// `lowest`: the mantissa is the smallest of its binade, whose lower neighbour is half as far. Returns how many digits there are (at most 17).
inline int shortest_digits(uint64_t mantissa, int exponent, bool lowest, char* digits, int& point) {
  const bool even = mantissa % 2 == 0;
  // value = above / below; low and high are half the distances to the neighbours, in the same unit.
  Whole above(mantissa), below(1), low(1), high(1);
  above.shift_left(1 + (exponent > 0 ? exponent : 0) + lowest);
  below.shift_left(1 + (exponent < 0 ? -exponent : 0) + lowest);
  low.shift_left(exponent > 0 ? exponent : 0);
  high.shift_left((exponent > 0 ? exponent : 0) + lowest);
  // Scaled so that the value lies in [1/10, 1): 0.30103 is log10(2), from below; the loops below correct the estimate.
  point = int((exponent + 64 - __builtin_clzll(mantissa)) * 0.30102999566) - 2;
  if (point > 0) {
    below.multiply_power_of_ten(point);
  } else {
    above.multiply_power_of_ten(-point);
    low.multiply_power_of_ten(-point);
    high.multiply_power_of_ten(-point);
  }
  for (;;) {
    Whole top = above;
    top.add(high);
    const int order = Whole::compare(top, below);
    if (order < 0 || (order == 0 && !even)) break;
    below.multiply_add(10, 0);
    ++point;
  }
  int count = 0;
  for (;;) {
    above.multiply_add(10, 0);
    low.multiply_add(10, 0);
    high.multiply_add(10, 0);
    int digit = 0;
    while (Whole::compare(above, below) >= 0) {
      above.subtract(below);
      ++digit;
    }
    Whole top = above;
    top.add(high);
    const int to_low = Whole::compare(above, low), to_high = Whole::compare(top, below);
    const bool may_stay = to_low < 0 || (even && to_low == 0), may_rise = to_high > 0 || (even && to_high == 0);
    if (!may_stay && !may_rise) {
      digits[count++] = char('0' + digit);
      continue;
    }
    above.shift_left(1);
    const int to_middle = Whole::compare(above, below);
    const bool rise = may_rise && (!may_stay || to_middle > 0 || (to_middle == 0 && digit % 2));
    digits[count++] = char('0' + digit + rise);  // never ten: then the digit before would have been the last
    return count;
  }
}

}  // namespace detail

inline constexpr int longest_number_text = 32;

// A whole number, into at most longest_number_text characters; returns how many.
inline int64_t write_integer(char* to, uint64_t magnitude, bool negative) {
  char reversed[24];
  int64_t count = 0, written = 0;
  do reversed[count++] = char('0' + magnitude % 10);
  while (magnitude /= 10);
  if (negative) to[written++] = '-';
  while (count) to[written++] = reversed[--count];
  return written;
}

// A floating-point number as Python and numpy write it: the shortest digits that read back as the same number of its type, "1e-07" below 1e-4 and
// from 1e16 on, else plain with a point; "nan", "inf", "-inf". `mantissa_bits` (of the type, 53 for float64, the leading one included) and
// `least_exponent` (of its smallest subnormal number: -1074) say how dense the type's numbers lie. Returns the number of characters.
inline int64_t write_float(char* to, double value, int mantissa_bits, int least_exponent) {
  int64_t at = 0;
  const auto put = [&](const char* text) {
    while (*text) to[at++] = *text++;
    return at;
  };
  const uint64_t word = std::bit_cast<uint64_t>(value);
  if (value != value) return put("nan");
  if (word >> 63) to[at++] = '-';
  const int field = int(word >> 52 & 2047);
  if (field == 2047) return put("inf");
  if (value == 0) return put("0.0");
  // mantissa * 2^exponent with the type's own bits: those of float64 behind them are zero.
  uint64_t mantissa = (word & ((uint64_t(1) << 52) - 1)) | (field ? uint64_t(1) << 52 : 0);
  int exponent = field ? field - 1075 : -1074;
  while (mantissa >> 52 == 0) {  // float64's own subnormal numbers
    mantissa <<= 1;
    --exponent;
  }
  int drop = 53 - mantissa_bits;
  if (exponent + drop < least_exponent) drop = least_exponent - exponent;
  mantissa >>= drop;
  exponent += drop;
  const bool lowest = mantissa == uint64_t(1) << (mantissa_bits - 1) && exponent > least_exponent;
  char digits[20];
  int point = 0;
  const int count = detail::shortest_digits(mantissa, exponent, lowest, digits, point);
  if (point < -3 || point > 16) {
    to[at++] = digits[0];
    if (count > 1) to[at++] = '.';
    for (int i = 1; i < count; ++i) to[at++] = digits[i];
    to[at++] = 'e';
    const int power = point - 1, size = power < 0 ? -power : power;
    to[at++] = power < 0 ? '-' : '+';
    if (size < 10) to[at++] = '0';
    return at + write_integer(to + at, uint64_t(size), false);
  }
  if (point <= 0) {
    put("0.");
    for (int i = point; i < 0; ++i) to[at++] = '0';
  }
  for (int i = 0; i < math::greatest(count, point); ++i) {
    if (i == point && i) to[at++] = '.';
    to[at++] = i < count ? digits[i] : '0';
  }
  if (count <= point) put(".0");
  return at;
}

// Reads what Python's float() reads of decimal numbers: blanks around it, a sign, digits with a point, an exponent; "inf", "infinity" and "nan" in
// any case. False when the text is no number. The result is exact to the last bit.
inline bool read_float(const char* text, int64_t size, double& value) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (size && blank(*text)) ++text, --size;
  while (size && blank(text[size - 1])) --size;
  bool negative = false;
  if (size && (*text == '-' || *text == '+')) {
    negative = *text == '-';
    ++text, --size;
  }
  const auto is = [&](const char* word) {
    int64_t i = 0;
    for (; word[i]; ++i)
      if (i >= size || (text[i] | 32) != word[i]) return false;
    return i == size;
  };
  if (is("inf") || is("infinity")) {
    value = negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    return true;
  }
  if (is("nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  // The digits as a whole number times 10^power. 800 of them decide every rounding; whether anything but zeros follows counts as one more.
  constexpr int most_digits = 800;
  detail::Whole above, below(1);
  int64_t power = 0, at = 0, used = 0;
  bool any = false, fraction = false, rest = false;
  for (; at < size; ++at) {
    const char c = text[at];
    if (c == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    any = true;
    if (used < most_digits) {
      above.multiply_add(10, 0);
      if (c != '0') {
        if (above.size)
          above.add(detail::Whole(uint64_t(c - '0')));
        else
          above = detail::Whole(uint64_t(c - '0'));
      }
      used += above.size > 0;
      power -= fraction;
    } else {
      rest = rest || c != '0';
      power += !fraction;
    }
  }
  if (!any) return false;
  if (at < size && (text[at] | 32) == 'e') {
    ++at;
    bool down = false, digit = false;
    if (at < size && (text[at] == '-' || text[at] == '+')) down = text[at++] == '-';
    int64_t exponent = 0;
    for (; at < size && text[at] >= '0' && text[at] <= '9'; ++at, digit = true)
      if (exponent < 100000000) exponent = exponent * 10 + (text[at] - '0');
    if (!digit) return false;
    power += down ? -exponent : exponent;
  }
  if (at != size) return false;
  if (rest) {
    above.multiply_add(10, 1);
    --power;
  }
  const double sign = negative ? -1.0 : 1.0;
  if (above.size == 0 || power + used < -330) {
    value = sign * 0.0;
    return true;
  }
  if (power + used > 310) {
    value = sign * std::numeric_limits<double>::infinity();
    return true;
  }
  if (power > 0)
    above.multiply_power_of_ten(int(power));
  else
    below.multiply_power_of_ten(int(-power));
  // Scaled by 2^-exponent so that the quotient has 54 or 55 bits: 53 of the result, and at least one that says how to round.
  int exponent = above.bit_length() - below.bit_length() - 54;
  if (exponent < 0)
    above.shift_left(-exponent);
  else
    below.shift_left(exponent);
  uint64_t quotient = 0;
  below.shift_left(55);
  for (int bit = 55; bit >= 0; --bit) {
    quotient <<= 1;
    if (detail::Whole::compare(above, below) >= 0) {
      above.subtract(below);
      quotient |= 1;
    }
    // Halve `below`.
    for (int i = 0; i < below.size; ++i) below.words[i] = below.words[i] >> 1 | (i + 1 < below.size ? below.words[i + 1] << 31 : 0);
    while (below.size && below.words[below.size - 1] == 0) --below.size;
  }
  bool inexact = above.size > 0;
  // value = quotient * 2^exponent; keep 53 bits, fewer where the number is subnormal.
  const int length = 64 - __builtin_clzll(quotient);
  int drop = length - 53;
  if (exponent + drop < -1074) drop = -1074 - exponent;
  if (drop > 60) {
    value = sign * 0.0;
    return true;
  }
  if (drop > 0) {
    const uint64_t half = uint64_t(1) << (drop - 1), cut = quotient & ((half << 1) - 1);
    quotient >>= drop;
    exponent += drop;
    if (cut > half || (cut == half && (inexact || quotient % 2))) ++quotient;
  }
  // A quotient of up to 2^53, times a power of two in two exact steps.
  double result = double(quotient);
  for (; exponent > 0; --exponent) result *= 2;
  if (exponent < 0) {
    // Whole steps of the type's unit: no bit is lost, since exponent is at least -1074 here.
    const int first = exponent < -1000 ? exponent + 1000 : 0;
    result *= std::bit_cast<double>(uint64_t(1023 + (exponent - first)) << 52);
    result *= std::bit_cast<double>(uint64_t(1023 + first) << 52);
  }
  value = sign * result;
  return true;
}

// Whole numbers exactly, over 64 bits: false when the text is no whole number or too large. Blanks and a sign as in read_float.
inline bool read_integer(const char* text, int64_t size, bool& negative, uint64_t& magnitude) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (size && blank(*text)) ++text, --size;
  while (size && blank(text[size - 1])) --size;
  negative = size && *text == '-';
  if (size && (*text == '-' || *text == '+')) ++text, --size;
  if (size == 0) return false;
  magnitude = 0;
  for (int64_t i = 0; i < size; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    const uint64_t digit = uint64_t(text[i] - '0');
    if (magnitude > (~uint64_t(0) - digit) / 10) return false;
    magnitude = magnitude * 10 + digit;
  }
  return true;
}

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
