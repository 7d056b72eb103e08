#!/usr/bin/env bash
# run.sh FOLDER SCRIPT ARGUMENTS...: the Python test with TensorFlow Lite's library, which is fetched into FOLDER once. Skips aloud without it.
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
script=$2
shift 2
if [ -z "${LATHE_TFLITE_LIBRARY:-}" ]; then
  (flock 9; "$here/../../../scripts/get_tensorflow_lite.sh" "$folder") 9>"$folder.lock" || { echo "SKIPPED: TensorFlow Lite is not here and could not be fetched"; exit 77; }
  export LATHE_TFLITE_LIBRARY=$folder/libtensorflowlite_c.so
fi
exec /usr/bin/python3 "$here/$script" "$@"
