#!/usr/bin/env bash
# The walls of the house that a grep, an nm or a link line can check. check_walls.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
fail=0
wall() { # wall SENTENCE < OFFENDERS
  local offenders
  offenders=$(cat)
  [ -z "$offenders" ] && return
  printf 'wall broken: %s\n%s\n' "$1" "$offenders" >&2
  fail=1
}

names='hailo|hailort|rknn|memryx|deepx|axelera|n2x|openvino|tflite|llvm_cpu|cuda'
wall "core/ and sdk/ name no target and no vendor" < <(git grep -nIiwE "$names" -- core sdk ':!*.md')
wall "core/ and sdk/ include neither LLVM nor protobuf" < <(git grep -nIE '#include [<"](llvm|lld|google/protobuf|onnx)/' -- core sdk)
wall "a plugin includes only lathe/ headers and its own" < <(git grep -nIE '#include [<"](core|sdk|plugins)/' -- plugins ':!plugins/*/tests/*')
wall "nothing is -rdynamic" < <(git grep -nIE 'rdynamic|ENABLE_EXPORTS' -- '*.txt' '*.cmake')

wall "the program links neither LLVM nor protobuf" < <(readelf -d "$build/bin/lathe" | grep -E 'NEEDED.*(LLVM|protobuf|onnx)')
for library in "$build"/lib/lathe/plugins/*.so; do
  plugin=$(basename "$library")
  wall "$plugin exports lathe_plugin_query only" < <(nm -D --defined-only "$library" | awk '{print $NF}' | grep -vx lathe_plugin_query)
  wall "$plugin's run path begins at \$ORIGIN" < <(readelf -d "$library" | grep -E 'R(UN)?PATH' | grep -v '\[\$ORIGIN')
done
nm -D --defined-only "$build"/lib/lathe/plugins/*.so | grep -q lathe_plugin_query || { echo "no plugin was there to check" >&2; fail=1; }

wall "clang-format decides layout" < <(git ls-files '*.cpp' '*.hpp' '*.h' | xargs clang-format-14 --dry-run 2>&1 | grep -E 'warning|error' | head -20)
wall "no file over 1 MB" < <(git ls-tree -r -l HEAD | awk '$4 ~ /^[0-9]+$/ && $4 > 1000000 {print $4, $5}')
exit $fail
