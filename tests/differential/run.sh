#!/usr/bin/env bash
# run.sh PROGRAM FOLDER [FLAGS...]: fetches ONNX Runtime into FOLDER if it is not there, then runs PROGRAM with it. Where the shared data is absent,
# and ONNX Runtime too, nobody promised that it could be fetched: skipped, exit code 77. Where the data is there, its absence is a failure.
here=$(cd "$(dirname "$0")" && pwd)
program=$1 folder=$2
shift 2
if [ ! -d "$here/../../../shared" ] && [ ! -d "$folder/node_modules/onnxruntime-node" ]; then
  echo "SKIPPED: ../shared is absent, and ONNX Runtime is not in $folder"
  exit 77
fi
"$here/../../scripts/get_onnxruntime.sh" "$folder" || exit 1
exec "$program" --onnxruntime "$folder" "$@"
