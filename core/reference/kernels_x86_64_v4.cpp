// The heavy kernels for AVX-512; see levels.hpp. The build sets the compiler flags of this file.
#if defined(__x86_64__)
#define LATHE_KERNELS_NAMESPACE kernels_x86_64_v4_copy
#define LATHE_KERNELS_TABLE kernels_x86_64_v4
#include "core/reference/level.hpp"
#endif
