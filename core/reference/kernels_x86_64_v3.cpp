// The heavy kernels for AVX2 and FMA; see levels.hpp. The build sets the compiler flags of this file.
#if defined(__x86_64__)
#define LATHE_KERNELS_NAMESPACE kernels_x86_64_v3_copy
#define LATHE_KERNELS_TABLE kernels_x86_64_v3
#include "core/reference/level.hpp"
#endif
