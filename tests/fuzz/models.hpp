// Models that are valid and small, to start mutations from.
#pragma once
#include <string>

#include "message.hpp"

namespace lathe::fuzz {

// Under a kilobyte with a bit of everything that the reader knows: convolution, raw and typed initializers, an initializer that is an
// input too, a model-local function with an attribute reference, shape arithmetic, metadata; on demand If with captured values.
Message small_model(bool with_subgraphs = false);

// `levels` Ifs within one another; a valid model as long as levels is at most 128.
Message nested_ifs(int levels);

}  // namespace lathe::fuzz
