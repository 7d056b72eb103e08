#!/usr/bin/env python3
"""Mean average precision of a detector's ONNX file in ONNX Runtime and of the .tflite file made of it in TensorFlow Lite, over the same pictures.

    accuracy.py --lathe PROGRAM --onnxruntime FOLDER --pictures FOLDER --labels FOLDER [--count N] MODEL.onnx     # LATHE_TFLITE_LIBRARY names the library

FOLDER of ONNX Runtime is where `npm install onnxruntime-node` was run. Pictures are letterboxed by `lathe run` itself (through a model that changes nothing); boxes
above 0.001 are suppressed at 0.7 as Ultralytics' validation does, and precision is averaged over recall (101 points) and over overlaps of 0.5 to 0.95.
Labels are lines `class cx cy w h`, relative to the picture.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests'))
import runtime  # noqa: E402

RUN_ONNX = """
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
const ort = createRequire(process.argv[2] + '/')('onnxruntime-node');
const session = await ort.InferenceSession.create(process.argv[3], { intraOpNumThreads: 2, graphOptimizationLevel: 'all' });
for (const job of JSON.parse(readFileSync(process.argv[4]))) {
  const bytes = readFileSync(job.input);
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const results = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, job.shape) });
  const y = results[session.outputNames[0]];
  writeFileSync(job.output, new Uint8Array(y.data.buffer, y.data.byteOffset, y.data.byteLength));
}
"""


def jpeg_size(path):
    """(width, height), from the frame header."""
    data = open(path, 'rb').read()
    at = 2
    while at < len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], 'big')
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7:at + 9], 'big'), int.from_bytes(data[at + 5:at + 7], 'big')
        at += 2 + length
    raise SystemExit('%s has no size' % path)


def overlaps(a, b):
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(2)
    return common / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - common + 1e-9)


def detections(output, size, side, least=0.001, most_overlap=0.7, most=300):
    """Rows x1 y1 x2 y2 score class, in pixels of the picture."""
    y = output.reshape(output.shape[-2:]).T
    scores = y[:, 4:]
    rows, classes = np.nonzero(scores > least)
    values, boxes = scores[rows, classes], y[rows, :4]
    boxes = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    order = np.argsort(-values, kind='stable')[:30000]
    boxes, values, classes = boxes[order], values[order], classes[order]
    kept, alive = [], np.ones(len(values), bool)
    apart = boxes + classes[:, None] * 7680.0
    for i in range(len(values)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == most:
            break
        later = np.nonzero(alive[i + 1:])[0] + i + 1
        if len(later):
            alive[later[overlaps(apart[i:i + 1], apart[later])[0] > most_overlap]] = False
    width, height = size
    ratio = min(side / height, side / width)
    left, top = round((side - round(width * ratio)) / 2 - 0.1), round((side - round(height * ratio)) / 2 - 0.1)
    found = boxes[kept] - np.array([left, top, left, top])
    found = np.clip(found / ratio, 0, [width, height, width, height])
    return np.concatenate([found, values[kept, None], classes[kept, None]], 1)


def labels_of(path, size):
    rows = np.array([[float(v) for v in line.split()] for line in open(path)] if os.path.exists(path) else []).reshape(-1, 5)
    centre, extent, whole = rows[:, 1:3], rows[:, 3:5], np.array(size)
    return np.concatenate([(centre - extent / 2) * whole, (centre + extent / 2) * whole, rows[:, :1]], 1)


def average_precision(found, wanted):
    """(mAP at 0.5 to 0.95, mAP at 0.5) over lists of detections and labels, one entry per picture."""
    limits = np.linspace(0.5, 0.95, 10)
    hits, scores, classes = [], [], []
    for d, w in zip(found, wanted):
        hit = np.zeros((len(d), len(limits)), bool)
        if len(d) and len(w):
            overlap = overlaps(w[:, :4], d[:, :4]) * (w[:, 4:5] == d[None, :, 5])
            for k, limit in enumerate(limits):
                pairs = np.argwhere(overlap >= limit)
                if len(pairs):
                    pairs = pairs[np.argsort(-overlap[pairs[:, 0], pairs[:, 1]], kind='stable')]
                    pairs = pairs[np.unique(pairs[:, 1], return_index=True)[1]]
                    pairs = pairs[np.unique(pairs[:, 0], return_index=True)[1]]
                    hit[pairs[:, 1], k] = True
        hits.append(hit), scores.append(d[:, 4]), classes.append(d[:, 5])
    hits, scores, classes = np.concatenate(hits), np.concatenate(scores), np.concatenate(classes)
    order = np.argsort(-scores, kind='stable')
    hits, classes, truth = hits[order], classes[order], np.concatenate([w[:, 4] for w in wanted])
    results = []
    for c in np.unique(truth):
        own, total = hits[classes == c], (truth == c).sum()
        ap = np.zeros(len(limits))
        for k in range(len(limits)):
            right = own[:, k].cumsum()
            recall, precision = right / total, right / np.arange(1, len(right) + 1)
            recall, precision = np.concatenate([[0], recall, [1]]), np.concatenate([[1], precision, [0]])
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            ap[k] = np.trapz(np.interp(np.linspace(0, 1, 101), recall, precision), np.linspace(0, 1, 101))
        results.append(ap)
    results = np.array(results)
    return float(results.mean()), float(results[:, 0].mean())


def compile_to(lathe, model, out):
    subprocess.run([lathe, '--quiet', 'compile', model, '--target', 'tflite:cpu', '--verify', 'off', '--emit', 'model', '-o', out], check=True, capture_output=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--onnxruntime', required=True)
    parser.add_argument('--pictures', required=True)
    parser.add_argument('--labels', required=True)
    parser.add_argument('--count', type=int, default=0)
    parser.add_argument('model')
    given = parser.parse_args()
    image = onnx.load(given.model).graph.input[0]
    shape = [d.dim_value for d in image.type.tensor_type.shape.dim]
    names = sorted(os.listdir(given.pictures))
    names = names[:given.count or len(names)]
    with tempfile.TemporaryDirectory() as work:
        same = helper.make_graph([helper.make_node('Identity', ['x'], ['y'])], 'same', [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape)],
                                 [helper.make_tensor_value_info('y', TensorProto.FLOAT, shape)])
        onnx.save(helper.make_model(same, opset_imports=[helper.make_opsetid('', 17)]), work + '/same.onnx')
        compile_to(given.lathe, work + '/same.onnx', work + '/same.tflite')
        compile_to(given.lathe, given.model, work + '/model.tflite')
        jobs = []
        for i, name in enumerate(names):
            subprocess.run([given.lathe, '--quiet', 'run', work + '/same.tflite', '--input', os.path.join(given.pictures, name), '--letterbox', '--output', work],
                           check=True, capture_output=True)
            np.load(work + '/y.npy').tofile('%s/input%d' % (work, i))
            jobs.append({'input': '%s/input%d' % (work, i), 'output': '%s/output%d' % (work, i), 'shape': shape})
        json.dump(jobs, open(work + '/jobs.json', 'w'))
        open(work + '/run.mjs', 'w').write(RUN_ONNX)
        subprocess.run(['node', work + '/run.mjs', os.path.abspath(given.onnxruntime), os.path.abspath(given.model), work + '/jobs.json'], check=True)
        engine, both, wanted = runtime.Runtime(), ([], []), []
        for name, job in zip(names, jobs):
            size = jpeg_size(os.path.join(given.pictures, name))
            ours = engine.run(work + '/model.tflite', [np.fromfile(job['input'], np.float32).reshape(shape)], threads=2)[0]
            theirs = np.fromfile(job['output'], np.float32).reshape(ours.shape)
            for all_found, y in zip(both, (theirs, ours)):
                all_found.append(detections(y, size, shape[-1]))
            wanted.append(labels_of(os.path.join(given.labels, os.path.splitext(name)[0] + '.txt'), size))
        for engine_name, found in zip(('ONNX Runtime', 'TensorFlow Lite'), both):
            print('%s: mAP %.4f, at 0.5 %.4f, %d pictures' % ((engine_name,) + average_precision(found, wanted) + (len(names),)))


if __name__ == '__main__':
    sys.exit(main())
