#!/usr/bin/env bash
# Compiles the example detector for this machine, runs it on an example picture, shows what it found and how long it took.
. "$(dirname "$0")/scripts/prepare.sh"
install_packages "${build_packages[@]}"
configure_and_build lathe detect lathe_plugin_onnx lathe_plugin_llvm_cpu
lathe=$build/bin/lathe
out=$build/demo
picture=${1:-$root/examples/pictures/shapes_1.png}
mkdir -p "$out"

artifact=$("$lathe" compile "$root/examples/detector.onnx" -o "$out" | tail -n 1)
echo
"$build/bin/detect" "$artifact" "$picture" "$out/detections.png"
"$lathe" bench "$artifact"
echo
echo "The picture with the boxes drawn: $out/detections.png"
echo
echo "Worth trying next:"
printf '  %q bench %q --threads 1 --profile\n' "$lathe" "$artifact"
printf '  %q compile %q --target "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72" -o %q\n' "$lathe" "$root/examples/detector.onnx" "$out"
printf '  %q predict %q %q -o %q\n' "$lathe" "$artifact" "$root/examples/pictures" "$out/predictions"
printf '  %q targets\n' "$lathe"
