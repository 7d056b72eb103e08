#!/usr/bin/env python3
"""A quantised detector (convolutions only) over a few pictures: final detections of the .tflite file beside those of the native artifact.

    pictures.py --lathe PROGRAM --shared FOLDER [--count N]

The two round differently at ties, which moves single boxes of low score; so of the detections above 0.25 nine in ten must have a like (97 in 100 of 16 pictures have) of the same class with an overlap of
at least 0.9 and a score within 0.05. bench/accuracy.py has the mean average precision beside ONNX Runtime's.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runtime  # noqa: E402


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return width * height / (area[0] + area[1] - width * height)


def like(a, b):
    return a['class'] == b['class'] and abs(a['score'] - b['score']) <= 0.05 and overlap(a['box'], b['box']) >= 0.9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lathe', required=True)
    parser.add_argument('--shared', required=True)
    parser.add_argument('--count', type=int, default=8)
    given = parser.parse_args()
    model, folder = os.path.join(given.shared, 'models/onnx/yolov8n_int8_qdq.onnx'), os.path.join(given.shared, 'images/coco/images')
    if not runtime.library() or not os.path.exists(model) or not os.path.isdir(folder):
        print('SKIPPED: %s is absent' % (model if runtime.library() else 'TensorFlow Lite\'s library; LATHE_TFLITE_LIBRARY names it:'))
        return 77
    pictures = [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:given.count]]
    found = {}
    with tempfile.TemporaryDirectory() as work:
        for target in ('llvm_cpu', 'tflite:cpu'):
            out = os.path.join(work, target[:4])
            said = subprocess.run([given.lathe, '--quiet', 'compile', model, '--target', target, '--verify', 'off', '-o', out], check=True, capture_output=True, text=True).stdout
            package = os.path.dirname(said.strip().splitlines()[-1]) if said.strip().endswith(('.so', '.tflite')) else said.strip().splitlines()[-1]
            subprocess.run([given.lathe, '--quiet', 'predict', package, *pictures, '--output', out + '-found'], check=True, capture_output=True)
            found[target] = [p['detections'] for p in json.load(open(out + '-found/predictions.json'))['pictures']]
    total = alike = 0
    for native, ours in zip(found['llvm_cpu'], found['tflite:cpu']):
        for a, others in [(d, ours) for d in native] + [(d, native) for d in ours]:
            total += 1
            alike += any(like(a, b) for b in others)
    print('%d of %d detections in %d pictures have a like' % (alike, total, len(pictures)))
    return 0 if total >= 2 * len(pictures) and alike >= 0.9 * total else 1


if __name__ == '__main__':
    sys.exit(main())
