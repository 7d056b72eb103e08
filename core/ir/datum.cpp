// See datum.hpp.
#include "core/ir/datum.hpp"

#include <algorithm>

namespace lathe {
namespace {

bool fits(const Tensor& tensor, const ValueType& type) {
  if (type.element != DataType::none && type.element != tensor.type) return false;
  if (!type.shape) return true;
  if (type.shape->size() != tensor.dimensions.size()) return false;
  for (size_t i = 0; i < tensor.dimensions.size(); ++i) {
    const Dimension& d = (*type.shape)[i];
    if (d.constant() && d.value != tensor.dimensions[i]) return false;
  }
  return true;
}

}  // namespace

Datum Datum::sequence(DataType element, std::vector<Tensor> elements) {
  Datum datum;
  datum.kind = ValueKind::sequence;
  datum.elements = std::move(elements);
  datum.element = element;
  return datum;
}

Datum Datum::absent(ValueKind kind, DataType element) {
  Datum datum;
  datum.kind = kind;
  datum.present = false;
  datum.element = element;
  return datum;
}

std::string describe(const Datum& datum) {
  if (!datum.present) return "an empty optional";
  if (datum.is_sequence()) {
    const size_t n = datum.elements.size();
    return "a sequence of " + std::to_string(n) + " " + std::string(name(datum.element)) + (n == 1 ? " tensor" : " tensors");
  }
  return to_string(ValueType{datum.kind, datum.tensor.type, Shape(datum.tensor.dimensions.begin(), datum.tensor.dimensions.end())});
}

Datum converted(Datum datum, const ValueType& type) {
  if (datum.kind == ValueKind::tensor && type.kind == ValueKind::optional) datum.kind = type.kind;
  if (datum.kind == ValueKind::sequence && type.kind == ValueKind::optional_sequence) datum.kind = type.kind;
  return datum;
}

bool fits(const Datum& datum, const ValueType& type) {
  if (datum.kind != type.kind) return false;
  if (!datum.present || datum.is_sequence()) {
    if (datum.element != DataType::none && type.element != DataType::none && datum.element != type.element) return false;
  }
  if (!datum.present) return true;
  if (!datum.is_sequence()) return fits(datum.tensor, type);
  return std::all_of(datum.elements.begin(), datum.elements.end(), [&](const Tensor& t) { return fits(t, type); });
}

}  // namespace lathe
