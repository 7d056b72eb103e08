#!/usr/bin/env bash
# get_onnxruntime.sh FOLDER: ONNX Runtime as the npm package onnxruntime-node in FOLDER/node_modules, to judge tests by; nothing is done when it is
# there already. Uses npm with whatever registry it is configured for. Fails with a sentence when it cannot be had.
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
folder=${1:?usage: get_onnxruntime.sh FOLDER}
version=1.30.0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
installed=$folder/node_modules/onnxruntime-node/package.json
if ! { [ -f "$installed" ] && grep -q "\"version\": \"$version\"" "$installed"; }; then
  { command -v node && command -v npm; } >/dev/null || install_packages nodejs npm
  (cd "$folder" && npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" "onnxruntime-node@$version") || {
    echo "ONNX Runtime could not be had: npm did not install onnxruntime-node $version into $folder" >&2
    exit 1
  }
fi
node -e "require(process.argv[1] + '/node_modules/onnxruntime-node')" "$folder" || {
  echo "ONNX Runtime is in $folder and node cannot load it" >&2
  exit 1
}
