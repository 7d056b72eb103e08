#!/usr/bin/env python3
"""The Edge TPU target with a stand-in for edgetpu_compiler that prints what the real one prints, and exits with 0 as that does.

    edgetpu.py --lathe PROGRAM --shared FOLDER
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

STAND_IN = '''#!/bin/sh
if [ "$1" = --version ]; then echo "Edge TPU Compiler version %(version)s"; exit 0; fi
for last; do :; done
base=$(basename "$last" .tflite)
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
%(before)s
cp "$last" "$out/${base}_edgetpu.tflite"
cat <<'LOG'
Edge TPU Compiler version %(version)s
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1184 ms.

Input model: model.tflite
On-chip memory used for caching model parameters: 3.27MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 66
Operation log: model_edgetpu.log

Number of operations that will run on Edge TPU: %(device)d
Number of operations that will run on CPU: %(processor)d

Operator                       Count      Status

CONV_2D                        36         Mapped to Edge TPU
SOFTMAX                        %(processor)d          More than one subgraph is not supported
LOG
'''


def write(folder, **values):
    path = os.path.join(folder, 'edgetpu_compiler')
    defaults = {'version': '16.0.384591198', 'before': '', 'device': 66, 'processor': 0}
    defaults.update(values)
    with open(path, 'w') as f:
        f.write(STAND_IN % defaults)
    os.chmod(path, 0o755)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    given = parser.parse_args()
    quantized = os.path.join(given.shared, 'models/tflite/mobilenet_v2_1.0_224_quant.tflite')
    compiled = os.path.join(given.shared, 'models/vendor/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite')
    floating = os.path.join(given.shared, 'models/onnx/mnist.onnx')
    if not os.path.exists(quantized):
        print('SKIPPED: %s is absent' % quantized)
        return 77
    wrong = []

    def check(what, code, wanted, text, parts):
        missing = [p for p in parts if p not in text]
        if code != wanted or missing:
            wrong.append('%s: exit code %d (wanted %d), without %s\n%s' % (what, code, wanted, missing, text))

    with tempfile.TemporaryDirectory() as tools, tempfile.TemporaryDirectory() as work:
        def compile_model(model, *more):
            done = subprocess.run([given.lathe, 'compile', model, '--target', 'tflite:edgetpu', '--option', 'compiler=' + tools, '-o', work, *more],
                                  capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

        check('no compiler', *(lambda r: (r[0], 3, r[1]))(compile_model(quantized)), ['edgetpu'])
        write(tools)
        check('all mapped', *(lambda r: (r[0], 0, r[1]))(compile_model(quantized)), ['edgetpu_1'])
        write(tools, device=64, processor=2)
        check('two on the processor', *(lambda r: (r[0], 3, r[1]))(compile_model(quantized)), ['stay on the processor', 'SOFTMAX', 'More than one subgraph', 'allow-cpu=2'])
        check('two accepted', *(lambda r: (r[0], 0, r[1]))(compile_model(quantized, '--option', 'allow-cpu=2')), ['2 operators run on the processor'])
        write(tools, version='15.0.340273435')
        check('an old compiler', *(lambda r: (r[0], 3, r[1]))(compile_model(quantized)), ['15.0', '16'])
        write(tools, before='echo "Internal compiler error. Aborting!"; exit 1')
        check('a compiler that fails', *(lambda r: (r[0], 3, r[1]))(compile_model(quantized)), ['fails inside itself'])
        write(tools)
        check('a float model', *(lambda r: (r[0], 3, r[1]))(compile_model(floating)), ['not quantised', 'Gemm'])
    described = json.loads(subprocess.run([given.lathe, 'inspect', compiled, '--json'], capture_output=True, text=True, check=True).stdout)
    if 'CUSTOM edgetpu-custom-op' not in described['operators'] or described['edgetpu']['operators'] != 1:
        wrong.append('inspect does not see the Edge TPU: %s' % described['operators'])
    done = subprocess.run([given.lathe, 'compile', compiled, '--target', 'tflite', '-o', tempfile.gettempdir()], capture_output=True, text=True)
    check('a compiled model as input', done.returncode, 3, done.stderr, ['edgetpu-custom-op', 'custom'])
    print('\n'.join(wrong) if wrong else 'as it should be')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
