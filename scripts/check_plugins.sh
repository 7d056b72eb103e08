#!/usr/bin/env bash
# `lathe plugin check` for every plugin, and every plugin folder configured and built alone against the installed SDK. check_plugins.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
scratch=$(realpath "$build")/alone # a fixed place: compiler caches know it again
rm -rf "$scratch"
trap 'rm -rf "$scratch"' EXIT
for library in "$build"/lib/lathe/plugins/*.so; do
  "$build/bin/lathe" plugin check "$library"
done
cmake --install "$build" --prefix "$scratch/prefix" >/dev/null
for folder in plugins/*/; do
  name=$(basename "$folder")
  echo "plugins/$name alone"
  # Unoptimised and for one processor family: what is shown is that nothing but the installed SDK is needed.
  cmake -S "$folder" -B "$scratch/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O0 -DLATHE_LLVM_CPU_FAMILIES=x86_64 \
    -DCMAKE_PREFIX_PATH="$scratch/prefix" --no-warn-unused-cli >/dev/null
  cmake --build "$scratch/$name" -j "$(nproc)" >/dev/null
  found=$(find "$scratch/$name" -name "$name.so" | head -1)
  [ -n "$found" ] || { echo "plugins/$name built alone yields no $name.so" >&2; exit 1; }
done
