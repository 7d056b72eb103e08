// See describe.hpp.
#include "core/ops/describe.hpp"

#include <algorithm>
#include <array>

#include "core/ops/inference.hpp"

namespace lathe {
namespace {

std::string type_set(const std::vector<DataType>& allowed) {
  struct Named {
    const char* name;
    std::vector<DataType> types;
  };
  static const std::array<Named, 4> sets = {Named{"every type", infer::every_type()}, Named{"numbers", infer::numbers()},
                                            Named{"floats", infer::floats()}, Named{"integers", infer::integers()}};
  std::vector<DataType> left = allowed;
  std::string words;
  const auto say = [&](std::string_view word) { words += (words.empty() ? "" : ", ") + std::string(word); };
  for (const Named& set : sets) {
    const auto in_left = [&](DataType t) { return std::find(left.begin(), left.end(), t) != left.end(); };
    if (!std::all_of(set.types.begin(), set.types.end(), in_left)) continue;
    std::erase_if(left, [&](DataType t) { return std::find(set.types.begin(), set.types.end(), t) != set.types.end(); });
    say(set.name);
  }
  for (const DataType t : left) say(name(t));
  return words;
}

std::string formals(const std::vector<Formal>& list) {
  std::string words;
  for (const Formal& f : list) {
    words += (words.empty() ? "" : ", ") + std::string(f.name) + ": " + std::string(f.types);
    if (f.kind == Formal::optional) words += "?";
    if (f.kind == Formal::variadic) words += "...";
  }
  return "(" + words + ")";
}

std::string escaped(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

}  // namespace

std::string full_name(const Operator& op) { return op.domain.empty() ? std::string(op.name) : std::string(op.domain) + "." + std::string(op.name); }

std::string types_in_words(const Operator& op) {
  std::string words;
  for (const TypeVariable& v : op.types) words += (words.empty() ? "" : "; ") + std::string(v.name) + ": " + type_set(v.allowed);
  return words;
}

std::string signature_in_words(const Operator& op) { return formals(op.inputs) + " -> " + formals(op.outputs); }

std::string_view name(AttributeKind kind) {
  constexpr std::string_view names[] = {"int", "float", "string", "tensor", "graph", "ints", "floats", "strings", "tensors", "graphs"};
  return names[size_t(kind)];
}

std::string operator_page(const std::vector<const Operator*>& list, const std::vector<std::string>& engines) {
  std::vector<size_t> order(list.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return std::pair(list[a]->domain, list[a]->name) < std::pair(list[b]->domain, list[b]->name); });
  std::string page =
      "# Operators\n\n"
      "Written by the build from the signatures in core/ops (target `operator_page`); `lathe ops` prints the same.\n"
      "Models come in from opset 7 on and are lifted to opset " +
      std::to_string(canonical_opset) +
      ", at which the signatures stand. Opsets are those at which an operator changed; '?' marks what is optional, '...' what is repeated.\n";
  std::string_view domain = "none yet";
  for (const size_t i : order) {
    const Operator& op = *list[i];
    if (op.domain != domain) {
      domain = op.domain;
      size_t count = 0;
      for (const Operator* other : list) count += other->domain == domain;
      page += "\n## " + (domain.empty() ? std::string("ONNX") : std::string(domain)) + " (" + std::to_string(count) + ")\n\n";
      page += "| operator | opsets | inputs and outputs | types | attributes | engines |\n|---|---|---|---|---|---|\n";
    }
    std::string versions, attributes;
    for (const int v : op.versions) versions += (versions.empty() ? "" : " ") + std::to_string(v);
    for (const FormalAttribute& a : op.attributes) {
      attributes += (attributes.empty() ? "" : ", ") + std::string(a.name) + ": " + std::string(name(a.kind));
      if (a.required) attributes += " (required)";
      if (!a.fallback.empty()) attributes += " = " + std::string(a.fallback);
    }
    page += "| " + std::string(op.name) + " | " + versions + " | " + escaped(signature_in_words(op)) + " | " + escaped(types_in_words(op)) + " | " +
            escaped(attributes) + " | " + escaped(engines[i]) + " |\n";
  }
  return page;
}

}  // namespace lathe
