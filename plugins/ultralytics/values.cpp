// See values.hpp.
#include "values.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace lathe::ultralytics {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t most_text = 20000;

// The items of a call's arguments; null when it has none.
const PickleIds* arguments(const Pickle& pickle, const PickleValue& call) {
  const PickleValue& v = pickle[call.items[1]];
  return v.kind == Kind::tuple ? &v.items : nullptr;
}

// numpy.core.multiarray.scalar(dtype('f8'), b'...'): a number's bytes, little endian unless the type begins with '>'.
std::optional<double> numpy_scalar(const Pickle& pickle, const PickleValue& call) {
  const PickleValue& callable = pickle[call.items[0]];
  if (callable.kind != Kind::global || callable.name != "scalar" || callable.text.substr(0, 5) != "numpy") return std::nullopt;
  const PickleIds* given = arguments(pickle, call);
  if (!given || given->size() != 2 || pickle[(*given)[0]].kind != Kind::call) return std::nullopt;
  const PickleIds* type = arguments(pickle, pickle[(*given)[0]]);
  const std::optional<std::string> data = bytes(pickle, (*given)[1]);
  if (!type || type->empty() || pickle[(*type)[0]].kind != Kind::text || !data) return std::nullopt;
  const std::string_view name = pickle[(*type)[0]].text;
  const auto read = [&](auto value) -> std::optional<double> {
    if (data->size() != sizeof value) return std::nullopt;
    std::memcpy(&value, data->data(), sizeof value);
    return static_cast<double>(value);
  };
  if (name == "f8") return read(double{});
  if (name == "f4") return read(float{});
  if (name == "i8") return read(int64_t{});
  if (name == "i4") return read(int32_t{});
  if (name == "i2") return read(int16_t{});
  if (name == "i1") return read(int8_t{});
  if (name == "u1" || name == "b1") return read(uint8_t{});
  return std::nullopt;
}

std::string describe_number(double value) {
  std::array<char, 40> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.6g", value);
  return buffer.data();
}

std::string joined(const Pickle& pickle, const PickleIds& items, bool keyed, int depth) {
  std::string list;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) list += keyed && i % 2 ? ": " : ", ";
    list += depth > 0 ? describe(pickle, items[i], depth - 1) : "...";
    if (list.size() > most_text) return list.substr(0, most_text) + "...";
  }
  return list;
}

std::string describe_call(const Pickle& pickle, const PickleValue& v, PickleId id, int depth) {
  const PickleValue& callable = pickle[v.items[0]];
  if (callable.kind != Kind::global) return "<object>";
  if (const auto scalar = numpy_scalar(pickle, v)) return describe_number(*scalar);
  const PickleIds* given = arguments(pickle, v);
  const std::string_view name = callable.name;
  if (callable.text.substr(0, 7) == "pathlib" && given) {
    std::string path;
    for (const PickleId part : *given) {
      const std::string piece = text(pickle, part).value_or("?");
      path += (path.empty() || path.back() == '/' ? "" : "/") + printable(piece);
      if (path.size() > most_text) break;
    }
    return path;
  }
  if (const PickleIds* held = pairs(pickle, id); held && !held->empty()) return "{" + joined(pickle, *held, true, depth) + "}";
  // set([..]), torch.Size((..)), torch.device('cpu'), members of enumerations: the argument says it all.
  if (given && given->size() == 1 && depth > 0) return describe(pickle, (*given)[0], depth - 1);
  if (name == "OrderedDict" || name == "defaultdict") return "{}";
  return "<" + std::string(callable.text) + "." + std::string(name) + ">";
}

}  // namespace

bool is_global(const PickleValue& v, std::string_view module, std::string_view name) {
  return v.kind == Kind::global && v.text == module && v.name == name;
}

std::optional<double> number(const Pickle& pickle, PickleId id) {
  const PickleValue& v = pickle[id];
  if (v.kind == Kind::boolean || v.kind == Kind::integer) return static_cast<double>(v.integer);
  if (v.kind == Kind::real) return v.real;
  return v.kind == Kind::call ? numpy_scalar(pickle, v) : std::nullopt;
}

int64_t whole(double value) {
  constexpr double most = 9007199254740992.0;  // 2^53
  return std::isnan(value) ? 0 : static_cast<int64_t>(std::clamp(value, -most, most));
}

std::optional<std::string> text(const Pickle& pickle, PickleId id) {
  const PickleValue& v = pickle[id];
  if (v.kind != Kind::text) return std::nullopt;
  return std::string(v.text);
}

std::optional<std::string> bytes(const Pickle& pickle, PickleId id) {
  const PickleValue& v = pickle[id];
  if (v.kind == Kind::bytes || v.kind == Kind::text) return std::string(v.text);
  if (v.kind != Kind::call || !is_global(pickle[v.items[0]], "_codecs", "encode")) return std::nullopt;
  const PickleIds* given = arguments(pickle, v);
  if (!given || given->size() != 2 || pickle[(*given)[0]].kind != Kind::text) return std::nullopt;
  // Latin-1: the characters U+0000 to U+00FF, which UTF-8 writes in one or two bytes.
  const std::string_view characters = pickle[(*given)[0]].text;
  std::string plain;
  for (size_t i = 0; i < characters.size(); ++i) {
    const auto c = static_cast<unsigned char>(characters[i]);
    if (c < 0x80) {
      plain += characters[i];
    } else {
      if ((c != 0xc2 && c != 0xc3) || i + 1 == characters.size()) return std::nullopt;
      plain += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(characters[++i]) & 0x3f));
    }
  }
  return plain;
}

std::string printable(std::string_view text, size_t most) {
  std::string clean(text.substr(0, most));
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text.size() > most ? clean + "..." : clean;
}

std::string describe(const Pickle& pickle, PickleId id, int depth) {
  const PickleValue& v = pickle[id];
  switch (v.kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return v.integer ? "True" : "False";
    case Kind::integer:
      return std::to_string(v.integer);
    case Kind::real:
      return describe_number(v.real);
    case Kind::text:
      return printable(v.text);
    case Kind::bytes:
    case Kind::big:
      return "<" + std::to_string(v.text.size()) + " bytes>";
    case Kind::tuple:
    case Kind::list:
    case Kind::set:
      return "[" + joined(pickle, v.items, false, depth) + "]";
    case Kind::dictionary:
      return "{" + joined(pickle, v.items, true, depth) + "}";
    case Kind::global:
      return std::string(v.text) + "." + std::string(v.name);
    case Kind::call:
      return describe_call(pickle, v, id, depth);
    case Kind::persistent:
      return "<storage>";
  }
  return {};
}

}  // namespace lathe::ultralytics
