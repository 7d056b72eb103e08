// A .tflite file to and from the plain model. Reading trusts nothing: every place is verified before it is looked at.
#pragma once
#include <string>
#include <string_view>

#include "model.hpp"

namespace lathe::tflite {

// Whether the bytes begin like a .tflite file.
bool has_identifier(std::string_view head);

// The model in `bytes`, which must outlive it: constants point into them. Throws sdk::Failure with one sentence per problem: a damaged
// container, indices out of range, constants whose size is not their shape's, types and operators of no known number are kept as they are.
Model read_model(std::string_view bytes, const std::string& path);

// The file's bytes; equal models give equal bytes. Throws sdk::Failure beyond 2 GB.
std::string write_model(const Model& model);

}  // namespace lathe::tflite
