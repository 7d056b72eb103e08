// What the operators of this plugin compute. Freestanding C++20: compiled into the plugin, where it is the reference and folds constants, and to
// bitcode, which targets that generate code compile into their artifacts.
#pragma once
#include <lathe/kernels/shapes.hpp>

namespace example {

// Y = X where |X| > threshold, else 0.
inline void dead_zone(const lathe::kernels::Call& call) {
  const float threshold = call.real("threshold", 0.5f);
  lathe::kernels::map<lathe::kernels::Floats>(call, [=]<class T>(T x) { return x > T(threshold) || x < T(-threshold) ? x : T(0); });
}

}  // namespace example

#define LATHE_OPERATOR_KERNELS(X) X("com.example", DeadZone, example::dead_zone, lathe::kernels::shapes::same)
