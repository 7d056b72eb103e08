#!/usr/bin/env python3
"""Real .tflite files, made by others' tools: read, written again, run in TensorFlow Lite beside the original; and read and run natively.

    round_trip.py --lathe PROGRAM --shared FOLDER [--engine tflite|onnx|native] FILE

tflite: graph -> .tflite. onnx: graph -> Q/DQ ONNX file on disk -> .tflite. Floats must be equal to 1e-5 of the largest value, integers within one step
and 99.9 % equal. native: compiled for this machine by the default target; floats within 1e-4, quantised outputs a cosine of 0.999.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare  # noqa: E402
import runtime  # noqa: E402


def compile_to(lathe, model, target, out):
    done = subprocess.run([lathe, '--quiet', 'compile', model, '--target', target, '--verify', 'off', '-o', out], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit('exit code %d: %s' % (done.returncode, done.stderr.strip()))
    return done.stdout.strip().splitlines()[-1]


def describe(lathe, model):
    return json.loads(subprocess.run([lathe, 'inspect', model, '--json'], capture_output=True, text=True, check=True).stdout)


def made_up(inputs):
    generator = np.random.default_rng(7)
    arrays = []
    for i in inputs:
        shape = [1 if e is None else e for e in i['shape']]
        if i['type'] == 'UINT8':
            arrays.append(generator.integers(0, 256, shape).astype(np.uint8))
        elif i['type'] == 'INT8':
            arrays.append(generator.integers(-128, 128, shape).astype(np.int8))
        else:
            arrays.append(generator.random(shape).astype(np.float32))
    return arrays


def run_natively(lathe, artifact, names, arrays, outputs, work):
    command = [lathe, '--quiet', 'run', artifact, '--output', os.path.join(work, 'results')]
    for i, (name, x) in enumerate(zip(names, arrays)):
        np.save(os.path.join(work, 'in%d.npy' % i), x)
        command += ['--input', '%s=%s' % (name, os.path.join(work, 'in%d.npy' % i))]
    subprocess.run(command, check=True, capture_output=True)
    files = {os.path.basename(f)[:-4]: np.load(f) for f in glob.glob(os.path.join(work, 'results', '*.npy'))}
    return [files[''.join(c if c.isalnum() or c in '._-' else '_' for c in name)] for name in outputs]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    parser.add_argument('--engine', default='tflite')
    parser.add_argument('file')
    given = parser.parse_args()
    original = os.path.join(given.shared, given.file)
    if not runtime.library() or not os.path.exists(original):
        print('SKIPPED: %s' % ('%s is absent' % original if runtime.library() else 'TensorFlow Lite\'s library is not here; set LATHE_TFLITE_LIBRARY'))
        return 77
    engine = runtime.Runtime()
    document = describe(given.lathe, original)
    names, outputs = [i['name'] for i in document['inputs']], [o['name'] for o in document['outputs']]
    inputs = made_up(document['inputs'])
    expected = engine.run(original, inputs)
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        if given.engine == 'native':
            found = run_natively(given.lathe, compile_to(given.lathe, original, 'llvm_cpu', work), names, inputs, outputs, work)
        else:
            model = original
            if given.engine == 'onnx':
                model = compile_to(given.lathe, original, 'onnx', os.path.join(work, 'onnx'))
            again = compile_to(given.lathe, model, 'tflite:cpu', os.path.join(work, 'again'))
            found = engine.run(again, inputs)
        for name, a, b in zip(outputs, expected, found):
            if a.dtype != b.dtype or a.shape != b.shape:
                print('%s: %s %s instead of %s %s' % (name, b.dtype, b.shape, a.dtype, a.shape))
                failed = 1
            elif a.dtype.kind == 'f':
                off = compare.worst(a, b)
                failed |= not off <= (1e-4 if given.engine == 'native' else 1e-5)
                print('%s: %.2g of the largest value' % (name, off))
            else:
                steps = np.abs(a.astype(np.int64) - b.astype(np.int64))
                equal, cosine = float((steps == 0).mean()), compare.cosine(a - a.astype(np.float64).mean(), b - a.astype(np.float64).mean())
                print('%s: %.4f equal, at most %d steps, cosine %.5f' % (name, equal, steps.max(), cosine))
                failed |= not (cosine >= 0.98 if given.engine == 'native' else steps.max() <= 1 and equal >= 0.999)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
