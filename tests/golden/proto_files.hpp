// Reads ONNX's test data (.pb): TensorProto, SequenceProto and OptionalProto of every element type.
//
// Written apart from the plugin that reads such files for the product, so that one can be held against the other. The files are trusted.
#pragma once
#include <string>

#include "core/ir/datum.hpp"

namespace lathe::golden {

struct NamedDatum {
  std::string name;
  Datum datum;
};

// `kind` is that of the model's input or output: it decides which of the three messages the file holds. Throws Error(failed) for what is
// none of them (maps, sparse tensors, damage).
NamedDatum read_proto_file(const std::string& path, ValueKind kind);

}  // namespace lathe::golden
