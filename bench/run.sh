#!/usr/bin/env bash
# Speed beside ONNX Runtime (npm package onnxruntime-node), interleaved. bench/run.sh [MODEL.onnx[:NAME=DIMS]...]
# Without arguments: the example detector, and the well-known networks of the shared data folder where there is one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../scripts/prepare.sh"
install_packages "${build_packages[@]}" nodejs npm python3-numpy python3-onnx
configure_and_build
peer=$build/bench
mkdir -p "$peer"
cp "$here/compare_with_onnxruntime.mjs" "$peer/"
[ -d "$peer/node_modules/onnxruntime-node" ] || (cd "$peer" && npm install --silent --no-fund --no-audit --ignore-scripts onnxruntime-node@1.30.0)

models=("$@")
if [ ${#models[@]} -eq 0 ]; then
  models=("$root/examples/detector.onnx")
  shared=$root/../shared
  if [ -d "$shared/models" ]; then
    [ -f "$peer/rand_resnet50.onnx" ] || /usr/bin/python3 "$shared/models/randomise.py" "$shared/models/onnx/light_resnet50.onnx" "$peer/rand_resnet50.onnx"
    [ -d "$peer/golden" ] || tar xJf "$shared/golden.tar.xz" -C "$peer" golden/yolov8n/model.onnx golden/tv_mobilenet_v3_small/model.onnx
    models+=("$peer/rand_resnet50.onnx" "$peer/golden/yolov8n/model.onnx" "$peer/golden/tv_mobilenet_v3_small/model.onnx")
  fi
fi
node "$peer/compare_with_onnxruntime.mjs" --lathe "$build/bin/lathe" "${models[@]}"
