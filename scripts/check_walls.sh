#!/usr/bin/env bash
# The walls of the house that a grep, an nm or a link line can check. check_walls.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
fail=0
wall() { # wall SENTENCE: reads offenders on standard input
  local offenders
  offenders=$(cat)
  [ -z "$offenders" ] && return 0
  printf 'wall broken: %s\n%s\n' "$1" "$offenders" >&2
  fail=1
}

names='hailo|hailort|rknn|memryx|deepx|axelera|n2x|openvino|tflite|llvm_cpu|cuda'
git grep -nIiwE "$names" -- core sdk ':!*.md' | wall "core/ and sdk/ name no target and no vendor" 
git grep -nIE '#include [<"](llvm|lld|google/protobuf|onnx)/' -- core sdk | wall "core/ and sdk/ include neither LLVM nor protobuf"
git grep -nIE '#include "(core|sdk|plugins)/' -- plugins ':!plugins/*/tests' | wall "a plugin includes only lathe/ headers and its own"
git grep -nIE 'rdynamic|ENABLE_EXPORTS' -- '*.txt' '*.cmake' | wall "nothing is -rdynamic"

readelf -d "$build/bin/lathe" | grep -E 'NEEDED.*(LLVM|protobuf|onnx)' | wall "the program links neither LLVM nor protobuf"
for library in "$build"/lib/lathe/plugins/*.so; do
  nm -D --defined-only "$library" | awk '{print $NF}' | grep -vx lathe_plugin_query | sed "s|^|$(basename "$library"): |" | wall "a plugin exports lathe_plugin_query only"
  readelf -d "$library" | grep -E 'R(UN)?PATH' | grep -v 'ORIGIN' | sed "s|^|$(basename "$library"): |" | wall "a plugin's run path begins at \$ORIGIN"
done

git ls-files '*.cpp' '*.hpp' '*.h' | xargs clang-format-14 --dry-run 2>&1 | grep -E 'warning|error' | head -20 | wall "clang-format decides layout"
git ls-tree -r -l HEAD | awk '$4 ~ /^[0-9]+$/ && $4 > 1000000 {print $4, $5}' | wall "no file over 1 MB"
exit $fail
