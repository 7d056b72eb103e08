#!/usr/bin/env bash
# get_tensorflow_lite.sh FOLDER: TensorFlow Lite 2.9's C library for Linux on x86-64 as FOLDER/libtensorflowlite_c.so, to judge tests by; nothing is
# done when it is there already. It is unpacked from the npm package tfjs-tflite-node, with whatever registry npm is configured for; nothing of the
# package is run. Fails with a sentence when it cannot be had.
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
folder=${1:?usage: get_tensorflow_lite.sh FOLDER}
package=tfjs-tflite-node@0.0.2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
library=$folder/libtensorflowlite_c.so
[ -f "$library" ] && exit 0
[ "$(uname -m)" = x86_64 ] || { echo "TensorFlow Lite's library is had for x86-64 only" >&2; exit 1; }
command -v npm >/dev/null || install_packages nodejs npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "$package" >/dev/null) || { echo "TensorFlow Lite could not be had: npm did not fetch $package" >&2; exit 1; }
tar -xzf "$work"/*.tgz -C "$work" package/cc_deps/linux_amd64/libtensorflowlite_c.so
mv "$work/package/cc_deps/linux_amd64/libtensorflowlite_c.so" "$library"
