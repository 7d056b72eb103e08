// The one table of the passes that Lathe brings: name, help, options, facts, function.
#include "core/ir/compare.hpp"
#include "core/passes/eliminate_common_subexpressions.hpp"
#include "core/passes/eliminate_dead_code.hpp"
#include "core/passes/expand_functions.hpp"
#include "core/passes/fold_batch_norm.hpp"
#include "core/passes/fold_constants.hpp"
#include "core/passes/infer_types.hpp"
#include "core/passes/inline_branches.hpp"
#include "core/passes/merge_parallel_convolutions.hpp"
#include "core/passes/pipeline.hpp"
#include "core/passes/simplify_algebra.hpp"

namespace lathe {

std::span<const Pass> builtin_passes() {
  // Facts: "canonical" holds after import (operators at the canonical opset), "typed" after infer-types (element types and ranks of all values).
  static const std::vector<Pass> table{
      {.name = "infer-types",
       .help = "Checks every node against its operator's signature and infers the types and shapes of all values",
       .options = {},
       .needs = {"canonical"},
       .leaves = {"typed"},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return infer_all_types(graph); }},
      {.name = "fold-constants",
       .help = "Computes what depends on constants and known shapes only",
       .options = {{.name = "limit",
                    .type = "int",
                    .fallback = "16777216",
                    .choices = {},
                    .help = "bytes up to which a folded constant may be larger than the constants it is made from"},
                   {.name = "keep-quantized",
                    .type = "bool",
                    .fallback = "false",
                    .choices = {},
                    .help = "leave DequantizeLinear of constants in the graph, for targets that hold quantised weights"}},
       .needs = {"canonical", "typed"},
       .leaves = {},
       .breaks = {},
       .run =
           [](Graph& graph, const PassSettings& settings) {
             return fold_constants(graph, static_cast<uint64_t>(settings.integer("limit")), settings.flag("keep-quantized"));
           }},
      {.name = "inline-branches",
       .help = "Replaces an If whose condition is a constant by the branch it takes",
       .options = {},
       .needs = {"canonical"},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return inline_branches(graph); }},
      {.name = "expand-functions",
       .help = "Writes operators out in terms of others where no engine has anything better",
       .options = {},
       .needs = {"canonical", "typed"},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return expand_functions(graph); }},
      {.name = "simplify-algebra",
       .help = "Removes operations that change nothing and replaces patterns by the operator they spell out",
       .options = {},
       .needs = {"canonical", "typed"},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return simplify_algebra(graph); }},
      {.name = "eliminate-common-subexpressions",
       .help = "Computes equal nodes and keeps equal constants once",
       .options = {},
       .needs = {"canonical"},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return eliminate_common_subexpressions(graph); }},
      {.name = "fold-batch-norm",
       .help = "Moves batch normalisation and per-channel scales and shifts into the weights of the convolution or Gemm before them",
       .options = {},
       .needs = {"canonical", "typed"},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return fold_batch_norm(graph); }},
      {.name = "merge-parallel-convolutions",
       .help = "Makes one convolution of several of one input whose results are added",
       .options = {},
       .needs = {"canonical"},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return merge_parallel_convolutions(graph); }},
      {.name = "eliminate-dead-code",
       .help = "Drops nodes, optional outputs and constants that no output depends on",
       .options = {},
       .needs = {},
       .leaves = {},
       .breaks = {},
       .run = [](Graph& graph, const PassSettings&) { return eliminate_dead_code(graph); }},
  };
  return table;
}

}  // namespace lathe
