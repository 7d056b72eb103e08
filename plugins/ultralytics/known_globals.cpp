// The classes and functions that checkpoints name without anything being wrong. They are not run either; the list only decides what a person
// is warned of, because PyTorch would import and call them.
#include <algorithm>
#include <iterator>

#include "checkpoint.hpp"
#include "saved_tensor.hpp"

namespace lathe::ultralytics {

bool Checkpoint::expected_global(std::string_view global) {
  // Whatever lies below these is a module, a loss or a setting of the networks that are read here.
  static constexpr std::string_view prefixes[] = {"torch.nn.modules.",       "ultralytics.nn.", "ultralytics.utils.", "ultralytics.yolo.utils.",
                                                  "ultralytics.engine.",     "models.common.",  "models.yolo.",       "models.experimental.",
                                                  "torchvision.transforms.", "utils."};
  static constexpr std::string_view names[] = {"__builtin__.bytearray",
                                               "__builtin__.complex",
                                               "__builtin__.dict",
                                               "__builtin__.frozenset",
                                               "__builtin__.list",
                                               "__builtin__.set",
                                               "__builtin__.slice",
                                               "__builtin__.tuple",
                                               "_codecs.encode",
                                               "argparse.Namespace",
                                               "builtins.bytearray",
                                               "builtins.complex",
                                               "builtins.dict",
                                               "builtins.frozenset",
                                               "builtins.list",
                                               "builtins.set",
                                               "builtins.slice",
                                               "builtins.tuple",
                                               "collections.Counter",
                                               "collections.OrderedDict",
                                               "collections.defaultdict",
                                               "datetime.date",
                                               "datetime.datetime",
                                               "datetime.timedelta",
                                               "datetime.timezone",
                                               "decimal.Decimal",
                                               "fractions.Fraction",
                                               "numpy._core.multiarray._reconstruct",
                                               "numpy._core.multiarray.scalar",
                                               "numpy.core.multiarray._reconstruct",
                                               "numpy.core.multiarray.scalar",
                                               "numpy.dtype",
                                               "numpy.ndarray",
                                               "pathlib.Path",
                                               "pathlib.PosixPath",
                                               "pathlib.PurePosixPath",
                                               "pathlib.PureWindowsPath",
                                               "pathlib.WindowsPath",
                                               "pathlib._local.PosixPath",
                                               "pathlib._local.WindowsPath",
                                               "torch.Size",
                                               "torch.Tensor",
                                               "torch._C._nn.gelu",
                                               "torch._tensor._rebuild_from_type_v2",
                                               "torch._utils._rebuild_device_tensor_from_cpu_tensor",
                                               "torch._utils._rebuild_device_tensor_from_numpy",
                                               "torch._utils._rebuild_parameter",
                                               "torch._utils._rebuild_parameter_with_state",
                                               "torch._utils._rebuild_tensor",
                                               "torch._utils._rebuild_tensor_v2",
                                               "torch._utils._rebuild_tensor_v3",
                                               "torch.device",
                                               "torch.nn.functional.relu",
                                               "torch.nn.parameter.Parameter",
                                               "torch.serialization._get_layout",
                                               "types.SimpleNamespace"};
  if (std::find(std::begin(names), std::end(names), global) != std::end(names)) return true;
  for (const std::string_view prefix : prefixes)
    if (global.substr(0, prefix.size()) == prefix) return true;
  if (global.substr(0, 6) != "torch.") return false;
  const std::string_view rest = global.substr(6);
  if (is_element_type(rest)) return true;
  for (const std::string_view home : {"", "cuda.", "storage."})
    if (rest.substr(0, home.size()) == home && is_storage_type(rest.substr(home.size()))) return true;
  return false;
}

}  // namespace lathe::ultralytics
