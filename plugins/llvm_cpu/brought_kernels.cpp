// See brought_kernels.hpp.
#include "brought_kernels.hpp"

#include <filesystem>

#include "target.hpp"

namespace lathe::llvm_cpu {

std::string brought_bitcode(const sdk::Host& host, std::string_view domain, std::string_view op_type, const Machine& machine) {
  const auto* service = static_cast<const lathe_operator_kernels*>(host.service(LATHE_OPERATOR_KERNELS_SERVICE));
  if (!service || !LATHE_HAS(service, lathe_operator_kernels, find)) return "";
  lathe_operator_kernel kernel = {};
  kernel.struct_size = sizeof kernel;
  if (!service->find(service->context, sdk::string(domain), sdk::string(op_type), &kernel)) return "";
  if (kernel.kernel_layout != LATHE_KERNEL_LAYOUT || kernel.directory.size == 0) return "";
  const std::string file = std::string(sdk::view(kernel.directory)) + "/kernels-" + family_of(machine).name + ".bc";
  std::error_code error;
  return std::filesystem::exists(file, error) ? file : "";
}

}  // namespace lathe::llvm_cpu
