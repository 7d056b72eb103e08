// Conversion between element types. Numbers beyond an integer type's range saturate; the standard leaves them open.
#pragma once
#include "lathe/kernels/shapes.hpp"

namespace lathe::LATHE_KERNELS_NAMESPACE {

inline void cast(const Call& call) {
  const Tensor &x = call.input(0), &y = call.output();
  dispatch<Scalars>(call, x.type, [&]<class From>() {
    dispatch<Scalars>(call, y.type, [&]<class To>() {
      const From* __restrict from = x.as<const From>();
      To* __restrict to = y.as<To>();
      parallel(call, x.size(), grain_elements, [=](int64_t begin, int64_t end, uint32_t) {
        for (int64_t i = begin; i < end; ++i) to[i] = convert<To>(from[i]);
      });
    });
  });
}
inline void cast_like(const Call& call) { cast(call); }

#define LATHE_KERNELS_CONVERSION(X) X("", Cast, cast, shapes::same) X("", CastLike, cast_like, shapes::same)

}  // namespace lathe::LATHE_KERNELS_NAMESPACE
