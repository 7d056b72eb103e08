#!/usr/bin/env python3
"""Quantised graphs made up here, in TensorFlow Lite itself.

    integers.py --lathe PROGRAM --shared FOLDER

A fully connected layer with one scale per output gives the integers that its formula gives; with `borders` the same model takes floats or int8.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runtime  # noqa: E402


def compile_to(lathe, model, out, *more):
    done = subprocess.run([lathe, '--quiet', 'compile', model, '--target', 'tflite:cpu', '--verify', 'off', '--emit', 'model', '-o', out, *more], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit('%s: exit code %d: %s' % (model, done.returncode, done.stderr))
    return out


def layer(path, per_output):
    """Floats, quantised; Gemm with weights [outputs, inputs]; quantised and floats again. Returns what it is made of."""
    rng = np.random.default_rng(7)
    inputs, outputs = 16, 10
    weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    scales = rng.uniform(0.002, 0.02, outputs if per_output else 1).astype(np.float32)
    bias = rng.normal(0, 1, outputs).astype(np.float32)
    constants = {'xs': np.float32(0.05), 'xz': np.int8(3), 'w': weights, 'ws': scales if per_output else scales[0],
                 'wz': np.zeros(outputs, np.int8) if per_output else np.int8(0), 'b': bias, 'ys': np.float32(0.11), 'yz': np.int8(-5)}
    nodes = [helper.make_node('QuantizeLinear', ['x', 'xs', 'xz'], ['xq']), helper.make_node('DequantizeLinear', ['xq', 'xs', 'xz'], ['xd']),
             helper.make_node('DequantizeLinear', ['w', 'ws', 'wz'], ['wd'], axis=0), helper.make_node('Gemm', ['xd', 'wd', 'b'], ['yf'], transB=1),
             helper.make_node('QuantizeLinear', ['yf', 'ys', 'yz'], ['yq']), helper.make_node('DequantizeLinear', ['yq', 'ys', 'yz'], ['y'])]
    graph = helper.make_graph(nodes, 'layer', [helper.make_tensor_value_info('x', TensorProto.FLOAT, [4, inputs])],
                              [helper.make_tensor_value_info('y', TensorProto.FLOAT, [4, outputs])], [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), path)
    return constants


def expected(c, xq):
    """The integers of the layer's result, by the formula."""
    products = (xq.astype(np.int64) - int(c['xz'])) @ c['w'].T.astype(np.int64)
    scale = c['xs'].astype(np.float64) * c['ws']
    sums = products + np.rint(c['b'] / scale)
    return np.clip(np.rint(sums * scale / c['ys']) + int(c['yz']), -128, 127).astype(np.int8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    given = parser.parse_args()
    engine, failed = runtime.Runtime(), []
    with tempfile.TemporaryDirectory() as work:
        for per_output in (False, True):
            c = layer(work + '/layer.onnx', per_output)
            xq = np.random.default_rng(8).integers(-128, 128, (4, 16)).astype(np.int8)
            want = expected(c, xq)
            floats = (xq.astype(np.float32) - int(c['xz'])) * c['xs']
            y = engine.run(compile_to(given.lathe, work + '/layer.onnx', work + '/layer.tflite'), [floats])[0]
            as_floats = (want.astype(np.float32) - int(c['yz'])) * c['ys']
            if np.abs(y - as_floats).max() > c['ys'] * 1.001 or (np.abs(y - as_floats) > 1e-4).mean() > 0.05:
                failed.append('per output %s: the floats are %g off' % (per_output, np.abs(y - as_floats).max()))
            whole = engine.run(compile_to(given.lathe, work + '/layer.onnx', work + '/layer8.tflite', '--option', 'borders=int8'), [xq])[0]
            if whole.dtype != np.int8 or np.abs(whole.astype(int) - want).max() > 1 or (whole != want).mean() > 0.05:
                failed.append('per output %s: the integers differ' % per_output)
            operators = subprocess.run([given.lathe, 'inspect', work + '/layer8.tflite', '--json'], capture_output=True, text=True, check=True).stdout
            if 'QUANTIZE' in operators:
                failed.append('per output %s: something is quantised within a model of int8 borders' % per_output)
        original = os.path.join(given.shared, 'models/tflite/mobilenet_v2_1.0_224_quant.tflite')
        if os.path.exists(original):
            x = np.random.default_rng(9).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)
            want = engine.run(original, [x])[0]
            soft = compile_to(given.lathe, original, work + '/float.tflite', '--option', 'borders=float')
            scale, zero = 0.0078125, 128  # of that file's input
            y = engine.run(soft, [(x.astype(np.float32) - zero) * np.float32(scale)])[0]
            if y.dtype != np.float32 or np.corrcoef(y.ravel(), want.astype(float).ravel())[0, 1] < 0.999999:
                failed.append('MobileNetV2 with floats at its borders gives other numbers')
        else:
            print('SKIPPED in part: %s is absent' % original)
    for line in failed:
        print(line)
    return 1 if failed else 0


if __name__ == '__main__':
    if not runtime.library():
        print('SKIPPED: TensorFlow Lite\'s library is not here; set LATHE_TFLITE_LIBRARY')
        sys.exit(77)
    sys.exit(main())
